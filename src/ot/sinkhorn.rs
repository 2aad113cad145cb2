//! Entropic optimal transport: the plan that minimises `Σ plan ∘ cost − r · H(plan)`, by Sinkhorn's iterations in the
//! log domain (Cuturi, *Sinkhorn Distances*, 2013; Peyré and Cuturi, *Computational Optimal Transport*, 4.4).
//!
//! The regularisation is `r = epsilon · max |cost|`: relative, so that one `epsilon` means the same for weights, for
//! activations and for every layer. In the log domain no kernel can underflow, and the plan is finite for any cost and
//! any `epsilon`; a small `epsilon` only needs more iterations. Most of them are two products of a matrix and a vector:
//! the kernel rescaled by potentials not far from the present ones has entries that fit an `f64` (absorption, as in
//! Schmitzer, *Stabilized Sparse Scaling Algorithms for Entropy Regularized Transport Problems*, 2019, 3.1).

use nalgebra::{DMatrix, DVector};
use thiserror::Error;

use super::problem::Problem;
use super::solution::{Potentials, Status, TransportSolution};

/// The least `epsilon`: below it the rounding of an `f64` cost, divided by the regularisation, would show in the plan.
pub const MIN_EPSILON: f64 = 1e-9;

/// Settings of Sinkhorn's iterations.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SinkhornOptions {
    /// Regularisation relative to the largest absolute cost, at least [`MIN_EPSILON`]. The plan tends to an exact one as
    /// it goes to 0 and to the product of the marginals as it grows.
    pub epsilon: f64,
    /// The most iterations, at least 1; each updates both potentials once.
    pub iterations: usize,
    /// Marginal error, relative to the mass, at which to stop; at 0 nearly always never.
    pub tolerance: f64,
}

impl SinkhornOptions {
    /// What is taken where nothing is said.
    pub const DEFAULT: Self = Self { epsilon: 0.01, iterations: 2000, tolerance: 1e-6 };
}

impl Default for SinkhornOptions {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// Settings out of range.
#[derive(Clone, Debug, PartialEq, Error)]
pub enum SinkhornError {
    /// Too small, or no number.
    #[error("epsilon is {0}: it must be a finite number of at least {MIN_EPSILON}")]
    Epsilon(f64),
    /// No iteration at all.
    #[error("iterations is 0: at least 1 is needed")]
    Iterations,
    /// Negative or NaN.
    #[error("tolerance is {0}: it must be 0 or above")]
    Tolerance(f64),
}

/// The entropic plan. Its columns have the target marginal to rounding; how far its rows are from the source marginal
/// is the last of `errors`.
///
/// # Errors
/// When a setting is out of range.
pub fn solve(problem: &Problem, options: &SinkhornOptions) -> Result<TransportSolution, SinkhornError> {
    let mut iterations = Iterations::new(problem.clone(), options)?;
    iterations.advance(usize::MAX);
    Ok(iterations.into_solution())
}

/// What [`solve`] does, in pieces: wide adapters and a fine tolerance can take minutes, and whoever asked may want to stop.
#[derive(Clone, Debug)]
pub struct Iterations {
    problem: Problem,
    limit: usize,
    tolerance: f64,
    regularisation: f64,
    kernel: Kernel,
    /// Potentials, in units of the regularisation.
    source: DVector<f64>,
    target: DVector<f64>,
    errors: Vec<f64>,
    is_converged: bool,
}

impl Iterations {
    /// # Errors
    /// When a setting is out of range.
    pub fn new(problem: Problem, options: &SinkhornOptions) -> Result<Self, SinkhornError> {
        let SinkhornOptions { epsilon, iterations: limit, tolerance } = *options;
        if !(epsilon >= MIN_EPSILON && epsilon.is_finite()) {
            return Err(SinkhornError::Epsilon(epsilon));
        }
        if limit == 0 {
            return Err(SinkhornError::Iterations);
        }
        if tolerance.is_nan() || tolerance < 0.0 {
            return Err(SinkhornError::Tolerance(tolerance));
        }
        // A cost of zeros is indifferent to the regularisation, which must only be above 0.
        let regularisation = (epsilon * problem.cost().amax()).max(f64::MIN_POSITIVE);
        let mut kernel = Kernel::new(&problem, regularisation);
        let source = kernel.update_source(&DVector::zeros(problem.cost().ncols()));
        let target = kernel.update_target(&source);
        let errors = Vec::new();
        Ok(Self { problem, limit, tolerance, regularisation, kernel, source, target, errors, is_converged: false })
    }

