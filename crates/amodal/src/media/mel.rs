//! Log-mel spectrograms: how much power a sound has in each band of hearing, window by window.
use std::sync::Arc;

use realfft::{RealFftPlanner, RealToComplex};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// Power below which all is silence: -70 dB of a full square wave.
pub(super) const FLOOR: f32 = 1e-7;

/// How a sound is cut into windows and bands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Mel {
    /// Sample rate that sounds are brought to, in Hz.
    pub sample_rate_hz: u32,
    /// Length of a window, in milliseconds.
    pub window_ms: f32,
    /// Step from one window to the next, in milliseconds.
    pub hop_ms: f32,
    /// Number of bands.
    pub num_mels: usize,
    /// Lower end of the lowest band, in Hz.
    pub low_hz: f32,
    /// Upper end of the highest band, in Hz; 0 is half the sample rate.
    pub high_hz: f32,
}

impl Default for Mel {
    fn default() -> Self {
        Self { sample_rate_hz: 16_000, window_ms: 25.0, hop_ms: 10.0, num_mels: 64, low_hz: 20.0, high_hz: 0.0 }
    }
}

/// A prepared transform: window, plan and bands. Can be shared between threads.
#[derive(Clone)]
pub struct LogMel {
    pub(super) hop: usize,
    pub(super) window: Vec<f32>,
    pub(super) bands: Vec<Band>,
    pub(super) fft: Arc<dyn RealToComplex<f32>>,
}

/// A triangle over neighbouring frequencies.
#[derive(Clone, Debug)]
pub(super) struct Band {
    pub(super) start: usize,
    pub(super) weights: Vec<f32>,
}

impl std::fmt::Debug for LogMel {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "LogMel({} samples every {}, {} mels)", self.window.len(), self.hop, self.bands.len())
    }
}

impl LogMel {
    /// Prepares the transform.
    ///
    /// # Errors
    /// [`Error::Config`] if a length or a band is empty, or the bands do not lie below half the sample rate.
    pub fn new(mel: &Mel) -> Result<Self> {
        let out = |at: &str, problem: String| Err(Error::config(at, problem));
        if !(1000..=768_000).contains(&mel.sample_rate_hz) {
            return out("sample_rate_hz", format!("{} is not from 1000 to 768000", mel.sample_rate_hz));
        }
        let rate = f64::from(mel.sample_rate_hz);
        let length = |ms: f32| (rate * f64::from(ms) / 1000.0).round() as usize;
        let (window, hop) = (length(mel.window_ms), length(mel.hop_ms));
        if !(0.0..=1000.0).contains(&mel.window_ms) || window < 2 {
            return out("window_ms", format!("{} is not from two samples to 1000", mel.window_ms));
        }
        if !(0.0..=1000.0).contains(&mel.hop_ms) || hop < 1 {
            return out("hop_ms", format!("{} is not from one sample to 1000", mel.hop_ms));
        }
        if !(1..=512).contains(&mel.num_mels) {
            return out("num_mels", format!("{} is not from 1 to 512", mel.num_mels));
        }
        let high = if mel.high_hz == 0.0 { rate / 2.0 } else { f64::from(mel.high_hz) };
        if !(high > 0.0 && high <= rate / 2.0) {
            return out("high_hz", format!("{high} is not from 0 to half the sample rate, {}", rate / 2.0));
        }
        let low = f64::from(mel.low_hz);
        if !(low >= 0.0 && low < high) {
            return out("low_hz", format!("{low} is not from 0 to `high_hz`, {high}"));
        }
        // Edges of the triangles, evenly spaced on the mel scale.
        let (first, last) = (mel_of(low), mel_of(high));
        let step = (last - first) / (mel.num_mels + 1) as f64;
        let edges: Vec<f64> = (0..mel.num_mels + 2).map(|edge| hz_of(first + step * edge as f64)).collect();
        // A longer transform reads the same spectrum more finely: as fine as the narrowest triangle needs.
        let mut size = window.next_power_of_two();
        while rate / size as f64 > edges[1] - edges[0] && size < window * 16 {
            size *= 2;
        }
        let hann = |n: usize| 0.5 - 0.5 * (std::f64::consts::TAU * n as f64 / window as f64).cos();
        let window: Vec<f32> = (0..window).map(|n| hann(n) as f32).collect();
        // Twice, as a real spectrum has two sides; by this, the bands sum to the mean square of the samples.
        let energy: f64 = window.iter().map(|&value| f64::from(value).powi(2)).sum();
        let scale = 2.0 / (size as f64 * energy);
        let band = |edges: &[f64]| {
            let weight = |bin: usize| {
                let hz = rate * bin as f64 / size as f64;
                ((hz - edges[0]) / (edges[1] - edges[0])).min((edges[2] - hz) / (edges[2] - edges[1])).max(0.0)
            };
            let inside = |&bin: &usize| weight(bin) > 0.0;
            let start = (0..=size / 2).find(inside).unwrap_or(0);
            let weights = (start..=size / 2).take_while(inside).map(|bin| (weight(bin) * scale) as f32).collect();
            Band { start, weights }
        };
        let bands: Vec<Band> = edges.windows(3).map(band).collect();
        if let Some(empty) = bands.iter().position(|band| band.weights.is_empty()) {
            let problem =
                format!("band {empty} of {} is too narrow for a window of {} ms", mel.num_mels, mel.window_ms);
            return Err(Error::config("num_mels", problem).with_help("take fewer bands or a longer window"));
        }
        Ok(Self { hop, window, bands, fft: RealFftPlanner::new().plan_fft_forward(size) })
    }

