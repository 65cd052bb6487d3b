//! Decodes PNG, JPEG, WebP, GIF and SVG to 8-bit RGB, and fits pictures to a size.
use std::io::Cursor;

use fast_image_resize::images::{Image, ImageRef};
use fast_image_resize::{FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer};
use image::{DynamicImage, ImageDecoder, ImageFormat, ImageReader, RgbImage, metadata::Orientation};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{jpeg, start_of, svg, video};
use crate::{Error, Result};

/// A decoded picture, 8 bits a colour.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picture {
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
    /// `[height, width, 3]` row by row, red, green, blue.
    pub pixels: Vec<u8>,
}

impl Picture {
    /// A picture of one colour.
    pub fn filled(height: usize, width: usize, colour: [u8; 3]) -> Self {
        Self { height, width, pixels: colour.repeat(height * width) }
    }
}

/// What a picture may cost, checked before it is decoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Height × width at most.
    pub max_pixels: u64,
    /// Size of the file at most.
    pub max_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { max_pixels: 40_000_000, max_bytes: 64 << 20 }
    }
}

/// How a picture fills a frame of another shape.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Fit {
    /// The whole picture is kept, white fills the rest.
    #[default]
    Contain,
    /// The frame is filled, what stands out on two sides is cut off evenly.
    Cover,
    /// Height and width are scaled apart.
    Stretch,
}

/// Decodes PNG, JPEG (turned as its EXIF says), WebP, GIF (first frame) or SVG; the kind is told by the bytes alone.
///
/// Transparency is laid over white. An SVG is drawn so that its longer side is `size` pixels; its texts are not drawn
/// (there are no fonts) and what it links to is not read. Other pictures keep the size they have.
///
/// # Errors
/// [`Error::Data`] with an empty place if the bytes are empty, no picture, over a limit, cut short or damaged.
pub fn decode(bytes: &[u8], limits: &Limits, size: usize) -> Result<Picture> {
    check_bytes(bytes, limits)?;
    let Some((format, name)) = format_of(bytes) else {
        if svg::is_svg(bytes) {
            return svg::decode(bytes, limits, size);
        }
        if video::is_row(bytes) {
            return Err(Error::data("", "a folder of pictures, expected one").with_help("read it as a `video`"));
        }
        return Err(Error::data("", format!("not a picture: starts with {}", start_of(bytes)))
            .with_help("PNG, JPEG, WebP, GIF and SVG are read"));
    };
    let broken = |error| broken(&error, name, bytes.len());
    if format == ImageFormat::Jpeg && !ends_as_jpeg(bytes) {
        return Err(Error::data("", format!("truncated JPEG: no end marker in {} bytes", bytes.len())));
    }
    let mut reader = ImageReader::with_format(Cursor::new(bytes), format);
    reader.limits(most(limits));
    let mut decoder = reader.into_decoder().map_err(broken)?;
    let (width, height) = decoder.dimensions();
    check_pixels(u64::from(width) * u64::from(height), limits)?;
    let orientation = decoder.orientation().map_err(broken)?;
    Ok(turned(DynamicImage::from_decoder(decoder).map_err(broken)?, orientation))
}

/// Decodes a picture and [`resize`]s it to a square of `size`; a JPEG is read at a half, a quarter or an eighth where that is
/// enough for the square.
///
/// # Errors
/// Those of [`decode`].
pub fn fitted(bytes: &[u8], limits: &Limits, size: usize, fit: Fit) -> Result<Picture> {
    match reduced(bytes, limits, size, fit)? {
        Some(picture) => Ok(picture),
        None => Ok(resize(&decode(bytes, limits, size)?, size, size, fit)),
    }
}

/// What [`fitted`] makes of a JPEG that need not be read whole; `None` for all else.
fn reduced(bytes: &[u8], limits: &Limits, size: usize, fit: Fit) -> Result<Option<Picture>> {
    check_bytes(bytes, limits)?;
    let Some(header) = jpeg::Header::read(bytes) else { return Ok(None) };
    let (height, width) = (header.height, header.width);
    check_pixels(height as u64 * width as u64, limits)?;
    let (down, across) = (size as f64 / height as f64, size as f64 / width as f64);
    let share = if fit == Fit::Contain { down.min(across) } else { down.max(across) };
    let Some(eighths) = jpeg::eighths(share).filter(|_| size > 0) else { return Ok(None) };
    let Some(picture) = header.decode(eighths) else { return Ok(None) };
    // The last places stand in part for what is past the edge.
    let part = [height, width].map(|side| (side * eighths) as f64 / 8.0);
    // At a half the shorter filter is as near to what the whole picture gives, in two thirds of the time; below it is not.
    let filter = if eighths == 4 { FilterType::CatmullRom } else { FilterType::Lanczos3 };
    let inner = scale(&picture, part, inner([height, width], [size; 2], fit), fit, filter);
    let orientation = header.exif.and_then(Orientation::from_exif_chunk).unwrap_or(Orientation::NoTransforms);
    let inner = match RgbImage::from_raw(inner.width as u32, inner.height as u32, inner.pixels) {
        Some(inner) => turned(DynamicImage::ImageRgb8(inner), orientation),
        None => return Ok(None),
    };
    Ok(Some(framed(inner, size, size)))
}

