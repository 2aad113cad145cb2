//! What is wrong with a specification, in a line that names the culprit.

use super::method::{self, Kind};
use super::spec::{Experiment, ScaleSetting, Tracks, TrainedPart, Variant, WeightsSetting};
use crate::merge::error::did_you_mean;
use crate::merge::settings::{Idle, Needed, nearest};
use crate::merge::{Settings, SettingsError, Value};
use crate::train::TrainError;
use std::collections::BTreeSet;

/// Why a specification can't be run.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum SpecError {
    /// It is no TOML, or a value is of another kind than its key takes.
    #[error("{}{message}", .line.map(|line| format!("line {line}: ")).unwrap_or_default())]
    Toml {
        /// From 1.
        line: Option<usize>,
        /// What the reader says.
        message: String,
    },
    /// A key that is not known.
    #[error("{place} has no key \"{key}\"{}", did_you_mean(.nearest))]
    UnknownKey {
        /// The table it stands in.
        place: String,
        /// The key.
        key: String,
        /// The nearest known.
        nearest: Option<&'static str>,
    },
    /// A method that is not known.
    #[error("there is no method \"{name}\"{}", did_you_mean(.nearest))]
    UnknownMethod {
        /// The name given.
        name: String,
        /// The nearest known.
        nearest: Option<&'static str>,
    },
    /// A list without anything in it.
    #[error("{0} is empty")]
    Empty(&'static str),
    /// Something that stands twice.
    #[error("{what} {name} stands there twice")]
    Twice {
        /// Of what kind it is.
        what: &'static str,
        /// It.
        name: String,
    },
    /// A name that records and tables can't bear.
    #[error("\"{name}\" can't be the name of {what}: letters, digits and - _ . + only, 1 to 64 of them")]
    Name {
        /// Of what kind it is.
        what: &'static str,
        /// It.
        name: String,
    },
    /// An adapter called as records call its absence.
    #[error("adapter none: in records this name stands for no adapter; it needs another")]
    Reserved,
    /// A variant with the name of a method.
    #[error("variant {0} has the name of a method")]
    VariantIsMethod(String),
    /// A setting that the variant's method does not take.
    #[error("variant {name}: {key} is for {of}, which {method} is not")]
    NotTaken {
        /// The variant.
        name: String,
        /// Its key.
        key: &'static str,
        /// What takes it.
        of: &'static str,
        /// Its method.
        method: String,
    },
    /// Settings of a merge.
    #[error("variant {name}: {error}")]
    Settings {
        /// The variant.
        name: String,
        /// What is wrong with it.
        error: Box<SettingsError>,
    },
    /// A setting of a merge that changes nothing: the run would be one without it, under another name.
    #[error("variant {name}: {} is for {}, and its {} is {}", .idle.name, wanted(.idle), .idle.other, written(.idle.found))]
    Idle {
        /// The variant.
        name: String,
        /// The setting, and what it needs.
        idle: Box<Idle>,
    },
    /// A scale.
    #[error("variant {name}: scale {factor} is no finite number")]
    Scale {
        /// The variant.
        name: String,
        /// The number given.
        factor: f64,
    },
    /// A setting of training outside its range.
    #[error("training: {0}")]
    Training(Box<TrainError>),
    /// Shots outside their range.
    #[error("shots: {0}; it must be 1 to 10000")]
    Shots(usize),
    /// A seed that JavaScript's numbers don't hold.
    #[error(
        "seeds: {0}; a seed is at most 9007199254740991, the largest whole number that a browser tells from the next"
    )]
    Seed(u64),
    /// More runs than anyone waits for.
    #[error(
        "{plms} PLMs × {targets} targets × {shots} shots × {seeds} seeds × {methods} methods are {runs} runs; {most} are the most"
    )]
    Runs {
        /// Of the experiment.
        plms: usize,
        /// Of the experiment.
        targets: usize,
        /// Of the experiment.
        shots: usize,
        /// Of the experiment.
        seeds: usize,
        /// Of the experiment, each once for each set of adapters or each of them.
        methods: usize,
        /// Their product, or as much as can be counted.
        runs: usize,
        /// Of any experiment.
        most: usize,
    },
    /// A PLM that is not among those of the experiment.
    #[error("there is no PLM number {asked} in the experiment; it has {count}")]
    NoPlm {
        /// From 0.
        asked: usize,
        /// How many there are.
        count: usize,
    },
    /// A method needs adapters.
    #[error("{0} needs adapters, and there are none")]
    NoAdapters(String),
    /// An adapter that a target is to do without, and that there is not.
    #[error("target {target} is without adapter \"{name}\", and no adapter is called so")]
    Without {
        /// The target.
        target: String,
        /// The name given.
        name: String,
    },
    /// A variant's reference that there is not.
    #[error("variant {variant}: reference \"{name}\": no adapter is called so")]
    Reference {
        /// The variant.
        variant: String,
        /// The name given.
        name: String,
    },
    /// A set of adapters without any.
    #[error("tracks = \"{tracks}\": no adapter is left for target {target} (its track: \"{track}\")")]
    EmptySet {
        /// What was asked for.
        tracks: &'static str,
        /// The target.
        target: String,
        /// Its track.
        track: String,
    },
}

