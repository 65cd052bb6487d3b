//! Word2Vec: vectors by which a word tells the words around it, or they tell the word.
use super::{
    arithmetic::{add_scaled, add_sum, products, wrong},
    corpus::{Corpus, Event},
    draw::Alias,
    huffman::Huffman,
    rows::{Rows, width},
    subwords::Subwords,
    train::{Counted, Learn, Training, Watch, about, learn},
    vectors::Vectors,
    vocabulary::Vocabulary,
};
use crate::{
    Result,
    kernels::{Wide, wide},
    random::{Purpose, Random, Rng, random},
    types::{at_least, within},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::ops::Range;

/// Words around a word that are kept at hand while so many words in a row are learned.
const STRETCH: usize = 24;
/// Most words of a sentence; a longer line is cut.
const SENTENCE: usize = 10_000;
/// Every so many words the loss is taken.
const LOSS_EVERY: u64 = 64;

/// What is told by what.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Predict {
    /// Each word around tells the word (skip-gram): better for rare words.
    #[default]
    SkipGram,
    /// The mean of the words around tells the word (continuous bag of words): three times faster.
    Cbow,
}

/// Word2Vec (Mikolov et al. 2013, arXiv:1301.3781, arXiv:1310.4546), with the n-grams of letters of fastText (Bojanowski et
/// al. 2017, arXiv:1607.04606) where `ngrams` is given.
///
/// As in pWord2Vec (Ji et al. 2016, arXiv:1604.04661) all words around a word share its negative samples, so that a
/// window is a product of matrices; a sample that is the word itself or was drawn already is left out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Word2VecConfig {
    /// What is told by what: `skip_gram` or `cbow`.
    pub predict: Predict,
    /// Numbers of a vector.
    pub dim: usize,
    /// Most words on each side; each time a number from 1 to it is drawn.
    pub window: usize,
    /// Negative samples; 0: hierarchical softmax over a Huffman tree instead.
    pub negative: usize,
    /// Power of a word's count that it is drawn by as a negative sample.
    pub power: f64,
    /// Share of the corpus above which a word is left out now and then; 0: never.
    pub sample: f64,
    /// Times that the corpus is read.
    pub epochs: usize,
    /// Size of the first step; it falls in a line to `last_rate`.
    pub learning_rate: f64,
    /// Size of the last step.
    pub last_rate: f64,
    /// Shortest and longest n-grams of letters that have vectors too, such as `[3, 6]`; absent: none.
    pub ngrams: Option<[usize; 2]>,
    /// Vectors that n-grams share.
    pub buckets: usize,
    /// Seed of all that is drawn.
    pub seed: u64,
}

impl Default for Word2VecConfig {
    fn default() -> Self {
        Self {
            predict: Predict::SkipGram,
            dim: 100,
            window: 5,
            negative: 5,
            power: 0.75,
            sample: 1e-3,
            epochs: 5,
            learning_rate: 0.025,
            last_rate: 1e-4,
            ngrams: None,
            buckets: 2_000_000,
            seed: 0,
        }
    }
}

impl Word2VecConfig {
    /// Whether every option is in its range.
    ///
    /// # Errors
    /// [`crate::Error::Config`] at the first that is not.
    pub fn check(&self) -> Result<()> {
        at_least("dim", self.dim, 1)?;
        within("dim", self.dim as f64, 1.0, 10_000.0)?;
        within("window", self.window as f64, 1.0, 1000.0)?;
        within("negative", self.negative as f64, 0.0, 1000.0)?;
        within("power", self.power, 0.0, 2.0)?;
        within("sample", self.sample, 0.0, 1.0)?;
        at_least("epochs", self.epochs, 1)?;
        within("learning_rate", self.learning_rate, 0.0, 1.0)?;
        within("last_rate", self.last_rate, 0.0, self.learning_rate)?;
        within("buckets", self.buckets as f64, 1.0, 1e8)?;
        if let Some([shortest, longest]) = self.ngrams {
            within("ngrams", shortest as f64, 1.0, longest as f64)?;
            within("ngrams", longest as f64, shortest as f64, 32.0)?;
        }
        Ok(())
    }
}

