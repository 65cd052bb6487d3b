//! What `lstm` and `gru` share: recurrent layers over words or over frames of a series.
use super::Encode;
use crate::{
    Error, Input, Result, Tokens,
    layers::{self, Words, recurrent::Cell},
    types::{Build, at_least, within},
};
use burn::module::Module;
use burn::nn::{Dropout, DropoutConfig};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Which states of the last layer become tokens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RecurrentPool {
    /// One token: the state after the last real step; of the direction back, after the first.
    #[default]
    Last,
    /// One token: the mean over real steps.
    Mean,
    /// One token a step.
    Steps,
}

/// Sizes of a [`Recurrent`].
#[derive(Clone, Debug)]
pub(super) struct RecurrentConfig {
    pub(super) cell: Cell,
    pub(super) dim: usize,
    pub(super) num_layers: usize,
    pub(super) bidirectional: bool,
    pub(super) pool: RecurrentPool,
    pub(super) dropout: f64,
}

impl RecurrentConfig {
    /// Makes the encoder.
    pub(super) fn build(&self, build: &Build) -> Result<Recurrent> {
        at_least("dim", self.dim, 1)?;
        at_least("num_layers", self.num_layers, 1)?;
        within("dropout", self.dropout, 0.0, 0.95)?;
        if self.bidirectional && !self.dim.is_multiple_of(2) {
            return Err(Error::config("dim", format!("{} is odd, and two directions make half each", self.dim)));
        }
        let (input, is_text) = (build.dim("input")?, build.dims.contains_key("words"));
        let first = if is_text { self.dim } else { input };
        let layer = |at| {
            let input = if at == 0 { first } else { self.dim };
            layers::Recurrent::new(self.cell, input, self.dim, self.bidirectional, build.device)
        };
        Ok(Recurrent {
            words: is_text.then(|| Words::new(build, self.dim)).transpose()?,
            layers: (0..self.num_layers).map(layer).collect(),
            dropout: DropoutConfig::new(self.dropout).init(),
            dim: self.dim,
            pool: self.pool,
        })
    }
}

/// Recurrent layers over words or over frames of a series.
#[derive(Module, Debug)]
pub struct Recurrent {
    words: Option<Words>,
    layers: Vec<layers::Recurrent>,
    dropout: Dropout,
    dim: usize,
    #[module(skip)]
    pool: RecurrentPool,
}

impl Encode for Recurrent {
    fn dim(&self) -> usize {
        self.dim
    }

    /// `[batch, time]` ids or `[batch, time, channels]` to `[batch, tokens, dim]`.
    fn encode(&self, input: &Input) -> Result<Tokens> {
        let mut x = match &self.words {
            Some(words) => words.forward(input)?,
            None => input.series()?,
        };
        for (at, layer) in self.layers.iter().enumerate() {
            if at > 0 {
                x = self.dropout.forward(x);
            }
            x = layer.forward(x, &input.mask);
        }
        let steps = Tokens { values: x, mask: input.mask.clone() };
        Ok(match (self.pool, self.layers.last()) {
            (RecurrentPool::Last, Some(layer)) => {
                let present = steps.present();
                Tokens::one(layer.last(steps.values, &steps.mask), present)
            }
            (RecurrentPool::Mean, _) => Tokens::one(steps.pool(), steps.present()),
            _ => steps,
        })
    }

    fn words(&mut self) -> Option<&mut Words> {
        self.words.as_mut()
    }
}
