//! Few-shot runs: started, paused, taken up again, asked.

use super::data::PreparedEpisode;
use super::observer::Unstoppable;
use super::{Engine, EngineError, Observer, recipe};
use crate::format::{AdapterForm, PlmSignature, archive, safetensors};
use crate::model::{Encoder, adapter, head};
use crate::protocol::{
    Checkpoint, Matrix, Phase, Predict, Prediction, Resume, RunId, RunReport, RunStart, RunStatus, Scores,
    TestPrediction, Train, TrainPoint, TrainSettings, Trained,
};
use crate::tensors::TensorSet;
use crate::tensors::adapter::Location;
use crate::text::random::{Purpose, generator};
use crate::text::{Batch, EncodedRow, Fill, Shape};
use crate::train::metrics::{argmax, softmax};
use crate::train::{
    self, Architecture, Body, EVALUATION_ROWS, Evaluation, FewShotRun, LabelledInput, RunSettings, Snapshot, StepReport,
};
use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

/// Seconds of training between two checkpoints, beside that of a pause and that of the end.
const CHECKPOINT_EVERY: f64 = 5.0;

/// Every run of this engine.
#[derive(Default)]
pub struct Runs {
    runs: IndexMap<RunId, Run>,
    next: u32,
}

pub(super) struct Run {
    asked: Train,
    started: Started,
    few_shot: FewShotRun,
    episode: PreparedEpisode,
    seconds: f64,
    step_seconds: Vec<f64>,
    report: Option<RunReport>,
}

/// What is written of the start of a run beside what it trained: known to the run itself, for its adapter may be removed.
pub(super) struct Started {
    /// The PLM that the adapter is for.
    pub(super) signature: PlmSignature,
    /// How it computes.
    pub(super) form: AdapterForm,
    /// How it came about.
    pub(super) recipe: serde_json::Value,
}

impl Runs {
    /// What came out of the run `id`, once it has come to an end or a pause.
    ///
    /// # Errors
    /// When there is no such run.
    pub fn report(&self, id: RunId) -> Result<Option<&RunReport>, EngineError> {
        Ok(self.get(id)?.report.as_ref())
    }

    /// What was asked of the run `id`, and adapter and head of its best epoch.
    ///
    /// # Errors
    /// When there is no such run, or it has no epoch behind it.
    pub fn best(&self, id: RunId) -> Result<(&Train, &TensorSet, &[String]), EngineError> {
        let run = self.get(id)?;
        let best = run.few_shot.best().ok_or_else(|| EngineError::Unfinished(run.asked.name.clone()))?;
        Ok((&run.asked, &best.params, &run.episode.labels))
    }

    /// What the run `id` started from.
    pub(super) fn started(&self, id: RunId) -> Result<&Started, EngineError> {
        Ok(&self.get(id)?.started)
    }

    pub(super) fn forget(&mut self, id: RunId) {
        self.runs.shift_remove(&id);
    }

    pub(super) fn clear(&mut self) {
        self.runs.clear();
    }

    fn get(&self, id: RunId) -> Result<&Run, EngineError> {
        self.runs.get(&id).ok_or(EngineError::NoRun(id))
    }

    fn add(&mut self, run: Run) -> RunId {
        let id = RunId(self.next);
        self.next += 1;
        self.runs.insert(id, run);
        id
    }
}

impl Engine {
    pub(super) async fn train(&mut self, train: Train, observer: &mut dyn Observer) -> Result<RunReport, EngineError> {
        let run = self.new_run(train, observer).await?;
        self.begin(run, observer).await
    }

    pub(super) async fn resume(
        &mut self,
        resume: Resume,
        observer: &mut dyn Observer,
    ) -> Result<RunReport, EngineError> {
        match (resume.run.filter(|id| self.runs.runs.contains_key(id)), resume.checkpoint) {
            (Some(id), _) => self.go_on(id, observer).await,
            (None, None) => self.train(resume.train, observer).await,
            (None, Some(checkpoint)) => {
                // Cancelled meanwhile it is paused at its next step, so that the steps behind it are not lost.
                let mut run = self.new_run(resume.train, &mut Unstoppable(observer)).await?;
                let (snapshot, seconds) = unpack(&checkpoint.bytes)?;
                run.few_shot.restore(snapshot)?;
                run.seconds = seconds;
                self.begin(run, observer).await
            }
        }
    }

    /// Takes a run in and steps; one that fails is not kept, for nobody knows its handle.
    async fn begin(&mut self, run: Run, observer: &mut dyn Observer) -> Result<RunReport, EngineError> {
        let id = self.runs.add(run);
        let report = self.go_on(id, observer).await;
        if report.is_err() {
            self.runs.forget(id);
        }
        report
    }

