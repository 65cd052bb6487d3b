//! `amodal evaluate`.
use crate::{Output, convert::SamplingArgs, show};
use amodal::{
    eval::{self, Curves, Options},
    run::Run,
};
use clap::Args;
use std::path::PathBuf;

#[derive(Args)]
pub(crate) struct Evaluate {
    /// The run folder
    run: PathBuf,
    /// The table
    data: PathBuf,
    /// The split to measure, or `all` [default: test, or else validation; all rows of a table without splits]
    #[arg(long)]
    split: Option<String>,
    /// Withhold this modality from every row (repeatable)
    #[arg(long, value_name = "MODALITY")]
    without: Vec<String>,
    /// Measure every subset of the modalities
    #[arg(long)]
    subsets: bool,
    /// Measure also with each modality, and all at once, withheld from 0 to 100 % of the rows, drawn at random
    /// (not of drawings and speech made from one modality alone)
    #[arg(long)]
    withheld: bool,
    #[command(flatten)]
    sampling: SamplingArgs,
}

impl Evaluate {
    pub(crate) fn run(&self, output: Output) -> anyhow::Result<()> {
        let run = Run::open(&self.run)?;
        let (examples, split, rows) = run.read(&self.data, self.split.as_deref())?;
        let (rows, skipped) = examples.load(&rows, &run.config)?;
        show::left_out(&skipped, output);
        let options = Options {
            without: self.without.clone(),
            subsets: self.subsets,
            withheld: if self.withheld { Curves::All } else { Curves::None },
            sampling: self.sampling.changes()?,
        };
        let measured = eval::evaluate(&run.model, &run.config, &examples, (&split, &rows), &options)?;
        if measured.is_empty() {
            output.say("warning: no row has what the tasks measure");
        }
        match output.json {
            true => show::json(&measured),
            false => show::print(&show::measured(&measured)),
        }
    }
}