    /// Number of bands.
    pub fn num_mels(&self) -> usize {
        self.bands.len()
    }

    /// Number of windows of a sound with so many samples: those that fit, at least one.
    pub fn frames(&self, samples: usize) -> usize {
        samples.saturating_sub(self.window.len()) / self.hop + 1
    }

    /// The spectrogram of samples at the rate of the options: `ln(power + 1e-7)` of every window and band.
    ///
    /// A Hann window (periodic) slides without padding; a sound shorter than one window is filled with zeros, and
    /// samples behind the last whole window are not read. Bands are triangles of height 1 on the mel scale of HTK
    /// (`2595 log10(1 + hz / 700)`), so that neighbours sum to 1. Power is the mean square of the samples in the band:
    /// a sine of amplitude 1 has 1/2 in total at any sample rate and window.
    ///
    /// # Shapes
    /// - `samples`: `[samples]`
    /// - returns: `[frames, num_mels]`, row by row; the lowest band first
    pub fn compute(&self, samples: &[f32]) -> Vec<f32> {
        let mut values = Vec::with_capacity(self.frames(samples.len()) * self.bands.len());
        let (mut input, mut spectrum) = (self.fft.make_input_vec(), self.fft.make_output_vec());
        let mut scratch = self.fft.make_scratch_vec();
        let mut power = vec![0.0; spectrum.len()];
        for frame in 0..self.frames(samples.len()) {
            input.fill(0.0); // the transform uses it as working memory
            let rest = samples.get(frame * self.hop..).unwrap_or_default();
            for ((input, sample), window) in input.iter_mut().zip(rest).zip(&self.window) {
                *input = sample * window;
            }
            self.fft
                .process_with_scratch(&mut input, &mut spectrum, &mut scratch)
                .expect("buffers are made by the plan");
            for (power, value) in power.iter_mut().zip(&spectrum) {
                *power = value.norm_sqr();
            }
            for band in &self.bands {
                let sum: f32 =
                    band.weights.iter().zip(&power[band.start..]).map(|(weight, power)| weight * power).sum();
                values.push((sum + FLOOR).ln());
            }
        }
        values
    }
}

fn mel_of(hz: f64) -> f64 {
    2595.0 * (1.0 + hz / 700.0).log10()
}

