//! Mel-frequency cepstral coefficients: the shape of a spectrum in few numbers (Davis and Mermelstein 1980,
//! doi:10.1109/TASSP.1980.1163420).

/// A cosine transform of log-mel spectrograms: type II, orthonormal, its first coefficients.
#[derive(Clone, Debug)]
pub struct Cepstrum {
    /// `[coefficients, bands]`, row-major.
    waves: Vec<f32>,
    bands: usize,
}

impl Cepstrum {
    /// The first `coefficients` of spectra of so many bands; the 0th is their mean times the root of the bands' number.
    pub fn new(bands: usize, coefficients: usize) -> Self {
        let wave = |place: usize| {
            let (order, band) = ((place / bands) as f64, (place % bands) as f64);
            let scale = if place < bands { 1.0 } else { 2.0 } / bands as f64;
            scale.sqrt() * (std::f64::consts::PI / bands as f64 * (band + 0.5) * order).cos()
        };
        Self { waves: (0..coefficients * bands).map(|place| wave(place) as f32).collect(), bands }
    }

    /// Number of coefficients.
    pub fn coefficients(&self) -> usize {
        self.waves.len() / self.bands
    }

    /// `[frames, bands]` to `[frames, coefficients]`, both row by row.
    pub fn compute(&self, spectra: &[f32]) -> Vec<f32> {
        let product = |frame: &[f32], wave: &[f32]| frame.iter().zip(wave).map(|(a, b)| a * b).sum();
        let waves = || self.waves.chunks_exact(self.bands);
        spectra.chunks_exact(self.bands).flat_map(|frame| waves().map(move |wave| product(frame, wave))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // NumPy 2 made these numbers, by the Fourier transform of the mirrored spectrum:
    // n = np.arange(20)
    // k = np.arange(4)
    // for x in ((n * n * 37) % 23 / 7 - 1.5).reshape(2, 10):
    //     whole = np.fft.fft(np.concatenate([x, x[::-1]]))[:4]
    //     print((whole * np.exp(-1j * np.pi * k / 20)).real / 2 * np.sqrt(np.where(k == 0, 1, 2) / 10))
    #[test]
    fn values_are_those_of_numpy() {
        let spectra: Vec<f32> = (0..20).map(|n| ((n * n * 37) % 23) as f32 / 7.0 - 1.5).collect();
        let expected: [f32; 8] = [0.948683, -1.473794, -0.761203, 0.211113, 2.529822, 0.366585, -0.227406, 0.913732];
        let values = Cepstrum::new(10, 4).compute(&spectra);
        assert_eq!(values.len(), expected.len());
        for (value, expected) in values.iter().zip(expected) {
            assert!((value - expected).abs() < 1e-5, "{value} is not {expected}");
        }
    }

    #[test]
    fn all_coefficients_keep_the_length_of_a_spectrum() {
        let spectrum: Vec<f32> = (0..16).map(|n| ((n * 5) % 7) as f32).collect();
        let square = |values: &[f32]| values.iter().map(|value| value * value).sum::<f32>();
        assert!((square(&Cepstrum::new(16, 16).compute(&spectrum)) - square(&spectrum)).abs() < 1e-3);
    }
}