/// A picture as its EXIF says.
fn turned(mut picture: DynamicImage, orientation: Orientation) -> Picture {
    picture.apply_orientation(orientation);
    let (width, height) = (picture.width() as usize, picture.height() as usize);
    let pixels = match picture.color().has_alpha() {
        true => over_white(&picture.into_rgba8()),
        false => picture.into_rgb8().into_raw(),
    };
    Picture { height, width, pixels }
}

/// An error if the file is empty, or larger than allowed.
pub(super) fn check_bytes(bytes: &[u8], limits: &Limits) -> Result<()> {
    if bytes.is_empty() {
        return Err(Error::data("", "empty file"));
    }
    if bytes.len() as u64 > limits.max_bytes {
        let (got, most) = (bytes.len() as f64 / 1e6, limits.max_bytes as f64 / 1e6);
        return Err(Error::data("", format!("{got:.1} MB, more than the limit of {most:.1} MB")));
    }
    Ok(())
}

/// Whether the bytes begin as a picture that is read.
pub(super) fn is_picture(bytes: &[u8]) -> bool {
    format_of(bytes).is_some() || svg::is_svg(bytes)
}

/// Whether the bytes are a drawing (SVG), which has no size of its own.
pub fn is_drawing(bytes: &[u8]) -> bool {
    format_of(bytes).is_none() && svg::is_svg(bytes)
}

/// What a decoder may take.
pub(super) fn most(limits: &Limits) -> image::Limits {
    let mut most = image::Limits::default();
    // The decoder's own working memory: the widest pixel is 8 bytes, and some keep a second copy.
    most.max_alloc = Some(limits.max_pixels.saturating_mul(16).max(1 << 20));
    most
}

/// The error of a decoder in our words.
pub(super) fn broken(error: &image::ImageError, name: &str, length: usize) -> Error {
    match error {
        image::ImageError::Limits(_) => {
            Error::data("", format!("{name} that is larger than the limit")).with_help("make the picture smaller")
        }
        image::ImageError::Unsupported(_) => Error::data("", format!("{name} of a kind that is not read: {error}")),
        image::ImageError::IoError(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
            Error::data("", format!("truncated {name}: the file ends after {length} bytes"))
        }
        _ => Error::data("", format!("damaged {name}: {}", error.to_string().trim_end())),
    }
}

/// Scales `picture` to `height` × `width` with a Lanczos filter that widens as it shrinks (no aliasing).
///
/// A picture or frame without area gives a white frame.
///
/// # Panics
/// If `picture.pixels` is not `height * width * 3` long.
pub fn resize(picture: &Picture, height: usize, width: usize, fit: Fit) -> Picture {
    let (from_height, from_width) = (picture.height, picture.width);
    assert_eq!(picture.pixels.len(), from_height * from_width * 3, "pixels are [height, width, 3]");
    if (from_height, from_width) == (height, width) {
        return picture.clone();
    }
    if from_height * from_width == 0 || height * width == 0 {
        return Picture::filled(height, width, [255; 3]);
    }
    let inner = inner([from_height, from_width], [height, width], fit);
    let part = [from_height as f64, from_width as f64];
    framed(scale(picture, part, inner, fit, FilterType::Lanczos3), height, width)
}

/// Height and width of what is seen of a picture in a frame.
fn inner(from: [usize; 2], frame: [usize; 2], fit: Fit) -> [usize; 2] {
    if fit != Fit::Contain {
        return frame;
    }
    let [down, across] = [0, 1].map(|at| frame[at] as f64 / from[at] as f64);
    [0, 1].map(|at| ((from[at] as f64 * down.min(across)).round() as usize).clamp(1, frame[at]))
}

