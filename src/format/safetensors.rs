//! The safetensors format: eight bytes of header length, a JSON header, the tensors.
//!
//! Parsing and the rule that offsets leave no gap and no overlap are the crate's (`safetensors`, by the format's
//! authors); the caps on the header and the comparison with the file's length are ours, so that no sum can overflow
//! and the message tells both lengths.

use super::FormatError;
use super::elements::{Element, encode};
use crate::tensors::{Tensor, TensorSet};
use safetensors::tensor::{Dtype, Metadata, View, serialize};
use std::borrow::Cow;
use std::collections::HashMap;

/// Largest header read. A PLM of 12 layers has 20 kB; a thousand layers would have 2 MB.
pub const MAX_HEADER: usize = 16 << 20;

/// Bytes that hold the header's length.
const PREFIX: usize = size_of::<u64>();

/// Reads all tensors, in the order in which the file holds them.
///
/// Values become `f32` in one pass over `bytes`; the set remembers the stored type.
///
/// # Errors
/// [`FormatError::HeaderTooLarge`], [`FormatError::HeaderCut`], [`FormatError::Header`], [`FormatError::DataLength`],
/// [`FormatError::Element`]. NaN is no error here: see [`super::check_finite`].
pub fn read(bytes: &[u8]) -> Result<TensorSet, FormatError> {
    let (metadata, data) = parse(bytes)?;
    metadata
        .offset_keys()
        .into_iter()
        .map(|name| {
            // Both lookups were validated with the header.
            let lost = || FormatError::Header { reason: format!("tensor {name} has no description") };
            let info = metadata.info(&name).ok_or_else(lost)?;
            let (start, end) = info.data_offsets;
            let raw = data.get(start..end).ok_or_else(lost)?;
            let element = element(info.dtype)
                .ok_or_else(|| FormatError::Element { tensor: name.clone(), element: info.dtype.to_string() })?;
            let tensor = Tensor::new(info.shape.clone(), element.decode(raw))
                .map_err(|error| FormatError::Header { reason: format!("tensor {name}: {error}") })?;
            Ok((name, tensor.stored_as(element.dtype())))
        })
        .collect()
}

/// Writes `tensors` as f32, with the metadata `{"format": "pt"}` that Python's loaders of PLMs look for.
///
/// # Errors
/// [`FormatError::Write`] where the crate refuses.
pub fn write(tensors: &TensorSet) -> Result<Vec<u8>, FormatError> {
    let metadata = HashMap::from([("format".to_owned(), "pt".to_owned())]);
    serialize(tensors.iter().map(|(name, tensor)| (name, Stored(tensor))), Some(metadata))
        .map_err(|error| FormatError::Write { reason: error.to_string() })
}

/// The checked header and the bytes behind it.
fn parse(bytes: &[u8]) -> Result<(Metadata, &[u8]), FormatError> {
    let cut = |header| FormatError::HeaderCut { header, file: bytes.len() };
    let (prefix, rest) = bytes.split_first_chunk::<PREFIX>().ok_or_else(|| cut(PREFIX as u64))?;
    let claimed = u64::from_le_bytes(*prefix);
    let length = usize::try_from(claimed)
        .ok()
        .filter(|&length| length <= MAX_HEADER)
        .ok_or(FormatError::HeaderTooLarge { found: claimed, limit: MAX_HEADER })?;
    let (header, data) = rest.split_at_checked(length).ok_or_else(|| cut(claimed))?;
    let metadata: Metadata =
        serde_json::from_slice(header).map_err(|error| FormatError::Header { reason: error.to_string() })?;
    if metadata.data_len() != data.len() {
        return Err(FormatError::DataLength { described: metadata.data_len(), found: data.len() });
    }
    Ok((metadata, data))
}

fn element(dtype: Dtype) -> Option<Element> {
    Some(match dtype {
        Dtype::F16 => Element::F16,
        Dtype::BF16 => Element::Bf16,
        Dtype::F32 => Element::F32,
        Dtype::F64 => Element::F64,
        Dtype::I8 => Element::I8,
        Dtype::I16 => Element::I16,
        Dtype::I32 => Element::I32,
        Dtype::I64 => Element::I64,
        Dtype::U8 => Element::U8,
        Dtype::U16 => Element::U16,
        Dtype::U32 => Element::U32,
        Dtype::U64 => Element::U64,
        Dtype::BOOL => Element::Bool,
        _ => return None,
    })
}

/// A tensor as the crate's writer wants to see it.
struct Stored<'a>(&'a Tensor);

