//! One location's tensors as `f64` matrices, and the function that they are.

use nalgebra::DMatrix;

use super::axes::NEURON_AXES;
use super::error::MergeError;
use crate::ot::TransportSolution;
use crate::tensors::adapter::{Location, Part};
use crate::tensors::{Tensor, TensorSet};

/// The non-linearity between both projections.
pub type Activation = fn(f64) -> f64;

/// `max(0, x)`, the non-linearity of `seq_bn`.
#[must_use]
pub fn relu(x: f64) -> f64 {
    x.max(0.0)
}

/// The parameters of an adapter at one location: with bottleneck `m` and hidden size `d`, `W_down` (`m × d`), `b_down`
/// (`m × 1`), `W_up` (`d × m`), `b_up` (`d × 1`).
#[derive(Clone, Debug, PartialEq)]
pub struct LocationParams {
    /// In the order of [`Part::ALL`].
    parts: [DMatrix<f64>; 4],
}

impl LocationParams {
    /// Zeros.
    #[must_use]
    pub fn zeros(bottleneck: usize, hidden: usize) -> Self {
        let shapes = Part::ALL.map(|part| part.shape(bottleneck, hidden));
        Self { parts: shapes.map(|shape| DMatrix::zeros(shape[0], shape.get(1).copied().unwrap_or(1))) }
    }

    /// The tensors of `location` in `params`, which belong to `adapter`.
    ///
    /// # Errors
    /// When one is missing, or their shapes do not fit each other.
    pub fn read(adapter: &str, params: &TensorSet, location: Location) -> Result<Self, MergeError> {
        let (bottleneck, hidden) = size(adapter, params, location)?;
        let mut read = Self::zeros(bottleneck, hidden);
        for (matrix, part) in read.parts.iter_mut().zip(Part::ALL) {
            let values = params.get(&location.param(part)).map(Tensor::values).unwrap_or_default();
            let (rows, columns) = matrix.shape();
            *matrix = DMatrix::from_row_iterator(rows, columns, values.iter().map(|value| f64::from(*value)));
        }
        Ok(read)
    }

    /// Puts the tensors into `params` under the names of `location`.
    ///
    /// # Errors
    /// When a value does not fit in `f32`.
    pub fn write(&self, params: &mut TensorSet, location: Location) -> Result<(), MergeError> {
        for part in Part::ALL {
            let (tensor, matrix) = (location.param(part), self.part(part));
            let values: Vec<f32> = matrix.transpose().iter().map(|value| *value as f32).collect();
            if let Some(index) = values.iter().position(|value| !value.is_finite()) {
                let value = matrix[(index / matrix.ncols(), index % matrix.ncols())];
                return Err(MergeError::Overflow { tensor, index, value });
            }
            let shape = part.shape(self.bottleneck(), self.hidden());
            // The matrix has the shape by construction.
            if let Ok(values) = Tensor::new(shape, values) {
                params.insert(tensor, values);
            }
        }
        Ok(())
    }

    /// One of the four; biases as one column.
    #[must_use]
    pub fn part(&self, part: Part) -> &DMatrix<f64> {
        match part {
            Part::DownWeight => &self.parts[0],
            Part::DownBias => &self.parts[1],
            Part::UpWeight => &self.parts[2],
            Part::UpBias => &self.parts[3],
        }
    }

    /// The same with `values` for `part`, which must have its shape.
    pub(super) fn with(mut self, part: Part, values: DMatrix<f64>) -> Self {
        let index = match part {
            Part::DownWeight => 0,
            Part::DownBias => 1,
            Part::UpWeight => 2,
            Part::UpBias => 3,
        };
        debug_assert_eq!(self.parts[index].shape(), values.shape());
        self.parts[index] = values;
        self
    }

    /// Only the neurons at these indices, in this order.
    pub(super) fn selected(&self, neurons: &[usize]) -> Self {
        let parts = NEURON_AXES.map(|row| {
            let values = self.part(row.part);
            match row.axis {
                Some((0, _)) => values.select_rows(neurons),
                Some(_) => values.select_columns(neurons),
                None => values.clone(),
            }
        });
        Self { parts }
    }

    /// Number of neurons, `m`.
    #[must_use]
    pub fn bottleneck(&self) -> usize {
        self.parts[0].nrows()
    }

