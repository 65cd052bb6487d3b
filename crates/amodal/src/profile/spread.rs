//! How numbers are spread.
use serde::Serialize;

/// Bars of a histogram.
const BARS: usize = 24;

/// Smallest, mean and largest of some numbers.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Spread {
    /// Smallest.
    pub min: f64,
    /// Mean.
    pub mean: f64,
    /// Largest.
    pub max: f64,
}

impl Spread {
    pub(super) fn of(values: impl Iterator<Item = f64>) -> Option<Self> {
        let (mut number, mut sum, mut min, mut max) = (0_usize, 0.0, f64::INFINITY, f64::NEG_INFINITY);
        for value in values {
            (number, sum, min, max) = (number + 1, sum + value, min.min(value), max.max(value));
        }
        (number > 0).then(|| Self { min, mean: sum / number as f64, max })
    }
}

/// How often numbers fall into ranges of one width.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Histogram {
    /// Where the first range begins: the smallest number.
    pub from: f64,
    /// Where the last range ends: the largest number, or what 99 of 100 do not exceed where a few are far larger.
    pub to: f64,
    /// Numbers in each range.
    pub counts: Vec<usize>,
    /// Numbers above `to`.
    pub above: usize,
    /// The number in the middle.
    pub median: f64,
    /// The number that 95 of 100 do not exceed.
    pub most: f64,
}

impl Histogram {
    /// The histogram of finite numbers; none of no number.
    pub(super) fn of(mut values: Vec<f64>) -> Option<Self> {
        values.retain(|value| value.is_finite());
        values.sort_by(f64::total_cmp);
        let (from, max) = (*values.first()?, *values.last()?);
        let at = |share: f64| values[((values.len() - 1) as f64 * share).round() as usize];
        let usual = at(0.99);
        let to = if max - from > 2.0 * (usual - from) { usual } else { max };
        let whole = values.iter().all(|value| value.fract() == 0.0);
        // each whole number of few has a bar of its own
        let bars = match to - from {
            range if range <= 0.0 || !range.is_finite() => 1,
            range if whole && range < BARS as f64 => range as usize + 1,
            _ => BARS,
        };
        let (mut counts, mut above) = (vec![0; bars], 0);
        for value in &values {
            let share = if to > from { (value - from) / (to - from) } else { 0.0 };
            match *value > to {
                true => above += 1,
                false => counts[((share * bars as f64) as usize).min(bars - 1)] += 1,
            }
        }
        Some(Self { from, to, counts, above, median: at(0.5), most: at(0.95) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_is_counted_once() {
        assert_eq!(Histogram::of(vec![]), None);
        assert_eq!(Histogram::of(vec![f64::NAN, 2.0]).map(|bars| bars.counts), Some(vec![1]));
        let bars = Histogram::of(vec![1.0, 2.0, 2.0, 4.0]).unwrap();
        assert_eq!((bars.counts, bars.from, bars.to, bars.median), (vec![1, 2, 0, 1], 1.0, 4.0, 2.0));
        let bars = Histogram::of((0..1000).map(|value| f64::from(value) / 3.0).collect()).unwrap();
        assert_eq!((bars.counts.len(), bars.counts.iter().sum::<usize>()), (24, 1000));
    }

    #[test]
    fn a_few_giants_do_not_flatten_the_rest() {
        let mut values: Vec<f64> = (0..500).map(f64::from).collect();
        values.push(1e6);
        let bars = Histogram::of(values).unwrap();
        assert_eq!((bars.above, bars.counts.iter().sum::<usize>()), (5, 496));
        assert!(bars.to < 500.0);
    }
}
