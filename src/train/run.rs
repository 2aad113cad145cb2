//! A few-shot run: epochs over the support, dev after each, the best epoch kept; in small steps, so that it can be
//! paused between any two, and taken up again, here or elsewhere, with the same numbers.

use super::TrainError;
use super::evaluation::Evaluation;
use super::metrics::Scores;
use super::optimizer::AdamWConfig;
use super::schedule::LinearSchedule;
use super::trainer::{Architecture, DropoutMasks, LabelledInput, Step, Trainer};
use crate::model::{Encoder, RunParams};
use crate::tensors::TensorSet;
use crate::tensors::adapter::{Location, Part};
use crate::text::random::{Purpose, generator};
use crate::text::{Batch, EncodedRow, Fill, Order, Shape, batch};
use burn::tensor::Device;
use rand::Rng;

/// What is trained beside the head.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Trained {
    /// Everything that a run has.
    #[default]
    All,
    /// Its up projections.
    Up,
    /// Nothing else.
    Head,
}

impl Trained {
    /// Whether the parameter called `name` is trained: the head always is; what is no adapter (a fusion, gates, the
    /// encoder) knows no up side, and is trained whole or not at all.
    #[must_use]
    pub fn includes(self, name: &str) -> bool {
        let is_up = |(_, part)| matches!(part, Part::UpWeight | Part::UpBias);
        match self {
            _ if name.starts_with("head.") => true,
            Trained::All => true,
            Trained::Up => Location::parse_param(name).is_none_or(is_up),
            Trained::Head => false,
        }
    }
}

/// Which rows share a batch in training; either way at random, from the seed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Batching {
    /// Any: a batch of few examples is a fair sample of them.
    #[default]
    Shuffled,
    /// Rows of like length: on a large set most of the padding goes, and with it time.
    Grouped,
}

impl Batching {
    fn order(self, seed: u64, epoch: u32) -> Order {
        match self {
            Batching::Shuffled => Order::Shuffled { seed, epoch },
            Batching::Grouped => Order::Grouped { seed, epoch },
        }
    }
}

/// Settings of a run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RunSettings {
    /// Passes over the support, 1 or more.
    pub epochs: usize,
    /// Rows a step, 1 or more.
    pub batch_size: usize,
    /// Which rows share a step.
    pub batching: Batching,
    /// Peak, above 0.
    pub learning_rate: f64,
    /// Share of all steps, 0 to 1.
    pub warmup: f64,
    /// Decoupled, on weight matrices, 0 or more.
    pub weight_decay: f64,
    /// Largest global norm of the gradients, above 0.
    pub clip: f64,
    /// In the head, 0 to below 1.
    pub dropout: f64,
    /// Epochs without a better dev score after which to stop; 0 for never.
    pub patience: usize,
    /// What is trained beside the head.
    pub trained: Trained,
    /// Of shuffles and dropout.
    pub seed: u64,
}

impl RunSettings {
    /// # Errors
    /// When a setting is outside its range.
    pub fn validate(&self) -> Result<(), TrainError> {
        let check = |name, value: f64, range, holds: bool| {
            if holds { Ok(()) } else { Err(TrainError::Setting { name, value, range }) }
        };
        check("epochs", self.epochs as f64, "1 to 10000", (1..=10_000).contains(&self.epochs))?;
        check("batch_size", self.batch_size as f64, "1 to 1024", (1..=1024).contains(&self.batch_size))?;
        let rate = self.learning_rate;
        check("learning_rate", rate, "above 0 and at most 1", rate > 0.0 && rate <= 1.0)?;
        check("warmup", self.warmup, "from 0 to 1", (0.0..=1.0).contains(&self.warmup))?;
        check("weight_decay", self.weight_decay, "from 0 to 1", (0.0..=1.0).contains(&self.weight_decay))?;
        check("clip", self.clip, "above 0", self.clip > 0.0)?;
        check("dropout", self.dropout, "from 0 to below 1", (0.0..1.0).contains(&self.dropout))
    }
}

