//! Repair: each neuron of a merge given the spread that the neurons it was made of have.
//!
//! A mean of neurons that differ varies less than they do, and what varies less passes the non-linearity otherwise. So
//! each row of the down side is scaled and its bias shifted until the neuron's pre-activations over some texts have the
//! weighted mean of the inputs' means and of their standard deviations (REPAIR: Jordan et al., *REPAIR: REnormalizing
//! Permuted Activations for Interpolation Repair*, 2023, equations 1 and 2, for a network of one hidden layer).

use nalgebra::DMatrix;

use super::error::MergeError;
use super::inputs::Inputs;
use super::params::LocationParams;
use super::settings::{Parameter, Range, Settings, Value};
use crate::tensors::adapter::{Location, Part};

/// Whether a method's mean of neurons goes through [`repair`]. Off where a card says nothing else.
pub const REPAIR: Parameter = Parameter {
    name: "repair",
    meaning: "Whether each merged neuron is given the mean and the standard deviation, over the texts, that the neurons \
              it was made of have before the non-linearity",
    range: Range::Flag,
    default: Value::Flag(false),
};

/// The mean of `matched`, adapters at `location` whose neurons correspond, each with its share (they sum to 1), and
/// repaired if `settings` ask for it.
///
/// # Errors
/// As [`repair`].
pub(super) fn mean_of_matched(
    matched: &[(f64, LocationParams)],
    inputs: &Inputs,
    location: Location,
    settings: &Settings,
) -> Result<LocationParams, MergeError> {
    let mean = LocationParams::weighted_sum(matched);
    if settings.flag(REPAIR.name)? { repair(&mean, matched, inputs, location) } else { Ok(mean) }
}

/// `merged`, which was made of `matched` neuron by neuron, with the pre-activations' means and deviations over the
/// features of `inputs` at `location` that those have by their shares. A neuron that never varies is shifted alone.
///
/// # Errors
/// When there are no features, or they do not fit.
pub fn repair(
    merged: &LocationParams,
    matched: &[(f64, LocationParams)],
    inputs: &Inputs,
    location: Location,
) -> Result<LocationParams, MergeError> {
    let seen = inputs.features_at(location, "the repair of neurons")?;
    merged.fits(&seen, location)?;
    let neurons = merged.bottleneck();
    let (mut wanted_mean, mut wanted_deviation) = (vec![0.0; neurons], vec![0.0; neurons]);
    for (share, params) in matched {
        for (neuron, (mean, deviation)) in moments(&params.pre_activations(&seen)).enumerate() {
            wanted_mean[neuron] += share * mean;
            wanted_deviation[neuron] += share * deviation;
        }
    }
    let (mut weight, mut bias) = (merged.part(Part::DownWeight).clone(), merged.part(Part::DownBias).clone());
    for (neuron, (mean, deviation)) in moments(&merged.pre_activations(&seen)).enumerate() {
        let factor = if deviation > 0.0 { wanted_deviation[neuron] / deviation } else { 1.0 };
        weight.row_mut(neuron).scale_mut(factor);
        bias[neuron] = (bias[neuron] - mean) * factor + wanted_mean[neuron];
    }
    Ok(merged.clone().with(Part::DownWeight, weight).with(Part::DownBias, bias))
}

/// Mean and standard deviation of each column.
fn moments(columns: &DMatrix<f64>) -> impl Iterator<Item = (f64, f64)> {
    columns.column_iter().map(|column| (column.mean(), column.variance().sqrt()))
}
