//! The engine in a browser's worker, on both of its devices: the numbers that PyTorch, `transformers` and `adapters`
//! give for a tiny model, the hidden states of all-MiniLM-L6-v2, the whole way from files to a trained adapter, and a
//! small experiment.
//!
//! `cargo xtask test browser` runs it in headless Chromium, whose WebGPU may be a software adapter; where there is no
//! WebGPU at all the tests on it fail, for then nothing is known about it.
#![cfg(target_arch = "wasm32")]
#![allow(clippy::unwrap_used, missing_docs)]

mod devices;
mod embedded;
mod golden;
mod laboratory;
mod minilm;
#[path = "../support/mod.rs"]
mod support;
mod whole_way;

wasm_bindgen_test::wasm_bindgen_test_configure!(run_in_dedicated_worker);
