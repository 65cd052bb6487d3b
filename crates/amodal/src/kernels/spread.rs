//! Channels to places in one pass, on all cores.
use super::{Wide, contiguous, extension::*, numbers, room, tensor, wide};
use burn::tensor::Tensor;
use rayon::prelude::*;

/// Four channels to four places: `[batch, 4 channels, height, width]` to `[batch, channels, 2 height, 2 width]` (Shi et al.
/// 2016, arXiv:1609.05158).
///
/// # Panics
/// Where 4 does not divide the channels.
pub fn spread(x: Tensor<4>) -> Tensor<4> {
    assert!(x.dims()[1].is_multiple_of(4), "four channels for each");
    Tensor::from_dispatch(<Dispatch as Spread>::spread(x.into_dispatch()))
}

/// It as an operation of a backend.
#[backend_extension(Autodiff, Flex)]
trait Spread: Backend {
    fn spread(x: FloatTensor<Self>) -> FloatTensor<Self>;
}

impl Spread for Flex {
    fn spread(x: FlexTensor) -> FlexTensor {
        let [batch, channels, height, width] = x.shape().dims();
        let x = contiguous(x);
        let mut made = room(numbers(&x).len());
        let plane = (4 * height * width).max(1);
        made.par_chunks_mut(plane).zip(numbers(&x).par_chunks(plane)).for_each(|(made, x)| {
            wide(Apart { made, x, size: [height, width] });
        });
        tensor(made, [batch, channels / 4, 2 * height, 2 * width])
    }
}

impl<C: CheckpointStrategy> Spread for Autodiff<Flex, C> {
    fn spread(x: FloatTensor<Self>) -> FloatTensor<Self> {
        let (prepared, x) = (Derivative.prepare::<C>([x.node()]), x.into_primitive());
        match prepared.compute_bound().stateful() {
            OpsKind::Tracked(prepared) => prepared.finish((), Flex::spread(x)),
            OpsKind::UnTracked(prepared) => prepared.finish(Flex::spread(x)),
        }
    }
}

#[derive(Debug)]
struct Derivative;

impl Backward<Flex, 1> for Derivative {
    type State = ();

    fn backward(self, ops: Ops<(), 1>, gradients: &mut Gradients, _: &mut Checkpointer) {
        let gradient = contiguous(gradients.consume::<Flex>(&ops.node));
        let [Some(node)] = ops.parents else { return };
        let [batch, channels, high, across] = gradient.shape().dims();
        let mut found = room(numbers(&gradient).len());
        let plane = (high * across).max(1);
        found.par_chunks_mut(plane).zip(numbers(&gradient).par_chunks(plane)).for_each(|(found, gradient)| {
            wide(Together { found, gradient, size: [high / 2, across / 2] });
        });
        gradients.register::<Flex>(node.id, tensor(found, [batch, 4 * channels, high / 2, across / 2]));
    }
}

/// Four planes to one.
struct Apart<'a> {
    made: &'a mut [f32],
    x: &'a [f32],
    size: [usize; 2],
}

impl Wide for Apart<'_> {
    #[inline(always)]
    fn run(self) {
        let [height, width] = self.size;
        let places = height * width;
        for (line, made) in self.made.chunks_exact_mut(2 * width).enumerate() {
            let (down, start) = (line % 2, line / 2 * width);
            let left = &self.x[2 * down * places + start..][..width];
            let right = &self.x[(2 * down + 1) * places + start..][..width];
            for ((made, left), right) in made.as_chunks_mut::<2>().0.iter_mut().zip(left).zip(right) {
                *made = [*left, *right];
            }
        }
    }
}

/// One plane to four.
struct Together<'a> {
    found: &'a mut [f32],
    gradient: &'a [f32],
    size: [usize; 2],
}

impl Wide for Together<'_> {
    #[inline(always)]
    fn run(self) {
        let [height, width] = self.size;
        let places = height * width;
        for (line, gradient) in self.gradient.chunks_exact(2 * width).enumerate() {
            let (down, start) = (line % 2, line / 2 * width);
            for across in 0..2 {
                let found = &mut self.found[(2 * down + across) * places + start..][..width];
                for (found, pair) in found.iter_mut().zip(gradient.as_chunks::<2>().0) {
                    *found = pair[across];
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::twins::same;
    use burn::tensor::{Device, Distribution};

    #[test]
    fn the_same_as_a_permutation() {
        let device = Device::flex().autodiff();
        for [batch, channels, height, width] in [[1, 4, 1, 1], [2, 12, 3, 5], [3, 8, 16, 9]] {
            let x = Tensor::<4>::random([batch, channels, height, width], Distribution::Uniform(-1.0, 1.0), &device);
            let plain = |[x]: [Tensor<4>; 1]| {
                let x = x.reshape([batch, channels / 4, 2, 2, height, width]).permute([0, 1, 4, 2, 5, 3]);
                x.reshape([batch, channels / 4, 2 * height, 2 * width])
            };
            same([&x], |[x]| spread(x), plain, 0.0);
        }
    }
}
