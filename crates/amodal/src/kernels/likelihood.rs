//! The logarithm of softmax at the right class, in one pass forward and one back, on all cores: no probability is kept.
use super::{
    Wide, contiguous,
    extension::*,
    function::{exp, largest, sum},
    numbers, room, tensor, wide,
};
use burn::tensor::Tensor;
use rayon::prelude::*;

/// Numbers that one thread works on at a time, about.
const CHUNK: usize = 32 * 1024;

/// `[rows]`: the logarithm of the probability that a softmax of `logits`, `[rows, classes]`, gives to each row's class;
/// `smoothing` of it is the mean over all classes (Szegedy et al. 2015, arXiv:1512.00567, section 7).
///
/// # Panics
/// Where a class is out of range, or there is not one for each row.
pub fn log_likelihood(logits: Tensor<2>, classes: Vec<usize>, smoothing: f32) -> Tensor<1> {
    let [rows, all] = logits.dims();
    assert!(classes.len() == rows && classes.iter().all(|class| *class < all), "a class for each row");
    Tensor::from_dispatch(<Dispatch as Likelihood>::log_likelihood(logits.into_dispatch(), classes, smoothing))
}

/// The likelihood as an operation of a backend.
#[backend_extension(Autodiff, Flex)]
trait Likelihood: Backend {
    fn log_likelihood(logits: FloatTensor<Self>, classes: Vec<usize>, smoothing: f32) -> FloatTensor<Self>;
}

impl Likelihood for Flex {
    fn log_likelihood(logits: FlexTensor, classes: Vec<usize>, smoothing: f32) -> FlexTensor {
        forward(&contiguous(logits), &classes, smoothing).0
    }
}

impl<C: CheckpointStrategy> Likelihood for Autodiff<Flex, C> {
    fn log_likelihood(logits: FloatTensor<Self>, classes: Vec<usize>, smoothing: f32) -> FloatTensor<Self> {
        let (prepared, logits) = (Derivative.prepare::<C>([logits.node()]), contiguous(logits.into_primitive()));
        let (made, totals) = forward(&logits, &classes, smoothing);
        match prepared.compute_bound().stateful() {
            OpsKind::Tracked(prepared) => prepared.finish(Saved { logits, classes, totals, smoothing }, made),
            OpsKind::UnTracked(prepared) => prepared.finish(made),
        }
    }
}

/// What the way back needs.
#[derive(Clone, Debug)]
struct Saved {
    logits: FlexTensor,
    classes: Vec<usize>,
    /// Of each row.
    totals: Vec<Total>,
    smoothing: f32,
}

/// The largest of a row, and the logarithm of the sum of all exponentials of what they are smaller.
type Total = [f32; 2];

#[derive(Debug)]
struct Derivative;

impl Backward<Flex, 1> for Derivative {
    type State = Saved;

    fn backward(self, ops: Ops<Saved, 1>, gradients: &mut Gradients, _: &mut Checkpointer) {
        let gradient = contiguous(gradients.consume::<Flex>(&ops.node));
        let [Some(node)] = ops.parents else { return };
        let Saved { logits, classes, totals, smoothing } = ops.state;
        let [_, width] = logits.shape().dims();
        let mut found = room(numbers(&logits).len());
        let rows =
            found.par_chunks_mut(width).zip(numbers(&logits).par_chunks(width)).with_min_len(CHUNK.div_ceil(width));
        let rows = rows.zip(classes.par_iter().zip(totals.par_iter().zip(numbers(&gradient))));
        rows.for_each(|((found, logits), (class, (total, gradient)))| {
            wide(Back { found, logits, class: *class, total: *total, gradient: *gradient, smoothing });
        });
        gradients.register::<Flex>(node.id, tensor(found, logits.shape()));
    }
}

