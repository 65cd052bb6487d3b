//! One learned vector a class.
use super::Encode;
use crate::{
    Input, Result, Tokens,
    types::{Build, at_least},
};
use burn::module::Module;
use burn::nn::{Embedding, EmbeddingConfig};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// For a category: one learned vector a class (Guo and Berkhahn 2016, arXiv:1604.06737).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct CategoryConfig {
    /// Width of the token.
    pub dim: usize,
}

impl Default for CategoryConfig {
    fn default() -> Self {
        Self { dim: 32 }
    }
}

impl CategoryConfig {
    /// Makes the encoder.
    pub fn build(&self, build: &Build) -> Result<Category> {
        at_least("dim", self.dim, 1)?;
        Ok(Category { classes: EmbeddingConfig::new(build.dim("input")?, self.dim).init(build.device), dim: self.dim })
    }
}

/// See [`CategoryConfig`].
#[derive(Module, Debug)]
pub struct Category {
    classes: Embedding,
    dim: usize,
}

impl Encode for Category {
    fn dim(&self) -> usize {
        self.dim
    }

    /// `[batch, time]` ids to `[batch, time, dim]`.
    fn encode(&self, input: &Input) -> Result<Tokens> {
        Ok(Tokens { values: self.classes.forward(input.ids()?), mask: input.mask.clone() })
    }
}
