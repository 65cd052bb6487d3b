//! The values that pass between stages.
use crate::kernels::{Wide, wide};
use crate::{Error, Result, data::Stored, suggest};
use burn::tensor::{Device, Int, Tensor, TensorData};
use std::{collections::BTreeMap, sync::Arc};

/// Values by modality or task name, always in name order.
pub type Named<T> = BTreeMap<String, T>;

/// One value of one modality, as a file, a request or a table cell gives it.
#[derive(Clone, Debug, PartialEq)]
pub enum Raw {
    /// One number or a row of them.
    Numbers(Vec<f32>),
    /// Text; for a medium, the path of its file.
    Text(String),
    /// The content of a media file.
    Bytes(Arc<[u8]>),
    /// The content of a media file that lies in a larger one; its table reads it when asked for.
    Stored(Stored),
}

/// One value, decoded and ready to be stacked into a batch.
#[derive(Clone, Debug, PartialEq)]
pub enum Item {
    /// Token ids, `[time]`.
    Ids(Vec<u32>),
    /// Token ids and the part of speech of each, `[time]`.
    Tagged {
        /// Token ids.
        ids: Vec<u32>,
        /// Ids of tags; 0 is padding.
        tags: Vec<u32>,
    },
    /// Feature vectors, `[time, channels]`, row-major.
    Series {
        /// `time * channels` numbers.
        values: Vec<f32>,
        /// Numbers a step.
        channels: usize,
    },
    /// A picture, `[height, width, 3]`, row-major RGB.
    Image {
        /// `height * width * 3` bytes.
        pixels: Vec<u8>,
        /// Rows.
        height: usize,
        /// Columns.
        width: usize,
    },
    /// A clip, `[frames, height, width, 3]`, row-major RGB.
    Video {
        /// `frames * height * width * 3` bytes.
        pixels: Vec<u8>,
        /// Steps of time.
        frames: usize,
        /// Rows.
        height: usize,
        /// Columns.
        width: usize,
    },
}

impl Item {
    /// Steps of time; a picture is one.
    pub fn time(&self) -> usize {
        match self {
            Self::Ids(ids) | Self::Tagged { ids, .. } => ids.len(),
            Self::Series { values, channels } => values.len() / (*channels).max(1),
            Self::Image { .. } => 1,
            Self::Video { frames, .. } => *frames,
        }
    }

    /// Its first steps of time.
    pub fn cut(mut self, time: usize) -> Self {
        match &mut self {
            Self::Ids(ids) => ids.truncate(time),
            Self::Tagged { ids, tags } => {
                ids.truncate(time);
                tags.truncate(time);
            }
            Self::Series { values, channels } => values.truncate(time * *channels),
            Self::Image { .. } => {}
            Self::Video { pixels, frames, height, width } => {
                *frames = time.min(*frames);
                pixels.truncate(*frames * *height * *width * 3);
            }
        }
        self
    }

    /// Token ids, of what has them.
    fn ids(&self) -> Option<&[u32]> {
        match self {
            Self::Ids(ids) | Self::Tagged { ids, .. } => Some(ids),
            _ => None,
        }
    }

    /// Ids of tags, of what has them.
    fn tags(&self) -> Option<&[u32]> {
        match self {
            Self::Tagged { tags, .. } => Some(tags),
            _ => None,
        }
    }

    /// Numbers it is made of.
    pub fn numbers(&self) -> usize {
        match self {
            Self::Ids(ids) | Self::Tagged { ids, .. } => ids.len(),
            Self::Series { values, .. } => values.len(),
            Self::Image { pixels, .. } | Self::Video { pixels, .. } => pixels.len(),
        }
    }
}

/// A modality's values, by how they are laid out.
#[derive(Clone, Debug)]
#[allow(clippy::large_enum_variant)] // a batch has a handful of them
pub enum Values {
    /// Token ids, `[batch, time]`.
    Ids(Tensor<2, Int>),
    /// Token ids and the part of speech of each, both `[batch, time]`.
    Tagged {
        /// Token ids.
        ids: Tensor<2, Int>,
        /// Ids of tags; 0 is padding.
        tags: Tensor<2, Int>,
    },
    /// Feature vectors, `[batch, time, channels]`.
    Series(Tensor<3>),
    /// Pictures, `[batch, channels, height, width]`, from -1 to 1.
    Image(Tensor<4>),
    /// Clips, `[batch, time, channels, height, width]`, from -1 to 1.
    Video(Tensor<5>),
}

