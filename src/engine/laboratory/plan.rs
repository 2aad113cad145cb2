//! The experiment with what is loaded: every run is known before the first is done, and what it costs.

use super::Laboratory;
use crate::engine::{Engine, EngineError, LoadedAdapter, Observer};
use crate::experiment::{Experiment, Identities, Kind, Plan, PlannedRun, TargetEntry, TrainedPart, Training, Work};
use crate::format::{safetensors, sha256_hex};
use crate::model::BertConfig;
use crate::protocol::{AdapterId, DataId, DeviceKind, EpisodeSpec, ExperimentCard, Phase, PlanExperiment, PlannedCard};
use crate::tensors::adapter::Location;
use crate::text::batch::bucket;
use crate::train::EVALUATION_ROWS;
use std::collections::{BTreeMap, BTreeSet};

/// Runs in a pass, whatever the memory: beyond, a step is bound by arithmetic and no longer by its launches.
const MOST_LANES: u64 = 32;

/// Rows of an episode.
#[derive(Clone, Copy, Default)]
struct Rows {
    /// To learn from; there are as many to choose on.
    support: usize,
    test: usize,
}

/// The rows of every episode.
#[derive(Default)]
struct Drawn {
    /// How many, by target and k: of every seed as many.
    counts: BTreeMap<(usize, usize), Rows>,
    /// Those that any run learns from.
    learned: BTreeSet<(DataId, usize)>,
    /// Those that any is judged on, on dev or on test.
    judged: BTreeSet<(DataId, usize)>,
}

/// What a run's batch holds at once.
struct Held {
    rows: usize,
    /// Tokens in each.
    len: usize,
    /// Layers whose inner values are kept.
    layers: usize,
}

impl Engine {
    pub(in crate::engine) async fn plan_experiment(
        &mut self,
        asked: PlanExperiment,
        observer: &mut dyn Observer,
    ) -> Result<ExperimentCard, EngineError> {
        let PlanExperiment { file, plm, adapters, targets } = asked;
        let experiment = Experiment::parse(&file)?;
        let identities = self.identities(&experiment, &adapters, &targets)?;
        let plan = Plan::new(experiment, plm, identities)?;
        if let Some(bottleneck) = plan.experiment().training.bottleneck
            && plan.runs().iter().any(|run| run.work == Work::Scratch)
        {
            self.check_bottleneck(bottleneck)?;
        }
        let largest = self.plm()?.encoder.largest_table() as u64 * 4;
        let fits = self.max_binding_bytes.is_none_or(|binding| largest <= binding);
        let plan = if fits { plan } else { plan.with_embeddings_frozen() };
        let drawn = self.drawn(plan.experiment(), &targets, observer).await?;
        let lanes = self.lanes(&plan.experiment().training, &drawn, observer).await?;
        let laboratory = Laboratory { plan, adapters, targets, records: BTreeMap::new(), episodes: Vec::new(), lanes };
        let card = self.card(&laboratory, &drawn.counts)?;
        self.laboratory = Some(laboratory);
        Ok(card)
    }

    /// What `experiment` is hashed by. `adapters` and `targets` (train, and test where there is one) are its parts as
    /// loaded, in its order.
    fn identities(
        &self,
        experiment: &Experiment,
        adapters: &[AdapterId],
        targets: &[(DataId, Option<DataId>)],
    ) -> Result<Identities, EngineError> {
        for (what, asked, given) in [
            ("adapters", experiment.adapters.len(), adapters.len()),
            ("targets", experiment.targets.len(), targets.len()),
        ] {
            if asked != given {
                return Err(EngineError::Parts { what, asked, given });
            }
        }
        let mut identities = Identities { plm: self.plm()?.identity.clone(), ..Identities::default() };
        for &id in adapters {
            self.adapter_params(id)?;
            let adapter = self.adapters.get(id)?;
            adapter.form()?;
            identities.adapters.push(identity(adapter)?);
        }
        for (entry, &(train, test)) in experiment.targets.iter().zip(targets) {
            let sha256 = |id| self.data.sha256(id).to_owned();
            let of_files = (sha256(train), test.map(sha256));
            if of_files.1.as_ref() == Some(&of_files.0) {
                let (train, test) = (entry.train.clone(), entry.test.clone().unwrap_or_default());
                return Err(of_target(entry, EngineError::TestIsTrain { train, test }));
            }
            identities.targets.push(of_files);
        }
        Ok(identities)
    }

