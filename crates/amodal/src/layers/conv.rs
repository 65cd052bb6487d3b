//! A convolution, and what follows it in one pass.
use super::{Norm, Normalize};
use crate::{Error, Result, kernels};
use burn::module::Module;
use burn::nn::{
    PaddingConfig2d,
    conv::{Conv1d, Conv2d, Conv2dConfig},
};
use burn::tensor::{Device, Tensor};

/// A convolution and its normalisation.
#[derive(Module, Debug)]
pub struct Convolution {
    conv: Conv2d,
    norm: Norm,
}

impl Convolution {
    /// From and to so many `channels`, by windows of `kernel` × `kernel`, at every place or every second one.
    pub fn new(channels: [usize; 2], kernel: usize, stride: usize, norm: Normalize, device: &Device) -> Self {
        let padding = kernel / 2;
        let conv = Conv2dConfig::new(channels, [kernel, kernel])
            .with_stride([stride, stride])
            .with_padding(PaddingConfig2d::Explicit(padding, padding, padding, padding))
            .with_bias(norm != Normalize::Batch);
        Self { conv: conv.init(device), norm: Norm::new(norm, channels[1], device) }
    }

    /// `[batch, channels, height, width]`, normalised.
    ///
    /// # Errors
    /// Those of [`convolve`].
    pub fn forward(&self, x: Tensor<4>) -> Result<Tensor<4>> {
        Ok(self.norm.forward(convolve(&self.conv, x)?))
    }

    /// The same through ReLU.
    ///
    /// # Errors
    /// Those of [`convolve`].
    pub fn activate(&self, x: Tensor<4>) -> Result<Tensor<4>> {
        activate(&self.conv, &self.norm, x, None, false)
    }
}

/// `[batch, channels, height, width]` through a convolution, with its bias.
///
/// # Errors
/// [`Error::Shape`] where `x` has other channels than it reads, or is smaller than its window.
pub fn convolve(conv: &Conv2d, x: Tensor<4>) -> Result<Tensor<4>> {
    kernels::convolve(x, conv.weight.val(), conv.bias.as_ref().map(|bias| bias.val()), conv.stride, padding(conv)?)
}

/// `[batch, channels, time]` through a convolution over time, with its bias.
#[expect(clippy::disallowed_methods, reason = "it is counted here")]
pub fn convolve_steps(conv: &Conv1d, x: Tensor<3>) -> Tensor<3> {
    let [_, channels, size] = conv.weight.dims();
    let made = conv.forward(x);
    kernels::count(made.dims(), channels * size);
    made
}

/// A convolution, its normalisation, ReLU and, where `shrink`, 2×2 max-pooling; zero where `mask`, `[batch, height]`, is.
///
/// # Errors
/// Those of [`convolve`].
pub fn activate(conv: &Conv2d, norm: &Norm, x: Tensor<4>, mask: Option<&Tensor<2>>, shrink: bool) -> Result<Tensor<4>> {
    let made = kernels::convolve(x, conv.weight.val(), None, conv.stride, padding(conv)?)?;
    norm.activate(made, conv.bias.as_ref().map(|bias| bias.val()), mask, shrink)
}

/// Zeros down and across.
fn padding(conv: &Conv2d) -> Result<[usize; 2]> {
    match conv.padding {
        PaddingConfig2d::Valid => Ok([0, 0]),
        PaddingConfig2d::Explicit(top, left, bottom, right) if (top, left) == (bottom, right) => Ok([top, left]),
        _ => Err(Error::config("", "a convolution is padded alike on both sides")),
    }
}