    /// Goes on for so many iterations at most; whether there is more to do.
    pub fn advance(&mut self, iterations: usize) -> bool {
        let mass = self.problem.mass();
        // Columns are exact after each update of `target`; the change that the next update of `source` makes tells how
        // far the rows were off, at no cost.
        for _ in 0..iterations {
            if self.is_over() {
                break;
            }
            let next = self.kernel.update_source(&self.target);
            let row_sums = (&self.kernel.log_source + &self.source - &next).map(f64::exp);
            let error = (row_sums * mass - self.problem.source_marginal()).abs().sum() / mass;
            self.errors.push(error);
            self.is_converged = error <= self.tolerance;
            if !self.is_over() {
                self.source = next;
                self.target = self.kernel.update_target(&self.source);
            }
        }
        !self.is_over()
    }

    /// Of the cost matrix; at least one.
    #[must_use]
    pub fn entries(&self) -> usize {
        self.problem.cost().len()
    }

    fn is_over(&self) -> bool {
        self.is_converged || self.errors.len() == self.limit
    }

    /// The plan as it is now.
    #[must_use]
    pub fn into_solution(self) -> TransportSolution {
        let iterations = self.errors.len();
        let status =
            if self.is_converged { Status::Converged { iterations } } else { Status::IterationLimit { iterations } };
        let plan = self.kernel.plan(&self.source, &self.target) * self.problem.mass();
        let potentials =
            Potentials { source: self.source * self.regularisation, target: self.target * self.regularisation };
        TransportSolution { cost: self.problem.cost_of(&plan), plan, potentials, errors: self.errors, status }
    }
}

/// How far a potential may move from where the kernel was rescaled, in units of the regularisation: `e` to it and to its
/// negative leave an `f64` most of its range.
const REACH: f64 = 100.0;

/// Costs and marginals as logarithms, in units of the regularisation and of the mass.
#[derive(Clone, Debug)]
struct Kernel {
    /// `−cost / r`, and its transpose, so that both updates run along contiguous columns.
    log_kernel: DMatrix<f64>,
    log_kernel_transposed: DMatrix<f64>,
    log_source: DVector<f64>,
    log_target: DVector<f64>,
    /// Where the kernel was last rescaled; nowhere before the first update.
    rescaled: Option<Rescaled>,
}

/// The kernel rescaled by potentials.
#[derive(Clone, Debug)]
struct Rescaled {
    source: DVector<f64>,
    target: DVector<f64>,
    /// [`Kernel::scaled`] by them.
    kernel: DMatrix<f64>,
}

impl Kernel {
    fn new(problem: &Problem, regularisation: f64) -> Self {
        let log_kernel = problem.cost().map(|cost| -cost / regularisation);
        let mass = problem.mass();
        let log = |marginal: &DVector<f64>| marginal.map(|mass_here| (mass_here / mass).ln());
        Self {
            log_kernel_transposed: log_kernel.transpose(),
            log_kernel,
            log_source: log(problem.source_marginal()),
            log_target: log(problem.target_marginal()),
            rescaled: None,
        }
    }

    /// The source's potentials under which the rows sum to their marginal, given the target's.
    fn update_source(&mut self, target: &DVector<f64>) -> DVector<f64> {
        let near = self.rescaled.as_ref().and_then(|at| {
            let moved = factors(&(target - &at.target), &self.log_target)?;
            potentials(&at.source, &(&at.kernel * moved))
        });
        near.unwrap_or_else(|| {
            let source = soft_minimum(&self.log_kernel_transposed, &(target + &self.log_target));
            self.rescale(&source, target);
            source
        })
    }

    /// The target's potentials under which the columns sum to their marginal, given the source's.
    fn update_target(&mut self, source: &DVector<f64>) -> DVector<f64> {
        let near = self.rescaled.as_ref().and_then(|at| {
            let moved = factors(&(source - &at.source), &self.log_source)?;
            potentials(&at.target, &at.kernel.tr_mul(&moved))
        });
        near.unwrap_or_else(|| {
            let target = soft_minimum(&self.log_kernel, &(source + &self.log_source));
            self.rescale(source, &target);
            target
        })
    }

    fn rescale(&mut self, source: &DVector<f64>, target: &DVector<f64>) {
        let kernel = self.scaled(source, target);
        self.rescaled = Some(Rescaled { source: source.clone(), target: target.clone(), kernel });
    }

    fn plan(&self, source: &DVector<f64>, target: &DVector<f64>) -> DMatrix<f64> {
        self.scaled(&(source + &self.log_source), &(target + &self.log_target))
    }

