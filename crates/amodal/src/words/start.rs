//! Vectors that the words of a text begin with.
use super::Vectors;
use crate::{Error, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::{collections::HashSet, path::Path, sync::Arc};

/// Vectors of words that a model begins with.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct VectorsConfig {
    /// The file of vectors, as `amodal words train` writes it or word2vec, GloVe or fastText: its path from the config's folder.
    /// A run needs it no more.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub path: String,
    /// Whether vectors of the file stay as they are; if not, those of words in the training rows are learned further.
    pub frozen: bool,
    /// Numbers of a vector; taken from the file.
    #[serde(skip_serializing_if = "is_zero")]
    pub dim: usize,
    /// Words at the head of the vocabulary whose vectors are learned; taken from the training rows.
    #[serde(skip_serializing_if = "is_zero")]
    pub learned: usize,
    /// The vectors of all ids, zeros for one without.
    #[serde(skip)]
    values: Arc<Vec<f32>>,
}

impl Default for VectorsConfig {
    fn default() -> Self {
        Self { path: String::new(), frozen: true, dim: 0, learned: 0, values: Arc::default() }
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for it")]
fn is_zero(number: &usize) -> bool {
    *number == 0
}

impl VectorsConfig {
    /// Takes the vectors of the training words, and of as many other words of the file as make `most`; the vocabulary then
    /// holds first the words whose vectors are learned, and then those whose vectors stay. The vocabulary's ids begin at `first`.
    ///
    /// # Errors
    /// [`Error::Config`] for a file that cannot be read, or has a vector for no word of the training rows.
    pub(crate) fn fit(&mut self, vocabulary: &mut Vec<String>, most: usize, first: usize) -> Result<()> {
        let path = Path::new(&self.path);
        let vectors = Vectors::read(path).map_err(|error| match error {
            Error::Io { source, .. } => Error::config("", source.to_string()).in_file(path),
            other => other,
        });
        let vectors = vectors.map_err(|error| error.within("vectors.path"))?;
        let words = std::mem::take(vocabulary);
        let in_training: HashSet<&str> = words.iter().map(String::as_str).collect();
        let others = vectors.words().iter().filter(|word| !in_training.contains(word.as_str()));
        let others: Vec<&String> = others.take(most.saturating_sub(words.len())).collect();
        let (known, unknown): (Vec<&String>, Vec<&String>) =
            words.iter().partition(|word| vectors.find(word).is_some());
        if known.is_empty() {
            let first = |words: &[String]| words.first().cloned().unwrap_or_default();
            let (own, other) = (first(&words), first(vectors.words()));
            let problem = format!("has a vector for none of the {} words in the training rows", words.len());
            return Err(Error::config("vectors.path", format!("{} {problem}", self.path))
                .with_help(format!("the words are in lower case, such as `{own}`; the file's first is `{other}`")));
        }
        let (learned, fixed): (Vec<&String>, Vec<&String>) = match self.frozen {
            true => (unknown, known.into_iter().chain(others).collect()),
            false => (words.iter().collect(), others),
        };
        self.dim = vectors.dim();
        self.learned = learned.len();
        vocabulary.extend(learned.into_iter().chain(fixed).cloned());
        let mut values = vec![0.0; (first + vocabulary.len()) * self.dim];
        for (word, row) in vocabulary.iter().zip(values[first * self.dim..].chunks_exact_mut(self.dim)) {
            if let Some(vector) = vectors.find(word) {
                row.copy_from_slice(&vector);
            }
        }
        // as wide as drawn ones: a root mean square of 1
        let filled = values.iter().filter(|value| **value != 0.0).count().max(1);
        let square = values.iter().map(|value| f64::from(*value).powi(2)).sum::<f64>() / filled as f64;
        let scale = (1.0 / square.sqrt()) as f32;
        values.iter_mut().for_each(|value| *value *= scale);
        self.values = Arc::new(values);
        self.path.clear();
        Ok(())
    }

    /// The vectors of all ids, one after the other; absent in a run that was trained.
    pub(crate) fn values(&self) -> Option<&[f32]> {
        (!self.values.is_empty()).then_some(self.values.as_slice())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fitted(frozen: bool, most: usize) -> (Vec<String>, VectorsConfig) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("v.txt");
        std::fs::write(&path, "the 3 0\ncat 0 4\nsofa 4 0\nowl 1 3\n").unwrap();
        let path = path.display().to_string();
        let mut config = VectorsConfig { path, frozen, ..Default::default() };
        let mut vocabulary = ["cat", "zyx", "the"].map(String::from).to_vec();
        config.fit(&mut vocabulary, most, 2).unwrap();
        (vocabulary, config)
    }

    #[test]
    fn learned_words_come_first_and_others_of_the_file_last() {
        let (vocabulary, config) = fitted(true, 4);
        assert_eq!((vocabulary.join(" ").as_str(), config.learned, config.dim), ("zyx cat the sofa", 1, 2));
        let scale = 1.0 / (41.0_f32 / 3.0).sqrt();
        let expected: Vec<f32> = [0, 0, 0, 0, 0, 0, 0, 4, 3, 0, 4, 0].map(|value| value as f32 * scale).into();
        assert_eq!(config.values().unwrap(), expected);
        let (vocabulary, config) = fitted(false, 100);
        assert_eq!((vocabulary.join(" ").as_str(), config.learned), ("cat zyx the sofa owl", 3));
        assert_eq!(config.path, "", "a run needs it no more");
    }

    #[test]
    fn a_file_without_the_words_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("v.txt");
        std::fs::write(&path, "The 3 0\nCat 0 4\n").unwrap();
        let mut config = VectorsConfig { path: path.display().to_string(), ..Default::default() };
        let error = config.fit(&mut vec!["cat".to_string()], 9, 2).unwrap_err();
        assert!(error.to_string().starts_with("vectors.path: "), "{error}");
        assert!(
            error.to_string().ends_with("v.txt has a vector for none of the 1 words in the training rows"),
            "{error}"
        );
        assert_eq!(error.help(), Some("the words are in lower case, such as `cat`; the file's first is `The`"));
    }
}
