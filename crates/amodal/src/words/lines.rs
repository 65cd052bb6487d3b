//! Lines of text files of any size, a bounded piece at a time.
use crate::{Error, Result};
use std::{
    fs::File,
    io::{BufRead, BufReader, Read},
    path::Path,
};

/// Most bytes of a line that are handed over at once.
const MOST: usize = 1 << 20;

/// A line of a file, or a piece of one that is longer than a mebibyte.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// What it says, without its end.
    pub text: String,
    /// Its number; the first is 1.
    pub number: usize,
    /// Whether the line ends here: a longer one is cut at a blank.
    pub ends: bool,
}

/// Reads a text line by line.
pub struct Lines<R> {
    reader: R,
    name: String,
    number: usize,
    /// Bytes of the line that were handed over already.
    before: usize,
    buffer: Vec<u8>,
    done: bool,
}

impl Lines<BufReader<File>> {
    /// Of a file.
    ///
    /// # Errors
    /// [`Error::Io`] where it cannot be opened.
    pub fn open(path: &Path) -> Result<Self> {
        let file = File::open(path).map_err(Error::io(path))?;
        Ok(Self::new(BufReader::new(file), &path.display().to_string()))
    }
}

impl<R: BufRead> Lines<R> {
    /// Of anything that is called `name` in errors.
    pub fn new(reader: R, name: &str) -> Self {
        Self { reader, name: name.to_string(), number: 1, before: 0, buffer: Vec::new(), done: false }
    }

    /// The next line or piece.
    fn read(&mut self) -> Result<Option<Line>> {
        let room = MOST.saturating_sub(self.buffer.len()) as u64;
        self.reader.by_ref().take(room).read_until(b'\n', &mut self.buffer).map_err(Error::io(&self.name))?;
        let ends = self.buffer.ends_with(b"\n") || self.buffer.len() < MOST;
        if self.buffer.is_empty() && self.before == 0 {
            return Ok(None); // behind the last line
        }
        let length = if ends { self.buffer.len() } else { cut(&self.buffer) };
        let rest = self.buffer.split_off(length);
        let mut bytes = std::mem::replace(&mut self.buffer, rest);
        if bytes.ends_with(b"\n") {
            bytes.pop();
            bytes.pop_if(|byte| *byte == b'\r');
        }
        let text = String::from_utf8(bytes).map_err(|error| {
            let byte = self.before + error.utf8_error().valid_up_to() + 1;
            let problem = format!("not UTF-8 text at byte {byte} of the line");
            Error::data(format!("{}:{}", self.name, self.number), problem).with_help("save the file as UTF-8")
        })?;
        let line = Line { text, number: self.number, ends };
        (self.number, self.before) = if ends { (self.number + 1, 0) } else { (self.number, self.before + length) };
        Ok(Some(line))
    }
}

/// Where a piece of a line may end: behind its last blank, or else before the character that it would cut in two.
fn cut(bytes: &[u8]) -> usize {
    let blank = bytes.iter().rposition(u8::is_ascii_whitespace).map(|at| at + 1);
    let first = || bytes.iter().rposition(|byte| byte & 0xc0 != 0x80).filter(|at| bytes.len() - at < 4);
    blank.or_else(first).filter(|at| *at > 0).unwrap_or(bytes.len())
}

impl<R: BufRead> Iterator for Lines<R> {
    type Item = Result<Line>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.done {
            return None;
        }
        let line = self.read().transpose();
        self.done = !matches!(line, Some(Ok(_)));
        line
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8]) -> Result<Vec<Line>> {
        Lines::new(bytes, "a.txt").collect()
    }

    fn texts(bytes: &[u8]) -> Vec<String> {
        read(bytes).unwrap().into_iter().map(|line| line.text).collect()
    }

    #[test]
    fn lines_without_their_ends() {
        assert_eq!(texts(b""), [""; 0]);
        assert_eq!(texts(b"a\r\n\nb"), ["a", "", "b"]);
        assert_eq!(read(b"a\nb\n").unwrap()[1], Line { text: "b".into(), number: 2, ends: true });
    }

    #[test]
    fn a_long_line_comes_in_pieces() {
        assert_eq!(read(" ".repeat(MOST).as_bytes()).unwrap().iter().filter(|line| line.ends).count(), 1);
        for text in ["word ".repeat(500_000), "小猫".repeat(400_000), "x".repeat(MOST)] {
            let lines = read(format!("{text}\nend").as_bytes()).unwrap();
            let (pieces, last) = lines.split_at(lines.len() - 1);
            assert_eq!(pieces.iter().map(|line| line.text.as_str()).collect::<String>(), text);
            assert!(pieces.iter().all(|line| line.text.len() <= MOST && line.number == 1));
            assert_eq!(pieces.iter().filter(|line| line.ends).count(), 1);
            assert_eq!((last[0].text.as_str(), last[0].number), ("end", 2));
        }
    }

    #[test]
    fn what_is_not_text_is_named() {
        let error = read(b"good\nbad \xe9 line\n").unwrap_err();
        assert_eq!(error.to_string(), "a.txt:2: not UTF-8 text at byte 5 of the line");
        let long = [vec![b'x'; MOST + 10], vec![0xff]].concat();
        assert_eq!(
            read(&long).unwrap_err().to_string(),
            format!("a.txt:1: not UTF-8 text at byte {} of the line", MOST + 11)
        );
        let ending = [vec![b'x'; MOST - 1], vec![0x80; 9]].concat();
        assert!(read(&ending).is_err());
        assert!(matches!(Lines::open(Path::new("/nosuch")), Err(Error::Io { .. })));
    }
}
