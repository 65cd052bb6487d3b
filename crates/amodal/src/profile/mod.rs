//! What is in a table, and what is wrong with it, before any time goes into training.
mod choose;
mod guess;
mod leaks;
mod media;
mod near;
mod show;
mod spread;
mod start;

use std::collections::HashMap;

use serde::Serialize;

pub use guess::{Kind, guess};
pub use leaks::Leak;
pub use media::{Files, Medium, Probe, probe};
pub use near::{Look, Near, Pair, Place, Share};

pub use spread::{Histogram, Spread};
pub use start::start;

use crate::data::{Table, count, shown};
use crate::{Named, Raw};

/// Places that are listed; the rest is only counted.
const LISTED: usize = 20;

/// What `amodal check` shows.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Profile {
    /// The table.
    pub path: String,
    /// Number of rows.
    pub rows: usize,
    /// Number of rows of each split.
    pub splits: Named<usize>,
    /// The columns in the order of the table.
    pub columns: Vec<Column>,
    /// Rows without any value but an identifier or a split.
    pub empty_rows: Listed,
    /// Rows or files that stand in more than one split.
    pub leaks: Vec<Leak>,
    /// What stops training.
    pub errors: Vec<Finding>,
    /// What makes figures doubtful.
    pub warnings: Vec<Finding>,
}

/// One column.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// What it seems to hold.
    pub kind: Kind,
    /// Why we think so.
    pub reason: String,
    /// Number of rows without a value.
    pub missing: usize,
    /// Share of rows without a value.
    pub missing_share: f64,
    /// Number of different values.
    pub distinct: usize,
    /// The first different values, cut short.
    pub examples: Vec<String>,
    /// Of a column of numbers.
    pub numbers: Option<Spread>,
    /// Words a value, of a column of text.
    pub words: Option<Spread>,
    /// How the numbers of a column are spread, or the words a value of a column of text.
    pub histogram: Option<Histogram>,
    /// Of a column of text the values outside train that a train row has too, but for case and blanks.
    pub in_train: Option<Share>,
    /// Of a column of media.
    pub files: Option<Files>,
    /// The most frequent values of a category.
    pub balance: Vec<Count>,
    /// Values of a category that no train row has.
    pub only_outside_train: Listed,
}

/// How often a value occurs.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Count {
    /// The value.
    pub value: String,
    /// Rows that have it.
    pub rows: usize,
}

/// Some of many: the number of all, and the first twenty.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Listed {
    /// Number of all.
    pub total: usize,
    /// The first.
    pub first: Vec<String>,
}

/// Something to be told, and what to do about it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Finding {
    /// What was found and where.
    pub problem: String,
    /// What to do about it; empty where nothing is known.
    pub help: String,
}

impl Listed {
    fn add(&mut self, item: impl FnOnce() -> String) {
        self.total += 1;
        if self.first.len() < LISTED {
            self.first.push(item());
        }
    }
}

impl Profile {
    /// Whether something stops training.
    pub fn has_errors(&self) -> bool {
        !self.errors.is_empty()
    }

    /// The category that rows are best told apart by: what `init` would predict.
    pub(crate) fn class(&self, table: &Table, splits: &Named<Vec<usize>>) -> Option<&Column> {
        choose::the_target(self, table, splits).filter(|column| column.kind == Kind::Category)
    }

    /// Seconds that reading and decoding every media file once took, on all cores.
    pub fn decode_seconds(&self) -> f64 {
        self.columns.iter().filter_map(|column| column.files.as_ref()).map(|files| files.decode_seconds).sum()
    }

    fn warn(&mut self, problem: String, help: &str) {
        self.warnings.push(Finding { problem, help: help.to_string() });
    }

    fn error(&mut self, problem: String, help: &str) {
        self.errors.push(Finding { problem, help: help.to_string() });
    }
}

/// Looks at every cell, and opens and decodes every media file once.
pub fn profile(table: &Table, splits: &Named<Vec<usize>>) -> Profile {
    profile_with(table, splits, &probe)
}

