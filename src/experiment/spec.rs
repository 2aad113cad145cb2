//! The experiment file.
//!
//! ```toml
//! plm = "models/all-minilm-l6-v2"
//! shots = [4, 16]
//! seeds = [13, 21]
//! methods = ["majority", "head", "scratch", "single", "mera_acts"]
//!
//! [training]
//! learning_rates = [5e-4, 1e-3]
//!
//! [[adapters]]
//! name = "sst2"
//! path = "adapters/sst2"
//! track = "sentiment"
//!
//! [[targets]]
//! name = "cr"
//! train = "data/cr/train.tsv"
//! test = "data/cr/dev.tsv"
//! track = "sentiment"
//!
//! [[variants]]
//! name = "mera_acts_keep"
//! method = "mera_acts"
//! scale = "keep"
//! ```

use super::check::{self, SpecError};
use super::method::{self, Kind};
use crate::merge::Scale;
use crate::text::DEFAULT_MAX_LENGTH;
use crate::train::{Batching, RunSettings, Trained};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// An experiment, as in its file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Experiment {
    /// Folders of the PLMs, from the file: a text, or a list of several.
    #[serde(rename = "plm", with = "one_or_several")]
    pub plms: Vec<String>,
    /// Examples a class to train on, and as many to choose on.
    pub shots: Vec<usize>,
    /// Of episodes, new weights, shuffles and dropout; those of LM-BFF where none are given.
    #[serde(default = "lm_bff")]
    pub seeds: Vec<u64>,
    /// Ids of the methods to compare.
    #[serde(default)]
    pub methods: Vec<String>,
    /// Which of the adapters are merged for a target; one set with all of them where it is empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tracks: Vec<Tracks>,
    /// How every run is trained.
    #[serde(default)]
    pub training: Training,
    /// What is merged and compared with; the first of a set is the reference of its merges, where a variant names no other.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub adapters: Vec<AdapterEntry>,
    /// What is learned.
    pub targets: Vec<TargetEntry>,
    /// Methods with other settings.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub variants: Vec<Variant>,
}

/// How a set of adapters stands to a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Tracks {
    /// All of them are of its track.
    Same,
    /// None is.
    Cross,
    /// Some are.
    Mixed,
}

impl Tracks {
    /// As in files and records.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Same => "same",
            Self::Cross => "cross",
            Self::Mixed => "mixed",
        }
    }
}

/// An adapter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AdapterEntry {
    /// As in `single:NAME`.
    pub name: String,
    /// Folder or archive, from the file; `{plm}` in it stands for the name of the PLM.
    pub path: String,
    /// Family of the task it was trained on; empty where that is not known.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub track: String,
}

/// A task to learn from few examples.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TargetEntry {
    /// As in records.
    pub name: String,
    /// Data file that support and dev are drawn from.
    pub train: String,
    /// Data file to judge on; what is left of `train` where there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub test: Option<String>,
    /// Family of tasks; empty where that is not known.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub track: String,
    /// Names of adapters that are not used for it, such as the one that has learned this very task.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub without: Vec<String>,
}

/// A method with settings, under a name of its own.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Variant {
    /// As in records.
    pub name: String,
    /// Id of the method.
    pub method: String,
    /// Scale of a merge's output.
    #[serde(default, skip_serializing_if = "ScaleSetting::is_none")]
    pub scale: ScaleSetting,
    /// How much each adapter of a merge counts.
    #[serde(default, skip_serializing_if = "WeightsSetting::is_equal")]
    pub weights: WeightsSetting,
    /// Name of the adapter that the others of a merge are aligned to; the first of a set where there is none. The variant
    /// is left out for sets without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
    /// What is trained beside the head.
    #[serde(default, skip_serializing_if = "TrainedPart::is_all")]
    pub train: TrainedPart,
    /// Peaks to try in the place of those of [`Training`]; empty for those.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub learning_rates: Vec<f64>,
    /// Settings of a merge method; defaults where absent.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub set: BTreeMap<String, SetValue>,
}

/// One setting of a merge method.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum SetValue {
    /// Yes or no.
    Flag(bool),
    /// A whole number.
    Integer(i64),
    /// A number.
    Number(f64),
    /// A word.
    Word(String),
}

impl std::fmt::Display for SetValue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Flag(flag) => flag.fmt(f),
            Self::Integer(number) => number.fmt(f),
            Self::Number(number) => number.fmt(f),
            Self::Word(word) => f.write_str(word),
        }
    }
}

/// `"none"`, `"keep"`, `"sum"` or a number: see [`Scale`].
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged, try_from = "WordOrNumber")]
pub enum ScaleSetting {
    /// By name.
    Named(ScaleName),
    /// Times this.
    Factor(f64),
}

