//! Which rows a model learns from, and which it is judged by.
use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::table::{Table, count, shown};
use crate::random::{Purpose, Rng, random, random_named};
use crate::{Error, Named, Result};

/// How the rows are split.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SplitOptions {
    /// Column that names the split of each row; without it the column `split`, if the table has one.
    pub column: Option<String>,
    /// Column whose equal values stand on one side, such as a person or a recording.
    pub group_by: Option<String>,
    /// Share of the groups that is held out to choose the best step, where no column says so.
    pub validation: f64,
    /// Share of the groups that is held out for the figures at the end, where no column says so.
    pub test: f64,
    /// Chooses which groups are held out.
    pub seed: u64,
    /// Whether there must be rows to train on; a table that is only measured, such as one that `convert` wrote, may have none.
    pub train: bool,
}

impl Default for SplitOptions {
    fn default() -> Self {
        Self { column: None, group_by: None, validation: 0.1, test: 0.1, seed: 0, train: true }
    }
}

const SYNONYMS: [(&str, &str); 8] = [
    ("train", "train"),
    ("training", "train"),
    ("validation", "validation"),
    ("valid", "validation"),
    ("val", "validation"),
    ("dev", "validation"),
    ("test", "test"),
    ("testing", "test"),
];

/// The one name of a split: `val`, `valid` and `dev` are `validation`, `training` is `train`, `testing` is `test`.
pub fn normal_split(name: &str) -> String {
    let name = name.trim();
    let known = SYNONYMS.iter().find(|(synonym, _)| name.eq_ignore_ascii_case(synonym));
    known.map_or(name, |(_, normal)| normal).to_string()
}

pub(crate) fn is_split(name: &str) -> bool {
    SYNONYMS.iter().any(|(_, normal)| normal_split(name) == *normal)
}

/// The rows of each split, in order.
///
/// A split column decides; where it names no validation, a seeded share of the train groups becomes it. Without a column
/// a seeded share of the groups is held out. Same seed, same split; only a split column can divide a group. Which groups are held out
/// does not depend on the order of the rows where `group_by` names them.
///
/// # Errors
/// [`Error::Config`] for shares that cannot be, [`Error::Data`] for an unknown column, an empty cell, or a split that would be
/// empty.
pub fn splits(table: &Table, options: &SplitOptions) -> Result<Named<Vec<usize>>> {
    for (name, share) in [("validation", options.validation), ("test", options.test)] {
        if !(0.0..1.0).contains(&share) {
            return Err(Error::config(name, format!("{share}, expected a share of at least 0 and less than 1")));
        }
    }
    let groups = groups(table, options)?;
    let column = match &options.column {
        Some(name) => Some(table.column(name)?),
        None => table.find("split"),
    };
    let mut splits = match column {
        Some(column) => by_column(table, column, options, &groups)?,
        None => hold_out(table, &groups, &[("test", options.test), ("validation", options.validation)])?,
    };
    for rows in splits.values_mut() {
        rows.sort_unstable();
    }
    Ok(splits)
}

/// Rows that must stand on one side, group by group, with the numbers that decide on which.
#[derive(Default)]
struct Groups {
    orders: Vec<u64>,
    rows: Vec<usize>,
    /// Where the rows of each group end.
    ends: Vec<usize>,
}

impl Groups {
    fn push(&mut self, order: u64, rows: impl IntoIterator<Item = usize>) {
        self.rows.extend(rows);
        self.orders.push(order);
        self.ends.push(self.rows.len());
    }

    fn rows(&self, group: usize) -> &[usize] {
        &self.rows[group.checked_sub(1).map_or(0, |before| self.ends[before])..self.ends[group]]
    }
}