impl SpecError {
    pub(super) fn toml(text: &str, error: &toml::de::Error) -> Self {
        let line = error.span().and_then(|span| text.get(..span.start)).map(|before| before.matches('\n').count() + 1);
        Self::Toml { line, message: error.message().replace('\n', ", ") }
    }
}

/// Most runs of an experiment.
const MOST_RUNS: usize = 100_000;

/// Every table of the file with its keys. A test holds them against what is written.
pub(super) const KEYS: &[(&str, &[&str])] = &[
    ("", &["plm", "shots", "seeds", "methods", "tracks", "training", "adapters", "targets", "variants"]),
    (
        "training",
        &[
            "epochs",
            "batch_size",
            "learning_rates",
            "warmup",
            "weight_decay",
            "clip",
            "dropout",
            "patience",
            "max_length",
            "bottleneck",
        ],
    ),
    ("adapters", &["name", "path", "track"]),
    ("targets", &["name", "train", "test", "track", "without"]),
    ("variants", &["name", "method", "scale", "weights", "reference", "train", "learning_rates", "set"]),
];

/// # Errors
/// [`SpecError::UnknownKey`].
pub(super) fn keys(table: &toml::Table) -> Result<(), SpecError> {
    for (place, known) in KEYS {
        let tables: Vec<&toml::Table> = match table.get(*place) {
            _ if place.is_empty() => vec![table],
            Some(toml::Value::Table(inner)) => vec![inner],
            Some(toml::Value::Array(list)) => list.iter().filter_map(toml::Value::as_table).collect(),
            _ => Vec::new(),
        };
        for inner in tables {
            if let Some(key) = inner.keys().find(|key| !known.contains(&key.as_str())) {
                let name = inner.get("name").and_then(toml::Value::as_str);
                let place = match (*place, name) {
                    ("", _) => "the experiment".to_owned(),
                    ("training", _) => "[training]".to_owned(),
                    (place, Some(name)) => format!("[[{place}]] {name}"),
                    (place, None) => format!("[[{place}]]"),
                };
                let nearest = nearest(key, known.iter().copied());
                return Err(SpecError::UnknownKey { place, key: key.clone(), nearest });
            }
        }
    }
    Ok(())
}

