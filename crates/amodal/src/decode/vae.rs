//! A picture or a sound drawn by chance from a code that a variational autoencoder learned.
use super::{Decode, Sampling, canvas::Canvas};
use crate::{
    Input, Prediction, Result, Tokens,
    layers::{Deconvolve, Halve, Linear},
    random::RngExt,
    types::{Build, at_least, widths, within},
};
use burn::module::Module;
use burn::tensor::{Distribution, Tensor, TensorData};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// For a picture, or a sound of fixed length (`seconds` of its target): a variational autoencoder (Kingma and Welling 2013, arXiv:1312.6114) given the mean of the fused tokens
/// (Sohn et al. 2015, NIPS): in training a code is read from the target and the tokens, and held near a normal distribution;
/// then it is drawn (`sampling.temperature`; at 0 it is the middle one). Takes the loss `own`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct VaeConfig {
    /// Numbers of the code.
    pub code: usize,
    /// Channels of the small grid and behind each doubling but the last; the target is read with the same, in turn.
    pub channels: Vec<usize>,
    /// Deviation of a colour, from -1 to 1, or of a band's power that counts as likely: the smaller, the more of a target
    /// is in its code.
    pub deviation: f64,
}

impl Default for VaeConfig {
    fn default() -> Self {
        Self { code: 32, channels: vec![128, 64, 32], deviation: 0.1 }
    }
}

impl VaeConfig {
    /// Makes the decoder.
    pub fn build(&self, build: &Build) -> Result<Vae> {
        at_least("code", self.code, 1)?;
        widths("channels", &self.channels)?;
        within("deviation", self.deviation, 1e-3, 10.0)?;
        let canvas = Canvas::new(build)?;
        let (fused, device) = (build.dim("fused")?, build.device);
        let grid = Deconvolve::new(&self.channels, canvas.channels, canvas.size, device)?;
        let up: Vec<usize> = self.channels.iter().rev().copied().collect();
        Ok(Vae {
            read: Halve::new(canvas.channels, &up, device),
            code: Linear::new(grid.input() + fused, 2 * self.code, device),
            input: Linear::new(self.code + fused, grid.input(), device),
            grid,
            deviation: self.deviation,
            size: self.code,
            canvas,
        })
    }
}

/// See [`VaeConfig`].
#[derive(Module, Debug)]
pub struct Vae {
    read: Halve,
    /// Mean and logarithm of the variance of the code, side by side.
    code: Linear,
    input: Linear,
    grid: Deconvolve,
    deviation: f64,
    size: usize,
    #[module(skip)]
    canvas: Canvas,
}

/// Bounds of the logarithm of a variance, so that its exponential is finite.
const LOG_VARIANCE: f64 = 10.0;

impl Vae {
    fn draw(&self, fused: Tensor<2>, code: Tensor<2>) -> Result<Tensor<4>> {
        self.grid.forward(self.grid.unfold(self.input.forward(Tensor::cat(vec![fused, code], 1))))
    }
}

impl Decode for Vae {
    /// `[batch, tokens, dim]` to pictures `[batch, 3, height, width]` or spectrograms `[batch, time, bands]`; given them, to the negative bound of their
    /// log-likelihood by number.
    fn decode(&self, fused: &Tokens, target: Option<&Input>) -> Result<Prediction> {
        let Some(target) = target else { return self.generate(fused, &Sampling::default()) };
        let (fused, image) = (fused.pool(), self.canvas.read(target)?);
        let [batch, channels, height, width] = image.dims();
        let read = self.read.forward(image.clone())?.flatten(1, 3);
        let code = self.code.forward(Tensor::cat(vec![read, fused.clone()], 1));
        let mean = code.clone().narrow(1, 0, self.size);
        let log_variance = code.narrow(1, self.size, self.size).clamp(-LOG_VARIANCE, LOG_VARIANCE);
        let drawn = match mean.device().is_autodiff() {
            true => {
                let noise = Tensor::random([batch, self.size], Distribution::Normal(0.0, 1.0), &mean.device());
                mean.clone() + noise * log_variance.clone().mul_scalar(0.5).exp()
            }
            false => mean.clone(),
        };
        let error = (self.draw(fused, drawn)? - image).powi_scalar(2).reshape([batch as i64, -1]).sum_dim(1);
        let error = error.mul_scalar(0.5 / self.deviation.powi(2));
        let apart = (mean.powi_scalar(2) + log_variance.clone().exp() - log_variance - 1.0).sum_dim(1).mul_scalar(0.5);
        let present = target.mask.clone().narrow(1, 0, 1);
        let count = present.clone().sum().clamp_min(1.0).mul_scalar((channels * height * width) as f64);
        Ok(Prediction::Loss(((error + apart) * present).sum() / count))
    }

    fn generate(&self, fused: &Tokens, sampling: &Sampling) -> Result<Prediction> {
        let fused = fused.pool();
        let [batch, _] = fused.dims();
        let mut code = Vec::with_capacity(batch * self.size);
        for row in 0..batch {
            let mut random = sampling.random(row);
            code.extend((0..self.size).map(|_| {
                // Box and Muller 1958
                let (radius, angle): (f64, f64) = (1.0 - random.random::<f64>(), random.random());
                let normal = (-2.0 * radius.ln()).sqrt() * (std::f64::consts::TAU * angle).cos();
                (normal * sampling.temperature) as f32
            }));
        }
        let code = Tensor::from_data(TensorData::new(code, [batch, self.size]), &fused.device());
        Ok(self.canvas.show(self.draw(fused, code)?))
    }
}
