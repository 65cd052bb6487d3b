//! Runs of words and how often each occurs: what BLEU and CIDEr compare.
use std::collections::BTreeMap;

/// The longest runs that are counted.
pub(super) const LONGEST: usize = 4;

/// A text's words: what stands between blanks.
pub(super) fn words(text: &str) -> Vec<&str> {
    text.split_whitespace().collect()
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
    fn counts_every_run() {
        let words = words(" a b  a b c ");
        let counts = ngrams(&words);
        assert_eq!((counts[&["a", "b"][..]], counts[&["a"][..]], counts[&["a", "b", "a", "b"][..]]), (2, 2, 1));
        assert_eq!(counts.values().sum::<usize>(), 5 + 4 + 3 + 2);
    }
}
