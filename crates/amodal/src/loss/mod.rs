//! Losses: a model's outputs and a batch to one scalar.
pub mod cross_entropy;
pub mod info_nce;
pub mod mse;
pub mod sigmoid;

use crate::{Batch, Error, Input, Named, Outputs, Result, Tokens, registry};
use burn::tensor::Tensor;

/// Scores a model's outputs; may own parameters.
pub trait Score {
    /// The loss, `[1]`, a mean over what is real. `task` is the key of its prediction, target and embeddings.
    fn loss(&self, task: &str, outputs: &Outputs, batch: &Batch) -> Result<Tensor<1>>;

    /// Unit vectors in the shared space, by modality, for a loss that aligns modalities.
    fn embed(&self, _encoded: &Named<Tokens>) -> Result<Named<Tokens>> {
        Ok(Named::new())
    }
}

registry! {
    /// Scores a model's outputs.
    Loss(Score), LossConfig {
        "cross_entropy" => CrossEntropy(cross_entropy::CrossEntropy, cross_entropy::CrossEntropyConfig),
        "info_nce" => InfoNce(info_nce::InfoNce, info_nce::InfoNceConfig),
        "mse" => Mse(mse::Mse, mse::MseConfig),
        "sigmoid" => Sigmoid(sigmoid::Sigmoid, sigmoid::SigmoidConfig),
    }
}

/// A task's own entry of one of the maps that a loss or a metric reads.
pub fn of_task<'a, T>(map: &'a Named<T>, task: &str, what: &str) -> Result<&'a T> {
    map.get(task).ok_or_else(|| Error::config(format!("tasks.{task}"), format!("has no {what}")))
}

/// A task's target in a batch.
pub fn target<'a>(batch: &'a Batch, task: &str) -> Result<&'a Input> {
    of_task(&batch.targets, task, "target")
}
