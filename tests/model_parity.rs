//! The encoder and its adapters against `transformers` and `adapters`: hidden states and logits.
#![cfg(feature = "engine")]
#![allow(clippy::unwrap_used, missing_docs)]

mod support;

use burn::tensor::Device;
use mera_lab::model::*;
use support::*;

#[test]
fn hidden_states_of_a_tiny_bert() {
    let encoder = tiny_encoder(&Device::flex());
    let batch = input(&json(&fixture("model/tiny/expected.json")));
    let expected = tensors(&fixture("model/tiny/expected.safetensors"));
    let states = encoder.hidden_states(&batch, &NoAdapters).unwrap();
    assert_eq!(states.len(), 3);
    for (index, state) in states.into_iter().enumerate() {
        let expected = expected.get(&format!("hidden_states.{index}")).unwrap();
        let difference = largest_difference(&values(state), expected.values(), &batch.attention_mask);
        assert!(difference < 1e-4, "hidden state {index} differs by {difference}");
    }
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
fn a_missing_or_misshapen_tensor_is_named() {
    let config = || BertConfig::parse(&std::fs::read(fixture("model/tiny/config.json")).unwrap()).unwrap();
    let mut params = tensors(&fixture("model/tiny/model.safetensors"));
    let error = |params: &mera_lab::tensors::TensorSet| Encoder::load(config(), params, &Device::flex()).unwrap_err();
    let name = "encoder.layer.1.output.dense.weight";
    let kept = params.remove(name).unwrap();
    insta::assert_snapshot!(error(&params), @"tensor encoder.layer.1.output.dense.weight is missing");
    params.insert(name, mera_lab::tensors::Tensor::new([64, 32], kept.into_values()).unwrap());
    insta::assert_snapshot!(error(&params), @"tensor encoder.layer.1.output.dense.weight has shape [64, 32]; the config asks for [32, 64]");
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
    for (index, state) in states.into_iter().enumerate() {
        let expected = expected.get(&format!("hidden_states.{index}")).unwrap();
        let difference = largest_difference(&values(state), expected.values(), &batch.attention_mask);
        assert!(difference < 1e-4, "hidden state {index} differs by {difference}");
    }
    for (location, seen) in recorder.into_seen() {
        let expected = expected.get(&format!("adapter_input.{location}")).unwrap();
        let difference = largest_difference(&values(seen), expected.values(), &batch.attention_mask);
        assert!(difference < 1e-4, "input of the adapter at {location} differs by {difference}");
    }
    let difference = largest_difference(&values(logits), expected.get("logits").unwrap().values(), &[1; 6]);
    assert!(difference < 1e-4, "logits differ by {difference}");
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
    let logits = |runs: &[&mera_lab::tensors::TensorSet], batch: &EncoderInput| {
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
