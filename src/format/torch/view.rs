//! Tensors as a pickle describes them: views into storages.

use super::super::elements::Element;
use super::super::error::{Count, FormatError};
use crate::tensors::Tensor;
use std::rc::Rc;

/// A storage: a record of the archive.
#[derive(Debug)]
pub(super) struct StorageRef {
    pub(super) key: String,
    pub(super) element: Element,
}

/// A view into a storage; all counts in elements.
#[derive(Clone, Debug)]
pub(super) struct TensorRef {
    pub(super) storage: Rc<StorageRef>,
    pub(super) offset: usize,
    pub(super) shape: Vec<usize>,
    pub(super) strides: Vec<usize>,
}

impl TensorRef {
    /// Number of elements; `None` where it overflows.
    pub(super) fn elements(&self) -> Option<usize> {
        self.shape.iter().try_fold(1usize, |product, &n| product.checked_mul(n))
    }

    /// One more than the last element of the storage that the view touches; `None` where it overflows.
    pub(super) fn extent(&self) -> Option<usize> {
        if self.shape.contains(&0) {
            return Some(0);
        }
        let last = self
            .shape
            .iter()
            .zip(&self.strides)
            .try_fold(self.offset, |sum, (&n, &stride)| sum.checked_add((n - 1).checked_mul(stride)?))?;
        last.checked_add(1)
    }

    /// Whether the view's elements lie one after the other, in row-major order.
    pub(super) fn is_contiguous(&self) -> bool {
        let mut expected = 1usize;
        self.shape.contains(&0)
            || self.shape.iter().zip(&self.strides).rev().all(|(&n, &stride)| {
                let fits = n == 1 || stride == expected;
                expected = expected.saturating_mul(n);
                fits
            })
    }
}

/// Copies a view out of its storage's bytes.
pub(super) fn view(name: &str, tensor: &TensorRef, storage: &[u8]) -> Result<Tensor, FormatError> {
    let element = tensor.storage.element;
    let available = storage.len() / element.size();
    let outside = |needed| FormatError::OutOfStorage { tensor: name.to_owned(), needed: Count(needed), available };
    let needed = tensor.extent().ok_or_else(|| outside(None))?;
    if needed > available {
        return Err(outside(Some(needed)));
    }
    let count = tensor.elements().ok_or_else(|| outside(None))?;
    let values = if count == 0 {
        Vec::new()
    } else if tensor.is_contiguous() {
        // Within the storage, so neither product overflows.
        let start = tensor.offset * element.size();
        element.decode(storage.get(start..start + count * element.size()).unwrap_or_default())
    } else {
        element.decode(&gather(storage, tensor, count))
    };
    let tensor = Tensor::new(tensor.shape.clone(), values).map_err(|_| outside(Some(needed)))?;
    Ok(tensor.stored_as(element.dtype()))
}

/// The bytes of the `count` elements of a strided view, in row-major order. The view must lie within `storage`: what is
/// copied is in proportion to the view, however large the storage.
fn gather(storage: &[u8], tensor: &TensorRef, count: usize) -> Vec<u8> {
    let size = tensor.storage.element.size();
    let mut index = vec![0usize; tensor.shape.len()];
    let mut at = tensor.offset;
    let mut bytes = Vec::with_capacity(count * size);
    for _ in 0..count {
        bytes.extend_from_slice(storage.get(at * size..(at + 1) * size).unwrap_or_default());
        for axis in (0..index.len()).rev() {
            index[axis] += 1;
            if index[axis] < tensor.shape[axis] {
                at += tensor.strides[axis];
                break;
            }
            at -= (tensor.shape[axis] - 1) * tensor.strides[axis];
            index[axis] = 0;
        }
    }
    bytes
}
