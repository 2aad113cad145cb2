//! The runs of an experiment: merge, train with every learning rate, choose on dev, judge the chosen one on test.
//!
//! A run is taken up again as a whole: one that was stopped in the middle leaves nothing, one that is finished leaves
//! its record.
//!
//! | file | what it holds |
//! |---|---|
//! | [`plan`] | the experiment with what is loaded, and what each run costs |
//! | [`start`] | what a run starts from |
//! | [`fit`] | training and judging it |
//! | [`detail`] | what a run did on the way, to be looked at |
//! | [`cards`] | runs and records as the page knows them |

pub(super) mod cards;
mod detail;
mod fit;
mod plan;
mod start;
#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests;

use super::data::PreparedEpisode;
use super::{Engine, EngineError, Observer};
use crate::experiment::{Plan, PlannedRun, Record, Work, record};
use crate::protocol::{AdapterId, DataId, EpisodeSpec, FinishedRun, RunDetail, RunExperiment, ShowTestRows, TestRows};
use fit::Judged;
use std::collections::BTreeMap;
use std::rc::Rc;

/// A planned experiment whose parts are loaded, and the records that there are.
pub(super) struct Laboratory {
    plan: Plan,
    adapters: Vec<AdapterId>,
    targets: Vec<(DataId, Option<DataId>)>,
    /// By hash.
    records: BTreeMap<String, Record>,
    /// The episode of the last run: runs that follow each other share it.
    episode: Option<(EpisodeSpec, Rc<PreparedEpisode>)>,
}

/// A run that is done.
struct Finished {
    record: Record,
    /// None where the record was there.
    detail: Option<RunDetail>,
}

impl Laboratory {
    fn run(&self, hash: &str) -> Result<PlannedRun, EngineError> {
        let found = self.plan.runs().iter().find(|run| run.hash == hash);
        found.cloned().ok_or_else(|| EngineError::NoPlannedRun(hash.to_owned()))
    }

    /// Takes in a record that was made before: its run is not run again.
    fn keep(&mut self, record: Record) {
        self.records.entry(record.hash.clone()).or_insert(record);
    }

    fn episode_of(&self, run: &PlannedRun) -> Result<EpisodeSpec, EngineError> {
        let &(data, test) = self.targets.get(run.target).ok_or(EngineError::NoData(DataId(u32::MAX)))?;
        let max_length = self.plan.experiment().training.max_length;
        Ok(EpisodeSpec { data, test, k: run.k, seed: run.seed, max_length })
    }

    fn adapter(&self, index: usize) -> Result<AdapterId, EngineError> {
        self.adapters.get(index).copied().ok_or(EngineError::NoAdapter(AdapterId(index as u32)))
    }

    fn ids(&self, set: &[usize]) -> Result<Vec<AdapterId>, EngineError> {
        set.iter().map(|&index| self.adapter(index)).collect()
    }

    /// As the experiment calls them.
    fn names(&self, set: &[usize]) -> Vec<String> {
        let entries = &self.plan.experiment().adapters;
        set.iter().filter_map(|&index| entries.get(index)).map(|adapter| adapter.name.clone()).collect()
    }

    /// Scores by the names of the adapters, that of the PLM alone, which comes first, under `none`.
    fn by_name(&self, set: &[usize], scores: Vec<f64>) -> BTreeMap<String, f64> {
        std::iter::once("none".to_owned()).chain(self.names(set)).zip(scores).collect()
    }

    fn record(&self, run: &PlannedRun, judged: &Judged, seconds: f64) -> Record {
        let target = &self.plan.experiment().targets[run.target];
        Record {
            plm: self.plan.plm().to_owned(),
            target: target.name.clone(),
            method: run.method.clone(),
            k: run.k,
            seed: run.seed,
            tracks: run.tracks,
            accuracy: decimal(judged.test.accuracy),
            macro_f1: decimal(judged.test.macro_f1),
            dev_accuracy: decimal(judged.dev.accuracy),
            dev_loss: judged.learning_rate.map(|_| decimal(judged.dev.loss)),
            learning_rate: judged.learning_rate,
            trainable_parameters: judged.trainable,
            inference_parameters: judged.inference,
            seconds,
            step_seconds: judged.step_seconds,
            peak_memory: None,
            hash: run.hash.clone(),
            chosen: None,
            ensemble_error: None,
            scores: None,
        }
    }
}

