//! Attention in heads on all cores: queries, keys and values are read where they stand, and no pair of tokens is written
//! more than once.
//!
//! The order of every sum follows from the shapes alone: the number of threads changes no bit.
use super::{
    Wide, contiguous,
    extension::*,
    function::{exp, largest, sum},
    matrix::{product, rows_of, turned},
    numbers,
    product::count,
    room, tensor, wide,
};
use burn::tensor::Tensor;
use rayon::prelude::*;

/// Scaled dot-product attention (Vaswani et al. 2017, arXiv:1706.03762) of queries, `[batch, time, dim]`, to keys and values
/// side by side, `[batch, keys, 2 dim]`, in `heads` heads: `[batch, time, dim]`. `hidden` is added to the scores, `[batch,
/// heads, time, keys]`, and broadcast over any of them that it has one of; it gets no gradient.
///
/// # Panics
/// Where the shapes are others.
pub fn attention(queries: Tensor<3>, keys_values: Tensor<3>, heads: usize, hidden: Tensor<4>) -> Tensor<3> {
    let ([batch, time, dim], [rows, keys, double]) = (queries.dims(), keys_values.dims());
    assert!(rows == batch && double == 2 * dim && dim.is_multiple_of(heads), "keys and values for each query's row");
    let all = [batch, heads, time, keys];
    assert!(hidden.dims().iter().zip(all).all(|(size, all)| *size == all || *size == 1), "one number a score");
    let sizes = Sizes { batch, heads, time, keys, dim };
    let [queries, keys_values] = [queries.into_dispatch(), keys_values.into_dispatch()];
    let made = <Dispatch as Attention>::attention(queries, keys_values, hidden.into_dispatch(), sizes);
    count(all, dim / heads);
    count([batch, heads, time, dim / heads], keys);
    Tensor::from_dispatch(made)
}

#[derive(Clone, Copy, Debug)]
struct Sizes {
    batch: usize,
    heads: usize,
    time: usize,
    keys: usize,
    dim: usize,
}

impl Sizes {
    fn head(self) -> usize {
        self.dim / self.heads
    }

    fn scale(self) -> f32 {
        (self.head() as f32).powf(-0.5)
    }
}

/// Attention as an operation of a backend.
#[backend_extension(Autodiff, Flex)]
trait Attention: Backend {
    fn attention(
        queries: FloatTensor<Self>,
        keys_values: FloatTensor<Self>,
        hidden: FloatTensor<Self>,
        sizes: Sizes,
    ) -> FloatTensor<Self>;
}

impl Attention for Flex {
    fn attention(queries: FlexTensor, keys_values: FlexTensor, hidden: FlexTensor, sizes: Sizes) -> FlexTensor {
        forward(&Rows::new(queries), &Rows::new(keys_values), &contiguous(hidden), sizes).0
    }
}

impl<C: CheckpointStrategy> Attention for Autodiff<Flex, C> {
    fn attention(
        queries: FloatTensor<Self>,
        keys_values: FloatTensor<Self>,
        hidden: FloatTensor<Self>,
        sizes: Sizes,
    ) -> FloatTensor<Self> {
        let prepared = Derivative.prepare::<C>([queries.node(), keys_values.node()]);
        let [queries, keys_values] = [queries, keys_values].map(|one| Rows::new(one.into_primitive()));
        let (made, weights) = forward(&queries, &keys_values, &contiguous(hidden.into_primitive()), sizes);
        match prepared.compute_bound().stateful() {
            OpsKind::Tracked(prepared) => prepared.finish(Saved { queries, keys_values, weights, sizes }, made),
            OpsKind::UnTracked(prepared) => prepared.finish(made),
        }
    }
}

/// What the way back needs.
#[derive(Clone, Debug)]
struct Saved {
    queries: Rows,
    keys_values: Rows,
    /// `[batch, heads, time, keys]`.
    weights: Vec<f32>,
    sizes: Sizes,
}

/// `[batch, time, width]`, each row's numbers side by side, the rows where they stood in what this is a part of.
#[derive(Clone, Debug)]
struct Rows {
    tensor: FlexTensor,
    start: usize,
    /// From one of the batch, and from one row, to the next.
    strides: [usize; 2],
}

impl Rows {
    fn new(tensor: FlexTensor) -> Self {
        let in_order = |tensor: &FlexTensor| match tensor.layout().strides() {
            [batch, row, 1] if *batch >= 0 && *row > 0 => Some([*batch as usize, *row as usize]),
            _ => None,
        };
        let (tensor, strides) = match in_order(&tensor) {
            Some(strides) => (tensor, strides),
            None => {
                let [_, time, width] = tensor.shape().dims();
                (tensor.to_contiguous(), [time * width, width])
            }
        };
        Self { start: tensor.layout().start_offset(), tensor, strides }
    }

