//! Long short-term memory over words or over frames of a series.
use super::recurrent::{Recurrent, RecurrentConfig, RecurrentPool};
use crate::{Result, layers::recurrent::Cell, types::Build};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// For text or series: long short-term memory (Hochreiter and Schmidhuber 1997, doi:10.1162/neco.1997.9.8.1735) with the
/// forget gate of Gers et al. 2000, doi:10.1162/089976600300015015, which begins open.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct LstmConfig {
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

impl Default for LstmConfig {
    fn default() -> Self {
        Self { dim: 128, num_layers: 1, bidirectional: false, pool: RecurrentPool::Last, dropout: 0.0 }
    }
}

impl LstmConfig {
    /// Makes the encoder.
    pub fn build(&self, build: &Build) -> Result<Recurrent> {
        let Self { dim, num_layers, bidirectional, pool, dropout } = *self;
        RecurrentConfig { cell: Cell::Lstm, dim, num_layers, bidirectional, pool, dropout }.build(build)
    }
}
