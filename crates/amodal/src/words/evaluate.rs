//! What vectors are worth: pairs of words that people found more or less alike, and analogies.
use super::{lines::Lines, vectors::Vectors};
use crate::{Error, Result, kernels::each_with_each};
use rayon::prelude::*;
use rustc_hash::FxHashMap;
use serde::Serialize;
use std::path::Path;

/// Questions whose products with the words are made at once, and words.
const QUESTIONS: usize = 128;
const WORDS: usize = 1024;
/// Nearest words that are looked at for one that is no case of a word asked about.
const NEAREST: usize = 5;

/// What is asked, as a file has it.
#[derive(Clone, Debug, PartialEq)]
pub enum Questions {
    /// Two words, and how alike people found them.
    Pairs(Vec<([String; 2], f64)>),
    /// Sections of questions: what the second word is to the first, the fourth is to the third.
    Analogies(Vec<(String, Vec<[String; 4]>)>),
}

/// How well the cosines of pairs follow what people said.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Alike {
    /// Spearman's correlation of ranks; those of equal values are their mean.
    pub spearman: f64,
    /// Pearson's correlation.
    pub pearson: f64,
    /// Pairs of which both words have a vector.
    pub asked: usize,
    /// The others.
    pub left_out: usize,
}

/// Analogies that were answered rightly.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Right {
    /// The section.
    pub section: String,
    /// Questions whose answer is the nearest word.
    pub right: usize,
    /// Questions of which all words have a vector.
    pub asked: usize,
    /// The others.
    pub left_out: usize,
}

impl Questions {
    /// Reads a file: a line that begins with `:` names a section of analogies, of four words a line; without one there are two
    /// words and a number a line, between tabs or blanks. Lines that begin with `#` are left out, and a first line of headings.
    ///
    /// # Errors
    /// [`Error::Io`] if it cannot be read; [`Error::Data`] for a line that is neither.
    pub fn read(path: &Path) -> Result<Self> {
        let (mut pairs, mut sections, mut is_first) = (Vec::new(), Vec::<(String, Vec<_>)>::new(), true);
        for line in Lines::open(path)? {
            let line = line?;
            let text = line.text.trim();
            if text.is_empty() || text.starts_with('#') {
                continue;
            }
            let wrong = |expected: &str| {
                let shown: String = text.chars().take(60).collect();
                Error::data(format!("{}:{}", path.display(), line.number), format!("`{shown}`, expected {expected}"))
            };
            let is_first = std::mem::take(&mut is_first);
            if let Some(name) = text.strip_prefix(':') {
                if !pairs.is_empty() {
                    return Err(wrong("two words and a number, as before"));
                }
                sections.push((name.trim().to_string(), Vec::new()));
            } else if let Some((_, questions)) = sections.last_mut() {
                let words: Vec<String> = text.split_whitespace().map(str::to_string).collect();
                questions.push(words.try_into().map_err(|_| wrong("four words"))?);
            } else {
                let parts: Vec<&str> = match text.contains('\t') {
                    true => text.split('\t').map(str::trim).collect(),
                    false => text.split_whitespace().collect(),
                };
                match parts[..] {
                    [a, b, score] if score.parse().is_ok_and(f64::is_finite) => {
                        pairs.push(([a.to_string(), b.to_string()], score.parse().unwrap_or_default()));
                    }
                    [_, _, _] if is_first => {} // headings
                    _ => return Err(wrong("two words and a number, or `: section` before questions of four words")),
                }
            }
        }
        let count: usize = pairs.len() + sections.iter().map(|(_, questions)| questions.len()).sum::<usize>();
        match (count, sections.is_empty()) {
            (0, _) => Err(Error::data(path.display().to_string(), "no questions")),
            (_, true) => Ok(Self::Pairs(pairs)),
            _ => Ok(Self::Analogies(sections)),
        }
    }
}

/// Vectors that are asked.
#[derive(Debug)]
pub struct Evaluator<'a> {
    words: &'a [String],
    dim: usize,
    /// Words in capitals; of those that differ in nothing else the first.
    ids: FxHashMap<String, usize>,
    /// `[words, dim]`, of length one.
    unit: Vec<f32>,
}

impl<'a> Evaluator<'a> {
    /// Asks about the first `most` words, whatever their case; of words that differ in nothing else the first counts.
    pub fn new(vectors: &'a Vectors, most: usize) -> Self {
        let (dim, words) = (vectors.dim(), &vectors.words()[..vectors.words().len().min(most)]);
        let mut ids = FxHashMap::default();
        for (id, word) in words.iter().enumerate() {
            ids.entry(word.to_uppercase()).or_insert(id);
        }
        let mut unit = vectors.values()[..words.len() * dim].to_vec();
        unit.par_chunks_mut(dim).for_each(|vector| {
            let length = vector.iter().map(|value| value * value).sum::<f32>().sqrt().max(f32::MIN_POSITIVE);
            vector.iter_mut().for_each(|value| *value /= length);
        });
        Self { words, dim, ids, unit }
    }

