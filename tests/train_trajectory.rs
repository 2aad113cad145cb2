//! Ten steps of training and the gradients of the first, against PyTorch with the library `adapters`.
#![cfg(feature = "engine")]
#![allow(clippy::unwrap_used, missing_docs)]

mod support;

use burn::tensor::Device;
use mera_lab::merge::concat::concatenate;
use mera_lab::merge::params::LocationParams;
use mera_lab::model::{Encoder, NonLinearity, RunParams, gated};
use mera_lab::tensors::adapter::Location;
use mera_lab::tensors::{Tensor, TensorSet};
use mera_lab::text::{EncodedRow, Encoding};
use mera_lab::train::*;
use support::*;

fn batches() -> Vec<LabelledInput> {
    let file = json(&fixture("train/trajectory/batches.json"));
    let batches = file.as_array().unwrap().iter();
    batches
        .map(|batch| {
            let input = input(batch);
            let labels: Vec<u32> =
                batch["labels"].as_array().unwrap().iter().map(|label| label.as_u64().unwrap() as u32).collect();
            LabelledInput { weights: vec![1.0; labels.len()], labels, input }
        })
        .collect()
}

fn device() -> Device {
    Device::flex().autodiff()
}

fn trajectory(name: &str, file: &str) -> TensorSet {
    tensors(&fixture(&format!("train/trajectory/{name}/{file}")))
}

/// Follows one of the trajectories from `start`, all of which is trained.
fn follow(name: &str, body: Body, start: &TensorSet) {
    let device = device();
    let encoder = tiny_encoder(&device);
    let params = RunParams::stack(&[start], &device).unwrap();
    let config = AdamWConfig { weight_decay: 0.01, clip: 1.0, ..AdamWConfig::default() };
    let architecture = Architecture { body, ..Architecture::default() };
    let mut trainer = Trainer::new(architecture, params, config, |_| true, &device);
    let batches = batches();
    let document = json(&fixture(&format!("train/trajectory/{name}/expected.json")));
    // Key biases: their gradient is the rounding noise of PyTorch, and AdamW makes a step of any size from that.
    let of_noise: Vec<String> = document["parameters"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|parameter| parameter["gradient"] == "zero")
        .map(|parameter| canonical_name(parameter["name"].as_str().unwrap()))
        .collect();

    let loss = pollster::block_on(trainer.loss(&encoder, &batches[0], None)).unwrap();
    let gradients = match trainer.penalty() {
        Some(penalty) => (loss + penalty).backward(),
        None => loss.backward(),
    };
    let expected = canonical(&[trajectory(name, "gradients.safetensors")]);
    assert_eq!(expected.len(), trainer.params().iter().filter(|(_, tensor)| tensor.is_require_grad()).count());
    for (name, expected) in expected.iter().filter(|(name, _)| !of_noise.iter().any(|noise| noise == name)) {
        let gradient = trainer.params().get(name).unwrap().grad(&gradients).unwrap();
        // [runs, input, output] here, [output, input] in the file, but for tables.
        let is_matrix = expected.shape().len() == 2 && !name.ends_with("_embeddings.weight");
        let gradient = if is_matrix { gradient.swap_dims(1, 2) } else { gradient };
        let ours = values(gradient);
        let scale = expected.values().iter().fold(0f32, |m, v| m.max(v.abs()));
        let difference = ours.iter().zip(expected.values()).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(difference < 1e-4 * scale, "gradient of {name} differs by {difference} of {scale}");
    }

    let schedule = LinearSchedule { peak: 1e-3, warmup: 3, total: 10 };
    for (index, (batch, expected)) in batches.iter().zip(document["steps"].as_array().unwrap()).enumerate() {
        let rate = schedule.rate(index);
        assert!((rate - expected["learning_rate"].as_f64().unwrap()).abs() < 1e-12);
        let penalty = trainer.penalty().map(|penalty| f64::from(values(penalty)[0]));
        match (penalty, expected["regularization"].as_f64()) {
            (Some(found), Some(expected)) => assert!((found - expected).abs() < 1e-4 * expected, "{found}, {expected}"),
            (found, expected) => assert_eq!(found, expected),
        }
        let step = Step { batch, learning_rates: &[rate], dropout: None };
        let loss = pollster::block_on(trainer.step(&encoder, &step)).unwrap()[0];
        let expected = expected["loss"].as_f64().unwrap() as f32;
        assert!((loss - expected).abs() < 1e-4 * expected, "loss of step {index} is {loss}, expected {expected}");
    }
    let ours = pollster::block_on(trainer.params().unstack()).unwrap().pop().unwrap();
    let expected = canonical(&[trajectory(name, "final.safetensors")]);
    for (name, expected) in expected.iter().filter(|(name, _)| !of_noise.iter().any(|noise| noise == name)) {
        let found = ours.get(name).unwrap();
        let difference = found.values().iter().zip(expected.values()).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(difference < 1e-5, "{name} ends {difference} apart");
    }
}

