//! Deep set: the tokens of all modalities, pooled as one set.
use super::Fuse;
use crate::{
    Named, Result, Tokens,
    layers::{Linear, Mlp},
    types::{Build, at_least, widths},
};
use burn::module::Module;
use burn::tensor::{Tensor, activation::relu};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How the tokens of a set become one vector.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Pool {
    /// Their sum.
    #[default]
    Sum,
    /// Their mean.
    Mean,
    /// The largest of each value.
    Max,
    /// The smallest of each value.
    Min,
}

/// A deep set (Zaheer et al. 2017, arXiv:1703.06114): the ReLU of each token's projection, one layer a modality, pooled
/// over all tokens of all modalities, then a perceptron. A modality with many tokens has a large part in a sum.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct DeepSetConfig {
    /// Width that every token is projected to, and of the result.
    pub dim: usize,
    /// How the tokens become one vector: `sum`, `mean`, `max` or `min`.
    pub pool: Pool,
    /// Widths of the perceptron's hidden layers.
    pub hidden: Vec<usize>,
}

impl Default for DeepSetConfig {
    fn default() -> Self {
        Self { dim: 128, pool: Pool::Sum, hidden: vec![128] }
    }
}

impl DeepSetConfig {
    /// Makes the fusion.
    pub fn build(&self, build: &Build) -> Result<DeepSet> {
        at_least("dim", self.dim, 1)?;
        widths("hidden", &self.hidden)?;
        let project = build.dims.values().map(|input| Linear::before_relu(*input, self.dim, build.device));
        Ok(DeepSet {
            project: project.collect(),
            perceptron: Mlp::deep(self.dim, &self.hidden, self.dim, build.device),
            pool: self.pool,
            dim: self.dim,
        })
    }
}

/// See [`DeepSetConfig`].
#[derive(Module, Debug)]
pub struct DeepSet {
    /// In the order of the modalities.
    project: Vec<Linear>,
    perceptron: Mlp,
    #[module(skip)]
    pool: Pool,
    dim: usize,
}

impl Fuse for DeepSet {
    fn dim(&self) -> usize {
        self.dim
    }

    /// `[batch, tokens, dim]` each to `[batch, 1, dim]`; a row without any modality is zero.
    fn fuse(&self, encoded: &Named<Tokens>) -> Result<Tokens> {
        let projected = self.project.iter().zip(encoded.values());
        let projected = projected.map(|(project, tokens)| relu(project.forward(tokens.values.clone()))).collect();
        let masks = encoded.values().map(|tokens| tokens.mask.clone()).collect();
        let set = Tokens { values: Tensor::cat(projected, 1), mask: Tensor::cat(masks, 1) };
        let any = set.present();
        let mask = set.mask.clone().unsqueeze_dim::<3>(2);
        let real = set.values.clone() * mask.clone(); // [batch, tokens of all, dim]
        let missing = mask.sub_scalar(1.0).mul_scalar(1e9);
        let pooled = match self.pool {
            Pool::Sum => real.sum_dim(1).squeeze_dim(1),
            Pool::Mean => set.pool(),
            Pool::Max => (real + missing).max_dim(1).squeeze_dim(1) * any.clone(),
            Pool::Min => (real - missing).min_dim(1).squeeze_dim(1) * any.clone(),
        };
        Ok(Tokens::one(self.perceptron.forward(pooled) * any.clone(), any))
    }
}
