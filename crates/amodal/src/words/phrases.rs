//! Phrases: words that stand together far more often than apart, joined into one.
use super::{
    corpus::{Corpus, Event},
    pairs::{pair, shard_of},
    threads::share,
    vocabulary::Vocabulary,
};
use crate::{
    Result,
    files::write_atomic,
    types::{at_least, within},
};
use rustc_hash::FxHashMap;
use std::{
    io::Write,
    path::Path,
    sync::{Mutex, PoisonError},
};

/// Parts that pairs are counted in, so that threads seldom wait for each other.
const PARTS: usize = 64;
/// Pairs of a part that a thread gathers before it counts them.
const GATHERED: usize = 1 << 12;
/// Blocks that a thread joins before they are written.
const BLOCKS: usize = 8;

/// How much more often together than apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Score {
    /// `(count of the pair - min_count) · different words and pairs / count of one / count of the other`, as gensim has it;
    /// word2phrase has the number of words in place of the different ones.
    #[default]
    Ratio,
    /// Pointwise mutual information as a share of the most there can be, from -1 to 1 (Bouma 2009, "Normalized (Pointwise)
    /// Mutual Information in Collocation Extraction").
    Npmi,
}

/// Which pairs of words are a phrase.
#[derive(Clone, Debug, PartialEq)]
pub struct PhrasesConfig {
    /// Occurrences below which a pair is none.
    pub min_count: u64,
    /// Score that a pair must be above.
    pub threshold: f64,
    /// The score.
    pub score: Score,
    /// Different pairs that are counted at once; beyond it rare ones are forgotten.
    pub most: usize,
}

impl Default for PhrasesConfig {
    fn default() -> Self {
        Self { min_count: 5, threshold: 10.0, score: Score::Ratio, most: 40_000_000 }
    }
}

impl PhrasesConfig {
    /// Whether every option is in its range.
    ///
    /// # Errors
    /// [`crate::Error::Config`] at the first that is not.
    pub fn check(&self) -> Result<()> {
        at_least("min_count", self.min_count as usize, 1)?;
        at_least("most", self.most, PARTS)?;
        match self.score {
            Score::Ratio => within("threshold", self.threshold, 0.0, 1e300),
            Score::Npmi => within("threshold", self.threshold, -1.0, 1.0),
        }
    }
}

/// The phrases of a corpus (Mikolov et al. 2013, arXiv:1310.4546, section 4).
#[derive(Debug)]
pub struct Phrases {
    vocabulary: Vocabulary,
    /// By the ids of both words: occurrences and score.
    found: FxHashMap<u64, (u32, f64)>,
}

/// A phrase, as it is written.
#[derive(Clone, Debug, PartialEq)]
pub struct Phrase {
    /// Its words with `_` between.
    pub phrase: String,
    /// How often they stand together.
    pub count: u32,
    /// Its score.
    pub score: f64,
}

/// Pairs of one part, and what a pair's count must be above to be kept when there are too many.
#[derive(Debug, Default)]
struct Part {
    counts: FxHashMap<u64, u32>,
    floor: u32,
}

impl Phrases {
    /// Finds the phrases of two words in a corpus, which is read twice, on `threads` threads. Words that were joined before
    /// are words: of a text that [`Self::join`] wrote come phrases of up to four words.
    ///
    /// # Errors
    /// [`crate::Error::Config`] for an option that is out of its range; those of [`Corpus::read`].
    pub fn find(corpus: &Corpus, config: &PhrasesConfig, threads: usize) -> Result<Self> {
        config.check()?;
        let vocabulary = Vocabulary::count(corpus, 1, usize::MAX, threads)?;
        let parts = count(corpus, &vocabulary, config.most / PARTS, threads)?;
        let different = vocabulary.len() + parts.iter().map(|part| part.counts.len()).sum::<usize>();
        let counts = vocabulary.counts();
        let mut found = FxHashMap::default();
        for part in parts {
            for (pair, count) in part.counts {
                let [a, b] = [counts[(pair >> 32) as usize], counts[pair as u32 as usize]].map(|count| count as f64);
                let score = match config.score {
                    _ if u64::from(count) < config.min_count => continue,
                    Score::Ratio => (f64::from(count) - config.min_count as f64) / a / b * different as f64,
                    Score::Npmi => {
                        let total = vocabulary.total() as f64;
                        let share = f64::from(count) / total;
                        (share / ((a / total) * (b / total))).ln() / -share.ln()
                    }
                };
                if score > config.threshold {
                    found.insert(pair, (count, score));
                }
            }
        }
        Ok(Self { vocabulary, found })
    }

