//! Run folders: everything that is needed to use or resume a model, in files of common formats.
//!
//! | file | holds |
//! |---|---|
//! | `config.toml` | the config, fully resolved: words, classes and means of the training rows included |
//! | `model.safetensors` | the weights, by name |
//! | `checkpoint/state.safetensors` | weights, optimizer and progress of a training that can be resumed |
//! | `checkpoint/previous.safetensors` | the same of the checkpoint before, for when that one is damaged |
//! | `checkpoint/lock` | nothing; held by the process that trains |
//! | `metrics.jsonl` | one line an evaluation |
//! | `results.json` | what was measured on the rows held out, at the end |
//! | `environment.json` | version and machine |
//! | `report.html` | the same for people |
use crate::{
    Config, Error, Item, Model, Named, Raw, Result,
    config::OnError,
    data::{Examples, Source, SplitOptions, Table, examples::or_skip, splits},
    eval::{self, Measured},
    files::{remove_unfinished, write_atomic},
    modalities::ModalityConfig,
    model::{Generate, Task},
    train::{Log, Progress, Report, Trainer, Watch, checkpoint, device, weights},
    types::Written,
};
use burn::module::Module;
use serde::Serialize;
use std::{
    io::Write,
    iter::once,
    path::{Path, PathBuf},
};

/// Names of the files in a run folder.
const CONFIG: &str = "config.toml";
const MODEL: &str = "model.safetensors";
const STATE: &str = "checkpoint/state.safetensors";
const LOCK: &str = "checkpoint/lock";
const METRICS: &str = "metrics.jsonl";
const RESULTS: &str = "results.json";
const ENVIRONMENT: &str = "environment.json";

/// A trained model and its config.
pub struct Run {
    /// The run's folder.
    pub folder: PathBuf,
    /// The resolved config.
    pub config: Config,
    /// The model, on a device that records no gradients.
    pub model: Model,
}

/// A table, its splits, and a config completed from the training rows.
pub struct Prepared {
    /// The config, its modalities fitted.
    pub config: Config,
    /// The table.
    pub table: Table,
    /// Rows by split.
    pub splits: Named<Vec<usize>>,
}

/// What a training brought.
pub struct Trained {
    /// The run.
    pub run: Run,
    /// The table, read through the model.
    pub examples: Examples,
    /// Rows by split, those that could not be read left out.
    pub splits: Named<Vec<usize>>,
    /// Errors of the rows that were left out.
    pub skipped: Vec<Error>,
    /// How far training came.
    pub progress: Progress,
    /// Seconds that this call took to train.
    pub seconds: f64,
    /// Of these seconds those in which the next batch was not ready.
    pub waited: f64,
}

impl Trained {
    /// The split that the report shows: test, or else validation; none where both are empty.
    pub fn shown(&self) -> Option<&'static str> {
        let has = |name: &&str| self.splits.get(*name).is_some_and(|rows| !rows.is_empty());
        ["test", "validation"].into_iter().find(has)
    }
}

