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
//! | [`reduce`] | gates folded into one adapter |
//! | [`detail`] | what a run did on the way, to be looked at |
//! | [`cards`] | runs and records as the page knows them |

pub(super) mod cards;
mod detail;
mod fit;
mod plan;
mod reduce;
mod start;
#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests;

use super::data::PreparedEpisode;
use super::{Engine, EngineError, Observer, one_line};
use crate::experiment::{Plan, PlannedRun, Record, Work, record};
use crate::protocol::{
    AdapterId, DataId, EpisodeSpec, ExperimentRuns, FinishedRun, RunDetail, RunExperiment, ShowTestRows, TestRows,
};
use crate::train::metrics::better_on_dev;
use fit::{Candidate, Judged};
use start::Start;
use std::collections::BTreeMap;
use std::rc::Rc;

/// A planned experiment whose parts are loaded, and the records that there are.
pub(super) struct Laboratory {
    plan: Plan,
    adapters: Vec<AdapterId>,
    targets: Vec<(DataId, Option<DataId>)>,
    /// By hash.
    records: BTreeMap<String, Record>,
    /// Those of the last run's target and k, one a seed.
    episodes: Vec<(EpisodeSpec, Rc<PreparedEpisode>)>,
    /// Runs with one learning rate each that go through the PLM at once, 1 or more.
    lanes: usize,
}

/// A run that is done.
struct Finished {
    record: Record,
    /// None where the record was there.
    detail: Option<RunDetail>,
}

/// A run by its place among what was asked for: done, or why it can't be.
type Outcome = (usize, Result<Finished, EngineError>);

impl Laboratory {
    fn run(&self, hash: &str) -> Result<PlannedRun, EngineError> {
        let of = |plan: &Plan| plan.runs().iter().find(|run| run.hash == hash).cloned();
        // What a GPU has planned that can't train the tables of embeddings, the CPU can do in its place.
        let found = of(&self.plan).or_else(|| of(&self.plan.clone().with_embeddings_frozen()));
        found.ok_or_else(|| EngineError::NoPlannedRun(hash.to_owned()))
    }

    /// Takes in a record that was made before: its run is not run again.
    fn keep(&mut self, record: Record) {
        self.records.entry(record.hash.clone()).or_insert(record);
    }

    fn episode_of(&self, run: &PlannedRun) -> Result<EpisodeSpec, EngineError> {
        let &(data, test) = self.targets.get(run.target).ok_or(EngineError::NoData(DataId(u32::MAX)))?;
        let max_length = self.plan.experiment().training.max_length;
        Ok(EpisodeSpec { data, test, test_rows: None, k: run.k, seed: run.seed, max_length })
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

    /// Makes the record of a run, and keeps it.
    fn finish(&mut self, run: &PlannedRun, judged: Judged, start: Option<Start>, memory: Option<u64>) -> Finished {
        let target = &self.plan.experiment().targets[run.target];
        let (ensemble_error, scores) = start.map_or((None, None), |start| (start.ensemble_error, start.scores));
        let record = Record {
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
            seconds: judged.seconds,
            step_seconds: judged.step_seconds,
            peak_memory: memory,
            hash: run.hash.clone(),
            protocol: Some(run.protocol.clone()),
            settings: Some(run.settings.clone()),
            chosen: None,
            ensemble_error,
            scores,
            training: self.plan.budget(run),
            adapters: self.plan.adapters_of(run),
        };
        self.keep(record.clone());
        Finished { record, detail: Some(judged.detail) }
    }
}

impl Engine {
    pub(super) async fn run_experiment(
        &mut self,
        asked: RunExperiment,
        observer: &mut dyn Observer,
    ) -> Result<ExperimentRuns, EngineError> {
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
    ) -> Result<ExperimentRuns, EngineError> {
        let runs = asked.hashes.iter().map(|hash| laboratory.run(hash)).collect::<Result<Vec<_>, _>>()?;
        for record in records(&asked.records)? {
            laboratory.keep(record);
        }
        let places: Vec<(usize, PlannedRun)> = runs.into_iter().enumerate().collect();
        let is_choice = |work: &Work| matches!(work, Work::BestSingle(_) | Work::BestSingleByScore(_));
        let (choices, others): (Vec<_>, Vec<_>) = places.into_iter().partition(|(_, run)| is_choice(&run.work));
        let mut outcomes = self.run_together(laboratory, others, observer).await?;
        for (place, run) in choices {
            outcomes.push((place, of_run(self.choose(laboratory, &run, place, observer).await)?));
        }
        outcomes.sort_by_key(|(place, _)| *place);
        let mut runs = ExperimentRuns::default();
        for (place, outcome) in outcomes {
            match outcome {
                Ok(Finished { record, detail }) => {
                    let line = record.to_line()?.trim_end().to_owned();
                    runs.finished.push(FinishedRun { record: cards::record(&record), line, detail });
                }
                Err(error) => runs.failed.push((asked.hashes[place].clone(), one_line(error))),
            }
        }
        Ok(runs)
    }

