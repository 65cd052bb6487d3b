//! A picture or a sound by transposed convolutions.
use super::{Decode, canvas::Canvas};
use crate::{
    Input, Prediction, Result, Tokens,
    layers::{Deconvolve, Linear},
    types::{Build, widths},
};
use burn::module::Module;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// For a picture, or a sound of fixed length (`seconds` of its target): the mean of the fused tokens through a linear layer to a small grid, which transposed convolutions double
/// in size until it is the picture (the way back of DeconvNet, Noh et al. 2015, arXiv:1505.04366). Differs: strides instead
/// of the places that a pooling remembered, as nothing was pooled.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct DeconvConfig {
    /// Channels of the grid and behind each doubling but the last, which makes the colours.
    pub channels: Vec<usize>,
}

impl Default for DeconvConfig {
    fn default() -> Self {
        Self { channels: vec![128, 64, 32] }
    }
}

impl DeconvConfig {
    /// Makes the decoder.
    pub fn build(&self, build: &Build) -> Result<Deconv> {
        widths("channels", &self.channels)?;
        let canvas = Canvas::new(build)?;
        let grid = Deconvolve::new(&self.channels, canvas.channels, canvas.size, build.device)?;
        Ok(Deconv { input: Linear::new(build.dim("fused")?, grid.input(), build.device), grid, canvas })
    }
}

/// See [`DeconvConfig`].
#[derive(Module, Debug)]
pub struct Deconv {
    input: Linear,
    grid: Deconvolve,
    #[module(skip)]
    canvas: Canvas,
}

impl Decode for Deconv {
    /// `[batch, tokens, dim]` to pictures `[batch, 3, height, width]` or spectrograms `[batch, time, bands]`.
    fn decode(&self, fused: &Tokens, _: Option<&Input>) -> Result<Prediction> {
        Ok(self.canvas.show(self.grid.forward(self.grid.unfold(self.input.forward(fused.pool())))?))
    }
}