fn hz_of(mel: f64) -> f64 {
    700.0 * (10_f64.powf(mel / 2595.0) - 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sine(hz: f64, rate: u32, length: usize) -> Vec<f32> {
        let turn = std::f64::consts::TAU * hz / f64::from(rate);
        (0..length).map(|n| (turn * n as f64).sin() as f32).collect()
    }

    // Python 3.11, NumPy 2.4; made these numbers:
    // import numpy as np
    // rate, window, hop, size, mels = 8000, 200, 80, 256, 10
    // n = np.arange(400)
    // sound = 0.5 * np.sin(2 * np.pi * 440 * n / rate) + 0.01 * ((n * 7919) % 101 / 50 - 1)
    // mel = lambda hz: 2595 * np.log10(1 + hz / 700)
    // hz = lambda mel: 700 * (10 ** (mel / 2595) - 1)
    // edges = hz(np.linspace(mel(20), mel(4000), mels + 2))
    // bins = rate * np.arange(size // 2 + 1) / size
    // up = (bins - edges[:-2, None]) / (edges[1:-1, None] - edges[:-2, None])
    // down = (edges[2:, None] - bins) / (edges[2:, None] - edges[1:-1, None])
    // bands = np.maximum(0, np.minimum(up, down))  # librosa.filters.mel(htk=True, norm=None)
    // hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(window) / window)  # scipy.signal.get_window("hann", 200)
    // for start in range(0, len(n) - window + 1, hop):
    //     power = np.abs(np.fft.rfft(sound[start:start + window] * hann, size)) ** 2
    //     print(np.log(bands @ power * 2 / (size * np.sum(hann ** 2)) + 1e-7).round(5).tolist())
    #[test]
    fn values_are_those_of_numpy() {
        let expected: [[f32; 10]; 3] = [
            [-13.90801, -3.20485, -2.46862, -11.88171, -14.73402, -12.73539, -12.19031, -13.86552, -13.2339, -10.74809],
            [-13.97422, -3.20746, -2.47231, -11.83825, -14.70328, -12.72818, -12.20209, -13.84083, -13.2427, -10.7482],
            [
                -14.02165, -3.20716, -2.47185, -11.84353, -14.69923, -12.72733, -12.20351, -13.83787, -13.24381,
                -10.74821,
            ],
        ];
        let mel = LogMel::new(&Mel { sample_rate_hz: 8000, num_mels: 10, ..Mel::default() }).unwrap();
        let sound: Vec<f32> = (0..400)
            .map(|n| {
                let sine = 0.5 * (std::f64::consts::TAU * 440.0 * f64::from(n) / 8000.0).sin();
                (sine + 0.01 * (f64::from((n * 7919) % 101) / 50.0 - 1.0)) as f32
            })
            .collect();
        let values = mel.compute(&sound);
        assert_eq!(values.len(), 30);
        for (value, expected) in values.iter().zip(expected.as_flattened()) {
            assert!((value - expected).abs() < 1e-4, "{value} is not {expected}");
        }
    }

    #[test]
    fn power_is_that_of_the_sound_at_any_rate() {
        for (rate, window_ms) in [(8000, 25.0), (16_000, 25.0), (16_000, 40.0), (44_100, 25.0)] {
            let mel = Mel { sample_rate_hz: rate, window_ms, high_hz: 4000.0, ..Mel::default() };
            let values = LogMel::new(&mel).unwrap().compute(&sine(1000.0, rate, rate as usize / 4));
            let total: f32 = values[..64].iter().map(|value| value.exp()).sum();
            assert!((total - 0.5).abs() < 2e-3, "{rate} Hz, {window_ms} ms: {total}");
        }
    }

    #[test]
    fn the_loudest_band_is_that_of_the_sine() {
        let mel = LogMel::new(&Mel::default()).unwrap();
        let (first, last) = (mel_of(20.0), mel_of(8000.0));
        for hz in [100.0, 440.0, 3000.0] {
            let values = mel.compute(&sine(hz, 16_000, 1600));
            let loudest = (0..64).max_by(|&one, &other| values[one].total_cmp(&values[other])).unwrap();
            let expected = (mel_of(hz) - first) / (last - first) * 65.0 - 1.0;
            assert!((loudest as f64 - expected).abs() <= 0.6, "{hz} Hz: band {loudest}, expected {expected}");
        }
    }

    #[test]
    fn frames_are_those_that_fit() {
        let mel = LogMel::new(&Mel { sample_rate_hz: 8000, ..Mel::default() }).unwrap();
        assert_eq!([0, 1, 200, 279, 280, 8000].map(|samples| mel.frames(samples)), [1, 1, 1, 1, 2, 98]);
        for samples in [0, 1, 199, 200, 201, 280, 1000] {
            let values = mel.compute(&vec![0.0; samples]);
            assert_eq!(values.len(), mel.frames(samples) * mel.num_mels());
            assert!(values.iter().all(|value| (value - FLOOR.ln()).abs() < 1e-6));
        }
        // A frame sees its own samples alone.
        let sound = sine(700.0, 8000, 1000);
        assert_eq!(mel.compute(&sound)[3 * 64..4 * 64], mel.compute(&sound[240..440]));
        fn shared<T: Send + Sync>(_: &T) {}
        shared(&mel);
    }

    #[test]
    fn options_out_of_range_are_named() {
        let problem = |mel: Mel| LogMel::new(&mel).unwrap_err().to_string();
        assert_eq!(problem(Mel { num_mels: 0, ..Mel::default() }), "num_mels: 0 is not from 1 to 512");
        assert!(problem(Mel { window_ms: 0.05, ..Mel::default() }).starts_with("window_ms"));
        assert!(problem(Mel { hop_ms: f32::NAN, ..Mel::default() }).starts_with("hop_ms"));
        assert!(problem(Mel { high_hz: 9000.0, ..Mel::default() }).starts_with("high_hz"));
        assert!(problem(Mel { low_hz: 8000.0, ..Mel::default() }).starts_with("low_hz"));
        assert!(problem(Mel { sample_rate_hz: 0, ..Mel::default() }).starts_with("sample_rate_hz"));
        // Many bands of a short window: either a finer transform serves, or the option is named.
        assert!(
            problem(Mel { num_mels: 512, window_ms: 1.0, ..Mel::default() })
                .contains("too narrow for a window of 1 ms")
        );
        LogMel::new(&Mel { num_mels: 128, sample_rate_hz: 8000, ..Mel::default() }).unwrap();
    }
}
