//! GloVe: vectors whose products tell how often words stand near each other.
use super::{
    arithmetic::dot,
    corpus::Corpus,
    pairs::{Pair, Pairs},
    rows::{LANES, Rows, width},
    train::{Counted, Learn, Training, Watch, about, learn},
    vectors::Vectors,
    vocabulary::Vocabulary,
};
use crate::{
    Error, Result,
    kernels::{Wide, wide},
    random::{Purpose, RngExt, random, shuffle},
    types::{at_least, within},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::path::Path;

/// Pairs of one word that are learned on a thread's own copy of its vectors.
const STRETCH: usize = 32;

/// GloVe (Pennington, Socher and Manning 2014, ACL D14-1162): the product of two words' vectors, and a number for each of the
/// two, is to be the logarithm of how near they stood in all the text, weighed by it; learned by AdaGrad (Duchi et al. 2011).
///
/// Steps are those of the authors' program: squares of steps are summed, not of gradients, and the two numbers step without
/// the rate. Differs: pairs of one word are learned in a row, a part of all pairs at a time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct GloveConfig {
    /// Numbers of a vector.
    pub dim: usize,
    /// Most words on each side that are near a word.
    pub window: usize,
    /// Nearness from which on a pair has the full weight.
    pub most: f64,
    /// Power of the nearness that weighs a pair below that.
    pub power: f64,
    /// Times that all pairs are learned.
    pub epochs: usize,
    /// Size of the first steps.
    pub learning_rate: f64,
    /// Seed of all that is drawn.
    pub seed: u64,
}

impl Default for GloveConfig {
    fn default() -> Self {
        Self { dim: 100, window: 15, most: 100.0, power: 0.75, epochs: 25, learning_rate: 0.05, seed: 0 }
    }
}

impl GloveConfig {
    /// Whether every option is in its range.
    ///
    /// # Errors
    /// [`crate::Error::Config`] at the first that is not.
    pub fn check(&self) -> Result<()> {
        within("dim", self.dim as f64, 1.0, 10_000.0)?;
        within("window", self.window as f64, 1.0, 1000.0)?;
        within("most", self.most, 1e-3, 1e9)?;
        within("power", self.power, 0.0, 2.0)?;
        at_least("epochs", self.epochs, 1)?;
        within("learning_rate", self.learning_rate, 0.0, 1.0)
    }
}

/// Learns vectors of the words of a vocabulary from a corpus: the sums of those that each word has as the one and as the other of
/// a pair. Pairs are counted in `memory` bytes, and kept in a file in `folder` that goes when the program ends. On one
/// thread the same bits each time, on several not. Ends early, with what is learned by then, where `watch` says so.
///
/// # Errors
/// [`Error::Config`] for an option that is out of its range; those of [`Corpus::read`]; [`Error::Data`] where `watch` ended the
/// counting; [`Error::Io`] where the disk is full; [`Error::Run`] for a state of another training.
pub fn glove(
    corpus: &Corpus,
    vocabulary: &Vocabulary,
    config: &GloveConfig,
    memory: u64,
    folder: &Path,
    training: &Training,
    watch: &mut Watch,
) -> Result<Vectors> {
    config.check()?;
    let pairs =
        Pairs::count(corpus, vocabulary, config.window, memory, folder, training.threads, watch)?.ok_or_else(|| {
            Error::data("the corpus", "stopped while pairs of words were counted: nothing is learned yet")
        })?;
    let model = Glove { rows: start(vocabulary.len(), config), pairs, config };
    learn(&model, &about(config, corpus, vocabulary), training, watch)?;
    let part = width(config.dim + 1);
    let mut values = Vec::with_capacity(vocabulary.len() * config.dim);
    for row in model.rows.values().chunks_exact(4 * part) {
        values.extend(row[..config.dim].iter().zip(&row[part..]).map(|(a, b)| a + b));
    }
    Vectors::new(vocabulary.words().to_vec(), config.dim, values)
}

