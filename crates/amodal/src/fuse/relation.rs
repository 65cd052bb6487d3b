//! Every pair of tokens through one perceptron.
use super::Fuse;
use crate::{
    Error, Named, Result, Tokens,
    kernels::matmul,
    layers::{Linear, Mlp, check_pairs},
    suggest,
    types::{Build, at_least, widths},
};
use burn::module::Module;
use burn::tensor::{Tensor, activation::relu};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Relation network (Santoro et al. 2017, arXiv:1706.01427): a perceptron g reads every ordered pair of objects together
/// with a condition, such as the cells of a picture with a question, and its results are summed; what follows it is the
/// decoder's. Objects are all tokens of the modalities that are not in `condition`. Differs: the condition is the mean of
/// its tokens, and objects of several modalities are allowed, each with its own first layer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RelationConfig {
    /// Width of the last layer of g, and of the result.
    pub dim: usize,
    /// Widths of the other layers of g; at least one.
    pub hidden: Vec<usize>,
    /// Modalities that every pair is read with; none: all modalities are objects.
    pub condition: Vec<String>,
    /// What becomes of the pairs of a row: `sum` or `mean`.
    pub combine: Combine,
}

/// What becomes of the pairs of a row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Combine {
    /// Their sum, as in the paper: tells how many they are.
    #[default]
    Sum,
    /// Their mean: as large for few objects as for many.
    Mean,
}

impl Default for RelationConfig {
    fn default() -> Self {
        Self { dim: 128, hidden: vec![128, 128], condition: Vec::new(), combine: Combine::Sum }
    }
}

impl RelationConfig {
    /// Makes the fusion.
    pub fn build(&self, build: &Build) -> Result<Relation> {
        at_least("dim", self.dim, 1)?;
        if self.hidden.is_empty() {
            return Err(Error::config("hidden", "[], expected at least one width"));
        }
        widths("hidden", &self.hidden)?;
        let known = || build.dims.keys().map(String::as_str);
        if let Some(wrong) = self.condition.iter().find(|name| !build.dims.contains_key(*name)) {
            let problem = format!("no modality `{wrong}`; here are: {}", known().collect::<Vec<_>>().join(", "));
            let near = suggest(wrong, known()).map(|near| format!("did you mean `{near}`?"));
            return Err(Error::config("condition", problem).with_help(near.unwrap_or_default()));
        }
        if known().all(|name| self.is_condition(name)) {
            return Err(Error::config("condition", "leaves no modality whose tokens are the objects"));
        }
        let first = |condition: bool, bias: bool| {
            let chosen = build.dims.iter().filter(move |(name, _)| self.is_condition(name) == condition);
            let layer = if bias { Linear::new } else { Linear::without_bias };
            chosen.map(|(_, dim)| layer(*dim, self.hidden[0], build.device)).collect()
        };
        Ok(Relation {
            left: first(false, true),
            right: first(false, false),
            condition: first(true, false),
            rest: Mlp::new(self.hidden[0], &self.hidden[1..], self.dim, 0.0, build.device),
            is_condition: build.dims.keys().map(|name| self.is_condition(name)).collect(),
            mean: self.combine == Combine::Mean,
            dim: self.dim,
        })
    }

    fn is_condition(&self, name: &str) -> bool {
        self.condition.iter().any(|condition| condition == name)
    }
}

/// See [`RelationConfig`].
#[derive(Module, Debug)]
pub struct Relation {
    /// The first layer of g in parts: what it makes of the first of a pair, by modality of objects.
    left: Vec<Linear>,
    /// Of the second.
    right: Vec<Linear>,
    /// Of the condition, by modality of the condition.
    condition: Vec<Linear>,
    rest: Mlp,
    #[module(skip)]
    is_condition: Vec<bool>,
    mean: bool,
    dim: usize,
}

impl Fuse for Relation {
    fn dim(&self) -> usize {
        self.dim
    }

    /// `[batch, tokens, dim]` each to `[batch, 1, dim]`. A row without objects has one, of zeros, so that its condition is
    /// still seen; a row without any modality is zero.
    fn fuse(&self, encoded: &Named<Tokens>) -> Result<Tokens> {
        let modalities = || encoded.values().zip(&self.is_condition);
        let objects: Vec<&Tokens> =
            modalities().filter(|(_, condition)| !*condition).map(|(tokens, _)| tokens).collect();
        let conditions = modalities().filter(|(_, condition)| **condition).map(|(tokens, _)| tokens);
        let any = Tensor::cat(encoded.values().map(Tokens::present).collect(), 1).max_dim(1);
        let mask = Tensor::cat(objects.iter().map(|tokens| tokens.mask.clone()).collect(), 1);
        let [batch, count] = mask.dims();
        let first = |layers: &[Linear]| {
            let parts = layers.iter().zip(&objects).map(|(layer, tokens)| layer.forward(tokens.values.clone()));
            Tensor::cat(parts.collect(), 1) * mask.clone().unsqueeze_dim::<3>(2)
        };
        let mut left = first(&self.left); // [batch, count, hidden]
        for (layer, tokens) in self.condition.iter().zip(conditions) {
            left = left + layer.forward(tokens.pool()).unsqueeze_dim(1);
        }
        check_pairs([batch, left.dims()[2], count, count])?;
        let pairs = left.unsqueeze_dim::<4>(2) + first(&self.right).unsqueeze_dim::<4>(1); // [batch, count, count, hidden]
        let [_, _, _, hidden] = pairs.dims();
        let pairs = relu(self.rest.forward(relu(pairs.reshape([batch, count * count, hidden]))));

        let none = mask.clone().max_dim(1).neg().add_scalar(1.0); // 1 where a row has no object: its first stands for one
        let real = mask.clone().slice_assign([0..batch, 0..1], mask.narrow(1, 0, 1) + none);
        let real = real.clone().unsqueeze_dim::<3>(2) * real.unsqueeze_dim::<3>(1);
        let real = real.reshape([batch, 1, count * count]);
        let real = if self.mean { real.clone() / real.sum_dim(2) } else { real };
        let combined = matmul(real, pairs).squeeze_dim(1); // [batch, dim]
        Ok(Tokens::one(combined * any.clone(), any))
    }
}
