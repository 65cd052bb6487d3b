//! Normalisation after a convolution.
use burn::module::Module;
use burn::nn::{BatchNorm, BatchNormConfig};
use burn::tensor::{Device, Tensor};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Which normalisation follows a convolution.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Normalize {
    /// Batch normalisation (Ioffe and Szegedy 2015, arXiv:1502.03167).
    #[default]
    Batch,
    /// None.
    None,
}

/// Normalisation of `[batch, channels, height, width]`.
#[derive(Module, Debug)]
pub struct Norm {
    batch: Option<BatchNorm>,
}

impl Norm {
    /// For `channels` channels.
    pub fn new(kind: Normalize, channels: usize, device: &Device) -> Self {
        Self { batch: (kind == Normalize::Batch).then(|| BatchNormConfig::new(channels).init(device)) }
    }

    /// The same shape.
    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        match &self.batch {
            Some(norm) => norm.forward(x),
            None => x,
        }
    }
}