/// # Errors
/// The first thing that can't be done.
pub(super) fn experiment(experiment: &Experiment) -> Result<(), SpecError> {
    let empty = [
        ("plm", experiment.plms.iter().all(|plm| plm.trim().is_empty())),
        ("shots", experiment.shots.is_empty()),
        ("seeds", experiment.seeds.is_empty()),
        ("targets", experiment.targets.is_empty()),
        ("methods", experiment.methods.is_empty() && experiment.variants.is_empty()),
        ("learning_rates", experiment.training.learning_rates.is_empty()),
    ];
    if let Some((what, _)) = empty.into_iter().find(|(_, empty)| *empty) {
        return Err(SpecError::Empty(what));
    }
    once("plm", &(0..experiment.plms.len()).map(|plm| experiment.plm_name(plm)).collect::<Vec<_>>())?;
    once("shots", &experiment.shots)?;
    once("seed", &experiment.seeds)?;
    once("method", &experiment.methods)?;
    named("an adapter", "adapter", experiment.adapters.iter().map(|adapter| adapter.name.as_str()))?;
    if experiment.adapters.iter().any(|adapter| adapter.name == "none") {
        return Err(SpecError::Reserved);
    }
    named("a target", "target", experiment.targets.iter().map(|target| target.name.as_str()))?;
    named("a variant", "variant", experiment.variants.iter().map(|variant| variant.name.as_str()))?;
    if let Some(&shots) = experiment.shots.iter().find(|shots| !(1..=10_000).contains(*shots)) {
        return Err(SpecError::Shots(shots));
    }
    if let Some(&seed) = experiment.seeds.iter().find(|seed| **seed >= 1 << 53) {
        return Err(SpecError::Seed(seed));
    }
    training(experiment)?;
    if let Some(variant) = experiment.variants.iter().find(|variant| method::ids().any(|id| id == variant.name)) {
        return Err(SpecError::VariantIsMethod(variant.name.clone()));
    }
    for compared in experiment.compared()? {
        if compared.kind.uses_adapters() && experiment.adapters.is_empty() {
            return Err(SpecError::NoAdapters(compared.name));
        }
        check_variant(&compared.variant, compared.kind)?;
        if let Some(name) = compared.variant.reference.filter(|name| !is_adapter(experiment, name)) {
            return Err(SpecError::Reference { variant: compared.name, name });
        }
    }
    size(experiment)?;
    sets(experiment)
}

/// That the grid can be planned: a short file may name more runs than there is memory for.
fn size(experiment: &Experiment) -> Result<(), SpecError> {
    let [plms, targets, shots, seeds] =
        [experiment.plms.len(), experiment.targets.len(), experiment.shots.len(), experiment.seeds.len()];
    let of_adapters = experiment.adapters.len().max(experiment.tracks.len()).max(1);
    let times = |method: &super::spec::Compared| if method.kind.uses_adapters() { of_adapters } else { 1 };
    let methods = experiment.compared()?.iter().map(times).sum();
    let runs = [plms, targets, shots, seeds, methods].into_iter().fold(1, usize::saturating_mul);
    if runs > MOST_RUNS {
        Err(SpecError::Runs { plms, targets, shots, seeds, methods, runs, most: MOST_RUNS })
    } else {
        Ok(())
    }
}

fn training(experiment: &Experiment) -> Result<(), SpecError> {
    let training = &experiment.training;
    let of_variants = experiment.variants.iter().flat_map(|variant| &variant.learning_rates);
    for &learning_rate in training.learning_rates.iter().chain(of_variants) {
        training.settings(learning_rate, TrainedPart::All, 0).validate().map_err(out_of_range)?;
    }
    let setting =
        |name, value: usize, range| Err(out_of_range(TrainError::Setting { name, value: value as f64, range }));
    if !(8..=8192).contains(&training.max_length) {
        return setting("max_length", training.max_length, "8 to 8192");
    }
    match training.bottleneck {
        Some(bottleneck) if !(1..=8192).contains(&bottleneck) => setting("bottleneck", bottleneck, "1 to 8192"),
        _ => Ok(()),
    }
}

fn out_of_range(error: TrainError) -> SpecError {
    SpecError::Training(Box::new(error))
}

