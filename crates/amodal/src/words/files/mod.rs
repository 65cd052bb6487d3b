//! Files of vectors, in the forms that other tools read and write.
mod binary;
mod fasttext;
mod safetensors;
mod text;

use super::vectors::Vectors;
use crate::{Error, Result};
use std::{
    fs::File,
    io::{BufReader, Chain, Cursor, ErrorKind, Read},
    path::Path,
};

/// Most numbers of all vectors: 16 GB.
const MOST: usize = 4_000_000_000;
/// Bytes that a file's form is told from.
const HEAD: u64 = 4096;
/// Bytes that are read at once.
const BUFFER: usize = 1 << 18;

/// A form that vectors are written in. What is read says itself which form it has; fastText's models are read, too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Text as word2vec writes it: the number of words and of numbers, then a word and its numbers a line.
    Word2Vec,
    /// Text as GloVe writes it: without the first line.
    Glove,
    /// word2vec's binary form: the same first line, then each word, a blank and its numbers as 32 bits, the lowest first.
    Binary,
    /// Tensors `vectors`, `[words, dim]`, and `words`, the bytes of the words with a line feed between.
    Safetensors,
}

impl Format {
    /// The form that a name's ending stands for: `.bin`, `.safetensors`; text as word2vec writes it for all others.
    pub fn of(path: &Path) -> Self {
        match path.extension().and_then(|ending| ending.to_str()) {
            Some("bin") => Self::Binary,
            Some("safetensors") => Self::Safetensors,
            _ => Self::Word2Vec,
        }
    }

    pub(super) fn write(self, vectors: &Vectors, path: &Path) -> Result<()> {
        let parts = |c: char| match self {
            Self::Safetensors => c == '\n',
            _ => c.is_ascii_whitespace(),
        };
        if let Some(word) = vectors.words().iter().find(|word| word.is_empty() || word.contains(parts)) {
            let problem = format!("{word:?} cannot be told from the words beside it in this form");
            return Err(Error::data(path.display().to_string(), problem).with_help(match self {
                Self::Safetensors => "leave this word out",
                _ => "leave this word out, or write a .safetensors file",
            }));
        }
        match self {
            Self::Word2Vec => text::write(vectors, path, true),
            Self::Glove => text::write(vectors, path, false),
            Self::Binary => binary::write(vectors, path),
            Self::Safetensors => safetensors::write(vectors, path),
        }
    }
}

pub(super) fn read(path: &Path) -> Result<Vectors> {
    let (source, head) = Source::open(path)?;
    if head.starts_with(&fasttext::MAGIC.to_le_bytes()) {
        fasttext::read(source)
    } else if safetensors::is(&head) {
        safetensors::read(source)
    } else if binary::is(&head) {
        binary::read(source)
    } else {
        text::read(source)
    }
}

/// A file that is read once, from front to back: it may be a pipe.
#[derive(Debug)]
struct Source {
    name: String,
    reader: BufReader<Chain<Cursor<Vec<u8>>, File>>,
    /// Bytes read.
    at: u64,
    /// Bytes of the file; unknown of a pipe.
    length: Option<u64>,
}

impl Source {
    /// The file, and its first bytes.
    fn open(path: &Path) -> Result<(Self, Vec<u8>)> {
        let mut file = File::open(path).map_err(Error::io(path))?;
        let metadata = file.metadata().map_err(Error::io(path))?;
        let mut head = Vec::new();
        file.by_ref().take(HEAD).read_to_end(&mut head).map_err(Error::io(path))?;
        let reader = BufReader::with_capacity(BUFFER, Cursor::new(head.clone()).chain(file));
        let length = metadata.is_file().then_some(metadata.len());
        Ok((Self { name: path.display().to_string(), reader, at: 0, length }, head))
    }

    /// How many things of so many bytes each there is surely room for: none where the length is unknown.
    fn room(&self, count: usize, bytes: usize) -> usize {
        let rest = self.length.unwrap_or(0).saturating_sub(self.at);
        count.min(usize::try_from(rest).unwrap_or(usize::MAX) / bytes.max(1))
    }

    /// That `count` of `what`, of at least so many bytes each, can still come.
    fn expect(&self, count: usize, bytes: usize, what: &str) -> Result<()> {
        let Some(length) = self.length else { return Ok(()) };
        let needed = count as u128 * bytes as u128;
        let rest = length.saturating_sub(self.at);
        if needed > u128::from(rest) {
            let problem = format!("{count} {what} need at least {needed} bytes, and {rest} follow");
            return Err(Error::data(self.name.clone(), problem).with_help(CUT));
        }
        Ok(())
    }

    /// Fills `bytes`; false where the file ends before.
    fn fill(&mut self, bytes: &mut [u8]) -> Result<bool> {
        match self.reader.read_exact(bytes) {
            Ok(()) => {
                self.at += bytes.len() as u64;
                Ok(true)
            }
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => Ok(false),
            Err(error) => Err(Error::io(&self.name)(error)),
        }
    }

