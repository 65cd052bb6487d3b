//! Which columns a model reads, what it predicts, and what belongs together, by what the profile found.
use std::collections::{HashMap, HashSet};

use super::guess::{self, Kind};
use super::{Column, Profile};
use crate::Named;
use crate::data::{Table, count};

/// What a config is written of.
pub(super) struct Choice<'a> {
    /// Rows to train on.
    pub(super) train: usize,
    /// The column to predict.
    pub(super) target: Option<&'a Column>,
    /// The columns to read.
    pub(super) read: Vec<&'a Column>,
    /// Columns that are left out, and why.
    pub(super) left: Vec<(String, String)>,
    /// Columns that describe the same thing, to be brought into one space.
    pub(super) align: Vec<&'a Column>,
    /// Whether no column alone tells the target, though their values come again: each decides what of the other counts.
    pub(super) asks: bool,
    /// A column of media whose values stand in many rows.
    pub(super) together: Option<&'a Column>,
    /// A column whose equal values belong together, and why.
    pub(super) group_by: Option<(&'a Column, String)>,
}

/// More values of another split than this share must be known from train.
const KNOWN: f64 = 0.95;
/// Columns with less cells than this share are left out.
const FILLED: f64 = 0.3;
/// Different values of one column to each of another, on average, up to which both describe one thing.
const ONE: f64 = 1.5;
/// A class with fewer rows on average cannot be learned.
const ROWS_A_CLASS: f64 = 4.0;

/// Numbers that stand for the cells of each column; empty cells are none.
struct Values(Named<Vec<Option<u32>>>);

impl Values {
    fn of(table: &Table) -> Self {
        let column = |(column, name): (usize, &String)| {
            let mut known = HashMap::new();
            let cell = |row| {
                let new = known.len() as u32;
                Some(*known.entry(guess::key(table.cell(row, column)?)).or_insert(new))
            };
            (name.clone(), (0..table.len()).map(cell).collect())
        };
        Self(table.columns().iter().enumerate().map(column).collect())
    }

    fn get(&self, name: &str) -> &[Option<u32>] {
        self.0.get(name).map(Vec::as_slice).unwrap_or_default()
    }

    fn pairs(&self, one: &str, two: &str) -> impl Iterator<Item = (u32, u32)> {
        self.get(one).iter().zip(self.get(two)).filter_map(|(one, two)| Some(((*one)?, (*two)?)))
    }

    /// Rows in which `from` tells `to`: those with the commonest value of `to` for their value of `from`, as a share; of
    /// values that come again alone, and none where these are fewer than half of the rows.
    fn tells(&self, from: &str, to: &str) -> Option<f64> {
        let mut counts: HashMap<u32, HashMap<u32, usize>> = HashMap::new();
        for (from, to) in self.pairs(from, to) {
            *counts.entry(from).or_default().entry(to).or_default() += 1;
        }
        let (mut all, mut told, mut alone) = (0, 0, 0);
        for counts in counts.values() {
            match counts.values().sum::<usize>() {
                1 => alone += 1,
                rows => {
                    all += rows;
                    told += counts.values().max().copied().unwrap_or(0);
                }
            }
        }
        (all > alone).then(|| told as f64 / all as f64)
    }

    /// Different values of `two` for each of `one`, on average.
    fn spread(&self, one: &str, two: &str) -> f64 {
        let pairs: HashSet<(u32, u32)> = self.pairs(one, two).collect();
        let ones: HashSet<u32> = pairs.iter().map(|(one, _)| *one).collect();
        pairs.len() as f64 / ones.len().max(1) as f64
    }

    /// Whether both columns describe the same thing, one or several times.
    fn are_one(&self, one: &str, two: &str) -> bool {
        self.spread(one, two).min(self.spread(two, one)) <= ONE
    }
}

/// Whether it is a picture, a sound, a film or a text.
pub(super) fn is_rich(column: &Column) -> bool {
    matches!(column.kind, Kind::Image | Kind::Audio | Kind::Video | Kind::Text)
}

fn is_media(column: &Column) -> bool {
    matches!(column.kind, Kind::Image | Kind::Audio | Kind::Video)
}

fn can_be_read(column: &Column) -> bool {
    is_rich(column) || matches!(column.kind, Kind::Category | Kind::Number | Kind::Series)
}

