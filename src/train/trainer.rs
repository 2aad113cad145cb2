//! One optimiser step of R runs in one pass.

use super::TrainError;
use super::optimizer::{AdamW, AdamWConfig};
use super::settings::RunSettings;
use crate::model::fusion::{self, Fusion};
use crate::model::gated::{Gated, are_gates};
use crate::model::params::read;
use crate::model::{
    AdapterForm, BottleneckAdapters, Encoder, EncoderInput, FrozenAdapter, Head, HeadActivation, Lora, ModelError,
    NoAdapters, RunParams,
};
use crate::tensors::TensorSet;
use crate::tensors::adapter::Location;
use crate::text::Batch;
use burn::tensor::activation::log_softmax;
use burn::tensor::{Device, Tensor, TensorData};
use std::ops::Range;

/// What the parameters of a run mean.
#[derive(Clone, Debug, Default)]
pub struct Architecture {
    /// What stands under the head.
    pub body: Body,
    /// Between the layers of the head.
    pub head_activation: HeadActivation,
}

/// What stands under the head, and which parameters of a run belong to it.
#[derive(Clone, Debug)]
pub enum Body {
    /// The frozen encoder with a bottleneck adapter ([`BottleneckAdapters`]), or plain where a run has no parameters of
    /// one.
    Adapter(AdapterForm),
    /// The frozen encoder with an AdapterFusion of frozen adapters ([`Fusion`]); its penalty is part of the objective.
    Fusion(Vec<FrozenAdapter>),
    /// The frozen encoder with a gated sum of frozen adapters ([`Gated`]).
    Gated {
        /// What is summed.
        adapters: Vec<FrozenAdapter>,
        /// Learning rate of the gates as a multiple of the run's; usually [`GATE_RATE`].
        gate_rate: f64,
    },
    /// The frozen encoder with a LoRA on its attentions ([`Lora`]).
    Lora {
        /// Numerator of its scaling.
        alpha: f64,
    },
    /// The encoder itself, with the weights of the run: one run at a time. Tables of embeddings that the run lacks stay
    /// frozen.
    Full,
}

/// Gates are few and start far from where they end: 5e-2 for them where the head has 1e-3.
pub const GATE_RATE: f64 = 50.0;

impl Default for Body {
    fn default() -> Self {
        Self::Adapter(AdapterForm::default())
    }
}

impl Architecture {
    /// Of the runs of one pass, in order: adapters that a run leaves as they are stand side by side.
    ///
    /// # Errors
    /// When the runs can't share a pass.
    pub fn stack<'a>(runs: impl Iterator<Item = &'a Self> + Clone) -> Result<Self, TrainError> {
        let mut all = runs.clone();
        let first = all.next().ok_or(TrainError::Together)?;
        if all.any(|other| !first.goes_with(other)) {
            return Err(TrainError::Together);
        }
        let side_by_side = |index: usize| {
            let adapters: Vec<_> = runs.clone().filter_map(|run| run.body.frozen().get(index)).collect();
            FrozenAdapter::side_by_side(&adapters)
        };
        let frozen = || (0..first.body.frozen().len()).map(side_by_side).collect::<Result<Vec<_>, _>>();
        Ok(Self { body: first.body.with_frozen(frozen()?), ..*first })
    }

    /// Whether runs of both can share a pass: the same form, with other weights.
    #[must_use]
    pub fn goes_with(&self, other: &Self) -> bool {
        let (own, others) = (self.body.frozen(), other.body.frozen());
        let bodies = match (&self.body, &other.body) {
            (Body::Adapter(form), Body::Adapter(other)) => form == other,
            (Body::Fusion(_), Body::Fusion(_)) => true,
            (Body::Lora { alpha }, Body::Lora { alpha: other }) => alpha == other,
            (Body::Gated { gate_rate, .. }, Body::Gated { gate_rate: other, .. }) => gate_rate == other,
            _ => false,
        };
        bodies
            && self.head_activation == other.head_activation
            && own.len() == others.len()
            && own.iter().zip(others).all(|(own, other)| own.is_like(other))
    }

    /// That of some of the runs, by their places.
    fn select(&self, runs: &[usize]) -> Self {
        let frozen = self.body.frozen().iter().map(|adapter| adapter.select(runs)).collect();
        Self { body: self.body.with_frozen(frozen), ..*self }
    }
}

impl Body {
    /// The same with other adapters that stay as they are.
    fn with_frozen(&self, adapters: Vec<FrozenAdapter>) -> Self {
        match self {
            Self::Fusion(_) => Self::Fusion(adapters),
            &Self::Gated { gate_rate, .. } => Self::Gated { adapters, gate_rate },
            Self::Adapter(_) | Self::Lora { .. } | Self::Full => self.clone(),
        }
    }

