//! What the reference implementations say: `tests/golden/metrics.json`, written by `reference/metrics.py`.
use super::made_texts::Answer;
use crate::media::image::Picture;
use serde::Deserialize;
use serde_json::Value;

/// The cases of one list.
pub(super) fn list(name: &str) -> Vec<Value> {
    let file: Value = serde_json::from_str(include_str!("../../tests/golden/metrics.json")).unwrap();
    file[name].as_array().unwrap().clone()
}

/// Asserts that two figures agree to a relative error of `tolerance`.
pub(super) fn assert_near(case: &str, found: f64, expected: f64, tolerance: f64) {
    let error = (found - expected).abs() / expected.abs().max(1e-3);
    assert!(error <= tolerance, "{case}: {found}, the reference has {expected}");
}

/// Compares a figure of made texts in every case; with the first right text alone for references that take one.
pub(super) fn texts(figure: &str, of: fn(&[Answer]) -> f64, several: bool) {
    #[derive(Deserialize)]
    struct Rows {
        name: String,
        rows: Vec<(String, Vec<String>)>,
    }
    for case in list("texts") {
        let expected = case[figure].as_f64();
        let Rows { name, rows } = serde_json::from_value(case).unwrap();
        let right = |right: &'_ [String]| if several { right.len() } else { 1 };
        let rows: Vec<Answer> = rows
            .iter()
            .map(|(made, texts)| (made.as_str(), texts[..right(texts)].iter().map(String::as_str).collect()))
            .collect();
        // without a figure the reference refuses the case: ours is 0
        assert_near(&format!("{figure} of {name}"), of(&rows), expected.unwrap_or(0.0), 1e-6);
    }
}

/// Compares a figure of made pictures in every case.
pub(super) fn pictures(figure: &str, of: fn(&Picture, &Picture) -> f64, tolerance: f64) {
    #[derive(Deserialize)]
    struct Pictures {
        name: String,
        height: usize,
        width: usize,
        made: Vec<u8>,
        right: Vec<u8>,
    }
    for case in list("pictures") {
        let expected = case[figure].as_f64();
        let Pictures { name, height, width, made, right } = serde_json::from_value(case).unwrap();
        let picture = |pixels| Picture { height, width, pixels };
        // JSON has no infinity
        let found = of(&picture(made), &picture(right));
        match expected {
            Some(expected) => assert_near(&format!("{figure} of {name}"), found, expected, tolerance),
            None => assert_eq!(found, f64::INFINITY, "{figure} of {name}"),
        }
    }
}
