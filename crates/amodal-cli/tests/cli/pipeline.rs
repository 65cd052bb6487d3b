//! From a table to predictions and a search.
use crate::{
    data::{squares, trained},
    place::{Place, json_lines},
};
use serde_json::Value;

#[test]
fn a_check_says_how_long_it_takes_and_shows_a_page() {
    let place = squares();
    let ran = place.amodal("check config.toml --html config.html").done().says(&["wrote config.html"]);
    for part in ["decoding every value once: about ", "an epoch: about ", " each about ", "6 epochs: about "] {
        assert!(ran.stdout.contains(part), "{part}: {ran}");
    }
    let estimate = &place.amodal("check config.toml --json").done().json()["estimate"];
    assert!(estimate["step_seconds"].as_f64().unwrap() > 0.0 && estimate["steps"].as_u64().unwrap() > 0, "{estimate}");
    let ran = place.amodal("check table.csv --html table.html").done();
    assert!(ran.stdout.contains("reading and decoding every file once: about "), "{ran}");
    for page in ["config.html", "table.html"] {
        let page = place.read(page);
        assert!(page.starts_with("<!DOCTYPE html>") && page.contains("data:image/") && !page.contains("<script"));
    }
}

#[test]
fn a_table_becomes_a_model_that_predicts() {
    let place = squares();
    place.amodal("init table.csv -o new.toml").done().says(&["wrote new.toml", "amodal train new.toml"]);
    assert!(place.amodal("check new.toml").done().stdout.ends_with("ok\n"));
    assert_eq!(place.amodal("check config.toml --json").done().json()["splits"].as_array().unwrap().len(), 3);

    let ran = place.amodal("train config.toml --out run").done();
    assert!(ran.stdout.starts_with("align (test)"), "only the result is on stdout: {ran}");
    let ran = ran.says(&["epoch 1: train", "epoch 6: train", "report: run/report.html"]);
    assert!(!ran.stderr.contains('\r'), "no bar where stderr is no terminal: {ran}");
    for file in ["config.toml", "model.safetensors", "metrics.jsonl", "results.json", "environment.json", "report.html"]
    {
        assert!(place.path("run").join(file).exists(), "{file}");
    }
    assert_eq!(json_lines(&place.read("run/metrics.jsonl")).len(), 6);

    // the data of training are not needed any more
    std::fs::rename(place.path("table.csv"), place.path("new.csv")).unwrap();
    let measured = place.amodal("evaluate run new.csv --json").done().json();
    let accuracy = figure(&measured, "label", "accuracy");
    assert_eq!((accuracy["split"].as_str(), accuracy["count"].as_u64()), (Some("test"), Some(30)));
    assert!(accuracy["value"].as_f64().unwrap() > 0.9, "{accuracy}");
    assert!(accuracy["floor"].as_f64().unwrap() < 0.4, "{accuracy}");
    assert_eq!(accuracy["given"], serde_json::json!(["image", "size", "text"]));

    let measured = place.amodal("evaluate run new.csv --json --without image --without text").done().json();
    assert_eq!(figure(&measured, "label", "accuracy")["given"], serde_json::json!(["size"]));
    let subsets = place.amodal("evaluate run new.csv --json --subsets").done().json();
    let count = subsets.as_array().unwrap().iter().filter(|one| one["name"] == "accuracy").count();
    assert_eq!(count, 7, "every subset of three modalities that is not empty");
    let withheld = place.amodal("evaluate run new.csv --json --withheld").done().json();
    let shares = withheld.as_array().unwrap().iter().filter(|one| one["name"] == "accuracy");
    let shares: Vec<f64> = shares.filter_map(|one| one["withheld"]["share"].as_f64()).collect();
    assert_eq!(shares, [0.0, 0.25, 0.5, 0.75, 1.0].repeat(4), "three modalities, and all at once");
    let text = place.amodal("evaluate run new.csv --withheld").done().stdout;
    assert!(["accuracy of label (test; ", "25 %", "100 %"].iter().all(|part| text.contains(part)), "{text}");
    assert!(place.read("run/report.html").contains("id=\"withheld\""));
}

fn figure<'a>(measured: &'a Value, task: &str, name: &str) -> &'a Value {
    let all = measured.as_array().expect("a list");
    all.iter().find(|one| one["task"] == task && one["name"] == name).unwrap_or_else(|| panic!("{measured:#}"))
}

