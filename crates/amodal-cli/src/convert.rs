//! `amodal convert`.
use crate::{Output, predict::readable, show};
use amodal::{
    Error, Named, Raw,
    convert::{Conversion, Made, next},
    data::{Examples, Table},
    decode::{Sampling, sampling::Changes},
    files::write_atomic,
    media::image::Picture,
    run::{self, Run},
};
use anyhow::Context;
use clap::Args;
use std::{
    io::{IsTerminal, Write},
    path::{Path, PathBuf},
};

/// Rows that are made at once of a table, between two messages.
const ROWS: usize = 256;

#[derive(Args)]
pub(crate) struct Convert {
    /// The run folder
    run: PathBuf,
    /// A table, of which each row of the split is converted
    #[arg(required_unless_present = "from")]
    data: Option<PathBuf>,
    /// What is converted: a path, `-` for stdin, or the text itself; of a table, the modalities that are
    /// read [default: all] (repeatable)
    #[arg(long, value_name = "NAME=VALUE|NAME")]
    from: Vec<String>,
    /// What it becomes: a task, its column, or a type (`text`, `image`, `audio`, `video`)
    #[arg(long, value_name = "NAME")]
    to: String,
    /// Go round: make this of it first, and what is wanted of that (repeatable, in order)
    #[arg(long, value_name = "NAME")]
    via: Vec<String>,
    /// The file, whose ending is the format; of a table the folder [default: stdout]
    #[arg(short)]
    output: Option<PathBuf>,
    /// The split of a table, or `all` [default: test, or else validation; all rows of a table without splits]
    #[arg(long, requires = "data")]
    split: Option<String>,
    /// Most rows of a table, from its first one on
    #[arg(long, requires = "data", value_name = "ROWS")]
    limit: Option<usize>,
    /// Folder for a picture of what each word of a text was written by, where the decoder tells
    #[arg(long, value_name = "FOLDER", conflicts_with = "data")]
    attention: Option<PathBuf>,
    #[command(flatten)]
    sampling: SamplingArgs,
}

/// How a decoder that draws or searches goes about it, where it is not to be as the config says.
#[derive(Args, Clone, Debug)]
pub(crate) struct SamplingArgs {
    /// Texts that are followed at once, of which the best is kept; 1: the likeliest word at each step
    #[arg(long, value_name = "N", help_heading = "Sampling")]
    beam: Option<usize>,
    /// Spread of what is drawn: 0 takes the likeliest, 1 draws as the model's probabilities say
    #[arg(long, value_name = "T", help_heading = "Sampling")]
    temperature: Option<f64>,
    /// Draw one of the N likeliest
    #[arg(long, value_name = "N", help_heading = "Sampling")]
    top_k: Option<usize>,
    /// Draw one of the likeliest that hold this share of the probability
    #[arg(long, value_name = "P", help_heading = "Sampling")]
    top_p: Option<f64>,
    /// Draw so many pictures, sounds or clips, and keep the one that the model's own alignment finds nearest
    #[arg(long, value_name = "N", help_heading = "Sampling")]
    candidates: Option<usize>,
    /// Seed of what is drawn
    #[arg(long = "sample-seed", value_name = "SEED", help_heading = "Sampling")]
    seed: Option<u64>,
}

impl SamplingArgs {
    /// What is asked for.
    ///
    /// # Errors
    /// [`Error::Config`] at the first flag that is out of its range.
    pub(crate) fn changes(&self) -> Result<Changes, Error> {
        let Self { beam, temperature, top_k, top_p, candidates, seed } = self.clone();
        let changes = Changes { beam, temperature, top_k, top_p, candidates, seed };
        Sampling::default().with(&changes).check().map_err(|error| match error {
            Error::Config { at, problem, help } => {
                Error::Config { at: format!("--{}", at.replace('_', "-")), problem, help }
            }
            other => other,
        })?;
        Ok(changes)
    }
}

impl Convert {
    pub(crate) fn run(&self, output: Output) -> anyhow::Result<()> {
        let run = Run::open(&self.run)?;
        match &self.data {
            Some(data) => self.table(&run, data, output),
            None => self.value(&run, output),
        }
    }

    /// The conversions from what is given to what is wanted, one after the other.
    fn path(&self, run: &Run, given: &[&str]) -> Result<Vec<Conversion>, Error> {
        let mut steps: Vec<Conversion> = Vec::new();
        for to in self.via.iter().chain([&self.to]) {
            let before = steps.last().and_then(|step| run.reader(step));
            let given = before.as_ref().map_or(given.to_vec(), |name| vec![name.as_str()]);
            steps.push(run.conversion(&given, to)?);
        }
        Ok(steps)
    }

