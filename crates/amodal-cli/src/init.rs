//! `amodal init`: a commented config for a table.
use crate::{Output, show};
use amodal::{
    Error, Named,
    data::{SplitOptions, Table, splits},
    profile::{profile, start},
};
use clap::Args;
use std::path::PathBuf;

#[derive(Args)]
pub(crate) struct Init {
    /// The table, or a folder of classes
    data: PathBuf,
    /// Where the config goes
    #[arg(short, default_value = "config.toml")]
    output: PathBuf,
    /// Column to predict [default: the last category or number that can be learned; none: the modalities are aligned only]
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
        let splits = splits(&table, &SplitOptions::default())?;
        if let Some(target) = &self.target {
            table.column(target)?; // before every file is opened
        }
        let profile = profile(&table, &splits);
        let command = format!("amodal train {}", self.output.display());
        let text = start(&profile, &table, &splits, self.target.as_deref(), &command)?;
        amodal::files::write_atomic(&self.output, |file| std::io::Write::write_all(file, text.as_bytes()))?;
        output.say(format_args!("wrote {0}; next: amodal train {0} --out run", self.output.display()));
        if !output.json {
            return Ok(());
        }
        show::json(
            &profile.columns.iter().map(|column| (column.name.clone(), column.kind.name())).collect::<Named<_>>(),
        )
    }
}
