//! Smallest value of the modalities, each projected to one width.
use super::Fuse;
use crate::{
    Named, Result, Tokens,
    layers::{Project, project::combine},
    types::{Build, at_least},
};
use burn::module::Module;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The element-wise minimum of the modalities, each projected to one width; a missing one takes no part.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct MinConfig {
    /// Width that every modality is projected to.
    pub dim: usize,
}

impl Default for MinConfig {
    fn default() -> Self {
        Self { dim: 128 }
    }
}

impl MinConfig {
    /// Makes the fusion.
    pub fn build(&self, build: &Build) -> Result<Min> {
        at_least("dim", self.dim, 1)?;
        Ok(Min { project: Project::new(build, self.dim), dim: self.dim })
    }
}

/// See [`MinConfig`].
#[derive(Module, Debug)]
pub struct Min {
    project: Project,
    dim: usize,
}

impl Fuse for Min {
    fn dim(&self) -> usize {
        self.dim
    }

    /// `[batch, tokens, dim]` each to `[batch, 1, dim]`; a row without any modality is zero.
    fn fuse(&self, encoded: &Named<Tokens>) -> Result<Tokens> {
        Ok(combine(self.project.forward(encoded), 1e9, |a, b| a.min_pair(b)))
    }
}