#[test]
fn predictions_in_every_form() {
    let place = trained();
    let lines = place.amodal("predict run table.csv").done().json_lines();
    assert_eq!(lines.len(), 200);
    assert_eq!(lines[0]["row"], "table.csv:2");
    let class = lines[0]["tasks"]["label"]["class"].as_str().unwrap();
    assert!(["red", "green", "blue", "yellow"].contains(&class));

    let ran = place.amodal("predict run table.csv -o out.jsonl").done();
    assert_eq!(ran.stdout, "");
    assert_eq!(json_lines(&place.read("out.jsonl")), lines);

    place.amodal("predict run table.csv -o out.csv").done();
    let csv = place.read("out.csv");
    assert_eq!(csv.lines().count(), 201);
    assert_eq!(csv.lines().next(), Some("row,label,label_probability"));
    assert!(csv.lines().nth(1).unwrap().starts_with(&format!("table.csv:2,{class},")), "{csv}");

    let ran = place.arguments(&["predict", "run", "--input", "text=a red square", "--input", "image=img/000.png"]);
    assert!(ran.done().stdout.starts_with("label"));
    let one = place.amodal("predict run --input image=img/000.png --json").done().json_lines();
    assert!(one[0]["tasks"]["label"]["probability"].as_f64().unwrap() > 0.0);

    // a picture from stdin
    let mut command = place.command(&["predict", "run", "--input", "image=-", "--json"]);
    command.stdin(std::fs::File::open(place.path("img/000.png")).unwrap());
    let ran = crate::place::Ran::new("predict run --input image=-", &command.output().unwrap()).done();
    assert_eq!(ran.json_lines()[0]["tasks"], one[0]["tasks"]);

    // a row of a table alone says what it says among others
    place.write("one.csv", place.read("table.csv").lines().take(2).map(|line| format!("{line}\n")).collect::<String>());
    let alone = place.amodal("predict run one.csv").done().json_lines();
    let p = |line: &Value| line["tasks"]["label"]["probability"].as_f64().unwrap();
    assert!((p(&alone[0]) - p(&lines[0])).abs() < 1e-5, "{alone:?} {:?}", lines[0]);
}

#[test]
fn missing_values_are_no_errors() {
    let place = trained();
    place.write("some.csv", "image,text,size\nimg/000.png,,\n,a red square,\n,,3\nimg/001.png,a green square,3.5\n");
    assert_eq!(place.amodal("predict run some.csv").done().json_lines().len(), 4);
    place.write("words.csv", "text\na red square\na blue square\n");
    assert_eq!(place.amodal("predict run words.csv").done().json_lines().len(), 2);
}

#[test]
fn products_in_bfloat16_learn_the_same() {
    let place = squares();
    let train = |out: &str| place.amodal(&format!("train config.toml --set train.precision=bfloat16 --out {out}"));
    if !amodal::kernels::Precision::Bfloat16.is_available() {
        train("run").failed(2, &["train.precision", "no AVX-512 BF16"]);
        return;
    }
    train("run").done();
    train("again").done();
    place.amodal("train config.toml --out whole").done();
    assert_eq!(place.bytes("run/model.safetensors"), place.bytes("again/model.safetensors"));
    assert_ne!(place.bytes("run/model.safetensors"), place.bytes("whole/model.safetensors"));
    let accuracy = |run: &str| {
        let measured = place.amodal(&format!("evaluate {run} table.csv --json")).done().json();
        figure(&measured, "label", "accuracy")["value"].as_f64().unwrap()
    };
    assert!(accuracy("run") > 0.9);
    // the run says what it was trained in, and can be used in the other way
    let config = place.read("run/config.toml");
    assert!(config.contains("precision = \"bfloat16\""), "{config}");
    place.write("run/config.toml", config.replace("precision = \"bfloat16\"\n", ""));
    assert!(accuracy("run") > 0.9);
    assert!(!place.read("whole/config.toml").contains("precision"));
}

