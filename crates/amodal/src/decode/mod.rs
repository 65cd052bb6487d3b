//! Decoders: fused tokens to a prediction.
pub mod classifier;
pub mod regressor;

use crate::{Input, Prediction, Result, Tokens, registry};

/// Decodes fused tokens into one target.
pub trait Decode {
    /// `target` is given in training, for decoders that read it (teacher forcing).
    fn decode(&self, fused: &Tokens, target: Option<&Input>) -> Result<Prediction>;
}

registry! {
    /// Decodes fused tokens into one target.
    Decoder(Decode), DecoderConfig {
        "classifier" => Classifier(classifier::Classifier, classifier::ClassifierConfig),
        "regressor" => Regressor(regressor::Regressor, regressor::RegressorConfig),
    }
}
