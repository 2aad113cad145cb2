//! The encoder and its adapters against `transformers` and `adapters`: hidden states and logits.
#![cfg(feature = "engine")]
#![allow(clippy::unwrap_used, missing_docs)]

mod support;

use burn::tensor::{Device, Tensor};
use mera_lab::model::*;
use mera_lab::tensors::TensorSet;
use support::*;

/// Within 1e-4 of `expected`'s tensor of this name, where `mask` is 1.
fn agrees<const D: usize>(found: Tensor<D>, expected: &TensorSet, name: &str, mask: &[u32]) {
    let difference = largest_difference(&values(found), expected.get(name).unwrap().values(), mask);
    assert!(difference < 1e-4, "{name} differs by {difference}");
}

fn states_agree(states: Vec<Tensor<3>>, expected: &TensorSet, mask: &[u32]) {
    for (index, state) in states.into_iter().enumerate() {
        agrees(state, expected, &format!("hidden_states.{index}"), mask);
    }
}

#[test]
fn hidden_states_of_a_tiny_bert() {
    let encoder = tiny_encoder(&Device::flex());
    let batch = input(&json(&fixture("model/tiny/expected.json")));
    let expected = tensors(&fixture("model/tiny/expected.safetensors"));
    let states = encoder.hidden_states(&batch, &NoAdapters).unwrap();
    assert_eq!(states.len(), 3);
    states_agree(states, &expected, &batch.attention_mask);
}

#[test]
fn what_no_table_has_a_row_for_is_named_with_its_table() {
    let encoder = tiny_encoder(&Device::flex());
    let error = |change: fn(&mut EncoderInput)| {
        let mut batch = input(&json(&fixture("model/tiny/expected.json")));
        change(&mut batch);
        encoder.forward(&batch, &NoAdapters).unwrap_err()
    };
    insta::assert_snapshot!(error(|batch| batch.ids[1] = 9999), @"there is no row 9999 in embeddings.word_embeddings.weight, which has 200");
    insta::assert_snapshot!(error(|batch| batch.type_ids[0] = 2), @"there is no row 2 in embeddings.token_type_embeddings.weight, which has 2");
}

#[test]
fn a_model_with_a_head_loads_and_says_what_it_left() {
    let config = BertConfig::parse(&std::fs::read(fixture("model/tiny/config.json")).unwrap()).unwrap();
    let params = tensors(&fixture("model/tiny/pretraining/model.safetensors"));
    let (_, report) = Encoder::load(config, &params, &Device::flex()).unwrap();
    assert!(report.applied.iter().all(|name| name.starts_with("bert.")), "{:?}", report.applied);
    assert!(report.unused.iter().any(|name| name.starts_with("cls.")), "{:?}", report.unused);
}

#[test]
fn the_weights_read_out_are_those_of_the_file() {
    let device = Device::flex();
    let encoder = tiny_encoder(&device);
    let file = canonical(&[tensors(&fixture("model/tiny/model.safetensors"))]);
    let params = pollster::block_on(encoder.params()).unwrap();
    let unused: Vec<_> = file.names().filter(|name| params.get(name).is_none()).collect();
    assert!(unused.iter().all(|name| name.starts_with("pooler.")), "{unused:?}");
    params.iter().for_each(|(name, tensor)| assert_eq!(Some(tensor), file.get(name), "{name}"));

    // Put back, all of them or the tables left out, they are the same encoder.
    let batch = input(&json(&fixture("model/tiny/expected.json")));
    let expected = values(encoder.forward(&batch, &NoAdapters).unwrap());
    let without_tables = params.iter().filter(|(name, _)| !params::is_table(name));
    let without_tables = without_tables.map(|(name, tensor)| (name.to_owned(), tensor.clone())).collect();
    for params in [&params, &without_tables] {
        let view = encoder.with_params(&RunParams::stack(&[params], &device).unwrap()).unwrap();
        let difference = largest_difference(&values(view.forward(&batch, &NoAdapters).unwrap()), &expected, &[1; 6]);
        assert!(difference < 1e-6, "{difference}");
    }
}

