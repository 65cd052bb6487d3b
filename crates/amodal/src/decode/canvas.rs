//! What convolutions draw on: a picture of three colours, or a sound's spectrogram as a picture of one.
use crate::{Error, Input, Prediction, Result, types::Build};
use burn::tensor::Tensor;

/// The sizes of a target that is drawn.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Canvas {
    /// Numbers a place.
    pub(crate) channels: usize,
    /// Height and width; of a sound the windows and the bands.
    pub(crate) size: [usize; 2],
    /// Whether it is a sound.
    pub(crate) is_sound: bool,
}

impl Canvas {
    /// Of the target.
    ///
    /// # Errors
    /// [`Error::Config`] where it is neither a picture nor a sound of fixed length.
    pub(crate) fn new(build: &Build) -> Result<Self> {
        if build.dims.contains_key("target.height") {
            return Ok(Self { channels: 3, size: build.picture()?, is_sound: false });
        }
        let bands = build.dim("target")?;
        match build.dims.get("target.time") {
            Some(time) => Ok(Self { channels: 1, size: [*time, bands], is_sound: true }),
            None => Err(Error::config("", "the target is neither a picture nor a sound of fixed length").with_help(
                "expected a target of type image, or of type audio with `seconds`; `amodal list decoders` shows what each makes",
            )),
        }
    }

    /// A target as `[batch, channels, height, width]`.
    ///
    /// # Errors
    /// [`Error::Shape`] for one of another layout.
    pub(crate) fn read(&self, target: &Input) -> Result<Tensor<4>> {
        if self.is_sound { Ok(target.series()?.unsqueeze_dim(1)) } else { target.image() }
    }

    /// What was drawn, `[batch, channels, height, width]`.
    pub(crate) fn show(&self, drawn: Tensor<4>) -> Prediction {
        if self.is_sound { Prediction::Values(drawn.squeeze_dim(1)) } else { Prediction::Image(drawn) }
    }
}
