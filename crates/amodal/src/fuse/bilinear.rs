//! Bilinear pooling with a core of low rank (MUTAN; with rank 1, MLB).
use super::Fuse;
use crate::{
    Named, Result, Tokens,
    layers::{Linear, Project, project::combine},
    types::{Build, at_least},
};
use burn::module::Module;
use burn::tensor::activation::tanh;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// MUTAN (Ben-younes et al. 2017, arXiv:1705.06676): the tanh of each modality's projection to a small width, a sum over
/// the rank of products of linear layers of those, and a linear layer to the result; with rank 1 nearly MLB (Kim et al.
/// 2017, arXiv:1610.04325). Unlike `low_rank`, the factors are not linear in the modalities, the result is mixed once
/// more, and a missing modality is a factor of one. Differs: any number of modalities, not two.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct BilinearConfig {
    /// Width of the result.
    pub dim: usize,
    /// Width of the projections and of their products.
    pub width: usize,
    /// Products that are summed.
    pub rank: usize,
}

impl Default for BilinearConfig {
    fn default() -> Self {
        Self { dim: 128, width: 64, rank: 5 }
    }
}

impl BilinearConfig {
    /// Makes the fusion.
    pub fn build(&self, build: &Build) -> Result<Bilinear> {
        at_least("dim", self.dim, 1)?;
        at_least("width", self.width, 1)?;
        at_least("rank", self.rank, 1)?;
        let factor = |_| Linear::new(self.width, self.rank * self.width, build.device);
        Ok(Bilinear {
            project: Project::new(build, self.width),
            core: build.dims.values().map(factor).collect(),
            output: Linear::new(self.width, self.dim, build.device),
            dim: self.dim,
            width: self.width,
            rank: self.rank,
        })
    }
}

/// See [`BilinearConfig`].
#[derive(Module, Debug)]
pub struct Bilinear {
    project: Project,
    /// In the order of the modalities.
    core: Vec<Linear>,
    output: Linear,
    dim: usize,
    width: usize,
    rank: usize,
}

impl Fuse for Bilinear {
    fn dim(&self) -> usize {
        self.dim
    }

    /// `[batch, tokens, dim]` each to `[batch, 1, dim]`; a row without any modality is zero.
    fn fuse(&self, encoded: &Named<Tokens>) -> Result<Tokens> {
        let vectors = self.project.forward(encoded).into_iter().zip(&self.core);
        let factors = vectors.map(|((vector, present), core)| (core.forward(tanh(vector)), present));
        let product = combine(factors.collect(), 1.0, |a, b| a * b);
        let [batch, _, _] = product.values.dims();
        let sum = product.values.reshape([batch, self.rank, self.width]).sum_dim(1).squeeze_dim::<2>(1);
        Ok(Tokens::one(self.output.forward(sum) * product.mask.clone(), product.mask))
    }
}
