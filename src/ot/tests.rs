//! Laws of the solvers, and agreement with Python Optimal Transport (`tests/fixtures/pot`).

use nalgebra::{DMatrix, DVector};
use proptest::prelude::*;
use serde::Deserialize;

use super::*;

fn exact(problem: &Problem) -> TransportSolution {
    Solver::Exact.solve(problem).unwrap()
}

fn sinkhorn(problem: &Problem, epsilon: f64) -> TransportSolution {
    Solver::Sinkhorn(SinkhornOptions { epsilon, iterations: 50_000, tolerance: 1e-10 }).solve(problem).unwrap()
}

/// Largest difference of the plan's row and column sums from the marginals.
fn marginal_error(problem: &Problem, plan: &DMatrix<f64>) -> f64 {
    let rows = (plan.column_sum() - problem.source_marginal()).amax();
    let columns = (plan.row_sum().transpose() - problem.target_marginal()).amax();
    rows.max(columns)
}

/// `cost − ⟨f, source⟩ − ⟨g, target⟩`, and how far `f_i + g_j ≤ cost_ij` is broken.
fn certificate(problem: &Problem, solution: &TransportSolution) -> (f64, f64) {
    let Potentials { source, target } = &solution.potentials;
    let gap = solution.cost - source.dot(problem.source_marginal()) - target.dot(problem.target_marginal());
    let slack = DMatrix::from_fn(source.len(), target.len(), |i, j| problem.cost()[(i, j)] - source[i] - target[j]);
    (gap, -slack.min())
}

fn cost(rows: usize, columns: usize) -> impl Strategy<Value = DMatrix<f64>> {
    // Few distinct values among them, so that ties and zeros are met.
    let entry = prop_oneof![-3.0..5.0f64, (0..3i32).prop_map(f64::from)];
    prop::collection::vec(entry, rows * columns).prop_map(move |v| DMatrix::from_vec(rows, columns, v))
}

/// Masses that sum to 1; some of them 0.
fn marginal(points: usize) -> impl Strategy<Value = DVector<f64>> {
    prop::collection::vec(prop_oneof![3 => 0.01..1.0f64, 1 => Just(0.0)], points)
        .prop_filter("some mass", |masses| masses.iter().sum::<f64>() > 0.0)
        .prop_map(|masses| {
            let masses = DVector::from_vec(masses);
            let sum = masses.sum();
            masses / sum
        })
}

fn problem() -> impl Strategy<Value = Problem> {
    (1..9usize, 1..9usize).prop_flat_map(|(rows, columns)| {
        (cost(rows, columns), marginal(rows), marginal(columns))
            .prop_map(|(cost, source, target)| Problem::new(cost, source, target).unwrap())
    })
}

/// A permutation of `0..points`, and a generic cost of as many rows and columns.
fn permuted_rows() -> impl Strategy<Value = (DMatrix<f64>, Vec<usize>)> {
    (1..9usize, 1..6usize).prop_flat_map(|(points, width)| {
        let rows = prop::collection::vec(-1.0..1.0f64, points * width);
        (
            rows.prop_map(move |v| DMatrix::from_vec(points, width, v)),
            Just((0..points).collect::<Vec<_>>()).prop_shuffle(),
        )
    })
}

#[test]
fn ties_leave_no_cycle() {
    // Seven of eight costs tie, so that many plans are optimal; the one given is still a vertex.
    let mut cost = DMatrix::zeros(4, 2);
    cost[(3, 1)] = 4.260086601110952;
    let source = [0.20581593260296577, 0.20581593260296577, 0.20581593260296577, 0.38255220219110264];
    let target = [0.5337620313767526, 0.46623796862324723];
    let problem = Problem::new(cost, DVector::from_row_slice(&source), DVector::from_row_slice(&target)).unwrap();
    let plan = exact(&problem).plan;
    assert!(plan.iter().filter(|mass| **mass > 0.0).count() < 6, "{plan}");
    assert!(marginal_error(&problem, &plan) < 1e-13);
}

