//! Recurrent layers over steps, in one direction or in two.
use super::Linear;
use crate::kernels::lstm;
use burn::module::{Module, Param};
use burn::tensor::{
    Device, Int, Tensor,
    activation::{sigmoid, tanh},
};

/// How a step's state follows from the last one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cell {
    /// Long short-term memory.
    Lstm,
    /// Gated recurrent unit.
    Gru,
}

impl Cell {
    fn gates(self) -> usize {
        match self {
            Self::Lstm => 4,
            Self::Gru => 3,
        }
    }
}

/// One layer: a direction, and the other one where it reads both ways, each row within its own length.
#[derive(Module, Debug)]
pub struct Recurrent {
    forward: Direction,
    backward: Option<Direction>,
}

/// What a cell hands to its next step.
#[derive(Clone, Debug)]
pub struct Carried {
    /// `[batch, dim]`: what the cell says.
    pub state: Tensor<2>,
    /// `[batch, dim]`: what an LSTM remembers.
    pub memory: Tensor<2>,
}

/// A cell's weights.
#[derive(Module, Debug)]
struct Direction {
    input: Linear,
    state: Linear,
    #[module(skip)]
    cell: Cell,
}

impl Recurrent {
    /// From `input` channels to `dim`; of two directions each makes half of them.
    pub fn new(cell: Cell, input: usize, dim: usize, bidirectional: bool, device: &Device) -> Self {
        let direction = || Direction::new(cell, input, if bidirectional { dim / 2 } else { dim }, device);
        Self { forward: direction(), backward: bidirectional.then(direction) }
    }

    /// `[batch, time, input]` with mask `[batch, time]`, real steps first, to the state of each step, `[batch, time, dim]`:
    /// real steps do not see the others.
    pub fn forward(&self, x: Tensor<3>, mask: &Tensor<2>) -> Tensor<3> {
        let Some(backward) = &self.backward else { return self.forward.forward(x) };
        let order = reversed(mask);
        let back = select_steps(backward.forward(select_steps(x.clone(), &order)), &order);
        Tensor::cat(vec![self.forward.forward(x), back], 2)
    }

    /// One step on, `[batch, input]`, in the direction that reads forward.
    pub fn step(&self, x: Tensor<2>, carried: Carried) -> Carried {
        self.forward.advance(self.forward.input.forward(x), carried)
    }

    /// The state of `[batch, time, dim]` in which each direction has read the whole row, `[batch, dim]`.
    pub fn last(&self, states: Tensor<3>, mask: &Tensor<2>) -> Tensor<2> {
        let [_, time, dim] = states.dims();
        let steps = Tensor::<1, Int>::arange(0..time as i64, &states.device()).float().unsqueeze_dim::<2>(0);
        let is_last = (mask.clone().sum_dim(1) - 1.0 - steps).equal_elem(0.0).float() * mask.clone();
        let last = (states.clone() * is_last.unsqueeze_dim(2)).sum_dim(1).squeeze_dim(1);
        if self.backward.is_none() {
            return last;
        }
        let first = states.narrow(1, 0, 1).squeeze_dim(1);
        Tensor::cat(vec![last.narrow(1, 0, dim / 2), first.narrow(1, dim / 2, dim / 2)], 1)
    }
}

impl Direction {
    fn new(cell: Cell, input: usize, dim: usize, device: &Device) -> Self {
        let mut read = Linear::new(input, cell.gates() * dim, device);
        if cell == Cell::Lstm {
            // the forget gate begins open (Jozefowicz et al. 2015, "An empirical exploration of recurrent network
            // architectures", ICML)
            let none = Tensor::zeros([dim], device);
            let open = Tensor::cat(vec![none.clone(), none.clone() + 1.0, none.clone(), none], 0);
            read.bias = read.bias.map(|bias| Param::from_tensor((bias.val() + open).detach()));
        }
        let state = if cell == Cell::Gru { Linear::new } else { Linear::without_bias };
        Self { input: read, state: state(dim, cell.gates() * dim, device), cell }
    }

