//! Decoded values of a column in a file without a name: later epochs read them at the speed of memory, and the process
//! itself holds none of them.
//!
//! The file is read and written by place rather than mapped: mapped pages would count as the process's memory, and a
//! disk that fails would be a signal instead of an error.
use std::fs::File;
use std::path::Path;
use std::sync::OnceLock;
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

/// Where a value lies, and how it is laid out.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    at: u64,
    layout: Layout,
}

#[derive(Clone, Copy, Debug)]
enum Layout {
    Series { numbers: u32, channels: u32 },
    Image { height: u32, width: u32 },
    Video { frames: u32, height: u32, width: u32 },
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
    pub(super) fn get(&self, place: &OnceLock<Place>) -> Option<Item> {
        let (place, file) = (place.get()?, self.file.as_ref()?);
        let bytes = |length: usize| {
            let mut bytes = vec![0; length];
            read_at(file, &mut bytes, place.at).ok().map(|()| bytes)
        };
        let side = |side: u32| side as usize;
        Some(match place.layout {
            Layout::Series { numbers, channels } => {
                let mut values = vec![0.0_f32; side(numbers)];
                read_at(file, bytemuck::cast_slice_mut(&mut values), place.at).ok()?;
                Item::Series { values, channels: side(channels) }
            }
            Layout::Image { height, width } => {
                let (height, width) = (side(height), side(width));
                Item::Image { pixels: bytes(height * width * 3)?, height, width }
            }
            Layout::Video { frames, height, width } => {
                let (frames, height, width) = (side(frames), side(height), side(width));
                Item::Video { pixels: bytes(frames * height * width * 3)?, frames, height, width }
            }
        })
    }

    /// Keeps a value, if there is room.
    pub(super) fn put(&self, place: &OnceLock<Place>, item: &Item) {
        let Some(file) = self.file.as_ref().filter(|_| !self.full.load(Ordering::Relaxed)) else { return };
        let side = |side: usize| u32::try_from(side).ok();
        let layout = |item: &Item| {
            Some(match item {
                Item::Series { values, channels } => {
                    Layout::Series { numbers: side(values.len())?, channels: side(*channels)? }
                }
                Item::Image { height, width, .. } => Layout::Image { height: side(*height)?, width: side(*width)? },
                Item::Video { frames, height, width, .. } => {
                    Layout::Video { frames: side(*frames)?, height: side(*height)?, width: side(*width)? }
                }
                Item::Ids(_) | Item::Tagged { .. } => return None,
            })
        };
        let Some(layout) = layout(item) else { return };
        let bytes: &[u8] = match item {
            Item::Series { values, .. } => bytemuck::cast_slice(values),
            Item::Image { pixels, .. } | Item::Video { pixels, .. } => pixels,
            Item::Ids(_) | Item::Tagged { .. } => return,
        };
        let at = self.end.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        if at + bytes.len() as u64 > self.limit || write_at(file, bytes, at).is_err() {
            self.full.store(true, Ordering::Relaxed);
            return;
        }
        let _ = place.set(Place { at, layout });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_come_back_and_the_limit_holds() {
        let cache = Cache::new(100, None);
        let items = [
            Item::Image { pixels: (0..12).collect(), height: 1, width: 4 },
            Item::Series { values: vec![1.5, -2.0, 0.0, 7.0], channels: 2 },
            Item::Video { pixels: (0..36).collect(), frames: 3, height: 2, width: 2 },
        ];
        let places = [const { OnceLock::new() }; 3];
        items.iter().zip(&places).for_each(|(item, place)| cache.put(place, item));
        items.iter().zip(&places).for_each(|(item, place)| assert_eq!(cache.get(place).as_ref(), Some(item)));
        let place = OnceLock::new();
        cache.put(&place, &items[2]);
        assert_eq!(cache.get(&place).as_ref(), Some(&items[2]), "exactly 100 bytes");
        let place = OnceLock::new();
        cache.put(&place, &items[0]);
        assert_eq!(cache.get(&place), None, "over the limit");
        assert!(cache.is_full());
        let none = Cache::new(0, None);
        none.put(&place, &items[0]);
        assert_eq!(none.get(&place), None);
    }
}
