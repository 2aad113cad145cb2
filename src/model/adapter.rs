//! Bottleneck adapters and where they sit in a layer.
//!
//! `A(x) = up_proj · σ(down_proj · x + b_down) + b_up` (Houlsby et al. 2019). [`BottleneckAdapters`] is Pfeiffer's
//! placement (`seq_bn`), in the order of the library `adapters` (`methods/modeling.py`): with the layer's own norm LN,
//! `x = LN(sublayer + input)`, and the output is `LN(scaling · A(x) + sublayer + input)`: the residual is the
//! sub-layer's output before its norm.

use super::gelu::gelu;
use super::params::{Initializer, RunParams};
use super::{ModelError, NonLinearity::*};
use crate::tensors::TensorSet;
use crate::tensors::adapter::{Location, Part, Site};
use burn::nn::LayerNorm;
use burn::tensor::Tensor;
use burn::tensor::activation::{gelu_approximate, relu, sigmoid, silu, tanh};
use rand::Rng;
use std::cell::RefCell;

/// What closes a sub-layer of the encoder: its norm, with an adapter or without; and what is added to the projections of
/// an attention.
pub trait Sublayer {
    /// # Shapes
    /// - `sum`: output of the sub-layer and what went into it, added, `[rows, len, hidden]`
    /// - output: the same shape
    fn output(&self, location: Location, sum: Tensor<3>, norm: &LayerNorm) -> Tensor<3>;

    /// What is added to query, key and value, which stand side by side; `None` for nothing.
    ///
    /// # Shapes
    /// - `x`: what they are projected from, `[rows, len, hidden]`
    /// - output: `[rows, len, 3 · hidden]`
    fn projected(&self, _layer: usize, _x: &Tensor<3>) -> Option<Tensor<3>> {
        None
    }

    /// The first place that it changes anything at, or looks at: up to the sum there, all is the encoder's own. `last`,
    /// the encoder's last place, where that is nowhere; `None` where it is before the first sum.
    fn first(&self, _last: Location) -> Option<Location> {
        None
    }
}

/// The encoder as it was pretrained.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoAdapters;

impl Sublayer for NoAdapters {
    fn output(&self, _: Location, sum: Tensor<3>, norm: &LayerNorm) -> Tensor<3> {
        norm.forward(sum)
    }

    fn first(&self, last: Location) -> Option<Location> {
        Some(last)
    }
}

/// Activation between down and up projection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum NonLinearity {
    /// max(0, x), the default of `seq_bn`.
    #[default]
    Relu,
    /// x · Φ(x), exact.
    Gelu,
    /// Its approximation by tanh.
    GeluNew,
    /// x · sigmoid(x), also called SiLU.
    Swish,
    /// Hyperbolic tangent.
    Tanh,
    /// Logistic.
    Sigmoid,
}

impl NonLinearity {
    /// By the names that configs use.
    const NAMES: [(&str, Self); 7] = [
        ("relu", Relu),
        ("gelu", Gelu),
        ("gelu_new", GeluNew),
        ("swish", Swish),
        ("silu", Swish),
        ("tanh", Tanh),
        ("sigmoid", Sigmoid),
    ];

    /// By the name that configs use; `None` for one that is not supported.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::NAMES.into_iter().find(|(known, _)| *known == name).map(|(_, kind)| kind)
    }

    /// The names that [`NonLinearity::from_name`] knows.
    #[must_use]
    pub fn names() -> [&'static str; 7] {
        Self::NAMES.map(|(name, _)| name)
    }

    /// On one number, for computations on the CPU.
    #[must_use]
    pub fn scalar(self) -> fn(f64) -> f64 {
        match self {
            Relu => |x| x.max(0.0),
            Gelu => |x| 0.5 * x * (1.0 + libm::erf(x / std::f64::consts::SQRT_2)),
            GeluNew => |x| {
                let inner = (2.0 / std::f64::consts::PI).sqrt() * (x + 0.044715 * x.powi(3));
                0.5 * x * (1.0 + inner.tanh())
            },
            Swish => |x| x / (1.0 + (-x).exp()),
            Tanh => f64::tanh,
            Sigmoid => |x| 1.0 / (1.0 + (-x).exp()),
        }
    }

    /// Elementwise.
    #[must_use]
    pub fn apply<const D: usize>(self, x: Tensor<D>) -> Tensor<D> {
        match self {
            Relu => relu(x),
            Gelu => gelu(x),
            GeluNew => gelu_approximate(x),
            Swish => silu(x),
            Tanh => tanh(x),
            Sigmoid => sigmoid(x),
        }
    }
}

/// How an adapter computes, beside its parameters.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AdapterForm {
    /// σ.
    pub non_linearity: NonLinearity,
    /// Of the adapter's output before the residual is added.
    pub scaling: f64,
}

impl Default for AdapterForm {
    /// That of `seq_bn`: relu, and 1.
    fn default() -> Self {
        Self { non_linearity: Relu, scaling: 1.0 }
    }
}

