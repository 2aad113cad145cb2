//! Ten steps of training and the gradients of the first, against PyTorch with the library `adapters`.
#![cfg(feature = "engine")]
#![allow(clippy::unwrap_used, missing_docs)]

mod support;

use burn::tensor::Device;
use mera_lab::model::RunParams;
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

/// Follows one of the trajectories; which parameters are trained is told by name.
fn follow(name: &str, start: &[&str], is_trained: impl Fn(&str) -> bool) {
    let device = Device::flex().autodiff();
    let encoder = tiny_encoder(&device);
    let folder = |file: &str| tensors(&fixture(&format!("train/trajectory/{name}/{file}")));
    let start = canonical(&start.iter().map(|file| folder(file)).collect::<Vec<_>>());
    let params = RunParams::stack(&[&start], &device).unwrap();
    let config = AdamWConfig { weight_decay: 0.01, clip: 1.0, ..AdamWConfig::default() };
    let mut trainer = Trainer::new(Architecture::default(), params, config, is_trained, &device);
    let batches = batches();

    let gradients = trainer.loss(&encoder, &batches[0], None).unwrap().backward();
    let expected = canonical(&[folder("gradients.safetensors")]);
    assert_eq!(expected.len(), trainer.params().iter().filter(|(_, tensor)| tensor.is_require_grad()).count());
    for (name, expected) in expected.iter() {
        let gradient = trainer.params().get(name).unwrap().grad(&gradients).unwrap();
        // [runs, input, output] here, [output, input] in the file.
        let gradient = if expected.shape().len() == 2 { gradient.swap_dims(1, 2) } else { gradient };
        let ours = values(gradient);
        let scale = expected.values().iter().fold(0f32, |m, v| m.max(v.abs()));
        let difference = ours.iter().zip(expected.values()).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(difference < 1e-4 * scale, "gradient of {name} differs by {difference} of {scale}");
    }

    let schedule = LinearSchedule { peak: 1e-3, warmup: 3, total: 10 };
    let expected = json(&fixture(&format!("train/trajectory/{name}/expected.json")));
    for (index, (batch, expected)) in batches.iter().zip(expected["steps"].as_array().unwrap()).enumerate() {
        let rate = schedule.rate(index);
        assert!((rate - expected["learning_rate"].as_f64().unwrap()).abs() < 1e-12);
        let step = Step { batch, learning_rates: &[rate], dropout: None };
        let loss = pollster::block_on(trainer.step(&encoder, step)).unwrap()[0];
        let expected = expected["loss"].as_f64().unwrap() as f32;
        assert!((loss - expected).abs() < 1e-4 * expected, "loss of step {index} is {loss}, expected {expected}");
    }
    let ours = pollster::block_on(trainer.params().unstack()).unwrap().pop().unwrap();
    for (name, expected) in canonical(&[folder("final.safetensors")]).iter() {
        let found = ours.get(name).unwrap();
        let difference = found.values().iter().zip(expected.values()).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(difference < 1e-5, "{name} ends {difference} apart");
    }
}

#[test]
fn an_adapter_and_its_head() {
    follow("adapter", &["start/adapter.safetensors", "start/model_head.safetensors"], |_| true);
}

#[test]
fn a_head_alone() {
    follow("head", &["start/model_head.safetensors"], |_| true);
}

#[test]
fn runs_of_one_pass_learn_as_alone() {
    let device = Device::flex().autodiff();
    let encoder = tiny_encoder(&device);
    let start = canonical(&[
        tensors(&fixture("train/trajectory/adapter/start/adapter.safetensors")),
        tensors(&fixture("train/trajectory/adapter/start/model_head.safetensors")),
    ]);
    let other: mera_lab::tensors::TensorSet = start
        .iter()
        .map(|(name, tensor)| {
            let halved = tensor.values().iter().map(|value| value * 0.5).collect();
            (name.to_owned(), mera_lab::tensors::Tensor::new(tensor.shape(), halved).unwrap())
        })
        .collect();
    let config = AdamWConfig::default();
    let batch = &batches()[0];
    let mut doubled = batch.clone();
    doubled.input.rows *= 2;
    doubled.input.ids.extend_from_within(..);
    doubled.input.type_ids.extend_from_within(..);
    doubled.input.attention_mask.extend_from_within(..);
    doubled.labels.extend_from_within(..);
    doubled.weights.extend_from_within(..);
    let learn = |runs: &[&mera_lab::tensors::TensorSet], batch: &LabelledInput, rates: &[f64]| {
        let params = RunParams::stack(runs, &device).unwrap();
        let mut trainer = Trainer::new(Architecture::default(), params, config, |_| true, &device);
        for _ in 0..3 {
            let step = Step { batch, learning_rates: rates, dropout: None };
            pollster::block_on(trainer.step(&encoder, step)).unwrap();
        }
        pollster::block_on(trainer.params().unstack()).unwrap()
    };
    let together = learn(&[&start, &other], &doubled, &[1e-2, 1e-3]);
    let alone = [learn(&[&start], batch, &[1e-2]), learn(&[&other], batch, &[1e-3])].concat();
    for (together, alone) in together.iter().zip(&alone) {
        for ((name, a), (_, b)) in together.iter().zip(alone.iter()) {
            let scale = b.values().iter().fold(0f32, |m, v| m.max(v.abs()));
            let difference = a.values().iter().zip(b.values()).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            assert!(difference <= 1e-5 * scale.max(1e-2), "{name} differs by {difference} of {scale}");
        }
    }
}
