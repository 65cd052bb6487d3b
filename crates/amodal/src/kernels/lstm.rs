//! Long short-term memory over all steps, on all cores: rows go through time beside each other, a product a step, and the
//! gradient of the weights is one product over all steps.
use super::{
    Wide, contiguous,
    extension::*,
    function::exp,
    matrix::{Panels, new_product, product_panels, rows_of, turned},
    numbers,
    product::count,
    room, tensor, wide,
};
use burn::tensor::Tensor;
use rayon::prelude::*;

/// The states, `[batch, time, dim]`, of an LSTM (Hochreiter and Schmidhuber 1997) without peepholes that begins with zeros.
/// `read`, `[batch, time, 4 dim]`, is what its input layer made of each step: input, forget and output gate, and the
/// candidate; `weight`, `[dim, 4 dim]`, is what the state before adds to it.
///
/// # Panics
/// Where the sizes differ.
pub fn lstm(read: Tensor<3>, weight: Tensor<2>) -> Tensor<3> {
    let ([batch, time, width], [dim, gates]) = (read.dims(), weight.dims());
    assert!(width == 4 * dim && gates == width, "four gates of {dim} numbers");
    let made = <Dispatch as Lstm>::lstm(read.into_dispatch(), weight.into_dispatch());
    count([batch, time, width], dim); // the first of them by zeros
    Tensor::from_dispatch(made)
}

/// The LSTM as an operation of a backend.
#[backend_extension(Autodiff, Flex)]
trait Lstm: Backend {
    fn lstm(read: FloatTensor<Self>, weight: FloatTensor<Self>) -> FloatTensor<Self>;
}

impl Lstm for Flex {
    fn lstm(read: FlexTensor, weight: FlexTensor) -> FlexTensor {
        let sizes = Sizes::of(&read, &weight);
        tensor(forward(sizes, &contiguous(read), &contiguous(weight)).states, [sizes.batch, sizes.time, sizes.dim])
    }
}

impl<C: CheckpointStrategy> Lstm for Autodiff<Flex, C> {
    fn lstm(read: FloatTensor<Self>, weight: FloatTensor<Self>) -> FloatTensor<Self> {
        let prepared = Derivative.prepare::<C>([read.node(), weight.node()]);
        let [read, weight] = [read, weight].map(|one| contiguous(one.into_primitive()));
        let sizes = Sizes::of(&read, &weight);
        let passed = forward(sizes, &read, &weight);
        let made = tensor(passed.states.clone(), [sizes.batch, sizes.time, sizes.dim]);
        match prepared.compute_bound().stateful() {
            OpsKind::Tracked(prepared) => prepared.finish((passed, weight, sizes), made),
            OpsKind::UnTracked(prepared) => prepared.finish(made),
        }
    }
}

#[derive(Clone, Copy, Debug)]
struct Sizes {
    batch: usize,
    time: usize,
    dim: usize,
}

impl Sizes {
    fn of(read: &FlexTensor, weight: &FlexTensor) -> Self {
        let ([batch, time, _], [dim, _]) = (read.shape().dims(), weight.shape().dims());
        Self { batch, time, dim }
    }

    /// Rows that go through time together, so that each thread has some; the bits do not depend on it.
    fn rows(self) -> usize {
        self.batch.div_ceil(rayon::current_num_threads()).max(8)
    }

    /// Numbers that a row holds over all steps, for each number of a state.
    fn row(self) -> usize {
        (self.time * self.dim).max(1)
    }
}

/// What each step came to.
#[derive(Clone, Debug)]
struct Passed {
    /// `[batch, time, 4 dim]`: how far each gate was open, and the candidate.
    gates: Vec<f32>,
    /// `[batch, time, dim]`: what was remembered.
    memories: Vec<f32>,
    /// `[batch, time, dim]`.
    states: Vec<f32>,
}

