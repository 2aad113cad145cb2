//! Classification heads on the first token, as the library `adapters` builds them (`heads/base.py`):
//! dropout, `dense`, activation, dropout, `out_proj`; a head of one layer has `out_proj` alone.

use super::ModelError;
use super::params::{Initializer, RunParams};
use crate::tensors::TensorSet;
pub use crate::tensors::head::{DENSE_BIAS, DENSE_WEIGHT, OUT_BIAS, OUT_WEIGHT};
use burn::tensor::Tensor;
use burn::tensor::activation::{gelu, relu, tanh};
use rand::Rng;

/// Between the two layers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HeadActivation {
    /// Hyperbolic tangent, the library's default.
    #[default]
    Tanh,
    /// max(0, x).
    Relu,
    /// x · Φ(x), exact.
    Gelu,
}

impl HeadActivation {
    /// By the names that configs use.
    const NAMES: [(&str, Self); 3] = [("tanh", Self::Tanh), ("relu", Self::Relu), ("gelu", Self::Gelu)];

    /// By the name that configs use; `None` for one that is not supported.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::NAMES.into_iter().find(|(known, _)| *known == name).map(|(_, kind)| kind)
    }

    /// The names that [`HeadActivation::from_name`] knows.
    #[must_use]
    pub fn names() -> [&'static str; 3] {
        Self::NAMES.map(|(name, _)| name)
    }
}

/// The heads of R runs.
#[derive(Clone, Copy, Debug)]
pub struct Head<'a> {
    /// Parameters under the names below.
    pub params: &'a RunParams,
    /// Between the layers.
    pub activation: HeadActivation,
}

impl Head<'_> {
    /// Logits of the first tokens.
    ///
    /// # Shapes
    /// - `hidden`: `[runs · B, len, hidden]`, rows grouped by run
    /// - `dropout`: masks already divided by the share kept, `[runs, B, hidden]` each: before `dense` and before
    ///   `out_proj` (a head of one layer uses the last alone)
    /// - output: `[runs, B, labels]`
    ///
    /// # Errors
    /// When there is no head among the parameters.
    pub fn forward(&self, hidden: Tensor<3>, dropout: Option<[Tensor<3>; 2]>) -> Result<Tensor<3>, ModelError> {
        let part =
            |name: &str| self.params.get(name).cloned().ok_or_else(|| ModelError::Missing { name: name.to_owned() });
        let [rows, _, width] = hidden.dims();
        let runs = self.params.runs();
        let mut x = hidden.narrow(1, 0, 1).reshape([runs, rows / runs, width]);
        let [first, last] = dropout.map_or([None, None], |masks| masks.map(Some));
        let drop = |x: Tensor<3>, mask: Option<Tensor<3>>| match mask {
            Some(mask) => x * mask,
            None => x,
        };
        if self.params.get(DENSE_WEIGHT).is_some() {
            x = drop(x, first).matmul(part(DENSE_WEIGHT)?) + part(DENSE_BIAS)?;
            x = match self.activation {
                HeadActivation::Tanh => tanh(x),
                HeadActivation::Relu => relu(x),
                HeadActivation::Gelu => gelu(x),
            };
        }
        Ok(drop(x, last).matmul(part(OUT_WEIGHT)?) + part(OUT_BIAS)?)
    }
}

/// A new head of two layers in the layout of files: weights N(0, 0.02), biases 0.
///
/// # Errors
/// When the sizes overflow.
pub fn initial<R: Rng>(hidden: usize, labels: usize, rng: &mut R) -> Result<TensorSet, ModelError> {
    let mut init = Initializer(rng);
    Ok([
        (DENSE_WEIGHT, init.normal(&[hidden, hidden], 0.02)?),
        (DENSE_BIAS, init.zeros(&[hidden])?),
        (OUT_WEIGHT, init.normal(&[labels, hidden], 0.02)?),
        (OUT_BIAS, init.zeros(&[labels])?),
    ]
    .into_iter()
    .collect())
}
