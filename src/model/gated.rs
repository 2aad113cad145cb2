//! The gated sum of frozen adapters: at each place `Σ_i g_i A_i(x)`, one number an adapter and place.
//!
//! What AdapterFusion is for, with a handful of numbers in the place of three matrices a layer, and without its price at
//! inference: the gates go into the up sides, so that the sum folds exactly into one bottleneck adapter, the
//! concatenation with the gates as factors. Gates start at 1, the plain sum of functions. With one adapter it is that
//! adapter with its strength by layer left to learn.

use super::ModelError;
use super::adapter::{Sublayer, adapted};
use super::frozen::{FrozenAdapter, places};
use super::params::RunParams;
use crate::tensors::adapter::Location;
use crate::tensors::{Tensor as Stored, TensorSet};
use burn::nn::LayerNorm;
use burn::tensor::Tensor;

/// The gated sums of R runs, over rows grouped by run.
#[derive(Clone, Copy, Debug)]
pub struct Gated<'a> {
    /// What is summed.
    pub adapters: &'a [FrozenAdapter],
    /// Gates under [`gates`] names; a location without them has no adapter.
    pub params: &'a RunParams,
}

/// Name of the gates at `location`, a vector with one number an adapter: `layer.3.output.gates`.
#[must_use]
pub fn gates(location: Location) -> String {
    format!("{location}.gates")
}

/// Whether the parameter called `name` is one of them.
#[must_use]
pub fn are_gates(name: &str) -> bool {
    name.ends_with(".gates")
}

impl Gated<'_> {
    /// # Shapes
    /// - `x`, output: `[runs · B, len, hidden]`
    fn sum(&self, location: Location, x: Tensor<3>) -> Option<Tensor<3>> {
        let gates = self.params.get(&gates(location))?;
        let [rows, len, hidden] = x.dims();
        let [runs, _, count] = gates.dims();
        let gated = self.adapters.iter().take(count).enumerate().filter_map(|(index, adapter)| {
            let output = adapter.output(location, x.clone())?.reshape([runs, rows / runs * len, hidden]);
            Some(output * gates.clone().narrow(2, index, 1))
        });
        Some(gated.reduce(|sum, output| sum + output)?.reshape([rows, len, hidden]))
    }
}

impl Sublayer for Gated<'_> {
    fn output(&self, location: Location, sum: Tensor<3>, norm: &LayerNorm) -> Tensor<3> {
        if self.params.get(&gates(location)).is_none() {
            return norm.forward(sum);
        }
        adapted(sum, norm, |x| self.sum(location, x))
    }

    fn first(&self, last: Location) -> Option<Location> {
        Some(self.params.first_place(last))
    }
}

/// New gates of `adapters` in the layout of files: all 1.
///
/// # Errors
/// When the adapters do not sit in the same places, or are of different widths.
pub fn initial(adapters: &[FrozenAdapter]) -> Result<TensorSet, ModelError> {
    let ones = |(location, _)| {
        let ones = Stored::new([adapters.len()], vec![1.0; adapters.len()]);
        Ok((gates(location), ones?))
    };
    places(adapters)?.into_iter().map(ones).collect()
}
