//! Training a run with every learning rate, and judging the best on dev, it alone, on test.

use super::Laboratory;
use super::start::Start;
use crate::engine::data::PreparedEpisode;
use crate::engine::training::{TEST_ROWS, train_point};
use crate::engine::{Engine, EngineError, Observer};
use crate::experiment::PlannedRun;
use crate::protocol::{Phase, RateCurve, RunDetail};
use crate::text::{Fill, Shape};
use crate::train::{Confusion, Evaluation, FewShotRun, RunStatus, Scores, TrainError};

/// What a run comes to, judged on test.
pub(super) struct Judged {
    pub(super) dev: Scores,
    pub(super) test: Scores,
    pub(super) learning_rate: Option<f64>,
    pub(super) trainable: usize,
    pub(super) inference: usize,
    pub(super) step_seconds: Option<f64>,
}

impl Engine {
    /// # Errors
    /// When it is cancelled, diverges with every learning rate, or the device fails.
    pub(super) async fn fit(
        &self,
        laboratory: &Laboratory,
        run: &PlannedRun,
        start: &Start,
        episode: &PreparedEpisode,
        place: usize,
        observer: &mut dyn Observer,
    ) -> Result<(Judged, RunDetail), EngineError> {
        let plm = self.plm()?;
        let training = &laboratory.plan.experiment().training;
        let rates = &run.learning_rates;
        let data = &episode.run_data;
        let mut best: Option<(Scores, f64, FewShotRun)> = None;
        let mut diverged = TrainError::NoRows("the dev set");
        let (mut curves, mut step_seconds) = (Vec::new(), Vec::new());
        for (tried, &rate) in rates.iter().enumerate() {
            let settings = training.settings(rate, run.trained, run.seed);
            let architecture = start.architecture.clone();
            let mut few_shot = FewShotRun::new(architecture, &start.params, data.clone(), settings, &self.device)?;
            let steps = few_shot.total_steps();
            while few_shot.status() == RunStatus::Running {
                let (began, before) = (observer.seconds(), few_shot.curve().len());
                let point = match few_shot.step(&plm.encoder).await {
                    // A rate too high for this run is a rate that loses; the epochs before stand.
                    Err(error @ TrainError::Diverged { .. }) => {
                        diverged = error;
                        break;
                    }
                    other => other?,
                };
                let done = few_shot.curve().len();
                if done > before {
                    step_seconds.push(observer.seconds() - began);
                }
                let point = point.as_ref().map(train_point);
                observer.trained(place, point, tried * steps + done, rates.len() * steps).await?;
            }
            curves.push(RateCurve { learning_rate: rate, points: few_shot.curve().iter().map(train_point).collect() });
            let Some(dev) = few_shot.best().and_then(|best| best.scores) else { continue };
            let rank = |dev: Scores| (dev.accuracy, -dev.loss);
            if best.as_ref().is_none_or(|(best, ..)| rank(dev) > rank(*best)) {
                best = Some((dev, rate, few_shot));
            }
        }
        let (dev, rate, mut few_shot) = best.ok_or(diverged)?;
        few_shot.use_best()?;
        let shape = Shape { rows: TEST_ROWS, max_len: data.max_length, fill: Fill::Full };
        let mut evaluation = Evaluation::new(&data.encoded, &episode.test, shape, data.classes)?;
        loop {
            let (done, batches) = evaluation.progress();
            observer.at(Phase::Evaluate, done, batches).await?;
            if !evaluation.step(few_shot.trainer(), &plm.encoder, &data.encoded, data.pad_id).await? {
                break;
            }
        }
        let test = evaluation.scores().ok_or(TrainError::NoRows("the test set"))?;
        let trainer = few_shot.trainer();
        let attention = self.attention(trainer, episode).await?;
        step_seconds.sort_by(f64::total_cmp);
        let judged = Judged {
            dev,
            test,
            learning_rate: Some(rate),
            trainable: trainer.trainable_parameters(),
            inference: trainer.inference_parameters(),
            step_seconds: step_seconds.get(step_seconds.len() / 2).copied(),
        };
        let answers = episode.answers(evaluation.answers());
        Ok((judged, RunDetail { curves, attention, answers, ..episode.detail() }))
    }
}

/// The most frequent class of the test rows, answered always.
pub(super) fn majority(episode: &PreparedEpisode) -> Result<(Judged, RunDetail), EngineError> {
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
    let judged = Judged {
        dev: scores(&dev),
        test: scores(&test),
        learning_rate: None,
        trainable: 0,
        inference: 0,
        step_seconds: None,
    };
    Ok((judged, RunDetail { answers: vec![answer as u16; episode.test.len()], ..episode.detail() }))
}