#[test]
fn one_vector_a_row_and_modality() {
    let place = trained();
    let lines = place.amodal("embed run table.csv").done().json_lines();
    assert_eq!(lines.len(), 400, "200 rows of two modalities in the shared space");
    for line in &lines {
        let vector: Vec<f64> = line["vector"].as_array().unwrap().iter().map(|value| value.as_f64().unwrap()).collect();
        assert_eq!(vector.len(), 16);
        assert!((vector.iter().map(|value| value * value).sum::<f64>() - 1.0).abs() < 1e-4);
    }
    place.amodal("embed run table.csv -o out.jsonl").done();
    assert_eq!(json_lines(&place.read("out.jsonl")), lines);
}

fn found(place: &Place, by: &str, more: &[&str]) -> Vec<String> {
    let arguments = [["search", "run", "index", "--json", "--by", by].as_slice(), more].concat();
    let hits = place.arguments(&arguments).done().json();
    hits.as_array().unwrap().iter().map(|hit| hit["id"].as_str().unwrap().to_string()).collect()
}

#[test]
fn an_index_is_made_searched_and_changed() {
    let place = trained();
    let ran = place.amodal("index run table.csv -o index --id id --split test").done();
    assert_eq!(ran.stdout, "");
    ran.says(&["60 vectors added, 0 removed; 60 in index"]);
    let first = place.bytes("index");

    // what was indexed finds itself first
    let by = "image=img/175.png";
    assert_eq!(found(&place, by, &["-k", "1", "--find", "image"]), ["r175"]);
    assert_eq!(found(&place, by, &["-k", "7"]).len(), 7);
    assert!(found(&place, "text=a red square", &["--find", "image"]).len() == 10);
    let ran = place.amodal("search run index --by text=red -k 3").done();
    assert_eq!(ran.stdout.lines().count(), 3, "{ran}");
    let red = ran.stdout;

    // each row of a table finds itself first among the pictures, in the order of the table
    let lines =
        place.amodal("search run index table.csv --split test --by image --find image -k 2").done().json_lines();
    assert_eq!(lines.len(), 30);
    for (at, line) in lines.iter().enumerate() {
        assert_eq!(line["hits"][0]["id"], format!("r{}", 170 + at), "{line}");
        assert_eq!(line["hits"].as_array().unwrap().len(), 2);
    }
    place.amodal("search run index table.csv --split test --by image --find image -k 2 -o hits.csv").done();
    let hits = place.read("hits.csv");
    assert_eq!((hits.lines().next(), hits.lines().count()), (Some("row,rank,id,modality,score,value"), 61));
    let cells: Vec<&str> = hits.lines().nth(1).unwrap().split(',').collect();
    assert_eq!(cells[..4], ["table.csv:172", "1", "r170", "image"], "{hits}");
    let score = lines[0]["hits"][0]["score"].as_f64().unwrap() as f32;
    assert_eq!(cells[4].parse::<f32>().unwrap(), score, "{hits}");
    assert!((score - 1.0).abs() <= f32::EPSILON, "{hits}"); // it is the row itself, but for the last bit
    place.write("some.csv", "image,text\nimg/170.png,\n,a red square\n");
    let ran = place.amodal("search run index some.csv --by text").done();
    assert_eq!(ran.json_lines().len(), 1, "{ran}");
    ran.says(&["warning: 1 row left out: nothing there to search by"]);
    place.amodal("search run index some.csv --by words").failed(2, &["no modality \"words\"", "image, size, text"]);
    place.amodal("search run index").failed(2, &["DATA", "--by"]);

    // by a graph too, where amodal is built with it
    if cfg!(feature = "hnsw") {
        place
            .amodal("index run table.csv -o near --id id --split test --graph")
            .done()
            .says(&["it finds 100.0 %", "60 in near"]);
        let near = place.amodal("search run near --by text=red -k 3").done().stdout;
        assert_eq!(near, place.amodal("search run near --by text=red -k 3 --exact").done().stdout);
        assert_eq!(near, red);
        assert_eq!(place.amodal("search run near --by text=red -k 3 --effort 1").done().stdout.lines().count(), 3);
        // it stays when rows are added or removed
        place.amodal("index run -o near --remove r175").done().says(&["a graph in ", "58 in near"]);
    } else {
        let ran =
            place.amodal("index run table.csv -o near --graph").failed(1, &["built without graphs", "--features hnsw"]);
        assert!(!place.path("near").exists(), "{ran}");
    }

    // removed, it is not found
    place.amodal("index run -o index --remove r175").done().says(&["0 vectors added, 2 removed; 58 in index"]);
    assert!(!found(&place, by, &["-k", "100"]).contains(&"r175".to_string()));
    place.amodal("index run -o index --remove r175").done().says(&["warning: the index has no row `r175`"]);

    // added again, the index is as it was, byte for byte; rows of the same name are replaced
    place.amodal("index run table.csv -o index --id id --split test").done().says(&["60 in index"]);
    assert_eq!(place.bytes("index"), first);
    place.amodal("index run table.csv -o index --id id --split validation -q").done();
    assert_eq!(found(&place, by, &["-k", "1000"]).len(), 120);
}

