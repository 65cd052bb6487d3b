//! Residual network over a picture.
use super::Encode;
use crate::{
    Error, Input, Result, Tokens,
    layers::{Convolution, Linear, NonLocal, Normalize, Pool, places::shrink_overlapping},
    types::{Build, at_least, widths, within},
};
use burn::module::Module;
use burn::nn::{Dropout, DropoutConfig};
use burn::tensor::{Device, Tensor, activation::relu};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How a picture enters the first stage.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Stem {
    /// One 3×3 convolution: for pictures below some 128 pixels (section 4.2 of the paper).
    #[default]
    Small,
    /// One 7×7 convolution at every second place and 3×3 max-pooling: height and width become a quarter (section 3.3).
    Large,
}

/// For images: stages of residual blocks of two 3×3 convolutions (He et al. 2016, arXiv:1512.03385); where a stage changes
/// the size, a 1×1 convolution is the shortcut (option B). The paper's ResNet-18 is channels = [64, 128, 256, 512],
/// blocks = [2, 2, 2, 2], stem = "large".
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ResnetConfig {
    /// Width of the tokens.
    pub dim: usize,
    /// Channels of each stage; every stage but the first halves height and width.
    pub channels: Vec<usize>,
    /// Blocks of each stage.
    pub blocks: Vec<usize>,
    /// How a picture enters: `small` (3×3) or `large` (7×7 at stride 2, max-pooling).
    pub stem: Stem,
    /// What follows each convolution: `batch`, `local_response` or `none`.
    pub norm: Normalize,
    /// How places become tokens: `mean`, `grid` or `flatten`.
    pub pool: Pool,
    /// Whether the places of `grid` are told their row and column, from -1 to 1 (Santoro et al. 2017, arXiv:1706.01427).
    pub coordinates: bool,
    /// Stages that a non-local block follows, counted from 1 (Wang et al. 2018, arXiv:1711.07971); its cost grows with the
    /// square of the places.
    pub non_local: Vec<usize>,
    /// Probability that a value is dropped before the last layer in training.
    pub dropout: f64,
}

impl Default for ResnetConfig {
    fn default() -> Self {
        Self {
            dim: 128,
            channels: vec![16, 32, 64],
            blocks: vec![1, 1, 1],
            stem: Stem::Small,
            norm: Normalize::Batch,
            pool: Pool::Mean,
            coordinates: false,
            non_local: Vec::new(),
            dropout: 0.0,
        }
    }
}

impl ResnetConfig {
    /// Makes the encoder.
    pub fn build(&self, build: &Build) -> Result<Resnet> {
        at_least("dim", self.dim, 1)?;
        at_least("channels", self.channels.len(), 1)?;
        widths("channels", &self.channels)?;
        widths("blocks", &self.blocks)?;
        within("dropout", self.dropout, 0.0, 0.95)?;
        NonLocal::check(&self.non_local, self.channels.len())?;
        if self.blocks.len() != self.channels.len() {
            let problem = format!("of {} stages, and `channels` has {}", self.blocks.len(), self.channels.len());
            return Err(Error::config("blocks", problem));
        }
        let mut input = self.channels[0];
        let (kernel, stride) = if self.stem == Stem::Large { (7, 2) } else { (3, 1) };
        let stem = Convolution::new([build.dim("input")?, input], kernel, stride, self.norm, build.device);
        let mut stages = Vec::new();
        for (at, (channels, blocks)) in self.channels.iter().zip(&self.blocks).enumerate() {
            let mut stage = Vec::new();
            for block in 0..*blocks {
                let stride = if at > 0 && block == 0 { 2 } else { 1 };
                stage.push(Residual::new([input, *channels], stride, self.norm, build.device));
                input = *channels;
            }
            let non_local = self.non_local.contains(&(at + 1)).then(|| NonLocal::new(input, build.device));
            stages.push(Stage { blocks: stage, non_local });
        }
        let halvings = self.channels.len() - 1 + if self.stem == Stem::Large { 2 } else { 0 };
        let places = |size: usize| (0..halvings).fold(size, |size, _| size.div_ceil(2));
        let places = [input, places(build.dim("height")?), places(build.dim("width")?)];
        let features = self.pool.width(places, self.coordinates)?;
        Ok(Resnet {
            stem,
            stages,
            output: Linear::new(features, self.dim, build.device),
            dropout: DropoutConfig::new(self.dropout).init(),
            dim: self.dim,
            is_large: self.stem == Stem::Large,
            coordinates: self.coordinates,
            pool: self.pool,
        })
    }
}

/// See [`ResnetConfig`].
#[derive(Module, Debug)]
pub struct Resnet {
    stem: Convolution,
    stages: Vec<Stage>,
    output: Linear,
    dropout: Dropout,
    dim: usize,
    is_large: bool,
    coordinates: bool,
    #[module(skip)]
    pool: Pool,
}

/// Blocks of one size, and what follows them.
#[derive(Module, Debug)]
struct Stage {
    blocks: Vec<Residual>,
    non_local: Option<NonLocal>,
}

/// Two convolutions, and what they leave out.
#[derive(Module, Debug)]
struct Residual {
    first: Convolution,
    second: Convolution,
    shortcut: Option<Convolution>,
}

impl Residual {
    fn new([input, output]: [usize; 2], stride: usize, norm: Normalize, device: &Device) -> Self {
        let changes = stride > 1 || input != output;
        Self {
            first: Convolution::new([input, output], 3, stride, norm, device),
            second: Convolution::new([output, output], 3, 1, norm, device),
            shortcut: changes.then(|| Convolution::new([input, output], 1, stride, norm, device)),
        }
    }

    fn forward(&self, x: Tensor<4>) -> Result<Tensor<4>> {
        let change = self.second.forward(self.first.activate(x.clone())?)?;
        let x = match &self.shortcut {
            Some(shortcut) => shortcut.forward(x)?,
            None => x,
        };
        Ok(relu(x + change))
    }
}

impl Encode for Resnet {
    fn dim(&self) -> usize {
        self.dim
    }

    /// `[batch, channels, height, width]` to `[batch, tokens, dim]`.
    fn encode(&self, input: &Input) -> Result<Tokens> {
        let mut x = self.stem.activate(input.image()?)?;
        if self.is_large {
            x = shrink_overlapping(x, 1);
        }
        for stage in &self.stages {
            x = stage.blocks.iter().try_fold(x, |x, block| block.forward(x))?;
            if let Some(non_local) = &stage.non_local {
                x = non_local.forward_places(x, &input.mask);
            }
        }
        let places = self.pool.tokens(x, input.mask.clone(), self.coordinates);
        Ok(Tokens { values: self.output.forward(self.dropout.forward(places.values)), mask: places.mask })
    }
}
