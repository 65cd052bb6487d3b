//! Decoded values of a column in a file without a name: later epochs read them at the speed of memory, and the process
//! itself holds none of them.
//!
//! The file is read and written by place rather than mapped: mapped pages would count as the process's memory, and a
//! disk that fails would be a signal instead of an error.
use std::fs::File;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use super::store::{read_at, write_at};
use crate::Item;

/// The values of a table's columns, as far as they fit.
#[derive(Debug)]
pub(super) struct Cache {
    file: Option<File>,
    end: AtomicU64,
    limit: u64,
    /// Nothing more is written: the limit is reached, or the disk is full.
    full: AtomicBool,
}

/// Where a value lies, once it does.
#[derive(Debug)]
pub(super) struct Place(AtomicU64);

/// No value lies there yet.
const NONE: u64 = u64::MAX;
/// Bytes that say how the value behind them is laid out: which kind it is, and up to three lengths.
const HEADER: usize = 16;

impl Default for Place {
    fn default() -> Self {
        Self(AtomicU64::new(NONE))
    }
}

impl Cache {
    /// An empty one of at most `limit` bytes, in `folder` or else the system's for temporary files. Where it cannot be
    /// made nothing is kept.
    pub(super) fn new(limit: u64, folder: Option<&Path>) -> Self {
        let file = match folder {
            _ if limit == 0 => None,
            Some(folder) => tempfile::tempfile_in(folder).ok(),
            None => tempfile::tempfile().ok(),
        };
        Self { full: AtomicBool::new(file.is_none()), file, end: AtomicU64::new(0), limit }
    }

    /// Whether some value found no room.
    pub(super) fn is_full(&self) -> bool {
        self.full.load(Ordering::Relaxed)
    }

    /// The value at a place, if it was kept.
    pub(super) fn get(&self, place: &Place) -> Option<Item> {
        let (at, file) = (place.0.load(Ordering::Acquire), self.file.as_ref()?);
        if at == NONE {
            return None;
        }
        let mut header = [0_u32; HEADER / 4];
        read_at(file, bytemuck::cast_slice_mut(&mut header), at).ok()?;
        let [kind, lengths @ ..] = header.map(|number| number as usize);
        let at = at + HEADER as u64;
        let bytes = |length: usize| {
            let mut bytes = vec![0; length];
            read_at(file, &mut bytes, at).ok().map(|()| bytes)
        };
        Some(match (kind, lengths) {
            (0, [numbers, channels, _]) => {
                let mut values = vec![0.0_f32; numbers];
                read_at(file, bytemuck::cast_slice_mut(&mut values), at).ok()?;
                Item::Series { values, channels }
            }
            (1, [height, width, _]) => Item::Image { pixels: bytes(height * width * 3)?, height, width },
            (_, [frames, height, width]) => {
                Item::Video { pixels: bytes(frames * height * width * 3)?, frames, height, width }
            }
        })
    }

    /// Keeps a value, if there is room.
    pub(super) fn put(&self, place: &Place, item: &Item) {
        let Some(file) = self.file.as_ref().filter(|_| !self.full.load(Ordering::Relaxed)) else { return };
        let (kind, lengths, bytes): (u32, _, &[u8]) = match item {
            Item::Series { values, channels } => (0, [values.len(), *channels, 0], bytemuck::cast_slice(values)),
            Item::Image { pixels, height, width } => (1, [*height, *width, 0], pixels),
            Item::Video { pixels, frames, height, width } => (2, [*frames, *height, *width], pixels),
            Item::Ids(_) | Item::Tagged { .. } => return,
        };
        let [Ok(first), Ok(second), Ok(third)] = lengths.map(u32::try_from) else { return };
        let record = [bytemuck::cast_slice(&[kind, first, second, third]), bytes].concat();
        let at = self.end.fetch_add(record.len() as u64, Ordering::Relaxed);
        if at + record.len() as u64 > self.limit || write_at(file, &record, at).is_err() {
            self.full.store(true, Ordering::Relaxed);
            return;
        }
        place.0.store(at, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_come_back_and_the_limit_holds() {
        let cache = Cache::new(164, None);
        let items = [
            Item::Image { pixels: (0..12).collect(), height: 1, width: 4 },
            Item::Series { values: vec![1.5, -2.0, 0.0, 7.0], channels: 2 },
            Item::Video { pixels: (0..36).collect(), frames: 3, height: 2, width: 2 },
        ];
        let places: [Place; 3] = Default::default();
        items.iter().zip(&places).for_each(|(item, place)| cache.put(place, item));
        items.iter().zip(&places).for_each(|(item, place)| assert_eq!(cache.get(place).as_ref(), Some(item)));
        let place = Place::default();
        cache.put(&place, &items[2]);
        assert_eq!(cache.get(&place).as_ref(), Some(&items[2]), "exactly as much as there is room for");
        let place = Place::default();
        cache.put(&place, &items[0]);
        assert_eq!(cache.get(&place), None, "over the limit");
        assert!(cache.is_full());
        let none = Cache::new(0, None);
        none.put(&place, &items[0]);
        assert_eq!(none.get(&place), None);
    }
}