    fn make(&self, run: &Run, values: &Named<Raw>, step: &Conversion, format: &str) -> anyhow::Result<Made> {
        let (examples, _, rows) = run.rows(run::single(run, values)?, Some("all"))?;
        Ok(run.convert(&examples, &rows, step, &self.sampling.changes()?, format, 0)?.remove(0))
    }

    fn value(&self, run: &Run, output: Output) -> anyhow::Result<()> {
        let mut values = show::pairs(&self.from)?;
        let given: Vec<String> = values.keys().cloned().collect();
        let steps = self.path(run, &given.iter().map(String::as_str).collect::<Vec<_>>())?;
        let (last, before) = steps.split_last().context("there is at least one conversion")?;
        let format = format(run, last, self.output.as_deref())?;
        if self.output.is_none() && format != "txt" && std::io::stdout().is_terminal() {
            let error = Error::config("-o", format!("what is made is a file of type {}", last.to));
            return Err(error.with_help(format!("give it a name: -o {}.{format}", last.task)).into());
        }
        for step in before {
            let between = run.formats(step)?[0];
            let made = self.make(run, &values, step, between)?;
            if let Raw::Text(text) = &made.value {
                output.say(format_args!("{}: {text}", step.task));
            }
            values = next(run, step, &made)?;
        }
        let made = self.make(run, &values, last, format)?;
        if let Some(folder) = &self.attention {
            self.looks(run, &values, last, &made, folder, output)?;
        }
        match (&made.value, &self.output) {
            (Raw::Text(text), None) if output.json => show::json(&serde_json::json!({
                "task": last.task, "text": text, "log_probability": made.log_probability,
            })),
            (Raw::Text(text), None) => show::print(&format!("{text}\n")),
            (Raw::Text(text), Some(path)) => Ok(write_atomic(path, |file| writeln!(file, "{text}"))?),
            (Raw::Bytes(bytes), Some(path)) => {
                write_atomic(path, |file| file.write_all(bytes))?;
                output.say(format_args!("wrote {} ({} bytes)", path.display(), show::thousands(bytes.len() as u64)));
                Ok(())
            }
            (Raw::Bytes(bytes), None) => Ok(std::io::stdout().write_all(bytes)?),
            (Raw::Numbers(numbers), _) => show::json(numbers),
            (Raw::Stored(_), _) => Err(anyhow::anyhow!("nothing was made")),
        }
    }

    /// A picture for each word, bright where the decoder looked.
    fn looks(
        &self,
        run: &Run,
        values: &Named<Raw>,
        step: &Conversion,
        made: &Made,
        folder: &Path,
        output: Output,
    ) -> anyhow::Result<()> {
        let (examples, _, rows) = run.rows(run::single(run, values)?, Some("all"))?;
        let pictures = amodal::report::looks(run, &examples, rows[0], step, made)?;
        if pictures.is_empty() {
            let error = Error::config("--attention", format!("task `{}` does not tell what it looked at", step.task));
            let help = "take decode = { type = \"attention_lstm\" } over a picture whose encoder has pool = \"grid\"";
            return Err(error.with_help(help).into());
        }
        std::fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
        for (at, (word, picture)) in pictures.iter().enumerate() {
            let word: String = word.chars().map(|c| if c.is_alphanumeric() { c } else { '-' }).collect();
            let bytes = png(picture)?;
            write_atomic(&folder.join(format!("{at:02}-{word}.png")), |file| file.write_all(&bytes))?;
        }
        output.say(format_args!("wrote {} into {}", show::count(pictures.len(), "picture"), folder.display()));
        Ok(())
    }

    /// Every row of a table, into a table of what was made.
    fn table(&self, run: &Run, data: &Path, output: Output) -> anyhow::Result<()> {
        if !self.via.is_empty() {
            let error = Error::config("--via", "is for one value");
            return Err(error.with_help("convert the table to the one, and the table made of it to the other").into());
        }
        if let Some(given) = self.from.iter().find(|given| given.contains('=')) {
            let error = Error::config("--from", format!("`{given}` is one value, and a table is given too"));
            return Err(error.with_help("leave out the value or the table").into());
        }
        let given: Vec<&str> = self.from.iter().map(String::as_str).collect();
        let mut step = run.conversion(&given, &self.to)?;
        step.from.retain(|name| given.is_empty() || given.contains(&name.as_str()));
        let (examples, _, rows) = run.rows(Table::read(data)?, self.split.as_deref())?;
        let mut rows = readable(run, &examples, &rows, output)?;
        rows.truncate(self.limit.unwrap_or(rows.len()));
        let format = run.formats(&step)?[0];
        let changes = self.sampling.changes()?;
        let mut writer = Writer::new(self.output.as_deref(), &examples, &step, format)?;
        for (at, some) in rows.chunks(ROWS).enumerate() {
            let made = run.convert(&examples, some, &step, &changes, format, at * ROWS)?;
            for (row, made) in some.iter().zip(&made) {
                writer.row(*row, made)?;
            }
            if rows.len() > ROWS {
                let done = (at * ROWS + some.len()) as u64;
                output.say(format_args!("{} of {} rows", show::thousands(done), show::thousands(rows.len() as u64)));
            }
        }
        writer.end(output)
    }
}