/// The upper left `part` of a picture, height and width, scaled to a size; for [`Fit::Cover`] the middle that has its shape.
fn scale(picture: &Picture, part: [f64; 2], [height, width]: [usize; 2], fit: Fit, filter: FilterType) -> Picture {
    let [high, wide] = part;
    let mut options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(filter));
    let whole = part == [picture.height as f64, picture.width as f64];
    if fit == Fit::Cover && whole {
        options = options.fit_into_destination(Some((0.5, 0.5)));
    } else if fit == Fit::Cover {
        let scale = (height as f64 / high).max(width as f64 / wide);
        let (seen_high, seen_wide) = (high.min(height as f64 / scale), wide.min(width as f64 / scale));
        options = options.crop((wide - seen_wide) / 2.0, (high - seen_high) / 2.0, seen_wide, seen_high);
    } else if !whole {
        options = options.crop(0.0, 0.0, wide, high);
    }
    let source = ImageRef::new(picture.width as u32, picture.height as u32, &picture.pixels, PixelType::U8x3)
        .expect("pixels are [height, width, 3]");
    let mut scaled = Image::new(width as u32, height as u32, PixelType::U8x3);
    Resizer::new().resize(&source, &mut scaled, &options).expect("both are U8x3, have an area, and the part is within");
    Picture { height, width, pixels: scaled.into_vec() }
}

/// A picture in the middle of a white frame.
fn framed(inner: Picture, height: usize, width: usize) -> Picture {
    if (inner.height, inner.width) == (height, width) {
        return inner;
    }
    let mut framed = Picture::filled(height, width, [255; 3]);
    let (top, left) = ((height - inner.height) / 2, (width - inner.width) / 2);
    for (row, source) in inner.pixels.chunks_exact(inner.width * 3).enumerate() {
        let start = ((top + row) * width + left) * 3;
        framed.pixels[start..start + source.len()].copy_from_slice(source);
    }
    framed
}

/// An error if there are more pixels than allowed.
pub(super) fn check_pixels(pixels: u64, limits: &Limits) -> Result<()> {
    if pixels <= limits.max_pixels {
        return Ok(());
    }
    let mega = |pixels: u64| (pixels as f64 / 1e5).round() / 10.0;
    let problem = format!("{} megapixels, more than the limit of {}", mega(pixels), mega(limits.max_pixels));
    Err(Error::data("", problem).with_help("make the picture smaller"))
}

/// RGB of RGBA pixels that lie on white paper.
pub(super) fn over_white(pixels: &[u8]) -> Vec<u8> {
    let mut opaque = Vec::with_capacity(pixels.len() / 4 * 3);
    for pixel in pixels.chunks_exact(4) {
        let alpha = u32::from(pixel[3]);
        opaque.extend(pixel[..3].iter().map(|&c| ((u32::from(c) * alpha + 255 * (255 - alpha) + 127) / 255) as u8));
    }
    opaque
}

pub(super) fn format_of(bytes: &[u8]) -> Option<(ImageFormat, &'static str)> {
    Some(match bytes {
        [0x89, b'P', b'N', b'G', ..] => (ImageFormat::Png, "PNG"),
        [0xff, 0xd8, 0xff, ..] => (ImageFormat::Jpeg, "JPEG"),
        [b'G', b'I', b'F', b'8', ..] => (ImageFormat::Gif, "GIF"),
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => (ImageFormat::WebP, "WebP"),
        _ => return None,
    })
}