impl Prepared {
    /// Reads a config's table, splits it, and completes the modalities from the training rows.
    ///
    /// # Errors
    /// [`Error::Data`] for the table, [`Error::Config`] for an option that does not suit it.
    pub fn new(mut config: Config) -> Result<Self> {
        let table = read_table(&config)?;
        let options = SplitOptions {
            column: config.data.split_column.clone(),
            group_by: config.data.group_by.clone(),
            validation: config.data.validation,
            test: config.data.test,
            seed: config.train.seed,
            train: true,
        };
        let splits = splits(&table, &options).map_err(|error| match error {
            Error::Config { .. } => error.within("data"),
            other => other,
        })?;
        let train = splits.get("train").cloned().unwrap_or_default();
        let columns = config.data.columns.clone();
        let skip = config.data.on_error == OnError::Skip;
        let fit = |name: &str, modality: &mut ModalityConfig, at: String| -> Result<()> {
            let column = columns.get(name).map_or(name, String::as_str);
            let source = Source::find(&table, column, modality.columns(), true);
            let source = source.map_err(|error| missing_column(error, name))?;
            let values = train.iter().filter_map(|row| source.value(&table, *row).transpose());
            let values: Vec<_> = match skip {
                true => values.flatten().collect(), // the others are listed when all rows are read
                false => values.collect::<Result<_>>().map_err(|error| or_skip(error, 0))?,
            };
            if values.is_empty() && !train.is_empty() {
                let problem = format!("no training row has a value of `{name}` (column {column:?})");
                let help = format!("fill the column, or take `{at}` out of the config");
                return Err(Error::data(table.path().display().to_string(), problem).with_help(help));
            }
            let fitted = match modality.fit(&mut values.iter().map(AsRef::as_ref)) {
                Err(Error::Data { .. }) if skip => {
                    let known = modality.clone();
                    let good = |raw: &&Raw| !matches!(known.clone().fit(&mut once(*raw)), Err(Error::Data { .. }));
                    modality.fit(&mut values.iter().map(AsRef::as_ref).filter(good))
                }
                other => other,
            };
            fitted.map_err(|error| match error {
                Error::Config { .. } => error.within(&at),
                // the modality does not know which row it was: find it
                Error::Data { .. } => or_skip(first_bad(&table, &train, &source, modality).unwrap_or(error), 0),
                other => other,
            })
        };
        for (name, modality) in &mut config.modalities {
            fit(name, modality, format!("modalities.{name}"))?;
        }
        for (name, task) in &mut config.tasks {
            if let Some(target) = &mut task.target {
                fit(name, target, format!("tasks.{name}.target"))?;
            }
        }
        Ok(Self { config, table, splits })
    }
}

/// The table that a config names.
fn read_table(config: &Config) -> Result<Table> {
    if config.data.path.as_os_str().is_empty() {
        return Err(Error::config("data.path", "is missing")
            .with_help("name a table (CSV, TSV, JSONL, Parquet, WebDataset, COCO), or a folder of classes"));
    }
    Table::read(&config.data.path)
}

/// Says which modality or task needs a column that is not there.
pub(crate) fn missing_column(error: Error, name: &str) -> Error {
    let Error::Data { at, problem, help } = error else { return error };
    let way = format!("name its column: data.columns.{name} = \"…\"");
    let help = if help.is_empty() { way } else { format!("{help}; or {way}") };
    Error::Data { at, problem: format!("{problem} (for `{name}`)"), help }
}

/// The error of the first row that a modality cannot learn from.
fn first_bad(table: &Table, rows: &[usize], source: &Source, modality: &ModalityConfig) -> Option<Error> {
    rows.iter().find_map(|row| {
        let raw = source.value(table, *row).ok()??;
        let error = modality.clone().fit(&mut once(raw.as_ref())).err()?;
        matches!(error, Error::Data { .. }).then(|| error.within(&source.place(table, *row)))
    })
}