/// The format that a file's ending asks for.
fn format(run: &Run, step: &Conversion, path: Option<&Path>) -> Result<&'static str, Error> {
    let known = run.formats(step)?;
    let Some(path) = path else { return Ok(known[0]) };
    let ending = path.extension().map(|ending| ending.to_string_lossy().to_lowercase()).unwrap_or_default();
    if let Some(format) = known.iter().find(|format| **format == ending) {
        return Ok(format);
    }
    let endings: Vec<String> = known.iter().map(|ending| format!(".{ending}")).collect();
    let problem = format!("{}: expected a file named {}", path.display(), endings.join(", "));
    Err(Error::config("-o", problem))
}

fn png(picture: &Picture) -> Result<Vec<u8>, Error> {
    amodal::media::write::picture(picture, "png")
}

/// A table like the one that was read, with what was made in the column of the target: another run can be measured on it.
struct Writer<'a> {
    folder: Option<&'a Path>,
    table: &'a Table,
    step: &'a Conversion,
    format: &'a str,
    columns: Vec<String>,
    csv: csv::Writer<Vec<u8>>,
    count: usize,
}

impl<'a> Writer<'a> {
    fn new(
        folder: Option<&'a Path>,
        examples: &'a Examples,
        step: &'a Conversion,
        format: &'a str,
    ) -> anyhow::Result<Self> {
        if folder.is_none() && format != "txt" {
            let error = Error::config("-o", format!("what is made are files of type {}", step.to));
            return Err(error.with_help("give a folder: -o made").into());
        }
        if let Some(folder) = folder {
            std::fs::create_dir_all(folder.join(&step.task)).with_context(|| folder.display().to_string())?;
        }
        let table = examples.table();
        let mut columns = table.columns().to_vec();
        if !columns.contains(&step.column) {
            columns.push(step.column.clone());
        }
        let mut csv = csv::Writer::from_writer(Vec::new());
        csv.write_record(&columns)?;
        Ok(Self { folder, table, step, format, columns, csv, count: 0 })
    }

    fn row(&mut self, row: usize, made: &Made) -> anyhow::Result<()> {
        let value = match &made.value {
            Raw::Bytes(bytes) => {
                let name = format!("{}/{:06}.{}", self.step.task, self.count, self.format);
                let path = self.folder.context("checked when the writer was made")?.join(&name);
                std::fs::write(&path, bytes).with_context(|| path.display().to_string())?;
                name
            }
            other => crate::predict::shown(other),
        };
        self.count += 1;
        let cell = |column: &String| match self.table.named(row, column) {
            _ if *column == self.step.column => value.clone(),
            Some(Raw::Text(text)) => self.place(text),
            Some(other) => crate::predict::shown(other),
            None => String::new(),
        };
        let cells: Vec<String> = self.columns.iter().map(cell).collect();
        Ok(self.csv.write_record(&cells)?)
    }

    /// A cell that is the path of a file, as it is found from anywhere.
    fn place(&self, text: &str) -> String {
        let path = self.table.folder().map(|folder| folder.join(text)).filter(|path| path.exists());
        let path = path.and_then(|path| path.canonicalize().ok()).filter(|_| !text.trim().is_empty());
        path.map_or_else(|| text.to_string(), |path| path.display().to_string())
    }

    fn end(self, output: Output) -> anyhow::Result<()> {
        let bytes = self.csv.into_inner().map_err(|error| anyhow::anyhow!("{error}"))?;
        let Some(folder) = self.folder else { return show::print(&String::from_utf8_lossy(&bytes)) };
        let path = folder.join("table.csv");
        write_atomic(&path, |file| file.write_all(&bytes))?;
        output.say(format_args!("wrote {}: {}", path.display(), show::count(self.count, "row")));
        Ok(())
    }
}
