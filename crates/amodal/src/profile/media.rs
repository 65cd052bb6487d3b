//! Whether the files of a column can be opened and decoded, and which of them are the same or look alike.
use std::collections::HashMap;
use std::time::Instant;

use rayon::prelude::*;
use serde::Serialize;

use super::guess::{Kind, fingerprint, magic};
use super::leaks::{Leak, leak};
use super::near::{Candidate, Look, Near, Place, find};
use super::{Count, Histogram, LISTED, Listed, short};
use crate::data::{Table, media_kind, shown};
use crate::media::{audio, image, video};
use crate::{Error, Raw, Result};

/// Side that an SVG is drawn at to look at it.
const DRAWN: usize = 64;

/// What is to know of a media file.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Medium {
    /// How large it is: `640x480`, `2.5 s`.
    pub size: String,
    /// Height and width in pixels; none of a drawing, which has no size of its own.
    pub sides: Option<(usize, usize)>,
    /// Its length.
    pub seconds: Option<f64>,
    /// What a picture is compared with others by.
    pub look: Option<Look>,
}

/// Decodes the bytes of a media file and says what is to know of it.
pub type Probe<'a> = dyn Fn(Kind, &[u8]) -> Result<Medium> + Sync + 'a;

/// The files of a column.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Files {
    /// Different files that were opened.
    pub checked: usize,
    /// Cells whose file cannot be used: place and reason.
    pub unreadable: Listed,
    /// Files with the same bytes as one before them.
    pub copies: usize,
    /// The most frequent sizes.
    pub sizes: Vec<Count>,
    /// Number of different sizes.
    pub different_sizes: usize,
    /// Pixels of the longer side.
    pub pixels: Option<Histogram>,
    /// Lengths.
    pub seconds: Option<Histogram>,
    /// Pictures that look alike.
    pub near: Option<Near>,
    /// Seconds that reading and decoding every file once took, on all cores.
    pub decode_seconds: f64,
}

/// What is known of a file that was opened; `Err` is the reason why it cannot be used.
type Opened = std::result::Result<(Medium, u128), String>;

/// Decodes a file whole, as training will, and says what is to know of it.
///
/// # Errors
/// [`Error::Data`] for a file that cannot be read.
pub fn probe(kind: Kind, bytes: &[u8]) -> Result<Medium> {
    let sides = |height: usize, width: usize| (Some((height, width)), format!("{width}x{height}"));
    match kind {
        Kind::Image => {
            let picture = image::decode(bytes, &image::Limits::default(), DRAWN)?;
            let look = Some(Look::of(&picture));
            if image::is_drawing(bytes) {
                return Ok(Medium { size: "SVG".into(), look, ..Medium::default() });
            }
            let (sides, size) = sides(picture.height, picture.width);
            Ok(Medium { size, sides, look, seconds: None })
        }
        Kind::Audio => {
            let seconds = audio::decode(bytes, &audio::SoundLimits::default())?.seconds();
            Ok(Medium { size: format!("{seconds:.1} s"), seconds: Some(seconds), ..Medium::default() })
        }
        Kind::Video => {
            let clip = video::decode(bytes, 1, &video::ClipLimits::default(), |picture| picture)?;
            let Some(frame) = clip.frames.first() else { return Err(Error::data("", "a film without a frame")) };
            let (sides, size) = sides(frame.picture.height, frame.picture.width);
            let size = format!("{size}, {:.1} s", clip.seconds);
            Ok(Medium { size, sides, seconds: Some(clip.seconds), look: None })
        }
        _ => Ok(Medium::default()),
    }
}

