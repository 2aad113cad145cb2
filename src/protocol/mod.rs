//! What the page and the worker say to each other: requests, progress, answers, errors. Serde types only.
//!
//! Every [`Request`] carries a job id; every [`Message`] about it carries the same one. A job ends in exactly one of
//! [`Message::Done`] and [`Message::Failed`]. Enums are closed: a new user action is a new [`Command`] with its
//! [`Ask`], and the compiler leads from here through engine, worker, client and page.

mod adapters;
mod alignment;
mod bench;
mod device;
mod experiment;
mod merging;
mod model;
mod training;

pub use adapters::*;
pub use alignment::*;
pub use bench::*;
pub use device::*;
pub use experiment::*;
pub use merging::*;
pub use model::*;
pub use training::*;

use serde::{Deserialize, Serialize};

/// Version of this vocabulary. Page and worker are deployed together and must agree on it, so it is made of the text
/// that defines it: of a cached file of an older build one hears at once.
pub const VERSION: u32 = fingerprint(&[
    include_bytes!("mod.rs"),
    include_bytes!("adapters.rs"),
    include_bytes!("alignment.rs"),
    include_bytes!("bench.rs"),
    include_bytes!("device.rs"),
    include_bytes!("experiment.rs"),
    include_bytes!("merging.rs"),
    include_bytes!("model.rs"),
    include_bytes!("training.rs"),
]);

/// FNV-1a.
const fn fingerprint(texts: &[&[u8]]) -> u32 {
    let (mut hash, mut text) = (0x811c_9dc5_u32, 0);
    while text < texts.len() {
        let mut byte = 0;
        while byte < texts[text].len() {
            hash = (hash ^ texts[text][byte] as u32).wrapping_mul(0x0100_0193);
            byte += 1;
        }
        text += 1;
    }
    hash
}

/// Names one job for as long as it runs; chosen by the client, never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct JobId(pub u32);

/// From the page to the worker.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[allow(clippy::large_enum_variant, reason = "one at a time, on its way to the worker")]
pub enum Request {
    /// Do this, and say how it goes under this id.
    Run {
        /// Chosen by the client.
        job: JobId,
        /// What to do.
        command: Command,
    },
    /// Stop that job at its next step. It then ends as its command says: a training run as paused, all others as
    /// [`FailureKind::Cancelled`].
    Cancel(JobId),
}

/// From the worker to the page.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[allow(clippy::large_enum_variant, reason = "one at a time, on its way to the page")]
pub enum Message {
    /// The worker has been compiled and listens; nothing else is sent before it.
    Ready {
        /// [`VERSION`] of the worker.
        version: u32,
    },
    /// How far a job is.
    Progress {
        /// The job.
        job: JobId,
        /// How far.
        progress: Progress,
    },
    /// What a run of training needs to go on from here in another worker.
    Checkpoint {
        /// The job.
        job: JobId,
        /// To be handed back in [`Resume`].
        checkpoint: Checkpoint,
    },
    /// The job is finished.
    Done {
        /// The job.
        job: JobId,
        /// Its answer; the variant belongs to the command.
        outcome: Outcome,
    },
    /// The job ended without an answer; nothing that was loaded before is lost.
    Failed {
        /// The job.
        job: JobId,
        /// Why.
        failure: Failure,
    },
    /// The worker can't go on: a panic, or its GPU was lost. Nothing follows.
    Lost {
        /// One line.
        reason: String,
    },
}

/// How far a job is. `done` of `total` in units of the phase; phases come in a fixed order within a command.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    /// What is being done.
    pub phase: Phase,
    /// From 0 to `total`.
    pub done: f64,
    /// 0 where it is not known.
    pub total: f64,
    /// A step of training, when there is one to show.
    pub point: Option<TrainPoint>,
    /// Which of several runs the point belongs to, by its place in what was asked; 0 where there is one.
    pub run: usize,
    /// Peak of the learning rate that the point belongs to, where a run tries several.
    pub rate: Option<f64>,
}

