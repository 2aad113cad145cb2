//! AdapterFusion (Pfeiffer et al. 2021): at each place, attention of every token over the outputs of N frozen adapters.
//!
//! As the library `adapters` 1.3.0 computes it (`methods/modeling.py`, `BertFusion`, configuration "dynamic"): with the
//! adapters' input x and their outputs `u_i = scaling_i · A_i(x)`, without residual,
//!
//! `p_i = softmax_i((W_q x + b_q) · (W_k u_i + b_k))`, and in the place of one adapter's output stands `V Σ_i p_i u_i`.
//!
//! Two identities save most of the work, `(W_k u_i) · q = u_i · (W_kᵀ q)` and `Σ p_i V u_i = V Σ p_i u_i`: three
//! products with `[hidden, hidden]` a place whatever the number of adapters, where taken literally it is 1 + 2N. The
//! key's bias adds the same to all scores of a token, which softmax does not see; it is kept for the files' sake only.
//! `V` starts near the identity and is held there by `0.01 · ‖I − V‖²` ([`penalty`]), a part of the objective.
//!
//! While it trains, the library also drops scores out with the encoder's attention dropout. Here nothing under the head has
//! dropout, in whatever method, so that what precedes the first adapter can be kept and methods differ in nothing else.

use super::ModelError;
use super::adapter::{Sublayer, adapted};
use super::frozen::{FrozenAdapter, places};
use super::params::{Initializer, RunParams};
use crate::tensors::adapter::Location;
use crate::tensors::{Tensor as Stored, TensorSet};
use burn::nn::LayerNorm;
use burn::tensor::Tensor;
use burn::tensor::activation::softmax;
use rand::Rng;
use std::cell::RefCell;

/// One of the five tensors of a fusion at a location, called `{location}.fusion.{part}`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FusionPart {
    /// `[hidden, hidden]`.
    QueryWeight,
    /// `[hidden]`.
    QueryBias,
    /// `[hidden, hidden]`.
    KeyWeight,
    /// `[hidden]`; without influence.
    KeyBias,
    /// `[hidden, hidden]`, without bias.
    ValueWeight,
}

impl FusionPart {
    /// The five parts.
    pub const ALL: [Self; 5] = [Self::QueryWeight, Self::QueryBias, Self::KeyWeight, Self::KeyBias, Self::ValueWeight];

    /// Full name of the part at `location`, for example `layer.3.output.fusion.query.weight`.
    #[must_use]
    pub fn param(self, location: Location) -> String {
        let name = match self {
            Self::QueryWeight => "query.weight",
            Self::QueryBias => "query.bias",
            Self::KeyWeight => "key.weight",
            Self::KeyBias => "key.bias",
            Self::ValueWeight => "value.weight",
        };
        format!("{location}.fusion.{name}")
    }
}

/// The fusions of R runs, over rows grouped by run.
#[derive(Clone, Debug)]
pub struct Fusion<'a> {
    adapters: &'a [FrozenAdapter],
    params: &'a RunParams,
    attention: Option<RefCell<Vec<(Location, Tensor<3>)>>>,
}

impl<'a> Fusion<'a> {
    /// Of `adapters`, with `params` under [`FusionPart::param`] names; a location without them has no adapter.
    #[must_use]
    pub fn new(adapters: &'a [FrozenAdapter], params: &'a RunParams) -> Self {
        Self { adapters, params, attention: None }
    }

    /// The same, keeping how much attention goes to each adapter.
    #[must_use]
    pub fn recording(self) -> Self {
        Self { attention: Some(RefCell::default()), ..self }
    }

    /// What was kept, in the order of the layers: `[rows, len, adapters]` each, summing to 1 over the adapters.
    #[must_use]
    pub fn into_attention(self) -> Vec<(Location, Tensor<3>)> {
        self.attention.map(RefCell::into_inner).unwrap_or_default()
    }

