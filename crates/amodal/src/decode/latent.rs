//! What a decoder that draws by chance is told beside the fused tokens: the code of a variational autoencoder.
use super::Sampling;
use crate::{
    Result,
    layers::{Halve, Linear},
    types::{at_least, within},
};
use burn::module::Module;
use burn::tensor::{Device, Distribution, Tensor};

/// Bounds of the logarithm of a variance, so that its exponential is finite.
const LOG_VARIANCE: f64 = 10.0;

/// Reads a code from a target in training, and draws it from a normal distribution then (Kingma and Welling 2013,
/// arXiv:1312.6114; given what is decoded, Sohn et al. 2015, NIPS).
#[derive(Module, Debug)]
pub(crate) struct Latent {
    read: Halve,
    /// Mean and logarithm of the variance of the code, side by side.
    code: Linear,
    size: usize,
    deviation: f64,
}

/// Sizes of a [`Latent`].
pub(crate) struct LatentConfig<'a> {
    /// Numbers of the code: the option `code`.
    pub(crate) code: usize,
    /// The option `deviation`.
    pub(crate) deviation: f64,
    /// Channels from the small grid on, as they are drawn with.
    pub(crate) channels: &'a [usize],
    /// Channels, height and width of the target.
    pub(crate) target: [usize; 3],
    /// Width of the fused tokens.
    pub(crate) fused: usize,
}

/// What is drawn from.
pub(crate) struct Code {
    /// The fused tokens' mean and the code, side by side, `[batch, fused + code]`.
    pub(crate) values: Tensor<2>,
    /// How far its distribution is from a normal one, `[batch, 1]`.
    apart: Tensor<2>,
}

impl LatentConfig<'_> {
    /// Makes the reader.
    pub(crate) fn build(&self, device: &Device) -> Result<Latent> {
        at_least("code", self.code, 1)?;
        within("deviation", self.deviation, 1e-3, 10.0)?;
        let [colours, height, width] = self.target;
        let up: Vec<usize> = self.channels.iter().rev().copied().collect();
        let halved = |size: usize| up.iter().fold(size, |size, _| size.div_ceil(2));
        let grid = up[up.len() - 1] * halved(height) * halved(width);
        Ok(Latent {
            read: Halve::new(colours, &up, device),
            code: Linear::new(grid + self.fused, 2 * self.code, device),
            size: self.code,
            deviation: self.deviation,
        })
    }
}

impl Latent {
    /// The code of targets `[batch, channels, height, width]`, drawn where gradients are recorded.
    pub(crate) fn read(&self, target: Tensor<4>, fused: Tensor<2>) -> Result<Code> {
        let read = self.read.forward(target)?.flatten(1, 3);
        let code = self.code.forward(Tensor::cat(vec![read, fused.clone()], 1));
        let mean = code.clone().narrow(1, 0, self.size);
        let log_variance = code.narrow(1, self.size, self.size).clamp(-LOG_VARIANCE, LOG_VARIANCE);
        let drawn = match mean.device().is_autodiff() {
            true => {
                let noise = Tensor::random(mean.dims(), Distribution::Normal(0.0, 1.0), &mean.device());
                mean.clone() + noise * log_variance.clone().mul_scalar(0.5).exp()
            }
            false => mean.clone(),
        };
        let apart = (mean.powi_scalar(2) + log_variance.clone().exp() - log_variance - 1.0).sum_dim(1).mul_scalar(0.5);
        Ok(Code { values: Tensor::cat(vec![fused, drawn], 1), apart })
    }

    /// The fused tokens' mean and a code that each row draws, side by side; at a temperature of 0 it is the middle one.
    pub(crate) fn draw(&self, fused: Tensor<2>, sampling: &Sampling) -> Tensor<2> {
        let code = sampling.noise(fused.dims()[0], self.size, &fused.device());
        Tensor::cat(vec![fused, code], 1)
    }

    /// The negative bound of the log-likelihood by number, `[1]`, of targets that are `off`, `[batch, steps, numbers]`, what
    /// was drawn; steps of `mask` 0, `[batch, steps]`, do not count.
    pub(crate) fn loss(&self, code: Code, off: Tensor<3>, mask: Tensor<2>) -> Tensor<1> {
        let [_, _, numbers] = off.dims();
        let error: Tensor<2> = off.powi_scalar(2).sum_dim(2).squeeze_dim(2);
        let error = (error * mask.clone()).mul_scalar(0.5 / self.deviation.powi(2));
        let apart = code.apart * mask.clone().max_dim(1);
        (error.sum() + apart.sum()) / mask.sum().clamp_min(1.0).mul_scalar(numbers as f64)
    }
}
