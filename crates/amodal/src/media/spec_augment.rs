//! SpecAugment: hides stretches of time and bands of a spectrogram in training, and shifts it.
//!
//! Park et al. 2019, arXiv:1904.08779. Differs: no time warp; widths are shares of the spectrogram; whole shifts along
//! time and frequency are added.
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::random::{Random, RngExt, normal};
use crate::{Error, Result};

/// What is hidden and shifted, and how much; all of it is off by default.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SpecAugment {
    /// Number of stretches of time that are hidden.
    pub time_masks: usize,
    /// Widest of them, as a share of all frames.
    pub time_width: f32,
    /// Number of runs of bands that are hidden.
    pub mel_masks: usize,
    /// Widest of them, as a share of all bands.
    pub mel_width: f32,
    /// Shift along time either way, in frames at most.
    pub time_shift: usize,
    /// Shift along frequency either way, in bands at most: as if the pitch were another.
    pub mel_shift: usize,
    /// Speeds from `1 - speed` to `1 + speed` (Ko et al. 2015, doi:10.21437/Interspeech.2015-711), the pitch as it is.
    pub speed: f32,
    /// Standard deviation of noise in every value, drawn from 0 to this for each sound.
    pub noise: f32,
}

impl SpecAugment {
    /// Whether [`apply`](Self::apply) changes nothing.
    pub fn is_off(&self) -> bool {
        let masks = (self.time_masks > 0 && self.time_width > 0.0) || (self.mel_masks > 0 && self.mel_width > 0.0);
        !masks && self.time_shift == 0 && self.mel_shift == 0 && self.speed == 0.0 && self.noise == 0.0
    }

    /// Whether every option is in its range.
    ///
    /// # Errors
    /// [`Error::Config`] at the first option that is out of its range.
    pub fn check(&self) -> Result<()> {
        for (name, count) in [("time_masks", self.time_masks), ("mel_masks", self.mel_masks)] {
            if count > 100 {
                return Err(Error::config(name, format!("{count} is not from 0 to 100")));
            }
        }
        let shares = [("time_width", self.time_width, 1.0), ("mel_width", self.mel_width, 1.0)];
        for (name, share, most) in shares.into_iter().chain([("speed", self.speed, 0.9), ("noise", self.noise, 10.0)]) {
            if !(0.0..=most).contains(&share) {
                return Err(Error::config(name, format!("{share} is not from 0 to {most}")));
            }
        }
        Ok(())
    }

    /// Shifts, masks, plays faster or slower, and adds noise, in place; the same random stream gives the same spectrogram.
    ///
    /// A hidden value becomes the mean of the spectrogram; what a shift or a higher speed leaves empty becomes its least value
    /// (silence).
    ///
    /// # Shapes
    /// - `values`: `[frames, num_mels]`, row by row
    ///
    /// # Panics
    /// If `num_mels` is 0 or `values` is no whole number of rows.
    pub fn apply(&self, values: &mut [f32], num_mels: usize, random: &mut Random) {
        assert!(num_mels > 0 && values.len().is_multiple_of(num_mels), "values are [frames, num_mels]");
        if values.is_empty() || self.is_off() {
            return;
        }
        let frames = values.len() / num_mels;
        let mean = (values.iter().map(|&value| f64::from(value)).sum::<f64>() / values.len() as f64) as f32;
        let least = values.iter().copied().fold(f32::INFINITY, f32::min);
        let later = shift_of(self.time_shift, frames, random);
        slide(values, later * num_mels as isize, least);
        let higher = shift_of(self.mel_shift, num_mels, random);
        values.chunks_exact_mut(num_mels).for_each(|frame| slide(frame, higher, least));
        for _ in 0..self.time_masks {
            let (start, width) = mask_of(self.time_width, frames, random);
            values[start * num_mels..(start + width) * num_mels].fill(mean);
        }
        for _ in 0..self.mel_masks {
            let (start, width) = mask_of(self.mel_width, num_mels, random);
            values.chunks_exact_mut(num_mels).for_each(|frame| frame[start..start + width].fill(mean));
        }
        if self.speed > 0.0 {
            let speed = 1.0 + self.speed * (2.0 * random.random::<f32>() - 1.0);
            play(values, num_mels, speed, least);
        }
        if self.noise > 0.0 {
            let deviation = self.noise * random.random::<f32>();
            values.iter_mut().for_each(|value| *value += deviation * normal(random) as f32);
        }
    }
}

