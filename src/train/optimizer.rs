//! AdamW (Loshchilov and Hutter 2019), as `torch.optim.AdamW` computes it, over the trained parameters of R runs.
//!
//! burn's own optimiser has one learning rate and clips tensor by tensor; runs of one pass differ in their learning
//! rates, and clipping goes by the global norm of each run. Parameters are laid end to end, `[runs, count]`, so that a
//! step is a dozen launches whatever the number of tensors; only a whole encoder is too long for one such row, and is
//! cut into several.

use crate::model::params::read;
use crate::model::{ModelError, RunParams};
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
    /// Decoupled, on matrices and tables; vectors (biases, norms, gates) have none.
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

/// Values of a row, all runs together, at which the next tensor begins another: 16 MiB of f32, a small part of what a
/// device lets one buffer be. A single tensor may be longer.
const LONGEST: usize = 1 << 22;

/// The optimiser's state.
#[derive(Clone, Debug)]
pub struct AdamW {
    config: AdamWConfig,
    rows: Vec<Row>,
    steps: usize,
    /// Gradients of a step that is under way, by row, `[runs, count]` each; empty between steps.
    gathered: Vec<Tensor<2>>,
}

/// Some of the parameters, end to end.
#[derive(Clone, Debug)]
struct Row {
    names: Vec<String>,
    /// Parameters of one run.
    count: usize,
    /// Weight decay by parameter, `[1, count]`, or `[1, 1]` where all have the same.
    decay: Tensor<2>,
    /// Learning rate by parameter as a multiple of the run's, likewise; `None` for 1.
    factor: Option<Tensor<2>>,
    /// Means of gradients and of their squares, `[runs, count]`; `None` before the first step.
    moments: Option<[Tensor<2>; 2]>,
}

impl AdamW {
    /// For the tensors called `names` of `params`, on the plain (not autodiff) device. `factor` says by name what
    /// multiple of its run's learning rate a tensor has.
    #[must_use]
    pub fn new(
        config: AdamWConfig,
        params: &RunParams,
        names: Vec<String>,
        factor: impl Fn(&str) -> f64,
        device: &Device,
    ) -> Self {
        let mut parts: Vec<Vec<(String, usize)>> = Vec::new();
        let mut room = 0;
        for name in names {
            let values = params.get(&name).map_or(0, |tensor| tensor.shape().num_elements());
            let part = (name, values / params.runs().max(1));
            match parts.last_mut() {
                Some(row) if values <= room => row.push(part),
                _ => {
                    parts.push(vec![part]);
                    room = LONGEST;
                }
            }
            room = room.saturating_sub(values);
        }
        let row = |parts: Vec<(String, usize)>| {
            let by_parameter = |value: &dyn Fn(&str) -> f64| {
                let values: Vec<(f32, usize)> =
                    parts.iter().map(|(name, count)| (value(name) as f32, *count)).collect();
                let first = values.first().map_or(0.0, |(value, _)| *value);
                let values: Vec<f32> = if values.iter().all(|(value, _)| *value == first) {
                    vec![first]
                } else {
                    values.into_iter().flat_map(|(value, count)| std::iter::repeat_n(value, count)).collect()
                };
                let len = values.len();
                Tensor::from_data(TensorData::new(values, [1, len]), device)
            };
            let decay = by_parameter(&|name| if params.is_vector(name) { 0.0 } else { config.weight_decay });
            let same = parts.iter().all(|(name, _)| factor(name) == 1.0);
            let factor = (!same).then(|| by_parameter(&factor));
            let count = parts.iter().map(|(_, count)| count).sum();
            Row { names: parts.into_iter().map(|(name, _)| name).collect(), count, decay, factor, moments: None }
        };
        Self { config, rows: parts.into_iter().map(row).collect(), steps: 0, gathered: Vec::new() }
    }

    /// Number of parameters of one run that it moves.
    #[must_use]
    pub fn parameters(&self) -> usize {
        self.rows.iter().map(|row| row.count).sum()
    }

    /// Whether it moves the tensor called `name`.
    #[must_use]
    pub fn moves(&self, name: &str) -> bool {
        self.rows.iter().any(|row| row.names.iter().any(|trained| trained == name))
    }

    /// Goes on with some of the runs, by their places.
    pub fn select(&mut self, runs: &[usize]) {
        for row in &mut self.rows {
            let chosen =
                |moment: Tensor<2>| Tensor::cat(runs.iter().map(|&run| moment.clone().narrow(0, run, 1)).collect(), 0);
            row.moments = row.moments.take().map(|moments| moments.map(chosen));
        }
    }

    /// Steps taken.
    #[must_use]
    pub fn steps(&self) -> usize {
        self.steps
    }

    /// Adds `gradients` of `params` to those of the step that is under way.
    pub fn gather(&mut self, params: &RunParams, gradients: &Gradients) {
        let before = std::mem::take(&mut self.gathered).into_iter().map(Some).chain(std::iter::repeat(None));
        let sum = |(row, before): (&Row, Option<Tensor<2>>)| {
            let gradient = row.gradient(params, gradients);
            before.map_or(gradient.clone(), |before| before + gradient)
        };
        self.gathered = self.rows.iter().zip(before).map(sum).collect();
    }

