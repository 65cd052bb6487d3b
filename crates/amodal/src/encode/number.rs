//! Numbers through a perceptron.
use super::Encode;
use crate::{
    Input, Result, Tokens,
    layers::Mlp,
    types::{Build, at_least, widths, within},
};
use burn::module::Module;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// For numbers: a perceptron over each step's standardised values.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct NumberConfig {
    /// Width of the tokens.
    pub dim: usize,
    /// Widths of the hidden layers.
    pub hidden: Vec<usize>,
    /// Probability that a hidden value is dropped in training.
    pub dropout: f64,
}

impl Default for NumberConfig {
    fn default() -> Self {
        Self { dim: 32, hidden: vec![64], dropout: 0.0 }
    }
}

impl NumberConfig {
    /// Makes the encoder.
    pub fn build(&self, build: &Build) -> Result<Number> {
        at_least("dim", self.dim, 1)?;
        widths("hidden", &self.hidden)?;
        within("dropout", self.dropout, 0.0, 0.95)?;
        widths("hidden", &self.hidden)?;
        let perceptron = Mlp::new(build.dim("input")?, &self.hidden, self.dim, self.dropout, build.device);
        Ok(Number { perceptron, dim: self.dim })
    }
}

/// See [`NumberConfig`].
#[derive(Module, Debug)]
pub struct Number {
    perceptron: Mlp,
    dim: usize,
}

impl Encode for Number {
    fn dim(&self) -> usize {
        self.dim
    }

    /// `[batch, time, channels]` to `[batch, time, dim]`.
    fn encode(&self, input: &Input) -> Result<Tokens> {
        Ok(Tokens { values: self.perceptron.forward(input.series()?), mask: input.mask.clone() })
    }
}
