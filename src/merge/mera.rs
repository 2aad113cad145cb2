//! MerA: adapters aligned to a reference by optimal transport, then averaged (He et al., *MerA: Merging Pretrained
//! Adapters For Few-Shot Learning*, 2023).
//!
//! Per location, with weights `w` that sum to 1: `θ = w_r θ_r + Σ_{i≠r} w_i align_{i→r}(θ_i)`. [`MeraWts`] compares
//! neurons by their weights, [`MeraActs`] by what they do on texts. The paper's equations were not at hand; this is
//! OTFusion (Singh and Jaggi 2020), whose `--geom-ensemble-type wts|acts` the names are, applied to bottleneck adapters:
//! biases take part, and any number of adapters and any bottlenecks are taken. The result has the reference's
//! bottleneck.

use super::align::{AlignOptions, By, Stage, WeightFeatures, align};
use super::error::MergeError;
use super::fit::{FIT, RIDGE, fit_if_asked};
use super::inputs::Inputs;
use super::method::{Card, Combines, Law, MergeMethod, Merged, Need};
use super::repair::{Matched, REPAIR, mean_of_matched};
use super::settings::{PRESET, Parameter, Preset, Range, Settings, Value};
use crate::ot::{CostOptions, Metric, SinkhornOptions, Solver};
use crate::tensors::TensorSet;

/// Aligned by weights.
#[derive(Clone, Copy, Debug)]
pub struct MeraWts;

/// Aligned by activations.
#[derive(Clone, Copy, Debug)]
pub struct MeraActs;

const PAPER: &str = "He et al. 2023, arXiv 2308.15982; Singh and Jaggi 2020, arXiv 1910.05653 (OTFusion)";

const LAWS: &[Law] = &[
    Law::MergeOfCopiesIsTheCopy,
    Law::PermutedCopyRecovered,
    Law::KeepsShapeOfReference,
    Law::AlignmentKeepsFunction,
    Law::ClonedNeuronsKeepFunction,
    Law::OneWeightGivesThatInput,
];

static WTS: Card = Card {
    id: "mera_wts",
    title: "MerA by weights",
    description: "Matches each adapter's neurons to the reference's by optimal transport on their weights, moves them \
                  there, then averages. Takes adapters of any bottleneck.",
    paper: PAPER,
    needs: &[Need::Reference],
    parameters: &[
        preset(&["none", "transformer_fusion", "git_re_basin"]),
        Parameter {
            name: "features",
            meaning: "Weights that describe a neuron: incoming (its row of the down projection with its bias) or both \
                      (also its column of the up projection)",
            range: Range::Choice(&["incoming", "both"]),
            default: Value::Choice("incoming"),
        },
        COST,
        NORMALIZE_ROWS,
        SOLVER,
        EPSILON,
        ITERATIONS,
        TOLERANCE,
        REPAIR,
        FIT,
        RIDGE,
    ],
    presets: &[
        Preset {
            id: "transformer_fusion",
            paper: "Imfeld et al. 2024, Transformer Fusion with Optimal Transport (soft plans, unit rows)",
            set: &[("solver", "sinkhorn"), ("epsilon", "0.06"), ("normalize_rows", "true")],
        },
        Preset {
            id: "git_re_basin",
            paper: "Ainsworth et al. 2022, Git Re-Basin (weight matching by inner products)",
            set: &[("features", "both"), ("cost", "inner_product")],
        },
    ],
    laws: LAWS,
};

static ACTS: Card = Card {
    id: "mera_acts",
    title: "MerA by activations",
    description: "Matches each adapter's neurons to the reference's by optimal transport on their activations over \
                  some texts, moves them there, then averages. Takes adapters of any bottleneck.",
    paper: PAPER,
    needs: &[Need::Reference, Need::Texts],
    parameters: &[
        preset(&["none", "transformer_fusion"]),
        Parameter {
            name: "activation",
            meaning: "Activations that describe a neuron: before (pre) or after (post) the non-linearity",
            range: Range::Choice(&["pre", "post"]),
            default: Value::Choice("pre"),
        },
        COST,
        NORMALIZE_ROWS,
        SOLVER,
        EPSILON,
        ITERATIONS,
        TOLERANCE,
        REPAIR,
        FIT,
        RIDGE,
    ],
    presets: &[Preset {
        id: "transformer_fusion",
        paper: "Imfeld et al. 2024, Transformer Fusion with Optimal Transport (soft plans, unit rows)",
        set: &[("solver", "sinkhorn"), ("epsilon", "0.08"), ("normalize_rows", "true")],
    }],
    laws: LAWS,
};

const fn preset(ids: &'static [&'static str]) -> Parameter {
    Parameter {
        name: PRESET,
        meaning: "Settings of a published recipe; each can be set otherwise",
        range: Range::Choice(ids),
        default: Value::Choice("none"),
    }
}

