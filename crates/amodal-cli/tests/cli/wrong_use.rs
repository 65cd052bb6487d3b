//! What the command line and the config can get wrong: exit code, place, and the way out.
use crate::{
    data::{CONFIG, squares, trained},
    place::Place,
};

#[test]
fn a_mistyped_command_or_option() {
    let place = Place::new();
    place.amodal("trian config.toml").failed(2, &["'trian'", "'train'"]);
    place.amodal("train config.toml --ouut run").failed(2, &["--ouut", "--out"]);
    place.amodal("list encoder").failed(2, &["'encoder'", "'encoders'"]);
    place.amodal("list metrics --measure").failed(2, &["--measure", "encoders"]);
    place.amodal("list --threads 2").failed(2, &["--measure"]);
    place.amodal("list --measure --threads 0").failed(2, &["--threads"]);
    place.amodal("predict run").failed(2, &["DATA"]);
    place.amodal("train").failed(2, &["CONFIG"]);
    place.amodal("check -q -v table.csv").failed(2, &["--quiet", "--verbose"]);
}

#[test]
fn no_argument_shows_the_help() {
    let ran = Place::new().amodal("");
    assert_eq!(ran.code, 2, "{ran}");
    assert!(ran.stderr.contains("Usage: amodal"), "{ran}");
}

#[test]
fn an_unknown_encoder() {
    let place = squares();
    place.write("config.toml", CONFIG.replace("\"bag\"", "\"transfomer\""));
    place
        .amodal("train config.toml --out run")
        .failed(2, &["config.toml: encode.text", "unknown variant `transfomer`", "help: did you mean `transformer`?"]);
    assert!(!place.path("run").exists(), "a wrong config leaves nothing behind");
}

#[test]
fn an_unknown_option_of_a_part() {
    let place = squares();
    place.write("config.toml", CONFIG.replace("channels = ", "chanels = "));
    place
        .amodal("check config.toml")
        .failed(2, &["config.toml: encode.image", "unknown field `chanels`", "help: did you mean `channels`?"]);
}

#[test]
fn a_config_that_is_not_toml() {
    let place = squares();
    place.write("config.toml", CONFIG.replace("epochs = 6", "epochs = = 6"));
    place.amodal("check config.toml").failed(2, &["config.toml: line 6"]);
}

#[test]
fn set_with_a_bad_path_or_value() {
    let place = squares();
    let set = |change: &str| place.amodal(&format!("train config.toml --out run --set {change}"));
    set("train.sed=1").failed(2, &["train.sed", "help: did you mean `seed`?"]);
    set("trian.seed=1").failed(2, &["trian", "help: did you mean `train`?"]);
    set("train.seed").failed(2, &["--set train.seed", "expected path=value", "help: "]);
    set("train.epochs=many").failed(2, &["train.epochs", "\"many\"", "expected a whole number"]);
    set("train.seed.x=1").failed(2, &["--set train.seed.x=1", "`seed` is not a table", "help: "]);
    assert!(!place.path("run").exists());
}

#[test]
fn a_config_that_is_not_there() {
    Place::new().amodal("train nosuch.toml").failed(1, &["nosuch.toml: no such file\n", "help: ", "amodal init"]);
}

#[test]
fn an_output_folder_that_is_a_run_already() {
    let place = trained();
    let before = place.bytes("run/model.safetensors");
    place
        .amodal("train config.toml --out run")
        .failed(1, &["run: is already a run", "help: choose another --out", "--resume run"]);
    assert_eq!(place.bytes("run/model.safetensors"), before);
}

#[test]
fn a_demo_folder_that_exists() {
    let place = Place::new();
    place.write("here/mine.txt", "mine");
    place.amodal("demo --out here").failed(1, &["here: exists already", "help: choose another --out"]);
    place.amodal("demo --out there --set train.epcohs=1").failed(2, &["train.epcohs", "did you mean `epochs`?"]);
    assert!(!place.path("there").exists());
}

