use super::*;

fn text(value: &str) -> Option<Raw> {
    Some(Raw::Text(value.to_string()))
}

fn table(rows: &[&[&str]]) -> Table {
    let rows = rows.iter().map(|row| row.iter().map(|cell| text(cell)).collect()).collect();
    Table::from_rows(vec!["image".into(), "label".into()], rows).unwrap()
}

#[test]
fn cells_by_index_and_name() {
    let table = table(&[&["a.png", "cat"], &["b.png", "dog"]]);
    assert_eq!((table.len(), table.cell(1, 1)), (2, text("dog").as_ref()));
    assert_eq!(table.named(0, "image"), text("a.png").as_ref());
    assert_eq!((table.named(0, "none"), table.cell(2, 0)), (None, None));
    assert_eq!(table.column("label").unwrap(), 1);
    assert_eq!(table.place(1, 0), "row 2, column \"image\"");
}

#[test]
fn an_unknown_column_lists_the_known() {
    let error = table(&[&["a", "b"]]).column("imgae").unwrap_err();
    assert_eq!(error.to_string(), "table: no column \"imgae\"; columns are \"image\", \"label\"");
    assert_eq!(error.help(), Some("did you mean \"image\"?"));
    assert_eq!(table(&[&["a", "b"]]).column("xyz").unwrap_err().help(), None);
    let wide = Table::from_rows((0..22).map(|index| index.to_string()).collect(), vec![vec![None; 22]]).unwrap();
    assert!(wide.column("x").unwrap_err().to_string().ends_with("\"19\", and 2 more"));
}

#[test]
fn rows_in_memory_are_checked() {
    let error = |columns: &[&str], rows| {
        Table::from_rows(columns.iter().map(|name| (*name).to_string()).collect(), rows).unwrap_err().to_string()
    };
    assert_eq!(error(&["a", "b"], vec![vec![None; 2], vec![None]]), "row 2: 1 cell, expected 2 as there are columns");
    assert_eq!(error(&["a"], vec![]), "table: no rows");
    assert_eq!(error(&[], vec![]), "table: no columns");
    assert_eq!(error(&["a", "a"], vec![]), "table: two columns have the name \"a\", the 1st and the 2nd");
}

#[test]
fn the_ending_decides() {
    let folder = tempfile::tempdir().unwrap();
    let read = |name: &str, bytes: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        Table::read(&path).map_err(|error| {
            let text = error.to_string().replace(&folder.path().display().to_string(), "data");
            (text, error.help().unwrap_or_default().to_string())
        })
    };
    assert_eq!(read("a.CSV", "a,b\n1,2\n").unwrap().columns(), ["a", "b"]);
    assert_eq!(read("a.tsv", "a\tb\n1\t2\n").unwrap().columns(), ["a", "b"]);
    assert_eq!(read("a.jsonl", "{\"a\": 1}").unwrap().columns(), ["a"]);
    assert_eq!(read("a.ndjson", "{\"a\": 1}").unwrap().columns(), ["a"]);
    let problem = "data/a.xml: not a table, expected .csv, .tsv, .jsonl, .parquet, .tar, .json (COCO) or a folder";
    assert_eq!(read("a.xml", "[]").unwrap_err(), (problem.to_string(), String::new()));
    let (problem, help) = read("a.json", "[]").unwrap_err();
    assert!(problem.starts_with("data/a.json: ") && help.ends_with("a table of one object a line is named .jsonl"));
    let error = |name| Table::read(Path::new(name)).unwrap_err().to_string();
    assert_eq!(error("missing/a.csv"), "missing/a.csv: no such file");
    assert_eq!(error("missing/a"), "missing/a: no such file or folder");
}

#[test]
fn media_are_read_beside_the_table() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("sub")).unwrap();
    std::fs::write(folder.path().join("sub/a.png"), "pixels").unwrap();
    std::fs::write(folder.path().join("empty.png"), "").unwrap();
    let path = folder.path().join("train.csv");
    std::fs::create_dir(folder.path().join("none")).unwrap();
    let absolute = folder.path().join("sub/a.png");
    let names =
        ["sub/a.png", absolute.to_str().unwrap(), "b.png", "none", "/dev/zero", "empty.png", "https://a/b.png", " "];
    std::fs::write(&path, format!("image,x\n{},1\n,2\n", names.join(",1\n"))).unwrap();
    let table = Table::read(&path).unwrap();
    assert_eq!(table.folder(), Some(folder.path()));
    assert_eq!(&*table.media(0, 0).unwrap(), b"pixels");
    assert_eq!(&*table.media(1, 0).unwrap(), b"pixels");
    let error = |table: &Table, row, column| {
        table.media(row, column).unwrap_err().to_string().replace(&folder.path().display().to_string(), "data")
    };
    let place = |line: usize| format!("data/train.csv:{line}, column \"image\"");
    assert_eq!(error(&table, 2, 0), format!("{}: no such file: data/b.png", place(4)));
    assert_eq!(error(&table, 3, 0), format!("{}: a folder, expected a file: data/none", place(5)));
    if cfg!(unix) {
        assert_eq!(error(&table, 4, 0), format!("{}: not a regular file: /dev/zero", place(6)));
    }
    assert_eq!(error(&table, 5, 0), format!("{}: the file is empty: data/empty.png", place(7)));
    let web = format!("{}: a web address, expected the name of a file: https://a/b.png", place(8));
    assert_eq!(error(&table, 6, 0), web);
    assert_eq!(error(&table, 7, 0), format!("{}: blank, expected the name of a file", place(9)));
    assert_eq!(error(&table, 8, 0), format!("{}: empty, expected the name of a file", place(10)));
    let small = table.with_media_limit(5);
    assert_eq!(error(&small, 0, 0), format!("{}: a file of 6 bytes, the limit is 5: data/sub/a.png", place(2)));
}

#[test]
fn a_request_opens_no_file() {
    let rows = vec![
        vec![text("/etc/hostname")],
        vec![Some(Raw::Bytes(Arc::from(*b"x")))],
        vec![Some(Raw::Numbers(vec![1.0]))],
    ];
    let table = Table::from_rows(vec!["image".into()], rows).unwrap();
    let error = |row| table.media(row, 0).unwrap_err().to_string();
    assert_eq!(error(0), "row 1, column \"image\": text, expected the bytes of a file");
    assert_eq!(&*table.media(1, 0).unwrap(), b"x");
    assert_eq!(error(2), "row 3, column \"image\": a number, expected the name of a file");
    let limited = table.clone().with_media_limit(0);
    assert_eq!(limited.media(1, 0).unwrap_err().to_string(), "row 2, column \"image\": 1 bytes, the limit is 0");
}
