//! The text forms of word2vec and GloVe.
use super::{BUFFER, MOST, Source, check_counts, counts};
use crate::{Error, Result, files::write_atomic, words::vectors::Vectors};
use rayon::prelude::*;
use std::{
    io::{Read, Write},
    path::Path,
};

/// Bytes that are cut into lines at once.
const BLOCK: u64 = 1 << 23;
/// Bytes that a thread cuts into lines.
const PIECE: usize = BUFFER;
/// Most bytes of a line.
const LONGEST: usize = 1 << 24;
/// Words that a thread writes at once.
const WORDS: usize = 500;

pub(super) fn read(mut source: Source) -> Result<Vectors> {
    let name = source.name.clone();
    let at = |line: usize| format!("{name}:{line}");
    let (mut words, mut values, mut dim, mut said) = (Vec::new(), Vec::new(), 0, None);
    let (mut held, mut line) = (Vec::new(), 1);
    loop {
        let before = held.len();
        source.reader.by_ref().take(BLOCK).read_to_end(&mut held).map_err(Error::io(&name))?;
        let is_last = held.len() == before;
        let end = match held.iter().rposition(|byte| *byte == b'\n') {
            _ if is_last => held.len(),
            Some(place) => place + 1,
            None if held.len() > LONGEST => {
                return Err(Error::data(at(line), "a line of more than 16 MB, expected a word and its numbers"));
            }
            None => continue,
        };
        let mut block = &held[..end];
        if dim == 0 {
            let first = block.iter().position(|byte| *byte == b'\n').map_or(block.len(), |place| place + 1);
            let parts = parts(&block[..first]).count();
            match parts {
                2 if line == 1 => {
                    let Some((count, wide)) = counts(&block[..first]) else {
                        let text = String::from_utf8_lossy(&block[..first]);
                        let problem = format!("`{}`, expected the number of words and of numbers a word", text.trim());
                        return Err(Error::data(at(1), problem));
                    };
                    check_counts(&name, count, wide)?;
                    (said, dim, line, block) = (Some(count), wide, 2, &block[first..]);
                    let room = source.room(count, 2 * wide + 2); // a blank and a digit, a letter and a line feed
                    words.reserve_exact(room);
                    values.reserve_exact(room * wide);
                }
                0 if first < block.len() => {
                    line += 1;
                    held.drain(..first);
                    continue;
                }
                0 => {}
                1 => return Err(Error::data(at(line), "a word without numbers behind it")),
                _ => dim = parts - 1,
            }
        }
        let parsed: Vec<Piece> = pieces(block).into_par_iter().map(|piece| Piece::of(piece, dim)).collect();
        for mut piece in parsed {
            if let Some(problem) = piece.problem {
                return Err(Error::data(at(line + piece.lines), problem));
            }
            line += piece.lines;
            words.append(&mut piece.words);
            values.append(&mut piece.values);
        }
        if values.len() > MOST {
            return Err(Error::data(at(line), format!("more than {MOST} numbers")));
        }
        held.drain(..end);
        if is_last {
            break;
        }
    }
    // GloVe's program does not count its last row, which is of all rare words
    let beyond = usize::from(words.last().is_some_and(|last| last == "<unk>"));
    match said {
        Some(said) if said != words.len() && said + beyond != words.len() => {
            Err(Error::data(at(1), format!("{said} words by the first line, and {} in the file", words.len()))
                .with_help("the file may be cut: get it again, or mend its first line"))
        }
        _ => Vectors::new(words, dim, values).map_err(|error| error.within(&name)),
    }
}

/// What stands between blanks; a line may end as in DOS.
fn parts(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    line.split(|byte| matches!(byte, b' ' | b'\t' | b'\r' | b'\n')).filter(|part| !part.is_empty())
}