#[test]
fn quiet_says_nothing_and_json_is_json() {
    let place = squares();
    let ran = place.amodal("train config.toml --out run --set train.epochs=1 -q --json").done();
    assert_eq!(ran.stderr, "");
    assert!(!ran.json().as_array().unwrap().is_empty());
    for command in
        ["init table.csv -o new.toml -q", "index run table.csv -o index -q", "predict run table.csv -o o.csv -q"]
    {
        let ran = place.amodal(command).done();
        assert_eq!((ran.stdout.as_str(), ran.stderr.as_str()), ("", ""), "{ran}");
    }
    let json = [
        "check table.csv",
        "check config.toml",
        "list",
        "list encoders",
        "doctor",
        "config schema",
        "evaluate run table.csv",
        "search run index --by text=red",
        "init table.csv -o newer.toml",
    ];
    for command in json {
        place.amodal(&format!("{command} --json -q")).done().json();
    }
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    use std::io::Read;
    let place = trained();
    let mut child = place
        .command(&["embed", "run", "table.csv"])
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut some = [0; 10];
    child.stdout.take().unwrap().read_exact(&mut some).unwrap(); // and closed
    let output = child.wait_with_output().unwrap();
    let ran = crate::place::Ran::new("embed run table.csv", &output);
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""), "{ran}");
}

#[test]
fn the_same_seed_gives_the_same_bytes() {
    let place = trained();
    place.amodal("train config.toml --out again --set train.epochs=1 --set data.loader_threads=3 -q").done();
    assert_eq!(place.bytes("again/model.safetensors"), place.bytes("run/model.safetensors"));
    place.amodal("train config.toml --out other --set train.epochs=1 --set train.seed=1 -q").done();
    assert_ne!(place.bytes("other/model.safetensors"), place.bytes("run/model.safetensors"));
}

#[test]
fn parts_are_measured() {
    let place = Place::new();
    let all = place.amodal("list decoders --measure --threads 2 --json -q").done().json();
    for part in all["decoders"].as_array().unwrap() {
        let (cost, measured) = (&part["cost"], &part["measured"]);
        assert_eq!((measured["threads"].as_u64(), measured["rows"].as_u64()), (Some(2), Some(32)), "{part}");
        let (forward, step) =
            (measured["forward_seconds"].as_f64().unwrap(), measured["step_seconds"].as_f64().unwrap());
        assert!(0.0 < forward && forward < step && step < 1.0, "{part}");
        // at least the gradients of the parameters and of the 32 vectors of width 128
        let gradients = (cost["parameters"].as_u64().unwrap() + 32 * 128) * 4;
        let bytes = measured["step_bytes"].as_u64().unwrap();
        // pictures, sounds and texts hold more than their decoders learn
        let is_small = ["classifier", "regressor"].contains(&part["name"].as_str().unwrap());
        assert!((gradients..if is_small { 20 * gradients } else { 1 << 30 }).contains(&bytes), "{part}");
    }
    let shown = place.amodal("list decoders --measure").done();
    let lines: Vec<&str> = shown.stdout.lines().filter(|line| line.starts_with("  ")).collect();
    assert!(lines.len() == all["decoders"].as_array().unwrap().len() && lines[0].ends_with(" MB"), "{shown}");
}

/// Draws a square of the words, and names what is seen.
const CONVERTS: &str = r#"
[data]
path = "table.csv"
columns = { draw = "image", name = "label", tell = "label" }

[modalities]
image = { type = "image", size = 16 }
text = { type = "text" }

[encode]
image = { type = "cnn", channels = [8, 16], dim = 32 }
text = { type = "bag", dim = 32 }

