//! Convolutional network over a picture, or over a spectrogram as a picture of one channel.
use super::Encode;
use crate::{
    Error, Input, Result, Tokens,
    layers::{Linear, NonLocal, Norm, Normalize, Pool, conv::activate, places::shrink},
    types::{Build, Values, at_least, within},
};
use burn::module::Module;
use burn::nn::{
    Dropout, DropoutConfig, PaddingConfig2d,
    conv::{Conv2d, Conv2dConfig},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// For images and for sounds as log-mel spectrograms: stages of 3×3 convolutions, each followed by normalisation and
/// ReLU, and closed by 2×2 max-pooling (LeCun et al. 1998, doi:10.1109/5.726791; the depth of a stage as in Simonyan and
/// Zisserman 2014, arXiv:1409.1556).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct CnnConfig {
    /// Width of the tokens.
    pub dim: usize,
    /// Channels of each stage; every stage halves height and width.
    pub channels: Vec<usize>,
    /// Convolutions a stage.
    pub depth: usize,
    /// What follows each convolution: `batch`, `local_response` or `none`.
    pub norm: Normalize,
    /// How places become tokens: `flatten`, `mean` or `grid`.
    pub pool: Pool,
    /// Whether the places of `grid` are told their row and column, from -1 to 1 (Santoro et al. 2017, arXiv:1706.01427).
    pub coordinates: bool,
    /// Stages that a non-local block follows, counted from 1 (Wang et al. 2018, arXiv:1711.07971); its cost grows with the
    /// square of the places.
    pub non_local: Vec<usize>,
    /// Probability that a value is dropped before the last layer in training.
    pub dropout: f64,
}

impl Default for CnnConfig {
    fn default() -> Self {
        Self {
            dim: 128,
            channels: vec![16, 32, 64],
            depth: 1,
            norm: Normalize::Batch,
            pool: Pool::Flatten,
            coordinates: false,
            non_local: Vec::new(),
            dropout: 0.0,
        }
    }
}

impl CnnConfig {
    /// Makes the encoder.
    pub fn build(&self, build: &Build) -> Result<Cnn> {
        at_least("dim", self.dim, 1)?;
        at_least("channels", self.channels.len(), 1)?;
        at_least("depth", self.depth, 1)?;
        within("dropout", self.dropout, 0.0, 0.95)?;
        NonLocal::check(&self.non_local, self.channels.len())?;
        if build.dims.contains_key("frames") {
            let error = Error::config("type", "`cnn` reads a picture or a sound, not a video");
            return Err(error.with_help("choose type = \"frames\" or \"r2plus1d\""));
        }
        // a picture has colours, a height and a width; a sound has mel bands and, where it is fixed, a time
        let picture = build.dims.contains_key("height");
        let (colours, height, width) = match picture {
            true => (build.dim("input")?, Some(build.dim("height")?), build.dim("width")?),
            false => (1, build.dims.get("time").copied(), build.dim("input")?),
        };
        let (mut stages, mut input) = (Vec::new(), colours);
        for (at, channels) in self.channels.iter().enumerate() {
            at_least(&format!("channels[{at}]"), *channels, 1)?;
            for layer in 0..self.depth {
                let conv = Conv2dConfig::new([input, *channels], [3, 3])
                    .with_padding(PaddingConfig2d::Explicit(1, 1, 1, 1))
                    .with_bias(self.norm != Normalize::Batch)
                    .init(build.device);
                let norm = Norm::new(self.norm, *channels, build.device);
                let shrink = layer + 1 == self.depth;
                let non_local = shrink && self.non_local.contains(&(at + 1));
                let non_local = non_local.then(|| NonLocal::new(*channels, build.device));
                stages.push(Stage { conv, norm, shrink, non_local });
                input = *channels;
            }
        }
        let halve = |size: usize| (0..self.channels.len()).fold(size, |size, _| size.div_ceil(2));
        let features = match (self.pool, picture, height) {
            (Pool::Flatten, _, None) => {
                let error = Error::config("pool", "`flatten` needs sounds or series of one length");
                return Err(
                    error.with_help("give the modality a `seconds` (a series: `length`), or choose pool = \"mean\"")
                );
            }
            (_, false, _) if self.coordinates => {
                return Err(Error::config("coordinates", "a sound has no rows and columns"));
            }
            (Pool::Flatten, _, Some(height)) | (_, true, Some(height)) => {
                self.pool.width([input, halve(height), halve(width)], self.coordinates)?
            }
            _ => input * halve(width),
        };
        Ok(Cnn {
            stages,
            output: Linear::new(features, self.dim, build.device),
            dropout: DropoutConfig::new(self.dropout).init(),
            dim: self.dim,
            pool: self.pool,
            coordinates: self.coordinates,
        })
    }
}

/// See [`CnnConfig`].
#[derive(Module, Debug)]
pub struct Cnn {
    stages: Vec<Stage>,
    output: Linear,
    dropout: Dropout,
    dim: usize,
    #[module(skip)]
    pool: Pool,
    coordinates: bool,
}

/// One convolution and what follows it.
#[derive(Module, Debug)]
struct Stage {
    conv: Conv2d,
    norm: Norm,
    shrink: bool,
    non_local: Option<NonLocal>,
}

impl Encode for Cnn {
    fn dim(&self) -> usize {
        self.dim
    }

    /// `[batch, channels, height, width]` or `[batch, time, bands]` to `[batch, tokens, dim]`.
    fn encode(&self, input: &Input) -> Result<Tokens> {
        let picture = matches!(input.values, Values::Image(_));
        let mut x = match picture {
            true => input.image()?,
            // [batch, 1, time, bands]; what stands in the padding must not be seen by the first convolution
            false => (input.series()? * input.mask.clone().unsqueeze_dim(2)).unsqueeze_dim(1),
        };
        let mut mask = input.mask.clone();
        for stage in &self.stages {
            let padding = (!picture).then_some(&mask); // must not leak into the sound
            x = activate(&stage.conv, &stage.norm, x, padding, stage.shrink)?;
            if stage.shrink && !picture {
                let [batch, time] = mask.dims();
                mask = shrink(mask.reshape([batch, 1, time, 1]), [2, 1]).reshape([batch as i64, -1]);
            }
            if let Some(non_local) = &stage.non_local {
                x = non_local.forward_places(x, &mask);
            }
        }
        let present = input.mask.clone().max_dim(1);
        let places = match picture || self.pool == Pool::Flatten {
            true => self.pool.tokens(x, present.clone(), self.coordinates),
            false => {
                let [batch, channels, time, bands] = x.dims();
                Tokens { values: x.swap_dims(1, 2).reshape([batch, time, channels * bands]), mask }
            }
        };
        if self.pool == Pool::Mean {
            let vector = self.output.forward(self.dropout.forward(places.pool()));
            return Ok(Tokens::one(vector, present));
        }
        Ok(Tokens { values: self.output.forward(self.dropout.forward(places.values)), mask: places.mask })
    }
}
