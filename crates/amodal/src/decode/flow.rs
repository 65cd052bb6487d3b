//! A picture, a sound or a clip that noise is moved to, step by step.
use super::{
    Decode, Sampling,
    rectified::{self, Foretell, Medium, Ways},
};
use crate::{
    Input, Prediction, Result, Tokens,
    layers::{
        Absent, Block, BlockConfig, LayerNorm, Linear,
        attention::check_pairs,
        conv::convolve,
        position::{grid_sinusoids, sinusoids_at},
    },
    types::{Build, at_least},
};
use burn::module::{Module, Param};
use burn::nn::{
    PaddingConfig2d,
    conv::{Conv2d, Conv2dConfig},
};
use burn::tensor::Tensor;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// For a picture, a sound of fixed length (`seconds` of its target) or a clip: noise is moved to what is asked, along lines
/// that are as straight as can be (rectified flow, Liu et al. 2022, arXiv:2209.03003), by a transformer over the fused tokens
/// and patches of what is drawn, with skips from its first half to its second (U-ViT, Bao et al. 2022, arXiv:2209.12152). It
/// foretells what is drawn, and its error is that of the velocity (Li and He 2025, arXiv:2511.13720). What is asked for is
/// left out at times in training, so that it can be gone beyond (guidance without a classifier, Ho and Salimans 2022,
/// arXiv:2207.12598). Takes the loss `own`, and `sampling.temperature = 1`. Differs: the time and the mean of the fused tokens
/// are added to each patch, and a patch is read and made with those around it, by windows of 3×3.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct FlowConfig {
    /// Width of the tokens.
    pub dim: usize,
    /// Attention blocks; half of them, rounded down, have a skip to one of the others.
    pub num_layers: usize,
    /// Attention heads; a divisor of `dim`.
    pub num_heads: usize,
    /// Height and width of a patch of a picture or a frame, in pixels; at most all of it.
    pub patch: usize,
    /// Frames of a clip, or windows of a sound with all their bands, that one patch spans; at most all of them.
    pub span: usize,
    /// Probability that a row is drawn without what is asked for in training.
    pub withheld: f64,
    /// How many times as far as what is asked for leads from what is drawn without it; 1: as learned.
    pub guidance: f64,
    /// Steps from noise to what is drawn; in each the network is asked twice, in the last
    /// once.
    pub steps: usize,
    /// Probability that a value is dropped in training.
    pub dropout: f64,
}

impl Default for FlowConfig {
    fn default() -> Self {
        Self {
            dim: 128,
            num_layers: 5,
            num_heads: 4,
            patch: 4,
            span: 2,
            withheld: 0.1,
            guidance: 2.0,
            steps: 10,
            dropout: 0.0,
        }
    }
}

impl FlowConfig {
    /// Makes the decoder.
    pub fn build(&self, build: &Build) -> Result<Flow> {
        at_least("dim", self.dim, 1)?;
        at_least("num_layers", self.num_layers, 1)?;
        at_least("patch", self.patch, 1)?;
        at_least("span", self.span, 1)?;
        let ways = Ways::new(self.withheld, self.guidance, self.steps, build)?;
        let ([frames, channels, height, width], device, dim) = (ways.size, build.device, self.dim);
        let side = |size: usize| self.patch.min(size);
        let patch = match ways.medium {
            Medium::Sound => [self.span.min(frames), 1, width],
            Medium::Picture | Medium::Clip => [self.span.min(frames), side(height), side(width)],
        };
        let grid = [frames.div_ceil(patch[0]), height.div_ceil(patch[1]), width.div_ceil(patch[2])];
        let numbers = channels * patch.iter().product::<usize>();
        let window = |input, output| {
            let padding = PaddingConfig2d::Explicit(1, 1, 1, 1);
            Conv2dConfig::new([input, output], [3, 3]).with_padding(padding).init(device)
        };
        let block = BlockConfig { dim, num_heads: self.num_heads, dropout: self.dropout };
        let blocks = (0..self.num_layers).map(|_| block.build(device)).collect::<Result<_>>()?;
        Ok(Flow {
            asked: Linear::new(build.dim("fused")?, dim, device),
            absent: Absent::new(dim, device),
            time: Linear::new(dim, dim, device),
            input: window(numbers, dim),
            places: Param::from_tensor(grid_sinusoids(grid, dim, device)),
            blocks,
            skips: (0..self.num_layers / 2).map(|_| Linear::new(2 * dim, dim, device)).collect(),
            norm: LayerNorm::new(dim, device),
            output: window(dim, numbers),
            ways,
            patch,
            grid,
            dim,
            num_heads: self.num_heads,
        })
    }
}