    /// One step with what was gathered; `params` stand on an autodiff device and are leaves again afterwards. `rates` has
    /// one learning rate a run; 0 leaves a run as it is.
    pub fn step(&mut self, params: &mut RunParams, rates: &[f64]) {
        let collected = std::mem::take(&mut self.gathered);
        let squares = collected.iter().map(|gradient| gradient.clone().powi_scalar(2).sum_dim(1));
        let Some(square) = squares.reduce(|sum, square| sum + square) else { return };
        // As torch.nn.utils.clip_grad_norm_, with its 1e-6.
        let clip = ((square.sqrt() + 1e-6).recip() * self.config.clip).clamp_max(1.0);
        let rates = rates.iter().map(|&rate| rate as f32).collect::<Vec<_>>();
        let runs = rates.len();
        let rates = Tensor::<2>::from_data(TensorData::new(rates, [runs, 1]), &clip.device());
        self.steps += 1;
        for (row, gradient) in self.rows.iter_mut().zip(collected) {
            let Some(values) = params.flatten(&row.names) else { continue };
            let values = row.update(&self.config, self.steps, values.inner(), gradient * clip.clone(), rates.clone());
            params.unflatten(&row.names, values);
        }
        *params = std::mem::take(params)
            .map(|name, tensor| if self.moves(name) { Tensor::from_inner(tensor).require_grad() } else { tensor });
    }

    /// Means of gradients and of their squares, one pair a run, each of [`Self::parameters`] values; empty before the
    /// first step.
    ///
    /// # Errors
    /// When the device fails.
    pub async fn moments(&self) -> Result<Vec<[Vec<f32>; 2]>, ModelError> {
        let mut runs: Vec<[Vec<f32>; 2]> = Vec::new();
        for row in &self.rows {
            let Some(moments) = row.moments.clone() else { continue };
            for (which, moment) in moments.into_iter().enumerate() {
                let [count, _] = moment.dims();
                runs.resize(runs.len().max(count), Default::default());
                for (run, values) in runs.iter_mut().zip(read(moment).await?.chunks_exact(row.count.max(1))) {
                    run[which].extend_from_slice(values);
                }
            }
        }
        Ok(runs)
    }

    /// Goes on after `steps` steps from what [`Self::moments`] gave; `false` when it is of other parameters.
    #[must_use]
    pub fn restore(&mut self, steps: usize, runs: &[[Vec<f32>; 2]]) -> bool {
        let parameters = self.parameters();
        if runs.iter().flatten().any(|values| values.len() != parameters) {
            return false;
        }
        self.steps = steps;
        self.gathered.clear();
        let mut start = 0;
        for row in &mut self.rows {
            let moment = |which: usize| {
                let values: Vec<f32> =
                    runs.iter().flat_map(|run| &run[which][start..start + row.count]).copied().collect();
                Tensor::from_data(TensorData::new(values, [runs.len(), row.count]), &row.decay.device())
            };
            row.moments = (!runs.is_empty()).then(|| [moment(0), moment(1)]);
            start += row.count;
        }
        true
    }
}

impl Row {
    /// # Shapes
    /// - output: `[runs, count]`; zeros for a tensor that the loss does not depend on
    fn gradient(&self, params: &RunParams, gradients: &Gradients) -> Tensor<2> {
        let part = |name: &String| {
            let tensor = params.get(name)?;
            let [runs, input, output] = tensor.dims();
            Some(match tensor.grad(gradients) {
                Some(gradient) => gradient.reshape([runs, input * output]),
                None => Tensor::zeros([runs, input * output], &self.decay.device()),
            })
        };
        Tensor::cat(self.names.iter().filter_map(part).collect(), 1)
    }

    /// # Shapes
    /// - `values`, `gradient`, output: `[runs, count]`
    /// - `rates`: `[runs, 1]`
    fn update(
        &mut self,
        config: &AdamWConfig,
        step: usize,
        values: Tensor<2>,
        gradient: Tensor<2>,
        rates: Tensor<2>,
    ) -> Tensor<2> {
        let &AdamWConfig { beta1, beta2, epsilon, .. } = config;
        let (mean, square) = match self.moments.take() {
            Some([mean, square]) => (
                mean * beta1 + gradient.clone() * (1.0 - beta1),
                square * beta2 + gradient.powi_scalar(2) * (1.0 - beta2),
            ),
            None => (gradient.clone() * (1.0 - beta1), gradient.powi_scalar(2) * (1.0 - beta2)),
        };
        self.moments = Some([mean.clone(), square.clone()]);
        let rates = match &self.factor {
            Some(factor) => rates * factor.clone(),
            None => rates,
        };
        let corrected = |beta: f64| 1.0 - beta.powi(step as i32);
        let denominator = square.sqrt() / corrected(beta2).sqrt() + epsilon;
        let decayed = values.clone() - values * self.decay.clone() * rates.clone();
        decayed - mean / denominator * rates / corrected(beta1)
    }
}
