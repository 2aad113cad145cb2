//! Optimal transport between two finite sets of points: how to move one distribution of mass onto another at least
//! cost.
//!
//! A [`Problem`] holds a cost matrix and two marginals; [`exact::solve`] finds a plan of least cost with its dual
//! certificate, [`sinkhorn::solve`] the plan of least cost minus `epsilon` times its entropy; both answer with a
//! [`TransportSolution`]. [`cost`] makes cost matrices from the rows of two matrices.
//!
//! This room knows vectors and matrices only: nothing of adapters, of files or of devices. All numbers are `f64`.
//! Rows of a cost matrix are sources, columns are targets.

pub mod cost;
pub mod exact;
pub mod problem;
pub mod sinkhorn;
pub mod solution;

pub use cost::{CostOptions, Metric, Normalisation, cost_matrix};
pub use problem::{Problem, ProblemError};
pub use sinkhorn::{SinkhornError, SinkhornOptions};
pub use solution::{Potentials, Share, Status, TransportSolution};

use thiserror::Error;

/// Which solver answers, with its settings.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Solver {
    /// Least cost, [`exact::solve`].
    #[default]
    Exact,
    /// Least cost minus entropy, [`sinkhorn::solve`].
    Sinkhorn(SinkhornOptions),
}

/// A problem that could not be posed or solved.
#[derive(Clone, Debug, PartialEq, Error)]
pub enum TransportError {
    /// The rows to compare do not fit.
    #[error(transparent)]
    Cost(#[from] cost::CostError),
    /// The problem is not well posed.
    #[error(transparent)]
    Problem(#[from] ProblemError),
    /// The settings of Sinkhorn's iterations are out of range.
    #[error(transparent)]
    Sinkhorn(#[from] SinkhornError),
}

impl Solver {
    /// Solves `problem`.
    ///
    /// # Errors
    /// When the solver's settings are out of range.
    pub fn solve(&self, problem: &Problem) -> Result<TransportSolution, TransportError> {
        match self {
            Self::Exact => Ok(exact::solve(problem)),
            Self::Sinkhorn(options) => Ok(sinkhorn::solve(problem, options)?),
        }
    }
}

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests;
