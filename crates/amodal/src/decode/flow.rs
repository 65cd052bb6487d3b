//! A picture, a sound or a clip that noise is moved to, step by step.
use super::{Decode, Sampling, canvas::Canvas, clip};
use crate::{
    Input, Prediction, Result, Tokens,
    layers::{
        Absent, Block, BlockConfig, LayerNorm, Linear,
        attention::check_pairs,
        conv::convolve,
        position::{grid_sinusoids, sinusoids_at},
    },
    types::{Build, at_least, within},
};
use burn::module::{Module, Param};
use burn::nn::{
    PaddingConfig2d,
    conv::{Conv2d, Conv2dConfig},
};
use burn::tensor::{Device, Distribution, Tensor, TensorData, activation::sigmoid};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Middle and deviation of a time's logit in training: most of them nearer to noise, where what is drawn is decided (Li and
/// He 2025, arXiv:2511.13720, table 3).
const TIME: [f64; 2] = [-0.8, 0.8];
/// The least that the rest of the way counts as, so that no error weighs without bound.
const REST: f64 = 0.05;

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
        within("steps", self.steps as f64, 1.0, 1000.0)?;
        within("withheld", self.withheld, 0.0, 0.9)?;
        within("guidance", self.guidance, 0.0, 100.0)?;
        let ((medium, size), device, dim) = (Medium::of(build)?, build.device, self.dim);
        let [frames, channels, height, width] = size;
        let side = |size: usize| self.patch.min(size);
        let patch = match medium {
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
            medium,
            size,
            patch,
            grid,
            dim,
            num_heads: self.num_heads,
            withheld: self.withheld,
            guidance: self.guidance,
            steps: self.steps,
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
    medium: Medium,
    /// Frames, channels, height and width.
    size: [usize; 4],
    /// Frames, height and width of a patch.
    patch: [usize; 3],
    /// Patches over the frames, the height and the width.
    grid: [usize; 3],
    dim: usize,
    num_heads: usize,
    withheld: f64,
    guidance: f64,
    steps: usize,
}

/// What is drawn.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Medium {
    Picture,
    Sound,
    Clip,
}

impl Medium {
    /// Of the target; with its frames, of a sound its windows; its channels; its height and width, of a sound 1 and its bands.
    fn of(build: &Build) -> Result<(Self, [usize; 4])> {
        if build.dims.contains_key("target.frames") {
            let [frames, height, width] = clip::size(build)?;
            return Ok((Self::Clip, [frames, 3, height, width]));
        }
        let Canvas { channels, size: [height, width], is_sound } = Canvas::new(build)?;
        Ok(match is_sound {
            true => (Self::Sound, [height, 1, 1, width]),
            false => (Self::Picture, [1, channels, height, width]),
        })
    }
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
        let ([batch, ..], [frames, channels, height, width]) = (x.dims(), self.size);
        let ([along, down, across], [span, tall, wide]) = (self.grid, self.patch);
        let x = x.reshape([batch * along, down, across, span * channels, tall, wide]).permute([0, 3, 1, 4, 2, 5]);
        let x = x.reshape([batch, along * span, channels, down * tall, across * wide]);
        x.narrow(1, 0, frames).narrow(3, 0, height).narrow(4, 0, width)
    }

    /// Patches, `[batch, patches, width]`, each with its neighbours in a picture or a frame, or before and behind it in a sound.
    fn look(&self, window: &Conv2d, x: Tensor<3>) -> Result<Tensor<3>> {
        let ([batch, patches, width], [along, down, across]) = (x.dims(), self.grid);
        let (pictures, [down, across]) = match self.medium {
            Medium::Sound => (batch, [along, across]),
            Medium::Picture | Medium::Clip => (batch * along, [down, across]),
        };
        let x = x.reshape([pictures, down * across, width]).swap_dims(1, 2);
        let x = convolve(window, x.reshape([pictures, width, down, across]))?;
        Ok(x.flatten::<3>(2, 3).swap_dims(1, 2).reshape([batch as i64, patches as i64, -1]))
    }

    /// A target as `[batch, frames, channels, height, width]`, and which of its frames are real, `[batch, frames]`.
    fn read(&self, target: &Input) -> Result<(Tensor<5>, Tensor<2>)> {
        let [frames, _, _, bands] = self.size;
        Ok(match self.medium {
            Medium::Clip => clip::read(target, frames)?,
            Medium::Sound => (target.series()?.reshape([-1, frames as i64, 1, 1, bands as i64]), target.mask.clone()),
            Medium::Picture => (target.image()?.unsqueeze_dim(1), target.mask.clone().narrow(1, 0, 1)),
        })
    }

    /// What was drawn, `[batch, frames, channels, height, width]`.
    fn show(&self, drawn: Tensor<5>) -> Prediction {
        match self.medium {
            Medium::Clip => Prediction::Video(drawn),
            Medium::Sound => Prediction::Values(drawn.flatten(2, 4)),
            Medium::Picture => Prediction::Image(drawn.squeeze_dim(1)),
        }
    }

    /// What is drawn, as foretold at `time`, `[batch]`, of the way from noise to it.
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

    /// What is asked for, where `stays`, `[batch, 1]`, is 1.
    fn asked(&self, fused: &Tokens, stays: Tensor<2>) -> Tokens {
        let values = self.asked.forward(fused.values.clone()) * fused.mask.clone().unsqueeze_dim(2);
        self.absent
            .stand_in(&Tokens { values: values * stays.clone().unsqueeze_dim(2), mask: fused.mask.clone() * stays })
    }

    fn check(&self, fused: &Tokens) -> Result<()> {
        let [batch, told, _] = fused.values.dims();
        let tokens = told + self.grid.iter().product::<usize>();
        check_pairs([batch, self.num_heads, tokens, tokens])
    }

    /// Noise, times and which rows are told what is asked: drawn anew where gradients are recorded, and always the same
    /// otherwise, so that losses can be compared.
    fn chances(&self, batch: usize, device: &Device) -> (Tensor<5>, Tensor<1>, Tensor<2>) {
        let [frames, channels, height, width] = self.size;
        let [middle, deviation] = TIME;
        let shape = [batch, frames, channels, height, width];
        if device.is_autodiff() {
            let time = Tensor::random([batch], Distribution::Normal(middle, deviation), device);
            let drawn: Tensor<2> = Tensor::random([batch, 1], Distribution::Uniform(0.0, 1.0), device);
            let noise = Tensor::random(shape, Distribution::Normal(0.0, 1.0), device);
            return (noise, sigmoid(time), drawn.greater_equal_elem(self.withheld).float());
        }
        // evenly over the times that are drawn: within a deviation and a half
        let time = |row: usize| ((row as f64 + 0.5) / batch as f64 * 3.0 - 1.5) * deviation + middle;
        let times: Vec<f32> = (0..batch).map(|row| time(row) as f32).collect();
        let times = Tensor::from_data(TensorData::new(times, [batch]), device);
        let sampling = Sampling { temperature: 1.0, ..Sampling::default() };
        let noise = sampling.noise(batch, shape[1..].iter().product(), device).reshape(shape);
        (noise, sigmoid(times), Tensor::ones([batch, 1], device))
    }
}

