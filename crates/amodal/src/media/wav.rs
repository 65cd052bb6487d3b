//! WAV: integers of 8, 16, 24 and 32 bits, floats of 32 and 64 bits, A-law and µ-law.
//!
//! Written here rather than taken from a library so that every length in the header is checked against the file.
use super::audio::{Sound, SoundLimits, check_length, check_rate};
use crate::{Error, Result};

/// The `fmt ` chunk.
struct Format {
    tag: u16,
    channels: usize,
    sample_rate_hz: u32,
    sample_bytes: usize,
}

/// The sound of a RIFF WAVE file; a length that a stream left open (0 or the greatest) means: to the end of the file.
pub(super) fn decode(bytes: &[u8], limits: &SoundLimits) -> Result<Sound> {
    let mut format = None;
    let mut rest = bytes.get(12..).unwrap_or_default();
    loop {
        let [name @ .., l0, l1, l2, l3] = *rest.first_chunk::<8>().ok_or_else(|| match format {
            None => Error::data("", "truncated WAV: no `fmt ` chunk"),
            Some(_) => Error::data("", "truncated WAV: no `data` chunk"),
        })?;
        rest = &rest[8..];
        let length = u32::from_le_bytes([l0, l1, l2, l3]) as usize;
        if &name == b"data" {
            let format = format.ok_or_else(|| Error::data("", "damaged WAV: `data` before `fmt `"))?;
            let open = length == 0 || length >= 0x7fff_0000;
            let data = match rest.get(..length) {
                Some(data) if !open => data,
                _ if open => rest,
                _ => {
                    let problem = format!("truncated WAV: {} of {length} bytes of sound", rest.len());
                    return Err(Error::data("", problem));
                }
            };
            return samples(data, &format, limits);
        }
        let chunk = rest.get(..length).ok_or_else(|| {
            Error::data("", format!("truncated WAV: the file ends in chunk \"{}\"", name.escape_ascii()))
        })?;
        if &name == b"fmt " {
            format = Some(read_format(chunk)?);
        }
        rest = rest.get(length + length % 2..).unwrap_or_default();
    }
}

fn read_format(chunk: &[u8]) -> Result<Format> {
    let field = |at: usize| Some(u16::from_le_bytes([*chunk.get(at)?, *chunk.get(at + 1)?]));
    let fields = || Some((field(0)?, field(2)?, field(4)?, field(6)?, field(12)?, field(14)?));
    let (mut tag, channels, rate_low, rate_high, frame_bytes, bits) =
        fields().ok_or_else(|| Error::data("", format!("damaged WAV: `fmt ` of {} bytes", chunk.len())))?;
    if tag == 0xfffe {
        tag = field(24).unwrap_or(tag); // the extensible form: the kind stands further behind
    }
    let sample_rate_hz = u32::from(rate_low) | u32::from(rate_high) << 16;
    check_rate(sample_rate_hz)?;
    let (channels, sample_bytes) = (usize::from(channels), usize::from(bits.div_ceil(8)));
    if !matches!((tag, sample_bytes), (1, 1..=4) | (3, 4 | 8) | (6 | 7, 1)) {
        return Err(Error::data("", format!("WAV of compression {tag:#06x} with {bits} bits is not read"))
            .with_help("save it as 16-bit PCM, FLAC, MP3 or Ogg Vorbis"));
    }
    if channels == 0 || channels * sample_bytes != usize::from(frame_bytes) {
        let problem = format!("damaged WAV: {channels} channels of {bits} bits in {frame_bytes} bytes");
        return Err(Error::data("", problem));
    }
    Ok(Format { tag, channels, sample_rate_hz, sample_bytes })
}

