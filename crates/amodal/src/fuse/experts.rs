//! Product of Gaussian experts, one a modality.
use super::Fuse;
use crate::{
    Named, Result, Tokens,
    layers::{Project, project::any},
    types::{Build, at_least},
};
use burn::module::Module;
use burn::tensor::{Tensor, activation::softmax};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A product of experts (Hinton 2002, doi:10.1162/089976602760128018; as in Wu and Goodman 2018, arXiv:1802.05335): each
/// modality that a row has gives a mean and a precision for every value, a further expert is a Gaussian of mean 0 and
/// precision 1, and the result is the mean of their product, in which the surer ones count for more. Differs: nothing is
/// drawn from the product.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ExpertsConfig {
    /// Width of the result.
    pub dim: usize,
}

impl Default for ExpertsConfig {
    fn default() -> Self {
        Self { dim: 128 }
    }
}

impl ExpertsConfig {
    /// Makes the fusion.
    pub fn build(&self, build: &Build) -> Result<Experts> {
        at_least("dim", self.dim, 1)?;
        Ok(Experts { project: Project::new(build, 2 * self.dim), dim: self.dim })
    }
}

/// See [`ExpertsConfig`].
#[derive(Module, Debug)]
pub struct Experts {
    /// Means, and logarithms of precisions.
    project: Project,
    dim: usize,
}

impl Fuse for Experts {
    fn dim(&self) -> usize {
        self.dim
    }

    /// `[batch, tokens, dim]` each to `[batch, 1, dim]`; a row without any modality is zero.
    fn fuse(&self, encoded: &Named<Tokens>) -> Result<Tokens> {
        let vectors = self.project.forward(encoded);
        let any = any(&vectors);
        let [batch, _] = any.dims();
        let prior = Tensor::zeros([batch, self.dim], &any.device());
        let (mut means, mut log_precisions) = (vec![prior.clone()], vec![prior]);
        for (vector, present) in vectors {
            let missing = present.clone().sub_scalar(1.0).mul_scalar(1e9);
            let part = |at: usize| vector.clone().narrow(1, at * self.dim, self.dim) * present.clone();
            means.push(part(0));
            log_precisions.push(part(1) + missing);
        }
        // a precision's share of their sum is a softmax of their logarithms, which cannot overflow
        let shares = softmax(Tensor::stack::<3>(log_precisions, 1), 1); // [batch, experts, dim]
        let mean = (shares * Tensor::stack::<3>(means, 1)).sum_dim(1).squeeze_dim(1);
        Ok(Tokens::one(mean, any))
    }
}
