//! Transposed convolutions from a small grid to a picture.
use super::{Norm, Normalize, conv::convolve};
use crate::{
    Error, Result,
    kernels::spread,
    types::{at_least, widths},
};
use burn::module::Module;
use burn::nn::{
    PaddingConfig2d,
    conv::{Conv2d, Conv2dConfig},
};
use burn::tensor::{Device, Tensor};

/// Transposed convolutions of stride 2 and a window of 6×6 from a small grid to a large one, such as a picture, with batch normalisation and ReLU
/// before each but the first. Each is computed as a convolution of 3×3 places that makes four of them (Shi et al. 2016,
/// arXiv:1609.07009: the same function).
#[derive(Module, Debug)]
pub struct Deconvolve {
    first: Norm,
    stages: Vec<Conv2d>,
    norms: Vec<Norm>,
    last: Conv2d,
    /// Channels, height and width of the grid.
    grid: [usize; 3],
    /// Height and width of what is made.
    size: [usize; 2],
}

impl Deconvolve {
    /// From a grid of `channels[0]` channels to one of `output` channels and `size`; as many doublings as `channels`.
    ///
    /// # Errors
    /// Those of [`shrinks`].
    pub fn new(channels: &[usize], output: usize, size: [usize; 2], device: &Device) -> Result<Self> {
        let shrunk = shrinks(channels, size)?;
        let conv = |input, output| {
            Conv2dConfig::new([input, output], [3, 3]).with_padding(PaddingConfig2d::Explicit(1, 1, 1, 1)).init(device)
        };
        let norm = |channels: &usize| Norm::new(Normalize::Batch, *channels, device);
        Ok(Self {
            first: norm(&channels[0]),
            stages: channels.windows(2).map(|pair| conv(pair[0], 4 * pair[1])).collect(),
            norms: channels[1..].iter().map(norm).collect(),
            last: conv(channels[channels.len() - 1], 4 * output),
            grid: [channels[0], size[0].div_ceil(shrunk), size[1].div_ceil(shrunk)],
            size,
        })
    }

    /// Channels, height and width of the grid.
    pub fn grid(&self) -> [usize; 3] {
        self.grid
    }

    /// Numbers of the grid.
    pub fn input(&self) -> usize {
        self.grid.iter().product()
    }

    /// Numbers of the grid, `[batch, input]`, as `[batch, channels, height, width]`.
    pub fn unfold(&self, x: Tensor<2>) -> Tensor<4> {
        let [channels, height, width] = self.grid;
        x.reshape([-1, channels as i64, height as i64, width as i64])
    }

    /// A grid `[batch, channels, height, width]` to `[batch, output, height, width]`.
    ///
    /// # Errors
    /// [`Error::Shape`] for a grid of other channels.
    pub fn forward(&self, x: Tensor<4>) -> Result<Tensor<4>> {
        let mut x = self.first.activate(x, None, None, false)?;
        for (stage, norm) in self.stages.iter().zip(&self.norms) {
            x = norm.activate(spread(convolve(stage, x)?), None, None, false)?;
        }
        let made = spread(convolve(&self.last, x)?);
        let [_, _, high, wide] = made.dims();
        let [height, width] = self.size;
        Ok(if self.size == [high, wide] { made } else { made.narrow(2, 0, height).narrow(3, 0, width) })
    }
}

/// By how much a small grid of `channels[0]` channels is smaller than what is made of it, of `size`, with a doubling a
/// channel.
///
/// # Errors
/// [`Error::Config`] where there are no channels, or what is made is too small for so many doublings.
pub fn shrinks(channels: &[usize], size: [usize; 2]) -> Result<usize> {
    at_least("channels", channels.len(), 1)?;
    widths("channels", channels)?;
    let shrunk = 1_usize.checked_shl(channels.len() as u32).unwrap_or(usize::MAX);
    if size.iter().all(|size| *size < shrunk) {
        let problem = format!("{} doublings, and the target is {} × {}", channels.len(), size[0], size[1]);
        return Err(Error::config("channels", problem).with_help("give fewer channels"));
    }
    Ok(shrunk)
}
