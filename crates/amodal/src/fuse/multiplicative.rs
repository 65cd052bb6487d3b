//! Multiplicative interactions: a bilinear form of every two modalities.
use super::Fuse;
use crate::{
    Named, Result, Tokens,
    layers::{
        Linear, Project,
        project::{combine, outer},
    },
    types::{Build, at_least},
};
use burn::module::Module;
use burn::tensor::Tensor;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The multiplicative interaction layer (Jayakumar et al. 2020, ICLR, openreview:rylnK6VtDH): a linear layer of each
/// modality plus, for every two of them, a bilinear form; a missing one takes no part. Differs: any number of
/// modalities, and each is projected to a small width before the bilinear forms.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct MultiplicativeConfig {
    /// Width of the result.
    pub dim: usize,
    /// Width that every modality is projected to before the bilinear forms, each of which has its square times `dim`
    /// weights.
    pub width: usize,
}

impl Default for MultiplicativeConfig {
    fn default() -> Self {
        Self { dim: 128, width: 32 }
    }
}

impl MultiplicativeConfig {
    /// Makes the fusion.
    pub fn build(&self, build: &Build) -> Result<Multiplicative> {
        at_least("dim", self.dim, 1)?;
        at_least("width", self.width, 1)?;
        let pairs = build.dims.len() * build.dims.len().saturating_sub(1) / 2;
        let bilinear = || Linear::without_bias(pairs * self.width * self.width, self.dim, build.device);
        Ok(Multiplicative {
            linear: Project::new(build, self.dim),
            narrow: (pairs > 0).then(|| Project::new(build, self.width)),
            bilinear: (pairs > 0).then(bilinear),
            dim: self.dim,
        })
    }
}

/// See [`MultiplicativeConfig`].
#[derive(Module, Debug)]
pub struct Multiplicative {
    linear: Project,
    narrow: Option<Project>,
    /// Of the outer products of every two modalities, side by side.
    bilinear: Option<Linear>,
    dim: usize,
}

impl Fuse for Multiplicative {
    fn dim(&self) -> usize {
        self.dim
    }

    /// `[batch, tokens, dim]` each to `[batch, 1, dim]`; a row without any modality is zero.
    fn fuse(&self, encoded: &Named<Tokens>) -> Result<Tokens> {
        let mut fused = combine(self.linear.forward(encoded), 0.0, |a, b| a + b);
        if let (Some(narrow), Some(bilinear)) = (&self.narrow, &self.bilinear) {
            let narrow = narrow.forward(encoded).into_iter().map(|(vector, present)| vector * present);
            let narrow: Vec<Tensor<2>> = narrow.collect();
            let pairs = narrow.iter().enumerate().flat_map(|(at, a)| narrow[..at].iter().map(move |b| (b, a)));
            let pairs = pairs.map(|(a, b)| outer(a.clone(), b.clone())).collect();
            let forms = bilinear.forward(Tensor::cat(pairs, 1)); // zero where fewer than two are present
            fused.values = fused.values + forms.unsqueeze_dim(1);
        }
        Ok(fused)
    }
}
