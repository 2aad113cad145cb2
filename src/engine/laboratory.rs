//! The runs of an experiment, one at a time: merge, train with every learning rate, choose on dev, judge the chosen one
//! on test.
//!
//! A run is taken up again as a whole: one that was stopped in the middle leaves nothing, one that is finished leaves
//! its record.

use super::data::PreparedEpisode;
use super::training::{TEST_ROWS, train_point};
use super::{Engine, EngineError, LoadedAdapter, Observer};
use crate::experiment::{
    Experiment, Identities, Plan, PlannedRun, Record, ScaleSetting, TrainedPart, WeightsSetting, Work,
};
use crate::format::{safetensors, sha256_hex};
use crate::merge::Scale;
use crate::model::{FrozenAdapter, fusion, gated};
use crate::protocol::{AdapterId, DataId, EpisodeSpec, MergeLocation, MergeSpec, OutputScale, Phase, RunStart, Texts};
use crate::tensors::TensorSet;
use crate::text::random::{Purpose, generator};
use crate::text::{Fill, Shape};
use crate::train::{Architecture, Body, Confusion, Evaluation, FewShotRun, GATE_RATE, RunStatus, Scores, TrainError};
use std::collections::BTreeMap;
use std::rc::Rc;

/// A planned experiment whose parts are loaded, and the records that there are.
pub struct Laboratory {
    plan: Plan,
    adapters: Vec<AdapterId>,
    targets: Vec<(DataId, Option<DataId>)>,
    /// By hash.
    records: BTreeMap<String, Record>,
    /// The episode of the last run: runs that follow each other share it.
    episode: Option<(EpisodeSpec, Rc<PreparedEpisode>)>,
}

/// What a run comes to, judged on test.
struct Judged {
    dev: Scores,
    test: Scores,
    learning_rate: Option<f64>,
    trainable: usize,
    inference: usize,
}

impl Laboratory {
    /// Every run.
    #[must_use]
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// Takes in a record that was made before: its run is not run again.
    pub fn keep(&mut self, record: Record) {
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

    /// Scores by the names of the adapters, that of the PLM alone, which comes first, under `none`.
    fn by_name(&self, set: &[usize], scores: Vec<f64>) -> BTreeMap<String, f64> {
        let entries = &self.plan.experiment().adapters;
        let names = set.iter().filter_map(|&index| entries.get(index)).map(|adapter| adapter.name.as_str());
        std::iter::once("none").chain(names).map(str::to_owned).zip(scores).collect()
    }

    fn ids(&self, set: &[usize]) -> Result<Vec<AdapterId>, EngineError> {
        set.iter().map(|&index| self.adapter(index)).collect()
    }

    fn record(&self, run: &PlannedRun, judged: &Judged, seconds: f64) -> Record {
        let target = &self.plan.experiment().targets[run.target];
        Record {
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
            hash: run.hash.clone(),
            chosen: None,
            ensemble_error: None,
            scores: None,
        }
    }
}

impl Engine {
    /// Plans `experiment` for the loaded PLM. `adapters` and `targets` (train, and test where there is one) are its
    /// parts as loaded, in its order. Every episode is drawn, so that what can't be drawn is known at once.
    ///
    /// # Errors
    /// When it can't be run as it stands.
    pub fn laboratory(
        &self,
        experiment: Experiment,
        adapters: Vec<AdapterId>,
        targets: Vec<(DataId, Option<DataId>)>,
    ) -> Result<Laboratory, EngineError> {
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
        let plan = Plan::new(experiment, identities)?;
        Ok(Laboratory { plan, adapters, targets, records: BTreeMap::new(), episode: None })
    }

