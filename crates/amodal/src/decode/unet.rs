//! A picture, a sound or a clip that noise is moved to, seen at several sizes.
use super::{
    Decode, Sampling,
    rectified::{self, Foretell, Ways},
};
use crate::{
    Error, Input, Prediction, Result, Tokens,
    kernels::spread,
    layers::{
        Absent, Block, BlockConfig, Convolution, LayerNorm, Linear, Normalize,
        attention::check_pairs,
        conv::convolve,
        position::{grid_sinusoids, sinusoids_at},
    },
    types::{Build, at_least, widths},
};
use burn::module::{Module, Param};
use burn::nn::{
    PaddingConfig2d,
    conv::{Conv2d, Conv2dConfig},
};
use burn::tensor::{
    Device, Tensor,
    activation::{relu, silu},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// For a picture, a sound of fixed length (`seconds` of its target) or a clip: noise is moved to what is asked as by `flow`,
/// by residual convolutions at one size after another, each half the one before, and back, with what was seen on the way down
/// beside what comes up (U-Net, Ronneberger et al. 2015, arXiv:1505.04597; Ho et al. 2020, arXiv:2006.11239). At the smallest
/// size its places and the fused tokens attend to each other, in blocks of a transformer (Hoogeboom et al. 2023,
/// arXiv:2301.11093). The time and what is asked scale and shift each residual convolution (Perez et al. 2018,
/// arXiv:1709.07871). Takes the loss `own`, and `sampling.temperature = 1`. Differs: batch normalisation; the frames of a clip
/// are more channels of one picture.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct UnetConfig {
    /// Channels of each size, from the largest on.
    pub channels: Vec<usize>,
    /// Height and width of a patch, in pixels, that is one place of the largest size.
    pub patch: usize,
    /// Width of the tokens at the smallest size.
    pub dim: usize,
    /// Attention blocks at the smallest size.
    pub num_layers: usize,
    /// Attention heads; a divisor of `dim`.
    pub num_heads: usize,
    /// Probability that a row is drawn without what is asked for in training.
    pub withheld: f64,
    /// How many times as far as what is asked for leads from what is drawn without it; 1: as learned.
    pub guidance: f64,
    /// Steps from noise to what is drawn; in each the network is asked twice, in the last
    /// once.
    pub steps: usize,
    /// Probability that a value is dropped in the attention blocks in training.
    pub dropout: f64,
}

impl Default for UnetConfig {
    fn default() -> Self {
        Self {
            channels: vec![16, 32, 64],
            patch: 1,
            dim: 128,
            num_layers: 2,
            num_heads: 4,
            withheld: 0.1,
            guidance: 2.0,
            steps: 10,
            dropout: 0.0,
        }
    }
}

impl UnetConfig {
    /// Makes the decoder.
    pub fn build(&self, build: &Build) -> Result<Unet> {
        at_least("dim", self.dim, 1)?;
        at_least("channels", self.channels.len(), 1)?;
        widths("channels", &self.channels)?;
        let ways = Ways::new(self.withheld, self.guidance, self.steps, build)?;
        at_least("patch", self.patch, 1)?;
        let (device, dim, [colours, height, width]) = (build.device, self.dim, ways.canvas());
        let numbers = colours * self.patch * self.patch;
        let shrunk =
            1_usize.checked_shl(self.channels.len() as u32 - 1).unwrap_or(usize::MAX).saturating_mul(self.patch);
        if height.max(width) < shrunk {
            let problem = format!("of {} sizes, and the target is {height} × {width}", self.channels.len());
            return Err(Error::config("channels", problem).with_help("give fewer channels or a smaller patch"));
        }
        let grid = [height, width].map(|size| size.div_ceil(shrunk));
        let (first, last) = (self.channels[0], self.channels[self.channels.len() - 1]);
        let window = |input, output| {
            let padding = PaddingConfig2d::Explicit(1, 1, 1, 1);
            Conv2dConfig::new([input, output], [3, 3]).with_padding(padding).init(device)
        };
        let stage = |pair: &[usize]| Stage {
            down: Residual::new([pair[0], pair[0]], dim, device),
            shrink: Convolution::new([pair[0], pair[1]], 3, 2, Normalize::Batch, device),
            grow: window(pair[1], 4 * pair[0]),
            up: Residual::new([2 * pair[0], pair[0]], dim, device),
        };
        let block = BlockConfig { dim, num_heads: self.num_heads, dropout: self.dropout };
        Ok(Unet {
            asked: Linear::new(build.dim("fused")?, dim, device),
            absent: Absent::new(dim, device),
            time: Linear::new(dim, dim, device),
            input: window(numbers, first),
            stages: self.channels.windows(2).map(stage).collect(),
            down: Residual::new([last, last], dim, device),
            tokens: Linear::new(last, dim, device),
            places: Param::from_tensor(grid_sinusoids([1, grid[0], grid[1]], dim, device)),
            blocks: (0..self.num_layers).map(|_| block.build(device)).collect::<Result<_>>()?,
            norm: LayerNorm::new(dim, device),
            channels: Linear::new(dim, last, device),
            up: Residual::new([last, last], dim, device),
            output: window(first, numbers),
            ways,
            grid,
            patch: self.patch,
            dim,
            num_heads: self.num_heads,
        })
    }
}

