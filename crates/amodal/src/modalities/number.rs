//! One number, as an input or as a target, or the numbers of several columns as one input.
use super::{
    Fit, Read, kind,
    scale::{Moments, Scale, one_or_more},
    series::split,
};
use crate::{Error, Item, Named, Raw, Result, types::Build};
use burn::module::Module;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// A number, or with `columns` one number a column, standardised by the mean and the deviation of the training rows. An
/// empty cell among several reads as the mean of its column; where the training rows have such cells, one more channel
/// says so. Only a row that has none of the columns lacks the modality.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct NumberConfig {
    /// Columns read side by side, for an input; empty: the one column of the modality's name.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub columns: Vec<String>,
    /// Mean of the training rows, for each column; computed where absent.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "one_or_more")]
    pub mean: Vec<f32>,
    /// Standard deviation of the training rows, for each column; computed where absent.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "one_or_more")]
    pub deviation: Vec<f32>,
    /// Those of the columns that have empty cells in the training rows; computed with `mean` and `deviation`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub gaps: Vec<String>,
}

impl NumberConfig {
    /// Makes the reader.
    pub fn build(&self, _: &Build) -> Result<Number> {
        self.check()?;
        let scale = Scale::new(&self.mean, &self.deviation, self.width())?;
        let gaps = self.gaps.iter().filter_map(|gap| self.columns.iter().position(|column| column == gap));
        Ok(Number { scale, width: self.width(), gaps: gaps.collect(), several: !self.columns.is_empty() })
    }

    fn width(&self) -> usize {
        self.columns.len().max(1)
    }

    fn check(&self) -> Result<()> {
        let known: BTreeSet<&String> = self.columns.iter().collect();
        if known.len() < self.columns.len() {
            return Err(Error::config("columns", "a column stands twice"));
        }
        match self.gaps.iter().find(|gap| !known.contains(gap)) {
            Some(wrong) => Err(Error::config("gaps", format!("{wrong:?} is none of `columns`"))),
            None => Ok(()),
        }
    }
}

impl Fit for NumberConfig {
    fn fit(&mut self, values: &mut dyn Iterator<Item = &Raw>) -> Result<()> {
        if !self.mean.is_empty() && !self.deviation.is_empty() {
            return Ok(());
        }
        self.check()?;
        let (mut moments, mut rows) = (Moments::new(self.width()), 0);
        for raw in values {
            let numbers = numbers(raw, self.width(), !self.columns.is_empty())?;
            numbers.into_iter().enumerate().for_each(|(column, number)| moments.add(column, number));
            rows += 1;
        }
        for (column, count) in self.columns.iter().zip(moments.counts()) {
            if count == 0 {
                return Err(Error::config("columns", format!("{column:?} has no value in the training rows")));
            }
            if count < rows && !self.gaps.contains(column) {
                self.gaps.push(column.clone());
            }
        }
        moments.complete(&mut self.mean, &mut self.deviation);
        Ok(())
    }
}

/// The number that a raw value gives.
pub(crate) fn number(raw: &Raw) -> Result<f64> {
    let value = match raw {
        Raw::Numbers(numbers) if numbers.len() == 1 => Some(f64::from(numbers[0])),
        Raw::Text(text) => text.trim().parse().ok(),
        _ => None,
    };
    // as near as a batch can hold it, so that a table says the same in every format
    let value = value.map(|value: f64| f64::from(value as f32)).filter(|value| value.is_finite());
    value.ok_or_else(|| Error::data("", format!("{}, expected a finite number", kind(raw))))
}

/// The numbers of a raw value; where it stands for `several` columns, NaN is an empty cell.
fn numbers(raw: &Raw, width: usize, several: bool) -> Result<Vec<f64>> {
    if !several {
        return Ok(vec![number(raw)?]);
    }
    let values = match raw {
        Raw::Numbers(numbers) => Some(numbers.iter().copied().map(f64::from).collect()),
        Raw::Text(text) => split(text),
        Raw::Bytes(_) | Raw::Stored(_) => None,
    };
    let right = |values: &Vec<f64>| values.len() == width && !values.iter().any(|value| value.is_infinite());
    values.filter(right).ok_or_else(|| {
        let expected = if width == 1 { "a finite number".to_string() } else { format!("{width} finite numbers") };
        Error::data("", format!("{}, expected {expected}", kind(raw)))
    })
}

/// Reads [`NumberConfig`].
#[derive(Module, Debug)]
pub struct Number {
    #[module(skip)]
    scale: Scale,
    width: usize,
    /// Which of the columns have a channel that says where they are empty.
    gaps: Vec<usize>,
    several: bool,
}

impl Number {
    fn channels(&self) -> usize {
        self.width + self.gaps.len()
    }
}

impl Read for Number {
    fn dims(&self) -> Named<usize> {
        [("input".to_string(), self.channels())].into()
    }

