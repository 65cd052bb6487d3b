//! InfoNCE: every row finds its own other modality among all of the batch.
use super::{Score, of_task};
use crate::{
    Batch, Named, Outputs, Result, Tokens,
    kernels::matmul,
    layers::{Align, align},
    types::{Build, at_least, within},
};
use burn::module::{Module, Param};
use burn::tensor::{Tensor, activation::log_softmax};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Symmetric contrastive alignment in one shared space (van den Oord et al. 2018, arXiv:1807.03748; CLIP, Radford et al.
/// 2021, arXiv:2103.00020, figure 3), the mean over every pair of the modalities. Rows of one group (`data.group_by`)
/// are each other's positives (Khosla et al. 2020, arXiv:2004.11362).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct InfoNceConfig {
    /// The modalities to align; empty: all.
    pub between: Vec<String>,
    /// Width of the shared space.
    pub dim: usize,
    /// First value of the learned temperature.
    pub temperature: f64,
    /// Lowest that the temperature may become; where `temperature` begins below, it stays fixed at this. A high one leaves
    /// no pair alone until it is close: it helps pairs that are hard to tell in a new form, such as a new voice and a new
    /// drawing style.
    pub min_temperature: f64,
    /// Learned vectors that every unit vector is drawn to before it is compared, about as many as there are things to tell
    /// apart; 0: none. What is new in the form of a known thing (a voice, a style) disturbs less; new things are told apart
    /// less well. A modern Hopfield network (Ramsauer et al. 2020, arXiv:2008.02217; Fürst et al. 2021, arXiv:2110.11316).
    pub memory: usize,
}

impl Default for InfoNceConfig {
    fn default() -> Self {
        Self { between: Vec::new(), dim: 128, temperature: 0.07, min_temperature: 0.01, memory: 0 }
    }
}

impl InfoNceConfig {
    /// Makes the loss.
    pub fn build(&self, build: &Build) -> Result<InfoNce> {
        at_least("dim", self.dim, 1)?;
        within("min_temperature", self.min_temperature, 0.01, 10.0)?;
        within("temperature", self.temperature, 0.01, 10.0)?;
        let max_scale = 1.0 / self.min_temperature;
        let log_scale = Tensor::from_floats([-(self.temperature.ln()) as f32], build.device);
        let align = Align::new(&self.between, self.dim, self.memory, build)?;
        Ok(InfoNce { log_scale: Param::from_tensor(log_scale), max_scale, align })
    }
}

/// See [`InfoNceConfig`].
#[derive(Module, Debug)]
pub struct InfoNce {
    log_scale: Param<Tensor<1>>,
    max_scale: f64,
    align: Align,
}

impl Score for InfoNce {
    fn embed(&self, encoded: &Named<Tokens>) -> Result<Named<Tokens>> {
        self.align.forward(encoded)
    }

    /// Unit vectors `[batch, 1, dim]` to `[1]`; a row without one of a pair's modalities takes no part in that pair.
    fn loss(&self, task: &str, outputs: &Outputs, batch: &Batch) -> Result<Tensor<1>> {
        let embedded = of_task(&outputs.embedded, task, "embedding")?;
        let scale: Tensor<2> = self.log_scale.val().clamp_max(self.max_scale.ln()).exp().unsqueeze();
        let same = align::same_group(&batch.groups, &scale.device());
        let pairs = align::pairs(embedded);
        let count = pairs.len() as f64;
        let terms = pairs.into_iter().map(|(a, b, both)| {
            let real = both.clone().transpose(); // [1, batch]
            let positives = same.clone() * real.clone();
            let share = positives.clone() / positives.sum_dim(1).clamp_min(1.0); // each row's right answers, summing to 1
            let absent = (real - 1.0).mul_scalar(1e9);
            let rows = both.clone().sum().clamp_min(1.0);
            let logits = matmul(a, b.transpose()) * scale.clone();
            let one_way = |logits: Tensor<2>| {
                let log_probabilities = log_softmax(logits + absent.clone(), 1).clamp_min(-1e6);
                (log_probabilities * share.clone() * both.clone()).sum().neg() / rows.clone()
            };
            (one_way(logits.clone()) + one_way(logits.transpose())) / 2.0
        });
        Ok(terms.reduce(|a, b| a + b).expect("an alignment has at least one pair") / count)
    }
}
