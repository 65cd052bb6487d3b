//! Normalisation after a convolution.
use crate::{
    Result,
    kernels::{Activation, activate},
};
use burn::module::Module;
use burn::nn::{BatchNorm, BatchNormConfig, LocalResponseNorm, LocalResponseNormConfig};
use burn::tensor::{Device, Tensor};
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

    /// Normalised, through ReLU, in the order that each normalisation asks for, and, where `shrink`, the largest of every
    /// 2×2 places, in one pass; zero where `mask`, `[batch, height]`, is. `bias`, `[channels]`, is of the
    /// layer before; one that is normalised by the batch has none.
    ///
    /// # Errors
    /// [`crate::Error::Shape`] where `x` has other channels than the layer.
    pub fn activate(
        &self,
        x: Tensor<4>,
        bias: Option<Tensor<1>>,
        mask: Option<&Tensor<2>>,
        shrink: bool,
    ) -> Result<Tensor<4>> {
        let ([batch, channels, _, _], device) = (x.dims(), x.device());
        let mask = mask.map_or_else(|| Tensor::ones([batch, 1], &device), Clone::clone);
        let plain = Activation { normalize: None, shrink: shrink && self.local.is_none() };
        let Some(norm) = &self.batch else {
            let shift = bias.unwrap_or_else(|| Tensor::zeros([channels], &device));
            let values = activate(x, Tensor::ones([channels], &device), shift, mask, plain)?.values;
            let Some(local) = &self.local else { return Ok(values) };
            let values = local.forward(values);
            return Ok(if shrink { super::places::shrink(values, [2, 2]) } else { values });
        };
        if !(device.is_autodiff() && norm.training.is_enabled()) {
            let (mean, variance) = (norm.running_mean.value(), norm.running_var.value());
            let scale = norm.gamma.val() / variance.to_device(&device).add_scalar(norm.epsilon).sqrt();
            let shift = norm.beta.val() - mean.to_device(&device) * scale.clone();
            return Ok(activate(x, scale, shift, mask, plain)?.values);
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
