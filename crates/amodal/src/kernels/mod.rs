//! Fused operations on a CPU, behind burn's extensions, each with a plain twin that its tests compare it with; all
//! multiplication, counted; and how memory is kept. The only place for `unsafe`.
mod activation;
mod attention;
#[cfg(target_arch = "x86_64")]
#[allow(unsafe_code)]
mod avx512;
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
mod precision;
mod product;
mod spread;
#[cfg(test)]
mod twins;
mod wide;

pub use activation::{Activated, Activation, activate};
pub use attention::attention;
pub use convolution::convolve;
pub(crate) use function::{exp, sum};
pub use gelu::gelu;
pub use layer_norm::layer_norm;
pub use likelihood::log_likelihood;
pub use linear::linear;
pub use lstm::lstm;
pub(crate) use matrix::each_with_each;
use memory::room;
pub use precision::Precision;
pub(crate) use product::count;
pub use product::{matmul, multiply_adds};
pub use spread::spread;
pub(crate) use wide::{Wide, wide};

use burn::backend::{Shape, flex::FlexTensor};
use burn::tensor::TensorData;

/// Makes the calling thread one of those that share the work of operations, where these are more than one: else it waits to be
/// woken at each. Call it once, before any operation; other threads must not be waited for while they need all the others.
pub fn share_thread() {
    let threads = rayon::ThreadPoolBuilder::new().use_current_thread();
    if std::env::var("RAYON_NUM_THREADS").map_or(true, |count| count != "1")
        && std::thread::available_parallelism().is_ok_and(|count| count.get() > 1)
    {
        let _ = threads.build_global(); // a program that has chosen its threads keeps them
    }
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
