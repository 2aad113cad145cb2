//! Named, ordered sets of tensors: what readers give, what methods take and give, what the model loads.
//!
//! Values are `f32` in memory whatever the file stored; the stored type is remembered so that it can be told.
//! This room knows nothing of files, of burn, or of what a tensor means beyond [`adapter`] and [`head`], the one
//! vocabulary in which file formats, merge methods and the model name the parameters of an adapter and its head.

pub mod adapter;
pub mod head;

use indexmap::IndexMap;

/// Element type of a tensor as its file stored it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dtype {
    /// IEEE 754 half precision.
    F16,
    /// bfloat16.
    Bf16,
    /// IEEE 754 single precision.
    F32,
    /// IEEE 754 double precision.
    F64,
    /// Signed integers of any width.
    Int,
}

/// A shape and that many values in row-major order.
#[derive(Clone, Debug, PartialEq)]
pub struct Tensor {
    shape: Vec<usize>,
    values: Vec<f32>,
    dtype: Dtype,
}

/// A tensor whose number of values is not the product of its shape.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("shape {shape:?} does not hold {values} values")]
pub struct ShapeError {
    /// The shape asked for.
    pub shape: Vec<usize>,
    /// The number of values given.
    pub values: usize,
}

impl Tensor {
    /// A tensor of `shape` (row-major), stored type [`Dtype::F32`].
    ///
    /// # Errors
    /// When the product of `shape` overflows or is not `values.len()`.
    pub fn new(shape: impl Into<Vec<usize>>, values: Vec<f32>) -> Result<Self, ShapeError> {
        let shape = shape.into();
        let count = shape.iter().try_fold(1usize, |product, &n| product.checked_mul(n));
        if count == Some(values.len()) {
            Ok(Self { shape, values, dtype: Dtype::F32 })
        } else {
            Err(ShapeError { shape, values: values.len() })
        }
    }

    /// The same tensor, remembered as read from a file that stored `dtype`.
    #[must_use]
    pub fn stored_as(mut self, dtype: Dtype) -> Self {
        self.dtype = dtype;
        self
    }

    /// Length of each axis; empty for a scalar.
    #[must_use]
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// The values in row-major order.
    #[must_use]
    pub fn values(&self) -> &[f32] {
        &self.values
    }

    /// The values in row-major order, taken out.
    #[must_use]
    pub fn into_values(self) -> Vec<f32> {
        self.values
    }

    /// Element type in the file it came from.
    #[must_use]
    pub fn dtype(&self) -> Dtype {
        self.dtype
    }

    /// Number of values.
    #[must_use]
    pub fn len(&self) -> usize {
        self.values.len()
    }

    /// Whether an axis has length zero.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// Index of the first value that is NaN or infinite.
    #[must_use]
    pub fn first_not_finite(&self) -> Option<usize> {
        self.values.iter().position(|v| !v.is_finite())
    }
}

/// Tensors by name, in the order in which they were put in.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TensorSet(IndexMap<String, Tensor>);

impl TensorSet {
    /// An empty set.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Puts `tensor` under `name`; gives back what stood there.
    pub fn insert(&mut self, name: impl Into<String>, tensor: Tensor) -> Option<Tensor> {
        self.0.insert(name.into(), tensor)
    }

    /// The tensor called `name`.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Tensor> {
        self.0.get(name)
    }

    /// Takes the tensor called `name` out, keeping the order of the others.
    pub fn remove(&mut self, name: &str) -> Option<Tensor> {
        self.0.shift_remove(name)
    }

    /// Name and tensor, in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &Tensor)> {
        self.0.iter().map(|(name, tensor)| (name.as_str(), tensor))
    }

    /// The names, in order.
    pub fn names(&self) -> impl ExactSizeIterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// Number of tensors.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is no tensor.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Number of values in all tensors together.
    #[must_use]
    pub fn parameters(&self) -> usize {
        self.0.values().map(Tensor::len).sum()
    }
}

impl<S: Into<String>> FromIterator<(S, Tensor)> for TensorSet {
    fn from_iter<I: IntoIterator<Item = (S, Tensor)>>(items: I) -> Self {
        Self(items.into_iter().map(|(name, tensor)| (name.into(), tensor)).collect())
    }
}

impl IntoIterator for TensorSet {
    type Item = (String, Tensor);
    type IntoIter = indexmap::map::IntoIter<String, Tensor>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shape_must_hold_its_values() {
        assert!(Tensor::new([2, 3], vec![0.0; 6]).is_ok());
        let error = Tensor::new([2, 3], vec![0.0; 5]).unwrap_err();
        assert_eq!(error.to_string(), "shape [2, 3] does not hold 5 values");
        assert!(Tensor::new([usize::MAX, 2], vec![]).is_err(), "an overflowing product must not wrap to zero");
    }

    #[test]
    fn order_survives_removal() {
        let scalar = || Tensor::new([], vec![1.0]).unwrap();
        let mut set: TensorSet = ["b", "a", "c"].map(|name| (name, scalar())).into_iter().collect();
        assert!(set.remove("a").is_some());
        assert_eq!(set.names().collect::<Vec<_>>(), ["b", "c"]);
        assert_eq!(set.parameters(), 2);
    }
}
