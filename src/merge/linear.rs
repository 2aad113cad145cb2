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
use super::settings::Settings;
use crate::tensors::TensorSet;

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
    laws: &[Law::SumOfCopiesIsNTimesTheCopy, Law::OrderInvariant, Law::KeepsShapeOfReference],
};

static AVERAGE: Card = Card {
    id: "average",
    title: "Average",
    description: "The weighted mean of the parameters, neuron by neuron as they are stored: of neurons that do not \
                  correspond, unless the adapters began from the same initial weights.",
    paper: "He et al. 2023, arXiv 2308.15982 (AVG); average_adapter of the library adapters",
    needs: &[Need::EqualBottlenecks],
    parameters: &[FIT, RIDGE],
    presets: &[],
    laws: &[Law::MergeOfCopiesIsTheCopy, Law::OrderInvariant, Law::KeepsShapeOfReference, Law::OneWeightGivesThatInput],
};

impl MergeMethod for Sum {
    fn card(&self) -> &'static Card {
        &SUM
    }

    fn merge(&self, inputs: &Inputs, _: &Settings) -> Result<Merged, MergeError> {
        linear(self.card(), inputs, Combines::Sum)
    }
}

impl MergeMethod for Average {
    fn card(&self) -> &'static Card {
        &AVERAGE
    }

    fn merge(&self, inputs: &Inputs, settings: &Settings) -> Result<Merged, MergeError> {
        let mut merged = linear(self.card(), inputs, Combines::Mean)?;
        fit_if_asked(&mut merged.params, inputs, settings)?;
        Ok(merged)
    }
}

fn linear(card: &'static Card, inputs: &Inputs, combines: Combines) -> Result<Merged, MergeError> {
    let locations = inputs.equal_bottlenecks(card)?;
    let factor = match combines {
        Combines::Mean => 1.0,
        Combines::Sum => inputs.adapters.len() as f64,
    };
    let shares = inputs.shares()?;
    let mut params = TensorSet::new();
    for location in locations {
        let reference = inputs.params(inputs.reference, location)?;
        let mut merged = LocationParams::zeros(reference.bottleneck(), reference.hidden());
        for (input, share) in shares.iter().enumerate() {
            merged.add(factor * share, &inputs.params(input, location)?);
        }
        merged.write(&mut params, location)?;
    }
    Ok(Merged { params, alignments: Vec::new(), combines })
}
