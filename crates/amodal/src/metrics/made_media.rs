//! What the metrics of made pictures and sounds share: the mean over rows, beside always giving the mean of the right ones.
use super::{Figure, Metric, View, pictures, spectrograms};
use crate::{Result, media::image::Picture};

/// What a row is made of: numbers that have a mean.
pub(super) trait Medium: Sized {
    /// The name of the mean of the right ones.
    const MEAN: &'static str;

    /// Made and right one of every row that has a target.
    fn pairs(view: &View) -> Result<Vec<(Self, Self)>>;

    /// Its numbers.
    fn numbers(&self) -> Vec<f64>;

    /// One of the same shape with other numbers, of which there are at least as many.
    fn with(&self, numbers: &[f64]) -> Self;
}

impl Medium for Picture {
    const MEAN: &'static str = "mean picture";

    fn pairs(view: &View) -> Result<Vec<(Self, Self)>> {
        pictures(view)
    }

    fn numbers(&self) -> Vec<f64> {
        self.pixels.iter().map(|value| f64::from(*value)).collect()
    }

    fn with(&self, numbers: &[f64]) -> Self {
        let pixels = numbers[..self.pixels.len()].iter().map(|value| value.round() as u8).collect();
        Self { pixels, ..*self }
    }
}

/// A spectrogram: natural logarithms of power.
impl Medium for Vec<f32> {
    const MEAN: &'static str = "mean sound";

    fn pairs(view: &View) -> Result<Vec<(Self, Self)>> {
        spectrograms(view)
    }

    fn numbers(&self) -> Vec<f64> {
        self.iter().map(|value| f64::from(*value)).collect()
    }

    fn with(&self, numbers: &[f64]) -> Self {
        numbers[..self.len()].iter().map(|value| *value as f32).collect()
    }
}

/// One figure of made pictures or sounds.
pub(super) struct Measure<T: 'static> {
    /// Its name.
    pub(super) name: &'static str,
    /// Whether it is a share of 1.
    pub(super) is_share: bool,
    /// Whether more is better.
    pub(super) higher_is_better: bool,
    /// Its value for what was made and what is right.
    pub(super) of: fn(&T, &T) -> f64,
}

/// Numbers of right ones that are held for the floor.
const HELD: usize = 16 << 20;

/// Sums over rows. The floor is known at the end alone, when the mean is: it is counted on all rows, or where those are
/// more than [`HELD`] numbers on every second, fourth, … of them.
pub(super) struct MadeMedia<T: 'static> {
    measures: &'static [Measure<T>],
    /// Of each measure.
    sums: Vec<f64>,
    count: usize,
    /// Sum of the right ones' numbers, and how many have each.
    right: Vec<(f64, usize)>,
    /// Every so many-th right one.
    held: Vec<T>,
    every: usize,
}

impl<T: Medium> MadeMedia<T> {
    /// A counter at zero.
    pub(super) fn new(measures: &'static [Measure<T>]) -> Self {
        let sums = vec![0.0; measures.len()];
        Self { measures, sums, count: 0, right: Vec::new(), held: Vec::new(), every: 1 }
    }

    fn add(&mut self, made: &T, right: T) {
        for (sum, measure) in self.sums.iter_mut().zip(self.measures) {
            *sum += (measure.of)(made, &right);
        }
        let numbers = right.numbers();
        self.right.resize(self.right.len().max(numbers.len()), (0.0, 0));
        for ((sum, count), number) in self.right.iter_mut().zip(numbers) {
            *sum += number;
            *count += 1;
        }
        if self.count.is_multiple_of(self.every) {
            self.held.push(right);
        }
        self.count += 1;
        if self.held.len() * self.right.len() > HELD && self.held.len() > 1 {
            let mut second = true;
            self.held.retain(|_| {
                second = !second;
                !second
            });
            self.every *= 2;
        }
    }
}

impl<T: Medium> Metric for MadeMedia<T> {
    fn update(&mut self, view: &View) -> Result<()> {
        T::pairs(view)?.into_iter().for_each(|(made, right)| self.add(&made, right));
        Ok(())
    }

    fn figures(&self) -> Vec<Figure> {
        if self.count == 0 {
            return Vec::new();
        }
        let mean: Vec<f64> = self.right.iter().map(|(sum, count)| sum / *count as f64).collect();
        let figure = |(measure, sum): (&Measure<T>, &f64)| {
            let floors = self.held.iter().map(|right| (measure.of)(&right.with(&mean), right));
            Figure {
                name: measure.name.into(),
                value: sum / self.count as f64,
                floor: floors.sum::<f64>() / self.held.len() as f64,
                floor_name: T::MEAN,
                is_share: measure.is_share,
                higher_is_better: measure.higher_is_better,
                count: self.count,
            }
        };
        self.measures.iter().zip(&self.sums).map(figure).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MEASURES: &[Measure<Vec<f32>>] = &[Measure {
        name: "sum",
        is_share: false,
        higher_is_better: false,
        of: |made, right| made.iter().zip(right).map(|(made, right)| f64::from(made - right).abs()).sum(),
    }];

    #[test]
    fn the_floor_is_the_mean_of_the_right_ones() {
        let mut metric = MadeMedia::new(MEASURES);
        for right in [vec![0.0, 4.0], vec![2.0], vec![4.0, 8.0]] {
            metric.add(&vec![1.0, 4.0], right);
        }
        let figure = &metric.figures()[0];
        // the means are 2 and 6
        assert_eq!((figure.value, figure.floor, figure.count), (9.0 / 3.0, (4.0 + 0.0 + 4.0) / 3.0, 3));
    }

    #[test]
    fn what_is_held_is_bounded_and_spread_evenly() {
        let mut metric = MadeMedia::new(MEASURES);
        for row in 0..21 {
            metric.add(&Vec::new(), vec![row as f32; HELD / 4]);
        }
        let held: Vec<f32> = metric.held.iter().map(|right| right[0]).collect();
        assert_eq!(held, [0.0, 8.0, 16.0]);
        assert_eq!((metric.count, metric.every), (21, 8));
    }
}