/// Whole lines, of about [`PIECE`] bytes together.
fn pieces(mut block: &[u8]) -> Vec<&[u8]> {
    let mut pieces = Vec::new();
    while !block.is_empty() {
        let least = block.len().min(PIECE);
        let end = block[least..].iter().position(|byte| *byte == b'\n').map_or(block.len(), |place| least + place + 1);
        let (piece, rest) = block.split_at(end);
        pieces.push(piece);
        block = rest;
    }
    pieces
}

/// Some lines, read.
#[derive(Debug, Default)]
struct Piece {
    words: Vec<String>,
    values: Vec<f32>,
    /// Lines before the problem, or all.
    lines: usize,
    problem: Option<String>,
}

impl Piece {
    fn of(bytes: &[u8], dim: usize) -> Self {
        let mut piece = Self::default();
        for line in bytes.split_inclusive(|byte| *byte == b'\n') {
            if let Err(problem) = piece.line(line, dim) {
                piece.problem = Some(problem);
                break;
            }
            piece.lines += 1;
        }
        piece
    }

    fn line(&mut self, line: &[u8], dim: usize) -> std::result::Result<(), String> {
        let text = std::str::from_utf8(line)
            .map_err(|error| format!("not UTF-8 text at byte {} of the line", error.valid_up_to() + 1))?;
        let mut parts = text.split(['\u{20}', '\t', '\r', '\n']).filter(|part| !part.is_empty());
        let Some(word) = parts.next() else { return Ok(()) };
        let (start, mut wrong) = (self.values.len(), None);
        for part in parts.by_ref().take(dim) {
            match part.parse::<f32>() {
                Ok(value) if value.is_finite() => self.values.push(value),
                _ => {
                    wrong = Some((part, self.values.len() - start + 1));
                    break;
                }
            }
        }
        let more = parts.count();
        let found = self.values.len() - start + usize::from(wrong.is_some()) + more;
        if let Some((part, column)) = wrong {
            // some of GloVe's words have blanks within: what is too much stands before the numbers, and is none itself
            if found > dim {
                self.values.truncate(start);
                return self.word_of_several(text, dim, found);
            }
            if found == dim {
                return Err(format!("`{part}` as number {column} of `{word}`, expected a finite number"));
            }
        }
        if found != dim {
            return Err(format!("{found} numbers behind the word, expected {dim}"));
        }
        self.words.push(word.to_string());
        Ok(())
    }

    fn word_of_several(&mut self, text: &str, dim: usize, found: usize) -> std::result::Result<(), String> {
        let parts: Vec<&str> = text.split_ascii_whitespace().collect();
        let (word, numbers) = parts.split_at(parts.len().saturating_sub(dim));
        let numbers: Option<Vec<f32>> =
            numbers.iter().map(|part| part.parse().ok().filter(|value: &f32| value.is_finite())).collect();
        match numbers {
            Some(numbers) if word.iter().skip(1).all(|part| part.parse::<f32>().is_err()) => {
                self.values.extend(numbers);
                self.words.push(word.join(" "));
                Ok(())
            }
            _ => Err(format!("{found} numbers behind the word, expected {dim}")),
        }
    }
}

