//! A number from the mean of the fused tokens.
use super::Decode;
use crate::{
    Input, Prediction, Result, Tokens,
    layers::Mlp,
    types::{Build, widths, within},
};
use burn::module::Module;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A number from the mean of the fused tokens, by a perceptron.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RegressorConfig {
    /// Widths of the hidden layers; none: a linear regressor.
    pub hidden: Vec<usize>,
    /// Probability that a hidden value is dropped in training.
    pub dropout: f64,
}

impl RegressorConfig {
    /// Makes the decoder.
    pub fn build(&self, build: &Build) -> Result<Regressor> {
        widths("hidden", &self.hidden)?;
        within("dropout", self.dropout, 0.0, 0.95)?;
        widths("hidden", &self.hidden)?;
        let (input, output) = (build.dim("fused")?, build.dim("target")?);
        Ok(Regressor { perceptron: Mlp::new(input, &self.hidden, output, self.dropout, build.device) })
    }
}

/// See [`RegressorConfig`].
#[derive(Module, Debug)]
pub struct Regressor {
    perceptron: Mlp,
}

impl Decode for Regressor {
    /// `[batch, tokens, dim]` to values `[batch, 1, channels]`.
    fn decode(&self, fused: &Tokens, _: Option<&Input>) -> Result<Prediction> {
        Ok(Prediction::Values(self.perceptron.forward(fused.pool()).unsqueeze_dim(1)))
    }
}