/// Start and width of a mask: both evenly drawn, as in the paper.
fn mask_of(widest: f32, length: usize, random: &mut Random) -> (usize, usize) {
    let width = random.random_range(0..=((widest * length as f32) as usize).min(length));
    (random.random_range(0..=length - width), width)
}

fn shift_of(most: usize, length: usize, random: &mut Random) -> isize {
    let most = most.min(length);
    if most == 0 { 0 } else { random.random_range(0..=2 * most) as isize - most as isize }
}

/// The frames at another speed: each lies between two of the given, by how near it is to them.
fn play(values: &mut [f32], num_mels: usize, speed: f32, fill: f32) {
    let given = values.to_vec();
    let frames = given.len() / num_mels;
    for (at, frame) in values.chunks_exact_mut(num_mels).enumerate() {
        let place = at as f32 * speed;
        let (before, part) = (place as usize, place.fract());
        let row = |at: usize| (at < frames).then(|| &given[at * num_mels..][..num_mels]);
        match (row(before), row(before + 1).or_else(|| row(before))) {
            (Some(before), Some(behind)) => {
                frame.iter_mut().zip(before.iter().zip(behind)).for_each(|(value, (a, b))| *value = a + (b - a) * part);
            }
            _ => frame.fill(fill),
        }
    }
}

