//! `amodal words segment`.
use super::{lines, right};
use crate::{Output, show};
use amodal::{
    Error,
    words::{Language, language::joins, segment},
};
use clap::Args;
use serde::Serialize;
use std::{
    collections::HashSet,
    path::{Path, PathBuf},
};

/// Bytes that are written at once.
const AT_ONCE: usize = 1 << 16;

#[derive(Args)]
pub(crate) struct Segment {
    /// Text files; `-` is stdin
    #[arg(value_name = "FILE", default_value = "-")]
    files: Vec<PathBuf>,
    /// How words are cut: auto (by the letters of each line), english, chinese or other
    #[arg(long, default_value = "auto")]
    language: Language,
    /// Words alone, in lower case, as a model reads them: no marks and symbols
    #[arg(long)]
    plain: bool,
    /// Measure on a file of right answers: a word a line, what is behind a tabulator not read, a blank line behind each sentence
    #[arg(long, value_name = "FILE", conflicts_with_all = ["files", "plain"])]
    score: Option<PathBuf>,
}

impl Segment {
    pub(crate) fn run(&self, output: Output) -> anyhow::Result<()> {
        if let Some(path) = &self.score {
            return self.score(path, output);
        }
        let mut text = String::new();
        for path in &self.files {
            let mut is_within = false;
            for line in lines(path)? {
                let line = line.inspect_err(|_| {
                    let _ = show::print(&text); // what was good before it
                })?;
                let words = segment(&line.text, self.language, usize::MAX);
                let words = words.into_iter().filter(|word| word.is_word || !self.plain).map(|word| match self.plain {
                    true => word.text.to_lowercase(),
                    false => word.text.to_string(),
                });
                let words: Vec<String> = words.collect();
                if output.json {
                    text += &format!("{}\n", serde_json::to_string(&words)?);
                } else {
                    let before = if is_within && !words.is_empty() { " " } else { "" };
                    text += &format!("{before}{}{}", words.join(" "), if line.ends { "\n" } else { "" });
                }
                is_within = !line.ends;
                if text.len() >= AT_ONCE {
                    show::print(&std::mem::take(&mut text))?;
                }
            }
        }
        show::print(&text)
    }

    /// How often words are found as they are right.
    fn score(&self, path: &Path, output: Output) -> anyhow::Result<()> {
        let mut score = Score::default();
        let word = |line: &str| {
            let word = line.split('\t').next().unwrap_or_default();
            match word.trim() {
                "" => Err(Error::data("", "expected a word")),
                word => Ok(word.to_string()),
            }
        };
        right::sentences(path, word, |sentence| score.add(&sentence, self.language))?;
        if score.right == 0 {
            return Err(Error::data(path.display().to_string(), "no word").into());
        }
        if output.json { show::json(&score.figures()) } else { show::print(&score.text()) }
    }
}

/// Words with their places, counted.
#[derive(Default)]
struct Score {
    sentences: usize,
    /// That are right, that were found, and that are both.
    right: usize,
    found: usize,
    both: usize,
    /// Letters, and words of one letter: what it gives to take each letter for a word.
    letters: usize,
    of_one_letter: usize,
}

/// What is told of a file.
#[derive(Serialize)]
struct Figures {
    sentences: usize,
    words: usize,
    precision: f64,
    recall: f64,
    f1: f64,
    /// What each letter taken for a word would reach.
    floor: f64,
}

impl Score {
    /// The words are written one behind the other, with a blank between letters of a script that has blanks, and cut anew.
    fn add(&mut self, sentence: &[String], language: Language) {
        let mut text = String::new();
        let mut right = HashSet::new();
        for word in sentence {
            let apart = |letter: char| letter.is_alphanumeric() && !joins(letter);
            if text.ends_with(apart) && word.starts_with(apart) {
                text.push(' ');
            }
            right.insert((text.len(), text.len() + word.len()));
            text.push_str(word);
            let letters = word.chars().count();
            (self.letters, self.of_one_letter) =
                (self.letters + letters, self.of_one_letter + usize::from(letters == 1));
        }
        let found = segment(&text, language, usize::MAX);
        self.sentences += 1;
        self.right += right.len();
        self.found += found.len();
        self.both += found.iter().filter(|word| right.contains(&(word.start, word.end()))).count();
    }

    fn figures(&self) -> Figures {
        let share = |part: usize, all: usize| part as f64 / all.max(1) as f64;
        let f1 = |both: usize, found: usize| share(2 * both, found + self.right);
        Figures {
            sentences: self.sentences,
            words: self.right,
            precision: share(self.both, self.found),
            recall: share(self.both, self.right),
            f1: f1(self.both, self.found),
            floor: f1(self.of_one_letter, self.letters),
        }
    }

    fn text(&self) -> String {
        let Figures { sentences, words, precision, recall, f1, floor } = self.figures();
        let [precision, recall, f1, floor] = [precision, recall, f1, floor].map(|value| show::number(value, true));
        format!(
            "f1 {f1} (each letter a word {floor}), precision {precision}, recall {recall} of {} words in {}\n",
            show::thousands(words as u64),
            show::count(sentences, "sentence")
        )
    }
}
