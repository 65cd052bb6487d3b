//! What a column holds, by its cells.
use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};

use serde::Serialize;

use crate::data::{Media, Table, count, media_kind, normal_split, shown};
use crate::words::{Language, language::joins, segment};
use crate::{Named, Raw, modalities::series};

/// What a column seems to hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Pictures.
    Image,
    /// Sounds.
    Audio,
    /// Films.
    Video,
    /// Sentences.
    Text,
    /// One of a few values.
    Category,
    /// A number.
    Number,
    /// Several numbers a cell.
    Series,
    /// A value of its own for every row, from which nothing can be learned.
    Identifier,
    /// A name for several rows that belong together, such as the copies of one thing.
    Group,
    /// The split of each row.
    Split,
    /// Names of media files that do not exist.
    MissingFiles,
    /// Bytes of an unknown form.
    Bytes,
    /// No value at all.
    Empty,
}

impl Kind {
    /// Its name in tables and JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Image => "image",
            Self::Audio => "audio",
            Self::Video => "video",
            Self::Text => "text",
            Self::Category => "category",
            Self::Number => "number",
            Self::Series => "series",
            Self::Identifier => "identifier",
            Self::Group => "group",
            Self::Split => "split",
            Self::MissingFiles => "missing_files",
            Self::Bytes => "bytes",
            Self::Empty => "empty",
        }
    }
}

impl From<Media> for Kind {
    fn from(media: Media) -> Self {
        match media {
            Media::Image => Self::Image,
            Media::Audio => Self::Audio,
            Media::Video => Self::Video,
        }
    }
}

/// What every column seems to hold.
pub fn guess(table: &Table) -> Named<Kind> {
    let columns = table.columns().iter().enumerate();
    columns.map(|(column, name)| (name.clone(), decide(table, column).0)).collect()
}

/// The share of cells that must agree on a kind; the rest are then errors of single cells.
const AGREE: f64 = 0.9;
/// Cells whose file is looked for.
const LOOKED_FOR: usize = 20;

/// More different words than this name groups of rows rather than classes, where they look like names.
const CLASSES: usize = 100;

/// The words of each text; a text without blanks between its words is cut as a model cuts it.
pub(super) fn words<'a>(texts: impl Iterator<Item = Cow<'a, str>>) -> Vec<f64> {
    let mut known: HashMap<Cow<'a, str>, usize> = HashMap::new();
    let count = |text: &str| match text.chars().any(joins) {
        true => segment(text, Language::Auto, usize::MAX).iter().filter(|word| word.is_word).count(),
        false => text.split_whitespace().count(),
    };
    let words = texts.map(|text| match known.get(&text) {
        Some(words) => *words as f64,
        None => {
            let words = count(&text);
            known.insert(text, words);
            words as f64
        }
    });
    words.collect()
}

/// The kind of one column and why.
pub(super) fn decide(table: &Table, column: usize) -> (Kind, String) {
    let values: Vec<&Raw> = (0..table.len()).filter_map(|row| table.cell(row, column)).collect();
    let name = table.columns()[column].to_lowercase();
    if values.is_empty() {
        return (Kind::Empty, "no cell has a value".into());
    }
    let of = |number: usize| number as f64 >= AGREE * values.len() as f64;
    let stored = values.iter().filter(|value| matches!(value, Raw::Stored(_))).count();
    if of(stored) {
        // what lies in a larger file is looked at in some places
        let rows = (0..table.len()).filter(|row| table.cell(*row, column).is_some()).take(LOOKED_FOR);
        let starts: Vec<Option<Kind>> = rows.map(|row| magic(&table.media(row, column).ok()?)).collect();
        return match starts.iter().flatten().next() {
            Some(kind) if starts.iter().filter(|start| *start == &Some(*kind)).count() * 10 >= starts.len() * 9 => {
                (*kind, format!("the first start with the bytes of {} file", an(*kind)))
            }
            _ => (Kind::Bytes, "cells hold bytes of no known form".into()),
        };
    }
    let bytes = values.iter().filter(|value| matches!(value, Raw::Bytes(_))).count();
    if of(bytes) {
        let known = |kind| {
            values.iter().filter(|value| matches!(value, Raw::Bytes(bytes) if magic(bytes) == Some(kind))).count()
        };
        for kind in [Kind::Image, Kind::Audio, Kind::Video] {
            if of(known(kind)) {
                return (
                    kind,
                    how_many(
                        known(kind),
                        values.len(),
                        ("starts", "start"),
                        &format!("with the bytes of {} file", an(kind)),
                    ),
                );
            }
        }
        return (Kind::Bytes, "cells hold bytes of no known form".into());
    }
    if name == "split" {
        let known = |value: &&&Raw| ["train", "validation", "test"].contains(&normal_split(&shown(value)).as_str());
        let known = values.iter().filter(known).count();
        if of(known) {
            return (Kind::Split, how_many(known, values.len(), ("names", "name"), "a split"));
        }
    }
    if let Some(decided) = media(table, &values) {
        return decided;
    }
    let distinct = values.iter().map(|value| key(value)).collect::<HashSet<_>>().len();
    let series = values.iter().filter(|value| is_series(value)).count();
    if series > 0 && of(values.iter().filter(|value| is_series(value) || matches!(value, Raw::Numbers(_))).count()) {
        return (Kind::Series, how_many(series, values.len(), ("holds", "hold"), "a list of numbers"));
    }
    let numbers: Vec<f64> = values.iter().filter_map(|value| number(value)).collect();
    if of(numbers.len()) {
        return of_numbers(&name, &values, &numbers, distinct);
    }
    of_text(&name, &values, distinct)
}

