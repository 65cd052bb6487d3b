//! Animated WebP, GIF and PNG. When each frame is shown is read from the structure of the file before any is decoded, and
//! every length in it is checked, as the decoders take a file that is cut short for a shorter one.
use std::io::Cursor;

use image::codecs::{gif::GifDecoder, png::PngDecoder, webp::WebPDecoder};
use image::{AnimationDecoder, Frames, ImageDecoder, ImageFormat};

use super::image::{Picture, broken, check_pixels, format_of, most, over_white};
use super::video::{Clip, ClipLimits, Timeline};
use crate::{Error, Result};

/// Frames of an animation; `None` for a picture that does not move.
pub(super) fn decode(
    bytes: &[u8],
    count: usize,
    limits: &ClipLimits,
    keep: &mut impl FnMut(Picture) -> Picture,
) -> Result<Option<Clip>> {
    let Some((format, name)) = format_of(bytes) else { return Ok(None) };
    let delays = match format {
        ImageFormat::Gif => gif(bytes),
        ImageFormat::Png => png(bytes),
        ImageFormat::WebP => webp(bytes),
        _ => return Ok(None),
    };
    let delays =
        delays.ok_or_else(|| Error::data("", format!("truncated {name}: it ends within {} bytes", bytes.len())))?;
    if delays.is_empty() || (format == ImageFormat::Gif && delays.len() == 1) {
        return Ok(None);
    }
    // what asks for no time is shown for a tenth of a second, as browsers do
    let timeline = Timeline::of(delays.into_iter().map(|delay| if delay < 0.011 { 0.1 } else { delay }));
    let clip = timeline.clip(count, limits, |places| {
        let mut frames = frames(bytes, format, name, limits)?;
        let (mut pictures, mut next) = (Vec::new(), 0);
        for place in places {
            let short = || Error::data("", format!("damaged {name}: fewer frames than it says"));
            let frame =
                frames.nth(place - next).ok_or_else(short)?.map_err(|error| broken(&error, name, bytes.len()))?;
            next = place + 1;
            let frame = frame.into_buffer();
            let (height, width) = (frame.height() as usize, frame.width() as usize);
            pictures.push(keep(Picture { height, width, pixels: over_white(&frame) }));
        }
        Ok(pictures)
    });
    clip.map(Some)
}

fn frames<'a>(bytes: &'a [u8], format: ImageFormat, name: &str, limits: &ClipLimits) -> Result<Frames<'a>> {
    let broken = |error| broken(&error, name, bytes.len());
    let (bytes_of, most) = (Cursor::new(bytes), most(&limits.picture));
    let check = |decoder: &dyn ImageDecoder| {
        let (width, height) = decoder.dimensions();
        check_pixels(u64::from(width) * u64::from(height), &limits.picture)
    };
    Ok(match format {
        ImageFormat::Gif => {
            let mut decoder = GifDecoder::new(bytes_of).map_err(broken)?;
            check(&decoder)?;
            decoder.set_limits(most).map_err(broken)?;
            decoder.into_frames()
        }
        ImageFormat::Png => {
            let decoder = PngDecoder::with_limits(bytes_of, most).map_err(broken)?;
            check(&decoder)?;
            decoder.apng().map_err(broken)?.into_frames()
        }
        _ => {
            let decoder = WebPDecoder::new(bytes_of).map_err(broken)?;
            check(&decoder)?;
            decoder.into_frames()
        }
    })
}

/// Seconds of each frame of a GIF; `None` if it is cut short.
fn gif(bytes: &[u8]) -> Option<Vec<f64>> {
    let colours = |flags: u8| if flags & 0x80 == 0 { 0 } else { 3 << ((flags & 7) + 1) };
    let mut at = 13 + colours(*bytes.get(10)?);
    let (mut delays, mut delay) = (Vec::new(), 0.0);
    loop {
        match *bytes.get(at)? {
            0x21 => {
                if *bytes.get(at + 1)? == 0xf9 {
                    delay = f64::from(u16::from_le_bytes([*bytes.get(at + 4)?, *bytes.get(at + 5)?])) / 100.0;
                }
                at += 2;
            }
            0x2c => {
                delays.push(std::mem::take(&mut delay));
                at += 11 + colours(*bytes.get(at + 9)?);
            }
            _ => return Some(delays), // the end, or what a decoder would call it
        }
        // blocks, the last one empty
        loop {
            let length = usize::from(*bytes.get(at)?);
            at += 1 + length;
            if length == 0 {
                break;
            }
        }
    }
}

/// Seconds of each frame of a PNG, none if it is a still; `None` if it is cut short.
fn png(bytes: &[u8]) -> Option<Vec<f64>> {
    let (mut rest, mut delays, mut moves) = (bytes.get(8..)?, Vec::new(), false);
    loop {
        let (length, behind) = rest.split_first_chunk().map(|(length, rest)| (u32::from_be_bytes(*length), rest))?;
        let (kind, behind) = behind.split_first_chunk::<4>()?;
        let (data, behind) = behind.split_at_checked(length as usize)?;
        rest = behind.get(4..)?; // the checksum
        match kind {
            b"acTL" => moves = true,
            b"fcTL" => {
                let number = |at: usize| Some(f64::from(u16::from_be_bytes(*data.get(at..)?.first_chunk()?)));
                let (over, under) = (number(20)?, number(22)?);
                delays.push(over / if under == 0.0 { 100.0 } else { under });
            }
            b"IEND" => return Some(if moves { delays } else { Vec::new() }),
            _ => {}
        }
    }
}

/// Seconds of each frame of a WebP, none if it is a still; `None` if it is cut short.
fn webp(bytes: &[u8]) -> Option<Vec<f64>> {
    let length = u32::from_le_bytes(*bytes.get(4..)?.first_chunk()?) as usize;
    let (mut rest, mut delays) = (bytes.get(12..length.checked_add(8)?)?, Vec::new());
    while let Some((kind, behind)) = rest.split_first_chunk::<4>() {
        let (length, behind) = behind.split_first_chunk()?;
        let length = u32::from_le_bytes(*length) as usize;
        let data = behind.get(..length)?;
        if kind == b"ANMF" {
            let [low, middle, high] = *data.get(12..)?.first_chunk()?;
            delays.push(f64::from(u32::from_le_bytes([low, middle, high, 0])) / 1000.0);
        }
        rest = behind.get(length + length % 2..).unwrap_or_default();
    }
    Some(delays)
}