/// See [`FlowConfig`].
#[derive(Module, Debug)]
pub struct Flow {
    asked: Linear,
    /// Stands for what is asked, where nothing is.
    absent: Absent,
    time: Linear,
    /// Sees a patch and those around it.
    input: Conv2d,
    /// One vector a patch; sinusoids at first.
    places: Param<Tensor<2>>,
    blocks: Vec<Block>,
    skips: Vec<Linear>,
    norm: LayerNorm,
    /// Of a patch and those around it.
    output: Conv2d,
    #[module(skip)]
    ways: Ways,
    /// Frames, height and width of a patch.
    patch: [usize; 3],
    /// Patches over the frames, the height and the width.
    grid: [usize; 3],
    dim: usize,
    num_heads: usize,
}

impl Flow {
    /// `[batch, frames, channels, height, width]` as `[batch, patches, numbers]`, zero beyond its edges.
    fn cut(&self, x: Tensor<5>) -> Tensor<3> {
        let [batch, frames, channels, height, width] = x.dims();
        let ([along, down, across], [span, tall, wide]) = (self.grid, self.patch);
        let full = [batch, along * span, channels, down * tall, across * wide];
        let x = match full == x.dims() {
            true => x,
            false => Tensor::zeros(full, &x.device())
                .slice_assign([0..batch, 0..frames, 0..channels, 0..height, 0..width], x),
        };
        let x = x.reshape([batch * along, span * channels, down, tall, across, wide]).permute([0, 2, 4, 1, 3, 5]);
        x.reshape([batch, along * down * across, span * channels * tall * wide])
    }

    /// The way back of [`cut`](Self::cut).
    fn join(&self, x: Tensor<3>) -> Tensor<5> {
        let ([batch, ..], [frames, channels, height, width]) = (x.dims(), self.ways.size);
        let ([along, down, across], [span, tall, wide]) = (self.grid, self.patch);
        let x = x.reshape([batch * along, down, across, span * channels, tall, wide]).permute([0, 3, 1, 4, 2, 5]);
        let x = x.reshape([batch, along * span, channels, down * tall, across * wide]);
        x.narrow(1, 0, frames).narrow(3, 0, height).narrow(4, 0, width)
    }

    /// Patches, `[batch, patches, width]`, each with its neighbours in a picture or a frame, or before and behind it in a sound.
    fn look(&self, window: &Conv2d, x: Tensor<3>) -> Result<Tensor<3>> {
        let ([batch, patches, width], [along, down, across]) = (x.dims(), self.grid);
        let (pictures, [down, across]) = match self.ways.medium {
            Medium::Sound => (batch, [along, across]),
            Medium::Picture | Medium::Clip => (batch * along, [down, across]),
        };
        let x = x.reshape([pictures, down * across, width]).swap_dims(1, 2);
        let x = convolve(window, x.reshape([pictures, width, down, across]))?;
        Ok(x.flatten::<3>(2, 3).swap_dims(1, 2).reshape([batch as i64, patches as i64, -1]))
    }
}

impl Foretell for Flow {
    fn ways(&self) -> &Ways {
        &self.ways
    }

    fn reader(&self) -> (&Linear, &Absent) {
        (&self.asked, &self.absent)
    }

