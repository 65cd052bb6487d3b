//! A text by a recurrent network that looks at another place for each word.
use super::{
    Decode, Sampling,
    sampling::{State, Stepwise, Units, previous, write},
};
use crate::{
    Error, Input, Prediction, Result, Tokens,
    layers::{
        Linear, Recurrent,
        attention::check_pairs,
        recurrent::{Carried, Cell},
    },
    types::{Build, at_least, within},
};
use burn::module::Module;
use burn::nn::{Dropout, DropoutConfig, Embedding, EmbeddingConfig};
use burn::tensor::{
    Int, Tensor,
    activation::{sigmoid, softmax, tanh},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// For a text: an LSTM that weighs the fused tokens anew for each word, such as the places of a picture (`pool = "grid"`),
/// and tells the weights (Show, Attend and Tell with soft attention, Xu et al. 2015, arXiv:1502.03044). Differs: no penalty
/// on places that are never looked at.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct AttentionLstmConfig {
    /// Width of the words, the state and the scores of attention.
    pub dim: usize,
    /// Probability that a word's value, or one of what it is scored from, is dropped in training.
    pub dropout: f64,
}

impl Default for AttentionLstmConfig {
    fn default() -> Self {
        Self { dim: 256, dropout: 0.1 }
    }
}

impl AttentionLstmConfig {
    /// Makes the decoder.
    pub fn build(&self, build: &Build) -> Result<AttentionLstm> {
        at_least("dim", self.dim, 1)?;
        within("dropout", self.dropout, 0.0, 0.95)?;
        let (dim, fused, words) = (self.dim, build.dim("fused")?, build.target("words", "text")?);
        let linear = |input, output| Linear::new(input, output, build.device);
        Ok(AttentionLstm {
            state: linear(fused, dim),
            memory: linear(fused, dim),
            words: EmbeddingConfig::new(words, dim).init(build.device),
            cell: Recurrent::new(Cell::Lstm, dim + fused, dim, false, build.device),
            places: linear(fused, dim),
            query: Linear::without_bias(dim, dim, build.device),
            score: Linear::without_bias(dim, 1, build.device),
            gate: linear(dim, 1),
            output_state: linear(dim, dim),
            output_context: Linear::without_bias(fused, dim, build.device),
            output: linear(dim, words),
            dropout: DropoutConfig::new(self.dropout).init(),
            longest: build.target("longest", "text")?,
        })
    }
}

/// See [`AttentionLstmConfig`].
#[derive(Module, Debug)]
pub struct AttentionLstm {
    /// The first state, of the mean of the tokens.
    state: Linear,
    /// The first memory, of the mean of the tokens.
    memory: Linear,
    words: Embedding,
    cell: Recurrent,
    places: Linear,
    query: Linear,
    score: Linear,
    /// How much of what is seen is read.
    gate: Linear,
    output_state: Linear,
    output_context: Linear,
    output: Linear,
    dropout: Dropout,
    longest: usize,
}

/// The tokens as attention reads them.
struct Places {
    /// `[batch, tokens, fused]`.
    values: Tensor<3>,
    /// `[batch, tokens, dim]`.
    keys: Tensor<3>,
    /// `[batch, tokens]`.
    mask: Tensor<2>,
}

impl AttentionLstm {
    fn places(&self, fused: &Tokens) -> Places {
        let Tokens { values, mask } = fused.clone();
        let values = values * mask.clone().unsqueeze_dim(2);
        Places { keys: self.places.forward(values.clone()), values, mask }
    }

    fn begin(&self, fused: &Tokens) -> Carried {
        let mean = fused.pool();
        Carried { state: tanh(self.state.forward(mean.clone())), memory: tanh(self.memory.forward(mean)) }
    }

    /// The state behind a word, `[batch, dim]`, scores of the next one, and where it looked, `[batch, tokens]`.
    fn advance(&self, word: Tensor<2>, places: &Places, carried: Carried) -> (Carried, Tensor<2>, Tensor<2>) {
        let query = self.query.forward(carried.state.clone()).unsqueeze_dim::<3>(1);
        let scores: Tensor<2> = self.score.forward(tanh(places.keys.clone() + query)).squeeze_dim(2);
        let weights = softmax(scores + (places.mask.clone() - 1.0).mul_scalar(1e9), 1) * places.mask.clone();
        let context = (places.values.clone() * weights.clone().unsqueeze_dim(2)).sum_dim(1).squeeze_dim(1);
        let context = context * sigmoid(self.gate.forward(carried.state.clone()));
        let carried = self.cell.step(Tensor::cat(vec![word.clone(), context.clone()], 1), carried);
        let seen = word + self.output_state.forward(carried.state.clone()) + self.output_context.forward(context);
        (carried, self.output.forward(self.dropout.forward(seen)), weights)
    }
}

impl Decode for AttentionLstm {
    /// `[batch, tokens, dim]` to logits `[batch, time, words]` of a target `[batch, time]`, or to texts.
    fn decode(&self, fused: &Tokens, target: Option<&Input>) -> Result<Prediction> {
        let Some(target) = target else { return self.generate(fused, &Sampling::default()) };
        let words = self.dropout.forward(self.words.forward(previous(target.ids()?)));
        let [batch, time, _] = words.dims();
        let [_, tokens, dim] = fused.values.dims();
        check_pairs([batch, dim, time, tokens]).map_err(|error: Error| error.within("attention_lstm"))?;
        let places = self.places(fused);
        let mut carried = self.begin(fused);
        let mut logits = Vec::with_capacity(time);
        for word in words.iter_dim(1) {
            let (next, scores, _) = self.advance(word.squeeze_dim(1), &places, carried);
            carried = next;
            logits.push(scores);
        }
        Ok(Prediction::Logits(Tensor::stack(logits, 1)))
    }

    fn generate(&self, fused: &Tokens, sampling: &Sampling) -> Result<Prediction> {
        let units = Units { longest: self.longest, are_text: true };
        Ok(Prediction::Text(write(self, fused, units, sampling)))
    }
}

impl Stepwise for AttentionLstm {
    fn begin(&self, fused: &Tokens) -> State {
        let Carried { state, memory } = self.begin(fused);
        let Places { values, keys, mask } = self.places(fused);
        let carried = [state, memory].map(|values| values.unsqueeze_dim(1)).into();
        State { fixed: vec![values, keys], mask, carried, attention: None, step: 0 }
    }

    fn step(&self, previous: Tensor<1, Int>, state: &mut State) -> Tensor<2> {
        let word = self.words.forward(previous.unsqueeze_dim(1)).squeeze_dim(1);
        let carried = |at: usize| state.carried[at].clone().squeeze_dim(1);
        let places = Places { values: state.fixed[0].clone(), keys: state.fixed[1].clone(), mask: state.mask.clone() };
        let carried = Carried { state: carried(0), memory: carried(1) };
        let (next, logits, weights) = self.advance(word, &places, carried);
        state.carried = [next.state, next.memory].map(|values| values.unsqueeze_dim(1)).into();
        state.attention = Some(weights);
        logits
    }
}
