//! Videos: animated WebP, GIF and PNG, MP4 with H.264, folders of pictures.
use super::{Fit, Read, kind};
use crate::{
    Error, Item, Named, Raw, Result,
    media::{
        augment::Augment,
        image::{Fit as Fitting, Limits, Picture, resize},
        video::{Clip, ClipLimits, decode},
        write,
    },
    random::Random,
    types::{Build, at_least, within},
};
use burn::module::Module;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Videos (animated WebP, GIF and PNG, MP4 with H.264; a folder of pictures, or a name with one `*` for some of them, in
/// the order of their numbers; a still picture as one frame): frames spread evenly over the time, scaled to one square
/// size, RGB, transparency on white.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct VideoConfig {
    /// Height and width that every frame is scaled to, in pixels.
    pub size: usize,
    /// Frames of each clip; one that has fewer gives all it has.
    pub frames: usize,
    /// How a frame of another shape is made square: `contain`, `cover` or `stretch`.
    pub fit: Fitting,
    /// Frames a second of a folder of pictures.
    pub frame_rate: f64,
    /// How long a clip plays that a decoder makes of all `frames`, in seconds.
    pub seconds: f64,
    /// Longest clip that is decoded, in seconds.
    pub max_seconds: f64,
    /// Largest frame that is decoded, in megapixels.
    pub max_megapixels: f64,
    /// Random changes in training, the same for all frames of a clip; all off by default. `flip` turns movements round.
    pub augment: Augment,
}

impl Default for VideoConfig {
    fn default() -> Self {
        Self {
            size: 64,
            frames: 8,
            fit: Fitting::default(),
            frame_rate: 25.0,
            seconds: 1.0,
            max_seconds: 3600.0,
            max_megapixels: 40.0,
            augment: Augment::default(),
        }
    }
}

impl VideoConfig {
    /// Makes the reader.
    pub fn build(&self, _: &Build) -> Result<Video> {
        at_least("size", self.size, 1)?;
        within("size", self.size as f64, 1.0, 1024.0)?; // larger ones do not fit into the memory of a batch
        at_least("frames", self.frames, 1)?;
        within("frames", self.frames as f64, 1.0, 1024.0)?;
        within("frame_rate", self.frame_rate, 1e-3, 1e4)?;
        within("seconds", self.seconds, 1e-3, 1e6)?;
        within("max_seconds", self.max_seconds, 1e-3, 1e6)?;
        within("max_megapixels", self.max_megapixels, 1e-6, 1e6)?;
        self.augment.check().map_err(|error| error.within("augment"))?;
        Ok(Video { config: self.clone() })
    }
}

impl Fit for VideoConfig {}

/// Reads [`VideoConfig`].
#[derive(Module, Debug)]
pub struct Video {
    #[module(skip)]
    config: VideoConfig,
}

impl Read for Video {
    fn dims(&self) -> Named<usize> {
        let VideoConfig { size, frames, .. } = self.config;
        let dims = [("input", 3), ("frames", frames), ("height", size), ("width", size)];
        dims.map(|(name, dim)| (name.to_string(), dim)).into()
    }

    fn is_media(&self) -> bool {
        true
    }

    fn read(&self, raw: &Raw) -> Result<Item> {
        let Raw::Bytes(bytes) = raw else {
            return Err(Error::data("", format!("{}, expected a video's file", kind(raw))));
        };
        let VideoConfig { size, frames, fit, frame_rate, max_seconds, .. } = self.config;
        let limits = ClipLimits { frame_rate, max_seconds, ..ClipLimits::default() };
        let picture = Limits { max_pixels: (self.config.max_megapixels * 1e6) as u64, ..limits.picture };
        let limits = ClipLimits { picture, ..limits };
        let clip = decode(bytes, frames, &limits, Some((size, fit)), |picture| resize(picture, size, size, fit))?;
        let frames = clip.frames.len();
        let pixels = clip.frames.into_iter().flat_map(|frame| frame.picture.pixels).collect();
        Ok(Item::Video { pixels, frames, height: size, width: size })
    }

