//! Rows and files that stand on both sides of a split, so that a figure would be too good.
use std::collections::{HashMap, HashSet};
use std::fmt;

use serde::Serialize;

use super::guess::{Kind, key};
use super::{LISTED, Listed, Share};
use crate::data::{Table, count, shown};
use crate::{Named, Raw};

/// Copies in more than one split.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Leak {
    /// The column of media whose files are the same; without it whole rows are the same.
    pub column: Option<String>,
    /// Each value that stands in more than one split: `train.csv:2 (train), train.csv:9 (test)`.
    pub copies: Listed,
}

impl fmt::Display for Leak {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        match &self.column {
            Some(column) => write!(formatter, "column {column:?}: {}", count(self.copies.total, "file"))?,
            None => write!(formatter, "{}", count(self.copies.total, "row"))?,
        }
        write!(formatter, " with copies in another split:")?;
        for line in &self.copies.first {
            write!(formatter, "\n    {line}")?;
        }
        match self.copies.total - self.copies.first.len() {
            0 => Ok(()),
            more => write!(formatter, "\n    and {more} more"),
        }
    }
}

/// The split of each row.
pub(super) fn sides<'a>(table: &Table, splits: &'a Named<Vec<usize>>) -> Vec<Option<&'a str>> {
    let mut sides = vec![None; table.len()];
    for (name, rows) in splits {
        for row in rows {
            if let Some(side) = sides.get_mut(*row) {
                *side = Some(name.as_str());
            }
        }
    }
    sides
}

/// Of the different texts outside train those that a train row has too, but for case and blanks.
pub(super) fn texts_in_train(rows: &[(usize, &Raw)], side: &[Option<&str>]) -> Share {
    let plain = |value: &Raw| shown(value).split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase();
    let of = |wanted: fn(&str) -> bool| -> HashSet<String> {
        let rows = rows.iter().filter(|(row, _)| side[*row].is_some_and(wanted));
        rows.map(|(_, value)| plain(value)).collect()
    };
    let (train, others) = (of(|split| split == "train"), of(|split| split != "train"));
    Share { some: others.intersection(&train).count(), all: others.len() }
}

/// Rows that are the same but for identifiers and the split.
pub(super) fn equal_rows(table: &Table, kinds: &[Kind], side: &[Option<&str>]) -> Option<Leak> {
    let compared: Vec<usize> = (0..kinds.len())
        .filter(|column| !matches!(kinds[*column], Kind::Identifier | Kind::Group | Kind::Split | Kind::Empty))
        .collect();
    // Two rows of the same class are no copies: something must tell rows apart.
    if compared.iter().all(|column| kinds[*column] == Kind::Category) {
        return None;
    }
    let mut rows: HashMap<Vec<_>, Vec<usize>> = HashMap::new();
    for row in 0..table.len() {
        let values: Vec<_> = compared.iter().map(|column| table.cell(row, *column).map(key)).collect();
        if values.iter().any(Option::is_some) {
            rows.entry(values).or_default().push(row);
        }
    }
    leak(table, None, rows.into_values(), side)
}

/// The leak in groups of equal rows, each in order, if any group stands in more than one split.
pub(super) fn leak(
    table: &Table,
    column: Option<&str>,
    equal: impl Iterator<Item = Vec<usize>>,
    side: &[Option<&str>],
) -> Option<Leak> {
    let mut groups: Vec<Vec<usize>> = equal
        .filter_map(|rows| {
            // One row of each split is enough to show.
            let mut first: Vec<usize> = Vec::new();
            for row in rows {
                if side[row].is_some() && first.iter().all(|other| side[*other] != side[row]) {
                    first.push(row);
                }
            }
            (first.len() > 1).then_some(first)
        })
        .collect();
    groups.sort();
    let mut copies = Listed { total: groups.len(), first: vec![] };
    for rows in groups.iter().take(LISTED) {
        let row = |row: &usize| format!("{} ({})", table.row_place(*row), side[*row].unwrap_or_default());
        copies.first.push(rows.iter().map(row).collect::<Vec<_>>().join(", "));
    }
    (!groups.is_empty()).then(|| Leak { column: column.map(str::to_string), copies })
}