/// Learns vectors of the words of a vocabulary from a corpus; on one thread the same bits each time, on several not. Ends
/// early, with what is learned by then, where `watch` says so.
///
/// # Errors
/// [`crate::Error::Config`] for an option that is out of its range; those of [`Corpus::read`]; [`crate::Error::Run`] for a
/// state of another training.
pub fn word2vec(
    corpus: &Corpus,
    vocabulary: &Vocabulary,
    config: &Word2VecConfig,
    training: &Training,
    watch: &mut Watch,
) -> Result<Vectors> {
    config.check()?;
    let model = Word2Vec::new(config, corpus, vocabulary);
    learn(&model, &about(config, corpus, vocabulary), training, watch)?;
    Vectors::new(vocabulary.words().to_vec(), config.dim, model.vectors(vocabulary.len()))
}

/// A model in training.
#[derive(Debug)]
struct Word2Vec<'a> {
    config: &'a Word2VecConfig,
    corpus: &'a Corpus,
    vocabulary: &'a Vocabulary,
    /// Vectors of the words, and of buckets of n-grams behind them.
    inputs: Rows,
    /// Vectors of the words as what is told, or of the nodes of the tree.
    outputs: Rows,
    subwords: Option<Subwords>,
    told: Told,
    /// Probability of each word, as a share of 2^32, that it stays; empty: all stay.
    keep: Vec<u32>,
}

/// How a word is told.
#[derive(Debug)]
enum Told {
    /// Among some drawn ones.
    Negative(Alias),
    /// By the turns to it in a tree.
    Tree(Huffman),
}

/// What a thread has of its own.
#[derive(Debug, Default)]
struct Work {
    sentence: Vec<u32>,
    /// Words of a stretch that differ, and for each place which of them stands there.
    different: Vec<u32>,
    slots: Vec<u32>,
    /// Their vectors now and before.
    vectors: Vec<f32>,
    before: Vec<f32>,
    /// What is told by what: of each word the end of its part of `rows`, and the places around it.
    plan: Vec<(usize, Range<usize>)>,
    /// What is told, for the whole stretch: rows, and whether each is right.
    rows: Vec<u32>,
    labels: Vec<f32>,
    /// Vectors of one word's rows, and how these change.
    outputs: Vec<f32>,
    changes: Vec<f32>,
    /// Slots around a word, their mean, and how wrong each is about each row.
    around: Vec<u32>,
    mean: Vec<f32>,
    errors: Vec<f32>,
    /// Words learned.
    learned: u64,
    /// Words read, and the losses among them.
    counted: Counted,
}

impl Learn for Word2Vec<'_> {
    type Work = Work;

    fn pieces(&self) -> usize {
        self.corpus.blocks() * self.config.epochs
    }

    /// The lines of one block in one epoch.
    fn learn(&self, piece: usize, work: &mut Work) -> Result<Counted> {
        let (epoch, block) = (piece / self.corpus.blocks(), piece % self.corpus.blocks());
        let mut random = random(self.config.seed, epoch as u64, block as u64, Purpose::Words);
        let all = (self.corpus.bytes() * self.config.epochs as u64).max(1) as f64;
        let mut done = epoch as u64 * self.corpus.bytes();
        self.corpus.read(block, |event| match event {
            Event::Word(word) => {
                work.counted.units += 1;
                let Some(id) = self.vocabulary.id(word) else { return };
                if self.keep.get(id as usize).is_none_or(|keep| random.next_u32() <= *keep) {
                    work.sentence.push(id);
                    if work.sentence.len() == SENTENCE {
                        self.sentence(self.rate(done as f64 / all), &mut random, work);
                    }
                }
            }
            Event::End(at) => {
                self.sentence(self.rate(done as f64 / all), &mut random, work);
                done = epoch as u64 * self.corpus.bytes() + at;
            }
        })?;
        Ok(std::mem::take(&mut work.counted))
    }

    fn rows(&self) -> Vec<(&'static str, &Rows)> {
        vec![("inputs", &self.inputs), ("outputs", &self.outputs)]
    }
}

