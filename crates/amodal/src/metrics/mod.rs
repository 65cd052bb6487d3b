//! Metrics: counted over rows held out, each beside the floor that a thoughtless answer reaches on the same rows.
pub mod accuracy;
pub mod bleu;
pub mod cider;
pub mod exact;
pub mod f1;
pub mod frechet;
#[cfg(test)]
mod golden;
mod made_media;
mod made_texts;
pub mod mae;
pub mod mel_distance;
pub mod meteor;
mod ngrams;
pub mod psnr;
pub mod retrieval;
pub mod rmse;
pub mod rouge;
pub mod ssim;
pub mod word_error;

use crate::{Batch, Error, Item, Outputs, Raw, Result, media::image::Picture, modalities::Modality, suggest};
use serde::Serialize;

/// What a metric reads.
pub struct View<'a> {
    /// The task's name.
    pub task: &'a str,
    /// How its target is read, for a task that has one.
    pub target: Option<&'a Modality>,
    /// What the model made.
    pub outputs: &'a Outputs,
    /// What it read.
    pub batch: &'a Batch,
}

/// One measured number.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Figure {
    /// The metric, such as `accuracy` or `image → text recall@1`.
    pub name: String,
    /// Its value.
    pub value: f64,
    /// What a thoughtless answer reaches on the same rows.
    pub floor: f64,
    /// That answer: `majority`, `chance`, `median`, …
    pub floor_name: &'static str,
    /// Whether it is a share of 1, shown in %.
    pub is_share: bool,
    /// Whether more is better.
    pub higher_is_better: bool,
    /// Rows it was computed on.
    pub count: usize,
}

/// Counts over the batches of some rows.
pub trait Metric {
    /// Adds a batch.
    fn update(&mut self, view: &View) -> Result<()>;

    /// The figures; none where no row had what is measured.
    fn figures(&self) -> Vec<Figure>;
}

/// Where a metric applies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Tasks that predict a class.
    Class,
    /// Tasks that predict a number.
    Number,
    /// Tasks that write a text.
    Text,
    /// Tasks that draw a picture.
    Image,
    /// Tasks that make a sound.
    Audio,
    /// Tasks that make a clip.
    Video,
    /// Tasks that align modalities.
    Alignment,
}

/// One registered metric.
pub struct Entry {
    /// Its name in a config.
    pub name: &'static str,
    /// What it is.
    pub about: &'static str,
    /// Where it applies.
    pub kind: Kind,
    /// Makes a counter at zero.
    pub make: fn() -> Box<dyn Metric>,
}

/// Every metric.
pub const ALL: &[Entry] = &[
    accuracy::ENTRY,
    bleu::ENTRY,
    cider::ENTRY,
    exact::ENTRY,
    f1::ENTRY,
    frechet::ENTRY,
    mae::ENTRY,
    mel_distance::ENTRY,
    meteor::ENTRY,
    psnr::ENTRY,
    retrieval::ENTRY,
    rmse::ENTRY,
    rouge::ENTRY,
    ssim::ENTRY,
    word_error::ENTRY,
];

impl Entry {
    /// Whether it measures such tasks. What reads pictures reads the frames of clips too.
    fn applies(&self, kind: Kind) -> bool {
        self.kind == kind || (self.kind, kind) == (Kind::Image, Kind::Video)
    }
}

/// The metrics of a task: those it names, or all that apply.
///
/// # Errors
/// [`Error::Config`] for an unknown name, and for one that does not apply.
pub fn choose(names: &[String], kind: Kind) -> Result<Vec<&'static Entry>> {
    let applying: Vec<&Entry> = ALL.iter().filter(|entry| entry.applies(kind)).collect();
    if names.is_empty() {
        return Ok(applying);
    }
    let entry = |name: &String| {
        applying.iter().find(|entry| entry.name == name).copied().ok_or_else(|| {
            let applying: Vec<&str> = applying.iter().map(|entry| entry.name).collect();
            let problem = format!("no metric `{name}` for this task; here are: {}", applying.join(", "));
            let near = suggest(name, applying.iter().copied()).map(|near| format!("did you mean `{near}`?"));
            Error::config("metrics", problem).with_help(near.unwrap_or_default())
        })
    };
    names.iter().map(entry).collect()
}

