//! Tensor fusion: every product of values of all modalities.
use super::Fuse;
use crate::{
    Error, Named, Result, Tokens,
    layers::{
        Linear, Project,
        project::{any, outer},
    },
    types::{Build, at_least},
};
use burn::module::Module;
use burn::tensor::Tensor;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Largest outer product, in numbers a row.
const LARGEST: usize = 1_000_000;

/// The tensor fusion network (Zadeh et al. 2017, arXiv:1707.07250): the outer product of all modalities, each with a one
/// beside its values, through a linear layer, so that the values of every subset of the modalities are multiplied. A
/// missing one is zeros and the one. Differs: each is first projected to a small width.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TensorConfig {
    /// Width of the result.
    pub dim: usize,
    /// Width that every modality is projected to before the product, which has `width + 1` numbers to the power of the
    /// modalities.
    pub width: usize,
}

impl Default for TensorConfig {
    fn default() -> Self {
        Self { dim: 128, width: 16 }
    }
}

impl TensorConfig {
    /// Makes the fusion.
    pub fn build(&self, build: &Build) -> Result<TensorNetwork> {
        at_least("dim", self.dim, 1)?;
        at_least("width", self.width, 1)?;
        let product = product_size(self.width, build.dims.len());
        if product > LARGEST {
            let modalities = build.dims.len();
            let problem = format!(
                "{}, and {modalities} modalities give a product of {} to the power of {modalities} numbers a row, \
                 expected at most {LARGEST}",
                self.width,
                self.width.saturating_add(1)
            );
            let largest = (1..).take_while(|width| product_size(*width, modalities) <= LARGEST).last();
            let narrower = largest.map_or_else(String::new, |width| format!("set it to at most {width}, or "));
            let help = format!("{narrower}use `low_rank`, which never forms the product");
            return Err(Error::config("width", problem).with_help(help));
        }
        Ok(TensorNetwork {
            project: Project::new(build, self.width),
            output: Linear::new(product, self.dim, build.device),
            dim: self.dim,
        })
    }
}

fn product_size(width: usize, modalities: usize) -> usize {
    width.saturating_add(1).saturating_pow(u32::try_from(modalities).unwrap_or(u32::MAX))
}

/// See [`TensorConfig`].
#[derive(Module, Debug)]
pub struct TensorNetwork {
    project: Project,
    output: Linear,
    dim: usize,
}

impl Fuse for TensorNetwork {
    fn dim(&self) -> usize {
        self.dim
    }

    /// `[batch, tokens, dim]` each to `[batch, 1, dim]`; a row without any modality is zero.
    fn fuse(&self, encoded: &Named<Tokens>) -> Result<Tokens> {
        let vectors = self.project.forward(encoded);
        let any = any(&vectors);
        let with_one = vectors.into_iter().map(|(vector, present)| {
            let one = present.ones_like();
            Tensor::cat(vec![vector * present, one], 1) // [batch, width + 1]
        });
        let product = with_one.reduce(outer).expect("a model has at least one modality");
        Ok(Tokens::one(self.output.forward(product) * any.clone(), any))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::device;

    #[test]
    fn a_product_that_is_too_large_is_an_error_with_the_way_out() {
        let error = |width: usize, modalities: usize| {
            let dims = (0..modalities).map(|at| (format!("m{at}"), 3)).collect();
            let config = TensorConfig { dim: 2, width };
            let error = config.build(&Build { dims, device: &device() }).unwrap_err();
            format!("{error}; {}", error.help().unwrap_or_default())
        };
        let text = error(16, 5);
        assert!(text.contains("width: 16, and 5 modalities") && text.contains("at most 14, or use"), "{text}");
        let text = error(usize::MAX, 100);
        assert!(text.ends_with("; use `low_rank`, which never forms the product"), "{text}");
    }
}