    /// Does runs that are no choices, each with its place among what was asked for, or gives the records that there are.
    /// Those that are alike are trained together; one that can't be done leaves the others what they come to.
    async fn run_together(
        &mut self,
        laboratory: &mut Laboratory,
        runs: Vec<(usize, PlannedRun)>,
        observer: &mut dyn Observer,
    ) -> Result<Vec<Outcome>, EngineError> {
        let mut outcomes: Vec<Option<Outcome>> = Vec::new();
        let mut passes: Vec<Vec<(usize, Candidate)>> = Vec::new();
        observer.peak_memory();
        outcomes.resize_with(runs.len(), || None);
        for (index, (place, run)) in runs.into_iter().enumerate() {
            if let Some(record) = laboratory.records.get(&run.hash) {
                outcomes[index] = Some((place, Ok(Finished { record: record.clone(), detail: None })));
                continue;
            }
            let began = observer.seconds();
            let episode = self.episode(laboratory, &run, observer).await?;
            if run.work == Work::Majority {
                let mut judged = fit::majority(&episode)?;
                judged.seconds = observer.seconds() - began;
                let memory = observer.peak_memory();
                outcomes[index] = Some((place, Ok(laboratory.finish(&run, judged, None, memory))));
                continue;
            }
            let start = match of_run(self.start_run(laboratory, &run, &episode, observer).await)? {
                Ok(start) => start,
                Err(error) => {
                    outcomes[index] = Some((place, Err(error)));
                    continue;
                }
            };
            let ready = Candidate { run, place, episode, start, seconds: observer.seconds() - began };
            let alike =
                |pass: &&mut Vec<(usize, Candidate)>| pass.first().is_some_and(|(_, first)| first.goes_with(&ready));
            match passes.iter_mut().find(alike) {
                Some(pass) => pass.push((index, ready)),
                None => passes.push(vec![(index, ready)]),
            }
        }
        for pass in passes {
            let (indices, ready): (Vec<usize>, Vec<Candidate>) = pass.into_iter().unzip();
            let judged = self.fit(laboratory, &ready, observer).await?;
            let memory = observer.peak_memory();
            for ((index, mut ready), judged) in indices.into_iter().zip(ready).zip(judged) {
                // Told beside what a run comes to, the score is no part of it and of what it took: it comes after the run,
                // for both read the same rows, and a run that has none is as good.
                if let (Work::Single(adapter), Ok(_)) = (&ready.run.work, &judged) {
                    let set = [*adapter];
                    let found = of_run(self.scores_of(laboratory, &ready.run, &set, observer).await)?;
                    ready.start.scores = found.ok().map(|found| laboratory.by_name(&set, found));
                }
                let outcome = judged.map(|judged| {
                    let judged = Judged { seconds: judged.seconds + ready.seconds, ..judged };
                    laboratory.finish(&ready.run, judged, Some(ready.start), memory)
                });
                outcomes[index] = Some((ready.place, outcome));
            }
        }
        Ok(outcomes.into_iter().flatten().collect())
    }

