//! Which axis of which tensor runs over the neurons of a location.
//!
//! Only the bottleneck may be permuted: both hidden ends are tied to the frozen encoder. Whatever reorders, mixes or
//! counts neurons reads this table (the counterpart of Git Re-Basin's `PermutationSpec`), so a tensor kind that later
//! shares the neurons is a row here and nothing else.

use crate::ot::Share;
use crate::tensors::adapter::Part;

/// How a tensor takes part when neurons are moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NeuronAxis {
    /// The tensor.
    pub part: Part,
    /// Its axis that runs over the neurons, and how a plan that splits or joins neurons is shared along it; `None` for
    /// a tensor that has nothing to do with neurons.
    pub axis: Option<(usize, Share)>,
}

/// The four parts of a bottleneck adapter, in the order of [`Part::ALL`].
pub const NEURON_AXES: [NeuronAxis; 4] = [
    // A neuron made of several reads the mean of what they read,
    NeuronAxis { part: Part::DownWeight, axis: Some((0, Share::Mean)) },
    NeuronAxis { part: Part::DownBias, axis: Some((0, Share::Mean)) },
    // and what a neuron writes is handed out whole, so that splitting or joining neurons changes no gain.
    NeuronAxis { part: Part::UpWeight, axis: Some((1, Share::Whole)) },
    // Added after the neurons.
    NeuronAxis { part: Part::UpBias, axis: None },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_and_the_shapes_agree() {
        for (row, part) in NEURON_AXES.iter().zip(Part::ALL) {
            assert_eq!(row.part, part);
            let shape = part.shape(3, 7);
            assert_eq!(row.axis.map(|(axis, _)| axis), shape.iter().position(|length| *length == 3));
        }
    }
}
