//! GELU (Hendrycks & Gimpel 2016), `x · Φ(x)` with Φ the standard normal distribution, and its exact gradient,
//! `Φ(x) + x · φ(x)`.
//!
//! burn's own has the gradient of the approximation by tanh on the GPU, and on the CPU works one number at a time,
//! which took a quarter of a training step.

use burn::tensor::{Device, Tensor, TensorData};
use wide::f64x4;

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
fn on_cpu<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    let (shape, device) = (x.dims(), x.device());
    let here = x.clone().detach();
    let mut values = here.clone().into_data().try_into_vec::<f32>().unwrap_or_default();
    let tensor = |numbers| Tensor::<D>::from_data(TensorData::new(numbers, shape), &device);
    if !device.is_autodiff() {
        map(&mut values, &mut [], value_and_slope);
        return tensor(values);
    }
    let mut slopes = vec![0.0; values.len()];
    map(&mut values, &mut slopes, value_and_slope);
    (x - here) * tensor(slopes) + tensor(values)
}

/// Puts the first of what `f` gives in the place of each of `numbers`, the second into `others` as far as they reach.
fn map(numbers: &mut [f32], others: &mut [f32], f: impl Fn(f64x4) -> (f64x4, f64x4)) {
    let mut others = others.chunks_mut(4);
    for chunk in numbers.chunks_mut(4) {
        let mut four = [0.0; 4];
        four.iter_mut().zip(chunk.iter()).for_each(|(wide, &number)| *wide = f64::from(number));
        let (first, second) = f(f64x4::from(four));
        let put =
            |to: &mut [f32], from: f64x4| to.iter_mut().zip(from.to_array()).for_each(|(to, from)| *to = from as f32);
        put(chunk, first);
        if let Some(other) = others.next() {
            put(other, second);
        }
    }
}

/// `x · Φ(x)` and `Φ(x) + x · φ(x)`, within 1e-9.
///
/// `Φ(-|x|) = exp(-x²/2) · t · q(t)` with `t = 1 / (1 + 0.3 |x|)`, as in Hastings (*Approximations for Digital Computers*,
/// 1955), here with q of degree 9: the least-squares fit to `erfcx(|x| / √2) / 2t` at 400 Chebyshev nodes of t between
/// 1 / 3.7 and 1. Worked in `f64`, because the far side of Φ is a small difference of large numbers in `f32`.
fn value_and_slope(x: f64x4) -> (f64x4, f64x4) {
    const Q: [f64; 10] = [
        -0.018_810_989_995_8,
        0.102_078_402_315,
        -0.202_446_033_28,
        0.155_201_092_195,
        -0.046_803_045_490_3,
        0.077_237_223_017_4,
        0.085_518_433_241_1,
        0.108_554_558_131,
        0.119_796_663_246,
        0.119_673_695_799,
    ];
    let one = f64x4::ONE;
    let bell = (x * x * -0.5).exp();
    let t = one / x.abs().mul_add(f64x4::splat(0.3), one);
    let tail = bell * t * Q.iter().fold(f64x4::ZERO, |sum, &q| sum.mul_add(t, f64x4::splat(q)));
    let cdf = x.simd_lt(f64x4::ZERO).select(tail, one - tail);
    // 1/√(2π)
    (x * cdf, cdf + x * bell * 0.398_942_280_401_432_7)
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
        let (value, _) = value_and_slope(f64x4::splat(f64::NAN));
        assert!(value.to_array()[0].is_nan());
    }
}