    /// Draws every episode, once: what can't be drawn is known before anything is run.
    async fn drawn(
        &self,
        experiment: &Experiment,
        targets: &[(DataId, Option<DataId>)],
        observer: &mut dyn Observer,
    ) -> Result<Drawn, EngineError> {
        let Experiment { shots, seeds, training, .. } = experiment;
        let max_length = training.max_length;
        let (mut drawn, mut done) = (Drawn::default(), 0);
        let total = targets.len() * shots.len() * seeds.len();
        for (place, (entry, &(data, test))) in experiment.targets.iter().zip(targets).enumerate() {
            for (&k, &seed) in shots.iter().flat_map(|k| seeds.iter().map(move |seed| (k, seed))) {
                observer.at(Phase::Read, done, total).await?;
                done += 1;
                let episode = EpisodeSpec { data, test, test_rows: None, k, seed, max_length };
                let [support, dev, test] = self.data.rows(&episode).map_err(|error| of_target(entry, error))?;
                if test.is_empty() {
                    let data = self.data.get(data)?;
                    let (data, rows) = (data.name.clone(), data.rows.len());
                    return Err(of_target(entry, EngineError::NoTest { data, k, rows }));
                }
                drawn.counts.insert((place, k), Rows { support: support.len(), test: test.len() });
                drawn.learned.extend(support);
                drawn.judged.extend(dev.into_iter().chain(test));
            }
        }
        Ok(drawn)
    }

    /// `rows` has those of every target and k.
    fn card(
        &self,
        laboratory: &Laboratory,
        rows: &BTreeMap<(usize, usize), Rows>,
    ) -> Result<ExperimentCard, EngineError> {
        let plan = &laboratory.plan;
        let plm = self.plm()?;
        let cost = Cost {
            training: &plan.experiment().training,
            weights: plm.card.parameters as f64 / encoder_weights(plm.encoder.config()),
        };
        let there: BTreeSet<String> = plan.runs().iter().map(|run| run.hash.clone()).collect();
        let planned = |run: &PlannedRun| {
            let rows = rows.get(&(run.target, run.k)).copied().unwrap_or_default();
            let (after, others): (Vec<_>, Vec<_>) =
                plan.candidates(run).into_iter().partition(|candidate| there.contains(&candidate.hash));
            PlannedCard {
                hash: run.hash.clone(),
                plm: plan.plm().to_owned(),
                target: plan.experiment().targets[run.target].name.clone(),
                k: run.k,
                seed: run.seed,
                method: run.method.clone(),
                tracks: run.tracks.word().to_owned(),
                uses_adapters: run.work.kind().is_some_and(Kind::uses_adapters),
                work: cost.of(run, rows) + work_of_choice(run, others.iter().map(|run| cost.of(run, rows))),
                after: after.into_iter().map(|run| run.hash).collect(),
            }
        };
        Ok(ExperimentCard {
            plm: plan.plm().to_owned(),
            lanes: laboratory.lanes,
            passes: self.passes(laboratory)?,
            runs: plan.runs().iter().map(planned).collect(),
        })
    }

    /// How many runs go through the PLM at once. On the CPU one: there more in a pass are never faster than one after the
    /// other (docs/PERFORMANCE.md). A GPU takes as many as its memory holds of the largest batches that a run comes to:
    /// of the longest text of any episode that it learns from, and of the longest that it is judged on.
    async fn lanes(
        &self,
        training: &Training,
        drawn: &Drawn,
        observer: &mut dyn Observer,
    ) -> Result<usize, EngineError> {
        let memory = match self.kind {
            DeviceKind::Cpu => return Ok(1),
            // A browser does not tell how much there is; most GPUs have 4 GiB or more, and not for a page alone.
            DeviceKind::WebGpu => 2 << 30,
            // The driver knows, but burn gives no way to ask: it tells what its allocator holds, not what there is. GPUs
            // with less than 8 GiB are few.
            DeviceKind::Cuda => 6 << 30,
        };
        let config = self.plm()?.encoder.config();
        let learned = self.longest(&drawn.learned, training.max_length, observer).await?;
        let judged = self.longest(&drawn.judged, training.max_length, observer).await?;
        // A backward pass looks at every layer again; without one each is forgotten after the next.
        let step = Held { rows: training.batch_size, len: learned, layers: config.num_hidden_layers };
        let evaluation = Held { rows: EVALUATION_ROWS, len: judged, layers: 1 };
        let of = |held: &Held| held.lanes(memory, self.max_binding_bytes, config);
        Ok(of(&step).min(of(&evaluation)))
    }

