//! Merging adapters: many adapters of one pretrained model in, one adapter out.
//!
//! A method is a [`MergeMethod`]: a [`Card`] that says what it is, and a function from [`Inputs`] and [`Settings`] to
//! [`Merged`]. All methods stand in [`METHODS`]; pickers, forms, the command and the documentation read that list, and
//! one test walks it and holds every method to the laws on its card. A new method is a new file, a line in `METHODS`
//! and a fixture.
//!
//! | file | what it holds |
//! |---|---|
//! | [`mod@method`] | what a method is: card, needs, laws, result |
//! | [`inputs`] | what goes in, checked; the features that adapters see |
//! | [`settings`] | `NAME=VALUE` pairs against a card's parameters |
//! | [`axes`] | which axis of which tensor runs over the neurons |
//! | [`params`] | one location's tensors as `f64` matrices, and the function they are |
//! | [`mod@align`] | matching neurons by optimal transport |
//! | [`linear`], [`mera`], [`mod@concat`] | the methods, one file a family |
//! | [`repair`] | a step that some methods take: each neuron given the spread of those it was made of |
//! | [`fit`] | a step that some methods end with: the up side fitted to the mean of functions |
//! | [`scale`] | the output scale of any merge |
//! | [`compare`] | adapters weight by weight: how alike, and what their average loses |
//! | [`ensemble`] | how far a merge is from the mean of the inputs' functions |
//!
//! Inside, numbers are `f64`; tensors come and go as `f32`. Nothing here is random.

pub mod align;
pub mod axes;
pub mod compare;
pub mod concat;
pub mod ensemble;
pub mod error;
pub mod fit;
pub mod inputs;
pub mod linear;
pub mod mera;
pub mod method;
pub mod params;
pub mod repair;
pub mod scale;
pub mod settings;

pub use align::{AlignOptions, Alignment, By, Stage, WeightFeatures, align};
pub use compare::{Interference, cosine, interference};
pub use ensemble::{EnsembleDistance, ensemble_distance};
pub use error::MergeError;
pub use inputs::{Features, Input, Inputs};
pub use method::{Card, Combines, Law, MergeMethod, Merged, Need};
pub use params::LocationParams;
pub use scale::{Scale, scale_output};
pub use settings::{Parameter, Range, Settings, SettingsError, Value};

/// Every merge method, in the order in which they are shown.
pub const METHODS: &[&dyn MergeMethod] =
    &[&linear::Sum, &linear::Average, &mera::MeraWts, &mera::MeraActs, &concat::Concat, &concat::ConcatReduced];

/// The method called `id`.
///
/// # Errors
/// When there is none; the error names the nearest.
pub fn method(id: &str) -> Result<&'static dyn MergeMethod, MergeError> {
    METHODS.iter().copied().find(|method| method.card().id == id).ok_or_else(|| MergeError::UnknownMethod {
        id: id.to_owned(),
        nearest: settings::nearest(id, METHODS.iter().map(|method| method.card().id)),
    })
}

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests;