impl Engine {
    pub(super) async fn run_experiment(
        &mut self,
        asked: RunExperiment,
        observer: &mut dyn Observer,
    ) -> Result<Vec<FinishedRun>, EngineError> {
        let mut laboratory = self.laboratory.take().ok_or(EngineError::NoExperiment)?;
        let finished = self.run_all(&mut laboratory, asked, observer).await;
        self.laboratory = Some(laboratory);
        finished
    }

    async fn run_all(
        &mut self,
        laboratory: &mut Laboratory,
        asked: RunExperiment,
        observer: &mut dyn Observer,
    ) -> Result<Vec<FinishedRun>, EngineError> {
        let runs = asked.hashes.iter().map(|hash| laboratory.run(hash)).collect::<Result<Vec<_>, _>>()?;
        for record in records(&asked.records)? {
            laboratory.keep(record);
        }
        let mut finished = Vec::new();
        for (place, run) in runs.iter().enumerate() {
            let Finished { record, detail } = self.run_planned(laboratory, run, place, observer).await?;
            let line = record.to_line()?.trim_end().to_owned();
            finished.push(FinishedRun { record: cards::record(&record), line, detail });
        }
        Ok(finished)
    }

    /// Does one run of the plan, or gives the record that there is.
    ///
    /// # Errors
    /// When it is cancelled, its method does not take its adapters, or the device fails.
    async fn run_planned(
        &mut self,
        laboratory: &mut Laboratory,
        run: &PlannedRun,
        place: usize,
        observer: &mut dyn Observer,
    ) -> Result<Finished, EngineError> {
        if let Some(record) = laboratory.records.get(&run.hash) {
            return Ok(Finished { record: record.clone(), detail: None });
        }
        observer.peak_memory();
        let candidates = laboratory.plan.candidates(run);
        let mut finished = match &run.work {
            Work::BestSingle(_) => self.choose(laboratory, run, &candidates, place, observer).await?,
            Work::BestSingleByScore(set) => {
                let began = observer.seconds();
                let scores = self.scores_of(laboratory, run, set, observer).await?;
                let above = |index: usize| scores.get(index + 1).copied().unwrap_or(f64::NEG_INFINITY);
                // The first of equals.
                let best = (0..set.len()).rev().max_by(|&a, &b| above(a).total_cmp(&above(b))).unwrap_or(0);
                let scored = observer.seconds() - began;
                let best = candidates.get(best..=best).unwrap_or_default();
                let mut finished = self.choose(laboratory, run, best, place, observer).await?;
                finished.record.scores = Some(laboratory.by_name(set, scores));
                finished.record.seconds += scored;
                finished
            }
            _ => self.run_alone(laboratory, run, place, observer).await?,
        };
        finished.record.peak_memory = observer.peak_memory();
        laboratory.keep(finished.record.clone());
        Ok(finished)
    }

    /// The scores of the PLM alone and then with each adapter of `set`, on the run's episode.
    async fn scores_of(
        &self,
        laboratory: &mut Laboratory,
        run: &PlannedRun,
        set: &[usize],
        observer: &mut dyn Observer,
    ) -> Result<Vec<f64>, EngineError> {
        let ids = laboratory.ids(set)?;
        let episode = self.episode(laboratory, run)?;
        self.scores_on(&episode, &ids, observer).await
    }

