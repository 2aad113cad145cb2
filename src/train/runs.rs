//! Few-shot runs that go through the frozen encoder together: epochs over the support, dev after each, the best epoch
//! of each run kept; in small steps, so that they can be stopped between any two.
//!
//! A pass carries one batch of each run, the runs' adapters and heads stacked on the run axis. Each run has its own
//! examples, seed, learning rate, schedule, best epoch and end; what it computes is what it computes alone. A run that is
//! over leaves the pass, and the others go on.

use super::TrainError;
use super::evaluation::{EVALUATION_ROWS, Evaluation, evaluate};
use super::metrics::{Scores, better_on_dev};
use super::schedule::LinearSchedule;
use super::settings::{RunData, RunSettings};
use super::trainer::{Architecture, DropoutMasks, LabelledInput, Step, Trainer};
use crate::model::{Encoder, ModelError};
use crate::tensors::TensorSet;
use crate::text::random::{Purpose, generator};
use crate::text::{Batch, Fill, Shape, batch};
use burn::tensor::Device;
use rand::Rng;
use std::rc::Rc;

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
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum RunStatus {
    /// There are steps left.
    Running,
    /// All epochs are done.
    Finished,
    /// Dev has not become better for as long as `patience` says.
    StoppedEarly,
    /// Its loss, in a step or on dev, is no number any more; the epochs before stand.
    Diverged {
        /// From 1.
        step: usize,
        /// NaN or infinite.
        loss: f32,
    },
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

/// What a run starts from.
#[derive(Clone, Debug)]
pub struct RunStart {
    /// What its parameters mean.
    pub architecture: Architecture,
    /// Adapter and head in the layout of files.
    pub params: TensorSet,
    /// What it learns from.
    pub data: Rc<RunData>,
    /// How.
    pub settings: RunSettings,
}

/// One run of a pass.
#[derive(Clone, Debug)]
pub(super) struct Lane {
    pub(super) architecture: Architecture,
    data: Rc<RunData>,
    pub(super) settings: RunSettings,
    schedule: LinearSchedule,
    steps_per_epoch: usize,
    /// An epoch, and the batches of it.
    plan: (usize, Vec<Vec<usize>>),
    evaluation: Option<Evaluation>,
    pub(super) best: Option<Best>,
    curve: Vec<StepReport>,
    status: RunStatus,
}

/// See the module.
#[derive(Clone, Debug)]
pub struct FewShotRuns {
    pub(super) lanes: Vec<Lane>,
    /// Places among `lanes` of the runs whose parameters stand in `trainer`, in its order.
    active: Vec<usize>,
    pub(super) trainer: Trainer,
    pub(super) device: Device,
    /// Most tokens that go through the encoder at once in training.
    tokens: usize,
    pub(super) under_way: Option<UnderWay>,
}

/// A step of which some rows are done.
#[derive(Clone, Debug)]
pub(super) struct UnderWay {
    batch: LabelledInput,
    learning_rates: Vec<f64>,
    dropout: Option<DropoutMasks>,
    /// Rows of each run that are done.
    done: usize,
    /// Of those, by run.
    losses: Vec<f32>,
}

impl FewShotRuns {
    /// Runs from `starts`, which differ in nothing but examples (as many of each), weights, seed and learning rate;
    /// `device` is an autodiff device.
    ///
    /// # Errors
    /// When a setting is outside its range, a support is empty, or the runs can't share a pass.
    pub fn new(starts: Vec<RunStart>, device: &Device) -> Result<Self, TrainError> {
        let first = starts.first().ok_or(TrainError::NoRows("the support"))?;
        let shared = |start: &RunStart| {
            let settings = RunSettings { learning_rate: 0.0, seed: 0, ..start.settings };
            (settings, start.data.support.len(), start.data.dev.len(), start.data.classes, start.data.pad_id)
        };
        if starts.iter().any(|start| shared(start) != shared(first)) {
            return Err(TrainError::Together);
        }
        let settings = first.settings;
        let weights: Vec<_> = starts.iter().map(|start| (&start.architecture, &start.params)).collect();
        let trainer = Trainer::stack(&weights, &settings, device)?;
        let lanes = starts.into_iter().map(Lane::new).collect::<Result<Vec<_>, _>>()?;
        Ok(Self {
            active: (0..lanes.len()).collect(),
            lanes,
            trainer,
            device: device.clone(),
            tokens: usize::MAX,
            under_way: None,
        })
    }

    /// The same with steps of more than `tokens` tokens taken in parts, a part a call of [`Self::step`], their gradients
    /// summed: the numbers are those of the whole but for rounding, and a stop is heard between parts.
    #[must_use]
    pub fn in_parts_of(self, tokens: usize) -> Self {
        Self { tokens, ..self }
    }

    /// Whether a step is begun and not ended.
    #[must_use]
    pub fn is_under_way(&self) -> bool {
        self.under_way.is_some()
    }

    /// Whether there are steps left.
    #[must_use]
    pub fn is_running(&self) -> bool {
        self.lanes.iter().any(Lane::is_running)
    }

    /// Where a run stands.
    #[must_use]
    pub fn status(&self, run: usize) -> RunStatus {
        self.lanes.get(run).map_or(RunStatus::Finished, |lane| lane.status)
    }

    /// Every step of a run so far.
    #[must_use]
    pub fn curve(&self, run: usize) -> &[StepReport] {
        self.lanes.get(run).map(|lane| lane.curve.as_slice()).unwrap_or_default()
    }

    /// The best epoch of a run so far.
    #[must_use]
    pub fn best(&self, run: usize) -> Option<&Best> {
        self.lanes.get(run)?.best.as_ref()
    }

    /// Steps of a run in all, unless it stops early.
    #[must_use]
    pub fn total_steps(&self) -> usize {
        self.lanes.first().map_or(0, |lane| lane.schedule.total)
    }

    /// Parameters of one run that are trained.
    #[must_use]
    pub fn trainable_parameters(&self) -> usize {
        self.trainer.trainable_parameters()
    }

    /// Each run that is not over takes one optimiser step, a part of one, or one batch of dev. Returns the runs whose curves
    /// changed, each with its newest point.
    ///
    /// # Errors
    /// When the device fails.
    pub async fn step(&mut self, encoder: &Encoder) -> Result<Vec<(usize, StepReport)>, TrainError> {
        if self.active.is_empty() || !self.is_running() {
            return Ok(Vec::new());
        }
        let is_evaluating = |lane: &Lane| lane.evaluation.is_some();
        let evaluating = self.active.first().and_then(|&lane| self.lanes.get(lane)).is_some_and(is_evaluating);
        let changed = if evaluating { self.evaluate(encoder).await? } else { self.train(encoder).await? };
        self.leave()?;
        let newest = |run: usize| Some((run, *self.lanes.get(run)?.curve.last()?));
        Ok(changed.into_iter().filter_map(newest).collect())
    }

    /// The rows of the next step.
    fn next_step(&mut self, width: usize) -> Result<UnderWay, TrainError> {
        let (mut batches, mut rates, mut dropout) = (Vec::new(), Vec::new(), None);
        for &run in &self.active {
            let Some(lane) = self.lanes.get_mut(run) else { continue };
            batches.push(lane.next_batch()?);
            rates.push(lane.schedule.rate(lane.curve.len()));
            if let Some(masks) = lane.dropout_masks(width) {
                let all: &mut DropoutMasks = dropout.get_or_insert_default();
                all.iter_mut().zip(masks).for_each(|(all, mask)| all.extend(mask));
            }
        }
        let pad_id = self.lanes.first().map_or(0, |lane| lane.data.pad_id);
        let batch = LabelledInput::stack(&batches, pad_id);
        let losses = vec![0.0; batches.len()];
        Ok(UnderWay { batch, learning_rates: rates, dropout, done: 0, losses })
    }

    async fn train(&mut self, encoder: &Encoder) -> Result<Vec<usize>, TrainError> {
        let mut step = match self.under_way.take() {
            Some(step) => step,
            None => self.next_step(encoder.config().hidden_size)?,
        };
        let rows = step.batch.input.rows / self.active.len().max(1);
        let parts = rows.div_ceil((self.tokens / (step.batch.input.len * self.active.len()).max(1)).max(1));
        let some = step.done..rows.min(step.done + rows.div_ceil(parts.max(1)));
        let UnderWay { batch, learning_rates, dropout, .. } = &step;
        let asked = Step { batch, learning_rates, dropout: dropout.as_ref() };
        let losses = self.trainer.gather(encoder, &asked, &some).await?;
        step.losses.iter_mut().zip(losses).for_each(|(sum, loss)| *sum += loss);
        step.done = some.end;
        if step.done < rows {
            self.under_way = Some(step);
            return Ok(Vec::new());
        }
        self.trainer.update(&step.learning_rates);
        let UnderWay { learning_rates: rates, losses, .. } = step;
        let mut changed = Vec::new();
        let mut ended = false;
        for ((&run, loss), learning_rate) in self.active.iter().zip(losses).zip(rates) {
            let Some(lane) = self.lanes.get_mut(run) else { continue };
            let step = lane.curve.len() + 1;
            if !loss.is_finite() {
                lane.status = RunStatus::Diverged { step, loss };
                continue;
            }
            let epoch = step as f64 / lane.steps_per_epoch as f64;
            lane.curve.push(StepReport { step, epoch, loss, learning_rate, dev: None });
            ended |= lane.at_epoch_end();
            changed.push(run);
        }
        if ended {
            self.end_epoch().await?;
        }
        Ok(changed)
    }

    /// Begins to look at dev; without one the epoch is the best by being the last.
    async fn end_epoch(&mut self) -> Result<(), TrainError> {
        let without_dev = self.lanes.iter().all(|lane| lane.data.dev.is_empty());
        let params = if without_dev { self.trainer.params.unstack().await? } else { Vec::new() };
        for (place, &run) in self.active.iter().enumerate() {
            let Some(lane) = self.lanes.get_mut(run).filter(|lane| lane.is_running()) else { continue };
            match params.get(place) {
                Some(params) => {
                    lane.best = Some(Best { epoch: lane.epochs(), scores: None, params: params.clone() });
                    lane.judge();
                }
                None => lane.begin_evaluation()?,
            }
        }
        Ok(())
    }

    async fn evaluate(&mut self, encoder: &Encoder) -> Result<Vec<usize>, TrainError> {
        let pad_id = self.lanes.first().map_or(0, |lane| lane.data.pad_id);
        let mut evaluations: Vec<(Evaluation, Rc<RunData>)> = Vec::new();
        for &run in &self.active {
            let Some(lane) = self.lanes.get_mut(run) else { continue };
            evaluations.extend(lane.evaluation.take().map(|evaluation| (evaluation, lane.data.clone())));
        }
        let mut rows: Vec<_> =
            evaluations.iter_mut().map(|(evaluation, data)| (evaluation, data.encoded.as_slice())).collect();
        let more = evaluate(&mut rows, &self.trainer, encoder, pad_id).await?;
        if more {
            for (&run, (evaluation, _)) in self.active.iter().zip(evaluations) {
                if let Some(lane) = self.lanes.get_mut(run) {
                    lane.evaluation = Some(evaluation);
                }
            }
            return Ok(Vec::new());
        }
        let scores: Vec<Option<Scores>> = evaluations.iter().map(|(evaluation, _)| evaluation.scores()).collect();
        let is_better = |(&run, scores): (&usize, &Option<Scores>)| {
            self.lanes.get(run).is_some_and(|lane| lane.is_better(scores.as_ref()))
        };
        let better: Vec<bool> = self.active.iter().zip(&scores).map(is_better).collect();
        // They travel from the device only where one of them is to be kept.
        let params = if better.contains(&true) { self.trainer.params.unstack().await? } else { Vec::new() };
        for (place, (&run, scores)) in self.active.iter().zip(scores).enumerate() {
            let Some(lane) = self.lanes.get_mut(run) else { continue };
            if let (Some(true), Some(params)) = (better.get(place), params.get(place)) {
                lane.best = Some(Best { epoch: lane.epochs(), scores, params: params.clone() });
            }
            if let Some(Scores { loss, .. }) = scores.filter(|scores| !scores.loss.is_finite()) {
                lane.status = RunStatus::Diverged { step: lane.curve.len(), loss };
                continue;
            }
            if let Some(last) = lane.curve.last_mut() {
                last.dev = scores;
            }
            lane.judge();
        }
        Ok(self.active.clone())
    }

    /// Runs that are over leave the pass; the last ones stay where they are.
    fn leave(&mut self) -> Result<(), ModelError> {
        let is_running = |run: &usize| self.lanes.get(*run).is_some_and(Lane::is_running);
        let places: Vec<usize> =
            self.active.iter().enumerate().filter(|(_, run)| is_running(run)).map(|(place, _)| place).collect();
        if places.len() < self.active.len() && !places.is_empty() {
            self.active = self.active.iter().copied().filter(|run| is_running(run)).collect();
            self.trainer.select(&places)?;
        }
        Ok(())
    }
}

impl Lane {
    fn new(start: RunStart) -> Result<Self, TrainError> {
        let RunStart { architecture, data, settings, .. } = start;
        settings.validate()?;
        if data.support.is_empty() {
            return Err(TrainError::NoRows("the support"));
        }
        let steps_per_epoch = data.support.len().div_ceil(settings.batch_size);
        Ok(Self {
            schedule: settings.schedule(steps_per_epoch),
            architecture,
            data,
            settings,
            steps_per_epoch,
            plan: (usize::MAX, Vec::new()),
            evaluation: None,
            best: None,
            curve: Vec::new(),
            status: RunStatus::Running,
        })
    }

    fn is_running(&self) -> bool {
        self.status == RunStatus::Running
    }

    /// Passes over the support that are done.
    fn epochs(&self) -> usize {
        self.curve.len() / self.steps_per_epoch
    }

    fn at_epoch_end(&self) -> bool {
        !self.curve.is_empty() && self.curve.len().is_multiple_of(self.steps_per_epoch)
    }

    /// Rows of a step.
    fn rows(&self) -> usize {
        self.settings.batch_size.min(self.data.support.len())
    }

    fn next_batch(&mut self) -> Result<Batch, TrainError> {
        let shape = Shape { rows: self.rows(), max_len: self.data.max_length, fill: Fill::Full };
        let (step, epoch) = (self.curve.len(), self.epochs());
        if self.plan.0 != epoch {
            let order = self.settings.batching.order(self.settings.seed, epoch as u32);
            self.plan = (epoch, batch::plan(&self.data.encoded, &self.data.support, shape, order)?);
        }
        let sources = self.plan.1.get(step % self.steps_per_epoch).map(Vec::as_slice).unwrap_or_default();
        Ok(Batch::assemble(&self.data.encoded, sources, shape, self.data.pad_id)?)
    }

    /// Drawn from the run's own generator, a stream a step: `rows · width` values each.
    fn dropout_masks(&self, width: usize) -> Option<DropoutMasks> {
        let dropout = self.settings.dropout;
        if dropout == 0.0 {
            return None;
        }
        let count = self.rows() * width;
        let mut random = generator(self.settings.seed, Purpose::Dropout, self.curve.len() as u32);
        let threshold = (dropout * f64::from(u32::MAX)) as u32;
        let kept = (1.0 / (1.0 - dropout)) as f32;
        Some([(); 2].map(|()| (0..count).map(|_| if random.next_u32() < threshold { 0.0 } else { kept }).collect()))
    }

    fn begin_evaluation(&mut self) -> Result<(), TrainError> {
        let shape = Shape { rows: EVALUATION_ROWS, max_len: self.data.max_length, fill: Fill::Full };
        self.evaluation = Some(Evaluation::new(&self.data.encoded, &self.data.dev, shape, self.data.classes)?);
        Ok(())
    }

    /// Goes on after what another run of the same settings and data has done.
    pub(super) fn restore(&mut self, best: Option<Best>, curve: Vec<StepReport>) -> Result<(), TrainError> {
        self.best = best;
        self.curve = curve;
        self.evaluation = None;
        self.status = RunStatus::Running;
        if self.at_epoch_end() && self.curve.last().is_some_and(|point| point.dev.is_none()) {
            return self.begin_evaluation();
        }
        self.judge();
        Ok(())
    }

    fn is_better(&self, scores: Option<&Scores>) -> bool {
        match (scores, self.best.as_ref().and_then(|best| best.scores)) {
            (Some(new), _) if !new.loss.is_finite() => false,
            (Some(new), Some(old)) => better_on_dev((new.accuracy, new.loss), (old.accuracy, old.loss)),
            _ => true,
        }
    }

    /// Whether the run is over.
    fn judge(&mut self) {
        let epoch = self.epochs();
        let since_best = epoch.saturating_sub(self.best.as_ref().map_or(epoch, |best| best.epoch));
        if self.curve.len() >= self.schedule.total {
            self.status = RunStatus::Finished;
        } else if self.settings.patience > 0 && since_best >= self.settings.patience {
            self.status = RunStatus::StoppedEarly;
        }
    }
}