impl Decode for Flow {
    /// `[batch, tokens, dim]` to pictures `[batch, 3, height, width]`, spectrograms `[batch, time, bands]` or clips
    /// `[batch, time, 3, height, width]`; given them, to the squared error of the velocity that leads to them.
    fn decode(&self, fused: &Tokens, target: Option<&Input>) -> Result<Prediction> {
        let Some(target) = target else { return self.generate(fused, &Sampling::default()) };
        self.check(fused)?;
        let (target, mask) = self.read(target)?;
        let (noise, time, stays) = self.chances(target.dims()[0], &target.device());
        let rest = time.clone().neg().add_scalar(1.0);
        let over = |time: Tensor<1>| -> Tensor<5> { time.reshape([-1, 1, 1, 1, 1]) };
        let x = target.clone() * over(time.clone()) + noise * over(rest.clone());
        let off = (self.foretell(x, &time, &self.asked(fused, stays))? - target) / over(rest.clamp_min(REST));
        let off: Tensor<2> = off.powi_scalar(2).flatten::<3>(2, 4).mean_dim(2).squeeze_dim(2);
        Ok(Prediction::Loss((off * mask.clone()).sum() / mask.sum().clamp_min(1.0)))
    }

    fn generate(&self, fused: &Tokens, sampling: &Sampling) -> Result<Prediction> {
        self.check(fused)?;
        let ([batch, ..], device) = (fused.values.dims(), fused.values.device());
        let [frames, channels, height, width] = self.size;
        let shape = [batch, frames, channels, height, width];
        let mut x: Tensor<5> = sampling.noise(batch, shape[1..].iter().product(), &device).reshape(shape);
        let asked = self.asked(fused, Tensor::ones([batch, 1], &device));
        let nothing = self.asked(fused, Tensor::zeros([batch, 1], &device));
        let velocity = |x: &Tensor<5>, at: f64| -> Result<Tensor<5>> {
            let time = Tensor::full([batch], at, &device);
            let mut drawn = self.foretell(x.clone(), &time, &asked)?;
            if self.guidance != 1.0 {
                let plain = self.foretell(x.clone(), &time, &nothing)?;
                drawn = (drawn - plain.clone()) * self.guidance + plain;
            }
            Ok((drawn - x.clone()) / (1.0 - at))
        };
        for step in 0..self.steps {
            let [now, then] = [step, step + 1].map(|step| step as f64 / self.steps as f64);
            let along = velocity(&x, now)?;
            let ahead = x.clone() + along.clone() * (then - now);
            // the mean of the velocities at both ends (Heun); at the end there is none
            x = match step + 1 == self.steps {
                true => ahead,
                false => x + (along + velocity(&ahead, then)?) * ((then - now) / 2.0),
            };
        }
        Ok(self.show(x))
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
            let [frames, channels, height, width] = flow.size;
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