const COST: Parameter = Parameter {
    name: "cost",
    meaning: "How far apart two neurons are",
    range: Range::Choice(&["euclidean", "squared_euclidean", "cosine", "inner_product"]),
    default: Value::Choice("euclidean"),
};

const NORMALIZE_ROWS: Parameter = Parameter {
    name: "normalize_rows",
    meaning: "Whether what describes a neuron is scaled to length 1 before the cost (a ReLU neuron can be scaled up on \
              one side and down on the other without changing the function)",
    range: Range::Flag,
    default: Value::Flag(false),
};

const SOLVER: Parameter = Parameter {
    name: "solver",
    meaning: "exact: least cost, one neuron to one where there are as many; sinkhorn: a softer plan",
    range: Range::Choice(&["exact", "sinkhorn"]),
    default: Value::Choice("exact"),
};

const EPSILON: Parameter = Parameter {
    name: "epsilon",
    meaning: "Softness of Sinkhorn's plan, as a share of the largest cost",
    range: Range::Number { min: 1e-6, max: 1e3 },
    default: Value::Number(SinkhornOptions::DEFAULT.epsilon),
};

const ITERATIONS: Parameter = Parameter {
    name: "iterations",
    meaning: "The most iterations of Sinkhorn",
    range: Range::Integer { min: 1, max: 100_000 },
    default: Value::Integer(SinkhornOptions::DEFAULT.iterations as u64),
};

const TOLERANCE: Parameter = Parameter {
    name: "tolerance",
    meaning: "Error of the plan's marginals at which Sinkhorn stops",
    range: Range::Number { min: 0.0, max: 1.0 },
    default: Value::Number(SinkhornOptions::DEFAULT.tolerance),
};

impl MergeMethod for MeraWts {
    fn card(&self) -> &'static Card {
        &WTS
    }

    fn aligns(&self, settings: &Settings) -> Result<Option<(By, AlignOptions)>, MergeError> {
        let weights = match settings.choice("features")? {
            "both" => WeightFeatures::Both,
            _ => WeightFeatures::Incoming,
        };
        Ok(Some((By::Weights(weights), options(settings)?)))
    }

    fn merge(&self, inputs: &Inputs, settings: &Settings) -> Result<Merged, MergeError> {
        mera(self, inputs, settings)
    }
}

impl MergeMethod for MeraActs {
    fn card(&self) -> &'static Card {
        &ACTS
    }

    fn aligns(&self, settings: &Settings) -> Result<Option<(By, AlignOptions)>, MergeError> {
        let stage = match settings.choice("activation")? {
            "post" => Stage::Post,
            _ => Stage::Pre,
        };
        Ok(Some((By::Activations(stage), options(settings)?)))
    }

    fn merge(&self, inputs: &Inputs, settings: &Settings) -> Result<Merged, MergeError> {
        mera(self, inputs, settings)
    }
}

/// The shared settings as [`align`] takes them.
fn options(settings: &Settings) -> Result<AlignOptions, MergeError> {
    let metric = match settings.choice(COST.name)? {
        "squared_euclidean" => Metric::SquaredEuclidean,
        "cosine" => Metric::Cosine,
        "inner_product" => Metric::InnerProduct,
        _ => Metric::Euclidean,
    };
    let unit_rows = settings.flag(NORMALIZE_ROWS.name)?;
    let solver = match settings.choice(SOLVER.name)? {
        "sinkhorn" => Solver::Sinkhorn(SinkhornOptions {
            epsilon: settings.number(EPSILON.name)?,
            iterations: usize::try_from(settings.integer(ITERATIONS.name)?).unwrap_or(usize::MAX),
            tolerance: settings.number(TOLERANCE.name)?,
        }),
        _ => Solver::Exact,
    };
    Ok(AlignOptions { cost: CostOptions { metric, unit_rows }, solver })
}

fn mera(method: &dyn MergeMethod, inputs: &Inputs, settings: &Settings) -> Result<Merged, MergeError> {
    let shares = inputs.shares()?;
    let alignments = match method.aligns(settings)? {
        Some((by, options)) if inputs.alignments.is_empty() => align(inputs, by, &options)?,
        _ => inputs.alignments.clone(),
    };
    let mut params = TensorSet::new();
    for location in inputs.locations()? {
        let reference = inputs.params(inputs.reference, location)?;
        let mut matched = vec![Matched { share: shares[inputs.reference], params: reference, alignment: None }];
        let aligned = alignments.iter().filter(|alignment| alignment.location == location);
        matched.extend(aligned.map(|alignment| Matched {
            share: shares[alignment.input],
            params: alignment.aligned.clone(),
            alignment: Some(alignment),
        }));
        mean_of_matched(&matched, inputs, location, settings)?.write(&mut params, location)?;
    }
    fit_if_asked(&mut params, inputs, settings)?;
    Ok(Merged { params, alignments, combines: Combines::Mean })
}