/// The share of the values of other splits that train has.
fn known(table: &Table, splits: &Named<Vec<usize>>, name: &str) -> f64 {
    let Ok(column) = table.column(name) else { return 0.0 };
    let value = |row: &usize| table.cell(*row, column).map(guess::key);
    let Some(train) = splits.get("train") else { return 1.0 };
    let train: HashSet<_> = train.iter().filter_map(value).collect();
    // the split in which the fewest are known decides
    let share = |rows: &Vec<usize>| {
        let values: Vec<_> = rows.iter().filter_map(value).collect();
        values.iter().filter(|value| train.contains(*value)).count() as f64 / values.len().max(1) as f64
    };
    let others = splits.iter().filter(|(name, rows)| *name != "train" && !rows.is_empty());
    others.map(|(_, rows)| share(rows)).fold(1.0, f64::min)
}

/// The base of a name that ends with the code of a language: `caption` of `caption_fr` and `caption_zh_CN`.
fn without_language(name: &str) -> Option<&str> {
    let is_code = |code: &str| code.len() == 2 && code.chars().all(|letter| letter.is_ascii_alphabetic());
    let (base, code) = name.rsplit_once(['_', '-'])?;
    match base.rsplit_once(['_', '-']) {
        Some((base, first)) if is_code(first) && is_code(code) => Some(base),
        _ => (is_code(code) && !base.is_empty()).then_some(base),
    }
}

/// Chooses; `target` names the column to predict where it is given.
pub(super) fn choose<'a>(
    profile: &'a Profile,
    table: &Table,
    splits: &Named<Vec<usize>>,
    target: Option<&str>,
) -> Choice<'a> {
    let values = Values::of(table);
    let train = splits.get("train").map_or(table.len(), Vec::len);
    let target = match target {
        Some(name) => profile.columns.iter().find(|column| column.name == name),
        None => the_target(profile, table, splits),
    };
    let (mut read, mut left) = (Vec::new(), Vec::new());
    for column in profile.columns.iter().filter(|column| target.is_none_or(|target| target.name != column.name)) {
        match reason_against(column, target, profile, table, splits, &values) {
            Some(reason) if column.kind != Kind::Split => left.push((column.name.clone(), reason)),
            Some(_) => {}
            None => read.push(column),
        }
    }
    let mut align: Vec<&Column> = Vec::new();
    let (media, texts): (Vec<&Column>, Vec<&Column>) =
        read.iter().copied().filter(|column| is_rich(column)).partition(|column| is_media(column));
    for column in media.into_iter().chain(texts) {
        if align.iter().all(|other| values.are_one(&column.name, &other.name)) {
            align.push(column);
        }
    }
    let told = |column: &&Column| target.and_then(|target| values.tells(&column.name, &target.name));
    let unclear = |column: &&&Column| told(column).is_some_and(|share| share < 0.9);
    let unclear: Vec<&Column> = read.iter().filter(unclear).copied().collect();
    let is_category = target.is_some_and(|target| target.kind == Kind::Category);
    let only = read.iter().all(|column| is_rich(column) || column.kind == Kind::Category);
    let asks = is_category && only && align.len() < 2 && unclear.len() > 1 && unclear.iter().any(|one| is_rich(one));
    let comes_again = |column: &&&Column| is_media(column) && 2 * column.distinct <= table.len() - column.missing;
    let together = read.iter().find(comes_again).copied();
    let group_by = the_group(profile, table, &values, &read, together, !align.is_empty());
    Choice { train, target, read, left, align, asks, together, group_by }
}

/// The last category or number that can be learned; one that is called like a target goes first.
pub(super) fn the_target<'a>(profile: &'a Profile, table: &Table, splits: &Named<Vec<usize>>) -> Option<&'a Column> {
    let train = splits.get("train").map_or(table.len(), Vec::len);
    let fits = |column: &&Column| match column.kind {
        Kind::Category => {
            let classes = (2..=train.max(2)).contains(&column.distinct);
            let rows = train as f64 / column.distinct.max(1) as f64;
            classes && rows >= ROWS_A_CLASS && known(table, splits, &column.name) >= KNOWN
        }
        Kind::Number => column.distinct > 1,
        _ => false,
    };
    let fitting: Vec<&Column> = profile.columns.iter().filter(fits).collect();
    let called = |column: &&&Column| {
        ["label", "class", "category", "target", "answer", "y"].contains(&column.name.to_lowercase().as_str())
    };
    fitting.iter().rev().find(called).or_else(|| fitting.last()).copied()
}

