//! BLEU.
use super::{
    Entry, Kind,
    made_texts::{Answer, MadeTexts, TextMeasure},
    ngrams::{LONGEST, ngrams, words},
};
use std::collections::BTreeMap;

/// The list's entry.
pub const ENTRY: Entry = Entry {
    name: "bleu",
    about: "Share of the made runs of 1 to 4 words that are right, over all rows (geometric mean of the four, less for what is shorter than right; BLEU-4 of sacrebleu with tokenize=none, smoothing exp; Papineni et al. 2002, ACL); beside always giving the commonest text. Words are what stands between blanks, or what a dictionary cuts writing without blanks into.",
    kind: Kind::Text,
    make: || Box::new(MadeTexts::new(MEASURES)),
};

const MEASURES: &[TextMeasure] = &[TextMeasure { name: "bleu", is_share: true, higher_is_better: true, of: bleu }];

fn bleu(rows: &[Answer]) -> f64 {
    let (mut given, mut wanted) = (0, 0);
    let (mut right_runs, mut runs) = ([0; LONGEST], [0; LONGEST]);
    for (made, right) in rows {
        let made = words(made);
        let right: Vec<Vec<&str>> = right.iter().map(|right| words(right)).collect();
        given += made.len();
        // the right text that is nearest in length; of two the shorter
        let lengths = right.iter().map(Vec::len);
        wanted += lengths.min_by_key(|length| (made.len().abs_diff(*length), *length)).unwrap_or(0);
        // a run is right as often as it stands in the right text that has it most often
        let mut allowed = BTreeMap::new();
        for (run, count) in right.iter().flat_map(|right| ngrams(right)) {
            let most = allowed.entry(run).or_insert(count);
            *most = count.max(*most);
        }
        for (run, count) in ngrams(&made) {
            runs[run.len() - 1] += count;
            right_runs[run.len() - 1] += count.min(allowed.get(run).copied().unwrap_or(0));
        }
    }
    if right_runs[0] == 0 || runs.contains(&0) {
        return 0.0;
    }
    // where no run of a length is right, half a run counts as right, then a quarter, … (Chen & Cherry 2014, method 3)
    let mut share_of_one = 1.0;
    let log_precision = |(right, all): (usize, usize)| {
        if right == 0 {
            share_of_one /= 2.0;
        }
        (if right == 0 { share_of_one } else { right as f64 } / all as f64).ln()
    };
    let log_mean = right_runs.into_iter().zip(runs).map(log_precision).sum::<f64>() / LONGEST as f64;
    let log_brevity = (1.0 - wanted as f64 / given as f64).min(0.0);
    (log_brevity + log_mean).exp()
}

#[cfg(test)]
mod tests {
    #[test]
    fn equals_sacrebleu() {
        crate::metrics::golden::texts("bleu", super::bleu, true);
    }
}
