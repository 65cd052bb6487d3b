//! One number, or a fixed count of them, as an input or as a target.
use super::{Fit, Read, kind};
use crate::{Error, Item, Named, Raw, Result, types::Build};
use burn::module::Module;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A number, standardised by the mean and the deviation of the training rows.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct NumberConfig {
    /// Mean of the training rows; computed where absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mean: Option<f32>,
    /// Standard deviation of the training rows; computed where absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deviation: Option<f32>,
}

impl NumberConfig {
    /// Makes the reader.
    pub fn build(&self, _: &Build) -> Result<Number> {
        let deviation = self.deviation.unwrap_or(1.0);
        if !(deviation > 0.0 && deviation.is_finite()) {
            return Err(Error::config("deviation", format!("{deviation}, expected more than 0")));
        }
        if let Some(mean) = self.mean.filter(|mean| !mean.is_finite()) {
            return Err(Error::config("mean", format!("{mean}, expected a finite number")));
        }
        Ok(Number { mean: f64::from(self.mean.unwrap_or(0.0)), deviation: f64::from(deviation) })
    }
}

impl Fit for NumberConfig {
    fn fit(&mut self, values: &mut dyn Iterator<Item = &Raw>) -> Result<()> {
        if self.mean.is_some() && self.deviation.is_some() {
            return Ok(());
        }
        let values = values.map(number).collect::<Result<Vec<_>>>()?;
        let count = values.len().max(1) as f64;
        let mean = values.iter().sum::<f64>() / count;
        let variance = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / count;
        self.mean.get_or_insert(mean as f32);
        self.deviation.get_or_insert(if variance > 0.0 { variance.sqrt() as f32 } else { 1.0 });
        Ok(())
    }
}

/// The number that a raw value gives.
fn number(raw: &Raw) -> Result<f64> {
    let value = match raw {
        Raw::Numbers(numbers) if numbers.len() == 1 => Some(f64::from(numbers[0])),
        Raw::Text(text) => text.trim().parse().ok(),
        _ => None,
    };
    let value = value.filter(|value: &f64| value.is_finite());
    value.ok_or_else(|| Error::data("", format!("{}, expected a finite number", kind(raw))))
}

/// Reads [`NumberConfig`].
#[derive(Module, Debug)]
pub struct Number {
    mean: f64,
    deviation: f64,
}

impl Read for Number {
    fn dims(&self) -> Named<usize> {
        [("input".to_string(), 1)].into()
    }

    fn read(&self, raw: &Raw) -> Result<Item> {
        let value = (number(raw)? - self.mean) / self.deviation;
        Ok(Item::Series { values: vec![value as f32], channels: 1 })
    }

    fn blank(&self) -> Item {
        Item::Series { values: vec![0.0], channels: 1 }
    }

    fn time(&self) -> Option<usize> {
        Some(1)
    }

    fn restore(&self, value: f32) -> f32 {
        (f64::from(value) * self.deviation + self.mean) as f32
    }
}