    /// One of the batch, from its first row on, and how far its rows stand apart.
    fn at(&self, batch: usize) -> (&[f32], usize) {
        (&self.tensor.storage()[self.start + batch * self.strides[0]..], self.strides[1])
    }
}

/// What is made, `[batch, time, dim]`, and with which weights, `[batch, heads, time, keys]`.
fn forward(queries: &Rows, keys_values: &Rows, hidden: &FlexTensor, sizes: Sizes) -> (FlexTensor, Vec<f32>) {
    let Sizes { batch, heads, time, keys, dim } = sizes;
    let (head, shape): (usize, [usize; 4]) = (sizes.head(), hidden.shape().dims());
    let hidden = numbers(hidden);
    let mut made = room(batch * time * dim);
    let mut weights = room(batch * heads * time * keys);
    let all = made.par_chunks_mut((time * dim).max(1)).zip(weights.par_chunks_mut((heads * time * keys).max(1)));
    all.enumerate().for_each(|(at, (made, weights))| {
        let ((queries, apart), (keys_values, far)) = (queries.at(at), keys_values.at(at));
        for (of, weights) in weights.chunks_exact_mut((time * keys).max(1)).enumerate() {
            let (queries, keys_in) = (&queries[of * head..], &keys_values[of * head..]);
            product(
                [time, keys, head],
                (weights, rows_of(keys)),
                (queries, rows_of(apart)),
                (keys_in, turned(far)),
                false,
            );
            let first = (at % shape[0]) * shape[1] + of % shape[1];
            let hidden = &hidden[first * shape[2] * shape[3]..][..shape[2] * shape[3]];
            wide(Softmax { scores: weights, hidden, keys, hidden_keys: shape[3], scale: sizes.scale() });
            let (values, made) = (&keys_values[dim + of * head..], &mut made[of * head..]);
            product([time, head, keys], (made, rows_of(dim)), (weights, rows_of(keys)), (values, rows_of(far)), false);
        }
    });
    (tensor(made, [batch, time, dim]), weights)
}

/// Rows of scores to weights that sum to 1.
struct Softmax<'a> {
    scores: &'a mut [f32],
    /// `[time or 1, keys or 1]`.
    hidden: &'a [f32],
    keys: usize,
    hidden_keys: usize,
    scale: f32,
}

impl Wide for Softmax<'_> {
    #[inline(always)]
    fn run(self) {
        for (scores, hidden) in
            self.scores.chunks_exact_mut(self.keys).zip(self.hidden.chunks_exact(self.hidden_keys).cycle())
        {
            match hidden {
                [one] => scores.iter_mut().for_each(|score| *score = score.mul_add(self.scale, *one)),
                _ => scores
                    .iter_mut()
                    .zip(hidden)
                    .for_each(|(score, hidden)| *score = score.mul_add(self.scale, *hidden)),
            }
            let most = largest(scores);
            scores.iter_mut().for_each(|score| *score = exp(*score - most));
            let inverse = 1.0 / sum(scores, scores, |score, _| score);
            scores.iter_mut().for_each(|score| *score *= inverse);
        }
    }
}

#[derive(Debug)]
struct Derivative;

impl Backward<Flex, 2> for Derivative {
    type State = Saved;

    fn backward(self, ops: Ops<Saved, 2>, gradients: &mut Gradients, _: &mut Checkpointer) {
        let gradient = contiguous(gradients.consume::<Flex>(&ops.node));
        let Saved { queries, keys_values, weights, sizes } = ops.state;
        let Sizes { batch, heads, time, keys, dim } = sizes;
        let (head, upstream) = (sizes.head(), numbers(&gradient));
        let mut of_queries = room(batch * time * dim);
        let mut of_keys_values = room(batch * keys * 2 * dim);
        let all =
            of_queries.par_chunks_mut((time * dim).max(1)).zip(of_keys_values.par_chunks_mut((keys * 2 * dim).max(1)));
        all.enumerate().for_each(|(at, (of_queries, of_keys_values))| {
            let ((queries, apart), (keys_values, far)) = (queries.at(at), keys_values.at(at));
            let upstream = &upstream[at * time * dim..][..time * dim];
            let mut slopes = room(time * keys);
            for of in 0..heads {
                let weights = &weights[(at * heads + of) * time * keys..][..time * keys];
                let (upstream, values) = (&upstream[of * head..], &keys_values[dim + of * head..]);
                let found = &mut of_keys_values[dim + of * head..];
                product(
                    [keys, head, time],
                    (found, rows_of(2 * dim)),
                    (weights, turned(keys)),
                    (upstream, rows_of(dim)),
                    false,
                );
                product(
                    [time, keys, head],
                    (&mut slopes, rows_of(keys)),
                    (upstream, rows_of(dim)),
                    (values, turned(far)),
                    false,
                );
                wide(Slopes { slopes: &mut slopes, weights, keys, scale: sizes.scale() });
                let (queries, keys_in) = (&queries[of * head..], &keys_values[of * head..]);
                let found = &mut of_queries[of * head..];
                product(
                    [time, head, keys],
                    (found, rows_of(dim)),
                    (&slopes, rows_of(keys)),
                    (keys_in, rows_of(far)),
                    false,
                );
                let found = &mut of_keys_values[of * head..];
                product(
                    [keys, head, time],
                    (found, rows_of(2 * dim)),
                    (&slopes, turned(keys)),
                    (queries, rows_of(apart)),
                    false,
                );
            }
        });
        let made = [tensor(of_queries, [batch, time, dim]), tensor(of_keys_values, [batch, keys, 2 * dim])];
        for (node, made) in ops.parents.into_iter().zip(made) {
            if let Some(node) = node {
                gradients.register::<Flex>(node.id, made);
            }
        }
    }
}