    /// Does one run of the plan, or gives the record that there is.
    ///
    /// # Errors
    /// When it is cancelled, its method does not take its adapters, or the device fails.
    pub async fn run_planned(
        &mut self,
        laboratory: &mut Laboratory,
        run: &PlannedRun,
        observer: &mut dyn Observer,
    ) -> Result<Record, EngineError> {
        if let Some(record) = laboratory.records.get(&run.hash) {
            return Ok(record.clone());
        }
        let candidates = laboratory.plan.candidates(run);
        let record = match &run.work {
            Work::BestSingle(_) => self.choose(laboratory, run, &candidates, observer).await?,
            Work::BestSingleByScore(set) => {
                let began = observer.seconds();
                let scores = self.scores_of(laboratory, run, set, observer).await?;
                let above = |index: usize| scores.get(index + 1).copied().unwrap_or(f64::NEG_INFINITY);
                // The first of equals.
                let best = (0..set.len()).rev().max_by(|&a, &b| above(a).total_cmp(&above(b))).unwrap_or(0);
                let scored = observer.seconds() - began;
                let record =
                    self.choose(laboratory, run, candidates.get(best..=best).unwrap_or_default(), observer).await?;
                Record { scores: Some(laboratory.by_name(set, scores)), seconds: record.seconds + scored, ..record }
            }
            _ => self.run_alone(laboratory, run, observer).await?,
        };
        laboratory.keep(record.clone());
        Ok(record)
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
        observer: &mut dyn Observer,
    ) -> Result<Record, EngineError> {
        let mut best: Option<(Record, &PlannedRun)> = None;
        let mut seconds = 0.0;
        for candidate in candidates {
            let record = match laboratory.records.get(&candidate.hash) {
                Some(record) => record.clone(),
                None => self.run_alone(laboratory, candidate, observer).await?,
            };
            laboratory.keep(record.clone());
            seconds += record.seconds;
            let rank = |record: &Record| (record.dev_accuracy, -record.dev_loss.unwrap_or(f64::INFINITY));
            if best.as_ref().is_none_or(|(best, _)| rank(&record) > rank(best)) {
                best = Some((record, candidate));
            }
        }
        let (record, candidate) = best.ok_or(crate::merge::MergeError::NoInputs)?;
        let chosen = match candidate.work {
            Work::Single(index) => laboratory.plan.experiment().adapters.get(index).map(|adapter| adapter.name.clone()),
            _ => None,
        };
        let (method, tracks, hash) = (run.method.clone(), run.tracks, run.hash.clone());
        Ok(Record { method, tracks, hash, seconds, chosen, ..record })
    }

    async fn run_alone(
        &mut self,
        laboratory: &mut Laboratory,
        run: &PlannedRun,
        observer: &mut dyn Observer,
    ) -> Result<Record, EngineError> {
        let began = observer.seconds();
        let spec = laboratory.episode_of(run)?;
        let episode = self.episode(laboratory, run)?;
        let labels = episode.labels.len();
        let (mut ensemble_error, mut scores) = (None, None);
        let start = match &run.work {
            Work::Majority => {
                let judged = majority(&episode)?;
                return Ok(laboratory.record(run, &judged, observer.seconds() - began));
            }
            // A choice is no run of its own.
            Work::BestSingle(_) | Work::BestSingleByScore(_) => return Err(crate::merge::MergeError::NoInputs.into()),
            Work::Head => self.start_of(&RunStart::HeadOnly, run.seed, labels)?,
            Work::Scratch => {
                let width = self.plm()?.card.hidden / 16;
                let bottleneck = laboratory.plan.experiment().training.bottleneck.unwrap_or(width).max(1);
                self.start_of(&RunStart::Scratch { bottleneck }, run.seed, labels)?
            }
            Work::Full => {
                let weights = self.plm()?.encoder.params().await?;
                self.start_with(weights, Body::Full, run.seed, labels)?
            }
            Work::Single(index) => self.start_of(&RunStart::Adapter(laboratory.adapter(*index)?), run.seed, labels)?,
            Work::Gated(set) => {
                let adapters = self.frozen(&laboratory.ids(set)?)?;
                let gates = gated::initial(&adapters)?;
                self.start_with(gates, Body::Gated { adapters, gate_rate: GATE_RATE }, run.seed, labels)?
            }
            Work::Fusion(set) => {
                let adapters = self.frozen(&laboratory.ids(set)?)?;
                let fusion = fusion::initial(&adapters, &mut generator(run.seed, Purpose::Weights, 1))?;
                self.start_with(fusion, Body::Fusion(adapters), run.seed, labels)?
            }
            Work::Merge { method, settings, scale, weights, adapters } => {
                let ids = laboratory.ids(adapters)?;
                let weights = match weights {
                    WeightsSetting::Equal => Vec::new(),
                    WeightsSetting::Score => {
                        let found = self.scores_of(laboratory, run, adapters, observer).await?;
                        scores = Some(laboratory.by_name(adapters, found.clone()));
                        weights_by_score(&found)
                    }
                };
                let reference = *ids.first().ok_or(crate::merge::MergeError::NoInputs)?;
                let merge = MergeSpec {
                    method: (*method).to_owned(),
                    settings: settings.clone(),
                    adapters: ids,
                    weights,
                    reference: Some(reference),
                    scale: output_scale(*scale),
                    texts: Texts::Episode(spec),
                };
                let (merged, locations) = self.merged(&merge, reference, observer).await?;
                ensemble_error = mean_error(&locations);
                let (mut params, architecture) = self.start_of(&RunStart::Adapter(reference), run.seed, labels)?;
                merged.iter().for_each(|(name, tensor)| {
                    params.insert(name, tensor.clone());
                });
                (params, architecture)
            }
        };
        let start = if run.trained == TrainedPart::Gates { self.gated(start, run.seed, labels)? } else { start };
        let judged = self.fit(laboratory, run, &start, &episode, observer).await?;
        let record = laboratory.record(run, &judged, observer.seconds() - began);
        Ok(Record { ensemble_error, scores, ..record })
    }

