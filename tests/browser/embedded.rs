//! Fixtures in the test's own bytes: a browser has no disk.

macro_rules! embed {
    ($($path:literal),* $(,)?) => { &[$(($path, include_bytes!(concat!("../fixtures/", $path)))),*] };
}

/// By their path in `tests/fixtures`.
pub(crate) const FILES: &[(&str, &[u8])] = embed![
    "model/minilm/expected.json",
    "model/minilm/expected.safetensors",
    "model/tiny/config.json",
    "model/tiny/tokenizer.json",
    "model/tiny/model.safetensors",
    "model/tiny/expected.json",
    "model/tiny/expected.safetensors",
    "model/tiny_adapter/seq_bn/adapter.safetensors",
    "model/tiny_adapter/seq_bn/model_head.safetensors",
    "model/tiny_adapter/expected_seq_bn.safetensors",
    "model/tiny_adapter/fusion/a/adapter_config.json",
    "model/tiny_adapter/fusion/a/pytorch_adapter.bin",
    "model/tiny_adapter/fusion/b/adapter_config.json",
    "model/tiny_adapter/fusion/b/adapter.safetensors",
    "model/tiny_adapter/fusion/c/adapter_config.json",
    "model/tiny_adapter/fusion/c/pytorch_adapter.bin",
    "train/trajectory/batches.json",
    "train/trajectory/adapter/expected.json",
    "train/trajectory/adapter/gradients.safetensors",
    "train/trajectory/adapter/final.safetensors",
    "train/trajectory/adapter/start/adapter.safetensors",
    "train/trajectory/adapter/start/model_head.safetensors",
    "../../www/samples/task/everyday-nli.tsv",
];