/// The gradients of weights to those of the products of queries and keys.
struct Slopes<'a> {
    slopes: &'a mut [f32],
    weights: &'a [f32],
    keys: usize,
    scale: f32,
}

impl Wide for Slopes<'_> {
    #[inline(always)]
    fn run(self) {
        for (slopes, weights) in self.slopes.chunks_exact_mut(self.keys).zip(self.weights.chunks_exact(self.keys)) {
            let level = sum(slopes, weights, |slope, weight| slope * weight);
            for (slope, weight) in slopes.iter_mut().zip(weights) {
                *slope = (*slope - level) * weight * self.scale;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::{matmul, twins::same};
    use burn::tensor::{Device, Distribution, TensorData, activation::softmax};

    /// One operation after the other.
    fn plain(queries: Tensor<3>, keys_values: Tensor<3>, heads: usize, hidden: Tensor<4>) -> Tensor<3> {
        let ([batch, time, dim], [_, keys, _]) = (queries.dims(), keys_values.dims());
        let split = |x: Tensor<3>, time| x.reshape([batch, time, heads, dim / heads]).swap_dims(1, 2);
        let (k, v) = (keys_values.clone().narrow(2, 0, dim), keys_values.narrow(2, dim, dim));
        let scale = ((dim / heads) as f64).powf(-0.5);
        let scores = matmul(split(queries, time).mul_scalar(scale), split(k, keys).transpose()) + hidden;
        matmul(softmax(scores, 3), split(v, keys)).swap_dims(1, 2).reshape([batch, time, dim])
    }

    #[test]
    fn the_same_as_one_after_another() {
        let device = Device::flex().autodiff();
        device.seed(1);
        let hide = |shape: [usize; 4]| {
            let hidden = |at: usize| if at % 3 == 1 { -1e9_f32 } else { 0.0 };
            let values: Vec<f32> = (0..shape.iter().product()).map(hidden).collect();
            Tensor::<4>::from_data(TensorData::new(values, shape), &device)
        };
        for ([batch, time, keys], dim, heads) in [([1, 1, 1], 2, 1), ([3, 5, 7], 6, 3), ([2, 40, 33], 16, 2)] {
            for shape in [[1, 1, 1, 1], [batch, 1, 1, keys], [1, 1, time, keys], [batch, heads, time, keys]] {
                let hidden = if keys > 1 { hide(shape) } else { Tensor::zeros(shape, &device) };
                // the queries, keys and values as parts of one tensor
                let x = Tensor::<3>::random([batch, time.max(keys), 3 * dim], Distribution::Normal(0.0, 1.0), &device);
                let cut = |x: Tensor<3>| {
                    let (queries, others) = (x.clone().narrow(2, 0, dim), x.narrow(2, dim, 2 * dim));
                    (queries.narrow(1, 0, time), others.narrow(1, 0, keys))
                };
                let both = |with: fn(Tensor<3>, Tensor<3>, usize, Tensor<4>) -> Tensor<3>| {
                    let hidden = hidden.clone();
                    move |[x]: [Tensor<3>; 1]| {
                        let (queries, others) = cut(x);
                        let hidden =
                            if queries.device().is_autodiff() { hidden.clone() } else { hidden.clone().inner() };
                        with(queries, others, heads, hidden)
                    }
                };
                same([&x], both(attention), both(plain), 1e-5);
            }
        }
    }

    #[test]
    fn rows_are_read_where_they_stand() {
        let device = Device::flex();
        let x = Tensor::<3>::random([2, 5, 12], Distribution::Normal(0.0, 1.0), &device);
        let turned = x.clone().swap_dims(1, 2).reshape([2, 12, 5]).swap_dims(1, 2); // in another order in memory
        let hidden = Tensor::zeros([1, 1, 1, 1], &device);
        let of = |x: Tensor<3>| attention(x.clone().narrow(2, 0, 4), x.narrow(2, 4, 8), 2, hidden.clone()).into_data();
        assert_eq!(of(x), of(turned));
    }
}