/// One modality of a batch, padded and stacked. Equal values may be stored once: see `rows`.
#[derive(Clone, Debug)]
pub struct Input {
    /// One entry for each different value.
    pub values: Values,
    /// `[values, time]` (`[values, 1]` for an image): 1 where real, 0 where padding or missing.
    pub mask: Tensor<2>,
    /// `[batch]`: which of the values each row has; absent where row `i` has value `i`.
    pub rows: Option<Tensor<1, Int>>,
}

impl Input {
    /// Pads and stacks items. `None` is a missing value: zeros with mask 0, laid out like `blank`.
    ///
    /// `time` is the padded length; the longest item's where absent.
    pub fn stack(items: &[Option<&Item>], blank: &Item, time: Option<usize>, device: &Device) -> Result<Self> {
        let longest = items.iter().flatten().map(|item| item.time()).max().unwrap_or(1);
        let (batch, time) = (items.len(), time.unwrap_or(longest).max(1));
        let mut mask = vec![0.0_f32; batch * time];
        for (row, item) in items.iter().enumerate() {
            let real = item.map_or(0, |item| item.time().min(time));
            mask[row * time..][..real].fill(1.0);
        }
        let values = match blank {
            Item::Ids(_) | Item::Tagged { .. } => {
                let padded = |row: fn(&Item) -> Option<&[u32]>| {
                    let mut all = vec![0_i64; batch * time];
                    for (at, item) in items.iter().enumerate() {
                        let ids = item.and_then(row).unwrap_or_default();
                        for (place, id) in all[at * time..][..time].iter_mut().zip(ids) {
                            *place = i64::from(*id);
                        }
                    }
                    Tensor::from_data(TensorData::new(all, [batch, time]), device)
                };
                match blank {
                    Item::Tagged { .. } => Values::Tagged { ids: padded(Item::ids), tags: padded(Item::tags) },
                    _ => Values::Ids(padded(Item::ids)),
                }
            }
            Item::Series { channels, .. } => {
                let mut all = vec![0.0_f32; batch * time * channels];
                for (row, item) in items.iter().enumerate() {
                    let Some(Item::Series { values, .. }) = item else { continue };
                    let length = values.len().min(time * channels);
                    all[row * time * channels..][..length].copy_from_slice(&values[..length]);
                }
                Values::Series(Tensor::from_data(TensorData::new(all, [batch, time, *channels]), device))
            }
            Item::Image { height, width, .. } => {
                let size = 3 * height * width;
                let mut all = Vec::with_capacity(batch * size);
                for (row, item) in items.iter().enumerate() {
                    if let Some(Item::Image { pixels, .. }) = item {
                        planes(pixels, &mut all);
                    }
                    all.resize((row + 1) * size, 0.0);
                }
                Values::Image(Tensor::from_data(TensorData::new(all, [batch, 3, *height, *width]), device))
            }
            Item::Video { height, width, .. } => {
                let size = 3 * height * width;
                let mut all = Vec::with_capacity(batch * time * size);
                for (row, item) in items.iter().enumerate() {
                    if let Some(Item::Video { pixels, .. }) = item {
                        pixels.chunks_exact(size.max(1)).take(time).for_each(|pixels| planes(pixels, &mut all));
                    }
                    all.resize((row + 1) * time * size, 0.0);
                }
                Values::Video(Tensor::from_data(TensorData::new(all, [batch, time, 3, *height, *width]), device))
            }
        };
        Ok(Self { values, mask: Tensor::from_data(TensorData::new(mask, [batch, time]), device), rows: None })
    }

