//! Encoders: one modality's input to tokens.
pub mod bag;
pub mod category;
pub mod cnn;
pub mod identity;
pub mod number;
pub mod transformer;

use crate::{Input, Result, Tokens, registry};

/// Encodes one modality.
pub trait Encode {
    /// Width of the tokens.
    fn dim(&self) -> usize;

    /// Tokens of every value; `input.rows` is the model's business.
    fn encode(&self, input: &Input) -> Result<Tokens>;
}

registry! {
    /// Encodes one modality.
    Encoder(Encode), EncoderConfig {
        "bag" => Bag(bag::Bag, bag::BagConfig),
        "category" => Category(category::Category, category::CategoryConfig),
        "cnn" => Cnn(cnn::Cnn, cnn::CnnConfig),
        "identity" => Identity(identity::Identity, identity::IdentityConfig),
        "number" => Number(number::Number, number::NumberConfig),
        "transformer" => Transformer(transformer::Transformer, transformer::TransformerConfig),
    }
}