    fn id(&self, word: &str) -> Option<usize> {
        self.ids.get(&word.to_uppercase()).copied()
    }

    fn unit(&self, id: usize) -> &[f32] {
        &self.unit[id * self.dim..][..self.dim]
    }

    /// How well cosines follow what people said. Pairs with a word that has no vector are left out.
    ///
    /// # Errors
    /// [`Error::Data`] where fewer than two pairs are left.
    pub fn pairs(&self, pairs: &[([String; 2], f64)]) -> Result<Alike> {
        let (mut found, mut right) = (Vec::new(), Vec::new());
        for ([a, b], score) in pairs {
            if let (Some(a), Some(b)) = (self.id(a), self.id(b)) {
                let products = self.unit(a).iter().zip(self.unit(b)).map(|(a, b)| f64::from(*a) * f64::from(*b));
                found.push(products.sum());
                right.push(*score);
            }
        }
        let asked = found.len();
        if asked < 2 {
            let problem = format!("{asked} of {} pairs have vectors, at least 2 are needed", pairs.len());
            return Err(Error::data("", problem));
        }
        let spearman = pearson(&ranks(&found), &ranks(&right));
        Ok(Alike { spearman, pearson: pearson(&found, &right), asked, left_out: pairs.len() - asked })
    }

    /// How many analogies are answered rightly, by section, and in total at the end: a word counts as the answer if it is
    /// nearest to `b - a + c`, each of length one, apart from those three in any case (3CosAdd). Questions with a word that
    /// has no vector are left out.
    ///
    /// # Errors
    /// [`Error::Data`] where no question is left.
    pub fn analogies(&self, sections: &[(String, Vec<[String; 4]>)]) -> Result<Vec<Right>> {
        let mut scores: Vec<Right> = Vec::new();
        let mut asked = Vec::new();
        for (at, (section, questions)) in sections.iter().enumerate() {
            let known = questions
                .iter()
                .filter_map(|[a, b, c, answer]| Some((at, [self.id(a)?, self.id(b)?, self.id(c)?], self.id(answer)?)));
            let before = asked.len();
            asked.extend(known);
            let asked = asked.len() - before;
            let left_out = questions.len() - asked;
            scores.push(Right { section: section.clone(), right: 0, asked, left_out });
        }
        let left_out = scores.iter().map(|score| score.left_out).sum();
        if asked.is_empty() {
            return Err(Error::data("", format!("a word without a vector in each of {left_out} questions")));
        }
        let right = asked.par_chunks(QUESTIONS).flat_map_iter(|questions| self.right(questions));
        for section in right.collect::<Vec<_>>() {
            scores[section].right += 1;
        }
        let right = scores.iter().map(|score| score.right).sum();
        scores.push(Right { section: "total".into(), right, asked: asked.len(), left_out });
        Ok(scores)
    }

    /// The sections of those questions that are answered rightly.
    fn right(&self, questions: &[(usize, [usize; 3], usize)]) -> Vec<usize> {
        let most = NEAREST + 3; // the words asked about may be among them
        let mut asked = Vec::with_capacity(questions.len() * self.dim);
        for (_, [a, b, c], _) in questions {
            let words = self.unit(*a).iter().zip(self.unit(*b)).zip(self.unit(*c));
            asked.extend(words.map(|((a, b), c)| b - a + c));
        }
        let mut best = vec![Vec::<(f32, usize)>::new(); questions.len()];
        let mut products = vec![0.0; questions.len() * WORDS];
        for (block, words) in self.unit.chunks(WORDS * self.dim).enumerate() {
            let count = words.len() / self.dim;
            each_with_each(&asked, words, self.dim, &mut products);
            for (best, products) in best.iter_mut().zip(products.chunks_exact(count)) {
                for (at, product) in products.iter().enumerate() {
                    if best.len() == most && *product <= best[most - 1].0 {
                        continue;
                    }
                    let place = best.partition_point(|(other, _)| other >= product);
                    best.insert(place, (*product, block * WORDS + at));
                    best.truncate(most);
                }
            }
        }
        let right = questions.iter().zip(&best).filter(|((_, of, answer), best)| {
            let near = best.iter().map(|(_, id)| *id).filter(|id| !of.contains(id)).take(NEAREST);
            let near: Vec<usize> = near.filter_map(|id| self.id(&self.words[id])).collect();
            near.iter().find(|id| !of.contains(id)).or(near.last()) == Some(answer)
        });
        right.map(|((section, ..), _)| *section).collect()
    }
}

/// Ranks from 1 on; of equal values the mean of theirs.
fn ranks(values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|a, b| values[*a].total_cmp(&values[*b]));
    let (mut ranks, mut start) = (vec![0.0; values.len()], 0);
    for same in order.chunk_by(|a, b| values[*a] == values[*b]) {
        let rank = start as f64 + (same.len() as f64 + 1.0) / 2.0;
        same.iter().for_each(|at| ranks[*at] = rank);
        start += same.len();
    }
    ranks
}

