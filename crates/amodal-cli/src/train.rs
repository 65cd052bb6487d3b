//! `amodal train`.
use crate::{
    Output,
    progress::{Bar, is_wanted},
    show,
};
use amodal::{
    Config, Error, Named,
    eval::{Curves, Measured, Options, evaluate},
    report::build,
    run::{self, Trained},
};
use clap::Args;
use std::path::{Path, PathBuf};

#[derive(Args)]
pub(crate) struct Train {
    /// The config (TOML); not needed to resume
    #[arg(required_unless_present = "resume")]
    config: Option<PathBuf>,
    /// The run folder to make [default: the config's name]
    #[arg(long)]
    out: Option<PathBuf>,
    /// Continue the training of this run folder, as if it had never stopped
    #[arg(long, value_name = "RUN", conflicts_with_all = ["config", "out", "set"])]
    resume: Option<PathBuf>,
    /// Change an option of the config, such as train.seed=1 (repeatable)
    #[arg(long, value_name = "PATH=VALUE")]
    set: Vec<String>,
}

impl Train {
    pub(crate) fn run(&self, output: Output) -> anyhow::Result<()> {
        let (config, out) = match (&self.resume, &self.config) {
            (Some(folder), _) => {
                let config = folder.join("config.toml");
                if !config.exists() {
                    return Err(Error::run(folder, "is not a run: it has no config.toml")
                        .with_help("start one with `amodal train CONFIG --out RUN`")
                        .into());
                }
                (Config::load(&config, &[])?, folder.clone())
            }
            (None, Some(path)) => {
                let out = self.out.clone().unwrap_or_else(|| PathBuf::from(path.file_stem().unwrap_or_default()));
                (Config::load(path, &self.set)?, out)
            }
            (None, None) => unreachable!("clap asks for one of the two"),
        };
        let notes = vec![];
        let measured = train(config, &out, self.resume.is_some(), output, notes)?;
        match output.json {
            true => show::json(&measured),
            false => show::print(&show::measured(&measured)),
        }
    }
}

/// Trains, measures what was held out, and writes the report.
pub(crate) fn train(
    config: Config,
    out: &Path,
    resume: bool,
    output: Output,
    notes: Vec<String>,
) -> anyhow::Result<Vec<Measured>> {
    let config = Config { data: absolute(config.data)?, ..config };
    output.say(format_args!("reading {}", config.data.path.display()));
    let mut bar = Bar::new(output);
    let trained = run::train(config, out, resume, &mut bar)?;
    drop(bar);
    let Trained { run, examples, splits, skipped, progress, seconds, waited } = &trained;
    show::left_out(skipped, output);
    let mut measured = Vec::new();
    for (split, rows) in held_out(splits) {
        if !is_wanted() {
            return Err(Error::Stopped { step: progress.step, help: String::new() }.in_training(out).into());
        }
        output.say(format_args!("measuring {} of {split}", show::count(rows.len(), "row")));
        let withheld = if trained.shown() == Some(&split) { Curves::Answers } else { Curves::None };
        let options = Options { subsets: true, withheld, ..Options::default() };
        let train = splits.get("train").map(Vec::as_slice).unwrap_or_default();
        let rows = (split.as_str(), rows.as_slice());
        measured.extend(evaluate(&run.model, &run.config, examples, rows, &options)?);
        measured.extend(amodal::floor::raw(&run.model, examples, train, rows)?);
    }
    run.write_results(&measured).map_err(|error| error.in_training(out))?;
    let page = build::report(&trained, &measured, notes)?;
    let path = out.join("report.html");
    amodal::files::write_atomic(&path, |file| std::io::Write::write_all(file, page.as_bytes()))
        .map_err(|error| error.in_training(out))?;
    let waited = if *seconds > 0.0 { waited / seconds * 100.0 } else { 0.0 };
    let report = path.display();
    output.say(format_args!(
        "{} steps in {seconds:.0} s, {waited:.1} % of it waiting for data; report: {report}",
        progress.step
    ));
    Ok(measured)
}

/// The splits that are measured: all but the training rows.
fn held_out(splits: &Named<Vec<usize>>) -> Vec<(String, Vec<usize>)> {
    splits
        .iter()
        .filter(|(name, rows)| *name != "train" && !rows.is_empty())
        .map(|(n, r)| (n.clone(), r.clone()))
        .collect()
}

/// The run folder's config must find the data from anywhere.
fn absolute(mut data: amodal::config::DataConfig) -> anyhow::Result<amodal::config::DataConfig> {
    if !data.path.as_os_str().is_empty() {
        data.path = std::path::absolute(&data.path)?;
    }
    data.cache_folder = data.cache_folder.map(std::path::absolute).transpose()?;
    Ok(data)
}