/// `every cell ends as …`, `9 of 10 cells end as …`: the verb for one and for many.
fn how_many(number: usize, all: usize, (one, many): (&str, &str), what: &str) -> String {
    if number == all { format!("every cell {one} {what}") } else { format!("{number} of {all} cells {many} {what}") }
}

fn media(table: &Table, values: &[&Raw]) -> Option<(Kind, String)> {
    let texts: Vec<&str> = values
        .iter()
        .filter_map(|value| if let Raw::Text(text) = value { Some(text.as_str()) } else { None })
        .collect();
    let known = |media| texts.iter().filter(|text| media_kind(text) == Some(media)).count();
    for media in [Media::Image, Media::Audio, Media::Video] {
        let number = known(media);
        if (number as f64) < AGREE * values.len() as f64 {
            continue;
        }
        let kind = Kind::from(media);
        let reason = how_many(number, values.len(), ("ends", "end"), &format!("as the name of {} file", an(kind)));
        let step = texts.len().div_ceil(LOOKED_FOR).max(1);
        let tried: Vec<&str> = texts.iter().step_by(step).copied().collect();
        let found = |name: &&&str| table.folder().is_none_or(|folder| folder.join(name).is_file());
        if tried.iter().any(|name| found(&name)) {
            return Some((kind, reason));
        }
        let one = tried.first().copied().unwrap_or_default();
        return Some((
            Kind::MissingFiles,
            format!("{reason}, but none of {} tried exists, such as {one:?}", tried.len()),
        ));
    }
    None
}

fn of_numbers(name: &str, values: &[&Raw], numbers: &[f64], distinct: usize) -> (Kind, String) {
    let whole = numbers.iter().all(|number| number.fract() == 0.0);
    let label = is_label(name);
    if whole && distinct == values.len() && distinct > 2 {
        let steps = numbers.windows(2).all(|pair| pair[1] - pair[0] == 1.0);
        if steps || name == "id" || name.ends_with("_id") || name == "index" {
            return (Kind::Identifier, format!("{distinct} whole numbers, all different"));
        }
    }
    if whole && ((distinct <= 20 && values.len() >= 5 * distinct) || (label && distinct < values.len())) {
        return (Kind::Category, format!("{} whole numbers in {}", distinct, count(values.len(), "cell")));
    }
    let what = if numbers.len() == values.len() {
        "every cell is a number".to_string()
    } else {
        format!("{} of {} cells are numbers", numbers.len(), values.len())
    };
    (Kind::Number, what)
}

fn of_text(name: &str, values: &[&Raw], distinct: usize) -> (Kind, String) {
    let words = words(values.iter().map(|value| shown(value))).iter().sum::<f64>() / values.len() as f64;
    let facts = format!("{} in {}", count(distinct, "different value"), count(values.len(), "cell"));
    let one_word =
        || values.iter().all(|value| !shown(value).contains(|sign: char| sign.is_whitespace() || joins(sign)));
    let is_code = |value: &&&Raw| shown(value).contains(|sign: char| sign.is_ascii_digit() || "/_".contains(sign));
    let codes = || 10 * values.iter().filter(is_code).count() >= 9 * values.len();
    if distinct > CLASSES && distinct < values.len() && one_word() && (is_group(name) || codes()) {
        return (Kind::Group, format!("{facts}, each one word: names of what rows have in common"));
    }
    // names of many words, with few rows each, say what they mean by their words
    let names = distinct > CLASSES && values.len() < 10 * distinct && words > 1.1;
    let few = 2 * distinct <= values.len() && (distinct <= CLASSES || words <= 2.0);
    if !names && words <= 5.0 && (few || (is_label(name) && distinct < values.len())) {
        return (Kind::Category, facts);
    }
    if distinct == values.len() && distinct > 1 && one_word() {
        return (Kind::Identifier, format!("{facts}, each one word"));
    }
    (Kind::Text, format!("{facts}, {words:.1} words on average"))
}

