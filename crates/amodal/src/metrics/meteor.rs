//! METEOR.
use super::{
    Entry, Kind,
    made_texts::{Answer, MadeTexts, TextMeasure, mean},
    ngrams::words,
};
use rust_stemmers::{Algorithm, Stemmer};

/// The list's entry.
pub const ENTRY: Entry = Entry {
    name: "meteor",
    about: "Words of the made text that stand in the right one too, equal or equal in their English stem, as F-measure that counts recall nine times, less the more pieces they come in: the mean over rows (nltk's meteor_score; Lavie & Agarwal 2007, ACL workshop); beside always giving the commonest text. Upper and lower case are one. Differs: words of one meaning are not matched, as there is no WordNet.",
    kind: Kind::Text,
    make: || Box::new(MadeTexts::new(MEASURES)),
};

const MEASURES: &[TextMeasure] = &[TextMeasure { name: "meteor", is_share: true, higher_is_better: true, of: meteor }];

/// Share of recall in the harmonic mean.
const ALPHA: f64 = 0.9;
/// How fast pieces cost.
const BETA: i32 = 3;
/// What they cost at most.
const GAMMA: f64 = 0.5;

/// Words and their places.
type Words = Vec<(usize, String)>;

fn meteor(rows: &[Answer]) -> f64 {
    let stemmer = Stemmer::create(Algorithm::English);
    let best = |made: &str, right: &[&str]| right.iter().map(|right| score(made, right, &stemmer)).fold(0.0, f64::max);
    mean(rows, best)
}

fn score(made: &str, right: &str, stemmer: &Stemmer) -> f64 {
    let places = |text| words(text).into_iter().map(str::to_lowercase).enumerate().collect::<Words>();
    let (mut made, mut right) = (places(made), places(right));
    let (given, wanted) = (made.len() as f64, right.len() as f64);
    let mut pairs = matches(&mut made, &mut right);
    for (_, word) in made.iter_mut().chain(&mut right) {
        *word = stemmer.stem(word).into_owned();
    }
    pairs.extend(matches(&mut made, &mut right));
    if pairs.is_empty() {
        return 0.0;
    }
    pairs.sort_unstable();
    let count = pairs.len() as f64;
    let pieces = 1 + pairs.windows(2).filter(|two| (two[0].0 + 1, two[0].1 + 1) != two[1]).count();
    let (precision, recall) = (count / given, count / wanted);
    let mean = precision * recall / (ALPHA * precision + (1.0 - ALPHA) * recall);
    (1.0 - GAMMA * (pieces as f64 / count).powi(BETA)) * mean
}

/// The places of equal words, from the last made one on, each with the last right one that is left; they are taken out.
fn matches(made: &mut Words, right: &mut Words) -> Vec<(usize, usize)> {
    let mut pairs = Vec::new();
    for at in (0..made.len()).rev() {
        if let Some(found) = right.iter().rposition(|(_, word)| *word == made[at].1) {
            pairs.push((made.remove(at).0, right.remove(found).0));
        }
    }
    pairs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equals_nltk() {
        crate::metrics::golden::texts("meteor", meteor, true);
    }

    #[test]
    fn stems_are_nltks() {
        let stemmer = Stemmer::create(Algorithm::English);
        for pair in crate::metrics::golden::list("stems") {
            let [word, stem] = serde_json::from_value::<[String; 2]>(pair).unwrap();
            assert_eq!(stemmer.stem(&word), stem, "{word}");
        }
    }
}