fn forward(logits: &FlexTensor, classes: &[usize], smoothing: f32) -> (FlexTensor, Vec<Total>) {
    let [rows, width] = logits.shape().dims();
    let (mut made, mut totals) = (vec![0.0; rows], vec![[0.0; 2]; rows]);
    let all = made.par_iter_mut().zip(totals.par_iter_mut()).zip(numbers(logits).par_chunks(width.max(1)));
    all.zip(classes).with_min_len(CHUNK.div_ceil(width.max(1))).for_each(|(((made, total), logits), class)| {
        wide(Forth { made, total, logits, class: *class, smoothing });
    });
    (tensor(made, [rows]), totals)
}

struct Forth<'a> {
    made: &'a mut f32,
    total: &'a mut Total,
    logits: &'a [f32],
    class: usize,
    smoothing: f32,
}

impl Wide for Forth<'_> {
    #[inline(always)]
    fn run(self) {
        let logits = self.logits;
        let most = largest(logits);
        let total = sum(logits, logits, |x, _| exp(x - most)).ln();
        *self.total = [most, total];
        *self.made = logits[self.class] - most - total;
        if self.smoothing > 0.0 {
            let mean = sum(logits, logits, |x, _| x - most) / logits.len() as f32 - total;
            *self.made += (mean - *self.made) * self.smoothing;
        }
    }
}

struct Back<'a> {
    found: &'a mut [f32],
    logits: &'a [f32],
    class: usize,
    total: Total,
    gradient: f32,
    smoothing: f32,
}

impl Wide for Back<'_> {
    #[inline(always)]
    fn run(self) {
        if self.gradient == 0.0 {
            return self.found.fill(0.0);
        }
        let ([most, total], gradient) = (self.total, self.gradient);
        let spread = self.smoothing / self.logits.len() as f32;
        for (found, logit) in self.found.iter_mut().zip(self.logits) {
            *found = gradient * (spread - exp(logit - most - total));
        }
        self.found[self.class] += gradient * (1.0 - self.smoothing);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::twins::same;
    use burn::tensor::{Device, Distribution, Int, TensorData, activation::log_softmax};

    #[test]
    fn the_same_as_one_after_another() {
        let device = Device::flex().autodiff();
        device.seed(1);
        for [rows, width] in [[1, 1], [3, 7], [200, 33], [5, 20_000]] {
            for smoothing in [0.0, 0.1] {
                let logits = Tensor::<2>::random([rows, width], Distribution::Normal(1.0, 5.0), &device);
                let classes: Vec<usize> = (0..rows).map(|row| (row * 7 + 3) % width).collect();
                let ids: Vec<i64> = classes.iter().map(|class| *class as i64).collect();
                let ids = Tensor::<2, Int>::from_data(TensorData::new(ids, [rows, 1]), &device);
                same(
                    [&logits],
                    |[logits]| log_likelihood(logits, classes.clone(), smoothing),
                    |[logits]| {
                        let all = log_softmax(logits, 1);
                        let right: Tensor<1> = all.clone().gather(1, ids.clone()).squeeze_dim(1);
                        let mean: Tensor<1> = all.mean_dim(1).squeeze_dim(1);
                        right * (1.0 - smoothing) + mean * smoothing
                    },
                    2e-4,
                );
            }
        }
    }

    #[test]
    fn large_logits_stay_finite() {
        let device = Device::flex().autodiff();
        let logits = Tensor::<2>::from_data([[3e38, -3e38], [-1e9, -1e9], [0.0, f32::NEG_INFINITY]], &device);
        let logits = logits.require_grad();
        let made = log_likelihood(logits.clone(), vec![0, 1, 0], 0.0);
        let found = logits.grad(&made.clone().sum().backward()).unwrap();
        let expected: [f32; 3] = [0.0, -std::f32::consts::LN_2, 0.0];
        assert!(made.into_data().iter::<f32>().zip(expected).all(|(made, wanted)| (made - wanted).abs() < 1e-6));
        assert!(found.into_data().iter::<f32>().all(f32::is_finite));
    }
}
