//! Tables of one JSON object a line.
use std::fmt;
use std::path::Path;

use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::{Number, Value};

use super::table::{Builder, Cells, Table, text};
use crate::{Error, Raw, Result};

/// Reads a whole file; columns stand in the order in which their names first appear.
pub(super) fn read(path: &Path, bytes: &[u8]) -> Result<Table> {
    let mut builder = Builder::new(path);
    for (index, line) in text(path, bytes)?.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let at = format!("{}:{}", path.display(), index + 1);
        builder.line(index + 1);
        let mut row = Cells::new();
        for (name, value) in object(line).map_err(|error| error.within(&at))? {
            let cell = cell(value).map_err(|problem| Error::data(format!("{at}, column {name:?}"), problem))?;
            builder.put(&mut row, &name, cell)?;
        }
        builder.push(row);
    }
    builder.done()
}

/// The names and values of one object, in order; what is itself an object, or an array of other things than numbers, is
/// left out. An error has no place yet.
///
/// # Errors
/// [`Error::Data`] for what is no object.
pub(super) fn fields(text: &str) -> Result<Vec<(String, Option<Raw>)>> {
    let fields = object(text.trim())?.into_iter();
    Ok(fields.filter_map(|(name, value)| cell(value).ok().map(|cell| (name, cell))).collect())
}

/// The names and values of one line, in order; an error has no place yet.
fn object(line: &str) -> Result<Vec<(String, Value)>> {
    let mut reader = serde_json::Deserializer::from_str(line);
    let pairs = reader.deserialize_map(Pairs).and_then(|pairs| reader.end().map(|()| pairs));
    pairs.map_err(|error| {
        // A value of another kind is named as such, all else is a slip in the text.
        let found = match serde_json::from_str::<Value>(line) {
            Ok(Value::Array(_)) => "an array",
            Ok(Value::String(_)) => "a string",
            Ok(Value::Number(_)) => "a number",
            Ok(Value::Bool(_)) => "true or false",
            Ok(Value::Null) => "null",
            _ => "",
        };
        if !found.is_empty() {
            let help = "every line is one object, such as {\"image\": \"a.png\", \"label\": \"cat\"}";
            return Error::data("", format!("{found}, expected an object")).with_help(help);
        }
        let place = format!(" at line {} column {}", error.line(), error.column());
        let reason = error.to_string();
        match reason.strip_suffix(&place) {
            Some(reason) if reason.starts_with("the name ") => Error::data("", reason),
            Some(reason) => Error::data("", format!("not valid JSON at byte {}: {reason}", error.column())),
            None => Error::data("", format!("not valid JSON: {reason}")),
        }
    })
}

/// Keeps the order of names, and refuses a name that stands twice (plain JSON readers keep the last).
struct Pairs;

impl<'de> Visitor<'de> for Pairs {
    type Value = Vec<(String, Value)>;

    fn expecting(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        formatter.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut pairs: Self::Value = Vec::new();
        let mut names = std::collections::HashSet::new();
        while let Some((name, value)) = map.next_entry::<String, Value>()? {
            if !names.insert(name.clone()) {
                return Err(serde::de::Error::custom(format!("the name {name:?} stands twice")));
            }
            pairs.push((name, value));
        }
        Ok(pairs)
    }
}

pub(super) fn cell(value: Value) -> Result<Option<Raw>, String> {
    Ok(match value {
        Value::Null => None,
        Value::String(text) => Some(Raw::Text(text)),
        Value::Bool(value) => Some(Raw::Text(value.to_string())),
        // A whole number that `f32` would change, such as a long identifier, stays text.
        Value::Number(value) if whole_and_long(&value) => Some(Raw::Text(value.to_string())),
        Value::Number(value) => Some(Raw::Numbers(vec![number(&value)?])),
        // steps of numbers, which the modality `series` reads
        Value::Array(values) if !values.is_empty() && values.iter().all(Value::is_array) => {
            Some(Raw::Text(Value::Array(values).to_string()))
        }
        Value::Array(values) => {
            let one = |value: &Value| match value {
                Value::Number(value) => number(value),
                other => Err(format!("an array with {}, expected numbers alone", kind(other))),
            };
            Some(Raw::Numbers(values.iter().map(one).collect::<Result<_, _>>()?))
        }
        Value::Object(_) => {
            return Err("an object, expected a text, a number, true, false, null or an array of numbers".into());
        }
    })
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}

fn whole_and_long(value: &Number) -> bool {
    let whole = value.as_i64().map(i128::from).or(value.as_u64().map(i128::from));
    whole.is_some_and(|whole| (whole as f32) as i128 != whole)
}

