//! all-MiniLM-L6-v2 itself on both devices against `transformers`, as natively (`tests/minilm_parity.rs`). The test's
//! server serves the repository, where `cargo xtask test` has put the model's files.

use crate::devices::webgpu;
use crate::support::*;
use burn::tensor::Device;
use mera_lab::model::*;
use wasm_bindgen::JsCast;
use wasm_bindgen_futures::JsFuture;
use wasm_bindgen_test::wasm_bindgen_test;

#[wasm_bindgen_test]
async fn hidden_states_of_minilm_on_the_cpu() {
    hidden_states(&Device::flex(), 1e-4).await;
}

#[wasm_bindgen_test]
async fn hidden_states_of_minilm_on_webgpu() {
    hidden_states(&webgpu().await, 1e-3).await;
}

async fn hidden_states(device: &Device, tolerance: f32) {
    let params = mera_lab::format::safetensors::read(&model("model.safetensors").await).unwrap();
    let config = BertConfig::parse(&model("config.json").await).unwrap();
    let (encoder, _) = Encoder::load(config, &params, device).unwrap();
    let expected = json(&fixture("model/minilm/expected.json"));
    let samples = tensors(&fixture("model/minilm/expected.safetensors"));
    let states = encoder.hidden_states(&input(&expected), &NoAdapters).unwrap();
    assert_eq!(states.len(), 7);
    for (index, state) in states.into_iter().enumerate() {
        let shape = state.dims();
        let ours = params::read(state).await.unwrap();
        let theirs = samples.get(&format!("hidden_states.{index}")).unwrap().values();
        let difference = difference_at(&expected["positions"], &ours, shape, theirs);
        assert!(difference < tolerance, "hidden state {index} differs by {difference}");
    }
}

async fn model(file: &str) -> Vec<u8> {
    let scope: web_sys::WorkerGlobalScope = js_sys::global().unchecked_into();
    let url = format!("/www/models/all-minilm-l6-v2/{file}");
    let response: web_sys::Response = JsFuture::from(scope.fetch_with_str(&url)).await.unwrap().unchecked_into();
    assert!(response.ok(), "{url}: {}; `cargo xtask model` fetches it", response.status());
    let bytes = JsFuture::from(response.array_buffer().unwrap()).await.unwrap();
    js_sys::Uint8Array::new(&bytes).to_vec()
}