pub(super) fn write(vectors: &Vectors, path: &Path, header: bool) -> Result<()> {
    let dim = vectors.dim();
    let lines = |(words, values): (&[String], &[f32])| -> Vec<u8> {
        let mut text = Vec::with_capacity(values.len() * 12);
        for (word, vector) in words.iter().zip(values.chunks_exact(dim)) {
            text.extend_from_slice(word.as_bytes());
            // writing to memory cannot fail
            vector.iter().for_each(|value| drop(write!(text, " {value}")));
            text.push(b'\n');
        }
        text
    };
    write_atomic(path, |file| {
        if header {
            writeln!(file, "{} {dim}", vectors.words().len())?;
        }
        let blocks = vectors.words().chunks(WORDS * 64).zip(vectors.values().chunks(WORDS * 64 * dim));
        for (words, values) in blocks {
            let pieces = words.par_chunks(WORDS).zip(values.par_chunks(WORDS * dim));
            for text in pieces.map(lines).collect::<Vec<_>>() {
                file.write_all(&text)?;
            }
        }
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: impl AsRef<[u8]>) -> Result<Vectors> {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("v.txt"), text).unwrap();
        Vectors::read(&folder.path().join("v.txt"))
    }

    #[test]
    fn what_is_wrong_with_a_file_is_named() {
        for (text, expected) in [
            ("2 2\na 1 2\n", "v.txt:1: 2 words by the first line, and 1 in the file"),
            ("1 2\na 1 2\nb 3 4\n", "v.txt:1: 1 words by the first line, and 2 in the file"),
            ("x 2\na 1 2\n", "v.txt:1: `x 2`, expected the number of words"),
            ("99999999999 99999999\n", "v.txt:1: 99999999999 words of 99999999 numbers"),
            ("3000000 300\nthe 1 2\n", "v.txt:2: 2 numbers behind the word, expected 300"),
            ("2 2\na 1 2\nb 1\n", "v.txt:3: 1 numbers behind the word, expected 2"),
            ("2 2\na 1 2\nb 1 2 3\n", "v.txt:3: 3 numbers behind the word, expected 2"),
            ("2 2\na 1 2\nb one 2 x\n", "v.txt:3: 3 numbers behind the word, expected 2"),
            ("a 1 2\nb 1 NaN\n", "v.txt:2: `NaN` as number 2 of `b`"),
            ("a 1 2\nb 1 two\n", "v.txt:2: `two` as number 2 of `b`"),
            ("a 1 2\n\nb 1e39 2\n", "v.txt:3: `1e39` as number 1 of `b`"),
            ("a\nb 1 2\n", "v.txt:1: a word without numbers"),
            ("", "0 words of 0 numbers"),
            ("\n \n", "0 words of 0 numbers"),
        ] {
            let error = read(text).unwrap_err().to_string();
            assert!(error.contains(expected), "{text:?}: {error}");
        }
        let error = read(b"a 1 2\nb\xff 1 2\n").unwrap_err().to_string();
        assert!(error.ends_with("v.txt:2: not UTF-8 text at byte 2 of the line"), "{error}");
    }

    #[test]
    fn lines_as_other_tools_write_them() {
        let expected = Vectors::new(vec!["a".into(), "b".into()], 2, vec![1.0, 2.0, 3.0, 4.0]).unwrap();
        for text in ["a 1 2\nb 3 4", "2 2\r\na\t1.0\t2 \r\nb  3 4e0 \r\n", "\n\na 1 2\n\nb 3 4\n\n"] {
            assert_eq!(read(text).unwrap(), expected, "{text:?}");
        }
        // as GloVe's program writes it with -write-header 1
        assert_eq!(read("1 2\na 1 2\n<unk> 3 4\n").unwrap().words(), ["a", "<unk>"]);
        // from glove.840B.300d
        let words = read("the 1 2\n. . . 1 2\nat name@domain.com 3 4\n").unwrap();
        assert_eq!(words.words(), ["the", ". . .", "at name@domain.com"]);
        assert_eq!(read("\u{a0} 1 2\n").unwrap().words(), ["\u{a0}"]);
    }

    /// Of several blocks and pieces.
    #[test]
    fn a_line_of_a_long_file_is_named() {
        let count = 1_200_000;
        let mut text: String = (0..count).map(|word| format!("w{word} {word} 1\n")).collect();
        assert!(text.len() as u64 > 2 * BLOCK);
        let vectors = read(&text).unwrap();
        assert_eq!(vectors.words().len(), count);
        assert_eq!(&*vectors.get("w1199999").unwrap(), [1_199_999.0, 1.0]);
        text += "last 1\n";
        let error = read(&text).unwrap_err().to_string();
        assert!(error.ends_with("v.txt:1200001: 1 numbers behind the word, expected 2"), "{error}");
    }
}