/// Small numbers drawn for each word, and squares of 1.
fn start(words: usize, config: &GloveConfig) -> Rows {
    let part = width(config.dim + 1);
    let rows = Rows::zeros(words, 4 * part);
    let mut row = vec![1.0; 4 * part];
    for word in 0..words {
        let mut random = random(config.seed, 0, word as u64, Purpose::Weights);
        for half in row[..2 * part].chunks_exact_mut(part) {
            half.fill(0.0);
            half[..=config.dim].fill_with(|| (random.random::<f32>() - 0.5) / config.dim as f32);
        }
        rows.store(word, &row);
    }
    rows
}

/// A model in training.
#[derive(Debug)]
struct Glove<'a> {
    /// Of each word a vector with a number behind it and zeros, once as the one of a pair and once as the other; and the sums of
    /// the squares of their steps.
    rows: Rows,
    pairs: Pairs,
    config: &'a GloveConfig,
}

/// What a thread has of its own.
#[derive(Debug, Default)]
struct Work {
    pairs: Vec<Pair>,
    /// First and last pair of each word, and of each stretch of one.
    stretches: Vec<(u32, u32)>,
    /// Copies of the two words' rows, and the first as it was before.
    first: Vec<f32>,
    before: Vec<f32>,
    second: Vec<f32>,
    counted: Counted,
}

impl Learn for Glove<'_> {
    type Work = Work;

    fn pieces(&self) -> usize {
        self.pairs.parts() * self.config.epochs
    }

    /// One part of the pairs in one epoch; parts, and the words of a part, come in another order each time.
    fn learn(&self, piece: usize, work: &mut Work) -> Result<Counted> {
        let (epoch, place) = (piece / self.pairs.parts(), piece % self.pairs.parts());
        let mut order: Vec<usize> = (0..self.pairs.parts()).collect();
        shuffle(&mut order, &mut random(self.config.seed, epoch as u64, u64::MAX, Purpose::Words));
        self.pairs.read(order[place], &mut work.pairs)?;
        work.stretches.clear();
        let mut at = 0;
        for word in work.pairs.chunk_by(|a, b| a.first == b.first) {
            for stretch in word.chunks(STRETCH) {
                work.stretches.push((at, at + stretch.len() as u32));
                at += stretch.len() as u32;
            }
        }
        shuffle(&mut work.stretches, &mut random(self.config.seed, epoch as u64, place as u64, Purpose::Words));
        let row = self.rows.dim;
        work.first.resize(row, 0.0);
        work.second.resize(row, 0.0);
        wide(Part { model: self, work });
        Ok(std::mem::take(&mut work.counted))
    }

    fn rows(&self) -> Vec<(&'static str, &Rows)> {
        vec![("rows", &self.rows)]
    }
}

/// The pairs of a part, compiled for the widest registers that the processor has.
struct Part<'a> {
    model: &'a Glove<'a>,
    work: &'a mut Work,
}

impl Wide for Part<'_> {
    #[inline(always)]
    fn run(self) {
        let Self { model, work } = self;
        let Work { pairs, stretches, first, before, second, counted } = work;
        for (place, (start, end)) in stretches.iter().enumerate() {
            let stretch = &pairs[*start as usize..*end as usize];
            let word = stretch[0].first as usize;
            if let Some((start, _)) = stretches.get(place + 1) {
                let next = &pairs[*start as usize];
                model.rows.prefetch(next.first as usize);
                model.rows.prefetch(next.second as usize);
            }
            model.rows.load(word, first);
            before.clone_from(first);
            for (at, pair) in stretch.iter().enumerate() {
                if let Some(next) = stretch.get(at + 2) {
                    model.rows.prefetch(next.second as usize);
                }
                let (aim, weight) = model.aim(pair.nearness);
                let [a, b, a_squares, b_squares] = parts(first);
                if pair.second == pair.first {
                    counted.loss += model.step(aim, weight, [a, b], [a_squares, b_squares]);
                    counted.losses += 1;
                    continue;
                }
                model.rows.load(pair.second as usize, second);
                let [c, d, c_squares, d_squares] = parts(second);
                counted.loss += model.step(aim, weight, [a, d], [a_squares, d_squares]);
                counted.loss += model.step(aim, weight, [c, b], [c_squares, b_squares]);
                counted.losses += 2;
                model.rows.store(pair.second as usize, second);
            }
            before.iter_mut().zip(&*first).for_each(|(before, now)| *before = now - *before);
            model.rows.add(word, before);
        }
        counted.units = counted.losses;
    }
}

