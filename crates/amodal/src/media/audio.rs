//! Decodes WAV, FLAC, MP3 and Ogg Vorbis to one channel of floats, and changes sample rates.
//!
//! A file that is cut short or damaged is an error, as far as its container can tell: WAV and FLAC state their length
//! (FLAC a checksum, too), MP3 with a Xing or Info header its frames, Ogg marks its last page. An MP3 without such a
//! header is complete when it ends with a whole frame. A FLAC, WAV or MP3 stream that was written without a length is
//! taken to its end.
use std::io::{Cursor, ErrorKind};

use rubato::audioadapter_buffers::direct::SequentialSlice;
use rubato::{Fft, FixedSync, Resampler};
use symphonia::core::audio::SampleBuffer;
use symphonia::core::codecs::DecoderOptions;
use symphonia::core::errors::Error as Failure;
use symphonia::core::formats::{FormatOptions, FormatReader};
use symphonia::core::io::MediaSourceStream;
use symphonia::default::formats::{FlacReader, MpaReader, OggReader};

pub use super::wav::encode_wav;
use super::{container, start_of, wav};
use crate::{Error, Result};

/// No recording is louder, and beyond it the power of a window ends to be a finite number.
const LOUDEST: f32 = 1e12;

/// A decoded sound of one channel.
#[derive(Clone, Debug, PartialEq)]
pub struct Sound {
    /// Samples a second.
    pub sample_rate_hz: u32,
    /// Values from -1 to 1; only a float WAV may go beyond.
    pub samples: Vec<f32>,
}

impl Sound {
    /// Length in seconds.
    pub fn seconds(&self) -> f64 {
        self.samples.len() as f64 / f64::from(self.sample_rate_hz.max(1))
    }
}

/// What a sound may cost; the length is checked before decoding where the file states it, and while decoding.
#[derive(Clone, Debug, PartialEq)]
pub struct SoundLimits {
    /// Seconds at most.
    pub max_seconds: f32,
    /// Size of the file at most.
    pub max_bytes: u64,
}

impl Default for SoundLimits {
    fn default() -> Self {
        Self { max_seconds: 600.0, max_bytes: 256 << 20 }
    }
}

/// Decodes WAV, FLAC, MP3 (MPEG 1, 2 and 2.5) or Ogg Vorbis, told by the bytes alone; channels are averaged.
///
/// # Errors
/// [`Error::Data`] with an empty place if the bytes are empty, no sound, over a limit, cut short or damaged, or hold
/// no samples.
pub fn decode(bytes: &[u8], limits: &SoundLimits) -> Result<Sound> {
    if bytes.is_empty() {
        return Err(Error::data("", "empty file"));
    }
    if bytes.len() as u64 > limits.max_bytes {
        let (got, most) = (bytes.len() as f64 / 1e6, limits.max_bytes as f64 / 1e6);
        return Err(Error::data("", format!("{got:.1} MB, more than the limit of {most:.1} MB")));
    }
    let body = container::behind_id3(bytes);
    let sound = match body {
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'A', b'V', b'E', ..] => wav::decode(body, limits)?,
        [b'f', b'L', b'a', b'C', ..] => guarded("FLAC", &container::bare_flac(body)?, limits)?,
        [b'O', b'g', b'g', b'S', ..] => {
            container::check_ogg(body)?;
            guarded("Ogg", body, limits)?
        }
        [0xff, second, ..] if second & 0xe0 == 0xe0 => guarded("MP3", body, limits)?,
        _ => {
            return Err(Error::data("", format!("not a sound: starts with {}", start_of(body)))
                .with_help("WAV, FLAC, MP3 and Ogg Vorbis are read"));
        }
    };
    if sound.samples.is_empty() {
        let error = Error::data("", "no sound: zero samples");
        return Err(error.with_help("leave the cell empty where there is no sound"));
    }
    if let Some(at) = sound.samples.iter().position(|sample| !(-LOUDEST..=LOUDEST).contains(sample)) {
        let problem = format!("damaged sound: sample {at} is {:?}, expected a number near -1 to 1", sound.samples[at]);
        return Err(Error::data("", problem));
    }
    Ok(sound)
}