#[test]
fn weights_that_are_no_encoder_are_refused() {
    let device = Device::flex();
    let encoder = tiny_encoder(&device);
    let mut params = pollster::block_on(encoder.params()).unwrap();
    let error = |runs: &[&TensorSet]| encoder.with_params(&RunParams::stack(runs, &device).unwrap()).unwrap_err();
    insta::assert_snapshot!(error(&[&params, &params]), @"the encoder itself is trained by one run in a pass, not by 2");
    let table = "embeddings.position_embeddings.weight";
    let kept = params.remove(table).unwrap();
    params.insert(table, mera_lab::tensors::Tensor::new([32, 64], kept.into_values()).unwrap());
    insta::assert_snapshot!(error(&[&params]), @"tensor embeddings.position_embeddings.weight has shape [32, 64]; config.json asks for [64, 32]");
    params.remove(table);
    params.remove("encoder.layer.1.attention.self.key.bias");
    insta::assert_snapshot!(error(&[&params]), @"tensor encoder.layer.1.attention.self.key.bias is missing");
}

#[test]
fn a_missing_or_misshapen_tensor_is_named() {
    let config = || BertConfig::parse(&std::fs::read(fixture("model/tiny/config.json")).unwrap()).unwrap();
    let mut params = tensors(&fixture("model/tiny/model.safetensors"));
    let error = |params: &TensorSet| Encoder::load(config(), params, &Device::flex()).unwrap_err();
    let name = "encoder.layer.1.output.dense.weight";
    let kept = params.remove(name).unwrap();
    insta::assert_snapshot!(error(&params), @"tensor encoder.layer.1.output.dense.weight is missing");
    params.insert(name, mera_lab::tensors::Tensor::new([64, 32], kept.into_values()).unwrap());
    insta::assert_snapshot!(error(&params), @"tensor encoder.layer.1.output.dense.weight has shape [64, 32]; config.json asks for [32, 64]");
}

#[test]
fn a_seq_bn_adapter_and_its_head() {
    let device = Device::flex();
    let encoder = tiny_encoder(&device);
    let batch = input(&json(&fixture("model/tiny/expected.json")));
    let folder = "model/tiny_adapter/seq_bn";
    let files =
        ["adapter.safetensors", "model_head.safetensors"].map(|file| tensors(&fixture(&format!("{folder}/{file}"))));
    let expected = tensors(&fixture("model/tiny_adapter/expected_seq_bn.safetensors"));
    let params = RunParams::stack(&[&canonical(&files)], &device).unwrap();
    let adapters = BottleneckAdapters { params: &params, non_linearity: NonLinearity::Relu, scaling: 1.0 };
    let recorder = Recorder::new(&adapters);
    let states = encoder.hidden_states(&batch, &recorder).unwrap();
    let head = Head { params: &params, activation: HeadActivation::Tanh };
    let logits = head.forward(states.last().unwrap().clone(), None).unwrap();
    states_agree(states, &expected, &batch.attention_mask);
    for (location, seen) in recorder.into_seen() {
        agrees(seen, &expected, &format!("adapter_input.{location}"), &batch.attention_mask);
    }
    agrees(logits, &expected, "logits", &[1; 6]);
}

#[test]
fn a_fusion_of_three_adapters_and_its_head() {
    let device = Device::flex();
    let encoder = tiny_encoder(&device);
    let batch = input(&json(&fixture("model/tiny/expected.json")));
    let files = ["layer/model_adapter_fusion.safetensors", "head/model_head.safetensors"]
        .map(|file| tensors(&fixture(&format!("model/tiny_adapter/fusion/{file}"))));
    let expected = tensors(&fixture("model/tiny_adapter/expected_fusion.safetensors"));
    let params = RunParams::stack(&[&canonical(&files)], &device).unwrap();
    let adapters = fused_adapters(&device);
    let fusion = Fusion::new(&adapters, &params).recording();
    let states = encoder.hidden_states(&batch, &fusion).unwrap();
    let head = Head { params: &params, activation: HeadActivation::Tanh };
    let logits = head.forward(states.last().unwrap().clone(), None).unwrap();
    states_agree(states, &expected, &batch.attention_mask);
    let attention = fusion.into_attention();
    assert_eq!(attention.len(), 2);
    for (location, attention) in attention {
        agrees(attention, &expected, &format!("fusion_attention.{location}"), &batch.attention_mask);
    }
    agrees(logits, &expected, "logits", &[1; 6]);
}

