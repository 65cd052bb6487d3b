//! What stands for a modality that a row has not.
use crate::Tokens;
use burn::module::{Module, Param};
use burn::nn::Initializer;
use burn::tensor::{Device, Tensor};

/// A learned token that stands for one modality where a row has it not, in training and after it alike.
#[derive(Module, Debug)]
pub struct Absent {
    token: Param<Tensor<1>>,
}

impl Absent {
    /// For tokens of width `dim`.
    pub fn new(dim: usize, device: &Device) -> Self {
        Self { token: Initializer::Normal { mean: 0.0, std: 0.02 }.init([dim], device) }
    }

    /// The same shapes; the first token of a row that has no real one is the learned token, and real.
    pub fn stand_in(&self, tokens: &Tokens) -> Tokens {
        let [batch, _] = tokens.mask.dims();
        let missing = tokens.present().neg().add_scalar(1.0);
        let place = tokens.mask.zeros_like().slice_assign([0..batch, 0..1], missing); // [batch, tokens], 1 at the token
        let here = place.clone().unsqueeze_dim::<3>(2);
        let values = tokens.values.clone() * here.clone().neg().add_scalar(1.0) + self.token.val().unsqueeze() * here;
        Tokens { values, mask: tokens.mask.clone() + place }
    }
}
