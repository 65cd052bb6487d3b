//! Word and character error rate.
use super::{
    Entry, Kind,
    made_texts::{Answer, MadeTexts, TextMeasure},
    ngrams::words,
};

/// The list's entry.
pub const ENTRY: Entry = Entry {
    name: "word_error",
    about: "Words (and, as character error, characters) to put in, leave out or exchange until each made text is right, for each one of the right texts, over all rows (WER and CER of jiwer; Levenshtein 1966); beside always giving the commonest text. More than 100 % where what is made is much too long.",
    kind: Kind::Text,
    make: || Box::new(MadeTexts::new(MEASURES)),
};

const MEASURES: &[TextMeasure] = &[
    TextMeasure { name: "word error", is_share: true, higher_is_better: false, of: word_error },
    TextMeasure { name: "character error", is_share: true, higher_is_better: false, of: character_error },
];

fn word_error(rows: &[Answer]) -> f64 {
    error(rows, |text| words(text))
}

fn character_error(rows: &[Answer]) -> f64 {
    error(rows, |text| text.trim().chars().collect())
}

/// Edits for each unit of the right texts; where those have none, the number of edits. Of several right texts the one with
/// the fewest edits counts.
fn error<'a, T: PartialEq>(rows: &[Answer<'a>], units: impl Fn(&'a str) -> Vec<T>) -> f64 {
    let (mut edits, mut wanted) = (0, 0);
    for (made, right) in rows {
        let made = units(made);
        let right = right.iter().map(|right| units(right));
        let counts = right.map(|right| (edit_distance(&made, &right, 1), right.len()));
        let (fewest, length) = counts.min_by_key(|(edits, _)| *edits).unwrap_or_default();
        edits += fewest;
        wanted += length;
    }
    edits as f64 / wanted.max(1) as f64
}

/// The least cost of turning one into the other: 1 for what is put in or left out, `exchange` for what is exchanged.
pub(super) fn edit_distance<T: PartialEq>(from: &[T], to: &[T], exchange: usize) -> usize {
    // costs from the items so far to each beginning of `to`
    let mut costs: Vec<usize> = (0..=to.len()).collect();
    for (before, item) in from.iter().enumerate() {
        let mut diagonal = std::mem::replace(&mut costs[0], before + 1);
        for (at, other) in to.iter().enumerate() {
            let kept = diagonal + if item == other { 0 } else { exchange };
            diagonal = costs[at + 1];
            costs[at + 1] = kept.min(diagonal + 1).min(costs[at] + 1);
        }
    }
    costs[to.len()]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::golden;

    #[test]
    fn equals_jiwer() {
        golden::texts("word_error", word_error, false);
        golden::texts("character_error", character_error, false);
    }

    #[test]
    fn of_several_right_texts_the_nearest_counts() {
        assert_eq!(word_error(&[("a b c", vec!["x y", "a b d e"])]), 0.5);
    }
}
