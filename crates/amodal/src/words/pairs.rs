//! How often words stand near each other: counted in bounded memory, and kept in a file that has no name.
use super::{
    corpus::{Corpus, Event},
    threads::share,
    train::{Counted, Watch, run},
    vocabulary::Vocabulary,
};
use crate::{Error, Result};
use bytemuck::{Pod, Zeroable};
use rustc_hash::FxHashMap;
use std::{
    fs::File,
    io::{Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
};

/// Parts of the pairs, by a hash: each is counted, written and learned on its own.
const SHARDS: usize = 256;
/// Nearness of two words side by side; sums of whole numbers are the same in any order. 720,720 is a multiple of all numbers
/// to 16.
const NEXT: u64 = 720_720;
/// Pairs that a thread holds for a part before it counts them.
const HELD: usize = 512;
/// Bytes that a pair takes while it is counted, with the free places of the table and its copy as it grows.
const COUNTED: usize = 48;

/// Two words, the frequent one first, and how near they stood all in all: 1 for side by side, 1/2 with one word between, ….
#[derive(Clone, Copy, Debug, PartialEq, Pod, Zeroable)]
#[repr(C)]
pub(crate) struct Pair {
    pub(crate) first: u32,
    pub(crate) second: u32,
    pub(crate) nearness: f32,
}

/// Words and nearness while they are counted.
#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C)]
struct Sum {
    pair: u64,
    nearness: u64,
}

/// All pairs of a corpus in [`SHARDS`] parts, in each by first and second word.
#[derive(Debug)]
pub(crate) struct Pairs {
    file: Scratch,
    /// First byte and pairs of each part.
    parts: Vec<(u64, usize)>,
}

impl Pairs {
    /// Counts words at most `window` words apart in a line; words without an id are passed over. What does not fit into `memory`
    /// bytes, and the result, is written to a file in `folder`, which is gone when the program is. `None` where `watch` asked to
    /// stop.
    ///
    /// # Errors
    /// Those of [`Corpus::read`]; [`Error::Io`] if the file cannot be written; [`Error::Data`] where there is no pair.
    pub(crate) fn count(
        corpus: &Corpus,
        vocabulary: &Vocabulary,
        window: usize,
        memory: u64,
        folder: &Path,
        threads: usize,
        watch: &mut Watch,
    ) -> Result<Option<Self>> {
        let limit = (memory as usize / SHARDS / COUNTED).max(HELD);
        let shards: Vec<Mutex<Shard>> = std::iter::repeat_with(Mutex::default).take(SHARDS).collect();
        let spilled = Scratch::new(folder)?;
        let put = |number: usize, held: &mut Vec<Sum>| -> Result<()> {
            let mut shard = locked(&shards[number]);
            for sum in held.drain(..) {
                *shard.sums.entry(sum.pair).or_default() += sum.nearness;
            }
            if shard.sums.len() > limit {
                let sums: Vec<Sum> = shard.sums.drain().map(|(pair, nearness)| Sum { pair, nearness }).collect();
                let at = spilled.append(bytemuck::cast_slice(&sums))?;
                shard.spilled.push((at, sums.len()));
            }
            Ok(())
        };
        let blocks = corpus.blocks();
        let read = run("counting pairs", 0..blocks, threads, watch, |block, work: &mut Work| {
            work.held.resize_with(SHARDS, Vec::new);
            let (mut units, mut failed) = (0, Ok(()));
            let Work { before, held } = work;
            corpus.read(block, |event| match event {
                Event::Word(word) => {
                    units += 1;
                    let Some(id) = vocabulary.id(word) else { return };
                    for (between, other) in before.iter().rev().take(window).enumerate() {
                        let (first, second) = (id.min(*other), id.max(*other));
                        let nearness = (NEXT / (between as u64 + 1)) << u32::from(first == second);
                        let pair = pair(first, second);
                        let number = shard_of(pair) % SHARDS;
                        held[number].push(Sum { pair, nearness });
                        if held[number].len() == HELD && failed.is_ok() {
                            failed = put(number, &mut held[number]);
                        }
                    }
                    before.push(id);
                }
                Event::End(_) => before.clear(),
            })?;
            failed?;
            for (number, held) in held.iter_mut().enumerate() {
                put(number, held)?;
            }
            Ok(Counted { units, ..Counted::default() })
        })?;
        if read < blocks {
            return Ok(None);
        }
        let file = Scratch::new(folder)?;
        let parts = share(0..SHARDS, threads, |number, parts: &mut Vec<(usize, (u64, usize))>| {
            let pairs = std::mem::take(&mut *locked(&shards[number])).merged(&spilled)?;
            let at = file.append(bytemuck::cast_slice(&pairs))?;
            parts.push((number, (at, pairs.len())));
            Ok(())
        })?;
        let mut parts = parts.concat();
        parts.sort_unstable();
        let parts: Vec<_> = parts.into_iter().map(|(_, part)| part).collect();
        if parts.iter().all(|(_, pairs)| *pairs == 0) {
            return Err(Error::data("the corpus", "no line has two words with vectors")
                .with_help("a sentence is a line; take a longer text, or a lower --min-count"));
        }
        Ok(Some(Self { file, parts }))
    }

    /// Number of parts.
    pub(crate) fn parts(&self) -> usize {
        self.parts.len()
    }

    /// Number of pairs.
    #[cfg(test)]
    fn len(&self) -> usize {
        self.parts.iter().map(|(_, pairs)| pairs).sum()
    }

    /// Reads a part.
    pub(crate) fn read(&self, part: usize, pairs: &mut Vec<Pair>) -> Result<()> {
        let (at, count) = self.parts[part];
        pairs.resize(count, Pair::zeroed());
        self.file.read(at, bytemuck::cast_slice_mut(pairs))
    }
}

/// What a thread that counts has of its own.
#[derive(Default)]
struct Work {
    before: Vec<u32>,
    held: Vec<Vec<Sum>>,
}

/// One part while it is counted: sums in memory, and others in a file.
#[derive(Default)]
struct Shard {
    sums: FxHashMap<u64, u64>,
    spilled: Vec<(u64, usize)>,
}

impl Shard {
    fn merged(mut self, file: &Scratch) -> Result<Vec<Pair>> {
        let mut read = Vec::new();
        for (at, count) in self.spilled {
            read.resize(count, Sum::zeroed());
            file.read(at, bytemuck::cast_slice_mut(&mut read))?;
            for sum in &read {
                *self.sums.entry(sum.pair).or_default() += sum.nearness;
            }
        }
        let mut sums: Vec<(u64, u64)> = self.sums.into_iter().collect();
        sums.sort_unstable();
        let pair = |(pair, sum): (u64, u64)| Pair {
            first: (pair >> 32) as u32,
            second: pair as u32,
            nearness: (sum as f64 / NEXT as f64) as f32,
        };
        Ok(sums.into_iter().map(pair).collect())
    }
}

/// Two words as one number.
pub(super) fn pair(first: u32, second: u32) -> u64 {
    u64::from(first) << 32 | u64::from(second)
}

/// One of 256 parts that pairs are counted in: the finish of SplitMix64, as the tables' own hash would give each table pairs of
/// one kind.
pub(super) fn shard_of(pair: u64) -> usize {
    let pair = (pair ^ (pair >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let pair = (pair ^ (pair >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    (pair >> 56) as usize
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A file without a name, written at its end.
#[derive(Debug)]
struct Scratch {
    file: Mutex<(File, u64)>,
    folder: PathBuf,
}

impl Scratch {
    fn new(folder: &Path) -> Result<Self> {
        let file = tempfile::tempfile_in(folder).map_err(Error::io(folder))?;
        Ok(Self { file: Mutex::new((file, 0)), folder: folder.to_path_buf() })
    }

    /// Writes, and says where.
    fn append(&self, bytes: &[u8]) -> Result<u64> {
        let (file, end) = &mut *locked(&self.file);
        let at = *end;
        file.seek(SeekFrom::Start(at)).and_then(|_| file.write_all(bytes)).map_err(Error::io(&self.folder))?;
        *end += bytes.len() as u64;
        Ok(at)
    }

    fn read(&self, at: u64, bytes: &mut [u8]) -> Result<()> {
        let (file, _) = &mut *locked(&self.file);
        file.seek(SeekFrom::Start(at)).and_then(|_| file.read_exact(bytes)).map_err(Error::io(&self.folder))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{Purpose, Rng, random};
    use std::collections::BTreeMap;

    #[test]
    fn pairs_are_those_of_a_plain_count_for_any_memory_and_threads() {
        let mut random = random(0, 0, 0, Purpose::Synthetic);
        let lines: Vec<Vec<String>> = (0..6000)
            .map(|_| (0..random.next_u32() % 20).map(|_| format!("w{}", random.next_u32() % 700)).collect())
            .collect();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("text");
        std::fs::write(&path, lines.iter().map(|line| line.join(" ") + "\n").collect::<String>()).unwrap();
        let corpus = Corpus::open(&[path]).unwrap();
        let vocabulary = Vocabulary::count(&corpus, 60, 10_000, 1).unwrap();
        assert!(vocabulary.len() < 700, "some words are left out");
        let mut expected = BTreeMap::<(u32, u32), f64>::new();
        for line in &lines {
            let ids: Vec<u32> = line.iter().filter_map(|word| vocabulary.id(word)).collect();
            for (at, a) in ids.iter().enumerate() {
                for (apart, b) in ids[at + 1..].iter().take(4).enumerate() {
                    let nearness = if a == b { 2.0 } else { 1.0 } / (apart + 1) as f64;
                    *expected.entry((*a.min(b), *a.max(b))).or_default() += nearness;
                }
            }
        }
        for (memory, threads) in [(0, 1), (1 << 30, 1), (0, 3)] {
            let pairs = Pairs::count(&corpus, &vocabulary, 4, memory, folder.path(), threads, &mut |_| true);
            let pairs = pairs.unwrap().unwrap();
            assert_eq!(pairs.len(), expected.len());
            let (mut part, mut found) = (Vec::new(), BTreeMap::new());
            for number in 0..pairs.parts() {
                pairs.read(number, &mut part).unwrap();
                assert!(part.is_sorted_by_key(|pair| (pair.first, pair.second)));
                found.extend(part.iter().map(|pair| ((pair.first, pair.second), f64::from(pair.nearness))));
            }
            for (pair, nearness) in &expected {
                assert!((found[pair] - nearness).abs() < 1e-5 * nearness, "{pair:?}: {} {nearness}", found[pair]);
            }
        }
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left behind");
    }

    #[test]
    fn lines_of_one_word_have_no_pair() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("text"), "a\nb\na\nb\n").unwrap();
        let corpus = Corpus::open(&[folder.path().join("text")]).unwrap();
        let vocabulary = Vocabulary::count(&corpus, 1, 100, 1).unwrap();
        let error = Pairs::count(&corpus, &vocabulary, 5, 0, folder.path(), 1, &mut |_| true).unwrap_err();
        assert_eq!(error.to_string(), "the corpus: no line has two words with vectors");
    }
}