    /// The same input with one value a row.
    pub fn each_row(self) -> Self {
        let Some(rows) = self.rows else { return self };
        let values = match self.values {
            Values::Ids(values) => Values::Ids(values.select(0, rows.clone())),
            Values::Tagged { ids, tags } => {
                Values::Tagged { ids: ids.select(0, rows.clone()), tags: tags.select(0, rows.clone()) }
            }
            Values::Series(values) => Values::Series(values.select(0, rows.clone())),
            Values::Image(values) => Values::Image(values.select(0, rows.clone())),
            Values::Video(values) => Values::Video(values.select(0, rows.clone())),
        };
        Self { values, mask: self.mask.select(0, rows), rows: None }
    }

    /// Each value as it was before it was stacked, its padding included.
    pub fn items(&self) -> Result<Vec<Item>> {
        match &self.values {
            Values::Ids(values) => Ok(rows_of(values).map(Item::Ids).collect()),
            Values::Tagged { ids, tags } => {
                Ok(rows_of(ids).zip(rows_of(tags)).map(|(ids, tags)| Item::Tagged { ids, tags }).collect())
            }
            Values::Series(values) => Prediction::Values(values.clone()).items(),
            Values::Image(values) => Prediction::Image(values.clone()).items(),
            Values::Video(values) => Prediction::Video(values.clone()).items(),
        }
    }

    /// Feature vectors, `[batch, time, channels]`.
    pub fn series(&self) -> Result<Tensor<3>> {
        match &self.values {
            Values::Series(values) => Ok(values.clone()),
            other => Err(other.not("a series `[batch, time, channels]`")),
        }
    }

    /// Token ids, `[batch, time]`.
    pub fn ids(&self) -> Result<Tensor<2, Int>> {
        match &self.values {
            Values::Ids(ids) | Values::Tagged { ids, .. } => Ok(ids.clone()),
            other => Err(other.not("token ids `[batch, time]`")),
        }
    }

    /// Ids of parts of speech, `[batch, time]`.
    pub fn tags(&self) -> Result<Tensor<2, Int>> {
        match &self.values {
            Values::Tagged { tags, .. } => Ok(tags.clone()),
            other => Err(other.not("token ids with tags `[batch, time]`")),
        }
    }

    /// Pictures, `[batch, channels, height, width]`.
    pub fn image(&self) -> Result<Tensor<4>> {
        match &self.values {
            Values::Image(values) => Ok(values.clone()),
            other => Err(other.not("an image `[batch, channels, height, width]`")),
        }
    }

    /// Clips, `[batch, time, channels, height, width]`.
    pub fn video(&self) -> Result<Tensor<5>> {
        match &self.values {
            Values::Video(values) => Ok(values.clone()),
            other => Err(other.not("a video `[batch, time, channels, height, width]`")),
        }
    }
}

/// The rows of ids, `[batch, time]`.
fn rows_of(ids: &Tensor<2, Int>) -> impl Iterator<Item = Vec<u32>> {
    let ([batch, time], ids) = (ids.dims(), ids.clone().into_data().iter::<i64>().collect::<Vec<_>>());
    (0..batch).map(move |row| ids[row * time..][..time].iter().map(|id| *id as u32).collect())
}

/// Adds the colours of a picture, `[height, width, 3]`, as planes of numbers from -1 to 1, `[3, height, width]`.
fn planes(pixels: &[u8], all: &mut Vec<f32>) {
    wide(Planes { pixels: pixels.as_chunks().0, all });
}

/// The work of [`planes`].
struct Planes<'a> {
    pixels: &'a [[u8; 3]],
    all: &'a mut Vec<f32>,
}

impl Wide for Planes<'_> {
    #[inline(always)]
    fn run(self) {
        for channel in 0..3 {
            // Some at a time, so that the memory is written once.
            for pixels in self.pixels.chunks(64) {
                let mut levels = [0.0; 64];
                for (level, pixel) in levels.iter_mut().zip(pixels) {
                    *level = f32::from(pixel[channel]) / 127.5 - 1.0;
                }
                self.all.extend_from_slice(&levels[..pixels.len()]);
            }
        }
    }
}

impl Values {
    fn not(&self, expected: &'static str) -> Error {
        let got = match self {
            Self::Ids(ids) | Self::Tagged { ids, .. } => ids.dims().to_vec(),
            Self::Series(values) => values.dims().to_vec(),
            Self::Image(values) => values.dims().to_vec(),
            Self::Video(values) => values.dims().to_vec(),
        };
        Error::Shape { at: "input".into(), expected, got }
    }
}

