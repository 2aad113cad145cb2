//! Training runs with every learning rate, and judging each with its best on dev, it alone, on test.
//!
//! Runs that are alike go through the PLM together, as many at a time as the device takes ([`Laboratory::lanes`]).

use super::start::Start;
use super::{Laboratory, of_run};
use crate::engine::data::PreparedEpisode;
use crate::engine::training::train_point;
use crate::engine::{Engine, EngineError, Observer};
use crate::experiment::{PlannedRun, Work};
use crate::protocol::{Phase, RateCurve, RunDetail};
use crate::tensors::TensorSet;
use crate::text::{Fill, Shape};
use crate::train::metrics::better_on_dev;
use crate::train::{
    Architecture, Best, Body, Confusion, EVALUATION_ROWS, Evaluation, FewShotRuns, RunSettings, RunStart, RunStatus,
    Scores, StepReport, TrainError, Trainer, evaluate,
};
use std::rc::Rc;

/// A run that is ready to be trained.
pub(super) struct Candidate {
    pub(super) run: PlannedRun,
    /// Among the runs that were asked for.
    pub(super) place: usize,
    pub(super) episode: Rc<PreparedEpisode>,
    pub(super) start: Start,
    /// That it took to come here.
    pub(super) seconds: f64,
}

/// What a run comes to, judged on test.
pub(super) struct Judged {
    pub(super) dev: Scores,
    pub(super) test: Scores,
    pub(super) learning_rate: Option<f64>,
    pub(super) trainable: usize,
    pub(super) inference: usize,
    /// The run's share of the passes it was in.
    pub(super) seconds: f64,
    pub(super) step_seconds: Option<f64>,
    pub(super) detail: RunDetail,
}

/// A run with what it is judged by.
struct Chosen<'a> {
    ready: &'a Candidate,
    lane: &'a Lane,
    best: &'a Best,
    /// What the best weights were changed to.
    changed: Option<(Architecture, TensorSet)>,
    /// That the change took.
    seconds: f64,
}

impl Chosen<'_> {
    fn weights(&self) -> (&Architecture, &TensorSet) {
        match &self.changed {
            Some((architecture, params)) => (architecture, params),
            None => (&self.ready.start.architecture, &self.best.params),
        }
    }
}

/// A run with one of its learning rates.
#[derive(Clone)]
struct Lane {
    /// Place among the candidates.
    candidate: usize,
    settings: RunSettings,
    curve: Vec<StepReport>,
    best: Option<Best>,
    status: RunStatus,
    /// Parameters that are trained.
    trainable: usize,
    seconds: f64,
    step_seconds: Vec<f64>,
}

impl Candidate {
    /// Whether both can share a pass.
    pub(super) fn goes_with(&self, other: &Self) -> bool {
        let (own, others) = (&self.start, &other.start);
        let shapes = |params: &TensorSet| -> Vec<(String, Vec<usize>)> {
            params.iter().map(|(name, tensor)| (name.to_owned(), tensor.shape().to_vec())).collect()
        };
        let is_reduced = |ready: &Self| matches!(ready.run.work, Work::GatedReduced(_));
        (self.run.target, self.run.k, self.run.trained) == (other.run.target, other.run.k, other.run.trained)
            && is_reduced(self) == is_reduced(other)
            && own.architecture.goes_with(&others.architecture)
            && shapes(&own.params) == shapes(&others.params)
    }
}

impl Engine {
    /// Trains and judges `candidates`, which go with each other; for each what it comes to, or why it can't be judged:
    /// it diverges with every learning rate, or what it has learned can't be reduced.
    ///
    /// # Errors
    /// When it is cancelled, or the device fails.
    pub(super) async fn fit(
        &self,
        laboratory: &Laboratory,
        candidates: &[Candidate],
        observer: &mut dyn Observer,
    ) -> Result<Vec<Result<Judged, EngineError>>, EngineError> {
        let training = &laboratory.plan.experiment().training;
        let rates = |(candidate, ready): (usize, &Candidate)| -> Vec<Lane> {
            let run = &ready.run;
            let settings = |&rate: &f64| training.settings(rate, run.trained, run.seed);
            run.learning_rates.iter().map(|rate| Lane::new(candidate, settings(rate))).collect()
        };
        let mut lanes: Vec<Lane> = candidates.iter().enumerate().flat_map(rates).collect();
        let full = candidates.iter().any(|ready| matches!(ready.start.architecture.body, Body::Full));
        // Of a pass that trains the encoder itself there can be but one run.
        let width = if full { 1 } else { laboratory.lanes };
        let all = lanes.len();
        for (pass, lanes) in lanes.chunks_mut(width).enumerate() {
            self.train_pass(candidates, lanes, (pass * width, all), observer).await?;
        }
        let mut chosen = Vec::new();
        for (candidate, ready) in candidates.iter().enumerate() {
            chosen.push(of_run(self.chosen(laboratory, ready, best_lane(&lanes, candidate), observer).await)?);
        }
        let good: Vec<&Chosen> = chosen.iter().flatten().collect();
        let mut judged = Vec::new();
        for good in good.chunks(width) {
            judged.extend(self.judge(good, observer).await?);
        }
        for (judged, chosen) in judged.iter_mut().zip(&good) {
            let own: Vec<&Lane> = lanes.iter().filter(|lane| lane.candidate == chosen.lane.candidate).collect();
            judged.seconds += own.iter().map(|lane| lane.seconds).sum::<f64>();
            let mut steps: Vec<f64> = own.iter().flat_map(|lane| lane.step_seconds.iter().copied()).collect();
            steps.sort_by(f64::total_cmp);
            judged.step_seconds = steps.get(steps.len() / 2).copied();
            judged.detail.curves = own.iter().map(|lane| lane.curve()).collect();
        }
        let mut judged = judged.into_iter();
        Ok(chosen.into_iter().filter_map(|chosen| chosen.map(|_| judged.next()).transpose()).collect())
    }

