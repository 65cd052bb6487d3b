//! Layer normalisation in one pass forward and one back, on all cores.
use super::{Wide, contiguous, extension::*, function::sum, numbers, room, tensor, wide};
use burn::tensor::Tensor;
use rayon::prelude::*;

/// What is added to a variance: burn's and PyTorch's default.
const EPSILON: f32 = 1e-5;
/// Rows that one thread works on at a time; of each lot the sums are added in turn, so that threads change no bit.
const ROWS: usize = 64;

/// Each row of the last dimension at mean 0 and deviation 1, times `scale`, plus `shift` (Ba et al. 2016,
/// arXiv:1607.06450).
///
/// # Panics
/// Where `scale` and `shift`, `[width]`, are not as wide as the rows.
pub fn layer_norm<const D: usize>(x: Tensor<D>, scale: Tensor<1>, shift: Tensor<1>) -> Tensor<D> {
    let width = x.dims()[D - 1];
    assert!(scale.dims() == [width] && shift.dims() == [width], "a scale and a shift for each of {width} numbers");
    let [x, scale, shift] = [x.into_dispatch(), scale.into_dispatch(), shift.into_dispatch()];
    Tensor::from_dispatch(<Dispatch as Normalise>::layer_norm(x, scale, shift))
}

/// The normalisation as an operation of a backend.
#[backend_extension(Autodiff, Flex)]
trait Normalise: Backend {
    fn layer_norm(x: FloatTensor<Self>, scale: FloatTensor<Self>, shift: FloatTensor<Self>) -> FloatTensor<Self>;
}

impl Normalise for Flex {
    fn layer_norm(x: FlexTensor, scale: FlexTensor, shift: FlexTensor) -> FlexTensor {
        forward(&contiguous(x), &contiguous(scale), &contiguous(shift)).0
    }
}

impl<C: CheckpointStrategy> Normalise for Autodiff<Flex, C> {
    fn layer_norm(x: FloatTensor<Self>, scale: FloatTensor<Self>, shift: FloatTensor<Self>) -> FloatTensor<Self> {
        let prepared = Derivative.prepare::<C>([x.node(), scale.node(), shift.node()]);
        let [x, scale, shift] = [x, scale, shift].map(|one| contiguous(one.into_primitive()));
        let (made, moments) = forward(&x, &scale, &shift);
        match prepared.compute_bound().stateful() {
            OpsKind::Tracked(prepared) => prepared.finish((x, scale, moments), made),
            OpsKind::UnTracked(prepared) => prepared.finish(made),
        }
    }
}

/// Mean, and 1 over the deviation, of a row.
type Moments = [f32; 2];

#[derive(Debug)]
struct Derivative;

impl Backward<Flex, 3> for Derivative {
    type State = (FlexTensor, FlexTensor, Vec<Moments>);

    fn backward(self, ops: Ops<Self::State, 3>, gradients: &mut Gradients, _: &mut Checkpointer) {
        let gradient = contiguous(gradients.consume::<Flex>(&ops.node));
        let (x, scale, moments) = ops.state;
        let (all, width) = (numbers(&x).len(), numbers(&scale).len());
        let mut found = room(all);
        let lots = found.par_chunks_mut(ROWS * width).zip(numbers(&gradient).par_chunks(ROWS * width));
        let lots = lots.zip(numbers(&x).par_chunks(ROWS * width)).zip(moments.par_chunks(ROWS));
        let sums: Vec<(Vec<f32>, Vec<f32>)> = lots
            .map(|(((found, gradient), x), moments)| {
                let (mut scales, mut shifts) = (vec![0.0; width], vec![0.0; width]);
                let sums = [&mut scales[..], &mut shifts[..]];
                wide(Back { found, gradient, x, moments, scale: numbers(&scale), sums });
                (scales, shifts)
            })
            .collect();
        let (mut scales, mut shifts) = (vec![0.0; width], vec![0.0; width]);
        for (scale, shift) in &sums {
            scales.iter_mut().zip(scale).for_each(|(all, one)| *all += one);
            shifts.iter_mut().zip(shift).for_each(|(all, one)| *all += one);
        }
        let made = [tensor(found, x.shape()), tensor(scales, [width]), tensor(shifts, [width])];
        for (node, made) in ops.parents.into_iter().zip(made) {
            if let Some(node) = node {
                gradients.register::<Flex>(node.id, made);
            }
        }
    }
}

