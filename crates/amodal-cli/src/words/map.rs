//! `amodal words map`.
use crate::Output;
use amodal::{
    files::write_atomic,
    report::word_map,
    words::{Vectors, map::Map as Placed},
};
use clap::Args;
use std::{io::Write, path::PathBuf};

/// Draw words on a plane, near ones near each other: a page that needs nothing else.
///
/// The first words of the file are drawn, which are the most frequent ones where a tool wrote it by frequency, or those that are
/// named. The same vectors give the same page.
#[derive(Args)]
pub(crate) struct Map {
    /// The file of vectors
    vectors: PathBuf,
    /// The page to write
    #[arg(short)]
    output: PathBuf,
    /// How many words, from the first on: 5 to 5000
    #[arg(long, default_value_t = 500)]
    words: usize,
    /// These words alone
    #[arg(long, value_name = "WORD", num_args = 1.., conflicts_with = "words")]
    named: Vec<String>,
}

impl Map {
    pub(crate) fn run(&self, output: Output) -> anyhow::Result<()> {
        let vectors = Vectors::read(&self.vectors)?;
        let first = vectors.words().iter().take(self.words);
        let words: Vec<&str> = match self.named.is_empty() {
            true => first.map(String::as_str).collect(),
            false => self.named.iter().map(String::as_str).collect(),
        };
        let map = Placed::new(&vectors, &words)?;
        let name = self.vectors.file_name().unwrap_or_default().to_string_lossy();
        let page = word_map(&map, &format!("Words of {name}"));
        write_atomic(&self.output, |file| file.write_all(page.as_bytes()))?;
        let [kept, chance] = [map.kept, map.chance].map(|share| format!("{:.1} %", 100.0 * share));
        let (path, count) = (self.output.display(), words.len());
        output.say(format_args!("wrote {path}: {count} words; {kept} of the nearest are kept ({chance} by chance)"));
        Ok(())
    }
}