    /// `exp(log_kernel + source + target)`, a row a source.
    fn scaled(&self, source: &DVector<f64>, target: &DVector<f64>) -> DMatrix<f64> {
        DMatrix::from_fn(source.len(), target.len(), |i, j| (self.log_kernel[(i, j)] + source[i] + target[j]).exp())
    }
}

/// What potentials that moved by `by` multiply the rescaled kernel with, their marginal included; `None` where one went
/// too far.
fn factors(by: &DVector<f64>, log_marginal: &DVector<f64>) -> Option<DVector<f64>> {
    is_near(by).then(|| (by + log_marginal).map(f64::exp))
}

/// The potentials that bring `sums` of the kernel rescaled `at` to 1; `None` where one would go too far, or no sum is
/// left.
fn potentials(at: &DVector<f64>, sums: &DVector<f64>) -> Option<DVector<f64>> {
    let by = sums.map(|sum| -sum.ln());
    is_near(&by).then(|| at + by)
}

/// Whether every potential moved within [`REACH`]; one that is no number did not.
fn is_near(by: &DVector<f64>) -> bool {
    by.iter().all(|by| by.abs() <= REACH)
}

/// For each column `c`: `−log Σ_i exp(c_i + weights_i)`. Some weight is above −∞, so the maximum is finite.
fn soft_minimum(log_kernel: &DMatrix<f64>, weights: &DVector<f64>) -> DVector<f64> {
    let terms = |column: usize| log_kernel.column(column).into_iter().zip(weights.iter()).map(|(a, b)| a + b);
    DVector::from_fn(log_kernel.ncols(), |column, _| {
        let largest = terms(column).fold(f64::NEG_INFINITY, f64::max);
        let sum: f64 = terms(column).map(|term| (term - largest).exp()).sum();
        -(largest + sum.ln())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rescaled_kernel_gives_the_potentials_of_the_log_domain() {
        let cost = DMatrix::from_fn(7, 5, |i, j| ((3 * i + 5 * j) % 11) as f64 / 10.0);
        let source = DVector::from_vec(vec![0.1, 0.2, 0.0, 0.3, 0.1, 0.1, 0.2]);
        let target = DVector::from_vec(vec![0.3, 0.1, 0.2, 0.0, 0.4]);
        let problem = Problem::new(cost, source, target).unwrap();
        for regularisation in [1e-5, 1e-3, 1e-1, 10.0] {
            let [mut rescaled, mut in_logs] = [(); 2].map(|()| Kernel::new(&problem, regularisation));
            let [mut a, mut b] = [(); 2].map(|()| DVector::zeros(5));
            for _ in 0..200 {
                a = rescaled.update_source(&a);
                in_logs.rescaled = None;
                b = in_logs.update_source(&b);
                assert!((&a - &b).amax() <= 1e-12 / regularisation, "{regularisation}: {a} {b}");
                a = rescaled.update_target(&a);
                in_logs.rescaled = None;
                b = in_logs.update_target(&b);
                assert!((&a - &b).amax() <= 1e-12 / regularisation, "{regularisation}: {a} {b}");
            }
        }
    }

    #[test]
    fn pieces_come_to_what_the_whole_does() {
        let problem = Problem::uniform(DMatrix::from_fn(7, 5, |i, j| ((3 * i + 5 * j) % 11) as f64 / 10.0)).unwrap();
        for (tolerance, limit) in [(1e-9, 10_000), (0.0, 23)] {
            let options = SinkhornOptions { epsilon: 0.01, iterations: limit, tolerance };
            let mut iterations = Iterations::new(problem.clone(), &options).unwrap();
            let mut pieces = 1;
            while iterations.advance(7) {
                pieces += 1;
            }
            assert!(pieces > 2, "it was through at once");
            assert_eq!(iterations.into_solution(), solve(&problem, &options).unwrap());
        }
    }

    #[test]
    fn settings_out_of_range_are_told() {
        let problem = Problem::uniform(DMatrix::zeros(2, 2)).unwrap();
        let error = |options| solve(&problem, &options).unwrap_err().to_string();
        let good = SinkhornOptions::default();
        insta::assert_snapshot!(error(SinkhornOptions { epsilon: 0.0, ..good }), @"epsilon is 0: it must be a finite number of at least 0.000000001");
        insta::assert_snapshot!(error(SinkhornOptions { epsilon: f64::NAN, ..good }), @"epsilon is NaN: it must be a finite number of at least 0.000000001");
        insta::assert_snapshot!(error(SinkhornOptions { iterations: 0, ..good }), @"iterations is 0: at least 1 is needed");
        insta::assert_snapshot!(error(SinkhornOptions { tolerance: -1.0, ..good }), @"tolerance is -1: it must be 0 or above");
    }
}