    /// The loaded adapters as they are, for what combines them.
    fn frozen(&self, ids: &[AdapterId]) -> Result<Vec<FrozenAdapter>, EngineError> {
        let frozen = |&id: &AdapterId| {
            let adapter = self.adapters.get(id)?;
            Ok(FrozenAdapter::new(&adapter.file.name, self.adapter_params(id)?, adapter.form()?, &self.device)?)
        };
        ids.iter().map(frozen).collect()
    }

    /// A run of `body` from `params` and the new head of its seed.
    fn start_with(
        &self,
        params: TensorSet,
        body: Body,
        seed: u64,
        labels: usize,
    ) -> Result<(TensorSet, Architecture), EngineError> {
        let (mut start, architecture) = self.start_of(&RunStart::HeadOnly, seed, labels)?;
        params.iter().for_each(|(name, tensor)| {
            start.insert(name, tensor.clone());
        });
        Ok((start, Architecture { body, ..architecture }))
    }

    /// The same start with its adapter frozen and a gate a location to train.
    fn gated(
        &self,
        (params, architecture): (TensorSet, Architecture),
        seed: u64,
        labels: usize,
    ) -> Result<(TensorSet, Architecture), EngineError> {
        let Body::Adapter(form) = architecture.body else { return Ok((params, architecture)) };
        let adapters = vec![FrozenAdapter::new("the adapter", &params, form, &self.device)?];
        let gates = gated::initial(&adapters)?;
        self.start_with(gates, Body::Gated { adapters, gate_rate: GATE_RATE }, seed, labels)
    }