proptest! {
    #[test]
    fn an_exact_plan_has_its_marginals_and_a_proof(problem in problem()) {
        let solution = exact(&problem);
        prop_assert!(solution.plan.min() >= 0.0);
        prop_assert!(marginal_error(&problem, &solution.plan) < 1e-13);
        let (gap, broken) = certificate(&problem, &solution);
        prop_assert!(gap.abs() < 1e-12 && broken < 1e-12, "gap {gap}, broken by {broken}");
        // A vertex of the polytope has no more than n + m - 1 entries.
        let entries = solution.plan.iter().filter(|mass| **mass > 0.0).count();
        prop_assert!(entries < solution.plan.nrows() + solution.plan.ncols());
    }

    #[test]
    fn square_and_uniform_gives_a_permutation((rows, _) in permuted_rows(), (other, _) in permuted_rows()) {
        let n = rows.nrows().min(other.nrows());
        let width = rows.ncols().min(other.ncols());
        let (rows, other) = (rows.view((0, 0), (n, width)).into_owned(), other.view((0, 0), (n, width)).into_owned());
        let problem = Problem::uniform(cost_matrix(&rows, &other, CostOptions::default()).unwrap()).unwrap();
        let plan = exact(&problem).plan;
        prop_assert!(plan.iter().all(|mass| *mass == 0.0 || *mass == 1.0 / n as f64));
        prop_assert!(exact(&problem).permutation().is_some());
    }

    #[test]
    fn a_permuted_copy_is_recovered((rows, permutation) in permuted_rows()) {
        let shuffled = rows.select_rows(&permutation);
        for metric in [Metric::Euclidean, Metric::SquaredEuclidean] {
            let options = CostOptions { metric, ..Default::default() };
            let solution = exact(&Problem::uniform(cost_matrix(&shuffled, &rows, options).unwrap()).unwrap());
            prop_assert_eq!(solution.permutation(), Some(permutation.clone()));
            prop_assert_eq!(solution.cost, 0.0);
            let map = solution.target_from_source(Share::Mean);
            prop_assert_eq!(&map * &shuffled, rows.clone());
            prop_assert_eq!(map, solution.target_from_source(Share::Whole));
        }
    }

    #[test]
    fn a_soft_plan_has_its_marginals(problem in problem(), epsilon in 0.02..3.0f64) {
        let solution = sinkhorn(&problem, epsilon);
        let converged = matches!(solution.status, Status::Converged { .. });
        prop_assert!(converged, "{:?} {:?}", solution.status, solution.errors.last());
        prop_assert!(solution.plan.min() >= 0.0);
        prop_assert!(marginal_error(&problem, &solution.plan) < 2e-10);
        prop_assert!(solution.cost >= exact(&problem).cost - 1e-9, "no plan costs less than the exact one");
    }

    #[test]
    fn a_soft_plan_is_finite_whatever_is_asked(
        problem in problem(), exponent in -9.0..4.0f64, scale in -300.0..300.0f64, iterations in 1..40usize,
    ) {
        let cost = problem.cost() * 10f64.powf(scale);
        let (source, target) = (problem.source_marginal().clone(), problem.target_marginal().clone());
        let problem = Problem::new(cost, source, target).unwrap();
        let options = SinkhornOptions { epsilon: 10f64.powf(exponent).max(1e-9), iterations, tolerance: 1e-12 };
        let solution = sinkhorn::solve(&problem, &options).unwrap();
        let Potentials { source, target } = &solution.potentials;
        let mut values = solution.plan.iter().chain(source.iter()).chain(target.iter()).chain(&solution.errors);
        prop_assert!(values.all(|value| value.is_finite()));
        prop_assert!((solution.plan.sum() - problem.mass()).abs() < 1e-5);
    }
}