    /// The adapters that are combined and stay as they are.
    #[must_use]
    pub fn frozen(&self) -> &[FrozenAdapter] {
        match self {
            Self::Adapter(_) | Self::Lora { .. } | Self::Full => &[],
            Self::Fusion(adapters) | Self::Gated { adapters, .. } => adapters,
        }
    }

    /// Learning rate of the tensor called `name` as a multiple of its run's.
    fn rate(&self, name: &str) -> f64 {
        match self {
            Self::Gated { gate_rate, .. } if are_gates(name) => *gate_rate,
            _ => 1.0,
        }
    }
}

/// Rows of R runs, grouped by run, with their labels.
#[derive(Clone, Debug, Default)]
pub struct LabelledInput {
    /// `runs · B` sequences.
    pub input: EncoderInput,
    /// `runs · B` classes.
    pub labels: Vec<u32>,
    /// `runs · B`; 0 for rows that only fill up the shape.
    pub weights: Vec<f32>,
}

impl LabelledInput {
    /// One batch a run, all of as many rows, padded to the longest.
    #[must_use]
    pub fn stack(batches: &[Batch], pad_id: u32) -> Self {
        let len = batches.iter().map(|batch| batch.len).max().unwrap_or(0);
        let padded = |values: fn(&Batch) -> &[u32], fill: u32| -> Vec<u32> {
            let rows = batches.iter().flat_map(|batch| values(batch).chunks_exact(batch.len.max(1)));
            rows.flat_map(|row| row.iter().copied().chain(std::iter::repeat(fill)).take(len)).collect()
        };
        Self {
            input: EncoderInput {
                rows: batches.iter().map(|batch| batch.rows).sum(),
                len,
                ids: padded(|batch| &batch.ids, pad_id),
                type_ids: padded(|batch| &batch.type_ids, 0),
                attention_mask: padded(|batch| &batch.attention_mask, 0),
            },
            labels: batches.iter().flat_map(|batch| batch.labels.iter().copied()).collect(),
            weights: batches.iter().flat_map(|batch| batch.weight.iter().copied()).collect(),
        }
    }
}

/// Of `values` with as many for each of `runs · rows` rows, grouped by run: those of some rows of every run.
fn some_rows<T: Copy>(values: &[T], (runs, rows): (usize, usize), some: &Range<usize>) -> Vec<T> {
    let width = values.len() / (runs * rows).max(1);
    let of_run = |run: &[T]| run[some.start * width..some.end * width].to_vec();
    values.chunks_exact((rows * width).max(1)).flat_map(of_run).collect()
}

/// Random numbers of a step, drawn on the CPU: masks already divided by the share kept, `runs · B · hidden` values
/// each, before the first and before the last layer of the head.
pub type DropoutMasks = [Vec<f32>; 2];

/// What a step is asked to do.
#[derive(Clone, Debug)]
pub struct Step<'a> {
    /// The rows.
    pub batch: &'a LabelledInput,
    /// One a run.
    pub learning_rates: &'a [f64],
    /// `None` for no dropout.
    pub dropout: Option<&'a DropoutMasks>,
}

impl Step<'_> {
    /// Rows of each of `runs` runs.
    fn rows(&self, runs: usize) -> usize {
        self.batch.input.rows / runs.max(1)
    }

    /// Some rows of every run, and the share of each run's weight that they have.
    fn some(&self, runs: usize, some: &Range<usize>) -> (LabelledInput, Option<DropoutMasks>, Vec<f32>) {
        let size = (runs, self.rows(runs));
        let LabelledInput { input, labels, weights } = self.batch;
        let input = EncoderInput {
            rows: runs * some.len(),
            len: input.len,
            ids: some_rows(&input.ids, size, some),
            type_ids: some_rows(&input.type_ids, size, some),
            attention_mask: some_rows(&input.attention_mask, size, some),
        };
        let all = weights.chunks_exact(size.1.max(1)).map(|run| run.iter().sum::<f32>());
        let share = |(all, run): (f32, &[f32])| run[some.clone()].iter().sum::<f32>() / all.max(f32::MIN_POSITIVE);
        let shares = all.zip(weights.chunks_exact(size.1.max(1))).map(share).collect();
        let (labels, weights) = (some_rows(labels, size, some), some_rows(weights, size, some));
        let dropout = self.dropout.map(|masks| masks.each_ref().map(|mask| some_rows(mask, size, some)));
        (LabelledInput { input, labels, weights }, dropout, shares)
    }
}

