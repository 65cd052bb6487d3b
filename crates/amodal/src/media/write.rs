//! Writes pictures, sounds and clips as files: the way back of [`image::decode`](super::image::decode),
//! [`audio::decode`](super::audio::decode) and [`video::decode`](super::video::decode), which read all of them.
use image::codecs::{gif, jpeg::JpegEncoder, png::PngEncoder, webp::WebPEncoder};
use image::{ExtendedColorType, ImageEncoder, RgbImage};

use super::audio::{Sound, check_rate, encode_wav};
use super::film;
use super::image::Picture;
use super::video::Clip;
use crate::{Error, Result};

/// Endings of pictures that are written, the usual one first: PNG and WebP without loss, JPEG, and GIF of 256 colours.
pub const PICTURES: &[&str] = &["png", "jpg", "jpeg", "webp", "gif"];
/// Endings of sounds that are written, the usual one first: 16 bits, one channel.
pub const SOUNDS: &[&str] = &["wav"];
/// Endings of clips that are written, the usual one first: GIF of 256 colours a frame, MP4 with H.264, WebP and PNG
/// without loss; all but MP4 start again at their end.
pub const CLIPS: &[&str] = &["gif", "mp4", "webp", "png", "apng"];

/// Of 100; differences are hard to see.
const JPEG_QUALITY: u8 = 90;

/// A picture as a file, in one of [`PICTURES`].
///
/// # Errors
/// [`Error::Config`] for another format, [`Error::Data`] for a picture without area, or larger than the format allows.
pub fn picture(picture: &Picture, format: &str) -> Result<Vec<u8>> {
    let (width, height) = check(picture)?;
    let (mut bytes, pixels, rgb) = (Vec::new(), &picture.pixels, ExtendedColorType::Rgb8);
    let written = match format {
        "png" => PngEncoder::new(&mut bytes).write_image(pixels, width, height, rgb),
        "jpg" | "jpeg" => {
            JpegEncoder::new_with_quality(&mut bytes, JPEG_QUALITY).write_image(pixels, width, height, rgb)
        }
        "webp" => WebPEncoder::new_lossless(&mut bytes).write_image(pixels, width, height, rgb),
        "gif" => gif::GifEncoder::new(&mut bytes).write_image(pixels, width, height, rgb),
        _ => return Err(unknown(format, PICTURES)),
    };
    written.map_err(|error| refused(picture, &error))?;
    Ok(bytes)
}

/// A sound as a file, in one of [`SOUNDS`]. Values outside -1 to 1 are cut at the ends of the range.
///
/// # Errors
/// [`Error::Config`] for another format, [`Error::Data`] for a sound without samples, or of a length or rate that the
/// format does not hold.
pub fn sound(sound: &Sound, format: &str) -> Result<Vec<u8>> {
    if !SOUNDS.contains(&format) {
        return Err(unknown(format, SOUNDS));
    }
    check_rate(sound.sample_rate_hz)?;
    if sound.samples.is_empty() {
        return Err(Error::data("", "no sound: zero samples"));
    }
    if sound.samples.len() > (u32::MAX as usize - 44) / 2 {
        return Err(Error::data("", format!("a sound of {:.0} seconds is too long for a file", sound.seconds())));
    }
    Ok(encode_wav(sound))
}

/// A clip as a file, in one of [`CLIPS`].
///
/// # Errors
/// [`Error::Config`] for another format, [`Error::Data`] for a clip without frames, with frames of different sizes or
/// without area, or larger or longer than the format allows.
pub fn clip(clip: &Clip, format: &str) -> Result<Vec<u8>> {
    let first = &clip.frames.first().ok_or_else(|| Error::data("", "no frames"))?.picture;
    let (width, height) = check(first)?;
    for frame in &clip.frames {
        let picture = &frame.picture;
        if check(picture)? != (width, height) {
            let sizes = format!("{width} × {height} and {} × {}", picture.width, picture.height);
            return Err(Error::data("", format!("frames of different sizes: {sizes} pixels")));
        }
    }
    match format {
        "gif" => moving_gif(clip, width, height).map_err(|error| refused(first, &error)),
        "mp4" => film::encode(clip),
        "webp" => moving_webp(clip, width, height),
        "png" | "apng" => moving_png(clip, width, height).map_err(|error| refused(first, &error)),
        _ => Err(unknown(format, CLIPS)),
    }
}

