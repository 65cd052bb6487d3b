//! MP4 and QuickTime files with H.264. The container is read here, so that every length in it is checked against the file.
use std::ops::Range;

use image::{RgbImage, imageops};
use rusty_h264_decoder::{DecodeError, Decoder};

use super::image::{Picture, check_pixels};
use super::video::{CONVERT, Clip, ClipLimits, Timeline, check_count};
use crate::{Error, Result};

/// Whether the bytes begin as an MP4 file does.
pub(super) fn is_mp4(bytes: &[u8]) -> bool {
    bytes.get(4..8).is_some_and(|name| [b"ftyp", b"moov", b"mdat", b"wide"].iter().any(|known| name == *known))
}

/// The film of a file.
struct Film<'a> {
    samples: Vec<Sample<'a>>,
    /// Ticks a second.
    rate: f64,
    /// Ticks of all samples.
    ticks: u64,
    /// Parameter sets, each behind a start code.
    head: Vec<u8>,
    /// Bytes of a length in a sample.
    length_bytes: usize,
    /// Quarter turns clockwise.
    turns: usize,
    colours: Option<Colours>,
}

/// One coded frame.
struct Sample<'a> {
    bytes: &'a [u8],
    /// When it is shown, in ticks.
    shown: i64,
}

/// How colours are coded.
#[derive(Clone, Copy)]
struct Colours {
    /// Share of red and of blue in the brightness.
    red: f32,
    blue: f32,
    full_range: bool,
}

/// Frames of an MP4 file, decoded from the last picture before each that needs no other.
pub(super) fn decode(
    bytes: &[u8],
    count: usize,
    limits: &ClipLimits,
    mut keep: impl FnMut(Picture) -> Picture,
) -> Result<Clip> {
    let film = read(bytes, limits)?;
    let mut order: Vec<usize> = (0..film.samples.len()).collect();
    order.sort_by_key(|at| film.samples[*at].shown);
    let first = order.first().map_or(0, |at| film.samples[*at].shown);
    let seconds = |ticks: i64| ticks as f64 / film.rate;
    let starts: Vec<f64> = order.iter().map(|at| seconds(film.samples[*at].shown.saturating_sub(first))).collect();
    let timeline = Timeline { starts, seconds: film.ticks as f64 / film.rate };
    timeline.clip(count, limits, |places| {
        let mut pictures: Vec<Option<Picture>> = vec![None; places.len()];
        let mut wanted: Vec<(usize, usize)> =
            places.iter().enumerate().map(|(at, place)| (order[*place], at)).collect();
        wanted.sort_unstable();
        let mut decoder = Decoder::new();
        let mut next = 0; // the sample that the decoder would go on with
        for (sample, at) in wanted {
            let begin = (next..=sample).rev().find(|at| film.is_independent(*at)).unwrap_or(next);
            let mut found = None;
            for place in begin..=sample {
                found = decoder.decode(&film.unit(place, place == begin)?).map_err(|error| refused(&error))?;
            }
            next = sample + 1;
            let frame = found.ok_or_else(|| damaged("a sample without a picture"))?;
            let (height, width) = (frame.height, frame.width);
            check_pixels(height as u64 * width as u64, &limits.picture)?;
            let pixels = rgb([&frame.y, &frame.u, &frame.v], height, width, film.colours)
                .ok_or_else(|| damaged("a picture without all of its colours"))?;
            pictures[at] = Some(keep(turned(Picture { height, width, pixels }, film.turns)));
        }
        Ok(pictures.into_iter().flatten().collect())
    })
}

fn damaged(what: &str) -> Error {
    Error::data("", format!("damaged MP4: {what}"))
}

fn refused(error: &DecodeError) -> Error {
    match error {
        DecodeError::Unsupported(what) => {
            Error::data("", format!("H.264 of a kind that is not read: {what}")).with_help(CONVERT)
        }
        other => damaged(&other.to_string()),
    }
}

