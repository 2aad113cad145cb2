//! Adapters compared weight by weight: how alike two are, and how much of several is lost where they are averaged.
//!
//! Both depend on the order of the neurons, which a function does not: as stored, two adapters are about as alike as
//! noise, and what their average loses to cancellation is what alignment can save.

use super::params::LocationParams;
use crate::tensors::adapter::Part;

/// Cosine between all parameters of two adapters at one location, −1 to 1; `None` where their shapes differ or one is
/// zero everywhere.
#[must_use]
pub fn cosine(a: &LocationParams, b: &LocationParams) -> Option<f64> {
    if (a.bottleneck(), a.hidden()) != (b.bottleneck(), b.hidden()) {
        return None;
    }
    let sum = |x: &LocationParams, y: &LocationParams| -> f64 {
        Part::ALL.iter().map(|&part| x.part(part).dot(y.part(part))).sum()
    };
    let size = (sum(a, a) * sum(b, b)).sqrt();
    (size > 0.0).then(|| (sum(a, b) / size).clamp(-1.0, 1.0))
}

/// What averaging does to weights that disagree.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Interference {
    /// Share of the entries at which two inputs have opposite signs, 0 to 1; half for two inputs of noise.
    pub opposite: f64,
    /// `1 − Σ_e |Σ_i w_i θ_ie| / Σ_e Σ_i w_i |θ_ie|`: the share of the weights' mass that is lost in their mean, 0 to 1;
    /// 0.29 for two inputs of normal noise.
    pub cancelled: f64,
}

/// The interference of inputs with these shares, over all parameters of one location; `None` where shapes differ, or all
/// are zero.
#[must_use]
pub fn interference(inputs: &[(f64, &LocationParams)]) -> Option<Interference> {
    let ((_, first), others) = inputs.split_first()?;
    let shape = |params: &LocationParams| (params.bottleneck(), params.hidden());
    if others.iter().any(|(_, other)| shape(other) != shape(first)) {
        return None;
    }
    let (mut entries, mut opposite, mut whole, mut left) = (0_usize, 0_usize, 0.0, 0.0);
    for part in Part::ALL {
        for entry in 0..first.part(part).len() {
            let (mut sum, mut mass, mut above, mut below) = (0.0, 0.0, false, false);
            for (share, params) in inputs.iter().filter(|(share, _)| *share > 0.0) {
                let value = params.part(part)[entry];
                sum += share * value;
                mass += share * value.abs();
                above |= value > 0.0;
                below |= value < 0.0;
            }
            entries += 1;
            opposite += usize::from(above && below);
            whole += mass;
            left += f64::abs(sum);
        }
    }
    (whole > 0.0)
        .then(|| Interference { opposite: opposite as f64 / entries as f64, cancelled: (1.0 - left / whole).max(0.0) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use nalgebra::DMatrix;

    /// Two neurons of width two; `sign` turns the second.
    fn params(sign: f64) -> LocationParams {
        LocationParams::zeros(2, 2)
            .with(Part::DownWeight, DMatrix::from_row_slice(2, 2, &[1.0, 2.0, sign * 3.0, 0.0]))
            .with(Part::UpWeight, DMatrix::from_row_slice(2, 2, &[1.0, sign, 0.0, sign]))
    }

    #[test]
    fn an_adapter_is_like_itself_whatever_its_size() {
        let larger = LocationParams::weighted_sum([(3.0, &params(1.0))]);
        assert!((cosine(&params(1.0), &larger).unwrap() - 1.0).abs() < 1e-12);
        // 1 + 4 + 1 − 9 − 1 − 1 over 1 + 4 + 1 + 9 + 1 + 1.
        assert!((cosine(&params(1.0), &params(-1.0)).unwrap() + 5.0 / 17.0).abs() < 1e-12);
        assert_eq!(cosine(&params(1.0), &LocationParams::zeros(3, 2)), None);
        assert_eq!(cosine(&params(1.0), &LocationParams::zeros(2, 2)), None);
    }

    #[test]
    fn what_agrees_loses_nothing_and_opposites_lose_all() {
        let (one, other) = (params(1.0), params(-1.0));
        let same = interference(&[(0.5, &one), (0.5, &one)]).unwrap();
        assert_eq!(same, Interference { opposite: 0.0, cancelled: 0.0 });
        // Three of the twelve entries turn, with 5 of the mass of 9.
        let turned = interference(&[(0.5, &one), (0.5, &other)]).unwrap();
        assert_eq!(turned.opposite, 3.0 / 12.0);
        assert!((turned.cancelled - 5.0 / 9.0).abs() < 1e-12);
        // An input that does not count does not disturb.
        assert_eq!(interference(&[(1.0, &one), (0.0, &other)]).unwrap(), same);
        assert_eq!(interference(&[(0.5, &one), (0.5, &LocationParams::zeros(1, 2))]), None);
    }
}