/// The four parts of a copy of a row.
#[inline(always)]
fn parts(row: &mut [f32]) -> [&mut [f32]; 4] {
    let (words, squares) = row.split_at_mut(row.len() / 2);
    let ((a, b), (c, d)) = (words.split_at_mut(words.len() / 2), squares.split_at_mut(squares.len() / 2));
    [a, b, c, d]
}

impl Glove<'_> {
    /// The logarithm that a pair is to have, and what it weighs.
    #[inline(always)]
    fn aim(&self, nearness: f32) -> (f32, f32) {
        let share = nearness / self.config.most as f32;
        (nearness.ln(), if share < 1.0 { share.powf(self.config.power as f32) } else { 1.0 })
    }

    /// One step of AdaGrad for a word as the one of a pair and a word as the other, and the loss before it.
    #[inline(always)]
    fn step(&self, aim: f32, weight: f32, [a, b]: [&mut [f32]; 2], [a_squares, b_squares]: [&mut [f32]; 2]) -> f64 {
        let GloveConfig { dim, learning_rate, .. } = *self.config;
        // the numbers behind the vectors are set apart, so that each other's steps are none
        let (a_number, b_number) = (std::mem::take(&mut a[dim]), std::mem::take(&mut b[dim]));
        let difference = dot(a, b) + a_number + b_number - aim;
        let slope = (weight * difference).clamp(-100.0, 100.0);
        let rate = learning_rate as f32 * slope;
        let rows = a.chunks_exact_mut(LANES).zip(b.chunks_exact_mut(LANES));
        let squares = a_squares.chunks_exact_mut(LANES).zip(b_squares.chunks_exact_mut(LANES));
        for ((a, b), (a_squares, b_squares)) in rows.zip(squares) {
            for lane in 0..LANES {
                let (a_step, b_step) = (rate * b[lane], rate * a[lane]);
                a[lane] -= a_step * root(a_squares[lane]);
                b[lane] -= b_step * root(b_squares[lane]);
                a_squares[lane] = a_step.mul_add(a_step, a_squares[lane]);
                b_squares[lane] = b_step.mul_add(b_step, b_squares[lane]);
            }
        }
        a[dim] = a_number - slope * root(a_squares[dim]);
        b[dim] = b_number - slope * root(b_squares[dim]);
        a_squares[dim] += slope * slope;
        b_squares[dim] += slope * slope;
        0.5 * f64::from(slope) * f64::from(difference)
    }
}