#[test]
fn an_adapter_and_its_head() {
    let start = ["start/adapter.safetensors", "start/model_head.safetensors"].map(|file| trajectory("adapter", file));
    follow("adapter", Body::default(), &canonical(&start));
}

#[test]
fn a_head_alone() {
    follow("head", Body::default(), &canonical(&[trajectory("head", "start/model_head.safetensors")]));
}

#[test]
fn a_fusion_and_its_head() {
    follow("fusion", Body::Fusion(fused_adapters(&device())), &fusion_start());
}

#[test]
fn a_lora_and_its_head() {
    let start = ["start/adapter.safetensors", "start/model_head.safetensors"].map(|file| trajectory("lora", file));
    follow("lora", Body::Lora { alpha: 16.0 }, &canonical(&start));
}

#[test]
fn the_whole_encoder_and_a_head() {
    let mut start = canonical(&[trajectory("full", "start/model_head.safetensors")]);
    for (name, tensor) in pollster::block_on(tiny_encoder(&device()).params()).unwrap() {
        start.insert(name, tensor);
    }
    follow("full", Body::Full, &start);
}

fn fusion_start() -> TensorSet {
    let files = ["start/layer/model_adapter_fusion.safetensors", "start/head/model_head.safetensors"];
    canonical(&files.map(|file| trajectory("fusion", file)))
}

#[test]
fn runs_of_one_pass_learn_as_alone() {
    let files = ["start/adapter.safetensors", "start/model_head.safetensors"];
    learn_as_alone(&Body::default(), &canonical(&files.map(|file| trajectory("adapter", file))));
}

#[test]
fn fusions_of_one_pass_learn_as_alone() {
    learn_as_alone(&Body::Fusion(fused_adapters(&device())), &fusion_start());
}

fn learn_as_alone(body: &Body, start: &TensorSet) {
    let device = device();
    let encoder = tiny_encoder(&device);
    let other = changed(start, |value| value * 0.5);
    let batch = &batches()[0];
    let mut doubled = batch.clone();
    doubled.input.rows *= 2;
    doubled.input.ids.extend_from_within(..);
    doubled.input.type_ids.extend_from_within(..);
    doubled.input.attention_mask.extend_from_within(..);
    doubled.labels.extend_from_within(..);
    doubled.weights.extend_from_within(..);
    let learn = |runs: &[&TensorSet], batch: &LabelledInput, rates: &[f64]| {
        let params = RunParams::stack(runs, &device).unwrap();
        let architecture = Architecture { body: body.clone(), ..Architecture::default() };
        let mut trainer = Trainer::new(architecture, params, AdamWConfig::default(), |_| true, &device);
        for _ in 0..3 {
            let step = Step { batch, learning_rates: rates, dropout: None };
            pollster::block_on(trainer.step(&encoder, &step)).unwrap();
        }
        pollster::block_on(trainer.params().unstack()).unwrap()
    };
    let together = learn(&[start, &other], &doubled, &[1e-2, 1e-3]);
    let alone = [learn(&[start], batch, &[1e-2]), learn(&[&other], batch, &[1e-3])].concat();
    for ((together, alone), start) in together.iter().zip(&alone).zip([start, &other]) {
        assert_ne!(alone.get("head.dense.weight"), start.get("head.dense.weight"));
        for ((name, a), (_, b)) in together.iter().zip(alone.iter()) {
            let scale = b.values().iter().fold(0f32, |m, v| m.max(v.abs()));
            let difference = a.values().iter().zip(b.values()).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            assert!(difference <= 1e-5 * scale.max(1e-2), "{name} differs by {difference} of {scale}");
        }
    }
}

