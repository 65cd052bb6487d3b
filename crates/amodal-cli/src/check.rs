//! `amodal check`.
use crate::{Output, show};
use amodal::{
    Config, Model, Named,
    data::{Examples, SplitOptions, Table, splits},
    profile::{Profile, profile},
    report::profile_page,
    run::Prepared,
    train::{device, estimate},
};
use clap::Args;
use std::{
    path::PathBuf,
    time::{Duration, Instant},
};

/// What measuring the steps of a config may take.
const MEASURED: Duration = Duration::from_secs(2);

#[derive(Args)]
pub(crate) struct Check {
    /// A table, a folder of classes, or a config
    path: PathBuf,
    /// Change an option of the config first (repeatable)
    #[arg(long, value_name = "PATH=VALUE")]
    set: Vec<String>,
    /// Write the profile of the table as a page too, with its pictures
    #[arg(short = 'o', long, value_name = "FILE")]
    html: Option<PathBuf>,
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

impl Check {
    pub(crate) fn run(&self, output: Output) -> anyhow::Result<()> {
        if self.path.extension().is_some_and(|ending| ending == "toml") {
            return self.config(output);
        }
        let table = Table::read(&self.path)?;
        let splits = splits(&table, &SplitOptions::default())?;
        let profile = profile(&table, &splits);
        self.page(&profile, &table, &splits, output)?;
        match output.json {
            true => show::json(&profile)?,
            false => {
                show::print(&format!("{profile}"))?;
                if profile.decode_seconds() > 0.0 {
                    let time = show::about(profile.decode_seconds());
                    show::print(&format!("\nreading and decoding every file once: {time}\n"))?;
                }
            }
        }
        if profile.has_errors() { Err(Found.into()) } else { Ok(()) }
    }

    /// Writes the page, where one is asked for.
    fn page(&self, profile: &Profile, table: &Table, splits: &Named<Vec<usize>>, output: Output) -> anyhow::Result<()> {
        let Some(path) = &self.html else { return Ok(()) };
        let page = profile_page(profile, table, splits);
        amodal::files::write_atomic(path, |file| std::io::Write::write_all(file, page.as_bytes()))?;
        output.say(format_args!("wrote {}", path.display()));
        Ok(())
    }

    /// A config: its data, then every name and width, then every value of every row, and how long some steps take.
    fn config(&self, output: Output) -> anyhow::Result<()> {
        let config = Config::load(&self.path, &self.set)?;
        let prepared = Prepared::new(config)?;
        let model = Model::new(&prepared.config, &device())?;
        amodal::eval::check(&prepared.config, &model)?;
        if self.html.is_some() {
            let profile = profile(&prepared.table, &prepared.splits);
            self.page(&profile, &prepared.table, &prepared.splits, output)?;
        }
        let examples = Examples::new(prepared.table, &prepared.config, &model, true)?;
        let (mut report, mut splits, start) = (Vec::new(), Named::new(), Instant::now());
        for (name, rows) in &prepared.splits {
            let (good, skipped) = examples.load(rows, &prepared.config)?;
            report.push(serde_json::json!({ "split": name, "rows": good.len(), "left_out": skipped.len() }));
            splits.insert(name.clone(), good.clone());
            if !output.json {
                let left_out = if skipped.is_empty() { String::new() } else { format!(", {} left out", skipped.len()) };
                show::print(&format!("{name}: {} rows{left_out}\n", good.len()))?;
                for error in skipped.iter().take(20) {
                    show::print(&format!("  {error}\n"))?;
                }
            }
        }
        let decode_seconds = start.elapsed().as_secs_f64();
        let rows = |name: &str| splits.get(name).map(Vec::as_slice).unwrap_or_default();
        let estimate = match rows("train") {
            [] => None,
            train => Some(estimate(&prepared.config, &examples, (train, rows("validation")), MEASURED)?),
        };
        let parameters = amodal::cost::parameters(&model);
        if output.json {
            let mut value = serde_json::json!({ "splits": report, "parameters": parameters });
            value["decode_seconds"] = decode_seconds.into();
            value["estimate"] = serde_json::to_value(estimate)?;
            return show::json(&value);
        }
        let again =
            if examples.fits_cache() { "" } else { "; more than data.cache_mb holds, so that epochs decode again" };
        show::print(&format!("decoding every value once: {}{again}\n", show::about(decode_seconds)))?;
        if let Some(estimate) = estimate {
            let (epoch, step) = (show::about(estimate.epoch_seconds), show::about(estimate.step_seconds));
            let steps = show::count(estimate.steps, "step");
            let all = show::count(estimate.epochs, "epoch");
            let total = show::about(estimate.total_seconds);
            show::print(&format!("an epoch: {epoch} ({steps}, each {step}); {all}: {total}\n"))?;
        }
        show::print(&format!("parameters: {}\nok\n", show::thousands(parameters as u64)))
    }
}
