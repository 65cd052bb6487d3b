//! `amodal init`: a commented config for a table.
use crate::{Output, check::nothing_to_learn, show};
use amodal::{
    Config, Error, Named,
    data::{SplitOptions, Table, splits},
    profile::{Kind, guess},
};
use clap::Args;
use std::{fmt::Write, path::PathBuf};

#[derive(Args)]
pub(crate) struct Init {
    /// The table, or a folder of classes
    data: PathBuf,
    /// Where the config goes
    #[arg(short, default_value = "config.toml")]
    output: PathBuf,
    /// Column to predict [default: the last category or number; none: the modalities are aligned only]
    #[arg(long)]
    target: Option<String>,
    /// Replace a config that exists
    #[arg(long)]
    force: bool,
}

impl Init {
    pub(crate) fn run(&self, output: Output) -> anyhow::Result<()> {
        if self.output.exists() && !self.force {
            return Err(Error::run(&self.output, "exists already")
                .with_help("choose another -o, or add --force")
                .into());
        }
        let table = Table::read(&self.data)?;
        splits(&table, &SplitOptions::default())?;
        let kinds = guess(&table);
        let text = self.config(&table, &kinds)?;
        Config::parse(&text, &[])?; // what is written can be read
        amodal::files::write_atomic(&self.output, |file| std::io::Write::write_all(file, text.as_bytes()))?;
        output.say(format_args!("wrote {0}; next: amodal train {0} --out run", self.output.display()));
        if output.json {
            show::json(&kinds.iter().map(|(n, k)| (n.clone(), k.name())).collect::<Named<_>>())
        } else {
            Ok(())
        }
    }

    fn config(&self, table: &Table, kinds: &Named<Kind>) -> anyhow::Result<String> {
        let predicts = |kind: Kind| matches!(kind, Kind::Category | Kind::Number);
        let target = match &self.target {
            Some(name) => {
                table.column(name)?;
                if !predicts(kinds[name]) {
                    let problem =
                        format!("the column `{name}` is {}: expected a category or a number", kinds[name].name());
                    return Err(Error::config("--target", problem).into());
                }
                Some(name.as_str())
            }
            None => table.columns().iter().rev().find(|name| predicts(kinds[*name])).map(String::as_str),
        };
        let reads = |kind: Kind| {
            matches!(
                kind,
                Kind::Image | Kind::Audio | Kind::Video | Kind::Text | Kind::Category | Kind::Number | Kind::Series
            )
        };
        let inputs: Vec<(&String, Kind)> = table
            .columns()
            .iter()
            .filter(|name| Some(name.as_str()) != target)
            .map(|name| (name, kinds[name]))
            .collect();
        let (read, left): (Vec<_>, Vec<_>) = inputs.into_iter().partition(|(_, kind)| reads(*kind));
        let rich: Vec<_> = read
            .iter()
            .filter(|(_, kind)| matches!(kind, Kind::Image | Kind::Audio | Kind::Video | Kind::Text))
            .collect();
        if read.is_empty() || (target.is_none() && rich.len() < 2) {
            let problem = "no column can be predicted from the others: expected a category or a number beside \
                           another column, or two of picture, sound and text";
            return Err(nothing_to_learn(table.path(), problem));
        }
        let data = std::path::absolute(table.path())?;
        let mut text = String::new();
        writeln!(
            text,
            "# Written by `amodal init` from {} rows. `amodal list` shows every part and its options.",
            table.len()
        )?;
        writeln!(text, "# Train it: amodal train {}\n", self.output.display())?;
        writeln!(text, "[data]\npath = {}", quoted(&data.display().to_string()))?;
        if !kinds.values().any(|kind| *kind == Kind::Split) {
            writeln!(
                text,
                "# no column names the splits: this share of the rows is held out\nvalidation = 0.1\ntest = 0.1"
            )?;
            writeln!(text, "# group_by = \"COLUMN\"  # rows of one value stay in one split")?;
        }
        for (name, kind) in left.iter().filter(|(_, kind)| *kind != Kind::Split) {
            writeln!(text, "# the column {} is not read: {}", quoted(name), kind.name())?;
        }
        writeln!(text, "\n[train]\nepochs = {}\nbatch_size = 64\nlearning_rate = 1e-3", epochs(table.len()))?;
        writeln!(text, "patience = 5            # evaluations without progress after which training stops; 0: never")?;
        if read.len() > 1 && target.is_some() {
            writeln!(text, "modality_dropout = 0.1  # so that every subset of the modalities can be used alone")?;
        }
        writeln!(text, "seed = 0")?;
        for (name, kind) in &read {
            let (modality, encoder) = match kind {
                Kind::Image => ("type = \"image\"\nsize = 64", "type = \"cnn\"\nchannels = [16, 32, 64]\ndim = 128"),
                Kind::Video => ("type = \"video\"\nsize = 64\nframes = 8", "type = \"frames\"\ndim = 128"),
                Kind::Audio => ("type = \"audio\"", "type = \"cnn\"\npool = \"mean\"\ndim = 128"),
                Kind::Text => (
                    "type = \"text\"",
                    "type = \"bag\"  # or \"transformer\", which sees the order of the words\ndim = 128",
                ),
                Kind::Number => ("type = \"number\"", "type = \"number\"\ndim = 32"),
                Kind::Series => ("type = \"series\"", "type = \"transformer\"\ndim = 64"),
                _ => (
                    "type = \"category\"\nunknown = true  # a value never seen reads as one more class",
                    "type = \"category\"\ndim = 32",
                ),
            };
            let name = key(name);
            writeln!(text, "\n[modalities.{name}]\n{modality}\n\n[encode.{name}]\n{encoder}")?;
        }
        if target.is_some() && read.len() > 1 {
            writeln!(text, "\n[fuse]\ntype = \"concat\"  # `amodal list fusions` shows the others\ndim = 128")?;
        }
        if let Some(target) = target {
            let (kind, decoder, loss) = match kinds[target] {
                Kind::Number => ("number", "regressor", "mse"),
                _ => ("category", "classifier", "cross_entropy"),
            };
            writeln!(text, "\n[tasks.{}]\ntarget = {{ type = \"{kind}\" }}", key(target))?;
            writeln!(
                text,
                "decode = {{ type = \"{decoder}\", hidden = [128], dropout = 0.1 }}\nloss = {{ type = \"{loss}\" }}"
            )?;
        }
        if rich.len() > 1 {
            let names: Vec<String> = rich.iter().map(|(name, _)| quoted(name)).collect();
            let task = ["align", "alignment", "shared_space"].into_iter().find(|name| table.column(name).is_err());
            writeln!(
                text,
                "\n# a shared space, in which each modality finds the others\n[tasks.{}]",
                task.unwrap_or("align")
            )?;
            writeln!(text, "loss = {{ type = \"info_nce\", between = [{}] }}", names.join(", "))?;
        }
        Ok(text)
    }
}

/// Passes that bring small tables to some thousand steps.
fn epochs(rows: usize) -> usize {
    (200_000 / rows.max(1)).clamp(5, 60)
}

/// A TOML string.
fn quoted(text: &str) -> String {
    toml::Value::String(text.to_string()).to_string()
}

/// A TOML key.
fn key(name: &str) -> String {
    let bare = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-');
    if bare { name.to_string() } else { quoted(name) }
}
