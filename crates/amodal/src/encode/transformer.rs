//! Transformer encoder over words or over frames of a series.
use super::Encode;
use crate::{
    Error, Input, Result, Tokens,
    layers::{
        Block, BlockConfig, LayerNorm, Linear, Words,
        position::{Rotary, sinusoids},
    },
    types::{Build, at_least},
};
use burn::module::{Module, Param};
use burn::nn::{Dropout, DropoutConfig, Initializer};
use burn::tensor::Tensor;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How a token's position is told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Positions {
    /// Sinusoids, added.
    #[default]
    Sinusoidal,
    /// Learned vectors, added; up to a longest length.
    Learned,
    /// Queries and keys are turned by it (Su et al. 2021, arXiv:2104.09864).
    Rotary,
}

/// For text or series: a transformer encoder with sinusoidal positions (Vaswani et al. 2017, arXiv:1706.03762). Differs:
/// the layer norm comes first.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TransformerConfig {
    /// Width of the tokens.
    pub dim: usize,
    /// Attention blocks.
    pub num_layers: usize,
    /// Attention heads; a divisor of `dim`.
    pub num_heads: usize,
    /// How positions are told: `sinusoidal`, `learned` or `rotary` (Su et al. 2021, arXiv:2104.09864).
    pub positions: Positions,
    /// Most tokens of an input, for `learned` positions.
    pub max_length: usize,
    /// Frames of a series that are joined to one token: attention over a long sound is slow.
    pub frames: usize,
    /// Probability that a value is dropped in training.
    pub dropout: f64,
}

impl Default for TransformerConfig {
    fn default() -> Self {
        Self {
            dim: 128,
            num_layers: 2,
            num_heads: 4,
            positions: Positions::Sinusoidal,
            max_length: 512,
            frames: 1,
            dropout: 0.1,
        }
    }
}

impl TransformerConfig {
    /// Makes the encoder.
    pub fn build(&self, build: &Build) -> Result<Transformer> {
        at_least("dim", self.dim, 1)?;
        at_least("num_layers", self.num_layers, 1)?;
        at_least("max_length", self.max_length, 1)?;
        at_least("frames", self.frames, 1)?;
        let block = BlockConfig { dim: self.dim, num_heads: self.num_heads, dropout: self.dropout };
        let blocks = (0..self.num_layers).map(|_| block.build(build.device)).collect::<Result<_>>()?;
        let (input, is_text) = (build.dim("input")?, build.dims.contains_key("words"));
        if is_text && self.frames > 1 {
            return Err(Error::config("frames", "joins the frames of a series, and this is text"));
        }
        let dim_head = self.dim / self.num_heads;
        if self.positions == Positions::Rotary && !dim_head.is_multiple_of(2) {
            let problem = format!("heads of {dim_head} channels, and `rotary` positions turn pairs of them");
            return Err(Error::config("num_heads", problem));
        }
        let positions = Initializer::Normal { mean: 0.0, std: 0.02 };
        let transformer = Transformer {
            words: is_text.then(|| Words::new(build, self.dim)).transpose()?,
            frames: (!is_text).then(|| Linear::new(input * self.frames, self.dim, build.device)),
            learned: (self.positions == Positions::Learned)
                .then(|| positions.init([self.max_length, self.dim], build.device)),
            blocks,
            norm: LayerNorm::new(self.dim, build.device),
            dropout: DropoutConfig::new(self.dropout).init(),
            dim: self.dim,
            dim_head,
            joined: self.frames,
            positions: self.positions,
        };
        if let Some(time) = build.dims.get("time") {
            transformer.check_length(time.div_ceil(self.frames))?;
        }
        Ok(transformer)
    }
}

/// See [`TransformerConfig`].
#[derive(Module, Debug)]
pub struct Transformer {
    words: Option<Words>,
    frames: Option<Linear>,
    learned: Option<Param<Tensor<2>>>,
    blocks: Vec<Block>,
    norm: LayerNorm,
    dropout: Dropout,
    dim: usize,
    dim_head: usize,
    joined: usize,
    #[module(skip)]
    positions: Positions,
}

impl Transformer {
    fn check_length(&self, time: usize) -> Result<()> {
        let longest = self.learned.as_ref().map_or(usize::MAX, |learned| learned.dims()[0]);
        if time > longest {
            let error = Error::config("max_length", format!("{longest}, and an input has {time} tokens"));
            return Err(error.with_help("raise `max_length`, or choose positions = \"rotary\" or \"sinusoidal\""));
        }
        Ok(())
    }
}

/// Groups of `count` frames side by side: `[batch, time, channels]` to `[batch, time / count, count * channels]`, the last
/// one filled with zeros. A group is real where any of its frames is.
fn join(x: Tensor<3>, mask: Tensor<2>, count: usize) -> (Tensor<3>, Tensor<2>) {
    let [batch, time, channels] = x.dims();
    let groups = time.div_ceil(count);
    let more = groups * count - time;
    let x = (x * mask.clone().unsqueeze_dim(2)).pad([(0, more), (0, 0)], 0.0);
    let mask = mask.pad([(0, more)], 0.0).reshape([batch, groups, count]).max_dim(2).squeeze_dim(2);
    (x.reshape([batch, groups, count * channels]), mask)
}

impl Encode for Transformer {
    fn dim(&self) -> usize {
        self.dim
    }

    /// `[batch, time]` ids or `[batch, time, channels]` to `[batch, time, dim]`; of series, `frames` steps are one token.
    fn encode(&self, input: &Input) -> Result<Tokens> {
        let (values, mask) = match (&self.words, &self.frames) {
            (Some(words), _) => (words.forward(input)?.mul_scalar((self.dim as f64).sqrt()), input.mask.clone()),
            (None, Some(frames)) if self.joined == 1 => (frames.forward(input.series()?), input.mask.clone()),
            (None, Some(frames)) => {
                let (series, mask) = join(input.series()?, input.mask.clone(), self.joined);
                (frames.forward(series), mask)
            }
            (None, None) => unreachable!("built with one of the two"),
        };
        let [_, time, dim] = values.dims();
        self.check_length(time)?;
        let added = match (self.positions, &self.learned) {
            (_, Some(learned)) => Some(learned.val().narrow(0, 0, time)),
            (Positions::Rotary, _) => None,
            _ => Some(sinusoids(time, dim, &values.device())),
        };
        let rotary = added.is_none().then(|| Rotary::new(time, self.dim_head, &values.device()));
        let values = match added {
            Some(added) => values + added.unsqueeze_dim(0),
            None => values,
        };
        let mut tokens = Tokens { values: self.dropout.forward(values), mask };
        for block in &self.blocks {
            block.check(&tokens, &tokens)?;
            tokens = block.forward_turned(&tokens, rotary.as_ref());
        }
        Ok(Tokens { values: self.norm.forward(tokens.values), mask: tokens.mask })
    }

    fn words(&mut self) -> Option<&mut Words> {
        self.words.as_mut()
    }
}
