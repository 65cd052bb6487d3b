//! The binary form of word2vec.
use super::{CUT, Source, check_counts, counts};
use crate::{Error, Result, files::write_atomic, words::vectors::Vectors};
use std::{
    io::{BufRead, Read, Write},
    path::Path,
};

/// Most bytes of a word.
const LONGEST: u64 = 1 << 16;

/// Whether a file that begins so is of this form: two counts, and then what no text has.
pub(super) fn is(head: &[u8]) -> bool {
    let Some(end) = head.iter().position(|byte| *byte == b'\n') else { return false };
    let Some((_, dim)) = counts(&head[..end]) else { return false };
    let rest = &head[end + 1..];
    let numbers = rest.iter().position(|byte| *byte == b' ').map_or(&[][..], |blank| &rest[blank + 1..]);
    let numbers = &numbers[..numbers.len().min(dim.saturating_mul(4))];
    let first = numbers.split(|byte| *byte == b'\n').next().unwrap_or_default();
    rest.iter().any(|byte| byte.is_ascii_control() && !byte.is_ascii_whitespace()) || !first.is_ascii()
}

pub(super) fn read(mut source: Source) -> Result<Vectors> {
    let mut line = Vec::new();
    source.reader.read_until(b'\n', &mut line).map_err(Error::io(&source.name))?;
    source.at += line.len() as u64;
    // as `is` saw it
    let (count, dim) = counts(&line).unwrap_or_default();
    check_counts(&source.name, count, dim)?;
    source.expect(count, 4 * dim + 2, &format!("words of {dim} numbers"))?; // a letter and a blank
    let mut words = Vec::with_capacity(source.room(count, 4 * dim + 2));
    let mut values = Vec::with_capacity(source.room(count, 4 * dim + 2) * dim);
    let mut bytes = vec![0; 4 * dim];
    let mut word = Vec::new();
    for number in 1..=count {
        let start = source.at;
        let at = |source: &Source| format!("{}: word {number} of {count}, at byte {start}", source.name);
        word.clear();
        let read = source.reader.by_ref().take(LONGEST).read_until(b' ', &mut word).map_err(Error::io(&source.name))?;
        source.at += read as u64;
        if word.pop_if(|last| *last == b' ').is_none() {
            let problem = match read as u64 {
                LONGEST => format!("no blank within {LONGEST} bytes, which ends a word"),
                _ => "the file ends before it".to_string(),
            };
            return Err(Error::data(at(&source), problem).with_help(CUT));
        }
        // the C tool writes a line feed after each vector, gensim none
        let text = std::str::from_utf8(&word).map_err(|_| Error::data(at(&source), "not UTF-8 text"))?;
        let text = text.trim_start_matches('\n').to_string();
        if text.is_empty() {
            return Err(Error::data(at(&source), "a word without letters"));
        }
        source.vector(&mut bytes, &mut values, |source| (at(source), format!("the vector of `{text}`")))?;
        words.push(text);
    }
    let mut rest = Vec::new();
    source.reader.by_ref().take(2).read_to_end(&mut rest).map_err(Error::io(&source.name))?;
    if !matches!(rest.as_slice(), [] | [b'\n']) {
        let problem = format!("more behind the last of {count} words, at byte {}", source.at);
        return Err(Error::data(source.name, problem).with_help("its first line may say too few words"));
    }
    Vectors::new(words, dim, values).map_err(|error| error.within(&source.name))
}

pub(super) fn write(vectors: &Vectors, path: &Path) -> Result<()> {
    let dim = vectors.dim();
    write_atomic(path, |file| {
        writeln!(file, "{} {dim}", vectors.words().len())?;
        for (word, vector) in vectors.words().iter().zip(vectors.values().chunks_exact(dim)) {
            file.write_all(word.as_bytes())?;
            file.write_all(b" ")?;
            vector.iter().try_for_each(|value| file.write_all(&value.to_le_bytes()))?;
        }
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8]) -> Result<Vectors> {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("v.bin"), bytes).unwrap();
        Vectors::read(&folder.path().join("v.bin"))
    }

    fn file(header: &str, records: &[(&[u8], [f32; 2])], after: &[u8]) -> Vec<u8> {
        let mut file = header.as_bytes().to_vec();
        for (word, numbers) in records {
            file.extend_from_slice(word);
            file.push(b' ');
            numbers.iter().for_each(|number| file.extend_from_slice(&number.to_le_bytes()));
            file.extend_from_slice(after);
        }
        file
    }

    #[test]
    fn with_line_feeds_and_without() {
        let expected = Vectors::new(vec!["né".into(), "b".into()], 2, vec![0.3, -2.0, 3.0, 4.0]).unwrap();
        for after in [b"".as_slice(), b"\n"] {
            let bytes = file("2 2\n", &[("né".as_bytes(), [0.3, -2.0]), (b"b", [3.0, 4.0])], after);
            assert_eq!(read(&bytes).unwrap(), expected);
        }
    }

    /// What reference/vectors.py wrote with gensim, and the numbers of the same vectors in its text form.
    #[test]
    fn a_file_of_gensim() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/");
        let binary = Vectors::read(Path::new(&format!("{folder}vectors.bin"))).unwrap();
        let text = Vectors::read(Path::new(&format!("{folder}vectors.txt"))).unwrap();
        assert_eq!((binary.words().len(), binary.dim()), (30, 5));
        assert_eq!(binary, text);
    }

    #[test]
    fn what_is_wrong_with_a_file_is_named() {
        let [a, b]: [(&[u8], [f32; 2]); 2] = [(b"a", [1.0, 2.0]), (b"b", [3.0, 4.0])];
        let good = file("2 2\n", &[a, b], b"");
        let broken = |word: &[u8], number: f32| file("2 2\n", &[a, (word, [3.0, number])], b"");
        for (bytes, expected) in [
            (good[..good.len() - 1].to_vec(), "v.bin: 2 words of 2 numbers need at least 20 bytes, and 19 follow"),
            (file("3000000 300\n", &[a, b], b""), "v.bin: 3000000 words of 300 numbers need at least"),
            (file("99999999999 99999999\n", &[a, b], b""), "v.bin:1: 99999999999 words of 99999999 numbers; the limit"),
            (file("0 0\n", &[a, b], b""), "v.bin:1: 0 words of 0 numbers"),
            (file("1 2\n", &[a, b], b""), "v.bin: more behind the last of 1 words, at byte 14"),
            (
                broken(b"b", f32::NAN),
                "v.bin: word 2 of 2, at byte 14: NaN as number 2 of the vector of `b`, expected a finite number",
            ),
            (broken(b"\xff", 1.0), "v.bin: word 2 of 2, at byte 14: not UTF-8 text"),
            (broken(b"\n", 1.0), "v.bin: word 2 of 2, at byte 14: a word without letters"),
            (
                file("2 2\n", &[(b"long", [1.0, 2.0]), b], b"")[..26].to_vec(),
                "v.bin: word 2 of 2, at byte 17: the file ends within the vector of `b`",
            ),
            ([file("2 2\n", &[a], b""), vec![b'x'; 70_000]].concat(), "at byte 14: no blank within 65536 bytes"),
        ] {
            let error = read(&bytes).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}\n{expected}");
        }
    }
}
