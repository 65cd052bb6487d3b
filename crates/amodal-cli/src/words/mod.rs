//! `amodal words`: cutting text, and naming parts of speech.
mod segment;
mod tag;
mod tokenizer;

use crate::Output;
use amodal::{
    Result,
    words::lines::{Line, Lines},
};
use clap::{Args, Subcommand};
use std::{
    io::{BufRead, stdin},
    path::Path,
};

#[derive(Args)]
pub(crate) struct Words {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Name the part of speech of each word, or measure how often that is right
    Tag(tag::Tag),
    /// Cut texts into words, a line for each line
    Segment(segment::Segment),
    /// Learn a vocabulary of subwords, or cut texts by one
    Tokenizer(tokenizer::Tokenizer),
}

impl Words {
    pub(crate) fn run(&self, output: Output) -> anyhow::Result<()> {
        match &self.command {
            Command::Tag(command) => command.run(output),
            Command::Segment(command) => command.run(output),
            Command::Tokenizer(command) => command.run(output),
        }
    }
}

/// The lines of a file; of stdin where it is `-`.
fn lines(path: &Path) -> Result<Box<dyn Iterator<Item = Result<Line>>>> {
    let stdin = || -> Box<dyn BufRead> { Box::new(stdin().lock()) };
    Ok(if path == Path::new("-") { Box::new(Lines::new(stdin(), "stdin")) } else { Box::new(Lines::open(path)?) })
}
