//! Sigmoid alignment: for each two rows, whether they belong together.
use super::{Score, of_task};
use crate::{
    Batch, Named, Outputs, Result, Tokens,
    kernels::matmul,
    layers::{Align, align},
    types::{Build, at_least, within},
};
use burn::module::{Module, Param};
use burn::tensor::{Tensor, activation::log_sigmoid};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Pairwise sigmoid alignment in one shared space (SigLIP, Zhai et al. 2023, arXiv:2303.15343, algorithm 1), the mean over
/// every pair of the modalities. Rows of one group (`data.group_by`) belong together.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SigmoidConfig {
    /// The modalities to align; empty: all.
    pub between: Vec<String>,
    /// Width of the shared space.
    pub dim: usize,
    /// First value of the learned temperature.
    pub temperature: f64,
    /// First value of the learned bias.
    pub bias: f64,
}

impl Default for SigmoidConfig {
    fn default() -> Self {
        Self { between: Vec::new(), dim: 128, temperature: 0.1, bias: -10.0 }
    }
}

impl SigmoidConfig {
    /// Makes the loss.
    pub fn build(&self, build: &Build) -> Result<Sigmoid> {
        at_least("dim", self.dim, 1)?;
        within("temperature", self.temperature, 0.01, 10.0)?;
        within("bias", self.bias, -100.0, 100.0)?;
        let value = |value: f64| Param::from_tensor(Tensor::from_floats([value as f32], build.device));
        Ok(Sigmoid {
            log_scale: value(-self.temperature.ln()),
            bias: value(self.bias),
            align: Align::new(&self.between, self.dim, 0, build)?,
        })
    }
}

/// See [`SigmoidConfig`].
#[derive(Module, Debug)]
pub struct Sigmoid {
    log_scale: Param<Tensor<1>>,
    bias: Param<Tensor<1>>,
    align: Align,
}

impl Score for Sigmoid {
    fn embed(&self, encoded: &Named<Tokens>) -> Result<Named<Tokens>> {
        self.align.forward(encoded)
    }

    /// Unit vectors `[batch, 1, dim]` to `[1]`, a sum over the batch for each row, as in the paper.
    fn loss(&self, task: &str, outputs: &Outputs, batch: &Batch) -> Result<Tensor<1>> {
        let embedded = of_task(&outputs.embedded, task, "embedding")?;
        let scale: Tensor<2> = self.log_scale.val().clamp_max(100_f64.ln()).exp().unsqueeze();
        let bias: Tensor<2> = self.bias.val().unsqueeze();
        let sign = align::same_group(&batch.groups, &scale.device()) * 2.0 - 1.0;
        let pairs = align::pairs(embedded);
        let count = pairs.len() as f64;
        let terms = pairs.into_iter().map(|(a, b, both)| {
            let logits = matmul(a, b.transpose()) * scale.clone() + bias.clone();
            let real = both.clone() * both.clone().transpose(); // [batch, batch]
            (log_sigmoid(logits * sign.clone()) * real).sum().neg() / both.sum().clamp_min(1.0)
        });
        Ok(terms.reduce(|a, b| a + b).expect("an alignment has at least one pair") / count)
    }
}
