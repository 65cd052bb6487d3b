//! The linear layer on all cores: a product forward, and one for each gradient, without copies or zeroing between.
use super::{
    Wide, contiguous,
    extension::*,
    matrix::{add_product, new_product, rows_of, turned},
    numbers,
    product::count,
    tensor, wide,
};
use burn::tensor::Tensor;
use rayon::prelude::*;

/// Rows whose gradients of the bias are summed by one thread; the sums of each lot are added in turn, so that threads change
/// no bit.
const ROWS: usize = 128;

/// `[..., input]` to `[..., output]` by a weight, `[input, output]`, and a bias, `[output]`.
///
/// # Panics
/// Where the sizes differ.
pub fn linear<const D: usize>(x: Tensor<D>, weight: Tensor<2>, bias: Option<Tensor<1>>) -> Tensor<D> {
    let ([input, output], mut shape) = (weight.dims(), x.dims());
    assert_eq!(shape[D - 1], input, "the width of what a linear layer reads");
    let rows: usize = shape[..D - 1].iter().product();
    shape[D - 1] = output;
    let [x, weight] = [x.reshape([rows, input]), weight].map(Tensor::into_dispatch);
    let made = match bias {
        Some(bias) => {
            assert_eq!(bias.dims(), [output], "the width of a bias");
            <Dispatch as Linear>::linear(x, weight, bias.into_dispatch())
        }
        None => <Dispatch as Linear>::without_bias(x, weight),
    };
    count(shape, input);
    Tensor::<2>::from_dispatch(made).reshape(shape)
}

/// The layer as an operation of a backend.
#[backend_extension(Autodiff, Flex)]
trait Linear: Backend {
    fn linear(x: FloatTensor<Self>, weight: FloatTensor<Self>, bias: FloatTensor<Self>) -> FloatTensor<Self>;
    fn without_bias(x: FloatTensor<Self>, weight: FloatTensor<Self>) -> FloatTensor<Self>;
}

impl Linear for Flex {
    fn linear(x: FlexTensor, weight: FlexTensor, bias: FlexTensor) -> FlexTensor {
        forward(&contiguous(x), &contiguous(weight), Some(&contiguous(bias)))
    }

    fn without_bias(x: FlexTensor, weight: FlexTensor) -> FlexTensor {
        forward(&contiguous(x), &contiguous(weight), None)
    }
}

impl<C: CheckpointStrategy> Linear for Autodiff<Flex, C> {
    fn linear(x: FloatTensor<Self>, weight: FloatTensor<Self>, bias: FloatTensor<Self>) -> FloatTensor<Self> {
        let prepared = Derivative.prepare::<C>([x.node(), weight.node(), bias.node()]);
        let [x, weight, bias] = [x, weight, bias].map(|one| contiguous(one.into_primitive()));
        let made = forward(&x, &weight, Some(&bias));
        match prepared.compute_bound().stateful() {
            OpsKind::Tracked(prepared) => prepared.finish((x, weight), made),
            OpsKind::UnTracked(prepared) => prepared.finish(made),
        }
    }

    fn without_bias(x: FloatTensor<Self>, weight: FloatTensor<Self>) -> FloatTensor<Self> {
        let prepared = Derivative.prepare::<C>([x.node(), weight.node()]);
        let [x, weight] = [x, weight].map(|one| contiguous(one.into_primitive()));
        let made = forward(&x, &weight, None);
        match prepared.compute_bound().stateful() {
            OpsKind::Tracked(prepared) => prepared.finish((x, weight), made),
            OpsKind::UnTracked(prepared) => prepared.finish(made),
        }
    }
}

#[derive(Debug)]
struct Derivative;

/// Of `N` parents the first is what is read, the second the weight, and the third, if any, the bias.
impl<const N: usize> Backward<Flex, N> for Derivative {
    type State = (FlexTensor, FlexTensor);

    fn backward(self, ops: Ops<Self::State, N>, gradients: &mut Gradients, _: &mut Checkpointer) {
        let gradient = contiguous(gradients.consume::<Flex>(&ops.node));
        let (x, weight) = ops.state;
        let ([rows, input], [_, output]) = (x.shape().dims(), weight.shape().dims());
        let gradient = numbers(&gradient);
        for (at, node) in ops.parents.into_iter().enumerate() {
            let Some(node) = node else { continue };
            let made = match at {
                0 => {
                    let by = (numbers(&weight), turned(output));
                    tensor(new_product([rows, input, output], (gradient, rows_of(output)), by), [rows, input])
                }
                1 => {
                    let of = (numbers(&x), turned(input));
                    tensor(new_product([input, output, rows], of, (gradient, rows_of(output))), [input, output])
                }
                _ => tensor(column_sums(gradient, output), [output]),
            };
            gradients.register::<Flex>(node.id, made);
        }
    }
}

