//! From a log-mel spectrogram back to a sound.
use super::mel::{FLOOR, LogMel};
use crate::random::{Purpose, RngExt, random};
use realfft::{RealFftPlanner, num_complex::Complex32};

/// Steps in which the bands are spread over the frequencies.
const SPREAD: usize = 60;
/// Share of the last change that is made again (Perraudin et al. 2013).
const MOMENTUM: f32 = 0.99;
/// Share of the overlap of windows below which a sample is not made louder: the ends of a sound.
const THIN: f32 = 0.05;

impl LogMel {
    /// A sound with the spectrogram that [`compute`](Self::compute) would give: `[frames, num_mels]`, row by row.
    ///
    /// The power of the bands is spread over the frequencies so that it sums to the bands' again (Lee and Seung 1999,
    /// doi:10.1038/44565); phases that suit are found in `iterations` steps (Griffin and Lim 1984,
    /// doi:10.1109/TASSP.1984.1164317, in the fast variant of Perraudin et al. 2013, doi:10.1109/WASPAA.2013.6701851),
    /// beginning with the same random ones each time.
    ///
    /// # Shapes
    /// - returns: `[(frames - 1) * hop + window]` samples; none of no frames
    pub fn invert(&self, values: &[f32], iterations: usize) -> Vec<f32> {
        let frames = values.len() / self.num_mels();
        if frames == 0 {
            return Vec::new();
        }
        let bins = self.fft.len() / 2 + 1;
        let power: Vec<f32> = values.chunks_exact(self.num_mels()).flat_map(|bands| self.spread(bands)).collect();
        let size: Vec<f32> = power.iter().map(|power| power.sqrt()).collect();
        let mut draws = random(0, 0, 0, Purpose::Sampling);
        let mut turn = || Complex32::from_polar(1.0, std::f32::consts::TAU * draws.random::<f32>());
        let mut spectrum: Vec<Complex32> = size.iter().map(|size| turn() * size).collect();
        let mut before: Vec<Complex32> = Vec::new();
        for _ in 0..iterations {
            let found = self.analyse(&self.synthesise(&spectrum, bins), frames, bins);
            for (at, (value, found)) in spectrum.iter_mut().zip(&found).enumerate() {
                let ahead = match before.get(at) {
                    Some(before) => found + (found - before) * MOMENTUM,
                    None => *found,
                };
                let length = ahead.norm();
                if length > f32::MIN_POSITIVE {
                    *value = ahead * (size[at] / length);
                }
            }
            before = found;
        }
        self.synthesise(&spectrum, bins)
    }

    /// The power at each frequency of one window, whose bands have these logarithms.
    fn spread(&self, logarithms: &[f32]) -> Vec<f32> {
        let bins = self.fft.len() / 2 + 1;
        let wanted: Vec<f32> = logarithms.iter().map(|value| (value.min(60.0).exp() - FLOOR).max(0.0)).collect();
        // by frequency: what the bands that hear it want, each weighted as it hears
        let gather = |shares: &[f32]| {
            let mut sums = vec![0.0_f32; bins];
            for (band, share) in self.bands.iter().zip(shares) {
                for (sum, weight) in sums[band.start..].iter_mut().zip(&band.weights) {
                    *sum += weight * share;
                }
            }
            sums
        };
        let heard = gather(&vec![1.0; wanted.len()]);
        let mut power: Vec<f32> = gather(&wanted);
        for _ in 0..SPREAD {
            let shares: Vec<f32> = self
                .bands
                .iter()
                .zip(&wanted)
                .map(|(band, wanted)| {
                    let sum: f32 =
                        band.weights.iter().zip(&power[band.start..]).map(|(weight, power)| weight * power).sum();
                    if sum > f32::MIN_POSITIVE { wanted / sum } else { 0.0 }
                })
                .collect();
            for ((power, share), heard) in power.iter_mut().zip(gather(&shares)).zip(&heard) {
                *power *= if *heard > 0.0 { share / heard } else { 0.0 };
            }
        }
        power
    }

