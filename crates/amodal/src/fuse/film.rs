//! Feature-wise linear modulation: one modality's tokens, scaled and shifted by what the others say.
use super::Fuse;
use crate::{
    Named, Result, Tokens,
    layers::{Linear, Project},
    types::{Build, at_least},
};
use burn::module::Module;
use burn::tensor::{Tensor, activation::relu};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// FiLM (Perez et al. 2018, arXiv:1709.07871): each token of one modality through residual layers, whose values the other
/// modalities scale by 1 + gamma and shift by beta, before ReLU. Gamma and beta are sums of a linear layer a modality; a
/// missing one adds nothing. A row without the modulated modality has one token of zeros instead, which the others
/// shift. Differs: linear layers for convolutions, no normalisation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct FilmConfig {
    /// Width of the tokens.
    pub dim: usize,
    /// The modality whose tokens are scaled and shifted; empty: the first in name order.
    pub modulated: String,
    /// Modulated layers, one after the other.
    pub num_layers: usize,
}

impl Default for FilmConfig {
    fn default() -> Self {
        Self { dim: 128, modulated: String::new(), num_layers: 1 }
    }
}

impl FilmConfig {
    /// Makes the fusion.
    pub fn build(&self, build: &Build) -> Result<Film> {
        at_least("dim", self.dim, 1)?;
        at_least("num_layers", self.num_layers, 1)?;
        let first = build.dims.keys().next().map_or("", String::as_str);
        let modulated = if self.modulated.is_empty() { first } else { &self.modulated };
        let width = build.modality("modulated", modulated)?;
        let mut others = build.clone();
        others.dims.remove(modulated);
        let linear = |input: usize| Linear::new(input, self.dim, build.device);
        Ok(Film {
            input: linear(width),
            condition: Project::new(&others, 2 * self.num_layers * self.dim),
            layers: (0..self.num_layers).map(|_| linear(self.dim)).collect(),
            modulated: modulated.to_string(),
            dim: self.dim,
        })
    }
}

/// See [`FilmConfig`].
#[derive(Module, Debug)]
pub struct Film {
    input: Linear,
    /// Of the other modalities, in name order: gamma and beta of every layer.
    condition: Project,
    layers: Vec<Linear>,
    #[module(skip)]
    modulated: String,
    dim: usize,
}

impl Fuse for Film {
    fn dim(&self) -> usize {
        self.dim
    }

    /// `[batch, tokens, dim]` each to `[batch, tokens of the modulated, dim]`; a row without any modality is absent.
    fn fuse(&self, encoded: &Named<Tokens>) -> Result<Tokens> {
        let mut others = encoded.clone();
        let tokens = others.remove(&self.modulated).expect("a model's modalities are those it was built with");
        let [batch, count] = tokens.mask.dims();
        let device = tokens.values.device();

        let mut condition = Tensor::zeros([batch, 2 * self.layers.len() * self.dim], &device);
        let mut any = tokens.present();
        for (vector, present) in self.condition.forward(&others) {
            condition = condition + vector * present.clone();
            any = any.max_pair(present);
        }
        // a row that has the others alone: its first token, of zeros
        let alone = any * tokens.present().neg().add_scalar(1.0);
        let rest = Tensor::zeros([batch, count - 1], &device);
        let mask = tokens.mask.clone() + Tensor::cat(vec![alone, rest], 1);

        let mut x = self.input.forward(tokens.values) * tokens.mask.unsqueeze_dim(2); // [batch, tokens, dim]
        for (at, layer) in self.layers.iter().enumerate() {
            let part = |part: usize| condition.clone().narrow(1, (2 * at + part) * self.dim, self.dim);
            let (gamma, beta) = (part(0).unsqueeze_dim(1), part(1).unsqueeze_dim(1)); // [batch, 1, dim]
            x = x.clone() + relu(layer.forward(x) * gamma.add_scalar(1.0) + beta);
        }
        Ok(Tokens { values: x * mask.clone().unsqueeze_dim(2), mask })
    }
}
