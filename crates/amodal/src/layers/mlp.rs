//! Linear layers with ReLU and dropout between them.
use super::Linear;
use burn::module::Module;
use burn::nn::{Dropout, DropoutConfig};
use burn::tensor::{Device, Tensor, activation::relu};

/// Linear layers with ReLU and dropout between them, none after the last.
#[derive(Module, Debug)]
pub struct Mlp {
    layers: Vec<Linear>,
    dropout: Dropout,
}

impl Mlp {
    /// From `input` over the `hidden` widths to `output`.
    pub fn new(input: usize, hidden: &[usize], output: usize, dropout: f64, device: &Device) -> Self {
        let widths: Vec<usize> = [input].iter().chain(hidden).chain([&output]).copied().collect();
        let layers = widths.windows(2).map(|pair| Linear::new(pair[0], pair[1], device)).collect();
        Self { layers, dropout: DropoutConfig::new(dropout).init() }
    }

    /// `[..., input]` to `[..., output]`.
    pub fn forward<const D: usize>(&self, mut x: Tensor<D>) -> Tensor<D> {
        for (depth, layer) in self.layers.iter().enumerate() {
            if depth > 0 {
                x = self.dropout.forward(relu(x));
            }
            x = layer.forward(x);
        }
        x
    }
}