/// Changes the sample rate; keeps frequencies below half of both rates.
///
/// Returns `ceil(samples × new rate / old rate)` samples, aligned in time with the given ones. The same input gives
/// the same bits. A rate of 0 gives no samples.
pub fn resample(sound: &Sound, sample_rate_hz: u32) -> Sound {
    let (from, to) = (sound.sample_rate_hz, sample_rate_hz);
    if from == to || sound.samples.is_empty() || from == 0 || to == 0 {
        let samples = if from == to { sound.samples.clone() } else { Vec::new() };
        return Sound { sample_rate_hz, samples };
    }
    let length = (sound.samples.len() as u64 * u64::from(to)).div_ceil(u64::from(from)) as usize;
    // A whole number of periods of both rates, and an even one: the filter's delay is half a block, and half of an odd
    // block would move the sound by a part of a sample.
    let period = from as usize / gcd(from, to) as usize;
    let block = period * 1024_usize.div_ceil(period).next_multiple_of(2);
    let mut resampler =
        Fft::<f32>::new(from as usize, to as usize, block, 1, FixedSync::Both).expect("rates are not 0");
    let input = SequentialSlice::new(&sound.samples, 1, sound.samples.len()).expect("one channel of this length");
    let output = resampler.process_all(&input, sound.samples.len(), None).expect("the buffer is made to fit");
    let mut samples = output.take_data();
    samples.resize(length, 0.0); // the library rounds the length in floating point: one off at most
    Sound { sample_rate_hz, samples }
}

fn gcd(one: u32, other: u32) -> u32 {
    if other == 0 { one } else { gcd(other, one % other) }
}

/// An error for a rate that no recording has, and that would cost memory without bound in [`resample`].
pub(super) fn check_rate(sample_rate_hz: u32) -> Result<()> {
    match sample_rate_hz {
        1000..=768_000 => Ok(()),
        _ => Err(Error::data("", format!("sample rate {sample_rate_hz} Hz is not from 1000 to 768000 Hz"))),
    }
}

/// An error if so many samples are more than allowed.
pub(super) fn check_length(samples: u64, sample_rate_hz: u32, limits: &SoundLimits) -> Result<()> {
    let seconds = samples as f64 / f64::from(sample_rate_hz);
    if seconds <= f64::from(limits.max_seconds) {
        return Ok(());
    }
    let problem = format!("{seconds:.1} seconds or longer, more than the limit of {}", limits.max_seconds);
    Err(Error::data("", problem).with_help("cut the sound into pieces"))
}

/// Runs the library's decoder so that a panic in it is an error: Vorbis headers with a right checksum and wrong contents
/// make it panic (symphonia 0.5.5, `codebook.rs:141`, `floor.rs:809`; a test below).
fn guarded(name: &str, bytes: &[u8], limits: &SoundLimits) -> Result<Sound> {
    crate::error::guarded(|| packets(name, bytes, limits))
        .unwrap_or_else(|| Err(Error::data("", format!("damaged {name}: the decoder gave up"))))
}

/// A word on what is in an Ogg file instead of Vorbis.
fn opus(bytes: &[u8]) -> &'static str {
    if bytes.windows(8).take(64).any(|word| word == b"OpusHead") { " (Opus)" } else { "" }
}

