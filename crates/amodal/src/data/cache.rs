//! Decoded values of a column in a file: later epochs read them at the speed of memory, and the process itself holds none of
//! them. In a folder that the user names the file stays for later runs that read the same content by the same options; else
//! it has no name, and ends with the process.
//!
//! The file is read and written by place rather than mapped: mapped pages would count as the process's memory, and a
//! disk that fails would be a signal instead of an error.
use std::collections::HashMap;
use std::fs::{self, File};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::SystemTime;

use super::store::{read_at, write_at};
use crate::{Error, Item, Result};

/// How much may be kept, of all columns together, and where.
#[derive(Debug)]
pub(super) struct Room {
    limit: u64,
    folder: Option<PathBuf>,
    /// Bytes that are still free.
    left: Arc<AtomicU64>,
}

/// The values of a column, as far as they fit.
#[derive(Debug)]
pub(super) struct Cache {
    file: Option<File>,
    end: AtomicU64,
    left: Arc<AtomicU64>,
    /// Nothing more is written: the limit is reached, or the disk is full.
    full: AtomicBool,
    /// What earlier runs left: where each content's value lies, and where the last of them ends.
    found: HashMap<u64, u64>,
    inherited: u64,
    /// Whether later runs will read the file.
    stays: bool,
}

/// Where a value lies, once it does.
#[derive(Debug)]
pub(super) struct Place(AtomicU64);

/// No value lies there yet.
const NONE: u64 = u64::MAX;
/// How the file of a column is called, behind a hash of its options.
const SUFFIX: &str = "decoded";
/// What every header begins with; another number where the form of the file, or what decoding makes, changes.
const MAGIC: u32 = u32::from_le_bytes(*b"AMD1");
/// Bytes before each value: the magic, which kind it is, up to three lengths, a checksum, and the content's key.
const HEADER: usize = 32;

impl Default for Place {
    fn default() -> Self {
        Self(AtomicU64::new(NONE))
    }
}

/// A hash of what a value is made from.
pub(super) fn key(content: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    content.hash(&mut hasher);
    hasher.finish()
}

impl Room {
    /// Room for `limit` bytes, in `folder` or else the system's for temporary files.
    pub(super) fn new(limit: u64, folder: Option<&Path>) -> Self {
        Self { limit, folder: folder.map(Path::to_path_buf), left: Arc::new(AtomicU64::new(limit)) }
    }

    /// Whether something can be kept in the folder that was named.
    ///
    /// # Errors
    /// [`Error::Config`] where it cannot be made or written in.
    pub(super) fn check(&self) -> Result<()> {
        let Some(folder) = self.folder.as_ref().filter(|_| self.limit > 0) else { return Ok(()) };
        let made = fs::create_dir_all(folder).and_then(|()| tempfile::tempfile_in(folder));
        made.map(drop).map_err(|error| {
            Error::config("data.cache_folder", format!("{}: cannot be written in ({error})", folder.display()))
                .with_help("name a folder that can be, or leave the option out: what is decoded then ends with the run")
        })
    }

    /// The cache of a column that is decoded by these options. Where it cannot be made nothing is kept.
    pub(super) fn open(&self, options: &str) -> Cache {
        let named = || {
            let folder = self.folder.as_ref()?;
            fs::create_dir_all(folder).ok()?;
            let options = key(&(env!("CARGO_PKG_VERSION"), options));
            let path = folder.join(format!("{options:016x}.{SUFFIX}"));
            let file = File::options().read(true).write(true).create(true).truncate(false).open(path).ok()?;
            file.try_lock().ok()?; // another run has it
            file.set_modified(SystemTime::now()).ok()?;
            let (found, end) = scan(&file)?;
            Some((file, found, end))
        };
        let left = self.left.clone();
        let kept = |file: Option<File>, found, end, stays| Cache {
            full: AtomicBool::new(file.is_none()),
            file,
            end: AtomicU64::new(end),
            left,
            found,
            inherited: end,
            stays,
        };
        if self.limit == 0 {
            return kept(None, HashMap::new(), 0, false);
        }
        if let Some((file, found, end)) = named() {
            return kept(Some(file), found, end, true);
        }
        let file = self.folder.as_ref().map_or_else(tempfile::tempfile, tempfile::tempfile_in);
        kept(file.ok(), HashMap::new(), 0, false)
    }

    /// Takes what lies in the folder off the room, once all columns are open, and removes what no run has used for
    /// longest where that is more than half of it.
    pub(super) fn tidy(&self) {
        let Some(folder) = &self.folder else { return };
        let Ok(entries) = fs::read_dir(folder) else { return };
        let (mut held, mut others) = (0, Vec::new());
        for path in entries.filter_map(|entry| Some(entry.ok()?.path())) {
            let Some((bytes, modified)) =
                fs::metadata(&path).ok().and_then(|data| Some((data.len(), data.modified().ok()?)))
            else {
                continue;
            };
            if path.extension().is_none_or(|suffix| suffix != SUFFIX) {
                continue;
            }
            match File::open(&path).map(|file| file.try_lock().is_ok()) {
                Ok(true) => others.push((modified, bytes, path)),
                _ => held += bytes,
            }
        }
        others.sort();
        let mut unused: u64 = others.iter().map(|(_, bytes, _)| bytes).sum();
        for (_, bytes, path) in others {
            if unused > self.limit / 2 && fs::remove_file(path).is_ok() {
                unused -= bytes;
            }
        }
        self.left.store(self.limit.saturating_sub(held + unused), Ordering::Relaxed);
    }
}

