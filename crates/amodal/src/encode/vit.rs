//! Vision transformer: a picture as patches.
use super::Encode;
use crate::{
    Error, Input, Result, Tokens,
    layers::{Block, BlockConfig, LayerNorm, Linear},
    types::{Build, at_least, within},
};
use burn::module::{Module, Param};
use burn::nn::{Dropout, DropoutConfig, Initializer};
use burn::tensor::Tensor;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Which tokens stand for the picture.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum VitPool {
    /// One token: the mean over all patches.
    #[default]
    Mean,
    /// One token: a learned one that has looked at all patches.
    Class,
    /// One token a patch.
    Grid,
}

/// For images: a transformer encoder over patches, with learned positions (Dosovitskiy et al. 2021, arXiv:2010.11929).
/// Differs: the mean of the patches by default, instead of a class token.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct VitConfig {
    /// Width of the tokens.
    pub dim: usize,
    /// Height and width of a patch, in pixels; a last patch that is not whole is filled with zeros.
    pub patch: usize,
    /// Attention blocks.
    pub num_layers: usize,
    /// Attention heads; a divisor of `dim`.
    pub num_heads: usize,
    /// Which tokens stand for the picture: `mean`, `class` or `grid`.
    pub pool: VitPool,
    /// Probability that a value is dropped in training.
    pub dropout: f64,
}

impl Default for VitConfig {
    fn default() -> Self {
        Self { dim: 128, patch: 8, num_layers: 4, num_heads: 4, pool: VitPool::Mean, dropout: 0.1 }
    }
}

impl VitConfig {
    /// Makes the encoder.
    pub fn build(&self, build: &Build) -> Result<Vit> {
        at_least("dim", self.dim, 1)?;
        at_least("patch", self.patch, 1)?;
        at_least("num_layers", self.num_layers, 1)?;
        within("dropout", self.dropout, 0.0, 0.95)?;
        let patches = [build.dim("height")?, build.dim("width")?].map(|size| size.div_ceil(self.patch));
        let count = patches[0] * patches[1];
        if count > 4096 {
            let error = Error::config("patch", format!("{} pixels make {count} patches", self.patch));
            return Err(
                error.with_help("take larger patches, or a smaller `size` of the modality: at most 4096 patches")
            );
        }
        let block = BlockConfig { dim: self.dim, num_heads: self.num_heads, dropout: self.dropout };
        let learned = |count| Initializer::Normal { mean: 0.0, std: 0.02 }.init([count, self.dim], build.device);
        let is_class = self.pool == VitPool::Class;
        let pixels = build.dim("input")? * self.patch * self.patch;
        Ok(Vit {
            patches: Linear::new(pixels, self.dim, build.device),
            class: is_class.then(|| learned(1)),
            positions: learned(count + usize::from(is_class)),
            blocks: (0..self.num_layers).map(|_| block.build(build.device)).collect::<Result<_>>()?,
            norm: LayerNorm::new(self.dim, build.device),
            dropout: DropoutConfig::new(self.dropout).init(),
            dim: self.dim,
            patch: self.patch,
            pool: self.pool,
        })
    }
}

/// See [`VitConfig`].
#[derive(Module, Debug)]
pub struct Vit {
    patches: Linear,
    class: Option<Param<Tensor<2>>>,
    positions: Param<Tensor<2>>,
    blocks: Vec<Block>,
    norm: LayerNorm,
    dropout: Dropout,
    dim: usize,
    patch: usize,
    #[module(skip)]
    pool: VitPool,
}

/// `[batch, channels, height, width]` to `[batch, patches, channels * patch * patch]`, row by row.
fn patches(x: Tensor<4>, patch: usize) -> Tensor<3> {
    let [batch, channels, height, width] = x.dims();
    let [rows, columns] = [height, width].map(|size| size.div_ceil(patch));
    let rest = (0, columns * patch - width, 0, rows * patch - height); // left, right, top, bottom
    let x = if rest == (0, 0, 0, 0) { x } else { x.pad(rest, 0.0) };
    let x = x.reshape([batch, channels, rows, patch, columns, patch]).permute([0, 2, 4, 1, 3, 5]);
    x.reshape([batch, rows * columns, channels * patch * patch])
}

impl Encode for Vit {
    fn dim(&self) -> usize {
        self.dim
    }

    /// `[batch, channels, height, width]` to `[batch, tokens, dim]`.
    fn encode(&self, input: &Input) -> Result<Tokens> {
        let mut values = self.patches.forward(patches(input.image()?, self.patch));
        let [batch, _, dim] = values.dims();
        if let Some(class) = &self.class {
            let class = class.val().unsqueeze_dim::<3>(0).expand([batch, 1, dim]);
            values = Tensor::cat(vec![class, values], 1);
        }
        let values = self.dropout.forward(values + self.positions.val().unsqueeze_dim(0));
        let [_, count, _] = values.dims();
        let mask = input.mask.clone().expand([batch, count]);
        let tokens = self.blocks.iter().fold(Tokens { values, mask }, |tokens, block| block.forward(&tokens));
        let tokens = Tokens { values: self.norm.forward(tokens.values), mask: tokens.mask };
        Ok(match self.pool {
            VitPool::Mean => Tokens::one(tokens.pool(), input.mask.clone()),
            VitPool::Class => Tokens { values: tokens.values.narrow(1, 0, 1), mask: input.mask.clone() },
            VitPool::Grid => tokens,
        })
    }
}