/// What a run learns from.
#[derive(Clone, Debug)]
pub struct RunData {
    /// All rows, encoded.
    pub encoded: Vec<EncodedRow>,
    /// Numbers of those to learn from.
    pub support: Vec<usize>,
    /// Numbers of those to choose the epoch by; may be empty, then the last epoch is kept.
    pub dev: Vec<usize>,
    /// Number of classes.
    pub classes: usize,
    /// The padding token.
    pub pad_id: u32,
    /// Longest row in tokens.
    pub max_length: usize,
}

/// One step of training.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StepReport {
    /// From 1.
    pub step: usize,
    /// Passes over the support so far.
    pub epoch: f64,
    /// Mean cross-entropy of the step's rows.
    pub loss: f32,
    /// Used in this step.
    pub learning_rate: f64,
    /// At the end of an epoch.
    pub dev: Option<Scores>,
}

/// Where a run stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RunStatus {
    /// There are steps left.
    Running,
    /// All epochs are done.
    Finished,
    /// Dev has not become better for as long as `patience` says.
    StoppedEarly,
}

/// The weights to keep.
#[derive(Clone, Debug, PartialEq)]
pub struct Best {
    /// From 1.
    pub epoch: usize,
    /// On dev, where there is one.
    pub scores: Option<Scores>,
    /// Of adapter and head.
    pub params: TensorSet,
}

/// Everything that determines how a run goes on.
#[derive(Clone, Debug, PartialEq)]
pub struct Snapshot {
    /// Adapter and head as they are.
    pub params: TensorSet,
    /// The optimiser's two moments under the names `mean` and `square`, `[count]` each; empty before the first step.
    pub moments: TensorSet,
    /// The best epoch so far.
    pub best: Option<Best>,
    /// Every step so far.
    pub curve: Vec<StepReport>,
}

/// See the module.
#[derive(Clone, Debug)]
pub struct FewShotRun {
    data: RunData,
    settings: RunSettings,
    schedule: LinearSchedule,
    steps_per_epoch: usize,
    trainer: Trainer,
    device: Device,
    plan: (usize, Vec<Vec<usize>>),
    evaluating: Option<Evaluation>,
    best: Option<Best>,
    curve: Vec<StepReport>,
    status: RunStatus,
}

impl FewShotRun {
    /// A run from `params` (adapter and head in the layout of files); `device` is an autodiff device.
    ///
    /// # Errors
    /// When a setting is outside its range or the support is empty.
    pub fn new(
        architecture: Architecture,
        params: &TensorSet,
        data: RunData,
        settings: RunSettings,
        device: &Device,
    ) -> Result<Self, TrainError> {
        settings.validate()?;
        if data.support.is_empty() {
            return Err(TrainError::NoRows("the support"));
        }
        let steps_per_epoch = data.support.len().div_ceil(settings.batch_size);
        let total = steps_per_epoch * settings.epochs;
        let warmup = (settings.warmup * total as f64).round() as usize;
        let schedule = LinearSchedule { peak: settings.learning_rate, warmup, total };
        let config = AdamWConfig { weight_decay: settings.weight_decay, clip: settings.clip, ..AdamWConfig::default() };
        let stacked = RunParams::stack(&[params], device)?;
        let trainer = Trainer::new(architecture, stacked, config, |name| settings.trained.includes(name), device);
        Ok(Self {
            data,
            settings,
            schedule,
            steps_per_epoch,
            trainer,
            device: device.clone(),
            plan: (usize::MAX, Vec::new()),
            evaluating: None,
            best: None,
            curve: Vec::new(),
            status: RunStatus::Running,
        })
    }