    /// The best of the runs that a choice looks at, on dev or by its score before training; its test is the choice's.
    async fn choose(
        &mut self,
        laboratory: &mut Laboratory,
        run: &PlannedRun,
        place: usize,
        observer: &mut dyn Observer,
    ) -> Result<Finished, EngineError> {
        if let Some(record) = laboratory.records.get(&run.hash) {
            return Ok(Finished { record: record.clone(), detail: None });
        }
        let began = observer.seconds();
        let mut candidates = laboratory.plan.candidates(run);
        let mut scores = None;
        if let Work::BestSingleByScore(set) = &run.work {
            let found = self.scores_of(laboratory, run, set, observer).await?;
            let above = |index: usize| found.get(index + 1).copied().unwrap_or(f64::NEG_INFINITY);
            // The first of equals.
            let best = (0..set.len()).rev().max_by(|&a, &b| above(a).total_cmp(&above(b))).unwrap_or(0);
            candidates = candidates.get(best..=best).unwrap_or_default().to_vec();
            scores = Some(laboratory.by_name(set, found));
        }
        let scored = observer.seconds() - began;
        let looked_at = candidates.into_iter().map(|candidate| (place, candidate)).collect();
        let of_dev = |record: &Record| (record.dev_accuracy, record.dev_loss.unwrap_or(f64::INFINITY));
        let runs = self.run_together(laboratory, looked_at, observer).await?;
        let of_singles = runs.into_iter().map(|(_, outcome)| outcome).collect::<Result<Vec<_>, _>>()?;
        let seconds = scored + of_singles.iter().map(|run| run.record.seconds).sum::<f64>();
        // The first of equals.
        let best = of_singles
            .into_iter()
            .reduce(|a, b| if better_on_dev(of_dev(&b.record), of_dev(&a.record)) { b } else { a });
        let Finished { record, detail } = best.ok_or(crate::merge::MergeError::NoInputs)?;
        let chosen = record.method.split_once(':').map(|(_, name)| name.to_owned());
        let PlannedRun { method, tracks, hash, protocol, settings, .. } = run.clone();
        let (protocol, settings) = (Some(protocol), Some(settings));
        let (training, adapters) = (laboratory.plan.budget(run), laboratory.plan.adapters_of(run));
        let record = Record { method, tracks, hash, protocol, settings, seconds, chosen, scores, ..record };
        let record = Record { training, adapters, ..record };
        laboratory.keep(record.clone());
        Ok(Finished { record, detail })
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
        let episode = self.episode(laboratory, run, observer).await?;
        self.scores_on(&episode, &ids, observer).await
    }

    /// The episode of `run`, encoded. Of one target and k as many are kept as runs go together, for theirs follow each
    /// other, and two where they go alone: seed by seed, and a choice looks back.
    async fn episode(
        &self,
        laboratory: &mut Laboratory,
        run: &PlannedRun,
        observer: &mut dyn Observer,
    ) -> Result<Rc<PreparedEpisode>, EngineError> {
        let spec = laboratory.episode_of(run)?;
        laboratory.episodes.retain(|(drawn, _)| EpisodeSpec { seed: spec.seed, ..*drawn } == spec);
        if let Some((_, episode)) = laboratory.episodes.iter().find(|(drawn, _)| *drawn == spec) {
            return Ok(episode.clone());
        }
        let episode = Rc::new(self.prepare_episode(&spec, observer).await?);
        if laboratory.episodes.len() >= laboratory.lanes.max(2) {
            laboratory.episodes.remove(0);
        }
        laboratory.episodes.push((spec, episode.clone()));
        Ok(episode)
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

/// What went wrong with one run alone is its outcome; what concerns all that would follow is an error of all.
fn of_run<T>(done: Result<T, EngineError>) -> Result<Result<T, EngineError>, EngineError> {
    match done {
        Err(error) if error.stops_all() => Err(error),
        other => Ok(other),
    }
}

/// The shortest decimal number that is this `f32`: 0.7 and not 0.699999988.
fn decimal(value: f32) -> f64 {
    value.to_string().parse().unwrap_or_else(|_| f64::from(value))
}
