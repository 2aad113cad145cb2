//! A transport problem: move `source_marginal` onto `target_marginal` when moving one unit of mass from source `i`
//! to target `j` costs `cost[(i, j)]`.
//!
//! A plan `T ≥ 0` is feasible when its rows sum to the source marginal and its columns to the target marginal. Whoever
//! holds a [`Problem`] knows that feasible plans exist and that every number in it is finite.

use nalgebra::{DMatrix, DVector};
use thiserror::Error;

/// How far the two marginals' sums may differ, relative to the larger.
const SUM_TOLERANCE: f64 = 1e-9;

/// A checked transport problem with `n` sources and `m` targets.
#[derive(Clone, Debug, PartialEq)]
pub struct Problem {
    cost: DMatrix<f64>,
    source_marginal: DVector<f64>,
    target_marginal: DVector<f64>,
}

/// One of the two sides of a problem.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The rows of the cost.
    Source,
    /// The columns of the cost.
    Target,
}

impl std::fmt::Display for Side {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Source => "source",
            Self::Target => "target",
        })
    }
}

/// Why a cost and two marginals are no transport problem.
#[derive(Clone, Debug, PartialEq, Error)]
pub enum ProblemError {
    /// No source or no target.
    #[error("the cost matrix is {rows} × {columns}: both sides need at least one point")]
    Empty {
        /// Number of sources.
        rows: usize,
        /// Number of targets.
        columns: usize,
    },
    /// A marginal is not as long as its side of the cost.
    #[error("the {side} marginal has {entries} entries, the cost matrix {points} {side}s")]
    Length {
        /// Which marginal.
        side: Side,
        /// Its length.
        entries: usize,
        /// Length of that side of the cost.
        points: usize,
    },
    /// A mass that is negative, NaN or infinite.
    #[error("the {side} marginal's entry {index} is {value}: masses are finite and not negative")]
    Mass {
        /// Which marginal.
        side: Side,
        /// Where in it.
        index: usize,
        /// The entry.
        value: f64,
    },
    /// A cost that is NaN or infinite.
    #[error("the cost from source {row} to target {column} is {value}, not a finite number")]
    Cost {
        /// Source.
        row: usize,
        /// Target.
        column: usize,
        /// The entry.
        value: f64,
    },
    /// The two sides do not hold the same mass, or hold none.
    #[error(
        "the source marginal sums to {source_sum}, the target marginal to {target_sum}: both must hold the same mass, above 0"
    )]
    Sums {
        /// Mass to move.
        source_sum: f64,
        /// Mass to receive.
        target_sum: f64,
    },
}

impl Problem {
    /// The problem of moving `source_marginal` (`n`) onto `target_marginal` (`m`) at `cost` (`n × m`). Costs may be
    /// negative, masses may be zero. The target marginal is rescaled so that the sums agree to the last digit.
    ///
    /// # Errors
    /// When a side is empty, lengths disagree, an entry is not finite, a mass is negative, or the sums differ by more
    /// than 1e-9 of the larger.
    pub fn new(
        cost: DMatrix<f64>,
        source_marginal: DVector<f64>,
        target_marginal: DVector<f64>,
    ) -> Result<Self, ProblemError> {
        let (rows, columns) = cost.shape();
        if rows == 0 || columns == 0 {
            return Err(ProblemError::Empty { rows, columns });
        }
        for (side, marginal, points) in
            [(Side::Source, &source_marginal, rows), (Side::Target, &target_marginal, columns)]
        {
            if marginal.len() != points {
                return Err(ProblemError::Length { side, entries: marginal.len(), points });
            }
            if let Some(index) = marginal.iter().position(|mass| !mass.is_finite() || *mass < 0.0) {
                return Err(ProblemError::Mass { side, index, value: marginal[index] });
            }
        }
        if let Some(index) = cost.iter().position(|value| !value.is_finite()) {
            let (row, column) = (index % rows, index / rows); // nalgebra stores columns
            return Err(ProblemError::Cost { row, column, value: cost[(row, column)] });
        }
        let (source_sum, target_sum) = (source_marginal.sum(), target_marginal.sum());
        let largest = source_sum.max(target_sum);
        let agree = (source_sum - target_sum).abs() <= SUM_TOLERANCE * largest;
        if !(agree && largest > 0.0 && largest.is_finite()) {
            return Err(ProblemError::Sums { source_sum, target_sum });
        }
        let target_marginal = target_marginal * (source_sum / target_sum);
        Ok(Self { cost, source_marginal, target_marginal })
    }