/// Why a column is not read.
fn reason_against(
    column: &Column,
    target: Option<&Column>,
    profile: &Profile,
    table: &Table,
    splits: &Named<Vec<usize>>,
    values: &Values,
) -> Option<String> {
    if !can_be_read(column) {
        return Some(match column.kind {
            Kind::Group => "its values name what rows have in common".to_string(),
            Kind::MissingFiles => "its files do not exist".to_string(),
            kind => kind.name().to_string(),
        });
    }
    if column.distinct < 2 {
        return Some("it has one value".to_string());
    }
    if 1.0 - column.missing_share < FILLED {
        return Some(format!("only {} of {} have it", table.len() - column.missing, count(table.len(), "row")));
    }
    if let Some(base) = without_language(&column.name).filter(|_| column.kind == Kind::Text) {
        let is_text = |other: &&Column| other.kind == Kind::Text && other.name != column.name;
        let before = profile.columns.iter().take_while(|other| other.name != column.name).filter(is_text);
        let mut same = profile.columns.iter().filter(is_text).filter(|other| other.name == base);
        let mut earlier = before.filter(|other| without_language(&other.name) == Some(base));
        if let Some(other) = same.next().or_else(|| earlier.next()) {
            return Some(format!("\"{}\" says it in another language; it can be added in the same way", other.name));
        }
    }
    if column.kind == Kind::Category {
        let share = known(table, splits, &column.name);
        if share < 0.5 {
            return Some(format!("{:.0} % of its values outside train are in no train row", 100.0 * (1.0 - share)));
        }
        let told = target.filter(|target| target.kind == Kind::Category);
        if told.and_then(|target| values.tells(&target.name, &column.name)).is_some_and(|share| share > 0.99) {
            return Some(format!("it follows from \"{}\", which is to be predicted", told?.name));
        }
    }
    None
}

/// A column whose equal values must not be torn apart.
fn the_group<'a>(
    profile: &'a Profile,
    table: &Table,
    values: &Values,
    read: &[&'a Column],
    together: Option<&'a Column>,
    aligned: bool,
) -> Option<(&'a Column, String)> {
    if let Some(column) = profile.columns.iter().find(|column| column.kind == Kind::Group) {
        return Some((column, format!("{} in {}", count(column.distinct, "group"), count(table.len(), "row"))));
    }
    if let Some(column) = together {
        return Some((column, format!("each stands in {:.0} rows", table.len() as f64 / column.distinct as f64)));
    }
    // pictures that look alike: what do they have in common?
    let near = profile.columns.iter().filter_map(|column| column.files.as_ref()?.near.as_ref());
    let joined: Vec<(usize, usize)> = near.flat_map(|near| near.joined.iter().copied()).collect();
    if joined.len() * 50 >= table.len() {
        let ties = |column: &&Column| {
            let cells = values.get(&column.name);
            let same = joined.iter().filter(|(one, two)| cells[*one].is_some() && cells[*one] == cells[*two]).count();
            10 * same >= 9 * joined.len() && column.distinct * 20 > table.len()
        };
        if let Some(column) = profile.columns.iter().find(ties) {
            return Some((column, "pictures that look alike have it in common".to_string()));
        }
    }
    let copies = |column: &&&Column| column.kind == Kind::Text && column.distinct < table.len() - column.missing;
    let text = read.iter().find(copies).filter(|_| aligned)?;
    let why = format!("{} in {}", count(text.distinct, "different text"), count(table.len() - text.missing, "row"));
    Some((text, why))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_code_of_a_language_is_told_from_a_name() {
        let cases = [
            ("caption_fr", Some("caption")),
            ("caption_zh_CN", Some("caption")),
            ("caption", None),
            ("_fr", None),
            ("title_text", None),
        ];
        for (name, base) in cases {
            assert_eq!(without_language(name), base, "{name}");
        }
    }
}
