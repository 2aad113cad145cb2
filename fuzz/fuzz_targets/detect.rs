//! Whatever bytes are dropped, detection answers and does not panic.
//!
//! `cargo +nightly fuzz run detect -- -max_len=65536`; a good corpus to begin with is every file under
//! `tests/fixtures/adapterhub`.

#![no_main]

use libfuzzer_sys::fuzz_target;
use mera_lab::format::{check_finite, detect};

const CONFIG: &[u8] = include_bytes!("../../tests/fixtures/adapterhub/two_layer_bin/adapter_config.json");
const PICKLE: &[u8] = include_bytes!("../../tests/fixtures/adapterhub/two_layer_bin/pytorch_adapter.bin");
const HEAD_CONFIG: &[u8] = include_bytes!("../../tests/fixtures/adapterhub/two_layer_bin/head_config.json");

// The same bytes in every role that a file can have.
fuzz_target!(|bytes: &[u8]| {
    let roles: [&[(&str, &[u8])]; 7] = [
        &[("heap.zip", bytes)],
        &[("a/adapter_config.json", CONFIG), ("a/pytorch_adapter.bin", bytes)],
        &[("a/adapter_config.json", CONFIG), ("a/adapter.safetensors", bytes)],
        &[("a/adapter_config.json", bytes), ("a/pytorch_adapter.bin", PICKLE)],
        &[
            ("a/adapter_config.json", CONFIG),
            ("a/pytorch_adapter.bin", PICKLE),
            ("a/head_config.json", HEAD_CONFIG),
            ("a/pytorch_model_head.bin", bytes),
        ],
        &[
            ("a/adapter_config.json", CONFIG),
            ("a/pytorch_adapter.bin", PICKLE),
            ("a/head_config.json", bytes),
            ("a/pytorch_model_head.bin", PICKLE),
        ],
        &[("m/config.json", br#"{"model_type": "bert"}"#), ("m/model.safetensors", bytes), ("m/tokenizer.json", b"{}")],
    ];
    for role in roles {
        let found = detect(role.iter().map(|(path, bytes)| ((*path).to_owned(), bytes.to_vec())).collect(), |_| false);
        for adapter in &found.adapters {
            assert!(check_finite(&adapter.params).is_ok());
        }
        for plm in &found.plms {
            let _ = plm.tensors();
        }
    }
});
