//! Layer normalisation.
use crate::kernels;
use burn::module::{Module, Param};
use burn::nn::Initializer;
use burn::tensor::{Device, Tensor};

/// Each row at mean 0 and deviation 1, then scaled and shifted (Ba et al. 2016, arXiv:1607.06450).
#[derive(Module, Debug)]
pub struct LayerNorm {
    /// The scale, `[dim]`.
    gamma: Param<Tensor<1>>,
    /// The shift, `[dim]`.
    beta: Param<Tensor<1>>,
}

impl LayerNorm {
    /// For rows of `dim` numbers; it scales by 1 and shifts by 0 at first.
    pub fn new(dim: usize, device: &Device) -> Self {
        Self { gamma: Initializer::Ones.init([dim], device), beta: Initializer::Zeros.init([dim], device) }
    }

    /// The same shape, `[..., dim]`.
    pub fn forward<const D: usize>(&self, x: Tensor<D>) -> Tensor<D> {
        kernels::layer_norm(x, self.gamma.val(), self.beta.val())
    }
}