#[test]
fn soft_plans_tend_to_the_exact_one() {
    // Points on a line and the same in another order, a little noise: a matching that is clearly the best, or the
    // iterations would be slow.
    let noise = |i: usize, j: usize| 0.3 * ((i * 5 + j * 2) as f64 * 0.91).sin();
    let cost = DMatrix::from_fn(6, 6, |i, j| (i as f64 - ((j * 5 + 2) % 6) as f64).abs() + noise(i, j));
    let problem = Problem::uniform(cost).unwrap();
    let exact = exact(&problem);
    let distance = |epsilon| {
        let soft = sinkhorn(&problem, epsilon);
        assert!(matches!(soft.status, Status::Converged { .. }), "{epsilon} {:?}", soft.errors.last());
        (soft.plan - &exact.plan).amax()
    };
    let distances = [1.0, 0.1, 0.03, 0.005].map(distance);
    assert!(distances.is_sorted_by(|a, b| a > b), "{distances:?}");
    assert!(distances[3] < 1e-9, "{distances:?}");
    assert!(
        (sinkhorn(&problem, 1e4).plan.add_scalar(-1.0 / 36.0)).amax() < 1e-5,
        "and to the product of the marginals"
    );
}

#[test]
fn an_iteration_limit_is_told() {
    let problem = Problem::uniform(DMatrix::from_fn(5, 5, |i, j| ((i * j) as f64).sin())).unwrap();
    let options = SinkhornOptions { epsilon: 1e-4, iterations: 3, tolerance: 1e-12 };
    let solution = sinkhorn::solve(&problem, &options).unwrap();
    assert_eq!(solution.status, Status::IterationLimit { iterations: 3 });
    assert_eq!(solution.errors.len(), 3);
    let last = (solution.plan.column_sum() - problem.source_marginal()).abs().sum();
    assert!((last - solution.errors[2]).abs() < 1e-12, "the error told is the plan's own");
}

#[test]
fn two_hundred_neurons_are_solved() {
    let cost = |n, m| DMatrix::from_fn(n, m, |i, j| ((i * 131 + j * 71) as f64 * 0.7).sin() + 1.0);
    for (n, m) in [(200, 200), (200, 37)] {
        let problem = Problem::uniform(cost(n, m)).unwrap();
        let (gap, broken) = certificate(&problem, &exact(&problem));
        assert!(gap.abs() < 1e-12 && broken < 1e-12, "gap {gap}, broken by {broken}");
    }
}

#[derive(Deserialize)]
struct PotCase {
    name: String,
    cost: Vec<Vec<f64>>,
    source_marginal: Vec<f64>,
    target_marginal: Vec<f64>,
    emd: Vec<Vec<f64>>,
    emd_cost: f64,
    epsilon: f64,
    sinkhorn: Vec<Vec<f64>>,
}

fn matrix(rows: &[Vec<f64>]) -> DMatrix<f64> {
    DMatrix::from_fn(rows.len(), rows[0].len(), |i, j| rows[i][j])
}

#[test]
fn python_optimal_transport_agrees() {
    #[derive(Deserialize)]
    struct Fixture {
        cases: Vec<PotCase>,
    }
    let fixture: Fixture = serde_json::from_str(include_str!("../../tests/fixtures/pot/pot.json")).unwrap();
    assert!(fixture.cases.len() >= 6);
    for case in &fixture.cases {
        let (source, target) = (case.source_marginal.clone(), case.target_marginal.clone());
        let problem = Problem::new(matrix(&case.cost), source.into(), target.into()).unwrap();
        let largest = problem.cost().amax();
        let plan = exact(&problem);
        assert!((plan.cost - case.emd_cost).abs() < 1e-6 * largest, "{}: {} {}", case.name, plan.cost, case.emd_cost);
        // The costs are generic, so the exact plan is unique.
        assert!((plan.plan - matrix(&case.emd)).amax() < 1e-9, "{}: exact plan", case.name);
        let soft = sinkhorn(&problem, case.epsilon);
        let difference = (soft.plan - matrix(&case.sinkhorn)).amax();
        assert!(difference < 1e-8, "{}: Sinkhorn plan differs by {difference}", case.name);
    }
}
