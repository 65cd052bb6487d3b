//! Draws in proportion to weights.
use crate::random::{Random, Rng};

/// Draws a number with a probability in proportion to its weight, in constant time (alias method, Walker 1977,
/// doi:10.1145/355744.355749, built as in Vose 1991, doi:10.1109/32.92917).
#[derive(Clone, Debug)]
pub(crate) struct Alias {
    /// For each number: the share, of 2^32, of its draws that stay, and what the others become.
    columns: Vec<(u32, u32)>,
}

impl Alias {
    /// Of at least one weight, each zero or more, together more than zero.
    pub(crate) fn new(weights: &[f64]) -> Self {
        let mean = weights.iter().sum::<f64>() / weights.len() as f64;
        let mut heights: Vec<f64> = weights.iter().map(|weight| weight / mean).collect();
        let mut columns: Vec<(u32, u32)> = (0..weights.len() as u32).map(|number| (u32::MAX, number)).collect();
        let (mut low, mut high): (Vec<usize>, Vec<usize>) = (0..weights.len()).partition(|at| heights[*at] < 1.0);
        while let (Some(small), Some(large)) = (low.pop(), high.last().copied()) {
            columns[small] = ((heights[small] * 4_294_967_296.0) as u32, large as u32);
            heights[large] -= 1.0 - heights[small];
            if heights[large] < 1.0 {
                high.pop();
                low.push(large);
            }
        }
        Self { columns }
    }

    /// A number.
    #[inline(always)]
    pub(crate) fn draw(&self, random: &mut Random) -> u32 {
        let draw = random.next_u64();
        let number = (((draw >> 32) * self.columns.len() as u64) >> 32) as u32;
        let (stay, other) = self.columns[number as usize];
        if draw as u32 <= stay { number } else { other }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{Purpose, random};

    #[test]
    fn numbers_come_as_often_as_their_weights_say() {
        let weights = [1.0, 0.0, 5.0, 2.0, 0.5, 1.5];
        let alias = Alias::new(&weights);
        let mut random = random(0, 0, 0, Purpose::Words);
        let mut counts = [0; 6];
        (0..100_000).for_each(|_| counts[alias.draw(&mut random) as usize] += 1);
        for (count, weight) in counts.iter().zip(weights) {
            assert!((f64::from(*count) - weight * 10_000.0).abs() < 400.0, "{counts:?}");
        }
        assert_eq!(counts[1], 0);
        assert_eq!(Alias::new(&[3.0]).draw(&mut random), 0);
    }
}
