//! The whole run as data.
use crate::{
    Error, Named, Result,
    decode::{DecoderConfig, Sampling},
    encode::EncoderConfig,
    fuse::FusionConfig,
    kernels::Precision,
    loss::LossConfig,
    modalities::ModalityConfig,
    suggest,
    types::{at_least, within},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// A run: what is read, how it is encoded, fused and decoded, on which data, and how it is trained.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// What the fusion reads where a row has not a modality, or a task does not read it: `skip` or `token`.
    #[serde(default, skip_serializing_if = "Absence::is_skip")]
    pub absent: Absence,
    /// The table and its splits.
    pub data: DataConfig,
    /// How training goes.
    #[serde(default)]
    pub train: TrainConfig,
    /// How each modality's raw values are read.
    pub modalities: Named<ModalityConfig>,
    /// One encoder a modality.
    pub encode: Named<EncoderConfig>,
    /// How the modalities of a row are fused; absent for a model that only aligns them, or that has one modality.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fuse: Option<FusionConfig>,
    /// What the model is trained for.
    pub tasks: Named<TaskConfig>,
}

/// One thing that the model is trained for: a prediction (target, decoder, loss) or an alignment (a loss alone).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TaskConfig {
    /// The modalities that the task reads; empty: all but its own target.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub from: Vec<String>,
    /// Share of this task's loss in the sum.
    #[serde(default = "one")]
    pub weight: f64,
    /// Probability that the task does not read a modality of a row in training (Neverova et al. 2015, arXiv:1501.00102), so
    /// that it learns to do with any of them; the last one stays. Unlike `train.modality_dropout` it takes nothing from the
    /// other tasks, such as an alignment.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub modality_dropout: f64,
    /// How the decoder makes a text, a picture, a sound or a clip, where it draws or searches.
    #[serde(default, skip_serializing_if = "is_default")]
    pub sampling: Sampling,
    /// What is measured on rows held out; empty: what suits the decoder or the loss.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub metrics: Vec<String>,
    /// How the target is read; its width is the decoder's output width.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<ModalityConfig>,
    /// Makes the prediction from the fused tokens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decode: Option<DecoderConfig>,
    /// Scores the prediction, or aligns the modalities.
    pub loss: LossConfig,
}

fn one() -> f64 {
    1.0
}

fn is_default(sampling: &Sampling) -> bool {
    *sampling == Sampling::default()
}

fn is_zero(value: &f64) -> bool {
    *value == 0.0
}

/// What the fusion reads where a row has not a modality.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Absence {
    /// Nothing: the modality takes no part.
    #[default]
    Skip,
    /// A token that is learned for each modality, in training and after it alike; `train.modality_dropout` shows it to
    /// training where every row has everything.
    Token,
}

impl Absence {
    fn is_skip(&self) -> bool {
        *self == Self::Skip
    }
}

/// What happens to a row with a value that cannot be read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnError {
    /// Nothing is trained; the error names the row.
    #[default]
    Stop,
    /// The row is left out, and listed.
    Skip,
}

/// The table and its splits.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct DataConfig {
    /// A table (CSV, TSV, JSONL, Parquet, WebDataset, COCO's captions) or a folder, relative to the config's file.
    pub path: PathBuf,
    /// Column of each modality or task whose column is not called like it.
    #[serde(skip_serializing_if = "Named::is_empty")]
    pub columns: Named<String>,
    /// Column that names each row's split (train, validation, test, …); absent: `split`, where the table has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub split_column: Option<String>,
    /// Column whose equal values are copies of one thing: they stay in one split, and find each other in a search.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group_by: Option<String>,
    /// Share of the groups held out as `validation`, where no column names it.
    pub validation: f64,
    /// Share of the groups held out as `test`, where no column names the splits.
    pub test: f64,
    /// What happens to a row that cannot be read: `stop` or `skip`.
    pub on_error: OnError,
    /// Most rows that `skip` may leave out.
    pub max_errors: usize,
    /// Decoded media kept in files, in MB; the rest is decoded again every epoch.
    pub cache_mb: usize,
    /// Folder of these files, in which later runs find what was decoded of the same content by the same options; absent:
    /// temporary files that end with the run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache_folder: Option<PathBuf>,
    /// Threads that prepare batches; does not change the result.
    pub loader_threads: usize,
}

