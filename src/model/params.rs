//! What runs train: small tensors by canonical name, all runs of one shape stacked on a leading run axis.

use super::ModelError;
use crate::tensors::adapter::Location;
use crate::tensors::{ShapeError, Tensor as Stored, TensorSet};
use burn::tensor::{Device, Tensor, TensorData};
use indexmap::IndexMap;
use rand::Rng;

/// Parameters of R runs by canonical name.
///
/// A matrix that files hold as `[output, input]` stands here as `[runs, input, output]`, a vector of `n` as
/// `[runs, 1, n]`, a table of embeddings, which is read by row, as files have it, `[runs, rows, hidden]`: everything has
/// rank 3, so forward, optimiser and checkpoint know one kind of tensor.
#[derive(Clone, Debug, Default)]
pub struct RunParams {
    tensors: IndexMap<String, Tensor<3>>,
    layouts: Vec<Layout>,
    runs: usize,
}

/// How a tensor of a file stands behind the run axis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Layout {
    /// Transposed.
    Matrix,
    /// As one row.
    Vector,
    /// As it is.
    Table,
}

impl Layout {
    /// The shape in files of a tensor that is `[_, input, output]` here.
    fn shape(self, [_, input, output]: [usize; 3]) -> Vec<usize> {
        match self {
            Self::Matrix => vec![output, input],
            Self::Vector => vec![output],
            Self::Table => vec![input, output],
        }
    }
}

/// Whether the tensor called `name` is a table of embeddings, as Hugging Face names them.
#[must_use]
pub fn is_table(name: &str) -> bool {
    name.ends_with("_embeddings.weight")
}

impl RunParams {
    /// Stacks the parameters of runs onto `device`.
    ///
    /// # Errors
    /// When runs have other names or shapes than the first, or a tensor is neither matrix nor vector.
    pub fn stack(runs: &[&TensorSet], device: &Device) -> Result<Self, ModelError> {
        let Some(first) = runs.first() else { return Ok(Self::default()) };
        let mut tensors = IndexMap::new();
        let mut layouts = Vec::new();
        for (name, stored) in first.iter() {
            let layout = match stored.shape() {
                [_, _] if is_table(name) => Layout::Table,
                [_, _] => Layout::Matrix,
                _ => Layout::Vector,
            };
            let mut values = Vec::with_capacity(stored.len() * runs.len());
            for run in runs {
                let shape = run.get(name).map(Stored::shape).unwrap_or_default();
                if shape != stored.shape() || !matches!(shape.len(), 1 | 2) || run.len() != first.len() {
                    return Err(ModelError::Stack {
                        name: name.to_owned(),
                        left: stored.shape().to_vec(),
                        right: shape.to_vec(),
                    });
                }
                match (layout, run.get(name)) {
                    (Layout::Matrix, Some(matrix)) => values.extend(transposed(matrix)),
                    (_, Some(tensor)) => values.extend_from_slice(tensor.values()),
                    (_, None) => {}
                }
            }
            let shape = match (layout, stored.shape()) {
                (Layout::Matrix, &[output, input]) => [runs.len(), input, output],
                (Layout::Table, &[rows, hidden]) => [runs.len(), rows, hidden],
                _ => [runs.len(), 1, stored.len()],
            };
            layouts.push(layout);
            tensors.insert(name.to_owned(), Tensor::from_data(TensorData::new(values, shape), device));
        }
        Ok(Self { tensors, layouts, runs: runs.len() })
    }

    /// Reads the runs back, in the layout of files.
    ///
    /// # Errors
    /// When the device fails.
    pub async fn unstack(&self) -> Result<Vec<TensorSet>, ModelError> {
        let mut runs = vec![TensorSet::new(); self.runs];
        for ((name, tensor), layout) in self.tensors.iter().zip(&self.layouts) {
            let [_, input, output] = tensor.dims();
            let shape = layout.shape(tensor.dims());
            let values = read(tensor.clone()).await?;
            for (run, values) in runs.iter_mut().zip(values.chunks_exact((input * output).max(1))) {
                let values = match layout {
                    Layout::Matrix => transposed(&Stored::new([input, output], values.to_vec())?),
                    Layout::Vector | Layout::Table => values.to_vec(),
                };
                run.insert(name.clone(), Stored::new(shape.clone(), values)?);
            }
        }
        Ok(runs)
    }

