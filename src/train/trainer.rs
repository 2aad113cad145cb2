//! One optimiser step of R runs in one pass.

use super::TrainError;
use super::optimizer::{AdamW, AdamWConfig};
use crate::model::fusion::{self, Fusion};
use crate::model::gated::{Gated, are_gates};
use crate::model::params::read;
use crate::model::{
    AdapterForm, BottleneckAdapters, Encoder, EncoderInput, FrozenAdapter, Head, HeadActivation, NoAdapters, RunParams,
};
use crate::tensors::adapter::Location;
use crate::text::Batch;
use burn::tensor::activation::log_softmax;
use burn::tensor::{Device, Tensor, TensorData};

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

impl Body {
    /// The adapters that are combined and stay as they are.
    #[must_use]
    pub fn frozen(&self) -> &[FrozenAdapter] {
        match self {
            Self::Adapter(_) | Self::Full => &[],
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
    pub dropout: Option<DropoutMasks>,
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

    /// Names of the adapters that an AdapterFusion fuses; none for what is none.
    #[must_use]
    pub fn fused(&self) -> Vec<String> {
        match &self.architecture.body {
            Body::Fusion(adapters) => adapters.iter().map(|adapter| adapter.name.clone()).collect(),
            _ => Vec::new(),
        }
    }

    /// Mean cross-entropy of each run's rows, before and for this step, in nats; `runs` values.
    ///
    /// # Errors
    /// When the device fails or tokens are outside the encoder's tables.
    pub async fn step(&mut self, encoder: &Encoder, step: Step<'_>) -> Result<Vec<f32>, TrainError> {
        let loss = self.loss(encoder, step.batch, step.dropout)?;
        let objective = match self.penalty() {
            Some(penalty) => loss.clone() + penalty,
            None => loss.clone(),
        };
        // The runs share no parameter, so the gradient of the sum is each run's own.
        let gradients = objective.sum().backward();
        self.optimizer.step(&mut self.params, &gradients, step.learning_rates);
        Ok(read(loss).await?)
    }

    /// What is added to each run's loss before the gradient is taken, where its architecture asks for it.
    ///
    /// # Shapes
    /// - output: `[runs]`
    #[must_use]
    pub fn penalty(&self) -> Option<Tensor<1>> {
        match &self.architecture.body {
            Body::Fusion(_) => fusion::penalty(&self.params),
            Body::Adapter(_) | Body::Gated { .. } | Body::Full => None,
        }
    }

    /// Mean cross-entropy of each run's rows, in nats.
    ///
    /// # Shapes
    /// - output: `[runs]`
    ///
    /// # Errors
    /// As [`Self::step`].
    pub fn loss(
        &self,
        encoder: &Encoder,
        batch: &LabelledInput,
        dropout: Option<DropoutMasks>,
    ) -> Result<Tensor<1>, TrainError> {
        let logits = self.logits(encoder, &self.params, &batch.input, dropout)?;
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
    fn logits(
        &self,
        encoder: &Encoder,
        params: &RunParams,
        input: &EncoderInput,
        dropout: Option<DropoutMasks>,
    ) -> Result<Tensor<3>, TrainError> {
        let hidden = match &self.architecture.body {
            &Body::Adapter(AdapterForm { non_linearity, scaling }) => {
                encoder.forward(input, &BottleneckAdapters { params, non_linearity, scaling })?
            }
            Body::Fusion(adapters) => encoder.forward(input, &Fusion::new(adapters, params))?,
            Body::Gated { adapters, .. } => encoder.forward(input, &Gated { adapters, params })?,
            Body::Full => encoder.with_params(params)?.forward(input, &NoAdapters)?,
        };
        let width = encoder.config().hidden_size;
        let shape = [params.runs(), input.rows / params.runs().max(1), width];
        let masks =
            dropout.map(|masks| masks.map(|mask| Tensor::from_data(TensorData::new(mask, shape), encoder.device())));
        Ok(Head { params, activation: self.architecture.head_activation }.forward(hidden, masks)?)
    }

    /// Logits without dropout and without gradients, `runs · B · labels` values.
    ///
    /// # Errors
    /// As [`Self::step`].
    pub async fn predict(&self, encoder: &Encoder, input: &EncoderInput) -> Result<Vec<f32>, TrainError> {
        let params = self.params.clone().map(|_, tensor| tensor.detach());
        let logits = self.logits(encoder, &params, input, None)?;
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
        let params = self.params.clone().map(|_, tensor| tensor.detach());
        let fusion = Fusion::new(adapters, &params).recording();
        encoder.forward(input, &fusion)?;
        let mut attention = Vec::new();
        for (location, tensor) in fusion.into_attention() {
            attention.push((location, read(tensor).await?));
        }
        Ok(attention)
    }
}