fn is_group(name: &str) -> bool {
    ["group", "concept", "speaker", "person", "subject", "source"].contains(&name) || name.ends_with("_id")
}

fn is_label(name: &str) -> bool {
    ["label", "class", "category", "target", "y"].contains(&name)
}

fn an(kind: Kind) -> &'static str {
    match kind {
        Kind::Image => "an image",
        Kind::Audio => "an audio",
        _ => "a video",
    }
}

/// The number in a cell, also where it is written as text.
pub(super) fn number(value: &Raw) -> Option<f64> {
    match value {
        Raw::Numbers(numbers) if numbers.len() == 1 => Some(f64::from(numbers[0])),
        Raw::Text(text) => text.trim().parse().ok().filter(|number: &f64| (*number as f32).is_finite()),
        _ => None,
    }
}

/// Whether a value holds several numbers.
fn is_series(value: &Raw) -> bool {
    match value {
        Raw::Numbers(numbers) => numbers.len() != 1,
        Raw::Text(text) => series::is_series(text),
        Raw::Bytes(_) | Raw::Stored(_) => false,
    }
}

/// A value to compare others with; bytes are compared by their hash.
pub(super) fn key(value: &Raw) -> Cow<'_, str> {
    match value {
        Raw::Bytes(bytes) => format!("\0{:032x}", fingerprint(bytes)).into(),
        Raw::Stored(stored) => format!("\0{stored:?}").into(),
        other => shown(other),
    }
}

/// 128 bits of a file: two files of the same bits are the same for our purpose (a warning, not a proof).
pub(super) fn fingerprint(bytes: &[u8]) -> u128 {
    let half = |salt: u8| {
        let mut hasher = DefaultHasher::new();
        salt.hash(&mut hasher);
        bytes.hash(&mut hasher);
        u128::from(hasher.finish())
    };
    half(0) << 64 | half(1)
}

