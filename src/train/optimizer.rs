//! AdamW (Loshchilov and Hutter 2019), as `torch.optim.AdamW` computes it, over the trained parameters of R runs.
//!
//! burn's own optimiser has one learning rate and clips tensor by tensor; runs of one pass differ in their learning
//! rates, and clipping goes by the global norm of each run. Parameters are laid end to end, `[runs, count]`, so that a
//! step is a dozen launches whatever the number of tensors.

use crate::model::RunParams;
use burn::tensor::{Device, Gradients, Tensor, TensorData};

/// Settings that all runs of a pass share.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AdamWConfig {
    /// Decay of the mean of gradients.
    pub beta1: f64,
    /// Decay of the mean of squared gradients.
    pub beta2: f64,
    /// Added to the root.
    pub epsilon: f64,
    /// Decoupled, on weight matrices; biases have none.
    pub weight_decay: f64,
    /// Largest global norm of a run's gradients.
    pub clip: f64,
}

impl Default for AdamWConfig {
    /// torch's defaults, and clipping at 1.
    fn default() -> Self {
        Self { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weight_decay: 0.01, clip: 1.0 }
    }
}

/// The optimiser's state.
#[derive(Clone, Debug)]
pub struct AdamW {
    config: AdamWConfig,
    names: Vec<String>,
    /// Weight decay by parameter, `[1, count]`.
    decay: Tensor<2>,
    /// Means of gradients and of their squares, `[runs, count]`; `None` before the first step.
    pub(super) moments: Option<[Tensor<2>; 2]>,
    pub(super) steps: usize,
}

impl AdamW {
    /// For the tensors called `names` of `params`, on the plain (not autodiff) device.
    #[must_use]
    pub fn new(config: AdamWConfig, params: &RunParams, names: Vec<String>, device: &Device) -> Self {
        let mut decay = Vec::new();
        for name in &names {
            let count = params.get(name).map_or(0, |tensor| tensor.shape().num_elements() / params.runs().max(1));
            let decays = !name.ends_with(".bias");
            decay.resize(decay.len() + count, if decays { config.weight_decay as f32 } else { 0.0 });
        }
        let len = decay.len();
        Self {
            config,
            names,
            decay: Tensor::from_data(TensorData::new(decay, [1, len]), device),
            moments: None,
            steps: 0,
        }
    }

    /// Names of the tensors it moves.
    #[must_use]
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// Number of parameters of one run that it moves.
    #[must_use]
    pub fn parameters(&self) -> usize {
        self.decay.dims()[1]
    }

    /// One step; `params` stand on an autodiff device and are leaves again afterwards. `rates` has one learning rate a
    /// run; 0 leaves a run as it is.
    pub fn step(&mut self, params: &mut RunParams, gradients: &Gradients, rates: &[f64]) {
        let device = self.decay.device();
        let collect = |name: &String| params.get(name).and_then(|tensor| tensor.grad(gradients));
        let parts = self.names.iter().map(|name| {
            let shape = params.get(name).map(Tensor::dims).unwrap_or_default();
            let [runs, input, output] = shape;
            collect(name).map_or_else(
                || Tensor::zeros([runs, input * output], &device),
                |gradient| gradient.reshape([runs, input * output]),
            )
        });
        let parts: Vec<Tensor<2>> = parts.collect();
        if parts.is_empty() {
            return;
        }
        let gradient = Tensor::cat(parts, 1);
        let Some(values) = params.flatten(&self.names) else { return };
        let values = self.update(values.inner(), gradient, rates);
        params.unflatten(&self.names, values);
        let names = &self.names;
        *params = std::mem::take(params).map(|name, tensor| {
            if names.iter().any(|trained| trained == name) { Tensor::from_inner(tensor).require_grad() } else { tensor }
        });
    }

    /// # Shapes
    /// - all: `[runs, count]`
    fn update(&mut self, values: Tensor<2>, gradient: Tensor<2>, rates: &[f64]) -> Tensor<2> {
        let AdamWConfig { beta1, beta2, epsilon, clip, .. } = self.config;
        let device = values.device();
        let norm = gradient.clone().powi_scalar(2).sum_dim(1).sqrt();
        // As torch.nn.utils.clip_grad_norm_, with its 1e-6.
        let gradient = gradient * ((norm + 1e-6).recip() * clip).clamp_max(1.0);
        let rates = rates.iter().map(|&rate| rate as f32).collect::<Vec<_>>();
        let runs = rates.len();
        let rates = Tensor::<2>::from_data(TensorData::new(rates, [runs, 1]), &device);

        self.steps += 1;
        let (mean, square) = match self.moments.take() {
            Some([mean, square]) => (
                mean * beta1 + gradient.clone() * (1.0 - beta1),
                square * beta2 + gradient.powi_scalar(2) * (1.0 - beta2),
            ),
            None => (gradient.clone() * (1.0 - beta1), gradient.powi_scalar(2) * (1.0 - beta2)),
        };
        self.moments = Some([mean.clone(), square.clone()]);
        let corrected = |beta: f64| 1.0 - beta.powi(self.steps as i32);
        let denominator = square.sqrt() / corrected(beta2).sqrt() + epsilon;
        let decayed = values.clone() - values * self.decay.clone() * rates.clone();
        decayed - mean / denominator * rates / corrected(beta1)
    }
}
