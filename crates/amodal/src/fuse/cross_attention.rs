//! Every modality attends to every other.
use super::Fuse;
use crate::{
    Named, Result, Tokens,
    layers::{Block, BlockConfig, LayerNorm, Project},
    types::{Build, at_least},
};
use burn::module::Module;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Crossmodal transformers (Tsai et al. 2019, arXiv:1906.00295): for each ordered pair of modalities, the tokens of the
/// one attend to those of the other. Differs: what comes of a modality's pairs is put side by side as tokens, without a
/// further transformer over them; positions are the encoders' business.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct CrossAttentionConfig {
    /// Width of the tokens.
    pub dim: usize,
    /// Attention blocks of each pair.
    pub num_layers: usize,
    /// Attention heads; a divisor of `dim`.
    pub num_heads: usize,
    /// Probability that a value is dropped in training.
    pub dropout: f64,
}

impl Default for CrossAttentionConfig {
    fn default() -> Self {
        Self { dim: 128, num_layers: 2, num_heads: 4, dropout: 0.1 }
    }
}

impl CrossAttentionConfig {
    /// Makes the fusion.
    pub fn build(&self, build: &Build) -> Result<CrossAttention> {
        at_least("dim", self.dim, 1)?;
        at_least("num_layers", self.num_layers, 1)?;
        let block = BlockConfig { dim: self.dim, num_heads: self.num_heads, dropout: self.dropout };
        block.build(build.device)?; // its options are checked with one modality too
        let modalities = build.dims.len();
        let blocks = (0..modalities * (modalities - 1) * self.num_layers).map(|_| block.build(build.device));
        Ok(CrossAttention {
            project: Project::new(build, self.dim),
            blocks: blocks.collect::<Result<_>>()?,
            norm: LayerNorm::new(self.dim, build.device),
            num_layers: self.num_layers,
            dim: self.dim,
        })
    }
}

/// See [`CrossAttentionConfig`].
#[derive(Module, Debug)]
pub struct CrossAttention {
    project: Project,
    /// `num_layers` for each modality and each other one.
    blocks: Vec<Block>,
    norm: LayerNorm,
    num_layers: usize,
    dim: usize,
}

impl Fuse for CrossAttention {
    fn dim(&self) -> usize {
        self.dim
    }

    /// `[batch, tokens, dim]` each to `[batch, all tokens × other modalities, dim]`; the tokens of a row that has not the
    /// other modality take nothing from it, and one modality alone is only projected.
    fn fuse(&self, encoded: &Named<Tokens>) -> Result<Tokens> {
        let modalities = self.project.tokens(encoded);
        let pairs = modalities.iter().enumerate().flat_map(|(at, own)| {
            let others = modalities.iter().enumerate().filter(move |(other, _)| *other != at);
            others.map(move |(_, other)| (own, other))
        });
        let attended = pairs.zip(self.blocks.chunks(self.num_layers)).map(|((own, other), blocks)| {
            blocks[0].check(own, other)?;
            Ok(blocks.iter().fold(own.clone(), |tokens, block| block.cross(&tokens, other)))
        });
        let mut attended: Vec<Tokens> = attended.collect::<Result<_>>()?;
        if attended.is_empty() {
            attended = modalities;
        }
        let tokens = Tokens::cat(attended);
        Ok(Tokens { values: self.norm.forward(tokens.values), mask: tokens.mask })
    }
}