/// Parameters of R runs and their optimiser.
#[derive(Clone, Debug)]
pub struct Trainer {
    architecture: Architecture,
    pub(super) params: RunParams,
    pub(super) optimizer: AdamW,
}

impl Trainer {
    /// Trains those of `params` whose name `is_trained` says; `params` stand on an autodiff device.
    pub fn new(
        architecture: Architecture,
        params: RunParams,
        config: AdamWConfig,
        is_trained: impl Fn(&str) -> bool,
        device: &Device,
    ) -> Self {
        let names: Vec<String> =
            params.iter().map(|(name, _)| name.to_owned()).filter(|name| is_trained(name)).collect();
        let rate = |name: &str| architecture.body.rate(name);
        let optimizer = AdamW::new(config, &params, names, rate, &device.clone().inner());
        let params =
            params.map(|name, tensor| if is_trained(name) { tensor.detach().require_grad() } else { tensor.detach() });
        Self { architecture, params, optimizer }
    }

    /// Runs that share a pass, each with what its parameters mean and their values in the layout of files; `settings` are
    /// of all of them, but for learning rate and seed.
    ///
    /// # Errors
    /// When the runs can't share a pass.
    pub fn stack(
        runs: &[(&Architecture, &TensorSet)],
        settings: &RunSettings,
        device: &Device,
    ) -> Result<Self, TrainError> {
        let architecture = Architecture::stack(runs.iter().map(|(architecture, _)| *architecture))?;
        let params: Vec<&TensorSet> = runs.iter().map(|(_, params)| *params).collect();
        let params = RunParams::stack(&params, device)?;
        let is_trained = |name: &str| settings.trained.includes(name);
        Ok(Self::new(architecture, params, settings.optimizer(), is_trained, device))
    }

    /// Goes on with some of its runs, by their places.
    ///
    /// # Errors
    /// When one of them is not there.
    pub fn select(&mut self, runs: &[usize]) -> Result<(), ModelError> {
        if let Some(&run) = runs.iter().find(|run| **run >= self.params.runs()) {
            return Err(ModelError::NoRun { run, runs: self.params.runs() });
        }
        let optimizer = &self.optimizer;
        self.params = std::mem::take(&mut self.params)
            .select(runs)
            .map(|name, tensor| if optimizer.moves(name) { tensor.detach().require_grad() } else { tensor.detach() });
        self.optimizer.select(runs);
        self.architecture = self.architecture.select(runs);
        Ok(())
    }

    /// The parameters as they are.
    #[must_use]
    pub fn params(&self) -> &RunParams {
        &self.params
    }

    /// Parameters of one run that are trained.
    #[must_use]
    pub fn trainable_parameters(&self) -> usize {
        self.optimizer.parameters()
    }

    /// Parameters of one run that an answer needs beside the frozen encoder's, those of frozen adapters among them; for
    /// full fine-tuning the encoder's are the run's own.
    #[must_use]
    pub fn inference_parameters(&self) -> usize {
        let frozen = self.architecture.body.frozen().iter().map(|adapter| adapter.params.parameters());
        self.params.parameters() + frozen.sum::<usize>()
    }

    /// Mean cross-entropy of each run's rows, before and for this step, in nats; `runs` values.
    ///
    /// # Errors
    /// When the device fails or tokens are outside the encoder's tables.
    pub async fn step(&mut self, encoder: &Encoder, step: &Step<'_>) -> Result<Vec<f32>, TrainError> {
        let losses = self.gather(encoder, step, &(0..step.rows(self.params.runs()))).await?;
        self.update(step.learning_rates);
        Ok(losses)
    }

    /// Adds the gradient of some rows of every run to that of the step under way, which [`Self::update`] ends; what they
    /// contribute to each run's mean cross-entropy, in nats.
    ///
    /// # Errors
    /// As [`Self::step`].
    pub(super) async fn gather(
        &mut self,
        encoder: &Encoder,
        step: &Step<'_>,
        some: &Range<usize>,
    ) -> Result<Vec<f32>, TrainError> {
        let runs = self.params.runs();
        let loss = if some.len() == step.rows(runs) {
            self.loss(encoder, step.batch, step.dropout).await?
        } else {
            let (batch, dropout, shares) = step.some(runs, some);
            let shares = Tensor::<1>::from_data(TensorData::new(shares, [runs]), encoder.device());
            self.loss(encoder, &batch, dropout.as_ref()).await? * shares
        };
        let objective = match self.penalty().filter(|_| some.start == 0) {
            Some(penalty) => loss.clone() + penalty,
            None => loss.clone(),
        };
        // The runs share no parameter, so the gradient of the sum is each run's own.
        let gradients = objective.sum().backward();
        self.optimizer.gather(&self.params, &gradients);
        Ok(read(loss).await?)
    }

