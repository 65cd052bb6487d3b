//! Vectors of words.
use super::Linear;
use crate::{Input, Result, types::Build};
use burn::module::{Module, Param};
use burn::nn::{EmbeddingConfig, Initializer};
use burn::tensor::{Bool, Tensor, TensorData, module::embedding};

/// A vector a word, and one a part of speech that is added to it where the text has tags.
///
/// Where the words begin with vectors of a file, these have a width of their own and a linear layer behind them, and only the
/// first words' are learned.
#[derive(Module, Debug)]
pub struct Words {
    /// `[words, dim]`, or `[learned, vectors]`.
    weight: Param<Tensor<2>>,
    /// `[words - learned, vectors]`, never changed.
    fixed: Option<Param<Tensor<2>>>,
    /// `vectors` to `dim`.
    project: Option<Linear>,
    /// `[tags, dim]`.
    tags: Option<Param<Tensor<2>>>,
}

impl Words {
    /// For `input` words, each drawn from the normal distribution at first, and the `tags` that a text with parts of speech
    /// announces: zero at first, so that a model begins as it would without them. A text that begins with vectors announces
    /// `vectors`, their width, and `learned`, the words whose vectors are learned.
    pub fn new(build: &Build, dim: usize) -> Result<Self> {
        let (words, device) = (build.dim("input")?, build.device);
        let tags = build.dims.get("tags").map(|tags| Initializer::Zeros.init([*tags, dim], device));
        let drawn = |words, dim| EmbeddingConfig::new(words, dim).init(device).weight;
        let Some(vectors) = build.dims.get("vectors").copied() else {
            return Ok(Self { weight: drawn(words, dim), fixed: None, project: None, tags });
        };
        let learned = build.dim("learned")?.min(words);
        let zeros = || Initializer::Zeros.init([words - learned, vectors], device).no_grad();
        Ok(Self {
            weight: drawn(learned, vectors),
            fixed: (learned < words).then(zeros),
            project: Some(Linear::new(vectors, dim, device)),
            tags,
        })
    }

    /// Begins with these vectors, `[words, vectors]`; a row of zeros leaves what was drawn.
    pub fn start(&mut self, values: &[f32]) {
        let [learned, width] = self.weight.dims();
        let rest = values.split_at((learned * width).min(values.len()));
        self.weight = self.weight.clone().map(|weight| {
            let (device, is_learned) = (weight.device(), weight.is_require_grad());
            let mut drawn = weight.inner().into_data().try_into_vec::<f32>().expect("parameters are f32");
            for (row, given) in drawn.chunks_exact_mut(width).zip(rest.0.chunks_exact(width)) {
                if given.iter().any(|value| *value != 0.0) {
                    row.copy_from_slice(given);
                }
            }
            let begun = Tensor::from_data(TensorData::new(drawn, [learned, width]), &device);
            if is_learned { begun.require_grad() } else { begun }
        });
        self.fixed = self.fixed.take().map(|fixed| {
            fixed.map(|fixed| Tensor::from_data(TensorData::new(rest.1.to_vec(), fixed.dims()), &fixed.device()))
        });
    }

    /// `[batch, time]` ids to `[batch, time, dim]`.
    pub fn forward(&self, input: &Input) -> Result<Tensor<3>> {
        let ids = input.ids()?;
        let mut words = match &self.fixed {
            None => embedding(self.weight.val(), ids),
            Some(fixed) => {
                let learned = self.weight.dims()[0] as i64;
                let is_fixed: Tensor<2, Bool> = ids.clone().greater_equal_elem(learned);
                let own = embedding(self.weight.val(), ids.clone().clamp_max(learned - 1)); // [batch, time, vectors]
                let other = embedding(fixed.val(), ids.sub_scalar(learned).clamp_min(0));
                let is_fixed = is_fixed.unsqueeze_dim::<3>(2).expand(own.dims());
                own.mask_where(is_fixed, other)
            }
        };
        if let Some(project) = &self.project {
            words = project.forward(words);
        }
        Ok(match &self.tags {
            Some(tags) => words + embedding(tags.val(), input.tags()?),
            None => words,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::Values;
    use burn::tensor::{Device, Int};

    #[test]
    fn learned_and_fixed_words_begin_with_what_is_given() {
        let device = Device::flex();
        let dims = [("input", 6), ("vectors", 2), ("learned", 4)];
        let dims = dims.map(|(name, dim)| (name.to_string(), dim)).into();
        let mut words = Words::new(&Build { dims, device: &device }, 3).unwrap();
        let drawn: Vec<f32> = words.weight.val().into_data().try_into_vec().unwrap();
        words.start(&[0.0, 0.0, 0.0, 0.0, 1.0, 2.0, 0.0, 0.0, 3.0, 4.0, 5.0, 6.0]);
        let project = words.project.take().unwrap();
        let ids = Tensor::<2, Int>::from_data([[0, 1, 2], [3, 4, 5]], &device);
        let input = Input { values: Values::Ids(ids), mask: Tensor::ones([2, 3], &device), rows: None };
        let read: Vec<f32> = words.forward(&input).unwrap().into_data().try_into_vec().unwrap();
        let expected = [&drawn[..4], &[1.0, 2.0], &drawn[6..], &[3.0, 4.0, 5.0, 6.0]].concat();
        assert_eq!(read, expected, "words without a vector keep what was drawn");
        words.project = Some(project);
        assert_eq!(words.forward(&input).unwrap().dims(), [2, 3, 3]);
    }

    #[test]
    fn only_learned_words_have_a_gradient() {
        let device = Device::flex().autodiff();
        let dims = [("input", 6), ("vectors", 2), ("learned", 4)];
        let dims = dims.map(|(name, dim)| (name.to_string(), dim)).into();
        let mut words = Words::new(&Build { dims, device: &device }, 3).unwrap();
        words.start(&[1.0; 12]);
        let ids = Tensor::<2, Int>::from_data([[1, 3, 5]], &device);
        let input = Input { values: Values::Ids(ids), mask: Tensor::ones([1, 3], &device), rows: None };
        let gradients = words.forward(&input).unwrap().sum().backward();
        let gradient = words.weight.val().grad(&gradients).unwrap();
        let rows: Vec<f32> = gradient.abs().sum_dim(1).into_data().try_into_vec().unwrap();
        let is_zero: Vec<bool> = rows.iter().map(|row| *row == 0.0).collect();
        assert_eq!(is_zero, [true, false, true, false], "{rows:?}");
        assert!(words.fixed.unwrap().val().grad(&gradients).is_none());
    }
}
