//! burn modules: encoder families, adapters and where they sit, heads, and loading with a report.
//!
//! The pretrained encoder is frozen and shared by all runs. What is trained is small, and stands in [`RunParams`]:
//! every tensor there carries a leading **run axis** R, so that R runs (methods × seeds × learning rates) go through
//! the encoder in one pass, each with its own rows, adapters and head. A single run is R = 1. What the encoder computes
//! before the first adapter is the same for all of them, and computed once a row ([`Encoder::keeping`]).

pub mod adapter;
pub mod bert;
pub mod frozen;
pub mod fusion;
pub mod gated;
mod gelu;
pub mod head;
pub mod lora;
pub mod params;

pub use adapter::{AdapterForm, BottleneckAdapters, NoAdapters, NonLinearity, Recorder, Sublayer};
pub use bert::{BertConfig, Encoder, EncoderInput};
pub use frozen::FrozenAdapter;
pub use fusion::Fusion;
pub use gated::Gated;
pub use head::{Head, HeadActivation};
pub use lora::Lora;
pub use params::{Initializer, RunParams};

use crate::tensors::ShapeError;

/// What became of the tensors of a file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LoadReport {
    /// Tensors that stand in the model now.
    pub applied: Vec<String>,
    /// Tensors of the file that the model has no place for.
    pub unused: Vec<String>,
}

/// Why a model can't be built.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ModelError {
    /// `config.json` is no JSON of the expected shape.
    #[error("config.json: {0}")]
    Config(String),
    /// A file of weights that can't be read.
    #[error("{file}: {error}")]
    Weights {
        /// Its name.
        file: &'static str,
        /// What is wrong with it.
        error: String,
    },
    /// A family of models that is not supported.
    #[error("config.json: model_type is \"{found}\"; supported is \"bert\"")]
    Family {
        /// What the file says.
        found: String,
    },
    /// A setting this implementation does not have.
    #[error("config.json: {field} is {found}; supported is {supported}")]
    Setting {
        /// Name of the field.
        field: &'static str,
        /// Its value.
        found: String,
        /// What would do.
        supported: String,
    },
    /// A tensor that the model needs and the file lacks.
    #[error("tensor {name} is missing")]
    Missing {
        /// As the file would call it.
        name: String,
    },
    /// A tensor of another shape than the config says.
    #[error("tensor {name} has shape {found:?}; config.json asks for {expected:?}")]
    Shape {
        /// As the file calls it.
        name: String,
        /// In the file.
        found: Vec<usize>,
        /// By the config.
        expected: Vec<usize>,
    },
    /// A weight that is no number.
    #[error("model.safetensors: tensor {name} holds {value} at index {index}; weights are finite")]
    NotFinite {
        /// As the file calls it.
        name: String,
        /// NaN or an infinity.
        value: String,
        /// Place in row-major order.
        index: usize,
    },
    /// Values that do not fill a tensor.
    #[error("a tensor can't be made: {0}")]
    Values(#[from] ShapeError),
    /// Parameters of runs that can't be stacked.
    #[error("parameters of runs differ: {name} has shape {left:?} in one and {right:?} in another")]
    Stack {
        /// Canonical name.
        name: String,
        /// In the first run.
        left: Vec<usize>,
        /// In the other.
        right: Vec<usize>,
    },
    /// The encoder's own weights, of more than one run.
    #[error("the encoder itself is trained by one run in a pass, not by {runs}")]
    SeveralRuns {
        /// In the pass.
        runs: usize,
    },
    /// A run that is not among those of a pass.
    #[error("there is no run number {run} in a pass of {runs}")]
    NoRun {
        /// Its place, from 0.
        run: usize,
        /// In the pass.
        runs: usize,
    },
    /// Adapters to be used together that sit in other places, or are of another width.
    #[error("adapters differ: {left}; {right}")]
    Together {
        /// The first adapter, and where it sits.
        left: String,
        /// The other, likewise.
        right: String,
    },
    /// A token, segment or position that its table of embeddings has no row for.
    #[error("there is no row {row} in {table}, which has {rows}")]
    NoRow {
        /// As files call it, without a prefix.
        table: &'static str,
        /// The index, from 0.
        row: u32,
        /// Rows of the table.
        rows: usize,
    },
    /// A sequence longer than the position table.
    #[error("a sequence of {length} tokens is longer than the model's {max}")]
    TooLong {
        /// In tokens.
        length: usize,
        /// `max_position_embeddings`.
        max: usize,
    },
    /// The device did not give an answer.
    #[error("the device failed: {0}")]
    Device(String),
}