/// Where each content's value lies in a file that earlier runs left, and where the last ends: behind it the file is cut, as a
/// run was ended while it wrote.
fn scan(file: &File) -> Option<(HashMap<u64, u64>, u64)> {
    let (all, mut at, mut found) = (file.metadata().ok()?.len(), 0, HashMap::new());
    while at + HEADER as u64 <= all {
        let [magic, kind, lengths @ .., _, low, high] = header(file, at).ok()?;
        let end = bytes(kind, lengths).and_then(|bytes| bytes.checked_add(at + HEADER as u64));
        let Some(end) = end.filter(|end| magic == MAGIC && *end <= all) else { break };
        found.insert(u64::from(low) | u64::from(high) << 32, at);
        at = end;
    }
    file.set_len(at).ok()?;
    Some((found, at))
}

fn header(file: &File, at: u64) -> io::Result<[u32; HEADER / 4]> {
    let mut header = [0_u32; HEADER / 4];
    read_at(file, bytemuck::cast_slice_mut(&mut header), at)?;
    Ok(header)
}

/// Bytes of a value of this kind with these lengths.
fn bytes(kind: u32, [first, second, third]: [u32; 3]) -> Option<u64> {
    let lengths: &[u32] = match kind {
        0 => &[4, first],
        1 => &[3, first, second],
        _ => &[3, first, second, third],
    };
    lengths.iter().try_fold(1_u64, |product, length| product.checked_mul(u64::from(*length)))
}

impl Cache {
    /// Whether some value found no room.
    pub(super) fn is_full(&self) -> bool {
        self.full.load(Ordering::Relaxed)
    }

    /// Whether later runs will find what is kept.
    pub(super) fn stays(&self) -> bool {
        self.stays
    }

    /// The value of a content that an earlier run left, which is at that place from now on.
    pub(super) fn find(&self, place: &Place, key: u64) -> Option<Item> {
        place.0.store(*self.found.get(&key)?, Ordering::Release);
        let found = self.get(place);
        if found.is_none() {
            place.0.store(NONE, Ordering::Release); // damaged
        }
        found
    }

    /// The value at a place, if it was kept.
    pub(super) fn get(&self, place: &Place) -> Option<Item> {
        let (at, file) = (place.0.load(Ordering::Acquire), self.file.as_ref()?);
        if at == NONE {
            return None;
        }
        let [_, kind, lengths @ .., checksum, _, _] = header(file, at).ok()?;
        let size = bytes(kind, lengths)? as usize;
        let fill = |room: &mut [u8]| {
            read_at(file, room, at + HEADER as u64).ok()?;
            (at >= self.inherited || crc32fast::hash(room) == checksum).then_some(())
        };
        let filled = || {
            let mut bytes = vec![0; size];
            fill(&mut bytes).map(|()| bytes)
        };
        let [first, second, third] = lengths.map(|length| length as usize);
        Some(match kind {
            0 => {
                let mut values = vec![0.0_f32; first];
                fill(bytemuck::cast_slice_mut(&mut values))?;
                Item::Series { values, channels: second }
            }
            1 => Item::Image { pixels: filled()?, height: first, width: second },
            _ => Item::Video { pixels: filled()?, frames: first, height: second, width: third },
        })
    }

