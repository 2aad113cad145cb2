//! Matching the neurons of adapters by optimal transport, location by location.
//!
//! For an input and the reference, with `m_i` and `m_r` neurons: cost `C` (`m_i × m_r`) between what describes each
//! neuron ([`By`]), uniform marginals, plan `T`; then every part is moved along its neuron axis
//! ([`super::axes::NEURON_AXES`]): `W_down' = T̂ᵀ W_down`, `b_down' = T̂ᵀ b_down` with `T̂` normalised by column, and
//! `W_up' = W_up T̃` with `T̃` normalised by row. With equal sizes and an exact plan both are one permutation, and the
//! aligned input has the function it had. (Singh and Jaggi, *Model Fusion via Optimal Transport*, 2020; for a bottleneck
//! adapter both hidden ends are tied to the frozen encoder, so nothing is transported there.)

use nalgebra::DMatrix;

use super::error::MergeError;
use super::inputs::Inputs;
use super::params::LocationParams;
use crate::ot::{CostOptions, Problem, Solver, Solving, TransportError, TransportSolution, cost_matrix};
use crate::tensors::adapter::{Location, Part};

/// What neurons are compared by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// Their weights.
    Weights(WeightFeatures),
    /// What they do on the inputs' features: a vector with an entry a token.
    Activations(Stage),
}

/// Which weights describe a neuron.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WeightFeatures {
    /// Its row of `[W_down | b_down]`.
    #[default]
    Incoming,
    /// That, and its column of `W_up`.
    Both,
}

/// Which activations describe a neuron.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Stage {
    /// Before the non-linearity, which hides half of what tells neurons apart.
    #[default]
    Pre,
    /// After it.
    Post,
}

/// How neurons are compared and matched.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct AlignOptions {
    /// How far apart two neurons are.
    pub cost: CostOptions,
    /// How the transport problem is solved.
    pub solver: Solver,
}

/// One input aligned to the reference at one location.
#[derive(Clone, Debug, PartialEq)]
pub struct Alignment {
    /// Index of the input.
    pub input: usize,
    /// Where.
    pub location: Location,
    /// From each neuron of the input (row) to each of the reference (column).
    pub cost: DMatrix<f64>,
    /// The plan, of mass 1.
    pub solution: TransportSolution,
    /// Mean cost of the neurons paired as stored; `None` where there are not as many on both sides.
    pub cost_before: Option<f64>,
    /// Mean cost under the plan.
    pub cost_after: f64,
    /// Share of the plan's mass on the diagonal: 1 when aligned as stored, `1/m` by chance; `None` as above.
    pub diagonal_share: Option<f64>,
    /// The input's parameters, moved onto the reference's neurons.
    pub aligned: LocationParams,
}

/// Aligns every input but the reference to it, at every location; ordered by input, then location.
///
/// # Errors
/// When the inputs do not fit each other, or features are needed and missing.
pub fn align(inputs: &Inputs, by: By, options: &AlignOptions) -> Result<Vec<Alignment>, MergeError> {
    let locations = inputs.locations()?;
    let others = (0..inputs.adapters.len()).filter(|input| *input != inputs.reference);
    others
        .flat_map(|input| locations.iter().map(move |location| (input, *location)))
        .map(|(input, location)| align_location(inputs, input, location, by, options))
        .collect()
}

/// One step of [`align`]: one input at one location of [`Inputs::locations`].
///
/// # Errors
/// When a tensor or needed features are missing, or a solver's setting is out of range.
pub fn align_location(
    inputs: &Inputs,
    input: usize,
    location: Location,
    by: By,
    options: &AlignOptions,
) -> Result<Alignment, MergeError> {
    let mut aligning = Aligning::start(inputs, input, location, by, options)?;
    while aligning.advance() {}
    Ok(aligning.into_alignment())
}

/// [`align_location`] at work: it can be left between two pieces.
#[derive(Clone, Debug)]
pub struct Aligning {
    input: usize,
    location: Location,
    params: LocationParams,
    cost: DMatrix<f64>,
    solving: Solving,
}

impl Aligning {
    /// # Errors
    /// As [`align_location`].
    pub fn start(
        inputs: &Inputs,
        input: usize,
        location: Location,
        by: By,
        options: &AlignOptions,
    ) -> Result<Self, MergeError> {
        let params = inputs.params(input, location)?;
        let reference = inputs.params(inputs.reference, location)?;
        let [source, target] = match by {
            By::Weights(weights) => [&params, &reference].map(|params| weight_features(params, weights)),
            By::Activations(stage) => {
                let seen = inputs.features_at(location, "alignment by activations")?;
                [&params, &reference].map(|params| {
                    let activations = params.pre_activations(&seen).transpose();
                    match stage {
                        Stage::Pre => activations,
                        Stage::Post => activations.map(inputs.activation),
                    }
                })
            }
        };
        let start = || -> Result<_, TransportError> {
            let problem = Problem::uniform(cost_matrix(&source, &target, options.cost)?)?;
            Ok((problem.cost().clone(), options.solver.start(problem)?))
        };
        let (cost, solving) = start().map_err(|source| {
            let adapter = inputs.adapters.get(input).map(|input| input.name.to_owned()).unwrap_or_default();
            MergeError::Transport { adapter, location, source }
        })?;
        Ok(Self { input, location, params, cost, solving })
    }

    /// Goes on for a small part of a second; whether there is more to do.
    pub fn advance(&mut self) -> bool {
        self.solving.advance()
    }

    /// What was found so far.
    #[must_use]
    pub fn into_alignment(self) -> Alignment {
        let Self { input, location, params, cost, solving } = self;
        let solution = solving.into_solution();
        Alignment {
            input,
            location,
            cost_before: cost.is_square().then(|| cost.diagonal().mean()),
            cost_after: solution.cost,
            diagonal_share: solution.diagonal_share(),
            aligned: params.moved(&solution),
            cost,
            solution,
        }
    }
}

/// A row a neuron: `[W_down | b_down]`, or `[W_down | b_down | W_upᵀ]`.
fn weight_features(params: &LocationParams, weights: WeightFeatures) -> DMatrix<f64> {
    let up = params.part(Part::UpWeight).transpose();
    let (down, bias) = (params.part(Part::DownWeight), params.part(Part::DownBias));
    let columns = down.column_iter().chain(bias.column_iter());
    match weights {
        WeightFeatures::Incoming => DMatrix::from_columns(&columns.collect::<Vec<_>>()),
        WeightFeatures::Both => DMatrix::from_columns(&columns.chain(up.column_iter()).collect::<Vec<_>>()),
    }
}
