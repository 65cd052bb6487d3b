//! Convolutions over space and over time, one after the other.
use super::Encode;
use crate::{
    Input, Result, Tokens,
    layers::{Frames, Linear, NonLocal, Norm, Normalize, conv::activate},
    types::{Build, at_least, within},
};
use burn::module::Module;
use burn::nn::{
    Dropout, DropoutConfig, PaddingConfig2d,
    conv::{Conv2d, Conv2dConfig},
};
use burn::tensor::Tensor;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How the last stage's frames become tokens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Steps {
    /// One token: the mean over all frames and places.
    #[default]
    Mean,
    /// One token a frame: the mean over its places.
    Frames,
}

/// For videos: (2+1)D convolutions, 3×3 over each frame and then 3 over time, each followed by normalisation and ReLU
/// (Tran et al. 2018, arXiv:1711.11248, with as many weights as the 3×3×3 convolutions they stand for). Differs: no
/// residuals; a stage is closed by 2×2 max-pooling; padding frames are left out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct R2plus1dConfig {
    /// Width of the tokens.
    pub dim: usize,
    /// Channels of each stage; every stage halves height and width.
    pub channels: Vec<usize>,
    /// (2+1)D convolutions a stage.
    pub depth: usize,
    /// Every stage but the first keeps one frame of this many, 1 to 3.
    pub time_stride: usize,
    /// What follows each convolution: `batch` or `none`.
    pub norm: Normalize,
    /// Whether a non-local block follows the last stage, in which each place of each frame looks at all others (Wang et
    /// al. 2018, arXiv:1711.07971).
    pub non_local: bool,
    /// How frames become tokens: `mean` or `frames`.
    pub pool: Steps,
    /// Probability that a value is dropped before the last layer in training.
    pub dropout: f64,
}

impl Default for R2plus1dConfig {
    fn default() -> Self {
        Self {
            dim: 128,
            channels: vec![16, 32, 64],
            depth: 1,
            time_stride: 2,
            norm: Normalize::Batch,
            non_local: false,
            pool: Steps::Mean,
            dropout: 0.0,
        }
    }
}

impl R2plus1dConfig {
    /// Makes the encoder.
    pub fn build(&self, build: &Build) -> Result<R2plus1d> {
        build.dim("frames")?;
        at_least("dim", self.dim, 1)?;
        at_least("channels", self.channels.len(), 1)?;
        at_least("depth", self.depth, 1)?;
        within("time_stride", self.time_stride as f64, 1.0, 3.0)?;
        within("dropout", self.dropout, 0.0, 0.95)?;
        let (mut stages, mut input) = (Vec::new(), build.dim("input")?);
        for (at, &channels) in self.channels.iter().enumerate() {
            at_least(&format!("channels[{at}]"), channels, 1)?;
            for layer in 0..self.depth {
                let inner = (27 * input * channels / (9 * input + 3 * channels)).max(1);
                let conv = |from, to, side: usize| {
                    let padding = PaddingConfig2d::Explicit(side / 2, side / 2, side / 2, side / 2);
                    let conv = Conv2dConfig::new([from, to], [side, side]).with_padding(padding);
                    conv.with_bias(self.norm != Normalize::Batch).init(build.device)
                };
                stages.push(Stage {
                    space: conv(input, inner, 3),
                    space_norm: Norm::new(self.norm, inner, build.device),
                    time: conv(3 * inner, channels, 1),
                    time_norm: Norm::new(self.norm, channels, build.device),
                    every: if at > 0 && layer == 0 { self.time_stride } else { 1 },
                    shrink: layer + 1 == self.depth,
                });
                input = channels;
            }
        }
        Ok(R2plus1d {
            stages,
            non_local: self.non_local.then(|| NonLocal::new(input, build.device)),
            output: Linear::new(input, self.dim, build.device),
            dropout: DropoutConfig::new(self.dropout).init(),
            dim: self.dim,
            pool: self.pool,
        })
    }
}

/// See [`R2plus1dConfig`].
#[derive(Module, Debug)]
pub struct R2plus1d {
    stages: Vec<Stage>,
    non_local: Option<NonLocal>,
    output: Linear,
    dropout: Dropout,
    dim: usize,
    #[module(skip)]
    pool: Steps,
}

/// A convolution over space, one over time (1×1 over a frame and its neighbours), and what follows them.
#[derive(Module, Debug)]
struct Stage {
    space: Conv2d,
    space_norm: Norm,
    time: Conv2d,
    time_norm: Norm,
    every: usize,
    shrink: bool,
}

impl Encode for R2plus1d {
    fn dim(&self) -> usize {
        self.dim
    }

    /// `[batch, time, channels, height, width]` to `[batch, tokens, dim]`.
    fn encode(&self, input: &Input) -> Result<Tokens> {
        let mut frames = Frames::new(input)?;
        for stage in &self.stages {
            let x = activate(&stage.space, &stage.space_norm, frames.values.clone(), None, false)?;
            frames = frames.with(x).neighbours(stage.every);
            let x = activate(&stage.time, &stage.time_norm, frames.values.clone(), None, stage.shrink)?;
            frames = frames.with(x);
        }
        if let Some(block) = &self.non_local {
            frames = look_around(block, &frames);
        }
        let [count, channels, height, width] = frames.values.dims();
        let vectors = frames.values.clone().reshape([count, channels, height * width]).mean_dim(2).squeeze_dim(2);
        let tokens = frames.tokens(vectors);
        if self.pool == Steps::Mean {
            let vector = self.output.forward(self.dropout.forward(tokens.pool()));
            return Ok(Tokens::one(vector, tokens.present()));
        }
        Ok(Tokens { values: self.output.forward(self.dropout.forward(tokens.values)), mask: tokens.mask })
    }
}

/// The non-local block over all places of all frames of a clip.
fn look_around(block: &NonLocal, frames: &Frames) -> Frames {
    let [count, channels, height, width] = frames.values.dims();
    let places = height * width;
    let tokens = frames.tokens(frames.values.clone().reshape([count, channels * places]));
    let [batch, time, _] = tokens.values.dims();
    let x: Tensor<4> = tokens.values.reshape([batch, time, channels, places]).swap_dims(1, 2);
    let mask = tokens.mask.unsqueeze_dim::<3>(2).expand([batch, time, places]).reshape([batch, time * places]);
    let x = block.forward(x.reshape([batch, channels, time * places]), &mask);
    let x: Tensor<4> = x.reshape([batch, channels, time, places]).swap_dims(1, 2);
    let x = frames.of_tokens(x.reshape([batch, time, channels * places]));
    frames.with(x.reshape([count, channels, height, width]))
}
