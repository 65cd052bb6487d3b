//! A picture or a sound drawn by chance from a code that a variational autoencoder learned.
use super::{
    Decode, Sampling,
    canvas::Canvas,
    latent::{Latent, LatentConfig},
};
use crate::{
    Input, Prediction, Result, Tokens,
    layers::{Deconvolve, Linear},
    types::{Build, widths},
};
use burn::module::Module;
use burn::tensor::Tensor;
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
        widths("channels", &self.channels)?;
        let canvas = Canvas::new(build)?;
        let (fused, device) = (build.dim("fused")?, build.device);
        let grid = Deconvolve::new(&self.channels, canvas.channels, canvas.size, device)?;
        let [height, width] = canvas.size;
        let (target, channels) = ([canvas.channels, height, width], &self.channels);
        let latent = LatentConfig { code: self.code, deviation: self.deviation, channels, target, fused };
        Ok(Vae {
            latent: latent.build(device)?,
            input: Linear::new(self.code + fused, grid.input(), device),
            grid,
            canvas,
        })
    }
}

/// See [`VaeConfig`].
#[derive(Module, Debug)]
pub struct Vae {
    latent: Latent,
    input: Linear,
    grid: Deconvolve,
    #[module(skip)]
    canvas: Canvas,
}

impl Vae {
    fn draw(&self, code: Tensor<2>) -> Result<Tensor<4>> {
        self.grid.forward(self.grid.unfold(self.input.forward(code)))
    }
}

impl Decode for Vae {
    /// `[batch, tokens, dim]` to pictures `[batch, 3, height, width]` or spectrograms `[batch, time, bands]`; given them, to the negative bound of their
    /// log-likelihood by number.
    fn decode(&self, fused: &Tokens, target: Option<&Input>) -> Result<Prediction> {
        let Some(target) = target else { return self.generate(fused, &Sampling::default()) };
        let image = self.canvas.read(target)?;
        let code = self.latent.read(image.clone(), fused.pool())?;
        let off = (self.draw(code.values.clone())? - image).flatten::<2>(1, 3).unsqueeze_dim(1);
        Ok(Prediction::Loss(self.latent.loss(code, off, target.mask.clone().narrow(1, 0, 1))))
    }

    fn generate(&self, fused: &Tokens, sampling: &Sampling) -> Result<Prediction> {
        Ok(self.canvas.show(self.draw(self.latent.draw(fused.pool(), sampling))?))
    }
}