fn packets(name: &str, bytes: &[u8], limits: &SoundLimits) -> Result<Sound> {
    let broken = |failure: Failure| match failure {
        Failure::IoError(error) if error.kind() == ErrorKind::UnexpectedEof => {
            Error::data("", format!("truncated {name}: the file ends after {} bytes", bytes.len()))
        }
        Failure::Unsupported(_) => Error::data("", format!("{name} of a kind that is not read{}", opus(bytes)))
            .with_help("WAV, FLAC, MP3 and Ogg Vorbis are read"),
        failure => Error::data("", format!("damaged {name}: {failure}")),
    };
    let source = MediaSourceStream::new(Box::new(Cursor::new(bytes.to_vec())), Default::default());
    // MP3 is trimmed below: the library subtracts lengths there without checking them.
    let options = FormatOptions { enable_gapless: name != "MP3", ..FormatOptions::default() };
    let mut reader: Box<dyn FormatReader> = match name {
        "FLAC" => Box::new(FlacReader::try_new(source, &options).map_err(broken)?),
        "Ogg" => Box::new(OggReader::try_new(source, &options).map_err(broken)?),
        _ => Box::new(MpaReader::try_new(source, &options).map_err(broken)?),
    };
    let track = reader.default_track().ok_or_else(|| Error::data("", format!("{name} without a sound track")))?;
    let (id, parameters) = (track.id, track.codec_params.clone());
    let sample_rate_hz = parameters.sample_rate.unwrap_or(0);
    check_rate(sample_rate_hz)?;
    // An MP3 without a Xing or Info header has a guess here.
    let stated = parameters.n_frames.filter(|_| name != "MP3" || container::has_info(bytes)).map(|frames| {
        let silence = if name == "MP3" { parameters.delay.unwrap_or(0) + parameters.padding.unwrap_or(0) } else { 0 };
        frames.saturating_sub(u64::from(silence))
    });
    if let Some(stated) = stated {
        check_length(stated, sample_rate_hz, limits)?;
    }
    let mut decoder =
        symphonia::default::get_codecs().make(&parameters, &DecoderOptions { verify: true }).map_err(broken)?;
    let skip = if name == "MP3" { parameters.delay.unwrap_or(0) as usize } else { 0 };
    let (mut samples, mut last) = (Vec::new(), Vec::new());
    loop {
        let packet = match reader.next_packet() {
            Ok(packet) if packet.track_id() == id => packet,
            Ok(_) => continue,
            Err(Failure::IoError(error)) if error.kind() == ErrorKind::UnexpectedEof => break,
            Err(failure) => return Err(broken(failure)),
        };
        let decoded = decoder.decode(&packet).map_err(|failure| {
            let seconds = samples.len() as f64 / f64::from(sample_rate_hz);
            broken(failure).within(&format!("at {seconds:.2} s"))
        })?;
        let channels = decoded.spec().channels.count().max(1);
        let mut frames = SampleBuffer::<f32>::new(decoded.capacity() as u64, *decoded.spec());
        frames.copy_interleaved_ref(decoded);
        let mean = |frame: &[f32]| frame.iter().sum::<f32>() / channels as f32;
        samples.extend(frames.samples().chunks_exact(channels).map(mean));
        check_length(samples.len() as u64, sample_rate_hz, limits)?;
        last = packet.data.into_vec();
    }
    samples.drain(..skip.min(samples.len()));
    match stated {
        Some(stated) if (samples.len() as u64) < stated => {
            return Err(Error::data("", format!("truncated {name}: {} of {stated} samples", samples.len())));
        }
        Some(stated) => samples.truncate(stated as usize),
        None if name == "MP3" && container::ends_inside_frame(bytes, &last) => {
            return Err(Error::data("", "truncated MP3: the last frame is not whole"));
        }
        None => {}
    }
    if decoder.finalize().verify_ok == Some(false) {
        return Err(Error::data("", format!("damaged {name}: {} samples whose checksum is wrong", samples.len())));
    }
    Ok(Sound { sample_rate_hz, samples })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 0.3 s of 440 Hz at half of full scale, 8 kHz, one channel, written by libsndfile 1.2.
    const FLAC: &[u8] = include_bytes!("../../tests/fixtures/sine.flac");
    const MP3: &[u8] = include_bytes!("../../tests/fixtures/sine.mp3");
    const OGG: &[u8] = include_bytes!("../../tests/fixtures/sine.ogg");
    /// 0.1 s, 440 Hz left and silence right, 44.1 kHz.
    const STEREO: &[u8] = include_bytes!("../../tests/fixtures/stereo.mp3");

    fn sine(hz: f64, sample_rate_hz: u32, length: usize) -> Sound {
        let turn = std::f64::consts::TAU * hz / f64::from(sample_rate_hz);
        Sound { sample_rate_hz, samples: (0..length).map(|n| (0.5 * (turn * n as f64).sin()) as f32).collect() }
    }

    fn read(bytes: &[u8]) -> Result<Sound> {
        decode(bytes, &SoundLimits::default())
    }

    /// Root mean square difference away from the ends.
    fn far(one: &[f32], other: &[f32]) -> f32 {
        assert_eq!(one.len(), other.len());
        let inner = one.len() / 8..one.len() - one.len() / 8;
        let squares = one[inner.clone()].iter().zip(&other[inner.clone()]).map(|(one, other)| (one - other).powi(2));
        (squares.sum::<f32>() / inner.len() as f32).sqrt()
    }

    #[test]
    fn every_format_gives_the_sound_back() {
        let whole = sine(440.0, 8000, 2400);
        for (name, bytes, near) in [("FLAC", FLAC, 1e-4), ("MP3", MP3, 0.05), ("Ogg", OGG, 0.05)] {
            let got = read(bytes).unwrap();
            assert_eq!((got.sample_rate_hz, got.samples.len()), (8000, 2400), "{name}");
            let far = far(&got.samples, &whole.samples);
            assert!(far < near, "{name}: {far}");
        }
        let mut halved = sine(440.0, 44_100, 4410);
        halved.samples.iter_mut().for_each(|sample| *sample *= 0.5);
        let got = read(STEREO).unwrap();
        assert!(far(&got.samples, &halved.samples) < 0.05, "{}", far(&got.samples, &halved.samples));
        let tagged = [b"ID3\x04\0\0\0\0\0\x05abcde", MP3].concat();
        assert_eq!(read(&tagged).unwrap(), read(MP3).unwrap());
    }

    #[test]
    fn a_file_cut_anywhere_is_an_error() {
        for (name, bytes) in [("FLAC", FLAC), ("MP3", MP3), ("Ogg", OGG), ("stereo MP3", STEREO)] {
            let whole = read(bytes).unwrap();
            for end in 0..bytes.len() {
                if let Ok(got) = read(&bytes[..end]) {
                    assert_eq!(got, whole, "{name} cut at {end} of {}", bytes.len());
                }
            }
        }
    }

    #[test]
    fn an_mp3_without_length_must_end_with_a_whole_frame() {
        let second = MP3.windows(2).skip(4).position(|pair| pair == [0xff, 0xe3]).unwrap() + 4;
        let bare = &MP3[second..];
        let whole = read(bare).unwrap();
        assert_eq!(whole.samples.len() % 576, 0);
        let problem = read(&bare[..bare.len() - 20]).unwrap_err().to_string();
        assert_eq!(problem, ": truncated MP3: the last frame is not whole");
        // A tag at the end is no frame.
        assert_eq!(read(&[bare, b"TAG", &[0; 125]].concat()).unwrap(), whole);
    }

    #[test]
    fn any_byte_may_be_wrong_without_a_panic_or_another_sound() {
        for (name, bytes) in [("FLAC", FLAC), ("MP3", MP3), ("Ogg", OGG)] {
            for at in 0..bytes.len() {
                for value in [0, 0xff, bytes[at] ^ 0x10] {
                    let mut wrong = bytes.to_vec();
                    wrong[at] = value;
                    let got = read(&wrong);
                    if name == "FLAC" && at > 60 && value != bytes[at] {
                        assert!(got.is_err() || got.unwrap() == read(bytes).unwrap(), "{name} byte {at}");
                    }
                }
            }
        }
    }

    #[test]
    fn wrong_vorbis_headers_with_right_checksums_are_no_panic() {
        let starts: Vec<usize> =
            (0..OGG.len() - 4).filter(|&at| &OGG[at..at + 4] == b"OggS").chain([OGG.len()]).collect();
        for page in starts.windows(2).map(|pair| pair[0]..pair[1]) {
            for at in page.clone().skip(28) {
                for value in [0, 0xff, OGG[at] ^ 0x10] {
                    let mut wrong = OGG.to_vec();
                    wrong[at] = value;
                    wrong[page.start + 22..page.start + 26].fill(0);
                    let crc = wrong[page.clone()].iter().fold(0_u32, |crc, &byte| {
                        (0..8).fold(crc ^ u32::from(byte) << 24, |crc, _| {
                            (crc << 1) ^ (0x04c1_1db7 & (crc >> 31).wrapping_neg())
                        })
                    });
                    wrong[page.start + 22..page.start + 26].copy_from_slice(&crc.to_le_bytes());
                    assert!(value != OGG[at] || read(&wrong).is_ok());
                    let _ = read(&wrong);
                }
            }
        }
    }

    #[test]
    fn messages_name_what_is_wrong() {
        let problem = |bytes: &[u8]| read(bytes).unwrap_err().to_string();
        assert_eq!(problem(b""), ": empty file");
        assert_eq!(problem(b"hello, world"), ": not a sound: starts with \"hello, world\"");
        assert!(
            problem(&FLAC[..FLAC.len() / 2]).starts_with(": truncated FLAC"),
            "{}",
            problem(&FLAC[..FLAC.len() / 2])
        );
        assert_eq!(problem(&OGG[..OGG.len() - 1]), ": truncated Ogg: the last page is not whole");
        let short = SoundLimits { max_seconds: 0.25, ..SoundLimits::default() };
        for bytes in [FLAC, MP3, OGG, &encode_wav(&sine(440.0, 8000, 2400))] {
            let problem = decode(bytes, &short).unwrap_err().to_string();
            assert!(problem.contains("more than the limit of 0.25"), "{problem}");
        }
        let slow = encode_wav(&sine(1.0, 4_000_000_000, 100));
        assert_eq!(problem(&slow), ": sample rate 4000000000 Hz is not from 1000 to 768000 Hz");
    }

    #[test]
    fn resampling_keeps_frequency_time_and_length() {
        for (from, to) in [(16_000, 8000), (8000, 16_000), (44_100, 16_000), (48_000, 16_000), (11_025, 16_000)] {
            let sound = sine(440.0, from, from as usize / 2 + 7);
            let got = resample(&sound, to);
            let length = (sound.samples.len() * to as usize).div_ceil(from as usize);
            assert_eq!((got.sample_rate_hz, got.samples.len()), (to, length));
            let far = far(&got.samples, &sine(440.0, to, length).samples);
            assert!(far < 2e-3, "{from} to {to}: {far}");
            assert_eq!(resample(&sound, to), got);
        }
        // What the new rate cannot hold is gone, not folded down.
        let high = resample(&sine(6000.0, 16_000, 8000), 8000);
        assert!(high.samples[1000..3000].iter().all(|sample| sample.abs() < 2e-3));
        for length in [0, 1, 2, 3] {
            let tiny = Sound { sample_rate_hz: 8000, samples: vec![0.5; length] };
            assert_eq!(resample(&tiny, 16_000).samples.len(), length * 2);
        }
        assert_eq!(resample(&sine(440.0, 8000, 9), 8000), sine(440.0, 8000, 9));
    }
}
