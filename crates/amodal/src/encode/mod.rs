//! Encoders: one modality's input to tokens.
pub mod bag;
pub mod category;
pub mod cnn;
pub mod frames;
pub mod number;
pub mod r2plus1d;
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
        "frames" => Frames(frames::Frames, frames::FramesConfig),
        "number" => Number(number::Number, number::NumberConfig),
        "r2plus1d" => R2plus1d(r2plus1d::R2plus1d, r2plus1d::R2plus1dConfig),
        "transformer" => Transformer(transformer::Transformer, transformer::TransformerConfig),
    }
}