    /// `[batch, time, input]` to `[batch, time, dim]`, the first step first.
    fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        let [batch, _, _] = x.dims();
        let dim = self.state.weight.dims()[0];
        if self.cell == Cell::Lstm {
            return lstm(self.input.forward(x), self.state.weight.val());
        }
        let blank = Tensor::zeros([batch, dim], &x.device());
        let mut carried = Carried { state: blank.clone(), memory: blank };
        let mut states = Vec::new();
        for read in steps(self.input.forward(x).swap_dims(0, 1)) {
            carried = self.advance(read, carried);
            states.push(carried.state.clone());
        }
        Tensor::stack(states, 1)
    }

    /// One step of what the input layer made of it, `[batch, gates * dim]`.
    fn advance(&self, read: Tensor<2>, Carried { state, memory }: Carried) -> Carried {
        let dim = self.state.weight.dims()[0];
        let recalled = self.state.forward(state.clone());
        let gate = |x: &Tensor<2>, at: usize, count: usize| x.clone().narrow(1, at * dim, count * dim);
        match self.cell {
            Cell::Lstm => {
                // input, forget and output gate, and the candidate
                let sum = read + recalled;
                let open = sigmoid(gate(&sum, 0, 3));
                let memory = gate(&open, 1, 1) * memory + gate(&open, 0, 1) * tanh(gate(&sum, 3, 1));
                Carried { state: gate(&open, 2, 1) * tanh(memory.clone()), memory }
            }
            Cell::Gru => {
                // reset and update gate, and the candidate
                let open = sigmoid(gate(&read, 0, 2) + gate(&recalled, 0, 2));
                let candidate = tanh(gate(&read, 2, 1) + gate(&open, 0, 1) * gate(&recalled, 2, 1));
                Carried { state: candidate.clone() + gate(&open, 1, 1) * (state - candidate), memory }
            }
        }
    }
}

/// The steps of `[time, batch, channels]`, each `[batch, channels]`. Halves of halves: the gradient of every cut is as large
/// as what it is cut from.
fn steps(x: Tensor<3>) -> Vec<Tensor<2>> {
    let [time, _, _] = x.dims();
    if time == 1 {
        return vec![x.squeeze_dim(0)];
    }
    let mut all = steps(x.clone().narrow(0, 0, time / 2));
    all.extend(steps(x.narrow(0, time / 2, time - time / 2)));
    all
}

/// For [`select_steps`]: each row's real steps from the last to the first, then the others. It is its own inverse.
fn reversed(mask: &Tensor<2>) -> Tensor<1, Int> {
    let [batch, time] = mask.dims();
    let steps = Tensor::<1, Int>::arange(0..time as i64, &mask.device()).float().unsqueeze_dim::<2>(0);
    let back = mask.clone().sum_dim(1) - 1.0 - steps.clone();
    let order = (mask.clone() * (back - steps.clone()) + steps).round().int();
    let rows = Tensor::<1, Int>::arange(0..batch as i64, &mask.device()).mul_scalar(time as i64);
    (order + rows.unsqueeze_dim(1)).reshape([batch * time])
}

/// `[batch, time, channels]` in another order of the steps.
fn select_steps(x: Tensor<3>, order: &Tensor<1, Int>) -> Tensor<3> {
    let [batch, time, channels] = x.dims();
    x.reshape([batch * time, channels]).select(0, order.clone()).reshape([batch, time, channels])
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::TensorData;

    #[test]
    fn rows_are_reversed_within_their_own_length() {
        let device = crate::train::device();
        let mask = TensorData::new(vec![1.0_f32, 1.0, 1.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0], [3, 3]);
        let mask = Tensor::from_data(mask, &device);
        let order: Vec<i64> = reversed(&mask).into_data().iter().collect();
        assert_eq!(order, [2, 1, 0, 4, 3, 5, 6, 7, 8]);
    }

    #[test]
    fn steps_keep_their_order() {
        let device = crate::train::device();
        for time in [1, 2, 5, 8] {
            let x = Tensor::<1, Int>::arange(0..time, &device).float().reshape([time as usize, 1, 1]);
            let found: Vec<f32> = Tensor::cat(steps(x), 0).into_data().iter().collect();
            assert_eq!(found, (0..time).map(|step| step as f32).collect::<Vec<_>>());
        }
    }
}