    /// The episode of `run`, encoded; runs that follow each other share it.
    fn episode(&self, laboratory: &mut Laboratory, run: &PlannedRun) -> Result<Rc<PreparedEpisode>, EngineError> {
        let spec = laboratory.episode_of(run)?;
        let episode = match &laboratory.episode {
            Some((drawn, episode)) if *drawn == spec => episode.clone(),
            _ => Rc::new(self.prepare_episode(&spec)?),
        };
        laboratory.episode = Some((spec, episode.clone()));
        Ok(episode)
    }

    /// The best of `candidates` on dev, the first of equals; its test is the choice's test.
    async fn choose(
        &mut self,
        laboratory: &mut Laboratory,
        run: &PlannedRun,
        candidates: &[PlannedRun],
        place: usize,
        observer: &mut dyn Observer,
    ) -> Result<Finished, EngineError> {
        let mut best: Option<(Finished, &PlannedRun)> = None;
        let mut seconds = 0.0;
        for candidate in candidates {
            let finished = match laboratory.records.get(&candidate.hash) {
                Some(record) => Finished { record: record.clone(), detail: None },
                None => self.run_alone(laboratory, candidate, place, observer).await?,
            };
            laboratory.keep(finished.record.clone());
            seconds += finished.record.seconds;
            let rank = |record: &Record| (record.dev_accuracy, -record.dev_loss.unwrap_or(f64::INFINITY));
            if best.as_ref().is_none_or(|(best, _)| rank(&finished.record) > rank(&best.record)) {
                best = Some((finished, candidate));
            }
        }
        let (Finished { record, detail }, candidate) = best.ok_or(crate::merge::MergeError::NoInputs)?;
        let chosen = match candidate.work {
            Work::Single(index) => laboratory.names(&[index]).pop(),
            _ => None,
        };
        let (method, tracks, hash) = (run.method.clone(), run.tracks, run.hash.clone());
        Ok(Finished { record: Record { method, tracks, hash, seconds, chosen, ..record }, detail })
    }

    async fn run_alone(
        &mut self,
        laboratory: &mut Laboratory,
        run: &PlannedRun,
        place: usize,
        observer: &mut dyn Observer,
    ) -> Result<Finished, EngineError> {
        let began = observer.seconds();
        let episode = self.episode(laboratory, run)?;
        if run.work == Work::Majority {
            let (judged, detail) = fit::majority(&episode)?;
            return Ok(Finished {
                record: laboratory.record(run, &judged, observer.seconds() - began),
                detail: Some(detail),
            });
        }
        let start = self.start_run(laboratory, run, &episode, observer).await?;
        let (judged, detail) = self.fit(laboratory, run, &start, &episode, place, observer).await?;
        let record = laboratory.record(run, &judged, observer.seconds() - began);
        let record = Record { ensemble_error: start.ensemble_error, scores: start.scores, ..record };
        Ok(Finished { record, detail: Some(detail) })
    }

    /// Rows that a planned run is judged on.
    pub(super) fn show_test_rows(&self, ask: &ShowTestRows) -> Result<TestRows, EngineError> {
        let laboratory = self.laboratory.as_ref().ok_or(EngineError::NoExperiment)?;
        let [.., test] = self.data.rows(&laboratory.episode_of(&laboratory.run(&ask.hash)?)?)?;
        let row = |&place: &usize| {
            let &(id, row) = test.get(place).ok_or(EngineError::NoTestRow { place, rows: test.len() })?;
            self.data.row(id, row)
        };
        Ok(TestRows(ask.rows.iter().map(row).collect::<Result<_, _>>()?))
    }
}

/// Records out of lines of `records.jsonl`.
pub(super) fn records(lines: &[String]) -> Result<Vec<Record>, EngineError> {
    // With its end, a line that is no record is an error and not a file's cut end.
    let text: String = lines.iter().flat_map(|line| [line.trim_end(), "\n"]).collect();
    Ok(record::read(text.as_bytes())?.records)
}

/// The shortest decimal number that is this `f32`: 0.7 and not 0.699999988.
fn decimal(value: f32) -> f64 {
    value.to_string().parse().unwrap_or_else(|_| f64::from(value))
}