/// What a long step is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Phase {
    /// Bytes are coming in; units are bytes.
    Download,
    /// Bytes are being read into tensors.
    Read,
    /// Tensors go to the device.
    Upload,
    /// The device compiles its kernels.
    WarmUp,
    /// Both devices are compared.
    SelfTest,
    /// Texts run through the frozen model; units are batches.
    Features,
    /// Transport plans; units are locations.
    Align,
    /// Units are locations.
    Merge,
    /// Units are optimiser steps.
    Train,
    /// Units are batches.
    Evaluate,
}

impl Phase {
    /// What a person reads.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Phase::Download => "Downloading",
            Phase::Read => "Reading",
            Phase::Upload => "Loading onto the device",
            Phase::WarmUp => "Compiling for the device",
            Phase::SelfTest => "Checking the device",
            Phase::Features => "Reading the texts",
            Phase::Align => "Aligning neurons",
            Phase::Merge => "Merging",
            Phase::Train => "Training",
            Phase::Evaluate => "Evaluating",
        }
    }
}

/// Why a job ended without an answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// What kind of failure, for the page to act on.
    pub kind: FailureKind,
    /// One line that names the culprit and both sides of what disagrees.
    pub message: String,
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Failure {}

/// What the page can do about a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum FailureKind {
    /// What was asked for or handed in can't be used: show the line, let the person change it.
    Input,
    /// A download failed: offer to try again.
    Network,
    /// The person asked for it.
    Cancelled,
    /// The worker is gone; the client has started, or is about to start, another.
    WorkerLost,
    /// A defect of ours.
    Internal,
}

/// A file with its path as the person's disk or archive had it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileBytes {
    /// With forward slashes, relative to what was dropped.
    pub path: String,
    /// The content.
    #[serde(with = "serde_bytes")]
    pub bytes: Vec<u8>,
}

/// Put files into one zip.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pack {
    /// What the archive is called.
    pub name: String,
    /// With the paths that they have in it; fetched where they are not bytes.
    pub files: Vec<FileSource>,
}

/// Take the files out of a zip; their paths are those in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unpack(pub FileBytes);

/// What a zip held.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unpacked {
    /// Its files, with their paths in it; without what operating systems leave there.
    pub files: Vec<FileBytes>,
    /// What could not be unpacked, and why.
    pub problems: Vec<Problem>,
}

/// Where a file comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum FileSource {
    /// Dropped or picked.
    Bytes(FileBytes),
    /// To be fetched by the worker, with progress, and kept in the browser's cache.
    Url {
        /// The path it is to be known by.
        path: String,
        /// Absolute, or relative to the page.
        url: String,
    },
    /// Every file that matters of a repository on the Hugging Face hub.
    Hub {
        /// `owner/name`.
        id: String,
        /// Branch, tag or commit; `main` when empty.
        revision: String,
    },
}

/// Something that was handed in and could not be used; everything beside it was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// The file, or the folder.
    pub path: String,
    /// One line.
    pub message: String,
}

/// A matrix in row-major order.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Matrix {
    /// Number of rows.
    pub rows: usize,
    /// Number of columns.
    pub columns: usize,
    /// `rows · columns` values.
    pub values: Vec<f32>,
}

impl Matrix {
    /// The value at `row`, `column`; `None` outside.
    #[must_use]
    pub fn get(&self, row: usize, column: usize) -> Option<f32> {
        if column >= self.columns {
            return None;
        }
        self.values.get(row * self.columns + column).copied()
    }
}

/// A command with the type of its answer, so that a call is typed from the page to the engine.
pub trait Ask: Into<Command> {
    /// What comes back.
    type Answer;
    /// The answer out of the outcome; `None` for the outcome of another command.
    fn answer(outcome: Outcome) -> Option<Self::Answer>;
}