#[test]
fn a_config_that_init_would_replace() {
    let place = squares();
    place.amodal("init table.csv").failed(1, &["config.toml: exists already", "help: ", "--force"]);
    assert_eq!(place.read("config.toml"), CONFIG);
    place.amodal("init table.csv --force").done();
    place.amodal("init table.csv --target lable -o other.toml").failed(1, &["\"lable\"", "did you mean \"label\"?"]);
}

#[test]
fn resume_of_nothing() {
    let place = squares();
    place.amodal("train --resume nosuch").failed(1, &["nosuch: is not a run", "help: "]);
    place.amodal("train --resume img").failed(1, &["img: is not a run", "help: "]);
    place.amodal("train config.toml --resume img").failed(2, &["--resume"]);
}

#[test]
fn a_run_that_is_none() {
    let place = squares();
    for command in
        ["predict img table.csv", "evaluate img table.csv", "embed img table.csv", "index img table.csv -o i"]
    {
        place.amodal(command).failed(1, &["img: is not a run", "help: make one with `amodal train`"]);
    }
    place.amodal("search nosuch nosuch --by text=a").failed(1, &["nosuch: is not a run", "help: "]);
}

#[test]
fn names_that_the_run_has_not() {
    let place = trained();
    place
        .amodal("predict run --input imge=img/000.png")
        .failed(2, &["no `imge`", "image, size, text", "help: did you mean `image`?"]);
    place.amodal("predict run --input image").failed(2, &["image", "expected name=value", "help: "]);
    place.amodal("evaluate run table.csv --without imge").failed(2, &["--without", "`imge`", "did you mean `image`?"]);
    place.amodal("evaluate run table.csv --split tset").failed(1, &["no split `tset`", "help: it has: test, train"]);
    place.amodal("index run table.csv -o index --id nosuch").failed(1, &["\"nosuch\"", "\"id\""]);
    place.amodal("index run table.csv -o index -q").done();
    place
        .amodal("search run index --by text=red --find imge")
        .failed(1, &["\"imge\"", "help: did you mean \"image\"?"]);
    place.amodal("search run index --by size=3").failed(2, &["--by"]);
    place.amodal("search run nosuch --by text=red").failed(1, &["nosuch: no such file"]);
    place.amodal("index run --remove r000 -o nosuch").failed(1, &["nosuch: no such index"]);
}

#[test]
fn an_index_of_another_model() {
    let place = trained();
    place.amodal("train config.toml --out other --set train.epochs=1 --set train.seed=1 -q").done();
    place.amodal("index run table.csv -o index -q").done();
    let before = place.bytes("index");
    place.amodal("search other index --by text=red").failed(1, &["index: made by model", "help: make the index again"]);
    place.amodal("index other table.csv -o index").failed(1, &["index: made by model", "help: "]);
    assert_eq!(place.bytes("index"), before);
}

/// Files that stand where another is to be written, or in no folder.
#[test]
fn an_output_that_cannot_be_written() {
    let place = trained();
    place.write("file", "");
    place.amodal("predict run table.csv -o nosuch/out.jsonl").failed(1, &["nosuch/out.jsonl"]);
    place.amodal("predict run table.csv -o out.xml").failed(2, &["out.xml", ".jsonl or .csv or .parquet"]);
    place.amodal("embed run table.csv -o file/out.jsonl").failed(1, &["file/out.jsonl"]);
    place.amodal("index run table.csv -o img").failed(1, &["img: a folder"]);
    place.amodal("train config.toml --out file/run -q").failed(1, &["file/run"]);
    place.amodal("init table.csv -o nosuch/config.toml").failed(1, &["nosuch/config.toml"]);
    place.amodal("demo --out file/demo").failed(1, &["file/demo"]);
}

