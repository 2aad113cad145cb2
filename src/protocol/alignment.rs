//! How the neurons of adapters correspond.

use super::{AdapterId, EpisodeSpec, Matrix};
use serde::{Deserialize, Serialize};

/// What neurons are compared by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum AlignBy {
    /// Their weights.
    Weights,
    /// What they do on texts.
    Activations,
}

/// How the transport problem is solved.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub enum Solver {
    /// A vertex of the polytope: a permutation where both sides have as many neurons.
    Exact,
    /// Entropic, in the log domain.
    Sinkhorn {
        /// Share of the largest cost, above 0.
        epsilon: f64,
        /// At most this many rounds.
        iterations: usize,
        /// On the marginals.
        tolerance: f64,
    },
}

impl Solver {
    /// Of Sinkhorn, unless told otherwise.
    pub const EPSILON: f64 = 0.01;
    /// Of Sinkhorn, unless told otherwise.
    pub const ITERATIONS: usize = 2000;
    /// Of Sinkhorn, unless told otherwise.
    pub const TOLERANCE: f64 = 1e-6;
}

/// Where the texts come from whose activations are compared. Dropout is off.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Texts {
    /// None: then activations can't be compared, nor functions.
    None,
    /// Of a few-shot episode, support and dev, labels unseen.
    Episode(EpisodeSpec),
    /// The person's own, one a line; a tab between the two texts of a pair.
    Lines(Vec<String>),
}

/// Align adapters to a reference, layer by layer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Align {
    /// The one that stays as it is.
    pub reference: AdapterId,
    /// The ones whose neurons are moved.
    pub others: Vec<AdapterId>,
    /// What neurons are compared by.
    pub by: AlignBy,
    /// How.
    pub solver: Solver,
    /// Needed for activations.
    pub texts: Texts,
}

/// Answer to [`Align`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AlignmentReport {
    /// What was asked.
    pub asked: Align,
    /// One for each of `others`, in their order.
    pub pairs: Vec<PairAlignment>,
}

/// One adapter aligned to the reference.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PairAlignment {
    /// Its neurons are the rows.
    pub other: AdapterId,
    /// Layer by layer.
    pub locations: Vec<LocationAlignment>,
}

/// Transport at one location, from the other adapter's neurons (rows) to the reference's (columns).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LocationAlignment {
    /// For example `layer.3.output`.
    pub name: String,
    /// Distance between neurons.
    pub cost: Matrix,
    /// Mass moved; sums to 1.
    pub plan: Matrix,
    /// Mean distance of neurons paired as stored; `None` where their numbers differ.
    pub cost_before: Option<f32>,
    /// Mean distance under the plan.
    pub cost_after: f32,
    /// Share of the mass on the diagonal, 0 to 1: 1 when already aligned, one over the number of neurons by chance;
    /// `None` where their numbers differ.
    pub diagonal_share: Option<f32>,
    /// Whether the solver reached its tolerance.
    pub converged: bool,
    /// Rounds it took.
    pub iterations: usize,
}

/// The weights at one location under the last alignment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ShowWeights {
    /// The alignment, as it was asked for; it is computed again where it is not the last one.
    pub align: Align,
    /// One of its `others`.
    pub other: AdapterId,
    /// Name of the location.
    pub location: String,
}

/// `down_proj` weights, a neuron a row, `hidden` columns.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LocationWeights {
    /// Of the reference.
    pub reference: Matrix,
    /// Of the other, in its own order.
    pub stored: Matrix,
    /// Of the other, moved onto the reference's neurons.
    pub aligned: Matrix,
    /// Mean of the reference and all others as they are stored: the plain average; empty where the numbers of neurons
    /// differ.
    pub average: Matrix,
    /// Mean of the reference and all others, moved onto its neurons: what MerA merges to at equal weights.
    pub merged: Matrix,
}

/// How alike adapters are, layer by layer, as stored and with their neurons aligned.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShowSimilarity {
    /// Two or more.
    pub adapters: Vec<AdapterId>,
}

/// Two adapters, the second aligned to the first by weights, exactly.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Similarity {
    /// The two.
    pub pair: [AdapterId; 2],
    /// Location by location.
    pub locations: Vec<LocationSimilarity>,
}

/// Cosines between all parameters of two adapters at one location, −1 to 1.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LocationSimilarity {
    /// For example `layer.3.output`.
    pub name: String,
    /// In the order in which their neurons are stored; `None` where their numbers differ.
    pub stored: Option<f32>,
    /// With the second's neurons moved onto the first's.
    pub aligned: Option<f32>,
}

/// How well adapters do that lie on the straight line from the reference to another, on the examples of an episode.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ShowLine {
    /// The alignment, as it was asked for; it is computed again where it is not the last one.
    pub align: Align,
    /// One of its `others`.
    pub other: AdapterId,
    /// Support and dev are looked at, test is not.
    pub episode: EpisodeSpec,
}

/// Answer to [`ShowLine`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LineReport {
    /// To the other in its own order; `None` where the numbers of neurons differ.
    pub stored: Option<Line>,
    /// To the other as aligned.
    pub aligned: Line,
}

/// A straight line between two adapters.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Line {
    /// From one end to the other.
    pub points: Vec<LinePoint>,
    /// How far the loss rises above the straight line between the ends' losses, at most; 0 where it nowhere does.
    pub barrier: f32,
}

/// One adapter on the line.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct LinePoint {
    /// Share of the other in it, 0 to 1.
    pub share: f32,
    /// Mean squared error of a ridge classifier on what the adapter makes of each example, that example left out.
    pub loss: f32,
    /// Share of the examples that this classifier answers rightly.
    pub accuracy: f32,
}

/// What one neuron responds to in the texts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ShowNeuron {
    /// Which adapter.
    pub adapter: AdapterId,
    /// Where.
    pub location: String,
    /// Which of its neurons, from 0.
    pub neuron: usize,
    /// The texts to look in.
    pub texts: Texts,
}

/// Answer to [`ShowNeuron`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NeuronReport {
    /// Norm of its row of `down_proj`.
    pub norm_in: f32,
    /// Norm of its column of `up_proj`.
    pub norm_out: f32,
    /// Share of the tokens for which it is active; `None` without texts.
    pub active: Option<f32>,
    /// The tokens with the largest activations, largest first.
    pub top: Vec<TokenActivation>,
}

/// One token in its text.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TokenActivation {
    /// The tokens of the text.
    pub tokens: Vec<String>,
    /// Which of them.
    pub index: usize,
    /// Before the non-linearity.
    pub value: f32,
}
