//! The Gaussian error linear unit in one pass, on all cores.
use super::{Wide, contiguous, extension::*, function::normal, numbers, room, tensor, wide};
use burn::tensor::Tensor;
use rayon::prelude::*;

/// Numbers that one thread works on at a time.
const CHUNK: usize = 8 * 1024;

/// `x` times the share of a normal distribution below it (Hendrycks and Gimpel 2016, arXiv:1606.08415); any shape.
pub fn gelu<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    Tensor::from_dispatch(<Dispatch as Gelu>::gelu(x.into_dispatch()))
}

/// The unit as an operation of a backend.
#[backend_extension(Autodiff, Flex)]
trait Gelu: Backend {
    fn gelu(x: FloatTensor<Self>) -> FloatTensor<Self>;
}

impl Gelu for Flex {
    fn gelu(x: FlexTensor) -> FlexTensor {
        let x = contiguous(x);
        each(&x, numbers(&x), |x, _| x * normal(x).0)
    }
}

impl<C: CheckpointStrategy> Gelu for Autodiff<Flex, C> {
    fn gelu(x: FloatTensor<Self>) -> FloatTensor<Self> {
        let (prepared, x) = (Derivative.prepare::<C>([x.node()]), contiguous(x.into_primitive()));
        match prepared.compute_bound().stateful() {
            OpsKind::Tracked(prepared) => prepared.finish(x.clone(), Flex::gelu(x)),
            OpsKind::UnTracked(prepared) => prepared.finish(Flex::gelu(x)),
        }
    }
}

#[derive(Debug)]
struct Derivative;

impl Backward<Flex, 1> for Derivative {
    type State = FlexTensor;

    fn backward(self, ops: Ops<FlexTensor, 1>, gradients: &mut Gradients, _: &mut Checkpointer) {
        let gradient = contiguous(gradients.consume::<Flex>(&ops.node));
        if let [Some(node)] = ops.parents {
            let slope = |x: f32, gradient: f32| {
                let (below, density) = normal(x);
                gradient * x.mul_add(density, below)
            };
            gradients.register::<Flex>(node.id, each(&ops.state, numbers(&gradient), slope));
        }
    }
}

/// What `of` makes of each number of `x`, and of `other` beside it.
fn each(x: &FlexTensor, other: &[f32], of: impl Fn(f32, f32) -> f32 + Copy + Sync) -> FlexTensor {
    let mut made = room(other.len());
    let chunks = made.par_chunks_mut(CHUNK).zip(numbers(x).par_chunks(CHUNK)).zip(other.par_chunks(CHUNK));
    chunks.for_each(|((made, x), other)| wide(Each { made, x, other, of }));
    tensor(made, x.shape())
}

struct Each<'a, F> {
    made: &'a mut [f32],
    x: &'a [f32],
    other: &'a [f32],
    of: F,
}

impl<F: Fn(f32, f32) -> f32> Wide for Each<'_, F> {
    #[inline(always)]
    fn run(self) {
        for ((made, x), other) in self.made.iter_mut().zip(self.x).zip(self.other) {
            *made = (self.of)(*x, *other);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::twins::same;
    use burn::tensor::{Device, Distribution, activation};

    #[expect(clippy::disallowed_methods, reason = "what the kernel is compared with")]
    fn plain(x: Tensor<2>) -> Tensor<2> {
        activation::gelu(x)
    }

    #[test]
    fn the_same_as_one_after_another() {
        let device = Device::flex().autodiff();
        device.seed(1);
        for shape in [[1, 1], [3, 7], [70, 300]] {
            let x = Tensor::<2>::random(shape, Distribution::Normal(0.0, 2.0), &device);
            same([&x], |[x]| gelu(x), |[x]| plain(x), 2e-6);
            same([&x], |[x]| gelu(x.swap_dims(0, 1)), |[x]| plain(x.swap_dims(0, 1)), 2e-6);
        }
    }
}
