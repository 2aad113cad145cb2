//! An experiment: methods × targets × shots × seeds, each run named by the hash of all that determines it.
//!
//! | file | what it holds |
//! |---|---|
//! | [`spec`] | the experiment file: targets, adapters, methods, variants, training |
//! | `sets` | which adapters are used for a target |
//! | [`method`] | what a method of the comparison is |
//! | [`check`] | what is wrong with a specification, in a line that names it |
//! | [`plan`] | the grid: its runs in order, with their hashes |
//! | [`record`] | what a finished run leaves, one line of JSON |
//! | [`summary`] | means, deviations, paired differences with intervals, wins and losses |
//! | [`report`] | the summary and the records as files: Markdown, LaTeX, CSV |
//! | [`score`] | which adapters are worth merging, before any training |
//!
//! Nothing here trains, reads a file or looks at a clock: the engine runs what is planned, and whoever runs the engine
//! keeps the records.

pub mod check;
pub mod method;
pub mod plan;
pub mod record;
pub mod report;
pub mod score;
mod sets;
pub mod spec;
pub mod summary;

pub use check::SpecError;
pub use method::Kind;
pub use plan::{Identities, Plan, PlannedRun, Work};
pub use record::{Budget, Reading, Record, RecordError, UsedAdapter};
pub use spec::{
    AdapterEntry, Experiment, ScaleSetting, SetValue, TargetEntry, Tracks, TrainedPart, Training, Variant,
    WeightsSetting,
};
pub use summary::{Summary, summarize};
