//! The grid of an experiment: its runs in a fixed order, each named by the hash of all that determines it.
//!
//! The hash is the SHA-256 of canonical JSON (keys sorted, no spaces): PLM, adapters and data by their own hashes,
//! method with every setting, scale, what is trained, k, seed, training. A run of the same hash gives the same record
//! but for its seconds, so a record that is there need not be made again.

use super::check::{self, SpecError};
use super::method::{self, Kind};
use super::record::{Budget, UsedAdapter};
use super::spec::{Compared, Experiment, ScaleSetting, Tracks, TrainedPart, Training, WeightsSetting};
use crate::merge;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

/// Changes when the same settings come to mean another computation; where that is of one kind of work alone, its
/// description has a version of its own.
const VERSION: u32 = 1;

/// Hashes of what an experiment names, in its order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Identities {
    /// Of the PLM's files.
    pub plm: String,
    /// Of each adapter.
    pub adapters: Vec<String>,
    /// Of each target's data files: train, and test where there is one.
    pub targets: Vec<(String, Option<String>)>,
}

/// An experiment with all of its runs.
#[derive(Clone, Debug)]
pub struct Plan {
    experiment: Experiment,
    plm: usize,
    identities: Identities,
    runs: Vec<PlannedRun>,
}

/// One run.
#[derive(Clone, Debug, PartialEq)]
pub struct PlannedRun {
    /// SHA-256, in hexadecimal.
    pub hash: String,
    /// As in [`Record::protocol`](super::Record::protocol).
    pub protocol: String,
    /// As in [`Record::settings`](super::Record::settings).
    pub settings: String,
    /// Index of the target.
    pub target: usize,
    /// Examples a class.
    pub k: usize,
    /// Of the episode and of the run.
    pub seed: u64,
    /// As in records.
    pub method: String,
    /// How the adapters that are compared stand to the target; `Mixed` for a method without any.
    pub tracks: Tracks,
    /// What is trained beside the head.
    pub trained: TrainedPart,
    /// Peaks to try.
    pub learning_rates: Vec<f64>,
    /// What it does.
    pub work: Work,
}

/// What a run does before it trains.
#[derive(Clone, Debug, PartialEq)]
pub enum Work {
    /// Nothing, and it does not train.
    Majority,
    /// Takes a new head alone.
    Head,
    /// Makes a new adapter.
    Scratch,
    /// Makes a new LoRA.
    Lora,
    /// Takes the weights of the PLM.
    Full {
        /// The tables of embeddings among them.
        embeddings: bool,
    },
    /// Takes the adapter of this index.
    Single(usize),
    /// Looks at the single runs of these adapters.
    BestSingle(Vec<usize>),
    /// Scores these adapters on the episode, and does the single run of the best.
    BestSingleByScore(Vec<usize>),
    /// Sums these adapters, frozen, with gates.
    Gated(Vec<usize>),
    /// Sums these adapters, frozen, with gates, and folds what it learned into one adapter of the first one's size.
    GatedReduced(Vec<usize>),
    /// Fuses these adapters, frozen.
    Fusion(Vec<usize>),
    /// Merges.
    Merge {
        /// Id of the method.
        method: &'static str,
        /// Every setting by name.
        settings: BTreeMap<String, String>,
        /// Of the output.
        scale: ScaleSetting,
        /// Of the adapters.
        weights: WeightsSetting,
        /// Indices; the first is the reference.
        adapters: Vec<usize>,
    },
}

impl Work {
    /// The kind of method that comes to it; none for a merge by a method that is not there.
    #[must_use]
    pub fn kind(&self) -> Option<Kind> {
        Some(match self {
            Self::Majority => Kind::Majority,
            Self::Head => Kind::Head,
            Self::Scratch => Kind::Scratch,
            Self::Lora => Kind::Lora,
            Self::Full { .. } => Kind::Full,
            Self::Single(_) => Kind::Single,
            Self::BestSingle(_) => Kind::BestSingle,
            Self::BestSingleByScore(_) => Kind::BestSingleByScore,
            Self::Gated(_) => Kind::Gated,
            Self::GatedReduced(_) => Kind::GatedReduced,
            Self::Fusion(_) => Kind::Fusion,
            Self::Merge { method, .. } => Kind::Merge(merge::method(method).ok()?),
        })
    }