impl Film<'_> {
    /// The units of a sample, without their lengths.
    fn units(&self, sample: usize) -> Result<Vec<&[u8]>> {
        let (mut rest, mut units) = (self.samples[sample].bytes, Vec::new());
        while !rest.is_empty() {
            let whole = || {
                let (length, behind) = rest.split_at_checked(self.length_bytes)?;
                let length = length.iter().fold(0, |length, byte| length << 8 | usize::from(*byte));
                behind.split_at_checked(length)
            };
            let (unit, behind) = whole().ok_or_else(|| damaged("a unit is longer than its sample"))?;
            units.push(unit);
            rest = behind;
        }
        Ok(units)
    }

    /// Whether a sample begins anew: its first picture unit is of kind 5 (ITU-T H.264, table 7-1).
    fn is_independent(&self, sample: usize) -> bool {
        let kinds =
            self.units(sample).unwrap_or_default().into_iter().filter_map(|unit| unit.first().map(|head| head & 31));
        kinds.into_iter().find(|kind| (1..=5).contains(kind)) == Some(5)
    }

    /// A sample as the decoder reads it: each unit behind a start code.
    fn unit(&self, sample: usize, begins: bool) -> Result<Vec<u8>> {
        let mut bytes = if begins { self.head.clone() } else { Vec::new() };
        for unit in self.units(sample)? {
            bytes.extend(START);
            bytes.extend(unit);
        }
        Ok(bytes)
    }
}

const START: [u8; 4] = [0, 0, 0, 1];

/// A box's name and what is in it.
type Part<'a> = ([u8; 4], &'a [u8]);

/// The boxes that some bytes are made of.
fn parts(mut rest: &[u8]) -> Result<Vec<Part<'_>>> {
    let mut parts = Vec::new();
    while rest.len() >= 8 || rest.iter().any(|byte| *byte != 0) {
        let head = |at: usize| number(rest, at, 4).map(|length| length as usize);
        let name = rest.get(4..).and_then(<[u8]>::first_chunk::<4>).ok_or_else(|| truncated("a box without a name"))?;
        let range: Range<usize> = match head(0)? {
            0 => 8..rest.len(),
            1 => 16..usize::try_from(number(rest, 8, 8)?).unwrap_or(usize::MAX),
            length => 8..length,
        };
        let end = range.end;
        let inside = rest.get(range).ok_or_else(|| truncated(&format!("it ends in `{}`", name.escape_ascii())))?;
        parts.push((*name, inside));
        rest = &rest[end..];
    }
    Ok(parts)
}

fn truncated(what: &str) -> Error {
    Error::data("", format!("truncated MP4: {what}"))
}

/// The first box of a name.
fn find<'a>(parts: &[Part<'a>], name: &[u8; 4]) -> Result<&'a [u8]> {
    optional(parts, name).ok_or_else(|| damaged(&format!("no `{}`", name.escape_ascii())))
}

fn optional<'a>(parts: &[Part<'a>], name: &[u8; 4]) -> Option<&'a [u8]> {
    parts.iter().find(|(known, _)| known == name).map(|(_, inside)| *inside)
}

/// A number of up to 8 bytes.
fn number(bytes: &[u8], at: usize, length: usize) -> Result<u64> {
    let bytes = bytes.get(at..at + length).ok_or_else(|| damaged("a box is too short"))?;
    Ok(bytes.iter().fold(0, |number, byte| number << 8 | u64::from(*byte)))
}

/// Entries of a table of `size` bytes each, behind its head of 8 bytes.
fn entries(table: &[u8], size: usize) -> Result<impl Iterator<Item = &[u8]>> {
    let count = number(table, 4, 4)? as usize;
    let length = count.checked_mul(size).ok_or_else(|| damaged("a table is too short"))?;
    Ok(table[8..].get(..length).ok_or_else(|| damaged("a table is too short"))?.chunks_exact(size))
}

/// A value for each of `count` samples, from a table of runs.
fn runs(table: &[u8], count: usize) -> Result<Vec<u32>> {
    let mut values = Vec::with_capacity(count);
    for entry in entries(table, 8)? {
        let times = (number(entry, 0, 4)? as usize).min(count - values.len());
        values.extend(std::iter::repeat_n(number(entry, 4, 4)? as u32, times));
    }
    if values.len() < count { Err(damaged("fewer times than samples")) } else { Ok(values) }
}

