//! Decodes clips to 8-bit RGB frames with time stamps: animated WebP, GIF and PNG, MP4 with H.264, pictures in a row.
use super::image::{self, Fit, Limits, Picture};
use super::{animation, mp4, start_of};
use crate::{Error, Result};

/// One frame and when it is shown.
#[derive(Clone, Debug, PartialEq)]
pub struct Frame {
    /// From the start of the clip.
    pub seconds: f64,
    /// What is shown.
    pub picture: Picture,
}

/// Frames of a clip.
#[derive(Clone, Debug, PartialEq)]
pub struct Clip {
    /// Those that were asked for, in the order of time; at least one.
    pub frames: Vec<Frame>,
    /// How many the file holds.
    pub count: usize,
    /// How long the file plays.
    pub seconds: f64,
}

impl Clip {
    /// Pictures that follow each other evenly.
    pub fn even(pictures: Vec<Picture>, seconds: f64) -> Self {
        let count = pictures.len();
        let start = |at: usize| at as f64 * seconds / count as f64;
        let frame = |(at, picture)| Frame { seconds: start(at), picture };
        Self { frames: pictures.into_iter().enumerate().map(frame).collect(), count, seconds }
    }
}

/// What a clip may cost, checked before its frames are decoded.
#[derive(Clone, Debug, PartialEq)]
pub struct ClipLimits {
    /// Pixels of a frame, and bytes of the file.
    pub picture: Limits,
    /// Frames of the file at most.
    pub max_frames: usize,
    /// Seconds of the file at most.
    pub max_seconds: f64,
    /// Frames a second of pictures in a row, which have no time of their own.
    pub frame_rate: f64,
}

impl Default for ClipLimits {
    fn default() -> Self {
        let picture = Limits { max_bytes: 256 << 20, ..Limits::default() };
        Self { picture, max_frames: 100_000, max_seconds: 3600.0, frame_rate: 25.0 }
    }
}

/// When each frame of a file is shown.
pub(super) struct Timeline {
    /// In seconds, rising.
    pub(super) starts: Vec<f64>,
    /// When the last one ends.
    pub(super) seconds: f64,
}

impl Timeline {
    /// Frames that are shown one after another, each for some seconds.
    pub(super) fn of(delays: impl IntoIterator<Item = f64>) -> Self {
        let (mut starts, mut seconds) = (Vec::new(), 0.0);
        for delay in delays {
            starts.push(seconds);
            seconds += delay;
        }
        Self { starts, seconds }
    }

    /// The frames that are shown at `count` moments, each in the middle of an equal share of the time; each frame once
    /// where there are no more than that.
    fn pick(&self, count: usize) -> Vec<usize> {
        if self.starts.len() <= count {
            return (0..self.starts.len()).collect();
        }
        let moment = |at: usize| (at as f64 + 0.5) * self.seconds / count as f64;
        let shown = |moment: f64| self.starts.partition_point(|start| *start <= moment + 1e-9).saturating_sub(1);
        (0..count).map(moment).map(shown).collect()
    }

    /// An error if there are no frames, or more than allowed.
    fn check(&self, limits: &ClipLimits) -> Result<()> {
        check_count(self.starts.len(), limits)?;
        if self.seconds > limits.max_seconds {
            let problem = format!("{:.1} seconds, more than the limit of {}", self.seconds, limits.max_seconds);
            return Err(Error::data("", problem).with_help("cut the clip, or raise `max_seconds`"));
        }
        Ok(())
    }

    /// The clip of `count` frames; `read` gives those at rising, different places.
    pub(super) fn clip(
        &self,
        count: usize,
        limits: &ClipLimits,
        read: impl FnOnce(&[usize]) -> Result<Vec<Picture>>,
    ) -> Result<Clip> {
        self.check(limits)?;
        let picked = self.pick(count.max(1));
        let mut different = picked.clone();
        different.dedup();
        let pictures = read(&different)?;
        let known = different.iter().zip(&pictures).collect::<std::collections::BTreeMap<_, _>>();
        let frame = |at: &usize| Frame { seconds: self.starts[*at], picture: known[at].clone() };
        Ok(Clip { frames: picked.iter().map(frame).collect(), count: self.starts.len(), seconds: self.seconds })
    }
}

/// An error if there are no frames, or more than allowed.
pub(super) fn check_count(count: usize, limits: &ClipLimits) -> Result<()> {
    match count {
        0 => Err(Error::data("", "no frames")),
        count if count > limits.max_frames => {
            Err(Error::data("", format!("{count} frames, more than the limit of {}", limits.max_frames)))
        }
        _ => Ok(()),
    }
}