    /// What a run is judged by.
    async fn chosen<'a>(
        &self,
        laboratory: &Laboratory,
        ready: &'a Candidate,
        best: Result<(&'a Lane, &'a Best), TrainError>,
        observer: &mut dyn Observer,
    ) -> Result<Chosen<'a>, EngineError> {
        let began = observer.seconds();
        let (lane, best) = best?;
        let changed = match &ready.run.work {
            Work::GatedReduced(set) => Some(self.reduced(laboratory, ready, set, &best.params, observer).await?),
            _ => None,
        };
        Ok(Chosen { ready, lane, best, changed, seconds: observer.seconds() - began })
    }

    /// Trains `lanes` in one pass; `before` of `all` have been trained.
    async fn train_pass(
        &self,
        candidates: &[Candidate],
        lanes: &mut [Lane],
        (before, all): (usize, usize),
        observer: &mut dyn Observer,
    ) -> Result<(), EngineError> {
        let encoder = &self.plm()?.encoder;
        let start = |lane: &Lane| {
            let ready = &candidates[lane.candidate];
            RunStart {
                architecture: ready.start.architecture.clone(),
                params: ready.start.params.clone(),
                data: ready.episode.run_data.clone(),
                settings: lane.settings,
            }
        };
        let source = |lanes: &[Lane], run: usize| {
            lanes
                .get(run)
                .map_or((0, None), |lane| (candidates[lane.candidate].place, Some(lane.settings.learning_rate)))
        };
        let mut runs =
            FewShotRuns::new(lanes.iter().map(start).collect(), &self.device)?.in_parts_of(self.tokens_at_once());
        let steps = runs.total_steps();
        let mut began = observer.seconds();
        let mut step_began = began;
        while runs.is_running() {
            let points = runs.step(encoder).await?;
            let trained = points.iter().all(|(_, point)| point.dev.is_none());
            let share = (observer.seconds() - step_began) / points.len().max(1) as f64;
            for &(run, point) in &points {
                if let Some(lane) = lanes.get_mut(run).filter(|_| trained) {
                    lane.step_seconds.push(share);
                }
                let done = before * steps + point.step * lanes.len();
                observer.trained(source(lanes, run), Some(train_point(&point)), done, all * steps).await?;
            }
            if points.is_empty() {
                // A batch of dev or a part of a step: nothing to tell, but a stop must be heard.
                let done = before * steps + runs.curve(0).len() * lanes.len();
                observer.trained(source(lanes, 0), None, done, all * steps).await?;
            }
            let now = observer.seconds();
            let share = (now - began) / lanes.len() as f64;
            began = now;
            if !runs.is_under_way() {
                step_began = now;
            }
            lanes.iter_mut().for_each(|lane| lane.seconds += share);
        }
        for (run, lane) in lanes.iter_mut().enumerate() {
            lane.curve = runs.curve(run).to_vec();
            lane.best = runs.best(run).cloned();
            lane.status = runs.status(run);
            lane.trainable = runs.trainable_parameters();
        }
        Ok(())
    }

    /// Judges some runs on test in one pass.
    async fn judge(&self, chosen: &[&Chosen<'_>], observer: &mut dyn Observer) -> Result<Vec<Judged>, EngineError> {
        let began = observer.seconds();
        let settings = chosen.first().map(|chosen| chosen.lane.settings).ok_or(TrainError::Together)?;
        let of_runs: Vec<_> = chosen.iter().map(|chosen| chosen.weights()).collect();
        let trainer = Trainer::stack(&of_runs, &settings, &self.device)?;
        let test = self.evaluated(chosen, &trainer, |episode| &episode.test, observer).await?;
        // What was changed after it was chosen is another thing on dev, too.
        let dev = match chosen.iter().any(|chosen| chosen.changed.is_some()) {
            true => self.evaluated(chosen, &trainer, |episode| &episode.run_data.dev, observer).await?,
            false => Vec::new(),
        };
        let mut judged = Vec::new();
        for (index, chosen) in chosen.iter().enumerate() {
            let &&Chosen { ready, lane, best, .. } = chosen;
            let attention = self.attention(chosen.weights(), &lane.settings, &ready.episode).await?;
            let (test, dev) = (test.get(index), dev.get(index).map_or(best.scores, Evaluation::scores));
            let answers = ready.episode.answers(test.map(Evaluation::answers).unwrap_or_default());
            judged.push(Judged {
                dev: dev.ok_or(TrainError::NoRows("the dev set"))?,
                test: test.and_then(Evaluation::scores).ok_or(TrainError::NoRows("the test set"))?,
                learning_rate: Some(lane.settings.learning_rate),
                trainable: lane.trainable,
                inference: trainer.inference_parameters(),
                seconds: chosen.seconds,
                step_seconds: None,
                detail: RunDetail { answers, attention, ..ready.episode.detail() },
            });
        }
        let share = (observer.seconds() - began) / chosen.len().max(1) as f64;
        judged.iter_mut().for_each(|judged| judged.seconds += share);
        Ok(judged)
    }

    /// Answers of the runs of `trainer` on some rows of their episodes.
    async fn evaluated(
        &self,
        chosen: &[&Chosen<'_>],
        trainer: &Trainer,
        rows: fn(&PreparedEpisode) -> &[usize],
        observer: &mut dyn Observer,
    ) -> Result<Vec<Evaluation>, EngineError> {
        let encoder = &self.plm()?.encoder;
        let mut evaluations = Vec::new();
        for chosen in chosen {
            let data = &chosen.ready.episode.run_data;
            let shape = Shape { rows: EVALUATION_ROWS, max_len: data.max_length, fill: Fill::Full };
            evaluations.push(Evaluation::new(&data.encoded, rows(&chosen.ready.episode), shape, data.classes)?);
        }
        let pad_id = chosen.first().map_or(0, |chosen| chosen.ready.episode.run_data.pad_id);
        loop {
            let (done, batches) = evaluations.first().map_or((0, 0), Evaluation::progress);
            observer.at(Phase::Evaluate, done, batches).await?;
            let encoded = chosen.iter().map(|chosen| chosen.ready.episode.run_data.encoded.as_slice());
            let mut of_runs: Vec<_> = evaluations.iter_mut().zip(encoded).collect();
            if !evaluate(&mut of_runs, trainer, encoder, pad_id).await? {
                return Ok(evaluations);
            }
        }
    }
}

impl Lane {
    fn new(candidate: usize, settings: RunSettings) -> Self {
        Self {
            candidate,
            settings,
            curve: Vec::new(),
            best: None,
            status: RunStatus::Running,
            trainable: 0,
            seconds: 0.0,
            step_seconds: Vec::new(),
        }
    }

    fn curve(&self) -> RateCurve {
        RateCurve { learning_rate: self.settings.learning_rate, points: self.curve.iter().map(train_point).collect() }
    }
}

/// Of a candidate's lanes the best on dev, the first of equals. A rate too high for the run is a rate that loses.
fn best_lane(lanes: &[Lane], candidate: usize) -> Result<(&Lane, &Best), TrainError> {
    let own = || lanes.iter().filter(|lane| lane.candidate == candidate);
    let ranked = own().filter_map(|lane| Some((lane, lane.best.as_ref()?, lane.best.as_ref()?.scores?)));
    let better = |a: &Scores, b: &Scores| better_on_dev((a.accuracy, a.loss), (b.accuracy, b.loss));
    let best = ranked.reduce(|best, other| if better(&other.2, &best.2) { other } else { best });
    best.map(|(lane, best, _)| (lane, best)).ok_or_else(|| {
        let diverged = own().find_map(|lane| match lane.status {
            RunStatus::Diverged { step, loss } => Some(TrainError::Diverged { step, loss }),
            _ => None,
        });
        diverged.unwrap_or(TrainError::NoRows("the dev set"))
    })
}

/// The most frequent class of the test rows, answered always.
pub(super) fn majority(episode: &PreparedEpisode) -> Result<Judged, EngineError> {
    let data = &episode.run_data;
    let labels = |rows: &[usize]| -> Vec<usize> {
        rows.iter().filter_map(|&row| data.encoded.get(row)?.label).map(|label| label as usize).collect()
    };
    let (dev, test) = (labels(&data.dev), labels(&episode.test));
    let count = |class: &usize| test.iter().filter(|label| *label == class).count();
    // Of equally frequent classes the first.
    let answer = (0..data.classes).rev().max_by_key(count).ok_or(TrainError::NoRows("the test set"))?;
    let scores = |rows: &[usize]| {
        let mut confusion = Confusion::new(data.classes);
        rows.iter().for_each(|&truth| confusion.add(truth, answer));
        Scores { accuracy: confusion.accuracy(), macro_f1: confusion.macro_f1(), loss: 0.0 }
    };
    Ok(Judged {
        dev: scores(&dev),
        test: scores(&test),
        learning_rate: None,
        trainable: 0,
        inference: 0,
        seconds: 0.0,
        step_seconds: None,
        detail: RunDetail { answers: vec![answer as u16; episode.test.len()], ..episode.detail() },
    })
}