/// What the first bytes of a file say.
pub(super) fn magic(bytes: &[u8]) -> Option<Kind> {
    let riff = |form: &[u8]| bytes.starts_with(b"RIFF") && bytes.get(8..12) == Some(form);
    let image: [&[u8]; 3] = [b"\x89PNG\r\n\x1a\n", b"\xFF\xD8\xFF", b"GIF8"];
    let audio: [&[u8]; 5] = [b"fLaC", b"OggS", b"ID3", b"\xFF\xFB", b"\xFF\xF3"];
    if image.iter().any(|start| bytes.starts_with(start)) || riff(b"WEBP") {
        return Some(Kind::Image);
    }
    if bytes.get(4..8) == Some(b"ftyp") {
        return Some(Kind::Video);
    }
    (audio.iter().any(|start| bytes.starts_with(start)) || riff(b"WAVE")).then_some(Kind::Audio)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(name: &str, cells: &[&str]) -> Table {
        let row = |cell: &&str| vec![(!cell.is_empty()).then(|| Raw::Text((*cell).to_string()))];
        Table::from_rows(vec![name.to_string()], cells.iter().map(row).collect()).unwrap()
    }

    fn decided(name: &str, cells: &[&str]) -> (Kind, String) {
        decide(&table(name, cells), 0)
    }

    #[test]
    fn every_kind_with_its_reason() {
        let many = |cells: &[&'static str], times: usize| cells.repeat(times);
        let cases: [(&str, Vec<&str>, Kind, &str); 15] = [
            ("x", vec!["", ""], Kind::Empty, "no cell has a value"),
            ("x", vec!["a.png", "", "b.JPG"], Kind::Image, "every cell ends as the name of an image file"),
            (
                "x",
                [many(&["a.wav"], 9), vec!["oh"]].concat(),
                Kind::Audio,
                "9 of 10 cells end as the name of an audio file",
            ),
            ("x", vec!["a.mp4"], Kind::Video, "every cell ends as the name of a video file"),
            ("split", vec!["train", "val"], Kind::Split, "every cell names a split"),
            ("x", vec!["1.5", "2", "2"], Kind::Number, "every cell is a number"),
            ("x", [many(&["1.5"], 9), vec!["n/a"]].concat(), Kind::Number, "9 of 10 cells are numbers"),
            ("x", many(&["0", "1"], 5), Kind::Category, "2 whole numbers in 10 cells"),
            ("label", vec!["7", "8", "7"], Kind::Category, "2 whole numbers in 3 cells"),
            ("x", vec!["7", "8", "9"], Kind::Identifier, "3 whole numbers, all different"),
            ("x", many(&["cat", "dog"], 2), Kind::Category, "2 different values in 4 cells"),
            ("label", vec!["cat", "dog", "cat"], Kind::Category, "2 different values in 3 cells"),
            ("x", vec!["u1", "u2", "u9"], Kind::Identifier, "3 different values in 3 cells, each one word"),
            ("x", vec!["[1, 2]", "[[1], [2]]"], Kind::Series, "every cell holds a list of numbers"),
            ("x", vec!["a red ball", "two dogs"], Kind::Text, "2 different values in 2 cells, 2.5 words on average"),
        ];
        for (name, cells, kind, reason) in cases {
            assert_eq!(decided(name, &cells), (kind, reason.to_string()), "{cells:?}");
        }
    }

    #[test]
    fn codes_of_groups_and_names_of_many_things() {
        let cells = |make: &dyn Fn(usize) -> String| (0..600).map(|row| make(row / 4)).collect::<Vec<_>>();
        let kind =
            |name: &str, cells: Vec<String>| decided(name, &cells.iter().map(String::as_str).collect::<Vec<_>>());
        let reason = "150 different values in 600 cells, each one word: names of what rows have in common";
        assert_eq!(kind("x", cells(&|thing| format!("1F{thing:03}"))), (Kind::Group, reason.to_string()));
        assert_eq!(kind("x", cells(&|thing| format!("word{}", "a".repeat(thing)))).0, Kind::Category);
        assert_eq!(kind("concept", cells(&|thing| format!("word{}", "a".repeat(thing)))).0, Kind::Group);
        assert_eq!(kind("label", cells(&|thing| format!("face {}", "a".repeat(thing)))).0, Kind::Text);
        assert_eq!(kind("x", cells(&|thing| format!("{thing}个苹果"))).0, Kind::Text);
        assert_eq!(
            decided("x", &["苹果", "汽车", "红色的球"]).0,
            Kind::Text,
            "no identifier: it has no blanks to begin with"
        );
    }

    #[test]
    fn missing_files_are_told_from_present_ones() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("b.png"), "x").unwrap();
        let missing = table("x", &["a.png", "c.png"]).with_folder(folder.path());
        let reason = "every cell ends as the name of an image file, but none of 2 tried exists, such as \"a.png\"";
        assert_eq!(decide(&missing, 0), (Kind::MissingFiles, reason.to_string()));
        assert_eq!(guess(&table("x", &["a.png", "b.png"]).with_folder(folder.path()))["x"], Kind::Image);
    }

    #[test]
    fn numbers_and_bytes() {
        let one = |value| decide(&Table::from_rows(vec!["x".into()], vec![vec![Some(value)]]).unwrap(), 0).0;
        assert_eq!(one(Raw::Numbers(vec![1.5])), Kind::Number);
        assert_eq!(one(Raw::Numbers(vec![1.0, 2.0])), Kind::Series);
        let bytes = |start: &[u8]| one(Raw::Bytes(start.into()));
        assert_eq!(bytes(b"\x89PNG\r\n\x1a\nrest"), Kind::Image);
        assert_eq!(bytes(b"RIFF....WAVEfmt "), Kind::Audio);
        assert_eq!(bytes(b"RIFF....WEBPVP8 "), Kind::Image);
        assert_eq!(bytes(b"\0\0\0\x20ftypisom"), Kind::Video);
        assert_eq!(bytes(b"other"), Kind::Bytes);
        assert_ne!(fingerprint(b"a"), fingerprint(b"b"));
    }

    #[test]
    fn names_are_those_in_json() {
        for kind in [Kind::Image, Kind::MissingFiles, Kind::Split, Kind::Identifier] {
            assert_eq!(serde_json::to_string(&kind).unwrap(), format!("{:?}", kind.name()));
        }
    }
}
