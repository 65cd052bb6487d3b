//! Data that cannot be used as it stands: the message names file, line and column.
use crate::data::{CONFIG, HEADER, enormous_png, rows, squares, table, trained};
use crate::place::{Place, Ran};

/// Both ways in which a table is read before anything is trained.
#[track_caller]
fn check_and_train(place: &Place, parts: &[&str]) {
    let ran = place.amodal("check config.toml");
    assert_eq!(ran.code, 1, "{ran}");
    ran.says(parts);
    place.amodal("train config.toml --out run").failed(1, parts);
    assert!(!place.path("run/config.toml").exists(), "bad data is found before a run is made");
}

/// The squares with one line of the table changed; line 1 is the header.
fn with_line(line: usize, change: impl Fn(&str) -> String) -> Place {
    let place = squares();
    let mut rows = rows();
    rows[line - 2] = change(&rows[line - 2]);
    place.write("table.csv", table(&rows));
    place
}

/// The squares with one picture replaced: that of line 39.
fn with_picture(content: &[u8]) -> Place {
    let place = squares();
    place.write("img/037.png", content);
    place
}

#[test]
fn a_missing_table() {
    let place = squares();
    std::fs::remove_file(place.path("table.csv")).unwrap();
    check_and_train(&place, &["table.csv: no such file"]);
    place.amodal("check nosuch.csv").failed(1, &["nosuch.csv: no such file"]);
    place.amodal("init nosuch.csv -o other.toml").failed(1, &["nosuch.csv: no such file"]);
    place.amodal("check config.json").failed(1, &["config.json: no such file"]);
}

#[test]
fn a_file_that_is_no_table() {
    let place = squares();
    place.write("table.xlsx", "x");
    place.amodal("check table.xlsx").failed(1, &["table.xlsx: not a table", ".csv", ".jsonl"]);
    place.write("table.json", "[]");
    place.amodal("check table.json").failed(1, &["table.json: ", "help: expected COCO's captions", "is named .jsonl"]);
}

#[test]
fn a_missing_column() {
    let place = squares();
    place.write("table.csv", table(&rows()).replacen("text", "texts", 1));
    check_and_train(
        &place,
        &["table.csv: no column \"text\"", "\"texts\"", "help: did you mean \"texts\"?", "data.columns.text = "],
    );
}

#[test]
fn a_missing_picture_in_one_row() {
    let place = with_line(38, |row| row.replace(".png", ".pgn"));
    check_and_train(&place, &["table.csv:38, column \"image\"", "no such file", "img/036.pgn", "help: mend the row"]);
    // the policy to leave rows out
    let ran = place.amodal("train config.toml --out run --set data.on_error=skip --set train.epochs=1").done();
    ran.says(&["warning: left out: ", "table.csv:38, column \"image\"", "1 row left out"]);
}

#[test]
fn too_many_missing_pictures() {
    let place = squares();
    for row in 0..20 {
        std::fs::remove_file(place.path(format!("img/{row:03}.png"))).unwrap();
    }
    let skip = "train config.toml --out run --set data.on_error=skip --set data.max_errors=5";
    place.amodal(skip).failed(1, &["20 rows cannot be read", "data.max_errors = 5", "table.csv:2, column \"image\""]);
}

#[test]
fn a_truncated_picture() {
    let whole = squares().bytes("img/037.png");
    for length in [0, 4, 20, whole.len() / 2, whole.len() - 13] {
        let place = with_picture(&whole[..length]);
        place
            .amodal("check config.toml")
            .failed_with_output(1, &["table.csv:39, column \"image\"", "img/037.png", "help: mend the row"]);
    }
    check_and_train(&with_picture(&whole[..50]), &["table.csv:39, column \"image\"", "img/037.png"]);
}

#[test]
fn a_picture_that_is_text() {
    let place = with_picture(b"<html>404</html>");
    check_and_train(&place, &["table.csv:39, column \"image\"", "img/037.png"]);
}

#[test]
fn a_small_file_of_an_enormous_picture() {
    let file = enormous_png();
    assert!(file.len() < 2_000_000);
    let place = with_picture(&file);
    check_and_train(&place, &["table.csv:39, column \"image\"", "img/037.png", "400 megapixels", "limit"]);
}

#[cfg(unix)]
#[test]
fn a_device_as_a_picture() {
    let place = with_line(39, |row| row.replace("img/037.png", "/dev/zero"));
    check_and_train(&place, &["table.csv:39, column \"image\"", "not a regular file", "/dev/zero"]);
    let place = trained();
    place.amodal("predict run --input image=/dev/zero").failed(1, &["column \"image\"", "not a regular file"]);
}

#[test]
fn a_ragged_row() {
    check_and_train(&with_line(38, |row| format!("{row},more")), &["table.csv:38", "7", "6"]);
    check_and_train(&with_line(38, |row| row.replacen(',', " ", 1)), &["table.csv:38", "5", "6"]);
}

