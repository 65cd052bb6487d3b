//! How far made spectrograms are from the right ones.
use super::{
    Entry, Kind,
    made_media::{MadeMedia, Measure},
};

/// The list's entry.
pub const ENTRY: Entry = Entry {
    name: "mel_distance",
    about: "Mean absolute difference of the two log-mel spectrograms in decibels, and the root of its mean square (log-spectral distance; Gray & Markel 1976, IEEE ASSP), each the mean over rows; beside always giving the mean sound.",
    kind: Kind::Audio,
    make: || Box::new(MadeMedia::new(MEASURES)),
};

const MEASURES: &[Measure<Vec<f32>>] = &[
    Measure {
        name: "mel distance (dB)",
        is_share: false,
        higher_is_better: false,
        of: |made, right| mean(made, right),
    },
    Measure {
        name: "mel distance (dB, root mean square)",
        is_share: false,
        higher_is_better: false,
        of: |made, right| root(made, right),
    },
];

/// Decibels for each step of the natural logarithm.
const DECIBELS: f64 = 10.0 / std::f64::consts::LN_10;

fn mean(made: &[f32], right: &[f32]) -> f64 {
    differences(made, right).map(f64::abs).sum::<f64>() / right.len().max(1) as f64
}

fn root(made: &[f32], right: &[f32]) -> f64 {
    (differences(made, right).map(|apart| apart * apart).sum::<f64>() / right.len().max(1) as f64).sqrt()
}

fn differences(made: &[f32], right: &[f32]) -> impl Iterator<Item = f64> {
    made.iter().zip(right).map(|(made, right)| DECIBELS * (f64::from(*made) - f64::from(*right)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::golden::{assert_near, list};

    #[test]
    fn equals_numpy() {
        for case in list("sounds") {
            let sound = |name: &str| serde_json::from_value::<Vec<f32>>(case[name].clone()).unwrap();
            let (name, made, right) = (case["name"].as_str().unwrap(), sound("made"), sound("right"));
            assert_near(name, mean(&made, &right), case["mean"].as_f64().unwrap(), 1e-6);
            assert_near(name, root(&made, &right), case["root_mean_square"].as_f64().unwrap(), 1e-6);
        }
    }
}