/// See [`UnetConfig`].
#[derive(Module, Debug)]
pub struct Unet {
    asked: Linear,
    /// Stands for what is asked, where nothing is.
    absent: Absent,
    time: Linear,
    input: Conv2d,
    /// Of each size but the smallest, the largest first.
    stages: Vec<Stage>,
    /// At the smallest size, before the tokens.
    down: Residual,
    tokens: Linear,
    /// One vector a token; sinusoids at first.
    places: Param<Tensor<2>>,
    blocks: Vec<Block>,
    norm: LayerNorm,
    channels: Linear,
    /// At the smallest size, behind the tokens.
    up: Residual,
    output: Conv2d,
    #[module(skip)]
    ways: Ways,
    /// Height and width at the smallest size.
    grid: [usize; 2],
    patch: usize,
    dim: usize,
    num_heads: usize,
}

/// The way down from one size, and back to it.
#[derive(Module, Debug)]
struct Stage {
    down: Residual,
    shrink: Convolution,
    /// Makes four places of one.
    grow: Conv2d,
    up: Residual,
}

/// Two convolutions, scaled and shifted between them by what is told, and what they leave out.
#[derive(Module, Debug)]
struct Residual {
    first: Convolution,
    told: Linear,
    second: Convolution,
    shortcut: Option<Convolution>,
}

impl Residual {
    fn new([input, output]: [usize; 2], dim: usize, device: &Device) -> Self {
        let conv = |input, kernel| Convolution::new([input, output], kernel, 1, Normalize::Batch, device);
        Self {
            first: conv(input, 3),
            told: Linear::zero(dim, 2 * output, device),
            second: conv(output, 3),
            shortcut: (input != output).then(|| conv(input, 1)),
        }
    }

    /// `[batch, channels, height, width]`, to as many places; `told` is `[batch, dim]`.
    fn forward(&self, x: Tensor<4>, told: &Tensor<2>) -> Result<Tensor<4>> {
        let change = self.first.activate(x.clone())?;
        let [_, channels, _, _] = change.dims();
        let told = self.told.forward(told.clone());
        let part = |at: usize| -> Tensor<4> { told.clone().narrow(1, at * channels, channels).unsqueeze_dims(&[2, 3]) };
        let change = self.second.forward(change * part(0).add_scalar(1.0) + part(1))?;
        let x = match &self.shortcut {
            Some(shortcut) => shortcut.forward(x)?,
            None => x,
        };
        Ok(relu(x + change))
    }
}

impl Unet {
    /// Height and width in patches.
    fn patches(&self) -> [usize; 2] {
        self.grid.map(|side| side << self.stages.len())
    }

    /// `[batch, frames, channels, height, width]` as one picture of patches, `[batch, numbers, height, width]`, zero beyond its
    /// edges.
    fn cut(&self, x: Tensor<5>) -> Tensor<4> {
        let ([batch, ..], [colours, height, width]) = (x.dims(), self.ways.canvas());
        let ([down, across], patch) = (self.patches(), self.patch);
        let x = x.reshape([batch, colours, height, width]);
        let full = [batch, colours, down * patch, across * patch];
        let x = match full == x.dims() {
            true => x,
            false => Tensor::zeros(full, &x.device()).slice_assign([0..batch, 0..colours, 0..height, 0..width], x),
        };
        let x = x.reshape([batch, colours, down, patch, across, patch]).permute([0, 1, 3, 5, 2, 4]);
        x.reshape([batch, colours * patch * patch, down, across])
    }

    /// The way back of [`cut`](Self::cut).
    fn join(&self, x: Tensor<4>) -> Tensor<5> {
        let ([batch, ..], [colours, height, width]) = (x.dims(), self.ways.canvas());
        let ([down, across], patch) = (self.patches(), self.patch);
        let x = x.reshape([batch, colours, patch, patch, down, across]).permute([0, 1, 4, 2, 5, 3]);
        let x: Tensor<4> = x.reshape([batch, colours, down * patch, across * patch]);
        let [frames, channels, high, wide] = self.ways.size;
        x.narrow(2, 0, height).narrow(3, 0, width).reshape([batch, frames, channels, high, wide])
    }