impl<'a> Word2Vec<'a> {
    fn new(config: &'a Word2VecConfig, corpus: &'a Corpus, vocabulary: &'a Vocabulary) -> Self {
        let Word2VecConfig { dim, seed, .. } = *config;
        let subwords = config.ngrams.map(|ngrams| Subwords::new(vocabulary, ngrams, config.buckets));
        let inputs = vocabulary.len() + subwords.as_ref().map_or(0, |_| config.buckets);
        let weights: Vec<f64> = vocabulary.counts().iter().map(|count| (*count as f64).powf(config.power)).collect();
        let (told, outputs) = match config.negative {
            0 => (Told::Tree(Huffman::new(vocabulary.counts())), vocabulary.len() - 1),
            _ => (Told::Negative(Alias::new(&weights)), vocabulary.len()),
        };
        let known: u64 = vocabulary.counts().iter().sum();
        let threshold = config.sample * known as f64;
        let keep = |count: &u64| {
            let share = threshold / *count as f64;
            ((share.sqrt() + share).min(1.0) * f64::from(u32::MAX)) as u32
        };
        let keep = if config.sample > 0.0 { vocabulary.counts().iter().map(keep).collect() } else { Vec::new() };
        Self {
            inputs: Rows::drawn(inputs, dim, 1.0 / dim as f32, seed, 0),
            outputs: Rows::zeros(outputs, dim),
            subwords,
            told,
            keep,
            config,
            corpus,
            vocabulary,
        }
    }

    /// The vectors of the first `words` rows; where there are n-grams, the mean with theirs.
    fn vectors(&self, words: usize) -> Vec<f32> {
        let dim = self.config.dim;
        let Some(subwords) = &self.subwords else { return self.inputs.values() };
        let mut vectors = Vec::with_capacity(words * dim);
        let mut copy = vec![0.0; width(dim)];
        for id in 0..words {
            let rows = subwords.of(id as u32);
            copy.fill(0.0);
            rows.iter().for_each(|row| self.inputs.add_to(*row as usize, &mut copy));
            vectors.extend(copy[..dim].iter().map(|value| value / rows.len() as f32));
        }
        vectors
    }

    fn rate(&self, done: f64) -> f32 {
        let Word2VecConfig { learning_rate, last_rate, .. } = self.config;
        (learning_rate + (last_rate - learning_rate) * done) as f32
    }

    /// Learns a sentence and empties it.
    fn sentence(&self, rate: f32, random: &mut Random, work: &mut Work) {
        let count = work.sentence.len();
        if count > 1 {
            for start in (0..count).step_by(STRETCH) {
                let end = count.min(start + STRETCH);
                wide(Stretch { model: self, start, end, rate, random: &mut *random, work: &mut *work });
            }
        }
        work.sentence.clear();
    }

    /// Learns the words from `start` to `end` of a sentence. The vectors of the words around are copied once, and what
    /// they changed by is added in the end.
    #[inline(always)]
    fn stretch(&self, start: usize, end: usize, rate: f32, random: &mut Random, work: &mut Work) {
        let (window, dim) = (self.config.window, width(self.config.dim));
        let first = start.saturating_sub(window);
        let last = work.sentence.len().min(end + window);
        work.different.clear();
        work.slots.clear();
        for id in &work.sentence[first..last] {
            let slot = work.different.iter().position(|known| known == id).unwrap_or_else(|| {
                work.different.push(*id);
                work.different.len() - 1
            });
            work.slots.push(slot as u32);
        }
        self.plan(start..end, first..last, random, work);
        work.vectors.resize(work.different.len() * dim, 0.0);
        for (id, vector) in work.different.iter().zip(work.vectors.chunks_exact_mut(dim)) {
            match &self.subwords {
                None => self.inputs.load(*id as usize, vector),
                Some(subwords) => {
                    let rows = subwords.of(*id);
                    vector.fill(0.0);
                    rows.iter().for_each(|row| self.inputs.add_to(*row as usize, vector));
                    vector.iter_mut().for_each(|value| *value /= rows.len() as f32);
                }
            }
        }
        work.before.clone_from(&work.vectors);
        let mut begin = 0;
        for at in 0..work.plan.len() {
            if let Some((next, _)) = work.plan.get(at + 1) {
                work.rows[work.plan[at].0..*next].iter().for_each(|row| self.outputs.prefetch(*row as usize));
            }
            let (end, around) = work.plan[at].clone();
            work.around.clear();
            let places = around.filter(|place| *place != start + at);
            work.around.extend(places.map(|place| work.slots[place - first]));
            let told = begin..end;
            begin = end;
            if work.around.is_empty() {
                continue;
            }
            work.outputs.resize(told.len() * dim, 0.0);
            for (row, vector) in work.rows[told.clone()].iter().zip(work.outputs.chunks_exact_mut(dim)) {
                self.outputs.load(*row as usize, vector);
            }
            match self.config.predict {
                Predict::SkipGram => skip_gram(rate, dim, told.clone(), work),
                Predict::Cbow => cbow(rate, dim, told.clone(), work),
            }
            for (row, vector) in work.rows[told].iter().zip(work.outputs.chunks_exact(dim)) {
                self.outputs.store(*row as usize, vector);
            }
        }
        work.vectors.iter_mut().zip(&work.before).for_each(|(now, before)| *now -= before);
        for (id, change) in work.different.iter().zip(work.vectors.chunks_exact(dim)) {
            match &self.subwords {
                None => self.inputs.add(*id as usize, change),
                Some(subwords) => subwords.of(*id).iter().for_each(|row| self.inputs.add(*row as usize, change)),
            }
        }
    }

