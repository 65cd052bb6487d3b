//! Steps of numbers: what sensors measured, where things are, a vector.
use super::{
    Fit, Read, kind,
    scale::{Moments, Scale, one_or_more},
};
use crate::{
    Error, Item, Named, Raw, Result,
    data::count,
    types::{Build, at_least},
};
use burn::module::Module;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A series of steps of numbers, each channel standardised by the mean and the deviation of the training rows. A cell
/// holds `[[1, 2], [3, 4]]` (two steps of two channels), which as text may be written `1 2; 3 4`, or a plain list, which
/// is cut into steps of `channels`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SeriesConfig {
    /// Numbers a step; absent: as the first training row says, 1 for a plain list.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub channels: Option<usize>,
    /// Steps that every series is padded or cut to; absent: as long as it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub length: Option<usize>,
    /// Mean of the training rows, for each channel; computed where absent.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "one_or_more")]
    pub mean: Vec<f32>,
    /// Standard deviation of the training rows, for each channel; computed where absent.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "one_or_more")]
    pub deviation: Vec<f32>,
}

impl SeriesConfig {
    /// Makes the reader.
    pub fn build(&self, _: &Build) -> Result<Series> {
        let channels = self.channels.unwrap_or(1);
        at_least("channels", channels, 1)?;
        at_least("length", self.length.unwrap_or(1), 1)?;
        let scale = Scale::new(&self.mean, &self.deviation, channels)?;
        Ok(Series { scale, channels, length: self.length })
    }
}

impl Fit for SeriesConfig {
    fn fit(&mut self, values: &mut dyn Iterator<Item = &Raw>) -> Result<()> {
        at_least("channels", self.channels.unwrap_or(1), 1)?;
        if self.channels.is_some() && !self.mean.is_empty() && !self.deviation.is_empty() {
            return Ok(());
        }
        let mut moments = Moments::new(self.channels.unwrap_or(0));
        for raw in values {
            if self.channels.is_none() {
                let channels = steps(raw)?.1.unwrap_or(1);
                (self.channels, moments) = (Some(channels), Moments::new(channels));
            }
            let channels = self.channels.unwrap_or(1);
            for (at, number) in series(raw, channels)?.into_iter().enumerate() {
                moments.add(at % channels, number);
            }
        }
        moments.complete(&mut self.mean, &mut self.deviation);
        Ok(())
    }
}

/// The numbers of a text without brackets.
pub(super) fn split(text: &str) -> Option<Vec<f64>> {
    let words = text.split(|c: char| c.is_whitespace() || c == ',').filter(|word| !word.is_empty());
    words.map(|word| word.parse().ok()).collect()
}

/// The numbers of a raw value and, where it is made of steps, how many each has.
fn steps(raw: &Raw) -> Result<(Vec<f64>, Option<usize>)> {
    let wrong = || {
        let error = Error::data("", format!("{}, expected numbers", kind(raw)));
        error.with_help("write steps of numbers as [[1, 2], [3, 4]] or as 1 2; 3 4")
    };
    let steps = match raw {
        Raw::Numbers(numbers) => return Ok((numbers.iter().copied().map(f64::from).collect(), None)),
        Raw::Text(text) if text.trim_start().starts_with('[') => match serde_json::from_str::<Vec<Vec<f64>>>(text) {
            Ok(steps) => steps,
            Err(_) => return serde_json::from_str(text).map(|numbers| (numbers, None)).map_err(|_| wrong()),
        },
        Raw::Text(text) if text.contains(';') => text.split(';').map(split).collect::<Option<_>>().ok_or_else(wrong)?,
        Raw::Text(text) => return split(text).map(|numbers| (numbers, None)).ok_or_else(wrong),
        Raw::Bytes(_) | Raw::Stored(_) => return Err(wrong()),
    };
    let channels = steps.first().map_or(0, Vec::len);
    match steps.iter().position(|step| step.len() != channels) {
        Some(at) => {
            let problem = format!("step {} has {}, the first has {channels}", at + 1, count(steps[at].len(), "number"));
            Err(Error::data("", problem))
        }
        None => Ok((steps.concat(), Some(channels))),
    }
}

/// The numbers of a raw value, step by step; each is finite, and every step has all channels.
fn series(raw: &Raw, channels: usize) -> Result<Vec<f64>> {
    let (numbers, own) = steps(raw)?;
    if numbers.is_empty() {
        let error = Error::data("", "no number, expected at least one step");
        return Err(error.with_help("leave the cell empty where there is no series"));
    }
    match own {
        Some(own) if own != channels => {
            return Err(Error::data("", format!("steps of {own} channels, expected {channels}")));
        }
        None if numbers.len() % channels != 0 => {
            let problem = format!("{} numbers, expected steps of {channels} channels", numbers.len());
            return Err(Error::data("", problem));
        }
        _ => {}
    }
    match numbers.iter().position(|number| !(*number as f32).is_finite()) {
        Some(at) => {
            Err(Error::data("", format!("{} in step {}, expected a finite number", numbers[at], at / channels + 1)))
        }
        None => Ok(numbers),
    }
}

/// Whether a text is a series in brackets.
pub(crate) fn is_series(text: &str) -> bool {
    text.trim_start().starts_with('[') && steps(&Raw::Text(text.to_string())).is_ok()
}

