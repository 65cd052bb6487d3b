//! Words and their vectors: files, neighbours, analogies.
use super::lines::Lines;
use crate::{Error, Result, files::write_atomic, suggest};
use rustc_hash::FxHashMap;
use std::{io::Write, path::Path};

/// Most numbers of all vectors: 16 GB.
const MOST: usize = 4_000_000_000;

/// A vector for each of some words, the frequent ones first.
#[derive(Clone, Debug, PartialEq)]
pub struct Vectors {
    words: Vec<String>,
    ids: FxHashMap<String, usize>,
    dim: usize,
    /// `[words, dim]`.
    values: Vec<f32>,
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
        Ok(Self { words, ids, dim, values })
    }

    /// The words.
    pub fn words(&self) -> &[String] {
        &self.words
    }

    /// Numbers of a vector.
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// A word's vector, if it has one.
    pub fn find(&self, word: &str) -> Option<&[f32]> {
        self.ids.get(word).map(|id| &self.values[id * self.dim..][..self.dim])
    }

    /// A word's vector.
    ///
    /// # Errors
    /// [`Error::Data`] for a word that has none.
    pub fn get(&self, word: &str) -> Result<&[f32]> {
        self.find(word).ok_or_else(|| {
            let near = suggest(word, self.words.iter().take(50_000).map(String::as_str));
            let help = near
                .map_or("see its file for the words that have one".into(), |near| format!("did you mean `{near}`?"));
            Error::data(format!("`{word}`"), "a word without a vector").with_help(help)
        })
    }

    /// The `count` words whose vectors have the largest cosine with `vector`, but for those in `without`.
    pub fn nearest(&self, vector: &[f32], count: usize, without: &[&str]) -> Vec<(&str, f32)> {
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
            let length = dot(vector, vector).sqrt().max(f32::MIN_POSITIVE);
            sum.iter_mut().zip(vector).for_each(|(sum, value)| *sum += sign * value / length);
        }
        Ok(self.nearest(&sum, count, &[a, b, c]))
    }

    /// Writes a text file: a word and its numbers a line; in the way of word2vec with the number of words and `dim` before
    /// them, in that of GloVe without.
    ///
    /// # Errors
    /// [`Error::Io`] if the system fails.
    pub fn write(&self, path: &Path, header: bool) -> Result<()> {
        write_atomic(path, |file| {
            if header {
                writeln!(file, "{} {}", self.words.len(), self.dim)?;
            }
            for (word, vector) in self.words.iter().zip(self.values.chunks_exact(self.dim)) {
                file.write_all(word.as_bytes())?;
                for value in vector {
                    write!(file, " {value}")?;
                }
                writeln!(file)?;
            }
            Ok(())
        })
    }

    /// Reads a text file of word2vec or GloVe, which it sees by its first line.
    ///
    /// # Errors
    /// [`Error::Io`] if it cannot be read; [`Error::Data`], naming the line, for what is not UTF-8, a line of another number of
    /// numbers, one that is not finite, or another number of words than the first line says.
    pub fn read(path: &Path) -> Result<Self> {
        let at = |line: usize| format!("{}:{line}", path.display());
        let (mut words, mut values, mut dim, mut said) = (Vec::new(), Vec::new(), 0, None);
        let mut text = String::new();
        let mut number = 0;
        for piece in Lines::open(path)? {
            let piece = piece?;
            text.push_str(&piece.text);
            if !piece.ends {
                if text.len() > 1 << 24 {
                    return Err(Error::data(
                        at(number + 1),
                        "a line of more than 16 MB, expected a word and its numbers",
                    ));
                }
                continue;
            }
            number += 1;
            let line = std::mem::take(&mut text);
            let mut parts = line.split([' ', '\t']).filter(|part| !part.trim().is_empty());
            let Some(word) = parts.next() else { continue };
            let rest: Vec<&str> = parts.map(str::trim).collect();
            if number == 1 && rest.len() == 1 {
                let (count, wide) = (word.parse::<usize>(), rest[0].parse::<usize>());
                let (Ok(count), Ok(wide)) = (count, wide) else {
                    let problem = format!("`{}`, expected the number of words and of numbers a word", line.trim());
                    return Err(Error::data(at(1), problem));
                };
                if wide == 0 || count.checked_mul(wide).is_none_or(|all| all > MOST) {
                    return Err(Error::data(
                        at(1),
                        format!("{count} words of {wide} numbers; the limit is {MOST} numbers"),
                    ));
                }
                (said, dim) = (Some(count), wide);
                continue;
            }
            if dim == 0 {
                dim = rest.len();
            }
            if rest.len() != dim || dim == 0 {
                return Err(Error::data(at(number), format!("{} numbers behind the word, expected {dim}", rest.len())));
            }
            for (column, part) in rest.iter().enumerate() {
                match part.parse::<f32>() {
                    Ok(value) if value.is_finite() => values.push(value),
                    _ => {
                        let problem =
                            format!("`{part}` as number {} of `{word}`, expected a finite number", column + 1);
                        return Err(Error::data(at(number), problem));
                    }
                }
            }
            words.push(word.to_string());
            if values.len() > MOST {
                return Err(Error::data(at(number), format!("more than {MOST} numbers")));
            }
        }
        match said {
            Some(said) if said != words.len() => {
                Err(Error::data(at(1), format!("{said} words by the first line, and {} in the file", words.len()))
                    .with_help("the file may be cut: get it again, or mend its first line"))
            }
            _ => Self::new(words, dim, values).map_err(|error| error.within(&path.display().to_string())),
        }
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
    fn files_are_read_as_they_were_written() {
        let words = ["a", "né", "中"].map(String::from).to_vec();
        let vectors = Vectors::new(words, 2, vec![1.0, -0.1, 1e-30, 3.4e38, 0.3, 1.0 / 3.0]).unwrap();
        let folder = tempfile::tempdir().unwrap();
        for header in [true, false] {
            let path = folder.path().join("v");
            vectors.write(&path, header).unwrap();
            assert_eq!(Vectors::read(&path).unwrap(), vectors);
        }
    }

    #[test]
    fn what_is_wrong_with_a_file_is_named() {
        for (text, expected) in [
            ("2 2\na 1 2\n", "v.txt:1: 2 words by the first line, and 1 in the file"),
            ("x 2\na 1 2\n", "v.txt:1: `x 2`, expected the number of words"),
            ("99999999999 99999999\n", "v.txt:1: 99999999999 words of 99999999 numbers"),
            ("2 2\na 1 2\nb 1\n", "v.txt:3: 1 numbers behind the word, expected 2"),
            ("a 1 2\nb 1 NaN\n", "v.txt:2: `NaN` as number 2 of `b`"),
            ("a 1 2\nb 1 two\n", "v.txt:2: `two` as number 2 of `b`"),
            ("", "0 words of 0 numbers"),
        ] {
            let error = read(text).unwrap_err().to_string();
            assert!(error.contains(expected), "{text:?}: {error}");
        }
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
