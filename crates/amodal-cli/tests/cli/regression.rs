//! One test for each defect that was reported or found, named after it: `r12_…` for issue 12. It fails on the code
//! before the fix.
use crate::{
    data::{CONFIG, png, squares, trained},
    place::Place,
};

/// A table with a `split` column was divided although all of its rows were asked for, and one row cannot be.
#[test]
fn a_table_of_one_row_with_a_split_is_predicted() {
    let place = trained();
    let table = place.read("table.csv");
    place.write("one.csv", table.lines().take(2).map(|line| format!("{line}\n")).collect::<String>());
    assert_eq!(place.amodal("predict run one.csv").done().json_lines().len(), 1);
    assert_eq!(place.amodal("embed run one.csv").done().json_lines().len(), 2);
    place.amodal("index run one.csv -o index -q").done();
    place.write(
        "empty_cell.csv",
        table.lines().take(4).map(|line| line.replace(",train", ",") + "\n").collect::<String>(),
    );
    assert_eq!(place.amodal("predict run empty_cell.csv").done().json_lines().len(), 3);
}

/// `data.on_error = "skip"` did not hold for the numbers that a mean is computed from, nor in `predict`, `embed`, `index`.
#[test]
fn rows_that_cannot_be_read_are_left_out_everywhere() {
    let place = squares();
    let bad = place.read("table.csv").replacen(",1.00,", ",NaN,", 1).replacen("img/002.png", "img/nosuch.png", 1);
    place.write("table.csv", &bad);
    let help = "leave such rows out with `data.on_error = \"skip\"`";
    place.amodal("train config.toml --out run -q").failed(1, &["table.csv:2, column \"size\"", "\"NaN\"", help]);
    place.write("config.toml", CONFIG.replace("[train]", "on_error = \"skip\"\n[train]"));
    let warnings = ["table.csv:2, column \"size\"", "table.csv:4, column \"image\"", "2 rows left out"];
    place.amodal("train config.toml --out run --set train.epochs=1").done().says(&warnings);
    let lines = place.amodal("predict run table.csv").done().says(&warnings).json_lines();
    let rows: Vec<&str> = lines.iter().map(|line| line["row"].as_str().unwrap()).collect();
    assert_eq!((lines.len(), &rows[..2]), (198, &["table.csv:3", "table.csv:5"][..]), "each keeps its own name");
    let vectors = place.amodal("embed run table.csv").done().says(&warnings).json_lines();
    assert!(!vectors.iter().any(|line| line["row"] == "table.csv:2" || line["row"] == "table.csv:4"));
    place.amodal("index run table.csv -o index").done().says(&warnings);
    place.amodal("predict run --input size=NaN").failed(1, &["column \"size\"", "\"NaN\""]);
    let header_and_bad: String = bad.lines().take(2).map(|line| format!("{line}\n")).collect();
    place.write("bad.csv", header_and_bad);
    place.amodal("predict run bad.csv").failed(1, &["bad.csv: no row can be read"]);
}

/// A number far from those of the training rows overflowed, and was predicted as NaN.
#[test]
fn a_number_beyond_all_measure_is_an_error() {
    let place = trained();
    place.amodal("predict run --input size=3e38").failed(1, &["column \"size\"", "3e38", "mean of", "help: "]);
    place.amodal("predict run --input size=1e6").done();
}

/// A modality without a value in the training rows was trained silently.
#[test]
fn a_column_that_is_empty_in_training_is_an_error() {
    let place = squares();
    let table = place.read("table.csv");
    let emptied = table.lines().map(|line| match line.ends_with(",train") {
        true => {
            line.split(',').enumerate().map(|(at, cell)| if at == 3 { "" } else { cell }).collect::<Vec<_>>().join(",")
        }
        false => line.to_string(),
    });
    place.write("table.csv", emptied.map(|line| line + "\n").collect::<String>());
    let parts = ["table.csv: no training row has a value of `size`", "take `modalities.size` out of the config"];
    place.amodal("train config.toml --out run").failed(1, &parts);
}

/// A config that reads with four senses.
const SENSES: &str = r#"
[data]
path = "table.csv"
[train]
epochs = 1
batch_size = 8
[modalities]
clip = { type = "video", size = 8, frames = 3 }
picture = { type = "image", size = 8 }
sound = { type = "audio", mel = { sample_rate_hz = 8000, num_mels = 8 } }
words = { type = "text" }
[encode]
clip = { type = "r2plus1d", channels = [4, 4], dim = 8 }
picture = { type = "cnn", channels = [4, 4], dim = 8 }
sound = { type = "cnn", channels = [4], pool = "mean", dim = 8 }
words = { type = "text_cnn", channels = 4, dim = 8 }
[fuse]
type = "product"
dim = 8
[tasks.label]
target = { type = "category" }
decode = { type = "classifier" }
loss = { type = "cross_entropy" }
[tasks.align]
loss = { type = "info_nce", dim = 8 }
"#;

/// Float samples as a WAV file of one channel.
fn wav(sample_rate_hz: u32, samples: &[f32]) -> Vec<u8> {
    let data: Vec<u8> = samples.iter().flat_map(|sample| sample.to_le_bytes()).collect();
    let length = data.len() as u32;
    let (rate, bytes) = (sample_rate_hz.to_le_bytes(), (sample_rate_hz * 4).to_le_bytes());
    let format = [b"WAVEfmt \x10\0\0\0\x03\0\x01\0".as_slice(), &rate, &bytes, b"\x04\0\x20\0data"].concat();
    [b"RIFF", &(36 + length).to_le_bytes()[..], &format, &length.to_le_bytes(), &data].concat()
}

