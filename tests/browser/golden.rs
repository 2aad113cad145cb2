//! Against `transformers`, `adapters` and PyTorch, as natively (`tests/model_parity.rs`, `tests/train_trajectory.rs`).
//! WebGPU adds up in another order, so there a tenth of the accuracy is asked for.

use crate::devices::webgpu;
use crate::support::*;
use burn::tensor::Device;
use mera_lab::model::*;
use mera_lab::train::*;
use wasm_bindgen_test::wasm_bindgen_test;

#[wasm_bindgen_test]
async fn hidden_states_on_the_cpu() {
    hidden_states(&Device::flex(), 1e-4).await;
}

#[wasm_bindgen_test]
async fn hidden_states_on_webgpu() {
    hidden_states(&webgpu().await, 1e-3).await;
}

#[wasm_bindgen_test]
async fn an_adapter_and_its_head_on_the_cpu() {
    adapter_and_head(&Device::flex(), 1e-4).await;
}

#[wasm_bindgen_test]
async fn an_adapter_and_its_head_on_webgpu() {
    adapter_and_head(&webgpu().await, 1e-3).await;
}

#[wasm_bindgen_test]
async fn ten_steps_on_the_cpu() {
    ten_steps(&Device::flex().autodiff(), 1e-4).await;
}

#[wasm_bindgen_test]
async fn ten_steps_on_webgpu() {
    ten_steps(&webgpu().await.autodiff(), 1e-3).await;
}

async fn hidden_states(device: &Device, tolerance: f32) {
    let encoder = tiny_encoder(device);
    let batch = input(&json(&fixture("model/tiny/expected.json")));
    let expected = tensors(&fixture("model/tiny/expected.safetensors"));
    let states = encoder.hidden_states(&batch, &NoAdapters).unwrap();
    assert_eq!(states.len(), 3);
    for (index, state) in states.into_iter().enumerate() {
        let expected = expected.get(&format!("hidden_states.{index}")).unwrap();
        let ours = params::read(state).await.unwrap();
        let difference = largest_difference(&ours, expected.values(), &batch.attention_mask);
        assert!(difference < tolerance, "hidden state {index} differs by {difference}");
    }
}

async fn adapter_and_head(device: &Device, tolerance: f32) {
    let encoder = tiny_encoder(device);
    let batch = input(&json(&fixture("model/tiny/expected.json")));
    let files = ["adapter", "model_head"]
        .map(|file| tensors(&fixture(&format!("model/tiny_adapter/seq_bn/{file}.safetensors"))));
    let expected = tensors(&fixture("model/tiny_adapter/expected_seq_bn.safetensors"));
    let params = RunParams::stack(&[&canonical(&files)], device).unwrap();
    let adapters = BottleneckAdapters { params: &params, non_linearity: NonLinearity::Relu, scaling: 1.0 };
    let hidden = encoder.forward(&batch, &adapters).unwrap();
    let logits = Head { params: &params, activation: HeadActivation::Tanh }.forward(hidden, None).unwrap();
    let ours = params::read(logits).await.unwrap();
    let difference = largest_difference(&ours, expected.get("logits").unwrap().values(), &[1; 6]);
    assert!(difference < tolerance, "logits differ by {difference}");
}

/// The gradients of the first step, the losses of ten, the weights after them; relative to each tensor's largest.
async fn ten_steps(device: &Device, tolerance: f32) {
    let encoder = tiny_encoder(device);
    let folder = |file: &str| tensors(&fixture(&format!("train/trajectory/adapter/{file}.safetensors")));
    let start = canonical(&[folder("start/adapter"), folder("start/model_head")]);
    let stacked = RunParams::stack(&[&start], device).unwrap();
    let config = AdamWConfig { weight_decay: 0.01, clip: 1.0, ..AdamWConfig::default() };
    let mut trainer = Trainer::new(Architecture::default(), stacked, config, |_| true, device);
    let batches: Vec<LabelledInput> = json(&fixture("train/trajectory/batches.json"))
        .as_array()
        .unwrap()
        .iter()
        .map(|batch| {
            let labels = batch["labels"].as_array().unwrap().iter();
            let labels: Vec<u32> = labels.map(|label| label.as_u64().unwrap() as u32).collect();
            LabelledInput { input: input(batch), weights: vec![1.0; labels.len()], labels }
        })
        .collect();

    let gradients = trainer.loss(&encoder, &batches[0], None).await.unwrap().backward();
    let expected = canonical(&[folder("gradients")]);
    assert_eq!(expected.len(), trainer.params().iter().count());
    for (name, expected) in expected.iter() {
        let gradient = trainer.params().get(name).unwrap().grad(&gradients).unwrap();
        // [runs, input, output] here, [output, input] in the file.
        let gradient = if expected.shape().len() == 2 { gradient.swap_dims(1, 2) } else { gradient };
        let ours = params::read(gradient).await.unwrap();
        let scale = expected.values().iter().fold(0f32, |largest, value| largest.max(value.abs()));
        let difference = ours.iter().zip(expected.values()).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(difference < tolerance * scale, "gradient of {name} differs by {difference} of {scale}");
    }

    let schedule = LinearSchedule { peak: 1e-3, warmup: 3, total: 10 };
    let expected = json(&fixture("train/trajectory/adapter/expected.json"));
    for (index, (batch, expected)) in batches.iter().zip(expected["steps"].as_array().unwrap()).enumerate() {
        let step = Step { batch, learning_rates: &[schedule.rate(index)], dropout: None };
        let loss = trainer.step(&encoder, &step).await.unwrap()[0];
        let expected = expected["loss"].as_f64().unwrap() as f32;
        assert!((loss - expected).abs() < tolerance * expected, "loss of step {index} is {loss}, expected {expected}");
    }
}