    /// Windows of a spectrum laid over each other.
    fn synthesise(&self, spectrum: &[Complex32], bins: usize) -> Vec<f32> {
        let frames = spectrum.len() / bins;
        let inverse = RealFftPlanner::<f32>::new().plan_fft_inverse(self.fft.len());
        let (mut input, mut output) = (inverse.make_input_vec(), inverse.make_output_vec());
        let mut scratch = inverse.make_scratch_vec();
        let length = (frames - 1) * self.hop + self.window.len();
        let (mut sum, mut weight) = (vec![0.0_f32; length], vec![0.0_f32; length]);
        for (frame, values) in spectrum.chunks_exact(bins).enumerate() {
            input.copy_from_slice(values);
            (input[0].im, input[bins - 1].im) = (0.0, 0.0); // of a real sound
            inverse.process_with_scratch(&mut input, &mut output, &mut scratch).expect("buffers are made by the plan");
            let at = frame * self.hop;
            for (place, (value, window)) in output.iter().zip(&self.window).enumerate() {
                sum[at + place] += value * window / self.fft.len() as f32;
                weight[at + place] += window * window;
            }
        }
        let most = weight.iter().copied().fold(0.0, f32::max);
        sum.iter().zip(&weight).map(|(sum, weight)| sum / weight.max(THIN * most)).collect()
    }

    /// The spectrum of each window.
    fn analyse(&self, samples: &[f32], frames: usize, bins: usize) -> Vec<Complex32> {
        let (mut input, mut scratch) = (self.fft.make_input_vec(), self.fft.make_scratch_vec());
        let mut spectrum = vec![Complex32::default(); frames * bins];
        for (frame, made) in spectrum.chunks_exact_mut(bins).enumerate() {
            input.fill(0.0);
            for ((input, sample), window) in input.iter_mut().zip(&samples[frame * self.hop..]).zip(&self.window) {
                *input = sample * window;
            }
            self.fft.process_with_scratch(&mut input, made, &mut scratch).expect("buffers are made by the plan");
        }
        spectrum
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::mel::Mel;

    fn mel() -> LogMel {
        LogMel::new(&Mel { sample_rate_hz: 8000, num_mels: 64, hop_ms: 8.0, window_ms: 32.0, ..Mel::default() })
            .unwrap()
    }

    /// A gliding voice: harmonics, louder in the middle.
    fn glide(rate: usize, length: usize) -> Vec<f32> {
        let mut phase = 0.0_f64;
        let sample = |n: usize| {
            let at = n as f64 / length as f64;
            phase += std::f64::consts::TAU * (120.0 + 80.0 * at) / rate as f64;
            let voice: f64 = (1..12).map(|harmonic| (phase * f64::from(harmonic)).sin() / f64::from(harmonic)).sum();
            (0.3 * voice * (std::f64::consts::PI * at).sin()) as f32
        };
        (0..length).map(sample).collect()
    }

    #[test]
    fn the_sound_has_the_spectrogram() {
        let mel = mel();
        let wanted = mel.compute(&glide(8000, 8000));
        let distance = |iterations| {
            let found = mel.compute(&mel.invert(&wanted, iterations));
            assert_eq!(found.len(), wanted.len());
            // in decibels, where there is more than silence
            let apart: Vec<f32> = found
                .iter()
                .zip(&wanted)
                .filter(|(_, wanted)| **wanted > -10.0)
                .map(|(found, wanted)| (found - wanted).abs() * 10.0 / std::f32::consts::LN_10)
                .collect();
            apart.iter().sum::<f32>() / apart.len() as f32
        };
        let (none, many) = (distance(0), distance(60));
        assert!(many < 1.5 && many < none / 2.0, "{none} dB with random phases, {many} with found ones");
    }

    #[test]
    fn silence_is_silent_and_extremes_are_finite() {
        let mel = mel();
        let frames = |count: usize, value: f32| vec![value; count * 64];
        assert!(mel.invert(&[], 5).is_empty());
        for (count, value) in [(1, -16.2), (3, -200.0), (1, 0.0), (5, 200.0)] {
            let sound = mel.invert(&frames(count, value), 5);
            assert_eq!(sound.len(), (count - 1) * 64 + 256);
            assert!(sound.iter().all(|sample| sample.is_finite()), "{value}");
            assert!(value > -16.0 || sound.iter().all(|sample| sample.abs() < 1e-3), "{value}");
        }
        assert_eq!(mel.invert(&frames(4, -3.0), 5), mel.invert(&frames(4, -3.0), 5));
    }
}
