//! Ratio of the brightest signal to the error, in decibels.
use super::{
    Entry, Kind,
    made_media::{MadeMedia, Measure},
};
use crate::media::image::Picture;

/// The list's entry.
pub const ENTRY: Entry = Entry {
    name: "psnr",
    about: "Peak signal to noise ratio: decibels between white and the root mean square of the pixels' errors, the mean over pictures or frames (scikit-image's peak_signal_noise_ratio); beside always giving the mean picture. A picture without any error counts as 100.",
    kind: Kind::Image,
    make: || Box::new(MadeMedia::new(MEASURES)),
};

const MEASURES: &[Measure<Picture>] = &[Measure {
    name: "psnr",
    is_share: false,
    higher_is_better: true,
    of: |made, right| psnr(made, right).min(HIGHEST),
}];

/// What a picture without any error counts as, as no mean is left of infinity. More than one step of one colour of one
/// pixel among 50,000 gives.
const HIGHEST: f64 = 100.0;

fn psnr(made: &Picture, right: &Picture) -> f64 {
    let squares = made.pixels.iter().zip(&right.pixels).map(|(made, right)| f64::from(made.abs_diff(*right)).powi(2));
    let error = squares.sum::<f64>() / right.pixels.len() as f64;
    10.0 * (255.0 * 255.0 / error).log10()
}

#[cfg(test)]
mod tests {
    #[test]
    fn equals_scikit_image() {
        crate::metrics::golden::pictures("psnr", super::psnr, 1e-6);
    }
}
