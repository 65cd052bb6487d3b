//! Writes MP4 with H.264: frames in the order they are shown, the tables before the samples, so that a browser can start.
//! The container is written here, as it is read here (`mp4.rs`): the tables of one track are little.
use rusty_h264_common::YuvFrame;
use rusty_h264_encoder::{Encoder, EncoderConfig, Preset};

use super::image::Picture;
use super::mp4::{BT_601, usual_colours};
use super::video::Clip;
use super::write::ticks;
use crate::{Error, Result};

/// Ticks a second: whole ticks for a frame of all usual rates.
const RATE: u32 = 90_000;
/// How coarse: 0 to 51; differences from 18 on are hard to see.
const QUANTISER: u8 = 18;
/// Blocks of 16 × 16 pixels of the highest level that is written, 5.2.
const MOST_BLOCKS: usize = 36_864;

/// A clip as an MP4 file. A side of odd length gets one more row, as colours are kept at half the size.
pub(super) fn encode(clip: &Clip) -> Result<Vec<u8>> {
    let Picture { height, width, .. } = clip.frames[0].picture;
    let (height, width) = (height.next_multiple_of(2), width.next_multiple_of(2));
    let (rows, columns) = (height.div_ceil(16), width.div_ceil(16));
    if rows.saturating_mul(columns) > MOST_BLOCKS || rows.max(columns).pow(2) > 8 * MOST_BLOCKS {
        return Err(Error::data("", format!("a clip of {width} × {height} pixels is too large for H.264"))
            .with_help("make it smaller"));
    }
    let config = EncoderConfig { qp: QUANTISER, preset: Preset::Balanced, ..EncoderConfig::new(width, height) };
    let frames: Vec<YuvFrame> = clip.frames.iter().map(|frame| planes(&frame.picture, height, width)).collect();
    let coded = Encoder::new(config).and_then(|encoder| encoder.encode_all(&frames));
    let coded = coded.map_err(|error| Error::data("", format!("H.264: {error}")))?;

    let (mut samples, mut sets) = (Vec::new(), [None, None]);
    for coded in &coded {
        let (mut sample, mut is_independent) = (Vec::new(), false);
        for unit in units(coded) {
            match unit[0] & 31 {
                7 => sets[0] = Some(unit),
                8 => sets[1] = Some(unit),
                kind => {
                    is_independent |= kind == 5;
                    sample.extend((unit.len() as u32).to_be_bytes());
                    sample.extend(unit);
                }
            }
        }
        samples.push((sample, is_independent));
    }
    let [Some(sequence), Some(picture)] = sets else { return Err(Error::data("", "H.264 without parameter sets")) };
    let track = Track {
        width: width as u16,
        height: height as u16,
        delays: ticks(clip, f64::from(RATE), 1, u64::from(u32::MAX)),
        samples: &samples,
        sequence,
        picture,
    };
    track.file()
}

/// Units behind start codes of three or four bytes (H.264, annex B).
fn units(coded: &[u8]) -> impl Iterator<Item = &[u8]> {
    let starts: Vec<usize> =
        coded.windows(3).enumerate().filter(|(_, code)| *code == [0, 0, 1]).map(|(at, _)| at).collect();
    let ends: Vec<usize> = starts.iter().skip(1).copied().chain([coded.len()]).collect();
    let unit = move |(start, end): (usize, usize)| {
        let unit = &coded[start + 3..end];
        &unit[..unit.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1)]
    };
    starts.into_iter().zip(ends).map(unit).filter(|unit| !unit.is_empty())
}

/// Brightness, and two colour differences at half the size; past its edges a picture goes on with them.
fn planes(picture: &Picture, height: usize, width: usize) -> YuvFrame {
    let (red, blue) = usual_colours(height);
    let code = |row: usize, column: usize| {
        let at = (row.min(picture.height - 1) * picture.width + column.min(picture.width - 1)) * 3;
        let [r, g, b] = [0, 1, 2].map(|colour| f32::from(picture.pixels[at + colour]) / 255.0);
        let y = red * r + (1.0 - red - blue) * g + blue * b;
        [y, (b - y) / (2.0 * (1.0 - blue)), (r - y) / (2.0 * (1.0 - red))]
    };
    let byte = |value: f32| (value + 0.5) as u8; // `as` saturates
    let mut frame = YuvFrame { width, height, y: vec![0; height * width], u: Vec::new(), v: Vec::new() };
    for row in (0..height).step_by(2) {
        for column in (0..width).step_by(2) {
            let (mut u, mut v) = (0.0, 0.0);
            for (row, column) in [(row, column), (row, column + 1), (row + 1, column), (row + 1, column + 1)] {
                let coded = code(row, column);
                frame.y[row * width + column] = byte(16.0 + 219.0 * coded[0]);
                (u, v) = (u + coded[1] / 4.0, v + coded[2] / 4.0);
            }
            frame.u.push(byte(128.0 + 224.0 * u));
            frame.v.push(byte(128.0 + 224.0 * v));
        }
    }
    frame
}

/// What the tables of a file say (ISO/IEC 14496-12).
struct Track<'a> {
    width: u16,
    height: u16,
    /// Ticks that each sample is shown.
    delays: Vec<u64>,
    /// Coded frames, and whether each needs no other.
    samples: &'a [(Vec<u8>, bool)],
    /// Parameter sets of the sequence and of its pictures.
    sequence: &'a [u8],
    picture: &'a [u8],
}

