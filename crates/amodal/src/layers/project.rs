//! Every modality at one width: what most fusions start from.
use super::Linear;
use crate::{Named, Tokens, types::Build};
use burn::module::Module;
use burn::tensor::Tensor;

/// A linear projection of each modality to one width; its bias tells the modalities apart.
#[derive(Module, Debug)]
pub struct Project {
    project: Vec<Linear>,
}

impl Project {
    /// One projection a modality, in name order.
    pub fn new(build: &Build, dim: usize) -> Self {
        let project = build.dims.values().map(|input| Linear::new(*input, dim, build.device));
        Self { project: project.collect() }
    }

    /// For each modality its vector, `[batch, dim]`, and where it is present, `[batch, 1]`.
    pub fn forward(&self, encoded: &Named<Tokens>) -> Vec<(Tensor<2>, Tensor<2>)> {
        let modalities = self.project.iter().zip(encoded.values());
        modalities.map(|(project, tokens)| (project.forward(tokens.pool()), tokens.present())).collect()
    }

    /// The tokens of each modality, `[batch, tokens, dim]`.
    pub fn tokens(&self, encoded: &Named<Tokens>) -> Vec<Tokens> {
        let modalities = self.project.iter().zip(encoded.values());
        let project = |(project, tokens): (&Linear, &Tokens)| Tokens {
            values: project.forward(tokens.values.clone()),
            mask: tokens.mask.clone(),
        };
        modalities.map(project).collect()
    }
}

/// `[batch, 1]`: 1 where any of the modalities is present.
pub fn any(vectors: &[(Tensor<2>, Tensor<2>)]) -> Tensor<2> {
    let present: Vec<_> = vectors.iter().map(|(_, present)| present.clone()).collect();
    Tensor::cat(present, 1).max_dim(1)
}

/// The product of every value of one with every value of the other: `[batch, a]` and `[batch, b]` to `[batch, a * b]`.
pub fn outer(a: Tensor<2>, b: Tensor<2>) -> Tensor<2> {
    let ([batch, rows], [_, columns]) = (a.dims(), b.dims());
    (a.unsqueeze_dim::<3>(2) * b.unsqueeze_dim::<3>(1)).reshape([batch, rows * columns])
}

/// Combines the modalities of each row by an operation of two, `absent` standing where a modality is missing; zero
/// where all are.
pub fn combine(
    vectors: Vec<(Tensor<2>, Tensor<2>)>,
    absent: f64,
    operation: impl Fn(Tensor<2>, Tensor<2>) -> Tensor<2>,
) -> Tokens {
    let any = any(&vectors);
    let filled = vectors.into_iter().map(|(vector, present)| {
        let missing = present.clone().neg().add_scalar(1.0);
        vector * present + missing.mul_scalar(absent)
    });
    let combined = filled.reduce(operation).expect("a model has at least one modality");
    Tokens::one(combined * any.clone(), any)
}
