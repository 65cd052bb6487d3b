//! Positions of tokens: vectors to add, and angles to turn by.
use burn::tensor::{Device, Tensor, TensorData};

/// The angle of a pair of channels at a position: geometric wavelengths (Vaswani et al. 2017, arXiv:1706.03762, section 3.5).
fn angle(at: usize, pair: usize, dim: usize) -> f64 {
    at as f64 / 10_000_f64.powf((2 * pair) as f64 / dim as f64)
}

/// Sinusoids of geometric wavelengths, `[time, dim]` (Vaswani et al. 2017, arXiv:1706.03762, section 3.5).
pub fn sinusoids(time: usize, dim: usize, device: &Device) -> Tensor<2> {
    let value = |at: usize, channel: usize| {
        let angle = angle(at, channel / 2, dim);
        (if channel.is_multiple_of(2) { angle.sin() } else { angle.cos() }) as f32
    };
    let values: Vec<f32> = (0..time).flat_map(|at| (0..dim).map(move |channel| value(at, channel))).collect();
    Tensor::from_data(TensorData::new(values, [time, dim]), device)
}

/// Sinusoids of each coordinate of the places of a grid, side by side, `[places, dim]`; of a side that is 1 there are none.
pub fn grid_sinusoids(grid: [usize; 3], dim: usize, device: &Device) -> Tensor<2> {
    let sides: Vec<usize> = (0..3).filter(|side| grid[*side] > 1).collect();
    let share = dim.div_ceil(sides.len().max(1));
    let value = |place: usize, channel: usize| {
        let Some(side) = sides.get(channel / share) else { return 0.0 };
        let at = place / grid[*side + 1..].iter().product::<usize>() % grid[*side];
        let angle = angle(at, channel % share / 2, share);
        (if (channel % share).is_multiple_of(2) { angle.sin() } else { angle.cos() }) as f32
    };
    let places = grid.iter().product();
    let values: Vec<f32> = (0..places)
        .flat_map(|place| (0..dim).map(move |channel| (place, channel)))
        .map(|(place, channel)| value(place, channel))
        .collect();
    Tensor::from_data(TensorData::new(values, [places, dim]), device)
}

/// Sinusoids of the same wavelengths at any places, `[batch]`: `[batch, dim]`, the sines before the cosines.
pub fn sinusoids_at(places: Tensor<1>, dim: usize) -> Tensor<2> {
    let pairs = dim.div_ceil(2);
    let speeds: Vec<f32> = (0..pairs).map(|pair| angle(1, pair, dim) as f32).collect();
    let speeds = Tensor::<2>::from_data(TensorData::new(speeds, [1, pairs]), &places.device());
    let angles = places.unsqueeze_dim::<2>(1) * speeds;
    Tensor::cat(vec![angles.clone().sin(), angles.cos()], 1).narrow(1, 0, dim)
}

/// Turns each pair of neighbouring channels by an angle that grows with the position, so that a product of two of them
/// depends on how far apart they are (Su et al. 2021, arXiv:2104.09864, eq. 34).
#[derive(Clone, Debug)]
pub struct Rotary {
    /// `[1, time, 1, pairs, 1]`.
    cos: Tensor<5>,
    /// `[1, time, 1, pairs, 1]`.
    sin: Tensor<5>,
}

impl Rotary {
    /// For `dim` channels, an even number.
    pub fn new(time: usize, dim: usize, device: &Device) -> Self {
        let pairs = dim / 2;
        let table = |function: fn(f64) -> f64| {
            let at = |place: usize| function(angle(place / pairs, place % pairs, dim)) as f32;
            let values: Vec<f32> = (0..time * pairs).map(at).collect();
            Tensor::from_data(TensorData::new(values, [1, time, 1, pairs, 1]), device)
        };
        Self { cos: table(f64::cos), sin: table(f64::sin) }
    }

    /// Each head's channels, `[batch, time, heads * dim]` to the same shape.
    pub fn turn(&self, x: Tensor<3>, heads: usize) -> Tensor<3> {
        let [batch, time, width] = x.dims();
        let pairs = x.reshape([batch, time, heads, width / heads / 2, 2]);
        let (even, odd) = (pairs.clone().narrow(4, 0, 1), pairs.narrow(4, 1, 1));
        let turned = vec![
            even.clone() * self.cos.clone() - odd.clone() * self.sin.clone(),
            even * self.sin.clone() + odd * self.cos.clone(),
        ];
        Tensor::cat(turned, 4).reshape([batch, time, width])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grid_has_the_sinusoids_of_its_sides() {
        let device = crate::train::device();
        let grid: Vec<f32> = grid_sinusoids([1, 2, 3], 8, &device).into_data().iter::<f32>().collect();
        let [rows, columns] =
            [2, 3].map(|side| sinusoids(side, 4, &device).into_data().iter::<f32>().collect::<Vec<_>>());
        for (place, found) in grid.chunks_exact(8).enumerate() {
            assert_eq!(found[..4], rows[place / 3 * 4..][..4]);
            assert_eq!(found[4..], columns[place % 3 * 4..][..4]);
        }
        assert_eq!(grid_sinusoids([1, 1, 1], 2, &device).into_data().iter::<f32>().collect::<Vec<_>>(), [0.0; 2]);
        // an odd width
        assert_eq!(grid_sinusoids([1, 2, 2], 5, &device).dims(), [4, 5]);
        assert_eq!(sinusoids_at(Tensor::ones([2], &device), 5).dims(), [2, 5]);
    }
}