/// What a scale is written as.
#[derive(Deserialize)]
#[serde(untagged)]
enum WordOrNumber {
    Word(String),
    Number(f64),
}

impl TryFrom<WordOrNumber> for ScaleSetting {
    type Error = String;

    fn try_from(written: WordOrNumber) -> Result<Self, String> {
        Ok(match written {
            WordOrNumber::Number(factor) => Self::Factor(factor),
            WordOrNumber::Word(word) => Self::Named(match word.as_str() {
                "none" => ScaleName::None,
                "keep" => ScaleName::Keep,
                "sum" => ScaleName::Sum,
                _ => return Err(format!("scale is \"none\", \"keep\", \"sum\" or a number, not \"{word}\"")),
            }),
        })
    }
}

/// A scale with a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ScaleName {
    /// As the method gives it.
    None,
    /// The inputs' amplitude.
    Keep,
    /// The sum of functions rather than their mean.
    Sum,
}

impl Default for ScaleSetting {
    fn default() -> Self {
        Self::Named(ScaleName::None)
    }
}

impl ScaleSetting {
    fn is_none(&self) -> bool {
        *self == Self::default()
    }

    /// As merging knows it.
    #[must_use]
    pub fn scale(self) -> Scale {
        match self {
            Self::Named(ScaleName::None) => Scale::None,
            Self::Named(ScaleName::Keep) => Scale::Keep,
            Self::Named(ScaleName::Sum) => Scale::Sum,
            Self::Factor(factor) => Scale::Factor(factor),
        }
    }
}

/// How much each adapter of a merge counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum WeightsSetting {
    /// All the same.
    #[default]
    Equal,
    /// By how far its [`score`](super::score) on the episode is above that of the PLM alone; all the same where none is.
    Score,
}

impl WeightsSetting {
    fn is_equal(&self) -> bool {
        *self == Self::Equal
    }
}

/// What is trained beside the head.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TrainedPart {
    /// The whole adapter.
    #[default]
    All,
    /// Its up projections.
    Up,
    /// One factor a location, with the adapter frozen.
    Gates,
    /// Nothing else.
    Head,
}

impl TrainedPart {
    fn is_all(&self) -> bool {
        *self == Self::All
    }

    /// As in files and records.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Up => "up",
            Self::Gates => "gates",
            Self::Head => "head",
        }
    }

    /// As training knows it; a run that trains gates has nothing else.
    #[must_use]
    pub fn trained(self) -> Trained {
        match self {
            Self::All | Self::Gates => Trained::All,
            Self::Up => Trained::Up,
            Self::Head => Trained::Head,
        }
    }
}

/// How every run of an experiment is trained: the same budget for all.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Training {
    /// Passes over the support.
    pub epochs: usize,
    /// Rows a step.
    pub batch_size: usize,
    /// Peaks to try; the best on dev is kept, and it alone is judged on test.
    pub learning_rates: Vec<f64>,
    /// Share of all steps, 0 to 1.
    pub warmup: f64,
    /// Decoupled, on weight matrices.
    pub weight_decay: f64,
    /// Largest global norm of the gradients.
    pub clip: f64,
    /// In the head, 0 to below 1.
    pub dropout: f64,
    /// Epochs without a better dev score after which to stop; 0 for never.
    pub patience: usize,
    /// Longest sequence in tokens.
    pub max_length: usize,
    /// Neurons a location of a new adapter; the PLM's width over 16 where it is not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bottleneck: Option<usize>,
}

impl Default for Training {
    fn default() -> Self {
        Self {
            epochs: 30,
            batch_size: 16,
            learning_rates: vec![5e-4, 1e-3],
            warmup: 0.1,
            weight_decay: 0.01,
            clip: 1.0,
            dropout: 0.1,
            patience: 0,
            max_length: DEFAULT_MAX_LENGTH,
            bottleneck: None,
        }
    }
}

impl Training {
    /// Settings of one run.
    #[must_use]
    pub fn settings(&self, learning_rate: f64, trained: TrainedPart, seed: u64) -> RunSettings {
        RunSettings {
            epochs: self.epochs,
            batch_size: self.batch_size,
            batching: Batching::Shuffled,
            learning_rate,
            warmup: self.warmup,
            weight_decay: self.weight_decay,
            clip: self.clip,
            dropout: self.dropout,
            patience: self.patience,
            trained: trained.trained(),
            seed,
        }
    }
}

