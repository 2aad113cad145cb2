//! What a solver found, and what can be asked of it.

use nalgebra::{DMatrix, DVector};

/// Entries below this share of the largest count as zero when a plan is read as a permutation.
const HARD: f64 = 1e-9;

/// A transport plan with its certificate and how it was reached.
#[derive(Clone, Debug, PartialEq)]
pub struct TransportSolution {
    /// Mass moved from source (row) to target (column), `n × m`.
    pub plan: DMatrix<f64>,
    /// The dual solution.
    pub potentials: Potentials,
    /// Marginal error of each iteration: `Σ_i |row sum − source marginal|`, relative to the mass. Empty when exact.
    pub errors: Vec<f64>,
    /// How the solver ended.
    pub status: Status,
    /// `Σ plan ∘ cost`, without any entropy.
    pub cost: f64,
}

/// Dual potentials `f` (sources) and `g` (targets).
///
/// Exact: `f_i + g_j ≤ cost_ij`, with equality wherever mass moves, and `⟨f, source⟩ + ⟨g, target⟩` is the plan's cost:
/// the proof that no plan costs less. Sinkhorn with regularisation `r`:
/// `plan_ij = source_i · target_j · exp((f_i + g_j − cost_ij) / r)` for a unit of mass.
#[derive(Clone, Debug, PartialEq)]
pub struct Potentials {
    /// One a source.
    pub source: DVector<f64>,
    /// One a target.
    pub target: DVector<f64>,
}

/// How a solver ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// Exact: no plan costs less.
    Optimal,
    /// Sinkhorn: the marginal error fell below the tolerance.
    Converged {
        /// After so many iterations.
        iterations: usize,
    },
    /// Sinkhorn: stopped before that.
    IterationLimit {
        /// The limit.
        iterations: usize,
    },
}

impl Status {
    /// Whether the solver ended where it was to.
    #[must_use]
    pub fn is_converged(self) -> bool {
        !matches!(self, Self::IterationLimit { .. })
    }
}

/// By what a plan is normalised to become a map from sources to targets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Share {
    /// Every target takes the **mean** of its sources, weighted by the mass they send: `T[i, j] / Σ_i T[i, j]`.
    Mean,
    /// Every source is handed out **whole**, split among its targets: `T[i, j] / Σ_j T[i, j]`.
    Whole,
}

impl TransportSolution {
    /// Share of the mass that stays on the diagonal, `trace(plan) / sum(plan)`, in [0, 1]; `None` unless there are as
    /// many sources as targets. Chance is `1/n`.
    #[must_use]
    pub fn diagonal_share(&self) -> Option<f64> {
        self.plan.is_square().then(|| self.plan.trace() / self.plan.sum())
    }

    /// For every source the one target that all its mass goes to, when no two share one; `None` for any softer plan.
    #[must_use]
    pub fn permutation(&self) -> Option<Vec<usize>> {
        let threshold = HARD * self.plan.amax();
        let mut taken = vec![false; self.plan.ncols()];
        let permutation = self.plan.row_iter().map(|row| {
            let mut targets = row.iter().enumerate().filter(|(_, mass)| **mass > threshold).map(|(target, _)| target);
            let target = targets.next()?;
            let only = targets.next().is_none() && !std::mem::replace(&mut taken[target], true);
            only.then_some(target)
        });
        let permutation: Option<Vec<usize>> = permutation.collect();
        permutation.filter(|_| self.plan.is_square())
    }

    /// The map that moves values on sources to values on targets, `m × n`: `target_values = map · source_values`.
    /// With [`Share::Mean`] its rows sum to 1, with [`Share::Whole`] its columns. For a permutation both are that
    /// permutation's matrix.
    ///
    /// Normalised by the plan's own sums, so a plan that has not quite converged still gives true means. A target
    /// (or source) without mass maps to zeros.
    #[must_use]
    pub fn target_from_source(&self, share: Share) -> DMatrix<f64> {
        let mut map = self.plan.transpose();
        let normalise = |sum: f64| if sum > 0.0 { 1.0 / sum } else { 0.0 };
        match share {
            Share::Mean => map.row_iter_mut().for_each(|mut row| row *= normalise(row.sum())),
            Share::Whole => map.column_iter_mut().for_each(|mut column| column *= normalise(column.sum())),
        }
        map
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matrix<const N: usize, const M: usize>(rows: [[f64; M]; N]) -> DMatrix<f64> {
        DMatrix::from_fn(N, M, |i, j| rows[i][j])
    }

    fn solution(plan: DMatrix<f64>) -> TransportSolution {
        let potentials = Potentials { source: DVector::zeros(plan.nrows()), target: DVector::zeros(plan.ncols()) };
        TransportSolution { plan, potentials, errors: vec![], status: Status::Optimal, cost: 0.0 }
    }

    #[test]
    fn permutations_are_told_from_softer_plans() {
        assert_eq!(solution(matrix([[0.0, 0.5], [0.5, 0.0]])).permutation(), Some(vec![1, 0]));
        assert_eq!(solution(matrix([[0.0, 0.5], [0.4, 0.1]])).permutation(), None);
        assert_eq!(solution(matrix([[0.0, 0.5], [0.0, 0.5]])).permutation(), None);
        assert_eq!(solution(matrix([[0.0, 0.0], [0.0, 1.0]])).permutation(), None);
        assert_eq!(solution(matrix([[0.5, 0.0, 0.0], [0.0, 0.5, 0.0]])).permutation(), None, "not square");
    }

    #[test]
    fn maps_take_means_or_hand_out_whole() {
        let solution = solution(matrix([[0.25, 0.25, 0.0], [0.0, 0.25, 0.25]]));
        assert_eq!(solution.target_from_source(Share::Mean), matrix([[1.0, 0.0], [0.5, 0.5], [0.0, 1.0]]));
        assert_eq!(solution.target_from_source(Share::Whole), matrix([[0.5, 0.0], [0.5, 0.5], [0.0, 0.5]]));
        assert_eq!(solution.diagonal_share(), None);
    }

    #[test]
    fn the_diagonal_share_is_relative_to_the_mass() {
        assert_eq!(solution(matrix([[2.0, 1.0], [1.0, 0.0]])).diagonal_share(), Some(0.5));
    }
}
