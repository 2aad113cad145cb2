//! Repair: each neuron of a merge given the spread that the neurons it was made of have.
//!
//! A mean of neurons that differ varies less than they do, and what varies less passes the non-linearity otherwise. So
//! each row of the down side is scaled and its bias shifted until the neuron's pre-activations over some texts have the
//! weighted mean of the inputs' means and of their standard deviations (REPAIR: Jordan et al., *REPAIR: REnormalizing
//! Permuted Activations for Interpolation Repair*, 2023, equations 1 and 2, for a network of one hidden layer).

use nalgebra::{DMatrix, DVector};

use super::align::Alignment;
use super::error::MergeError;
use super::inputs::Inputs;
use super::params::LocationParams;
use super::settings::{Parameter, Range, Settings, Value};
use crate::ot::Share;
use crate::tensors::adapter::{Location, Part};

/// Whether a method's mean of neurons goes through [`repair`]. Off where a card says nothing else.
pub const REPAIR: Parameter = Parameter {
    name: "repair",
    meaning: "Whether each merged neuron is given the mean and the standard deviation, over the texts, that the neurons \
              it was made of have before the non-linearity",
    range: Range::Flag,
    default: Value::Flag(false),
};

/// An input whose neurons stand where the merge's do.
#[derive(Clone, Debug)]
pub struct Matched<'a> {
    /// Its share of the merge; all of them sum to 1.
    pub share: f64,
    /// Its parameters at one location, moved onto the merge's neurons.
    pub params: LocationParams,
    /// What moved it there; nothing where its neurons stand as they are stored.
    pub alignment: Option<&'a Alignment>,
}

/// The mean of `matched`, repaired if `settings` ask for it.
///
/// # Errors
/// As [`repair`].
pub(super) fn mean_of_matched(
    matched: &[Matched],
    inputs: &Inputs,
    location: Location,
    settings: &Settings,
) -> Result<LocationParams, MergeError> {
    let mean = LocationParams::weighted_sum(matched.iter().map(|one| (one.share, &one.params)));
    if settings.flag(REPAIR.name)? { repair(&mean, matched, inputs, location) } else { Ok(mean) }
}

/// `merged`, which was made of `matched` neuron by neuron, with the pre-activations' means and deviations over the
/// features of `inputs` at `location` that the neurons have that went into it, by their shares and by the plans: a soft
/// plan's mean of neurons has itself lost spread already. A neuron that never varies is shifted alone.
///
/// # Errors
/// When there are no features, or they do not fit.
pub fn repair(
    merged: &LocationParams,
    matched: &[Matched],
    inputs: &Inputs,
    location: Location,
) -> Result<LocationParams, MergeError> {
    let seen = inputs.features_at(location, "the repair of neurons")?;
    merged.fits(&seen, location)?;
    let neurons = merged.bottleneck();
    let (mut wanted_mean, mut wanted_deviation) = (DVector::zeros(neurons), DVector::zeros(neurons));
    for Matched { share, params, alignment } in matched {
        let moved = params.pre_activations(&seen);
        wanted_mean += means(&moved) * *share;
        wanted_deviation += *share
            * match alignment {
                Some(Alignment { input, solution, .. }) => {
                    let stored = inputs.params(*input, location)?.pre_activations(&seen);
                    solution.target_from_source(Share::Mean) * deviations(&stored)
                }
                None => deviations(&moved),
            };
    }
    let (mut weight, mut bias) = (merged.part(Part::DownWeight).clone(), merged.part(Part::DownBias).clone());
    let pre_activations = merged.pre_activations(&seen);
    let (mean, deviation) = (means(&pre_activations), deviations(&pre_activations));
    for neuron in 0..neurons {
        let factor = if deviation[neuron] > 0.0 { wanted_deviation[neuron] / deviation[neuron] } else { 1.0 };
        weight.row_mut(neuron).scale_mut(factor);
        bias[neuron] = (bias[neuron] - mean[neuron]) * factor + wanted_mean[neuron];
    }
    Ok(merged.clone().with(Part::DownWeight, weight).with(Part::DownBias, bias))
}

/// Of each column.
fn means(columns: &DMatrix<f64>) -> DVector<f64> {
    columns.row_mean_tr()
}

/// Standard deviation of each column.
fn deviations(columns: &DMatrix<f64>) -> DVector<f64> {
    columns.row_variance_tr().map(f64::sqrt)
}
