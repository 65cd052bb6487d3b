//! A transformer for each modality, which tell each other only what fits into a few tokens.
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

/// Multimodal bottleneck transformer (Nagrani et al. 2021, arXiv:2107.00135): each modality has its own blocks over its
/// tokens and a few learned bottleneck tokens, which alone pass between modalities: after each layer they are averaged
/// over the modalities that a row has. Differs: no class token; positions are the encoders' business.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct BottleneckConfig {
    /// Width of the tokens.
    pub dim: usize,
    /// Bottleneck tokens.
    pub bottlenecks: usize,
    /// Attention blocks of each modality; at least 2, as what one collects the next one hands out.
    pub num_layers: usize,
    /// Attention heads; a divisor of `dim`.
    pub num_heads: usize,
    /// Probability that a value is dropped in training.
    pub dropout: f64,
}

impl Default for BottleneckConfig {
    fn default() -> Self {
        Self { dim: 128, bottlenecks: 4, num_layers: 2, num_heads: 4, dropout: 0.1 }
    }
}

impl BottleneckConfig {
    /// Makes the fusion.
    pub fn build(&self, build: &Build) -> Result<Bottleneck> {
        at_least("dim", self.dim, 1)?;
        at_least("bottlenecks", self.bottlenecks, 1)?;
        at_least("num_layers", self.num_layers, 2)?;
        let block = BlockConfig { dim: self.dim, num_heads: self.num_heads, dropout: self.dropout };
        let blocks = (0..self.num_layers * build.dims.len()).map(|_| block.build(build.device));
        let shared = Initializer::Normal { mean: 0.0, std: 0.02 };
        Ok(Bottleneck {
            project: Project::new(build, self.dim),
            bottleneck: shared.init([1, self.bottlenecks, self.dim], build.device),
            blocks: blocks.collect::<Result<_>>()?,
            norm: LayerNorm::new(self.dim, build.device),
            dim: self.dim,
        })
    }
}

/// See [`BottleneckConfig`].
#[derive(Module, Debug)]
pub struct Bottleneck {
    project: Project,
    bottleneck: Param<Tensor<3>>,
    /// Layer by layer, one a modality.
    blocks: Vec<Block>,
    norm: LayerNorm,
    dim: usize,
}

impl Fuse for Bottleneck {
    fn dim(&self) -> usize {
        self.dim
    }

    /// `[batch, tokens, dim]` each to `[batch, all tokens, dim]`.
    fn fuse(&self, encoded: &Named<Tokens>) -> Result<Tokens> {
        let mut modalities = self.project.tokens(encoded);
        let present: Vec<Tensor<3>> = modalities.iter().map(|tokens| tokens.present().unsqueeze_dim(2)).collect();
        let count = Tensor::cat(present.clone(), 1).sum_dim(1).clamp_min(1.0); // [batch, 1, 1]
        let [batch, _, _] = count.dims();
        let [_, bottlenecks, _] = self.bottleneck.dims();
        let mut shared = self.bottleneck.val().repeat_dim(0, batch);
        for blocks in self.blocks.chunks(modalities.len()) {
            let mut collected = shared.zeros_like();
            for ((tokens, block), present) in modalities.iter_mut().zip(blocks).zip(&present) {
                let mask = present.clone().squeeze_dim::<2>(2).repeat_dim(1, bottlenecks);
                let time = tokens.values.dims()[1];
                block.check(tokens, tokens)?;
                let mixed = block.forward(&Tokens::cat(vec![tokens.clone(), Tokens { values: shared.clone(), mask }]));
                *tokens = mixed.narrow(0, time);
                collected = collected + mixed.narrow(time, bottlenecks).values * present.clone();
            }
            shared = collected / count.clone();
        }
        let tokens = Tokens::cat(modalities);
        Ok(Tokens { values: self.norm.forward(tokens.values), mask: tokens.mask })
    }
}
