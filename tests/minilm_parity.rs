//! all-MiniLM-L6-v2 itself against `transformers` and `adapters`: token ids, hidden states, logits; and
//! paraphrase-MiniLM-L3-v2 against onnxruntime.
//!
//! The models' files are not in the repository; `cargo xtask model` fetches them, and `cargo xtask test` calls it.
#![cfg(feature = "engine")]
#![allow(clippy::unwrap_used, missing_docs)]

mod support;

use burn::tensor::Device;
use mera_lab::model::*;
use mera_lab::text::Tokenizer;
use serde_json::Value;
use std::path::PathBuf;
use support::*;

const L6: &str = "all-minilm-l6-v2";
const L3: &str = "paraphrase-minilm-l3-v2";

fn model(plm: &str, file: &str) -> Vec<u8> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("www/models").join(plm).join(file);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}; `cargo xtask model` fetches it", path.display()))
}

fn encoder(device: &Device) -> Encoder {
    let params = mera_lab::format::safetensors::read(&model(L6, "model.safetensors")).unwrap();
    let config = BertConfig::parse(&model(L6, "config.json")).unwrap();
    let (encoder, report) = Encoder::load(config, &params, device).unwrap();
    assert_eq!(report.applied.len(), 5 + 6 * 16);
    encoder
}

fn texts(expected: &Value) -> Vec<(String, Option<String>)> {
    let text = |row: &Value, index: usize| row.get(index).and_then(Value::as_str).map(str::to_owned);
    let rows = expected["texts"].as_array().unwrap();
    rows.iter().map(|row| (text(row, 0).unwrap(), text(row, 1))).collect()
}

/// Largest difference from a fixture's samples of a hidden state.
fn difference(state: burn::tensor::Tensor<3>, positions: &Value, expected: &[f32]) -> f32 {
    let shape = state.dims();
    difference_at(positions, &values(state), shape, expected)
}

#[test]
fn token_ids() {
    let expected = json(&fixture("model/minilm/expected.json"));
    let tokenizer = Tokenizer::from_bytes(&model(L6, "tokenizer.json"), 128).unwrap();
    let batch = input(&expected);
    for (row, (text1, text2)) in texts(&expected).iter().enumerate() {
        let ours = tokenizer.encode(text1, text2.as_deref()).unwrap();
        let theirs = &batch.ids[row * batch.len..][..ours.ids.len()];
        let real = batch.attention_mask[row * batch.len..(row + 1) * batch.len].iter().sum::<u32>();
        assert_eq!((ours.ids.as_slice(), ours.ids.len()), (theirs, real as usize), "{text1}");
        assert_eq!(ours.type_ids, batch.type_ids[row * batch.len..][..ours.ids.len()], "{text1}");
    }
}

#[test]
fn hidden_states() {
    let expected = json(&fixture("model/minilm/expected.json"));
    let samples = tensors(&fixture("model/minilm/expected.safetensors"));
    let states = encoder(&Device::flex()).hidden_states(&input(&expected), &NoAdapters).unwrap();
    assert_eq!(states.len(), 7);
    for (index, state) in states.into_iter().enumerate() {
        let expected_values = samples.get(&format!("hidden_states.{index}")).unwrap().values();
        let difference = difference(state, &expected["positions"], expected_values);
        assert!(difference < 1e-4, "hidden state {index} differs by {difference}");
    }
}

#[test]
fn adapters_that_the_library_wrote() {
    agrees("bin", ["adapter_config.json", "pytorch_adapter.bin", "head_config.json", "pytorch_model_head.bin"]);
    agrees("safetensors", ["adapter_config.json", "adapter.safetensors", "head_config.json", "model_head.safetensors"]);
}

/// The adapter and two-layer head in these files of `model/minilm_adapter/{format}`, against the library that wrote them.
fn agrees(format: &str, files: [&str; 4]) {
    let folder = format!("model/minilm_adapter/{format}");
    let files = files.map(|file| (file.to_owned(), std::fs::read(fixture(&format!("{folder}/{file}"))).unwrap()));
    let found = mera_lab::format::detect(files.to_vec(), |_| false);
    assert_eq!(found.problems, []);
    let adapter = &found.adapters[0];
    let head = adapter.head.as_ref().unwrap();
    assert_eq!(head.config.labels, ["contradiction", "entailment", "neutral"]);
    assert_eq!(head.params.len(), 4, "two layers");
    let mut params = adapter.params.clone();
    for (name, tensor) in head.params.iter() {
        params.insert(name, tensor.clone());
    }
    let device = Device::flex();
    let params = RunParams::stack(&[&params], &device).unwrap();
    let adapters = BottleneckAdapters { params: &params, non_linearity: NonLinearity::Relu, scaling: 1.0 };
    let expected = json(&fixture("model/minilm/expected.json"));
    let samples = tensors(&fixture(&format!("{folder}/expected.safetensors")));
    let states = encoder(&device).hidden_states(&input(&expected), &adapters).unwrap();
    let head = Head { params: &params, activation: HeadActivation::Tanh };
    let logits = values(head.forward(states[6].clone(), None).unwrap());
    for (index, state) in states.into_iter().enumerate() {
        let expected_values = samples.get(&format!("hidden_states.{index}")).unwrap().values();
        let difference = difference(state, &expected["positions"], expected_values);
        assert!(difference < 1e-4, "{format}: hidden state {index} differs by {difference}");
    }
    let theirs = samples.get("logits").unwrap().values();
    assert_eq!(logits.len(), theirs.len());
    let difference = logits.iter().zip(theirs).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert!(difference < 1e-4, "{format}: logits differ by {difference}");
}

/// The reference read the weights where they come from, so this holds their way into our file too.
#[test]
fn the_three_layers_of_the_second_model() {
    let params = mera_lab::format::safetensors::read(&model(L3, "model.safetensors")).unwrap();
    assert_eq!(params.len(), 5 + 3 * 16);
    assert_eq!(params.iter().map(|(_, tensor)| tensor.values().len()).sum::<usize>(), 17_241_984);
    let config = BertConfig::parse(&model(L3, "config.json")).unwrap();
    let (encoder, report) = Encoder::load(config, &params, &Device::flex()).unwrap();
    assert_eq!((report.applied.len(), report.unused.len()), (params.len(), 0));
    let expected = json(&fixture("model/minilm/expected.json"));
    let mut rows = input(&expected);
    rows.type_ids.fill(0);
    let states = encoder.hidden_states(&rows, &NoAdapters).unwrap();
    let samples = tensors(&fixture("model/minilm_l3/expected.safetensors"));
    let difference =
        difference(states[3].clone(), &expected["positions"], samples.get("last_hidden_state").unwrap().values());
    assert!(difference < 1e-5, "the last hidden state differs by {difference}");
}
