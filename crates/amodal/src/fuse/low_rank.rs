//! Low-rank tensor fusion: the outer product's linear layer, without the outer product.
use super::Fuse;
use crate::{
    Named, Result, Tokens,
    layers::{Project, project::any},
    types::{Build, at_least},
};
use burn::module::Module;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Low-rank multimodal fusion (Liu et al. 2018, arXiv:1806.00064): what a linear layer of the given rank makes of the
/// outer product of all modalities (`tensor`), as a sum over the rank of products of one linear layer a modality. A
/// missing one is zeros: its factor is the layer's bias. Differs: no bias after the sum, which the factors' biases hold.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct LowRankConfig {
    /// Width of the result.
    pub dim: usize,
    /// Products that are summed.
    pub rank: usize,
}

impl Default for LowRankConfig {
    fn default() -> Self {
        Self { dim: 128, rank: 4 }
    }
}

impl LowRankConfig {
    /// Makes the fusion.
    pub fn build(&self, build: &Build) -> Result<LowRank> {
        at_least("dim", self.dim, 1)?;
        at_least("rank", self.rank, 1)?;
        Ok(LowRank { factors: Project::new(build, self.rank * self.dim), dim: self.dim, rank: self.rank })
    }
}

/// See [`LowRankConfig`].
#[derive(Module, Debug)]
pub struct LowRank {
    factors: Project,
    dim: usize,
    rank: usize,
}

impl Fuse for LowRank {
    fn dim(&self) -> usize {
        self.dim
    }

    /// `[batch, tokens, dim]` each to `[batch, 1, dim]`; a row without any modality is zero.
    fn fuse(&self, encoded: &Named<Tokens>) -> Result<Tokens> {
        let factors = self.factors.forward(encoded); // a missing modality's mean token is zero
        let any = any(&factors);
        let product = factors.into_iter().map(|(factor, _)| factor).reduce(|a, b| a * b);
        let product = product.expect("a model has at least one modality");
        let [batch, _] = product.dims();
        let sum = product.reshape([batch, self.rank, self.dim]).sum_dim(1).squeeze_dim::<2>(1);
        Ok(Tokens::one(sum * any.clone(), any))
    }
}
