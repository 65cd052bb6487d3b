//! Bag of words: the mean of the words' vectors, then a perceptron.
use super::Encode;
use crate::{
    Input, Result, Tokens,
    layers::{Mlp, Words},
    types::{Build, at_least, widths, within},
};
use burn::module::Module;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// For text: the mean of the words' vectors, then a perceptron (a deep averaging network, Iyyer et al. 2015,
/// ACL P15-1162). The order of the words is not seen.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct BagConfig {
    /// Width of the token.
    pub dim: usize,
    /// Widths of the hidden layers; none: the mean itself.
    pub hidden: Vec<usize>,
    /// Probability that a hidden value is dropped in training.
    pub dropout: f64,
}

impl Default for BagConfig {
    fn default() -> Self {
        Self { dim: 128, hidden: Vec::new(), dropout: 0.0 }
    }
}

impl BagConfig {
    /// Makes the encoder.
    pub fn build(&self, build: &Build) -> Result<Bag> {
        at_least("dim", self.dim, 1)?;
        widths("hidden", &self.hidden)?;
        within("dropout", self.dropout, 0.0, 0.95)?;
        widths("hidden", &self.hidden)?;
        let perceptron = Mlp::new(self.dim, &self.hidden, self.dim, self.dropout, build.device);
        Ok(Bag {
            words: Words::new(build, self.dim)?,
            perceptron: (!self.hidden.is_empty()).then_some(perceptron),
            dim: self.dim,
        })
    }
}

/// See [`BagConfig`].
#[derive(Module, Debug)]
pub struct Bag {
    words: Words,
    perceptron: Option<Mlp>,
    dim: usize,
}

impl Encode for Bag {
    fn dim(&self) -> usize {
        self.dim
    }

    /// `[batch, time]` ids to `[batch, 1, dim]`.
    fn encode(&self, input: &Input) -> Result<Tokens> {
        let words = Tokens { values: self.words.forward(input)?, mask: input.mask.clone() };
        let mean = words.pool();
        let vector = match &self.perceptron {
            Some(perceptron) => perceptron.forward(mean),
            None => mean,
        };
        Ok(Tokens::one(vector, words.present()))
    }

    fn words(&mut self) -> Option<&mut Words> {
        Some(&mut self.words)
    }
}
