//! `amodal check`.
use crate::{Output, show};
use amodal::{
    Config, Error, Model,
    data::{Examples, SplitOptions, Table, splits},
    media::{audio, image, video},
    profile::{Kind, profile},
    run::Prepared,
    train::device,
};
use clap::Args;
use std::path::PathBuf;

#[derive(Args)]
pub(crate) struct Check {
    /// A table, a folder of classes, or a config
    path: PathBuf,
    /// Change an option of the config first (repeatable)
    #[arg(long, value_name = "PATH=VALUE")]
    set: Vec<String>,
}

/// Something that `check` found wrong; it is printed already.
#[derive(Debug)]
struct Found;

impl std::fmt::Display for Found {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the check found errors")
    }
}

impl std::error::Error for Found {}

/// What a medium is, for the profile: its size or length.
pub(crate) fn probe(kind: Kind, bytes: &[u8]) -> amodal::Result<String> {
    match kind {
        Kind::Image => {
            let picture = image::decode(bytes, &image::Limits::default(), 64)?;
            Ok(format!("{}x{}", picture.width, picture.height))
        }
        Kind::Audio => Ok(format!("{:.1} s", audio::decode(bytes, &audio::SoundLimits::default())?.seconds())),
        Kind::Video => {
            let clip = video::decode(bytes, 1, &video::ClipLimits::default(), None, |picture| picture)?;
            let picture = &clip.frames[0].picture;
            Ok(format!("{}x{}, {:.1} s", picture.width, picture.height, clip.seconds))
        }
        _ => Ok(String::new()),
    }
}

impl Check {
    pub(crate) fn run(&self, output: Output) -> anyhow::Result<()> {
        if self.path.extension().is_some_and(|ending| ending == "toml") {
            return self.config(output);
        }
        let table = Table::read(&self.path)?;
        let splits = splits(&table, &SplitOptions::default())?;
        let profile = profile(&table, &splits, &probe);
        match output.json {
            true => show::json(&profile)?,
            false => show::print(&format!("{profile}"))?,
        }
        if profile.has_errors() { Err(Found.into()) } else { Ok(()) }
    }

    /// A config: its data, then every name and width, then every value of every row.
    fn config(&self, output: Output) -> anyhow::Result<()> {
        let config = Config::load(&self.path, &self.set)?;
        let prepared = Prepared::new(config)?;
        let model = Model::new(&prepared.config, &device())?;
        amodal::eval::check(&prepared.config, &model)?;
        let examples = Examples::new(prepared.table, &prepared.config, &model, true)?;
        let mut report = Vec::new();
        for (name, rows) in &prepared.splits {
            let (good, skipped) = examples.load(rows, &prepared.config)?;
            report.push(serde_json::json!({ "split": name, "rows": good.len(), "left_out": skipped.len() }));
            if !output.json {
                let left_out = if skipped.is_empty() { String::new() } else { format!(", {} left out", skipped.len()) };
                show::print(&format!("{name}: {} rows{left_out}\n", good.len()))?;
                for error in skipped.iter().take(20) {
                    show::print(&format!("  {error}\n"))?;
                }
            }
        }
        let parameters = amodal::cost::parameters(&model);
        match output.json {
            true => show::json(&serde_json::json!({ "splits": report, "parameters": parameters })),
            false => show::print(&format!("parameters: {}\nok\n", show::thousands(parameters as u64))),
        }
    }
}

/// An error for a table from which no config can be written.
pub(crate) fn nothing_to_learn(path: &std::path::Path, problem: &str) -> anyhow::Error {
    Error::data(path.display().to_string(), problem).into()
}