    /// The adapter and the new head that a run starts from, and what they mean. The head depends on the seed alone, so
    /// that runs of one seed differ in their adapters only.
    pub(super) fn start_of(
        &self,
        start: &RunStart,
        seed: u64,
        labels: usize,
    ) -> Result<(TensorSet, Architecture), EngineError> {
        let card = &self.plm()?.card;
        let (mut params, architecture) = match *start {
            RunStart::Adapter(id) => {
                // The head is new, whatever head the adapter came with.
                let body = Body::Adapter(self.adapters.get(id)?.form()?);
                (self.adapter_params(id)?.clone(), Architecture { body, ..Architecture::default() })
            }
            RunStart::Scratch { bottleneck } => {
                let mut random = generator(seed, Purpose::Weights, 1);
                self.check_bottleneck(bottleneck)?;
                (adapter::initial(card.layers, card.hidden, bottleneck, &mut random)?, Architecture::default())
            }
            RunStart::HeadOnly => (TensorSet::new(), Architecture::default()),
        };
        for (name, tensor) in head::initial(card.hidden, labels, &mut generator(seed, Purpose::Weights, 0))? {
            params.insert(name, tensor);
        }
        Ok((params, architecture))
    }

    /// That a new adapter of `bottleneck` neurons a location is no wider than the PLM.
    pub(super) fn check_bottleneck(&self, bottleneck: usize) -> Result<(), EngineError> {
        let card = &self.plm()?.card;
        if (1..=card.hidden).contains(&bottleneck) {
            return Ok(());
        }
        Err(EngineError::Bottleneck { bottleneck, plm: card.name.clone(), hidden: card.hidden })
    }

    /// What a run from `start` has to remember of it.
    pub(super) fn started(&self, start: &RunStart) -> Result<Started, EngineError> {
        let (signature, form) = match *start {
            RunStart::Adapter(id) => {
                let from = self.adapters.get(id)?;
                (from.file.plm.clone(), from.file.config.form.clone())
            }
            RunStart::Scratch { .. } | RunStart::HeadOnly => {
                let card = &self.plm()?.card;
                (PlmSignature::bert(Some(card.name.clone()), card.hidden), AdapterForm::seq_bn())
            }
        };
        Ok(Started { signature, form, recipe: recipe::of_start(self, start)? })
    }

    async fn new_run(&self, train: Train, observer: &mut dyn Observer) -> Result<Run, EngineError> {
        let episode = self.prepare_episode(&train.episode, observer).await?;
        let (params, architecture) = self.start_of(&train.start, train.settings.seed, episode.labels.len())?;
        let settings = run_settings(&train.settings);
        let few_shot = FewShotRun::new(architecture, &params, episode.run_data.clone(), settings, &self.device)?
            .in_parts_of(self.tokens_at_once());
        let started = self.started(&train.start)?;
        Ok(Run { asked: train, started, few_shot, episode, seconds: 0.0, step_seconds: Vec::new(), report: None })
    }

    /// Steps until the run is over or somebody cancels, then judges it on test.
    async fn go_on(&mut self, id: RunId, observer: &mut dyn Observer) -> Result<RunReport, EngineError> {
        let Some(plm) = &self.plm else { return Err(EngineError::NoPlm) };
        let run = self.runs.runs.get_mut(&id).ok_or(EngineError::NoRun(id))?;
        if run.report.as_ref().is_none_or(|report| report.status == RunStatus::Paused) {
            if run.few_shot.status() == train::RunStatus::Running {
                let is_paused = run.steps(id, &plm.encoder, observer).await?;
                // Weights that are no numbers are nothing to go on from.
                if !matches!(run.few_shot.status(), train::RunStatus::Diverged { .. }) {
                    observer.checkpoint(run.checkpoint(id).await?);
                }
                if is_paused {
                    return Ok(run.pause(id));
                }
            }
            let status = match run.few_shot.status() {
                train::RunStatus::StoppedEarly => RunStatus::StoppedEarly,
                train::RunStatus::Diverged { .. } => RunStatus::Diverged,
                train::RunStatus::Finished | train::RunStatus::Running => RunStatus::Finished,
            };
            run.few_shot.use_best()?;
            let shape = Shape { rows: EVALUATION_ROWS, max_len: run.episode.run_data.max_length, fill: Fill::Full };
            let data = &run.episode.run_data;
            let mut evaluation = Evaluation::new(&data.encoded, &run.episode.test, shape, data.classes)?;
            loop {
                let (done, batches) = evaluation.progress();
                // Cancelled here, the run stands before its test and can be taken up again.
                if observer.at(Phase::Evaluate, done, batches).await.is_err() {
                    return Ok(run.pause(id));
                }
                if !evaluation.step(run.few_shot.trainer(), &plm.encoder, &data.encoded, data.pad_id).await? {
                    break;
                }
            }
            run.report = Some(run.report(id, status, Some(&evaluation)));
        }
        run.report.clone().ok_or(EngineError::NoRun(id))
    }

