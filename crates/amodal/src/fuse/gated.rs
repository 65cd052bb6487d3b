//! Gated multimodal unit: how much of each modality passes depends on all of them.
use super::Fuse;
use crate::{
    Named, Result, Tokens,
    layers::{Linear, Project, project::combine},
    types::{Build, at_least},
};
use burn::module::Module;
use burn::tensor::{
    Tensor,
    activation::{sigmoid, tanh},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A gated multimodal unit (Arevalo et al. 2017, arXiv:1702.01992, section 3.1): the tanh of each modality's projection,
/// each value of it through a gate that all modalities together open. Two modalities share one gate, of which the second
/// has the rest; otherwise each has its own. A missing one adds nothing, and is zeros where the gates read. Differs:
/// every layer has a bias.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct GatedConfig {
    /// Width that every modality is projected to.
    pub dim: usize,
}

impl Default for GatedConfig {
    fn default() -> Self {
        Self { dim: 128 }
    }
}

impl GatedConfig {
    /// Makes the fusion.
    pub fn build(&self, build: &Build) -> Result<Gated> {
        at_least("dim", self.dim, 1)?;
        let input = build.dims.values().sum();
        let gates = if build.dims.len() == 2 { 1 } else { build.dims.len() };
        Ok(Gated {
            project: Project::new(build, self.dim),
            gate: Linear::new(input, gates * self.dim, build.device),
            dim: self.dim,
        })
    }
}

/// See [`GatedConfig`].
#[derive(Module, Debug)]
pub struct Gated {
    project: Project,
    gate: Linear,
    dim: usize,
}

impl Fuse for Gated {
    fn dim(&self) -> usize {
        self.dim
    }

    /// `[batch, tokens, dim]` each to `[batch, 1, dim]`; a row without any modality is zero.
    fn fuse(&self, encoded: &Named<Tokens>) -> Result<Tokens> {
        let pooled = Tensor::cat(encoded.values().map(Tokens::pool).collect(), 1);
        let open = sigmoid(self.gate.forward(pooled)); // [batch, gates * dim]
        let gate = |at: usize| match (at, encoded.len()) {
            (1, 2) => open.clone().neg().add_scalar(1.0),
            _ => open.clone().narrow(1, at * self.dim, self.dim),
        };
        let vectors = self.project.forward(encoded).into_iter().enumerate();
        let gated = vectors.map(|(at, (vector, present))| (tanh(vector) * gate(at), present));
        Ok(combine(gated.collect(), 0.0, |a, b| a + b))
    }
}
