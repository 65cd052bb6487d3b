//! Modalities: raw values to items that can be stacked. They hold no parameters; what they learn of the training rows
//! (words, classes, a mean) stands in the resolved config.
pub mod audio;
pub mod category;
pub mod image;
pub mod number;
mod scale;
pub mod series;
pub mod text;
pub mod video;

use crate::{Item, Named, Raw, Result, random::Random, registry};
use std::path::Path;

/// Reads one modality's raw values.
pub trait Read {
    /// Widths that an encoder or decoder is built with: `input` (features, colour channels, vocabulary or classes),
    /// `words` again where the items are ids of words, `tags` where each has a part of speech, `vectors` (numbers of each) and `learned` (words) where they come from a
    /// file, and `height`, `width` or `time` where they are fixed;
    /// `frames` (at most so many) for a video, `longest` (at most so many units) for a text.
    fn dims(&self) -> Named<usize>;

    /// Whether a text value is the path of a file.
    fn is_media(&self) -> bool {
        false
    }

    /// Decodes one value; always the same for the same value.
    ///
    /// # Errors
    /// [`crate::Error::Data`] without a place, which the caller knows.
    fn read(&self, raw: &Raw) -> Result<Item>;

    /// Decodes one value as what a decoder is to make: a text with its end, a sound of full length.
    ///
    /// # Errors
    /// Those of [`read`](Self::read).
    fn read_target(&self, raw: &Raw) -> Result<Item> {
        self.read(raw)
    }

    /// Formats that [`write`](Self::write) knows, the usual one first; for a medium the endings of its files.
    fn formats(&self) -> &'static [&'static str] {
        &["txt"]
    }

    /// The value of an item that a decoder made, in one of the [`formats`](Self::formats): the way back of
    /// [`read_target`](Self::read_target).
    ///
    /// # Errors
    /// [`crate::Error::Data`] for an item of another layout, and for what the format cannot hold.
    fn write(&self, item: &Item, format: &str) -> Result<Raw>;

    /// The item changed at random for one training step; `None` where this modality is never changed.
    fn augment(&self, _item: &Item, _random: &mut Random) -> Option<Item> {
        None
    }

    /// An item of the layout that all items of this modality have.
    fn blank(&self) -> Item;

    /// Padded length, where it is fixed.
    fn time(&self) -> Option<usize> {
        None
    }

    /// Vectors that the words begin with, until the model is trained.
    fn vectors(&self) -> Option<&[f32]> {
        None
    }

    /// Names of the classes, for a modality that has classes.
    fn classes(&self) -> &[String] {
        &[]
    }

    /// A number in the units of the table, from the units of an item.
    fn restore(&self, value: f32) -> f32 {
        value
    }
}

/// What a modality learns of the training rows before the model is built.
pub trait Fit {
    /// Takes the paths in the options from a folder: that of the config's file.
    fn place(&mut self, _folder: &Path) {}

    /// Completes the options; a later call with the options already complete changes nothing.
    fn fit(&mut self, _values: &mut dyn Iterator<Item = &Raw>) -> Result<()> {
        Ok(())
    }
}

registry! {
    /// Reads one modality's raw values.
    Modality(Read), ModalityConfig(Fit) {
        "audio" => Audio(audio::Audio, audio::AudioConfig),
        "category" => Category(category::Category, category::CategoryConfig),
        "image" => Image(image::Image, image::ImageConfig),
        "number" => Number(number::Number, number::NumberConfig),
        "series" => Series(series::Series, series::SeriesConfig),
        "text" => Text(text::Text, text::TextConfig),
        "video" => Video(video::Video, video::VideoConfig),
    }
}

impl ModalityConfig {
    /// Completes the options from the training rows.
    pub fn fit(&mut self, values: &mut dyn Iterator<Item = &Raw>) -> Result<()> {
        self.options().fit(values)
    }

    /// The columns that are read side by side; none: one, called like the modality.
    pub fn columns(&self) -> &[String] {
        match self {
            Self::Number(options) => &options.columns,
            _ => &[],
        }
    }
}

/// The error of [`Read::write`] for an item of another layout.
pub(crate) fn no_way_back(expected: &str) -> crate::Error {
    crate::Error::data("", format!("what was made is not {expected}"))
}

/// How a value that a modality cannot read is called in its error.
pub(crate) fn kind(raw: &Raw) -> String {
    match raw {
        Raw::Numbers(numbers) if numbers.len() == 1 => format!("the number {}", numbers[0]),
        Raw::Numbers(numbers) => format!("{} numbers", numbers.len()),
        Raw::Text(text) => format!("{:?}", text.chars().take(60).collect::<String>()),
        Raw::Bytes(bytes) => format!("{} bytes", bytes.len()),
        Raw::Stored(stored) => format!("{} bytes", stored.bytes()),
    }
}
