//! Adapters and data sets that the person hands in.

use super::{FileBytes, FileSource, Problem};
use serde::{Deserialize, Serialize};

/// Endings by which a file is a data set among others that were dropped, in lower case.
pub const DATA_ENDINGS: [&str; 5] = ["tsv", "tab", "csv", "jsonl", "ndjson"];

/// Take in whatever was dropped: adapters (folders, zips, loose files), data sets.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Open {
    /// The files.
    pub files: Vec<FileSource>,
}

/// What was found.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Opened {
    /// New adapters.
    pub adapters: Vec<AdapterCard>,
    /// New data sets.
    pub data: Vec<DataCard>,
    /// Data files that do not say which of their columns is what: to be opened with [`OpenData`].
    pub unmapped: Vec<UnmappedData>,
    /// What could not be used, and why; every file of `unmapped` among them.
    pub problems: Vec<Problem>,
}

/// A data file without the columns `label` and `text1`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnmappedData {
    /// The file.
    pub file: FileBytes,
    /// Its columns.
    pub columns: Vec<String>,
    /// What its first row has in them; empty where it has nothing.
    pub example: Vec<String>,
}

/// Take in a file as a data set, whatever its ending.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenData {
    /// The file.
    pub file: FileSource,
    /// Which of its columns is what, where the person has chosen; else they are called as they usually are, and it may
    /// do without labels.
    pub columns: Option<DataColumns>,
}

/// Which columns of a data file are what.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DataColumns {
    /// The labels.
    pub label: String,
    /// The text, or the first of a pair.
    pub text1: String,
    /// The second of a pair.
    pub text2: Option<String>,
}

/// Names an adapter for as long as the engine knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct AdapterId(pub u32);

/// Names a data set for as long as the engine knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct DataId(pub u32);

/// One adapter.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AdapterCard {
    /// Its handle.
    pub id: AdapterId,
    /// Its name, unique among the loaded.
    pub name: String,
    /// Family of tasks it was trained for; proposed from its name, the person may change it.
    pub track: String,
    /// `seq_bn`, …
    pub kind: String,
    /// Where it came from: a path, or how it was made.
    pub origin: String,
    /// The PLM it says it was trained on.
    pub plm: String,
    /// Width of its neurons at each location; all equal in most adapters.
    pub bottleneck: Vec<usize>,
    /// Its locations, in order, for example `layer.0.output`.
    pub locations: Vec<String>,
    /// Activation between down and up projection.
    pub non_linearity: String,
    /// Parameters without the head.
    pub parameters: usize,
    /// Labels of its head; empty where it has none.
    pub labels: Vec<String>,
    /// Root mean square of the weights `[down_proj, up_proj]` by location.
    pub norms: Vec<[f32; 2]>,
    /// Of the file its weights came from, in hexadecimal; empty for one made here.
    pub sha256: String,
    /// Worth knowing, one line each.
    pub remarks: Vec<String>,
}

/// Rename an adapter or put it on a track.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct EditAdapter {
    /// Which.
    pub id: AdapterId,
    /// A new name, if any.
    pub name: Option<String>,
    /// A new track, if any.
    pub track: Option<String>,
}

/// Forget an adapter.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RemoveAdapter {
    /// Which.
    pub id: AdapterId,
}

/// One data set.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DataCard {
    /// Its handle.
    pub id: DataId,
    /// File name without extension, with a number behind it where another data set is called so.
    pub name: String,
    /// The path that it was read under; inside an archive, the archive's comes first.
    pub path: String,
    /// Rows.
    pub rows: usize,
    /// Rows by label, in the order of the labels.
    pub labels: Vec<(String, usize)>,
    /// Whether rows are pairs of texts.
    pub pairs: bool,
    /// Track proposed from the name.
    pub track: String,
}

/// Which rows of a data set to learn from and which to judge by.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EpisodeSpec {
    /// Support and dev are drawn from it.
    pub data: DataId,
    /// Judge on this one; on the rest of `data` where there is none.
    pub test: Option<DataId>,
    /// Judge on so many of those rows at most, drawn by the seed; on all where there is none.
    pub test_rows: Option<usize>,
    /// Examples a class in support, and again in dev.
    pub k: usize,
    /// Of the draw.
    pub seed: u64,
    /// Longest sequence in tokens.
    pub max_length: usize,
}

/// Draw an episode from a data set.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DrawEpisode(pub EpisodeSpec);

/// An episode.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EpisodeCard {
    /// The labels, in order.
    pub labels: Vec<String>,
    /// What is learned from, by class.
    pub support: Vec<Row>,
    /// Rows in dev.
    pub dev: usize,
    /// Rows in test.
    pub test: usize,
    /// Share of the most frequent label among the labelled rows of test: what a constant answer scores.
    pub majority: f32,
    /// Rows that `max_length` cuts.
    pub truncated: usize,
}

/// One row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Row {
    /// Index in its data set.
    pub row: usize,
    /// Its label; empty where it has none, as rows to be judged may.
    pub label: String,
    /// First text.
    pub text1: String,
    /// Second text of a pair.
    pub text2: Option<String>,
}

impl Row {
    /// Whether it has a label.
    #[must_use]
    pub fn is_labelled(&self) -> bool {
        !self.label.is_empty()
    }
}