/// Reads [`SeriesConfig`].
#[derive(Module, Debug)]
pub struct Series {
    #[module(skip)]
    scale: Scale,
    channels: usize,
    #[module(skip)]
    length: Option<usize>,
}

impl Read for Series {
    fn dims(&self) -> Named<usize> {
        let mut dims: Named<usize> = [("input".to_string(), self.channels)].into();
        dims.extend(self.length.map(|length| ("time".to_string(), length)));
        dims
    }

    fn read(&self, raw: &Raw) -> Result<Item> {
        let numbers = series(raw, self.channels)?;
        let most = self.length.map_or(numbers.len(), |length| length.saturating_mul(self.channels));
        let scaled = |(at, number): (usize, &f64)| self.scale.apply(at % self.channels, *number);
        let values = numbers.iter().take(most).enumerate().map(scaled).collect::<Result<_>>()?;
        Ok(Item::Series { values, channels: self.channels })
    }

    fn write(&self, item: &Item, _: &str) -> Result<Raw> {
        let Item::Series { values, .. } = item else { return Err(super::no_way_back("a series")) };
        let restored = values.iter().enumerate().map(|(at, value)| self.scale.restore(at % self.channels, *value));
        Ok(Raw::Text(restored.map(|number| number.to_string()).collect::<Vec<_>>().join(" ")))
    }

    fn blank(&self) -> Item {
        Item::Series { values: vec![0.0; self.channels], channels: self.channels }
    }

    fn time(&self) -> Option<usize> {
        self.length
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Raw {
        Raw::Text(text.into())
    }

    fn fitted(mut config: SeriesConfig, rows: &[Raw]) -> Result<Series> {
        config.fit(&mut rows.iter())?;
        let device = burn::tensor::Device::flex();
        config.build(&Build { dims: Named::new(), device: &device })
    }

    fn values(series: &Series, raw: &Raw) -> Vec<f32> {
        match series.read(raw).unwrap() {
            Item::Series { values, channels } if channels == series.channels => values,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn every_way_to_write_a_series() {
        let plain = SeriesConfig { channels: Some(2), mean: vec![0.0; 2], deviation: vec![1.0; 2], length: None };
        let series = fitted(plain, &[]).unwrap();
        let ways = ["[[1, 2.5], [-3, 4e1]]", "1 2.5; -3 40", "1,2.5;-3,40", "[1, 2.5, -3, 40]", "1 2.5 -3 40"];
        for raw in ways.map(text).into_iter().chain([Raw::Numbers(vec![1.0, 2.5, -3.0, 40.0])]) {
            assert_eq!(values(&series, &raw), [1.0, 2.5, -3.0, 40.0], "{raw:?}");
        }
    }

    #[test]
    fn channels_are_standardised_each() {
        let rows = [text("1 7; 5 7"), text("3 7")];
        let series = fitted(SeriesConfig::default(), &rows).unwrap();
        assert_eq!(series.dims(), [("input".to_string(), 2)].into());
        let expected = [-1.2247449, 0.0, 1.2247449, 0.0];
        assert!(values(&series, &rows[0]).iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-6));
        let list = fitted(SeriesConfig::default(), &[text("1 2 3")]).unwrap();
        assert_eq!(list.dims()["input"], 1);
    }

    #[test]
    fn a_length_cuts_and_is_told() {
        let config = SeriesConfig { length: Some(2), mean: vec![0.0], deviation: vec![1.0], ..Default::default() };
        let series = fitted(config, &[text("1")]).unwrap();
        assert_eq!((series.time(), series.dims()["time"]), (Some(2), 2));
        assert_eq!(values(&series, &text("1 2 3")), [1.0, 2.0]);
        assert_eq!(values(&series, &text("1")), [1.0]);
    }

    #[test]
    fn errors_say_what_is_wrong() {
        let config = SeriesConfig { channels: Some(2), ..Default::default() };
        let series = fitted(config, &[text("1 2; 3 4")]).unwrap();
        for (cell, problem) in [
            ("1 x; 3 4", "\"1 x; 3 4\", expected numbers"),
            ("[[1, null]]", "\"[[1, null]]\", expected numbers"),
            ("[[1, 2], 3]", "\"[[1, 2], 3]\", expected numbers"),
            ("1 2; 3", "step 2 has 1 number, the first has 2"),
            ("1 2; 3 4;", "step 3 has 0 numbers, the first has 2"),
            ("1 2 3; 4 5 6", "steps of 3 channels, expected 2"),
            ("1 2 3", "3 numbers, expected steps of 2 channels"),
            ("1 2; nan 4", "NaN in step 2, expected a finite number"),
            ("1 -inf", "-inf in step 1, expected a finite number"),
            ("[[1, 1e300]]", "in step 1, expected a finite number"),
            ("[]", "no number, expected at least one step"),
        ] {
            let error = series.read(&text(cell)).unwrap_err().to_string();
            assert!(error.ends_with(problem), "{cell}: {error}");
        }
        assert!(series.read(&Raw::Bytes([1, 2].as_slice().into())).is_err());
        assert!(fitted(SeriesConfig::default(), &[text("1 2"), text("1 2; 3 4")]).is_err(), "channels change");
    }
}