impl View for Stored<'_> {
    fn dtype(&self) -> Dtype {
        Dtype::F32
    }

    fn shape(&self) -> &[usize] {
        self.0.shape()
    }

    fn data(&self) -> Cow<'_, [u8]> {
        encode(self.0.values()).into()
    }

    fn data_len(&self) -> usize {
        self.0.len() * Element::F32.size()
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixtures::fixture;
    use super::*;
    use crate::tensors::Dtype as Stored;
    use insta::assert_snapshot;
    use proptest::prelude::*;

    fn file(header: &str, data: &[u8]) -> Vec<u8> {
        [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), data].concat()
    }

    #[test]
    fn a_file_of_the_python_library_is_read() {
        let tensors = read(fixture!("two_layer_safetensors/adapter.safetensors")).unwrap();
        assert_eq!(tensors.len(), 2 * 4);
        let name = "bert.encoder.layer.1.output.adapters.two_layer.adapter_down.0.weight";
        assert_eq!(tensors.get(name).unwrap().shape(), [4, 32]);
        assert_eq!(tensors.parameters(), 2 * (2 * 4 * 32 + 4 + 32));
    }

    #[test]
    fn stored_types_are_remembered() {
        let header = r#"{"a":{"dtype":"BF16","shape":[1],"data_offsets":[0,2]},"b":{"dtype":"I64","shape":[],"data_offsets":[2,10]}}"#;
        let data = [&half::bf16::from_f32(1.5).to_le_bytes()[..], &(-3i64).to_le_bytes()].concat();
        let tensors = read(&file(header, &data)).unwrap();
        assert_eq!(tensors.get("a").unwrap(), &Tensor::new([1], vec![1.5]).unwrap().stored_as(Stored::Bf16));
        assert_eq!(tensors.get("b").unwrap(), &Tensor::new([], vec![-3.0]).unwrap().stored_as(Stored::Int));
    }

    #[test]
    fn damage_is_told() {
        let error = |bytes: &[u8]| read(bytes).unwrap_err();
        assert_snapshot!(error(fixture!("hostile/gigantic.safetensors")), @"the safetensors header claims 1152921504606846976 bytes, at most 16777216 are read");
        assert_snapshot!(error(fixture!("hostile/truncated.safetensors")), @"the safetensors header describes 2336 bytes of tensors, the file holds 2236");
        assert_snapshot!(error(fixture!("hostile/overlap.safetensors")), @"the safetensors header is wrong: invalid offset for tensor `b`");
        assert_snapshot!(error(fixture!("hostile/out_of_range.safetensors")), @"the safetensors header describes 4000 bytes of tensors, the file holds 12");
        assert_snapshot!(error(b""), @"the file is cut short: its safetensors header claims 8 bytes, the file has 0");
        assert_snapshot!(error(&1000u64.to_le_bytes()), @"the file is cut short: its safetensors header claims 1000 bytes, the file has 8");
        assert_snapshot!(error(&file("{", b"")), @"the safetensors header is wrong: EOF while parsing an object at line 1 column 1");
        let f8 = r#"{"w":{"dtype":"F8_E4M3","shape":[2],"data_offsets":[0,2]}}"#;
        assert_snapshot!(error(&file(f8, &[0; 2])), @"tensor w is stored as F8_E4M3, which is not read (f16, bf16, f32, f64, integers and bool are)");
        let product = format!(r#"{{"w":{{"dtype":"F32","shape":[{0},{0}],"data_offsets":[0,4]}}}}"#, u64::MAX);
        assert_snapshot!(error(&file(&product, &[0; 4])), @"the safetensors header is wrong: overflow computing buffer size from shape and/or element type");
    }

    #[test]
    fn offsets_that_add_up_past_every_integer_are_refused() {
        // Eight tensors of 2^61 - 1 bytes: the end fits in 64 bits, the end and the header's length do not.
        let size = (1u64 << 61) - 1;
        let entry = |i: u64| {
            format!(r#""{i}":{{"dtype":"U8","shape":[{size}],"data_offsets":[{},{}]}}"#, i * size, (i + 1) * size)
        };
        let header = format!("{{{}}}", (0..8).map(entry).collect::<Vec<_>>().join(","));
        let error = read(&file(&header, &[])).unwrap_err();
        assert!(matches!(error, FormatError::DataLength { .. } | FormatError::Header { .. }), "{error}");
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(tensors in super::super::torch::tests::any_tensors()) {
            prop_assert_eq!(read(&write(&tensors).unwrap()).unwrap(), tensors);
        }
    }
}
