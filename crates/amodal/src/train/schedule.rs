//! The step size over the steps.

/// A linear rise over the first `warmup` share of the steps, then half a cosine down to 0 (Loshchilov and Hutter 2016,
/// arXiv:1608.03983). `step` counts from 0.
pub fn learning_rate(step: usize, steps: usize, highest: f64, warmup: f64) -> f64 {
    let rise = (steps as f64 * warmup).ceil();
    let step = step as f64;
    if step < rise {
        return highest * (step + 1.0) / rise;
    }
    let share = (step - rise) / (steps as f64 - rise).max(1.0);
    highest * 0.5 * (1.0 + (std::f64::consts::PI * share).cos())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rises_then_falls() {
        let rate = |step| learning_rate(step, 100, 2.0, 0.1);
        assert!((rate(0) - 0.2).abs() < 1e-12);
        assert!((rate(9) - 2.0).abs() < 1e-12 && (rate(10) - 2.0).abs() < 1e-12);
        assert!((rate(55) - 1.0).abs() < 1e-9);
        assert!(rate(99) < 0.01);
        assert!((learning_rate(0, 10, 1.0, 0.0) - 1.0).abs() < 1e-12);
    }
}
