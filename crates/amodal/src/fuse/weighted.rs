//! Weighted mean of the modalities, one learned weight each.
use super::Fuse;
use crate::{
    Named, Result, Tokens,
    layers::{Project, project::combine},
    types::{Build, at_least},
};
use burn::module::{Module, Param};
use burn::tensor::{Tensor, activation::softmax};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The modalities, each projected to one width and summed with one learned weight each: a softmax over those that a row
/// has (as the layers in Peters et al. 2018, arXiv:1802.05365, equation 1, without its common factor).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct WeightedConfig {
    /// Width that every modality is projected to.
    pub dim: usize,
}

impl Default for WeightedConfig {
    fn default() -> Self {
        Self { dim: 128 }
    }
}

impl WeightedConfig {
    /// Makes the fusion; all weights are equal at first.
    pub fn build(&self, build: &Build) -> Result<Weighted> {
        at_least("dim", self.dim, 1)?;
        let logits = Param::from_tensor(Tensor::zeros([build.dims.len()], build.device));
        Ok(Weighted { logits, project: Project::new(build, self.dim), dim: self.dim })
    }
}

/// See [`WeightedConfig`].
#[derive(Module, Debug)]
pub struct Weighted {
    logits: Param<Tensor<1>>,
    project: Project,
    dim: usize,
}

impl Fuse for Weighted {
    fn dim(&self) -> usize {
        self.dim
    }

    /// `[batch, tokens, dim]` each to `[batch, 1, dim]`; a row without any modality is zero.
    fn fuse(&self, encoded: &Named<Tokens>) -> Result<Tokens> {
        let present = Tensor::cat(encoded.values().map(Tokens::present).collect(), 1); // [batch, modalities]
        let missing = present.sub_scalar(1.0).mul_scalar(1e9);
        let weights = softmax(self.logits.val().unsqueeze::<2>() + missing, 1);
        let vectors = self.project.forward(encoded).into_iter().enumerate();
        let weighted = vectors.map(|(at, (vector, present))| (vector * weights.clone().narrow(1, at, 1), present));
        Ok(combine(weighted.collect(), 0.0, |a, b| a + b))
    }
}
