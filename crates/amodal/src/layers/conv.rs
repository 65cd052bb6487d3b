//! A convolution, and what follows it in one pass.
use super::Norm;
use crate::{Error, Result, kernels};
use burn::nn::{
    PaddingConfig2d,
    conv::{Conv1d, Conv2d},
};
use burn::tensor::Tensor;

/// `[batch, channels, height, width]` through a convolution, with its bias.
///
/// # Errors
/// [`Error::Shape`] where `x` has other channels than it reads, or is smaller than its window.
pub fn convolve(conv: &Conv2d, x: Tensor<4>) -> Result<Tensor<4>> {
    let made = without_bias(conv, x)?;
    match &conv.bias {
        Some(bias) => Ok(made + bias.val().reshape([1, -1, 1, 1])),
        None => Ok(made),
    }
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
    norm.activate(without_bias(conv, x)?, conv.bias.as_ref().map(|bias| bias.val()), mask, shrink)
}

fn without_bias(conv: &Conv2d, x: Tensor<4>) -> Result<Tensor<4>> {
    let padding = match conv.padding {
        PaddingConfig2d::Valid => [0, 0],
        PaddingConfig2d::Explicit(top, left, bottom, right) if (top, left) == (bottom, right) => [top, left],
        _ => return Err(Error::config("", "a convolution is padded alike on both sides")),
    };
    kernels::convolve(x, conv.weight.val(), conv.stride, padding)
}
