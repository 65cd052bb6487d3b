//! Multi-head self-attention and the block around it.
use crate::{
    Error, Result, Tokens,
    layers::position::Rotary,
    types::{at_least, within},
};
use burn::module::Module;
use burn::nn::{Dropout, DropoutConfig, LayerNorm, LayerNormConfig, Linear, LinearConfig};
use burn::tensor::{
    Device, Tensor,
    activation::{gelu, softmax},
};

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
    /// Makes the block.
    pub fn build(&self, device: &Device) -> Result<Block> {
        at_least("num_heads", self.num_heads, 1)?;
        within("dropout", self.dropout, 0.0, 0.95)?;
        if !self.dim.is_multiple_of(self.num_heads) {
            let problem = format!("{} does not divide dim = {}", self.num_heads, self.dim);
            return Err(Error::config("num_heads", problem));
        }
        let linear = |input, output| LinearConfig::new(input, output).init(device);
        Ok(Block {
            attention_norm: LayerNormConfig::new(self.dim).init(device),
            qkv: linear(self.dim, 3 * self.dim),
            output: linear(self.dim, self.dim),
            mlp_norm: LayerNormConfig::new(self.dim).init(device),
            expand: linear(self.dim, 4 * self.dim),
            contract: linear(4 * self.dim, self.dim),
            dropout: DropoutConfig::new(self.dropout).init(),
            num_heads: self.num_heads,
        })
    }
}

/// Self-attention and a perceptron, each behind a layer norm and a residual (Vaswani et al. 2017, arXiv:1706.03762).
/// Differs: the norm comes first (Xiong et al. 2020, arXiv:2002.04745).
#[derive(Module, Debug)]
pub struct Block {
    attention_norm: LayerNorm,
    qkv: Linear,
    output: Linear,
    mlp_norm: LayerNorm,
    expand: Linear,
    contract: Linear,
    dropout: Dropout,
    num_heads: usize,
}

impl Block {
    /// The same shape; padded keys are never attended to, and a row without a real key stays as it is.
    pub fn forward(&self, tokens: &Tokens) -> Tokens {
        self.forward_turned(tokens, None)
    }

    /// [`forward`](Self::forward), with queries and keys turned by their positions where these are given.
    pub fn forward_turned(&self, tokens: &Tokens, rotary: Option<&Rotary>) -> Tokens {
        let x = tokens.values.clone();
        let attended = self.attend(self.attention_norm.forward(x.clone()), &tokens.mask, rotary);
        let x = x + self.dropout.forward(attended);
        let hidden = self.contract.forward(gelu(self.expand.forward(self.mlp_norm.forward(x.clone()))));
        Tokens { values: x + self.dropout.forward(hidden), mask: tokens.mask.clone() }
    }

    fn attend(&self, x: Tensor<3>, mask: &Tensor<2>, rotary: Option<&Rotary>) -> Tensor<3> {
        let [batch, time, dim] = x.dims();
        let (heads, dim_head) = (self.num_heads, dim / self.num_heads);
        let qkv = self.qkv.forward(x).reshape([batch, time, 3, heads, dim_head]).permute([2, 0, 3, 1, 4]);
        let part = |at: usize| -> Tensor<4> { qkv.clone().narrow(0, at, 1).squeeze_dim(0) }; // [batch, heads, time, dim_head]
        let turned = |x| match rotary {
            Some(rotary) => rotary.turn(x),
            None => x,
        };
        let (q, k, v) = (turned(part(0)), turned(part(1)), part(2));
        let scores = q.mul_scalar((dim_head as f64).powf(-0.5)).matmul(k.transpose());
        let absent = (mask.clone() - 1.0).mul_scalar(1e9).reshape([batch, 1, 1, time]);
        let weights = softmax(scores + absent, 3);
        let mixed = weights.matmul(v).permute([0, 2, 1, 3]).reshape([batch, time, dim]);
        let any = mask.clone().max_dim(1).unsqueeze_dim::<3>(2); // a row of padding attends to nothing
        self.output.forward(mixed) * any
    }
}
