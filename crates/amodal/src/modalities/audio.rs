//! Sounds: WAV, FLAC, MP3, Ogg Vorbis, as log-mel spectrograms or their cepstral coefficients.
use super::{Fit, Read, kind};
use crate::{
    Error, Item, Named, Raw, Result,
    media::{
        audio::{Sound, SoundLimits, decode, resample},
        cepstrum::Cepstrum,
        mel::{LogMel, Mel},
        spec_augment::SpecAugment,
        write,
    },
    random::Random,
    types::{Build, within},
};
use burn::module::Module;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// A target's logarithms of power lie within -2 to 2 by these: silence is -16.1, and speech about -8.
const MIDDLE: f32 = -8.0;
const SPREAD: f32 = 4.0;
/// Steps in which phases are found.
const ITERATIONS: usize = 60;

/// What is read of a sound's windows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Features {
    /// The logarithm of the power in each band.
    #[default]
    LogMel,
    /// The first coefficients of its cosine transform.
    Mfcc,
}

/// Sounds (WAV, FLAC, MP3, Ogg Vorbis), mono, resampled, as log-mel spectrograms of zero mean and unit deviation, or as the
/// cepstral coefficients (MFCC) of these.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct AudioConfig {
    /// Length that every sound is padded or cut to, in seconds; absent: as long as it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seconds: Option<f32>,
    /// Longest sound that is decoded, in seconds.
    pub max_seconds: f32,
    /// The spectrogram.
    pub mel: Mel,
    /// What is read of it: `log_mel`, or `mfcc` (Davis and Mermelstein 1980, doi:10.1109/TASSP.1980.1163420).
    pub features: Features,
    /// Coefficients of `mfcc`, the first being the loudness.
    pub coefficients: usize,
    /// Random changes in training; all off by default.
    pub augment: SpecAugment,
}

impl Default for AudioConfig {
    fn default() -> Self {
        Self {
            seconds: None,
            max_seconds: 600.0,
            mel: Mel::default(),
            features: Features::LogMel,
            coefficients: 13,
            augment: SpecAugment::default(),
        }
    }
}

impl AudioConfig {
    /// Makes the reader.
    pub fn build(&self, _: &Build) -> Result<Audio> {
        within("max_seconds", f64::from(self.max_seconds), 1e-3, 1e6)?;
        if let Some(seconds) = self.seconds {
            within("seconds", f64::from(seconds), 1e-3, f64::from(self.max_seconds))?;
        }
        self.augment.check().map_err(|error| error.within("augment"))?;
        let mel = LogMel::new(&self.mel).map_err(|error| error.within("mel"))?;
        let cepstrum = match self.features {
            Features::LogMel => None,
            Features::Mfcc => {
                within("coefficients", self.coefficients as f64, 1.0, mel.num_mels() as f64)?;
                if self.augment.mel_masks > 0 || self.augment.mel_shift > 0 {
                    let error = Error::config("augment", "hides or shifts bands, and `mfcc` has none");
                    return Err(error.with_help("choose features = \"log_mel\", or leave out mel_masks and mel_shift"));
                }
                Some(Arc::new(Cepstrum::new(mel.num_mels(), self.coefficients)))
            }
        };
        Ok(Audio { config: self.clone(), mel: Arc::new(mel), cepstrum })
    }
}

impl Fit for AudioConfig {}

/// Reads [`AudioConfig`].
#[derive(Module, Debug)]
pub struct Audio {
    #[module(skip)]
    config: AudioConfig,
    #[module(skip)]
    mel: Arc<LogMel>,
    #[module(skip)]
    cepstrum: Option<Arc<Cepstrum>>,
}

impl Audio {
    /// The sound of a file, at the rate of the options, cut to `seconds`.
    fn samples(&self, raw: &Raw) -> Result<Vec<f32>> {
        let Raw::Bytes(bytes) = raw else {
            return Err(Error::data("", format!("{}, expected a sound's file", kind(raw))));
        };
        let limits = SoundLimits { max_seconds: self.config.max_seconds, ..SoundLimits::default() };
        let mut sound = resample(&decode(bytes, &limits)?, self.config.mel.sample_rate_hz);
        if let Some(seconds) = self.config.seconds {
            sound.samples.truncate((seconds * self.config.mel.sample_rate_hz as f32) as usize);
        }
        Ok(sound.samples)
    }

