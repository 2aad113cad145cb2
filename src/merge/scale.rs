//! The scale of a merged adapter's output: a setting of every merge, worth as much as the method.
//!
//! Averaging shrinks: neurons that differ cancel, and adapters of different tasks point in different directions. The
//! output of the plain average is well under half of a single adapter's. [`scale_output`] multiplies `W_up` and `b_up` of
//! each location by one number, which changes the amplitude and nothing else.

use super::error::MergeError;
use super::inputs::Inputs;
use super::method::{Combines, Merged};
use super::params::LocationParams;
use crate::tensors::adapter::Location;

/// By what the output of a merge is multiplied, at each location.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Scale {
    /// Nothing.
    #[default]
    None,
    /// What makes its mean square over the tokens of the features the weighted mean of the inputs' mean squares:
    /// `g = √(Σ_i w_i Σ‖A_i(x)‖² / Σ‖merged(x)‖²)`. 1 where the merged output is zero everywhere.
    Keep,
    /// The number N of inputs whose weight is above 0, which makes the mean of functions their sum. A merge that is a sum
    /// already, as that of the method `sum`, stays as it is.
    Sum,
    /// This number.
    Factor(f64),
}

/// Scales `merged`, made from `inputs`; gives the factor of each location.
///
/// # Errors
/// When [`Scale::Keep`] finds no features, a factor is not finite, or a scaled value does not fit in `f32`.
pub fn scale_output(merged: &mut Merged, inputs: &Inputs, scale: Scale) -> Result<Vec<(Location, f64)>, MergeError> {
    let locations = inputs.locations()?;
    let mut factors = Vec::new();
    for location in locations {
        let mut params = LocationParams::read("merged", &merged.params, location)?;
        let factor = match (scale, merged.combines) {
            (Scale::None, _) | (Scale::Sum, Combines::Sum) => 1.0,
            (Scale::Sum, Combines::Mean) => inputs.counted()? as f64,
            (Scale::Factor(factor), _) if factor.is_finite() => factor,
            (Scale::Factor(factor), _) => return Err(MergeError::Scale(factor.to_string())),
            (Scale::Keep, _) => {
                let seen = inputs.features_at(location, "the scale keep")?;
                params.fits(&seen, location)?;
                let have = params.forward(&seen, inputs.activation).norm_squared();
                if have > 0.0 { (inputs.mean_square(location, &seen)? / have).sqrt() } else { 1.0 }
            }
        };
        if factor != 1.0 {
            params.scale_output(factor);
            params.write(&mut merged.params, location)?;
        }
        factors.push((location, factor));
    }
    Ok(factors)
}
