//! `amodal predict` and `amodal embed`.
use crate::{Output, show};
use amodal::{
    Error, Named, Raw,
    data::{Examples, Table},
    run::{self, Answer, Run},
};
use clap::Args;
use std::{
    io::Write,
    path::{Path, PathBuf},
};

#[derive(Args)]
pub(crate) struct Predict {
    /// The run folder
    run: PathBuf,
    /// The table; each of its rows is predicted
    #[arg(required_unless_present = "input", conflicts_with = "input")]
    data: Option<PathBuf>,
    /// A value instead of a table: a path, `-` for stdin, or the text itself (repeatable)
    #[arg(long, value_name = "NAME=VALUE")]
    input: Vec<String>,
    /// Where the predictions go: .jsonl or .csv [default: JSON lines to stdout]
    #[arg(short)]
    output: Option<PathBuf>,
}

impl Predict {
    pub(crate) fn run(&self, output: Output) -> anyhow::Result<()> {
        named(self.output.as_deref(), &["jsonl", "ndjson", "csv"])?;
        let run = Run::open(&self.run)?;
        let table = match &self.data {
            Some(data) => Table::read(data)?,
            None => run::single(&run, &show::pairs(&self.input)?)?,
        };
        let (examples, _, mut rows) = run.rows(table, Some("all"))?;
        if self.data.is_some() {
            rows = readable(&run, &examples, &rows, output)?;
        }
        let answers = run.predict(&examples, &rows)?;
        let single = self.data.is_none() && !output.json && self.output.is_none();
        if single {
            let lines = answers[0].iter().map(|(task, answer)| vec![task.clone(), answer.to_string()]);
            return show::print(&show::aligned(&lines.collect::<Vec<_>>()));
        }
        write_rows(self.output.as_deref(), &examples, &rows, &answers)
    }
}

/// The rows whose inputs can be read; the others are an error or left out, as the run's config says.
pub(crate) fn readable(run: &Run, examples: &Examples, rows: &[usize], output: Output) -> anyhow::Result<Vec<usize>> {
    let (good, skipped) = examples.load_inputs(rows, &run.config)?;
    show::left_out(&skipped, output);
    if good.is_empty() && !rows.is_empty() {
        return Err(Error::data(examples.table().path().display().to_string(), "no row can be read").into());
    }
    Ok(good)
}

/// Checks that the file to be written is named for a format that can be written.
fn named(path: Option<&Path>, endings: &[&str]) -> Result<(), Error> {
    let Some(path) = path else { return Ok(()) };
    if path.extension().is_some_and(|ending| endings.iter().any(|known| ending == *known)) {
        return Ok(());
    }
    let known: Vec<String> =
        endings.iter().filter(|ending| **ending != "ndjson").map(|ending| format!(".{ending}")).collect();
    let problem = format!("{}: expected a file named {}", path.display(), known.join(" or "));
    Err(Error::config("-o", problem).with_help("leave out -o for JSON lines on stdout"))
}

/// Writes predictions as JSON lines or CSV, row by row.
fn write_rows(
    path: Option<&Path>,
    examples: &Examples,
    rows: &[usize],
    answers: &[Named<Answer>],
) -> anyhow::Result<()> {
    let csv = path.is_some_and(|path| path.extension().is_some_and(|ending| ending == "csv"));
    let mut bytes = Vec::new();
    if csv {
        let mut writer = csv::Writer::from_writer(&mut bytes);
        for (at, (row, answers)) in rows.iter().zip(answers).enumerate() {
            if at == 0 {
                let columns = answers.iter().flat_map(|(task, answer)| match answer {
                    Answer::Class { .. } => vec![task.clone(), format!("{task}_probability")],
                    Answer::Number { .. } | Answer::Text { .. } => vec![task.clone()],
                });
                writer.write_record(std::iter::once("row".to_string()).chain(columns))?;
            }
            let cells = answers.values().flat_map(|answer| match answer {
                Answer::Class { class, probability, .. } => vec![class.clone(), probability.to_string()],
                Answer::Number { value } => vec![value.to_string()],
                Answer::Text { text, .. } => vec![text.clone()],
            });
            writer.write_record(std::iter::once(examples.table().row_place(*row)).chain(cells))?;
        }
        writer.flush()?;
        drop(writer);
    } else {
        for (row, answers) in rows.iter().zip(answers) {
            let line = serde_json::json!({ "row": examples.table().row_place(*row), "tasks": answers });
            writeln!(bytes, "{line}")?;
        }
    }
    match path {
        Some(path) => Ok(amodal::files::write_atomic(path, |file| file.write_all(&bytes))?),
        None => show::print(&String::from_utf8_lossy(&bytes)),
    }
}

#[derive(Args)]
pub(crate) struct Embed {
    /// The run folder
    run: PathBuf,
    /// The table
    data: PathBuf,
    /// Where the vectors go: .jsonl [default: JSON lines to stdout]
    #[arg(short)]
    output: Option<PathBuf>,
}

impl Embed {
    pub(crate) fn run(&self, output: Output) -> anyhow::Result<()> {
        named(self.output.as_deref(), &["jsonl", "ndjson"])?;
        let run = Run::open(&self.run)?;
        let (examples, _, rows) = run.read(&self.data, Some("all"))?;
        let rows = readable(&run, &examples, &rows, output)?;
        let mut bytes = Vec::new();
        for (row, vectors) in rows.iter().zip(run.embed(&examples, &rows)?) {
            for (modality, vector) in vectors {
                let place = examples.table().row_place(*row);
                writeln!(bytes, "{}", serde_json::json!({ "row": place, "modality": modality, "vector": vector }))?;
            }
        }
        match &self.output {
            Some(path) => Ok(amodal::files::write_atomic(path, |file| file.write_all(&bytes))?),
            None => show::print(&String::from_utf8_lossy(&bytes)),
        }
    }
}

/// A cell as the command line would write it.
pub(crate) fn shown(raw: &Raw) -> String {
    match raw {
        Raw::Text(text) => text.clone(),
        Raw::Numbers(numbers) => numbers.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "),
        Raw::Bytes(bytes) => format!("{} bytes", bytes.len()),
    }
}
