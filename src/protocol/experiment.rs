//! Experiments: a grid of runs, what a run comes to, and what all of them say together.
//!
//! An experiment names files; whoever asks has loaded them and says which is which. A run is named by its hash, which
//! is the same in every worker, so several workers share the runs of one experiment.

use super::{AdapterId, DataId, EpisodeSpec, Matrix, Row, Token, TrainPoint};
use serde::{Deserialize, Serialize};
use vecmap::VecMap;

/// A method that an experiment compares.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ComparedMethod {
    /// As experiments name it.
    pub id: String,
    /// What it is.
    pub description: String,
    /// Whether it is one of [`MethodCard`](super::MethodCard): scale, weights and settings may be set.
    pub merges: bool,
    /// Whether adapters are aligned to one among them, the reference.
    pub aligns: bool,
    /// Whether it fine-tunes one adapter, of which a part may be chosen.
    pub trains_adapter: bool,
    /// Whether anything is trained.
    pub trains: bool,
}

/// What an experiment file says, for a form to show.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ReadExperiment {
    /// TOML.
    pub file: String,
}

/// The file of what a form shows: reading it gives the same sheet again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WriteExperiment(pub ExperimentSheet);

/// An experiment as a form shows it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ExperimentSheet {
    /// Folders of the PLMs, from the file's own folder; one or more.
    pub plms: Vec<String>,
    /// k: examples a class.
    pub shots: Vec<usize>,
    /// Of the episodes.
    pub seeds: Vec<u64>,
    /// Ids of methods.
    pub methods: Vec<String>,
    /// `same`, `cross`, `mixed`; empty for all adapters whatever their track.
    pub tracks: Vec<String>,
    /// The adapters; `{plm}` in a path stands for the name of the PLM's folder.
    pub adapters: Vec<SheetAdapter>,
    /// The targets.
    pub targets: Vec<SheetTarget>,
    /// The budget of every method, by the file's own names, as TOML values.
    pub training: VecMap<String, String>,
    /// Methods with other settings.
    pub variants: Vec<SheetVariant>,
}

/// An adapter of an experiment.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SheetAdapter {
    /// Its name in records.
    pub name: String,
    /// A folder or a zip.
    pub path: String,
    /// Its track; empty where it has none.
    pub track: String,
}

/// A target of an experiment.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SheetTarget {
    /// Its name in records.
    pub name: String,
    /// The data set that support and dev are drawn from.
    pub train: String,
    /// The data set to judge on; what is left of `train` where it is empty.
    pub test: String,
    /// Its track; empty where it has none.
    pub track: String,
    /// Names of adapters that are not used for it.
    pub without: Vec<String>,
}

/// A method with other settings.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SheetVariant {
    /// Its name in records.
    pub name: String,
    /// Id of the method.
    pub method: String,
    /// Its other keys but `set`, as TOML values.
    pub settings: VecMap<String, String>,
    /// Settings of the merge method by name, as TOML values.
    pub set: VecMap<String, String>,
}

/// Plan an experiment for the loaded PLM; it takes the place of the one before.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PlanExperiment {
    /// TOML.
    pub file: String,
    /// Which of its PLMs is loaded.
    pub plm: usize,
    /// Its adapters, in its order.
    pub adapters: Vec<AdapterId>,
    /// The data of its targets, in its order: train, and test where there is one.
    pub targets: Vec<(DataId, Option<DataId>)>,
}

/// A planned experiment.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ExperimentCard {
    /// Name of the PLM in records.
    pub plm: String,
    /// How many runs with one learning rate each go through the PLM at once on this device; 0 in plans that were kept
    /// before they said so.
    #[serde(default)]
    pub lanes: usize,
    /// Every run, in the plan's order.
    pub runs: Vec<PlannedCard>,
    /// The runs by hash in the order in which they are done best; those of one pass go through the PLM together.
    pub passes: Vec<Vec<String>>,
}

