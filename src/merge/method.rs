//! What a merge method is.

use serde::Serialize;

use super::align::Alignment;
use super::align::{AlignOptions, By};
use super::error::MergeError;
use super::inputs::Inputs;
use super::settings::{Parameter, Preset, Settings};
use crate::tensors::TensorSet;

/// A way to make one adapter of many.
pub trait MergeMethod: Sync {
    /// What it is, what it needs and takes.
    fn card(&self) -> &'static Card;

    /// How it aligns the inputs to the reference; nothing where it does not. Whoever must be able to stop in between aligns
    /// them in pieces ([`Aligning`](super::align::Aligning)) and hands that in as [`Inputs::alignments`].
    ///
    /// # Errors
    /// When a setting is not of this method.
    fn aligns(&self, _settings: &Settings) -> Result<Option<(By, AlignOptions)>, MergeError> {
        Ok(None)
    }

    /// Merges `inputs`. The same inputs and settings give the same result, to the last digit.
    ///
    /// # Errors
    /// When the inputs do not fit each other or the method, or something that it needs is missing.
    fn merge(&self, inputs: &Inputs, settings: &Settings) -> Result<Merged, MergeError>;
}

/// What is to be known of a method.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Card {
    /// As in commands and files, for example `mera_acts`.
    pub id: &'static str,
    /// As people read it.
    pub title: &'static str,
    /// What it does, in a sentence or two.
    pub description: &'static str,
    /// Where it is from.
    pub paper: &'static str,
    /// What it needs beside adapters.
    pub needs: &'static [Need],
    /// Its settings.
    pub parameters: &'static [Parameter],
    /// Published recipes for its settings.
    pub presets: &'static [Preset],
    /// What holds of it, checked by a test.
    pub laws: &'static [Law],
}

/// What a method needs beside adapters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Need {
    /// A reference among the inputs, whose order and number of neurons the result has.
    Reference,
    /// Texts, to see what the adapters do on them: [`Inputs::features`].
    Texts,
    /// As many neurons in every input.
    EqualBottlenecks,
}

/// Laws that methods keep, with ReLU and the default settings where nothing else is said. "The function" is
/// `x ↦ W_up · relu(W_down · x + b_down) + b_up` at every location.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Law {
    /// The merge of N copies of an adapter is that adapter.
    MergeOfCopiesIsTheCopy,
    /// The merge of an adapter with copies whose neurons are permuted has the adapter's function.
    PermutedCopyRecovered,
    /// With equal weights, the order of the inputs does not matter.
    OrderInvariant,
    /// The result has the reference's tensors, with their names and shapes, whatever the others' bottlenecks.
    KeepsShapeOfReference,
    /// With exact transport and equal bottlenecks, an aligned input has the function it had.
    AlignmentKeepsFunction,
    /// With exact transport, an input has the function it had also when aligned to a reference in which each of its
    /// neurons stands several times.
    ClonedNeuronsKeepFunction,
    /// With exact transport and equal bottlenecks, weight 1 on one input and 0 on the others gives that one's function.
    OneWeightGivesThatInput,
    /// The merge of N copies has N times the copy's parameters.
    SumOfCopiesIsNTimesTheCopy,
    /// The function is exactly the weighted mean of the inputs' functions, whatever their bottlenecks.
    MeanOfFunctions,
}

/// Whether merged parameters are a mean or a sum of the inputs'.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Combines {
    /// A weighted mean.
    Mean,
    /// N times that.
    Sum,
}

/// What a merge gave.
#[derive(Clone, Debug, PartialEq)]
pub struct Merged {
    /// The merged adapter.
    pub params: TensorSet,
    /// How each input but the reference was aligned to it, by input and location; empty where nothing is aligned.
    pub alignments: Vec<Alignment>,
    /// What the parameters are of the inputs', for [`Scale::Sum`](super::Scale::Sum).
    pub combines: Combines,
}
