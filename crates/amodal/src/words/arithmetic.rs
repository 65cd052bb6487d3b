//! Arithmetic on copies of rows, in whole registers.
use super::rows::LANES;
use crate::kernels::exp;

/// The product of two copies.
#[inline(always)]
pub(super) fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut sums = [0.0_f32; LANES];
    for (a, b) in a.as_chunks::<LANES>().0.iter().zip(b.as_chunks::<LANES>().0) {
        sums = std::array::from_fn(|lane| a[lane].mul_add(b[lane], sums[lane]));
    }
    sums.iter().sum() // one after the other: halves are added in scalar code
}

/// `vector · row` of every row of a matrix.
#[inline(always)]
pub(super) fn products(vector: &[f32], matrix: &[f32], products: &mut [f32]) {
    for (row, product) in matrix.chunks_exact(vector.len()).zip(products) {
        *product = dot(vector, row);
    }
}

/// Adds the rows of a matrix, each times its factor.
#[inline(always)]
pub(super) fn add_sum(vector: &mut [f32], factors: &[f32], matrix: &[f32]) {
    let dim = vector.len();
    for (factor, row) in factors.iter().zip(matrix.chunks_exact(dim)) {
        add_scaled(vector, *factor, row);
    }
}

#[inline(always)]
pub(super) fn add_scaled(to: &mut [f32], factor: f32, values: &[f32]) {
    // a whole block is read before it is written, so that the compiler need not ask whether the two overlap
    for (to, values) in to.as_chunks_mut::<LANES>().0.iter_mut().zip(values.as_chunks::<LANES>().0) {
        *to = std::array::from_fn(|lane| factor.mul_add(values[lane], to[lane]));
    }
}

/// Logits to `(label - sigmoid) · rate`.
#[inline(always)]
pub(super) fn wrong(logits: &mut [f32], labels: &[f32], rate: f32) {
    for (logit, label) in logits.iter_mut().zip(labels) {
        *logit = (label - sigmoid(*logit)) * rate;
    }
}

/// `1 / (1 + e^-x)` to six digits.
#[inline(always)]
fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + exp(-x))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sigmoid_is_exact_to_six_digits() {
        for at in -2000..=2000 {
            let x = at as f32 / 50.0;
            let expected = 1.0 / (1.0 + (-f64::from(x)).exp());
            assert!((f64::from(sigmoid(x)) - expected).abs() < 2e-6, "{x}");
        }
        assert_eq!((sigmoid(1e30), sigmoid(-1e30) < 1e-30), (1.0, true));
    }
}
