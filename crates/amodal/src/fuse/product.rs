//! Product of the modalities, each projected to one width.
use super::Fuse;
use crate::{
    Named, Result, Tokens,
    layers::{Project, project::combine},
    types::{Build, at_least},
};
use burn::module::Module;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The element-wise product of the modalities, each projected to one width (as the question and the picture in Antol et
/// al. 2015, arXiv:1505.00468); a missing one is a factor of one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ProductConfig {
    /// Width that every modality is projected to.
    pub dim: usize,
}

impl Default for ProductConfig {
    fn default() -> Self {
        Self { dim: 128 }
    }
}

impl ProductConfig {
    /// Makes the fusion.
    pub fn build(&self, build: &Build) -> Result<Product> {
        at_least("dim", self.dim, 1)?;
        Ok(Product { project: Project::new(build, self.dim), dim: self.dim })
    }
}

/// See [`ProductConfig`].
#[derive(Module, Debug)]
pub struct Product {
    project: Project,
    dim: usize,
}

impl Fuse for Product {
    fn dim(&self) -> usize {
        self.dim
    }

    /// `[batch, tokens, dim]` each to `[batch, 1, dim]`; a row without any modality is zero.
    fn fuse(&self, encoded: &Named<Tokens>) -> Result<Tokens> {
        Ok(combine(self.project.forward(encoded), 1.0, |a, b| a * b))
    }
}
