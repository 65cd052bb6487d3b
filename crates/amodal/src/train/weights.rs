//! A model's parameters by name, to and from safetensors.
use crate::{Error, Model, Named, Result};
use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::tensor::{Tensor, TensorData};
use std::path::Path;

/// A parameter's values and shape.
pub type Weights = Named<(Vec<usize>, Vec<f32>)>;

/// Most parameters: with their gradients and two moments they take 16 GB.
const MOST: f64 = 1e9;

/// Every parameter's name, in the model's order.
pub fn names(model: &Model) -> Vec<String> {
    let mut walk = Walk { model, path: Vec::new(), found: Vec::new(), values: false };
    model.visit(&mut walk);
    walk.found.into_iter().map(|(name, _)| name).collect()
}

/// Checks, before any is drawn, that the parameters fit into a computer's memory.
///
/// # Errors
/// [`Error::Config`] with the largest parameter.
pub(crate) fn check_size(model: &Model) -> Result<()> {
    let mut walk = Walk { model, path: Vec::new(), found: Vec::new(), values: false };
    model.visit(&mut walk);
    let size = |shape: &[usize]| shape.iter().map(|size| *size as f64).product::<f64>();
    let count: f64 = walk.found.iter().map(|(_, (shape, _))| size(shape)).sum();
    let largest = walk.found.iter().max_by(|a, b| size(&a.1.0).total_cmp(&size(&b.1.0)));
    match largest {
        Some((name, (shape, _))) if count > MOST => {
            let problem =
                format!("the model has {count:.1e} parameters, more than {MOST:.0e}; the most in {name} {shape:?}");
            Err(Error::config("", problem).with_help("lower a `dim` or `size` there"))
        }
        _ => Ok(()),
    }
}

/// Every parameter's shape and values.
pub fn read(model: &Model) -> Weights {
    // running statistics are averaged over threads first, as `valid` does
    let model = model.valid();
    let mut walk = Walk { model: &model, path: Vec::new(), found: Vec::new(), values: true };
    model.visit(&mut walk);
    walk.found.into_iter().collect()
}

/// The model with other values.
///
/// # Errors
/// [`Error::Run`] for a parameter that is missing or of another shape, naming `path`.
pub fn write(model: Model, weights: &Weights, path: &Path) -> Result<Model> {
    let shape_of = |model: &Model| {
        let mut walk = Walk { model, path: Vec::new(), found: Vec::new(), values: false };
        model.visit(&mut walk);
        walk.found
    };
    let mut values = Vec::new();
    let found = shape_of(&model);
    for (name, (shape, _)) in &found {
        let Some((have, numbers)) = weights.get(name) else {
            return Err(Error::run(path, format!("has no weights `{name}`")).with_help("was the config changed?"));
        };
        if have != shape {
            let problem = format!("`{name}` has shape {have:?}, the config makes {shape:?}");
            return Err(Error::run(path, problem).with_help("was the config changed?"));
        }
        values.push(numbers.clone());
    }
    if weights.len() != found.len() {
        let extra: Vec<_> = weights.keys().filter(|name| !found.iter().any(|(known, _)| known == *name)).collect();
        return Err(Error::run(path, format!("has weights that the config does not make: {extra:?}")));
    }
    values.reverse();
    let _ = model.valid(); // settles running statistics, which would otherwise replace the new ones later
    Ok(model.map(&mut Put { values }))
}

struct Walk<'a> {
    model: &'a Model,
    path: Vec<String>,
    #[expect(clippy::type_complexity, reason = "the entries of `Weights`")]
    found: Vec<(String, (Vec<usize>, Vec<f32>))>,
    values: bool,
}

impl ModuleVisitor for Walk<'_> {
    fn enter_module(&mut self, name: &str, _: &str) {
        self.path.push(name.to_string());
    }

    fn exit_module(&mut self, _: &str, _: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let shape = param.lazy_shape().to_vec(); // draws nothing
        let values = if self.values {
            param.val().inner().into_data().try_into_vec::<f32>().expect("parameters are f32")
        } else {
            Vec::new()
        };
        self.found.push((self.model.parameter_name(&self.path), (shape, values)));
    }
}

struct Put {
    values: Vec<Vec<f32>>,
}

impl ModuleMapper for Put {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let values = self.values.pop().expect("one entry a parameter");
        let (id, tensor, mapper) = param.consume();
        let (device, learned) = (tensor.device(), tensor.is_require_grad());
        let new = Tensor::from_data(TensorData::new(values, tensor.dims()), &device);
        Param::from_mapped_value(id, if learned { new.require_grad() } else { new }, mapper)
    }
}