    /// The problem with mass `1/n` on every source and `1/m` on every target.
    ///
    /// # Errors
    /// When a side is empty or a cost is not finite.
    pub fn uniform(cost: DMatrix<f64>) -> Result<Self, ProblemError> {
        let (rows, columns) = cost.shape();
        let marginal = |points: usize| DVector::from_element(points, 1.0 / points as f64);
        let (source, target) = (marginal(rows), marginal(columns));
        // Equal sides keep equal masses to the last digit, so that the exact plan is a permutation to the last digit.
        let mut problem = Self::new(cost, source, target.clone())?;
        problem.target_marginal = target;
        Ok(problem)
    }

    /// Cost of moving one unit of mass from a source (row) to a target (column).
    #[must_use]
    pub fn cost(&self) -> &DMatrix<f64> {
        &self.cost
    }

    /// Mass on each source.
    #[must_use]
    pub fn source_marginal(&self) -> &DVector<f64> {
        &self.source_marginal
    }

    /// Mass wanted by each target.
    #[must_use]
    pub fn target_marginal(&self) -> &DVector<f64> {
        &self.target_marginal
    }

    /// The mass moved in all.
    #[must_use]
    pub fn mass(&self) -> f64 {
        self.source_marginal.sum()
    }

    /// What `plan` costs: `Σ plan ∘ cost`.
    #[must_use]
    pub fn cost_of(&self, plan: &DMatrix<f64>) -> f64 {
        plan.dot(&self.cost)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(rows: usize, columns: usize, cost: &[f64], source: &[f64], target: &[f64]) -> String {
        let cost = DMatrix::from_row_slice(rows, columns, cost);
        Problem::new(cost, DVector::from_row_slice(source), DVector::from_row_slice(target)).unwrap_err().to_string()
    }

    #[test]
    fn every_error_names_its_culprit() {
        insta::assert_snapshot!(error(0, 2, &[], &[], &[1.0, 1.0]), @"the cost matrix is 0 × 2: both sides need at least one point");
        insta::assert_snapshot!(error(1, 2, &[1.0, 2.0], &[1.0], &[1.0]), @"the target marginal has 1 entries, the cost matrix 2 targets");
        insta::assert_snapshot!(error(1, 2, &[1.0, 2.0], &[1.0], &[1.5, -0.5]), @"the target marginal's entry 1 is -0.5: masses are finite and not negative");
        insta::assert_snapshot!(error(1, 2, &[1.0, 2.0], &[f64::NAN], &[1.0, 0.0]), @"the source marginal's entry 0 is NaN: masses are finite and not negative");
        insta::assert_snapshot!(error(2, 2, &[1.0, f64::NAN, 0.0, 0.0], &[1.0, 0.0], &[1.0, 0.0]), @"the cost from source 0 to target 1 is NaN, not a finite number");
        insta::assert_snapshot!(error(1, 2, &[1.0, 2.0], &[1.0], &[0.5, 0.25]), @"the source marginal sums to 1, the target marginal to 0.75: both must hold the same mass, above 0");
        insta::assert_snapshot!(error(1, 1, &[1.0], &[0.0], &[0.0]), @"the source marginal sums to 0, the target marginal to 0: both must hold the same mass, above 0");
    }

    #[test]
    fn equal_sides_have_equal_masses_to_the_last_digit() {
        for points in 1..300 {
            let problem = Problem::uniform(DMatrix::zeros(points, points)).unwrap();
            assert_eq!(problem.source_marginal(), problem.target_marginal());
        }
    }
}
