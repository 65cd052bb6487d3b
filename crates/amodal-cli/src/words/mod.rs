//! `amodal words`: cutting text, naming parts of speech, and vectors of words.
mod convert;
mod evaluate;
mod map;
mod near;
mod phrases;
mod right;
mod segment;
mod tag;
mod tokenizer;
mod train;

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
    /// Cut texts into words, a line for each line, or measure how often that is right
    Segment(segment::Segment),
    /// Learn a vocabulary of subwords, or cut texts by one
    Tokenizer(tokenizer::Tokenizer),
    /// Join words that stand together far more often than apart: new_york
    Phrases(phrases::Phrases),
    /// Learn vectors of words from a text (Word2Vec, fastText, GloVe)
    Train(train::Train),
    /// Write a file of vectors in another form
    Convert(convert::Convert),
    /// The words whose vectors are nearest to a word's
    Nearest(near::Nearest),
    /// What B is to A, to C: man king woman → queen
    Analogy(near::Analogy),
    /// Measure vectors by pairs of words and by analogies
    Evaluate(evaluate::Evaluate),
    /// Draw words on a plane, near ones near each other
    Map(map::Map),
}

impl Words {
    pub(crate) fn run(&self, output: Output) -> anyhow::Result<()> {
        match &self.command {
            Command::Tag(command) => command.run(output),
            Command::Segment(command) => command.run(output),
            Command::Tokenizer(command) => command.run(output),
            Command::Phrases(command) => command.run(output),
            Command::Train(command) => command.run(output),
            Command::Convert(command) => command.run(output),
            Command::Evaluate(command) => command.run(output),
            Command::Map(command) => command.run(output),
            Command::Nearest(command) => command.run(output),
            Command::Analogy(command) => command.run(output),
        }
    }
}

/// So many threads; one a core where the user does not say.
fn threads(given: Option<usize>) -> usize {
    given.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from))
}

/// The lines of a file; of stdin where it is `-`.
fn lines(path: &Path) -> Result<Box<dyn Iterator<Item = Result<Line>>>> {
    let stdin = || -> Box<dyn BufRead> { Box::new(stdin().lock()) };
    Ok(if path == Path::new("-") { Box::new(Lines::new(stdin(), "stdin")) } else { Box::new(Lines::open(path)?) })
}