    /// # Shapes
    /// - `x`, output: `[runs · B, len, hidden]`
    fn fused(&self, location: Location, x: Tensor<3>) -> Option<Tensor<3>> {
        let part = |part: FusionPart| self.params.get(&part.param(location)).cloned();
        let [rows, len, hidden] = x.dims();
        let runs = self.params.runs();
        let grouped = |tensor: Tensor<3>| tensor.reshape([runs, rows / runs * len, hidden]);
        let outputs = self.adapters.iter().map(|adapter| adapter.output(location, x.clone()).map(grouped));
        // [runs, tokens, adapters, hidden]
        let outputs: Tensor<4> = Tensor::stack(outputs.collect::<Option<Vec<_>>>()?, 2);
        let query = grouped(x).matmul(part(FusionPart::QueryWeight)?) + part(FusionPart::QueryBias)?;
        let query = query.matmul(part(FusionPart::KeyWeight)?.swap_dims(1, 2));
        let scores = (outputs.clone() * query.unsqueeze_dim(2)).sum_dim(3);
        let attention = softmax(scores, 2);
        if let Some(kept) = &self.attention {
            kept.borrow_mut().push((location, attention.clone().reshape([rows, len, self.adapters.len()])));
        }
        let mixed = (outputs * attention).sum_dim(2).reshape([runs, rows / runs * len, hidden]);
        Some(mixed.matmul(part(FusionPart::ValueWeight)?).reshape([rows, len, hidden]))
    }
}

impl Sublayer for Fusion<'_> {
    fn output(&self, location: Location, sum: Tensor<3>, norm: &LayerNorm) -> Tensor<3> {
        if self.adapters.is_empty() || self.params.get(&FusionPart::ValueWeight.param(location)).is_none() {
            return norm.forward(sum);
        }
        adapted(sum, norm, |x| self.fused(location, x))
    }

    fn first(&self, last: Location) -> Option<Location> {
        Some(self.params.first_place(last))
    }
}

/// `Σ 0.01 · ‖I − V‖²` over the locations, by run; `None` where there is no fusion among `params`.
///
/// # Shapes
/// - output: `[runs]`
#[must_use]
pub fn penalty(params: &RunParams) -> Option<Tensor<1>> {
    let values = params.iter().filter(|(name, _)| name.ends_with(".fusion.value.weight"));
    let squares = values.map(|(_, value)| {
        let [runs, hidden, _] = value.dims();
        let identity = Tensor::<2>::eye(hidden, &value.device()).unsqueeze::<3>();
        (value.clone() - identity).powi_scalar(2).reshape([runs, hidden * hidden]).sum_dim(1).reshape([runs])
    });
    Some(squares.reduce(|sum, square| sum + square)? * 0.01)
}

/// A new fusion of `adapters` in the layout of files: query and key N(0, 0.02) with bias 0, value 1 on the diagonal and
/// 1e-6 elsewhere.
///
/// # Errors
/// When the adapters do not sit in the same places, or are of different widths.
pub fn initial<R: Rng>(adapters: &[FrozenAdapter], rng: &mut R) -> Result<TensorSet, ModelError> {
    let mut init = Initializer(rng);
    let mut params = TensorSet::new();
    for (location, hidden) in places(adapters)? {
        for part in FusionPart::ALL {
            let tensor = match part {
                FusionPart::QueryWeight | FusionPart::KeyWeight => init.normal(&[hidden, hidden], 0.02)?,
                FusionPart::QueryBias | FusionPart::KeyBias => init.zeros(&[hidden])?,
                FusionPart::ValueWeight => near_identity(hidden)?,
            };
            params.insert(part.param(location), tensor);
        }
    }
    Ok(params)
}

fn near_identity(hidden: usize) -> Result<Stored, ModelError> {
    let value = |index: usize| if index / hidden == index % hidden { 1.0 } else { 1e-6 };
    Ok(Stored::new([hidden, hidden], (0..hidden * hidden).map(value).collect())?)
}
