//! The linear layer.
use crate::kernels;
use burn::module::{Module, Param};
use burn::nn::{Initializer, LinearConfig};
use burn::tensor::{Device, Tensor};

/// burn's linear layer, its multiply-adds counted.
#[derive(Module, Debug)]
pub struct Linear {
    /// `[input, output]`.
    pub weight: Param<Tensor<2>>,
    /// `[output]`.
    pub bias: Option<Param<Tensor<1>>>,
}

impl Linear {
    /// With a bias; both uniform within ±`input`^-½ at first.
    pub fn new(input: usize, output: usize, device: &Device) -> Self {
        Self::init(&LinearConfig::new(input, output), device)
    }

    /// The same without a bias.
    pub fn without_bias(input: usize, output: usize, device: &Device) -> Self {
        Self::init(&LinearConfig::new(input, output).with_bias(false), device)
    }

    /// With a bias; all zero at first.
    pub fn zero(input: usize, output: usize, device: &Device) -> Self {
        Self::init(&LinearConfig::new(input, output).with_initializer(Initializer::Zeros), device)
    }

    /// With a bias, for a ReLU behind it: the deviation of what comes in is kept at first (He et al. 2015,
    /// arXiv:1502.01852), which [`new`](Self::new) makes 2.4 times smaller a layer.
    pub fn before_relu(input: usize, output: usize, device: &Device) -> Self {
        let initializer = Initializer::KaimingUniform { gain: 2_f64.sqrt(), fan_out_only: false };
        Self::init(&LinearConfig::new(input, output).with_initializer(initializer), device)
    }

    fn init(config: &LinearConfig, device: &Device) -> Self {
        let layer = config.init(device);
        Self { weight: layer.weight, bias: layer.bias }
    }

    /// `[..., input]` to `[..., output]`.
    pub fn forward<const D: usize>(&self, x: Tensor<D>) -> Tensor<D> {
        kernels::linear(x, self.weight.val(), self.bias.as_ref().map(|bias| bias.val()))
    }
}