fn changed(params: &TensorSet, change: impl Fn(f32) -> f32) -> TensorSet {
    let tensors = params.iter().map(|(name, tensor)| {
        let values = tensor.values().iter().map(|value| change(*value)).collect();
        (name.to_owned(), Tensor::new(tensor.shape(), values).unwrap())
    });
    tensors.collect()
}

/// Gates of the three adapters, spread out so that none is like another, and the head of the fusion.
fn gated_start() -> TensorSet {
    let mut params = gated::initial(&fused_adapters(&device())).unwrap();
    assert!(params.iter().all(|(_, gates)| gates.values() == [1.0; 3]));
    for (name, values) in [("layer.0.output.gates", [0.7, 1.3, -0.4]), ("layer.1.output.gates", [1.6, 0.2, 0.9])] {
        params.insert(name, Tensor::new([3], values.to_vec()).unwrap());
    }
    for (name, tensor) in canonical(&[trajectory("fusion", "start/head/model_head.safetensors")]) {
        params.insert(name, tensor);
    }
    params
}

fn gated_trainer(start: &TensorSet, non_linearity: NonLinearity) -> Trainer {
    let device = device();
    let mut adapters = fused_adapters(&device);
    adapters.iter_mut().for_each(|adapter| adapter.form.non_linearity = non_linearity);
    let body = Body::Gated { adapters, gate_rate: GATE_RATE };
    let params = RunParams::stack(&[start], &device).unwrap();
    let architecture = Architecture { body, ..Architecture::default() };
    Trainer::new(architecture, params, AdamWConfig::default(), |_| true, &device)
}

#[test]
fn gates_get_the_gradient_of_finite_differences() {
    let encoder = tiny_encoder(&device());
    let batch = &batches()[0];
    let start = gated_start();
    // Smooth, for the kinks of relu are not for finite differences.
    let trainer = gated_trainer(&start, NonLinearity::Tanh);
    let gradients = pollster::block_on(trainer.loss(&encoder, batch, None)).unwrap().backward();
    let loss = |params: &TensorSet| {
        let trainer = gated_trainer(params, NonLinearity::Tanh);
        values(pollster::block_on(trainer.loss(&encoder, batch, None)).unwrap())[0]
    };
    for layer in 0..2 {
        let name = gated::gates(Location::output(layer));
        let gradient = values(trainer.params().get(&name).unwrap().grad(&gradients).unwrap());
        let scale = gradient.iter().fold(0f32, |m, v| m.max(v.abs()));
        assert!(scale > 1e-2, "{gradient:?}");
        for (index, gradient) in gradient.into_iter().enumerate() {
            let at = |step: f32| {
                let mut params = start.clone();
                let mut gates = params.get(&name).unwrap().values().to_vec();
                gates[index] += step;
                params.insert(name.clone(), Tensor::new([3], gates).unwrap());
                loss(&params)
            };
            // Of fourth order, for a step that is large against the rounding of the loss.
            let step = 0.02;
            let expected = (8.0 * (at(step) - at(-step)) - (at(2.0 * step) - at(-2.0 * step))) / (12.0 * step);
            assert!((gradient - expected).abs() < 1e-3 * scale, "gate {index} of {name}: {gradient}, {expected}");
        }
    }
}

#[test]
fn gates_move_at_their_own_rate_and_do_not_decay() {
    let encoder = tiny_encoder(&device());
    let start = gated_start();
    let mut trainer = gated_trainer(&start, NonLinearity::Relu);
    let step = Step { batch: &batches()[0], learning_rates: &[1e-3], dropout: None };
    pollster::block_on(trainer.step(&encoder, &step)).unwrap();
    let moved = pollster::block_on(trainer.params().unstack()).unwrap().pop().unwrap();
    for (name, before) in start.iter() {
        let after = moved.get(name).unwrap();
        let largest = before.values().iter().zip(after.values()).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        // AdamW's first step is the learning rate whatever the gradient; decay would add 1 % of the value to it.
        let expected = if gated::are_gates(name) { 5e-2 } else { 1e-3 };
        assert!((largest / expected - 1.0).abs() < 0.02, "{name} moved by {largest}");
        if gated::are_gates(name) {
            let moves = before.values().iter().zip(after.values()).map(|(a, b)| (a - b).abs());
            moves.for_each(|by| assert!((by / expected - 1.0).abs() < 1e-4, "{name} moved by {by}"));
        }
    }
}

