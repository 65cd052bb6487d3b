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
        Self::of(input, hidden, output, dropout, |input, output| Linear::new(input, output, device))
    }

    /// The same with [`Linear::before_relu`], for a perceptron in the middle of others, and without dropout.
    pub fn deep(input: usize, hidden: &[usize], output: usize, device: &Device) -> Self {
        Self::of(input, hidden, output, 0.0, |input, output| Linear::before_relu(input, output, device))
    }

    fn of(input: usize, hidden: &[usize], output: usize, dropout: f64, layer: impl Fn(usize, usize) -> Linear) -> Self {
        let widths: Vec<usize> = [input].iter().chain(hidden).chain([&output]).copied().collect();
        let layers = widths.windows(2).map(|pair| layer(pair[0], pair[1])).collect();
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