    /// Indices of the adapters that take part, the reference of a merge first.
    #[must_use]
    pub fn adapters(&self) -> &[usize] {
        match self {
            Self::Majority | Self::Head | Self::Scratch | Self::Lora | Self::Full { .. } => &[],
            Self::Single(index) => std::slice::from_ref(index),
            Self::BestSingle(set) | Self::BestSingleByScore(set) => set,
            Self::Gated(set) | Self::GatedReduced(set) | Self::Fusion(set) | Self::Merge { adapters: set, .. } => set,
        }
    }
}

impl Plan {
    /// Plans `experiment` for one of its PLMs, by its place; its parts have the hashes `identities`.
    ///
    /// # Errors
    /// When the experiment can't be run.
    pub fn new(experiment: Experiment, plm: usize, identities: Identities) -> Result<Self, SpecError> {
        experiment.validate()?;
        if plm >= experiment.plms.len() {
            return Err(SpecError::NoPlm { asked: plm, count: experiment.plms.len() });
        }
        let mut plan = Self { experiment, plm, identities, runs: Vec::new() };
        let compared = plan.experiment.compared()?;
        let mut runs = Vec::new();
        for target in 0..plan.experiment.targets.len() {
            for &k in &plan.experiment.shots {
                for &seed in &plan.experiment.seeds {
                    for method in &compared {
                        runs.extend(plan.runs_of(method, target, k, seed)?);
                    }
                }
            }
        }
        plan.runs = runs;
        Ok(plan)
    }

    /// The same plan for a device that can't train the tables of embeddings: where a run would, they stay frozen, and its
    /// method's name says so.
    #[must_use]
    pub fn with_embeddings_frozen(mut self) -> Self {
        let runs = std::mem::take(&mut self.runs).into_iter().map(|run| match run.work {
            Work::Full { .. } => self.hashed(PlannedRun {
                method: format!("{} (embeddings frozen)", run.method),
                work: Work::Full { embeddings: false },
                ..run
            }),
            _ => run,
        });
        self.runs = runs.collect();
        self
    }

    /// The experiment.
    #[must_use]
    pub fn experiment(&self) -> &Experiment {
        &self.experiment
    }

    /// Name of the PLM in records.
    #[must_use]
    pub fn plm(&self) -> &str {
        self.experiment.plm_name(self.plm)
    }

    /// Target by target, k by k, seed by seed, in each the methods in their order.
    #[must_use]
    pub fn runs(&self) -> &[PlannedRun] {
        &self.runs
    }

    /// The runs of single adapters that a choice among them looks at; none for any other run.
    #[must_use]
    pub fn candidates(&self, run: &PlannedRun) -> Vec<PlannedRun> {
        let (Work::BestSingle(adapters) | Work::BestSingleByScore(adapters)) = &run.work else { return Vec::new() };
        // Singles that are trained the same way are runs of the grid already, under whatever name; the others bear that of
        // the choice.
        let candidate = |&adapter: &usize| {
            let own = self.single(run, if method::find(&run.method).is_ok() { "single" } else { &run.method }, adapter);
            let is_same = |other: &&PlannedRun| {
                (other.target, other.k, other.seed, other.trained) == (own.target, own.k, own.seed, own.trained)
                    && (&other.learning_rates, &other.work) == (&own.learning_rates, &own.work)
            };
            self.runs.iter().find(is_same).cloned().unwrap_or(own)
        };
        adapters.iter().map(candidate).collect()
    }

    /// What `run` has to learn with, as its record tells it; none where nothing is trained.
    #[must_use]
    pub fn budget(&self, run: &PlannedRun) -> Option<Budget> {
        let kind = run.work.kind().filter(|kind| kind.trains())?;
        let Training { epochs, batch_size, .. } = self.experiment.training;
        let train = kind.trains_adapter().then_some(run.trained);
        Some(Budget { epochs, batch_size, learning_rates: run.learning_rates.clone(), train })
    }

