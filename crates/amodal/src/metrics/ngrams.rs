//! Runs of words and how often each occurs: what BLEU and CIDEr compare.
use crate::words::language::joins;
use icu_segmenter::{WordSegmenter, options::WordBreakInvariantOptions};
use std::collections::BTreeMap;

/// The longest runs that are counted.
pub(super) const LONGEST: usize = 4;

/// A text's words: what stands between blanks, and in writing without blanks what the dictionary cuts it into.
pub(super) fn words(text: &str) -> Vec<&str> {
    text.split_whitespace().flat_map(|piece| if piece.contains(joins) { cut(piece) } else { vec![piece] }).collect()
}

fn cut(piece: &str) -> Vec<&str> {
    let segmenter = WordSegmenter::new_auto(WordBreakInvariantOptions::default());
    let ends: Vec<usize> = segmenter.segment_str(piece).collect();
    ends.windows(2).map(|ends| &piece[ends[0]..ends[1]]).collect()
}

/// How often each run of 1 to [`LONGEST`] words occurs, in an order that is always the same.
pub(super) fn ngrams<'a>(words: &'a [&'a str]) -> BTreeMap<&'a [&'a str], usize> {
    let mut counts = BTreeMap::new();
    for run in (1..=LONGEST).flat_map(|length| words.windows(length)) {
        *counts.entry(run).or_insert(0) += 1;
    }
    counts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_stand_between_blanks_or_in_the_dictionary() {
        assert_eq!(words(" don't …  stop! "), ["don't", "…", "stop!"]);
        assert_eq!(words("一只小猫is red"), ["一只", "小猫", "is", "red"]);
        assert!(words(" ").is_empty());
    }

    #[test]
    fn counts_every_run() {
        let words = words(" a b  a b c ");
        let counts = ngrams(&words);
        assert_eq!((counts[&["a", "b"][..]], counts[&["a"][..]], counts[&["a", "b", "a", "b"][..]]), (2, 2, 1));
        assert_eq!(counts.values().sum::<usize>(), 5 + 4 + 3 + 2);
    }
}