/// The same, with the bytes of media files given to `probe`.
fn profile_with(table: &Table, splits: &Named<Vec<usize>>, probe: &Probe) -> Profile {
    let mut profile = Profile {
        path: table.path().display().to_string(),
        rows: table.len(),
        splits: splits.iter().map(|(name, rows)| (name.clone(), rows.len())).collect(),
        columns: vec![],
        empty_rows: Listed::default(),
        leaks: vec![],
        errors: vec![],
        warnings: vec![],
    };
    for note in table.notes() {
        profile.warn(note.clone(), "");
    }
    let side = leaks::sides(table, splits);
    for column in 0..table.columns().len() {
        let facts = look(table, column, &side, splits.contains_key("train"), probe, &mut profile);
        profile.columns.push(facts);
    }
    let kinds: Vec<Kind> = profile.columns.iter().map(|column| column.kind).collect();
    // An identifier or a split alone is nothing to learn from.
    let told: Vec<usize> = (0..kinds.len())
        .filter(|column| !matches!(kinds[*column], Kind::Identifier | Kind::Group | Kind::Split))
        .collect();
    for row in (0..table.len()).filter(|row| told.iter().all(|column| table.cell(*row, *column).is_none())) {
        profile.empty_rows.add(|| table.row_place(row));
    }
    if profile.empty_rows.total > 0 {
        let problem = format!("{} without any value: {}", count(profile.empty_rows.total, "row"), profile.empty_rows);
        let it = if profile.empty_rows.total == 1 { "it" } else { "them" };
        profile.warn(problem, &format!("remove {it}, for nothing can be learned from {it}"));
    }
    profile.leaks.extend(leaks::equal_rows(table, &kinds, &side));
    for leak in profile.leaks.clone() {
        profile.warn(leak.to_string(), "name the column that ties copies together as `group_by`, or remove the copies");
    }
    profile
}

