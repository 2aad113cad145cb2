//! GELU (Hendrycks & Gimpel 2016), `x · Φ(x)` with Φ the standard normal distribution, and its exact gradient,
//! `Φ(x) + x · φ(x)`.
//!
//! burn's own has the gradient of the approximation by tanh on the GPU, and on the CPU works one number at a time,
//! which took a quarter of a training step.

use burn::tensor::{Device, Tensor, TensorData};
use std::sync::LazyLock;
use wide::f32x4;

/// Element by element; differentiable.
pub(super) fn gelu<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    if x.device().inner() == Device::flex() {
        return on_cpu(x);
    }
    let cdf = (x.clone() * std::f64::consts::FRAC_1_SQRT_2).erf() * 0.5 + 0.5;
    x * cdf
}

/// The tangent at `x`: it has the function's value and its gradient, and both come from one pass over the numbers.
#[allow(
    clippy::disallowed_methods,
    reason = "on the CPU the numbers are there, in a browser too: nothing is waited for"
)]
#[allow(clippy::expect_used, reason = "the CPU can always be read, and every tensor here is of f32")]
fn on_cpu<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    let (shape, device) = (x.dims(), x.device());
    let numbers = |x: Tensor<D>| x.into_data().try_into_vec::<f32>().expect("numbers on the CPU");
    let tensor = |numbers| Tensor::<D>::from_data(TensorData::new(numbers, shape), &device);
    if !device.is_autodiff() {
        let mut values = numbers(x);
        each(&mut values, &mut []);
        return tensor(values);
    }
    let here = x.clone().detach();
    let mut values = numbers(here.clone());
    let mut slopes = vec![0.0; values.len()];
    each(&mut values, &mut slopes);
    (x - here) * tensor(slopes) + tensor(values)
}

/// Puts the function's value in the place of each of `numbers`, its slope there into `slopes` as far as they reach.
fn each(numbers: &mut [f32], slopes: &mut [f32]) {
    let table = &*TABLE;
    let (fours, rest) = numbers.as_chunks_mut::<4>();
    let (slopes, other_slopes) = slopes.as_chunks_mut::<4>();
    let mut slopes = slopes.iter_mut();
    for four in fours {
        let near = Near::of(table, f32x4::from(*four));
        *four = near.value().to_array();
        if let Some(place) = slopes.next() {
            *place = near.slope().to_array();
        }
    }
    let mut four = [0.0; 4];
    four[..rest.len()].copy_from_slice(rest);
    let near = Near::of(table, f32x4::from(four));
    rest.copy_from_slice(&near.value().to_array()[..rest.len()]);
    other_slopes.copy_from_slice(&near.slope().to_array()[..other_slopes.len()]);
}

/// Points of the table in 1.
const STEPS: f32 = 32.0;
/// The last point: beyond it `h` is less than 1e-8, and counts as 0.
const LAST: f32 = 6.0;
/// Coefficients at a point, and three of nothing: a row is half a line of the cache.
type Row = [f32; 8];

/// Taylor's coefficients of degree 0 to 4 of `h(a) = a · Φ(-a)` at 0, 1/32 .. 6.
static TABLE: LazyLock<Vec<Row>> = LazyLock::new(|| (0..=(LAST * STEPS) as usize).map(row).collect());

/// With φ the density of the standard normal distribution: h' = Φ(-a) - a φ, h'' = (a² - 2) φ, h''' = (4a - a³) φ and
/// h'''' = (a⁴ - 7a² + 4) φ.
fn row(index: usize) -> Row {
    let a = index as f64 / f64::from(STEPS);
    if a >= f64::from(LAST) {
        return Row::default();
    }
    let below = 0.5 * libm::erfc(a * std::f64::consts::FRAC_1_SQRT_2);
    let density = (-0.5 * a * a).exp() / (2.0 * std::f64::consts::PI).sqrt();
    let square = a * a;
    let coefficients = [
        a * below,
        below - a * density,
        (square - 2.0) * density / 2.0,
        (4.0 - square) * a * density / 6.0,
        ((square - 7.0) * square + 4.0) * density / 24.0,
    ];
    std::array::from_fn(|degree| coefficients.get(degree).map_or(0.0, |&coefficient| coefficient as f32))
}