impl Default for DataConfig {
    fn default() -> Self {
        Self {
            path: PathBuf::new(),
            columns: Named::new(),
            split_column: None,
            group_by: None,
            validation: 0.1,
            test: 0.1,
            on_error: OnError::Stop,
            max_errors: 100,
            cache_mb: 8192,
            cache_folder: None,
            loader_threads: 1,
        }
    }
}

/// How training goes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TrainConfig {
    /// Passes over the training rows.
    pub epochs: usize,
    /// Rows a step.
    pub batch_size: usize,
    /// Highest step size.
    pub learning_rate: f64,
    /// Decay of the weight matrices, decoupled (Loshchilov and Hutter 2017, arXiv:1711.05101).
    pub weight_decay: f64,
    /// Share of the steps over which the step size rises from 0; it then falls as a cosine to 0.
    pub warmup: f64,
    /// Largest norm of all gradients together; 0: no limit.
    pub clip: f64,
    /// Evaluations without a better validation loss after which training stops and the best weights are kept; 0: never,
    /// and the last weights are kept.
    pub patience: usize,
    /// Epochs between evaluations of the validation rows.
    pub evaluate_every: usize,
    /// Probability that a modality is withheld from a row; one always stays.
    pub modality_dropout: f64,
    /// Share of the batches whose pictures are laid over each other, and their classes with them (mixup).
    #[serde(skip_serializing_if = "is_zero")]
    pub mixup: f64,
    /// Share of the batches whose pictures have a rectangle of another pasted in, and their classes mixed (CutMix).
    #[serde(skip_serializing_if = "is_zero")]
    pub cutmix: f64,
    /// Numbers that products in linear layers, convolutions, attention and recurrent layers are made of, in training and when
    /// the run is used: `float32`, or the quicker `bfloat16` on a processor with AVX-512 BF16 (Kalamkar et al. 2019,
    /// arXiv:1905.12322) and, quicker still, AMX.
    #[serde(skip_serializing_if = "Precision::is_usual")]
    pub precision: Precision,
    /// Modality whose equal values are kept in one batch, so that each is encoded once (questions about one picture).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub together: Option<String>,
    /// Seconds between checkpoints; one is also written after every epoch.
    pub checkpoint_seconds: u64,
    /// Seed of everything random.
    pub seed: u64,
}

impl Default for TrainConfig {
    fn default() -> Self {
        Self {
            epochs: 20,
            batch_size: 64,
            learning_rate: 1e-3,
            weight_decay: 0.01,
            warmup: 0.05,
            clip: 1.0,
            patience: 0,
            evaluate_every: 1,
            modality_dropout: 0.0,
            mixup: 0.0,
            cutmix: 0.0,
            precision: Precision::Float32,
            together: None,
            checkpoint_seconds: 30,
            seed: 0,
        }
    }
}

impl TrainConfig {
    /// Whether every option is in its range.
    ///
    /// # Errors
    /// [`Error::Config`] at the first option that is out of its range.
    pub fn check(&self) -> Result<()> {
        at_least("epochs", self.epochs, 1)?;
        at_least("evaluate_every", self.evaluate_every, 1)?;
        at_least("batch_size", self.batch_size, 1)?;
        within("learning_rate", self.learning_rate, 0.0, 1e3)?;
        within("weight_decay", self.weight_decay, 0.0, 1e3)?;
        within("warmup", self.warmup, 0.0, 1.0)?;
        within("clip", self.clip, 0.0, f64::MAX)?;
        within("mixup", self.mixup, 0.0, 1.0)?;
        within("cutmix", self.cutmix, 0.0, 1.0 - self.mixup)?;
        within("modality_dropout", self.modality_dropout, 0.0, 1.0)
    }
}