/// `1 / √x` of a number from 1 on, to five digits: a guess by its bits, and two steps of Newton's.
#[inline(always)]
fn root(x: f32) -> f32 {
    let guess = f32::from_bits(0x5f37_59df - (x.to_bits() >> 1));
    let half = 0.5 * x;
    let guess = guess * (1.5 - half * guess * guess);
    guess * (1.5 - half * guess * guess)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{Random, Rng};

    fn corpus(text: &str) -> (tempfile::TempDir, Corpus, Vocabulary) {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("text"), text).unwrap();
        let corpus = Corpus::open(&[folder.path().join("text")]).unwrap();
        let vocabulary = Vocabulary::count(&corpus, 1, 100, 1).unwrap();
        (folder, corpus, vocabulary)
    }

    /// The loop of the authors' program, in its order of operations, for the word `one` and the word `other`.
    fn plain(one: &mut [f64], other: &mut [f64], squares: [&mut [f64]; 2], nearness: f64, rate: f64) {
        let dim = one.len() - 1;
        let [one_squares, other_squares] = squares;
        let product: f64 = (0..dim).map(|at| one[at] * other[at]).sum();
        let difference = product + one[dim] + other[dim] - nearness.ln();
        let slope = (nearness / 100.0).powf(0.75).min(1.0) * difference;
        for at in 0..dim {
            let (step, back) = (rate * slope * other[at], rate * slope * one[at]);
            one[at] -= step / one_squares[at].sqrt();
            other[at] -= back / other_squares[at].sqrt();
            one_squares[at] += step * step;
            other_squares[at] += back * back;
        }
        one[dim] -= slope / one_squares[dim].sqrt();
        other[dim] -= slope / other_squares[dim].sqrt();
        one_squares[dim] += slope * slope;
        other_squares[dim] += slope * slope;
    }

    #[test]
    fn steps_are_those_of_a_plain_loop() {
        let (folder, corpus, vocabulary) = corpus(&"a b\n".repeat(70));
        let config = GloveConfig { dim: 5, epochs: 40, learning_rate: 1.0, ..Default::default() };
        let training = Training::default();
        let learned = glove(&corpus, &vocabulary, &config, 0, folder.path(), &training, &mut |_| true).unwrap();
        let (part, begun) = (width(6), start(2, &config).values());
        let row = |word: usize, half: usize| -> Vec<f64> {
            begun[(4 * word + half) * part..][..6].iter().map(|value| f64::from(*value)).collect()
        };
        let [mut a, mut a_other, mut b, mut b_other] = [row(0, 0), row(0, 1), row(1, 0), row(1, 1)];
        let mut squares = [[1.0; 6]; 4];
        for _ in 0..40 {
            let [c, d, e, f] = &mut squares;
            plain(&mut a, &mut b_other, [c, f], 70.0, 1.0);
            plain(&mut b, &mut a_other, [e, d], 70.0, 1.0);
        }
        for (word, one, other) in [("a", &a, &a_other), ("b", &b, &b_other)] {
            for (at, value) in learned.get(word).unwrap().iter().enumerate() {
                assert!((f64::from(*value) - one[at] - other[at]).abs() < 1e-4, "{word} {at}");
            }
        }
        assert!((a[0] - row(0, 0)[0]).abs() > 0.01, "something was learned");
    }

    #[test]
    fn words_of_one_subject_come_near_each_other() {
        let mut draws = random(0, 0, 0, Purpose::Synthetic);
        let line = |subject: usize, draws: &mut Random| {
            let of = |draw: u32| ["sea", "sky"][subject ^ usize::from(draw.is_multiple_of(12))]; // seldom of the other
            let words = (0..8).map(|_| format!("{}{}", of(draws.next_u32()), draws.next_u32() % 6));
            words.collect::<Vec<_>>().join(" ") + " and\n"
        };
        let text: String = (0..4000).map(|at| line(at % 2, &mut draws)).collect();
        let (folder, corpus, vocabulary) = corpus(&text);
        let config = GloveConfig { dim: 9, window: 8, epochs: 50, learning_rate: 0.2, ..Default::default() };
        let learn = |threads| {
            let training = Training { threads, ..Default::default() };
            glove(&corpus, &vocabulary, &config, 1 << 20, folder.path(), &training, &mut |_| true).unwrap()
        };
        let vectors = learn(1);
        assert_eq!(vectors, learn(1), "one thread, the same bits");
        learn(2);
        for word in ["sea1", "sky4"] {
            let near = vectors.nearest(vectors.get(word).unwrap(), 6, &[word]);
            let fits = near.iter().take(5).filter(|(near, _)| near[..3] == word[..3]).count();
            assert_eq!(fits, 5, "{word} is near {near:?}");
        }
    }

    #[test]
    fn roots_are_exact_to_five_digits() {
        for at in 0..4000 {
            let x = 1.0 + (at as f32 * 0.01).exp() / 100.0;
            assert!((root(x) * x.sqrt() - 1.0).abs() < 1e-5, "{x}");
        }
    }
}
