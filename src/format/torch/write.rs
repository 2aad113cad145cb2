//! A state dict as `torch.save` writes it, of f32 tensors only.
//!
//! The pickle imports `collections.OrderedDict`, `torch._utils._rebuild_tensor_v2` and `torch.FloatStorage` and
//! nothing else, which `torch.load(weights_only=True)` accepts. Records are stored, not compressed, and begin at
//! multiples of 64 bytes, so that torch can map them into memory.

use super::super::elements::encode;
use super::super::error::FormatError;
use super::op;
use crate::tensors::{Tensor, TensorSet};
use std::io::{Cursor, Write};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

/// Boundary on which torch starts each record (`.storage_alignment`).
const ALIGNMENT: u16 = 64;

/// The bytes of a torch archive that holds `tensors`. `prefix` names the folder inside it; torch takes the file's
/// name without extension.
///
/// # Errors
/// [`FormatError::Write`] where a size does not fit the format.
pub fn write(prefix: &str, tensors: &TensorSet) -> Result<Vec<u8>, FormatError> {
    let pickle = pickle(tensors).ok_or_else(|| FormatError::Write { reason: "a tensor is too large".to_owned() })?;
    archive(prefix, &pickle, tensors).map_err(|error| FormatError::Write { reason: error.to_string() })
}

fn archive(prefix: &str, pickle: &[u8], tensors: &TensorSet) -> zip::result::ZipResult<Vec<u8>> {
    let options = SimpleFileOptions::default().compression_method(CompressionMethod::Stored).with_alignment(ALIGNMENT);
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    let mut record = |name: &str, bytes: &[u8]| {
        zip.start_file(format!("{prefix}/{name}"), options)?;
        zip.write_all(bytes).map_err(zip::result::ZipError::from)
    };
    record("data.pkl", pickle)?;
    record(".format_version", b"1")?;
    record(".storage_alignment", ALIGNMENT.to_string().as_bytes())?;
    record("byteorder", b"little")?;
    for (index, (_, tensor)) in tensors.iter().enumerate() {
        record(&format!("data/{index}"), &encode(tensor.values()))?;
    }
    record("version", b"3\n")?;
    Ok(zip.finish()?.into_inner())
}

/// `{name: tensor}` in pickle's protocol 2; `None` where a number does not fit.
fn pickle(tensors: &TensorSet) -> Option<Vec<u8>> {
    let mut out = vec![op::PROTO, 2, op::EMPTY_DICT, op::MARK];
    for (index, (name, tensor)) in tensors.iter().enumerate() {
        string(&mut out, name)?;
        rebuild(&mut out, index, tensor)?;
    }
    out.extend([op::SETITEMS, op::STOP]);
    Some(out)
}

/// `_rebuild_tensor_v2(storage, 0, shape, strides, False, OrderedDict())`.
fn rebuild(out: &mut Vec<u8>, index: usize, tensor: &Tensor) -> Option<()> {
    out.extend(b"ctorch._utils\n_rebuild_tensor_v2\n");
    out.push(op::MARK);

    out.push(op::MARK);
    string(out, "storage")?;
    out.extend(b"ctorch\nFloatStorage\n");
    string(out, &index.to_string())?;
    string(out, "cpu")?;
    integer(out, tensor.len())?;
    out.extend([op::TUPLE, op::BINPERSID]);

    integer(out, 0)?;
    let strides = strides(tensor.shape());
    for counts in [tensor.shape(), &strides] {
        out.push(op::MARK);
        for &count in counts {
            integer(out, count)?;
        }
        out.push(op::TUPLE);
    }
    out.push(op::NEWFALSE);
    out.extend(b"ccollections\nOrderedDict\n");
    out.extend([op::EMPTY_TUPLE, op::REDUCE, op::TUPLE, op::REDUCE]);
    Some(())
}

/// Row-major strides, in elements.
fn strides(shape: &[usize]) -> Vec<usize> {
    let mut strides = vec![1usize; shape.len()];
    for axis in (1..shape.len()).rev() {
        strides[axis - 1] = strides[axis].saturating_mul(shape[axis].max(1));
    }
    strides
}

fn string(out: &mut Vec<u8>, text: &str) -> Option<()> {
    out.push(op::BINUNICODE);
    out.extend(u32::try_from(text.len()).ok()?.to_le_bytes());
    out.extend(text.as_bytes());
    Some(())
}

fn integer(out: &mut Vec<u8>, value: usize) -> Option<()> {
    out.push(op::BININT);
    out.extend(i32::try_from(value).ok()?.to_le_bytes());
    Some(())
}
