//! `amodal words tag`.
use super::lines;
use crate::{Output, show};
use amodal::{
    Error, Named,
    words::{Language, Tag as Part, segment, tag},
};
use clap::Args;
use serde::Serialize;
use std::path::{Path, PathBuf};

#[derive(Args)]
#[command(group = clap::ArgGroup::new("what").required(true))]
pub(crate) struct Tag {
    /// What is to be tagged
    #[arg(group = "what")]
    text: Option<String>,
    /// A text file to tag; `-` is stdin
    #[arg(long, value_name = "FILE", group = "what")]
    file: Option<PathBuf>,
    /// Measure on a file of right answers: `word<TAB>TAG` lines, a blank line behind each sentence
    #[arg(long, value_name = "FILE", group = "what")]
    score: Option<PathBuf>,
    /// Whose words they are: auto (by the letters of each line), english, chinese or other
    #[arg(long, default_value = "auto")]
    language: Language,
}

/// A word and its part of speech.
#[derive(Serialize)]
struct Tagged<'a> {
    word: &'a str,
    tag: &'static str,
}

impl Tag {
    pub(crate) fn run(&self, output: Output) -> anyhow::Result<()> {
        if let Some(path) = &self.score {
            return self.score(path, output);
        }
        let Some(path) = &self.file else { return self.show(self.text.as_deref().unwrap_or_default(), output) };
        for (at, line) in lines(path)?.enumerate() {
            let line = line?;
            if at > 0 && !output.json {
                show::print("\n")?; // between the lines of the file
            }
            self.show(&line.text, output)?;
        }
        Ok(())
    }

    /// The words of a text: a line each, or as JSON a line for all.
    fn show(&self, text: &str, output: Output) -> anyhow::Result<()> {
        let words = segment(text, self.language, usize::MAX);
        let tags = tag::tag(text, &words, self.language);
        let tagged = words.iter().zip(tags).map(|(word, tag)| Tagged { word: word.text, tag: tag.name() });
        match output.json {
            true => show::print(&format!("{}\n", serde_json::to_string(&tagged.collect::<Vec<_>>())?)),
            false => show::print(&tagged.map(|Tagged { word, tag }| format!("{word}\t{tag}\n")).collect::<String>()),
        }
    }

    /// How often the tagger is right.
    fn score(&self, path: &Path, output: Output) -> anyhow::Result<()> {
        let mut score = Score::default();
        let mut sentence: Vec<(String, Part)> = Vec::new();
        for line in lines(path)? {
            let line = line?;
            if line.text.is_empty() {
                score.add(&std::mem::take(&mut sentence), self.language);
                continue;
            }
            let at = || format!("{}:{}", path.display(), line.number);
            let pair = line.text.split_once('\t').filter(|(word, tag)| !word.is_empty() && !tag.contains('\t'));
            let Some((word, tag)) = pair else {
                return Err(Error::data(at(), "expected a word, a tabulator and its part of speech").into());
            };
            sentence.push((word.to_string(), tag.parse::<Part>().map_err(|error| error.within(&at()))?));
        }
        score.add(&sentence, self.language);
        if score.words == 0 {
            return Err(Error::data(path.display().to_string(), "no word").into());
        }
        if output.json { show::json(&score.figures()) } else { show::print(&score.text()) }
    }
}

/// Right answers, by the right part of speech.
#[derive(Default)]
struct Score {
    sentences: usize,
    words: usize,
    right: usize,
    /// By the right tag: words, and those that were tagged so.
    tags: Named<(usize, usize)>,
}

/// What is told of a file.
#[derive(Serialize)]
struct Figures {
    sentences: usize,
    words: usize,
    accuracy: f64,
    /// The share of the most frequent tag: what it would reach to give all words that one.
    floor: f64,
    floor_tag: String,
    recall: Named<f64>,
}

impl Score {
    fn add(&mut self, sentence: &[(String, Part)], language: Language) {
        if sentence.is_empty() {
            return;
        }
        let words: Vec<&str> = sentence.iter().map(|(word, _)| word.as_str()).collect();
        let found = tag::tagger(language, &words.join(" ")).tag(&words);
        self.sentences += 1;
        for ((_, right), found) in sentence.iter().zip(found) {
            let (all, hits) = self.tags.entry(right.name().to_string()).or_default();
            let hit = usize::from(found == *right);
            (*all, *hits) = (*all + 1, *hits + hit);
            (self.words, self.right) = (self.words + 1, self.right + hit);
        }
    }

    fn figures(&self) -> Figures {
        let share = |part: usize, all: usize| part as f64 / all.max(1) as f64;
        let most = self.tags.iter().max_by_key(|(_, (all, _))| *all);
        let (floor_tag, floor) = most.map(|(tag, (all, _))| (tag.clone(), *all)).unwrap_or_default();
        Figures {
            sentences: self.sentences,
            words: self.words,
            accuracy: share(self.right, self.words),
            floor: share(floor, self.words),
            floor_tag,
            recall: self.tags.iter().map(|(tag, (all, hits))| (tag.clone(), share(*hits, *all))).collect(),
        }
    }

    fn text(&self) -> String {
        let Figures { sentences, words, accuracy, floor, floor_tag, recall } = self.figures();
        let (accuracy, floor) = (show::number(accuracy, true), show::number(floor, true));
        let mut table = vec![["tag", "recall", "words"].map(String::from).to_vec()];
        for (tag, recall) in recall {
            let words = show::thousands(self.tags[&tag].0 as u64);
            table.push(vec![tag, show::number(recall, true), words]);
        }
        format!(
            "accuracy {accuracy} ({floor_tag} throughout {floor}) of {} words in {}\n\n{}",
            show::thousands(words as u64),
            show::count(sentences, "sentence"),
            show::aligned(&table)
        )
    }
}
