//! fastText's models, as far as vectors go (`fasttext.cc`, `dictionary.cc` of fastText 0.9).
use super::{CUT, MOST, Source};
use crate::{
    Error, Result,
    words::{
        subwords::buckets_of,
        vectors::{Ngrams, Vectors},
    },
};
use std::io::{BufRead, Read};

/// The number that such a file begins with.
pub(super) const MAGIC: i32 = 793_712_314;
/// The version that is read: fastText's own since 2017.
const VERSION: i32 = 12;
/// Most bytes of a word.
const LONGEST: u64 = 1 << 16;
/// What stands for the end of a line: it has no n-grams.
const END: &str = "</s>";

impl Source {
    fn number<const N: usize>(&mut self, what: &str) -> Result<[u8; N]> {
        let (mut bytes, start) = ([0; N], self.at);
        match self.fill(&mut bytes)? {
            true => Ok(bytes),
            false => {
                let at = format!("{}: byte {start}", self.name);
                Err(Error::data(at, format!("the file ends before {what}")).with_help(CUT))
            }
        }
    }

    /// A count, which is never negative.
    fn count(&mut self, what: &str, long: bool) -> Result<usize> {
        let start = self.at;
        let value = match long {
            true => i64::from_le_bytes(self.number(what)?),
            false => i64::from(i32::from_le_bytes(self.number(what)?)),
        };
        usize::try_from(value)
            .map_err(|_| Error::data(format!("{}: byte {start}", self.name), format!("{value} as {what}")))
    }
}

pub(super) fn read(mut source: Source) -> Result<Vectors> {
    let wrong = |source: &Source, problem: String| Error::data(source.name.clone(), problem);
    source.number::<4>("its magic number")?;
    let version = i32::from_le_bytes(source.number("its version")?);
    if version != VERSION {
        let problem = format!("version {version} of fastText's models, this program reads {VERSION}");
        return Err(wrong(&source, problem).with_help("write its words with fastText: `fasttext print-word-vectors`"));
    }
    let mut options = [0; 12];
    for option in &mut options {
        *option = source.count("an option", false)?;
    }
    let [dim, _, _, _, _, _, _, _, buckets, shortest, longest, _] = options;
    source.number::<8>("an option")?; // the threshold of sampling
    if dim == 0 || dim > 100_000 {
        return Err(wrong(&source, format!("vectors of {dim} numbers")));
    }
    if longest > 100 {
        return Err(wrong(&source, format!("n-grams of up to {longest} letters")));
    }
    let entries = source.count("the number of entries", false)?;
    let count = source.count("the number of words", false)?;
    let labels = source.count("the number of labels", false)?;
    source.number::<8>("the number of tokens")?;
    let pruned = i64::from_le_bytes(source.number("the number of pruned n-grams")?);
    if count.saturating_add(labels) != entries {
        return Err(wrong(&source, format!("{entries} entries, of which {count} are words and {labels} labels")));
    }
    source.expect(entries, 10, "entries")?; // the end of a word, its count and kind
    let words = entries_of(&mut source, entries, count)?;
    let quantised = source.number::<1>("whether it is quantised")?[0];
    if quantised != 0 || pruned > 0 {
        return Err(
            wrong(&source, "a quantised model".to_string()).with_help("take the model in full, such as cc.en.300.bin")
        );
    }
    let (rows, wide) = (source.count("the number of rows", true)?, source.count("the length of a row", true)?);
    let expected = count + buckets;
    if rows != expected || wide != dim || rows.saturating_mul(dim) > MOST {
        let problem = format!("{rows} rows of {wide} numbers, expected {expected} of {dim}, at most {MOST} numbers");
        return Err(wrong(&source, problem));
    }
    source.expect(rows, 4 * dim, &format!("rows of {dim} numbers"))?;
    let mut bytes = vec![0; 4 * dim];
    let mut rows_of = |source: &mut Source, from: usize, to: usize| {
        let mut values = Vec::with_capacity(source.room(to - from, 4 * dim) * dim);
        for row in from..to {
            let start = source.at;
            let place = |source: &Source| (format!("{}: byte {start}", source.name), format!("row {}", row + 1));
            source.vector(&mut bytes, &mut values, place)?;
        }
        Ok::<_, Error>(values)
    };
    let mut values = rows_of(&mut source, 0, count)?;
    let vectors = rows_of(&mut source, count, rows)?;
    if buckets == 0 || longest == 0 {
        return Vectors::new(words, dim, values).map_err(|error| error.within(&source.name));
    }
    let ngrams = Ngrams { lengths: [shortest.max(1), longest], buckets, values: vectors };
    for (word, vector) in words.iter().zip(values.chunks_exact_mut(dim)).filter(|(word, _)| *word != END) {
        let mut parts = 1;
        for bucket in buckets_of(word, ngrams.lengths, buckets) {
            vector.iter_mut().zip(ngrams.of(bucket, dim)).for_each(|(sum, value)| *sum += value);
            parts += 1;
        }
        vector.iter_mut().for_each(|value| *value /= parts as f32);
    }
    Ok(Vectors::new(words, dim, values).map_err(|error| error.within(&source.name))?.with_ngrams(ngrams))
}

