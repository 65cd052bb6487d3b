//! Positions of tokens, as vectors to add.
use burn::tensor::{Device, Tensor, TensorData};

/// Sinusoids of geometric wavelengths, `[time, dim]` (Vaswani et al. 2017, arXiv:1706.03762, section 3.5).
pub fn sinusoids(time: usize, dim: usize, device: &Device) -> Tensor<2> {
    let value = |at: usize, channel: usize| {
        let angle = at as f64 / 10_000_f64.powf((channel / 2 * 2) as f64 / dim as f64);
        (if channel.is_multiple_of(2) { angle.sin() } else { angle.cos() }) as f32
    };
    let values: Vec<f32> = (0..time).flat_map(|at| (0..dim).map(move |channel| value(at, channel))).collect();
    Tensor::from_data(TensorData::new(values, [time, dim]), device)
}