    /// Trains from `start` with every learning rate, and judges the best on dev, it alone, on test.
    async fn fit(
        &self,
        laboratory: &Laboratory,
        run: &PlannedRun,
        (params, architecture): &(TensorSet, Architecture),
        episode: &PreparedEpisode,
        observer: &mut dyn Observer,
    ) -> Result<Judged, EngineError> {
        let plm = self.plm()?;
        let training = &laboratory.plan.experiment().training;
        let rates = &run.learning_rates;
        let data = &episode.run_data;
        let mut best: Option<(Scores, f64, FewShotRun)> = None;
        let mut diverged = TrainError::NoRows("the dev set");
        for (tried, &rate) in rates.iter().enumerate() {
            let settings = training.settings(rate, run.trained, run.seed);
            let mut few_shot = FewShotRun::new(architecture.clone(), params, data.clone(), settings, &self.device)?;
            let steps = few_shot.total_steps();
            while few_shot.status() == RunStatus::Running {
                let point = match few_shot.step(&plm.encoder).await {
                    // A rate too high for this run is a rate that loses; the epochs before stand.
                    Err(error @ TrainError::Diverged { .. }) => {
                        diverged = error;
                        break;
                    }
                    other => other?,
                };
                let done = tried * steps + few_shot.curve().len();
                observer.trained(point.as_ref().map(train_point), done, rates.len() * steps).await?;
            }
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
        let (trainable, inference) = (trainer.trainable_parameters(), trainer.inference_parameters());
        Ok(Judged { dev, test, learning_rate: Some(rate), trainable, inference })
    }
}

/// The most frequent class of the test rows, answered always.
fn majority(episode: &PreparedEpisode) -> Result<Judged, EngineError> {
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
    Ok(Judged { dev: scores(&dev), test: scores(&test), learning_rate: None, trainable: 0, inference: 0 })
}

/// Names an adapter by what it computes, in whatever file it came.
fn identity(adapter: &LoadedAdapter) -> Result<String, EngineError> {
    let form = &adapter.file.config.form;
    let meaning = serde_json::json!([form.architecture.name(), form.non_linearity, form.scaling]);
    let weights = sha256_hex(&safetensors::write(&adapter.file.params)?);
    Ok(sha256_hex(format!("{meaning} {weights}").as_bytes()))
}

/// How far each score is above the first, that of no adapter; empty, which stands for equal, where none is.
fn weights_by_score(scores: &[f64]) -> Vec<f64> {
    let Some((none, others)) = scores.split_first() else { return Vec::new() };
    let above: Vec<f64> = others.iter().map(|score| (score - none).max(0.0)).collect();
    if above.iter().any(|above| *above > 0.0) { above } else { Vec::new() }
}

/// How far a merge is from the mean of its inputs' functions, over all locations.
fn mean_error(locations: &[MergeLocation]) -> Option<f64> {
    let errors: Option<Vec<f64>> =
        locations.iter().map(|at| at.ensemble.map(|distance| f64::from(distance.relative_error))).collect();
    errors.filter(|errors| !errors.is_empty()).map(|errors| errors.iter().sum::<f64>() / errors.len() as f64)
}

fn output_scale(scale: ScaleSetting) -> OutputScale {
    match scale.scale() {
        Scale::None => OutputScale::None,
        Scale::Keep => OutputScale::Keep,
        Scale::Sum => OutputScale::Sum,
        Scale::Factor(factor) => OutputScale::Factor(factor),
    }
}

/// The shortest decimal number that is this `f32`: 0.7 and not 0.699999988.
fn decimal(value: f32) -> f64 {
    value.to_string().parse().unwrap_or_else(|_| f64::from(value))
}

#[cfg(test)]
#[cfg(not(target_arch = "wasm32"))]
mod tests {
    use super::*;
    use crate::engine::{Cancelled, NoGpu, Quiet, Ready};
    use crate::protocol::{Ask, FileBytes, FileSource, Open, OpenPlm, Progress};
    use std::path::Path;

    const EXPERIMENT: &str = r#"
plm = "tiny"
shots = [4]
seeds = [13, 21]
methods = ["majority", "head", "scratch", "single", "best_single", "best_single_by_score", "sum", "mera_wts", "mera_acts", "concat", "concat_gated", "fusion", "full"]
[training]
epochs = 2
batch_size = 6
learning_rates = [1e-3, 5e-3]
max_length = 48
bottleneck = 4
[[adapters]]
name = "a"
path = "a"
track = "NLI"
[[adapters]]
name = "b"
path = "b"
[[targets]]
name = "nli"
train = "everyday-nli.tsv"
track = "NLI"
[[variants]]
name = "acts_keep"
method = "mera_acts"
scale = "keep"
train = "up"
[[variants]]
name = "average_by_score"
method = "average"
weights = "score"
[[variants]]
name = "sum_gates"
method = "sum"
train = "gates"
learning_rates = [2e-3]
"#;

    fn file(path: &str, known_as: &str) -> FileSource {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(path);
        FileSource::Bytes(FileBytes { path: known_as.into(), bytes: std::fs::read(path).unwrap() })
    }

    fn ask<A: Ask>(engine: &mut Engine, ask: A) -> A::Answer {
        A::answer(pollster::block_on(engine.handle(ask.into(), &mut Quiet)).unwrap()).unwrap()
    }

