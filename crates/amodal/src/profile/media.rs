//! Whether the files of a column can be opened and decoded, and which of them are the same.
use std::collections::HashMap;

use serde::Serialize;

use super::guess::{Kind, fingerprint, magic};
use super::leaks::{Leak, leak};
use super::{Count, LISTED, Listed};
use crate::data::{Table, media_kind};
use crate::{Error, Raw, Result};

/// Decodes the bytes of a media file and says how large it is.
pub type Probe<'a> = dyn Fn(Kind, &[u8]) -> Result<String> + 'a;

/// The files of a column.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Files {
    /// Different files that were opened.
    pub checked: usize,
    /// Cells whose file cannot be used: place and reason.
    pub unreadable: Listed,
    /// The most frequent sizes.
    pub sizes: Vec<Count>,
    /// Number of different sizes.
    pub different_sizes: usize,
}

/// What is known of a file that was opened before; `Err` is the reason why it cannot be used.
type Seen = std::result::Result<u128, String>;

/// Opens each file once, however many cells name it.
pub(super) fn check(
    table: &Table,
    column: usize,
    kind: Kind,
    side: &[Option<&str>],
    probe: &Probe,
) -> (Files, Option<Leak>) {
    let mut files = Files::default();
    let mut seen: HashMap<&str, Seen> = HashMap::new();
    let mut sizes = crate::Named::<usize>::new();
    let mut same: HashMap<u128, Vec<usize>> = HashMap::new();
    for row in 0..table.len() {
        let Some(value) = table.cell(row, column) else { continue };
        let name = if let Raw::Text(name) = value { Some(name.as_str()) } else { None };
        let known = name.and_then(|name| seen.get(name)).cloned();
        let found = known.unwrap_or_else(|| {
            let result = open(table, row, column, kind, name, probe);
            files.checked += 1;
            if let Ok((size, _)) = &result {
                *sizes.entry(size.clone()).or_default() += 1;
            }
            let result = result.map(|(_, hash)| hash);
            if let Some(name) = name {
                seen.insert(name, result.clone());
            }
            result
        });
        match found {
            Ok(hash) => same.entry(hash).or_default().push(row),
            Err(reason) => files.unreadable.add(|| format!("{}: {reason}", table.place(row, column))),
        }
    }
    files.different_sizes = sizes.len();
    files.sizes = sizes.into_iter().map(|(value, rows)| Count { value, rows }).collect();
    files.sizes.sort_by_key(|count| std::cmp::Reverse(count.rows));
    files.sizes.truncate(LISTED);
    (files, leak(table, Some(&table.columns()[column]), same.into_values(), side))
}

fn open(
    table: &Table,
    row: usize,
    column: usize,
    kind: Kind,
    name: Option<&str>,
    probe: &Probe,
) -> std::result::Result<(String, u128), String> {
    let bytes = table.media(row, column).map_err(reason)?;
    // A column without known kind may hold some files after all.
    let kind = match kind {
        Kind::MissingFiles => name.and_then(media_kind).map_or(kind, Kind::from),
        Kind::Bytes => magic(&bytes).unwrap_or(kind),
        known => known,
    };
    let size = probe(kind, &bytes).map_err(|error| match name {
        Some(name) => format!("{}: {name}", reason(error)),
        None => reason(error),
    })?;
    Ok((size, fingerprint(&bytes)))
}

/// The error without its place, which the list names itself.
fn reason(error: Error) -> String {
    match error {
        Error::Data { problem, .. } => problem,
        other => other.to_string(),
    }
}
