//! Transformer encoder over words or over frames of a series.
use super::Encode;
use crate::{
    Input, Result, Tokens,
    layers::{Block, BlockConfig, position::sinusoids},
    types::{Build, at_least},
};
use burn::module::Module;
use burn::nn::{Dropout, DropoutConfig, Embedding, EmbeddingConfig, LayerNorm, LayerNormConfig, Linear, LinearConfig};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// For text or series: a transformer encoder with sinusoidal positions (Vaswani et al. 2017, arXiv:1706.03762). Differs:
/// the layer norm comes first.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TransformerConfig {
    /// Width of the tokens.
    pub dim: usize,
    /// Attention blocks.
    pub num_layers: usize,
    /// Attention heads; a divisor of `dim`.
    pub num_heads: usize,
    /// Probability that a value is dropped in training.
    pub dropout: f64,
}

impl Default for TransformerConfig {
    fn default() -> Self {
        Self { dim: 128, num_layers: 2, num_heads: 4, dropout: 0.1 }
    }
}

impl TransformerConfig {
    /// Makes the encoder.
    pub fn build(&self, build: &Build) -> Result<Transformer> {
        at_least("dim", self.dim, 1)?;
        at_least("num_layers", self.num_layers, 1)?;
        let block = BlockConfig { dim: self.dim, num_heads: self.num_heads, dropout: self.dropout };
        let (input, is_text) = (build.dim("input")?, build.dims.contains_key("words"));
        Ok(Transformer {
            words: is_text.then(|| EmbeddingConfig::new(input, self.dim).init(build.device)),
            frames: (!is_text).then(|| LinearConfig::new(input, self.dim).init(build.device)),
            blocks: (0..self.num_layers).map(|_| block.build(build.device)).collect::<Result<_>>()?,
            norm: LayerNormConfig::new(self.dim).init(build.device),
            dropout: DropoutConfig::new(self.dropout).init(),
            dim: self.dim,
        })
    }
}

/// See [`TransformerConfig`].
#[derive(Module, Debug)]
pub struct Transformer {
    words: Option<Embedding>,
    frames: Option<Linear>,
    blocks: Vec<Block>,
    norm: LayerNorm,
    dropout: Dropout,
    dim: usize,
}

impl Encode for Transformer {
    fn dim(&self) -> usize {
        self.dim
    }

    /// `[batch, time]` ids or `[batch, time, channels]` to `[batch, time, dim]`.
    fn encode(&self, input: &Input) -> Result<Tokens> {
        let values = match (&self.words, &self.frames) {
            (Some(words), _) => words.forward(input.ids()?).mul_scalar((self.dim as f64).sqrt()),
            (None, Some(frames)) => frames.forward(input.series()?),
            (None, None) => unreachable!("built with one of the two"),
        };
        let [_, time, dim] = values.dims();
        let positions = sinusoids(time, dim, &values.device()).unsqueeze_dim(0);
        let mut tokens = Tokens { values: self.dropout.forward(values + positions), mask: input.mask.clone() };
        for block in &self.blocks {
            tokens = block.forward(&tokens);
        }
        Ok(Tokens { values: self.norm.forward(tokens.values), mask: tokens.mask })
    }
}
