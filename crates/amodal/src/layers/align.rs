//! The shared space: each modality's mean token, projected to one width and scaled to length 1.
use crate::{Error, Named, Result, Tokens, types::Build};
use burn::module::Module;
use burn::nn::{Linear, LinearConfig};
use burn::tensor::Tensor;

/// A linear projection of each of some modalities to unit vectors of one width.
#[derive(Module, Debug)]
pub struct Align {
    project: Vec<Linear>,
    #[module(skip)]
    between: Vec<String>,
}

impl Align {
    /// Projections of the named modalities; of all of them where `between` is empty.
    ///
    /// # Errors
    /// [`Error::Config`] for a name that is no modality, and for fewer than two.
    pub fn new(between: &[String], dim: usize, build: &Build) -> Result<Self> {
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
            project.push(LinearConfig::new(input, dim).with_bias(false).init(build.device));
        }
        Ok(Self { project, between })
    }

    /// Unit vectors, `[batch, 1, dim]`, by modality; zero where it is missing.
    pub fn forward(&self, encoded: &Named<Tokens>) -> Result<Named<Tokens>> {
        let mut embedded = Named::new();
        for (name, project) in self.between.iter().zip(&self.project) {
            let tokens = encoded.get(name).ok_or_else(|| Error::config("between", format!("no modality `{name}`")))?;
            let present = tokens.present();
            let vector = unit(project.forward(tokens.pool())) * present.clone();
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
