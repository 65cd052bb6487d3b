//! Cross-entropy over class logits.
use super::{Score, of_task, target};
use crate::{
    Batch, Outputs, Result,
    kernels::log_likelihood,
    types::{Build, within},
};
use burn::module::Module;
use burn::tensor::Tensor;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Cross-entropy of the right class, the mean over rows that have a target.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct CrossEntropyConfig {
    /// Share of the target that is spread over all classes (Szegedy et al. 2015, arXiv:1512.00567, section 7).
    pub label_smoothing: f64,
}

impl CrossEntropyConfig {
    /// Makes the loss.
    pub fn build(&self, _: &Build) -> Result<CrossEntropy> {
        within("label_smoothing", self.label_smoothing, 0.0, 0.99)?;
        Ok(CrossEntropy { label_smoothing: self.label_smoothing })
    }
}

/// See [`CrossEntropyConfig`].
#[derive(Module, Debug)]
pub struct CrossEntropy {
    label_smoothing: f64,
}

impl Score for CrossEntropy {
    /// Logits `[batch, time, classes]` and ids `[batch, time]` to `[1]`.
    fn loss(&self, task: &str, outputs: &Outputs, batch: &Batch) -> Result<Tensor<1>> {
        let logits = of_task(&outputs.decoded, task, "prediction")?.logits()?;
        let target = target(batch, task)?;
        let [batch, time, classes] = logits.dims();
        let ids = target.ids()?.into_data().iter::<i64>().map(|id| id as usize).collect();
        let score = log_likelihood(logits.reshape([batch * time, classes]), ids, self.label_smoothing as f32);
        let score = score.reshape([batch, time]);
        let count = target.mask.clone().sum().clamp_min(1.0);
        Ok((score * target.mask.clone()).sum().neg() / count)
    }
}