/// Trains a config into a folder, or continues one that was stopped.
///
/// # Errors
/// [`Error::Stopped`] where `watch` asked to stop: the folder can be resumed then.
pub fn train(config: Config, folder: &Path, resume: bool, watch: &mut dyn Watch) -> Result<Trained> {
    if !resume && folder.join(CONFIG).exists() {
        let help = format!("choose another --out, or continue it with --resume {}", folder.display());
        return Err(Error::run(folder, "is already a run").with_help(help));
    }
    let prepared = Prepared::new(config)?;
    let config = prepared.config;
    let trainer = Trainer::new(config.clone())?;
    eval::check(&config, &trainer.model.valid())?;
    let examples = Examples::new(prepared.table, &config, &trainer.model, true)?;
    let (splits, skipped) = readable(&examples, &prepared.splits, &config)?;
    let empty = Vec::new();
    let rows = splits.get("train").unwrap_or(&empty);
    if rows.is_empty() {
        return Err(Error::data(config.data.path.display().to_string(), "no row to train on"));
    }
    let validation = splits.get("validation").unwrap_or(&empty).clone();
    let checkpoints = folder.join("checkpoint");
    std::fs::create_dir_all(&checkpoints).map_err(Error::io(folder))?;
    let lock = lock(folder)?;
    if !resume {
        // what is left of another run
        let state = folder.join(STATE);
        [checkpoint::previous(&state), state].iter().try_for_each(|path| remove(path))?;
        let toml = config.to_toml()?;
        write_atomic(&folder.join(CONFIG), |file| file.write_all(toml.as_bytes()))?;
    }
    let fitted = || -> Result<(Trainer, f64)> {
        [folder, &checkpoints].into_iter().try_for_each(remove_unfinished)?;
        write_json(&folder.join(ENVIRONMENT), &environment())?;
        let state = folder.join(STATE);
        let mut trainer = if resume { go_on(trainer, folder, watch)? } else { trainer };
        let metrics = folder.join(METRICS);
        keep_until(&metrics, trainer.progress.step)?;
        let start = std::time::Instant::now();
        trainer.fit(&examples, rows, &validation, &mut Follow { watch, state: &state, metrics: &metrics })?;
        let seconds = start.elapsed().as_secs_f64();
        checkpoint::save(&folder.join(MODEL), &weights::read(&trainer.model.valid()), "")?;
        Ok((trainer, seconds))
    };
    let (trainer, seconds) = fitted().map_err(|error| error.in_training(folder))?;
    drop(lock);
    let run = Run { folder: folder.to_path_buf(), config, model: trainer.model.valid() };
    let waited = trainer.waited.as_secs_f64();
    Ok(Trained { run, examples, splits, skipped, progress: trainer.progress, seconds, waited })
}

/// Removes a file, if there is one.
fn remove(path: &Path) -> Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(Error::io(path)(error)),
        _ => Ok(()),
    }
}

/// Keeps a second process from training in the same folder, until the file is closed, by a kill as well.
fn lock(folder: &Path) -> Result<std::fs::File> {
    let path = folder.join(LOCK);
    let open = std::fs::OpenOptions::new().create(true).append(true).open(&path);
    let file = open.map_err(Error::io(&path))?;
    match file.try_lock() {
        Err(std::fs::TryLockError::WouldBlock) => {
            let help = "wait for it or stop it, then run the same command again";
            Err(Error::run(folder, "another process is training it").with_help(help))
        }
        // some network disks have no locks
        _ => Ok(file),
    }
}

/// The trainer as the last whole checkpoint left it.
fn go_on(trainer: Trainer, folder: &Path, watch: &mut dyn Watch) -> Result<Trainer> {
    let (trainer, warning) = trainer.resume_newest(&folder.join(STATE)).map_err(|error| match error.help() {
        Some(_) => error,
        None => {
            let config = folder.join(CONFIG);
            error.with_help(format!("train it anew: `amodal train {} --out ANOTHER`", config.display()))
        }
    })?;
    if let Some(warning) = warning {
        watch.warn(&warning);
    }
    Ok(trainer)
}

/// Decodes every row of every split, and leaves out those that cannot be read where the policy is to skip.
fn readable(
    examples: &Examples,
    splits: &Named<Vec<usize>>,
    config: &Config,
) -> Result<(Named<Vec<usize>>, Vec<Error>)> {
    let (mut good, mut skipped) = (Named::new(), Vec::new());
    for (name, rows) in splits {
        let (rows, errors) = examples.load(rows, config)?;
        good.insert(name.clone(), rows);
        skipped.extend(errors);
    }
    Ok((good, skipped))
}

/// Passes everything on, writes `metrics.jsonl`, and says where the checkpoint is.
struct Follow<'a> {
    watch: &'a mut dyn Watch,
    state: &'a Path,
    metrics: &'a Path,
}