    /// Keeps the value of a content, if there is room.
    pub(super) fn put(&self, place: &Place, key: u64, item: &Item) {
        let Some(file) = self.file.as_ref().filter(|_| !self.full.load(Ordering::Relaxed)) else { return };
        let (kind, lengths, bytes): (u32, _, &[u8]) = match item {
            Item::Series { values, channels } => (0, [values.len(), *channels, 0], bytemuck::cast_slice(values)),
            Item::Image { pixels, height, width } => (1, [*height, *width, 0], pixels),
            Item::Video { pixels, frames, height, width } => (2, [*frames, *height, *width], pixels),
            Item::Ids(_) | Item::Tagged { .. } => return,
        };
        let [Ok(first), Ok(second), Ok(third)] = lengths.map(u32::try_from) else { return };
        let checksum = if self.stays { crc32fast::hash(bytes) } else { 0 };
        let header = [MAGIC, kind, first, second, third, checksum, key as u32, (key >> 32) as u32];
        let record = [bytemuck::cast_slice(&header), bytes].concat();
        let size = record.len() as u64;
        let take = |left: u64| left.checked_sub(size);
        if self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).is_err() {
            self.full.store(true, Ordering::Relaxed);
            return;
        }
        let at = self.end.fetch_add(size, Ordering::Relaxed);
        if write_at(file, &record, at).is_err() {
            self.full.store(true, Ordering::Relaxed);
            return;
        }
        place.0.store(at, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn items() -> [Item; 3] {
        [
            Item::Image { pixels: (0..12).collect(), height: 1, width: 4 },
            Item::Series { values: vec![1.5, -2.0, 0.0, 7.0], channels: 2 },
            Item::Video { pixels: (0..36).collect(), frames: 3, height: 2, width: 2 },
        ]
    }

    /// Bytes that [`items`] take.
    const ALL: u64 = 12 + 16 + 36 + 3 * HEADER as u64;

    #[test]
    fn values_come_back_and_the_limit_holds() {
        let cache = Room::new(ALL + 36 + HEADER as u64, None).open("");
        let items = items();
        let places: [Place; 3] = Default::default();
        items.iter().zip(&places).for_each(|(item, place)| cache.put(place, 0, item));
        items.iter().zip(&places).for_each(|(item, place)| assert_eq!(cache.get(place).as_ref(), Some(item)));
        let place = Place::default();
        cache.put(&place, 0, &items[2]);
        assert_eq!(cache.get(&place).as_ref(), Some(&items[2]), "exactly as much as there is room for");
        let place = Place::default();
        cache.put(&place, 0, &items[0]);
        assert_eq!(cache.get(&place), None, "over the limit");
        assert!(cache.is_full());
        let none = Room::new(0, None).open("");
        none.put(&place, 0, &items[0]);
        assert_eq!(none.get(&place), None);
    }

    /// A run that keeps the items under the keys 0, 1, 2; how many an earlier one had left; and the file.
    fn run(folder: &Path, options: &str, limit: u64) -> (usize, PathBuf) {
        let room = Room::new(limit, Some(folder));
        let cache = room.open(options);
        room.tidy();
        let mut left = 0;
        for (at, item) in items().iter().enumerate() {
            let place = Place::default();
            match cache.find(&place, at as u64) {
                Some(found) => {
                    assert_eq!(&found, item);
                    left += 1;
                }
                None => cache.put(&place, at as u64, item),
            }
            assert_eq!(cache.get(&place).as_ref(), Some(item));
        }
        assert!(!cache.is_full());
        let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        files.sort_by_key(|path| fs::metadata(path).unwrap().modified().unwrap());
        (left, files.pop().unwrap())
    }

    #[test]
    fn a_later_run_finds_what_was_kept_by_the_same_options() {
        let folder = tempfile::tempdir().unwrap();
        let folder = &folder.path().join("made");
        let (left, path) = run(folder, "a", 1000);
        assert_eq!((left, fs::metadata(&path).unwrap().len()), (0, ALL));
        assert_eq!(run(folder, "a", 1000).0, 3);
        assert_eq!(run(folder, "b", 1000).0, 0, "other options");
        // cut within the last value, then flipped within the first
        File::options().write(true).open(&path).unwrap().set_len(ALL - 1).unwrap();
        assert_eq!(run(folder, "a", 1000).0, 2);
        let mut bytes = fs::read(&path).unwrap();
        bytes[HEADER + 3] ^= 1;
        fs::write(&path, bytes).unwrap();
        assert_eq!(run(folder, "a", 1000).0, 2);
        fs::write(&path, [7; 100]).unwrap();
        assert_eq!(run(folder, "a", 1000).0, 0, "no file of ours");
        assert_eq!(run(folder, "a", 1000).0, 3, "which it is from then on");
    }

    #[test]
    fn a_folder_that_cannot_be_made_is_an_error() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let error = Room::new(1000, Some(file.path())).check().unwrap_err().to_string();
        assert!(error.contains("data.cache_folder") && error.contains("cannot be written in"), "{error}");
        let [nothing, nowhere] = [Room::new(0, Some(file.path())), Room::new(1000, None)];
        assert!(nothing.check().is_ok() && nowhere.check().is_ok(), "nothing is to be kept there");
    }

    #[test]
    fn two_runs_at_once_do_not_share_a_file() {
        let folder = tempfile::tempdir().unwrap();
        let room = Room::new(1000, Some(folder.path()));
        let (first, second) = (room.open("a"), room.open("a"));
        assert!(first.stays && !second.stays);
        let place = Place::default();
        second.put(&place, 1, &items()[0]);
        assert_eq!(second.get(&place).as_ref(), Some(&items()[0]));
    }

    #[test]
    fn what_no_run_used_for_longest_makes_room() {
        let folder = tempfile::tempdir().unwrap();
        let files: Vec<_> = ["a", "b", "c"]
            .into_iter()
            .map(|options| {
                let path = run(folder.path(), options, 4 * ALL).1;
                std::thread::sleep(std::time::Duration::from_millis(20)); // of another time
                path
            })
            .collect();
        assert!(files.iter().all(|path| path.exists()));
        run(folder.path(), "d", 4 * ALL);
        let left: Vec<bool> = files.iter().map(|path| path.exists()).collect();
        assert_eq!(left, [false, true, true], "three unused are more than half of the room");
    }
}
