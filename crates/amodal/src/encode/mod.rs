//! Encoders: one modality's input to tokens.
pub mod alexnet;
pub mod bag;
pub mod category;
pub mod cnn;
pub mod frames;
pub mod gru;
pub mod identity;
pub mod lstm;
pub mod number;
pub mod r2plus1d;
pub mod recurrent;
pub mod resnet;
pub mod text_cnn;
pub mod transformer;
pub mod vit;

use crate::{Input, Result, Tokens, layers::Words, registry};

/// Encodes one modality.
pub trait Encode {
    /// Width of the tokens.
    fn dim(&self) -> usize;

    /// Tokens of every value; `input.rows` is the model's business.
    fn encode(&self, input: &Input) -> Result<Tokens>;

    /// Its vectors of words, where it has some.
    fn words(&mut self) -> Option<&mut Words> {
        None
    }
}

registry! {
    /// Encodes one modality.
    Encoder(Encode), EncoderConfig {
        "alexnet" => Alexnet(alexnet::Alexnet, alexnet::AlexnetConfig),
        "bag" => Bag(bag::Bag, bag::BagConfig),
        "category" => Category(category::Category, category::CategoryConfig),
        "cnn" => Cnn(cnn::Cnn, cnn::CnnConfig),
        "frames" => Frames(frames::Frames, frames::FramesConfig),
        "gru" => Gru(recurrent::Recurrent, gru::GruConfig),
        "identity" => Identity(identity::Identity, identity::IdentityConfig),
        "lstm" => Lstm(recurrent::Recurrent, lstm::LstmConfig),
        "number" => Number(number::Number, number::NumberConfig),
        "r2plus1d" => R2plus1d(r2plus1d::R2plus1d, r2plus1d::R2plus1dConfig),
        "resnet" => Resnet(resnet::Resnet, resnet::ResnetConfig),
        "text_cnn" => TextCnn(text_cnn::TextCnn, text_cnn::TextCnnConfig),
        "transformer" => Transformer(transformer::Transformer, transformer::TransformerConfig),
        "vit" => Vit(vit::Vit, vit::VitConfig),
    }
}
