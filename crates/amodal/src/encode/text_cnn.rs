//! Convolutions over words.
use super::Encode;
use crate::{
    Input, Result, Tokens,
    layers::{Linear, Words, conv::convolve_steps},
    types::{Build, at_least, widths, within},
};
use burn::module::Module;
use burn::nn::{
    Dropout, DropoutConfig,
    conv::{Conv1d, Conv1dConfig},
};
use burn::tensor::{Tensor, activation::relu};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// For text: convolutions over windows of words, each at its largest over the text, and a linear layer (Kim 2014,
/// arXiv:1408.5882). A text shorter than a window is filled with zeros.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TextCnnConfig {
    /// Width of the token, and of the words' vectors.
    pub dim: usize,
    /// Words a window, for each size of window.
    pub windows: Vec<usize>,
    /// Features of each size of window.
    pub channels: usize,
    /// Probability that a feature is dropped in training.
    pub dropout: f64,
}

impl Default for TextCnnConfig {
    fn default() -> Self {
        Self { dim: 128, windows: vec![3, 4, 5], channels: 100, dropout: 0.5 }
    }
}

impl TextCnnConfig {
    /// Makes the encoder.
    pub fn build(&self, build: &Build) -> Result<TextCnn> {
        at_least("dim", self.dim, 1)?;
        at_least("windows", self.windows.len(), 1)?;
        widths("windows", &self.windows)?;
        at_least("channels", self.channels, 1)?;
        within("dropout", self.dropout, 0.0, 0.95)?;
        let window = |size: &usize| Conv1dConfig::new(self.dim, self.channels, *size).init(build.device);
        Ok(TextCnn {
            words: Words::new(build, self.dim)?,
            windows: self.windows.iter().map(window).collect(),
            output: Linear::new(self.windows.len() * self.channels, self.dim, build.device),
            dropout: DropoutConfig::new(self.dropout).init(),
            dim: self.dim,
        })
    }
}

/// See [`TextCnnConfig`].
#[derive(Module, Debug)]
pub struct TextCnn {
    words: Words,
    windows: Vec<Conv1d>,
    output: Linear,
    dropout: Dropout,
    dim: usize,
}

impl Encode for TextCnn {
    fn dim(&self) -> usize {
        self.dim
    }

    /// `[batch, time]` ids to `[batch, 1, dim]`.
    fn encode(&self, input: &Input) -> Result<Tokens> {
        let (mask, present) = (&input.mask, input.mask.clone().max_dim(1));
        let words = self.words.forward(input)? * mask.clone().unsqueeze_dim(2);
        let words = words.swap_dims(1, 2); // [batch, dim, time]
        let [_, time] = mask.dims();
        let first = present.clone().pad([(0, time - 1)], 0.0); // [batch, time]
        let features = self.windows.iter().map(|window| {
            let more = window.kernel_size - 1;
            let x = relu(convolve_steps(window, words.clone().pad([(0, more)], 0.0))); // [batch, channels, time]
            // a window counts that lies within the text; the first one always does
            let within = mask.clone().pad([(0, more)], 0.0).narrow(1, more, time);
            let within = (within + first.clone()).clamp_max(1.0);
            (x * within.unsqueeze_dim(1)).max_dim(2).squeeze_dim::<2>(2)
        });
        let features = Tensor::cat(features.collect(), 1);
        Ok(Tokens::one(self.output.forward(self.dropout.forward(features)), present))
    }

    fn words(&mut self) -> Option<&mut Words> {
        Some(&mut self.words)
    }
}
