//! A clip by transposed convolutions over time and space.
use super::{
    Decode, Sampling,
    clip::{self, Film},
    latent::Latent,
};
use crate::{
    Input, Prediction, Result, Tokens,
    kernels::spread,
    layers::{Mlp, Norm, Normalize, conv::convolve, deconvolve::shrinks},
    types::{Build, widths},
};
use burn::module::Module;
use burn::nn::{
    PaddingConfig2d,
    conv::{Conv2d, Conv2dConfig},
};
use burn::tensor::{Device, Tensor};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// For a clip: the mean of the fused tokens through a perceptron to a small grid over time and space, which transposed
/// convolutions double until it is the clip (the generator of a scene that moves of VGAN, Vondrick et al. 2016,
/// arXiv:1609.02612). Differs: each is one over time and one over space, the way back of `r2plus1d` (Tran et al. 2017,
/// arXiv:1711.11248), as they cost less. With a `code`, what the input does not tell, such as where a thing stands, is drawn
/// by chance, as in `vae`; then it takes the loss `own`, or else `mse` or `mae`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Deconv3dConfig {
    /// Widths of the perceptron's hidden layers.
    pub hidden: Vec<usize>,
    /// Channels of the small grid and behind each doubling but the last, which makes the colours. The first doublings are of
    /// height and width alone where there are more than the frames ask for.
    pub channels: Vec<usize>,
    /// Numbers of the code; 0: none.
    pub code: usize,
    /// Deviation of a colour, from -1 to 1, that counts as likely where there is a code: the smaller, the more of a clip is
    /// in its code.
    pub deviation: f64,
}

impl Default for Deconv3dConfig {
    fn default() -> Self {
        Self { hidden: vec![256], channels: vec![64, 32, 16], code: 0, deviation: 0.1 }
    }
}

impl Deconv3dConfig {
    /// Makes the decoder.
    pub fn build(&self, build: &Build) -> Result<Deconv3d> {
        widths("hidden", &self.hidden)?;
        let ([time, height, width], device) = (clip::size(build)?, build.device);
        let (count, shrunk) = (self.channels.len(), shrinks(&self.channels, [height, width])?);
        let over_time = count.min(time.next_power_of_two().ilog2() as usize);
        let grid = [time.div_ceil(1 << over_time), self.channels[0], height.div_ceil(shrunk), width.div_ceil(shrunk)];
        let outputs = self.channels[1..].iter().copied().chain([3]);
        let step = |(at, (input, output)): (usize, (&usize, usize))| {
            Step::new(*input, output, at + over_time >= count, at + 1 < count, device)
        };
        Ok(Deconv3d {
            latent: clip::latent(self.code, self.deviation, &self.channels, build)?,
            input: Mlp::new(build.dim("fused")? + self.code, &self.hidden, grid.iter().product(), 0.0, device),
            first: Norm::new(Normalize::Batch, self.channels[0], device),
            steps: self.channels.iter().zip(outputs).enumerate().map(step).collect(),
            grid,
            size: [time, height, width],
        })
    }
}

/// See [`Deconv3dConfig`].
#[derive(Module, Debug)]
pub struct Deconv3d {
    latent: Option<Latent>,
    input: Mlp,
    first: Norm,
    steps: Vec<Step>,
    /// Time, channels, height and width of the small grid.
    grid: [usize; 4],
    /// Frames, height and width of the clip.
    size: [usize; 3],
}

/// A convolution over a frame and its neighbours, one over space that doubles height and width, and what follows them.
#[derive(Module, Debug)]
struct Step {
    time: Conv2d,
    time_norm: Norm,
    space: Conv2d,
    space_norm: Option<Norm>,
    /// Frames that each frame becomes.
    times: usize,
}

impl Step {
    fn new(input: usize, output: usize, doubles: bool, normalizes: bool, device: &Device) -> Self {
        let conv = |input, output, window: [usize; 2]| {
            let [high, wide] = window.map(|size| size / 2);
            let padding = PaddingConfig2d::Explicit(high, wide, high, wide);
            Conv2dConfig::new([input, output], window).with_padding(padding).init(device)
        };
        let norm = |channels| Norm::new(Normalize::Batch, channels, device);
        let times = if doubles { 2 } else { 1 };
        Self {
            time: conv(input, times * input, [3, 1]),
            time_norm: norm(input),
            space: conv(input, 4 * output, [3, 3]),
            space_norm: normalizes.then(|| norm(output)),
            times,
        }
    }

    /// Frames `[batch * time, channels, height, width]` of clips of `time` frames.
    fn forward(&self, x: Tensor<4>, time: usize) -> Result<Tensor<4>> {
        let [frames, channels, height, width] = x.dims();
        let (batch, places) = (frames / time, height * width);
        let x = x.reshape([batch, time, channels, places]).swap_dims(1, 2);
        let x = convolve(&self.time, x)?.reshape([batch, channels, self.times, time, places]);
        let x = x.permute([0, 3, 2, 1, 4]).reshape([frames * self.times, channels, height, width]);
        let x = spread(convolve(&self.space, self.time_norm.activate(x, None, None, false)?)?);
        match &self.space_norm {
            Some(norm) => norm.activate(x, None, None, false),
            None => Ok(x),
        }
    }
}

impl Film for Deconv3d {
    fn latent(&self) -> Option<&Latent> {
        self.latent.as_ref()
    }

    fn frames(&self) -> usize {
        self.size[0]
    }

    fn film(&self, _: &Tokens, vector: Tensor<2>) -> Result<Tensor<5>> {
        let ([batch, _], [mut time, channels, height, width]) = (vector.dims(), self.grid);
        let x = self.input.forward(vector).reshape([batch * time, channels, height, width]);
        let mut x = self.first.activate(x, None, None, false)?;
        for step in &self.steps {
            x = step.forward(x, time)?;
            time *= step.times;
        }
        let ([_, colours, high, wide], [frames, height, width]) = (x.dims(), self.size);
        let clips = x.reshape([batch, time, colours, high, wide]);
        Ok(clips.narrow(1, 0, frames).narrow(3, 0, height).narrow(4, 0, width))
    }
}

impl Decode for Deconv3d {
    /// `[batch, tokens, dim]` to clips `[batch, time, 3, height, width]`; with a code, given them, to the negative bound of
    /// their log-likelihood by number.
    fn decode(&self, fused: &Tokens, target: Option<&Input>) -> Result<Prediction> {
        clip::decode(self, fused, target)
    }

    fn generate(&self, fused: &Tokens, sampling: &Sampling) -> Result<Prediction> {
        clip::generate(self, fused, sampling)
    }
}
