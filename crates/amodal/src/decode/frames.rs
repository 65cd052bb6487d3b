//! A clip frame by frame: a token each, by a transformer.
use super::{
    Decode, Sampling,
    clip::{self, Film},
    latent::Latent,
};
use crate::{
    Input, Prediction, Result, Tokens,
    layers::{Block, BlockConfig, Deconvolve, LayerNorm, Linear, attention::check_pairs, position::sinusoids},
    types::{Build, at_least},
};
use burn::module::Module;
use burn::tensor::Tensor;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// For a clip: a token a frame, which attends to the fused tokens and to the other frames, and of each of them a picture by
/// the transposed convolutions of `deconv`. With a `code`, what the input does not tell, such as where a thing stands, is
/// drawn by chance, the same for all frames, as in `vae`; then it takes the loss `own`, or else `mse` or `mae`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct FramesConfig {
    /// Width of the tokens.
    pub dim: usize,
    /// Pairs of attention blocks: to the fused tokens, and to the other frames.
    pub num_layers: usize,
    /// Attention heads; a divisor of `dim`.
    pub num_heads: usize,
    /// Channels of a frame's small grid and behind each doubling but the last, which makes the colours.
    pub channels: Vec<usize>,
    /// Numbers of the code; 0: none.
    pub code: usize,
    /// Deviation of a colour, from -1 to 1, that counts as likely where there is a code: the smaller, the more of a clip is
    /// in its code.
    pub deviation: f64,
    /// Probability that a value is dropped in training.
    pub dropout: f64,
}

impl Default for FramesConfig {
    fn default() -> Self {
        let channels = vec![64, 32, 16];
        Self { dim: 128, num_layers: 1, num_heads: 4, channels, code: 0, deviation: 0.1, dropout: 0.0 }
    }
}

impl FramesConfig {
    /// Makes the decoder.
    pub fn build(&self, build: &Build) -> Result<Frames> {
        at_least("dim", self.dim, 1)?;
        at_least("num_layers", self.num_layers, 1)?;
        let ([time, height, width], fused, device) = (clip::size(build)?, build.dim("fused")?, build.device);
        let grid = Deconvolve::new(&self.channels, 3, [height, width], device)?;
        let block = BlockConfig { dim: self.dim, num_heads: self.num_heads, dropout: self.dropout };
        let blocks = (0..2 * self.num_layers).map(|_| block.build(device)).collect::<Result<_>>()?;
        Ok(Frames {
            latent: clip::latent(self.code, self.deviation, &self.channels, build)?,
            memory: Linear::new(fused, self.dim, device),
            input: Linear::new(fused + self.code, self.dim, device),
            blocks,
            norm: LayerNorm::new(self.dim, device),
            output: Linear::new(self.dim, grid.input(), device),
            grid,
            dim: self.dim,
            num_heads: self.num_heads,
            time,
        })
    }
}

/// See [`FramesConfig`].
#[derive(Module, Debug)]
pub struct Frames {
    latent: Option<Latent>,
    memory: Linear,
    input: Linear,
    blocks: Vec<Block>,
    norm: LayerNorm,
    output: Linear,
    grid: Deconvolve,
    dim: usize,
    num_heads: usize,
    time: usize,
}

impl Film for Frames {
    fn latent(&self) -> Option<&Latent> {
        self.latent.as_ref()
    }

    fn frames(&self) -> usize {
        self.time
    }

    fn film(&self, fused: &Tokens, vector: Tensor<2>) -> Result<Tensor<5>> {
        let ([batch, tokens, _], device) = (fused.values.dims(), vector.device());
        check_pairs([batch, self.num_heads, self.time, self.time.max(tokens)])?;
        let memory = Tokens { values: self.memory.forward(fused.values.clone()), mask: fused.mask.clone() };
        let whole = self.input.forward(vector).unsqueeze_dim::<3>(1);
        let mut x = Tokens {
            values: sinusoids(self.time, self.dim, &device).unsqueeze_dim(0) + whole,
            mask: Tensor::ones([batch, self.time], &device),
        };
        for pair in self.blocks.chunks_exact(2) {
            x = pair[1].forward(&pair[0].cross(&x, &memory));
        }
        let frames = self.norm.forward(x.values).reshape([batch * self.time, self.dim]);
        let frames = self.grid.forward(self.grid.unfold(self.output.forward(frames)))?;
        let [_, colours, height, width] = frames.dims();
        Ok(frames.reshape([batch, self.time, colours, height, width]))
    }
}

impl Decode for Frames {
    /// `[batch, tokens, dim]` to clips `[batch, time, 3, height, width]`; with a code, given them, to the negative bound of
    /// their log-likelihood by number.
    fn decode(&self, fused: &Tokens, target: Option<&Input>) -> Result<Prediction> {
        clip::decode(self, fused, target)
    }

    fn generate(&self, fused: &Tokens, sampling: &Sampling) -> Result<Prediction> {
        clip::generate(self, fused, sampling)
    }
}