    /// The longest batch, in tokens, that one of `rows` comes to.
    async fn longest(
        &self,
        rows: &BTreeSet<(DataId, usize)>,
        max_length: usize,
        observer: &mut dyn Observer,
    ) -> Result<usize, EngineError> {
        let tokenizer = self.plm()?.tokenizer(max_length)?;
        let mut longest = 0;
        for (done, &(id, row)) in rows.iter().enumerate() {
            observer.between_rows(done, rows.len()).await?;
            let row = self.data.row(id, row)?;
            longest = longest.max(tokenizer.encode(&row.text1, row.text2.as_deref())?.len());
        }
        Ok(bucket(longest, tokenizer.max_length()))
    }

    /// The runs by hash in the order in which they are done best: those of one target, k and shape together, as many as
    /// the device takes, and a choice among runs right after the last that it looks at.
    pub(super) fn passes(&self, laboratory: &Laboratory) -> Result<Vec<Vec<String>>, EngineError> {
        let mut passes: Vec<(String, usize, Vec<String>)> = Vec::new();
        let mut choices = Vec::new();
        for run in laboratory.plan.runs() {
            if matches!(run.work, Work::BestSingle(_) | Work::BestSingleByScore(_)) {
                choices.push(run);
                continue;
            }
            let shape = self.shape(laboratory, run)?;
            let lanes = run.learning_rates.len().max(1);
            let room = laboratory.lanes.saturating_sub(lanes);
            let open = passes.iter_mut().rev().find(|(of, taken, _)| shape.as_ref() == Some(of) && *taken <= room);
            match open {
                Some((_, taken, pass)) => {
                    *taken += lanes;
                    pass.push(run.hash.clone());
                }
                None => passes.push((shape.unwrap_or_default(), lanes, vec![run.hash.clone()])),
            }
        }
        let mut passes: Vec<Vec<String>> = passes.into_iter().map(|(.., pass)| pass).collect();
        for run in choices {
            let among: Vec<String> = laboratory.plan.candidates(run).into_iter().map(|run| run.hash).collect();
            let last = passes.iter().rposition(|pass| pass.iter().any(|hash| among.contains(hash)));
            passes.insert(last.map_or(passes.len(), |last| last + 1), vec![run.hash.clone()]);
        }
        Ok(passes)
    }

    /// What runs of one pass have in common; none for a run that goes alone. A merge that comes out wider than it is
    /// reckoned here is trained apart.
    fn shape(&self, laboratory: &Laboratory, run: &PlannedRun) -> Result<Option<String>, EngineError> {
        let adapter = |index: usize| -> Result<String, EngineError> {
            let config = &self.adapters.get(laboratory.adapter(index)?)?.file.config;
            Ok(format!("{} {} {:?}", config.form.non_linearity, config.form.scaling, config.bottlenecks))
        };
        let several = |set: &[usize]| set.iter().map(|&index| adapter(index)).collect::<Result<Vec<_>, _>>();
        let shape = match &run.work {
            Work::Majority | Work::Full { .. } | Work::BestSingle(_) | Work::BestSingleByScore(_) => return Ok(None),
            Work::Head => "head".to_owned(),
            Work::Lora => "lora".to_owned(),
            Work::Scratch => {
                let m = self.new_bottleneck(laboratory)?;
                let places = (0..self.plm()?.card.layers).map(|layer| (Location::output(layer), m));
                format!("relu 1 {:?}", places.collect::<BTreeMap<_, _>>())
            }
            Work::Single(index) => adapter(*index)?,
            Work::Gated(set) => format!("gated {:?}", several(set)?),
            Work::GatedReduced(set) => format!("gated, reduced {:?}", several(set)?),
            Work::Fusion(set) => format!("fusion {:?}", several(set)?),
            Work::Merge { method: "concat", adapters, .. } => format!("concat {:?}", several(adapters)?),
            Work::Merge { adapters, .. } => {
                adapters.first().map(|&first| adapter(first)).transpose()?.unwrap_or_default()
            }
        };
        Ok(Some(format!("{} {} {:?} {shape}", run.target, run.k, run.trained)))
    }
}

impl Held {
    /// How many runs fit into `memory` bytes, 1 to [`MOST_LANES`]. By layer and token there are about 24 vectors of the
    /// hidden width, 6 of the intermediate and 3 scores a head and token; and no tensor may be longer than the `binding`
    /// bytes that the device binds, where it says.
    fn lanes(&self, memory: u64, binding: Option<u64>, config: &BertConfig) -> usize {
        let &Self { rows, len, layers } = self;
        let tokens = rows.saturating_mul(len).max(1) as u64;
        let (hidden, inner) = (config.hidden_size as u64, config.intermediate_size as u64);
        let scores = (config.num_attention_heads * len) as u64;
        let of_run = 4 * tokens * layers as u64 * (24 * hidden + 6 * inner + 3 * scores);
        let largest = 4 * tokens * inner.max(3 * hidden).max(scores);
        let bound = binding.unwrap_or(u64::MAX) / largest.max(1);
        (memory / of_run.max(1)).min(bound).clamp(1, MOST_LANES) as usize
    }
}