    /// The standardised numbers, then the gaps: 1 where the number is absent.
    fn read(&self, raw: &Raw) -> Result<Item> {
        let numbers = numbers(raw, self.width, self.several)?;
        let scaled = |(column, number): (usize, &f64)| match number.is_nan() {
            true => Ok(0.0),
            false => self.scale.apply(column, *number),
        };
        let gap = |column: &usize| f32::from(u8::from(numbers[*column].is_nan()));
        let gaps = self.gaps.iter().map(gap).map(Ok);
        let values = numbers.iter().enumerate().map(scaled).chain(gaps).collect::<Result<_>>()?;
        Ok(Item::Series { values, channels: self.channels() })
    }

    fn write(&self, item: &Item, _: &str) -> Result<Raw> {
        match item {
            Item::Series { values, .. } if values.len() == 1 => Ok(Raw::Text(self.restore(values[0]).to_string())),
            _ => Err(super::no_way_back("one number")),
        }
    }

    fn blank(&self) -> Item {
        Item::Series { values: vec![0.0; self.channels()], channels: self.channels() }
    }

    fn time(&self) -> Option<usize> {
        Some(1)
    }

    fn restore(&self, value: f32) -> f32 {
        self.scale.restore(0, value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn built(config: &NumberConfig) -> Number {
        let device = burn::tensor::Device::flex();
        config.build(&Build { dims: Named::new(), device: &device }).unwrap()
    }

    fn several(columns: &[&str], rows: &[[f32; 2]]) -> Result<NumberConfig> {
        let columns = columns.iter().map(ToString::to_string).collect();
        let mut config = NumberConfig { columns, ..Default::default() };
        let rows: Vec<Raw> = rows.iter().map(|row| Raw::Numbers(row.to_vec())).collect();
        config.fit(&mut rows.iter()).map(|()| config)
    }

    #[test]
    fn one_number_is_standardised() {
        let rows = [Raw::Text("1".into()), Raw::Numbers(vec![5.0])];
        let mut config = NumberConfig::default();
        config.fit(&mut rows.iter()).unwrap();
        assert_eq!((&config.mean[..], &config.deviation[..]), (&[3.0][..], &[2.0][..]));
        let number = built(&config);
        assert_eq!(number.read(&rows[1]).unwrap(), Item::Series { values: vec![1.0], channels: 1 });
        assert_eq!(number.restore(1.0), 5.0);
        let tenths = [Raw::Text("0.1".into()), Raw::Numbers(vec![0.1])].map(|raw| super::number(&raw).unwrap());
        assert_eq!(tenths, [f64::from(0.1_f32); 2], "the same from every kind of table");
        let as_before: NumberConfig = toml::from_str("mean = 3.0\ndeviation = 2").unwrap();
        assert_eq!(as_before, config);
        for (raw, problem) in [
            (Raw::Text("much".into()), "\"much\", expected a finite number"),
            (Raw::Text("nan".into()), "\"nan\", expected a finite number"),
            (Raw::Numbers(vec![f32::NAN]), "the number NaN, expected a finite number"),
            (Raw::Numbers(vec![1.0, 2.0]), "2 numbers, expected a finite number"),
        ] {
            assert!(number.read(&raw).unwrap_err().to_string().ends_with(problem), "{raw:?}");
        }
    }

    #[test]
    fn an_empty_cell_among_several_is_the_mean_and_says_so() {
        let empty = f32::NAN;
        let config = several(&["a", "b"], &[[1.0, 10.0], [5.0, empty], [3.0, 30.0]]).unwrap();
        assert_eq!((&config.mean[..], &config.gaps[..]), (&[3.0, 20.0][..], &["b".to_string()][..]));
        let number = built(&config);
        assert_eq!(number.dims()["input"], 3);
        let read = |row: [f32; 2]| match number.read(&Raw::Numbers(row.to_vec())).unwrap() {
            Item::Series { values, channels: 3 } => values,
            other => panic!("{other:?}"),
        };
        assert_eq!(read([3.0, 30.0]), [0.0, 1.0, 0.0]);
        assert_eq!(read([3.0, empty]), [0.0, 0.0, 1.0]);
        assert_eq!(read([empty, 10.0]), [0.0, -1.0, 0.0]);
        assert_eq!(
            number.read(&Raw::Text("3, 30".into())).unwrap(),
            number.read(&Raw::Numbers(vec![3.0, 30.0])).unwrap()
        );
        let error = number.read(&Raw::Numbers(vec![1.0])).unwrap_err();
        assert!(error.to_string().ends_with("the number 1, expected 2 finite numbers"), "{error}");
        assert!(number.read(&Raw::Numbers(vec![1.0, f32::INFINITY])).is_err());
        let mut again = config.clone();
        again.fit(&mut [Raw::Numbers(vec![7.0, 7.0])].iter()).unwrap();
        assert_eq!(again, config);
    }

    #[test]
    fn columns_are_checked() {
        let error = |columns: &[&str], second: f32| several(columns, &[[1.0, second]]).unwrap_err().to_string();
        assert_eq!(error(&["a", "b"], f32::NAN), "columns: \"b\" has no value in the training rows");
        assert_eq!(error(&["a", "a"], 1.0), "columns: a column stands twice");
    }
}