fn check_variant(variant: &Variant, kind: Kind) -> Result<(), SpecError> {
    let not_taken = |key, of| {
        let (name, method) = (variant.name.clone(), variant.method.clone());
        Err(SpecError::NotTaken { name, key, of, method })
    };
    if variant.train != TrainedPart::All && !kind.trains_adapter() {
        return not_taken("train", "methods that train an adapter");
    }
    if !variant.learning_rates.is_empty() && matches!(kind, Kind::Majority) {
        return not_taken("learning_rates", "methods that train");
    }
    if variant.weights != WeightsSetting::Equal && !matches!(kind, Kind::Merge(_)) {
        return not_taken("weights", "merges");
    }
    if variant.reference.is_some() && !kind.aligns() {
        return not_taken("reference", "merges that align");
    }
    let Kind::Merge(method) = kind else {
        return match (variant.set.is_empty(), variant.scale == ScaleSetting::default()) {
            (false, _) => not_taken("set", "merges"),
            (true, false) => not_taken("scale", "merges"),
            (true, true) => Ok(()),
        };
    };
    if let ScaleSetting::Factor(factor) = variant.scale
        && !factor.is_finite()
    {
        return Err(SpecError::Scale { name: variant.name.clone(), factor });
    }
    settings(variant, method)?;
    Ok(())
}

/// All settings of a variant of a merge.
pub(super) fn settings(
    variant: &Variant,
    method: &'static dyn crate::merge::MergeMethod,
) -> Result<Settings, SpecError> {
    let texts: Vec<(&str, String)> = variant.set.iter().map(|(key, value)| (key.as_str(), value.to_string())).collect();
    let pairs = texts.iter().map(|(key, value)| (*key, value.as_str()));
    let settings = Settings::parse(method.card(), pairs)
        .map_err(|error| SpecError::Settings { name: variant.name.clone(), error: Box::new(error) })?;
    match settings.idle(variant.set.keys().map(String::as_str)) {
        Some(idle) => Err(SpecError::Idle { name: variant.name.clone(), idle: Box::new(idle) }),
        None => Ok(settings),
    }
}

/// What would make a setting count, as the file has it.
fn wanted(idle: &Idle) -> String {
    match idle.needed {
        Needed::Is(value) => format!("{} = {}", idle.other, written(value)),
        Needed::IsNot(value) => format!("any {} but {}", idle.other, written(value)),
    }
}

/// A setting as the file has it.
fn written(value: Value) -> String {
    match value {
        Value::Choice(word) => format!("\"{word}\""),
        other => other.to_string(),
    }
}

fn sets(experiment: &Experiment) -> Result<(), SpecError> {
    let mut seen = BTreeSet::new();
    for tracks in &experiment.tracks {
        if !seen.insert(*tracks) {
            return Err(SpecError::Twice { what: "tracks", name: tracks.word().to_owned() });
        }
    }
    // Where the file names none, all adapters that a target may use are one set.
    let tracks = match experiment.tracks.as_slice() {
        [] if !experiment.adapters.is_empty() => &[Tracks::Mixed],
        named => named,
    };
    for target in &experiment.targets {
        if let Some(name) = target.without.iter().find(|name| !is_adapter(experiment, name)) {
            return Err(SpecError::Without { target: target.name.clone(), name: name.clone() });
        }
        if let Some(tracks) = tracks.iter().find(|tracks| experiment.set(**tracks, target).is_empty()) {
            let (target, track) = (target.name.clone(), target.track.clone());
            return Err(SpecError::EmptySet { tracks: tracks.word(), target, track });
        }
    }
    Ok(())
}

fn is_adapter(experiment: &Experiment, name: &str) -> bool {
    experiment.adapters.iter().any(|adapter| adapter.name == name)
}

fn once<T: ToString + Ord>(what: &'static str, values: &[T]) -> Result<(), SpecError> {
    let mut seen = BTreeSet::new();
    match values.iter().find(|value| !seen.insert(*value)) {
        Some(value) => Err(SpecError::Twice { what, name: value.to_string() }),
        None => Ok(()),
    }
}

fn named<'a>(
    what: &'static str,
    short: &'static str,
    names: impl Iterator<Item = &'a str> + Clone,
) -> Result<(), SpecError> {
    let allowed = |c: char| c.is_alphanumeric() || "-_.+".contains(c);
    for name in names.clone() {
        if name.is_empty() || name.chars().count() > 64 || !name.chars().all(allowed) {
            return Err(SpecError::Name { what, name: name.to_owned() });
        }
    }
    once(short, &names.collect::<Vec<_>>())
}
