//! Gated recurrent units over words or over frames of a series.
use super::recurrent::{Recurrent, RecurrentConfig, RecurrentPool};
use crate::{Result, layers::recurrent::Cell, types::Build};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// For text or series: gated recurrent units (Cho et al. 2014, arXiv:1406.1078). Differs: the reset gate is applied behind
/// the recurrent product, as PyTorch and cuDNN do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct GruConfig {
    /// Width of the tokens.
    pub dim: usize,
    /// Layers, each over the states of the one before.
    pub num_layers: usize,
    /// Whether it reads from the end as well; each direction then makes half of `dim`.
    pub bidirectional: bool,
    /// Which states become tokens: `last`, `mean` or `steps`.
    pub pool: RecurrentPool,
    /// Probability that a value is dropped between layers in training.
    pub dropout: f64,
}

impl Default for GruConfig {
    fn default() -> Self {
        Self { dim: 128, num_layers: 1, bidirectional: false, pool: RecurrentPool::Last, dropout: 0.0 }
    }
}

impl GruConfig {
    /// Makes the encoder.
    pub fn build(&self, build: &Build) -> Result<Recurrent> {
        let Self { dim, num_layers, bidirectional, pool, dropout } = *self;
        RecurrentConfig { cell: Cell::Gru, dim, num_layers, bidirectional, pool, dropout }.build(build)
    }
}