/// The words of the dictionary; labels stand behind them.
fn entries_of(source: &mut Source, entries: usize, count: usize) -> Result<Vec<String>> {
    let mut words = Vec::with_capacity(source.room(count, 10));
    let mut bytes = Vec::new();
    for number in 1..=entries {
        let start = source.at;
        let at = |source: &Source| format!("{}: entry {number} of {entries}, at byte {start}", source.name);
        bytes.clear();
        let read = source.reader.by_ref().take(LONGEST).read_until(0, &mut bytes).map_err(Error::io(&source.name))?;
        source.at += read as u64;
        if bytes.pop_if(|last| *last == 0).is_none() {
            return Err(Error::data(at(source), "a word that does not end").with_help(CUT));
        }
        source.number::<8>("a word's count")?;
        let is_word = source.number::<1>("a word's kind")?[0] == 0;
        if is_word != (number <= count) {
            return Err(Error::data(at(source), "a label among the words, or a word among the labels"));
        }
        if is_word {
            let word = std::str::from_utf8(&bytes).map_err(|_| Error::data(at(source), "not UTF-8 text"))?;
            words.push(word.to_string());
        }
    }
    Ok(words)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{fs, path::Path};

    const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/");

    /// What reference/vectors.py wrote with gensim, and gensim's vectors of the same words in a text.
    #[test]
    fn a_model_of_gensim() {
        let model = Vectors::read(Path::new(&format!("{FOLDER}fasttext.bin"))).unwrap();
        let right = Vectors::read(Path::new(&format!("{FOLDER}fasttext.txt"))).unwrap();
        assert!(right.words().len() > model.words().len(), "words outside the vocabulary too");
        for word in right.words() {
            let (found, expected) = (model.get(word).unwrap(), right.get(word).unwrap());
            for (found, expected) in found.iter().zip(&*expected) {
                assert!((found - expected).abs() < 1e-6, "{word}: {found} {expected}");
            }
        }
        assert!(!model.words().contains(&"oddly".to_string()) && right.words().contains(&"oddly".to_string()));
    }

    #[test]
    fn what_is_wrong_with_a_file_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let good = fs::read(format!("{FOLDER}fasttext.bin")).unwrap();
        let read = |bytes: &[u8]| {
            fs::write(folder.path().join("f.bin"), bytes).unwrap();
            Vectors::read(&folder.path().join("f.bin"))
        };
        let with = |at: usize, bytes: &[u8]| {
            let mut file = good.clone();
            file[at..at + bytes.len()].copy_from_slice(bytes);
            read(&file).unwrap_err().to_string()
        };
        let vectors = read(&good).unwrap();
        let (words, dim) = (vectors.words().len(), vectors.dim());
        let entries: usize = vectors.words().iter().map(|word| word.len() + 10).sum();
        let quantised = 64 + 28 + entries;
        let large = 2_000_000_000_i32.to_le_bytes();
        for (error, expected) in [
            (with(4, &[11]), "f.bin: version 11 of fastText's models, this program reads 12".to_string()),
            (with(8, &[0; 4]), "f.bin: vectors of 0 numbers".into()),
            (with(8, &[0xff; 4]), "f.bin: byte 8: -1 as an option".into()),
            (with(64, &large), format!("2000000000 entries, of which {words} are words and 0 labels")),
            (with(64, &[large, large].concat()), "2000000000 entries need at least 20000000000 bytes".into()),
            (with(40, &large), format!(", expected {} of {dim}", 2_000_000_000 + words)),
            (with(92, &[0xff]), "f.bin: entry 1 of".into()),
            (with(92 + vectors.words()[0].len() + 9, &[1]), "entry 1 of".into()),
            (with(quantised, &[1]), "f.bin: a quantised model".into()),
            (with(quantised + 17, &f32::NAN.to_le_bytes()), "NaN as number 1 of row 1".into()),
            (with(quantised + 1, &[0xff; 8]), "-1 as the number of rows".into()),
        ] {
            assert!(error.contains(&expected), "{error}\n{expected}");
        }
        for length in (0..good.len()).step_by(7).chain([quantised, quantised + 1]).filter(|length| *length > 4) {
            // the matrix that is not read stands behind
            if let Err(error) = read(&good[..length]) {
                let error = error.to_string();
                assert!(
                    error.contains("ends") || error.contains("end") || error.contains("follow"),
                    "{length}: {error}"
                );
            } else {
                assert!(length >= quantised + 17);
            }
        }
    }
}
