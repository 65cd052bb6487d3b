//! The words of a corpus, the frequent ones first.
use super::{
    corpus::{Corpus, Event, LONGEST},
    threads::share,
};
use crate::{Error, Result};
use rustc_hash::FxHashMap;

/// Different words that a thread counts at once; beyond it the rare ones are forgotten, as in word2vec.
const MOST: usize = 10_000_000;

/// Words and how often each occurs, the most frequent first; of the same count in the order of their letters.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Vocabulary {
    words: Vec<String>,
    counts: Vec<u64>,
    ids: FxHashMap<String, u32>,
    /// Words of the corpus, those without an id included.
    total: u64,
}

impl Vocabulary {
    /// Counts the words of a corpus on `threads` threads and keeps those that occur at least `min_count` times, at most
    /// `most` of them.
    ///
    /// # Errors
    /// Those of [`Corpus::read`]; [`Error::Data`] where fewer than two words are left.
    pub fn count(corpus: &Corpus, min_count: u64, most: usize, threads: usize) -> Result<Self> {
        type Counts = FxHashMap<String, u64>;
        let counted = share(0..corpus.blocks(), threads, |block, (counts, floor): &mut (Counts, u64)| {
            corpus.read(block, |event| {
                if let Event::Word(word) = event {
                    match counts.get_mut(word) {
                        Some(count) => *count += 1,
                        None => {
                            counts.insert(word.to_string(), 1);
                        }
                    }
                }
            })?;
            while counts.len() > MOST {
                *floor += 1;
                counts.retain(|_, count| *count > *floor);
            }
            Ok(())
        })?;
        let mut all = Counts::default();
        for (counts, _) in counted {
            if all.is_empty() {
                all = counts;
                continue;
            }
            for (word, count) in counts {
                *all.entry(word).or_default() += count;
            }
        }
        let (total, different) = (all.values().sum(), all.len());
        let mut counts: Vec<_> = all.into_iter().filter(|(_, count)| *count >= min_count).collect();
        counts.sort_unstable_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        counts.truncate(most);
        if counts.len() < 2 {
            let mut problem = format!(
                "{different} different words among {total}, of which {} occur {min_count} times or more; at least 2 are needed",
                counts.len()
            );
            if corpus.too_long() > 0 {
                problem += &format!("; {} of more than {LONGEST} bytes were left out", corpus.too_long());
            }
            return Err(Error::data("the corpus", problem).with_help("take a longer text, or a lower --min-count"));
        }
        let (words, counts): (Vec<_>, Vec<_>) = counts.into_iter().unzip();
        Ok(Self { total, ..Self::new(words, counts) })
    }

    /// Words and their counts, in order.
    pub fn new(words: Vec<String>, counts: Vec<u64>) -> Self {
        let ids = words.iter().enumerate().map(|(id, word)| (word.clone(), id as u32)).collect();
        let total = counts.iter().sum();
        Self { words, counts, ids, total }
    }

    /// The word's place in the order.
    pub fn id(&self, word: &str) -> Option<u32> {
        self.ids.get(word).copied()
    }

    /// The words in order.
    pub fn words(&self) -> &[String] {
        &self.words
    }

    /// How often each word occurs.
    pub fn counts(&self) -> &[u64] {
        &self.counts
    }

    /// Words of the corpus, those without an id included.
    pub fn total(&self) -> u64 {
        self.total
    }

    /// Number of words.
    #[expect(clippy::len_without_is_empty, reason = "there are always two")]
    pub fn len(&self) -> usize {
        self.words.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn corpus(text: &str) -> (tempfile::TempDir, Corpus) {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("a"), text).unwrap();
        let corpus = Corpus::open(&[folder.path().join("a")]).unwrap();
        (folder, corpus)
    }

    #[test]
    fn frequent_words_come_first_for_any_number_of_threads() {
        let text: String = (0..60_000).map(|n| format!("w{} {}\n", n % 1000, ["a", "b", "b"][n % 3])).collect();
        let (_folder, corpus) = corpus(&text);
        assert!(corpus.blocks() > 1);
        let one = Vocabulary::count(&corpus, 5, 100, 1).unwrap();
        assert_eq!(one, Vocabulary::count(&corpus, 5, 100, 3).unwrap());
        assert_eq!(&one.words()[..4], ["b", "a", "w0", "w1"]);
        assert_eq!((&one.counts()[..3], one.total(), one.len()), ([40_000, 20_000, 60].as_slice(), 120_000, 100));
        assert_eq!((one.id("a"), one.id("w999")), (Some(1), None));
    }

    #[test]
    fn a_corpus_of_one_word_is_named() {
        let (_folder, corpus) = corpus("word word word word word\n");
        let error = Vocabulary::count(&corpus, 1, 100, 1).unwrap_err();
        assert!(error.to_string().starts_with("the corpus: 1 different words among 5, of which 1"), "{error}");
        assert!(error.help().is_some_and(|help| help.contains("--min-count")));
        let (_folder, corpus) = self::corpus(&"x".repeat(LONGEST + 1));
        let error = Vocabulary::count(&corpus, 1, 100, 1).unwrap_err();
        assert!(error.to_string().ends_with("; 1 of more than 1000 bytes were left out"), "{error}");
    }
}