/// What runs cost, in rows that go through the frozen PLM and an adapter once. Kinds of runs differ by far more than their
/// rows do. On all-MiniLM-L6-v2 at k = 8, three classes, six epochs in steps of four rows and 192 rows of test
/// (docs/results/shots, medians of five seeds) an adapter took 5.5 s, a merge 5.7, gates 5.8, AdapterFusion 8.9, full
/// fine-tuning 20.6, and a head 0.1, after 2.8 for the first, which saw rows that nothing was kept of.
struct Cost<'a> {
    training: &'a Training,
    /// All weights of the PLM, in times those of its layers.
    weights: f64,
}

impl Cost<'_> {
    /// An optimiser's step over as many weights as the layers have. A step of full fine-tuning took 477 ms of which 86 were
    /// what an adapter's step took as well: the rest is AdamW over all weights, however few the rows.
    const OPTIMISER: f64 = 27.0;
    /// AdapterFusion beside one adapter: several of them, and an attention over their outputs.
    const FUSION: f64 = 1.6;

    fn of(&self, run: &PlannedRun, Rows { support, test }: Rows) -> f64 {
        let &Training { epochs, batch_size, .. } = self.training;
        // A backward pass is worth two forward, and a head alone needs none through the layers but still waits for them.
        let step = if run.trained == TrainedPart::Head { 2 } else { 3 };
        let in_epochs = |passes: f64| (run.learning_rates.len() * epochs) as f64 * passes;
        let rows = |count: usize| count as f64;
        let trained = in_epochs(rows(step * support + support)) + rows(test);
        let looked_at = |adapters: &[usize]| rows(2 * support * adapters.len());
        match &run.work {
            Work::Majority | Work::BestSingle(_) => 0.0,
            // The frozen PLM sees each row once, and what it made of it is kept; a step over that is nothing beside.
            Work::Head => rows(2 * support + test),
            Work::Scratch | Work::Lora | Work::Gated(_) => trained,
            // Its score is told beside what it comes to: the PLM alone, and with the adapter.
            Work::Single(adapter) => trained + rows(2 * support) + looked_at(&[*adapter]),
            Work::BestSingleByScore(set) => looked_at(set) + rows(2 * support),
            // Each adapter once, to see what it does.
            Work::Merge { adapters, .. } => trained + looked_at(adapters),
            // The gated sum once, to see what it does, and dev once more.
            Work::GatedReduced(_) => trained + rows(2 * support) + rows(support),
            Work::Fusion(_) => trained * Self::FUSION,
            Work::Full { embeddings } => {
                let weights = if *embeddings { self.weights } else { 1.0 };
                trained + in_epochs(rows(support.div_ceil(batch_size.max(1)))) * Self::OPTIMISER * weights
            }
        }
    }
}

/// Weights in the encoder's layers, but for biases and norms: all that a row goes through.
fn encoder_weights(config: &BertConfig) -> f64 {
    let (hidden, inner) = (config.hidden_size as f64, config.intermediate_size as f64);
    config.num_hidden_layers as f64 * (4.0 * hidden * hidden + 2.0 * hidden * inner)
}

/// What a choice among runs does itself: those of them, with their work, that nobody else has planned; of a choice by
/// score the chosen one alone.
fn work_of_choice(run: &PlannedRun, unplanned: impl ExactSizeIterator<Item = f64>) -> f64 {
    let shared = if matches!(run.work, Work::BestSingleByScore(_)) { unplanned.len().max(1) } else { 1 };
    unplanned.sum::<f64>() / shared as f64
}

fn of_target(entry: &TargetEntry, error: EngineError) -> EngineError {
    EngineError::Target { target: entry.name.clone(), error: Box::new(error) }
}