    pub(super) async fn predict(&self, ask: &Predict) -> Result<Prediction, EngineError> {
        let plm = self.plm()?;
        let run = self.runs.get(ask.run)?;
        let tokenizer = plm.tokenizer(run.asked.episode.max_length)?;
        let encoding = tokenizer.encode(&ask.text1, ask.text2.as_deref())?;
        let shape = Shape { rows: 1, max_len: tokenizer.max_length(), fill: Fill::Short };
        let batch = Batch::assemble(&[EncodedRow { encoding, label: None }], &[0], shape, tokenizer.pad_id())
            .map_err(train::TrainError::from)?;
        let input = LabelledInput::stack(&[batch], tokenizer.pad_id());
        let logits = run.few_shot.trainer().predict(&plm.encoder, &input.input).await?;
        Ok(prediction(&logits, &run.episode.labels))
    }
}

impl Run {
    /// Steps until it is over or somebody cancels; whether somebody did.
    async fn steps(&mut self, id: RunId, encoder: &Encoder, observer: &mut dyn Observer) -> Result<bool, EngineError> {
        let total = self.few_shot.total_steps();
        let mut since_checkpoint = 0.0;
        let mut of_step = 0.0;
        loop {
            let before = self.few_shot.curve().len();
            let started = observer.seconds();
            let point = self.few_shot.step(encoder).await?;
            let seconds = observer.seconds() - started;
            self.seconds += seconds;
            since_checkpoint += seconds;
            of_step += seconds;
            let done = self.few_shot.curve().len();
            if done > before {
                self.step_seconds.push(of_step);
            }
            if !self.few_shot.is_under_way() {
                of_step = 0.0;
            }
            let is_paused = observer.trained((0, None), point.as_ref().map(train_point), done, total).await.is_err();
            if is_paused || self.few_shot.status() != train::RunStatus::Running {
                return Ok(is_paused);
            }
            if since_checkpoint > CHECKPOINT_EVERY {
                since_checkpoint = 0.0;
                observer.checkpoint(self.checkpoint(id).await?);
            }
        }
    }

    async fn checkpoint(&self, id: RunId) -> Result<Checkpoint, EngineError> {
        let bytes = pack(&self.few_shot.snapshot().await?, self.seconds)?;
        Ok(Checkpoint { run: id, step: self.few_shot.curve().len(), bytes })
    }

    fn pause(&mut self, id: RunId) -> RunReport {
        self.report.insert(self.report(id, RunStatus::Paused, None)).clone()
    }

    fn report(&self, id: RunId, status: RunStatus, test: Option<&Evaluation>) -> RunReport {
        let best = self.few_shot.best();
        let labels = self.episode.labels.clone();
        let counts = test.map(|test| test.confusion().counts().to_vec()).unwrap_or_default();
        let mut predictions: Vec<TestPrediction> = test
            .map(Evaluation::answers)
            .unwrap_or_default()
            .iter()
            .filter_map(|answer| {
                let row = self.episode.rows.get(answer.row)?.clone();
                Some(TestPrediction { row, answer: prediction(&answer.logits, &labels) })
            })
            .collect();
        let surety = |p: &TestPrediction| p.answer.probabilities.iter().copied().fold(0.0, f32::max);
        predictions.sort_by(|a, b| b.is_wrong().cmp(&a.is_wrong()).then(surety(b).total_cmp(&surety(a))));
        let mut sorted = self.step_seconds.clone();
        sorted.sort_by(f64::total_cmp);
        RunReport {
            run: id,
            asked: self.asked.clone(),
            status,
            curve: self.few_shot.curve().iter().map(train_point).collect(),
            best_epoch: best.map_or(0, |best| best.epoch),
            dev: best.and_then(|best| best.scores).map(scores),
            test: test.and_then(Evaluation::scores).map(scores),
            confusion: Matrix {
                rows: if counts.is_empty() { 0 } else { labels.len() },
                columns: if counts.is_empty() { 0 } else { labels.len() },
                values: counts.into_iter().map(|count| count as f32).collect(),
            },
            labels,
            predictions,
            trainable_parameters: self.few_shot.trainer().trainable_parameters(),
            inference_parameters: self.few_shot.trainer().inference_parameters(),
            seconds: self.seconds,
            seconds_per_step: sorted.get(sorted.len() / 2).copied().unwrap_or(0.0),
        }
    }
}

