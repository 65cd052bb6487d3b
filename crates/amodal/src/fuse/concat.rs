//! Concatenation of the modalities, through one hidden layer.
use super::Fuse;
use crate::{
    Named, Result, Tokens,
    layers::Linear,
    types::{Build, at_least},
};
use burn::module::Module;
use burn::tensor::{Tensor, activation::relu};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The modalities' vectors side by side, through one linear layer and ReLU, so that each may act on the other; a missing
/// one is zeros.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ConcatConfig {
    /// Width of the result.
    pub dim: usize,
}

impl Default for ConcatConfig {
    fn default() -> Self {
        Self { dim: 128 }
    }
}

impl ConcatConfig {
    /// Makes the fusion.
    pub fn build(&self, build: &Build) -> Result<Concat> {
        at_least("dim", self.dim, 1)?;
        let input = build.dims.values().sum();
        Ok(Concat { project: Linear::new(input, self.dim, build.device), dim: self.dim })
    }
}

/// See [`ConcatConfig`].
#[derive(Module, Debug)]
pub struct Concat {
    project: Linear,
    dim: usize,
}

impl Fuse for Concat {
    fn dim(&self) -> usize {
        self.dim
    }

    /// `[batch, tokens, dim]` each to `[batch, 1, dim]`; a row without any modality is zero.
    fn fuse(&self, encoded: &Named<Tokens>) -> Result<Tokens> {
        let pooled: Vec<Tensor<2>> = encoded.values().map(Tokens::pool).collect();
        let present: Vec<Tensor<2>> = encoded.values().map(Tokens::present).collect();
        let any = Tensor::cat(present, 1).max_dim(1);
        let vector = relu(self.project.forward(Tensor::cat(pooled, 1)));
        Ok(Tokens::one(vector * any.clone(), any))
    }
}
