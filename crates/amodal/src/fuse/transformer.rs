//! One transformer over the tokens of all modalities.
use super::Fuse;
use crate::{
    Named, Result, Tokens,
    layers::{Block, BlockConfig, LayerNorm, Project},
    types::{Build, at_least},
};
use burn::module::{Module, Param};
use burn::nn::Initializer;
use burn::tensor::Tensor;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A joint transformer over the tokens of all modalities (Vaswani et al. 2017, arXiv:1706.03762; as in VisualBERT,
/// arXiv:1908.03557, and ViLT, arXiv:2102.03334), each modality projected by its own layer, whose bias is its modality
/// embedding. Differs: positions are the encoders' business.
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
    /// Whether a learned token that attends to all others is yielded alone; else all tokens are, whose mean is read.
    pub class_token: bool,
}

impl Default for TransformerConfig {
    fn default() -> Self {
        Self { dim: 128, num_layers: 2, num_heads: 4, dropout: 0.1, class_token: false }
    }
}

impl TransformerConfig {
    /// Makes the fusion.
    pub fn build(&self, build: &Build) -> Result<Transformer> {
        at_least("dim", self.dim, 1)?;
        at_least("num_layers", self.num_layers, 1)?;
        let block = BlockConfig { dim: self.dim, num_heads: self.num_heads, dropout: self.dropout };
        let class = Initializer::Normal { mean: 0.0, std: 0.02 };
        Ok(Transformer {
            project: Project::new(build, self.dim),
            class: self.class_token.then(|| class.init([1, 1, self.dim], build.device)),
            blocks: (0..self.num_layers).map(|_| block.build(build.device)).collect::<Result<_>>()?,
            norm: LayerNorm::new(self.dim, build.device),
            dim: self.dim,
        })
    }
}

/// See [`TransformerConfig`].
#[derive(Module, Debug)]
pub struct Transformer {
    project: Project,
    class: Option<Param<Tensor<3>>>,
    blocks: Vec<Block>,
    norm: LayerNorm,
    dim: usize,
}

impl Fuse for Transformer {
    fn dim(&self) -> usize {
        self.dim
    }

    /// `[batch, tokens, dim]` each to `[batch, all tokens, dim]`, or to `[batch, 1, dim]` by a class token.
    fn fuse(&self, encoded: &Named<Tokens>) -> Result<Tokens> {
        let mut tokens = Tokens::cat(self.project.tokens(encoded));
        if let Some(class) = &self.class {
            let present = tokens.present();
            let [batch, _] = present.dims();
            let class = Tokens { values: class.val().repeat_dim(0, batch), mask: present };
            tokens = Tokens::cat(vec![class, tokens]);
        }
        for block in &self.blocks {
            block.check(&tokens, &tokens)?;
            tokens = block.forward(&tokens);
        }
        if self.class.is_some() {
            tokens = tokens.narrow(0, 1);
        }
        Ok(Tokens { values: self.norm.forward(tokens.values), mask: tokens.mask })
    }
}
