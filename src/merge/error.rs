//! Why adapters could not be merged.

use thiserror::Error;

use super::settings::SettingsError;
use crate::ot::TransportError;
use crate::tensors::adapter::Location;

/// Why adapters could not be merged. Every message names the adapter or tensor, and both sides of what disagrees.
#[derive(Clone, Debug, PartialEq, Error)]
pub enum MergeError {
    /// An id that no method has.
    #[error("there is no merge method \"{id}\"{}", did_you_mean(.nearest))]
    UnknownMethod {
        /// What was asked for.
        id: String,
        /// The nearest that there is.
        nearest: Option<&'static str>,
    },
    /// A setting that the method does not take.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// Nothing to merge.
    #[error("there is no adapter to merge")]
    NoInputs,
    /// Two inputs with one name.
    #[error("two of the adapters to merge are called \"{0}\"")]
    SameName(String),
    /// The reference is none of the inputs.
    #[error("the reference is adapter {reference} (from 0), but there are only {inputs}")]
    Reference {
        /// Index asked for.
        reference: usize,
        /// Number of inputs.
        inputs: usize,
    },
    /// Not one weight an input.
    #[error("{weights} weights for {inputs} adapters")]
    WeightCount {
        /// Number of weights.
        weights: usize,
        /// Number of inputs.
        inputs: usize,
    },
    /// A weight that is no share.
    #[error("the weight of adapter \"{adapter}\" is {weight}: weights are finite and not negative")]
    Weight {
        /// Whose.
        adapter: String,
        /// The weight.
        weight: f64,
    },
    /// Nothing left to share.
    #[error("the weights sum to {0}: they must sum to a finite number above 0")]
    WeightSum(f64),
    /// A tensor that is no part of a bottleneck adapter.
    #[error("adapter \"{adapter}\" has the tensor {tensor}, which is no part of a bottleneck adapter")]
    UnexpectedTensor {
        /// Whose.
        adapter: String,
        /// Its name.
        tensor: String,
    },
    /// An adapter without any tensors.
    #[error("adapter \"{0}\" has no tensors")]
    Empty(String),
    /// A part missing at a location that has another.
    #[error("adapter \"{adapter}\" has no {tensor}, but other parts of that location")]
    MissingTensor {
        /// Which lacks it.
        adapter: String,
        /// The tensor.
        tensor: String,
    },
    /// A location that one adapter lacks.
    #[error("adapter \"{adapter}\" has nothing at {location}, where adapter \"{other}\" has parameters")]
    MissingLocation {
        /// Which lacks it.
        adapter: String,
        /// The location.
        location: Location,
        /// Which has it.
        other: String,
    },
    /// A tensor that does not fit the other parts of its location.
    #[error("{tensor} of adapter \"{adapter}\" has shape {found:?}, where {expected} fits the other parts")]
    Shape {
        /// Whose.
        adapter: String,
        /// The tensor.
        tensor: String,
        /// Its shape.
        found: Vec<usize>,
        /// What it should have been.
        expected: String,
    },
    /// Adapters of models of different widths.
    #[error("adapters \"{a}\" and \"{b}\" are for different models: at {location} they are {a_size} and {b_size} wide")]
    Hidden {
        /// Where.
        location: Location,
        /// One.
        a: String,
        /// Its width.
        a_size: usize,
        /// The other.
        b: String,
        /// Its width.
        b_size: usize,
    },
    /// A method that pairs neurons as stored was given different numbers of them.
    #[error(
        "{method} needs equal bottlenecks, but at {location} adapter \"{a}\" has {a_size} neurons and \"{b}\" has \
         {b_size}; these methods take both: {}", .able.join(", ")
    )]
    Bottlenecks {
        /// The method.
        method: &'static str,
        /// Where.
        location: Location,
        /// One.
        a: String,
        /// Its neurons.
        a_size: usize,
        /// The other.
        b: String,
        /// Its neurons.
        b_size: usize,
        /// Methods that can.
        able: Vec<&'static str>,
    },
    /// NaN or infinity in an input.
    #[error("{tensor} of adapter \"{adapter}\" holds {value} at index {index}")]
    NotFinite {
        /// Whose.
        adapter: String,
        /// The tensor.
        tensor: String,
        /// Where in it, row-major.
        index: usize,
        /// NaN or an infinity.
        value: f32,
    },
    /// A merged value too large for `f32`.
    #[error("the merged {tensor} holds {value:e} at index {index}, which does not fit in 32 bits")]
    Overflow {
        /// The tensor.
        tensor: String,
        /// Where in it, row-major.
        index: usize,
        /// The value.
        value: f64,
    },
    /// No features, where the method or the scale needs them.
    #[error("{what} needs texts, to see what the adapters do on them, and none were given")]
    NeedsFeatures {
        /// Who needs them.
        what: &'static str,
    },
    /// No features for one location.
    #[error("there are no features for {0}")]
    NoFeaturesAt(Location),
    /// Features that are no tokens × hidden matrix.
    #[error("the features of {location} have shape {shape:?}, where tokens × hidden is expected, both above 0")]
    FeatureShape {
        /// Where.
        location: Location,
        /// Their shape.
        shape: Vec<usize>,
    },
    /// Features of another width.
    #[error("the features of {location} are {features} wide, the adapters {hidden}")]
    FeatureWidth {
        /// Where.
        location: Location,
        /// Width of the features.
        features: usize,
        /// Width of the adapters.
        hidden: usize,
    },
    /// NaN or infinity among the features.
    #[error("the features of {location} hold {value} at token {token}")]
    FeatureNotFinite {
        /// Where.
        location: Location,
        /// Which token.
        token: usize,
        /// NaN or an infinity.
        value: f32,
    },
    /// A text that is no output scale.
    #[error("\"{0}\" is no scale: none, keep, sum or a finite number")]
    Scale(String),
    /// The neurons of a location could not be matched.
    #[error("matching the neurons of adapter \"{adapter}\" at {location}: {source}")]
    Transport {
        /// Whose.
        adapter: String,
        /// Where.
        location: Location,
        /// Why.
        source: TransportError,
    },
}

impl MergeError {
    /// Names of the adapters that it speaks of.
    #[must_use]
    pub fn adapters(&self) -> Vec<&str> {
        match self {
            Self::SameName(adapter)
            | Self::Empty(adapter)
            | Self::Weight { adapter, .. }
            | Self::UnexpectedTensor { adapter, .. }
            | Self::MissingTensor { adapter, .. }
            | Self::Shape { adapter, .. }
            | Self::NotFinite { adapter, .. }
            | Self::Transport { adapter, .. } => vec![adapter],
            Self::MissingLocation { adapter: a, other: b, .. }
            | Self::Hidden { a, b, .. }
            | Self::Bottlenecks { a, b, .. } => vec![a, b],
            _ => Vec::new(),
        }
    }
}

/// `: did you mean "..."?`, or nothing.
#[must_use]
pub fn did_you_mean(nearest: &Option<&'static str>) -> String {
    nearest.map(|name| format!(": did you mean \"{name}\"?")).unwrap_or_default()
}
