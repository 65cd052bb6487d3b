//! Losses: a model's outputs and a batch to one scalar.
pub mod cross_entropy;
pub mod info_nce;
pub mod mae;
pub mod mse;
pub mod own;
pub mod sigmoid;

use crate::{Batch, Error, Input, Named, Outputs, Prediction, Result, Tokens, registry};
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
        "mae" => Mae(mae::Mae, mae::MaeConfig),
        "mse" => Mse(mse::Mse, mse::MseConfig),
        "own" => Own(own::Own, own::OwnConfig),
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

/// What a prediction is off its target, `[batch, time, numbers]`, and which steps count, `[batch, time]`: a picture is one
/// step, of a clip each frame.
fn difference(task: &str, outputs: &Outputs, batch: &Batch) -> Result<(Tensor<3>, Tensor<2>)> {
    let target = target(batch, task)?;
    let [rows, time] = target.mask.dims();
    let (made, right) = match of_task(&outputs.decoded, task, "prediction")? {
        Prediction::Image(image) => {
            (image.clone().reshape([rows as i64, 1, -1]), target.image()?.reshape([rows as i64, 1, -1]))
        }
        Prediction::Video(video) => {
            // a clip that is shorter than what was made is compared as far as it goes
            let video = video.clone().narrow(1, 0, time.min(video.dims()[1]));
            (video.flatten(2, 4), target.video()?.flatten(2, 4))
        }
        other => (other.values()?, target.series()?),
    };
    if made.dims() != right.dims() {
        return Err(Error::Shape {
            at: "prediction".into(),
            expected: "the shape of the target",
            got: made.dims().into(),
        });
    }
    Ok((made - right, target.mask.clone()))
}