    /// Ends a step: moves the parameters by what was gathered.
    pub(super) fn update(&mut self, learning_rates: &[f64]) {
        self.optimizer.step(&mut self.params, learning_rates);
    }

    /// What is added to each run's loss before the gradient is taken, where its architecture asks for it.
    ///
    /// # Shapes
    /// - output: `[runs]`
    #[must_use]
    pub fn penalty(&self) -> Option<Tensor<1>> {
        match &self.architecture.body {
            Body::Fusion(_) => fusion::penalty(&self.params),
            Body::Adapter(_) | Body::Gated { .. } | Body::Lora { .. } | Body::Full => None,
        }
    }

    /// Mean cross-entropy of each run's rows, in nats.
    ///
    /// # Shapes
    /// - output: `[runs]`
    ///
    /// # Errors
    /// As [`Self::step`].
    pub async fn loss(
        &self,
        encoder: &Encoder,
        batch: &LabelledInput,
        dropout: Option<&DropoutMasks>,
    ) -> Result<Tensor<1>, TrainError> {
        let logits = self.logits(encoder, &self.params, &batch.input, dropout).await?;
        let [runs, rows, labels] = logits.dims();
        // One matrix carries labels and weights: w / Σw at the label, 0 elsewhere.
        let mut target = vec![0.0f32; runs * rows * labels];
        for (run, weights) in batch.weights.chunks_exact(rows.max(1)).enumerate() {
            let sum: f32 = weights.iter().sum();
            for (row, weight) in weights.iter().enumerate() {
                let index = run * rows + row;
                let label = batch.labels.get(index).map_or(0, |&label| label as usize).min(labels - 1);
                target[index * labels + label] = weight / sum.max(f32::MIN_POSITIVE);
            }
        }
        let target = Tensor::<3>::from_data(TensorData::new(target, [runs, rows, labels]), encoder.device());
        let loss = (log_softmax(logits, 2) * target).sum_dim(2).sum_dim(1).neg();
        Ok(loss.reshape([runs]))
    }

    /// # Shapes
    /// - output: `[runs, B, labels]`
    async fn logits(
        &self,
        encoder: &Encoder,
        params: &RunParams,
        input: &EncoderInput,
        dropout: Option<&DropoutMasks>,
    ) -> Result<Tensor<3>, TrainError> {
        let hidden = match &self.architecture.body {
            &Body::Adapter(AdapterForm { non_linearity, scaling }) => {
                encoder.first_tokens(input, &BottleneckAdapters { params, non_linearity, scaling }).await?
            }
            Body::Fusion(adapters) => encoder.first_tokens(input, &Fusion::new(adapters, params)).await?,
            Body::Gated { adapters, .. } => encoder.first_tokens(input, &Gated { adapters, params }).await?,
            &Body::Lora { alpha } => encoder.first_tokens(input, &Lora { params, alpha }).await?,
            Body::Full => encoder.with_params(params)?.first_tokens(input, &NoAdapters).await?,
        };
        let width = encoder.config().hidden_size;
        let shape = [params.runs(), input.rows / params.runs().max(1), width];
        let masks = dropout
            .map(|masks| masks.clone().map(|mask| Tensor::from_data(TensorData::new(mask, shape), encoder.device())));
        Ok(Head { params, activation: self.architecture.head_activation }.forward(hidden, masks)?)
    }

    /// Logits without dropout and without gradients, `runs · B · labels` values.
    ///
    /// # Errors
    /// As [`Self::step`].
    pub async fn predict(&self, encoder: &Encoder, input: &EncoderInput) -> Result<Vec<f32>, TrainError> {
        let params = self.params.clone().map(|_, tensor| tensor.inner());
        let logits = self.logits(encoder, &params, input, None).await?;
        Ok(read(logits).await?)
    }

    /// How much attention each token of the rows gives to each of the fused adapters, by location in the order of the
    /// layers: `runs · B · len · adapters` values; empty for what is no fusion.
    ///
    /// # Errors
    /// As [`Self::step`].
    pub async fn fusion_attention(
        &self,
        encoder: &Encoder,
        input: &EncoderInput,
    ) -> Result<Vec<(Location, Vec<f32>)>, TrainError> {
        let Body::Fusion(adapters) = &self.architecture.body else { return Ok(Vec::new()) };
        let params = self.params.clone().map(|_, tensor| tensor.inner());
        let fusion = Fusion::new(adapters, &params).recording();
        encoder.forward_kept(input, &fusion).await?;
        let mut attention = Vec::new();
        for (location, tensor) in fusion.into_attention() {
            attention.push((location, read(tensor).await?));
        }
        Ok(attention)
    }
}
