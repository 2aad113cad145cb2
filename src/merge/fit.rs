//! The up side fitted to the mean of functions: a closed form, from a few unlabelled texts.
//!
//! Whatever made the down side, `h = σ(X W_downᵀ + b_down)` is given; what it should give is `Ē(X) = Σ_i w_i A_i(X)`. Then
//! `min ‖h W_upᵀ + 1 b_upᵀ − Ē(X)‖² + λ ‖W_up‖²` is a ridge regression, an `m × m` system a location, with `λ` relative
//! to the mean square of a neuron about its mean; the bias is not penalised. The idea is that of RegMean (Jin et al.,
//! *Dataless Knowledge Fusion by Merging Weights of Language Models*, 2023) and PLeaS (Nasery et al., 2025).

use nalgebra::DMatrix;

use super::error::MergeError;
use super::inputs::Inputs;
use super::params::LocationParams;
use super::settings::{Parameter, Range, Settings, Value};
use crate::tensors::TensorSet;
use crate::tensors::adapter::{Location, Part};

/// Whether a method ends with [`fit_output`]. Off where a card says nothing else.
pub const FIT: Parameter = Parameter {
    name: "fit",
    meaning: "Whether the up projection is fitted to the mean of the inputs' functions on the texts, by ridge regression",
    range: Range::Flag,
    default: Value::Flag(false),
};

/// The penalty where settings give no other, in units of [`RIDGE`].
pub const DEFAULT_RIDGE: f64 = 1e-3;

/// Its penalty.
pub const RIDGE: Parameter = Parameter {
    name: "ridge",
    meaning: "Penalty of the fit, as a share of the mean square of a neuron's activation about its mean",
    range: Range::Number { min: 1e-9, max: 1e3 },
    default: Value::Number(DEFAULT_RIDGE),
};

/// Fits the up side of `params` at every location if `settings` ask for it.
///
/// # Errors
/// As [`fit_output`].
pub(super) fn fit_if_asked(params: &mut TensorSet, inputs: &Inputs, settings: &Settings) -> Result<(), MergeError> {
    if settings.flag(FIT.name)? {
        for location in inputs.locations()? {
            let merged = LocationParams::read("merged", params, location)?;
            fit_output(&merged, inputs, location, settings.number(RIDGE.name)?)?.write(params, location)?;
        }
    }
    Ok(())
}

/// `merged` with the up side that comes nearest to the weighted mean of the functions of `inputs` over their features at
/// `location`; `ridge` is the penalty relative to the mean square of a neuron about its mean.
///
/// # Errors
/// When there are no features, or they do not fit.
pub fn fit_output(
    merged: &LocationParams,
    inputs: &Inputs,
    location: Location,
    ridge: f64,
) -> Result<LocationParams, MergeError> {
    let seen = inputs.features_at(location, "the fit to the mean of functions")?;
    merged.fits(&seen, location)?;
    let mut wanted = inputs.mean_of_functions(location, &seen)?;
    let mut hidden = merged.pre_activations(&seen).map(inputs.activation);
    let (hidden_mean, wanted_mean) = (center(&mut hidden), center(&mut wanted));
    let mut gram = hidden.tr_mul(&hidden);
    let penalty = ridge * gram.trace() / gram.nrows() as f64;
    for neuron in 0..gram.nrows() {
        gram[(neuron, neuron)] += penalty;
    }
    // Without a factor, the neurons are constant on all texts: only the bias is left to fit.
    let up = match gram.cholesky() {
        Some(factor) => factor.solve(&hidden.tr_mul(&wanted)),
        None => DMatrix::zeros(hidden.ncols(), wanted.ncols()),
    };
    let bias = wanted_mean - hidden_mean * &up;
    Ok(merged.clone().with(Part::UpWeight, up.transpose()).with(Part::UpBias, bias.transpose()))
}

/// Takes the mean of each column off, and gives the means as a row.
fn center(matrix: &mut DMatrix<f64>) -> DMatrix<f64> {
    let mean = DMatrix::from_rows(&[matrix.row_mean()]);
    for (mut column, mean) in matrix.column_iter_mut().zip(mean.iter()) {
        column.add_scalar_mut(-mean);
    }
    mean
}
