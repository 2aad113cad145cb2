//! Concatenation: the exact mean of the adapters' functions, in one adapter that is as wide as all of them together; and
//! the same reduced to the neurons that carry most.
//!
//! With weights `w` that sum to 1: `W_down` and `b_down` stacked, `W_up` side by side times `w_i`, `b_up = Σ w_i b_i`. The
//! bottleneck is `Σ m_i`, and the function is `Σ w_i A_i(x)` for every input `x`. LoRA has it as PEFT's `cat`; for
//! bottleneck adapters it is ours.

use nalgebra::DMatrix;

use super::error::MergeError;
use super::fit::{FIT, RIDGE, fit_output};
use super::inputs::Inputs;
use super::method::{Card, Combines, Law, MergeMethod, Merged, Need};
use super::params::{Activation, LocationParams};
use super::settings::{Parameter, Range, Settings, Value};
use crate::tensors::TensorSet;
use crate::tensors::adapter::{Location, Part};

/// The concatenation, whole.
#[derive(Clone, Copy, Debug)]
pub struct Concat;

/// Of the concatenation the neurons that carry most, fitted to the mean of functions.
#[derive(Clone, Copy, Debug)]
pub struct ConcatReduced;

static CONCAT: Card = Card {
    id: "concat",
    title: "Concatenation",
    description: "Puts the adapters' neurons side by side: exactly the mean of the adapters' functions, in an adapter as \
                  wide as all of them together. With scale sum and equal weights, exactly their sum.",
    paper: "MerA Lab",
    needs: &[],
    parameters: &[],
    presets: &[],
    laws: &[Law::MeanOfFunctions, Law::PermutedCopyRecovered, Law::OneWeightGivesThatInput],
};

static CONCAT_REDUCED: Card = Card {
    id: "concat_reduced",
    title: "Concatenation, reduced",
    description: "Keeps of the concatenation only the neurons that carry most on some texts, then fits the up \
                  projection to the mean of the adapters' functions.",
    paper: "MerA Lab; the fit as in RegMean (Jin et al. 2023) and PLeaS (Nasery et al. 2025)",
    needs: &[Need::Reference, Need::Texts],
    parameters: &[
        Parameter {
            name: "bottleneck",
            meaning: "Neurons to keep at each location; 0 for as many as the reference has. Never more than there are",
            range: Range::Integer { min: 0, max: 65_536 },
            default: Value::Integer(0),
        },
        Parameter { default: Value::Flag(true), ..FIT },
        RIDGE,
    ],
    presets: &[],
    laws: &[Law::KeepsShapeOfReference],
};

impl MergeMethod for Concat {
    fn card(&self) -> &'static Card {
        &CONCAT
    }

    fn merge(&self, inputs: &Inputs, _: &Settings) -> Result<Merged, MergeError> {
        merge_locations(inputs, |location| concatenation(inputs, location))
    }
}

impl MergeMethod for ConcatReduced {
    fn card(&self) -> &'static Card {
        &CONCAT_REDUCED
    }

    fn merge(&self, inputs: &Inputs, settings: &Settings) -> Result<Merged, MergeError> {
        let asked = usize::try_from(settings.integer("bottleneck")?).unwrap_or(usize::MAX);
        merge_locations(inputs, |location| {
            let keep = if asked == 0 { inputs.params(inputs.reference, location)?.bottleneck() } else { asked };
            let ridge = if settings.flag(FIT.name)? { Some(settings.number(RIDGE.name)?) } else { None };
            reduce(inputs, location, keep, ridge)
        })
    }
}

/// Of the concatenation of `inputs` the `keep` neurons that carry most on the inputs' features, with a `ridge` fitted to
/// the mean of functions. One that has no more is left as it is.
///
/// # Errors
/// When there are no features, or they do not fit.
pub fn reduce(
    inputs: &Inputs,
    location: Location,
    keep: usize,
    ridge: Option<f64>,
) -> Result<LocationParams, MergeError> {
    let seen = inputs.features_at(location, "the choice of the neurons that carry most")?;
    let whole = concatenation(inputs, location)?;
    if keep >= whole.bottleneck() {
        return Ok(whole); // nothing dropped, nothing to make up for
    }
    let reduced = whole.selected(&carrying_most(&whole, &seen, inputs.activation, keep));
    match ridge {
        Some(ridge) => fit_output(&reduced, inputs, location, ridge),
        None => Ok(reduced),
    }
}

fn merge_locations(
    inputs: &Inputs,
    merge: impl Fn(Location) -> Result<LocationParams, MergeError>,
) -> Result<Merged, MergeError> {
    let mut params = TensorSet::new();
    for location in inputs.locations()? {
        merge(location)?.write(&mut params, location)?;
    }
    Ok(Merged { params, alignments: Vec::new(), combines: Combines::Mean })
}

fn concatenation(inputs: &Inputs, location: Location) -> Result<LocationParams, MergeError> {
    let shares = inputs.shares()?.into_iter().enumerate();
    let parts = shares.map(|(input, share)| Ok((share, inputs.params(input, location)?)));
    Ok(concatenate(&parts.collect::<Result<Vec<_>, MergeError>>()?))
}

/// The adapter whose function is `Σ factor_i A_i(x)`, of bottleneck `Σ m_i`; all of one hidden size. Zero neurons where
/// there are no adapters.
#[must_use]
pub fn concatenate(adapters: &[(f64, LocationParams)]) -> LocationParams {
    let bottleneck = adapters.iter().map(|(_, adapter)| adapter.bottleneck()).sum();
    let hidden = adapters.first().map_or(0, |(_, adapter)| adapter.hidden());
    let mut down = DMatrix::zeros(bottleneck, hidden);
    let mut down_bias = DMatrix::zeros(bottleneck, 1);
    let mut up = DMatrix::zeros(hidden, bottleneck);
    let mut up_bias = DMatrix::zeros(hidden, 1);
    let mut start = 0;
    for (factor, adapter) in adapters {
        let neurons = adapter.bottleneck();
        down.rows_mut(start, neurons).copy_from(adapter.part(Part::DownWeight));
        down_bias.rows_mut(start, neurons).copy_from(adapter.part(Part::DownBias));
        up.columns_mut(start, neurons).copy_from(&(adapter.part(Part::UpWeight) * *factor));
        up_bias += adapter.part(Part::UpBias) * *factor;
        start += neurons;
    }
    LocationParams::zeros(bottleneck, hidden)
        .with(Part::DownWeight, down)
        .with(Part::DownBias, down_bias)
        .with(Part::UpWeight, up)
        .with(Part::UpBias, up_bias)
}

/// The `keep` neurons that carry most on inputs `tokens × d`, in the order in which they stand: mean square of the
/// activation times squared norm of the column of `W_up`. Ties go to the first.
#[must_use]
pub fn carrying_most(params: &LocationParams, seen: &DMatrix<f64>, activation: Activation, keep: usize) -> Vec<usize> {
    let activations = params.pre_activations(seen).map(activation);
    let carried = activations.column_iter().zip(params.part(Part::UpWeight).column_iter());
    let carried: Vec<f64> = carried.map(|(activation, up)| activation.norm_squared() * up.norm_squared()).collect();
    let mut order: Vec<usize> = (0..carried.len()).collect();
    order.sort_by(|a, b| carried[*b].total_cmp(&carried[*a])); // stable
    order.truncate(keep);
    order.sort_unstable();
    order
}