#[test]
fn a_gated_sum_folds_into_one_adapter() {
    let device = device();
    let encoder = tiny_encoder(&device);
    let start = gated_start();
    let input = &batches()[0].input;
    let gated = pollster::block_on(gated_trainer(&start, NonLinearity::Relu).predict(&encoder, input)).unwrap();

    let mut folded: TensorSet = start.iter().filter(|(name, _)| name.starts_with("head.")).map(owned).collect();
    for layer in 0..2 {
        let location = Location::output(layer);
        let gates = start.get(&gated::gates(location)).unwrap().values();
        let parts = ["a", "b", "c"].iter().zip(gates).map(|(name, gate)| {
            let file = tensors(&fixture(&format!("model/tiny_adapter/fusion/{name}/adapter.safetensors")));
            (f64::from(*gate), LocationParams::read(name, &canonical(&[file]), location).unwrap())
        });
        concatenate(&parts.collect::<Vec<_>>()).write(&mut folded, location).unwrap();
    }
    assert_eq!(folded.get("layer.0.output.down_proj.weight").unwrap().shape(), [8 + 8 + 4, 32]);
    let params = RunParams::stack(&[&folded], &device).unwrap();
    let trainer = Trainer::new(Architecture::default(), params, AdamWConfig::default(), |_| true, &device);
    let alone = pollster::block_on(trainer.predict(&encoder, input)).unwrap();
    let scale = gated.iter().fold(0f32, |m, v| m.max(v.abs()));
    let difference = largest_difference(&gated, &alone, &[1; 6]);
    assert!(difference < 1e-5 * scale, "{difference} of {scale}");
}

fn owned((name, tensor): (&str, &Tensor)) -> (String, Tensor) {
    (name.to_owned(), tensor.clone())
}

/// Three passes over twelve rows, six of them to choose by.
fn few_shot(body: &Body, start: &TensorSet) -> FewShotRun {
    let batches = batches();
    let row = |batch: &LabelledInput, row: usize| {
        let (input, at) = (&batch.input, row * batch.input.len);
        let real = input.attention_mask[at..at + input.len].iter().filter(|&&real| real == 1).count();
        let [ids, type_ids] = [&input.ids, &input.type_ids].map(|all| all[at..at + real].to_vec());
        EncodedRow { encoding: Encoding { ids, type_ids, truncated: false }, label: Some(batch.labels[row]) }
    };
    let encoded = batches[..2].iter().flat_map(|batch| (0..batch.labels.len()).map(|at| row(batch, at))).collect();
    let (support, dev) = ((0..6).collect(), (6..12).collect());
    let data = RunData { encoded, support, dev, classes: 3, pad_id: 0, max_length: 64 };
    let settings = RunSettings {
        epochs: 3,
        batch_size: 3,
        batching: Batching::default(),
        learning_rate: 1e-3,
        warmup: 0.2,
        weight_decay: 0.01,
        clip: 1.0,
        dropout: 0.1,
        patience: 0,
        trained: Trained::All,
        seed: 13,
    };
    let architecture = Architecture { body: body.clone(), ..Architecture::default() };
    FewShotRun::new(architecture, start, data, settings, &device()).unwrap()
}

/// The whole encoder with a head.
fn full_start(encoder: &Encoder) -> TensorSet {
    let mut full = pollster::block_on(encoder.params()).unwrap();
    for (name, tensor) in canonical(&[trajectory("full", "start/model_head.safetensors")]) {
        full.insert(name, tensor);
    }
    full
}

#[test]
fn a_run_goes_on_where_it_was_whatever_it_trains() {
    let encoder = tiny_encoder(&device());
    let adapters = fused_adapters(&device());
    let gated = Body::Gated { adapters: adapters.clone(), gate_rate: GATE_RATE };
    for (body, start) in
        [(Body::Fusion(adapters), fusion_start()), (gated, gated_start()), (Body::Full, full_start(&encoder))]
    {
        let step = |run: &mut FewShotRun| pollster::block_on(run.step(&encoder)).unwrap();
        let mut run = few_shot(&body, &start);
        while run.curve().len() < 3 {
            step(&mut run);
        }
        let mut other = few_shot(&body, &start);
        other.restore(pollster::block_on(run.snapshot()).unwrap()).unwrap();
        for run in [&mut run, &mut other] {
            while run.status() == RunStatus::Running {
                step(run);
            }
        }
        assert_eq!(run.curve().len(), 6);
        assert_eq!(run.curve(), other.curve());
        assert_eq!(run.best(), other.best());
        assert_ne!(run.best().unwrap().params.get("head.dense.weight"), start.get("head.dense.weight"));
    }
}

