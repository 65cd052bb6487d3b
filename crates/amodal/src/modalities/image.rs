//! Pictures: PNG, JPEG, WebP, the first frame of a GIF, SVG.
use super::{Fit, Read, kind};
use crate::{
    Error, Item, Named, Raw, Result,
    media::{
        augment::Augment,
        image::{Fit as Fitting, Limits, Picture, fitted},
        write,
    },
    random::Random,
    types::{Build, at_least, within},
};
use burn::module::Module;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Pictures (PNG, JPEG, WebP, the first frame of a GIF, SVG), scaled to one square size, RGB, transparency on white.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ImageConfig {
    /// Height and width that every picture is scaled to, in pixels.
    pub size: usize,
    /// How a picture of another shape is made square: `contain`, `cover` or `stretch`.
    pub fit: Fitting,
    /// Largest picture that is decoded, in megapixels.
    pub max_megapixels: f64,
    /// Random changes in training; all off by default.
    pub augment: Augment,
}

impl Default for ImageConfig {
    fn default() -> Self {
        Self { size: 64, fit: Fitting::default(), max_megapixels: 40.0, augment: Augment::default() }
    }
}

impl ImageConfig {
    /// Makes the reader.
    pub fn build(&self, _: &Build) -> Result<Image> {
        at_least("size", self.size, 1)?;
        within("size", self.size as f64, 1.0, 4096.0)?; // larger ones do not fit into the memory of a batch
        within("max_megapixels", self.max_megapixels, 1e-6, 1e6)?;
        self.augment.check().map_err(|error| error.within("augment"))?;
        Ok(Image { config: self.clone() })
    }
}

impl Fit for ImageConfig {}

/// Reads [`ImageConfig`].
#[derive(Module, Debug)]
pub struct Image {
    #[module(skip)]
    config: ImageConfig,
}

impl Read for Image {
    fn dims(&self) -> Named<usize> {
        let size = self.config.size;
        [("input", 3), ("height", size), ("width", size)].map(|(name, dim)| (name.to_string(), dim)).into()
    }

    fn is_media(&self) -> bool {
        true
    }

    fn read(&self, raw: &Raw) -> Result<Item> {
        let Raw::Bytes(bytes) = raw else {
            return Err(Error::data("", format!("{}, expected a picture's file", kind(raw))));
        };
        let size = self.config.size;
        let limits = Limits { max_pixels: (self.config.max_megapixels * 1e6) as u64, ..Limits::default() };
        let picture = fitted(bytes, &limits, size, self.config.fit)?;
        Ok(Item::Image { pixels: picture.pixels, height: size, width: size })
    }

    fn formats(&self) -> &'static [&'static str] {
        write::PICTURES
    }

    fn write(&self, item: &Item, format: &str) -> Result<Raw> {
        let Item::Image { pixels, height, width } = item else { return Err(super::no_way_back("a picture")) };
        let picture = Picture { height: *height, width: *width, pixels: pixels.clone() };
        Ok(Raw::Bytes(write::picture(&picture, format)?.into()))
    }

    fn augment(&self, item: &Item, random: &mut Random) -> Option<Item> {
        let Item::Image { pixels, height, width } = item else { return None };
        if self.config.augment.is_off() {
            return None;
        }
        let picture = Picture { height: *height, width: *width, pixels: pixels.clone() };
        let changed = self.config.augment.apply(&picture, random);
        Some(Item::Image { pixels: changed.pixels, height: changed.height, width: changed.width })
    }

    fn blank(&self) -> Item {
        let size = self.config.size;
        Item::Image { pixels: vec![0; size * size * 3], height: size, width: size }
    }
}
