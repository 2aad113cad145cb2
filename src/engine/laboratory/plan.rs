//! The experiment with what is loaded: every run is known before the first is done, and what it costs.

use super::Laboratory;
use crate::engine::{Engine, EngineError, LoadedAdapter};
use crate::experiment::{Experiment, Identities, Plan, PlannedRun, Work};
use crate::format::{safetensors, sha256_hex};
use crate::protocol::{AdapterId, DataId, EpisodeSpec, ExperimentCard, PlanExperiment, PlannedCard};
use crate::train::TrainError;
use std::collections::{BTreeMap, BTreeSet};

/// Rows of an episode.
#[derive(Clone, Copy, Default)]
struct Rows {
    /// To learn from; there are as many to choose on.
    support: usize,
    test: usize,
}

impl Engine {
    pub(in crate::engine) fn plan_experiment(&mut self, asked: PlanExperiment) -> Result<ExperimentCard, EngineError> {
        let experiment = Experiment::parse(&asked.file)?;
        let laboratory = self.laboratory(experiment, asked.plm, asked.adapters, asked.targets)?;
        let card = self.card(&laboratory)?;
        self.laboratory = Some(laboratory);
        Ok(card)
    }

    /// Plans `experiment` for the loaded PLM, its `plm`th. `adapters` and `targets` (train, and test where there is one)
    /// are its parts as loaded, in its order. Every episode is drawn, so that what can't be drawn is known at once.
    fn laboratory(
        &self,
        experiment: Experiment,
        plm: usize,
        adapters: Vec<AdapterId>,
        targets: Vec<(DataId, Option<DataId>)>,
    ) -> Result<Laboratory, EngineError> {
        for (what, asked, given) in [
            ("adapters", experiment.adapters.len(), adapters.len()),
            ("targets", experiment.targets.len(), targets.len()),
        ] {
            if asked != given {
                return Err(EngineError::Parts { what, asked, given });
            }
        }
        let mut identities = Identities { plm: self.plm()?.identity.clone(), ..Identities::default() };
        for &id in &adapters {
            self.adapter_params(id)?;
            identities.adapters.push(identity(self.adapters.get(id)?)?);
        }
        for &(train, test) in &targets {
            let sha256 = |id| self.data.sha256(id).to_owned();
            identities.targets.push((sha256(train), test.map(sha256)));
            for (&k, &seed) in experiment.shots.iter().flat_map(|k| experiment.seeds.iter().map(move |seed| (k, seed)))
            {
                let [.., test] = self.data.rows(&EpisodeSpec { data: train, test, k, seed, max_length: 8 })?;
                let mut labels = test.iter().map(|&(id, row)| self.data.row(id, row).map(|row| row.label));
                if !labels.any(|label| label.is_ok_and(|label| !label.is_empty())) {
                    return Err(TrainError::NoRows("the test set").into());
                }
            }
        }
        let plan = Plan::new(experiment, plm, identities)?;
        Ok(Laboratory { plan, adapters, targets, records: BTreeMap::new(), episode: None })
    }

    fn card(&self, laboratory: &Laboratory) -> Result<ExperimentCard, EngineError> {
        let plan = &laboratory.plan;
        let there: BTreeSet<String> = plan.runs().iter().map(|run| run.hash.clone()).collect();
        let mut runs = Vec::new();
        let mut rows: BTreeMap<(usize, usize), Rows> = BTreeMap::new();
        for run in plan.runs() {
            let rows = match rows.get(&(run.target, run.k)) {
                Some(rows) => *rows,
                None => {
                    let [support, _, test] = self.data.rows(&laboratory.episode_of(run)?)?;
                    let counted = Rows { support: support.len(), test: test.len() };
                    rows.insert((run.target, run.k), counted);
                    counted
                }
            };
            runs.push(PlannedCard {
                hash: run.hash.clone(),
                plm: plan.plm().to_owned(),
                target: plan.experiment().targets[run.target].name.clone(),
                k: run.k,
                seed: run.seed,
                method: run.method.clone(),
                tracks: run.tracks.word().to_owned(),
                work: work(laboratory, run, rows),
                after: plan
                    .candidates(run)
                    .into_iter()
                    .map(|run| run.hash)
                    .filter(|hash| there.contains(hash))
                    .collect(),
            });
        }
        Ok(ExperimentCard { plm: plan.plm().to_owned(), passes: passes(plan), runs })
    }
}

/// Rows that go through the PLM in all, forward and backward counted as three.
fn work(laboratory: &Laboratory, run: &PlannedRun, rows: Rows) -> f64 {
    let Rows { support, test } = rows;
    let epochs = laboratory.plan.experiment().training.epochs;
    let trained = run.learning_rates.len() * epochs * (3 * support + support) + test;
    let looked_at = match &run.work {
        Work::Majority | Work::BestSingle(_) => return 0.0,
        Work::BestSingleByScore(set) => return (2 * support * (set.len() + 1)) as f64,
        // Once for each adapter, to see what it does.
        Work::Merge { adapters, .. } => 2 * support * adapters.len(),
        _ => 0,
    };
    (trained + looked_at) as f64
}

/// The runs by hash, a choice among runs after all that it looks at.
fn passes(plan: &Plan) -> Vec<Vec<String>> {
    let is_choice = |run: &&PlannedRun| matches!(run.work, Work::BestSingle(_) | Work::BestSingleByScore(_));
    let (choices, others): (Vec<_>, Vec<_>) = plan.runs().iter().partition(is_choice);
    others.into_iter().chain(choices).map(|run| vec![run.hash.clone()]).collect()
}

/// Names an adapter by what it computes, in whatever file it came.
fn identity(adapter: &LoadedAdapter) -> Result<String, EngineError> {
    let form = &adapter.file.config.form;
    let meaning = serde_json::json!([form.architecture.name(), form.non_linearity, form.scaling]);
    let weights = sha256_hex(&safetensors::write(&adapter.file.params)?);
    Ok(sha256_hex(format!("{meaning} {weights}").as_bytes()))
}
