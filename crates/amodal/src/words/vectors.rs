//! Words and their vectors: neighbours, analogies.
use super::{
    files::{self, Format},
    subwords::buckets_of,
};
use crate::{Error, Result, suggest};
use rustc_hash::FxHashMap;
use std::{borrow::Cow, path::Path};

/// A vector for each of some words, the frequent ones first.
#[derive(Clone, Debug, PartialEq)]
pub struct Vectors {
    words: Vec<String>,
    ids: FxHashMap<String, usize>,
    dim: usize,
    /// `[words, dim]`.
    values: Vec<f32>,
    ngrams: Option<Ngrams>,
}

/// Vectors of buckets of n-grams of letters: their mean is that of a word that has none of its own.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Ngrams {
    /// Fewest and most letters.
    pub(super) lengths: [usize; 2],
    pub(super) buckets: usize,
    /// `[buckets, dim]`.
    pub(super) values: Vec<f32>,
}

impl Ngrams {
    /// The vector of a bucket.
    pub(super) fn of(&self, bucket: usize, dim: usize) -> &[f32] {
        &self.values[bucket * dim..][..dim]
    }

    /// The mean over a word's n-grams; absent where it has none.
    fn mean(&self, word: &str, dim: usize) -> Option<Vec<f32>> {
        let (mut sum, mut count) = (vec![0.0; dim], 0);
        for bucket in buckets_of(word, self.lengths, self.buckets) {
            sum.iter_mut().zip(self.of(bucket, dim)).for_each(|(sum, value)| *sum += value);
            count += 1;
        }
        sum.iter_mut().for_each(|value| *value /= count as f32);
        (count > 0).then_some(sum)
    }
}

impl Vectors {
    /// Words with a vector of `dim` numbers each, one after the other. Of a word that stands twice the first counts.
    ///
    /// # Errors
    /// [`Error::Data`] if there are not `dim` numbers a word, none at all, or one is not finite.
    pub fn new(words: Vec<String>, dim: usize, values: Vec<f32>) -> Result<Self> {
        if dim == 0 || words.is_empty() || values.len() != words.len() * dim {
            let problem = format!("{} words of {dim} numbers, and {} numbers in all", words.len(), values.len());
            return Err(Error::data("vectors", problem));
        }
        if let Some(at) = values.iter().position(|value| !value.is_finite()) {
            return Err(Error::data("vectors", format!("{} in the vector of `{}`", values[at], words[at / dim])));
        }
        let mut ids = FxHashMap::default();
        for (id, word) in words.iter().enumerate() {
            ids.entry(word.clone()).or_insert(id);
        }
        Ok(Self { words, ids, dim, values, ngrams: None })
    }

    /// The same, and vectors for words that have none of their own.
    pub(super) fn with_ngrams(self, ngrams: Ngrams) -> Self {
        Self { ngrams: Some(ngrams), ..self }
    }

    /// Whether a word that is not among the words has a vector too, by its n-grams of letters.
    pub fn has_ngrams(&self) -> bool {
        self.ngrams.is_some()
    }

    /// The words.
    pub fn words(&self) -> &[String] {
        &self.words
    }

    /// Numbers of a vector.
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// The numbers of all vectors, `[words, dim]`.
    pub fn values(&self) -> &[f32] {
        &self.values
    }