    /// Goes on from `snapshot`, which another run of the same settings and data gave.
    ///
    /// # Errors
    /// When the snapshot's tensors are not this run's.
    pub fn restore(&mut self, snapshot: Snapshot) -> Result<(), TrainError> {
        // A file may hold the tensors in another order.
        let mut params = TensorSet::new();
        for (name, own) in self.trainer.params.iter() {
            let tensor = snapshot.params.get(name);
            let tensor = tensor.ok_or_else(|| TrainError::Checkpoint(format!("it has no tensor {name}")))?;
            if tensor.len() != own.shape().num_elements() {
                let (found, wanted) = (tensor.len(), own.shape().num_elements());
                return Err(TrainError::Checkpoint(format!("its {name} has {found} values, not {wanted}")));
            }
            params.insert(name, tensor.clone());
        }
        let stacked = RunParams::stack(&[&params], &self.device)?;
        let trained = self.settings.trained;
        self.trainer.params =
            stacked.map(|name, tensor| if trained.includes(name) { tensor.require_grad() } else { tensor });
        let moments: Vec<_> = ["mean", "square"].into_iter().filter_map(|name| snapshot.moments.get(name)).collect();
        let runs = match moments[..] {
            [mean, square] => vec![[mean, square].map(|moment| moment.values().to_vec())],
            _ => Vec::new(),
        };
        let steps = snapshot.curve.len();
        if runs.is_empty() != (steps == 0) || !self.trainer.optimizer.restore(steps, &runs) {
            let count = self.trainer.optimizer.parameters();
            return Err(TrainError::Checkpoint(format!("its moments are not of {count} parameters")));
        }
        self.best = snapshot.best;
        self.curve = snapshot.curve;
        self.evaluating = None;
        self.status = RunStatus::Running;
        if self.at_epoch_end() && self.curve.last().is_some_and(|point| point.dev.is_none()) {
            self.begin_evaluation()?;
        } else {
            self.judge();
        }
        Ok(())
    }

    /// What [`Self::restore`] takes.
    ///
    /// # Errors
    /// When the device fails.
    pub async fn snapshot(&self) -> Result<Snapshot, TrainError> {
        let mut moments = TensorSet::new();
        for run in self.trainer.optimizer.moments().await? {
            for (name, values) in ["mean", "square"].into_iter().zip(run) {
                let stored = crate::tensors::Tensor::new([values.len()], values)
                    .map_err(|error| TrainError::Checkpoint(error.to_string()))?;
                moments.insert(name, stored);
            }
        }
        Ok(Snapshot { params: self.current().await?, moments, best: self.best.clone(), curve: self.curve.clone() })
    }

    /// Where it stands.
    #[must_use]
    pub fn status(&self) -> RunStatus {
        self.status
    }

    /// Every step so far.
    #[must_use]
    pub fn curve(&self) -> &[StepReport] {
        &self.curve
    }

    /// Steps in all, unless it stops early.
    #[must_use]
    pub fn total_steps(&self) -> usize {
        self.schedule.total
    }

    /// The best epoch so far.
    #[must_use]
    pub fn best(&self) -> Option<&Best> {
        self.best.as_ref()
    }

    /// The data it learns from.
    #[must_use]
    pub fn data(&self) -> &RunData {
        &self.data
    }

    /// Parameters and optimiser.
    #[must_use]
    pub fn trainer(&self) -> &Trainer {
        &self.trainer
    }

    /// Puts the weights of the best epoch in the place of the last ones, to judge and to keep.
    ///
    /// # Errors
    /// When they can't be stacked.
    pub fn use_best(&mut self) -> Result<(), TrainError> {
        if let Some(best) = &self.best {
            self.trainer.params = RunParams::stack(&[&best.params], &self.device)?;
        }
        Ok(())
    }

    /// One optimiser step, or one batch of dev; the newest point of the curve when it changed.
    ///
    /// # Errors
    /// When the device fails or the loss is no number.
    pub async fn step(&mut self, encoder: &Encoder) -> Result<Option<StepReport>, TrainError> {
        if self.status != RunStatus::Running {
            return Ok(None);
        }
        match self.evaluating.take() {
            Some(evaluation) => self.evaluate(encoder, evaluation).await,
            None => self.train(encoder).await.map(Some),
        }
    }