fn read<'a>(bytes: &'a [u8], limits: &ClipLimits) -> Result<Film<'a>> {
    let moov = parts(find(&parts(bytes)?, b"moov")?)?;
    for (_, track) in moov.iter().filter(|(name, _)| name == b"trak") {
        let track = parts(track)?;
        let media = parts(find(&track, b"mdia")?)?;
        if find(&media, b"hdlr")?.get(8..12) != Some(b"vide") {
            continue;
        }
        if optional(&moov, b"mvex").is_some() {
            return Err(Error::data("", "MP4 in fragments is not read").with_help(CONVERT));
        }
        return read_track(bytes, &track, &media, limits);
    }
    Err(Error::data("", "MP4 without a film"))
}

fn read_track<'a>(bytes: &'a [u8], track: &[Part], media: &[Part], limits: &ClipLimits) -> Result<Film<'a>> {
    let head = find(media, b"mdhd")?;
    let rate = number(head, if head.first() == Some(&1) { 20 } else { 12 }, 4)?;
    if rate == 0 {
        return Err(damaged("0 ticks a second"));
    }
    let table = parts(find(&parts(find(media, b"minf")?)?, b"stbl")?)?;

    // what is coded, and how
    let kinds = parts(find(&table, b"stsd")?.get(8..).unwrap_or_default())?;
    let (name, entry) = *kinds.first().ok_or_else(|| damaged("no kind of film"))?;
    if !matches!(&name, b"avc1" | b"avc3") {
        let problem = format!("MP4 with `{}`{} is not read", name.escape_ascii(), codec(&name));
        return Err(Error::data("", problem).with_help(CONVERT));
    }
    check_pixels(number(entry, 24, 2)? * number(entry, 26, 2)?, &limits.picture)?;
    let inner = parts(entry.get(78..).unwrap_or_default())?;
    let (parameters, length_bytes) = parameter_sets(find(&inner, b"avcC")?)?;

    // where it is
    let sizes = find(&table, b"stsz")?;
    let (size, count) = (number(sizes, 4, 4)? as usize, number(sizes, 8, 4)? as usize);
    check_count(count, limits)?;
    let delays = runs(find(&table, b"stts")?, count)?;
    let shifts = optional(&table, b"ctts").map(|table| runs(table, count)).transpose()?;
    let chunks: Vec<u64> = match optional(&table, b"stco") {
        Some(table) => entries(table, 4)?.map(|entry| number(entry, 0, 4)).collect::<Result<_>>()?,
        None => entries(find(&table, b"co64")?, 8)?.map(|entry| number(entry, 0, 8)).collect::<Result<_>>()?,
    };
    let mut groups = entries(find(&table, b"stsc")?, 12)?.peekable();
    let (mut in_chunk, mut samples, mut ticks) = (0, Vec::with_capacity(count), 0_u64);
    for (chunk, offset) in (1_u64..).zip(chunks) {
        while let Some(group) = groups.next_if(|group| number(group, 0, 4).is_ok_and(|first| first <= chunk)) {
            in_chunk = number(group, 4, 4)? as usize;
        }
        let mut offset = usize::try_from(offset).unwrap_or(usize::MAX);
        for _ in 0..in_chunk.min(count - samples.len()) {
            let at = samples.len();
            let length = if size > 0 { size } else { number(sizes, 12 + 4 * at, 4)? as usize };
            let end = offset.saturating_add(length);
            let sample =
                bytes.get(offset..end).ok_or_else(|| truncated(&format!("it ends before frame {}", at + 1)))?;
            let shift = shifts.as_ref().map_or(0, |shifts| i64::from(shifts[at] as i32));
            samples.push(Sample { bytes: sample, shown: ticks as i64 + shift });
            ticks += u64::from(delays[at]);
            offset = end;
        }
    }
    if samples.len() < count {
        return Err(damaged("fewer places than samples"));
    }
    let (turns, colours) = (turns(find(track, b"tkhd")?)?, optional(&inner, b"colr").and_then(colours));
    Ok(Film { samples, rate: rate as f64, ticks, head: parameters, length_bytes, turns, colours })
}

/// What a four-letter code means.
fn codec(name: &[u8; 4]) -> &'static str {
    match name {
        b"hev1" | b"hvc1" => " (H.265)",
        b"av01" => " (AV1)",
        b"vp08" => " (VP8)",
        b"vp09" => " (VP9)",
        b"mp4v" => " (MPEG-4 part 2)",
        _ => "",
    }
}