fn samples(data: &[u8], format: &Format, limits: &SoundLimits) -> Result<Sound> {
    let frame_bytes = format.channels * format.sample_bytes;
    if !data.len().is_multiple_of(frame_bytes) {
        let problem = format!("truncated WAV: {} bytes are no whole number of {frame_bytes}-byte frames", data.len());
        return Err(Error::data("", problem));
    }
    check_length((data.len() / frame_bytes) as u64, format.sample_rate_hz, limits)?;
    let read: fn(&[u8]) -> f32 = match (format.tag, format.sample_bytes) {
        (1, 1) => |bytes| (f32::from(bytes[0]) - 128.0) / 128.0,
        (1, 2) => |bytes| f32::from(i16::from_le_bytes([bytes[0], bytes[1]])) / 32768.0,
        (1, 3) => |bytes| i32::from_le_bytes([0, bytes[0], bytes[1], bytes[2]]) as f32 / 2_147_483_648.0,
        (1, _) => |bytes| i32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]) as f32 / 2_147_483_648.0,
        (3, 4) => |bytes| f32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]),
        (3, _) => |bytes| bytes.first_chunk().map_or(0.0, |bytes| f64::from_le_bytes(*bytes) as f32),
        (6, _) => |bytes| a_law(bytes[0]),
        _ => |bytes| mu_law(bytes[0]),
    };
    let mean = |frame: &[u8]| frame.chunks_exact(format.sample_bytes).map(read).sum::<f32>() / format.channels as f32;
    let samples = data.chunks_exact(frame_bytes).map(mean).collect();
    Ok(Sound { sample_rate_hz: format.sample_rate_hz, samples })
}

/// ITU-T G.711, A-law.
fn a_law(byte: u8) -> f32 {
    let code = byte ^ 0x55;
    let (segment, step) = (i32::from(code >> 4 & 7), i32::from(code & 15));
    let size = if segment == 0 { step * 16 + 8 } else { (step * 16 + 264) << (segment - 1) };
    (if code & 0x80 == 0 { -size } else { size }) as f32 / 32768.0
}

/// ITU-T G.711, µ-law.
fn mu_law(byte: u8) -> f32 {
    let code = !byte;
    let size = ((i32::from(code & 15) * 8 + 132) << (code >> 4 & 7)) - 132;
    (if code & 0x80 == 0 { size } else { -size }) as f32 / 32768.0
}

/// A 16-bit WAV file of one channel.
///
/// Values outside -1 to 1 are cut at the ends of the range, as 16 bits hold no others.
pub fn encode_wav(sound: &Sound) -> Vec<u8> {
    let length = (sound.samples.len() * 2) as u32;
    let mut bytes = Vec::with_capacity(44 + sound.samples.len() * 2);
    bytes.extend(b"RIFF");
    bytes.extend((36 + length).to_le_bytes());
    bytes.extend(b"WAVEfmt \x10\0\0\0\x01\0\x01\0");
    bytes.extend(sound.sample_rate_hz.to_le_bytes());
    bytes.extend((sound.sample_rate_hz.saturating_mul(2)).to_le_bytes());
    bytes.extend(b"\x02\0\x10\0data");
    bytes.extend(length.to_le_bytes());
    for sample in &sound.samples {
        bytes.extend(sixteen_bits(*sample).to_le_bytes());
    }
    bytes
}

