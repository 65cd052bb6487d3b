//! Fused operations on a CPU, behind burn's extensions, each with a plain twin that its tests compare it with; all
//! multiplication, counted; and how memory is kept. The only place for `unsafe`.
mod activation;
mod attention;
mod convolution;
mod extension;
mod function;
mod gelu;
mod layer_norm;
mod likelihood;
mod linear;
mod lstm;
mod matrix;
pub mod memory;
mod product;
mod spread;
#[cfg(test)]
mod twins;
mod wide;

pub use activation::{Activated, Activation, activate};
pub use attention::attention;
pub use convolution::convolve;
pub(crate) use function::exp;
pub use gelu::gelu;
pub use layer_norm::layer_norm;
pub use likelihood::log_likelihood;
pub use linear::linear;
pub use lstm::lstm;
pub(crate) use matrix::each_with_each;
pub(crate) use product::count;
pub use product::{matmul, multiply_adds};
pub use spread::spread;
pub(crate) use wide::{Wide, wide};

use burn::backend::{Shape, flex::FlexTensor};
use burn::tensor::TensorData;

/// Does work of many operations on one of the threads that they share: another thread would wait to be woken at each.
pub fn on_pool<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    rayon::scope(|_| work())
}

/// The same numbers, row by row, from the first on.
fn contiguous(tensor: FlexTensor) -> FlexTensor {
    match tensor.is_contiguous() && tensor.layout().start_offset() == 0 {
        true => tensor,
        false => tensor.to_contiguous(),
    }
}

/// The numbers of a [`contiguous`] tensor; what it is a part of may hold more.
fn numbers(tensor: &FlexTensor) -> &[f32] {
    &tensor.storage()[..tensor.layout().num_elements()]
}

/// A tensor of numbers, row by row.
fn tensor(values: Vec<f32>, shape: impl Into<Shape>) -> FlexTensor {
    FlexTensor::from_data(TensorData::new(values, shape))
}
