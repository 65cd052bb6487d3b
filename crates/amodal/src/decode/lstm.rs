//! A text by a recurrent network that is shown what it is about first.
use super::{
    Decode, Sampling,
    sampling::{State, Stepwise, Units, previous, write},
};
use crate::{
    Input, Prediction, Result, Tokens,
    layers::{
        Linear, Recurrent,
        recurrent::{Carried, Cell},
    },
    types::{Build, at_least, within},
};
use burn::module::Module;
use burn::nn::{Dropout, DropoutConfig, Embedding, EmbeddingConfig};
use burn::tensor::{Int, Tensor};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// For a text: an LSTM that reads the mean of the fused tokens as its first word, then each word before it writes the next
/// (Show and Tell, Vinyals et al. 2014, arXiv:1411.4555).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct LstmConfig {
    /// Width of the words and of the state.
    pub dim: usize,
    /// Probability that a word's value, or one of the state that it is scored from, is dropped in training.
    pub dropout: f64,
}

impl Default for LstmConfig {
    fn default() -> Self {
        Self { dim: 256, dropout: 0.1 }
    }
}

impl LstmConfig {
    /// Makes the decoder.
    pub fn build(&self, build: &Build) -> Result<Lstm> {
        at_least("dim", self.dim, 1)?;
        within("dropout", self.dropout, 0.0, 0.95)?;
        let words = build.target("words", "text")?;
        Ok(Lstm {
            input: Linear::new(build.dim("fused")?, self.dim, build.device),
            words: EmbeddingConfig::new(words, self.dim).init(build.device),
            cell: Recurrent::new(Cell::Lstm, self.dim, self.dim, false, build.device),
            output: Linear::new(self.dim, words, build.device),
            dropout: DropoutConfig::new(self.dropout).init(),
            longest: build.target("longest", "text")?,
        })
    }
}

/// See [`LstmConfig`].
#[derive(Module, Debug)]
pub struct Lstm {
    input: Linear,
    words: Embedding,
    cell: Recurrent,
    output: Linear,
    dropout: Dropout,
    longest: usize,
}

impl Decode for Lstm {
    /// `[batch, tokens, dim]` to logits `[batch, time, words]` of a target `[batch, time]`, or to texts.
    fn decode(&self, fused: &Tokens, target: Option<&Input>) -> Result<Prediction> {
        let Some(target) = target else { return self.generate(fused, &Sampling::default()) };
        let words = self.dropout.forward(self.words.forward(previous(target.ids()?)));
        let [_, time, _] = words.dims();
        let first = self.input.forward(fused.pool()).unsqueeze_dim(1);
        let states = self
            .cell
            .forward(Tensor::cat(vec![first, words], 1), &Tensor::ones([1, 1], &fused.values.device()))
            .narrow(1, 1, time);
        Ok(Prediction::Logits(self.output.forward(self.dropout.forward(states))))
    }

    fn generate(&self, fused: &Tokens, sampling: &Sampling) -> Result<Prediction> {
        let units = Units { longest: self.longest, are_text: true };
        Ok(Prediction::Text(write(self, fused, units, sampling)))
    }
}

impl Stepwise for Lstm {
    fn begin(&self, fused: &Tokens) -> State {
        let first = self.input.forward(fused.pool());
        let blank = first.zeros_like();
        let Carried { state, memory } = self.cell.step(first, Carried { state: blank.clone(), memory: blank });
        State {
            fixed: Vec::new(),
            mask: fused.mask.clone(),
            carried: [state, memory].map(|values| values.unsqueeze_dim(1)).into(),
            attention: None,
            step: 0,
        }
    }

    fn step(&self, previous: Tensor<1, Int>, state: &mut State) -> Tensor<2> {
        let word = self.words.forward(previous.unsqueeze_dim(1)).squeeze_dim(1);
        let values = |at: usize| state.carried[at].clone().squeeze_dim(1);
        let next = self.cell.step(word, Carried { state: values(0), memory: values(1) });
        state.carried = [next.state.clone(), next.memory].map(|values| values.unsqueeze_dim(1)).into();
        self.output.forward(next.state)
    }
}
