//! How far a merged adapter is from the mean of the functions that it was made from.
//!
//! `Ē(x) = Σ_i w_i A_i(x)` is what merging tries to keep in one adapter. It needs no labels and no training. Three
//! numbers a location, over the tokens of the inputs' features, tell apart the two kinds of harm that averaging does: it
//! shrinks (amplitude `a`) and it turns (cosine `c`); the relative error is `a² − 2ac + 1`.

use super::error::MergeError;
use super::inputs::Inputs;
use super::params::LocationParams;
use crate::tensors::TensorSet;
use crate::tensors::adapter::Location;

/// Distance of a merged adapter from the mean of functions at one location.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct EnsembleDistance {
    /// Where.
    pub location: Location,
    /// `Σ‖merged(x) − Ē(x)‖² / Σ‖Ē(x)‖²`: 0 for the same function, 1 for no adapter at all.
    pub relative_error: f64,
    /// Root mean square of the merged output over that of the mean of functions.
    pub amplitude: f64,
    /// Root mean square of the merged output over that of the inputs' outputs, which is the larger.
    pub amplitude_of_inputs: f64,
    /// `Σ⟨merged(x), Ē(x)⟩ / √(Σ‖merged(x)‖² Σ‖Ē(x)‖²)`: 1 when only the scale differs. 0 where the merged output is
    /// zero everywhere.
    pub cosine: f64,
}

/// The distance of `merged` from the mean of functions of `inputs` over the inputs' features, location by location; those
/// where that mean is zero everywhere, so that there is nothing to be near to, are left out.
///
/// # Errors
/// When the inputs do not fit each other, there are no features, or `merged` does not fit the inputs.
pub fn ensemble_distance(merged: &TensorSet, inputs: &Inputs) -> Result<Vec<EnsembleDistance>, MergeError> {
    let locations = inputs.locations()?.into_iter();
    locations.filter_map(|location| at(merged, inputs, location).transpose()).collect()
}

fn at(merged: &TensorSet, inputs: &Inputs, location: Location) -> Result<Option<EnsembleDistance>, MergeError> {
    let seen = inputs.features_at(location, "the distance to the ensemble of functions")?;
    let merged = LocationParams::read("merged", merged, location)?;
    merged.fits(&seen, location)?;
    let output = merged.forward(&seen, inputs.activation);
    let mean = inputs.mean_of_functions(location, &seen)?;
    let inputs_square = inputs.mean_square(location, &seen)?;
    let (square, mean_square) = (output.norm_squared(), mean.norm_squared());
    Ok((mean_square > 0.0).then(|| EnsembleDistance {
        location,
        relative_error: (&output - &mean).norm_squared() / mean_square,
        amplitude: (square / mean_square).sqrt(),
        amplitude_of_inputs: (square / inputs_square).sqrt(),
        cosine: if square > 0.0 { output.dot(&mean) / (square * mean_square).sqrt() } else { 0.0 },
    }))
}