impl Config {
    /// Reads a config file; `set` are `path=value` changes made to it first, and `data.path` and other paths
    /// are taken from the file's folder.
    ///
    /// # Errors
    /// [`Error::Config`] with the file, the line and the option.
    pub fn load(path: &Path, set: &[String]) -> Result<Self> {
        let text = std::fs::read_to_string(path).map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => {
                Error::run(path, "no such file").with_help("write a config for a table with `amodal init TABLE`")
            }
            _ => Error::io(path)(error),
        })?;
        let mut config = Self::parse(&text, set).map_err(|error| error.in_file(path))?;
        let folder = path.parent().unwrap_or(Path::new(""));
        config.data.path = folder.join(&config.data.path);
        config.data.cache_folder = config.data.cache_folder.map(|cache| folder.join(cache));
        let targets = config.tasks.values_mut().filter_map(|task| task.target.as_mut());
        config.modalities.values_mut().chain(targets).for_each(|modality| modality.options().place(folder));
        Ok(config)
    }

    /// Reads a config; `set` are `path=value` changes made to it first.
    ///
    /// # Errors
    /// [`Error::Config`] with the line and the option.
    pub fn parse(text: &str, set: &[String]) -> Result<Self> {
        let line = |offset: usize| text[..offset.min(text.len())].lines().count().max(1);
        let mut table: toml::Table = toml::from_str(text).map_err(|error| {
            let at = error.span().map(|span| format!("line {}", line(span.start))).unwrap_or_default();
            Error::config(at, error.message())
        })?;
        for change in set {
            apply(&mut table, change)?;
        }
        let config: Self = serde_path_to_error::deserialize(table).map_err(|error| {
            let at = error.path().to_string();
            let problem = in_words(error.inner().message());
            let help = did_you_mean(&problem);
            Error::config(if at == "." { String::new() } else { at }, problem).with_help(help)
        })?;
        config.check()?;
        Ok(config)
    }

    /// Checks the numbers of `[train]` and of the tasks, and that `data.columns` names what is read.
    fn check(&self) -> Result<()> {
        self.train.check().map_err(|error| error.within("train"))?;
        within("data.loader_threads", self.data.loader_threads as f64, 1.0, 256.0)?;
        for (name, task) in &self.tasks {
            within(&format!("tasks.{name}.weight"), task.weight, 0.0, 1e6)?;
            within(&format!("tasks.{name}.modality_dropout"), task.modality_dropout, 0.0, 0.95)?;
            task.sampling.check().map_err(|error| error.within(&format!("tasks.{name}.sampling")))?;
        }
        let known: Vec<&str> = self.modalities.keys().chain(self.tasks.keys()).map(String::as_str).collect();
        if let Some(wrong) = self.data.columns.keys().find(|name| !known.contains(&name.as_str())) {
            let problem = format!("no modality or task `{wrong}`; here are: {}", known.join(", "));
            let near = suggest(wrong, known).map(|near| format!("did you mean `{near}`?"));
            return Err(Error::config("data.columns", problem).with_help(near.unwrap_or_default()));
        }
        Ok(())
    }

    /// The config as TOML.
    ///
    /// # Errors
    /// [`Error::Config`] if a value has no TOML form.
    pub fn to_toml(&self) -> Result<String> {
        toml::to_string(self).map_err(|error| Error::config("", error.to_string()))
    }

    /// The JSON schema of a config, for editors.
    pub fn schema() -> serde_json::Value {
        schemars::schema_for!(Config).to_value()
    }

    /// The column of a modality or task.
    pub fn column<'a>(&'a self, name: &'a str) -> &'a str {
        self.data.columns.get(name).map_or(name, String::as_str)
    }

    /// The columns that a modality reads side by side; none: the one that [`Config::column`] says.
    pub fn columns(&self, name: &str) -> &[String] {
        self.modalities.get(name).map_or(&[], ModalityConfig::columns)
    }
}