fn forward(sizes: Sizes, read: &FlexTensor, weight: &FlexTensor) -> Passed {
    let Sizes { time, dim, .. } = sizes;
    let (rows, row) = (sizes.rows(), sizes.row());
    let weight = Panels::new([dim, 4 * dim], (numbers(weight), rows_of(4 * dim)));
    let mut gates = numbers(read).to_vec();
    let (mut memories, mut states) = (room(gates.len() / 4), room(gates.len() / 4));
    let lots = gates.par_chunks_mut(rows * row * 4).zip(memories.par_chunks_mut(rows * row));
    lots.zip(states.par_chunks_mut(rows * row)).for_each(|((gates, memories), states)| {
        let count = states.len() / row;
        for step in 0..time {
            if step > 0 {
                let before = (&states[(step - 1) * dim..], rows_of(row));
                let sum = (&mut gates[step * 4 * dim..], rows_of(4 * row));
                product_panels(count, sum, before, &weight, true);
            }
            let rows = gates.chunks_exact_mut(4 * row).zip(memories.chunks_exact_mut(row));
            for ((gates, memories), states) in rows.zip(states.chunks_exact_mut(row)) {
                let (before, memories) = memories.split_at_mut(step * dim);
                let before = before.len().checked_sub(dim).map(|last| &before[last..]);
                let gates = &mut gates[step * 4 * dim..][..4 * dim];
                wide(Forth { gates, before, memory: &mut memories[..dim], state: &mut states[step * dim..][..dim] });
            }
        }
    });
    Passed { gates, memories, states }
}

/// A step of a row.
struct Forth<'a> {
    gates: &'a mut [f32],
    before: Option<&'a [f32]>,
    memory: &'a mut [f32],
    state: &'a mut [f32],
}

#[inline(always)]
fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + exp(-x))
}

#[inline(always)]
fn tanh(x: f32) -> f32 {
    // by the series near zero, where the difference of two ones would be left
    let square = x * x;
    let near = x * square.mul_add(square.mul_add(2.0 / 15.0, -1.0 / 3.0), 1.0);
    let far = 1.0 - 2.0 / (exp(2.0 * x) + 1.0);
    if square < 0.01 { near } else { far }
}

impl Wide for Forth<'_> {
    #[inline(always)]
    fn run(self) {
        let dim = self.state.len();
        let (opens, candidates) = self.gates.split_at_mut(3 * dim);
        opens.iter_mut().for_each(|gate| *gate = sigmoid(*gate));
        candidates.iter_mut().for_each(|candidate| *candidate = tanh(*candidate));
        let (input, rest) = opens.split_at(dim);
        let (forget, output) = rest.split_at(dim);
        for ((memory, input), candidate) in self.memory.iter_mut().zip(input).zip(candidates) {
            *memory = input * *candidate;
        }
        if let Some(before) = self.before {
            for ((memory, forget), before) in self.memory.iter_mut().zip(forget).zip(before) {
                *memory += forget * before;
            }
        }
        for ((state, output), memory) in self.state.iter_mut().zip(output).zip(self.memory) {
            *state = output * tanh(*memory);
        }
    }
}

#[derive(Debug)]
struct Derivative;

impl Backward<Flex, 2> for Derivative {
    type State = (Passed, FlexTensor, Sizes);

    fn backward(self, ops: Ops<Self::State, 2>, gradients: &mut Gradients, _: &mut Checkpointer) {
        let gradient = contiguous(gradients.consume::<Flex>(&ops.node));
        let (passed, weight, sizes) = ops.state;
        let Sizes { batch, time, dim } = sizes;
        let [of_read, of_weight] = ops.parents;
        let found = backward(sizes, &passed, numbers(&weight), numbers(&gradient));
        if let Some(node) = of_weight {
            // what each step read of the one before
            let mut before = vec![0.0; passed.states.len()];
            for (before, states) in before.chunks_exact_mut(sizes.row()).zip(passed.states.chunks_exact(sizes.row())) {
                before[dim..].copy_from_slice(&states[..states.len() - dim]);
            }
            let of = (&before[..], turned(dim));
            let made = new_product([dim, 4 * dim, batch * time], of, (&found, rows_of(4 * dim)));
            gradients.register::<Flex>(node.id, tensor(made, [dim, 4 * dim]));
        }
        if let Some(node) = of_read {
            gradients.register::<Flex>(node.id, tensor(found, [batch, time, 4 * dim]));
        }
    }
}