/// One column, with what is wrong about it put into the profile.
fn look(
    table: &Table,
    column: usize,
    side: &[Option<&str>],
    has_train: bool,
    probe: &Probe,
    profile: &mut Profile,
) -> Column {
    let (kind, reason) = guess::decide(table, column);
    let name = table.columns()[column].clone();
    let rows: Vec<(usize, &Raw)> =
        (0..table.len()).filter_map(|row| table.cell(row, column).map(|value| (row, value))).collect();
    let (mut counts, mut order) = (HashMap::<_, usize>::new(), Vec::new());
    for (_, value) in &rows {
        let count = counts.entry(guess::key(value)).or_default();
        if *count == 0 && order.len() < 3 {
            order.push(short(&shown(value)));
        }
        *count += 1;
    }
    let missing = table.len() - rows.len();
    let mut facts = Column {
        kind,
        reason,
        missing,
        missing_share: missing as f64 / table.len() as f64,
        distinct: counts.len(),
        examples: order,
        numbers: None,
        words: None,
        histogram: None,
        in_train: None,
        files: None,
        balance: vec![],
        only_outside_train: Listed::default(),
        name: name.clone(),
    };
    if counts.len() == 1 && rows.len() > 1 && !matches!(kind, Kind::Split) {
        let value = facts.examples.first().cloned().unwrap_or_default();
        profile.warn(format!("column {name:?} has the same value everywhere: {value:?}"), "leave it out of the config");
    }
    match kind {
        Kind::Empty => profile.warn(format!("column {name:?} is empty"), "leave it out of the config"),
        Kind::Number => {
            let numbers: Vec<f64> = rows.iter().filter_map(|(_, value)| guess::number(value)).collect();
            facts.numbers = Spread::of(numbers.iter().copied());
            facts.histogram = Histogram::of(numbers);
            let mut wrong = Listed::default();
            for (row, value) in rows.iter().filter(|(_, value)| guess::number(value).is_none()) {
                wrong.add(|| format!("{}: {:?}", table.row_place(*row), short(&shown(value))));
            }
            if wrong.total > 0 {
                let cells = if wrong.total == 1 { "cell is no number" } else { "cells are no numbers" };
                let problem = format!("column {name:?}: {} {cells}: {wrong}", wrong.total);
                profile.error(problem, "correct the cells, or leave them empty where the number is missing");
            }
        }
        Kind::Text => {
            let words: Vec<f64> = guess::words(rows.iter().map(|(_, value)| shown(value)));
            facts.words = Spread::of(words.iter().copied());
            facts.histogram = Histogram::of(words);
            if has_train {
                let share = leaks::texts_in_train(&rows, side);
                // a text that is meant to come again, such as a question about many pictures, is no copy
                if share.some > 0 && 2 * facts.distinct > rows.len() {
                    let problem = format!(
                        "column {name:?}: {} of {} outside train {} in a train row too, but for case and blanks",
                        share.some,
                        count(share.all, "text"),
                        if share.some == 1 { "is" } else { "are" },
                    );
                    profile.warn(problem, "name the column that ties them together as `group_by`, or split again");
                }
                facts.in_train = Some(share);
            }
        }
        Kind::Category => {
            balance(&mut facts, &rows, side, has_train);
            let outside = &facts.only_outside_train;
            if outside.total > 0 {
                let problem = format!("column {name:?}: {} in no train row: {outside}", count(outside.total, "value"));
                profile.warn(problem, "a model cannot learn what it never sees: split again, or leave these rows out");
            }
        }
        Kind::Image | Kind::Audio | Kind::Video | Kind::MissingFiles | Kind::Bytes => {
            let (files, leak) = media::check(table, column, kind, side, probe);
            if files.unreadable.total > 0 {
                let list = files.unreadable.first.iter().map(|line| format!("\n    {line}")).collect::<String>();
                let more = files.unreadable.total - files.unreadable.first.len();
                let more = if more > 0 { format!("\n    and {more} more") } else { String::new() };
                let number = count(files.unreadable.total, "file");
                let help = match (kind, table.folder()) {
                    (Kind::MissingFiles, Some(folder)) => {
                        format!("paths start at {}; move the files there or correct the paths", folder_name(folder))
                    }
                    _ => "correct these rows, or set `data.on_error = \"skip\"`".to_string(),
                };
                profile.error(format!("column {name:?}: {number} cannot be used:{list}{more}"), &help);
            }
            profile.leaks.extend(leak);
            if let Some(near) = files.near.as_ref().filter(|near| near.leaks()) {
                let help = "figures on these rows are too good: name the column that ties such pictures together as \
                            `group_by`, or split again";
                profile.warn(format!("column {name:?}: {near}"), help);
            }
            if files.near.as_ref().is_some_and(|near| near.limited) {
                let compared = files.near.as_ref().map_or(0, |near| near.compared);
                let problem =
                    format!("column {name:?}: only the first {compared} pictures were compared with each other");
                profile.warn(problem, "");
            }
            facts.files = Some(files);
        }
        Kind::Series | Kind::Identifier | Kind::Group | Kind::Split => {}
    }
    facts
}

fn folder_name(folder: &std::path::Path) -> String {
    let name = folder.display().to_string();
    if name.is_empty() { "the current folder".to_string() } else { name }
}

fn balance(facts: &mut Column, rows: &[(usize, &Raw)], side: &[Option<&str>], has_train: bool) {
    let mut values: Named<(usize, usize)> = Named::new(); // rows, of them in train
    for (row, value) in rows {
        let (rows, train) = values.entry(shown(value).into_owned()).or_default();
        *rows += 1;
        *train += usize::from(side[*row] == Some("train"));
    }
    for (value, _) in values.iter().filter(|(_, (_, train))| has_train && *train == 0) {
        facts.only_outside_train.add(|| short(value));
    }
    let mut counts: Vec<Count> =
        values.into_iter().map(|(value, (rows, _))| Count { value: short(&value), rows }).collect();
    counts.sort_by_key(|count| std::cmp::Reverse(count.rows)); // stable: equal counts stay by name
    counts.truncate(LISTED);
    facts.balance = counts;
}

/// At most 40 characters of one line.
fn short(text: &str) -> String {
    let line: String = text.chars().map(|sign| if sign.is_control() { ' ' } else { sign }).take(41).collect();
    match line.char_indices().nth(40) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