    /// The adapters that take part in `run`, as its record tells them.
    #[must_use]
    pub fn adapters_of(&self, run: &PlannedRun) -> Vec<UsedAdapter> {
        let used = |&index: &usize| {
            let (adapter, identity) = (self.experiment.adapters.get(index)?, self.identities.adapters.get(index)?);
            Some(UsedAdapter { name: adapter.name.clone(), hash: beginning(identity) })
        };
        run.work.adapters().iter().filter_map(used).collect()
    }

    fn runs_of(&self, compared: &Compared, target: usize, k: usize, seed: u64) -> Result<Vec<PlannedRun>, SpecError> {
        let entry = &self.experiment.targets[target];
        let sets = self.experiment.sets(entry);
        let all = self.experiment.adapters_for(entry);
        let own = &compared.variant.learning_rates;
        let learning_rates = if own.is_empty() { &self.experiment.training.learning_rates } else { own };
        let run = PlannedRun {
            hash: String::new(),
            protocol: String::new(),
            settings: String::new(),
            target,
            k,
            seed,
            method: compared.name.clone(),
            tracks: Tracks::Mixed,
            trained: compared.variant.train,
            learning_rates: learning_rates.clone(),
            work: Work::Majority,
        };
        let finished = |work: Work| self.hashed(PlannedRun { work, ..run.clone() });
        let of_set = |set: &Vec<usize>, work: Work| {
            self.hashed(PlannedRun { work, tracks: self.experiment.relation(set, entry), ..run.clone() })
        };
        Ok(match compared.kind {
            Kind::Majority => vec![finished(Work::Majority)],
            Kind::Head => vec![finished(Work::Head)],
            Kind::Scratch => vec![finished(Work::Scratch)],
            Kind::Lora => vec![finished(Work::Lora)],
            Kind::Full => vec![finished(Work::Full { embeddings: true })],
            Kind::Single => {
                let used = |adapter: &usize| sets.iter().any(|set| set.contains(adapter));
                all.into_iter().filter(used).map(|adapter| self.single(&run, &run.method, adapter)).collect()
            }
            Kind::BestSingle => sets.iter().map(|set| of_set(set, Work::BestSingle(set.clone()))).collect(),
            Kind::BestSingleByScore => {
                sets.iter().map(|set| of_set(set, Work::BestSingleByScore(set.clone()))).collect()
            }
            Kind::Gated => sets.iter().map(|set| of_set(set, Work::Gated(set.clone()))).collect(),
            Kind::GatedReduced => sets.iter().map(|set| of_set(set, Work::GatedReduced(set.clone()))).collect(),
            Kind::Fusion => sets.iter().map(|set| of_set(set, Work::Fusion(set.clone()))).collect(),
            Kind::Merge(method) => {
                let settings = check::settings(&compared.variant, method)?;
                let settings: BTreeMap<_, _> =
                    settings.iter().map(|(name, value)| (name.to_owned(), value.to_string())).collect();
                let merge = |set: &Vec<usize>| {
                    let adapters = self.with_reference(set, compared.variant.reference.as_deref())?;
                    let work = Work::Merge {
                        method: method.card().id,
                        settings: settings.clone(),
                        scale: compared.variant.scale,
                        weights: compared.variant.weights,
                        adapters,
                    };
                    Some(of_set(set, work))
                };
                sets.iter().filter_map(merge).collect()
            }
        })
    }

    /// The adapters of `set`, the one called `reference` before the others; `None` where it is not among them.
    fn with_reference(&self, set: &[usize], reference: Option<&str>) -> Option<Vec<usize>> {
        let mut set = set.to_vec();
        if let Some(reference) = reference {
            let place = set.iter().position(|&adapter| self.experiment.adapters[adapter].name == reference)?;
            set[..=place].rotate_right(1);
        }
        Some(set)
    }