/// The gradient of what was read.
fn backward(sizes: Sizes, passed: &Passed, weight: &[f32], gradient: &[f32]) -> Vec<f32> {
    let Sizes { time, dim, .. } = sizes;
    let (rows, row) = (sizes.rows(), sizes.row());
    let back = Panels::new([4 * dim, dim], (weight, turned(4 * dim)));
    let mut found = room(passed.gates.len());
    let lots = found.par_chunks_mut(rows * row * 4).zip(passed.gates.par_chunks(rows * row * 4));
    let lots = lots.zip(passed.memories.par_chunks(rows * row).zip(gradient.par_chunks(rows * row)));
    lots.for_each(|((found, gates), (memories, gradient))| {
        let count = memories.len() / row;
        let (mut of_state, mut of_memory) = (vec![0.0; count * dim], vec![0.0; count * dim]);
        for step in (0..time).rev() {
            for at in 0..count {
                let memories = &memories[at * row..][..row];
                wide(Back {
                    found: &mut found[at * 4 * row + step * 4 * dim..][..4 * dim],
                    gates: &gates[at * 4 * row + step * 4 * dim..][..4 * dim],
                    memory: &memories[step * dim..][..dim],
                    before: step.checked_sub(1).map(|step| &memories[step * dim..][..dim]),
                    gradient: &gradient[at * row + step * dim..][..dim],
                    of_state: &of_state[at * dim..][..dim],
                    of_memory: &mut of_memory[at * dim..][..dim],
                });
            }
            if step > 0 {
                let of = (&found[step * 4 * dim..], rows_of(4 * row));
                product_panels(count, (&mut of_state, rows_of(dim)), of, &back, false);
            }
        }
    });
    found
}

/// A step of a row, back.
struct Back<'a> {
    found: &'a mut [f32],
    gates: &'a [f32],
    memory: &'a [f32],
    before: Option<&'a [f32]>,
    /// Of the state, from what reads it.
    gradient: &'a [f32],
    /// Of the state, from the step behind.
    of_state: &'a [f32],
    /// Of the memory, from the step behind; then for the step before.
    of_memory: &'a mut [f32],
}