/// A line of the comparison: a method by its id, or a variant by its name.
#[derive(Clone, Debug)]
pub struct Compared {
    /// As in records.
    pub name: String,
    /// What it is.
    pub kind: Kind,
    /// Settings, defaults where the method is named by its id.
    pub variant: Variant,
}

impl Experiment {
    /// Reads an experiment file.
    ///
    /// # Errors
    /// When it is no TOML, has a key that is not known, lacks one, or says something that can't be done.
    pub fn parse(text: &str) -> Result<Self, SpecError> {
        let table: toml::Table = toml::from_str(text).map_err(|error| SpecError::toml(text, &error))?;
        check::keys(&table)?;
        let experiment: Self = toml::from_str(text).map_err(|error| SpecError::toml(text, &error))?;
        experiment.validate()?;
        Ok(experiment)
    }

    /// Out of the tables of a file, wherever they come from.
    ///
    /// # Errors
    /// As [`Experiment::parse`], without a line.
    pub fn from_table(table: toml::Table) -> Result<Self, SpecError> {
        check::keys(&table)?;
        let error = |error: toml::de::Error| SpecError::Toml {
            line: None,
            message: error.to_string().trim_end().replace('\n', ", "),
        };
        let experiment: Self = table.try_into().map_err(error)?;
        experiment.validate()?;
        Ok(experiment)
    }

    /// Name of a PLM in records: that of its folder.
    #[must_use]
    pub fn plm_name(&self, plm: usize) -> &str {
        let path = self.plms.get(plm).map_or("", String::as_str);
        path.rsplit(['/', '\\']).find(|part| !matches!(*part, "" | "." | "..")).unwrap_or(path)
    }

    /// Where the adapter lies that goes with a PLM, from the file.
    #[must_use]
    pub fn adapter_path(&self, adapter: &AdapterEntry, plm: usize) -> String {
        adapter.path.replace("{plm}", self.plm_name(plm))
    }

    /// As a file that [`Experiment::parse`] reads back.
    ///
    /// # Errors
    /// When a number has no form in TOML, as a seed above 2⁶³ − 1.
    pub fn to_toml(&self) -> Result<String, SpecError> {
        toml::to_string_pretty(self).map_err(|error| SpecError::Toml { line: None, message: error.to_string() })
    }

    /// # Errors
    /// When it says something that can't be done.
    pub fn validate(&self) -> Result<(), SpecError> {
        check::experiment(self)
    }

    /// The methods and variants to compare, methods first, each once.
    ///
    /// # Errors
    /// When there is no such method.
    pub fn compared(&self) -> Result<Vec<Compared>, SpecError> {
        let plain = self.methods.iter().map(|id| Variant {
            name: id.clone(),
            method: id.clone(),
            scale: ScaleSetting::default(),
            weights: WeightsSetting::default(),
            reference: None,
            train: TrainedPart::default(),
            learning_rates: Vec::new(),
            set: BTreeMap::new(),
        });
        let compared = plain.chain(self.variants.iter().cloned());
        compared
            .map(|variant| Ok(Compared { name: variant.name.clone(), kind: method::find(&variant.method)?, variant }))
            .collect()
    }
}

/// One text stands for a list of one.
mod one_or_several {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Written {
        One(String),
        Several(Vec<String>),
    }

