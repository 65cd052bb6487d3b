//! A text by a transformer.
use super::{
    Decode, Sampling,
    sampling::{State, Stepwise, Units, previous, write},
};
use crate::{
    Input, Prediction, Result, Tokens,
    layers::{
        BlockConfig, CausalBlock, LayerNorm, Linear, attention::check_pairs, causal::Memory, position::sinusoids,
    },
    types::{Build, at_least},
};
use burn::module::Module;
use burn::nn::{Dropout, DropoutConfig, Embedding, EmbeddingConfig};
use burn::tensor::{Int, Tensor};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// For a text: a transformer decoder that attends to the words before and to the fused tokens, with sinusoidal positions
/// (Vaswani et al. 2017, arXiv:1706.03762). Differs: the layer norm comes first. What it attended to is kept from word to
/// word when it writes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TransformerConfig {
    /// Width of the tokens.
    pub dim: usize,
    /// Attention blocks.
    pub num_layers: usize,
    /// Attention heads; a divisor of `dim`.
    pub num_heads: usize,
    /// Probability that a value is dropped in training.
    pub dropout: f64,
}

impl Default for TransformerConfig {
    fn default() -> Self {
        Self { dim: 128, num_layers: 2, num_heads: 4, dropout: 0.1 }
    }
}

impl TransformerConfig {
    /// Makes the decoder.
    pub fn build(&self, build: &Build) -> Result<Transformer> {
        at_least("dim", self.dim, 1)?;
        at_least("num_layers", self.num_layers, 1)?;
        let block = BlockConfig { dim: self.dim, num_heads: self.num_heads, dropout: self.dropout };
        let blocks = (0..self.num_layers).map(|_| CausalBlock::new(&block, true, build.device));
        let words = build.target("words", "text")?;
        Ok(Transformer {
            input: Linear::new(build.dim("fused")?, self.dim, build.device),
            words: EmbeddingConfig::new(words, self.dim).init(build.device),
            blocks: blocks.collect::<Result<_>>()?,
            norm: LayerNorm::new(self.dim, build.device),
            output: Linear::new(self.dim, words, build.device),
            dropout: DropoutConfig::new(self.dropout).init(),
            dim: self.dim,
            longest: build.target("longest", "text")?,
            num_heads: self.num_heads,
        })
    }
}

/// See [`TransformerConfig`].
#[derive(Module, Debug)]
pub struct Transformer {
    input: Linear,
    words: Embedding,
    blocks: Vec<CausalBlock>,
    norm: LayerNorm,
    output: Linear,
    dropout: Dropout,
    dim: usize,
    longest: usize,
    num_heads: usize,
}

impl Transformer {
    fn memory(&self, fused: &Tokens) -> Tokens {
        Tokens { values: self.input.forward(fused.values.clone()), mask: fused.mask.clone() }
    }

    /// Words, `[batch, time]`, from the position `start` on.
    fn embed(&self, words: Tensor<2, Int>, start: usize) -> Tensor<3> {
        let [_, time] = words.dims();
        let words = self.words.forward(words);
        let positions = sinusoids(start + time, self.dim, &words.device()).narrow(0, start, time);
        self.dropout.forward(words + positions.unsqueeze_dim(0))
    }
}

impl Decode for Transformer {
    /// `[batch, tokens, dim]` to logits `[batch, time, words]` of a target `[batch, time]`, or to texts.
    fn decode(&self, fused: &Tokens, target: Option<&Input>) -> Result<Prediction> {
        let Some(target) = target else { return self.generate(fused, &Sampling::default()) };
        let mut x = self.embed(previous(target.ids()?), 0);
        let [batch, time, _] = x.dims();
        check_pairs([batch, self.num_heads, time, time.max(fused.values.dims()[1])])?;
        let memory = self.memory(fused);
        for block in &self.blocks {
            x = block.forward(x, &mut None, None, block.memory(&memory).as_ref());
        }
        Ok(Prediction::Logits(self.output.forward(self.norm.forward(x))))
    }

    fn generate(&self, fused: &Tokens, sampling: &Sampling) -> Result<Prediction> {
        let units = Units { longest: self.longest, are_text: true };
        Ok(Prediction::Text(write(self, fused, units, sampling)))
    }
}

impl Stepwise for Transformer {
    fn begin(&self, fused: &Tokens) -> State {
        let memory = self.memory(fused);
        let fixed = self.blocks.iter().filter_map(|block| block.memory(&memory)).map(|memory| memory.keys_values);
        State { fixed: fixed.collect(), mask: memory.mask.clone(), carried: Vec::new(), attention: None, step: 0 }
    }

    fn step(&self, previous: Tensor<1, Int>, state: &mut State) -> Tensor<2> {
        let mut x = self.embed(previous.unsqueeze_dim(1), state.step);
        let mut carried = std::mem::take(&mut state.carried).into_iter();
        for (block, keys_values) in self.blocks.iter().zip(&state.fixed) {
            let memory = Memory { keys_values: keys_values.clone(), mask: state.mask.clone() };
            let mut past = carried.next();
            x = block.forward(x, &mut past, None, Some(&memory));
            state.carried.extend(past);
        }
        self.output.forward(self.norm.forward(x)).squeeze_dim(1)
    }
}