macro_rules! commands {
    ($($(#[$doc:meta])* $name:ident => $answer:ty;)*) => {
        /// Everything a person can ask for.
        #[derive(Clone, Debug, Serialize, Deserialize)]
        pub enum Command { $($(#[$doc])* $name($name),)* }

        /// The answer to a [`Command`], under the command's own name.
        #[derive(Clone, Debug, Serialize, Deserialize)]
        pub enum Outcome { $(
            #[doc = concat!("Answer to [`", stringify!($name), "`].")]
            $name($answer),
        )* }

        $(
            impl From<$name> for Command {
                fn from(command: $name) -> Self { Command::$name(command) }
            }

            impl Ask for $name {
                type Answer = $answer;
                fn answer(outcome: Outcome) -> Option<$answer> {
                    match outcome { Outcome::$name(answer) => Some(answer), _ => None }
                }
            }
        )*
    };
}

commands! {
    /// Choose and check the device; the first command of a worker.
    Start => DeviceReport;
    /// Load a pretrained language model; replaces the one before, and what hung on it.
    OpenPlm => PlmCard;
    /// Look at what the tokenizer makes of a text.
    Tokenize => Vec<Token>;
    /// Take in whatever was dropped: adapters, archives, data sets.
    Open => Opened;
    /// Take in a file as a data set.
    OpenData => DataCard;
    /// Rename an adapter or put it on a track.
    EditAdapter => AdapterCard;
    /// Forget an adapter.
    RemoveAdapter => ();
    /// Draw an episode from a data set.
    DrawEpisode => EpisodeCard;
    /// Align adapters to a reference, layer by layer.
    Align => AlignmentReport;
    /// The weights at one location: as stored, aligned, merged.
    ShowWeights => LocationWeights;
    /// What one neuron responds to in the texts.
    ShowNeuron => NeuronReport;
    /// How alike adapters are, as stored and aligned.
    ShowSimilarity => Vec<Similarity>;
    /// Loss along the line between two adapters, as stored and aligned.
    ShowLine => LineReport;
    /// Merge adapters into a new one.
    Merge => MergeReport;
    /// Fine-tune on an episode.
    Train => RunReport;
    /// Go on with a run that was paused, or that another worker began.
    Resume => RunReport;
    /// Forget a run.
    ForgetRun => ();
    /// Classify one text with a trained run.
    Predict => Prediction;
    /// A file to keep.
    Export => FileBytes;
    /// What an experiment file says.
    ReadExperiment => ExperimentSheet;
    /// The file of an experiment.
    WriteExperiment => String;
    /// Plan an experiment with what is loaded.
    PlanExperiment => ExperimentCard;
    /// Do runs of the planned experiment.
    RunExperiment => ExperimentRuns;
    /// Rows that a run was judged on.
    ShowTestRows => TestRows;
    /// Which adapters are worth merging, before any training.
    ScoreAdapters => AdapterScores;
    /// What records say together.
    SummarizeRecords => SummaryCard;
    /// A table to keep.
    ExportRecords => FileBytes;
    /// Measure how fast the engine is here.
    Bench => BenchReport;
    /// Several files as one archive.
    Pack => FileBytes;
    /// The files of an archive.
    Unpack => Unpacked;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_survives_the_wire() {
        let request = Request::Run {
            job: JobId(7),
            command: Open { files: vec![FileSource::Bytes(FileBytes { path: "a/b.bin".into(), bytes: vec![0, 255] })] }
                .into(),
        };
        let wire = serde_json::to_string(&request).unwrap();
        assert_eq!(serde_json::to_string(&serde_json::from_str::<Request>(&wire).unwrap()).unwrap(), wire);
    }

    #[test]
    fn every_file_of_the_vocabulary_is_in_its_version() {
        let folder = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/src/protocol")).unwrap();
        let version = include_str!("mod.rs");
        for file in folder {
            let name = file.unwrap().file_name().into_string().unwrap();
            assert!(version.contains(&format!("include_bytes!({name:?})")), "{name}");
        }
        // The published values of FNV-1a.
        assert_eq!([fingerprint(&[]), fingerprint(&[b"foo", b"bar"])], [0x811c_9dc5, 0xbf9c_f968]);
    }

    #[test]
    fn an_answer_belongs_to_its_command() {
        assert!(RemoveAdapter::answer(Outcome::RemoveAdapter(())).is_some());
        assert!(RemoveAdapter::answer(Outcome::Tokenize(vec![])).is_none());
    }
}
