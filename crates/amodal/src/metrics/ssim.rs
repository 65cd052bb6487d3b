//! Structural similarity.
use super::{
    Entry, Kind,
    made_media::{MadeMedia, Measure},
};
use crate::media::image::Picture;

/// The list's entry.
pub const ENTRY: Entry = Entry {
    name: "ssim",
    about: "Structural similarity: how alike brightness, contrast and structure are around each pixel, 1 at most, the mean over colours and over pictures or frames (scikit-image's structural_similarity with a Gaussian window of 11; Wang et al. 2004, IEEE TIP); beside always giving the mean picture. Differs: a picture of fewer than 11 pixels a side takes a window that it has room for.",
    kind: Kind::Image,
    make: || Box::new(MadeMedia::new(MEASURES)),
};

const MEASURES: &[Measure<Picture>] = &[Measure { name: "ssim", is_share: false, higher_is_better: true, of: ssim }];

/// Standard deviation of the window, in pixels.
const SIGMA: f64 = 1.5;
/// Pixels on each side of its middle.
const RADIUS: usize = 5;
/// Keep dark and even places defined.
const C1: f64 = (0.01 * 255.0) * (0.01 * 255.0);
const C2: f64 = (0.03 * 255.0) * (0.03 * 255.0);

fn ssim(made: &Picture, right: &Picture) -> f64 {
    let window = window(RADIUS.min(right.height.min(right.width).saturating_sub(1) / 2));
    let mean = |values: Vec<f64>| smooth(&values, right.width, &window);
    let product = |one: &[f64], other: &[f64]| mean(one.iter().zip(other).map(|(one, other)| one * other).collect());
    let of_colour = |colour: usize| {
        let plane = |picture: &Picture| -> Vec<f64> {
            picture.pixels.iter().skip(colour).step_by(3).map(|value| f64::from(*value)).collect()
        };
        let (made, right) = (plane(made), plane(right));
        let (made_square, right_square, both) =
            (product(&made, &made), product(&right, &right), product(&made, &right));
        let (made, right) = (mean(made), mean(right));
        let of_place = |at: usize| {
            let (made, right) = (made[at], right[at]);
            let variances = made_square[at] - made * made + right_square[at] - right * right;
            let brightness = (2.0 * made * right + C1) / (made * made + right * right + C1);
            brightness * (2.0 * (both[at] - made * right) + C2) / (variances + C2)
        };
        (0..both.len()).map(of_place).sum::<f64>() / both.len() as f64
    };
    (0..3).map(of_colour).sum::<f64>() / 3.0
}

/// The weights of a Gaussian of [`SIGMA`], of sum 1.
fn window(radius: usize) -> Vec<f64> {
    let weight = |at: usize| (-0.5 * (at.abs_diff(radius) as f64 / SIGMA).powi(2)).exp();
    let sum: f64 = (0..=2 * radius).map(weight).sum();
    (0..=2 * radius).map(|at| weight(at) / sum).collect()
}

/// Weighted means of a plane around each place that the window has room at, row by row.
fn smooth(plane: &[f64], width: usize, window: &[f64]) -> Vec<f64> {
    let across: Vec<f64> = plane.chunks_exact(width).flat_map(|row| weighted(row, 1, window)).collect();
    weighted(&across, width + 1 - window.len(), window)
}

/// Sums of as many values as there are weights, each `step` after the other.
fn weighted(values: &[f64], step: usize, weights: &[f64]) -> Vec<f64> {
    let mut sums = vec![0.0; values.len() - (weights.len() - 1) * step];
    for (at, weight) in weights.iter().enumerate() {
        sums.iter_mut().zip(&values[at * step..]).for_each(|(sum, value)| *sum += weight * value);
    }
    sums
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equals_scikit_image() {
        crate::metrics::golden::pictures("ssim", ssim, 1e-5);
    }

    #[test]
    fn small_pictures_have_a_likeness() {
        for (height, width) in [(1, 1), (1, 9), (2, 2), (4, 8), (8, 8)] {
            let pixels = |factor| (0..height * width * 3).map(|at| (at * factor % 256) as u8).collect();
            let picture = |factor| Picture { height, width, pixels: pixels(factor) };
            assert_eq!(ssim(&picture(7), &picture(7)), 1.0, "{height} × {width}");
            assert!(ssim(&picture(7), &picture(50)) < 1.0, "{height} × {width}");
        }
    }
}
