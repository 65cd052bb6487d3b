//! What tests compare a kernel with its plain twin by.
use burn::tensor::{Tensor, TensorData, Tolerance};

/// Asserts that two functions make the same of the inputs, and have the same gradients, within a distance.
#[track_caller]
pub(super) fn same<const N: usize, const I: usize, const O: usize>(
    inputs: [&Tensor<I>; N],
    ours: impl Fn([Tensor<I>; N]) -> Tensor<O>,
    plain: impl Fn([Tensor<I>; N]) -> Tensor<O>,
    distance: f64,
) {
    let all = |function: &dyn Fn([Tensor<I>; N]) -> Tensor<O>| -> Vec<TensorData> {
        let inputs = inputs.map(|input| input.clone().detach().require_grad());
        let made = function(inputs.clone());
        let upstream = Tensor::arange(0..made.shape().num_elements() as i64, &made.device()).float().sin();
        let found = (made.clone() * upstream.reshape(made.dims())).sum().backward();
        let gradients = inputs.iter().map(|input| input.grad(&found).expect("each input has a gradient").into_data());
        std::iter::once(made.into_data()).chain(gradients).collect()
    };
    for (ours, plain) in all(&ours).iter().zip(&all(&plain)) {
        ours.assert_approx_eq::<f32>(plain, Tolerance::absolute(distance));
    }
    // without gradients too
    let made =
        |function: &dyn Fn([Tensor<I>; N]) -> Tensor<O>| function(inputs.map(|one| one.clone().inner())).into_data();
    made(&ours).assert_approx_eq::<f32>(&made(&plain), Tolerance::absolute(distance));
}