/// A sample as 16 bits hold it, at the ends of the range where it is beyond.
pub(super) fn sixteen_bits(sample: f32) -> i16 {
    (sample * 32768.0).round() as i16 // `as` saturates
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::audio;

    fn file(tag: u16, channels: u16, bits: u16, data: &[u8]) -> Vec<u8> {
        let frame = channels * bits.div_ceil(8);
        let format = [tag, channels, 8000, 0, 8000, 0, frame, bits].map(u16::to_le_bytes).concat();
        let length = data.len() as u32;
        let start = [b"RIFF".as_slice(), &(36 + length).to_le_bytes(), b"WAVEfmt \x10\0\0\0"].concat();
        [&start, &*format, b"LIST\x03\0\0\0abc\0data", &length.to_le_bytes(), data].concat()
    }

    fn read(bytes: &[u8]) -> Result<Vec<f32>> {
        audio::decode(bytes, &SoundLimits::default()).map(|sound| sound.samples)
    }

    #[test]
    fn every_width_has_its_values() {
        assert_eq!(read(&file(1, 1, 8, &[0, 128, 255])).unwrap(), [-1.0, 0.0, 127.0 / 128.0]);
        assert_eq!(read(&file(1, 1, 16, &[0, 0x80, 0, 0x40])).unwrap(), [-1.0, 0.5]);
        assert_eq!(read(&file(1, 1, 24, &[0, 0, 0x80, 0, 0, 0x40, 0xff, 0xff, 0xff])).unwrap()[..2], [-1.0, 0.5]);
        assert_eq!(read(&file(1, 1, 32, &[0, 0, 0, 0x80, 0, 0, 0, 0x40])).unwrap(), [-1.0, 0.5]);
        assert_eq!(read(&file(3, 1, 32, &0.3_f32.to_le_bytes())).unwrap(), [0.3]);
        assert_eq!(read(&file(3, 1, 64, &0.3_f64.to_le_bytes())).unwrap(), [0.3]);
        // Values of ITU-T G.711, table 1a and 2a: the loudest and the softest.
        let a_law = [0xaa, 0xd5, 0x2a].map(|byte| read(&file(6, 1, 8, &[byte])).unwrap()[0] * 32768.0);
        assert_eq!(a_law, [32256.0, 8.0, -32256.0]);
        let mu_law = [0x80, 0xff, 0x00].map(|byte| read(&file(7, 1, 8, &[byte])).unwrap()[0] * 32768.0);
        assert_eq!(mu_law, [32124.0, 0.0, -32124.0]);
        // Two channels are averaged.
        assert_eq!(read(&file(1, 2, 16, &[0, 0x40, 0, 0xc0, 0, 0x40, 0, 0])).unwrap(), [0.0, 0.25]);
    }

    #[test]
    fn what_is_written_is_read_back() {
        let sound = Sound { sample_rate_hz: 44_100, samples: vec![0.0, 0.5, -1.0, 0.999_969_5, 1.0, -2.0] };
        let back = audio::decode(&encode_wav(&sound), &SoundLimits::default()).unwrap();
        assert_eq!(back.sample_rate_hz, 44_100);
        let top = 32767.0 / 32768.0;
        assert_eq!(back.samples, [0.0, 0.5, -1.0, top, top, -1.0]);
    }

    #[test]
    fn a_file_cut_anywhere_is_an_error() {
        let whole = file(1, 2, 16, &[7; 40]);
        for end in 0..whole.len() {
            assert!(read(&whole[..end]).is_err(), "cut at {end} of {}", whole.len());
        }
        for at in 0..whole.len() {
            for value in [0, 1, 0x7f, 0xff, !whole[at]] {
                let mut wrong = whole.clone();
                wrong[at] = value;
                let _ = read(&wrong);
            }
        }
    }

    #[test]
    fn messages_name_what_is_wrong() {
        let problem = |bytes: &[u8]| read(bytes).unwrap_err().to_string();
        let whole = file(1, 1, 16, &[7; 40]);
        assert_eq!(problem(&whole[..whole.len() - 1]), ": truncated WAV: 39 of 40 bytes of sound");
        assert_eq!(problem(&whole[..30]), ": truncated WAV: the file ends in chunk \"fmt \"");
        assert_eq!(problem(&file(2, 1, 4, &[7; 40])), ": WAV of compression 0x0002 with 4 bits is not read");
        let mut adpcm = file(2, 1, 4, &[7; 40]);
        adpcm[32] = 0; // blocks of 1024 bytes
        adpcm[33] = 4;
        assert_eq!(problem(&adpcm), ": WAV of compression 0x0002 with 4 bits is not read");
        assert_eq!(problem(&file(1, 1, 16, &[7; 3])), ": truncated WAV: 3 bytes are no whole number of 2-byte frames");
        assert_eq!(problem(&file(1, 1, 16, &[])), ": no sound: zero samples");
        assert_eq!(
            problem(&file(3, 1, 32, &f32::NAN.to_le_bytes())),
            ": damaged sound: sample 0 is NaN, expected a number near -1 to 1"
        );
        let loud = |value: f32| read(&file(3, 1, 32, &value.to_le_bytes()));
        assert!(loud(3e38).is_err() && loud(-1e20).is_err() && loud(f32::INFINITY).is_err());
        assert_eq!(loud(-32768.0).unwrap(), [-32768.0]);
    }

    #[test]
    fn a_stream_without_length_is_read_to_its_end() {
        for length in [[0; 4], [0xff; 4]] {
            let mut bytes = file(1, 1, 16, &[7; 40]);
            let at = bytes.len() - 44;
            bytes[at..at + 4].copy_from_slice(&length);
            assert_eq!(read(&bytes).unwrap().len(), 20);
        }
    }
}
