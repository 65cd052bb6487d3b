use super::*;
use crate::data::{SplitOptions, splits};
use crate::{Error, Result};
use std::fs;

fn probe(_: Kind, bytes: &[u8]) -> Result<Medium> {
    if bytes.starts_with(b"bad") {
        return Err(Error::data("", "not a picture"));
    }
    Ok(Medium { size: format!("{0}x{0}", bytes.len()), ..Medium::default() })
}

fn csv(text: &str, files: &[(&str, &str)]) -> (Profile, String) {
    let folder = tempfile::tempdir().unwrap();
    for (name, bytes) in files {
        fs::write(folder.path().join(name), bytes).unwrap();
    }
    let path = folder.path().join("train.csv");
    fs::write(&path, text).unwrap();
    let table = Table::read(&path).unwrap();
    let splits = splits(&table, &SplitOptions { validation: 0.0, ..SplitOptions::default() }).unwrap();
    let profile = profile_with(&table, &splits, &probe);
    // Without the name of the temporary folder.
    let name = folder.path().display().to_string();
    let text = profile.to_string().replace(&format!("{name}/"), "").replace(&name, "data");
    (profile, text)
}

#[test]
fn the_whole_as_text() {
    let text = "image,caption,label,age,code,split
a.png,a red ball,ball,1.5,same,train
b.png,two dogs,dog,2,same,train
c.png,a dog runs,dog,,same,train
c.png,a cat,cat,3,same,test
d.png,a red ball,ball,7,same,test
,,,,,train
";
    let (profile, shown) = csv(text, &[("a.png", "1234"), ("b.png", "4321"), ("c.png", "55555"), ("d.png", "1234")]);
    assert!(!profile.has_errors());
    let expected = "train.csv: 6 rows, 6 columns; test 2, train 4

column   kind      missing  distinct  values
image    image       16.7%         4  4 files, 4x4 (3), 5x5 (1), 1 copy
caption  text        16.7%         4  2 to 3 words, mean 2.6
label    category    16.7%         3  ball 40.0%, dog 40.0%, cat 20.0%
age      number      33.3%         4  1.5 to 7, mean 3.375
code     category    16.7%         1  same 100.0%
split    split           0         2  train, test

column   kind because
image    every cell ends as the name of an image file
caption  4 different values in 5 cells, 2.6 words on average
label    3 different values in 5 cells
age      every cell is a number
code     1 different value in 5 cells
split    every cell names a split

warning: column \"caption\": 1 of 2 texts outside train is in a train row too, but for case and blanks
  help: name the column that ties them together as `group_by`, or split again
warning: column \"label\": 1 value in no train row: cat
  help: a model cannot learn what it never sees: split again, or leave these rows out
warning: column \"code\" has the same value everywhere: \"same\"
  help: leave it out of the config
warning: 1 row without any value: train.csv:7
  help: remove it, for nothing can be learned from it
warning: column \"image\": 2 files with copies in another split:
    train.csv:2 (train), train.csv:6 (test)
    train.csv:4 (train), train.csv:5 (test)
  help: name the column that ties copies together as `group_by`, or remove the copies
";
    assert_eq!(shown, expected);
}

#[test]
fn unusable_files_are_errors_and_named() {
    let (profile, shown) =
        csv("image,split\na.png,train\nb.png,train\nc.png,test\nb.png,test\n", &[("a.png", "good"), ("b.png", "bad")]);
    assert!(profile.has_errors());
    let files = profile.columns[0].files.as_ref().unwrap();
    assert_eq!((files.checked, files.unreadable.total), (3, 3));
    let expected = "error: column \"image\": 3 files cannot be used:
    train.csv:3, column \"image\": not a picture: b.png
    train.csv:4, column \"image\": no such file: c.png
    train.csv:5, column \"image\": not a picture: b.png
  help: correct these rows, or set `data.on_error = \"skip\"`
warning: 1 row with copies";
    assert!(shown.contains(expected), "{shown}");
}

#[test]
fn a_column_of_missing_files() {
    let rows: String = (0..30).map(|row| format!("{row}.png,{}\n", if row < 20 { "train" } else { "test" })).collect();
    let (profile, shown) = csv(&format!("image,split\n{rows}"), &[]);
    let files = profile.columns[0].files.as_ref().unwrap();
    assert_eq!((files.unreadable.total, files.unreadable.first.len()), (30, 20));
    assert!(
        shown.contains("\n    and 10 more\n  help: paths start at data; move the files there or correct the paths\n"),
        "{shown}"
    );
}

#[test]
fn cells_that_are_no_numbers() {
    let rows: String = (0..30).map(|row| format!("{row}.5,{}\n", if row < 20 { "train" } else { "test" })).collect();
    let (profile, shown) = csv(&format!("age,split\n{rows}n/a,train\n"), &[]);
    assert_eq!(profile.errors.len(), 1);
    assert!(shown.contains("error: column \"age\": 1 cell is no number: train.csv:32: \"n/a\"\n"), "{}", shown);
    let spread = profile.columns[0].numbers.unwrap();
    assert_eq!((spread.min, spread.mean, spread.max), (0.5, 15.0, 29.5));
}

