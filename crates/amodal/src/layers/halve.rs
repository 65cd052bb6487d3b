//! Convolutions from a picture to a small grid: the way back of [`Deconvolve`](super::Deconvolve).
use super::{Norm, Normalize, conv::activate};
use crate::Result;
use burn::module::Module;
use burn::nn::{
    PaddingConfig2d,
    conv::{Conv2d, Conv2dConfig},
};
use burn::tensor::{Device, Tensor};

/// Convolutions of 3×3 places and stride 2, each with batch normalisation and ReLU: the grid has as many halves of the
/// picture's height and width as there are channels.
#[derive(Module, Debug)]
pub struct Halve {
    stages: Vec<Conv2d>,
    norms: Vec<Norm>,
}

impl Halve {
    /// From `input` channels, such as the colours of a picture, over `channels`.
    pub fn new(input: usize, channels: &[usize], device: &Device) -> Self {
        let widths: Vec<usize> = [input].iter().chain(channels).copied().collect();
        let conv = |pair: &[usize]| {
            let config = Conv2dConfig::new([pair[0], pair[1]], [3, 3]).with_stride([2, 2]);
            config.with_padding(PaddingConfig2d::Explicit(1, 1, 1, 1)).with_bias(false).init(device)
        };
        let norm = |channels: &usize| Norm::new(Normalize::Batch, *channels, device);
        Self { stages: widths.windows(2).map(conv).collect(), norms: channels.iter().map(norm).collect() }
    }

    /// Pictures `[batch, input, height, width]` to grids `[batch, channels, height, width]`.
    ///
    /// # Errors
    /// [`crate::Error::Shape`] for pictures of other channels.
    pub fn forward(&self, mut x: Tensor<4>) -> Result<Tensor<4>> {
        for (stage, norm) in self.stages.iter().zip(&self.norms) {
            x = activate(stage, norm, x, None, false)?;
        }
        Ok(x)
    }
}