/// Parameter sets behind start codes, and the bytes of a unit's length (ISO/IEC 14496-15, section 5.3.3.1).
fn parameter_sets(config: &[u8]) -> Result<(Vec<u8>, usize)> {
    let (mut sets, mut at) = (Vec::new(), 5);
    for most in [31, 255] {
        let count = number(config, at, 1)? & most;
        at += 1;
        for _ in 0..count {
            let length = number(config, at, 2)? as usize;
            let set = config.get(at + 2..at + 2 + length).ok_or_else(|| damaged("a parameter set is too short"))?;
            sets.extend(START);
            sets.extend(set);
            at += 2 + length;
        }
    }
    Ok((sets, (number(config, 4, 1)? & 3) as usize + 1))
}

/// Quarter turns clockwise that the track asks for, as phones write them.
fn turns(head: &[u8]) -> Result<usize> {
    let at = if head.first() == Some(&1) { 52 } else { 40 };
    let entry = |at: usize| Ok::<_, Error>((number(head, at, 4)? as u32).cast_signed().signum());
    Ok(match (entry(at)?, entry(at + 4)?) {
        (0, 1) => 1,
        (-1, 0) => 2,
        (0, -1) => 3,
        _ => 0,
    })
}

fn turned(picture: Picture, turns: usize) -> Picture {
    let (height, width) = (picture.height, picture.width);
    if turns == 0 {
        return picture;
    }
    let pixels =
        RgbImage::from_raw(width as u32, height as u32, picture.pixels).expect("pixels are [height, width, 3]");
    let (height, width) = if turns == 2 { (height, width) } else { (width, height) };
    let pixels = match turns {
        1 => imageops::rotate90(&pixels),
        2 => imageops::rotate180(&pixels),
        _ => imageops::rotate270(&pixels),
    };
    Picture { height, width, pixels: pixels.into_raw() }
}

/// BT.601, for small pictures that say nothing.
pub(super) const BT_601: (f32, f32) = (0.299, 0.114);
/// BT.709, for large pictures that say nothing.
const BT_709: (f32, f32) = (0.2126, 0.0722);

/// Share of red and of blue in the brightness of pictures that say nothing.
pub(super) fn usual_colours(height: usize) -> (f32, f32) {
    if height >= 720 { BT_709 } else { BT_601 }
}

/// What a `colr` box says.
fn colours(part: &[u8]) -> Option<Colours> {
    let kind = part.first_chunk::<4>().filter(|kind| [b"nclx", b"nclc"].contains(kind))?;
    let (red, blue) = match part.get(9)? {
        1 => BT_709,
        5 | 6 => BT_601,
        9 | 10 => (0.2627, 0.0593), // BT.2020
        _ => return None,
    };
    Some(Colours { red, blue, full_range: kind == b"nclx" && part.get(10)? & 0x80 != 0 })
}

/// RGB of brightness and two colour differences at half the size; `None` where they do not fit.
fn rgb([y, u, v]: [&[u8]; 3], height: usize, width: usize, colours: Option<Colours>) -> Option<Vec<u8>> {
    let (red, blue) = usual_colours(height);
    let Colours { red, blue, full_range } = colours.unwrap_or(Colours { red, blue, full_range: false });
    let green = 1.0 - red - blue;
    let (low, luma, chroma) = if full_range { (0.0, 1.0, 1.0) } else { (16.0, 255.0 / 219.0, 255.0 / 224.0) };
    let (to_red, to_blue) = (2.0 * (1.0 - red) * chroma, 2.0 * (1.0 - blue) * chroma);
    let half = width.div_ceil(2);
    if y.len() < height * width || u.len().min(v.len()) < height.div_ceil(2) * half || half == 0 {
        return None;
    }
    let mut pixels = Vec::with_capacity(height * width * 3);
    for (row, line) in y.chunks_exact(width).take(height).enumerate() {
        let (u, v) = (&u[row / 2 * half..][..half], &v[row / 2 * half..][..half]);
        for (column, &y) in line.iter().enumerate() {
            let y = (f32::from(y) - low) * luma;
            let (u, v) = (f32::from(u[column / 2]) - 128.0, f32::from(v[column / 2]) - 128.0);
            let (r, b) = (y + to_red * v, y + to_blue * u);
            let g = y - (red * to_red * v + blue * to_blue * u) / green;
            pixels.extend([r, g, b].map(|colour| (colour + 0.5) as u8)); // `as` saturates
        }
    }
    Some(pixels)
}