impl Track<'_> {
    fn file(&self) -> Result<Vec<u8>> {
        let mut file = part(b"ftyp", &[b"isom\0\0\x02\0isomiso2avc1mp41"]);
        let body: usize = self.samples.iter().map(|(sample, _)| sample.len()).sum();
        let start = file.len() + self.tables(0, 0).len() + 8;
        let duration = u32::try_from(self.delays.iter().sum::<u64>());
        let (Ok(duration), Ok(_)) = (duration, u32::try_from(start + body)) else {
            return Err(Error::data("", "a clip that is too long for an MP4 file"));
        };
        file.extend(self.tables(start as u32, duration));
        file.extend((body as u32 + 8).to_be_bytes());
        file.extend(b"mdat");
        file.extend(self.samples.iter().flat_map(|(sample, _)| sample));
        Ok(file)
    }

    /// Everything but the samples, which start at a byte of the file.
    fn tables(&self, start: u32, duration: u32) -> Vec<u8> {
        let matrix = numbers(&[1 << 16, 0, 0, 0, 1 << 16, 0, 0, 0, 1 << 30]);
        let movie = [
            &numbers(&[0, 0, 0, RATE, duration, 1 << 16, 0x0100_0000, 0, 0]),
            &*matrix,
            &numbers(&[0, 0, 0, 0, 0, 0, 2]),
        ];
        let sides = numbers(&[u32::from(self.width) << 16, u32::from(self.height) << 16]);
        let track = [&numbers(&[3, 0, 0, 1, 0, duration, 0, 0, 0, 0]), &*matrix, &sides];
        let kind = [&numbers(&[0, 0]), b"vide".as_slice(), &numbers(&[0, 0, 0]), b"\0"];
        let here = part(b"dref", &[&numbers(&[0, 1]), &part(b"url ", &[&numbers(&[1])])]);
        let inner =
            [part(b"vmhd", &[&numbers(&[1, 0, 0])]), part(b"dinf", &[&here]), part(b"stbl", &[&self.samples(start)])];
        let media = [
            part(b"mdhd", &[&numbers(&[0, 0, 0, RATE, duration, 0x55c4_0000])]), // no language
            part(b"hdlr", &kind),
            part(b"minf", &[&inner.concat()]),
        ];
        let track = [part(b"tkhd", &track), part(b"mdia", &[&media.concat()])].concat();
        part(b"moov", &[&part(b"mvhd", &movie), &part(b"trak", &[&track])])
    }

    /// How the samples are coded, how long each is shown, and where they are: one behind the other.
    fn samples(&self, start: u32) -> Vec<u8> {
        let table = |name, entries: Vec<u32>, each: usize| {
            part(name, &[&numbers(&[0, (entries.len() / each) as u32]), &numbers(&entries)])
        };
        let count = self.samples.len() as u32;
        let runs = self.delays.chunk_by(|one, next| one == next).flat_map(|run| [run.len() as u32, run[0] as u32]);
        let independent = (1..).zip(self.samples).filter(|(_, sample)| sample.1).map(|(number, _)| number);
        let sizes = self.samples.iter().map(|(sample, _)| sample.len() as u32).collect::<Vec<_>>();
        [
            part(b"stsd", &[&numbers(&[0, 1]), &self.coding()]),
            table(b"stts", runs.collect(), 2),
            table(b"stss", independent.collect(), 1),
            table(b"stsc", vec![1, count, 1], 3),
            part(b"stsz", &[&numbers(&[0, 0, count]), &numbers(&sizes)]),
            table(b"stco", vec![start], 1),
        ]
        .concat()
    }

    /// H.264 with its parameter sets (ISO/IEC 14496-15, section 5.3.3.1) and colours.
    fn coding(&self) -> Vec<u8> {
        let set = |set: &[u8]| [&(set.len() as u16).to_be_bytes(), set].concat();
        let (sequence, picture) = (set(self.sequence), set(self.picture));
        let profile = &self.sequence[1..4];
        // what only the high profile has: 4:2:0, 8 bits, no more sets
        let high: &[u8] = if profile[0] >= 100 { b"\xfd\xf8\xf8\0" } else { b"" };
        let config = part(b"avcC", &[b"\x01", profile, b"\xff\xe1", &sequence, b"\x01", &picture, high]);
        // primaries and transfer of sRGB; the weights of `planes`
        let weights = if usual_colours(self.height.into()) == BT_601 { 6 } else { 1 };
        let colours = part(b"colr", &[b"nclx\0\x01\0\x0d\0", &[weights, 0]]);
        let sides = [self.width, self.height].map(u16::to_be_bytes).concat();
        let head = [&[0; 6], b"\0\x01".as_slice(), &[0; 16], &sides, &numbers(&[72 << 16, 72 << 16, 0]), b"\0\x01"];
        part(b"avc1", &[&head.concat(), &[0; 32], b"\0\x18\xff\xff", &config, &colours])
    }
}

/// A named part of a file.
fn part(name: &[u8; 4], body: &[&[u8]]) -> Vec<u8> {
    let body = body.concat();
    [&(body.len() as u32 + 8).to_be_bytes(), name.as_slice(), &body].concat()
}

fn numbers(numbers: &[u32]) -> Vec<u8> {
    numbers.iter().flat_map(|number| number.to_be_bytes()).collect()
}
