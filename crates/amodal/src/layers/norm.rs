//! Normalisation after a convolution.
use crate::{
    Result,
    kernels::{Activation, activate},
};
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

    /// Normalisation, ReLU and, where `shrink`, 2×2 max-pooling in one pass; zero where `mask`, `[batch, height]` or
    /// `[batch, 1]`, is. `bias`, `[channels]`, is added where nothing is normalised.
    pub fn activate(&self, x: Tensor<4>, bias: Option<Tensor<1>>, mask: Tensor<2>, shrink: bool) -> Result<Tensor<4>> {
        let ([_, channels, _, _], device) = (x.dims(), x.device());
        let Some(norm) = &self.batch else {
            let shift = bias.unwrap_or_else(|| Tensor::zeros([channels], &device));
            let plain = Activation { normalize: None, shrink };
            return Ok(activate(x, Tensor::ones([channels], &device), shift, mask, plain)?.values);
        };
        if !(device.is_autodiff() && norm.training.is_enabled()) {
            let (mean, variance) = (norm.running_mean.value(), norm.running_var.value());
            let scale = norm.gamma.val() / variance.to_device(&device).add_scalar(norm.epsilon).sqrt();
            let shift = norm.beta.val() - mean.to_device(&device) * scale.clone();
            return Ok(activate(x, scale, shift, mask, Activation { normalize: None, shrink })?.values);
        }
        let normalized = Activation { normalize: Some(norm.epsilon as f32), shrink };
        let made = activate(x, norm.gamma.val(), norm.beta.val(), mask, normalized)?;
        for (running, now) in [(&norm.running_mean, made.mean), (&norm.running_var, made.variance)] {
            let before = running.value_sync().to_device(&device).mul_scalar(1.0 - norm.momentum);
            running.update((before + now.mul_scalar(norm.momentum)).detach());
        }
        Ok(made.values)
    }
}
