//! Series, and several columns read as one modality, from a file to the fused tokens.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]
use amodal::{Config, Error, Model, data::Examples, run::Prepared, train::device};
use std::path::Path;

const CONFIG: &str = r#"
[data]
path = "table"
[modalities.measures]
type = "number"
columns = ["weight", "height"]
[modalities.track]
type = "series"
length = 3
[encode.measures]
type = "number"
[encode.track]
type = "number"
[fuse]
type = "concat"
[tasks.price]
target = { type = "number" }
decode = { type = "regressor" }
loss = { type = "mse" }
"#;

const CSV: &str = "\
weight,height,track,price,split
1,10,1 2; 3 4,5,train
2,,\"[[1, 2], [3, 4], [5, 6], [7, 8]]\",6,train
,,5 6,7,train
3,30,,8,validation
";

const JSONL: &str = r#"{"weight": 1, "height": 10, "track": [[1, 2], [3, 4]], "price": 5, "split": "train"}
{"weight": 2, "track": [[1, 2], [3, 4], [5, 6], [7, 8]], "price": 6, "split": "train"}
{"track": [[5, 6]], "price": 7, "split": "train"}
{"weight": 3, "height": 30, "track": null, "price": 8, "split": "validation"}
"#;

/// The rows' examples, and the config completed from them.
fn read(name: &str, table: &str, set: &[&str]) -> Result<(Config, Model, Examples), Error> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    std::fs::write(&path, table).unwrap();
    let set: Vec<String> = set.iter().map(ToString::to_string).collect();
    let mut config = Config::parse(CONFIG, &set)?;
    config.data.path = path;
    let prepared = Prepared::new(config)?;
    let model = Model::new(&prepared.config, &device())?;
    let examples = Examples::new(prepared.table, &prepared.config, &model, true)?;
    examples.load(&[0, 1, 2, 3], &prepared.config)?;
    Ok((prepared.config, model, examples))
}

#[test]
fn both_kinds_of_table_give_the_same() {
    let of = |name, table| {
        let (_, _, examples) = read(name, table, &[]).unwrap();
        let batch = examples.gather(&[0, 1, 2, 3], None, true).unwrap().batch(&device()).unwrap();
        let list = |name: &str| {
            let input = batch.inputs[name].clone().each_row();
            let values: Vec<f32> = input.series().unwrap().into_data().iter::<f32>().collect();
            (input.series().unwrap().dims(), values, input.mask.into_data().iter::<f32>().collect::<Vec<_>>())
        };
        (list("measures"), list("track"))
    };
    let (measures, track) = of("a.csv", CSV);
    assert_eq!((&measures, &track), (&of("a.jsonl", JSONL).0, &of("a.jsonl", JSONL).1));
    // weight, height, and whether the height is absent; a row without both lacks the modality
    assert_eq!(measures.0, [4, 1, 3]);
    assert_eq!(measures.1, [-1.0, 0.0, 0.0, 1.0, 0.0, 1.0, 0.0, 0.0, 0.0, 3.0, 20.0, 0.0]);
    assert_eq!(measures.2, [1.0, 1.0, 0.0, 1.0]);
    assert_eq!(track.0, [4, 3, 2]);
    assert_eq!(track.2, [1.0, 1.0, 0.0, 1.0, 1.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0]);
}

#[test]
fn every_encoder_of_series_reads_them() {
    for encoder in ["number", "transformer", "cnn"] {
        let set = format!("encode.track.type={encoder}");
        let (_, model, examples) = read("a.csv", CSV, &[&set]).unwrap();
        let batch = examples.gather(&[0, 1, 2, 3], None, true).unwrap().batch(&device()).unwrap();
        let outputs = model.forward(&batch).unwrap();
        let present: Vec<f32> = outputs.encoded["track"].present().into_data().iter::<f32>().collect();
        assert_eq!(present, [1.0, 1.0, 1.0, 0.0], "{encoder}");
        assert_eq!(outputs.decoded["price"].values().unwrap().dims(), [4, 1, 1], "{encoder}");
    }
}

#[test]
fn errors_name_row_and_column() {
    let error = |from: &str, to: &str| {
        assert!(CSV.contains(from));
        let error = read("a.csv", &CSV.replacen(from, to, 1), &[]).err().unwrap().to_string();
        Path::new(&error).file_name().unwrap().to_string_lossy().into_owned()
    };
    assert_eq!(error("3,30,", "3,tall,"), "a.csv:5, column \"height\": \"tall\", expected a finite number");
    assert_eq!(error("1,10,", "1,inf,"), "a.csv:2, column \"height\": \"inf\", expected a finite number");
    assert_eq!(error("5 6,7", "5 six,7"), "a.csv:4, column \"track\": \"5 six\", expected numbers");
    assert_eq!(error("1 2; 3 4", "1 2; 3"), "a.csv:2, column \"track\": step 2 has 1 number, the first has 2");
    assert_eq!(error("5 6,7", "5 6 7,7"), "a.csv:4, column \"track\": 3 numbers, expected steps of 2 channels");
    assert_eq!(error("30,,8", "30,1 nan,8"), "a.csv:5, column \"track\": NaN in step 1, expected a finite number");
    assert!(error("height", "tallness").contains("no column \"height\""));
}

#[test]
fn a_target_is_never_among_its_inputs() {
    let (_, model, _) = read("a.csv", CSV, &["modalities.measures.columns=[\"weight\", \"price\"]"]).unwrap();
    assert_eq!(model.tasks().next().unwrap().1.from(), ["track"]);
    let error = read("a.csv", CSV, &["tasks.price.target.columns=[\"weight\", \"price\"]"]).err().unwrap();
    assert!(error.to_string().contains("expected one number"), "{error}");
}