impl Wide for Back<'_> {
    #[inline(always)]
    fn run(self) {
        let dim = self.memory.len();
        let (input, rest) = self.gates.split_at(dim);
        let (forget, rest) = rest.split_at(dim);
        let (output, candidate) = rest.split_at(dim);
        let (of_input, rest) = self.found.split_at_mut(dim);
        let (of_forget, rest) = rest.split_at_mut(dim);
        let (of_output, of_candidate) = rest.split_at_mut(dim);
        let slope = |gate: f32| gate * (1.0 - gate);
        let sums = self.gradient.iter().zip(self.of_state);
        let memories = self.memory.iter().zip(self.of_memory.iter_mut());
        for (((memory, of_memory), (gradient, of_state)), (output, of_output)) in
            memories.zip(sums).zip(output.iter().zip(of_output))
        {
            let (gradient, said) = (gradient + of_state, tanh(*memory));
            *of_output = gradient * said * slope(*output);
            *of_memory += gradient * output * (1.0 - said * said);
        }
        let candidates = candidate.iter().zip(of_candidate);
        for ((of_memory, (input, of_input)), (candidate, of_candidate)) in
            self.of_memory.iter().zip(input.iter().zip(of_input)).zip(candidates)
        {
            *of_input = of_memory * candidate * slope(*input);
            *of_candidate = of_memory * input * (1.0 - candidate * candidate);
        }
        match self.before {
            Some(before) => {
                let forgets = forget.iter().zip(of_forget);
                for ((of_memory, before), (forget, of_forget)) in self.of_memory.iter().zip(before).zip(forgets) {
                    *of_forget = of_memory * before * slope(*forget);
                }
            }
            None => of_forget.fill(0.0),
        }
        for (of_memory, forget) in self.of_memory.iter_mut().zip(forget) {
            *of_memory *= forget;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::{matmul, twins::same};
    use burn::tensor::{
        Device, Distribution,
        activation::{sigmoid, tanh},
    };

    /// One operation after another.
    fn plain(read: Tensor<3>, weight: Tensor<2>) -> Tensor<3> {
        let ([batch, time, _], [dim, _]) = (read.dims(), weight.dims());
        let (mut state, mut memory) =
            (Tensor::zeros([batch, dim], &read.device()), Tensor::zeros([batch, dim], &read.device()));
        let mut states = Vec::new();
        for step in 0..time {
            let sum = read.clone().narrow(1, step, 1).squeeze_dim::<2>(1) + matmul(state.clone(), weight.clone());
            let gate = |at: usize| sum.clone().narrow(1, at * dim, dim);
            memory = sigmoid(gate(1)) * memory + sigmoid(gate(0)) * tanh(gate(3));
            state = sigmoid(gate(2)) * tanh(memory.clone());
            states.push(state.clone());
        }
        Tensor::stack(states, 1)
    }

    #[test]
    fn the_same_as_one_after_another() {
        let device = Device::flex().autodiff();
        device.seed(1);
        for [batch, time, dim] in [[1, 1, 1], [3, 5, 7], [20, 9, 16], [2, 40, 33]] {
            let random = |shape| Tensor::<3>::random(shape, Distribution::Normal(0.0, 1.0), &device);
            let (read, weight) = (random([batch, time, 4 * dim]), random([1, dim, 4 * dim]) / (dim as f32).sqrt());
            if time == 1 {
                let made = lstm(read.clone(), weight.clone().squeeze_dim(0)).into_data();
                let wanted = plain(read, weight.squeeze_dim(0)).into_data();
                made.assert_approx_eq::<f32>(&wanted, burn::tensor::Tolerance::absolute(1e-6));
                continue; // no step reads the weight
            }
            same(
                [&read, &weight],
                |[read, weight]| lstm(read, weight.squeeze_dim(0)),
                |[read, weight]| plain(read, weight.squeeze_dim(0)),
                2e-4,
            );
        }
    }

    #[test]
    fn threads_change_no_bit() {
        let device = Device::flex().autodiff();
        device.seed(2);
        let random = |shape| Tensor::<3>::random(shape, Distribution::Normal(0.0, 1.0), &device);
        let (read, weight) = (random([50, 6, 4 * 24]), random([1, 24, 4 * 24]).squeeze_dim::<2>(0) * 0.2);
        let all = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| {
                let [read, weight] =
                    [read.clone().flatten::<2>(0, 1), weight.clone()].map(|one| one.detach().require_grad());
                let made = lstm(read.clone().reshape([50, 6, 4 * 24]), weight.clone());
                let found = made.clone().square().sum().backward();
                [made.into_data(), read.grad(&found).unwrap().into_data(), weight.grad(&found).unwrap().into_data()]
            })
        };
        assert_eq!(all(1), all(3));
    }

    #[test]
    fn tanh_is_that_of_the_library() {
        for x in (-3000..=3000).map(|x| x as f32 / 100.0).chain((-300..=300).map(|x| x as f32 / 1000.0)) {
            let wanted = x.tanh();
            assert!(
                (super::tanh(x) - wanted).abs() <= 2e-6 * wanted.abs().max(1e-3),
                "{x}: {} {wanted}",
                super::tanh(x)
            );
        }
    }
}
