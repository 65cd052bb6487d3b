//! Vectors of words.
use crate::{Input, Result, types::Build};
use burn::module::{Module, Param};
use burn::nn::{EmbeddingConfig, Initializer};
use burn::tensor::{Tensor, module::embedding};

/// A vector a word, and one a part of speech that is added to it where the text has tags.
#[derive(Module, Debug)]
pub struct Words {
    /// `[words, dim]`.
    weight: Param<Tensor<2>>,
    /// `[tags, dim]`.
    tags: Option<Param<Tensor<2>>>,
}

impl Words {
    /// For `input` words, each drawn from the normal distribution at first, and the `tags` that a text with parts of speech
    /// announces: zero at first, so that a model begins as it would without them.
    pub fn new(build: &Build, dim: usize) -> Result<Self> {
        let tags = build.dims.get("tags").map(|tags| Initializer::Zeros.init([*tags, dim], build.device));
        Ok(Self { weight: EmbeddingConfig::new(build.dim("input")?, dim).init(build.device).weight, tags })
    }

    /// `[batch, time]` ids to `[batch, time, dim]`.
    pub fn forward(&self, input: &Input) -> Result<Tensor<3>> {
        let words = embedding(self.weight.val(), input.ids()?);
        Ok(match &self.tags {
            Some(tags) => words + embedding(tags.val(), input.tags()?),
            None => words,
        })
    }
}
