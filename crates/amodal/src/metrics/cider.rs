//! CIDEr.
use super::{
    Entry, Kind,
    made_texts::{Answer, MadeTexts, TextMeasure},
    ngrams::{LONGEST, ngrams, words},
};
use std::collections::{BTreeMap, BTreeSet};

/// The list's entry.
pub const ENTRY: Entry = Entry {
    name: "cider",
    about: "Likeness of the made and the right text's runs of 1 to 4 words, where a run counts the more the fewer rows have it: the mean over rows, from 0 to 10 (CIDEr-D of pycocoevalcap; Vedantam et al. 2015, arXiv:1411.5726); beside always giving the commonest text. How rare a run is follows from the right texts of the same rows; of one row it is 0.",
    kind: Kind::Text,
    make: || Box::new(MadeTexts::new(MEASURES)),
};

const MEASURES: &[TextMeasure] = &[TextMeasure { name: "cider", is_share: false, higher_is_better: true, of: cider }];

/// Standard deviation of the lengths' difference at which likeness counts less.
const SIGMA: f64 = 6.0;

/// A text's runs by their weight, and by the runs' length the vectors' norms.
struct Weighed<'a> {
    weights: BTreeMap<&'a [&'a str], f64>,
    norms: [f64; LONGEST],
    /// Words.
    length: usize,
}

fn cider(rows: &[Answer]) -> f64 {
    let rows: Vec<(Vec<&str>, Vec<Vec<&str>>)> =
        rows.iter().map(|(made, right)| (words(made), right.iter().map(|right| words(right)).collect())).collect();
    let mut rows_with = BTreeMap::new();
    for (_, right) in &rows {
        let runs: BTreeSet<&[&str]> = right.iter().flat_map(|right| ngrams(right).into_keys()).collect();
        for run in runs {
            *rows_with.entry(run).or_insert(0_usize) += 1;
        }
    }
    let log_rows = (rows.len() as f64).ln();
    let sum: f64 = rows
        .iter()
        .map(|(made, right)| {
            let made = weigh(made, &rows_with, log_rows);
            let likeness = right.iter().map(|right| made.likeness(&weigh(right, &rows_with, log_rows))).sum::<f64>();
            likeness / right.len() as f64
        })
        .sum();
    10.0 * sum / rows.len() as f64
}

/// Each run's count times the logarithm of the rows for each row that has it.
fn weigh<'a>(words: &'a [&'a str], rows_with: &BTreeMap<&[&str], usize>, log_rows: f64) -> Weighed<'a> {
    let mut norms = [0.0; LONGEST];
    let weight = |(run, count): (&'a [&'a str], usize)| {
        let rows = rows_with.get(run).copied().unwrap_or(1);
        let weight = count as f64 * (log_rows - (rows as f64).ln());
        norms[run.len() - 1] += weight * weight;
        (run, weight)
    };
    let weights = ngrams(words).into_iter().map(weight).collect();
    Weighed { weights, norms: norms.map(f64::sqrt), length: words.len() }
}

impl Weighed<'_> {
    /// Mean over the runs' lengths of the cosine, in which a run is worth no more than the right text has of it, less
    /// where the lengths differ.
    fn likeness(&self, right: &Weighed) -> f64 {
        let mut products = [0.0; LONGEST];
        for (run, weight) in &self.weights {
            let wanted = right.weights.get(run).copied().unwrap_or(0.0);
            products[run.len() - 1] += weight.min(wanted) * wanted;
        }
        let norms = self.norms.iter().zip(right.norms);
        let cosines = products.iter().zip(norms).filter(|(product, _)| **product > 0.0);
        let mean = cosines.map(|(product, (made, right))| product / (made * right)).sum::<f64>() / LONGEST as f64;
        let apart = self.length.abs_diff(right.length) as f64 / SIGMA;
        mean * (-apart * apart / 2.0).exp()
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn equals_pycocoevalcap() {
        crate::metrics::golden::texts("cider", super::cider, true);
    }
}
