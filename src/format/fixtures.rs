//! The files under `tests/fixtures/adapterhub`, built into the tests.

use super::NamedBytes;

/// The bytes of a fixture.
macro_rules! fixture {
    ($path:expr) => {
        include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/adapterhub/", $path)).as_slice()
    };
}
pub(super) use fixture;

type Folder = (&'static str, &'static [(&'static str, &'static [u8])]);

macro_rules! folders {
    ($($folder:literal: $($file:literal),+;)+) => {
        [$(($folder, &[$(($file, fixture!(concat!($folder, "/", $file)))),+] as &[_])),+]
    };
}

/// Every folder of `make.py` and `make_hostile.py`.
pub(super) const FOLDERS: [Folder; 14] = folders! {
    "two_layer_bin": "adapter_config.json", "pytorch_adapter.bin", "head_config.json", "pytorch_model_head.bin";
    "two_layer_safetensors": "adapter_config.json", "adapter.safetensors", "head_config.json", "model_head.safetensors";
    "one_layer_bin": "adapter_config.json", "pytorch_adapter.bin", "head_config.json", "pytorch_model_head.bin";
    "one_layer_safetensors": "adapter_config.json", "adapter.safetensors", "head_config.json", "model_head.safetensors";
    "linear_head": "adapter_config.json", "adapter.safetensors", "head_config.json", "model_head.safetensors";
    "houlsby": "adapter_config.json", "adapter.safetensors";
    "per_layer": "adapter_config.json", "pytorch_adapter.bin";
    "bare_half": "adapter_config.json", "pytorch_adapter.bin";
    "lora": "adapter_config.json", "pytorch_adapter.bin";
    "parallel": "adapter_config.json", "adapter.safetensors";
    "hostile/nan": "adapter_config.json", "adapter.safetensors";
    "hostile/wrong_width": "adapter_config.json", "adapter.safetensors";
    "hostile/missing_layer": "adapter_config.json", "adapter.safetensors";
    "hostile/peft": "adapter_config.json", "adapter_model.safetensors";
};

/// The files of a folder.
pub(super) fn folder(name: &str) -> &'static [(&'static str, &'static [u8])] {
    FOLDERS.iter().find(|(folder, _)| *folder == name).map(|(_, files)| *files).unwrap()
}

/// The same, as they would be dropped.
pub(super) fn dropped(name: &str) -> Vec<NamedBytes> {
    folder(name).iter().map(|(file, bytes)| (format!("{name}/{file}"), bytes.to_vec())).collect()
}
