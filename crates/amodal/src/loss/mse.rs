//! Mean squared error.
use super::{Score, difference};
use crate::{Batch, Outputs, Result, types::Build};
use burn::module::Module;
use burn::tensor::Tensor;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Squared error of standardised numbers, spectrograms (each channel in its unit), and of pictures and clips whose colours go
/// from -1 to 1: the mean over rows and steps that have a target.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct MseConfig {}

impl MseConfig {
    /// Makes the loss.
    pub fn build(&self, _: &Build) -> Result<Mse> {
        Ok(Mse {})
    }
}

/// See [`MseConfig`].
#[derive(Module, Debug)]
pub struct Mse {}

impl Score for Mse {
    /// A prediction and a target of the same shape to `[1]`.
    fn loss(&self, task: &str, outputs: &Outputs, batch: &Batch) -> Result<Tensor<1>> {
        let (difference, mask) = difference(task, outputs, batch)?;
        let error: Tensor<2> = difference.powi_scalar(2).mean_dim(2).squeeze_dim(2);
        let count = mask.clone().sum().clamp_min(1.0);
        Ok((error * mask).sum() / count)
    }
}
