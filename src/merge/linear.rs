//! The plain ones, which take neurons as they are stored: the first of one adapter with the first of the next.
//!
//! With weights `w` that sum to 1 and parameters `θ`, [`Average`] is `Σ w_i θ_i` and [`Sum`] is `N Σ w_i θ_i`: the plain
//! sum where weights are equal (He et al., *MerA: Merging Pretrained Adapters For Few-Shot Learning*, 2023, compare with
//! both).

use super::error::MergeError;
use super::fit::{FIT, RIDGE, fit_if_asked};
use super::inputs::Inputs;
use super::method::{Card, Combines, Law, MergeMethod, Merged, Need};
use super::params::LocationParams;
use super::repair::{Matched, REPAIR, mean_of_matched};
use super::settings::Settings;
use crate::tensors::TensorSet;
use crate::tensors::adapter::Location;

/// `N Σ w_i θ_i`.
#[derive(Clone, Copy, Debug)]
pub struct Sum;

/// `Σ w_i θ_i`.
#[derive(Clone, Copy, Debug)]
pub struct Average;

static SUM: Card = Card {
    id: "sum",
    title: "Sum",
    description: "Adds the parameters up, neuron by neuron as they are stored. Both projections grow with the number \
                  of adapters N, so the output grows with N².",
    paper: "He et al. 2023, arXiv 2308.15982 (SUM)",
    needs: &[Need::EqualBottlenecks],
    parameters: &[],
    presets: &[],
    laws: &[
        Law::SumOfCopiesIsNTimesTheCopy,
        Law::OrderInvariant,
        Law::KeepsShapeOfReference,
        Law::OneWeightGivesThatInput,
    ],
};

static AVERAGE: Card = Card {
    id: "average",
    title: "Average",
    description: "The weighted mean of the parameters, neuron by neuron as they are stored: of neurons that do not \
                  correspond, unless the adapters began from the same initial weights.",
    paper: "He et al. 2023, arXiv 2308.15982 (AVG); average_adapter of the library adapters",
    needs: &[Need::EqualBottlenecks],
    parameters: &[REPAIR, FIT, RIDGE],
    presets: &[],
    laws: &[Law::MergeOfCopiesIsTheCopy, Law::OrderInvariant, Law::KeepsShapeOfReference, Law::OneWeightGivesThatInput],
};

impl MergeMethod for Sum {
    fn card(&self) -> &'static Card {
        &SUM
    }

    fn merge(&self, inputs: &Inputs, _: &Settings) -> Result<Merged, MergeError> {
        let factor = inputs.counted()? as f64;
        let params = neuron_by_neuron(self.card(), inputs, |_, stored| {
            Ok(LocationParams::weighted_sum(stored.iter().map(|one| (factor * one.share, &one.params))))
        })?;
        Ok(Merged { params, alignments: Vec::new(), combines: Combines::Sum })
    }
}

impl MergeMethod for Average {
    fn card(&self) -> &'static Card {
        &AVERAGE
    }

    fn merge(&self, inputs: &Inputs, settings: &Settings) -> Result<Merged, MergeError> {
        let mut params = neuron_by_neuron(self.card(), inputs, |location, stored| {
            mean_of_matched(&stored, inputs, location, settings)
        })?;
        fit_if_asked(&mut params, inputs, settings)?;
        Ok(Merged { params, alignments: Vec::new(), combines: Combines::Mean })
    }
}

/// What `combine` makes of the adapters as stored, at every location.
fn neuron_by_neuron(
    card: &'static Card,
    inputs: &Inputs,
    combine: impl Fn(Location, Vec<Matched>) -> Result<LocationParams, MergeError>,
) -> Result<TensorSet, MergeError> {
    let mut params = TensorSet::new();
    for location in inputs.equal_bottlenecks(card)? {
        let shares = inputs.shares()?.into_iter().enumerate();
        let stored = shares
            .map(|(input, share)| Ok(Matched { share, params: inputs.params(input, location)?, alignment: None }));
        combine(location, stored.collect::<Result<_, MergeError>>()?)?.write(&mut params, location)?;
    }
    Ok(params)
}
