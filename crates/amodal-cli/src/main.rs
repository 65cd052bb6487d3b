//! The `amodal` command. Data goes to stdout, progress and messages to stderr; exit 0 done, 1 ran and failed, 2 wrong
//! use.
mod check;
mod convert;
mod demo;
mod doctor;
mod evaluate;
mod index;
mod init;
mod list;
mod predict;
mod progress;
mod show;
mod train;
mod words;

use clap::{Args, CommandFactory, Parser, Subcommand};
use std::{io::Write as _, process::ExitCode};

/// Cross-modal learning: images, text, sound and table columns in one space; classify, measure and search.
///
/// Start with `amodal demo`. With a table of your own: `amodal init table.csv`, `amodal train config.toml --out run`,
/// `amodal evaluate run table.csv`.
#[derive(Parser)]
#[command(name = "amodal", version, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    output: Output,
}

/// How much is said, and in what form.
#[derive(Args, Clone, Copy)]
pub(crate) struct Output {
    /// Print the result as JSON
    #[arg(long, global = true)]
    json: bool,
    /// Say nothing but the result and errors
    #[arg(short, long, global = true)]
    quiet: bool,
    /// Say more
    #[arg(short, long, global = true, conflicts_with = "quiet")]
    verbose: bool,
}

impl Output {
    /// A message to stderr, unless it is to be quiet.
    pub(crate) fn say(&self, message: impl std::fmt::Display) {
        if !self.quiet {
            tell(message);
        }
    }
}

/// A line to stderr. Where it goes may be gone, as a terminal is that was closed: that must not end what is running.
pub(crate) fn tell(message: impl std::fmt::Display) {
    let _ = writeln!(std::io::stderr(), "{message}");
}

#[derive(Subcommand)]
enum Command {
    /// Train on the data embedded in this binary, evaluate, and write a report: the first thing to run
    Demo(demo::Demo),
    /// Look at a table and write a commented config for it
    Init(init::Init),
    /// Check a table or a config without training: columns, missing values, unreadable files, leaks between splits
    Check(check::Check),
    /// Train a config into a run folder, or resume one
    Train(train::Train),
    /// Measure every task on rows that training did not see, also with modalities withheld
    Evaluate(evaluate::Evaluate),
    /// Predict every task for the rows of a table, or for values given here
    Predict(predict::Predict),
    /// Turn one modality into another: caption, draw, speak, animate, transcribe
    Convert(convert::Convert),
    /// One vector a row and modality in the shared space
    Embed(predict::Embed),
    /// Make or change an index of rows to search
    Index(index::IndexCommand),
    /// Find the rows of an index that are nearest to a picture, a sound, words, …
    Search(index::Search),
    /// Cut text into words and subwords, name parts of speech, and learn vectors of words
    Words(words::Words),
    /// Every encoder, fusion, decoder, loss, modality and metric, with its options, paper and cost
    List(list::List),
    /// The machine, the build and what is missing
    Doctor,
    /// About config files
    Config {
        #[command(subcommand)]
        command: ConfigCommand,
    },
    /// Completions for a shell, to stdout
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
}

#[derive(Subcommand)]
enum ConfigCommand {
    /// The JSON schema of a config, for editors
    Schema,
}

#[global_allocator]
static MEMORY: amodal::kernels::memory::Counted = amodal::kernels::memory::Counted;

fn main() -> ExitCode {
    amodal::kernels::memory::keep();
    amodal::kernels::share_thread();
    let cli = Cli::parse();
    let output = cli.output;
    let result = match cli.command {
        Command::Demo(command) => command.run(output),
        Command::Init(command) => command.run(output),
        Command::Check(command) => command.run(output),
        Command::Train(command) => command.run(output),
        Command::Evaluate(command) => command.run(output),
        Command::Predict(command) => command.run(output),
        Command::Convert(command) => command.run(output),
        Command::Embed(command) => command.run(output),
        Command::Index(command) => command.run(output),
        Command::Search(command) => command.run(output),
        Command::Words(command) => command.run(output),
        Command::List(command) => command.run(output),
        Command::Doctor => doctor::run(output),
        Command::Config { command: ConfigCommand::Schema } => show::json(&amodal::Config::schema()),
        Command::Completions { shell } => {
            clap_complete::generate(shell, &mut Cli::command(), "amodal", &mut std::io::stdout());
            Ok(())
        }
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let known = error.downcast_ref::<amodal::Error>();
            match known {
                Some(known) => tell(format_args!("error: {known}")), // says its source itself
                None => tell(format_args!("error: {error:#}")),
            }
            if let Some(help) = known.and_then(amodal::Error::help) {
                tell(format_args!("help: {help}"));
            }
            let wrong_use = matches!(known, Some(amodal::Error::Config { .. })) || error.is::<show::WrongUse>();
            ExitCode::from(if wrong_use { 2 } else { 1 })
        }
    }
}