    /// Appends a vector; `place` says whose it is, and where.
    fn vector(
        &mut self,
        bytes: &mut [u8],
        values: &mut Vec<f32>,
        place: impl Fn(&Self) -> (String, String),
    ) -> Result<()> {
        if !self.fill(bytes)? {
            let (at, what) = place(self);
            return Err(Error::data(at, format!("the file ends within {what}")).with_help(CUT));
        }
        for (column, four) in bytes.as_chunks::<4>().0.iter().enumerate() {
            let value = f32::from_le_bytes(*four);
            if !value.is_finite() {
                let (at, what) = place(self);
                let problem = format!("{value} as number {} of {what}, expected a finite number", column + 1);
                return Err(Error::data(at, problem));
            }
            values.push(value);
        }
        Ok(())
    }
}

const CUT: &str = "the file may be cut: get it again";

/// The number of words and of numbers each, as the first line says; absent where it says something else.
fn counts(line: &[u8]) -> Option<(usize, usize)> {
    let mut parts = std::str::from_utf8(line).ok()?.split_ascii_whitespace().map(str::parse);
    match (parts.next(), parts.next(), parts.next()) {
        (Some(Ok(words)), Some(Ok(dim)), None) => Some((words, dim)),
        _ => None,
    }
}

/// That the counts of a first line are in the limits.
fn check_counts(name: &str, words: usize, dim: usize) -> Result<()> {
    if dim == 0 || words.checked_mul(dim).is_none_or(|all| all > MOST) {
        let problem = format!("{words} words of {dim} numbers; the limit is {MOST} numbers");
        return Err(Error::data(format!("{name}:1"), problem));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read_bytes(bytes: &[u8]) -> Result<Vectors> {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("v"), bytes).unwrap();
        read(&folder.path().join("v"))
    }

    #[test]
    fn files_are_read_as_they_were_written() {
        let words = ["a", "né", "中", "2"].map(String::from).to_vec();
        let values = vec![1.0, -0.1, 1e-30, 3.4e38, 0.3, 1.0 / 3.0, 0.0, -2.0];
        let folder = tempfile::tempdir().unwrap();
        for dim in [1, 2] {
            let values = values[..4 * dim].to_vec();
            let vectors = Vectors::new(words.clone(), dim, values).unwrap();
            for name in ["v.txt", "v.vec", "v.bin", "v.safetensors"] {
                let path = folder.path().join(name);
                vectors.write(&path).unwrap();
                assert_eq!(Vectors::read(&path).unwrap(), vectors, "{name}");
            }
        }
        let vectors = Vectors::new(words, 2, values).unwrap();
        vectors.write_as(&folder.path().join("v"), Format::Glove).unwrap();
        assert_eq!(Vectors::read(&folder.path().join("v")).unwrap(), vectors);
    }

    #[test]
    fn a_word_that_a_form_cannot_hold_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let vectors = Vectors::new(vec!["a".into(), "New York".into()], 1, vec![1.0, 2.0]).unwrap();
        for name in ["v.txt", "v.bin"] {
            let error = vectors.write(&folder.path().join(name)).unwrap_err();
            assert!(error.to_string().contains("\"New York\" cannot be told from"), "{error}");
            assert!(error.help().is_some_and(|help| help.contains(".safetensors")));
        }
        let path = folder.path().join("v.safetensors");
        vectors.write(&path).unwrap();
        assert_eq!(Vectors::read(&path).unwrap(), vectors);
        assert!(Vectors::new(vec!["a\nb".into()], 1, vec![1.0]).unwrap().write(&path).is_err());
        assert_eq!(Vectors::read(&path).unwrap(), vectors, "a failure leaves the old file");
    }

    #[test]
    fn a_file_of_other_things_is_an_error() {
        for bytes in [b"\x89PNG\r\n\x1a\n\0\0\0".as_slice(), b"", b"\n", b"3", b"\0", b"{\"a\": 1}"] {
            assert!(read_bytes(bytes).is_err(), "{bytes:?}");
        }
        assert!(matches!(read(Path::new("/nosuch")), Err(Error::Io { .. })));
    }

    proptest! {
        #[test]
        fn hostile_files_never_panic(
            mut bytes in prop::collection::vec(any::<u8>(), 0..300), start in 0_usize..6, cut in 0_usize..80,
        ) {
            let starts: [&[u8]; 6] =
                [b"", b"2 3\n", b"9999999999 300\nthe \0", b"\xba\x16\x4f\x2f\x0c\0\0\0", b"\x20\0\0\0\0\0\0\0{", b"a 1 2\nb"];
            let mut file = starts[start].to_vec();
            file.append(&mut bytes);
            let _ = read_bytes(&file);
            // a good file, changed at one place, or cut
            let vectors = Vectors::new(vec!["ab".into(), "c".into()], 2, vec![1.0, 2.0, 3.0, 4.0]).unwrap();
            let folder = tempfile::tempdir().unwrap();
            for name in ["v.txt", "v.bin", "v.safetensors"] {
                let path = folder.path().join(name);
                vectors.write(&path).unwrap();
                let mut file = std::fs::read(&path).unwrap();
                let at = cut % file.len();
                let _ = read_bytes(&file[..at]);
                file[at] = file[at].wrapping_add(start as u8 + 1);
                let _ = read_bytes(&file);
            }
        }
    }
}