impl ExperimentCard {
    /// How many runs share a pass, as a person reads it: one with several learning rates counts as that many. None where
    /// the plan does not say.
    #[must_use]
    pub fn in_a_pass(&self) -> Option<String> {
        match self.lanes {
            0 => None,
            1 => Some("one run a pass".to_owned()),
            lanes => Some(format!("up to {lanes} runs a pass")),
        }
    }
}

/// One run of the plan.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PlannedCard {
    /// Of all that determines it.
    pub hash: String,
    /// Name of the PLM.
    pub plm: String,
    /// Name of the target.
    pub target: String,
    /// Examples a class.
    pub k: usize,
    /// Of the episode.
    pub seed: u64,
    /// Id of the method or name of the variant; `single:NAME` for a single adapter.
    pub method: String,
    /// `same`, `cross` or `mixed`.
    pub tracks: String,
    /// Whether adapters of the experiment take part.
    #[serde(default)]
    pub uses_adapters: bool,
    /// What it costs, in rows that go through the frozen PLM and an adapter once: what time left is reckoned by.
    pub work: f64,
    /// Hashes of runs of this plan that a choice looks at; empty otherwise.
    #[serde(default)]
    pub after: Vec<String>,
}

/// Do some runs of the planned experiment. Its progress says which of them a point belongs to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunExperiment {
    /// The runs.
    pub hashes: Vec<String>,
    /// Records that there are, as lines of `records.jsonl`: a choice among runs looks at them.
    pub records: Vec<String>,
}

/// Answer to [`RunExperiment`].
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ExperimentRuns {
    /// Those that are done, in the order in which they were asked for.
    pub finished: Vec<FinishedRun>,
    /// Hashes of those that can't be done, with the reason in one line.
    pub failed: Vec<(String, String)>,
}

/// A finished run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FinishedRun {
    /// What it came to.
    pub record: RunRecord,
    /// The same, as its line of `records.jsonl`, without the line's end.
    pub line: String,
    /// What it did on the way; none for a record that was there.
    pub detail: Option<RunDetail>,
}

/// What a run came to.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RunRecord {
    /// Of all that determines the run.
    pub hash: String,
    /// Name of the PLM.
    pub plm: String,
    /// Name of the target.
    pub target: String,
    /// As in the plan.
    pub method: String,
    /// Examples a class.
    pub k: usize,
    /// Of the episode.
    pub seed: u64,
    /// `same`, `cross` or `mixed`.
    pub tracks: String,
    /// On test.
    pub accuracy: f64,
    /// On test.
    pub macro_f1: f64,
    /// On dev.
    pub dev_accuracy: f64,
    /// The one chosen on dev; none where nothing was trained.
    pub learning_rate: Option<f64>,
    /// Parameters that were trained.
    pub trainable_parameters: usize,
    /// Parameters beside those of the PLM.
    pub inference_parameters: usize,
    /// Of the whole run.
    pub seconds: f64,
    /// Median of an optimiser step.
    pub step_seconds: Option<f64>,
    /// Most bytes of memory in use at once, where that can be known.
    pub peak_memory: Option<u64>,
    /// Of a choice among adapters, the one chosen.
    pub chosen: Option<String>,
    /// Scores by adapter before any training, and that of the PLM alone under `none`, where the run looked at them.
    pub scores: Option<VecMap<String, f64>>,
    /// How far a merge was from the mean of its inputs' functions before training.
    pub ensemble_error: Option<f64>,
}

/// What a run did on the way.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RunDetail {
    /// One a learning rate that was tried.
    pub curves: Vec<RateCurve>,
    /// The classes, in the order of the indices below.
    pub labels: Vec<String>,
    /// Of the test rows; the number of classes for a row without a label.
    pub truth: Vec<u16>,
    /// Answers to the test rows.
    pub answers: Vec<u16>,
    /// Of an AdapterFusion.
    pub attention: Option<FusionAttention>,
}

/// A run with one learning rate.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RateCurve {
    /// Its peak.
    pub learning_rate: f64,
    /// Every step.
    pub points: Vec<TrainPoint>,
}

