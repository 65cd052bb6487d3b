//! The shared space: each modality's mean token, projected to one width and scaled to length 1.
use super::Linear;
use crate::{Error, Named, Result, Tokens, kernels::matmul, types::Build};
use burn::module::{Module, Param};
use burn::nn::Initializer;
use burn::tensor::{Tensor, activation::softmax};

/// A linear projection of each of some modalities to unit vectors of one width.
#[derive(Module, Debug)]
pub struct Align {
    project: Vec<Linear>,
    memory: Option<Memory>,
    #[module(skip)]
    between: Vec<String>,
}

/// Learned vectors that stand for what training saw: a vector becomes the mean of those it is near to, and what is new
/// about its form (another voice, another style of drawing) is left behind. A modern Hopfield network with learned patterns
/// (Ramsauer et al. 2020, arXiv:2008.02217; for the alignment of two modalities Fürst et al. 2021, arXiv:2110.11316, whose
/// patterns are the batch's own).
#[derive(Module, Debug)]
struct Memory {
    /// `[patterns, dim]`.
    patterns: Param<Tensor<2>>,
    /// Logarithm of how sharply the nearest is preferred.
    log_scale: Param<Tensor<1>>,
}

impl Memory {
    /// Unit vectors `[batch, dim]` to unit vectors; a zero row recalls nothing.
    fn recall(&self, x: Tensor<2>) -> Tensor<2> {
        let any = x.clone().detach().abs().max_dim(1).greater_elem(0.0).float();
        let patterns = unit(self.patterns.val());
        let scale: Tensor<2> = self.log_scale.val().clamp_max(SHARPEST.ln()).exp().unsqueeze();
        let near = softmax(matmul(x, patterns.clone().transpose()) * scale, 1); // [batch, patterns]
        unit(matmul(near, patterns)) * any
    }
}

/// First and largest sharpness of a [`Memory`].
const SHARPNESS: f64 = 10.0;
const SHARPEST: f64 = 100.0;

impl Align {
    /// Projections of the named modalities, of all of them where `between` is empty; and `memory` learned patterns that they
    /// recall, or none.
    ///
    /// # Errors
    /// [`Error::Config`] for a name that is no modality, and for fewer than two.
    pub fn new(between: &[String], dim: usize, memory: usize, build: &Build) -> Result<Self> {
        let known = build.dims.keys().filter(|name| !["fused", "target"].contains(&name.as_str()));
        let between: Vec<String> = if between.is_empty() { known.cloned().collect() } else { between.to_vec() };
        if between.len() < 2 {
            return Err(Error::config("between", format!("{} modality, expected at least 2", between.len())));
        }
        if let Some(twice) = between.iter().enumerate().find(|(at, name)| between[..*at].contains(name)) {
            return Err(Error::config("between", format!("`{}` stands twice", twice.1)));
        }
        let mut project = Vec::new();
        for name in &between {
            let input = build.modality("between", name)?;
            project.push(Linear::without_bias(input, dim, build.device));
        }
        let memory = (memory > 0).then(|| Memory {
            patterns: Initializer::Normal { mean: 0.0, std: 1.0 }.init([memory, dim], build.device),
            log_scale: Param::from_tensor(Tensor::from_floats([SHARPNESS.ln() as f32], build.device)),
        });
        Ok(Self { project, memory, between })
    }

    /// Unit vectors, `[batch, 1, dim]`, by modality; zero where it is missing.
    pub fn forward(&self, encoded: &Named<Tokens>) -> Result<Named<Tokens>> {
        let mut embedded = Named::new();
        for (name, project) in self.between.iter().zip(&self.project) {
            let tokens = encoded.get(name).ok_or_else(|| Error::config("between", format!("no modality `{name}`")))?;
            let present = tokens.present();
            let vector = unit(project.forward(tokens.pool()));
            let vector = self.memory.as_ref().map_or_else(|| vector.clone(), |memory| memory.recall(vector.clone()));
            let vector = vector * present.clone();
            embedded.insert(name.clone(), Tokens::one(vector, present));
        }
        Ok(embedded)
    }
}

/// Rows at length 1. The term under the root keeps the gradient of a zero row finite.
pub fn unit(x: Tensor<2>) -> Tensor<2> {
    let length = (x.clone().powi_scalar(2).sum_dim(1) + 1e-12).sqrt();
    x / length
}

/// Every pair of modalities, as row vectors `[batch, dim]` with `[batch, 1]`, 1 where the row has both.
pub fn pairs(embedded: &Named<Tokens>) -> Vec<(Tensor<2>, Tensor<2>, Tensor<2>)> {
    let all: Vec<&Tokens> = embedded.values().collect();
    let mut pairs = Vec::new();
    for (at, a) in all.iter().enumerate() {
        for b in &all[at + 1..] {
            pairs.push((
                a.values.clone().squeeze_dim(1),
                b.values.clone().squeeze_dim(1),
                a.mask.clone() * b.mask.clone(),
            ));
        }
    }
    pairs
}

/// `[batch, batch]`: 1 where two rows are copies of one thing.
pub fn same_group(groups: &[u64], device: &burn::tensor::Device) -> Tensor<2> {
    let n = groups.len();
    let same: Vec<f32> = groups.iter().flat_map(|a| groups.iter().map(move |b| f32::from(u8::from(a == b)))).collect();
    Tensor::from_data(burn::tensor::TensorData::new(same, [n, n]), device)
}