    fn single(&self, of: &PlannedRun, prefix: &str, adapter: usize) -> PlannedRun {
        let experiment = &self.experiment;
        self.hashed(PlannedRun {
            method: format!("{prefix}:{}", experiment.adapters[adapter].name),
            tracks: experiment.relation(&[adapter], &experiment.targets[of.target]),
            work: Work::Single(adapter),
            ..of.clone()
        })
    }

    fn hashed(&self, run: PlannedRun) -> PlannedRun {
        let training = Training { learning_rates: Vec::new(), bottleneck: None, ..self.experiment.training.clone() };
        // Of a new adapter alone.
        let bottleneck = self.experiment.training.bottleneck.filter(|_| run.work == Work::Scratch);
        let described = self.described(&run, &Training { bottleneck, ..training.clone() });
        let [version, plm, target, method, tracks, trained, learning_rates, work] =
            ["version", "plm", "target", "method", "tracks", "trained", "learning_rates", "work"]
                .map(|key| described[key].clone());
        let protocol = json!({
            "version": version, "plm": plm, "train": target["train"], "test": target["test"], "training": training,
        });
        let settings = json!({
            "method": method, "tracks": tracks, "trained": trained, "learning_rates": learning_rates, "work": work,
            "bottleneck": bottleneck,
        });
        PlannedRun { hash: hash(&described), protocol: short(&protocol), settings: short(&settings), ..run }
    }

    /// Everything that determines a run and its record.
    fn described(&self, run: &PlannedRun, training: &Training) -> Value {
        let target = &self.experiment.targets[run.target];
        let (train, test) = self.identities.targets.get(run.target).cloned().unwrap_or_default();
        let adapter = |index: &usize| {
            let name = self.experiment.adapters.get(*index).map(|adapter| &adapter.name);
            json!({ "name": name, "identity": self.identities.adapters.get(*index) })
        };
        let adapters = |set: &[usize]| set.iter().map(adapter).collect::<Vec<_>>();
        let of_set = |kind: &str, set: &[usize]| json!({ "kind": kind, "adapters": adapters(set) });
        let work = match &run.work {
            Work::Majority => json!({ "kind": "majority" }),
            Work::Head => json!({ "kind": "head" }),
            Work::Scratch => json!({ "kind": "scratch" }),
            Work::Lora => json!({ "kind": "lora" }),
            Work::Full { embeddings: true } => json!({ "kind": "full" }),
            Work::Full { embeddings: false } => json!({ "kind": "full", "embeddings": "frozen" }),
            Work::Single(index) => json!({ "kind": "single", "adapter": adapter(index) }),
            Work::BestSingle(set) => of_set("best_single", set),
            Work::BestSingleByScore(set) => of_set("best_single_by_score", set),
            Work::Gated(set) => of_set("gated", set),
            // Version 1, which had no number, was fitted to what the adapters see each in a network of its own.
            Work::GatedReduced(set) => json!({ "kind": "gated_reduced", "version": 2, "adapters": adapters(set) }),
            Work::Fusion(set) => of_set("fusion", set),
            Work::Merge { method, settings, scale, weights, adapters: set } => json!({
                "kind": "merge",
                "method": method,
                "settings": settings.iter().filter(|setting| !is_later_default(setting)).collect::<BTreeMap<_, _>>(),
                "scale": scale,
                "weights": weights,
                "adapters": set.iter().map(adapter).collect::<Vec<_>>(),
            }),
        };
        json!({
            "version": VERSION,
            "plm": self.identities.plm,
            "target": { "name": target.name, "train": train, "test": test },
            "k": run.k,
            "seed": run.seed,
            "method": run.method,
            "tracks": run.tracks,
            "trained": run.trained,
            "learning_rates": run.learning_rates,
            "work": work,
            "training": training,
        })
    }
}