fn number(value: &Number) -> Result<f32, String> {
    let number = value.as_f64().map(|number| number as f32).filter(|number| number.is_finite());
    number.ok_or_else(|| format!("the number {value} is too large"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::CELL_LIMIT;
    use proptest::prelude::*;

    fn table(text: &str) -> Table {
        read(Path::new("a.jsonl"), text.as_bytes()).unwrap()
    }

    fn error(text: &str) -> String {
        read(Path::new("a.jsonl"), text.as_bytes()).unwrap_err().to_string()
    }

    #[test]
    fn values_of_every_kind() {
        let table = table(
            "\u{FEFF}{\"b\": \"x\", \"a\": 1.5}\r\n\r\n{\"a\": null, \"c\": [1, 2], \"d\": true}\n{\"a\": 9007199254740993, \"b\": \"\"}\n",
        );
        assert_eq!(table.columns(), ["b", "a", "c", "d"]);
        assert_eq!(table.len(), 3);
        assert_eq!(table.named(0, "b"), Some(&Raw::Text("x".into())));
        assert_eq!(table.named(0, "a"), Some(&Raw::Numbers(vec![1.5])));
        assert_eq!((table.named(0, "c"), table.named(1, "a"), table.named(1, "b")), (None, None, None));
        assert_eq!(table.named(1, "c"), Some(&Raw::Numbers(vec![1.0, 2.0])));
        assert_eq!(table.named(1, "d"), Some(&Raw::Text("true".into())));
        assert_eq!(
            super::read(Path::new("a.jsonl"), b"{\"a\": [[1, 2.5], []]}\n").unwrap().named(0, "a"),
            Some(&Raw::Text("[[1,2.5],[]]".into()))
        );
        assert_eq!(table.named(2, "a"), Some(&Raw::Text("9007199254740993".into())));
        assert_eq!(table.named(2, "b"), Some(&Raw::Text(String::new())));
        assert_eq!(table.place(1, 2), "a.jsonl:3, column \"c\"");
    }

    #[test]
    fn errors_name_line_and_column() {
        let cases = [
            ("", "a.jsonl: the file is empty"),
            ("{}\n", "a.jsonl: no columns"),
            ("{\"a\": 1}\n[1]\n", "a.jsonl:2: an array, expected an object"),
            ("{\"a\": 1}\n\n\"x\"\n", "a.jsonl:3: a string, expected an object"),
            ("{\"a\": 1}\n{\"a\": 2\n", "a.jsonl:2: not valid JSON at byte 7: EOF while parsing an object"),
            ("{\"a\": 1} {\"a\": 2}\n", "a.jsonl:1: not valid JSON at byte 10: trailing characters"),
            ("{\"a\": 1, \"a\": 2}\n", "a.jsonl:1: the name \"a\" stands twice"),
            ("{\"a\": [1, \"x\"]}\n", "a.jsonl:1, column \"a\": an array with a text, expected numbers alone"),
            ("{\"a\": 1e300}\n", "a.jsonl:1, column \"a\": the number 1e+300 is too large"),
            (
                "{\"a\": {\"b\": 1}}\n",
                "a.jsonl:1, column \"a\": an object, expected a text, a number, true, false, null or an array of numbers",
            ),
            ("{\"\": 1}\n", "a.jsonl: column 1 has no name"),
        ];
        for (text, problem) in cases {
            assert_eq!(error(text), problem, "{text:?}");
        }
        let help = read(Path::new("a.jsonl"), b"3\n").unwrap_err().help().map(str::to_string);
        assert_eq!(
            help.as_deref(),
            Some("every line is one object, such as {\"image\": \"a.png\", \"label\": \"cat\"}")
        );
        let bytes = [b"{\"a\": 1}\n{\"a\": \"".as_slice(), b"\xC3(", b"\"}"].concat();
        assert_eq!(read(Path::new("a.jsonl"), &bytes).unwrap_err().to_string(), "a.jsonl:2: not valid UTF-8");
    }

    #[test]
    fn a_cell_has_a_limit() {
        let long = format!("{{\"a\": \"{}\"}}", "x".repeat(CELL_LIMIT + 1));
        assert_eq!(error(&long), "a.jsonl:1, column \"a\": a cell of 1048577 bytes, the limit is 1048576");
        let long = format!("{{\"a\": [{}1]}}", "1,".repeat(CELL_LIMIT / 4));
        assert_eq!(error(&long), "a.jsonl:1, column \"a\": a cell of 1048580 bytes, the limit is 1048576");
    }

    #[test]
    fn deep_nesting_is_an_error() {
        assert!(error(&format!("{{\"a\": {}", "[".repeat(100_000))).contains("not valid JSON"));
    }

    proptest! {
        #[test]
        fn text_round_trips_and_nothing_panics(values in prop::collection::vec(".{0,12}", 1..5), noise in ".{0,40}") {
            let noise: String = noise;
            let lines: Vec<_> = values.iter().map(|value| serde_json::json!({ "a": value }).to_string()).collect();
            let text = lines.join("\n");
            let table = table(&text);
            for (row, value) in values.iter().enumerate() {
                prop_assert_eq!(table.cell(row, 0), Some(&Raw::Text(value.clone())));
            }
            let _ = read(Path::new("a.jsonl"), noise.as_bytes());
        }
    }
}
