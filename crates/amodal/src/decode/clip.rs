//! What decoders of clips share: drawn as they are told, or by chance from a code too.
use super::{
    Sampling,
    latent::{Latent, LatentConfig},
};
use crate::{Input, Prediction, Result, Tokens, types::Build};
use burn::tensor::Tensor;

/// Frames, height and width of the target.
///
/// # Errors
/// [`crate::Error::Config`] where it is no clip.
pub(crate) fn size(build: &Build) -> Result<[usize; 3]> {
    Ok([build.target("frames", "video")?, build.target("height", "video")?, build.target("width", "video")?])
}

/// The reader of a clip's code, where there is to be one: `code` above 0.
pub(crate) fn latent(code: usize, deviation: f64, channels: &[usize], build: &Build) -> Result<Option<Latent>> {
    let ([frames, height, width], fused) = (size(build)?, build.dim("fused")?);
    let config = LatentConfig { code, deviation, channels, target: [3 * frames, height, width], fused };
    (code > 0).then(|| config.build(build.device)).transpose()
}

/// A target's `frames` first frames, blank where it is shorter, `[batch, frames, 3, height, width]`, and which of them are
/// real, `[batch, frames]`.
///
/// # Errors
/// [`crate::Error::Shape`] where it is no clip.
pub(crate) fn read(target: &Input, frames: usize) -> Result<(Tensor<5>, Tensor<2>)> {
    let video = target.video()?;
    let [batch, time, colours, height, width] = video.dims();
    let padding = frames.saturating_sub(time).max(1); // no tensor is empty
    let blank = Tensor::zeros([batch, padding, colours, height, width], &video.device());
    let mask = Tensor::cat(vec![target.mask.clone(), Tensor::zeros([batch, padding], &video.device())], 1);
    let (video, mask) = (Tensor::cat(vec![video, blank], 1).narrow(1, 0, frames), mask.narrow(1, 0, frames));
    Ok((video * mask.clone().unsqueeze_dims(&[2, 3, 4]), mask))
}

/// Draws clips.
pub(crate) trait Film {
    /// What reads a code, where clips are drawn by chance.
    fn latent(&self) -> Option<&Latent>;

    /// Frames of a clip.
    fn frames(&self) -> usize;

    /// Clips `[batch, time, 3, height, width]` of fused tokens, and of their mean with the code behind it.
    fn film(&self, fused: &Tokens, vector: Tensor<2>) -> Result<Tensor<5>>;
}

/// Clips; where they are drawn by chance and `target` is given, the negative bound of its log-likelihood by number.
pub(crate) fn decode(film: &impl Film, fused: &Tokens, target: Option<&Input>) -> Result<Prediction> {
    let (Some(target), Some(latent)) = (target, film.latent()) else {
        return generate(film, fused, &Sampling::default());
    };
    let (video, mask) = read(target, film.frames())?;
    let [batch, frames, colours, height, width] = video.dims();
    let code = latent.read(video.clone().reshape([batch, frames * colours, height, width]), fused.pool())?;
    let off = (film.film(fused, code.values.clone())? - video).flatten::<3>(2, 4);
    Ok(Prediction::Loss(latent.loss(code, off, mask)))
}

/// Clips, with codes drawn as `sampling` says.
pub(crate) fn generate(film: &impl Film, fused: &Tokens, sampling: &Sampling) -> Result<Prediction> {
    let vector = fused.pool();
    let vector = match film.latent() {
        Some(latent) => latent.draw(vector, sampling),
        None => vector,
    };
    Ok(Prediction::Video(film.film(fused, vector)?))
}
