//! Classes from the mean of the fused tokens.
use super::Decode;
use crate::{
    Input, Prediction, Result, Tokens,
    layers::Mlp,
    types::{Build, widths, within},
};
use burn::module::Module;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Scores of classes from the mean of the fused tokens, by a perceptron.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ClassifierConfig {
    /// Widths of the hidden layers; none: a linear classifier.
    pub hidden: Vec<usize>,
    /// Probability that a hidden value is dropped in training.
    pub dropout: f64,
}

impl ClassifierConfig {
    /// Makes the decoder.
    pub fn build(&self, build: &Build) -> Result<Classifier> {
        widths("hidden", &self.hidden)?;
        within("dropout", self.dropout, 0.0, 0.95)?;
        widths("hidden", &self.hidden)?;
        let (input, output) = (build.dim("fused")?, build.dim("target")?);
        Ok(Classifier { perceptron: Mlp::new(input, &self.hidden, output, self.dropout, build.device) })
    }
}

/// See [`ClassifierConfig`].
#[derive(Module, Debug)]
pub struct Classifier {
    perceptron: Mlp,
}

impl Decode for Classifier {
    /// `[batch, tokens, dim]` to logits `[batch, 1, classes]`.
    fn decode(&self, fused: &Tokens, _: Option<&Input>) -> Result<Prediction> {
        Ok(Prediction::Logits(self.perceptron.forward(fused.pool()).unsqueeze_dim(1)))
    }
}
