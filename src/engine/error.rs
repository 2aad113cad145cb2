//! Everything that can go wrong when a command is carried out.

use super::{Cancelled, one_line};
use crate::experiment::score::ScoreError;
use crate::experiment::{RecordError, SpecError};
use crate::format;
use crate::merge::MergeError;
use crate::model::ModelError;
use crate::protocol::{AdapterId, DataId, Failure, FailureKind, RunId};
use crate::text::{DataError, EpisodeError, TokenizerError};
use crate::train::TrainError;

/// What keeps an adapter that can be read from being run.
#[derive(Debug, thiserror::Error)]
#[error("the {what} {found} is not run here; supported is {supported}")]
pub struct FormError {
    /// What of it.
    pub what: &'static str,
    /// By its configuration.
    pub found: String,
    /// What would do.
    pub supported: String,
}

/// Why a command has no answer.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// Asked to stop.
    #[error(transparent)]
    Cancelled(#[from] Cancelled),
    /// A file.
    #[error("{0}")]
    File(#[from] format::Problem),
    /// Writing one.
    #[error("{0}")]
    Format(#[from] format::FormatError),
    /// The model's file.
    #[error("{path}: {error}")]
    Plm {
        /// The folder or file.
        path: String,
        /// What is wrong with it.
        error: ModelError,
    },
    /// The model at work.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// A text.
    #[error(transparent)]
    Tokenizer(#[from] TokenizerError),
    /// A data set.
    #[error(transparent)]
    Data(#[from] DataError),
    /// An episode.
    #[error(transparent)]
    Episode(#[from] EpisodeError),
    /// A merge.
    #[error(transparent)]
    Merge(#[from] MergeError),
    /// A run.
    #[error(transparent)]
    Train(#[from] TrainError),
    /// An experiment.
    #[error(transparent)]
    Experiment(Box<SpecError>),
    /// A score before training.
    #[error(transparent)]
    Score(Box<ScoreError>),
    /// Records.
    #[error("records: {0}")]
    Records(#[from] RecordError),
    /// Runs of an experiment were asked for, and none is planned.
    #[error("no experiment is planned yet")]
    NoExperiment,
    /// A run that is none of the experiment's.
    #[error("the experiment has no run {0}")]
    NoPlannedRun(String),
    /// A run that trains nothing of its own has nothing to start from.
    #[error("{0} trains nothing of its own")]
    NothingTrained(String),
    /// A test row that is not there.
    #[error("the run has {rows} test rows; there is no number {place}")]
    NoTestRow {
        /// What was asked for, from 0.
        place: usize,
        /// How many there are.
        rows: usize,
    },
    /// Something else is loaded than the experiment names.
    #[error("the experiment names {asked} {what}; {given} are given")]
    Parts {
        /// Of what kind.
        what: &'static str,
        /// In the file.
        asked: usize,
        /// Handed in.
        given: usize,
    },
    /// The data of a target.
    #[error("target {target}: {error}")]
    Target {
        /// Its name in the experiment.
        target: String,
        /// What is wrong with them.
        error: Box<EngineError>,
    },
    /// A target without a test file of which the examples take every row.
    #[error("{data}: k = {k} takes all {rows} rows, and none is left to test on")]
    NoTest {
        /// Name of the data set.
        data: String,
        /// Examples a class to train on; as many to choose on.
        k: usize,
        /// Of the data set.
        rows: usize,
    },
    /// A target whose test file holds what its train file does.
    #[error(
        "test = \"{test}\" holds the very rows of train = \"{train}\", and a test is of rows not learned from; without test, what \
         the examples leave of train is tested on"
    )]
    TestIsTrain {
        /// As the experiment names it.
        train: String,
        /// As the experiment names it.
        test: String,
    },
    /// No PLM is loaded.
    #[error("no language model is loaded yet")]
    NoPlm,
    /// The files of a model are incomplete.
    #[error("{name}: a language model needs config.json, tokenizer.json and model.safetensors; there is no {missing}")]
    IncompletePlm {
        /// Name of the model.
        name: String,
        /// The file.
        missing: &'static str,
    },
    /// An adapter that does not fit the PLM.
    #[error(
        "adapter {adapter} is for {adapter_width} wide hidden states and {adapter_layers} layers; {plm} has {width} and {layers}"
    )]
    OtherPlm {
        /// Name of the adapter.
        adapter: String,
        /// Its width.
        adapter_width: usize,
        /// Its layers.
        adapter_layers: usize,
        /// Name of the PLM.
        plm: String,
        /// Its width.
        width: usize,
        /// Its layers.
        layers: usize,
    },
    /// An adapter of another family of PLMs.
    #[error("adapter {adapter} is for a {adapter_family} model; {plm} is a {family} model")]
    OtherFamily {
        /// Name of the adapter.
        adapter: String,
        /// `model_type` of its PLM.
        adapter_family: String,
        /// Name of the PLM.
        plm: String,
        /// Its `model_type`.
        family: String,
    },
    /// A new adapter wider than the PLM, or of no width.
    #[error("a bottleneck of {bottleneck} is out of range: {plm} is {hidden} wide, so it is 1 to {hidden}")]
    Bottleneck {
        /// What was asked for.
        bottleneck: usize,
        /// Name of the PLM.
        plm: String,
        /// Width of its hidden states.
        hidden: usize,
    },
    /// An adapter that is not (or no longer) loaded.
    #[error("there is no adapter number {}", .0.0)]
    NoAdapter(AdapterId),
    /// A data set that is not loaded.
    #[error("there is no data set number {}", .0.0)]
    NoData(DataId),
    /// A run that is not there.
    #[error("there is no run number {}", .0.0)]
    NoRun(RunId),
    /// A name that another adapter has.
    #[error("another adapter is called {0}")]
    NameTaken(String),
    /// A name that a file can't bear.
    #[error(
        "\"{0}\" can't be the name of an adapter: letters, digits, - and _ only, 1 to 64 of them, and no word of torch's modules"
    )]
    BadName(String),
    /// A location that an adapter does not have.
    #[error("adapter {adapter} has nothing at {location}")]
    NoLocation {
        /// Name of the adapter.
        adapter: String,
        /// What was asked for.
        location: String,
    },
    /// A neuron that an adapter does not have.
    #[error("adapter {adapter} has {count} neurons at {location}; there is no number {neuron}")]
    NoNeuron {
        /// Name of the adapter.
        adapter: String,
        /// Where.
        location: String,
        /// What was asked for.
        neuron: usize,
        /// How many there are.
        count: usize,
    },
    /// An adapter of a kind that the model does not compute.
    #[error("adapter {adapter}: {error}")]
    Form {
        /// Name of the adapter.
        adapter: String,
        /// What of it.
        error: FormError,
    },
    /// Adapters that compute differently, of which no one adapter can be made.
    #[error("adapter {a} has {a_form}, {b} has {b_form}; adapters that are aligned or merged have the same")]
    OtherForm {
        /// One.
        a: String,
        /// Its non-linearity and scaling.
        a_form: String,
        /// The other.
        b: String,
        /// Its non-linearity and scaling.
        b_form: String,
    },
    /// A run without an adapter has none to write.
    #[error("run {0} has trained a head and no adapter; only adapters are written")]
    HeadAlone(String),
    /// No numbers come out with an adapter in the model.
    #[error("with adapter {adapter} in it the model gives {value} {place}")]
    NotFinite {
        /// Name of the adapter.
        adapter: String,
        /// NaN or an infinity.
        value: f32,
        /// Such as `on line 3 of data.tsv`.
        place: String,
    },
    /// An adapter without a head can't answer.
    #[error("adapter {0} has no prediction head to answer with")]
    NoHead(String),
    /// Texts are needed and none are given.
    #[error("{0} needs texts: a few-shot task, or lines of your own")]
    NoTexts(&'static str),
    /// Test and training data disagree.
    #[error("{test}: {error}")]
    Labels {
        /// Name of the test set.
        test: String,
        /// What is wrong.
        error: String,
    },
    /// A run that is not finished has nothing to give.
    #[error("run {0} has not finished an epoch yet")]
    Unfinished(String),
    /// What the caller should have fetched.
    #[error("{0} has not been fetched")]
    NotFetched(String),
    /// The device can't be had.
    #[error("{0}")]
    Device(String),
    /// A checkpoint that can't be read.
    #[error("the checkpoint can't be read: {0}")]
    Checkpoint(String),
}

impl EngineError {
    /// Names of the adapters to merge, align or run that it speaks of.
    #[must_use]
    pub fn adapters(&self) -> Vec<&str> {
        match self {
            Self::Merge(error) => error.adapters(),
            Self::OtherForm { a, b, .. } => vec![a, b],
            Self::NotFinite { adapter, .. } => vec![adapter],
            _ => Vec::new(),
        }
    }

    /// Whether it concerns everything that would follow, and not only the run that met it.
    #[must_use]
    pub fn stops_all(&self) -> bool {
        match self {
            Self::Cancelled(_) | Self::Device(_) => true,
            Self::Model(error) | Self::Train(TrainError::Model(error)) => matches!(error, ModelError::Device(_)),
            _ => false,
        }
    }
}

impl From<SpecError> for EngineError {
    fn from(error: SpecError) -> Self {
        Self::Experiment(Box::new(error))
    }
}

impl From<ScoreError> for EngineError {
    fn from(error: ScoreError) -> Self {
        Self::Score(Box::new(error))
    }
}

impl From<EngineError> for Failure {
    fn from(error: EngineError) -> Self {
        let kind = match &error {
            EngineError::Cancelled(_) => FailureKind::Cancelled,
            EngineError::NotFetched(_) => FailureKind::Network,
            EngineError::Model(ModelError::Device(_))
            | EngineError::Train(TrainError::Model(ModelError::Device(_))) => FailureKind::Internal,
            _ => FailureKind::Input,
        };
        Failure { kind, message: one_line(error) }
    }
}