#[test]
fn a_step_in_parts_is_the_whole_step() {
    let encoder = tiny_encoder(&device());
    let files = ["start/adapter.safetensors", "start/model_head.safetensors"];
    let adapter = canonical(&files.map(|file| trajectory("adapter", file)));
    let fusion = Body::Fusion(fused_adapters(&device()));
    for (body, start) in [(Body::default(), adapter), (fusion, fusion_start()), (Body::Full, full_start(&encoder))] {
        let ended = |mut run: FewShotRun| {
            let mut calls = 0;
            while run.status() == RunStatus::Running {
                pollster::block_on(run.step(&encoder)).unwrap();
                calls += 1;
            }
            (run.curve().to_vec(), calls)
        };
        let (whole, calls) = ended(few_shot(&body, &start));
        // Fewer tokens than a row has: three rows one by one, for each of six steps.
        let (parts, more_calls) = ended(few_shot(&body, &start).in_parts_of(1));
        assert_eq!(more_calls, calls + 2 * 6);
        assert_eq!((whole.len(), parts.len()), (6, 6));
        for (whole, part) in whole.iter().zip(&parts) {
            assert!((whole.loss - part.loss).abs() <= 1e-5 * whole.loss, "{whole:?} {part:?}");
            assert_eq!(whole.dev.map(|dev| dev.accuracy), part.dev.map(|dev| dev.accuracy));
        }
    }
}

#[test]
fn weights_that_are_no_numbers_are_never_the_best() {
    let encoder = tiny_encoder(&device());
    let files = ["start/adapter.safetensors", "start/model_head.safetensors"];
    let start = canonical(&files.map(|file| trajectory("adapter", file)));
    // An epoch is two steps, and then two batches of dev: after two and four steps dev is judged, after three a step is.
    for (steps, best) in [(2, None), (3, Some(1)), (4, Some(1))] {
        let mut run = few_shot(&Body::default(), &start);
        while run.curve().len() < steps {
            pollster::block_on(run.step(&encoder)).unwrap();
        }
        let mut snapshot = pollster::block_on(run.snapshot()).unwrap();
        snapshot.params = changed(&snapshot.params, |_| f32::NAN);
        run.restore(snapshot).unwrap();
        let end = loop {
            let step = pollster::block_on(run.step(&encoder));
            if step.is_err() || run.status() != RunStatus::Running {
                break step;
            }
        };
        let diverged_at = match run.status() {
            RunStatus::Diverged { step, loss } if loss.is_nan() => step,
            status => panic!("after {steps} steps: {status:?}"),
        };
        assert_eq!(diverged_at, if steps == 3 { 4 } else { steps });
        assert_eq!(matches!(end, Err(TrainError::Diverged { .. })), best.is_none(), "{end:?}");
        assert_eq!(run.best().map(|best| best.epoch), best);
        assert_eq!(run.curve().last().unwrap().dev, None);
    }
}

#[test]
fn the_attention_of_a_trained_fusion_can_be_seen() {
    let device = device();
    let params = RunParams::stack(&[&fusion_start()], &device).unwrap();
    let architecture = Architecture { body: Body::Fusion(fused_adapters(&device)), ..Architecture::default() };
    let trainer = Trainer::new(architecture, params, AdamWConfig::default(), |_| true, &device);
    let input = &batches()[0].input;
    let attention = pollster::block_on(trainer.fusion_attention(&tiny_encoder(&device), input)).unwrap();
    assert_eq!(attention.iter().map(|(at, _)| *at).collect::<Vec<_>>(), [Location::output(0), Location::output(1)]);
    for (_, attention) in attention {
        assert_eq!(attention.len(), input.rows * input.len * 3);
        for token in attention.chunks(3) {
            assert!((token.iter().sum::<f32>() - 1.0).abs() < 1e-5 && token.iter().all(|p| *p >= 0.0), "{token:?}");
        }
    }
}