/// SHA-256 of the canonical form, in hexadecimal.
fn hash(value: &Value) -> String {
    Sha256::digest(canonical(value).as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Its beginning, enough to tell apart what stands in one table.
fn short(value: &Value) -> String {
    beginning(&hash(value))
}

fn beginning(hash: &str) -> String {
    hash.chars().take(12).collect()
}

/// Settings that came after the first records, at what those were made with: left out, so that they keep their hashes.
const LATER: &[(&str, &str)] = &[("repair", "false")];

fn is_later_default((name, value): &(&String, &String)) -> bool {
    LATER.contains(&(name.as_str(), value.as_str()))
}

/// JSON with sorted keys and no spaces: one text for one value.
fn canonical(value: &Value) -> String {
    match value {
        Value::Object(map) => {
            let sorted: BTreeMap<_, _> = map.iter().collect();
            let entries =
                sorted.into_iter().map(|(key, value)| format!("{}:{}", Value::from(key.as_str()), canonical(value)));
            format!("{{{}}}", entries.collect::<Vec<_>>().join(","))
        }
        Value::Array(list) => format!("[{}]", list.iter().map(canonical).collect::<Vec<_>>().join(",")),
        plain => plain.to_string(),
    }
}

#[cfg(test)]
#[cfg(not(target_arch = "wasm32"))]
mod tests {
    use super::super::spec::tests::SAMPLE;
    use super::*;
    use std::collections::BTreeSet;

    fn identities() -> Identities {
        Identities {
            plm: "p".into(),
            adapters: vec!["a".into(), "b".into()],
            targets: vec![("c".into(), Some("d".into())), ("e".into(), None)],
        }
    }

    fn plan(text: &str, identities: Identities) -> Plan {
        Plan::new(Experiment::parse(text).unwrap(), 0, identities).unwrap()
    }

    fn hashes(plan: &Plan) -> BTreeSet<&str> {
        plan.runs().iter().map(|run| run.hash.as_str()).collect()
    }

    #[test]
    fn the_grid_is_whole_and_in_order() {
        let plan = plan(SAMPLE, identities());
        // Seven methods, one of them twice for two adapters, and two variants.
        assert_eq!(plan.runs().len(), 2 * 2 * 2 * 10);
        assert_eq!(hashes(&plan).len(), 80, "no two runs are the same");
        let first: Vec<String> =
            plan.runs()[..10].iter().map(|run| format!("{} {:?}", run.method, run.tracks)).collect();
        insta::assert_snapshot!(first.join(", "), @"majority Mixed, head Mixed, scratch Mixed, single:sst2 Same, single:mnli Cross, best_single Mixed, sum Mixed, mera_acts Mixed, mera_acts_soft Mixed, mera_acts_keep Mixed");
        let places: Vec<_> = plan.runs().iter().map(|run| (run.target, run.k, run.seed)).collect();
        assert!(places.is_sorted());
        // Pinned: records are found again by their hash.
        insta::assert_snapshot!(plan.runs()[6].hash, @"02b7839904b7aa9b98b194b9672a3f6318ca007760772c05534837fffec85177");
    }

    #[test]
    fn what_a_run_does_is_of_the_kind_of_its_method() {
        let all = method::ids().map(|id| format!("{id:?}")).collect::<Vec<_>>().join(", ");
        let (head, rest) = SAMPLE.split_once("methods = [").unwrap();
        let (_, tail) = rest.split_once("]\n").unwrap();
        let grid = plan(&format!("{head}methods = [{all}]\n{tail}"), identities());
        let mut kinds = BTreeSet::new();
        for run in grid.runs() {
            // Variants bear names of their own.
            let Ok(of_method) = method::find(run.method.split(':').next().unwrap()) else { continue };
            let [work, of_method] = [run.work.kind().unwrap(), of_method].map(|kind| format!("{kind:?}"));
            assert_eq!(work, of_method, "{}", run.method);
            kinds.insert(work);
        }
        assert_eq!(kinds.len(), method::ids().count());
    }

    #[test]
    fn sets_of_adapters_by_track() {
        let text = SAMPLE.replace("[training]", "tracks = [\"cross\", \"mixed\"]\n[training]");
        let plan = plan(&text, identities());
        let cr: Vec<String> = plan.runs()[..14].iter().map(|run| format!("{} {:?}", run.method, run.tracks)).collect();
        insta::assert_snapshot!(cr.join(", "), @"majority Mixed, head Mixed, scratch Mixed, single:sst2 Same, single:mnli Cross, best_single Cross, best_single Mixed, sum Cross, sum Mixed, mera_acts Cross, mera_acts Mixed, mera_acts_soft Cross, mera_acts_soft Mixed, mera_acts_keep Cross");
    }

    #[test]
    fn equal_sets_of_adapters_make_each_run_once() {
        let of_the_track = SAMPLE
            .replace("track = \"NLI\"", "track = \"sentiment\"")
            .replace("name = \"own\"", "name = \"own\"\ntrack = \"sentiment\"");
        let of_others = SAMPLE.replace("track = \"sentiment\"\n\n[[adapters]]", "track = \"NLI\"\n\n[[adapters]]");
        for (text, tracks) in [(of_the_track, "[\"same\", \"mixed\"]"), (of_others, "[\"mixed\", \"cross\"]")] {
            let alone = plan(&text, identities());
            let named = plan(&text.replace("[training]", &format!("tracks = {tracks}\n[training]")), identities());
            assert_eq!(hashes(&named).len(), named.runs().len(), "{tracks}: no hash stands twice");
            assert_eq!(named.runs(), alone.runs(), "{tracks}: the runs are those of one set");
        }
        // Sets that are equal for one target only.
        let some = plan(&SAMPLE.replace("[training]", "tracks = [\"cross\", \"mixed\"]\n[training]"), identities());
        assert_eq!(hashes(&some).len(), some.runs().len());
    }

    #[test]
    fn what_a_target_is_without_is_in_no_run_of_it() {
        let before = plan(SAMPLE, identities());
        let text = SAMPLE.replace("name = \"cr\"\n", "name = \"cr\"\nwithout = [\"sst2\"]\n");
        let after = plan(&text, identities());
        let of = |plan: &Plan, method: &str, target| {
            let run = plan.runs().iter().find(|run| run.method == method && run.target == target);
            run.map(|run| (run.hash.clone(), run.work.clone()))
        };
        assert!(of(&before, "single:sst2", 0).is_some() && of(&after, "single:sst2", 0).is_none());
        let Some((_, Work::BestSingle(chosen))) = of(&after, "best_single", 0) else { panic!("no best_single") };
        assert_eq!(chosen, [1]);
        assert_ne!(of(&before, "sum", 0), of(&after, "sum", 0));
        for (method, target) in [("single:mnli", 0), ("scratch", 1), ("sum", 1)] {
            assert_eq!(of(&before, method, target), of(&after, method, target), "{method} is the run that it was");
        }
    }

    #[test]
    fn a_reference_stands_before_the_others_and_leaves_out_sets_without_it() {
        let text = SAMPLE.replace("scale = \"keep\"", "reference = \"mnli\"");
        let text = text.replace("[training]", "tracks = [\"same\", \"cross\", \"mixed\"]\n[training]");
        let text = text.replace("name = \"own\"\n", "name = \"own\"\ntrack = \"sentiment\"\n");
        let plan = plan(&text, identities());
        let of = |method: &str| -> Vec<(Tracks, Vec<usize>)> {
            let runs = plan.runs()[..plan.runs().len() / 8].iter().filter(|run| run.method == method);
            let adapters = |run: &PlannedRun| match &run.work {
                Work::Merge { adapters, .. } => (run.tracks, adapters.clone()),
                _ => panic!("{method} is no merge"),
            };
            runs.map(adapters).collect()
        };
        let (same, cross, mixed) = (Tracks::Same, Tracks::Cross, Tracks::Mixed);
        assert_eq!(of("mera_acts"), [(same, vec![0]), (cross, vec![1]), (mixed, vec![0, 1])]);
        assert_eq!(of("mera_acts_keep"), [(cross, vec![1]), (mixed, vec![1, 0])]);
    }

    #[test]
    fn a_setting_that_came_later_leaves_the_hashes_of_earlier_records() {
        // Pinned: as records had it before `repair` was a setting.
        let whole = plan(SAMPLE, identities());
        let hash = |plan: &Plan| plan.runs().iter().find(|run| run.method == "mera_acts_soft").unwrap().hash.clone();
        insta::assert_snapshot!(hash(&whole), @"93b9aaf42f17c51826c991cc949f7585a2de1ada8797c840de9029634360e08d");
        let repaired = plan(&SAMPLE.replace("epsilon = 0.01", "epsilon = 0.01, repair = true"), identities());
        assert_ne!(hash(&whole), hash(&repaired));
    }

    #[test]
    fn a_choice_looks_at_the_runs_of_single_adapters() {
        let plan = plan(SAMPLE, identities());
        let choice = plan.runs().iter().find(|run| run.method == "best_single").unwrap();
        let candidates = plan.candidates(choice);
        assert_eq!(
            candidates.iter().map(|run| run.method.as_str()).collect::<Vec<_>>(),
            ["single:sst2", "single:mnli"]
        );
        assert!(candidates.iter().all(|candidate| plan.runs().contains(candidate)), "they are runs of the grid");
        assert_eq!(plan.candidates(&candidates[0]), []);
    }

    #[test]
    fn a_choice_under_another_name_looks_at_singles_trained_like_it() {
        let variant = |name: &str, method: &str, rate: &str| {
            format!(
                "[[variants]]\nname = \"{name}\"\nmethod = \"{method}\"\ntrain = \"up\"\nlearning_rates = [{rate}]\n"
            )
        };
        let text = SAMPLE.to_owned()
            + &variant("single_up", "single", "1e-3")
            + &variant("best_single_up", "best_single", "1e-3")
            + &variant("best_single_slow", "best_single", "1e-4");
        let plan = plan(&text, identities());
        let candidates = |method: &str| {
            let choice = plan.runs().iter().find(|run| run.method == method).unwrap();
            plan.candidates(choice).into_iter().map(|run| (run.method, run.learning_rates)).collect::<Vec<_>>()
        };
        let of = |prefix: &str, rate| ["sst2", "mnli"].map(|name| (format!("{prefix}:{name}"), vec![rate]));
        assert_eq!(candidates("best_single_up"), of("single_up", 1e-3));
        assert_eq!(candidates("best_single_slow"), of("best_single_slow", 1e-4));
    }

    #[test]
    fn whatever_determines_a_run_changes_its_hash() {
        let (whole, text) = (plan(SAMPLE, identities()), SAMPLE);
        let mera = |plan: &Plan| plan.runs().iter().find(|run| run.method == "mera_acts").unwrap().hash.clone();
        let differs = |plan: &Plan, what: &str| assert_ne!(mera(&whole), mera(plan), "{what}");
        for (from, to) in
            [("epochs = 3", "epochs = 4"), ("1e-3]", "2e-3]"), ("\"cr\"", "\"cr2\""), ("[4,", "[5,"), ("[13", "[14")]
        {
            differs(&plan(&text.replace(from, to), identities()), from);
        }
        differs(&plan(text, Identities { plm: "q".into(), ..identities() }), "plm");
        differs(&plan(text, Identities { adapters: vec!["a".into(), "x".into()], ..identities() }), "adapters");
        let targets = vec![("c".into(), Some("x".into())), ("e".into(), None)];
        differs(&plan(text, Identities { targets, ..identities() }), "test");
        // What does not determine it does not: a path, another method, a default that is written out.
        let moved = text
            .replace("adapters/sst2", "elsewhere/sst2")
            .replace("\"head\", ", "")
            .replace("[training]", "[training]\nclip = 1");
        assert_eq!(mera(&whole), mera(&plan(&moved, identities())));
        // The size of a new adapter is that of no other; who comes along as an adapter is nothing to a head.
        let of = |plan: &Plan, method: &str| plan.runs().iter().find(|run| run.method == method).unwrap().clone();
        let wider = plan(&text.replace("[training]", "[training]\nbottleneck = 8"), identities());
        assert_eq!(mera(&whole), mera(&wider));
        assert_ne!(of(&whole, "scratch").hash, of(&wider, "scratch").hash);
        assert_eq!(of(&whole, "scratch").protocol, of(&wider, "scratch").protocol);
        let alone = plan(&text.replace("track = \"NLI\"", "track = \"sentiment\""), identities());
        assert_eq!(of(&whole, "head"), of(&alone, "head"));
        assert_ne!(of(&whole, "sum"), of(&alone, "sum"));
        // Epochs are of all methods, rates of each.
        let longer = plan(&text.replace("epochs = 3", "epochs = 4"), identities());
        let faster = plan(&text.replace("1e-3]", "2e-3]"), identities());
        let told = |plan: &Plan| [of(plan, "sum").protocol, of(plan, "sum").settings];
        let ([protocol, settings], [in_longer, same], [of_faster, other]) =
            (told(&whole), told(&longer), told(&faster));
        assert!(protocol != in_longer && settings == same && protocol == of_faster && settings != other);
        let explicit = text.replace(
            "set = { solver = \"sinkhorn\", epsilon = 0.01 }",
            "set = { epsilon = 0.01, solver = \"sinkhorn\" }",
        );
        assert_eq!(hashes(&whole), hashes(&plan(&explicit, identities())));
    }

    #[test]
    fn records_tell_what_a_run_had_to_learn_with() {
        let text = SAMPLE.replace("scale = \"keep\"", "reference = \"mnli\"\nlearning_rates = [1e-4]");
        let plan = plan(&text, identities());
        let told = |method: &str| {
            let run = plan.runs().iter().find(|run| run.method == method).unwrap();
            let adapters =
                plan.adapters_of(run).into_iter().map(|adapter| format!("{} {}", adapter.name, adapter.hash));
            (plan.budget(run), adapters.collect::<Vec<_>>().join(", "))
        };
        let budget = |learning_rates: &[f64], train| {
            Some(Budget { epochs: 3, batch_size: 16, learning_rates: learning_rates.to_vec(), train })
        };
        let (rates, all) = ([5e-4, 1e-3], Some(TrainedPart::All));
        assert_eq!(told("majority"), (None, String::new()));
        assert_eq!(told("head"), (budget(&rates, None), String::new()));
        assert_eq!(told("scratch"), (budget(&rates, all), String::new()));
        assert_eq!(told("single:mnli"), (budget(&rates, all), "mnli b".to_owned()));
        assert_eq!(told("best_single"), (budget(&rates, all), "sst2 a, mnli b".to_owned()));
        assert_eq!(told("mera_acts_keep"), (budget(&[1e-4], Some(TrainedPart::Up)), "mnli b, sst2 a".to_owned()));
    }

    #[test]
    fn frozen_embeddings_are_told_of_where_they_are_frozen() {
        let text = SAMPLE.replace("\"head\"", "\"full\"")
            + "[[variants]]\nname = \"full_slow\"\nmethod = \"full\"\nlearning_rates = [5e-5]\n";
        let whole = plan(&text, identities());
        let frozen = whole.clone().with_embeddings_frozen();
        for (a, b) in whole.runs().iter().zip(frozen.runs()) {
            if a.method.starts_with("full") {
                assert_eq!(b.method, format!("{} (embeddings frozen)", a.method));
                assert_eq!((&a.learning_rates, &b.work), (&b.learning_rates, &Work::Full { embeddings: false }));
                assert_ne!(a.hash, b.hash, "it is another run");
            } else {
                assert_eq!(a, b);
            }
        }
        assert_eq!(hashes(&frozen).len(), frozen.runs().len());
        // Pinned: as records of whole runs have it.
        let full = whole.runs().iter().find(|run| run.method == "full").unwrap();
        insta::assert_snapshot!(full.hash, @"17900989c05fbaed22497249a94838b12f8135365a5cb36ecbf004331b50ba75");
    }

    #[test]
    fn canonical_json_has_one_form() {
        let value = json!({ "b": [1, 2.5, null], "a": { "d": "x\"y", "c": true } });
        assert_eq!(canonical(&value), r#"{"a":{"c":true,"d":"x\"y"},"b":[1,2.5,null]}"#);
    }
}
