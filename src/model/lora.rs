//! LoRA (Hu et al. 2021) on the queries and values of every attention, new and unmerged: `W x + α/r · B A x`.
//!
//! As the library `adapters` 1.3.0 has it by default (`LoRAConfig`, `methods/lora.py`): rank 8, α 8, no dropout and no
//! gate; A as a linear layer begins, B zero, so that a new one changes nothing.

use super::ModelError;
use super::adapter::{NoAdapters, Sublayer};
use super::params::{Initializer, RunParams};
use crate::tensors::TensorSet;
use crate::tensors::adapter::Location;
use burn::nn::LayerNorm;
use burn::tensor::Tensor;
use rand::Rng;

/// Rank of a new one.
pub const RANK: usize = 8;

/// α of a new one.
pub const ALPHA: f64 = 8.0;

/// Places of the changed projections among query, key and value, which stand side by side.
const CHANGED: [(usize, &str); 2] = [(0, "query"), (2, "value")];

/// Of the projections of an attention.
const PROJECTIONS: usize = 3;

/// The LoRAs of R runs, over rows grouped by run.
#[derive(Clone, Copy, Debug)]
pub struct Lora<'a> {
    /// Parameters under the names that [`initial`] gives; a layer without them is as it was.
    pub params: &'a RunParams,
    /// The same for every rank.
    pub alpha: f64,
}

/// `encoder.layer.3.attention.self.query.lora_A`, `[rank, hidden]`, and `lora_B`, `[hidden, rank]`.
fn names(layer: usize, projection: &str) -> [String; 2] {
    ["lora_A", "lora_B"].map(|part| format!("encoder.layer.{layer}.attention.self.{projection}.{part}"))
}

impl Sublayer for Lora<'_> {
    fn output(&self, location: Location, sum: Tensor<3>, norm: &LayerNorm) -> Tensor<3> {
        NoAdapters.output(location, sum, norm)
    }

    fn projected(&self, layer: usize, x: &Tensor<3>) -> Option<Tensor<3>> {
        let [rows, len, hidden] = x.dims();
        let runs = self.params.runs();
        let grouped = x.clone().reshape([runs, rows / runs * len, hidden]);
        let mut parts: Vec<Option<Tensor<3>>> = vec![None; PROJECTIONS];
        for (place, projection) in CHANGED {
            let [a, b] = names(layer, projection).map(|name| self.params.get(&name));
            let (a, b) = (a?.clone(), b?.clone());
            let scaling = self.alpha / a.dims()[2] as f64;
            parts[place] = Some((grouped.clone().matmul(a).matmul(b) * scaling).reshape([rows, len, hidden]));
        }
        let parts =
            parts.into_iter().map(|part| part.unwrap_or_else(|| Tensor::zeros([rows, len, hidden], &x.device())));
        Some(Tensor::cat(parts.collect(), 2))
    }
}

/// A new LoRA of every layer in the layout of files: A uniform in ±1/√hidden (Kaiming's with a = √5), B zero.
///
/// # Errors
/// When the sizes overflow.
pub fn initial<R: Rng>(layers: usize, hidden: usize, rank: usize, rng: &mut R) -> Result<TensorSet, ModelError> {
    let mut init = Initializer(rng);
    let bound = 1.0 / (hidden.max(1) as f32).sqrt();
    let mut params = TensorSet::new();
    for layer in 0..layers {
        for (_, projection) in CHANGED {
            let [a, b] = names(layer, projection);
            params.insert(a, init.uniform(&[rank, hidden], bound)?);
            params.insert(b, init.zeros(&[hidden, rank])?);
        }
    }
    Ok(params)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::random::{Purpose, generator};

    #[test]
    fn a_new_one_begins_as_a_linear_layer_and_changes_nothing() {
        let params = initial(2, 64, RANK, &mut generator(7, Purpose::Weights, 1)).unwrap();
        assert_eq!(params.len(), 8);
        let of = |name: &str| params.get(&format!("encoder.layer.1.attention.self.value.{name}")).unwrap();
        let (a, b) = (of("lora_A"), of("lora_B"));
        assert_eq!((a.shape(), b.shape()), (&[8, 64][..], &[64, 8][..]));
        assert!(b.values().iter().all(|value| *value == 0.0));
        let bound = 1.0 / 8.0;
        let largest = a.values().iter().fold(0f32, |largest, value| largest.max(value.abs()));
        // Of 512 uniform draws the largest is within 2 % of the bound but once in 30,000.
        assert!(largest <= bound && largest > 0.98 * bound, "{largest}");
        let mean = a.values().iter().sum::<f32>() / 512.0;
        // Its deviation is bound / √3 / √512.
        assert!(mean.abs() < 4.0 * bound / 39.2, "{mean}");
    }
}
