//! A convolutional network over each frame of a clip, and what joins the frames.
use super::{
    Encode,
    cnn::{Cnn, CnnConfig},
    transformer::{Transformer, TransformerConfig},
};
use crate::{
    Error, Input, Result, Tokens,
    layers::{self, Normalize, Pool},
    types::{Build, Values},
};
use burn::module::Module;
use burn::tensor::Tensor;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How the frames of a clip become tokens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Time {
    /// One token: the mean over all frames. Their order is not seen.
    Mean,
    /// One token a frame, from a transformer over all frames.
    #[default]
    Transformer,
}

/// For videos: the network of `cnn` over each frame, and over the frames their mean (Karpathy et al. 2014,
/// doi:10.1109/CVPR.2014.223, the single-frame model) or a transformer with sinusoidal positions (as the factorised
/// encoder of Arnab et al. 2021, arXiv:2103.15691). Differs: frames are encoded by convolutions.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct FramesConfig {
    /// Width of the tokens.
    pub dim: usize,
    /// Channels of each stage of convolutions; every stage halves height and width.
    pub channels: Vec<usize>,
    /// Convolutions a stage.
    pub depth: usize,
    /// What follows each convolution: `batch` or `none`.
    pub norm: Normalize,
    /// How the places of a frame become one vector: `flatten` or `mean`.
    pub pool: Pool,
    /// How frames become tokens: `transformer` or `mean`.
    pub time: Time,
    /// Attention blocks of the transformer.
    pub num_layers: usize,
    /// Attention heads of the transformer; a divisor of `dim`.
    pub num_heads: usize,
    /// Probability that a value is dropped in training.
    pub dropout: f64,
}

impl Default for FramesConfig {
    fn default() -> Self {
        let cnn = CnnConfig::default();
        Self {
            dim: cnn.dim,
            channels: cnn.channels,
            depth: cnn.depth,
            norm: cnn.norm,
            pool: cnn.pool,
            time: Time::default(),
            num_layers: 1,
            num_heads: 4,
            dropout: 0.0,
        }
    }
}

impl FramesConfig {
    /// Makes the encoder.
    #[allow(clippy::needless_update, reason = "options that those parts get later keep their defaults")]
    pub fn build(&self, build: &Build) -> Result<Frames> {
        build.dim("frames")?;
        if self.pool == Pool::Grid {
            return Err(Error::config("pool", "`grid` gives many tokens a frame, expected `flatten` or `mean`"));
        }
        let of = |names: &[&str]| -> Result<Build> {
            let dims = names.iter().map(|name| Ok((name.to_string(), build.dim(name)?))).collect::<Result<_>>()?;
            Ok(Build { dims, device: build.device })
        };
        let (dim, channels, dropout) = (self.dim, self.channels.clone(), self.dropout);
        let (depth, norm, pool) = (self.depth, self.norm, self.pool);
        let cnn = CnnConfig { dim, channels, depth, norm, pool, dropout, ..CnnConfig::default() };
        let cnn = cnn.build(&of(&["input", "height", "width"])?)?;
        let (num_layers, num_heads) = (self.num_layers, self.num_heads);
        let over = TransformerConfig { dim, num_layers, num_heads, dropout, ..TransformerConfig::default() };
        let vectors = Build { dims: [("input".to_string(), dim)].into(), device: build.device };
        let time = (self.time == Time::Transformer).then(|| over.build(&vectors)).transpose()?;
        Ok(Frames { cnn, time })
    }
}

/// See [`FramesConfig`].
#[derive(Module, Debug)]
pub struct Frames {
    cnn: Cnn,
    time: Option<Transformer>,
}

impl Encode for Frames {
    fn dim(&self) -> usize {
        self.cnn.dim()
    }

    /// `[batch, time, channels, height, width]` to `[batch, tokens, dim]`.
    fn encode(&self, input: &Input) -> Result<Tokens> {
        let frames = layers::Frames::new(input)?;
        let mask = Tensor::ones([frames.values.dims()[0], 1], &frames.values.device());
        let pictures = Input { values: Values::Image(frames.values.clone()), mask, rows: None };
        let tokens = frames.tokens(self.cnn.encode(&pictures)?.values.squeeze_dim(1));
        match &self.time {
            None => Ok(Tokens::one(tokens.pool(), tokens.present())),
            Some(time) => time.encode(&Input { values: Values::Series(tokens.values), mask: tokens.mask, rows: None }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encode::r2plus1d::R2plus1dConfig;

    #[test]
    fn what_it_cannot_read_is_said_when_it_is_built() {
        let device = crate::train::device();
        let dims =
            |names: &[&str]| Build { dims: names.iter().map(|name| (name.to_string(), 8)).collect(), device: &device };
        let (picture, clip) = (dims(&["input", "height", "width"]), dims(&["input", "frames", "height", "width"]));
        let no_clip = "config: reads `frames`; here are: height, input, width";
        assert_eq!(FramesConfig::default().build(&picture).unwrap_err().to_string(), no_clip);
        assert_eq!(R2plus1dConfig::default().build(&picture).unwrap_err().to_string(), no_clip);
        let error = CnnConfig::default().build(&clip).unwrap_err();
        assert_eq!(error.to_string(), "type: `cnn` reads a picture or a sound, not a video");
        assert!(error.help().unwrap().contains("frames"));
        let grid = FramesConfig { pool: Pool::Grid, ..FramesConfig::default() };
        assert!(grid.build(&clip).unwrap_err().to_string().starts_with("pool: `grid`"));
    }
}