/// How an AdapterFusion spreads its attention over its adapters.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct FusionAttention {
    /// Names, the columns of the matrices.
    pub adapters: Vec<String>,
    /// For example `layer.3.output`.
    pub locations: Vec<String>,
    /// `locations × adapters`: mean over the tokens of the first test rows.
    pub mean: Matrix,
    /// A few test rows, token by token.
    pub examples: Vec<AttentionExample>,
}

/// Attention over adapters in one text.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct AttentionExample {
    /// Its tokens.
    pub tokens: Vec<Token>,
    /// By location: `tokens × adapters`.
    pub locations: Vec<Matrix>,
}

/// Test rows of a planned run, to read what it got wrong.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ShowTestRows {
    /// The run.
    pub hash: String,
    /// Places among its test rows, as in [`RunDetail::answers`].
    pub rows: Vec<usize>,
}

/// Answer to [`ShowTestRows`], in the order asked for.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TestRows(pub Vec<Row>);

/// Score adapters on an episode before any training: leave-one-out accuracy of a ridge classifier on the features of
/// support and dev.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ScoreAdapters {
    /// Which.
    pub adapters: Vec<AdapterId>,
    /// On what.
    pub episode: EpisodeSpec,
}

/// Answer to [`ScoreAdapters`].
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct AdapterScores {
    /// Of the PLM alone.
    pub none: f64,
    /// One an adapter, in the order asked for.
    pub scores: Vec<f64>,
}

/// What records say together.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SummarizeRecords {
    /// Lines of `records.jsonl`.
    pub records: Vec<String>,
}

/// Answer to [`SummarizeRecords`].
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SummaryCard {
    /// Share of intervals that hold the true mean.
    pub confidence: f64,
    /// By PLM, target and k.
    pub groups: Vec<GroupCard>,
}

/// A target with k examples a class on one PLM.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct GroupCard {
    /// Name of the PLM.
    pub plm: String,
    /// The target.
    pub target: String,
    /// Examples a class.
    pub k: usize,
    /// Share of the most frequent class, where it was asked for.
    pub majority: Option<f64>,
    /// Best mean accuracy first.
    pub methods: Vec<MethodResult>,
    /// Every two methods, in that order.
    pub pairs: Vec<PairResult>,
}

/// A method over all seeds.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct MethodResult {
    /// With its tracks where it was run with several sets of adapters.
    pub name: String,
    /// As in records.
    pub method: String,
    /// As in records.
    pub tracks: String,
    /// Seeds.
    pub runs: usize,
    /// Mean on test.
    pub accuracy: f64,
    /// Of the sample; none for one seed.
    pub accuracy_deviation: Option<f64>,
    /// Mean on test.
    pub macro_f1: f64,
    /// Of the sample.
    pub macro_f1_deviation: Option<f64>,
    /// Mean.
    pub trainable_parameters: f64,
    /// Mean.
    pub inference_parameters: f64,
    /// Mean.
    pub seconds: f64,
    /// Mean.
    pub step_seconds: Option<f64>,
    /// Mean, in bytes.
    pub peak_memory: Option<f64>,
}

/// Two methods over the episodes that both have seen.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PairResult {
    /// Name of the first.
    pub a: String,
    /// Name of the second.
    pub b: String,
    /// In common.
    pub episodes: usize,
    /// Mean of the differences in accuracy, a less b.
    pub mean: f64,
    /// The interval's lower end; none for a single pair.
    pub low: Option<f64>,
    /// The interval's upper end.
    pub high: Option<f64>,
    /// Episodes in which a is better.
    pub wins: usize,
    /// Episodes in which b is.
    pub losses: usize,
    /// Neither.
    pub ties: usize,
}

/// A file of the table that records make.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ExportRecords {
    /// Lines of `records.jsonl`.
    pub records: Vec<String>,
    /// Which file.
    pub form: TableForm,
}

/// How a table leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum TableForm {
    /// `records.jsonl`: what `mera run` writes and reads.
    Records,
    /// The records, one a row.
    Csv,
    /// `summary.json`.
    Json,
    /// `summary.md`.
    Markdown,
    /// A table for a paper.
    Latex,
    /// One self-contained page with the pictures.
    Html,
}