/// Predicted and right class of each row that has a target, and the number of classes.
pub(crate) fn classes(view: &View) -> Result<(Vec<(usize, usize)>, usize)> {
    let logits = crate::loss::of_task(&view.outputs.decoded, view.task, "prediction")?.logits()?;
    let [_, _, classes] = logits.dims();
    let target = crate::loss::target(view.batch, view.task)?;
    let best: Vec<i64> = logits.argmax(2).into_data().iter::<i64>().collect();
    let right: Vec<i64> = target.ids()?.into_data().iter::<i64>().collect();
    let real: Vec<f32> = target.mask.clone().into_data().iter::<f32>().collect();
    let rows = best.iter().zip(right).zip(real).filter(|(_, real)| *real > 0.0);
    Ok((rows.map(|((best, right), _)| (*best as usize, right as usize)).collect(), classes))
}

/// Predicted and right number of each row that has a target, in the table's units.
pub(crate) fn numbers(view: &View) -> Result<Vec<(f64, f64)>> {
    let values = crate::loss::of_task(&view.outputs.decoded, view.task, "prediction")?.values()?;
    let target = crate::loss::target(view.batch, view.task)?;
    let restore = |value: f32| f64::from(view.target.map_or(value, |modality| modality.get().restore(value)));
    let predicted: Vec<f32> = values.into_data().iter::<f32>().collect();
    let right: Vec<f32> = target.series()?.into_data().iter::<f32>().collect();
    let real: Vec<f32> = target.mask.clone().into_data().iter::<f32>().collect();
    let rows = predicted.iter().zip(&right).zip(real).filter(|(_, real)| *real > 0.0);
    Ok(rows.map(|((predicted, right), _)| (restore(*predicted), restore(*right))).collect())
}

/// What was made of each row that has a target, and what is right, as `modality` writes them.
fn made(view: &View) -> Result<Vec<(Item, Item)>> {
    let made = crate::loss::of_task(&view.outputs.decoded, view.task, "prediction")?.items()?;
    let target = crate::loss::target(view.batch, view.task)?;
    let lengths: Vec<f32> = target.mask.clone().sum_dim(1).into_data().iter::<f32>().collect();
    let right = target.items()?;
    let rows = made.into_iter().zip(right).zip(lengths).filter(|(_, length)| *length > 0.0);
    Ok(rows.map(|((made, right), length)| (made, right.cut(length as usize))).collect())
}

/// The text that was written for each row that has a target, and the right one.
pub(crate) fn texts(view: &View) -> Result<Vec<(String, String)>> {
    let text = |item: &Item| match view.target.map(|target| target.get().write(item, "txt")) {
        Some(Ok(Raw::Text(text))) => Ok(text),
        Some(Err(error)) => Err(error),
        _ => Ok(String::new()),
    };
    made(view)?.iter().map(|(made, right)| Ok((text(made)?, text(right)?))).collect()
}

/// Each picture that was drawn for a row that has a target, and the right one; of a clip each frame.
pub(crate) fn pictures(view: &View) -> Result<Vec<(Picture, Picture)>> {
    let pictures = |item: Item| match item {
        Item::Image { pixels, height, width } => vec![Picture { height, width, pixels }],
        Item::Video { pixels, height, width, .. } => {
            let frames = pixels.chunks_exact((height * width * 3).max(1));
            frames.map(|pixels| Picture { height, width, pixels: pixels.to_vec() }).collect()
        }
        _ => Vec::new(),
    };
    Ok(made(view)?.into_iter().flat_map(|(made, right)| pictures(made).into_iter().zip(pictures(right))).collect())
}

/// The spectrogram that was made for each row that has a target, and the right one: the logarithm of the power of each window
/// and band, of the same length.
pub(crate) fn spectrograms(view: &View) -> Result<Vec<(Vec<f32>, Vec<f32>)>> {
    let values = |item: Item| match item {
        Item::Series { values, .. } => {
            values.into_iter().map(|value| view.target.map_or(value, |target| target.get().restore(value))).collect()
        }
        _ => Vec::new(),
    };
    Ok(made(view)?.into_iter().map(|(made, right)| (values(made), values(right))).collect())
}