#[test]
fn a_new_fusion_starts_as_the_library_has_it() {
    let device = Device::flex();
    let adapters = fused_adapters(&device);
    let mut random = mera_lab::text::random::generator(7, mera_lab::text::random::Purpose::Weights, 0);
    let params = fusion::initial(&adapters, &mut random).unwrap();
    let library = canonical(&[tensors(&fixture("model/tiny_adapter/fusion/layer/model_adapter_fusion.safetensors"))]);
    let shapes = |set: &TensorSet| -> std::collections::BTreeMap<String, Vec<usize>> {
        set.iter().map(|(name, tensor)| (name.to_owned(), tensor.shape().to_vec())).collect()
    };
    assert_eq!(shapes(&params), shapes(&library));
    let value = params.get("layer.1.output.fusion.value.weight").unwrap().values();
    assert!(value.iter().enumerate().all(|(index, &v)| v == if index % 33 == 0 { 1.0 } else { 1e-6 }));
    for name in ["query", "key"] {
        assert!(params.get(&format!("layer.1.output.fusion.{name}.bias")).unwrap().values().iter().all(|v| *v == 0.0));
        let weight = params.get(&format!("layer.1.output.fusion.{name}.weight")).unwrap().values();
        let square = weight.iter().map(|v| v * v).sum::<f32>() / weight.len() as f32;
        // The deviation of 1024 draws is off by 2.2 % (one in its own deviation); this allows four of them.
        assert!((square.sqrt() / 0.02 - 1.0).abs() < 0.09, "{name}: {}", square.sqrt());
    }
    // 0.01 · (1e-6)² a value off the diagonal, as good as nothing; at 2 on the diagonal, 0.01 a value.
    let penalty = |params| values(fusion::penalty(&RunParams::stack(&[params], &device).unwrap()).unwrap())[0];
    assert!(penalty(&params) < 1e-10);
    let doubled = params.iter().map(|(name, tensor)| {
        let doubled = tensor.values().iter().map(|value| value * 2.0).collect();
        (name.to_owned(), mera_lab::tensors::Tensor::new(tensor.shape(), doubled).unwrap())
    });
    assert!((penalty(&doubled.collect()) - 0.01 * 2.0 * 32.0).abs() < 1e-6);
}

#[test]
fn adapters_of_other_places_or_widths_are_told_apart() {
    let device = Device::flex();
    let mut random = mera_lab::text::random::generator(7, mera_lab::text::random::Purpose::Weights, 0);
    let mut new = |name: &str, layers, hidden| {
        let params = adapter::initial(layers, hidden, 2, &mut random).unwrap();
        FrozenAdapter::new(name, &params, AdapterForm::default(), &device).unwrap()
    };
    let error = |adapters: &[FrozenAdapter]| gated::initial(adapters).unwrap_err();
    insta::assert_snapshot!(error(&[new("mr", 2, 8), new("sst2", 2, 8), new("cr", 1, 8)]), @"adapters differ: mr sits at layer.0.output (8 wide), layer.1.output (8 wide); cr sits at layer.0.output (8 wide)");
    insta::assert_snapshot!(error(&[new("mr", 1, 8), new("cr", 1, 16)]), @"adapters differ: mr sits at layer.0.output (8 wide); cr sits at layer.0.output (16 wide)");
}

#[test]
fn runs_in_one_pass_do_not_touch_each_other() {
    let device = Device::flex();
    let encoder = tiny_encoder(&device);
    let batch = input(&json(&fixture("model/tiny/expected.json")));
    let read = |folder: &str| {
        let files = ["adapter.safetensors", "model_head.safetensors"]
            .map(|file| tensors(&fixture(&format!("{folder}/{file}"))));
        canonical(&files)
    };
    let runs = [read("model/tiny_adapter/seq_bn"), read("train/trajectory/adapter/start")];
    let logits = |runs: &[&TensorSet], batch: &EncoderInput| {
        let params = RunParams::stack(runs, &device).unwrap();
        let adapters = BottleneckAdapters { params: &params, non_linearity: NonLinearity::Relu, scaling: 1.0 };
        let hidden = encoder.forward(batch, &adapters).unwrap();
        values(Head { params: &params, activation: HeadActivation::Tanh }.forward(hidden, None).unwrap())
    };
    let doubled = EncoderInput {
        rows: 2 * batch.rows,
        len: batch.len,
        ids: batch.ids.repeat(2),
        type_ids: batch.type_ids.repeat(2),
        attention_mask: batch.attention_mask.repeat(2),
    };
    let together = logits(&[&runs[0], &runs[1]], &doubled);
    let alone: Vec<f32> = runs.iter().flat_map(|run| logits(&[run], &batch)).collect();
    let scale = alone.iter().fold(0f32, |m, v| m.max(v.abs()));
    let difference = largest_difference(&together, &alone, &[1; 12]);
    assert!(difference < 1e-5 * scale, "{difference} of {scale}");
}

