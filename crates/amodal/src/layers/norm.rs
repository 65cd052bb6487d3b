//! Normalisation after a convolution.
use burn::module::Module;
use burn::nn::{BatchNorm, BatchNormConfig, LocalResponseNorm, LocalResponseNormConfig};
use burn::tensor::{Device, Tensor, activation::relu};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Which normalisation follows a convolution.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Normalize {
    /// Batch normalisation (Ioffe and Szegedy 2015, arXiv:1502.03167), before ReLU.
    #[default]
    Batch,
    /// Local response normalisation over 5 channels (Krizhevsky et al. 2012, section 3.3), behind ReLU.
    LocalResponse,
    /// None.
    None,
}

/// Normalisation of `[batch, channels, height, width]`.
#[derive(Module, Debug)]
pub struct Norm {
    batch: Option<BatchNorm>,
    local: Option<LocalResponseNorm>,
}

impl Norm {
    /// For `channels` channels.
    pub fn new(kind: Normalize, channels: usize, device: &Device) -> Self {
        // the paper's alpha is of the sum over the channels, the layer's of their mean
        let local = LocalResponseNormConfig::new(5).with_alpha(5.0 * 1e-4).with_beta(0.75).with_k(2.0);
        Self {
            batch: (kind == Normalize::Batch).then(|| BatchNormConfig::new(channels).init(device)),
            local: (kind == Normalize::LocalResponse).then(|| local.init()),
        }
    }

    /// The same shape, before ReLU.
    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        match &self.batch {
            Some(norm) => norm.forward(x),
            None => x,
        }
    }

    /// The same shape, normalised and through ReLU, in the order that each normalisation asks for.
    pub fn activate(&self, x: Tensor<4>) -> Tensor<4> {
        let x = relu(self.forward(x));
        match &self.local {
            Some(norm) => norm.forward(x),
            None => x,
        }
    }
}
