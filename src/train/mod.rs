//! Few-shot fine-tuning of adapters and heads on a frozen encoder: a step, a run with its record, schedule, metrics.
//!
//! Everything carries the run axis of [`RunParams`](crate::model::RunParams): R runs go through one forward and one
//! backward pass, each with its own rows, loss, learning rate and random numbers, so that a run gives the same numbers
//! alone or among others.

pub mod evaluation;
pub mod metrics;
pub mod optimizer;
pub mod run;
pub mod runs;
pub mod schedule;
pub mod settings;
pub mod trainer;

pub use evaluation::{Answer, EVALUATION_ROWS, Evaluation, evaluate};
pub use metrics::{Confusion, Scores};
pub use optimizer::{AdamW, AdamWConfig};
pub use run::{FewShotRun, Snapshot};
pub use runs::{Best, FewShotRuns, RunStart, RunStatus, StepReport};
pub use schedule::LinearSchedule;
pub use settings::{Batching, RunData, RunSettings, Trained};
pub use trainer::{Architecture, Body, GATE_RATE, LabelledInput, Step, Trainer};

use crate::model::ModelError;
use crate::text::BatchError;

/// Why training can't go on.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum TrainError {
    /// The model.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// The rows.
    #[error(transparent)]
    Batch(#[from] BatchError),
    /// There is nothing to learn from, or to judge by.
    #[error("{0} has no labelled rows")]
    NoRows(&'static str),
    /// A setting outside its range.
    #[error("{name} is {value}; it must be {range}")]
    Setting {
        /// Its name.
        name: &'static str,
        /// What was given.
        value: f64,
        /// What it may be.
        range: &'static str,
    },
    /// Runs that can't go through the encoder in one pass.
    #[error("runs of one pass differ in more than examples, weights, seed and learning rate")]
    Together,
    /// The loss is no number any more.
    #[error("the loss of step {step} is {loss}; a lower learning rate may help")]
    Diverged {
        /// From 1.
        step: usize,
        /// NaN or infinite.
        loss: f32,
    },
    /// A checkpoint of another run.
    #[error("the checkpoint does not belong to this run: {0}")]
    Checkpoint(String),
}