fn groups(table: &Table, options: &SplitOptions) -> Result<Groups> {
    let mut divided = Groups::default();
    let Some(name) = &options.group_by else {
        for row in 0..table.len() {
            divided.push(random(options.seed, 0, row as u64, Purpose::Split).next_u64(), [row]);
        }
        return Ok(divided);
    };
    let column = table.column(name)?;
    let mut groups: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for row in 0..table.len() {
        let value = table.cell(row, column).map(shown).filter(|value| !value.is_empty());
        let Some(value) = value else {
            let error = Error::data(table.place(row, column), "empty, expected the group of the row");
            return Err(error.with_help("fill the cell, or leave out `group_by`"));
        };
        groups.entry(value.into_owned()).or_default().push(row);
    }
    for (name, rows) in groups {
        divided.push(random_named(options.seed, 0, 0, &name, Purpose::Split).next_u64(), rows);
    }
    Ok(divided)
}

fn by_column(table: &Table, column: usize, options: &SplitOptions, groups: &Groups) -> Result<Named<Vec<usize>>> {
    let mut names = Vec::with_capacity(table.len());
    for row in 0..table.len() {
        let name = table.cell(row, column).map(|value| normal_split(&shown(value))).unwrap_or_default();
        if name.is_empty() {
            let error = Error::data(table.place(row, column), "empty, expected the name of a split");
            return Err(error.with_help("write train, validation or test into every row, or into none"));
        }
        names.push(name);
    }
    let (mut splits, mut train) = (Named::<Vec<usize>>::new(), Groups::default());
    for (group, order) in groups.orders.iter().enumerate() {
        // a column may put copies on both sides on purpose: the same thing, drawn in a style that training never saw
        let mut of_train = Vec::new();
        for row in groups.rows(group) {
            splits.entry(names[*row].clone()).or_default().push(*row);
            of_train.extend((names[*row] == "train").then_some(*row));
        }
        if !of_train.is_empty() {
            train.push(*order, of_train);
        }
    }
    if train.rows.is_empty() && options.train {
        let found: Vec<_> = splits.keys().map(|name| format!("{name:?}")).collect();
        let at = format!("{}, column {:?}", table.path().display(), table.columns()[column]);
        return Err(Error::data(at, format!("no row of split \"train\"; splits are {}", found.join(", "))));
    }
    if !splits.contains_key("validation") && options.validation > 0.0 && !train.rows.is_empty() {
        splits.extend(hold_out(table, &train, &[("validation", options.validation)])?);
    }
    Ok(splits)
}