#[test]
fn a_quote_that_does_not_end() {
    check_and_train(&with_line(38, |row| row.replacen(",a ", ",\"a ", 1)), &["table.csv:38"]);
}

#[test]
fn an_empty_table_and_one_without_rows() {
    let place = squares();
    place.write("table.csv", "");
    check_and_train(&place, &["table.csv: "]);
    place.write("table.csv", format!("{HEADER}\n"));
    check_and_train(&place, &["table.csv: a header and no rows"]);
}

#[test]
fn text_that_is_not_utf8() {
    let place = squares();
    let mut bytes = table(&rows()).into_bytes();
    let line = bytes.iter().enumerate().filter(|(_, byte)| **byte == b'\n').nth(36).expect("200 lines").0;
    bytes[line + 3] = 0xe9; // é in Latin-1
    place.write("table.csv", bytes);
    check_and_train(&place, &["table.csv:38", "UTF-8"]);
}

#[test]
fn a_word_where_a_number_is_read() {
    let place = with_line(38, |row| row.replace(",1.36,", ",large,"));
    check_and_train(&place, &["table.csv:38, column \"size\"", "\"large\""]);
}

#[test]
fn a_label_that_training_never_sees() {
    let place = with_line(150, |row| row.replace(",red,", ",violet,").replace(",green,", ",violet,"));
    assert!(place.read("table.csv").contains(",violet,validation"));
    check_and_train(&place, &["table.csv:150, column \"label\"", "violet", "help: "]);
}

#[test]
fn a_split_that_is_no_split() {
    let place = squares();
    place.write("table.csv", table(&rows()).replace(",train\n", ",\n"));
    check_and_train(&place, &["table.csv"]);
}

#[test]
fn weights_that_are_damaged() {
    let place = trained();
    let whole = place.bytes("run/model.safetensors");
    let predict = |parts: &[&str]| {
        place.amodal("predict run --input text=red").failed(1, parts);
    };
    place.write("run/model.safetensors", &whole[..whole.len() / 2]);
    predict(&["run/model.safetensors: damaged"]);
    place.write("run/model.safetensors", b"");
    predict(&["run/model.safetensors: damaged"]);
    place.write("run/model.safetensors", [[0xff; 8].as_slice(), &whole[8..]].concat());
    predict(&["run/model.safetensors: damaged"]);
    std::fs::remove_file(place.path("run/model.safetensors")).unwrap();
    predict(&["run: its training has not ended", "help: continue it with `amodal train --resume run`"]);
}

#[test]
fn weights_of_another_model() {
    let place = trained();
    place.amodal("train config.toml --out other --set train.epochs=1 --set encode.text.dim=16 -q").done();
    place.write("run/model.safetensors", place.bytes("other/model.safetensors"));
    place.amodal("predict run --input text=red").failed(1, &["run/model.safetensors"]);
}

#[test]
fn an_index_that_is_damaged() {
    let place = trained();
    place.amodal("index run table.csv -o index -q").done();
    let whole = place.bytes("index");
    place.write("index", &whole[..whole.len() - 5]);
    place.amodal("search run index --by text=red").failed(1, &["index: ", "help: make it again with `amodal index`"]);
    place.write("index", place.bytes("run/model.safetensors"));
    place.amodal("search run index --by text=red").failed(1, &["index: ", "not an index", "help: "]);
}

#[test]
fn a_checkpoint_that_is_damaged() {
    let place = trained();
    let state = "run/checkpoint/state.safetensors";
    let whole = place.bytes(state);
    place.write(state, &whole[..whole.len() / 2]);
    std::fs::remove_file(place.path("run/checkpoint/previous.safetensors")).unwrap();
    place.amodal("train --resume run -q").failed(1, &[state, "damaged", "help: train it anew: "]);
}

#[test]
fn a_value_of_the_command_line_that_cannot_be_read() {
    let place = trained();
    place.amodal("predict run --input image=nosuch.png").failed(1, &["column \"image\"", "no such file", "nosuch.png"]);
    place.amodal("predict run --input size=large").failed(1, &["column \"size\"", "\"large\""]);
}

impl Ran {
    /// It failed with this exit code after it had written some of its result.
    #[track_caller]
    fn failed_with_output(self, code: i32, parts: &[&str]) -> Self {
        assert_eq!(self.code, code, "{self}");
        self.says(parts)
    }
}

/// The config of these tests is one that works.
#[test]
fn the_squares_are_sound() {
    let place = squares();
    assert_eq!(place.read("config.toml"), CONFIG);
    assert!(place.amodal("check config.toml").done().stdout.ends_with("ok\n"));
    place.amodal("check table.csv").done();
}
