//! Sounds: WAV, FLAC, MP3, Ogg Vorbis, as log-mel spectrograms.
use super::{Fit, Read, kind};
use crate::{
    Error, Item, Named, Raw, Result,
    media::{
        audio::{SoundLimits, decode, resample},
        mel::{LogMel, Mel},
        spec_augment::SpecAugment,
    },
    random::Random,
    types::{Build, within},
};
use burn::module::Module;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Sounds (WAV, FLAC, MP3, Ogg Vorbis), mono, resampled, as log-mel spectrograms of zero mean and unit deviation.
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
    /// Random changes in training; all off by default.
    pub augment: SpecAugment,
}

impl Default for AudioConfig {
    fn default() -> Self {
        Self { seconds: None, max_seconds: 600.0, mel: Mel::default(), augment: SpecAugment::default() }
    }
}

impl AudioConfig {
    /// Makes the reader.
    pub fn build(&self, _: &Build) -> Result<Audio> {
        within("max_seconds", f64::from(self.max_seconds), 0.01, 1e6)?;
        if let Some(seconds) = self.seconds {
            within("seconds", f64::from(seconds), 0.01, f64::from(self.max_seconds))?;
        }
        self.augment.check().map_err(|error| error.within("augment"))?;
        let mel = LogMel::new(&self.mel).map_err(|error| error.within("mel"))?;
        Ok(Audio { config: self.clone(), mel: Arc::new(mel) })
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
}

impl Read for Audio {
    fn dims(&self) -> Named<usize> {
        let mut dims: Named<usize> = [("input".to_string(), self.mel.num_mels())].into();
        dims.extend(self.time().map(|time| ("time".to_string(), time)));
        dims
    }

    fn is_media(&self) -> bool {
        true
    }

    fn read(&self, raw: &Raw) -> Result<Item> {
        let Raw::Bytes(bytes) = raw else {
            return Err(Error::data("", format!("{}, expected a sound's file", kind(raw))));
        };
        let limits = SoundLimits { max_seconds: self.config.max_seconds, ..SoundLimits::default() };
        let mut sound = resample(&decode(bytes, &limits)?, self.config.mel.sample_rate_hz);
        if let Some(seconds) = self.config.seconds {
            sound.samples.truncate((seconds * self.config.mel.sample_rate_hz as f32) as usize);
        }
        let mut values = self.mel.compute(&sound.samples);
        let count = values.len().max(1) as f32;
        let mean = values.iter().sum::<f32>() / count;
        let variance = values.iter().map(|value| (value - mean).powi(2)).sum::<f32>() / count;
        let scale = 1.0 / variance.sqrt().max(1e-3);
        values.iter_mut().for_each(|value| *value = (*value - mean) * scale);
        Ok(Item::Series { values, channels: self.mel.num_mels() })
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
        Item::Series { values: vec![0.0; self.mel.num_mels()], channels: self.mel.num_mels() }
    }

    fn time(&self) -> Option<usize> {
        let seconds = self.config.seconds?;
        Some(self.mel.frames((seconds * self.config.mel.sample_rate_hz as f32) as usize))
    }
}
