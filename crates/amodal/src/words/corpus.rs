//! Texts of any size, read in blocks: words between blanks, lines as sentences.
use crate::{Error, Result};
use std::{
    fs::File,
    io::{Read, Seek, SeekFrom},
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering::Relaxed},
};

/// Bytes of a block: a line belongs to the block that it begins in.
const BLOCK: u64 = 1 << 18;
/// Bytes read at once.
const BUFFER: usize = 1 << 16;
/// Most bytes of a word; what is longer is left out, and counted.
pub const LONGEST: usize = 1000;

/// Text files, in order. Nothing of them is held in memory.
#[derive(Debug)]
pub struct Corpus {
    files: Vec<(PathBuf, u64)>,
    block: u64,
    too_long: AtomicU64,
}

/// What a reader of a corpus meets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event<'a> {
    /// A word.
    Word(&'a str),
    /// The end of a line, and the bytes of the corpus up to there.
    End(u64),
}

impl Corpus {
    /// Text files of words between blanks, a sentence a line.
    ///
    /// # Errors
    /// [`Error::Io`] for a file that cannot be opened, [`Error::Data`] for one that is not a regular file, as it is read
    /// several times, or if there is nothing in them.
    pub fn open<P: AsRef<Path>>(paths: &[P]) -> Result<Self> {
        let mut files = Vec::new();
        for path in paths {
            let path = path.as_ref();
            let metadata = std::fs::metadata(path).map_err(Error::io(path))?;
            if !metadata.is_file() {
                return Err(Error::data(path.display().to_string(), "not a regular file")
                    .with_help("a text is read several times: write it into a file first"));
            }
            File::open(path).map_err(Error::io(path))?;
            files.push((path.to_path_buf(), metadata.len()));
        }
        if files.iter().all(|(_, bytes)| *bytes == 0) {
            let names: Vec<String> = files.iter().map(|(path, _)| path.display().to_string()).collect();
            return Err(Error::data(names.join(", "), "an empty text"));
        }
        Ok(Self { files, block: BLOCK, too_long: AtomicU64::new(0) })
    }

    /// Bytes of all files.
    pub fn bytes(&self) -> u64 {
        self.files.iter().map(|(_, bytes)| bytes).sum()
    }

    /// Blocks of all files.
    pub fn blocks(&self) -> usize {
        self.files.iter().map(|(_, bytes)| bytes.div_ceil(self.block) as usize).sum()
    }

    /// Words of more than [`LONGEST`] bytes that were left out so far, once for each time they were read.
    pub fn too_long(&self) -> u64 {
        self.too_long.load(Relaxed)
    }

    /// The file of a block, its first byte there, and the bytes of the files before.
    fn place(&self, mut block: usize) -> Option<(&Path, u64, u64)> {
        let mut before = 0;
        for (path, bytes) in &self.files {
            let blocks = bytes.div_ceil(self.block) as usize;
            if block < blocks {
                return Some((path, block as u64 * self.block, before));
            }
            block -= blocks;
            before += bytes;
        }
        None
    }

    /// Reads the lines that begin in a block.
    ///
    /// # Errors
    /// [`Error::Data`] for what is not UTF-8, naming file, line and byte; [`Error::Io`] if the system fails.
    pub fn read(&self, block: usize, mut each: impl FnMut(Event)) -> Result<()> {
        let Some((path, start, before)) = self.place(block) else { return Ok(()) };
        let mut file = File::open(path).map_err(Error::io(path))?;
        // from the byte before on, to see whether a line begins here
        let mut at = start.saturating_sub(1);
        file.seek(SeekFrom::Start(at)).map_err(Error::io(path))?;
        let (mut buffer, mut held) = (vec![0; BUFFER], 0);
        let (mut skipping, mut is_long, mut line) = (start > 0, false, start);
        loop {
            let read = match file.read(&mut buffer[held..]) {
                Ok(read) => read,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(Error::io(path)(error)),
            };
            let end = held + read;
            let mut word = 0;
            for (place, byte) in buffer[..end].iter().enumerate().skip(held) {
                if !byte.is_ascii_whitespace() {
                    continue;
                }
                let was_long = std::mem::take(&mut is_long);
                if !skipping && !was_long && word < place {
                    self.word(&buffer[word..place], path, at + word as u64, &mut each)?;
                }
                word = place + 1;
                if *byte == b'\n' {
                    line = at + word as u64;
                    if !std::mem::take(&mut skipping) {
                        each(Event::End(before + line));
                    }
                    if line >= start + self.block {
                        return Ok(()); // the next line begins in the next block
                    }
                }
            }
            if read == 0 {
                if !skipping && line < at + end as u64 {
                    if word < end && !is_long {
                        self.word(&buffer[word..end], path, at + word as u64, &mut each)?;
                    }
                    each(Event::End(before + at + end as u64));
                }
                return Ok(());
            }
            if skipping && at + end as u64 >= start + self.block {
                return Ok(()); // one line all through
            }
            // what may go on in the next bytes stays
            let rest = end - word;
            if is_long || rest > LONGEST {
                self.too_long.fetch_add(u64::from(!skipping && !is_long), Relaxed);
                (is_long, held) = (true, 0);
                at += end as u64;
            } else {
                buffer.copy_within(word..end, 0);
                held = rest;
                at += word as u64;
            }
        }
    }