/// Names an adapter by what it computes, in whatever file it came.
fn identity(adapter: &LoadedAdapter) -> Result<String, EngineError> {
    let form = &adapter.file.config.form;
    let meaning = serde_json::json!([form.architecture.name(), form.non_linearity, form.scaling]);
    let weights = sha256_hex(&safetensors::write(&adapter.file.params)?);
    Ok(sha256_hex(format!("{meaning} {weights}").as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::{ScaleSetting, Tracks, WeightsSetting};

    /// Seconds that runs took, each beside an adapter's, against what they are reckoned at.
    #[test]
    fn what_runs_cost_is_of_the_size_of_what_they_took() {
        let run = |work: &Work| PlannedRun {
            hash: String::new(),
            protocol: String::new(),
            settings: String::new(),
            target: 0,
            k: 0,
            seed: 0,
            method: String::new(),
            tracks: Tracks::Mixed,
            trained: TrainedPart::All,
            learning_rates: vec![1e-3],
            work: work.clone(),
        };
        let merge = Work::Merge {
            method: "mera_acts",
            settings: BTreeMap::new(),
            scale: ScaleSetting::default(),
            weights: WeightsSetting::Equal,
            adapters: vec![0, 1],
        };
        let (fusion, full) = (Work::Fusion(vec![0, 1]), Work::Full { embeddings: true });
        // Medians of docs/results, all in six epochs and steps of four rows: the model's weights in times those of its layers, the
        // rows, an adapter's run, a merge's, fusion's and full fine-tuning's, and how far the last may be off: what the
        // optimiser takes is of L6.
        let (l6, l3) = (22.7 / 10.6, 17.3 / 5.3);
        let measured = [
            (l6, Rows { support: 12, test: 216 }, 4.8, [5.6, 6.9, 12.7], 1.4),
            (l6, Rows { support: 24, test: 192 }, 5.5, [5.7, 8.9, 20.6], 1.4),
            (l6, Rows { support: 32, test: 200 }, 15.5, [15.8, 21.5, 44.4], 1.4),
            (l3, Rows { support: 48, test: 144 }, 3.0, [3.0, 6.2, 34.7], 2.0),
        ];
        let training = Training { epochs: 6, batch_size: 4, ..Training::default() };
        for (weights, rows, adapter, [merged, fused, whole], full_off) in measured {
            let cost = Cost { training: &training, weights };
            let of = |work: &Work| cost.of(&run(work), rows);
            let pace = of(&Work::Scratch) / adapter;
            for (work, seconds, most) in [(&merge, merged, 1.3), (&fusion, fused, 1.3), (&full, whole, full_off)] {
                let reckoned = of(work) / pace;
                let off: f64 = (reckoned / seconds).max(seconds / reckoned);
                assert!(off < most, "{work:?}: {reckoned} for {seconds} s");
            }
            // A head takes next to nothing once its rows are kept; it is reckoned as the first, which sees them.
            let order = [&Work::Majority, &Work::Head, &Work::Scratch, &merge, &fusion, &full].map(of);
            assert!(order.is_sorted_by(|less, more| less < more), "{order:?}");
        }
        assert_eq!(encoder_weights(&l6_config()) / 1e6, 10.616832);
    }

    fn l6_config() -> BertConfig {
        BertConfig::parse(
            br#"{"model_type":"bert","vocab_size":30522,"hidden_size":384,"num_hidden_layers":6,"num_attention_heads":12,
                "intermediate_size":1536,"max_position_embeddings":512}"#,
        )
        .unwrap()
    }

    #[test]
    fn a_gpu_takes_what_its_memory_holds() {
        let config = BertConfig::parse(
            br#"{"model_type":"bert","vocab_size":50,"hidden_size":32,"num_hidden_layers":2,"num_attention_heads":4,
                "intermediate_size":64,"max_position_embeddings":512}"#,
        )
        .unwrap();
        let lanes = |memory, binding, rows, len, layers| Held { rows, len, layers }.lanes(memory, binding, &config);
        // A row of 48 tokens in a layer: 24 · 32 + 6 · 64 + 3 · 4 · 48 numbers a token.
        let of_row = 4 * 48 * (24 * 32 + 6 * 64 + 3 * 4 * 48);
        assert_eq!(lanes(8 * 16 * of_row, None, 16, 48, 1), 8);
        assert_eq!(lanes(8 * 16 * of_row - 1, None, 16, 48, 1), 7);
        assert_eq!(lanes(8 * 16 * of_row, None, 32, 48, 1), 4, "of twice the rows half as many");
        assert_eq!(lanes(8 * 16 * of_row, None, 16, 48, 2), 4, "of twice the layers likewise");
        assert_eq!(lanes(u64::MAX, None, 16, 48, 2), 32, "more are no faster");
        // A row of 512 tokens has 4 · 512 · 512 scores of 4 bytes.
        assert_eq!(lanes(u64::MAX, Some(3 * 16 * 4 * 512 * 512 * 4), 16, 512, 2), 3);
        assert_eq!(lanes(1, Some(1), 10_000, 512, 2), 1, "one always goes");
    }
}
