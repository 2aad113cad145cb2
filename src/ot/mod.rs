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

pub use cost::{CostOptions, Metric, cost_matrix};
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
        let mut solving = self.start(problem.clone())?;
        while solving.advance() {}
        Ok(solving.into_solution())
    }

    /// Begins what [`Self::solve`] does.
    ///
    /// # Errors
    /// As there.
    pub fn start(&self, problem: Problem) -> Result<Solving, TransportError> {
        Ok(match self {
            Self::Exact => Solving::Done(exact::solve(&problem)),
            Self::Sinkhorn(options) => Solving::Sinkhorn(Box::new(sinkhorn::Iterations::new(problem, options)?)),
        })
    }
}

/// A solver at work: it can be left between two pieces.
#[derive(Clone, Debug)]
pub enum Solving {
    /// The exact solver is through at once.
    Done(TransportSolution),
    /// Sinkhorn's iterations.
    Sinkhorn(Box<sinkhorn::Iterations>),
}

impl Solving {
    /// Goes on for a small part of a second; whether there is more to do.
    pub fn advance(&mut self) -> bool {
        /// Multiply-adds.
        const PIECE: usize = 1 << 24;
        match self {
            Self::Done(_) => false,
            // Two products of the kernel and a vector each.
            Self::Sinkhorn(iterations) => iterations.advance(1 + PIECE / (2 * iterations.entries())),
        }
    }

    /// What was found so far.
    #[must_use]
    pub fn into_solution(self) -> TransportSolution {
        match self {
            Self::Done(solution) => solution,
            Self::Sinkhorn(iterations) => iterations.into_solution(),
        }
    }
}

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests;