    /// Draws what the words `of` a sentence are told by: the rows, and whether each is right; and asks for the vectors of the
    /// words that differ.
    #[inline(always)]
    fn plan(&self, of: Range<usize>, within: Range<usize>, random: &mut Random, work: &mut Work) {
        if self.subwords.is_none() {
            work.different.iter().for_each(|id| self.inputs.prefetch(*id as usize));
        }
        work.plan.clear();
        work.rows.clear();
        work.labels.clear();
        for at in of {
            let window = self.config.window;
            let reach = 1 + ((u64::from(random.next_u32()) * window as u64) >> 32) as usize;
            let around = at.saturating_sub(reach).max(within.start)..within.end.min(at + reach + 1);
            if around.len() > 1 {
                self.told(work.sentence[at], random, work);
            }
            work.plan.push((work.rows.len(), around));
        }
    }

    #[inline(always)]
    fn told(&self, id: u32, random: &mut Random, work: &mut Work) {
        let begin = work.rows.len();
        match &self.told {
            Told::Negative(alias) => {
                work.rows.push(id);
                for _ in 0..self.config.negative {
                    let drawn = alias.draw(random);
                    if !work.rows[begin..].contains(&drawn) {
                        work.rows.push(drawn);
                    }
                }
                work.labels.resize(work.rows.len(), 0.0);
                work.labels[begin] = 1.0;
            }
            Told::Tree(tree) => {
                for (node, right) in tree.path(id) {
                    work.rows.push(node);
                    work.labels.push(if right { 0.0 } else { 1.0 });
                }
            }
        }
    }
}

/// [`Word2Vec::stretch`], compiled for the widest registers that the processor has.
struct Stretch<'a> {
    model: &'a Word2Vec<'a>,
    start: usize,
    end: usize,
    rate: f32,
    random: &'a mut Random,
    work: &'a mut Work,
}

impl Wide for Stretch<'_> {
    #[inline(always)]
    fn run(self) {
        self.model.stretch(self.start, self.end, self.rate, self.random, self.work);
    }
}

/// Each word around tells the rows: `errors`, `[around, rows]`, are what the two matrices change each other by.
#[inline(always)]
fn skip_gram(rate: f32, dim: usize, told: Range<usize>, work: &mut Work) {
    let rows = told.len();
    work.errors.resize(work.around.len() * rows, 0.0);
    for (slot, errors) in work.around.iter().zip(work.errors.chunks_exact_mut(rows)) {
        products(&work.vectors[*slot as usize * dim..][..dim], &work.outputs, errors);
    }
    take_loss(&told, work);
    for errors in work.errors.chunks_exact_mut(rows) {
        wrong(errors, &work.labels[told.clone()], rate);
    }
    // both change by what the other was before
    work.changes.clear();
    work.changes.resize(rows * dim, 0.0);
    for (slot, errors) in work.around.iter().zip(work.errors.chunks_exact(rows)) {
        let vector = &work.vectors[*slot as usize * dim..][..dim];
        for (error, change) in errors.iter().zip(work.changes.chunks_exact_mut(dim)) {
            add_scaled(change, *error, vector);
        }
    }
    for (slot, errors) in work.around.iter().zip(work.errors.chunks_exact(rows)) {
        add_sum(&mut work.vectors[*slot as usize * dim..][..dim], errors, &work.outputs);
    }
    work.outputs.iter_mut().zip(&work.changes).for_each(|(value, change)| *value += change);
}