    /// The first place in an encoder that has parameters here; `last` where none has.
    #[must_use]
    pub fn first_place(&self, last: Location) -> Location {
        self.tensors.keys().filter_map(|name| Location::of_name(name)).min().unwrap_or(last).min(last)
    }

    /// The runs of several, one after the other.
    ///
    /// # Errors
    /// When they have other names or shapes than the first.
    pub fn side_by_side(several: &[&Self]) -> Result<Self, ModelError> {
        let Some((first, others)) = several.split_first() else { return Ok(Self::default()) };
        if others.is_empty() {
            return Ok((*first).clone());
        }
        let mut tensors = IndexMap::new();
        for (name, tensor) in &first.tensors {
            let mut parts = vec![tensor.clone()];
            for other in others {
                let found = other.tensors.get(name).filter(|found| found.dims()[1..] == tensor.dims()[1..]);
                parts.push(found.cloned().ok_or_else(|| ModelError::Stack {
                    name: name.clone(),
                    left: tensor.dims()[1..].to_vec(),
                    right: other.tensors.get(name).map_or(Vec::new(), |other| other.dims()[1..].to_vec()),
                })?);
            }
            tensors.insert(name.clone(), Tensor::cat(parts, 0));
        }
        let runs = several.iter().map(|params| params.runs).sum();
        Ok(Self { tensors, layouts: first.layouts.clone(), runs })
    }

    /// Some of the runs, by their places, which are below [`Self::runs`].
    #[must_use]
    pub fn select(self, runs: &[usize]) -> Self {
        let chosen = |_: &str, tensor: Tensor<3>| {
            Tensor::cat(runs.iter().map(|&run| tensor.clone().narrow(0, run, 1)).collect(), 0)
        };
        Self { runs: runs.len(), ..self.map(chosen) }
    }

    /// Number of runs.
    #[must_use]
    pub fn runs(&self) -> usize {
        self.runs
    }

    /// Number of parameters of one run.
    #[must_use]
    pub fn parameters(&self) -> usize {
        self.tensors.values().map(|tensor| tensor.shape().num_elements()).sum::<usize>() / self.runs.max(1)
    }

    /// Whether files hold the tensor called `name` as a vector: a bias, a norm, gates.
    #[must_use]
    pub fn is_vector(&self, name: &str) -> bool {
        self.shape(name).is_some_and(|shape| shape.len() == 1)
    }

    /// The shape of a run's tensor called `name`, as files hold it.
    #[must_use]
    pub fn shape(&self, name: &str) -> Option<Vec<usize>> {
        let (index, _, tensor) = self.tensors.get_full(name)?;
        Some(self.layouts.get(index)?.shape(tensor.dims()))
    }

    /// `[runs, input, output]`, `[runs, 1, n]` or `[runs, rows, hidden]`.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Tensor<3>> {
        self.tensors.get(name)
    }

    /// Name and tensor, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Tensor<3>)> {
        self.tensors.iter().map(|(name, tensor)| (name.as_str(), tensor))
    }

    /// The tensors called `names`, one after the other: `[runs, count]`.
    #[must_use]
    pub fn flatten(&self, names: &[String]) -> Option<Tensor<2>> {
        let flat = |name: &String| {
            let tensor = self.tensors.get(name)?.clone();
            let [runs, input, output] = tensor.dims();
            Some(tensor.reshape([runs, input * output]))
        };
        let parts: Vec<_> = names.iter().map(flat).collect::<Option<_>>()?;
        (!parts.is_empty()).then(|| Tensor::cat(parts, 1))
    }

    /// Puts the tensors called `names` back from what [`Self::flatten`] gave.
    pub fn unflatten(&mut self, names: &[String], flat: Tensor<2>) {
        let mut start = 0;
        for name in names {
            if let Some(tensor) = self.tensors.get_mut(name) {
                let [runs, input, output] = tensor.dims();
                *tensor = flat.clone().narrow(1, start, input * output).reshape([runs, input, output]);
                start += input * output;
            }
        }
    }

    /// The same parameters with each tensor replaced by what `change` makes of it.
    #[must_use]
    pub fn map(self, mut change: impl FnMut(&str, Tensor<3>) -> Tensor<3>) -> Self {
        let tensors = self
            .tensors
            .into_iter()
            .map(|(name, tensor)| {
                let tensor = change(&name, tensor);
                (name, tensor)
            })
            .collect();
        Self { tensors, ..self }
    }
}