    fn word(&self, bytes: &[u8], path: &Path, at: u64, each: &mut impl FnMut(Event)) -> Result<()> {
        if bytes.len() > LONGEST {
            self.too_long.fetch_add(1, Relaxed);
            return Ok(());
        }
        match std::str::from_utf8(bytes) {
            Ok(word) => {
                each(Event::Word(word));
                Ok(())
            }
            Err(error) => {
                let byte = at + error.valid_up_to() as u64;
                let place = format!("{}:{}", path.display(), number(path, byte)?);
                Err(Error::data(place, format!("not UTF-8 at byte {byte} of the file"))
                    .with_help("convert the text first, for example with `iconv -f latin1 -t utf-8`"))
            }
        }
    }
}

/// The line that a byte of a file stands in, from 1 on.
fn number(path: &Path, byte: u64) -> Result<u64> {
    let mut file = File::open(path).map_err(Error::io(path))?.take(byte);
    let (mut buffer, mut lines) = (vec![0; BUFFER], 1);
    loop {
        let read = file.read(&mut buffer).map_err(Error::io(path))?;
        if read == 0 {
            return Ok(lines);
        }
        lines += buffer[..read].iter().filter(|byte| **byte == b'\n').count() as u64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn lines(text: &[u8], block: u64) -> Result<(Vec<Vec<String>>, u64)> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("text");
        std::fs::write(&path, text).unwrap();
        let corpus = Corpus { block, ..Corpus::open(&[path])? };
        let (mut lines, mut line, mut last) = (Vec::new(), Vec::new(), 0);
        for block in 0..corpus.blocks() {
            corpus.read(block, |event| match event {
                Event::Word(word) => line.push(word.to_string()),
                Event::End(at) => {
                    assert!(at > last && at <= text.len() as u64);
                    last = at;
                    lines.push(std::mem::take(&mut line));
                }
            })?;
            assert!(line.is_empty(), "a block ends with a line");
        }
        Ok((lines, corpus.too_long()))
    }

    proptest! {
        #[test]
        fn blocks_hold_every_line_once(text in "[a-cé \n\t]{1,300}", block in 1..64_u64) {
            let mut expected: Vec<Vec<String>> =
                text.split('\n').map(|line| line.split_ascii_whitespace().map(String::from).collect()).collect();
            if text.ends_with('\n') {
                expected.pop();
            }
            prop_assert_eq!(lines(text.as_bytes(), block).unwrap(), (expected, 0));
        }
    }

    #[test]
    fn words_longer_than_the_buffer_are_left_out() {
        let long = "x".repeat(3 * BUFFER);
        let text = format!("a {long} b\n{} c {}\n{long}", "y".repeat(LONGEST + 1), "z".repeat(LONGEST));
        for block in [BLOCK, 1000] {
            let (lines, left_out) = lines(text.as_bytes(), block).unwrap();
            assert_eq!(lines.len(), 3);
            assert_eq!(lines[0], ["a", "b"]);
            assert_eq!(lines[1], ["c".to_string(), "z".repeat(LONGEST)]);
            assert_eq!((lines[2].len(), left_out), (0, 3));
        }
    }

    #[test]
    fn what_is_not_utf8_is_named() {
        let error = lines(b"a b\nc \xff\n", 4).unwrap_err();
        assert!(error.to_string().ends_with("text:2: not UTF-8 at byte 6 of the file"), "{error}");
        assert!(lines(b"", 4).unwrap_err().to_string().ends_with("text: an empty text"));
    }
}
