//! Mean squared error.
use super::{Score, of_task, target};
use crate::{Batch, Outputs, Result, types::Build};
use burn::module::Module;
use burn::tensor::Tensor;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Squared error of standardised numbers, the mean over rows that have a target.
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
    /// Values and target `[batch, time, channels]` to `[1]`.
    fn loss(&self, task: &str, outputs: &Outputs, batch: &Batch) -> Result<Tensor<1>> {
        let values = of_task(&outputs.decoded, task, "prediction")?.values()?;
        let target = target(batch, task)?;
        let error: Tensor<2> = (values - target.series()?).powi_scalar(2).mean_dim(2).squeeze_dim(2);
        let count = target.mask.clone().sum().clamp_min(1.0);
        Ok((error * target.mask.clone()).sum() / count)
    }
}