    /// Numbers a window.
    fn channels(&self) -> usize {
        self.cepstrum.as_ref().map_or(self.mel.num_mels(), |cepstrum| cepstrum.coefficients())
    }
}

impl Read for Audio {
    fn dims(&self) -> Named<usize> {
        let mut dims: Named<usize> = [("input".to_string(), self.channels())].into();
        dims.extend(self.time().map(|time| ("time".to_string(), time)));
        dims
    }

    fn is_media(&self) -> bool {
        true
    }

    fn read(&self, raw: &Raw) -> Result<Item> {
        let mut values = self.mel.compute(&self.samples(raw)?);
        let count = values.len().max(1) as f32;
        let mean = values.iter().sum::<f32>() / count;
        let variance = values.iter().map(|value| (value - mean).powi(2)).sum::<f32>() / count;
        let scale = 1.0 / variance.sqrt().max(1e-3);
        values.iter_mut().for_each(|value| *value = (*value - mean) * scale);
        if let Some(cepstrum) = &self.cepstrum {
            values = cepstrum.compute(&values);
        }
        Ok(Item::Series { values, channels: self.channels() })
    }

    /// The spectrogram of `seconds`, silence behind the sound, and in one scale for all sounds: it must lead back.
    fn read_target(&self, raw: &Raw) -> Result<Item> {
        if self.cepstrum.is_some() {
            return Err(Error::config("features", "`mfcc` does not lead back to a sound; take `log_mel`"));
        }
        let mut samples = self.samples(raw)?;
        if let Some(seconds) = self.config.seconds {
            samples.resize((seconds * self.config.mel.sample_rate_hz as f32) as usize, 0.0);
        }
        let values = self.mel.compute(&samples).iter().map(|value| (value - MIDDLE) / SPREAD).collect();
        Ok(Item::Series { values, channels: self.channels() })
    }

    fn restore(&self, value: f32) -> f32 {
        value * SPREAD + MIDDLE
    }

    fn formats(&self) -> &'static [&'static str] {
        write::SOUNDS
    }

    fn write(&self, item: &Item, format: &str) -> Result<Raw> {
        let Item::Series { values, channels } = item else { return Err(super::no_way_back("a sound")) };
        if *channels != self.mel.num_mels() {
            return Err(super::no_way_back("a spectrogram"));
        }
        let values: Vec<f32> = values.iter().map(|value| self.restore(*value)).collect();
        let samples = self.mel.invert(&values, ITERATIONS);
        let sound = Sound { samples, sample_rate_hz: self.config.mel.sample_rate_hz };
        Ok(Raw::Bytes(write::sound(&sound, format)?.into()))
    }

    fn augment(&self, item: &Item, random: &mut Random) -> Option<Item> {
        let Item::Series { values, channels } = item else { return None };
        if self.config.augment.is_off() {
            return None;
        }
        let mut values = values.clone();
        self.config.augment.apply(&mut values, *channels, random);
        Some(Item::Series { values, channels: *channels })
    }

    fn blank(&self) -> Item {
        Item::Series { values: vec![0.0; self.channels()], channels: self.channels() }
    }

    fn time(&self) -> Option<usize> {
        let seconds = self.config.seconds?;
        Some(self.mel.frames((seconds * self.config.mel.sample_rate_hz as f32) as usize))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::device;

    #[test]
    fn coefficients_are_those_of_the_spectrogram() {
        let sound = Raw::Bytes(include_bytes!("../../tests/fixtures/sine.flac").as_slice().into());
        let read = |config: AudioConfig| {
            let audio = config.build(&Build { dims: Named::new(), device: &device() }).unwrap();
            assert_eq!(audio.blank().time(), 1);
            (audio.dims()["input"], audio.read(&sound).unwrap())
        };
        let (bands, spectrogram) = read(AudioConfig::default());
        let (coefficients, cepstrum) = read(AudioConfig { features: Features::Mfcc, ..AudioConfig::default() });
        assert_eq!((bands, coefficients, cepstrum.time()), (64, 13, spectrogram.time()));
        let (Item::Series { values: spectrogram, .. }, Item::Series { values: cepstrum, .. }) = (spectrogram, cepstrum)
        else {
            panic!("sounds are series");
        };
        for (spectrum, found) in spectrogram.chunks(64).zip(cepstrum.chunks(13)) {
            let loudness = spectrum.iter().sum::<f32>() / 8.0;
            assert!((found[0] - loudness).abs() < 1e-4, "{} is not {loudness}", found[0]);
        }
    }
}
