//! Functions of one number that compile to whole registers.

/// `e^x` to six digits; 0 below -87.7.
#[inline(always)]
pub(crate) fn exp(x: f32) -> f32 {
    // e^x = 2^whole · 2^part, the second by its Taylor series
    let power = (x * std::f32::consts::LOG2_E).clamp(-127.0, 127.0);
    // beside a number this large only whole ones have bits, the last ones
    const LARGE: f32 = 12_582_912.0;
    let shifted = power + LARGE;
    let whole = shifted - LARGE;
    let part = (power - whole) * std::f32::consts::LN_2;
    let series = [1.0 / 720.0, 1.0 / 120.0, 1.0 / 24.0, 1.0 / 6.0, 0.5, 1.0, 1.0];
    let fraction = series.iter().fold(0.0_f32, |sum, factor| sum.mul_add(part, *factor));
    fraction * f32::from_bits((shifted.to_bits() << 23).wrapping_add(127 << 23))
}

/// The share of a normal distribution below `x`, and its density there: the first to 1e-7 (Abramowitz and Stegun 1964,
/// 7.1.26).
#[inline(always)]
pub(crate) fn normal(x: f32) -> (f32, f32) {
    let middle = exp(-0.5 * x * x);
    let t = 1.0 / (0.327_591_1 * std::f32::consts::FRAC_1_SQRT_2).mul_add(x.abs(), 1.0);
    let series = [1.061_405_4, -1.453_152, 1.421_413_8, -0.284_496_72, 0.254_829_6, 0.0];
    let beyond = 0.5 * middle * series.iter().fold(0.0_f32, |sum, factor| sum.mul_add(t, *factor));
    (if x < 0.0 { beyond } else { 1.0 - beyond }, middle * 0.398_942_3)
}

/// Numbers that [`sum`] adds side by side.
pub(super) const LANES: usize = 16;

/// A sum of the numbers that `of` makes of two rows, in lanes, so that it is quick and always in the same order.
#[inline(always)]
pub(crate) fn sum(a: &[f32], b: &[f32], of: impl Fn(f32, f32) -> f32) -> f32 {
    let mut lanes = [0.0_f32; LANES];
    let ((a, rest_a), (b, rest_b)) = (a.as_chunks::<LANES>(), b.as_chunks::<LANES>());
    for (a, b) in a.iter().zip(b) {
        lanes = std::array::from_fn(|lane| lanes[lane] + of(a[lane], b[lane]));
    }
    lanes.iter().sum::<f32>() + rest_a.iter().zip(rest_b).map(|(a, b)| of(*a, *b)).sum::<f32>()
}

/// The largest of a row.
#[inline(always)]
pub(crate) fn largest(row: &[f32]) -> f32 {
    let mut lanes = [f32::NEG_INFINITY; LANES];
    let (chunks, rest) = row.as_chunks::<LANES>();
    for chunk in chunks {
        lanes = std::array::from_fn(|lane| lanes[lane].max(chunk[lane]));
    }
    lanes.iter().chain(rest).fold(f32::NEG_INFINITY, |most, value| most.max(*value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exp_is_that_of_the_library() {
        for x in (-8700..=8700).map(|x| x as f32 / 100.0) {
            let wanted = x.exp();
            assert!((exp(x) / wanted - 1.0).abs() < 1e-5, "{x}: {} {wanted}", exp(x));
        }
        assert_eq!([exp(-1e9), exp(f32::NEG_INFINITY)], [0.0; 2]);
        assert!(exp(f32::INFINITY) > 1e38);
    }

    #[test]
    fn the_normal_distribution() {
        // from scipy.stats import norm; norm.cdf([-3, -0.5, 0, 1, 2.5])
        for (x, wanted) in
            [(-3.0, 0.001_349_9), (-0.5, 0.308_537_54), (0.0, 0.5), (1.0, 0.841_344_7), (2.5, 0.993_790_3)]
        {
            let (below, density) = normal(x);
            assert!((below - wanted).abs() < 3e-7, "{x}: {below}");
            assert!((density - (-0.5 * x * x).exp() / (2.0 * std::f32::consts::PI).sqrt()).abs() < 1e-6);
        }
    }

    #[test]
    fn sums_and_largest_of_any_length() {
        for length in [0, 1, 15, 16, 17, 50] {
            let row: Vec<f32> = (0..length).map(|at| ((at * 7) % 11) as f32).collect();
            assert_eq!(sum(&row, &row, |a, b| a * b), row.iter().map(|x| x * x).sum::<f32>());
            assert_eq!(largest(&row), row.iter().copied().fold(f32::NEG_INFINITY, f32::max));
        }
    }
}