/// The first `rows` sequences of a batch, cut or padded to `len`.
fn resized(batch: &EncoderInput, rows: usize, len: usize) -> EncoderInput {
    let resize = |values: &[u32]| -> Vec<u32> {
        let sequences = values.chunks(batch.len).take(rows);
        sequences.flat_map(|row| row.iter().copied().chain(std::iter::repeat(0)).take(len)).collect()
    };
    let [ids, type_ids, attention_mask] = [&batch.ids, &batch.type_ids, &batch.attention_mask].map(|all| resize(all));
    EncoderInput { rows, len, ids, type_ids, attention_mask }
}

#[test]
fn what_is_kept_changes_nothing() {
    let device = Device::flex();
    let batch = input(&json(&fixture("model/tiny/expected.json")));
    let read = |files: &[&str]| {
        let files: Vec<_> = files.iter().map(|file| tensors(&fixture(file))).collect();
        RunParams::stack(&[&canonical(&files)], &device).unwrap()
    };
    let adapter = read(&["model/tiny_adapter/seq_bn/adapter.safetensors"]);
    let of_fusion = read(&["model/tiny_adapter/fusion/layer/model_adapter_fusion.safetensors"]);
    let lora = read(&["train/trajectory/lora/start/adapter.safetensors"]);
    let fused = fused_adapters(&device);
    let gates = RunParams::stack(&[&gated::initial(&fused).unwrap()], &device).unwrap();
    // One that begins in the second layer.
    let mut late = mera_lab::tensors::TensorSet::new();
    for (name, tensor) in canonical(&[tensors(&fixture("model/tiny_adapter/seq_bn/adapter.safetensors"))]) {
        if name.starts_with("layer.1") {
            late.insert(name, tensor);
        }
    }
    let late = RunParams::stack(&[&late], &device).unwrap();
    let bottleneck = |params| BottleneckAdapters { params, non_linearity: NonLinearity::Relu, scaling: 1.0 };
    same_when_kept(&batch, &NoAdapters);
    same_when_kept(&batch, &bottleneck(&adapter));
    same_when_kept(&batch, &bottleneck(&late));
    same_when_kept(&batch, &Fusion::new(&fused, &of_fusion));
    same_when_kept(&batch, &Gated { adapters: &fused, params: &gates });
    same_when_kept(&batch, &Lora { params: &lora, alpha: 16.0 });
}

fn same_when_kept(batch: &EncoderInput, adapters: &impl Sublayer) {
    let plain = tiny_encoder(&Device::flex());
    let kept = |encoder: &Encoder, input: &EncoderInput| {
        values(pollster::block_on(encoder.forward_kept(input, adapters)).unwrap())
    };
    // With room for all, for none, and for a few rows only.
    for room in [1 << 20, 0, 3000] {
        let encoder = tiny_encoder(&Device::flex()).keeping(room);
        for input in [batch.clone(), resized(batch, 1, batch.len + 8)] {
            let expected = values(plain.forward(&input, adapters).unwrap());
            let scale = expected.iter().fold(0f32, |m, v| m.max(v.abs()));
            for _ in 0..2 {
                let difference = largest_difference(&kept(&encoder, &input), &expected, &input.attention_mask);
                assert!(difference < 1e-5 * scale, "{difference} of {scale}");
                let first = values(pollster::block_on(encoder.first_tokens(&input, adapters)).unwrap());
                let width = first.len() / input.rows;
                let theirs = expected.chunks_exact(input.len * width).flat_map(|row| &row[..width]);
                let difference = first.iter().zip(theirs).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
                assert!(difference < 1e-5 * scale, "of the first tokens {difference} of {scale}");
            }
        }
    }
    // To the last bit the same whichever batch asks first, among rows of its length or alone.
    for len in [batch.len, 4] {
        let all = resized(batch, batch.rows, len);
        let [one, other] = [(); 2].map(|()| tiny_encoder(&Device::flex()).keeping(1 << 20));
        kept(&other, &resized(batch, 1, len));
        assert_eq!(kept(&one, &all), kept(&other, &all));
    }
}
