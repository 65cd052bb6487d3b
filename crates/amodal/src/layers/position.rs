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

/// Turns each pair of neighbouring channels by an angle that grows with the position, so that a product of two of them
/// depends on how far apart they are (Su et al. 2021, arXiv:2104.09864, eq. 34).
#[derive(Clone, Debug)]
pub struct Rotary {
    /// `[time, pairs, 1]`.
    cos: Tensor<3>,
    /// `[time, pairs, 1]`.
    sin: Tensor<3>,
}

impl Rotary {
    /// For `dim` channels, an even number.
    pub fn new(time: usize, dim: usize, device: &Device) -> Self {
        let pairs = dim / 2;
        let table = |function: fn(f64) -> f64| {
            let at = |place: usize| function(angle(place / pairs, place % pairs, dim)) as f32;
            let values: Vec<f32> = (0..time * pairs).map(at).collect();
            Tensor::from_data(TensorData::new(values, [time, pairs, 1]), device)
        };
        Self { cos: table(f64::cos), sin: table(f64::sin) }
    }

    /// `[batch, heads, time, dim]` to the same shape.
    pub fn turn(&self, x: Tensor<4>) -> Tensor<4> {
        let [batch, heads, time, dim] = x.dims();
        let pairs: Tensor<5> = x.reshape([batch, heads, time, dim / 2, 2]);
        let (even, odd) = (pairs.clone().narrow(4, 0, 1), pairs.narrow(4, 1, 1));
        let (cos, sin) = (self.cos.clone().unsqueeze::<5>(), self.sin.clone().unsqueeze::<5>());
        let turned = vec![even.clone() * cos.clone() - odd.clone() * sin.clone(), even * sin + odd * cos];
        Tensor::cat(turned, 4).reshape([batch, heads, time, dim])
    }
}