fn moving_gif(clip: &Clip, width: u32, height: u32) -> image::ImageResult<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut encoder = gif::GifEncoder::new(&mut bytes);
    encoder.set_repeat(gif::Repeat::Infinite)?;
    for (frame, ticks) in clip.frames.iter().zip(ticks(clip, 100.0, 2, u16::MAX.into())) {
        let pixels = RgbImage::from_raw(width, height, frame.picture.pixels.clone()).expect("its size was checked");
        let pixels = image::DynamicImage::from(pixels).into_rgba8();
        let delay = image::Delay::from_numer_denom_ms(ticks as u32 * 10, 1);
        encoder.encode_frame(image::Frame::from_parts(pixels, 0, 0, delay))?;
    }
    drop(encoder);
    Ok(bytes)
}

fn moving_png(clip: &Clip, width: u32, height: u32) -> Result<Vec<u8>, png::EncodingError> {
    // the finest ticks that the longest frame can be counted in
    let counted = |rate: u16| (rate, ticks(clip, rate.into(), u64::from(rate / 90), u64::MAX));
    let fits = |(_, ticks): &(u16, Vec<u64>)| ticks.iter().all(|ticks| *ticks <= u16::MAX.into());
    let (rate, ticks) = [1000, 100, 10].map(counted).into_iter().find(fits).unwrap_or_else(|| counted(1));
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, width, height);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.set_animated(clip.frames.len() as u32, 0)?; // again and again
    let mut writer = encoder.write_header()?;
    for (frame, ticks) in clip.frames.iter().zip(ticks) {
        writer.set_frame_delay(ticks.min(u16::MAX.into()) as u16, rate)?;
        writer.write_image_data(&frame.picture.pixels)?;
    }
    writer.finish()?;
    Ok(bytes)
}

/// Pictures without loss, each in a part that says how long it is shown (RFC 9649, section 2.7).
fn moving_webp(clip: &Clip, width: u32, height: u32) -> Result<Vec<u8>> {
    let three = |number: u32| number.to_le_bytes()[..3].to_vec();
    let sides = [three(width - 1), three(height - 1)].concat();
    let mut body = b"WEBP".to_vec();
    body.extend(part(b"VP8X", &[b"\x02\0\0\0", &sides])); // it moves
    body.extend(part(b"ANIM", &[&[0xff; 4], &[0; 2]])); // on white, again and again
    for (frame, ticks) in clip.frames.iter().zip(ticks(clip, 1000.0, 11, (1 << 24) - 1)) {
        let picture = picture(&frame.picture, "webp")?;
        let place = [&[0; 6], &*sides, &three(ticks as u32), b"\x02"].concat(); // over what was there
        body.extend(part(b"ANMF", &[&place, &picture[12..]]));
    }
    let length = u32::try_from(body.len()).map_err(|_| Error::data("", "a clip that is too long for a WebP file"))?;
    Ok([b"RIFF", length.to_le_bytes().as_slice(), &body].concat())
}

/// A named part of a RIFF file, of even length.
fn part(name: &[u8; 4], body: &[&[u8]]) -> Vec<u8> {
    let body = body.concat();
    let odd = &[0][..body.len() % 2];
    [name, (body.len() as u32).to_le_bytes().as_slice(), &body, odd].concat()
}

/// How long each frame is shown, in ticks of which there are `rate` a second. The ends are rounded, not the lengths, so that
/// a long clip keeps its time.
pub(super) fn ticks(clip: &Clip, rate: f64, least: u64, most: u64) -> Vec<u64> {
    let tick = |seconds: f64| (seconds * rate).round() as u64; // `as` saturates
    let ends = clip.frames.iter().skip(1).map(|frame| frame.seconds).chain([clip.seconds]);
    let shown = clip.frames.iter().zip(ends).map(|(frame, end)| tick(end).saturating_sub(tick(frame.seconds)));
    shown.map(|ticks| ticks.clamp(least, most)).collect()
}

/// Width and height of a picture that has an area, and a colour at each place.
fn check(picture: &Picture) -> Result<(u32, u32)> {
    let Picture { height, width, pixels } = picture;
    let length = height.checked_mul(*width).and_then(|area| area.checked_mul(3));
    match (u32::try_from(*width), u32::try_from(*height)) {
        (Ok(w @ 1..), Ok(h @ 1..)) if length == Some(pixels.len()) => Ok((w, h)),
        _ => Err(Error::data("", format!("{} colour values for {width} × {height} pixels", pixels.len()))),
    }
}

fn unknown(format: &str, known: &[&str]) -> Error {
    Error::config("-o", format!("`{format}` is not written, expected {}", known.join(", ")))
}

fn refused(picture: &Picture, error: &dyn std::error::Error) -> Error {
    Error::data("", format!("{} × {} pixels cannot be written: {error}", picture.width, picture.height))
}

#[cfg(test)]
#[path = "write_tests.rs"]
mod tests;
