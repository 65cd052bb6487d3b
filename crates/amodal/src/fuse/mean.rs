//! Mean of the modalities that a row has, each projected to one width.
use super::Fuse;
use crate::{
    Named, Result, Tokens,
    layers::{Project, project::combine},
    types::{Build, at_least},
};
use burn::module::Module;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The mean of the modalities that a row has, each projected to one width.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct MeanConfig {
    /// Width that every modality is projected to.
    pub dim: usize,
}

impl Default for MeanConfig {
    fn default() -> Self {
        Self { dim: 128 }
    }
}

impl MeanConfig {
    /// Makes the fusion.
    pub fn build(&self, build: &Build) -> Result<Mean> {
        at_least("dim", self.dim, 1)?;
        Ok(Mean { project: Project::new(build, self.dim), dim: self.dim })
    }
}

/// See [`MeanConfig`].
#[derive(Module, Debug)]
pub struct Mean {
    project: Project,
    dim: usize,
}

impl Fuse for Mean {
    fn dim(&self) -> usize {
        self.dim
    }

    /// `[batch, tokens, dim]` each to `[batch, 1, dim]`; a row without any modality is zero.
    fn fuse(&self, encoded: &Named<Tokens>) -> Result<Tokens> {
        let vectors = self.project.forward(encoded);
        let count = vectors.iter().map(|(_, present)| present.clone()).reduce(|a, b| a + b);
        let count = count.expect("a model has at least one modality").clamp_min(1.0);
        let sum = combine(vectors, 0.0, |a, b| a + b);
        Ok(Tokens { values: sum.values / count.unsqueeze_dim(2), mask: sum.mask })
    }
}