    fn foretell(&self, x: Tensor<5>, time: &Tensor<1>, asked: &Tokens) -> Result<Tensor<5>> {
        let device = x.device();
        let x = self.cut(x);
        let ([batch, patches, _], [_, told, _]) = (x.dims(), asked.values.dims());
        // wavelengths from a thousandth of the way to several ways
        let time = self.time.forward(sinusoids_at(time.clone().mul_scalar(1e3), self.dim)).unsqueeze_dim::<3>(1);
        let whole = time + asked.pool().unsqueeze_dim(1);
        let x = self.look(&self.input, x)? + self.places.val().unsqueeze_dim(0) + whole;
        let mask = Tensor::cat(vec![asked.mask.clone(), Tensor::ones([batch, patches], &device)], 1);
        let mut x = Tokens { values: Tensor::cat(vec![asked.values.clone(), x], 1), mask };
        let (mut kept, mut skips) = (Vec::with_capacity(self.skips.len()), self.skips.iter());
        for (at, block) in self.blocks.iter().enumerate() {
            if at >= self.blocks.len() - self.skips.len()
                && let (Some(skip), Some(early)) = (skips.next(), kept.pop())
            {
                x.values = skip.forward(Tensor::cat(vec![x.values, early], 2));
            }
            x = block.forward(&x);
            if at < self.skips.len() {
                kept.push(x.values.clone());
            }
        }
        Ok(self.join(self.look(&self.output, self.norm.forward(x.values.narrow(1, told, patches)))?))
    }

    fn check(&self, fused: &Tokens) -> Result<()> {
        let [batch, told, _] = fused.values.dims();
        let tokens = told + self.grid.iter().product::<usize>();
        check_pairs([batch, self.num_heads, tokens, tokens])
    }
}

impl Decode for Flow {
    /// `[batch, tokens, dim]` to pictures `[batch, 3, height, width]`, spectrograms `[batch, time, bands]` or clips
    /// `[batch, time, 3, height, width]`; given them, to the squared error of the velocity that leads to them.
    fn decode(&self, fused: &Tokens, target: Option<&Input>) -> Result<Prediction> {
        rectified::decode(self, fused, target)
    }

    fn generate(&self, fused: &Tokens, sampling: &Sampling) -> Result<Prediction> {
        rectified::generate(self, fused, sampling)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Named;

    fn build(dims: &[(&str, usize)], config: &FlowConfig) -> Flow {
        let dims: Named<usize> = dims.iter().map(|(name, size)| (name.to_string(), *size)).collect();
        config.build(&Build { dims, device: &crate::train::device() }).unwrap()
    }

    const PICTURE: [(&str, usize); 4] = [("fused", 4), ("target", 3), ("target.height", 7), ("target.width", 5)];

    #[test]
    fn patches_of_any_size_are_joined_to_what_was_cut() {
        let config = FlowConfig { dim: 8, num_heads: 2, patch: 4, span: 2, ..FlowConfig::default() };
        let sound = [("fused", 4), ("target", 3), ("target.time", 5)];
        let clip: Vec<_> = PICTURE.into_iter().chain([("target.frames", 3)]).collect();
        for (dims, grid) in [(&PICTURE[..], [1, 2, 2]), (&sound, [3, 1, 1]), (&clip, [2, 2, 2])] {
            let flow = build(dims, &config);
            assert_eq!(flow.grid, grid);
            let [frames, channels, height, width] = flow.ways.size;
            let count = 2 * frames * channels * height * width;
            let x = Tensor::arange(0..count as i64, &crate::train::device()).float();
            let x: Tensor<5> = x.reshape([2, frames, channels, height, width]);
            assert_eq!(flow.cut(x.clone()).dims()[1], grid.iter().product::<usize>());
            assert_eq!(flow.join(flow.cut(x.clone())).into_data(), x.into_data());
        }
    }

    /// Steps and guidance of a flow to one and the same picture, which no noise is left of.
    #[test]
    fn noise_is_moved_all_the_way() {
        let device = crate::train::device();
        for (steps, guidance) in [(1, 1.0), (4, 2.0), (30, 5.0)] {
            let config = FlowConfig { dim: 8, num_heads: 2, steps, guidance, ..FlowConfig::default() };
            let mut flow = build(&PICTURE, &config);
            flow.output.weight = flow.output.weight.map(|weight| weight.zeros_like());
            flow.output.bias = flow.output.bias.map(|bias| bias.map(|bias| bias.zeros_like().add_scalar(0.5)));
            let fused = Tokens { values: Tensor::ones([2, 1, 4], &device), mask: Tensor::ones([2, 1], &device) };
            let sampling = Sampling { temperature: 1.0, ..Sampling::default() };
            let Prediction::Image(made) = flow.generate(&fused, &sampling).unwrap() else { panic!("no picture") };
            assert!((made - 0.5).abs().max().into_scalar::<f32>() < 1e-5, "{steps} steps");
        }
    }
}