/// Whether a JPEG reaches its end marker. The decoder fills a missing rest with grey and says nothing.
fn ends_as_jpeg(bytes: &[u8]) -> bool {
    let mut at = 2;
    while at + 1 < bytes.len() {
        match (bytes[at], bytes[at + 1]) {
            (0xff, 0xd9) => return true,
            // Stuffed byte, restart marker, fill byte, or a marker without length.
            (0xff, 0x00 | 0x01 | 0xd0..=0xd8) => at += 2,
            (0xff, 0xff) => at += 1,
            // A segment: jump over it, as a thumbnail inside has an end marker of its own.
            (0xff, _) => match bytes[at + 2..] {
                [high, low, ..] => at += 2 + usize::from(u16::from_be_bytes([high, low])),
                _ => return false,
            },
            _ => at += 1,
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use image::codecs::{gif::GifEncoder, jpeg::JpegEncoder, png::PngEncoder, webp::WebPEncoder};
    use image::{ExtendedColorType, Frame, ImageEncoder};

    use super::*;

    const PROGRESSIVE: &[u8] = include_bytes!("../../tests/fixtures/quarters_progressive.jpg");
    const CMYK: &[u8] = include_bytes!("../../tests/fixtures/quarters_cmyk.jpg");
    const LOSSY_WEBP: &[u8] = include_bytes!("../../tests/fixtures/quarters_lossy.webp");

    /// 16 × 16: red, green over blue, white.
    fn quarters() -> Picture {
        let mut picture = Picture::filled(16, 16, [255; 3]);
        for (index, pixel) in picture.pixels.chunks_exact_mut(3).enumerate() {
            pixel.copy_from_slice(match (index / 16 < 8, index % 16 < 8) {
                (true, true) => &[255, 0, 0],
                (true, false) => &[0, 255, 0],
                (false, true) => &[0, 0, 255],
                (false, false) => &[255, 255, 255],
            });
        }
        picture
    }

    fn encoded(format: &str) -> Vec<u8> {
        let (picture, mut bytes) = (quarters(), Vec::new());
        let (pixels, rgb) = (picture.pixels.as_slice(), ExtendedColorType::Rgb8);
        match format {
            "png" => PngEncoder::new(&mut bytes).write_image(pixels, 16, 16, rgb).unwrap(),
            "jpeg" => JpegEncoder::new_with_quality(&mut bytes, 95).write_image(pixels, 16, 16, rgb).unwrap(),
            "webp" => WebPEncoder::new_lossless(&mut bytes).write_image(pixels, 16, 16, rgb).unwrap(),
            _ => {
                let rgba = DynamicImage::ImageRgb8(image::RgbImage::from_raw(16, 16, picture.pixels).unwrap());
                GifEncoder::new(&mut bytes).encode_frame(Frame::new(rgba.into_rgba8())).unwrap();
            }
        }
        bytes
    }

    fn read(bytes: &[u8]) -> Result<Picture> {
        decode(bytes, &Limits::default(), 64)
    }

    fn problem(bytes: &[u8]) -> String {
        read(bytes).unwrap_err().to_string()
    }

    /// Mean difference of a colour value.
    fn far(one: &Picture, other: &Picture) -> u32 {
        assert_eq!((one.height, one.width), (other.height, other.width));
        let apart = one.pixels.iter().zip(&other.pixels).map(|(one, other)| u32::from(one.abs_diff(*other)));
        apart.sum::<u32>() / one.pixels.len() as u32
    }

    #[test]
    fn every_format_gives_the_picture_back() {
        for format in ["png", "webp", "gif"] {
            assert_eq!(read(&encoded(format)).unwrap(), quarters(), "{format}");
        }
        for (name, bytes) in
            [("jpeg", &*encoded("jpeg")), ("progressive", PROGRESSIVE), ("cmyk", CMYK), ("lossy", LOSSY_WEBP)]
        {
            let got = read(bytes).unwrap();
            assert!(far(&got, &quarters()) <= 12, "{name}: {}", far(&got, &quarters()));
        }
    }

    #[test]
    fn a_file_cut_anywhere_is_an_error_or_the_whole_picture() {
        let jpeg = encoded("jpeg");
        let (png, gif, webp) = (encoded("png"), encoded("gif"), encoded("webp"));
        for bytes in [&*png, &*gif, &*webp, &*jpeg, PROGRESSIVE, CMYK, LOSSY_WEBP] {
            let whole = read(bytes).unwrap();
            for end in 0..bytes.len() {
                if let Ok(got) = read(&bytes[..end]) {
                    assert!(got == whole, "{:?} cut at {end} of {}", format_of(bytes), bytes.len());
                    assert!(end + 20 > bytes.len(), "{:?} cut at {end} of {}", format_of(bytes), bytes.len());
                }
            }
        }
    }

    #[test]
    fn any_byte_may_be_wrong_without_a_panic() {
        for bytes in [&*encoded("png"), &*encoded("gif"), &*encoded("webp"), &*encoded("jpeg"), PROGRESSIVE, LOSSY_WEBP]
        {
            for at in 0..bytes.len() {
                for value in [0, 1, 0x7f, 0xff, !bytes[at]] {
                    let mut wrong = bytes.to_vec();
                    wrong[at] = value;
                    let _ = decode(&wrong, &Limits { max_pixels: 100_000, ..Limits::default() }, 16);
                }
            }
        }
    }

    #[test]
    fn messages_name_what_is_wrong() {
        assert_eq!(problem(b""), ": empty file");
        assert_eq!(problem(b"hello, world, and more"), ": not a picture: starts with \"hello, world\"");
        assert_eq!(problem(&encoded("png")[..60]), ": truncated PNG: the file ends after 60 bytes");
        assert_eq!(problem(&encoded("jpeg")[..600]), ": truncated JPEG: no end marker in 600 bytes");
        let few = Limits { max_bytes: 10, ..Limits::default() };
        assert!(decode(&encoded("png"), &few, 64).unwrap_err().to_string().contains("more than the limit of 0.0 MB"));
    }

    #[test]
    fn a_bomb_is_refused_at_once() {
        // The header of a 20000 × 20000 PNG with nothing behind it but a megabyte of data that is never looked at.
        let mut bytes = encoded("png");
        bytes[16..24].copy_from_slice(&[0, 0, 0x4e, 0x20, 0, 0, 0x4e, 0x20]);
        let mut crc = u32::MAX;
        for &byte in &bytes[12..29] {
            crc ^= u32::from(byte);
            (0..8).for_each(|_| crc = (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg()));
        }
        bytes[29..33].copy_from_slice(&(!crc).to_be_bytes());
        bytes.resize(1 << 20, 0);
        let start = Instant::now();
        assert_eq!(problem(&bytes), ": 400 megapixels, more than the limit of 40");
        assert!(start.elapsed() < Duration::from_millis(50));
    }

    #[test]
    fn a_jpeg_is_turned_as_its_exif_says() {
        let jpeg = encoded("jpeg");
        // Orientation 6: turn a quarter clockwise.
        let exif = b"\xff\xe1\x00\x22Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0";
        let turned = read(&[&jpeg[..2], exif, &jpeg[2..]].concat()).unwrap();
        let mut expected = quarters();
        for (index, pixel) in expected.pixels.chunks_exact_mut(3).enumerate() {
            pixel.copy_from_slice(match (index / 16 < 8, index % 16 < 8) {
                (true, true) => &[0, 0, 255],
                (true, false) => &[255, 0, 0],
                (false, true) => &[255, 255, 255],
                (false, false) => &[0, 255, 0],
            });
        }
        assert!(far(&turned, &expected) <= 12);
    }

    #[test]
    fn transparency_shows_white_paper() {
        let mut bytes = Vec::new();
        let pixels = [0, 0, 0, 0, 0, 0, 0, 255, 200, 0, 0, 128];
        PngEncoder::new(&mut bytes).write_image(&pixels, 3, 1, ExtendedColorType::Rgba8).unwrap();
        assert_eq!(read(&bytes).unwrap().pixels, [255, 255, 255, 0, 0, 0, 227, 127, 127]);
        let mut bytes = Vec::new();
        PngEncoder::new(&mut bytes).write_image(&[7, 200], 2, 1, ExtendedColorType::L8).unwrap();
        assert_eq!(read(&bytes).unwrap().pixels, [7, 7, 7, 200, 200, 200]);
    }

    #[test]
    fn resize_keeps_letterboxes_and_cuts() {
        let black = Picture::filled(10, 20, [0; 3]);
        let contained = resize(&black, 8, 8, Fit::Contain);
        let row = |picture: &Picture, row: usize| picture.pixels[row * picture.width * 3];
        assert_eq!((0..8).map(|y| row(&contained, y)).collect::<Vec<_>>(), [255, 255, 0, 0, 0, 0, 255, 255]);
        assert_eq!(resize(&black, 8, 8, Fit::Stretch), Picture::filled(8, 8, [0; 3]));
        // Cover keeps the middle third of [black, white, black].
        let mut striped = Picture::filled(4, 12, [0; 3]);
        striped.pixels.chunks_exact_mut(36).for_each(|row| row[12..24].fill(255));
        assert_eq!(resize(&striped, 4, 4, Fit::Cover), Picture::filled(4, 4, [255; 3]));
        // A checkerboard shrinks to its mean, not to one of its colours.
        let mut board = Picture::filled(64, 64, [0; 3]);
        for (index, pixel) in board.pixels.chunks_exact_mut(3).enumerate() {
            pixel.fill(if (index / 64 + index % 64) % 2 == 0 { 255 } else { 0 });
        }
        let small = resize(&board, 8, 8, Fit::Stretch);
        assert!(small.pixels.iter().all(|&value| value.abs_diff(128) < 12), "{:?}", small.pixels);
        for (height, width) in [(0, 4), (1, 1), (1, 900), (900, 1)] {
            for fit in [Fit::Contain, Fit::Cover, Fit::Stretch] {
                let got = resize(&board, height, width, fit);
                assert_eq!(got.pixels.len(), height * width * 3);
                resize(&got, 5, 7, fit);
            }
        }
    }
}