/// Moves values towards the end (or the start, if negative) and fills the gap.
fn slide(values: &mut [f32], by: isize, fill: f32) {
    let (length, gap) = (values.len(), by.unsigned_abs());
    if by > 0 {
        values.copy_within(..length - gap, gap);
        values[..gap].fill(fill);
    } else {
        values.copy_within(gap.., 0);
        values[length - gap..].fill(fill);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{Purpose, random};

    const MELS: usize = 8;

    /// `[frames, 8]` with a value of its own in every place.
    fn numbered(frames: usize) -> Vec<f32> {
        (0..frames * MELS).map(|index| index as f32).collect()
    }

    fn applied(options: &SpecAugment, frames: usize, seed: u64) -> Vec<f32> {
        let mut values = numbered(frames);
        options.apply(&mut values, MELS, &mut random(seed, 0, 0, Purpose::Augment));
        values
    }

    #[test]
    fn masks_are_whole_columns_and_rows_of_the_mean() {
        let (frames, mean) = (20, 79.5);
        let mut hidden = [0, 0];
        for seed in 0..100 {
            let time = applied(&SpecAugment { time_masks: 1, time_width: 0.25, ..Default::default() }, frames, seed);
            let given = numbered(frames);
            let masked = time.chunks_exact(MELS).zip(given.chunks_exact(MELS)).filter(|(row, given)| {
                assert!(*row == [mean; MELS] || row == given);
                *row != *given
            });
            let count = masked.count();
            assert!(count <= 5);
            hidden[0] += count;
            let mels = applied(&SpecAugment { mel_masks: 1, mel_width: 0.5, ..Default::default() }, frames, seed);
            let column =
                |values: &[f32], mel: usize| values.iter().skip(mel).step_by(MELS).copied().collect::<Vec<_>>();
            let masked = (0..MELS).filter(|&mel| column(&mels, mel) == [mean; 20]).count();
            let kept = (0..MELS).filter(|&mel| column(&mels, mel) == column(&numbered(frames), mel)).count();
            assert!(masked <= 4 && masked + kept == MELS);
            hidden[1] += masked;
        }
        // Mean width is half the widest: 2.5 frames, 2 bands.
        assert!((200..300).contains(&hidden[0]) && (150..250).contains(&hidden[1]), "{hidden:?}");
    }

    #[test]
    fn shifts_move_everything_and_leave_silence() {
        let mut seen = std::collections::BTreeSet::new();
        for seed in 0..50 {
            let moved = applied(&SpecAugment { time_shift: 3, ..Default::default() }, 10, seed);
            let by = (-3..=3).find(|by: &isize| {
                let mut expected = numbered(10);
                slide(&mut expected, by * MELS as isize, 0.0);
                expected == moved
            });
            seen.insert(by.unwrap());
        }
        assert_eq!(seen.len(), 7);
        let mut row = [1.0, 2.0, 3.0];
        slide(&mut row, 1, 0.0);
        assert_eq!(row, [0.0, 1.0, 2.0]);
        slide(&mut row, -2, 9.0);
        assert_eq!(row, [2.0, 9.0, 9.0]);
        let pitched = applied(&SpecAugment { mel_shift: 2, ..Default::default() }, 4, 3);
        assert!(pitched.chunks_exact(MELS).skip(1).all(|row| {
            let gaps = row.iter().filter(|&&value| value == 0.0).count();
            gaps <= 2 && row.windows(2).filter(|pair| pair[1] - pair[0] == 1.0).count() >= 5
        }));
    }

    #[test]
    fn any_size_is_served_and_one_stream_gives_one_result() {
        let all = SpecAugment {
            time_masks: 2,
            time_width: 1.0,
            mel_masks: 2,
            mel_width: 1.0,
            time_shift: 99,
            mel_shift: 99,
            ..Default::default()
        };
        for frames in [0, 1, 2, 7] {
            for seed in 0..50 {
                assert_eq!(applied(&all, frames, seed), applied(&all, frames, seed));
            }
        }
        assert_eq!(applied(&SpecAugment::default(), 5, 0), numbered(5));
        assert!(SpecAugment::default().is_off() && !all.is_off());
    }

    #[test]
    fn options_out_of_range_are_named() {
        let wide = SpecAugment { mel_width: 1.5, ..Default::default() };
        assert_eq!(wide.check().unwrap_err().to_string(), "mel_width: 1.5 is not from 0 to 1");
        assert!(SpecAugment { time_width: f32::NAN, ..Default::default() }.check().is_err());
        assert!(SpecAugment { time_masks: 101, ..Default::default() }.check().is_err());
        SpecAugment::default().check().unwrap();
    }

    #[test]
    fn speeds_move_frames_and_leave_the_pitch() {
        let mut values: Vec<f32> = (0..20).flat_map(|frame| [frame as f32, 100.0 + frame as f32]).collect();
        let given = values.clone();
        play(&mut values, 2, 1.0, -1.0);
        assert_eq!(values, given);
        play(&mut values, 2, 1.5, -1.0);
        assert_eq!(values[..6], [0.0, 100.0, 1.5, 101.5, 3.0, 103.0]);
        assert_eq!(values[values.len() - 2..], [-1.0, -1.0], "what is left is silence");
        let mut values = given.clone();
        play(&mut values, 2, 0.5, -1.0);
        assert_eq!(values[..6], [0.0, 100.0, 0.5, 100.5, 1.0, 101.0]);
        let speeds: std::collections::HashSet<_> = (0..20)
            .map(|seed| applied(&SpecAugment { speed: 0.2, ..Default::default() }, 20, seed)[MELS].to_bits())
            .collect();
        assert!(speeds.len() > 15, "a speed of its own each time");
    }

    #[test]
    fn noise_has_the_deviation_that_was_drawn() {
        let mut widest = 0.0_f32;
        for seed in 0..50 {
            let noisy = applied(&SpecAugment { noise: 2.0, ..Default::default() }, 100, seed);
            let noise: Vec<f32> = noisy.iter().zip(numbered(100)).map(|(noisy, given)| noisy - given).collect();
            let mean = noise.iter().sum::<f32>() / noise.len() as f32;
            let deviation = (noise.iter().map(|value| (value - mean).powi(2)).sum::<f32>() / noise.len() as f32).sqrt();
            assert!(deviation <= 2.2 && mean.abs() < 0.4, "{deviation} {mean}");
            widest = widest.max(deviation);
        }
        assert!(widest > 1.5, "{widest}");
    }
}
