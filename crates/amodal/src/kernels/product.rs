//! Products of matrices, and how many multiply-adds they and the convolutions take: burn tells nobody what it multiplies, so
//! every part of a model multiplies through here.
use burn::tensor::Tensor;
use std::cell::Cell;

thread_local! {
    static COUNT: Cell<u64> = const { Cell::new(0) };
}

/// What `work` yields, and the multiply-adds of the matrix products and convolutions that it makes on this thread: those of
/// the way forward, as gradients are burn's business. What is done to each value alone is not counted, as usual.
pub fn multiply_adds<T>(work: impl FnOnce() -> T) -> (T, u64) {
    let before = COUNT.get();
    let made = work();
    (made, COUNT.get().wrapping_sub(before))
}

/// Counts a product of which every number made, of `shape`, is a sum of `inner` terms.
pub(crate) fn count<const D: usize>(shape: [usize; D], inner: usize) {
    let made: usize = shape.iter().product();
    COUNT.set(COUNT.get().wrapping_add(made as u64 * inner as u64));
}

/// `[..., rows, inner]` and `[..., inner, columns]` to `[..., rows, columns]`.
#[expect(clippy::disallowed_methods, reason = "the place where it is counted")]
pub fn matmul<const D: usize>(a: Tensor<D>, b: Tensor<D>) -> Tensor<D> {
    let inner = a.dims()[D - 1];
    let made = a.matmul(b);
    count(made.dims(), inner);
    made
}