impl Watch for Follow<'_> {
    fn starts(&mut self, model: &Model) {
        self.watch.starts(model);
    }

    fn step(&mut self, report: &Report, progress: &Progress) -> bool {
        self.watch.step(report, progress)
    }

    fn evaluated(&mut self, log: &Log, progress: &Progress) -> Result<()> {
        let line = serde_json::to_string(log).map_err(|error| Error::run(self.metrics, error.to_string()))?;
        let file = std::fs::OpenOptions::new().create(true).append(true).open(self.metrics);
        // on the disk before the checkpoint is, which is past this line
        let written = file.and_then(|mut file| writeln!(file, "{line}").and_then(|()| file.sync_data()));
        written.map_err(Error::io(self.metrics))?;
        self.watch.evaluated(log, progress)
    }

    fn checkpoint(&self) -> Option<&Path> {
        Some(self.state)
    }
}

/// Lines of `metrics.jsonl`.
pub fn logs(folder: &Path) -> Vec<Log> {
    let text = std::fs::read_to_string(folder.join(METRICS)).unwrap_or_default();
    text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

/// Drops the lines that a resumed training will write again.
fn keep_until(path: &Path, step: usize) -> Result<()> {
    let Ok(text) = std::fs::read_to_string(path) else { return Ok(()) };
    let kept = |line: &&str| serde_json::from_str::<Log>(line).is_ok_and(|log| log.step <= step);
    let lines: Vec<&str> = text.lines().filter(kept).collect();
    write_atomic(path, |file| lines.iter().try_for_each(|line| writeln!(file, "{line}")))
}

/// Writes a value as JSON, whole or not at all.
fn write_json(path: &Path, value: &impl Serialize) -> Result<()> {
    let text = serde_json::to_string_pretty(value).map_err(|error| Error::run(path, error.to_string()))?;
    write_atomic(path, |file| writeln!(file, "{text}"))
}

/// Version and machine, for `environment.json` and `amodal doctor`.
pub fn environment() -> Named<String> {
    let cpu = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpu.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or_default();
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    [
        ("version", env!("CARGO_PKG_VERSION").to_string()),
        ("engine", "burn 0.22.1 (flex)".to_string()),
        ("system", format!("{} {}", std::env::consts::OS, std::env::consts::ARCH)),
        ("cpu", model.trim_start_matches([' ', '\t', ':']).to_string()),
        ("threads", threads.to_string()),
    ]
    .map(|(name, value)| (name.to_string(), value))
    .into()
}

impl Run {
    /// Opens a run folder, and chooses the precision of products that it was trained in for the whole process.
    ///
    /// # Errors
    /// [`Error::Run`] where it is none, or where its training has not ended.
    pub fn open(folder: &Path) -> Result<Self> {
        let path = folder.join(CONFIG);
        if !path.exists() {
            return Err(
                Error::run(folder, "is not a run: it has no config.toml").with_help("make one with `amodal train`")
            );
        }
        let config = Config::load(&path, &[])?;
        let path = folder.join(MODEL);
        if !path.exists() {
            let help = format!("continue it with `amodal train --resume {}`", folder.display());
            return Err(Error::run(folder, "its training has not ended: it has no model.safetensors").with_help(help));
        }
        let (values, _) = checkpoint::load(&path).map_err(|error| match error {
            Error::Run { .. } => {
                let help = format!("write it anew from the checkpoint: `amodal train --resume {}`", folder.display());
                error.with_help(help)
            }
            other => other,
        })?;
        // Trained in bfloat16, it is as good in 32 bits where the processor knows nothing else.
        let precision = Some(config.train.precision).filter(|precision| precision.is_available());
        precision.unwrap_or_default().choose()?;
        let model = weights::write(Model::new(&config, &device())?, &values, &path)?;
        Ok(Self { folder: folder.to_path_buf(), config, model })
    }

    /// The rows of one split of a table, read through the model; all rows where the table names no split.
    ///
    /// # Errors
    /// [`Error::Data`] for the table and for a split that it has not.
    pub fn read(&self, data: &Path, split: Option<&str>) -> Result<(Examples, String, Vec<usize>)> {
        self.rows(Table::read(data)?, split)
    }

    /// The same for a table at hand.
    ///
    /// # Errors
    /// [`Error::Data`] for a split that it has not.
    pub fn rows(&self, table: Table, split: Option<&str>) -> Result<(Examples, String, Vec<usize>)> {
        if split == Some("all") {
            let rows = (0..table.len()).collect();
            return Ok((Examples::new(table, &self.config, &self.model, false)?, "all".to_string(), rows));
        }
        let own = self.config.data.path.canonicalize().ok();
        let is_own = own.is_some() && table.path().canonicalize().ok() == own;
        let column = self.config.data.split_column.as_deref().unwrap_or("split");
        let (name, rows) = if is_own || table.column(column).is_ok() {
            let options = SplitOptions {
                column: self.config.data.split_column.clone(),
                group_by: self.config.data.group_by.clone().filter(|name| table.column(name).is_ok()),
                validation: self.config.data.validation,
                test: self.config.data.test,
                seed: self.config.train.seed,
                train: is_own,
            };
            let mut all = splits(&table, &options)?;
            let known = all.keys().cloned().collect::<Vec<_>>().join(", ");
            let name = split.unwrap_or(if all.contains_key("test") { "test" } else { "validation" });
            match all.remove(name) {
                Some(rows) => (name.to_string(), rows),
                None => {
                    let at = table.path().display().to_string();
                    return Err(Error::data(at, format!("has no split `{name}`"))
                        .with_help(format!("it has: {known}, and `all`")));
                }
            }
        } else {
            ("all".to_string(), (0..table.len()).collect())
        };
        let examples = Examples::new(table, &self.config, &self.model, false)?;
        Ok((examples, name, rows))
    }

    /// What the model says of some rows; what it draws, speaks or animates is not among it.
    ///
    /// # Errors
    /// [`Error::Data`] with the row and column of a value that cannot be read.
    pub fn predict(&self, examples: &Examples, rows: &[usize]) -> Result<Vec<Named<Answer>>> {
        let is_said = |(_, task): &(&str, &Task)| task.target().is_some_and(|target| !target.get().is_media());
        let said: Vec<String> = self.model.tasks().filter(is_said).map(|(name, _)| name.to_string()).collect();
        let mut answers = Vec::with_capacity(rows.len());
        for rows in rows.chunks(self.config.train.batch_size.max(64)) {
            let batch = examples.gather(rows, None, false)?.batch(&device())?;
            let encoded = self.model.encode(&batch.inputs)?;
            let how = Generate { only: Some(said.clone()), first: answers.len(), ..Generate::default() };
            let outputs = self.model.generate(&encoded, &how)?;
            let mut named: Vec<Named<Answer>> = vec![Named::new(); rows.len()];
            for (name, task) in self.model.tasks() {
                let (Some(target), Some(prediction)) = (task.target(), outputs.decoded.get(name)) else { continue };
                for (row, answer) in Answer::read(target.get(), prediction)?.into_iter().enumerate() {
                    named[row].insert(name.to_string(), answer);
                }
            }
            answers.extend(named);
        }
        Ok(answers)
    }

    /// Vectors of some rows in the shared space, by modality; absent where the row has not that modality.
    ///
    /// # Errors
    /// [`Error::Config`] where no task aligns modalities.
    pub fn embed(&self, examples: &Examples, rows: &[usize]) -> Result<Vec<Named<Vec<f32>>>> {
        let mut vectors = Vec::with_capacity(rows.len());
        for rows in rows.chunks(self.config.train.batch_size.max(64)) {
            let batch = examples.gather(rows, None, false)?.batch(&device())?;
            let embedded = self.model.embed(&self.model.encode(&batch.inputs)?)?;
            let Some(embedded) = embedded.into_values().next() else {
                return Err(Error::config("tasks", "no task aligns modalities, so there is no shared space")
                    .with_help("add a task with loss = { type = \"info_nce\" }"));
            };
            let mut named: Vec<Named<Vec<f32>>> = vec![Named::new(); rows.len()];
            for (name, tokens) in embedded {
                let [_, _, dim] = tokens.values.dims();
                let values: Vec<f32> = tokens.values.into_data().iter::<f32>().collect();
                let real: Vec<f32> = tokens.mask.into_data().iter::<f32>().collect();
                for ((row, vector), real) in named.iter_mut().zip(values.chunks_exact(dim)).zip(real) {
                    if real > 0.0 {
                        row.insert(name.clone(), vector.to_vec());
                    }
                }
            }
            vectors.extend(named);
        }
        Ok(vectors)
    }

    /// A name for the model in an index: a hash of its weights.
    ///
    /// # Errors
    /// [`Error::Io`] where the weights cannot be read.
    pub fn fingerprint(&self) -> Result<String> {
        let path = self.folder.join(MODEL);
        let bytes = std::fs::read(&path).map_err(Error::io(&path))?;
        let hash = bytes
            .iter()
            .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3));
        Ok(format!("{hash:016x}"))
    }

    /// Writes what was measured at the end.
    ///
    /// # Errors
    /// [`Error::Io`] where the system refuses.
    pub fn write_results(&self, measured: &[Measured]) -> Result<()> {
        write_json(&self.folder.join(RESULTS), &measured)
    }
}

