//! What the command prints, as files in `tests/golden`: a change is seen in a diff before a user sees it.
//!
//! `AMODAL_GOLDEN=write` writes them anew.
use crate::{data::squares, place::Place};
use std::path::{Path, PathBuf};

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name)
}

#[track_caller]
fn same(name: &str, text: &str) {
    let path = golden(name);
    if std::env::var_os("AMODAL_GOLDEN").is_some_and(|value| value == "write") {
        std::fs::write(&path, text).unwrap();
        return;
    }
    let known = std::fs::read_to_string(&path).unwrap_or_default();
    let first = known.lines().zip(text.lines()).find(|(known, text)| known != text);
    assert!(known == text, "{} differs at {first:?}; write it anew with AMODAL_GOLDEN=write", path.display());
}

/// Commands of `amodal words`.
const WORDS: &[&str] = &[
    "tag",
    "segment",
    "tokenizer train",
    "tokenizer encode",
    "phrases",
    "train",
    "convert",
    "nearest",
    "analogy",
    "evaluate",
    "map",
];

const COMMANDS: &[&str] = &[
    "demo",
    "init",
    "check",
    "train",
    "evaluate",
    "predict",
    "embed",
    "index",
    "search",
    "words",
    "list",
    "doctor",
    "config",
    "completions",
];

#[test]
fn help() {
    let place = Place::new();
    let mut text = place.amodal("--help").done().stdout;
    for command in COMMANDS {
        assert!(text.contains(&format!("\n  {command} ")), "{command} is not in the help");
    }
    let words = WORDS.iter().map(|command| format!("words {command}"));
    for command in COMMANDS.iter().map(ToString::to_string).chain(words) {
        text +=
            &format!("\n──── amodal {command} --help\n{}", place.amodal(&format!("{command} --help")).done().stdout);
    }
    same("help.txt", &text);
}

#[test]
fn names_of_all_parts() {
    let all = Place::new().amodal("list --json").done().json();
    let mut text = String::new();
    for (stage, parts) in all.as_object().unwrap() {
        text += &format!("{stage}\n");
        for part in parts.as_array().unwrap() {
            assert!(!part["about"].as_str().unwrap().is_empty(), "{part}");
            text += &format!("  {}\n", part["name"].as_str().unwrap());
            if let Some(cost) = part.get("cost") {
                let (parameters, multiply_adds) = (&cost["parameters"], &cost["multiply_adds"]);
                let input = cost["input"].as_str().unwrap();
                text += &format!("    {parameters} parameters, {multiply_adds} multiply-adds for {input}\n");
            }
            for option in part["options"].as_array().unwrap() {
                assert!(!option["about"].as_str().unwrap().is_empty(), "{option}");
                text += &format!("    {} = {}\n", option["name"].as_str().unwrap(), option["default"]);
            }
        }
    }
    same("list.txt", &text);
}

/// Errors as a newcomer meets them.
#[test]
fn errors() {
    let place = squares();
    place.write("ragged.csv", "a,b\n1,2\n1,2,3\n");
    place.write("quote.csv", "a,b\n1,\"2\n");
    place.write("empty.csv", "");
    place.write("header.csv", "a,b\n");
    place.write("twice.csv", "a,a\n1,2\n");
    place.write("latin.csv", b"a,b\n1,\xe9\n");
    place.write("bad.jsonl", "{\"a\": 1}\n{\"a\": }\n");
    let mut text = String::new();
    let commands = [
        "check ragged.csv",
        "check quote.csv",
        "check empty.csv",
        "check header.csv",
        "check twice.csv",
        "check latin.csv",
        "check bad.jsonl",
        "check nosuch.csv",
        "train nosuch.toml",
        "train --resume nosuch",
        "predict nosuch table.csv",
        "init table.csv",
        "init table.csv -o new.toml --target lable",
        "init table.csv -o new.toml --target text",
        "check config.toml --set encode.text.type=transfomer",
        "check config.toml --set encode.image.chanels=[8]",
        "check config.toml --set train.sed=1",
        "check config.toml --set train.seed",
        "check config.toml --set train.epochs=many",
        "check config.toml --set tasks.label.metrics=[\"acuracy\"]",
        "check config.toml --set tasks.align.loss.between=[\"image\",\"txt\"]",
        "check config.toml --set data.columns.text=txt",
        "check config.toml --set encode.image.type=bag",
        "check config.toml --set train.batch_size=0",
        "check config.toml --set train.epochs=0",
        "check config.toml --set fuse.type=sum",
    ];
    for command in commands {
        let ran = place.amodal(command);
        let folder = place.path("").display().to_string();
        text += &format!("$ amodal {command}\n{}exit {}\n\n", ran.stderr.replace(&folder, "DIR/"), ran.code);
    }
    same("errors.txt", &text);
}