/// The mean of the words around tells the rows.
#[inline(always)]
fn cbow(rate: f32, dim: usize, told: Range<usize>, work: &mut Work) {
    let rows = told.len();
    work.mean.clear();
    work.mean.resize(dim, 0.0);
    for slot in &work.around {
        add_scaled(&mut work.mean, 1.0, &work.vectors[*slot as usize * dim..][..dim]);
    }
    let share = 1.0 / work.around.len() as f32;
    work.mean.iter_mut().for_each(|value| *value *= share);
    work.errors.resize(rows, 0.0);
    products(&work.mean, &work.outputs, &mut work.errors);
    take_loss(&told, work);
    wrong(&mut work.errors, &work.labels[told], rate);
    work.changes.clear();
    work.changes.resize(dim, 0.0);
    add_sum(&mut work.changes, &work.errors, &work.outputs);
    for (error, output) in work.errors.iter().zip(work.outputs.chunks_exact_mut(dim)) {
        add_scaled(output, *error, &work.mean);
    }
    for slot in &work.around {
        add_scaled(&mut work.vectors[*slot as usize * dim..][..dim], 1.0, &work.changes);
    }
}

/// Now and then, the loss of what `errors` holds as logits.
#[inline(always)]
fn take_loss(told: &Range<usize>, work: &mut Work) {
    work.learned += 1;
    if !work.learned.is_multiple_of(LOSS_EVERY) {
        return;
    }
    for logits in work.errors.chunks_exact(told.len()) {
        for (logit, label) in logits.iter().zip(&work.labels[told.clone()]) {
            let logit = f64::from(if *label > 0.5 { *logit } else { -*logit });
            work.counted.loss += (-logit).max(0.0) + (-logit.abs()).exp().ln_1p();
        }
        work.counted.losses += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lines that each speak of one of two subjects, in words that go together with no other.
    fn subjects() -> (tempfile::TempDir, Corpus) {
        let mut draws = random(0, 0, 0, Purpose::Synthetic);
        let line = |subject: usize, draws: &mut Random| {
            let words = (0..8).map(|_| format!("{}{}", ["sea", "sky"][subject], draws.next_u32() % 6));
            words.collect::<Vec<_>>().join(" ") + " and\n"
        };
        let text: String = (0..4000).map(|at| line(at % 2, &mut draws)).collect();
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("text"), text).unwrap();
        let corpus = Corpus::open(&[folder.path().join("text")]).unwrap();
        (folder, corpus)
    }

    #[test]
    fn words_of_one_subject_come_near_each_other() {
        let (_folder, corpus) = subjects();
        let vocabulary = Vocabulary::count(&corpus, 1, 100, 1).unwrap();
        for (predict, negative, ngrams) in [
            (Predict::SkipGram, 5, None),
            (Predict::SkipGram, 0, None),
            (Predict::Cbow, 5, None),
            (Predict::Cbow, 0, None),
            (Predict::SkipGram, 5, Some([4, 5])),
        ] {
            let config = Word2VecConfig {
                predict,
                negative,
                ngrams,
                dim: 9,
                sample: 0.0,
                learning_rate: 0.1,
                buckets: 500,
                ..Default::default()
            };
            let learn = |threads| {
                let training = Training { threads, ..Default::default() };
                word2vec(&corpus, &vocabulary, &config, &training, &mut |_| true).unwrap()
            };
            let vectors = learn(1);
            assert_eq!(vectors, learn(1), "one thread, the same bits");
            learn(2);
            for word in ["sea1", "sky4"] {
                let near = vectors.nearest(vectors.get(word).unwrap(), 6, &[word]);
                let fits = near.iter().take(5).filter(|(near, _)| near[..3] == word[..3]).count();
                assert_eq!(fits, 5, "{config:?}: {word} is near {near:?}");
            }
        }
    }
}
