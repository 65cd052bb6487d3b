//! `amodal predict` and `amodal embed`.
use crate::{Output, show};
use amodal::{
    Error, Named, Raw,
    data::{
        Examples, Table,
        parquet::{self, Column},
    },
    files::write_atomic,
    run::{self, Answer, Run},
};
use clap::Args;
use std::{
    io::Write,
    path::{Path, PathBuf},
};

/// Endings of the files that are written.
pub(crate) const FORMATS: &[&str] = &["jsonl", "ndjson", "csv", "parquet"];

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
    /// Where the predictions go: .jsonl, .csv or .parquet [default: JSON lines to stdout]
    #[arg(short)]
    output: Option<PathBuf>,
}

impl Predict {
    pub(crate) fn run(&self, output: Output) -> anyhow::Result<()> {
        named(self.output.as_deref(), FORMATS)?;
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
pub(crate) fn named(path: Option<&Path>, endings: &[&str]) -> Result<(), Error> {
    let Some(path) = path else { return Ok(()) };
    if path.extension().is_some_and(|ending| endings.iter().any(|known| ending == *known)) {
        return Ok(());
    }
    let known: Vec<String> =
        endings.iter().filter(|ending| **ending != "ndjson").map(|ending| format!(".{ending}")).collect();
    let problem = format!("{}: expected a file named {}", path.display(), known.join(" or "));
    Err(Error::config("-o", problem).with_help("leave out -o for JSON lines on stdout"))
}

/// Writes predictions as JSON lines, or as a table of a column or two a task.
fn write_rows(
    path: Option<&Path>,
    examples: &Examples,
    rows: &[usize],
    answers: &[Named<Answer>],
) -> anyhow::Result<()> {
    let places: Vec<String> = rows.iter().map(|row| examples.table().row_place(*row)).collect();
    let lines = || {
        let line = |(place, answers)| serde_json::json!({ "row": place, "tasks": answers }).to_string();
        places.iter().zip(answers).map(line).collect()
    };
    let columns = || {
        let mut columns = vec![("row".to_string(), Column::Texts(places.clone()))];
        for task in answers.first().into_iter().flat_map(Named::keys) {
            let of = answers.iter().filter_map(|answers| answers.get(task));
            let numbers = |number: fn(&Answer) -> Option<f32>| of.clone().filter_map(number).collect::<Vec<f32>>();
            let values = numbers(|answer| if let Answer::Number { value } = answer { Some(*value) } else { None });
            if !values.is_empty() {
                columns.push((task.clone(), Column::Numbers(values)));
                continue;
            }
            let text = |answer: &Answer| match answer {
                Answer::Class { class, .. } => class.clone(),
                Answer::Text { text, .. } => text.clone(),
                Answer::Number { value } => value.to_string(),
            };
            columns.push((task.clone(), Column::Texts(of.clone().map(text).collect())));
            let sure = numbers(
                |answer| if let Answer::Class { probability, .. } = answer { Some(*probability) } else { None },
            );
            if !sure.is_empty() {
                columns.push((format!("{task}_probability"), Column::Numbers(sure)));
            }
        }
        columns
    };
    write_as(path, lines, columns)
}

/// Writes to a file named for its format, or JSON lines to stdout.
pub(crate) fn write_as(
    path: Option<&Path>,
    lines: impl Fn() -> Vec<String>,
    columns: impl Fn() -> Vec<(String, Column)>,
) -> anyhow::Result<()> {
    let text = || lines().iter().map(|line| format!("{line}\n")).collect::<String>();
    let Some(path) = path else { return show::print(&text()) };
    let ending = path.extension().map(|ending| ending.to_string_lossy().to_lowercase()).unwrap_or_default();
    let written = match ending.as_str() {
        "parquet" => write_atomic(path, |file| parquet::write(file, &columns())),
        "csv" => {
            let bytes = as_csv(&columns())?;
            write_atomic(path, |file| file.write_all(&bytes))
        }
        _ => write_atomic(path, |file| file.write_all(text().as_bytes())),
    };
    Ok(written?)
}

/// Columns as CSV; a list of numbers is a column each.
fn as_csv(columns: &[(String, Column)]) -> anyhow::Result<Vec<u8>> {
    let cells = |column: &Column, row: Option<usize>| -> Vec<String> {
        match (column, row) {
            (Column::Texts(texts), Some(row)) => vec![texts[row].clone()],
            (Column::Numbers(numbers), Some(row)) => vec![numbers[row].to_string()],
            (Column::Vectors(vectors), Some(row)) => vectors[row].iter().map(f32::to_string).collect(),
            (Column::Vectors(vectors), None) => {
                (1..=vectors.first().map_or(0, Vec::len)).map(|at| format!("_{at}")).collect()
            }
            (_, None) => vec![String::new()],
        }
    };
    let rows = match columns.first() {
        Some((_, Column::Texts(texts))) => texts.len(),
        Some((_, Column::Numbers(numbers))) => numbers.len(),
        Some((_, Column::Vectors(vectors))) => vectors.len(),
        None => 0,
    };
    let mut writer = csv::Writer::from_writer(Vec::new());
    let header =
        columns.iter().flat_map(|(name, column)| cells(column, None).into_iter().map(move |end| name.clone() + &end));
    writer.write_record(header)?;
    for row in 0..rows {
        writer.write_record(columns.iter().flat_map(|(_, column)| cells(column, Some(row))))?;
    }
    Ok(writer.into_inner().map_err(csv::IntoInnerError::into_error)?)
}

#[derive(Args)]
pub(crate) struct Embed {
    /// The run folder
    run: PathBuf,
    /// The table
    data: PathBuf,
    /// Where the vectors go: .jsonl, .csv or .parquet [default: JSON lines to stdout]
    #[arg(short)]
    output: Option<PathBuf>,
}

impl Embed {
    pub(crate) fn run(&self, output: Output) -> anyhow::Result<()> {
        named(self.output.as_deref(), FORMATS)?;
        let run = Run::open(&self.run)?;
        let (examples, _, rows) = run.read(&self.data, Some("all"))?;
        let rows = readable(&run, &examples, &rows, output)?;
        let vectors = run.embed(&examples, &rows)?;
        let each = || {
            let rows = rows.iter().zip(&vectors);
            rows.flat_map(|(row, vectors)| vectors.iter().map(move |(modality, vector)| (*row, modality, vector)))
        };
        let place = |row: usize| examples.table().row_place(row);
        let lines = || {
            let line = |(row, modality, vector)| {
                serde_json::json!({ "row": place(row), "modality": modality, "vector": vector }).to_string()
            };
            each().map(line).collect()
        };
        let columns = || {
            vec![
                ("row".to_string(), Column::Texts(each().map(|(row, _, _)| place(row)).collect())),
                ("modality".to_string(), Column::Texts(each().map(|(_, modality, _)| modality.clone()).collect())),
                ("vector".to_string(), Column::Vectors(each().map(|(_, _, vector)| vector.clone()).collect())),
            ]
        };
        write_as(self.output.as_deref(), lines, columns)
    }
}

/// A cell as the command line would write it.
pub(crate) fn shown(raw: &Raw) -> String {
    match raw {
        Raw::Text(text) => text.clone(),
        Raw::Numbers(numbers) => numbers.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "),
        Raw::Bytes(bytes) => format!("{} bytes", bytes.len()),
        Raw::Stored(stored) => format!("{} bytes", stored.bytes()),
    }
}