/// Thirty rows of a picture, a sound, a clip and words; `change` gives the cells of a row instead.
fn senses(change: impl Fn(usize) -> Option<String>) -> Place {
    let place = Place::new();
    let mut table = "clip,picture,sound,words,label,split\n".to_string();
    for row in 0..30 {
        let line = [[row as u8 * 8, 80, 90].repeat(4)].concat();
        let picture = png(4, 4, &mut std::iter::repeat_n(line.as_slice(), 4));
        place.write(&format!("clips/{row}/0.png"), &picture);
        place.write(&format!("clips/{row}/1.png"), &picture);
        place.write(&format!("{row}.png"), &picture);
        let sine: Vec<f32> = (0..1600).map(|at| (at as f32 * 0.1 * (1 + row % 3) as f32).sin() * 0.5).collect();
        place.write(&format!("{row}.wav"), wav(8000, &sine));
        let cells = change(row).unwrap_or_else(|| format!("clips/{row},{row}.png,{row}.wav,number {row}"));
        let split = ["train", "train", "train", "validation", "test"][row % 5];
        table += &format!("{cells},{},{split}\n", ["low", "high"][row % 2]);
    }
    place.write("table.csv", table);
    place.write("config.toml", SENSES);
    place
}

/// The smallest and the largest values of every sense are read, in every split.
#[test]
fn extreme_values_are_values() {
    let long = "one two three ".repeat(33_334);
    let place = senses(|row| match row % 15 {
        // of 15 rows the third, fourth and fifth are one each of training, validation and test
        2..=4 => Some(format!("still,dot.png,instant.wav,{long}")),
        7..=9 => Some(format!("still,line.png,silence.wav,{}", "x".repeat(100_000))),
        12..=14 => Some("still,,short.wav,😀 \u{202e}".to_string()),
        _ => None,
    });
    place.write("still/0.png", png(1, 1, &mut [[9_u8, 8, 7].as_slice()].into_iter()));
    place.write("dot.png", png(1, 1, &mut [[9_u8, 8, 7].as_slice()].into_iter()));
    place.write("line.png", png(5000, 1, &mut [[9_u8, 8, 7].repeat(5000).as_slice()].into_iter()));
    place.write("instant.wav", wav(44_100, &[0.5]));
    place.write("short.wav", wav(8000, &[0.1; 20]));
    place.write("silence.wav", wav(8000, &[0.0; 8000]));
    place.amodal("train config.toml --out run").done();
    let lines = place.amodal("predict run table.csv").done().json_lines();
    assert_eq!(lines.len(), 30);
    assert!(lines.iter().all(|line| line["tasks"]["label"]["probability"].is_number()));
    let vectors = place.amodal("embed run table.csv").done().json_lines();
    assert_eq!(vectors.len(), 30 * 4 - 6, "six rows have no picture");
    assert!(vectors.iter().flat_map(|line| line["vector"].as_array().unwrap()).all(serde_json::Value::is_number));
    place.amodal("evaluate run table.csv --subsets").done();
}

/// A float WAV beyond all measure was a panic in the resampler, or made the training's numbers NaN; the place in a folder
/// of pictures stood instead of the row's, or was lost; a sound of no samples had no way out.
#[test]
fn media_that_cannot_be_read_are_named_with_their_row_and_file() {
    let place = senses(|_| None);
    let predicted = |value: &str, parts: &[&str]| {
        place.amodal(&format!("predict run --input {value}")).failed(1, parts);
    };
    place.amodal("train config.toml --out run -q").done();
    for rate in [8000, 44_100] {
        place.write("loud.wav", wav(rate, &[3e38, -3e38].repeat(2000)));
        predicted("sound=loud.wav", &["row 1, column \"sound\": loud.wav: damaged sound: sample 0 is 3e38"]);
    }
    place.write("none.wav", wav(8000, &[]));
    predicted("sound=none.wav", &["column \"sound\": none.wav: no sound: zero samples", "help: leave the cell empty"]);
    place.write("clips/0/1.png", "no picture");
    let parts = ["row 1, column \"clip\": clips/0: picture 2: not a picture: starts with \"no picture\"", "help: "];
    predicted("clip=clips/0", &parts);
    place.amodal("predict run table.csv").failed(1, &["table.csv:2, column \"clip\": clips/0: picture 2", "help: "]);
    place.amodal("train config.toml --out other -q").failed(1, &["table.csv:2, column \"clip\": clips/0: picture 2"]);
}

/// Attention among very many tokens ended in an allocation that the system refuses.
#[test]
fn attention_that_does_not_fit_into_memory_is_an_error() {
    let place = squares();
    let table = place.read("table.csv");
    let long = "word ".repeat(30_000);
    place.write("table.csv", table.replacen("a red square of kind big", &long, 1));
    let transformer = "\"transformer\"\nnum_layers = 1";
    place.write(
        "config.toml",
        CONFIG.replace("\"bag\"", transformer).replace("\"text\"\n", "\"text\"\nmax_time = 40000\n"),
    );
    let parts =
        ["encode.text: all pairs of 30000 and 30000 tokens", "expected at most 8.6", "help: shorten what is read"];
    place.amodal("train config.toml --out run -q").failed(2, &parts);
}