    /// Places, `[batch, channels, height, width]`, to the same shape: each attends to the fused tokens and to the others.
    fn attend(&self, x: Tensor<4>, asked: &Tokens, told: &Tensor<2>) -> Result<Tensor<4>> {
        let ([batch, channels, height, width], [_, others, _]) = (x.dims(), asked.values.dims());
        let places = height * width;
        let tokens = x.clone().reshape([batch, channels, places]).swap_dims(1, 2);
        let tokens = self.tokens.forward(tokens) + self.places.val().unsqueeze_dim(0) + told.clone().unsqueeze_dim(1);
        let mask = Tensor::cat(vec![asked.mask.clone(), Tensor::ones([batch, places], &x.device())], 1);
        let tokens = Tokens { values: Tensor::cat(vec![asked.values.clone(), tokens], 1), mask };
        let tokens = self.blocks.iter().fold(tokens, |tokens, block| block.forward(&tokens));
        let tokens = self.channels.forward(self.norm.forward(tokens.values.narrow(1, others, places)));
        Ok(x + tokens.swap_dims(1, 2).reshape([batch, channels, height, width]))
    }
}

impl Foretell for Unet {
    fn ways(&self) -> &Ways {
        &self.ways
    }

    fn reader(&self) -> (&Linear, &Absent) {
        (&self.asked, &self.absent)
    }

    fn foretell(&self, x: Tensor<5>, time: &Tensor<1>, asked: &Tokens) -> Result<Tensor<5>> {
        // wavelengths from a thousandth of the way to several ways
        let time = self.time.forward(sinusoids_at(time.clone().mul_scalar(1e3), self.dim));
        let told = silu(time + asked.pool());
        let mut x = convolve(&self.input, self.cut(x))?;
        let mut seen = Vec::with_capacity(self.stages.len());
        for stage in &self.stages {
            let down = stage.down.forward(x, &told)?;
            x = stage.shrink.activate(down.clone())?;
            seen.push(down);
        }
        x = self.attend(self.down.forward(x, &told)?, asked, &told)?;
        x = self.up.forward(x, &told)?;
        for (stage, down) in self.stages.iter().zip(seen).rev() {
            let grown = spread(convolve(&stage.grow, x)?);
            x = stage.up.forward(Tensor::cat(vec![grown, down], 1), &told)?;
        }
        Ok(self.join(convolve(&self.output, x)?))
    }

    fn check(&self, fused: &Tokens) -> Result<()> {
        let [batch, told, _] = fused.values.dims();
        let tokens = told + self.grid[0] * self.grid[1];
        check_pairs([batch, self.num_heads, tokens, tokens])
    }
}

impl Decode for Unet {
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

    const PICTURE: [(&str, usize); 4] = [("fused", 4), ("target", 3), ("target.height", 7), ("target.width", 5)];

    fn build(dims: &[(&str, usize)], config: &UnetConfig) -> Result<Unet> {
        let dims: Named<usize> = dims.iter().map(|(name, size)| (name.to_string(), *size)).collect();
        config.build(&Build { dims, device: &crate::train::device() })
    }

    #[test]
    fn patches_of_any_size_are_joined_to_what_was_cut() {
        let sound = [("fused", 4), ("target", 3), ("target.time", 5)];
        let clip: Vec<_> = PICTURE.into_iter().chain([("target.frames", 3)]).collect();
        for (patch, dims, patches) in
            [(1, &PICTURE[..], [3, 8, 6]), (3, &PICTURE, [27, 4, 2]), (2, &sound, [4, 4, 2]), (2, &clip, [36, 4, 4])]
        {
            let config = UnetConfig { channels: vec![2, 2], dim: 8, num_heads: 2, patch, ..UnetConfig::default() };
            let unet = build(dims, &config).unwrap();
            let [frames, channels, height, width] = unet.ways.size;
            let count = 2 * frames * channels * height * width;
            let x = Tensor::arange(0..count as i64, &crate::train::device()).float();
            let x: Tensor<5> = x.reshape([2, frames, channels, height, width]);
            assert_eq!(unet.cut(x.clone()).dims()[1..], patches);
            assert_eq!(unet.join(unet.cut(x.clone())).into_data(), x.into_data());
        }
    }

    #[test]
    fn a_target_smaller_than_its_smallest_size_is_named() {
        let config = UnetConfig { channels: vec![2; 4], patch: 1, ..UnetConfig::default() };
        let error = build(&PICTURE, &config).unwrap_err().to_string();
        assert!(error.contains("channels") && error.contains("7 × 5"), "{error}");
    }
}