/// Decodes `count` frames that are spread evenly over the time of a clip, or all where it has no more; `keep` makes each
/// small before the next one is decoded.
///
/// Animated WebP, GIF and PNG, MP4 with H.264, [`row`]s of pictures, and a still picture as a clip of one frame; the kind
/// is told by the bytes alone. Transparency is laid over white. `square` is what `keep` makes of a frame, if that is to fit it
/// into a square: a large JPEG need not be read whole then, and comes to `keep` as the square.
///
/// # Errors
/// [`Error::Data`] with an empty place if the bytes are empty, no clip, over a limit, cut short or damaged.
pub fn decode(
    bytes: &[u8],
    count: usize,
    limits: &ClipLimits,
    square: Option<(usize, Fit)>,
    mut keep: impl FnMut(Picture) -> Picture,
) -> Result<Clip> {
    image::check_bytes(bytes, &limits.picture)?;
    let still = |bytes: &[u8]| {
        let reduced = square.map(|(size, fit)| image::reduced(bytes, &limits.picture, size, fit));
        match reduced.transpose()?.flatten() {
            Some(picture) => Ok(picture),
            None => image::decode(bytes, &limits.picture, SVG_SIZE),
        }
    };
    if let Some(rest) = bytes.strip_prefix(ROW) {
        let pictures = pictures_of(rest)?;
        let timeline = Timeline::of(pictures.iter().map(|_| 1.0 / limits.frame_rate));
        return timeline.clip(count, limits, |places| {
            let read = |place: &usize| {
                let picture = still(pictures[*place]);
                picture.map(&mut keep).map_err(|error| error.within(&format!("picture {}", place + 1)))
            };
            places.iter().map(read).collect()
        });
    }
    if mp4::is_mp4(bytes) {
        return mp4::decode(bytes, count, limits, keep);
    }
    if let Some(name) = other_format(bytes) {
        return Err(Error::data("", format!("{name} is not read")).with_help(CONVERT));
    }
    if let Some(clip) = animation::decode(bytes, count, limits, &mut keep)? {
        return Ok(clip);
    }
    if !image::is_picture(bytes) {
        return Err(Error::data("", format!("not a clip: starts with {}", start_of(bytes)))
            .with_help("MP4 with H.264, animated WebP, GIF and PNG, and folders of pictures are read"));
    }
    let still = keep(still(bytes)?);
    Timeline::of([1.0 / limits.frame_rate]).clip(1, limits, |_| Ok(vec![still]))
}

/// Longer side that an SVG is drawn with.
const SVG_SIZE: usize = 256;
/// How to get what is read.
pub(super) const CONVERT: &str = "convert it: ffmpeg -i CLIP -c:v libx264 -pix_fmt yuv420p CLIP.mp4";
/// First bytes of pictures in a row.
const ROW: &[u8] = b"amodal pictures\n";

/// Whether the bytes are those of a [`row`].
pub(super) fn is_row(bytes: &[u8]) -> bool {
    bytes.starts_with(ROW)
}

/// The files of pictures as one clip, in the order given: what a folder of pictures is to a reader of bytes.
pub fn row(files: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = ROW.to_vec();
    for file in files {
        bytes.extend((file.len() as u64).to_le_bytes());
        bytes.extend(file);
    }
    bytes
}

fn pictures_of(mut rest: &[u8]) -> Result<Vec<&[u8]>> {
    let mut pictures = Vec::new();
    while !rest.is_empty() {
        let cut = || Error::data("", format!("truncated row of pictures: it ends in picture {}", pictures.len() + 1));
        let (length, behind) = rest.split_first_chunk().ok_or_else(cut)?;
        let length = usize::try_from(u64::from_le_bytes(*length)).ok();
        let (picture, behind) = length.and_then(|length| behind.split_at_checked(length)).ok_or_else(cut)?;
        pictures.push(picture);
        rest = behind;
    }
    Ok(pictures)
}

/// The name of a film format that is not read.
fn other_format(bytes: &[u8]) -> Option<&'static str> {
    Some(match bytes {
        [0x1a, 0x45, 0xdf, 0xa3, ..] if bytes[..bytes.len().min(64)].windows(4).any(|word| word == b"webm") => "WebM",
        [0x1a, 0x45, 0xdf, 0xa3, ..] => "Matroska (MKV)",
        [b'R', b'I', b'F', b'F', _, _, _, _, b'A', b'V', b'I', b' ', ..] => "AVI",
        [b'F', b'L', b'V', ..] => "Flash video",
        [b'O', b'g', b'g', b'S', ..] => "Ogg video",
        [0x30, 0x26, 0xb2, 0x75, ..] => "Windows Media video",
        [0, 0, 1, 0xb3 | 0xba, ..] => "MPEG video",
        [0x47, ..] if !bytes.starts_with(b"GIF8") && bytes.get(188) == Some(&0x47) => "an MPEG transport stream",
        _ => return None,
    })
}

#[cfg(test)]
#[path = "video_tests.rs"]
mod tests;
