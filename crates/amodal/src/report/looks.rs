//! What a decoder looked at for each word of a text, as pictures.
use crate::{
    Item, Result,
    convert::{Conversion, Made},
    data::Examples,
    media::image::{Fit, Picture, resize},
    modalities::Modality,
    run::Run,
};

/// Height and width of what is shown, in pixels, at least.
const SIZE: usize = 128;

/// How dark the places are that were not looked at.
const DARK: f32 = 0.15;

/// For each unit of a text that was written of a picture's places the picture, bright where the decoder looked; empty where
/// it does not tell, or what it looked at are not the places of a picture.
///
/// # Errors
/// [`crate::Error::Data`] for a picture that cannot be read.
pub fn looks(
    run: &Run,
    examples: &Examples,
    row: usize,
    step: &Conversion,
    made: &Made,
) -> Result<Vec<(String, Picture)>> {
    let is_picture = |(name, modality): &(&str, &Modality)| {
        step.from.len() == 1 && step.from[0] == *name && matches!(modality, Modality::Image(_))
    };
    let Some((name, _)) = run.model.modalities().find(is_picture) else { return Ok(Vec::new()) };
    let Some(Item::Image { pixels, height, width }) = examples.items(&[row], name)?.remove(0).as_deref().cloned()
    else {
        return Ok(Vec::new());
    };
    let times = SIZE.div_ceil(height.max(width));
    let (high, wide) = (height * times, width * times);
    let picture = resize(Picture { height, width, pixels }, high, wide, Fit::Stretch);
    let shown = made.looks.iter().filter_map(|look| {
        let side = look.weights.len().isqrt();
        if side < 2 || side * side != look.weights.len() {
            return None;
        }
        let most = look.weights.iter().copied().fold(f32::MIN_POSITIVE, f32::max);
        let levels = look.weights.iter().flat_map(|weight| [(weight / most * 255.0) as u8; 3]).collect();
        let light = resize(Picture { height: side, width: side, pixels: levels }, high, wide, Fit::Stretch);
        let shade = |(pixel, light): (&u8, &u8)| {
            let light = DARK + (1.0 - DARK) * f32::from(*light) / 255.0;
            (f32::from(*pixel) * light) as u8
        };
        let pixels = picture.pixels.iter().zip(&light.pixels).map(shade).collect();
        Some((look.unit.clone(), Picture { height: high, width: wide, pixels }))
    });
    Ok(shown.collect())
}