    fn loaded(experiment: &str) -> (Engine, Result<Laboratory, EngineError>) {
        let mut engine = Engine::new(NoGpu);
        let names = ["config.json", "tokenizer.json", "model.safetensors"];
        let files = names.map(|name| file(&format!("model/tiny/{name}"), name)).to_vec();
        ask(&mut engine, OpenPlm { name: "tiny".into(), files });
        let mut files = vec![file("../../www/samples/task/everyday-nli.tsv", "everyday-nli.tsv")];
        for (name, weights) in [("a", "pytorch_adapter.bin"), ("b", "adapter.safetensors")] {
            for part in ["adapter_config.json", weights] {
                files.push(file(&format!("model/tiny_adapter/fusion/{name}/{part}"), &format!("{name}/{part}")));
            }
        }
        let opened = ask(&mut engine, Open { files });
        let adapters = opened.adapters.iter().map(|card| card.id).collect();
        let targets = vec![(opened.data[0].id, None)];
        let laboratory = engine.laboratory(Experiment::parse(experiment).unwrap(), adapters, targets);
        (engine, laboratory)
    }

    fn run(engine: &mut Engine, laboratory: &mut Laboratory, run: &PlannedRun) -> Record {
        pollster::block_on(engine.run_planned(laboratory, run, &mut Quiet)).unwrap()
    }

    #[test]
    fn a_grid_is_run() {
        let (mut engine, laboratory) = loaded(EXPERIMENT);
        let mut laboratory = laboratory.unwrap();
        let runs = laboratory.plan().runs().to_vec();
        assert_eq!(runs.len(), 2 * 17);
        let records: Vec<Record> = runs.iter().map(|one| run(&mut engine, &mut laboratory, one)).collect();
        let of = |method: &str| records.iter().find(|record| record.method == method).unwrap();
        // The head is 32 · 32 + 32 + 3 · 32 + 3, an adapter of bottleneck m two times 2 · 32 · m + m + 32.
        let whole = engine.plm().unwrap().card.parameters;
        let (head, adapter) = (1155, |m: usize| 2 * (2 * 32 * m + m + 32));
        for (method, trainable, inference) in [
            ("majority", 0, 0),
            ("head", head, head),
            ("scratch", adapter(4) + head, adapter(4) + head),
            ("single:a", adapter(8) + head, adapter(8) + head),
            ("concat", adapter(16) + head, adapter(16) + head),
            ("full", whole + head, whole + head),
            // Two gates a location, or one; a fusion is two times 3 · 32² + 2 · 32.
            ("concat_gated", 4 + head, 4 + 2 * adapter(8) + head),
            ("sum_gates", 2 + head, 2 + adapter(8) + head),
            ("fusion", 2 * (3 * 32 * 32 + 2 * 32) + head, 2 * (3 * 32 * 32 + 2 * 32) + 2 * adapter(8) + head),
            ("acts_keep", 2 * (8 * 32 + 32) + head, adapter(8) + head),
        ] {
            let record = of(method);
            assert_eq!((record.trainable_parameters, record.inference_parameters), (trainable, inference), "{method}");
        }
        // The sample task is balanced, and so is what 4 examples a class leave of it.
        assert!((of("majority").accuracy - 1.0 / 3.0).abs() < 1e-6 && of("majority").learning_rate.is_none());
        assert_eq!(of("sum_gates").learning_rate, Some(2e-3));
        for record in &records {
            assert!((0.0..=1.0).contains(&record.accuracy) && (0.0..=1.0).contains(&record.macro_f1), "{record:?}");
            assert!(record.method == "majority" || [1e-3, 2e-3, 5e-3].contains(&record.learning_rate.unwrap()));
            let merged = ![
                "concat_gated",
                "fusion",
                "full",
                "majority",
                "head",
                "scratch",
                "single:a",
                "single:b",
                "best_single",
                "best_single_by_score",
            ]
            .contains(&&*record.method);
            assert_eq!(record.ensemble_error.is_some(), merged, "{}", record.method);
        }
        // The concatenation is the mean of the functions; whatever is aligned is nearer to it than the sum.
        let error = |method: &str| of(method).ensemble_error.unwrap();
        assert!(error("concat") < 1e-6 && error("mera_acts") < error("sum"));
        let [choice, a, b] = ["best_single", "single:a", "single:b"].map(of);
        let better = if (b.dev_accuracy, a.dev_loss) > (a.dev_accuracy, b.dev_loss) { b } else { a };
        assert_eq!(choice.chosen.as_deref(), better.method.strip_prefix("single:"));
        assert_eq!((choice.accuracy, choice.dev_loss), (better.accuracy, better.dev_loss));
        let by_score = of("best_single_by_score");
        let scores = by_score.scores.as_ref().unwrap();
        assert_eq!(scores.keys().collect::<Vec<_>>(), ["a", "b", "none"]);
        assert_eq!(of("average_by_score").scores.as_ref(), Some(scores));
        let (chosen, other) = if scores["b"] > scores["a"] { (b, "b") } else { (a, "a") };
        assert_eq!((by_score.accuracy, by_score.chosen.as_deref()), (chosen.accuracy, Some(other)));
        // Eight or more of the 24 examples by chance; the three forward passes see different features.
        assert!(scores.values().all(|score| (0.0..=1.0).contains(score)), "{scores:?}");

        // In another order, and one run alone, the numbers are the same.
        let (mut engine, again) = loaded(EXPERIMENT);
        let mut again = again.unwrap();
        for wanted in
            ["best_single", "best_single_by_score", "acts_keep", "scratch", "fusion", "concat_gated", "sum_gates"]
        {
            let index = runs.iter().rposition(|one| one.method == wanted).unwrap();
            assert_eq!(run(&mut engine, &mut again, &runs[index]), records[index]);
        }
        // A record that is there is not made again.
        let kept = Record { accuracy: 2.0, ..records[1].clone() };
        again.keep(kept.clone());
        assert_eq!(run(&mut engine, &mut again, &runs[1]), kept);
    }

