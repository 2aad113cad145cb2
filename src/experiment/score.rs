//! Which adapters are worth merging, before any training: the leave-one-out accuracy of a ridge classifier on the
//! features that an adapter gives the labelled examples.
//!
//! Features Z (`[examples, width]`, the first token after the last layer, each column standardised), one-hot targets Y,
//! kernel `K = ZZᵀ/width + 1`, `G = K + λI`. The classifier's answer on example i when i itself is left out has a closed
//! form, `y_i − (G⁻¹Y)_i / (G⁻¹)_ii` (the hat matrix; Allen 1974), so one solve scores an adapter.

use nalgebra::{Cholesky, DMatrix};

/// λ of the ridge.
pub const RIDGE: f64 = 0.3;

/// What the classifier says of examples that it has not seen.
#[derive(Clone, Debug, PartialEq)]
pub struct Score {
    /// Share of right answers, 0 to 1.
    pub accuracy: f64,
    /// `[examples, classes]`: how near each left-out example is to each class; its target is 1 for one, 0 for the rest.
    pub margins: DMatrix<f64>,
}

/// Why there is no score.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ScoreError {
    /// Fewer than two examples, or features of no width.
    #[error("a score needs two examples or more; there are {0}")]
    TooFew(usize),
    /// As many labels as examples there must be, each below the number of classes.
    #[error("{examples} examples have {labels} labels of {classes} classes")]
    Labels {
        /// Rows of the features.
        examples: usize,
        /// Labels given that are below `classes`.
        labels: usize,
        /// Number of classes.
        classes: usize,
    },
    /// A feature is infinite or no number.
    #[error("the features are not finite")]
    NotFinite,
}

/// The leave-one-out score of `features` (`[examples, width]`) for `labels` (one an example, below `classes`).
///
/// # Errors
/// When there are fewer than two examples, labels do not fit, or a feature is not finite.
pub fn leave_one_out(features: &DMatrix<f64>, labels: &[usize], classes: usize) -> Result<Score, ScoreError> {
    let (examples, width) = features.shape();
    let fitting = labels.iter().filter(|label| **label < classes).count();
    if examples < 2 || width == 0 {
        return Err(ScoreError::TooFew(if width == 0 { 0 } else { examples }));
    }
    if labels.len() != examples || fitting != examples {
        return Err(ScoreError::Labels { examples, labels: fitting, classes });
    }
    if features.iter().any(|feature| !feature.is_finite()) {
        return Err(ScoreError::NotFinite);
    }
    let kernel = kernel(features);
    let targets = DMatrix::from_fn(examples, classes, |row, class| f64::from(u8::from(labels[row] == class)));
    let ridge = &kernel + DMatrix::identity(examples, examples) * RIDGE;
    // K is positive semidefinite and λ above 0: only features so large that K overflows have no factorisation.
    let inverse = Cholesky::new(ridge).ok_or(ScoreError::NotFinite)?.inverse();
    let weights = &inverse * &targets;
    let margins = DMatrix::from_fn(examples, classes, |row, class| {
        targets[(row, class)] - weights[(row, class)] / inverse[(row, row)]
    });
    if margins.iter().any(|margin| !margin.is_finite()) {
        return Err(ScoreError::NotFinite);
    }
    let right = labels.iter().enumerate().filter(|&(row, label)| margins.row(row).transpose().imax() == *label).count();
    Ok(Score { accuracy: right as f64 / examples as f64, margins })
}

/// `ZZᵀ/width + 1` of the standardised columns; a column that is the same everywhere says nothing and counts as 0.
fn kernel(features: &DMatrix<f64>) -> DMatrix<f64> {
    let (examples, width) = features.shape();
    let mut standard = features.clone();
    for mut column in standard.column_iter_mut() {
        let mean = column.sum() / examples as f64;
        column.add_scalar_mut(-mean);
        let deviation = (column.norm_squared() / examples as f64).sqrt();
        if deviation > 1e-12 * mean.abs().max(1.0) { column /= deviation } else { column.fill(0.0) }
    }
    (&standard * standard.transpose()) / width as f64 + DMatrix::from_element(examples, examples, 1.0)
}

#[cfg(test)]
#[cfg(not(target_arch = "wasm32"))]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[derive(serde::Deserialize)]
    struct Case {
        classes: usize,
        labels: Vec<usize>,
        features: Vec<Vec<f64>>,
        margins: Vec<Vec<f64>>,
        accuracy: f64,
    }

    fn rows(rows: &[Vec<f64>]) -> DMatrix<f64> {
        DMatrix::from_fn(rows.len(), rows.first().map_or(0, Vec::len), |row, column| rows[row][column])
    }

    #[test]
    fn as_leaving_each_example_out_and_solving_again() {
        let file = include_str!("../../tests/fixtures/experiment/score.json");
        let mut file: serde_json::Value = serde_json::from_str(file).unwrap();
        let cases: Vec<Case> = serde_json::from_value(file["cases"].take()).unwrap();
        assert_eq!(cases.len(), 3);
        for case in cases {
            let score = leave_one_out(&rows(&case.features), &case.labels, case.classes).unwrap();
            assert_eq!(score.accuracy, case.accuracy);
            let difference = (score.margins - rows(&case.margins)).amax();
            assert!(difference < 1e-12, "{difference}");
        }
    }

    #[test]
    fn features_that_tell_the_classes_apart_score_higher_than_noise() {
        let labels: Vec<usize> = (0..20).map(|row| row % 2).collect();
        // One column in four knows the label; the others follow a pattern that does not.
        let telling = DMatrix::from_fn(20, 4, |row, column| match column {
            0 => row as f64 % 2.0,
            _ => ((row / 2 * (column + 3)) % 7) as f64,
        });
        let noise = telling.clone().remove_column(0);
        let of = |features: &DMatrix<f64>| leave_one_out(features, &labels, 2).unwrap().accuracy;
        assert_eq!(of(&telling), 1.0);
        // Left out of balanced classes, an example finds its own in the minority.
        assert!(of(&noise) < 0.6, "{}", of(&noise));
    }

    #[test]
    fn what_can_not_be_scored_is_named() {
        let features = DMatrix::from_element(3, 2, 1.0);
        let error = |features: &DMatrix<f64>, labels: &[usize]| leave_one_out(features, labels, 2).unwrap_err();
        insta::assert_snapshot!(error(&DMatrix::zeros(1, 2), &[0]), @"a score needs two examples or more; there are 1");
        insta::assert_snapshot!(error(&features, &[0, 1]), @"3 examples have 2 labels of 2 classes");
        insta::assert_snapshot!(error(&features, &[0, 1, 2]), @"3 examples have 2 labels of 2 classes");
        let broken = DMatrix::from_row_slice(2, 1, &[f64::NAN, 1.0]);
        insta::assert_snapshot!(error(&broken, &[0, 1]), @"the features are not finite");
    }

    proptest! {
        /// The score is of the features' directions: their units and offsets do not matter.
        #[test]
        fn units_do_not_matter(seed in prop::collection::vec(-1.0..1.0f64, 24), unit in 0.1..10.0f64, offset in -5.0..5.0f64) {
            let features = DMatrix::from_row_slice(8, 3, &seed);
            let labels = [0, 1, 0, 1, 0, 1, 0, 1];
            let a = leave_one_out(&features, &labels, 2).unwrap();
            let b = leave_one_out(&(features * unit).add_scalar(offset), &labels, 2).unwrap();
            prop_assert!((a.margins - b.margins).amax() < 1e-6);
        }
    }
}