    pub(super) fn serialize<S: Serializer>(texts: &[String], to: S) -> Result<S::Ok, S::Error> {
        match texts {
            [one] => one.serialize(to),
            several => several.serialize(to),
        }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<String>, D::Error> {
        Ok(
            match Written::deserialize(from)
                .map_err(|_| serde::de::Error::custom("plm is a text or a list of texts"))?
            {
                Written::One(one) => vec![one],
                Written::Several(several) => several,
            },
        )
    }
}

fn lm_bff() -> Vec<u64> {
    crate::text::episode::SEEDS.to_vec()
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::check::KEYS;
    use super::*;

    pub(in super::super) const SAMPLE: &str = r#"
plm = "models/all-minilm-l6-v2"
shots = [4, 16]
seeds = [13, 21]
methods = ["majority", "head", "scratch", "single", "best_single", "sum", "mera_acts"]

[training]
epochs = 3
learning_rates = [5e-4, 1e-3]

[[adapters]]
name = "sst2"
path = "adapters/sst2"
track = "sentiment"

[[adapters]]
name = "mnli"
path = "adapters/mnli"
track = "NLI"

[[targets]]
name = "cr"
train = "data/cr/train.tsv"
test = "data/cr/dev.tsv"
track = "sentiment"

[[targets]]
name = "own"
train = "own.tsv"

[[variants]]
name = "mera_acts_soft"
method = "mera_acts"
set = { solver = "sinkhorn", epsilon = 0.01 }

[[variants]]
name = "mera_acts_keep"
method = "mera_acts"
scale = "keep"
train = "up"
"#;

    fn error(change: impl Fn(&str) -> String) -> String {
        Experiment::parse(&change(SAMPLE)).unwrap_err().to_string()
    }

    fn replaced(from: &str, to: &str) -> String {
        assert!(SAMPLE.contains(from), "{from}");
        error(|text| text.replacen(from, to, 1))
    }

    #[test]
    fn an_experiment_comes_back_as_it_went() {
        let experiment = Experiment::parse(SAMPLE).unwrap();
        assert_eq!(experiment.training.batch_size, 16);
        assert_eq!(experiment.variants[0].set["epsilon"], SetValue::Number(0.01));
        let text = experiment.to_toml().unwrap();
        assert_eq!(Experiment::parse(&text).unwrap(), experiment);
        let json = serde_json::to_string(&experiment).unwrap();
        assert_eq!(serde_json::from_str::<Experiment>(&json).unwrap(), experiment);
        let short = "plm = \"m\"\nshots = [4]\nmethods = [\"head\"]\n[[targets]]\nname = \"t\"\ntrain = \"t.tsv\"";
        let short = Experiment::parse(short).unwrap();
        assert_eq!((short.seeds, short.training), (vec![13, 21, 42, 87, 100], Training::default()));
    }

    #[test]
    fn scales_are_words_or_numbers() {
        for (text, scale) in
            [("\"sum\"", Scale::Sum), ("\"none\"", Scale::None), ("2", Scale::Factor(2.0)), ("0.5", Scale::Factor(0.5))]
        {
            let experiment =
                Experiment::parse(&SAMPLE.replace("scale = \"keep\"", &format!("scale = {text}"))).unwrap();
            assert_eq!(experiment.variants[1].scale.scale(), scale);
            assert_eq!(Experiment::parse(&experiment.to_toml().unwrap()).unwrap(), experiment);
        }
    }

    #[test]
    fn every_key_is_known() {
        let mut full = Experiment::parse(SAMPLE).unwrap();
        full.tracks = vec![Tracks::Mixed];
        full.training.bottleneck = Some(4);
        full.targets[0].without = vec!["mnli".into()];
        full.variants[0].scale = ScaleSetting::Named(ScaleName::Sum);
        full.variants[0].weights = WeightsSetting::Score;
        full.variants[0].reference = Some("mnli".into());
        full.variants[0].train = TrainedPart::Head;
        full.variants[0].learning_rates = vec![1e-4];
        let value = serde_json::to_value(full).unwrap();
        for (place, known) in KEYS {
            let table = match &value[*place] {
                _ if place.is_empty() => &value,
                serde_json::Value::Array(list) => &list[0],
                other => other,
            };
            assert_eq!(table.as_object().unwrap().keys().collect::<Vec<_>>(), *known, "{place}");
        }
    }

    #[test]
    fn what_can_not_be_run_is_named() {
        insta::assert_snapshot!(replaced("shots =", "shot ="), @r#"the experiment has no key "shot": did you mean "shots"?"#);
        insta::assert_snapshot!(replaced("learning_rates", "learning_rate"), @r#"[training] has no key "learning_rate": did you mean "learning_rates"?"#);
        insta::assert_snapshot!(replaced("set =", "sets ="), @r#"[[variants]] mera_acts_soft has no key "sets": did you mean "set"?"#);
        insta::assert_snapshot!(replaced("path = \"adapters/mnli\"", ""), @"line 16: missing field `path`");
        insta::assert_snapshot!(replaced("[4, 16]", "[4, -16]"), @"line 3: invalid value: integer `-16`, expected usize");
        insta::assert_snapshot!(replaced("[4, 16]", "[4, 16"), @"line 4: missing comma between array elements, expected `,`");
        insta::assert_snapshot!(replaced("\"mera_acts\"]", "\"mera_act\"]"), @r#"there is no method "mera_act": did you mean "mera_acts"?"#);
        insta::assert_snapshot!(replaced("\"head\"", "\"sum\""), @"method sum stands there twice");
        insta::assert_snapshot!(replaced("[13, 21]", "[13, 13]"), @"seed 13 stands there twice");
        insta::assert_snapshot!(replaced("[4, 16]", "[0]"), @"shots: 0; it must be 1 to 10000");
        insta::assert_snapshot!(replaced("[4, 16]", "[]"), @"shots is empty");
        let seeds = |count: u64| format!("{:?}", (0..count).collect::<Vec<_>>());
        insta::assert_snapshot!(replaced("[13, 21]", &seeds(3000)), @"1 PLMs × 2 targets × 2 shots × 3000 seeds × 15 methods are 180000 runs; 100000 are the most");
        insta::assert_snapshot!(replaced("[5e-4, 1e-3]", "[5.0]"), @"training: learning_rate is 5; it must be above 0 and at most 1");
        insta::assert_snapshot!(replaced("\"mnli\"", "\"sst2\""), @"adapter sst2 stands there twice");
        insta::assert_snapshot!(replaced("\"mnli\"", "\"none\""), @"adapter none: in records this name stands for no adapter; it needs another");
        insta::assert_snapshot!(replaced("\"own\"", "\"a b\""), @r#""a b" can't be the name of a target: letters, digits and - _ . + only, 1 to 64 of them"#);
        insta::assert_snapshot!(replaced("\"mera_acts_soft\"", "\"sum\""), @"variant sum has the name of a method");
        insta::assert_snapshot!(replaced("epsilon = 0.01", "epsilo = 0.01"), @r#"variant mera_acts_soft: mera_acts has no setting "epsilo": did you mean "epsilon"?"#);
        insta::assert_snapshot!(replaced("solver = \"sinkhorn\", ", ""), @r#"variant mera_acts_soft: epsilon is for solver = "sinkhorn", and its solver is "exact""#);
        insta::assert_snapshot!(replaced("solver = \"sinkhorn\", epsilon = 0.01", "fit = false, ridge = 0.1"), @"variant mera_acts_soft: ridge is for fit = true, and its fit is false");
        insta::assert_snapshot!(replaced("solver = \"sinkhorn\", epsilon = 0.01", "cost = \"cosine\", normalize_rows = true"), @r#"variant mera_acts_soft: normalize_rows is for any cost but "cosine", and its cost is "cosine""#);
        insta::assert_snapshot!(replaced("train = \"up\"", "learning_rates = [-1.0]"), @"training: learning_rate is -1; it must be above 0 and at most 1");
        insta::assert_snapshot!(replaced("method = \"mera_acts\"\nscale = \"keep\"", "method = \"concat_gated\""), @"variant mera_acts_keep: train is for methods that train an adapter, which concat_gated is not");
        insta::assert_snapshot!(replaced("method = \"mera_acts\"\nscale = \"keep\"\ntrain = \"up\"", "method = \"majority\"\nlearning_rates = [1e-3]"), @"variant mera_acts_keep: learning_rates is for methods that train, which majority is not");
        insta::assert_snapshot!(replaced("train = \"up\"", "train = \"down\""), @"line 40: unknown variant `down`, expected one of `all`, `up`, `gates`, `head`");
        insta::assert_snapshot!(replaced("scale = \"keep\"", "scale = inf"), @"variant mera_acts_keep: scale inf is no finite number");
        insta::assert_snapshot!(replaced("scale = \"keep\"", "scale = \"loud\""), @r#"line 39: scale is "none", "keep", "sum" or a number, not "loud""#);
        insta::assert_snapshot!(replaced("method = \"mera_acts\"\nscale", "method = \"single\"\nscale"), @"variant mera_acts_keep: scale is for merges, which single is not");
        insta::assert_snapshot!(replaced("method = \"mera_acts\"\nscale = \"keep\"", "method = \"single\"\nweights = \"score\""), @"variant mera_acts_keep: weights is for merges, which single is not");
        insta::assert_snapshot!(replaced("scale = \"keep\"", "reference = \"mnly\""), @r#"variant mera_acts_keep: reference "mnly": no adapter is called so"#);
        insta::assert_snapshot!(replaced("method = \"mera_acts\"\nscale = \"keep\"", "method = \"average\"\nreference = \"mnli\""), @"variant mera_acts_keep: reference is for merges that align, which average is not");
        insta::assert_snapshot!(replaced("[training]", "tracks = [\"same\"]\n[training]"), @r#"tracks = "same": no adapter is left for target own (its track: "")"#);
        insta::assert_snapshot!(replaced("name = \"own\"", "name = \"own\"\nwithout = [\"mnly\"]"), @r#"target own is without adapter "mnly", and no adapter is called so"#);
        insta::assert_snapshot!(replaced("name = \"own\"", "name = \"own\"\nwithout = [\"mnli\", \"sst2\"]"), @r#"tracks = "mixed": no adapter is left for target own (its track: "")"#);
        let bare = |text: &str| {
            let (head, targets) =
                (text.split("[[adapters]]").next().unwrap(), text.split_once("[[targets]]").unwrap().1);
            format!("{head}[[targets]]{targets}")
        };
        insta::assert_snapshot!(error(bare), @"single needs adapters, and there are none");
    }
}