/// What a model says of one row in one task.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Answer {
    /// A class and how probable it is.
    Class {
        /// The most likely class.
        class: String,
        /// Its probability.
        probability: f32,
        /// Every class's probability.
        #[serde(skip)]
        probabilities: Vec<f32>,
    },
    /// A number in the table's units.
    Number {
        /// The number.
        value: f32,
    },
    /// A text.
    Text {
        /// The text.
        text: String,
        /// Its probability.
        probability: f32,
    },
}

impl Answer {
    fn read(target: &dyn crate::modalities::Read, prediction: &crate::Prediction) -> Result<Vec<Self>> {
        if let crate::Prediction::Text(texts) = prediction {
            let answer = |written: &Written| match target.write(&Item::Ids(written.ids.clone()), "txt")? {
                Raw::Text(text) => Ok(Self::Text { text, probability: written.log_probability.exp() }),
                _ => Err(Error::data("", "what was made is not a text")),
            };
            return texts.iter().map(answer).collect();
        }
        if target.classes().is_empty() {
            let values = prediction.values()?;
            return Ok(values
                .into_data()
                .iter::<f32>()
                .map(|value| Self::Number { value: target.restore(value) })
                .collect());
        }
        let probabilities = burn::tensor::activation::softmax(prediction.logits()?, 2);
        let [_, _, classes] = probabilities.dims();
        let all: Vec<f32> = probabilities.into_data().iter::<f32>().collect();
        let answer = |probabilities: &[f32]| {
            let best = (0..classes).max_by(|a, b| probabilities[*a].total_cmp(&probabilities[*b])).unwrap_or(0);
            let class = target.classes().get(best).cloned().unwrap_or_else(|| "(unknown)".to_string());
            Self::Class { class, probability: probabilities[best], probabilities: probabilities.to_vec() }
        };
        Ok(all.chunks_exact(classes).map(answer).collect())
    }
}

impl std::fmt::Display for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Class { class, probability, .. } => write!(f, "{class} ({:.0} %)", probability * 100.0),
            Self::Number { value } => write!(f, "{value}"),
            Self::Text { text, .. } => f.write_str(text),
        }
    }
}

/// A table of one row, from `name=value` pairs; a medium's value is a path.
///
/// # Errors
/// [`Error::Config`] for a name that is no modality.
pub fn single(run: &Run, values: &Named<Raw>) -> Result<Table> {
    let known: Vec<&str> = run.model.modalities().map(|(name, _)| name).collect();
    if let Some(wrong) = values.keys().find(|name| !known.contains(&name.as_str())) {
        let error =
            Error::config(wrong.as_str(), format!("the model reads no `{wrong}`; it reads: {}", known.join(", ")));
        return Err(error.with_help(
            crate::suggest(wrong, known).map(|near| format!("did you mean `{near}`?")).unwrap_or_default(),
        ));
    }
    let columns = values.keys().map(|name| run.config.column(name).to_string()).collect();
    Table::from_rows(columns, vec![values.values().cloned().map(Some).collect()]).map(|table| table.with_folder("."))
}
