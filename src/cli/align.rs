//! `mera align`: how the neurons of two adapters correspond.

use super::device::Device;
use super::error::CliError;
use super::session::{Session, with_places};
use super::{say, say_json};
use crate::protocol::{self, AlignBy, LocationAlignment, Matrix, Texts};
use clap::{Args, ValueEnum};
use serde_json::{Value, json};
use std::path::PathBuf;

/// Align the neurons of two adapters, layer by layer
///
/// Rows of a plan are the neurons of B, columns those of A.
#[derive(Debug, Args)]
pub(super) struct Align {
    /// What neurons are compared by
    #[arg(long, value_enum)]
    by: By,
    /// How the transport problem is solved
    #[arg(long, value_enum, default_value_t)]
    solver: Solver,
    /// Of Sinkhorn: regularisation, as a share of the largest cost
    #[arg(long, default_value_t = protocol::Solver::EPSILON)]
    epsilon: f64,
    /// Of Sinkhorn: the most rounds
    #[arg(long, value_name = "N", default_value_t = protocol::Solver::ITERATIONS)]
    iterations: usize,
    /// Of Sinkhorn: error of the marginals at which to stop
    #[arg(long, default_value_t = protocol::Solver::TOLERANCE)]
    tolerance: f64,
    /// Folder of the PLM, for activations
    #[arg(long, value_name = "DIR", required_if_eq("by", "activations"))]
    plm: Option<PathBuf>,
    /// Texts to compare activations on: one a line, a tab between the two of a pair; or a data file
    #[arg(long, value_name = "FILE", required_if_eq("by", "activations"))]
    texts: Option<PathBuf>,
    /// Where to compute
    #[arg(long, value_enum, default_value_t)]
    device: Device,
    /// Print one JSON document
    #[arg(long)]
    json: bool,
    /// The adapter that stays as it is
    a: PathBuf,
    /// The adapter whose neurons are moved onto those of A
    b: PathBuf,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum By {
    /// Their weights
    Weights,
    /// What they do on texts
    Activations,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Solver {
    /// A permutation where both have as many neurons
    #[default]
    Exact,
    /// Entropic, soft
    Sinkhorn,
}

impl Align {
    pub(super) fn run(&self) -> Result<(), CliError> {
        let mut session = Session::new(self.device)?;
        if let Some(plm) = &self.plm {
            session.open_plm(plm)?;
        }
        let (a, b) = (session.open_adapter(&self.a)?, session.open_adapter(&self.b)?);
        let asked = protocol::Align {
            reference: a.id,
            others: vec![b.id],
            by: match self.by {
                By::Weights => AlignBy::Weights,
                By::Activations => AlignBy::Activations,
            },
            solver: match self.solver {
                Solver::Exact => protocol::Solver::Exact,
                Solver::Sinkhorn => protocol::Solver::Sinkhorn {
                    epsilon: self.epsilon,
                    iterations: self.iterations,
                    tolerance: self.tolerance,
                },
            },
            texts: self.texts.as_deref().map_or(Ok(Texts::None), super::texts::read)?,
        };
        let report = session.ask(asked).map_err(|error| with_places(error, [(&a, &self.a), (&b, &self.b)]))?;
        let locations: Vec<LocationAlignment> = report.pairs.into_iter().flat_map(|pair| pair.locations).collect();
        if self.json {
            return say_json(&json!({ "locations": locations.iter().map(document).collect::<Vec<_>>() }));
        }
        say(&format!("{:<20} {:>12} {:>12} {:>10}", "location", "cost before", "cost after", "in place"))?;
        for at in &locations {
            let before = at.cost_before.map_or("-".to_owned(), |cost| format!("{cost:.6}"));
            let in_place = at.diagonal_share.map_or("-".to_owned(), |share| format!("{:.1}%", share * 100.0));
            let unfinished = if at.converged { "" } else { "  (not converged)" };
            say(&format!("{:<20} {before:>12} {:>12.6} {in_place:>10}{unfinished}", at.name, at.cost_after))?;
        }
        Ok(())
    }
}

fn document(at: &LocationAlignment) -> Value {
    json!({
        "name": at.name,
        "cost_before": at.cost_before,
        "cost_after": at.cost_after,
        "diagonal_share": at.diagonal_share,
        "converged": at.converged,
        "plan": rows(&at.plan),
    })
}

fn rows(matrix: &Matrix) -> Vec<&[f32]> {
    matrix.values.chunks(matrix.columns.max(1)).collect()
}
