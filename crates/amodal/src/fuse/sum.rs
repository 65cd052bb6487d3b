//! Sum of the modalities, each projected to one width.
use super::Fuse;
use crate::{
    Named, Result, Tokens,
    layers::{Project, project::combine},
    types::{Build, at_least},
};
use burn::module::Module;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The sum of the modalities, each projected to one width; a missing one adds nothing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SumConfig {
    /// Width that every modality is projected to.
    pub dim: usize,
}

impl Default for SumConfig {
    fn default() -> Self {
        Self { dim: 128 }
    }
}

impl SumConfig {
    /// Makes the fusion.
    pub fn build(&self, build: &Build) -> Result<Sum> {
        at_least("dim", self.dim, 1)?;
        Ok(Sum { project: Project::new(build, self.dim), dim: self.dim })
    }
}

/// See [`SumConfig`].
#[derive(Module, Debug)]
pub struct Sum {
    project: Project,
    dim: usize,
}

impl Fuse for Sum {
    fn dim(&self) -> usize {
        self.dim
    }

    /// `[batch, tokens, dim]` each to `[batch, 1, dim]`; a row without any modality is zero.
    fn fuse(&self, encoded: &Named<Tokens>) -> Result<Tokens> {
        Ok(combine(self.project.forward(encoded), 0.0, |a, b| a + b))
    }
}