fn forward(x: &FlexTensor, weight: &FlexTensor, bias: Option<&FlexTensor>) -> FlexTensor {
    let ([rows, input], [_, output]) = (x.shape().dims(), weight.shape().dims());
    let (sizes, of, by) = ([rows, output, input], (numbers(x), rows_of(input)), (numbers(weight), rows_of(output)));
    let made = match bias {
        Some(bias) => {
            let mut made = repeated(numbers(bias), rows);
            add_product(sizes, &mut made, of, by);
            made
        }
        None => new_product(sizes, of, by),
    };
    tensor(made, [rows, output])
}

/// A row, so many times.
fn repeated(row: &[f32], times: usize) -> Vec<f32> {
    let mut made = Vec::with_capacity(row.len() * times);
    (0..times).for_each(|_| made.extend_from_slice(row));
    made
}

/// The sum of each column of rows of `width` numbers.
pub(super) fn column_sums(rows: &[f32], width: usize) -> Vec<f32> {
    let lots = rows.par_chunks((ROWS * width).max(1));
    let lots: Vec<Vec<f32>> = lots
        .map(|rows| {
            let mut sums = vec![0.0; width];
            wide(Sums { rows, sums: &mut sums });
            sums
        })
        .collect();
    let mut all = vec![0.0; width];
    for lot in &lots {
        all.iter_mut().zip(lot).for_each(|(all, one)| *all += one);
    }
    all
}

struct Sums<'a> {
    rows: &'a [f32],
    sums: &'a mut [f32],
}

impl Wide for Sums<'_> {
    #[inline(always)]
    fn run(self) {
        for row in self.rows.chunks_exact(self.sums.len().max(1)) {
            self.sums.iter_mut().zip(row).for_each(|(sum, value)| *sum += value);
        }
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "burn's own, to compare with")]
mod tests {
    use super::*;
    use crate::kernels::twins::same;
    use burn::tensor::{Device, Distribution, module};

    #[test]
    fn the_same_as_burns() {
        let device = Device::flex().autodiff();
        device.seed(1);
        for [rows, input, output] in [[1, 1, 1], [5, 7, 3], [300, 33, 65], [2, 200, 129]] {
            let random = |shape| Tensor::<2>::random(shape, Distribution::Uniform(-1.0, 1.0), &device);
            let (x, weight, bias) = (random([rows, input]), random([input, output]), random([1, output]));
            same(
                [&x, &weight, &bias],
                |[x, weight, bias]| linear(x, weight, Some(bias.squeeze_dim(0))),
                |[x, weight, bias]| module::linear(x, weight, Some(bias.squeeze_dim(0))),
                1e-4,
            );
            same(
                [&x, &weight],
                |[x, weight]| linear(x, weight, None),
                |[x, weight]| module::linear(x, weight, None),
                1e-4,
            );
            // turned and cut, and in more dimensions
            same(
                [&x, &weight],
                |[x, weight]| {
                    linear(
                        x.transpose().unsqueeze::<3>(),
                        weight.repeat(&[1, 2]).narrow(1, 0, output).narrow(0, 0, 1).repeat(&[rows, 1]),
                        None,
                    )
                    .flatten::<2>(0, 1)
                },
                |[x, weight]| module::linear(x.transpose(), weight.narrow(0, 0, 1).repeat(&[rows, 1]), None),
                1e-4,
            );
        }
    }

    #[test]
    fn threads_change_no_bit() {
        let device = Device::flex().autodiff();
        let waves = |shape: [usize; 2]| {
            let count = shape.iter().product::<usize>() as i64;
            (Tensor::<1, burn::tensor::Int>::arange(0..count, &device).float() * 0.37).sin().reshape(shape)
        };
        for [rows, input, output] in [[700, 300, 200], [64, 500, 900], [3, 800, 700], [1, 700, 900]] {
            let all = |threads: usize| {
                let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
                pool.install(|| {
                    let [x, weight] = [waves([rows, input]), waves([input, output])].map(|one| one.require_grad());
                    let made = linear(x.clone(), weight.clone(), None);
                    let found = made.clone().square().sum().backward();
                    [made, x.grad(&found).unwrap(), weight.grad(&found).unwrap()].map(|one| one.into_data())
                })
            };
            assert_eq!(all(1), all(3));
        }
    }
}
