//! Standardisation, channel by channel, by the mean and the deviation of the training rows.
use crate::{Error, Result};
use serde::{Deserialize, Deserializer, de};

/// Deviations from the mean that a number may have: the squares of such numbers and their sums are finite yet.
const FARTHEST: f64 = 1e12;

/// What is subtracted from each channel, and what the rest is divided by.
#[derive(Clone, Debug)]
pub(super) struct Scale {
    mean: Vec<f64>,
    deviation: Vec<f64>,
}

impl Scale {
    /// Checks a mean and a deviation for each channel; empty: values stay as they are.
    pub(super) fn new(mean: &[f32], deviation: &[f32], channels: usize) -> Result<Self> {
        for (option, values) in [("mean", mean), ("deviation", deviation)] {
            if !values.is_empty() && values.len() != channels {
                let problem = format!("{} numbers, expected {channels}, one a channel", values.len());
                return Err(Error::config(option, problem));
            }
        }
        if let Some(wrong) = mean.iter().find(|mean| !mean.is_finite()) {
            return Err(Error::config("mean", format!("{wrong}, expected a finite number")));
        }
        if let Some(wrong) = deviation.iter().find(|deviation| !(**deviation > 0.0 && deviation.is_finite())) {
            return Err(Error::config("deviation", format!("{wrong}, expected more than 0")));
        }
        let or = |values: &[f32], other: f64| match values.is_empty() {
            true => vec![other; channels],
            false => values.iter().copied().map(f64::from).collect(),
        };
        Ok(Self { mean: or(mean, 0.0), deviation: or(deviation, 1.0) })
    }

    /// The standardised value; an error where it is so far from the others that the model's numbers would overflow.
    pub(super) fn apply(&self, channel: usize, value: f64) -> Result<f32> {
        let apart = (value - self.mean[channel]) / self.deviation[channel];
        if apart.abs() <= FARTHEST {
            return Ok(apart as f32);
        }
        let (mean, deviation) = (self.mean[channel], self.deviation[channel]);
        let problem =
            format!("{:e}, where the training rows have a mean of {mean} and a deviation of {deviation}", value as f32);
        Err(Error::data("", problem).with_help("correct the number, or leave the cell empty"))
    }

    pub(super) fn restore(&self, channel: usize, value: f32) -> f32 {
        (f64::from(value) * self.deviation[channel] + self.mean[channel]) as f32
    }
}

/// Counts, means and sums of squares as values come (Welford 1962, doi:10.1080/00401706.1962.10490022).
pub(super) struct Moments(Vec<(f64, f64, f64)>);

impl Moments {
    pub(super) fn new(channels: usize) -> Self {
        Self(vec![(0.0, 0.0, 0.0); channels])
    }

    /// Adds a value; NaN is none.
    pub(super) fn add(&mut self, channel: usize, value: f64) {
        if value.is_nan() {
            return;
        }
        let (count, mean, squares) = &mut self.0[channel];
        let apart = value - *mean;
        *count += 1.0;
        *mean += apart / *count;
        *squares += apart * (value - *mean);
    }

    /// Values of each channel.
    pub(super) fn counts(&self) -> impl Iterator<Item = usize> {
        self.0.iter().map(|(count, ..)| *count as usize)
    }

    /// Fills what is not given; a channel of one value only is divided by 1.
    pub(super) fn complete(&self, mean: &mut Vec<f32>, deviation: &mut Vec<f32>) {
        if mean.is_empty() {
            *mean = self.0.iter().map(|(_, mean, _)| *mean as f32).collect();
        }
        if deviation.is_empty() {
            let of = |(count, _, squares): &(f64, f64, f64)| (squares / count.max(1.0)).sqrt() as f32;
            *deviation = self.0.iter().map(of).map(|value| if value > 0.0 { value } else { 1.0 }).collect();
        }
    }
}

/// Reads `3.5` as `[3.5]`.
pub(super) fn one_or_more<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<f32>, D::Error> {
    struct OneOrMore;
    impl<'de> de::Visitor<'de> for OneOrMore {
        type Value = Vec<f32>;

        fn expecting(&self, formatter: &mut std::fmt::Formatter) -> std::fmt::Result {
            formatter.write_str("a number or a list of numbers")
        }

        fn visit_f64<E>(self, value: f64) -> Result<Self::Value, E> {
            Ok(vec![value as f32])
        }

        fn visit_i64<E>(self, value: i64) -> Result<Self::Value, E> {
            Ok(vec![value as f32])
        }

        fn visit_u64<E>(self, value: u64) -> Result<Self::Value, E> {
            Ok(vec![value as f32])
        }

        fn visit_seq<A: de::SeqAccess<'de>>(self, list: A) -> Result<Self::Value, A::Error> {
            Vec::deserialize(de::value::SeqAccessDeserializer::new(list))
        }
    }
    deserializer.deserialize_any(OneOrMore)
}
