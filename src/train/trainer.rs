//! One optimiser step of R runs in one pass.

use super::TrainError;
use super::optimizer::{AdamW, AdamWConfig};
use crate::model::params::read;
use crate::model::{BottleneckAdapters, Encoder, EncoderInput, Head, HeadActivation, NonLinearity, RunParams};
use crate::text::Batch;
use burn::tensor::activation::log_softmax;
use burn::tensor::{Device, Tensor, TensorData};

/// What the parameters of a run mean.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Architecture {
    /// Between down and up projection.
    pub non_linearity: NonLinearity,
    /// Of the adapter's output; 0 stands for the usual 1.
    pub scaling: f64,
    /// Between the layers of the head.
    pub head_activation: HeadActivation,
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
        let optimizer = AdamW::new(config, &params, names, &device.clone().inner());
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

    /// Mean cross-entropy of each run's rows, before and for this step, in nats; `runs` values.
    ///
    /// # Errors
    /// When the device fails or tokens are outside the encoder's tables.
    pub async fn step(&mut self, encoder: &Encoder, step: Step<'_>) -> Result<Vec<f32>, TrainError> {
        let loss = self.loss(encoder, step.batch, step.dropout)?;
        // The runs share no parameter, so the gradient of the sum is each run's own.
        let gradients = loss.clone().sum().backward();
        self.optimizer.step(&mut self.params, &gradients, step.learning_rates);
        Ok(read(loss).await?)
    }

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
        let scaling = if self.architecture.scaling == 0.0 { 1.0 } else { self.architecture.scaling };
        let adapters = BottleneckAdapters { params, non_linearity: self.architecture.non_linearity, scaling };
        let hidden = encoder.forward(input, &adapters)?;
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
}
