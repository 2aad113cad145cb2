//! Little-endian elements of any stored type to `f32`.

use crate::tensors::Dtype;
use half::{bf16, f16};

/// How a file stores one element.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Element {
    F16,
    Bf16,
    F32,
    F64,
    I8,
    I16,
    I32,
    I64,
    U8,
    U16,
    U32,
    U64,
    Bool,
}

impl Element {
    /// Bytes an element takes.
    pub(super) fn size(self) -> usize {
        match self {
            Self::I8 | Self::U8 | Self::Bool => 1,
            Self::F16 | Self::Bf16 | Self::I16 | Self::U16 => 2,
            Self::F32 | Self::I32 | Self::U32 => 4,
            Self::F64 | Self::I64 | Self::U64 => 8,
        }
    }

    /// What a [`crate::tensors::Tensor`] remembers of it.
    pub(super) fn dtype(self) -> Dtype {
        match self {
            Self::F16 => Dtype::F16,
            Self::Bf16 => Dtype::Bf16,
            Self::F32 => Dtype::F32,
            Self::F64 => Dtype::F64,
            _ => Dtype::Int,
        }
    }

    /// `bytes` as `f32`, each value rounded to the nearest; a last, incomplete element is left out.
    ///
    /// One pass and one allocation, whatever the alignment of `bytes`.
    pub(super) fn decode(self, bytes: &[u8]) -> Vec<f32> {
        fn each<const N: usize>(bytes: &[u8], value: impl Fn([u8; N]) -> f32) -> Vec<f32> {
            bytes.as_chunks::<N>().0.iter().map(|chunk| value(*chunk)).collect()
        }
        match self {
            Self::F16 => each(bytes, |b| f16::from_le_bytes(b).to_f32()),
            Self::Bf16 => each(bytes, |b| bf16::from_le_bytes(b).to_f32()),
            Self::F32 => each(bytes, f32::from_le_bytes),
            Self::F64 => each(bytes, |b| f64::from_le_bytes(b) as f32),
            Self::I8 => each(bytes, |b| f32::from(i8::from_le_bytes(b))),
            Self::I16 => each(bytes, |b| f32::from(i16::from_le_bytes(b))),
            Self::I32 => each(bytes, |b| i32::from_le_bytes(b) as f32),
            Self::I64 => each(bytes, |b| i64::from_le_bytes(b) as f32),
            Self::U8 | Self::Bool => each(bytes, |b| f32::from(u8::from_le_bytes(b))),
            Self::U16 => each(bytes, |b| f32::from(u16::from_le_bytes(b))),
            Self::U32 => each(bytes, |b| u32::from_le_bytes(b) as f32),
            Self::U64 => each(bytes, |b| u64::from_le_bytes(b) as f32),
        }
    }
}

/// `values` as little-endian bytes.
pub(super) fn encode(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_element_type_is_decoded() {
        let cases: [(Element, Vec<u8>); 13] = [
            (Element::F16, f16::from_f32(3.0).to_le_bytes().to_vec()),
            (Element::Bf16, bf16::from_f32(3.0).to_le_bytes().to_vec()),
            (Element::F32, 3f32.to_le_bytes().to_vec()),
            (Element::F64, 3f64.to_le_bytes().to_vec()),
            (Element::I8, 3i8.to_le_bytes().to_vec()),
            (Element::I16, 3i16.to_le_bytes().to_vec()),
            (Element::I32, 3i32.to_le_bytes().to_vec()),
            (Element::I64, 3i64.to_le_bytes().to_vec()),
            (Element::U8, 3u8.to_le_bytes().to_vec()),
            (Element::U16, 3u16.to_le_bytes().to_vec()),
            (Element::U32, 3u32.to_le_bytes().to_vec()),
            (Element::U64, 3u64.to_le_bytes().to_vec()),
            (Element::Bool, vec![3]),
        ];
        for (element, mut bytes) in cases {
            assert_eq!(bytes.len(), element.size(), "{element:?}");
            bytes.push(0xff);
            assert_eq!(element.decode(&bytes)[0], 3.0, "{element:?}");
        }
        assert_eq!(Element::I16.decode(&(-2i16).to_le_bytes()), [-2.0]);
    }

    #[test]
    fn encoding_is_undone_by_decoding() {
        let values = [0.0, -1.5, f32::MIN_POSITIVE, f32::MAX];
        assert_eq!(Element::F32.decode(&encode(&values)), values);
    }
}
