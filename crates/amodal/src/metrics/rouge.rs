//! ROUGE-L.
use super::{
    Entry, Kind,
    made_texts::{Answer, MadeTexts, TextMeasure, mean},
    ngrams::words,
    word_error::edit_distance,
};

/// The list's entry.
pub const ENTRY: Entry = Entry {
    name: "rouge",
    about: "Longest sequence of words that the made and the right text have in common, as F-measure with beta 1.2, the mean over rows (ROUGE-L of pycocoevalcap; Lin 2004, ACL workshop); beside always giving the commonest text.",
    kind: Kind::Text,
    make: || Box::new(MadeTexts::new(MEASURES)),
};

const MEASURES: &[TextMeasure] = &[TextMeasure { name: "rouge", is_share: true, higher_is_better: true, of: rouge }];

/// How much more recall counts than precision.
const BETA: f64 = 1.2;

fn rouge(rows: &[Answer]) -> f64 {
    mean(rows, |made, right| {
        let made = pieces(made);
        let (mut precision, mut recall) = (0.0_f64, 0.0_f64);
        for right in right {
            let right = pieces(right);
            // an exchange as dear as leaving out and putting in: what is left over is in common
            let common = (made.len() + right.len() - edit_distance(&made, &right, 2)) as f64 / 2.0;
            precision = precision.max(common / made.len() as f64);
            recall = recall.max(common / right.len() as f64);
        }
        if precision == 0.0 {
            return 0.0;
        }
        (1.0 + BETA * BETA) * precision * recall / (recall + BETA * BETA * precision)
    })
}

/// A text's words; as the reference has it, no text is one word of no letters, and right where that is right.
fn pieces(text: &str) -> Vec<&str> {
    let words = words(text);
    if words.is_empty() { vec![""] } else { words }
}

#[cfg(test)]
mod tests {
    #[test]
    fn equals_pycocoevalcap() {
        crate::metrics::golden::texts("rouge", super::rouge, true);
    }
}