    fn formats(&self) -> &'static [&'static str] {
        write::CLIPS
    }

    fn write(&self, item: &Item, format: &str) -> Result<Raw> {
        let Item::Video { pixels, frames, height, width } = item else { return Err(super::no_way_back("a clip")) };
        let (height, width) = (*height, *width);
        let frame = |pixels: &[u8]| Picture { height, width, pixels: pixels.to_vec() };
        let pictures: Vec<Picture> = pixels.chunks((height * width * 3).max(1)).map(frame).collect();
        let seconds = self.config.seconds * *frames as f64 / self.config.frames as f64;
        Ok(Raw::Bytes(write::clip(&Clip::even(pictures, seconds), format)?.into()))
    }

    fn augment(&self, item: &Item, random: &mut Random) -> Option<Item> {
        let Item::Video { pixels, frames, height, width } = item else { return None };
        if self.config.augment.is_off() {
            return None;
        }
        let (height, width, frames) = (*height, *width, *frames);
        let changed = pixels.chunks_exact((height * width * 3).max(1)).flat_map(|pixels| {
            let picture = Picture { height, width, pixels: pixels.to_vec() };
            self.config.augment.apply(&picture, &mut random.clone()).pixels // the same draws for each frame
        });
        Some(Item::Video { pixels: changed.collect(), frames, height, width })
    }

    fn blank(&self) -> Item {
        let size = self.config.size;
        Item::Video { pixels: vec![0; size * size * 3], frames: 1, height: size, width: size }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{Purpose, random};

    fn video(config: VideoConfig) -> Video {
        config.build(&Build { dims: Named::new(), device: &crate::train::device() }).unwrap()
    }

    #[test]
    fn reads_frames_of_one_size() {
        let bytes = Raw::Bytes(include_bytes!("../../tests/fixtures/rising.gif").as_slice().into());
        let item = video(VideoConfig { size: 4, frames: 4, ..VideoConfig::default() }).read(&bytes).unwrap();
        let Item::Video { pixels, frames: 4, height: 4, width: 4 } = &item else { panic!("{item:?}") };
        let greys: Vec<u8> = pixels.chunks(48).map(|frame| (frame[0] + 15) / 30).collect();
        assert_eq!((item.time(), greys), (4, vec![1, 3, 5, 7]));
    }

    #[test]
    fn what_is_written_plays_as_long_as_asked_for() {
        let video = video(VideoConfig { size: 4, frames: 4, seconds: 2.0, ..VideoConfig::default() });
        let item =
            Item::Video { pixels: (0..4).flat_map(|at| [at * 60; 48]).collect(), frames: 4, height: 4, width: 4 };
        for format in video.formats() {
            let written = video.write(&item, format).unwrap();
            let Raw::Bytes(bytes) = &written else { panic!("{written:?}") };
            let clip = decode(bytes, 9, &ClipLimits::default(), None, |picture| picture).unwrap();
            assert!((clip.seconds - 2.0).abs() < 1e-6 && clip.count == 4, "{format}: {} s", clip.seconds);
            if *format != "mp4" {
                assert_eq!(video.read(&written).unwrap(), item, "{format}");
            }
        }
        let Item::Video { pixels, .. } = item else { panic!() };
        let half = Item::Video { pixels: pixels[..96].to_vec(), frames: 2, height: 4, width: 4 };
        let Raw::Bytes(bytes) = video.write(&half, "gif").unwrap() else { panic!() };
        assert_eq!(decode(&bytes, 9, &ClipLimits::default(), None, |picture| picture).unwrap().seconds, 1.0);
        assert!(video.write(&Item::Ids(vec![1]), "gif").is_err());
    }

    #[test]
    fn all_frames_of_a_clip_are_changed_alike() {
        let augment = Augment { rotate: 40.0, crop: 0.4, brightness: 0.5, erase: 1.0, ..Augment::default() };
        let video = video(VideoConfig { size: 6, augment, ..VideoConfig::default() });
        let frame: Vec<u8> = (0..108).map(|value| value * 2).collect();
        let item = Item::Video { pixels: frame.repeat(3), frames: 3, height: 6, width: 6 };
        let changed = video.augment(&item, &mut random(1, 0, 0, Purpose::Augment)).unwrap();
        let Item::Video { pixels, .. } = changed else { panic!() };
        assert_ne!(pixels[..108], frame);
        assert_eq!(pixels, pixels[..108].repeat(3));
    }
}
