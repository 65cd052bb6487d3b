//! `amodal words tag`.
use super::{lines, right};
use crate::{Output, show};
use amodal::{
    Error, Named,
    words::{Language, Tag as Part, segment, tag},
};
use clap::Args;
use serde::Serialize;
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

/// Most pairs of tags that are told, of those that one was taken for the other.
const PAIRS: usize = 10;

/// The tag of a word whose right one is not known.
const OPEN: &str = "_";

#[derive(Args)]
#[command(group = clap::ArgGroup::new("what").required(true))]
pub(crate) struct Tag {
    /// What is to be tagged
    #[arg(group = "what")]
    text: Option<String>,
    /// A text file to tag; `-` is stdin
    #[arg(long, value_name = "FILE", group = "what")]
    file: Option<PathBuf>,
    /// Measure on a file of right answers: `word<TAB>TAG` lines, a blank line behind each sentence; a word whose TAG is `_` is
    /// read and not counted
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
        let word = |line: &str| {
            let pair = line.split_once('\t').filter(|(word, tag)| !word.is_empty() && !tag.contains('\t'));
            let problem = "expected a word, a tabulator and its part of speech";
            let (word, tag) = pair.ok_or_else(|| Error::data("", problem))?;
            let tag = if tag == OPEN { None } else { Some(tag.parse::<Part>()?) };
            Ok((word.to_string(), tag))
        };
        right::sentences(path, word, |sentence| score.add(&sentence, self.language))?;
        if score.words == 0 {
            return Err(Error::data(path.display().to_string(), "no word with a right answer").into());
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
    /// Words whose right tag is not known.
    open: usize,
    /// By the right tag: words, and those that were tagged so.
    tags: Named<(usize, usize)>,
    /// By the right tag and the wrong one that was given.
    wrong: BTreeMap<(Part, Part), usize>,
}

/// Words that were tagged wrongly in one way.
#[derive(Serialize)]
struct Wrong {
    right: &'static str,
    given: &'static str,
    words: usize,
}

/// What is told of a file.
#[derive(Serialize)]
struct Figures {
    sentences: usize,
    words: usize,
    /// Words that do not count, as their right tag is not known.
    open: usize,
    accuracy: f64,
    /// The share of the most frequent tag: what it would reach to give all words that one.
    floor: f64,
    floor_tag: String,
    recall: Named<f64>,
    /// The ten most frequent mistakes.
    wrong: Vec<Wrong>,
}

impl Score {
    fn add(&mut self, sentence: &[(String, Option<Part>)], language: Language) {
        let words: Vec<&str> = sentence.iter().map(|(word, _)| word.as_str()).collect();
        let found = tag::tagger(language, &words.join(" ")).tag(&words);
        self.sentences += 1;
        for ((_, right), found) in sentence.iter().zip(found) {
            let Some(right) = *right else {
                self.open += 1;
                continue;
            };
            let (all, hits) = self.tags.entry(right.name().to_string()).or_default();
            let hit = usize::from(found == right);
            (*all, *hits) = (*all + 1, *hits + hit);
            if found != right {
                *self.wrong.entry((right, found)).or_default() += 1;
            }
            (self.words, self.right) = (self.words + 1, self.right + hit);
        }
    }

    fn figures(&self) -> Figures {
        let share = |part: usize, all: usize| part as f64 / all.max(1) as f64;
        let wrong = self.wrong.iter().map(|((right, given), words)| (right.name(), given.name(), *words));
        let mut wrong: Vec<_> = wrong.map(|(right, given, words)| Wrong { right, given, words }).collect();
        wrong.sort_by_key(|wrong| std::cmp::Reverse(wrong.words));
        wrong.truncate(PAIRS);
        let most = self.tags.iter().max_by_key(|(_, (all, _))| *all);
        let (floor_tag, floor) = most.map(|(tag, (all, _))| (tag.clone(), *all)).unwrap_or_default();
        Figures {
            sentences: self.sentences,
            words: self.words,
            open: self.open,
            accuracy: share(self.right, self.words),
            floor: share(floor, self.words),
            floor_tag,
            recall: self.tags.iter().map(|(tag, (all, hits))| (tag.clone(), share(*hits, *all))).collect(),
            wrong,
        }
    }

    fn text(&self) -> String {
        let Figures { sentences, words, open, accuracy, floor, floor_tag, recall, wrong } = self.figures();
        let (accuracy, floor) = (show::number(accuracy, true), show::number(floor, true));
        let mut table = vec![["tag", "recall", "words"].map(String::from).to_vec()];
        for (tag, recall) in recall {
            let words = show::thousands(self.tags[&tag].0 as u64);
            table.push(vec![tag, show::number(recall, true), words]);
        }
        let mut mistakes = vec![["right", "given", "words"].map(String::from).to_vec()];
        for Wrong { right, given, words } in wrong {
            mistakes.push(vec![right.to_string(), given.to_string(), show::thousands(words as u64)]);
        }
        let more =
            if open > 0 { format!("; {} without a right tag", show::thousands(open as u64)) } else { String::new() };
        let mistakes = if mistakes.len() > 1 { format!("\n{}", show::aligned(&mistakes)) } else { String::new() };
        format!(
            "accuracy {accuracy} ({floor_tag} throughout {floor}) of {} words in {}{more}\n\n{}{mistakes}",
            show::thousands(words as u64),
            show::count(sentences, "sentence"),
            show::aligned(&table)
        )
    }
}