fn forward(x: &FlexTensor, scale: &FlexTensor, shift: &FlexTensor) -> (FlexTensor, Vec<Moments>) {
    let (values, width) = (numbers(x), numbers(scale).len());
    let mut made = room(values.len());
    let mut moments = vec![[0.0; 2]; values.len() / width.max(1)];
    let lots = made.par_chunks_mut(ROWS * width).zip(values.par_chunks(ROWS * width));
    lots.zip(moments.par_chunks_mut(ROWS)).for_each(|((made, x), moments)| {
        wide(Forth { made, x, moments, scale: numbers(scale), shift: numbers(shift) });
    });
    (tensor(made, x.shape()), moments)
}

struct Forth<'a> {
    made: &'a mut [f32],
    x: &'a [f32],
    moments: &'a mut [Moments],
    scale: &'a [f32],
    shift: &'a [f32],
}

impl Wide for Forth<'_> {
    #[inline(always)]
    fn run(self) {
        let width = self.scale.len();
        let rows = self.made.chunks_exact_mut(width).zip(self.x.chunks_exact(width));
        for ((made, x), moments) in rows.zip(self.moments) {
            let mean = sum(x, x, |x, _| x) / width as f32;
            let variance = sum(x, x, |x, _| (x - mean) * (x - mean)) / width as f32;
            let inverse = 1.0 / (variance + EPSILON).sqrt();
            for ((made, x), (scale, shift)) in made.iter_mut().zip(x).zip(self.scale.iter().zip(self.shift)) {
                *made = ((x - mean) * inverse).mul_add(*scale, *shift);
            }
            *moments = [mean, inverse];
        }
    }
}

struct Back<'a> {
    found: &'a mut [f32],
    gradient: &'a [f32],
    x: &'a [f32],
    moments: &'a [Moments],
    scale: &'a [f32],
    /// Of scale and shift.
    sums: [&'a mut [f32]; 2],
}

impl Wide for Back<'_> {
    #[inline(always)]
    fn run(self) {
        let (width, [scales, shifts]) = (self.scale.len(), self.sums);
        let rows = self.found.chunks_exact_mut(width).zip(self.gradient.chunks_exact(width));
        for (((found, gradient), x), [mean, inverse]) in rows.zip(self.x.chunks_exact(width)).zip(self.moments) {
            // what stands before the scale, and that times the normalised row, in the room of the result
            for ((found, gradient), scale) in found.iter_mut().zip(gradient).zip(self.scale) {
                *found = gradient * scale;
            }
            let level = sum(found, x, |found, _| found) / width as f32;
            let tilt = sum(found, x, |found, x| found * (x - mean)) * inverse * inverse / width as f32;
            for (found, x) in found.iter_mut().zip(x) {
                *found = (*found - level - (x - mean) * tilt) * inverse;
            }
            for (((scale, shift), gradient), x) in scales.iter_mut().zip(shifts.iter_mut()).zip(gradient).zip(x) {
                *scale += gradient * (x - mean) * inverse;
                *shift += gradient;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::twins::same;
    use burn::tensor::{Device, Distribution, module};

    #[test]
    fn the_same_as_one_after_another() {
        let device = Device::flex().autodiff();
        device.seed(1);
        for [rows, width] in [[1, 1], [3, 7], [200, 33], [130, 128]] {
            let x = Tensor::<2>::random([rows, width], Distribution::Normal(1.0, 2.0), &device);
            let vector = || Tensor::<2>::random([1, width], Distribution::Normal(0.5, 1.0), &device);
            let (scale, shift) = (vector(), vector());
            same(
                [&x, &scale, &shift],
                |[x, scale, shift]| layer_norm(x, scale.squeeze_dim(0), shift.squeeze_dim(0)),
                |[x, scale, shift]| module::layer_norm(x, scale.squeeze_dim(0), Some(shift.squeeze_dim(0)), 1e-5),
                2e-4,
            );
        }
    }
}