    /// Hidden size of the encoder, `d`.
    #[must_use]
    pub fn hidden(&self) -> usize {
        self.parts[0].ncols()
    }

    /// `Σ weight · params` of one or more, all of the same shapes.
    pub(super) fn weighted_sum<'a>(terms: impl IntoIterator<Item = (f64, &'a Self)>) -> Self {
        let mut terms = terms.into_iter().peekable();
        let (bottleneck, hidden) = terms.peek().map_or((0, 0), |(_, params)| (params.bottleneck(), params.hidden()));
        let mut sum = Self::zeros(bottleneck, hidden);
        for (weight, params) in terms {
            for (mine, theirs) in sum.parts.iter_mut().zip(&params.parts) {
                *mine += theirs * weight;
            }
        }
        sum
    }

    /// Scales the output, that is `W_up` and `b_up`, by `factor`.
    pub fn scale_output(&mut self, factor: f64) {
        self.parts[2] *= factor;
        self.parts[3] *= factor;
    }

    /// The same function (where the plan is a permutation; else near it) with the neurons of the plan's targets: along
    /// its neuron axis each part is mapped as [`NEURON_AXES`] says.
    #[must_use]
    pub fn moved(&self, solution: &TransportSolution) -> Self {
        let parts = NEURON_AXES.map(|row| {
            let values = self.part(row.part);
            match row.axis {
                Some((0, share)) => solution.target_from_source(share) * values,
                Some((_, share)) => values * solution.target_from_source(share).transpose(),
                None => values.clone(),
            }
        });
        Self { parts }
    }

    /// That inputs `tokens × d` of `location` are as wide as the adapter.
    pub(super) fn fits(&self, inputs: &DMatrix<f64>, location: Location) -> Result<(), MergeError> {
        let (features, hidden) = (inputs.ncols(), self.hidden());
        if features == hidden { Ok(()) } else { Err(MergeError::FeatureWidth { location, features, hidden }) }
    }

    /// `inputs · W_downᵀ + b_down` for inputs `tokens × d`.
    ///
    /// # Shapes
    /// `tokens × m`.
    #[must_use]
    pub fn pre_activations(&self, inputs: &DMatrix<f64>) -> DMatrix<f64> {
        affine(inputs, &self.parts[0], &self.parts[1])
    }

    /// The adapter's function (without residual) on inputs `tokens × d`.
    ///
    /// # Shapes
    /// `tokens × d`.
    #[must_use]
    pub fn forward(&self, inputs: &DMatrix<f64>, activation: Activation) -> DMatrix<f64> {
        affine(&self.pre_activations(inputs).map(activation), &self.parts[2], &self.parts[3])
    }
}

/// Bottleneck and hidden size of `adapter` at `location`, after checking that it has all four parts and that they fit.
pub(super) fn size(adapter: &str, params: &TensorSet, location: Location) -> Result<(usize, usize), MergeError> {
    let mut size = (0, 0);
    for part in Part::ALL {
        let tensor = location.param(part);
        let Some(found) = params.get(&tensor).map(Tensor::shape) else {
            return Err(MergeError::MissingTensor { adapter: adapter.to_owned(), tensor });
        };
        let expected = if part == Part::DownWeight {
            match *found {
                [bottleneck, hidden] if bottleneck > 0 && hidden > 0 => {
                    size = (bottleneck, hidden);
                    continue;
                }
                _ => "[bottleneck, hidden], both above 0,".to_owned(),
            }
        } else {
            let expected = part.shape(size.0, size.1);
            if found == expected {
                continue;
            }
            format!("{expected:?}")
        };
        return Err(MergeError::Shape { adapter: adapter.to_owned(), tensor, found: found.to_vec(), expected });
    }
    Ok(size)
}

/// `inputs · weightᵀ + bias`, the bias a column added to every row.
fn affine(inputs: &DMatrix<f64>, weight: &DMatrix<f64>, bias: &DMatrix<f64>) -> DMatrix<f64> {
    let mut outputs = inputs * weight.transpose();
    for (mut column, bias) in outputs.column_iter_mut().zip(bias.iter()) {
        column.add_scalar_mut(*bias);
    }
    outputs
}
