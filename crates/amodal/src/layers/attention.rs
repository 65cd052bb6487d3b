//! Multi-head attention and the block around it.
use super::{LayerNorm, Linear, position::Rotary};
use crate::{
    Error, Result, Tokens,
    kernels::{attention, gelu, linear},
    types::{at_least, within},
};
use burn::module::Module;
use burn::nn::{Dropout, DropoutConfig};
use burn::tensor::{Device, Tensor};

/// Numbers that one tensor of pairs of tokens may hold: 8.6 GB.
const PAIRS_LIMIT: f64 = 2_147_483_648.0;

/// An error where the tensor of all pairs of tokens, of these sizes, would take more memory than is sensible.
pub fn check_pairs(sizes: [usize; 4]) -> Result<()> {
    let numbers: f64 = sizes.iter().map(|size| *size as f64).product();
    if numbers <= PAIRS_LIMIT {
        return Ok(());
    }
    let [batch, _, tokens, others] = sizes;
    let problem = format!(
        "all pairs of {tokens} and {others} tokens of {batch} rows take {:.1} GB, expected at most {:.1}",
        numbers * 4e-9,
        PAIRS_LIMIT * 4e-9
    );
    Err(Error::config("", problem).with_help(
        "shorten what is read: `max_time` of a text, `length` of a series, `seconds` of a sound, or a `pool` of its encoder",
    ))
}

/// Sizes of a [`Block`].
#[derive(Clone, Debug)]
pub struct BlockConfig {
    /// Width of the tokens.
    pub dim: usize,
    /// Attention heads; a divisor of `dim`.
    pub num_heads: usize,
    /// Probability that a value is dropped after attention and after the perceptron.
    pub dropout: f64,
}

impl BlockConfig {
    /// Whether a block can have these sizes.
    ///
    /// # Errors
    /// [`Error::Config`] at the option that is out of its range.
    pub fn check(&self) -> Result<()> {
        at_least("num_heads", self.num_heads, 1)?;
        within("dropout", self.dropout, 0.0, 0.95)?;
        if !self.dim.is_multiple_of(self.num_heads) {
            let problem = format!("{} does not divide dim = {}", self.num_heads, self.dim);
            return Err(Error::config("num_heads", problem));
        }
        Ok(())
    }

    /// Makes the block.
    pub fn build(&self, device: &Device) -> Result<Block> {
        self.check()?;
        let linear = |input, output| Linear::new(input, output, device);
        Ok(Block {
            attention_norm: LayerNorm::new(self.dim, device),
            qkv: linear(self.dim, 3 * self.dim),
            output: linear(self.dim, self.dim),
            mlp_norm: LayerNorm::new(self.dim, device),
            expand: linear(self.dim, 4 * self.dim),
            contract: linear(4 * self.dim, self.dim),
            dropout: DropoutConfig::new(self.dropout).init(),
            num_heads: self.num_heads,
        })
    }
}

/// Attention and a perceptron, each behind a layer norm and a residual (Vaswani et al. 2017, arXiv:1706.03762). Differs:
/// the norm comes first (Xiong et al. 2020, arXiv:2002.04745).
#[derive(Module, Debug)]
pub struct Block {
    attention_norm: LayerNorm,
    /// Queries, keys and values side by side.
    qkv: Linear,
    output: Linear,
    mlp_norm: LayerNorm,
    expand: Linear,
    contract: Linear,
    dropout: Dropout,
    num_heads: usize,
}

impl Block {
    /// An error where attending from `tokens` to `memory` would take too much memory.
    pub fn check(&self, tokens: &Tokens, memory: &Tokens) -> Result<()> {
        let ([batch, time, _], [_, keys, _]) = (tokens.values.dims(), memory.values.dims());
        check_pairs([batch, self.num_heads, time, keys])
    }

    /// The same shape, each token attending to all of its row; padded keys are never attended to, and nothing is added by
    /// attention to a row without a real key.
    pub fn forward(&self, tokens: &Tokens) -> Tokens {
        self.forward_turned(tokens, None)
    }

    /// [`forward`](Self::forward), with queries and keys turned by their positions where these are given.
    pub fn forward_turned(&self, tokens: &Tokens, rotary: Option<&Rotary>) -> Tokens {
        let [_, _, dim] = tokens.values.dims();
        let qkv = self.qkv.forward(self.attention_norm.forward(tokens.values.clone()));
        let (mut queries, mut keys_values) = (qkv.clone().narrow(2, 0, dim), qkv.narrow(2, dim, 2 * dim));
        if let Some(rotary) = rotary {
            let (keys, values) = (keys_values.clone().narrow(2, 0, dim), keys_values.narrow(2, dim, dim));
            queries = rotary.turn(queries, self.num_heads);
            keys_values = Tensor::cat(vec![rotary.turn(keys, self.num_heads), values], 2);
        }
        self.after(tokens, queries, keys_values, &tokens.mask)
    }

    /// The same shape, each token attending to the tokens of `memory`, `[batch, memory, dim]`, instead.
    pub fn cross(&self, tokens: &Tokens, memory: &Tokens) -> Tokens {
        let [_, _, dim] = tokens.values.dims();
        let project = |tokens: &Tokens, start: usize, size: usize| {
            let x = self.attention_norm.forward(tokens.values.clone());
            let bias = self.qkv.bias.as_ref().map(|bias| bias.val().narrow(0, start, size));
            linear(x, self.qkv.weight.val().narrow(1, start, size), bias)
        };
        self.after(tokens, project(tokens, 0, dim), project(memory, dim, 2 * dim), &memory.mask)
    }

    /// All that follows the queries, `[batch, time, dim]`, and the keys and values side by side.
    fn after(&self, tokens: &Tokens, queries: Tensor<3>, keys_values: Tensor<3>, mask: &Tensor<2>) -> Tokens {
        let x = tokens.values.clone() + self.dropout.forward(self.attend(queries, keys_values, mask));
        let hidden = self.contract.forward(gelu(self.expand.forward(self.mlp_norm.forward(x.clone()))));
        Tokens { values: x + self.dropout.forward(hidden), mask: tokens.mask.clone() }
    }

    fn attend(&self, queries: Tensor<3>, keys_values: Tensor<3>, mask: &Tensor<2>) -> Tensor<3> {
        let any = mask.clone().max_dim(1).unsqueeze_dim::<3>(2); // a row of padding attends to nothing
        self.output.forward(attention(queries, keys_values, self.num_heads, absent(mask))) * any
    }
}

/// What is added to the scores of keys, `[batch, 1, 1, keys]`, so that those of mask 0 are not attended to.
pub fn absent(mask: &Tensor<2>) -> Tensor<4> {
    (mask.clone() - 1.0).mul_scalar(1e9).unsqueeze_dims(&[1, 2])
}