/// Divides groups by their random order: the first to the held-out splits, the rest to `train`.
fn hold_out(table: &Table, groups: &Groups, shares: &[(&str, f64)]) -> Result<Named<Vec<usize>>> {
    let shares: Vec<_> = shares.iter().filter(|(_, share)| *share > 0.0).collect();
    let total: f64 = shares.iter().map(|(_, share)| share).sum();
    if total >= 1.0 {
        let problem = format!("{total} with `test`, expected less than 1, so that rows are left to train on");
        return Err(Error::config("validation", problem));
    }
    let number = groups.orders.len();
    let mut order: Vec<usize> = (0..number).collect();
    order.sort_unstable_by_key(|group| (groups.orders[*group], *group));
    let mut order = order.into_iter();
    let mut splits = Named::new();
    for (name, share) in &shares {
        // At least one, for a split that was asked for and is empty says nothing.
        let size = ((number as f64 * share).round() as usize).max(1);
        let rows: Vec<usize> = order.by_ref().take(size).flat_map(|group| groups.rows(group)).copied().collect();
        splits.insert((*name).to_string(), rows);
    }
    splits.insert("train".to_string(), order.flat_map(|group| groups.rows(group)).copied().collect());
    if let Some(empty) =
        ["train", "validation", "test"].into_iter().find(|name| splits.get(*name).is_some_and(Vec::is_empty))
    {
        let noun = if splits.values().map(Vec::len).sum::<usize>() == number { "row" } else { "group" };
        let problem = format!("{} to divide: {empty} would be empty", count(number, noun));
        let help = "add rows, lower the shares `validation` and `test`, or name the splits in a column";
        return Err(Error::data(table.path().display().to_string(), problem).with_help(help));
    }
    Ok(splits)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Raw;
    use proptest::prelude::*;

    fn table(columns: &[&str], rows: &[&[&str]]) -> Table {
        let cell = |cell: &&str| (!cell.is_empty()).then(|| Raw::Text((*cell).to_string()));
        let rows = rows.iter().map(|row| row.iter().map(cell).collect()).collect();
        Table::from_rows(columns.iter().map(|name| (*name).to_string()).collect(), rows).unwrap()
    }

    fn numbered(rows: usize) -> Table {
        let rows = (0..rows).map(|row| vec![Some(Raw::Numbers(vec![row as f32]))]).collect();
        Table::from_rows(vec!["x".into()], rows).unwrap()
    }

    fn error(table: &Table, options: &SplitOptions) -> (String, String) {
        let error = splits(table, options).unwrap_err();
        (error.to_string(), error.help().unwrap_or_default().to_string())
    }

    #[test]
    fn a_column_decides_under_any_of_its_names() {
        let table = table(
            &["x", "split"],
            &[&["1", "training"], &["2", "Dev"], &["3", "test"], &["4", "train"], &["5", "extra"]],
        );
        let splits = splits(&table, &SplitOptions::default()).unwrap();
        let expected = [("extra", vec![4]), ("test", vec![2]), ("train", vec![0, 3]), ("validation", vec![1])];
        assert_eq!(splits, expected.map(|(name, rows)| (name.to_string(), rows)).into());
    }

    #[test]
    fn validation_is_taken_from_train_alone() {
        let rows: Vec<[&str; 1]> = (0..40).map(|row| if row < 20 { ["train"] } else { ["test"] }).collect();
        let rows: Vec<&[&str]> = rows.iter().map(|row| row.as_slice()).collect();
        let table = table(&["part"], &rows);
        let options = SplitOptions { column: Some("part".into()), ..SplitOptions::default() };
        let divided = splits(&table, &options).unwrap();
        assert_eq!(divided["test"], (20..40).collect::<Vec<_>>());
        assert_eq!((divided["train"].len(), divided["validation"].len()), (18, 2));
        assert!(divided["validation"].iter().all(|row| *row < 20));
        let none = splits(&table, &SplitOptions { validation: 0.0, ..options }).unwrap();
        assert_eq!(none["train"].len(), 20);
        assert!(!none.contains_key("validation"));
    }

    #[test]
    fn the_seed_decides() {
        let table = numbered(100);
        let with = |seed| splits(&table, &SplitOptions { seed, ..SplitOptions::default() }).unwrap();
        assert_eq!(with(1), with(1));
        assert_ne!(with(1), with(2));
        assert_eq!((with(1)["train"].len(), with(1)["validation"].len(), with(1)["test"].len()), (80, 10, 10));
        // Pinned: another choice would silently move rows between the sides of old runs.
        assert_eq!(with(0)["test"], PINNED);
    }

    const PINNED: [usize; 10] = [10, 31, 41, 44, 56, 78, 80, 83, 93, 94];

    #[test]
    fn errors() {
        let options = SplitOptions::default();
        let split = table(&["x", "split"], &[&["1", "train"], &["2", ""]]);
        assert_eq!(
            error(&split, &options),
            (
                "row 2, column \"split\": empty, expected the name of a split".into(),
                "write train, validation or test into every row, or into none".into()
            )
        );
        let test = table(&["x", "split"], &[&["1", "test"], &["2", "val"]]);
        let problem = "table, column \"split\": no row of split \"train\"; splits are \"test\", \"validation\"";
        assert_eq!(error(&test, &options).0, problem);
        let measured = splits(&test, &SplitOptions { train: false, ..options.clone() }).unwrap();
        assert_eq!(measured.keys().collect::<Vec<_>>(), ["test", "validation"]);
        let test = table(&["x", "split"], &[&["1", "test"]]);
        let measured = splits(&test, &SplitOptions { train: false, ..options.clone() }).unwrap();
        assert_eq!(measured, [("test".to_string(), vec![0])].into(), "nothing is held out of what is not trained on");
        let by = SplitOptions { group_by: Some("persn".into()), ..options.clone() };
        let people = table(&["person"], &[&["a"], &[""], &["a"]]);
        assert_eq!(
            error(&people, &by),
            ("table: no column \"persn\"; columns are \"person\"".into(), "did you mean \"person\"?".into())
        );
        let by = SplitOptions { group_by: Some("person".into()), ..options.clone() };
        assert_eq!(error(&people, &by).0, "row 2, column \"person\": empty, expected the group of the row");
        let both = table(&["person", "split"], &[&["a", "train"], &["b", "train"], &["a", "test"]]);
        let divided = splits(&both, &SplitOptions { validation: 0.0, ..by.clone() }).unwrap(); // on purpose: no error
        assert_eq!((divided["train"].as_slice(), divided["test"].as_slice()), ([0, 1].as_slice(), [2].as_slice()));
        let help = "add rows, lower the shares `validation` and `test`, or name the splits in a column";
        assert_eq!(
            error(&numbered(2), &options),
            ("table: 2 rows to divide: train would be empty".into(), help.into())
        );
        let alike = table(&["person"], &[&["a"], &["b"], &["a"]]);
        assert_eq!(error(&alike, &by).0, "table: 2 groups to divide: train would be empty");
        assert_eq!(error(&numbered(1), &options).0, "table: 1 row to divide: train would be empty");
        let wrong = |validation, test| error(&numbered(9), &SplitOptions { validation, test, ..options.clone() }).0;
        assert_eq!(wrong(1.5, 0.1), "validation: 1.5, expected a share of at least 0 and less than 1");
        assert_eq!(wrong(0.1, f64::NAN), "test: NaN, expected a share of at least 0 and less than 1");
        let problem = "validation: 1.1 with `test`, expected less than 1, so that rows are left to train on";
        assert_eq!(wrong(0.6, 0.5), problem);
    }

    #[test]
    fn the_order_of_the_rows_does_not_matter_to_groups() {
        let names: Vec<String> = (0..60).map(|row| format!("g{}", row % 20)).collect();
        let held_out = |names: Vec<&String>| {
            let rows = names.iter().map(|name| vec![Some(Raw::Text((*name).clone()))]).collect();
            let table = Table::from_rows(vec!["group".into()], rows).unwrap();
            let options = SplitOptions { group_by: Some("group".into()), ..SplitOptions::default() };
            let rows = splits(&table, &options).unwrap().remove("test").unwrap();
            rows.into_iter().map(|row| names[row].clone()).collect::<std::collections::BTreeSet<_>>()
        };
        assert_eq!(held_out(names.iter().collect()), held_out(names.iter().skip(7).rev().collect()));
    }

    #[test]
    fn unknown_options_are_refused() {
        let error = serde_json::from_str::<SplitOptions>("{\"vali\": 0.1}").unwrap_err().to_string();
        assert!(error.starts_with("unknown field `vali`"), "{error}");
    }

    proptest! {
        #[test]
        fn a_group_is_never_divided_and_no_row_is_lost(
            groups in prop::collection::vec(0_u8..30, 1..120), seed in 0_u64..50, validation in 0.0..0.5, test in 0.0..0.49,
            column in any::<bool>(),
        ) {
            let cells = |group: &u8| {
                let split = if group.is_multiple_of(3) { "test" } else { "train" };
                vec![Some(Raw::Text(format!("g{group}"))), Some(Raw::Text(split.into()))]
            };
            let names = vec!["group".into(), if column { "split" } else { "other" }.into()];
            let table = Table::from_rows(names, groups.iter().map(cells).collect()).unwrap();
            let options = SplitOptions { group_by: Some("group".into()), validation, test, seed, ..SplitOptions::default() };
            if let Ok(splits) = splits(&table, &options) {
                let mut side = BTreeMap::new();
                for (name, rows) in &splits {
                    prop_assert!(!rows.is_empty() && rows.is_sorted());
                    for row in rows {
                        prop_assert_eq!(*side.entry(groups[*row]).or_insert(name), name);
                    }
                }
                let mut all: Vec<_> = splits.values().flatten().copied().collect();
                all.sort_unstable();
                prop_assert_eq!(all, (0..groups.len()).collect::<Vec<_>>());
                prop_assert_eq!(splits.contains_key("validation"), validation > 0.0);
            }
        }
    }
}