/// What an encoder yields, a fusion mixes and a decoder reads.
#[derive(Clone, Debug)]
pub struct Tokens {
    /// `[batch, tokens, dim]`.
    pub values: Tensor<3>,
    /// `[batch, tokens]`, 1 where the token is real.
    pub mask: Tensor<2>,
}

impl Tokens {
    /// One vector a row, `[batch, dim]`, real where `present`, `[batch, 1]`, is 1.
    pub fn one(vector: Tensor<2>, present: Tensor<2>) -> Self {
        Self { values: vector.unsqueeze_dim(1), mask: present }
    }

    /// The tokens of all, one after the other.
    pub fn cat(all: Vec<Self>) -> Self {
        let (values, masks) = all.into_iter().map(|tokens| (tokens.values, tokens.mask)).unzip();
        Self { values: Tensor::cat(values, 1), mask: Tensor::cat(masks, 1) }
    }

    /// `count` of the tokens from `start` on.
    pub fn narrow(&self, start: usize, count: usize) -> Self {
        Self { values: self.values.clone().narrow(1, start, count), mask: self.mask.clone().narrow(1, start, count) }
    }

    /// Mean over real tokens, `[batch, dim]`; zero where a row has none.
    pub fn pool(&self) -> Tensor<2> {
        let [batch, tokens, dim] = self.values.dims();
        let mask = self.mask.clone().unsqueeze_dim::<3>(2);
        if tokens == 1 {
            return (self.values.clone() * mask).reshape([batch, dim]);
        }
        let count = mask.clone().sum_dim(1).clamp_min(1.0);
        ((self.values.clone() * mask).sum_dim(1) / count).squeeze_dim(1)
    }

    /// `[batch, 1]`: 1 where the row has any real token.
    pub fn present(&self) -> Tensor<2> {
        self.mask.clone().max_dim(1)
    }

    /// The rows at `rows`, `[batch]`.
    pub fn select(&self, rows: Tensor<1, Int>) -> Self {
        Self { values: self.values.clone().select(0, rows.clone()), mask: self.mask.clone().select(0, rows) }
    }

    /// The same tokens, real only in the rows that stay.
    pub fn only(&self, stays: &[bool]) -> Self {
        let stays: Vec<f32> = stays.iter().map(|stays| f32::from(u8::from(*stays))).collect();
        let count = stays.len();
        let stays = Tensor::<2>::from_data(TensorData::new(stays, [count, 1]), &self.mask.device());
        Self { values: self.values.clone() * stays.clone().unsqueeze_dim(2), mask: self.mask.clone() * stays }
    }

    /// The same tokens, none of them real.
    pub fn absent(&self) -> Self {
        Self { values: self.values.clone().mul_scalar(0.0), mask: self.mask.zeros_like() }
    }
}

/// What a decoder makes. A single vector or class is one time step.
#[derive(Clone, Debug)]
pub enum Prediction {
    /// `[batch, time, classes]`, before softmax.
    Logits(Tensor<3>),
    /// `[batch, time, channels]`.
    Values(Tensor<3>),
    /// Pictures, `[batch, channels, height, width]`, from -1 to 1.
    Image(Tensor<4>),
    /// Clips, `[batch, time, channels, height, width]`, from -1 to 1.
    Video(Tensor<5>),
    /// A text a row.
    Text(Vec<Written>),
    /// `[1]`: the loss of a decoder that scores itself, over the rows that have a target.
    Loss(Tensor<1>),
}

/// A text as a decoder wrote it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Written {
    /// Ids of its units, without the end.
    pub ids: Vec<u32>,
    /// Logarithm of the probability that the decoder gives it, the end included.
    pub log_probability: f32,
    /// For each unit what the decoder looked at: a weight a token that it reads, summing to 1. Empty for a decoder that
    /// does not tell.
    pub attention: Vec<Vec<f32>>,
}

impl Prediction {
    /// `[batch, time, classes]`, before softmax.
    pub fn logits(&self) -> Result<Tensor<3>> {
        match self {
            Self::Logits(values) => Ok(values.clone()),
            other => Err(other.not("logits")),
        }
    }

