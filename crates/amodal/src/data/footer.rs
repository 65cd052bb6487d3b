//! The schema of a Parquet file, looked through before the `parquet` crate reads it: that makes room for as many columns
//! as a group says it has, up to 17 GB, before it looks for them.
//!
//! The footer is a Thrift structure in the compact protocol, of which the second field is the list of the schema's elements.
use std::fs::File;

use super::store::read_at;

/// How deep structures may lie in each other.
const DEPTH: usize = 32;

// Kinds of values.
const I32: u8 = 5;
const BINARY: u8 = 8;
const LIST: u8 = 9;
const STRUCT: u8 = 12;

/// What is wrong with the schema: a group that says more columns than all that there are, a field of another kind than it is
/// known to have, or no end. A file without footer is left to the reader.
pub(super) fn check(file: &File) -> Result<(), String> {
    let Some(footer) = footer(file) else { return Ok(()) };
    let mut found = None;
    let mut thrift = Thrift(&footer);
    thrift.fields(|thrift, id, kind| match (id, kind) {
        (1, I32) => thrift.number().map(drop), // the version
        (2, LIST) => {
            found = thrift.elements();
            None // and no further
        }
        _ => None,
    });
    found.unwrap_or_else(|| Err("its schema".into()))
}

fn footer(file: &File) -> Option<Vec<u8>> {
    let length = file.metadata().ok()?.len();
    let mut end = [0; 8];
    read_at(file, &mut end, length.checked_sub(8)?).ok()?;
    let [size @ .., b'P', b'A', b'R', b'1'] = end else { return None };
    let size = u64::from(u32::from_le_bytes(size));
    let start = length.checked_sub(8 + size)?;
    let mut footer = vec![0; usize::try_from(size).ok()?];
    read_at(file, &mut footer, start).ok()?;
    Some(footer)
}

/// What is left of a structure; `None` where it ends too early.
struct Thrift<'a>(&'a [u8]);

impl Thrift<'_> {
    fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    fn pass(&mut self, bytes: usize) -> Option<()> {
        self.0 = self.0.get(bytes..)?;
        Some(())
    }

    fn varint(&mut self) -> Option<u64> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 127) << shift;
            if byte < 128 {
                return Some(value);
            }
        }
        None
    }

    /// A number, written zigzag.
    fn number(&mut self) -> Option<i64> {
        let value = self.varint()?;
        Some((value >> 1) as i64 ^ -((value & 1) as i64))
    }

    /// Length of a list, and kind of its elements.
    fn list(&mut self) -> Option<(usize, u8)> {
        let head = self.byte()?;
        let count = if head >> 4 == 15 { self.varint()? } else { u64::from(head >> 4) };
        Some((usize::try_from(count).ok().filter(|count| *count <= self.0.len())?, head & 15))
    }

    /// Gives each field of a structure to `each`, with its number and kind.
    fn fields(&mut self, mut each: impl FnMut(&mut Self, i64, u8) -> Option<()>) -> Option<()> {
        let mut id = 0_i64;
        loop {
            let head = self.byte()?;
            if head == 0 {
                return Some(());
            }
            id = if head >> 4 == 0 { self.number()? } else { id.checked_add(i64::from(head >> 4))? };
            each(self, id, head & 15)?;
        }
    }

    /// Looks through the elements of a schema.
    fn elements(&mut self) -> Option<Result<(), String>> {
        let (count, element) = self.list()?;
        let mut most = 0;
        for _ in 0..count {
            if element != STRUCT {
                return None;
            }
            self.fields(|thrift, id, kind| match (id, kind) {
                (5, I32) => {
                    most = thrift.number()?.max(most); // of children
                    Some(())
                }
                (4, BINARY) | (10, STRUCT) | (1..=3 | 6..=9, I32) => thrift.skip(kind, DEPTH),
                (1..=10, _) => None,
                _ => thrift.skip(kind, DEPTH),
            })?;
        }
        let fits = most <= count as i64;
        Some(if fits { Ok(()) } else { Err(format!("a group of {most} columns in a schema of {count}")) })
    }

    fn skip(&mut self, kind: u8, depth: usize) -> Option<()> {
        let deeper = depth.checked_sub(1)?;
        match kind {
            1 | 2 => Some(()), // its kind says whether it is true
            3 => self.pass(1),
            4..=6 => self.varint().map(drop),
            7 => self.pass(8),
            BINARY => {
                let length = self.varint()?;
                self.pass(usize::try_from(length).ok()?)
            }
            LIST | 10 => {
                let (count, element) = self.list()?;
                (0..count).try_for_each(|_| self.skip_element(element, deeper))
            }
            11 => {
                let count = self.varint()?;
                let kinds = if count == 0 { 0 } else { self.byte()? };
                (0..count).try_for_each(|_| {
                    self.skip_element(kinds >> 4, deeper)?;
                    self.skip_element(kinds & 15, deeper)
                })
            }
            STRUCT => self.fields(|thrift, _, kind| thrift.skip(kind, deeper)),
            _ => None,
        }
    }

    /// A value in a list or map, where one that is true or false takes a byte.
    fn skip_element(&mut self, kind: u8, depth: usize) -> Option<()> {
        if matches!(kind, 1 | 2) { self.pass(1) } else { self.skip(kind, depth) }
    }
}