/// Makes one `path=value` change: the value is TOML, or else text.
fn apply(table: &mut toml::Table, change: &str) -> Result<()> {
    let bad = |problem: &str| Error::config(format!("--set {change}"), problem).with_help("write --set train.seed=1");
    let (path, value) = change.split_once('=').ok_or_else(|| bad("expected path=value"))?;
    let value = match toml::from_str::<toml::Table>(&format!("v = {value}")) {
        Ok(mut parsed) => parsed.remove("v").ok_or_else(|| bad("expected one value"))?,
        Err(_) => toml::Value::String(value.to_string()),
    };
    let mut steps: Vec<&str> = path.split('.').collect();
    let last = steps.pop().filter(|name| !name.is_empty()).ok_or_else(|| bad("expected path=value"))?;
    let mut place = table;
    for step in steps {
        let next = place.entry(step).or_insert_with(|| toml::Value::Table(toml::Table::new()));
        place = next.as_table_mut().ok_or_else(|| bad(&format!("`{step}` is not a table")))?;
    }
    // another `type` is another part: the options of the old one do not apply to it
    if last == "type" && place.get("type").is_some_and(|old| *old != value) {
        let dim = place.remove("dim");
        place.clear();
        place.extend(dim.map(|dim| ("dim".to_string(), dim)));
    }
    place.insert(last.to_string(), value);
    Ok(())
}

/// A message of serde without Rust's names for numbers.
fn in_words(problem: &str) -> String {
    let words = [
        ("expected usize", "expected a whole number of at least 0"),
        ("expected u64", "expected a whole number of at least 0"),
        ("expected f64", "expected a number"),
        ("expected f32", "expected a number"),
        ("expected a sequence", "expected a list"),
    ];
    words.iter().fold(problem.to_string(), |text, (from, to)| text.replace(from, to))
}

/// `did you mean` for serde's "unknown field `x`, expected one of `a`, `b`".
fn did_you_mean(problem: &str) -> String {
    let mut names = problem.split('`').skip(1).step_by(2);
    let wrong = names.next().unwrap_or_default();
    if !problem.starts_with("unknown") {
        return String::new();
    }
    let known: Vec<&str> = names.collect();
    match suggest(wrong, known.iter().copied()) {
        Some(near) => format!("did you mean `{near}`? `amodal list` shows every part and its options"),
        None => "`amodal list` shows every part and its options".to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = r#"
[data]
path = "t.csv"
[modalities.image]
type = "image"
[encode.image]
type = "cnn"
dim = 32
[tasks.label]
target = { type = "category" }
decode = { type = "classifier" }
loss = { type = "cross_entropy" }
"#;

    #[test]
    fn reads_and_writes_the_same() {
        let config = Config::parse(TEXT, &[]).unwrap();
        assert_eq!(Config::parse(&config.to_toml().unwrap(), &[]).unwrap(), config);
    }

    #[test]
    fn changes_by_path() {
        let set = ["train.seed=7", "encode.image.type=bag", "data.on_error=skip"].map(String::from);
        let config = Config::parse(TEXT, &set).unwrap();
        assert_eq!(config.train.seed, 7);
        assert_eq!(config.encode["image"].name(), "bag");
        assert_eq!(config.data.on_error, OnError::Skip);
        assert!(Config::parse(TEXT, &["train".to_string()]).is_err());
    }

    #[test]
    fn errors_name_the_place_and_the_way_out() {
        let error = |from: &str, to: &str| {
            let error = Config::parse(&TEXT.replace(from, to), &[]).unwrap_err();
            format!("{error}; {}", error.help().unwrap_or_default())
        };
        let text = error("\"cnn\"", "\"cmn\"");
        assert!(text.starts_with("encode.image"), "{text}");
        assert!(text.contains("unknown variant `cmn`") && text.contains("did you mean `cnn`?"), "{text}");
        let text = error("dim = 32", "dims = 32");
        assert!(text.contains("encode.image") && text.contains("did you mean `dim`?"), "{text}");
        let text = error("dim = 32", "dim = = 32");
        assert!(text.starts_with("line 8"), "{text}");
    }
}