/// Opens each file once, however many cells name it, on all cores.
pub(super) fn check(
    table: &Table,
    column: usize,
    kind: Kind,
    side: &[Option<&str>],
    probe: &Probe,
) -> (Files, Option<Leak>) {
    let mut files = Files::default();
    let mut known: HashMap<&str, usize> = HashMap::new();
    let mut first: Vec<usize> = Vec::new(); // the first row of each different file
    let mut file_of: Vec<(usize, usize)> = Vec::new(); // row and its file
    for row in 0..table.len() {
        let Some(value) = table.cell(row, column) else { continue };
        let file = match value {
            Raw::Text(name) => *known.entry(name.as_str()).or_insert(first.len()),
            _ => first.len(),
        };
        if file == first.len() {
            first.push(row);
        }
        file_of.push((row, file));
    }
    let start = Instant::now();
    let opened: Vec<Opened> = first.par_iter().map(|row| open(table, *row, column, kind, probe)).collect();
    files.decode_seconds = start.elapsed().as_secs_f64();
    files.checked = opened.len();
    let mut sizes = crate::Named::<usize>::new();
    for (medium, _) in opened.iter().flatten().filter(|(medium, _)| !medium.size.is_empty()) {
        *sizes.entry(medium.size.clone()).or_default() += 1;
    }
    let good = || opened.iter().flatten().map(|(medium, _)| medium);
    let longer = |medium: &Medium| medium.sides.map(|(height, width)| height.max(width) as f64);
    files.pixels = Histogram::of(good().filter_map(longer).collect());
    files.seconds = Histogram::of(good().filter_map(|medium| medium.seconds).collect());
    files.different_sizes = sizes.len();
    files.sizes = sizes.into_iter().map(|(value, rows)| Count { value, rows }).collect();
    files.sizes.sort_by_key(|count| std::cmp::Reverse(count.rows));
    files.sizes.truncate(LISTED);
    let mut same: HashMap<u128, usize> = HashMap::new(); // content to its place in `contents`
    let mut contents: Vec<(usize, Vec<usize>)> = Vec::new(); // a file and the rows that have its content
    let mut last = None;
    for (row, file) in file_of {
        match &opened[file] {
            Ok((_, hash)) => {
                let content = *same.entry(*hash).or_insert(contents.len());
                if content == contents.len() {
                    contents.push((file, Vec::new()));
                } else if contents[content].0 != file && last.is_none_or(|last| file > last) {
                    files.copies += 1;
                }
                contents[content].1.push(row);
            }
            Err(reason) => files.unreadable.add(|| format!("{}: {reason}", table.place(row, column))),
        }
        last = last.max(Some(file));
    }
    let candidate = |(file, rows): &(usize, Vec<usize>)| {
        let look = opened[*file].as_ref().ok()?.0.look.clone()?;
        Some(Candidate { look, rows: rows.clone() })
    };
    let candidates: Vec<Candidate> = contents.iter().filter_map(candidate).collect();
    if !candidates.is_empty() {
        let place = |row: usize| Place {
            row,
            at: table.row_place(row),
            split: side[row].map(str::to_string),
            name: table.cell(row, column).map(|value| short(&shown(value))).unwrap_or_default(),
        };
        files.near = Some(find(&candidates, side, &place));
    }
    (files, leak(table, Some(&table.columns()[column]), contents.into_iter().map(|(_, rows)| rows), side))
}

fn open(table: &Table, row: usize, column: usize, kind: Kind, probe: &Probe) -> Opened {
    let name = if let Some(Raw::Text(name)) = table.cell(row, column) { Some(name.as_str()) } else { None };
    let bytes = table.media(row, column).map_err(reason)?;
    // A column without known kind may hold some files after all.
    let kind = match kind {
        Kind::MissingFiles => name.and_then(media_kind).map_or(kind, Kind::from),
        Kind::Bytes => magic(&bytes).unwrap_or(kind),
        known => known,
    };
    let medium = probe(kind, &bytes).map_err(|error| match name {
        Some(name) => format!("{}: {name}", reason(error)),
        None => reason(error),
    })?;
    Ok((medium, fingerprint(&bytes)))
}

/// The error without its place, which the list names itself.
fn reason(error: Error) -> String {
    match error {
        Error::Data { problem, .. } => problem,
        other => other.to_string(),
    }
}