/// Rows and columns of a matrix swapped; a vector as it is.
fn transposed(stored: &Stored) -> Vec<f32> {
    let &[rows, columns] = stored.shape() else { return stored.values().to_vec() };
    let mut values = Vec::with_capacity(stored.len());
    for column in 0..columns {
        values.extend((0..rows).map(|row| stored.values()[row * columns + column]));
    }
    values
}

/// Reads a tensor without blocking.
///
/// # Errors
/// When the device fails.
pub async fn read<const D: usize>(tensor: Tensor<D>) -> Result<Vec<f32>, ModelError> {
    let data = tensor.into_data_async().await.map_err(|error| ModelError::Device(format!("{error:?}")))?;
    data.try_into_vec::<f32>().map_err(|error| ModelError::Device(format!("{error:?}")))
}

/// Values in a tensor of `shape`.
///
/// # Errors
/// When they are more than memory can be asked for.
fn count(shape: &[usize]) -> Result<usize, ModelError> {
    let bytes = shape.iter().try_fold(size_of::<f32>(), |product, &n| product.checked_mul(n));
    let bytes = bytes.filter(|&bytes| isize::try_from(bytes).is_ok());
    bytes.map(|bytes| bytes / size_of::<f32>()).ok_or_else(|| ShapeError { shape: shape.to_vec(), values: 0 }.into())
}

/// Initial weights, drawn on the CPU from the run's own generator so that every device starts from the same numbers.
pub struct Initializer<'a, R: Rng>(pub &'a mut R);

impl<R: Rng> Initializer<'_, R> {
    /// A tensor of normally distributed values with mean 0 (Box and Muller 1958).
    ///
    /// # Errors
    /// When the product of `shape` overflows.
    pub fn normal(&mut self, shape: &[usize], deviation: f32) -> Result<Stored, ModelError> {
        let count = count(shape)?;
        let uniform = |rng: &mut R| ((rng.next_u32() >> 8) as f64 + 0.5) / f64::from(1u32 << 24);
        let mut values = Vec::with_capacity(count);
        while values.len() < count {
            let radius = (-2.0 * uniform(self.0).ln()).sqrt();
            let (sine, cosine) = (std::f64::consts::TAU * uniform(self.0)).sin_cos();
            values.extend([(radius * cosine) as f32 * deviation, (radius * sine) as f32 * deviation]);
        }
        values.truncate(count);
        Ok(Stored::new(shape, values)?)
    }

    /// A tensor of values uniform between `-bound` and `bound`.
    ///
    /// # Errors
    /// When the product of `shape` overflows.
    pub fn uniform(&mut self, shape: &[usize], bound: f32) -> Result<Stored, ModelError> {
        let draw = |_| (((self.0.next_u32() >> 8) as f32 + 0.5) / (1u32 << 23) as f32 - 1.0) * bound;
        let values = (0..count(shape)?).map(draw).collect();
        Ok(Stored::new(shape, values)?)
    }

    /// A tensor of zeros.
    ///
    /// # Errors
    /// When the product of `shape` overflows.
    pub fn zeros(&mut self, shape: &[usize]) -> Result<Stored, ModelError> {
        Ok(Stored::new(shape, vec![0.0; count(shape)?])?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::random::{Purpose, generator};

    #[test]
    fn a_shape_is_checked_before_memory_is_asked_for() {
        let mut random = generator(1, Purpose::Weights, 0);
        let mut init = Initializer(&mut random);
        for shape in [[usize::MAX, 2], [1 << (usize::BITS - 4), 4]] {
            for made in [init.normal(&shape, 1.0), init.uniform(&shape, 1.0), init.zeros(&shape)] {
                assert_eq!(made, Err(ModelError::Values(ShapeError { shape: shape.to_vec(), values: 0 })));
            }
        }
        assert_eq!(init.zeros(&[2, 3]).unwrap().len(), 6);
    }
}