    /// Number of phrases.
    pub fn len(&self) -> usize {
        self.found.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    /// All phrases, the highest score first.
    pub fn list(&self) -> Vec<Phrase> {
        let words = self.vocabulary.words();
        let mut list: Vec<Phrase> = self
            .found
            .iter()
            .map(|(pair, (count, score))| {
                let phrase = format!("{}_{}", words[(pair >> 32) as usize], words[*pair as u32 as usize]);
                Phrase { phrase, count: *count, score: *score }
            })
            .collect();
        list.sort_by(|a, b| b.score.total_cmp(&a.score).then_with(|| a.phrase.cmp(&b.phrase)));
        list
    }

    /// Writes the corpus with each phrase as one word, `_` between, from the left on: a joined word begins no other phrase.
    /// Lines stay lines. Returns how many were joined.
    ///
    /// # Errors
    /// Those of [`Corpus::read`]; [`crate::Error::Io`] if the system fails. The old file is then as it was.
    pub fn join(&self, corpus: &Corpus, path: &Path, threads: usize) -> Result<u64> {
        let (mut joined, mut failed) = (0, None);
        let written = write_atomic(path, |file| {
            for first in (0..corpus.blocks()).step_by(BLOCKS * threads.max(1)) {
                let last = corpus.blocks().min(first + BLOCKS * threads.max(1));
                let made = share(first..last, threads, |block, made: &mut Vec<(usize, (String, u64))>| {
                    made.push((block, self.joined(corpus, block)?));
                    Ok(())
                });
                let mut made = made
                    .map_err(|error| {
                        failed = Some(error);
                        std::io::Error::other("the corpus cannot be read")
                    })?
                    .concat();
                made.sort_unstable_by_key(|(block, _)| *block);
                for (_, (text, count)) in made {
                    file.write_all(text.as_bytes())?;
                    joined += count;
                }
            }
            Ok(())
        });
        failed.map_or(written, Err).map(|()| joined)
    }

    /// The text of a block, and how many phrases were joined in it.
    fn joined(&self, corpus: &Corpus, block: usize) -> Result<(String, u64)> {
        let (mut text, mut count) = (String::new(), 0);
        // the word before, if it may begin a phrase: its place in the text, and its id
        let (mut before, mut is_begun) = (None, false);
        corpus.read(block, |event| match event {
            Event::Word(word) => {
                let id = self.vocabulary.id(word);
                let is_phrase = before.zip(id).is_some_and(|(a, b)| self.found.contains_key(&pair(a, b)));
                if is_begun {
                    text.push(if is_phrase { '_' } else { ' ' });
                }
                text.push_str(word);
                count += u64::from(is_phrase);
                (before, is_begun) = (if is_phrase { None } else { id }, true);
            }
            Event::End(_) => {
                text.push('\n');
                (before, is_begun) = (None, false);
            }
        })?;
        Ok((text, count))
    }
}

/// Counts the pairs of words that stand side by side on a line; at most `most` of each part.
fn count(corpus: &Corpus, vocabulary: &Vocabulary, most: usize, threads: usize) -> Result<Vec<Part>> {
    let parts: Vec<Mutex<Part>> = (0..PARTS).map(|_| Mutex::default()).collect();
    let flush = |part: usize, pairs: &mut Vec<u64>| {
        let mut part = parts[part].lock().unwrap_or_else(PoisonError::into_inner);
        for pair in pairs.drain(..) {
            let count = part.counts.entry(pair).or_default();
            *count = count.saturating_add(1);
        }
        while part.counts.len() > most {
            part.floor += 1;
            let floor = part.floor;
            part.counts.retain(|_, count| *count > floor);
        }
    };
    let gathered = share(0..corpus.blocks(), threads, |block, gathered: &mut Vec<Vec<u64>>| {
        gathered.resize_with(PARTS, Vec::new);
        let mut before = None;
        corpus.read(block, |event| {
            let id = match event {
                Event::Word(word) => vocabulary.id(word),
                Event::End(_) => None,
            };
            if let (Some(a), Some(b)) = (before, id) {
                let pair = pair(a, b);
                let part = shard_of(pair) % PARTS;
                gathered[part].push(pair);
                if gathered[part].len() == GATHERED {
                    flush(part, &mut gathered[part]);
                }
            }
            before = id;
        })
    })?;
    for mut gathered in gathered {
        gathered.iter_mut().enumerate().for_each(|(part, pairs)| flush(part, pairs));
    }
    Ok(parts.into_iter().map(|part| part.into_inner().unwrap_or_else(PoisonError::into_inner)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn corpus(text: &str) -> (tempfile::TempDir, Corpus) {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("text"), text).unwrap();
        let corpus = Corpus::open(&[folder.path().join("text")]).unwrap();
        (folder, corpus)
    }

    fn joined(text: &str, config: &PhrasesConfig, threads: usize) -> (String, Vec<Phrase>) {
        let (folder, corpus) = corpus(text);
        let phrases = Phrases::find(&corpus, config, threads).unwrap();
        let path = folder.path().join("joined");
        let count = phrases.join(&corpus, &path, threads).unwrap();
        let text = std::fs::read_to_string(path).unwrap();
        assert_eq!(count, text.matches('_').count() as u64);
        (text, phrases.list())
    }

    /// ```python
    /// from gensim.models.phrases import Phrases
    /// lines = (["new york is big", "big new york", "york is new"] * 3 + ["a b c d", "e f g h"])
    /// model = Phrases([line.split() for line in lines], min_count=2, threshold=1)
    /// print(model.export_phrases(), len(model.vocab))
    /// model = Phrases([line.split() for line in lines], min_count=2, threshold=0.3, scoring="npmi")
    /// print(model.export_phrases())
    /// ```
    #[test]
    fn the_same_as_gensim() {
        let text = "new york is big\nbig new york\nyork is new\n".repeat(3) + "a b c d\ne f g h\n";
        let config = PhrasesConfig { min_count: 2, threshold: 1.0, ..PhrasesConfig::default() };
        let (joined, list) = self::joined(&text, &config, 1);
        let list: Vec<_> = list.iter().map(|one| (one.phrase.as_str(), one.count, one.score)).collect();
        let expected = [("york_is", 6, 1.703_703_703_703_703_7), ("new_york", 6, 1.135_802_469_135_802_4)];
        for (found, expected) in list.iter().zip(expected) {
            let (phrase, count, score) = expected;
            assert!(found.0 == phrase && found.1 == count && (found.2 - score).abs() < 1e-12, "{found:?}");
        }
        assert_eq!(list.len(), 2);
        assert!(joined.starts_with("new_york is big\nbig new_york\nyork_is new\n"), "{joined}");
        let config = PhrasesConfig { threshold: 0.3, score: Score::Npmi, ..config };
        let (_, list) = self::joined(&text, &config, 1);
        assert_eq!(list.len(), 3, "{list:?}");
        let expected = [
            ("york_is", 0.780_334_139_605_111_9),
            ("new_york", 0.560_668_279_210_224),
            ("is_big", 0.453_994_238_805_590_5),
        ];
        for (found, (phrase, score)) in list.iter().zip(expected) {
            assert!(found.phrase == phrase && (found.score - score).abs() < 1e-12, "{found:?}");
        }
    }

    #[test]
    fn lines_stay_lines_and_threads_change_nothing() {
        let line = |at: usize| format!("w{} new york  w{} is\n\n", at % 500, at * 7 % 300);
        let text: String = (0..40_000).map(line).collect();
        let config = PhrasesConfig { score: Score::Npmi, threshold: 0.9, ..PhrasesConfig::default() };
        let one = joined(&text, &config, 1);
        assert_eq!(one, joined(&text, &config, 3));
        assert_eq!(one.0.lines().count(), 80_000);
        assert!(one.0.starts_with("w0 new_york w0 is\n\nw1 new_york w7 is\n"), "{}", &one.0[..100]);
        assert_eq!(one.0.replace('_', " "), text.replace("  ", " "));
    }

    #[test]
    fn rare_pairs_are_forgotten_where_there_are_too_many() {
        let text: String = (0..30_000).map(|at| format!("new york a{at} b{at}\n")).collect();
        let (_folder, corpus) = corpus(&text);
        let vocabulary = Vocabulary::count(&corpus, 1, usize::MAX, 1).unwrap();
        let parts = count(&corpus, &vocabulary, 100, 2).unwrap();
        assert!(parts.iter().all(|part| part.counts.len() <= 100));
        let [new, york] = ["new", "york"].map(|word| vocabulary.id(word).unwrap());
        let counts: Vec<u32> = parts.iter().filter_map(|part| part.counts.get(&pair(new, york)).copied()).collect();
        assert_eq!(counts, [30_000]);
    }

    #[test]
    fn options_out_of_range_are_named() {
        let (_folder, corpus) = corpus("a b c\n");
        for (config, expected) in [
            (PhrasesConfig { min_count: 0, ..Default::default() }, "min_count: 0"),
            (PhrasesConfig { score: Score::Npmi, ..Default::default() }, "threshold: 10"),
            (PhrasesConfig { threshold: f64::NAN, ..Default::default() }, "threshold: NaN"),
        ] {
            let error = Phrases::find(&corpus, &config, 1).unwrap_err().to_string();
            assert!(error.starts_with(expected), "{error}");
        }
    }
}