    /// `[batch, time, channels]`.
    pub fn values(&self) -> Result<Tensor<3>> {
        match self {
            Self::Values(values) => Ok(values.clone()),
            other => Err(other.not("values")),
        }
    }

    /// A text a row.
    pub fn texts(&self) -> Result<&[Written]> {
        match self {
            Self::Text(texts) => Ok(texts),
            other => Err(other.not("texts")),
        }
    }

    /// Each row of what was made, laid out as what is read; of scores the best class.
    ///
    /// # Errors
    /// [`Error::Shape`] for a loss, which is of no row.
    pub fn items(&self) -> Result<Vec<Item>> {
        let list = |numbers: Vec<f32>, rows: usize, item: &dyn Fn(&[f32]) -> Item| {
            let size = (numbers.len() / rows.max(1)).max(1);
            numbers.chunks_exact(size).map(item).collect()
        };
        Ok(match self {
            Self::Logits(values) => {
                let best: Vec<i64> = values.clone().argmax(2).into_data().iter::<i64>().collect();
                let time = values.dims()[1].max(1);
                best.chunks_exact(time).map(|ids| Item::Ids(ids.iter().map(|id| *id as u32).collect())).collect()
            }
            Self::Values(values) => {
                let [rows, _, channels] = values.dims();
                list(floats(values), rows, &|values| Item::Series { values: values.to_vec(), channels })
            }
            Self::Image(values) => {
                let [rows, _, height, width] = values.dims();
                list(floats(values), rows, &|planes| Item::Image { pixels: colours(planes), height, width })
            }
            Self::Video(values) => {
                let [rows, frames, channels, height, width] = values.dims();
                let clip = |planes: &[f32]| {
                    let pixels = planes.chunks_exact(channels * height * width).flat_map(colours).collect();
                    Item::Video { pixels, frames, height, width }
                };
                list(floats(values), rows, &clip)
            }
            Self::Text(texts) => texts.iter().map(|text| Item::Ids(text.ids.clone())).collect(),
            Self::Loss(_) => return Err(self.not("something made for each row")),
        })
    }

    pub(crate) fn not(&self, expected: &'static str) -> Error {
        let got = match self {
            Self::Logits(values) | Self::Values(values) => values.dims().to_vec(),
            Self::Image(values) => values.dims().to_vec(),
            Self::Video(values) => values.dims().to_vec(),
            Self::Text(texts) => vec![texts.len()],
            Self::Loss(value) => value.dims().to_vec(),
        };
        Error::Shape { at: "prediction".into(), expected, got }
    }
}

fn floats<const D: usize>(tensor: &Tensor<D>) -> Vec<f32> {
    tensor.clone().into_data().iter::<f32>().collect()
}

/// Planes of numbers from -1 to 1, `[3, height, width]`, as colours, `[height, width, 3]`.
fn colours(planes: &[f32]) -> Vec<u8> {
    let plane = planes.len() / 3;
    let level = |value: f32| ((value + 1.0) * 127.5).round().clamp(0.0, 255.0) as u8;
    (0..plane).flat_map(|at| [0, 1, 2].map(|channel| level(planes[channel * plane + at]))).collect()
}

/// What a model reads at once.
#[derive(Clone, Debug)]
pub struct Batch {
    /// By modality.
    pub inputs: Named<Input>,
    /// By task; a target is read like any other modality, one value a row.
    pub targets: Named<Input>,
    /// One number a row: rows with the same number are copies of one thing, and count as each other's match.
    pub groups: Vec<u64>,
}

/// Everything that a forward pass made.
#[derive(Clone, Debug, Default)]
pub struct Outputs {
    /// By modality.
    pub encoded: Named<Tokens>,
    /// By alignment task, then by modality: unit vectors in the shared space.
    pub embedded: Named<Named<Tokens>>,
    /// By task with a decoder.
    pub decoded: Named<Prediction>,
}

/// Widths and device that a part is built with.
#[derive(Clone, Debug)]
pub struct Build<'a> {
    /// Width of each thing the part reads: `input`, `height`, `width`, `time` for an encoder, one entry a modality for
    /// a fusion or an alignment loss; for a decoder `fused`, `target` (features or classes), and the target's other sizes
    /// (`target.height`, `target.words`, …).
    pub dims: Named<usize>,
    /// Where the parameters live.
    pub device: &'a Device,
}