    /// A word's vector, if it has one: where it has none of its own and there are n-grams, the mean of theirs.
    pub fn find(&self, word: &str) -> Option<Cow<'_, [f32]>> {
        match self.ids.get(word) {
            Some(id) => Some(self.values[id * self.dim..][..self.dim].into()),
            None => self.ngrams.as_ref()?.mean(word, self.dim).map(Cow::Owned),
        }
    }

    /// A word's vector, as [`Self::find`] has it.
    ///
    /// # Errors
    /// [`Error::Data`] for a word that has none.
    pub fn get(&self, word: &str) -> Result<Cow<'_, [f32]>> {
        self.find(word).ok_or_else(|| {
            let near = suggest(word, self.words.iter().take(50_000).map(String::as_str));
            let help = near
                .map_or("see its file for the words that have one".into(), |near| format!("did you mean `{near}`?"));
            Error::data(format!("`{word}`"), "a word without a vector").with_help(help)
        })
    }

    /// The `count` words whose vectors have the largest cosine with `vector`, but for those in `without`.
    pub fn nearest(&self, vector: impl AsRef<[f32]>, count: usize, without: &[&str]) -> Vec<(&str, f32)> {
        let vector = vector.as_ref();
        let length = |vector: &[f32]| dot(vector, vector).sqrt().max(f32::MIN_POSITIVE);
        let own = length(vector);
        let rows = self.words.iter().zip(self.values.chunks_exact(self.dim)).enumerate();
        let mut found: Vec<(usize, f32)> = rows
            .filter(|(_, (word, _))| !without.contains(&word.as_str()))
            .map(|(id, (_, other))| (id, dot(vector, other) / (own * length(other))))
            .collect();
        found.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        found.truncate(count);
        found.into_iter().map(|(id, cosine)| (self.words[id].as_str(), cosine)).collect()
    }

    /// What `b` is to `a`, to `c`: the words nearest to `b - a + c`, each vector of length one (3CosAdd, Mikolov et al. 2013,
    /// ACL N13-1090).
    ///
    /// # Errors
    /// [`Error::Data`] for a word that has no vector.
    pub fn analogy(&self, [a, b, c]: [&str; 3], count: usize) -> Result<Vec<(&str, f32)>> {
        let mut sum = vec![0.0; self.dim];
        for (word, sign) in [(a, -1.0), (b, 1.0), (c, 1.0)] {
            let vector = self.get(word)?;
            let length = dot(&vector, &vector).sqrt().max(f32::MIN_POSITIVE);
            sum.iter_mut().zip(&*vector).for_each(|(sum, value)| *sum += sign * value / length);
        }
        Ok(self.nearest(&sum, count, &[a, b, c]))
    }

    /// Writes a file in the form that its name's ending stands for, as [`Format::of`] says.
    ///
    /// # Errors
    /// Those of [`Self::write_as`].
    pub fn write(&self, path: &Path) -> Result<()> {
        self.write_as(path, Format::of(path))
    }

    /// Writes a file; the vectors of n-grams are left out.
    ///
    /// # Errors
    /// [`Error::Io`] if the system fails; [`Error::Data`] for a word that the form cannot hold, as it has blanks within.
    pub fn write_as(&self, path: &Path, format: Format) -> Result<()> {
        format.write(self, path)
    }

    /// Reads a file of any [`Format`], or a model of fastText (version 12, not quantised): its content says which.
    ///
    /// # Errors
    /// [`Error::Io`] if it cannot be read; [`Error::Data`], naming the line or the word and its byte, for what is cut, not
    /// UTF-8, a number that is not finite, or counts that do not fit the rest.
    pub fn read(path: &Path) -> Result<Self> {
        files::read(path)
    }
}

fn dot(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Vectors> {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("v.txt"), text).unwrap();
        Vectors::read(&folder.path().join("v.txt"))
    }

    #[test]
    fn neighbours_and_analogies() {
        let vectors = read("king 1 1 0\nman 1 0 0\nwoman 0 0 1\nqueen 0 1 1\ncake 0.5 -1 0.1\n").unwrap();
        let near = vectors.nearest(vectors.get("king").unwrap(), 2, &["king"]);
        assert_eq!((near.len(), near[0].0), (2, "man"));
        assert!((near[0].1 - 0.5_f32.sqrt()).abs() < 1e-6);
        assert_eq!(vectors.analogy(["man", "king", "woman"], 1).unwrap()[0].0, "queen");
        let error = vectors.get("kingg").unwrap_err();
        assert_eq!(
            (error.to_string().as_str(), error.help()),
            ("`kingg`: a word without a vector", Some("did you mean `king`?"))
        );
    }
}
