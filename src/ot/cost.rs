//! Cost matrices: how far each row of one matrix is from each row of another.
//!
//! The choices are those of OTFusion's ground metric (Singh and Jaggi, *Model Fusion via Optimal Transport*, 2020;
//! sidak/otfusion `ground_metric.py`), and Git Re-Basin's inner product (Ainsworth et al., 2022).

use nalgebra::DMatrix;
use thiserror::Error;

/// What makes two rows `a`, `b` far apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Metric {
    /// `‖a − b‖`.
    #[default]
    Euclidean,
    /// `‖a − b‖²`.
    SquaredEuclidean,
    /// `1 − ⟨a, b⟩ / (‖a‖ ‖b‖)`; a row of zeros is at distance 1 from every row.
    Cosine,
    /// `−⟨a, b⟩`: the least cost is the greatest total similarity.
    InnerProduct,
}

/// How a cost matrix is made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CostOptions {
    /// What makes two rows far apart.
    pub metric: Metric,
    /// Whether every row is scaled to length 1 first (rows of zeros stay).
    pub unit_rows: bool,
}

/// Two matrices whose rows can't be compared.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("rows of {source_width} values can't be compared with rows of {target_width}")]
pub struct CostError {
    /// Columns of the source.
    pub source_width: usize,
    /// Columns of the target.
    pub target_width: usize,
}

/// The cost from each row of `source` (`n × k`) to each row of `target` (`m × k`).
///
/// # Shapes
/// `n × m`.
///
/// # Errors
/// When the rows have different lengths.
pub fn cost_matrix(
    source: &DMatrix<f64>,
    target: &DMatrix<f64>,
    options: CostOptions,
) -> Result<DMatrix<f64>, CostError> {
    if source.ncols() != target.ncols() {
        return Err(CostError { source_width: source.ncols(), target_width: target.ncols() });
    }
    // As columns the rows are contiguous. Distances are summed over differences, not expanded into norms and inner
    // products: equal rows are then at distance 0 to the last digit.
    let (mut source, mut target) = (source.transpose(), target.transpose());
    if options.unit_rows || options.metric == Metric::Cosine {
        unit_columns(&mut source);
        unit_columns(&mut target);
    }
    Ok(DMatrix::from_fn(source.ncols(), target.ncols(), |i, j| {
        let (a, b) = (source.column(i), target.column(j));
        match options.metric {
            Metric::Euclidean => squared_distance(a.iter(), b.iter()).sqrt(),
            Metric::SquaredEuclidean => squared_distance(a.iter(), b.iter()),
            Metric::Cosine => 1.0 - a.dot(&b),
            Metric::InnerProduct => -a.dot(&b),
        }
    }))
}

fn unit_columns(matrix: &mut DMatrix<f64>) {
    for mut column in matrix.column_iter_mut() {
        let norm = column.norm();
        if norm > 0.0 {
            column /= norm;
        }
    }
}

fn squared_distance<'a>(a: impl Iterator<Item = &'a f64>, b: impl Iterator<Item = &'a f64>) -> f64 {
    a.zip(b).map(|(a, b)| (a - b) * (a - b)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matrix<const N: usize, const M: usize>(rows: [[f64; M]; N]) -> DMatrix<f64> {
        DMatrix::from_fn(N, M, |i, j| rows[i][j])
    }

    #[test]
    fn metrics_are_what_they_say() {
        let source = matrix([[3.0, 0.0], [0.0, 0.0]]);
        let target = matrix([[0.0, 4.0], [6.0, 0.0], [-1.0, 0.0]]);
        let cost = |metric, unit_rows| cost_matrix(&source, &target, CostOptions { metric, unit_rows }).unwrap();
        assert_eq!(cost(Metric::Euclidean, false), matrix([[5.0, 3.0, 4.0], [4.0, 6.0, 1.0]]));
        assert_eq!(cost(Metric::SquaredEuclidean, false), matrix([[25.0, 9.0, 16.0], [16.0, 36.0, 1.0]]));
        assert_eq!(cost(Metric::Cosine, false), matrix([[1.0, 0.0, 2.0], [1.0, 1.0, 1.0]]));
        assert_eq!(cost(Metric::InnerProduct, false), matrix([[0.0, -18.0, 3.0], [0.0, 0.0, 0.0]]));
        assert_eq!(cost(Metric::SquaredEuclidean, true), matrix([[2.0, 0.0, 4.0], [1.0, 1.0, 1.0]]));
    }

    #[test]
    fn rows_must_be_as_long() {
        let error = cost_matrix(&DMatrix::zeros(2, 3), &DMatrix::zeros(2, 4), CostOptions::default()).unwrap_err();
        insta::assert_snapshot!(error, @"rows of 3 values can't be compared with rows of 4");
    }
}
