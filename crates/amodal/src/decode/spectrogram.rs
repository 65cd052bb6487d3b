//! A sound by a transformer over its windows.
use super::Decode;
use crate::{
    Input, Prediction, Result, Tokens,
    layers::{Block, BlockConfig, LayerNorm, Linear, attention::check_pairs, position::sinusoids},
    types::{Build, at_least},
};
use burn::module::Module;
use burn::tensor::Tensor;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// For a sound of fixed length (`seconds` of its target): the windows of its spectrogram, all at once, by a transformer in
/// which each place attends to the fused tokens and to the other places (after Transformer TTS, Li et al. 2018,
/// arXiv:1809.08895). Differs: not one window after the other, so there is no drift and no end to foretell. `convert` turns
/// the spectrogram into a sound.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SpectrogramConfig {
    /// Width of the tokens.
    pub dim: usize,
    /// Pairs of attention blocks: to the fused tokens, and to the other places.
    pub num_layers: usize,
    /// Attention heads; a divisor of `dim`.
    pub num_heads: usize,
    /// Windows that one token makes.
    pub windows: usize,
    /// Probability that a value is dropped in training.
    pub dropout: f64,
}

impl Default for SpectrogramConfig {
    fn default() -> Self {
        Self { dim: 128, num_layers: 3, num_heads: 4, windows: 2, dropout: 0.0 }
    }
}

impl SpectrogramConfig {
    /// Makes the decoder.
    pub fn build(&self, build: &Build) -> Result<Spectrogram> {
        at_least("dim", self.dim, 1)?;
        at_least("num_layers", self.num_layers, 1)?;
        at_least("windows", self.windows, 1)?;
        let (time, bands) = (build.target("time", "audio with `seconds`")?, build.dim("target")?);
        let block = BlockConfig { dim: self.dim, num_heads: self.num_heads, dropout: self.dropout };
        let blocks = (0..2 * self.num_layers).map(|_| block.build(build.device)).collect::<Result<_>>()?;
        Ok(Spectrogram {
            input: Linear::new(build.dim("fused")?, self.dim, build.device),
            blocks,
            norm: LayerNorm::new(self.dim, build.device),
            output: Linear::new(self.dim, self.windows * bands, build.device),
            dim: self.dim,
            num_heads: self.num_heads,
            windows: self.windows,
            time,
            bands,
        })
    }
}

/// See [`SpectrogramConfig`].
#[derive(Module, Debug)]
pub struct Spectrogram {
    input: Linear,
    blocks: Vec<Block>,
    norm: LayerNorm,
    output: Linear,
    dim: usize,
    num_heads: usize,
    windows: usize,
    time: usize,
    bands: usize,
}

impl Decode for Spectrogram {
    /// `[batch, tokens, dim]` to logarithms of power, `[batch, time, bands]`.
    fn decode(&self, fused: &Tokens, _: Option<&Input>) -> Result<Prediction> {
        let ([batch, tokens, _], device) = (fused.values.dims(), fused.values.device());
        let places = self.time.div_ceil(self.windows);
        check_pairs([batch, self.num_heads, places, places.max(tokens)])?;
        let memory = Tokens { values: self.input.forward(fused.values.clone()), mask: fused.mask.clone() };
        let mean = memory.pool().unsqueeze_dim::<3>(1);
        let mut x = Tokens {
            values: sinusoids(places, self.dim, &device).unsqueeze_dim(0) + mean,
            mask: Tensor::ones([batch, places], &device),
        };
        for pair in self.blocks.chunks_exact(2) {
            x = pair[1].forward(&pair[0].cross(&x, &memory));
        }
        let values = self.output.forward(self.norm.forward(x.values));
        let values = values.reshape([batch, places * self.windows, self.bands]);
        Ok(Prediction::Values(values.narrow(1, 0, self.time)))
    }
}