impl Build<'_> {
    /// Width of one thing that the part reads.
    pub fn dim(&self, name: &str) -> Result<usize> {
        let known = || self.dims.keys().cloned().collect::<Vec<_>>().join(", ");
        self.dims.get(name).copied().ok_or_else(|| Error::config("", format!("reads `{name}`; here are: {}", known())))
    }

    /// A size of the target, such as `height`, for a decoder of what has it.
    ///
    /// # Errors
    /// [`Error::Config`] that tells `expected`, such as `an image`.
    pub fn target(&self, size: &str, expected: &str) -> Result<usize> {
        let help = || format!("expected a target of type {expected}");
        self.dims
            .get(&format!("target.{size}"))
            .copied()
            .ok_or_else(|| Error::config("", format!("the target has no {size}")).with_help(help()))
    }

    /// Height and width of the target, for a decoder of pictures.
    ///
    /// # Errors
    /// [`Error::Config`] where the target is no picture.
    pub fn picture(&self) -> Result<[usize; 2]> {
        if self.dims.contains_key("target.frames") {
            return Err(Error::config("", "draws a picture, and the target is a clip")
                .with_help("take a decoder of clips (`amodal list decoders`)"));
        }
        Ok([self.target("height", "image")?, self.target("width", "image")?])
    }

    /// Width of the modality that an option names.
    pub fn modality(&self, option: &str, name: &str) -> Result<usize> {
        let known =
            || self.dims.keys().map(String::as_str).filter(|name| *name != "fused" && !name.starts_with("target"));
        self.dims.get(name).copied().ok_or_else(|| {
            let problem = format!("no modality `{name}`; here are: {}", known().collect::<Vec<_>>().join(", "));
            let near = suggest(name, known()).map(|near| format!("did you mean `{near}`?"));
            Error::config(option, problem).with_help(near.unwrap_or_default())
        })
    }
}

/// An option that must be at least `least`.
pub fn at_least(option: &str, value: usize, least: usize) -> Result<()> {
    if value < least {
        return Err(Error::config(option, format!("{value}, expected at least {least}")));
    }
    Ok(())
}

/// Widths that must each be at least 1.
pub fn widths(option: &str, values: &[usize]) -> Result<()> {
    values.iter().enumerate().try_for_each(|(at, width)| at_least(&format!("{option}[{at}]"), *width, 1))
}

/// An option that must lie in `low..=high`.
pub fn within(option: &str, value: f64, low: f64, high: f64) -> Result<()> {
    if !(low..=high).contains(&value) {
        return Err(Error::config(option, format!("{value}, expected {low} to {high}")));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(input: &Input) -> Vec<f32> {
        match &input.values {
            Values::Image(values) => floats(values),
            Values::Video(values) => floats(values),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn colours_become_planes_of_the_same_numbers_everywhere() {
        let (height, width) = (5, 67);
        let pixels: Vec<u8> = (0..height * width * 3).map(|at| (at * 7 % 256) as u8).collect();
        let image = Item::Image { pixels: pixels.clone(), height, width };
        let clip = Item::Video { pixels: pixels.repeat(2), frames: 2, height, width };
        let device = crate::train::device();
        let plane = height * width;
        let expected: Vec<f32> =
            (0..3 * plane).map(|at| f32::from(pixels[at % plane * 3 + at / plane]) / 127.5 - 1.0).collect();
        let zeros = vec![0.0; 3 * plane];
        let images = Input::stack(&[Some(&image), None, Some(&image)], &image, None, &device).unwrap();
        assert_eq!(numbers(&images), [&expected[..], &zeros, &expected].concat());
        let clips = Input::stack(&[Some(&clip), None], &clip, Some(3), &device).unwrap();
        assert_eq!(numbers(&clips), [&expected[..], &expected, &zeros, &zeros, &zeros, &zeros].concat());
        let cut = Input::stack(&[None, Some(&clip)], &clip, Some(1), &device).unwrap();
        assert_eq!(numbers(&cut), [&zeros[..], &expected].concat());
    }
}
