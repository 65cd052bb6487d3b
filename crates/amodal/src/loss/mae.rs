//! Mean absolute error.
use super::{Score, difference};
use crate::{Batch, Outputs, Result, types::Build};
use burn::module::Module;
use burn::tensor::Tensor;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Absolute error of standardised numbers, spectrograms, pictures and clips (colours from -1 to 1): the mean over rows and
/// steps that have a target. Draws sharper edges than `mse`, as it goes for the median and not for the mean.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct MaeConfig {}

impl MaeConfig {
    /// Makes the loss.
    pub fn build(&self, _: &Build) -> Result<Mae> {
        Ok(Mae {})
    }
}

/// See [`MaeConfig`].
#[derive(Module, Debug)]
pub struct Mae {}

impl Score for Mae {
    /// A prediction and a target of the same shape to `[1]`.
    fn loss(&self, task: &str, outputs: &Outputs, batch: &Batch) -> Result<Tensor<1>> {
        let (difference, mask) = difference(task, outputs, batch)?;
        let error: Tensor<2> = difference.abs().mean_dim(2).squeeze_dim(2);
        let count = mask.clone().sum().clamp_min(1.0);
        Ok((error * mask).sum() / count)
    }
}