/// The adapters of R runs, over rows grouped by run: rows `r · B .. (r + 1) · B` belong to run `r`.
#[derive(Clone, Copy, Debug)]
pub struct BottleneckAdapters<'a> {
    /// Parameters under [`Location::param`] names; a location without them has no adapter. Those of one run serve all
    /// rows, whatever number of runs these belong to.
    pub params: &'a RunParams,
    /// σ.
    pub non_linearity: NonLinearity,
    /// Of the adapter's output before the residual is added.
    pub scaling: f64,
}

impl BottleneckAdapters<'_> {
    /// `scaling · A(x)`; `None` where there is no adapter.
    ///
    /// # Shapes
    /// - `x`, output: `[runs · B, len, hidden]`
    pub(super) fn bottleneck(&self, location: Location, x: Tensor<3>) -> Option<Tensor<3>> {
        let part = |part| self.params.get(&location.param(part)).cloned();
        let [rows, len, hidden] = x.dims();
        let runs = self.params.runs();
        let grouped = x.reshape([runs, rows / runs * len, hidden]);
        let down = grouped.matmul(part(Part::DownWeight)?) + part(Part::DownBias)?;
        let up = self.non_linearity.apply(down).matmul(part(Part::UpWeight)?) + part(Part::UpBias)?;
        let up = up.reshape([rows, len, hidden]);
        Some(if self.scaling == 1.0 { up } else { up * self.scaling })
    }
}

impl Sublayer for BottleneckAdapters<'_> {
    fn output(&self, location: Location, sum: Tensor<3>, norm: &LayerNorm) -> Tensor<3> {
        if self.params.get(&location.param(Part::DownWeight)).is_none() {
            return norm.forward(sum);
        }
        adapted(sum, norm, |x| self.bottleneck(location, x))
    }

    fn first(&self, last: Location) -> Option<Location> {
        Some(self.params.first_place(last))
    }
}

/// Pfeiffer's placement: `LN(adapter(LN(sum)) + sum)`, where `sum` is the sub-layer's output and its input; `LN(sum)`
/// where there is no adapter.
pub(super) fn adapted(
    sum: Tensor<3>,
    norm: &LayerNorm,
    adapter: impl FnOnce(Tensor<3>) -> Option<Tensor<3>>,
) -> Tensor<3> {
    let x = norm.forward(sum.clone());
    match adapter(x.clone()) {
        Some(adapted) => norm.forward(adapted + sum),
        None => x,
    }
}

/// Passes everything on to `inner` and keeps what an adapter at each [`Site::Output`] would see.
pub struct Recorder<'a, S> {
    inner: &'a S,
    seen: RefCell<Vec<(Location, Tensor<3>)>>,
}

impl<'a, S: Sublayer> Recorder<'a, S> {
    /// Records what goes by on the way to `inner`.
    pub fn new(inner: &'a S) -> Self {
        Self { inner, seen: RefCell::default() }
    }

    /// The adapters' inputs x in the order of the layers, `[rows, len, hidden]` each.
    pub fn into_seen(self) -> Vec<(Location, Tensor<3>)> {
        self.seen.into_inner()
    }
}

impl<S: Sublayer> Sublayer for Recorder<'_, S> {
    fn output(&self, location: Location, sum: Tensor<3>, norm: &LayerNorm) -> Tensor<3> {
        if location.site == Site::Output {
            self.seen.borrow_mut().push((location, norm.forward(sum.clone())));
        }
        self.inner.output(location, sum, norm)
    }

    fn first(&self, last: Location) -> Option<Location> {
        Some(self.inner.first(last)?.min(Location::output(0)))
    }

    fn projected(&self, layer: usize, x: &Tensor<3>) -> Option<Tensor<3>> {
        self.inner.projected(layer, x)
    }
}

/// A new `seq_bn` adapter in the layout of files: weights N(0, 0.02), biases 0, as the library's `init_weights = "bert"`.
///
/// # Errors
/// When the sizes overflow.
pub fn initial<R: Rng>(layers: usize, hidden: usize, bottleneck: usize, rng: &mut R) -> Result<TensorSet, ModelError> {
    let mut init = Initializer(rng);
    let mut params = TensorSet::new();
    for location in (0..layers).map(Location::output) {
        params.insert(location.param(Part::DownWeight), init.normal(&[bottleneck, hidden], 0.02)?);
        params.insert(location.param(Part::DownBias), init.zeros(&[bottleneck])?);
        params.insert(location.param(Part::UpWeight), init.normal(&[hidden, bottleneck], 0.02)?);
        params.insert(location.param(Part::UpBias), init.zeros(&[hidden])?);
    }
    Ok(params)
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::{Device, TensorData};

    #[test]
    fn one_number_and_a_tensor_agree() {
        let xs = [-3.0f32, -0.5, 0.0, 0.7, 2.5];
        for name in NonLinearity::names() {
            let kind = NonLinearity::from_name(name).unwrap();
            let tensor = Tensor::<1>::from_data(TensorData::new(xs.to_vec(), [xs.len()]), &Device::flex());
            let applied = pollster::block_on(crate::model::params::read(kind.apply(tensor))).unwrap();
            for (x, applied) in xs.iter().zip(applied) {
                let expected = kind.scalar()(f64::from(*x));
                assert!((f64::from(applied) - expected).abs() < 1e-6, "{name}({x}): {applied} and {expected}");
            }
        }
    }
}
