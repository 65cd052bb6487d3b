//! AlexNet: five convolutions and a perceptron.
use super::Encode;
use crate::{
    Error, Input, Result, Tokens,
    layers::{Mlp, Norm, Normalize, conv::activate, places::shrink_overlapping},
    types::{Build, at_least, widths, within},
};
use burn::module::Module;
use burn::nn::{
    Initializer, PaddingConfig2d,
    conv::{Conv2d, Conv2dConfig},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// For images: five convolutions, overlapping 3×3 max-pooling behind the first, second and fifth, and a perceptron
/// (Krizhevsky et al. 2012, "ImageNet classification with deep convolutional neural networks", NIPS 25). Differs: narrower
/// by default (the paper's widths are channels = [96, 256, 384, 384, 256], hidden = [4096, 4096]), a finer first convolution
/// for small pictures, batch normalisation by default, weights drawn for ReLU (He et al. 2015, arXiv:1502.01852), one path
/// instead of two.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct AlexnetConfig {
    /// Width of the token.
    pub dim: usize,
    /// Channels of the five convolutions.
    pub channels: Vec<usize>,
    /// Widths of the hidden layers behind them.
    pub hidden: Vec<usize>,
    /// Height and width of the first convolution's window; absent: 11 for pictures of 128 pixels or more, 5 for smaller ones.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kernel: Option<usize>,
    /// Step of the first convolution; absent: 4 for pictures of 128 pixels or more, 2 from 48 pixels, 1 for smaller ones.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stride: Option<usize>,
    /// What follows the convolutions: `batch`, `local_response` (the first two, as in the paper) or `none`.
    pub norm: Normalize,
    /// Probability that a hidden value of the perceptron is dropped in training.
    pub dropout: f64,
}

impl Default for AlexnetConfig {
    fn default() -> Self {
        Self {
            dim: 128,
            channels: vec![32, 64, 96, 96, 64],
            hidden: vec![256, 256],
            kernel: None,
            stride: None,
            norm: Normalize::Batch,
            dropout: 0.5,
        }
    }
}

impl AlexnetConfig {
    /// Makes the encoder.
    pub fn build(&self, build: &Build) -> Result<Alexnet> {
        at_least("dim", self.dim, 1)?;
        widths("channels", &self.channels)?;
        widths("hidden", &self.hidden)?;
        within("dropout", self.dropout, 0.0, 0.95)?;
        if self.channels.len() != 5 {
            return Err(Error::config("channels", format!("{} convolutions, expected 5", self.channels.len())));
        }
        let sizes = [build.dim("height")?, build.dim("width")?];
        let smallest = sizes[0].min(sizes[1]);
        let kernel = self.kernel.unwrap_or(if smallest < 128 { 5 } else { 11 });
        let stride = self.stride.unwrap_or(match smallest {
            ..48 => 1,
            48..128 => 2,
            _ => 4,
        });
        at_least("kernel", kernel, 1)?;
        at_least("stride", stride, 1)?;
        if kernel > smallest + 4 {
            let problem = format!("{kernel}, and pictures are {} by {} pixels", sizes[0], sizes[1]);
            let help = "leave `kernel` away, or raise the modality's `size`";
            return Err(Error::config("kernel", problem).with_help(help));
        }
        let mut input = build.dim("input")?;
        let mut stages = Vec::new();
        for (at, (channels, kernel)) in self.channels.iter().zip([kernel, 5, 3, 3, 3]).enumerate() {
            let (stride, padding) = if at == 0 { (stride, 2) } else { (1, kernel / 2) };
            let conv = Conv2dConfig::new([input, *channels], [kernel, kernel])
                .with_stride([stride, stride])
                .with_padding(PaddingConfig2d::Explicit(padding, padding, padding, padding))
                .with_bias(self.norm != Normalize::Batch)
                .with_initializer(Initializer::KaimingUniform { gain: 2_f64.sqrt(), fan_out_only: false })
                .init(build.device);
            let local_too_late = self.norm == Normalize::LocalResponse && at > 1;
            let norm = if local_too_late { Normalize::None } else { self.norm };
            let norm = Norm::new(norm, *channels, build.device);
            stages.push(Stage { conv, norm, shrink: [0, 1, 4].contains(&at) });
            input = *channels;
        }
        // places behind the first convolution, and behind the three poolings
        let places = sizes.map(|size| (size + 4 - kernel) / stride + 1);
        let places = places.map(|size| (0..3).fold(size, |size, _| size.saturating_sub(3) / 2 + 1));
        let features = input * places[0] * places[1];
        let perceptron = Mlp::new(features, &self.hidden, self.dim, self.dropout, build.device);
        Ok(Alexnet { stages, perceptron, dim: self.dim })
    }
}

/// See [`AlexnetConfig`].
#[derive(Module, Debug)]
pub struct Alexnet {
    stages: Vec<Stage>,
    perceptron: Mlp,
    dim: usize,
}

/// One convolution and what follows it.
#[derive(Module, Debug)]
struct Stage {
    conv: Conv2d,
    norm: Norm,
    shrink: bool,
}

impl Encode for Alexnet {
    fn dim(&self) -> usize {
        self.dim
    }

    /// `[batch, channels, height, width]` to `[batch, 1, dim]`.
    fn encode(&self, input: &Input) -> Result<Tokens> {
        let mut x = input.image()?;
        for stage in &self.stages {
            x = activate(&stage.conv, &stage.norm, x, None, false)?;
            if stage.shrink {
                x = shrink_overlapping(x, 0);
            }
        }
        Ok(Tokens::one(self.perceptron.forward(x.flatten::<2>(1, 3)), input.mask.clone()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{train::device, types::Values};
    use burn::tensor::Tensor;

    fn build(options: &AlexnetConfig, size: usize) -> Result<Alexnet> {
        let dims = [("input", 3), ("height", size), ("width", size)].map(|(name, dim)| (name.to_string(), dim)).into();
        options.build(&Build { dims, device: &device() })
    }

    #[test]
    fn reads_pictures_of_every_size() {
        let narrow = AlexnetConfig { dim: 3, channels: vec![2; 5], hidden: vec![4], ..Default::default() };
        for size in [1, 2, 7, 32, 47, 48, 64, 100, 127, 128, 224, 227] {
            let encoder = build(&narrow, size).unwrap();
            let values = Values::Image(Tensor::zeros([1, 3, size, size], &device()));
            let input = Input { values, mask: Tensor::ones([1, 1], &device()), rows: None };
            assert_eq!(encoder.encode(&input).unwrap().values.dims(), [1, 1, 3], "{size}");
        }
    }

    #[test]
    fn the_papers_sizes_are_those_of_the_paper() {
        let paper = AlexnetConfig {
            channels: vec![1; 5],
            hidden: vec![1],
            norm: Normalize::LocalResponse,
            ..Default::default()
        };
        let features = 6 * 6; // 224 -> 55 -> 27 -> 13 -> 6
        let first = 11 * 11 * 3 + 1;
        let rest = (5 * 5 + 1) + 3 * (3 * 3 + 1) + (features + 1) + (1 + 1) * 128;
        assert_eq!(build(&paper, 224).unwrap().num_params(), first + rest);
    }

    #[test]
    fn a_window_larger_than_the_picture_is_an_error_with_help() {
        let error = build(&AlexnetConfig { kernel: Some(11), ..Default::default() }, 6).unwrap_err();
        assert_eq!(error.to_string(), "kernel: 11, and pictures are 6 by 6 pixels");
        assert!(error.help().unwrap().contains("size"));
    }
}
