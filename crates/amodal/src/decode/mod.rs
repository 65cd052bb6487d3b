//! Decoders: fused tokens to a prediction.
pub mod attention_lstm;
mod canvas;
pub mod classifier;
mod clip;
pub mod ctc;
pub mod deconv;
pub mod deconv3d;
pub mod flow;
pub mod frames;
pub mod image_tokens;
mod latent;
pub mod lstm;
mod rectified;
pub mod regressor;
pub mod sampling;
pub mod spectrogram;
pub mod transformer;
pub mod unet;
pub mod vae;

pub use sampling::Sampling;

use crate::{Input, Prediction, Result, Tokens, registry};

/// Decodes fused tokens into one target.
pub trait Decode {
    /// With `target`, as in training, a decoder that makes one unit after another scores each of them given those before
    /// (teacher forcing), and one that scores itself gives its loss. Without, it makes what is most likely.
    fn decode(&self, fused: &Tokens, target: Option<&Input>) -> Result<Prediction>;

    /// What the decoder makes by itself. Only one that draws or searches reads `sampling`.
    fn generate(&self, fused: &Tokens, _sampling: &Sampling) -> Result<Prediction> {
        self.decode(fused, None)
    }
}

registry! {
    /// Decodes fused tokens into one target.
    Decoder(Decode), DecoderConfig {
        "attention_lstm" => AttentionLstm(attention_lstm::AttentionLstm, attention_lstm::AttentionLstmConfig),
        "classifier" => Classifier(classifier::Classifier, classifier::ClassifierConfig),
        "ctc" => Ctc(ctc::Ctc, ctc::CtcConfig),
        "deconv" => Deconv(deconv::Deconv, deconv::DeconvConfig),
        "deconv3d" => Deconv3d(deconv3d::Deconv3d, deconv3d::Deconv3dConfig),
        "flow" => Flow(flow::Flow, flow::FlowConfig),
        "frames" => Frames(frames::Frames, frames::FramesConfig),
        "image_tokens" => ImageTokens(image_tokens::ImageTokens, image_tokens::ImageTokensConfig),
        "lstm" => Lstm(lstm::Lstm, lstm::LstmConfig),
        "regressor" => Regressor(regressor::Regressor, regressor::RegressorConfig),
        "spectrogram" => Spectrogram(spectrogram::Spectrogram, spectrogram::SpectrogramConfig),
        "transformer" => Transformer(transformer::Transformer, transformer::TransformerConfig),
        "unet" => Unet(unet::Unet, unet::UnetConfig),
        "vae" => Vae(vae::Vae, vae::VaeConfig),
    }
}