[tasks.draw]
from = ["text"]
target = { type = "image", size = 16 }
decode = { type = "deconv", channels = [16, 8] }
loss = { type = "mse" }

[tasks.name]
from = ["image"]
target = { type = "text", max_time = 3 }
decode = { type = "lstm", dim = 32, dropout = 0.0 }
loss = { type = "cross_entropy" }

[tasks.tell]
from = ["image", "text"]
target = { type = "text", max_time = 3 }
decode = { type = "lstm", dim = 32, dropout = 0.0 }
loss = { type = "cross_entropy" }
modality_dropout = 0.5

[fuse]
type = "mean"
dim = 32

[train]
epochs = 12
batch_size = 20
learning_rate = 5e-3
checkpoint_seconds = 0
seed = 0
"#;

#[test]
fn words_become_pictures_and_pictures_words() {
    let place = squares();
    place.write("convert.toml", CONVERTS);
    place.amodal("train convert.toml --out run -q").done();

    // one value: what it is, and its probability
    assert_eq!(place.amodal("convert run --from image=img/172.png --to name").done().stdout, "red\n");
    let beams = place.amodal("convert run --from image=img/172.png --to text --beam 3 --json").done().json();
    assert_eq!(beams["text"], "red");
    assert!((-0.7..=0.0).contains(&beams["log_probability"].as_f64().unwrap()), "{beams}");

    // a picture, in the format that its name says; the run names what it drew, and by the way round that was asked for
    let draw = |more: &[&str]| {
        let arguments = [["convert", "run", "--from", "text=a green square of kind old"].as_slice(), more].concat();
        place.arguments(&arguments)
    };
    draw(&["--to", "draw", "-o", "drawn.png"]).done().says(&["wrote drawn.png"]);
    assert!(place.bytes("drawn.png").starts_with(b"\x89PNG"));
    draw(&["--to", "image", "-o", "drawn.webp"]).done();
    assert_eq!(place.amodal("convert run --from image=drawn.png --to name").done().stdout, "green\n");
    assert_eq!(draw(&["--via", "draw", "--to", "name"]).done().stdout, "green\n");

    // a table; what was made is a table that a run can be measured on
    place.amodal("convert run table.csv --to draw -o made").done().says(&["wrote made/table.csv: 30 rows"]);
    let made = place.read("made/table.csv");
    assert_eq!(made.lines().next(), Some("id,image,text,size,label,split"));
    assert!(made.lines().nth(1).unwrap().starts_with("r170,draw/000000.png,"), "{made}");
    let measured = place.amodal("evaluate run made/table.csv --json").done().json();
    let exact = figure(&measured, "name", "exact");
    assert_eq!((exact["split"].as_str(), exact["count"].as_u64()), (Some("test"), Some(30)));
    assert!(exact["value"].as_f64().unwrap() > 0.9, "{exact}");
    let written = place.amodal("convert run table.csv --to name --limit 2").done().stdout;
    assert_eq!(written.lines().count(), 3);

    // of a table, what is read
    place.write("contrary.csv", "image,text\nimg/172.png,a green square of kind old\n");
    let told = |of: &str| place.amodal(&format!("convert run contrary.csv --from {of} --to tell")).done().stdout;
    assert!(
        told("image").ends_with(",red\n") && told("text").ends_with(",green\n"),
        "{} {}",
        told("image"),
        told("text")
    );
    place.amodal("convert run contrary.csv --from size --to tell").failed(2, &["no task makes `tell` of size"]);
    place.amodal("convert run contrary.csv --from text=red --to tell").failed(2, &["--from", "table"]);

    // what cannot be
    let ran = draw(&["--to", "sound"]).failed(2, &["sound", "help: ", "draw", "name"]);
    assert!(!place.path("sound").exists(), "{ran}");
    draw(&["--to", "draw", "-o", "drawn.bmp"]).failed(2, &["drawn.bmp", ".png"]);
    draw(&["--to", "draw", "-o", "drawn.png", "--top-p", "2"]).failed(2, &["--top-p"]);
    place.amodal("convert run table.csv --to draw").failed(2, &["help: give a folder: -o made"]);
    place.amodal("convert run table.csv --via name --to draw -o made").failed(2, &["--via"]);
}
