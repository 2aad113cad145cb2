//! What the oracle tests share, native and in a browser: reading fixtures, comparing with them.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used, missing_docs)]

use mera_lab::model::{AdapterForm, BertConfig, Encoder, EncoderInput, FrozenAdapter};
use mera_lab::tensors::adapter::Location;
use mera_lab::tensors::{Tensor, TensorSet};
use serde_json::Value;
use std::path::{Path, PathBuf};

pub fn fixture(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(path)
}

/// The bytes of a fixture.
#[cfg(not(target_arch = "wasm32"))]
pub fn read(path: &Path) -> Vec<u8> {
    std::fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The bytes of a fixture, which a browser finds in the test itself.
#[cfg(target_arch = "wasm32")]
pub fn read(path: &Path) -> Vec<u8> {
    let found = crate::embedded::FILES.iter().find(|(name, _)| fixture(name) == path);
    found.unwrap_or_else(|| panic!("{} is not embedded", path.display())).1.to_vec()
}

pub fn json(path: &Path) -> Value {
    serde_json::from_slice(&read(path)).unwrap()
}

pub fn tensors(path: &Path) -> TensorSet {
    let bytes = read(path);
    let file = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    let mut names = file.names();
    names.sort();
    let read = |name: &str| {
        let view = file.tensor(name).unwrap();
        let values: Vec<f32> = match view.dtype() {
            safetensors::Dtype::F32 => {
                view.data().chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().unwrap())).collect()
            }
            safetensors::Dtype::F64 => {
                view.data().chunks_exact(8).map(|b| f64::from_le_bytes(b.try_into().unwrap()) as f32).collect()
            }
            safetensors::Dtype::I64 => {
                view.data().chunks_exact(8).map(|b| i64::from_le_bytes(b.try_into().unwrap()) as f32).collect()
            }
            other => panic!("{name}: {other:?}"),
        };
        Tensor::new(view.shape(), values).unwrap()
    };
    names.into_iter().map(|name| (name.to_owned(), read(name))).collect()
}

/// Largest difference of `ours`, in `shape`, from what a fixture has of it: one value a position of row, token and unit.
pub fn difference_at(positions: &Value, ours: &[f32], shape: [usize; 3], theirs: &[f32]) -> f32 {
    let [_, len, width] = shape;
    let at = |position: &Value| {
        let [row, token, unit] = [0, 1, 2].map(|index| position[index].as_u64().unwrap() as usize);
        ours[(row * len + token) * width + unit]
    };
    let positions = positions.as_array().unwrap();
    assert_eq!(positions.len(), theirs.len());
    positions.iter().zip(theirs).map(|(position, theirs)| (at(position) - theirs).abs()).fold(0.0, f32::max)
}

/// The tensors of an encoder, an adapter, a fusion or a head as the library names them, under our names.
pub fn canonical(files: &[TensorSet]) -> TensorSet {
    files.iter().flat_map(TensorSet::iter).map(|(name, tensor)| (canonical_name(name), tensor.clone())).collect()
}

pub fn canonical_name(name: &str) -> String {
    let name = name.strip_prefix("bert.").unwrap_or(name);
    let rename = || {
        if let Some(head) = name.strip_prefix("heads.") {
            let mut parts = head.split('.').skip(1);
            let layer = if parts.next()? == "1" { "dense" } else { "out_proj" };
            return Some(format!("head.{layer}.{}", parts.next()?));
        }
        if name.contains(".loras.") {
            // `query.loras.task.lora_A` is `query.lora_A` here.
            let (projection, rest) = name.split_once(".loras.")?;
            return Some(format!("{projection}.{}", rest.split_once('.')?.1));
        }
        if !name.contains(".adapter") {
            return Some(name.to_owned());
        }
        let (layer, rest) = name.strip_prefix("encoder.layer.")?.split_once('.')?;
        let location = Location::output(layer.parse().ok()?);
        if let Some((_, fusion)) = rest.split_once(".adapter_fusion_layer.") {
            return Some(format!("{location}.fusion.{}", fusion.split_once('.')?.1));
        }
        let tail = rest.split(".adapters.").nth(1)?.split_once('.')?.1;
        let tail = tail.replace("adapter_down.0", "down_proj").replace("adapter_up", "up_proj");
        Some(format!("{location}.{tail}"))
    };
    rename().unwrap_or_else(|| panic!("no place for {name}"))
}

/// The three adapters that the fixtures fuse.
pub fn fused_adapters(device: &burn::tensor::Device) -> Vec<FrozenAdapter> {
    let read =
        |name: &str| canonical(&[tensors(&fixture(&format!("model/tiny_adapter/fusion/{name}/adapter.safetensors")))]);
    ["a", "b", "c"].map(|name| FrozenAdapter::new(name, &read(name), AdapterForm::default(), device).unwrap()).into()
}

pub fn input(batch: &Value) -> EncoderInput {
    let rows = batch["input_ids"].as_array().unwrap().len();
    let flat = |key: &str| -> Vec<u32> {
        let rows = batch[key].as_array().unwrap().iter();
        rows.flat_map(|row| row.as_array().unwrap()).map(|v| v.as_u64().unwrap() as u32).collect()
    };
    let ids = flat("input_ids");
    EncoderInput {
        rows,
        len: ids.len() / rows,
        ids,
        type_ids: flat("token_type_ids"),
        attention_mask: flat("attention_mask"),
    }
}

pub fn tiny_encoder(device: &burn::tensor::Device) -> Encoder {
    let config = BertConfig::parse(&read(&fixture("model/tiny/config.json"))).unwrap();
    Encoder::load(config, &tensors(&fixture("model/tiny/model.safetensors")), device).unwrap().0
}

#[cfg(not(target_arch = "wasm32"))]
pub fn values<const D: usize>(tensor: burn::tensor::Tensor<D>) -> Vec<f32> {
    pollster::block_on(mera_lab::model::params::read(tensor)).unwrap()
}

/// Largest difference over the real tokens; padding is left out, whose hidden states no one reads.
pub fn largest_difference(ours: &[f32], theirs: &[f32], mask: &[u32]) -> f32 {
    assert_eq!(ours.len(), theirs.len());
    let width = ours.len() / mask.len();
    let real = |(index, _): &(usize, (&f32, &f32))| mask[index / width] == 1;
    ours.iter().zip(theirs).enumerate().filter(real).map(|(_, (a, b))| (a - b).abs()).fold(0.0, f32::max)
}