#[test]
fn equal_rows_leak_whatever_their_identifier() {
    let text = "id,words,split\nu1,a red ball,train\nu2,two big dogs,train\nu3,a red ball,test\nu4,a red ball,test\nu5,one,train\nu6,two,test\n";
    let (profile, shown) = csv(text, &[]);
    assert_eq!(profile.leaks.len(), 1);
    assert_eq!((profile.leaks[0].column.as_ref(), profile.leaks[0].copies.total), (None, 1));
    assert!(shown.contains("train.csv:2 (train), train.csv:4 (test)"), "{}", shown);
    let (profile, _) = csv("label,split\ncat,train\ncat,train\ncat,test\ndog,train\n", &[]);
    assert!(profile.leaks.is_empty(), "rows of the same class alone are no copies");
}

#[test]
fn a_row_of_no_split_leaks_nowhere() {
    let cell = |text: &str| vec![Some(Raw::Text(text.into()))];
    let rows = vec![cell("a red ball"), cell("two dogs"), cell("a red ball"), cell("a cat")];
    let table = Table::from_rows(vec!["caption".into()], rows).unwrap();
    let splits = |test| Named::from([("train".to_string(), vec![0, 1]), ("test".to_string(), test)]);
    assert!(profile_with(&table, &splits(vec![3]), &probe).leaks.is_empty());
    assert_eq!(profile_with(&table, &splits(vec![2]), &probe).leaks.len(), 1);
}

#[test]
fn texts_that_differ_in_case_leak_unless_they_come_again_and_again() {
    let (profile, shown) =
        csv("caption,split\na red ball,train\ntwo dogs run,train\nA Red  ball ,test\none white cat,test\n", &[]);
    assert_eq!(profile.columns[0].in_train, Some(Share { some: 1, all: 2 }));
    assert!(shown.contains("column \"caption\": 1 of 2 texts outside train is in a train row too"), "{shown}");
    let rows = "is it red or blue,train\nwhat shape does it have here,train\n".repeat(4) + "is it red or blue,test\n";
    let (profile, shown) = csv(&format!("question,split\n{rows}"), &[]);
    assert!(!shown.contains("texts outside train") && !shown.contains("text outside train"), "{shown}");
    assert!(profile.columns[0].kind == Kind::Category || profile.columns[0].in_train.is_some());
}

#[test]
fn balance_counts_every_value() {
    let rows: String =
        (0..120).map(|row| format!("c{},{}\n", row % 25, if row < 100 { "train" } else { "test" })).collect();
    let (profile, shown) = csv(&format!("label,split\n{rows}"), &[]);
    let label = &profile.columns[0];
    assert_eq!((label.distinct, label.balance.len()), (25, 20));
    assert_eq!(label.balance[0], Count { value: "c0".into(), rows: 5 });
    assert!(shown.contains("c0 (5), c1 (5), c10 (5), c11 (5), c12 (5), 20 more\n"), "{}", shown);
}

#[test]
fn long_values_are_cut_by_characters() {
    assert_eq!(short(&"é".repeat(41)), format!("{}…", "é".repeat(40)));
    assert_eq!(short("a\nb"), "a b");
}

proptest::proptest! {
    #[test]
    fn any_table_has_a_profile(cells in proptest::collection::vec("|a|1|2.5|nan|a\\.png|é x y|train|test", 3..60), name in "split|label|id|\n") {
        let rows: Vec<Vec<_>> = cells.chunks_exact(3)
            .map(|row| row.iter().map(|cell| (!cell.is_empty()).then(|| Raw::Text(cell.clone()))).collect()).collect();
        let table = Table::from_rows(vec!["x".into(), "y".into(), name], rows).unwrap();
        let all = (0..table.len()).partition::<Vec<_>, _>(|row| row % 2 == 0);
        let splits = Named::from([("train".to_string(), all.0), ("test".to_string(), all.1)]);
        let profile = profile_with(&table, &splits, &probe);
        proptest::prop_assert!(profile.to_string().ends_with('\n'));
        proptest::prop_assert!(serde_json::to_string(&profile).is_ok());
    }
}

#[test]
fn bytes_of_no_known_form_have_no_size() {
    let bytes = |content: &[u8]| vec![Some(crate::Raw::Bytes(content.into()))];
    let table = Table::from_rows(vec!["raw".into()], vec![bytes(b"first"), bytes(b"second")]).unwrap();
    let shown = profile(&table, &crate::Named::new()).to_string();
    assert!(shown.contains("raw     bytes        0         2  2 files\n"), "{shown}");
}