    #[test]
    fn weights_are_what_a_score_is_above_none() {
        assert_eq!(weights_by_score(&[0.5, 0.75, 0.25, 0.625]), [0.25, 0.0, 0.125]);
        assert_eq!(weights_by_score(&[0.5, 0.5, 0.25]), [] as [f64; 0]);
    }

    /// Says stop after so many reports.
    struct StopAfter(usize);

    impl Observer for StopAfter {
        fn progress(&mut self, _: Progress) -> Ready<'_> {
            let stop = self.0 == 0;
            self.0 = self.0.saturating_sub(1);
            Box::pin(std::future::ready(if stop { Err(Cancelled) } else { Ok(()) }))
        }
        fn checkpoint(&mut self, _: crate::protocol::Checkpoint) {}
        fn seconds(&self) -> f64 {
            0.0
        }
    }

    #[test]
    fn a_run_that_is_stopped_leaves_nothing() {
        let (mut engine, laboratory) = loaded(EXPERIMENT);
        let mut laboratory = laboratory.unwrap();
        let planned = laboratory.plan().runs().iter().find(|run| run.method == "mera_acts").unwrap().clone();
        let mut stopped = Vec::new();
        for reports in [0, 2, 5, 9, 14, 20] {
            let result = pollster::block_on(engine.run_planned(&mut laboratory, &planned, &mut StopAfter(reports)));
            assert!(matches!(result, Err(EngineError::Cancelled(_))), "{reports}: {result:?}");
            stopped.push(laboratory.records.len());
        }
        assert_eq!(stopped, [0; 6]);
        let after = run(&mut engine, &mut laboratory, &planned);
        let (mut fresh, whole) = loaded(EXPERIMENT);
        assert_eq!(after, run(&mut fresh, &mut whole.unwrap(), &planned));
        assert_eq!(engine.adapters().iter().count(), 2, "a run adds no adapter");
    }

    #[test]
    fn what_can_not_be_drawn_is_known_before_anything_is_run() {
        let error = |from, to| loaded(&EXPERIMENT.replace(from, to)).1.err().unwrap();
        insta::assert_snapshot!(error("[4]", "[60]"), @r#"everyday-nli.tsv: label "contradiction" has 100 rows; k = 60 needs 120, 60 to train on and 60 to choose on"#);
    }
}