/// Pearson's correlation; not a number where all values of one side are equal.
fn pearson(a: &[f64], b: &[f64]) -> f64 {
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
    let (mean_a, mean_b) = (mean(a), mean(b));
    let sum = |product: &dyn Fn(f64, f64) -> f64| -> f64 {
        a.iter().zip(b).map(|(a, b)| product(a - mean_a, b - mean_b)).sum()
    };
    sum(&|a, b| a * b) / (sum(&|a, _| a * a) * sum(&|_, b| b * b)).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/");

    fn read(text: &str) -> Result<Questions> {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("q.txt"), text).unwrap();
        Questions::read(&folder.path().join("q.txt"))
    }

    /// Numbers that reference/vectors.py printed: gensim's of the same files.
    #[test]
    fn the_same_as_gensim() {
        let vectors = Vectors::read(Path::new(&format!("{FOLDER}vectors.txt"))).unwrap();
        let asked = Evaluator::new(&vectors, 300_000);
        let Questions::Pairs(pairs) = Questions::read(Path::new(&format!("{FOLDER}word_pairs.tsv"))).unwrap() else {
            panic!()
        };
        let found = asked.pairs(&pairs).unwrap();
        assert!((found.spearman - 0.179_517_066).abs() < 1e-6, "{found:?}");
        assert!((found.pearson - 0.153_147_155).abs() < 1e-6, "{found:?}");
        assert_eq!((found.asked, found.left_out), (24, 2));
        let file = Path::new(&format!("{FOLDER}word_analogies.txt")).to_path_buf();
        let Questions::Analogies(sections) = Questions::read(&file).unwrap() else { panic!() };
        let found: Vec<_> = asked.analogies(&sections).unwrap();
        let found: Vec<_> =
            found.iter().map(|one| (one.section.as_str(), one.right, one.asked, one.left_out)).collect();
        assert_eq!(found, [("first of two", 8, 12, 1), ("second", 8, 12, 1), ("total", 16, 24, 2)]);
    }

    #[test]
    fn files_are_told_by_what_is_in_them() {
        let pair = |a: &str, b: &str, score| ([a.to_string(), b.to_string()], score);
        for text in ["a\tb\t1.5\nc d\te\t2\n", "# x\n\nword1\tword2\tscore\na\tb\t1.5\r\nc d\te\t2"] {
            assert_eq!(read(text).unwrap(), Questions::Pairs(vec![pair("a", "b", 1.5), pair("c d", "e", 2.0)]));
        }
        let Questions::Analogies(sections) = read(": x y\na b c d\n: z\n").unwrap() else { panic!() };
        assert_eq!(sections[0], ("x y".into(), vec![["a", "b", "c", "d"].map(String::from)]));
        for (text, expected) in [
            ("", "q.txt: no questions"),
            (": x\n", "q.txt: no questions"),
            ("a b 1\na b c\n", "q.txt:2: `a b c`, expected two words and a number"),
            ("a b 1\nc d nan\n", "q.txt:2: `c d nan`"),
            (": x\na b c\n", "q.txt:2: `a b c`, expected four words"),
            ("a b 1\n: x\n", "q.txt:2: `: x`, expected two words and a number, as before"),
        ] {
            let error = read(text).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }

    #[test]
    fn an_answer_in_another_case_counts_and_what_was_asked_about_never_does() {
        let words = ["king", "King", "man", "woman", "Queen", "cake"].map(String::from).to_vec();
        let values = vec![1., 1., 0., 1., 1., 0.1, 1., 0., 0., 0., 0., 1., 0., 1., 1., -1., 0., 0.];
        let vectors = Vectors::new(words, 3, values).unwrap();
        let ask = |words: [&str; 4], most| {
            let sections = [("s".to_string(), vec![words.map(String::from)])];
            Evaluator::new(&vectors, most).analogies(&sections).map(|all| all[1].right)
        };
        assert_eq!(ask(["man", "KING", "Woman", "queen"], 100).unwrap(), 1);
        assert_eq!(ask(["man", "king", "woman", "cake"], 100).unwrap(), 0);
        assert_eq!(
            ask(["man", "king", "woman", "queen"], 4).unwrap_err().within("q.txt").to_string(),
            "q.txt: a word without a vector in each of 1 questions"
        );
        let error = Evaluator::new(&vectors, 100).pairs(&[(["king".into(), "x".into()], 1.0)]).unwrap_err();
        assert_eq!(error.within("p.txt").to_string(), "p.txt: 0 of 1 pairs have vectors, at least 2 are needed");
    }

    #[test]
    fn equal_values_share_their_rank() {
        assert_eq!(ranks(&[3.0, 1.0, 3.0, 2.0, 3.0]), [4.0, 1.0, 4.0, 2.0, 4.0]);
        assert!(pearson(&[1.0, 1.0], &[1.0, 2.0]).is_nan());
    }
}