/// Four numbers, and h near the absolute value of each: Taylor's coefficients, and how far from their point it is.
///
/// All of it in single precision, four at a time: h is small where the function is large, so that its own error counts
/// for little. Inlined, for a build for size would call it half a million times in a forward pass.
struct Near {
    x: f32x4,
    coefficients: [f32x4; 5],
    by: f32x4,
}

impl Near {
    #[inline(always)]
    fn of(table: &[Row], x: f32x4) -> Self {
        // Constants, for a build for size would fill them in by a loop each time.
        const END: f32x4 = f32x4::new([LAST; 4]);
        const POINTS: f32x4 = f32x4::new([STEPS; 4]);
        const STEP: f32x4 = f32x4::new([1.0 / STEPS; 4]);
        let a = x.abs().min(END);
        let index = (a * POINTS).round_int();
        let by = a - index.round_float() * STEP;
        let row = |index: i32| &table[index as usize];
        let [first, second, third, fourth] = index.to_array();
        let (first, second, third, fourth) = (row(first), row(second), row(third), row(fourth));
        let c = |degree: usize| f32x4::new([first[degree], second[degree], third[degree], fourth[degree]]);
        Self { x, coefficients: [c(0), c(1), c(2), c(3), c(4)], by }
    }

    /// `x · Φ(x) = max(x, 0) - h(|x|)`, within 8e-8 of the larger of it and 1.
    #[inline(always)]
    fn value(&self) -> f32x4 {
        let ([c0, c1, c2, c3, c4], by) = (self.coefficients, self.by);
        let h = (((c4 * by + c3) * by + c2) * by + c1) * by + c0;
        // Halves, which are exact, and not a maximum, so that what is no number stays none.
        let half = self.x * f32x4::HALF;
        half + half.abs() - h
    }

    /// `Φ(x) + x · φ(x)`, which is h'(|x|) to the left of 0 and 1 - h'(|x|) to the right.
    #[inline(always)]
    fn slope(&self) -> f32x4 {
        const TWO: f32x4 = f32x4::new([2.0; 4]);
        const THREE: f32x4 = f32x4::new([3.0; 4]);
        const FOUR: f32x4 = f32x4::new([4.0; 4]);
        let ([_, c1, c2, c3, c4], by) = (self.coefficients, self.by);
        let slope = ((c4 * FOUR * by + c3 * THREE) * by + c2 * TWO) * by + c1;
        self.x.simd_lt(f32x4::ZERO).select(slope, f32x4::ONE - slope)
    }
}

#[cfg(test)]
#[cfg(not(target_arch = "wasm32"))]
mod tests {
    use super::*;

    /// From -12 to 12, where it is curved and where it is straight.
    fn numbers() -> Vec<f32> {
        (-12_000..=12_000).map(|thousandth| thousandth as f32 / 1000.0).collect()
    }

    #[test]
    fn value_and_gradient_are_the_functions() {
        let xs = numbers();
        let x =
            Tensor::<1>::from_data(TensorData::new(xs.clone(), [xs.len()]), &Device::flex().autodiff()).require_grad();
        let y = gelu(x.clone());
        let gradients = y.clone().sum().backward();
        let slopes = x.grad(&gradients).unwrap().into_data().try_into_vec::<f32>().unwrap();
        let plain = Tensor::<1>::from_data(TensorData::new(xs.clone(), [xs.len()]), &Device::flex());
        let plain = gelu(plain).into_data().try_into_vec::<f32>().unwrap();
        for (((&x, y), slope), plain) in
            xs.iter().zip(y.into_data().try_into_vec::<f32>().unwrap()).zip(slopes).zip(plain)
        {
            let wide = f64::from(x);
            let cdf = 0.5 * (1.0 + libm::erf(wide * std::f64::consts::FRAC_1_SQRT_2));
            let density = (-0.5 * wide * wide).exp() / (2.0 * std::f64::consts::PI).sqrt();
            let (value, gradient) = (wide * cdf, cdf + wide * density);
            for (found, wanted) in [(y, value), (plain, value), (slope, gradient)] {
                assert!((f64::from(found) - wanted).abs() < 1e-7 * wanted.abs().max(1.0), "{x}: {found} and {wanted}");
            }
        }
    }

    #[test]
    fn what_is_no_number_stays_none() {
        let mut numbers = [f32::NAN; 5];
        each(&mut numbers, &mut []);
        assert!(numbers.iter().all(|number| number.is_nan()));
    }
}