    async fn train(&mut self, encoder: &Encoder) -> Result<StepReport, TrainError> {
        let step = self.curve.len();
        let epoch = step / self.steps_per_epoch;
        let shape = Shape {
            rows: self.settings.batch_size.min(self.data.support.len()),
            max_len: self.data.max_length,
            fill: Fill::Full,
        };
        if self.plan.0 != epoch {
            let order = self.settings.batching.order(self.settings.seed, epoch as u32);
            self.plan = (epoch, batch::plan(&self.data.encoded, &self.data.support, shape, order)?);
        }
        let sources = self.plan.1.get(step % self.steps_per_epoch).map(Vec::as_slice).unwrap_or_default();
        let batch = Batch::assemble(&self.data.encoded, sources, shape, self.data.pad_id)?;
        let batch = LabelledInput::stack(&[batch], self.data.pad_id);
        let learning_rate = self.schedule.rate(step);
        let dropout = self.dropout_masks(step, shape.rows * encoder.config().hidden_size);
        let losses =
            self.trainer.step(encoder, Step { batch: &batch, learning_rates: &[learning_rate], dropout }).await?;
        let loss = losses.first().copied().unwrap_or(f32::NAN);
        if !loss.is_finite() {
            return Err(TrainError::Diverged { step: step + 1, loss });
        }
        let done = step + 1;
        let report =
            StepReport { step: done, epoch: done as f64 / self.steps_per_epoch as f64, loss, learning_rate, dev: None };
        self.curve.push(report);
        if self.at_epoch_end() {
            if self.data.dev.is_empty() {
                self.best = Some(Best { epoch: epoch + 1, scores: None, params: self.current().await? });
                self.judge();
            } else {
                self.begin_evaluation()?;
            }
        }
        Ok(report)
    }

    async fn evaluate(
        &mut self,
        encoder: &Encoder,
        mut evaluation: Evaluation,
    ) -> Result<Option<StepReport>, TrainError> {
        if evaluation.step(&self.trainer, encoder, &self.data.encoded, self.data.pad_id).await? {
            self.evaluating = Some(evaluation);
            return Ok(None);
        }
        let scores = evaluation.scores();
        let epoch = self.curve.len() / self.steps_per_epoch;
        let better = match (scores, self.best.as_ref().and_then(|best| best.scores)) {
            (Some(new), Some(old)) => (new.accuracy, -new.loss) > (old.accuracy, -old.loss),
            _ => true,
        };
        if better {
            self.best = Some(Best { epoch, scores, params: self.current().await? });
        }
        if let Some(last) = self.curve.last_mut() {
            last.dev = scores;
        }
        self.judge();
        Ok(self.curve.last().copied())
    }

    fn at_epoch_end(&self) -> bool {
        !self.curve.is_empty() && self.curve.len().is_multiple_of(self.steps_per_epoch)
    }

    fn begin_evaluation(&mut self) -> Result<(), TrainError> {
        let shape = Shape { rows: 16, max_len: self.data.max_length, fill: Fill::Full };
        self.evaluating = Some(Evaluation::new(&self.data.encoded, &self.data.dev, shape, self.data.classes)?);
        Ok(())
    }

    /// Whether the run is over.
    fn judge(&mut self) {
        let epoch = self.curve.len() / self.steps_per_epoch;
        let since_best = epoch.saturating_sub(self.best.as_ref().map_or(epoch, |best| best.epoch));
        if self.curve.len() >= self.schedule.total {
            self.status = RunStatus::Finished;
        } else if self.settings.patience > 0 && since_best >= self.settings.patience {
            self.status = RunStatus::StoppedEarly;
        }
    }

    async fn current(&self) -> Result<TensorSet, TrainError> {
        Ok(self.trainer.params.unstack().await?.pop().unwrap_or_default())
    }

    /// Drawn from the run's own generator, a stream a step.
    fn dropout_masks(&self, step: usize, count: usize) -> Option<DropoutMasks> {
        let dropout = self.settings.dropout;
        if dropout == 0.0 {
            return None;
        }
        let mut random = generator(self.settings.seed, Purpose::Dropout, step as u32);
        let threshold = (dropout * f64::from(u32::MAX)) as u32;
        let kept = (1.0 / (1.0 - dropout)) as f32;
        Some([(); 2].map(|()| (0..count).map(|_| if random.next_u32() < threshold { 0.0 } else { kept }).collect()))
    }
}
