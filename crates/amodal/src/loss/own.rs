//! The loss that a decoder computes itself.
use super::{Score, of_task};
use crate::{Batch, Outputs, Prediction, Result, types::Build};
use burn::module::Module;
use burn::tensor::Tensor;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The loss that the decoder computes itself, such as a bound of the likelihood: for decoders that draw.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct OwnConfig {}

impl OwnConfig {
    /// Makes the loss.
    pub fn build(&self, _: &Build) -> Result<Own> {
        Ok(Own {})
    }
}

/// See [`OwnConfig`].
#[derive(Module, Debug)]
pub struct Own {}

impl Score for Own {
    /// The decoder's loss, `[1]`.
    fn loss(&self, task: &str, outputs: &Outputs, _: &Batch) -> Result<Tensor<1>> {
        match of_task(&outputs.decoded, task, "prediction")? {
            Prediction::Loss(loss) => Ok(loss.clone()),
            other => Err(other.not("the loss of a decoder that scores itself")),
        }
    }
}