/// A trained run's parameters without the head.
pub(super) fn without_head(params: &TensorSet) -> TensorSet {
    let adapter = params.iter().filter(|(name, _)| Location::parse_param(name).is_some());
    adapter.map(|(name, tensor)| (name.to_owned(), tensor.clone())).collect()
}

pub(super) fn run_settings(settings: &TrainSettings) -> RunSettings {
    RunSettings {
        epochs: settings.epochs,
        batch_size: settings.batch_size,
        batching: train::Batching::Shuffled,
        learning_rate: settings.learning_rate,
        warmup: settings.warmup,
        weight_decay: settings.weight_decay,
        clip: settings.clip,
        dropout: settings.dropout,
        patience: settings.patience,
        trained: match settings.trained {
            Trained::All => train::Trained::All,
            Trained::Up => train::Trained::Up,
            Trained::Head => train::Trained::Head,
        },
        seed: settings.seed,
    }
}

pub(super) fn scores(scores: train::Scores) -> Scores {
    Scores { accuracy: scores.accuracy, macro_f1: scores.macro_f1, loss: scores.loss }
}

pub(super) fn train_point(report: &StepReport) -> TrainPoint {
    TrainPoint {
        step: report.step,
        epoch: report.epoch,
        loss: report.loss,
        learning_rate: report.learning_rate,
        dev: report.dev.map(scores),
    }
}

pub(super) fn prediction(logits: &[f32], labels: &[String]) -> Prediction {
    let label = labels.get(argmax(logits)).cloned().unwrap_or_default();
    Prediction { label, probabilities: softmax(logits) }
}

/// What a checkpoint holds beside its tensors.
#[derive(Serialize, Deserialize)]
struct CheckpointState {
    seconds: f64,
    best: Option<(usize, Option<Scores>)>,
    curve: Vec<TrainPoint>,
}

const STATE: &str = "state.json";
const PARTS: [&str; 3] = ["params.safetensors", "moments.safetensors", "best.safetensors"];

fn pack(snapshot: &Snapshot, seconds: f64) -> Result<Vec<u8>, EngineError> {
    let state = CheckpointState {
        seconds,
        best: snapshot.best.as_ref().map(|best| (best.epoch, best.scores.map(scores))),
        curve: snapshot.curve.iter().map(train_point).collect(),
    };
    let state = serde_json::to_vec(&state).map_err(|error| EngineError::Checkpoint(error.to_string()))?;
    let none = TensorSet::new();
    let best = snapshot.best.as_ref().map_or(&none, |best| &best.params);
    let mut files = vec![(STATE.to_owned(), state)];
    for (name, tensors) in PARTS.into_iter().zip([&snapshot.params, &snapshot.moments, best]) {
        files.push((name.to_owned(), safetensors::write(tensors)?));
    }
    Ok(archive::pack(&files)?)
}

fn unpack(bytes: &[u8]) -> Result<(Snapshot, f64), EngineError> {
    let files = archive::unpack("checkpoint", bytes, archive::Limits::default())
        .map_err(|error| EngineError::Checkpoint(error.to_string()))?
        .files;
    let find = |name: &str| {
        let file = files.iter().find(|(path, _)| path.rsplit('/').next() == Some(name));
        file.map(|(_, bytes)| bytes.as_slice()).ok_or_else(|| EngineError::Checkpoint(format!("{name} is missing")))
    };
    let state: CheckpointState =
        serde_json::from_slice(find(STATE)?).map_err(|error| EngineError::Checkpoint(format!("{STATE}: {error}")))?;
    let own =
        |scores: Scores| train::Scores { accuracy: scores.accuracy, macro_f1: scores.macro_f1, loss: scores.loss };
    let tensors = |part: usize| {
        let name = PARTS[part];
        safetensors::read(find(name)?).map_err(|error| EngineError::Checkpoint(format!("{name}: {error}")))
    };
    let best = match state.best {
        Some((epoch, scores)) => Some(train::Best { epoch, scores: scores.map(own), params: tensors(2)? }),
        None => None,
    };
    let curve = state.curve.iter().map(|point| StepReport {
        step: point.step,
        epoch: point.epoch,
        loss: point.loss,
        learning_rate: point.learning_rate,
        dev: point.dev.map(own),
    });
    let snapshot = Snapshot { params: tensors(0)?, moments: tensors(1)?, best, curve: curve.collect() };
    Ok((snapshot, state.seconds))
}
