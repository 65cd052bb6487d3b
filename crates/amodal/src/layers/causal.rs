//! The block of a decoder that makes one token after the other.
use super::{BlockConfig, LayerNorm, Linear, attention::absent};
use crate::{
    Result, Tokens,
    kernels::{attention, gelu},
};
use burn::module::Module;
use burn::nn::{Dropout, DropoutConfig};
use burn::tensor::{Device, Tensor, TensorData};

/// Attention to the tokens before, attention to what is decoded, and a perceptron, each behind a layer norm and a residual
/// (Vaswani et al. 2017, arXiv:1706.03762, the decoder). Differs: the norm comes first (Xiong et al. 2020,
/// arXiv:2002.04745).
#[derive(Module, Debug)]
pub struct CausalBlock {
    norm: LayerNorm,
    /// Queries, keys and values side by side.
    qkv: Linear,
    output: Linear,
    cross: Option<Cross>,
    mlp_norm: LayerNorm,
    expand: Linear,
    contract: Linear,
    dropout: Dropout,
    num_heads: usize,
}

/// Attention to what is decoded.
#[derive(Module, Debug)]
struct Cross {
    norm: LayerNorm,
    queries: Linear,
    /// Side by side.
    keys_values: Linear,
    output: Linear,
}

/// What is decoded, ready to be attended to.
#[derive(Clone, Debug)]
pub struct Memory {
    /// Keys and values side by side, `[batch, tokens, 2 dim]`.
    pub keys_values: Tensor<3>,
    /// `[batch, tokens]`.
    pub mask: Tensor<2>,
}

impl CausalBlock {
    /// A block that attends to what is decoded, where `cross`, or whose tokens are all that there is.
    ///
    /// # Errors
    /// Those of [`BlockConfig::build`].
    pub fn new(config: &BlockConfig, attends: bool, device: &Device) -> Result<Self> {
        config.check()?;
        let dim = config.dim;
        let linear = |input, output| Linear::new(input, output, device);
        let norm = || LayerNorm::new(dim, device);
        let cross = attends.then(|| Cross {
            norm: norm(),
            queries: linear(dim, dim),
            keys_values: linear(dim, 2 * dim),
            output: linear(dim, dim),
        });
        Ok(Self {
            norm: norm(),
            qkv: linear(dim, 3 * dim),
            output: linear(dim, dim),
            cross,
            mlp_norm: norm(),
            expand: linear(dim, 4 * dim),
            contract: linear(4 * dim, dim),
            dropout: DropoutConfig::new(config.dropout).init(),
            num_heads: config.num_heads,
        })
    }

    /// What is decoded, `[batch, tokens, dim]`, made ready once for all steps; `None` for a block that does not attend to it.
    pub fn memory(&self, tokens: &Tokens) -> Option<Memory> {
        let cross = self.cross.as_ref()?;
        Some(Memory { keys_values: cross.keys_values.forward(tokens.values.clone()), mask: tokens.mask.clone() })
    }

    /// The same shape as `x`, `[batch, time, dim]`: tokens that follow those of `past`, each seeing those before it and
    /// itself. `past`, keys and values `[batch, before, 2 dim]`, grows by them. `mask`, `[batch, before + time]`, is of all of
    /// these where some are padding that others follow.
    pub fn forward(
        &self,
        x: Tensor<3>,
        past: &mut Option<Tensor<3>>,
        mask: Option<&Tensor<2>>,
        memory: Option<&Memory>,
    ) -> Tensor<3> {
        let [_, time, dim] = x.dims();
        let qkv = self.qkv.forward(self.norm.forward(x.clone()));
        let (queries, new) = (qkv.clone().narrow(2, 0, dim), qkv.narrow(2, dim, 2 * dim));
        let keys_values = match past.take() {
            Some(past) => Tensor::cat(vec![past, new], 1),
            None => new,
        };
        let before = keys_values.dims()[1] - time;
        *past = Some(keys_values.clone());
        let later = (time > 1).then(|| later(time, before, &x.device()));
        let hidden = match (later, mask.map(absent)) {
            (Some(later), Some(absent)) => later + absent,
            (later, absent) => later.or(absent).unwrap_or_else(|| Tensor::zeros([1; 4], &x.device())),
        };
        let mixed = self.output.forward(attention(queries, keys_values, self.num_heads, hidden));
        let mut x = x + self.dropout.forward(mixed);
        if let (Some(cross), Some(memory)) = (&self.cross, memory) {
            let queries = cross.queries.forward(cross.norm.forward(x.clone()));
            let found = attention(queries, memory.keys_values.clone(), self.num_heads, absent(&memory.mask));
            let any = memory.mask.clone().max_dim(1).unsqueeze_dim::<3>(2); // a row with nothing to decode sees nothing
            x = x + self.dropout.forward(cross.output.forward(found) * any);
        }
        let made = self.contract.forward(gelu(self.expand.forward(self.mlp_norm.forward(x.clone()))));
        x + self.dropout.forward(made)
    }
}

/// What is added to the scores of `time` tokens and the `before` that they follow, `[1, 1, time, before + time]`, so that
/// none sees a later one.
fn later(time: usize, before: usize, device: &Device) -> Tensor<4> {
    let keys = before + time;
    let score = |at: usize| if at % keys > before + at / keys { -1e9_f32 } else { 0.0 };
    Tensor::from_data(TensorData::new((0..time * keys).map(score).collect::<Vec<_>>(), [1, 1, time, keys]), device)
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::Distribution;

    #[test]
    fn one_by_one_is_all_at_once() {
        let device = crate::train::device();
        device.seed(1);
        let config = BlockConfig { dim: 8, num_heads: 2, dropout: 0.0 };
        let block = CausalBlock::new(&config, true, &device).unwrap();
        let random = |shape| Tensor::<3>::random(shape, Distribution::Default, &device);
        let x = random([2, 5, 8]);
        let mask = Tensor::from_data(TensorData::new(vec![1.0_f32, 1.0, 0.0, 0.0, 0.0, 0.0], [2, 3]), &device);
        let memory = block.memory(&Tokens { values: random([2, 3, 8]), mask });
        let whole = block.forward(x.clone(), &mut None, None, memory.as_ref());
        for cut in [1, 2] {
            let mut past = None;
            let parts = [(0, cut), (cut, 1), (cut + 1, 4 - cut)].into_iter().filter(|(_, size)| *size > 0);
            let made = parts
                .map(|(start, size)| block.forward(x.clone().narrow(1, start, size), &mut past, None, memory.as_ref()));
            let difference = (Tensor::cat(made.collect(), 1) - whole.clone()).abs().max().into_scalar::<f32>();
            assert!(difference < 1e-5, "{difference}");
        }
    }
}
