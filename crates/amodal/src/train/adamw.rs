//! AdamW over all parameters in one pass each, with gradient clipping.
use super::weights::names;
use crate::{Error, Model, Named, Result};
use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::optim::GradientsParams;
use burn::tensor::{Tensor, TensorData};
use rayon::prelude::*;
use std::collections::VecDeque;

const BETA1: f32 = 0.9;
const BETA2: f32 = 0.999;
const EPSILON: f32 = 1e-8;
/// Values that one thread updates at a time.
const CHUNK: usize = 16 * 1024;

/// AdamW (Loshchilov and Hutter 2017, arXiv:1711.05101) with PyTorch's constants: betas 0.9 and 0.999, epsilon 1e-8.
/// Differs: vectors (biases, norms, temperatures) do not decay.
#[derive(Debug, Default)]
pub struct AdamW {
    /// Steps done.
    pub steps: u64,
    /// First and second moment of each parameter, by name.
    pub moments: Named<(Vec<f32>, Vec<f32>)>,
}

/// Step size and limits of one step.
#[derive(Clone, Copy, Debug)]
pub struct Step {
    /// Step size.
    pub learning_rate: f64,
    /// Share of the weights that is taken off, times the step size.
    pub weight_decay: f64,
    /// Largest norm of all gradients together; 0: no limit.
    pub clip: f64,
}

impl AdamW {
    /// Updates a model; returns it with the norm of its gradients before clipping.
    ///
    /// # Errors
    /// [`Error::Config`] where the gradients are not finite.
    pub fn step(&mut self, model: Model, gradients: GradientsParams, step: Step) -> Result<(Model, f64)> {
        let names = names(&model);
        self.step_named(model, names, gradients, step)
    }

    /// [`step`](Self::step) of any module, whose parameters have these names in its order.
    ///
    /// # Errors
    /// Those of [`step`](Self::step).
    pub fn step_named<M: Module>(
        &mut self,
        model: M,
        names: Vec<String>,
        gradients: GradientsParams,
        step: Step,
    ) -> Result<(M, f64)> {
        let mut read = Read { gradients, values: Vec::new() };
        model.visit(&mut read);
        let square = |values: &[f32]| values.iter().map(|value| f64::from(*value).powi(2)).sum::<f64>();
        let norm = read.values.iter().flatten().map(|values| square(values)).sum::<f64>().sqrt(); // in a fixed order
        if !norm.is_finite() {
            let problem = format!("the gradients are not finite at step {}", self.steps);
            return Err(Error::config("train", problem).with_help("lower train.learning_rate, or set train.clip = 1.0"));
        }
        self.steps += 1;
        let clip = if step.clip > 0.0 && norm > step.clip { (step.clip / norm) as f32 } else { 1.0 };
        let mut update =
            Update { optimizer: self, step, clip, parameters: names.into_iter().zip(read.values).collect() };
        Ok((model.map(&mut update), norm))
    }

    fn update(&mut self, name: String, weights: &mut [f32], gradient: &[f32], step: &Step, clip: f32, decays: bool) {
        let zeros = || (vec![0.0; weights.len()], vec![0.0; weights.len()]);
        let (first, second) = self.moments.entry(name).or_insert_with(zeros);
        let time = self.steps as i32;
        let rate = (step.learning_rate / (1.0 - f64::from(BETA1).powi(time))) as f32;
        let unbias = (1.0 / (1.0 - f64::from(BETA2).powi(time))) as f32;
        let keep = if decays { (1.0 - step.learning_rate * step.weight_decay) as f32 } else { 1.0 };
        let chunks = weights.par_chunks_mut(CHUNK).zip(gradient.par_chunks(CHUNK));
        chunks.zip(first.par_chunks_mut(CHUNK)).zip(second.par_chunks_mut(CHUNK)).for_each(
            |(((weights, gradient), first), second)| {
                for (((weight, gradient), m), v) in weights.iter_mut().zip(gradient).zip(first).zip(second) {
                    let gradient = gradient * clip;
                    *m = BETA1 * *m + (1.0 - BETA1) * gradient;
                    *v = BETA2 * *v + (1.0 - BETA2) * gradient * gradient;
                    *weight = *weight * keep - rate * *m / ((*v * unbias).sqrt() + EPSILON);
                }
            },
        );
    }
}

/// Reads every parameter's gradient, in the model's order.
struct Read {
    gradients: GradientsParams,
    values: Vec<Option<Vec<f32>>>,
}

impl ModuleVisitor for Read {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let gradient = self.gradients.remove::<D>(param.id);
        self.values.push(gradient.and_then(|gradient| gradient.into_data().try_into_vec::<f32>().ok()));
    }
}

/// Writes every parameter's new value, in the model's order.
struct Update<'a> {
    optimizer: &'a mut AdamW,
    step: Step,
    clip: f32,
    parameters: VecDeque<(String, Option<Vec<f32>>)>,
}

impl ModuleMapper for Update<'_> {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let Some((name, Some(gradient))) = self.parameters.pop_front() else { return param };
        let (id, tensor, mapper) = param.consume();
        let device = tensor.device();
        let shape = tensor.dims();
        let mut weights: Vec<f32> = tensor.inner().into_data().try_into_vec::<f32>().expect("parameters are f32");
        self.optimizer.update(name, &mut weights, &gradient, &self.step, self.clip, D > 1);
        let tensor = Tensor::from_data(TensorData::new(weights, shape), &device).require_grad();
        Param::from_mapped_value(id, tensor, mapper)
    }
}