/// A folder without write permission; root may write there all the same, so nothing is asked of it then.
#[cfg(unix)]
#[test]
fn an_output_folder_that_is_read_only() {
    use std::os::unix::fs::PermissionsExt;
    let place = trained();
    place.write("locked/x", "");
    std::fs::set_permissions(place.path("locked"), std::fs::Permissions::from_mode(0o555)).unwrap();
    if std::fs::write(place.path("locked/probe"), "").is_err() {
        place.amodal("train config.toml --out locked/run -q").failed(1, &["locked/run"]);
        place.amodal("predict run table.csv -o locked/out.jsonl").failed(1, &["locked/out.jsonl"]);
    }
    std::fs::set_permissions(place.path("locked"), std::fs::Permissions::from_mode(0o755)).unwrap();
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk() {
    let place = trained();
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let output = place.command(&["predict", "run", "table.csv"]).stdout(full).output().unwrap();
    let ran = crate::place::Ran::new("predict run table.csv", &output);
    assert_eq!(ran.code, 1, "{ran}");
    ran.says(&["error: "]);
}

/// Each would divide by zero, run for nothing, or learn nothing.
#[test]
fn numbers_that_cannot_be() {
    let place = squares();
    let wrong = [
        ("train.batch_size=0", "train.batch_size: 0, expected at least 1"),
        ("train.epochs=0", "train.epochs: 0, expected at least 1"),
        ("train.evaluate_every=0", "train.evaluate_every: 0, expected at least 1"),
        ("train.learning_rate=-1", "train.learning_rate: -1, expected 0 to"),
        ("train.learning_rate=nan", "train.learning_rate: NaN, expected 0 to"),
        ("train.warmup=5", "train.warmup: 5, expected 0 to 1"),
        ("train.clip=-1", "train.clip: -1, expected 0 to"),
        ("train.modality_dropout=3", "train.modality_dropout: 3, expected 0 to"),
        ("tasks.label.weight=nan", "tasks.label.weight: NaN"),
        ("tasks.label.decode.hidden=[0]", "tasks.label.decode.hidden[0]: 0, expected at least 1"),
        ("encode.text.hidden=[0]", "encode.text.hidden[0]: 0, expected at least 1"),
        ("encode.size.hidden=[0]", "encode.size.hidden[0]: 0, expected at least 1"),
        ("encode.image.dim=0", "encode.image.dim: 0, expected at least 1"),
        ("encode.image.channels=[]", "encode.image.channels"),
        ("data.validation=2", "data.validation: 2, expected"),
    ];
    for (set, message) in wrong {
        place.amodal(&format!("train config.toml --out run --set {set}")).failed(2, &[message]);
        assert!(!place.path("run").exists(), "{set}");
    }
}

/// Parts that are known, and do not go together.
#[test]
fn parts_that_do_not_fit() {
    let place = squares();
    let train = |set: &str| place.amodal(&format!("train config.toml --out run --set {set}"));
    train("encode.image.type=bag").failed(2, &["encode.image", "expected token ids", "help: ", "amodal list encoders"]);
    train("encode.size.type=category").failed(2, &["encode.size", "expected token ids", "help: "]);
    train("encode.text.type=number").failed(2, &["encode.text", "expected a series", "help: "]);
    train("tasks.label.loss.type=mse").failed(2, &["tasks.label.loss", "help: ", "classifier", "cross_entropy"]);
    train("tasks.label.decode.type=regressor").failed(2, &["tasks.label.loss", "help: "]);
    train("tasks.align.loss.between=[\"image\"]").failed(2, &["tasks.align.loss.between"]);
    train("tasks.label.from=[\"imgae\"]").failed(2, &["tasks.label.from", "`imgae`", "did you mean `image`?"]);
    train("data.columns.txet=id").failed(2, &["data.columns", "`txet`", "did you mean `text`?"]);
    assert!(!place.path("run").exists());
}

/// A loss that is not finite is a training that failed, not a wrong use.
#[test]
fn a_training_that_diverges() {
    let place = squares();
    let ran = place.amodal("train config.toml --out run -q --set train.learning_rate=99 --set train.clip=0");
    if ran.code != 0 {
        ran.failed(1, &["at step", "help: lower train.learning_rate"]);
    }
}
