//! Tar shards as WebDataset has them: files side by side whose names differ in their endings alone are one sample.
//!
//! An archive is looked through once, from header to header; what the samples hold stays in it, and is read from its
//! place when asked for. Nothing is ever unpacked to a name, and links are not followed.
use std::fs::File;
use std::io::{Read, Seek};
use std::path::Path;
use std::sync::Arc;

use super::folder::{Media, media_kind};
use super::jsonl;
use super::store::{Store, Stored, gunzip};
use super::table::{Builder, CELL_LIMIT, Cells, count};
use crate::{Error, Raw, Result};

/// Files of one archive.
const ENTRY_LIMIT: usize = 20_000_000;
/// Bytes that a packed archive may hold.
const PACKED_LIMIT: u64 = 64 << 30;
/// Bytes of a name.
const NAME_LIMIT: usize = 4096;

/// What becomes of a file of a sample.
enum Kind {
    /// It stays where it is.
    Media,
    /// Its text is the value.
    Text,
    /// Its fields are values.
    Json,
}

/// Adds an archive's samples: a row each, with the column `key` and one for each ending.
///
/// A picture (`.jpg`, `.png`, …) stands in the column `image`, a sound in `audio`, a film in `video`, `.txt` in `text`,
/// `.cls` in `label`; the fields of a `.json` in columns of their names. Of an ending of two parts, such as `.left.jpg`, the
/// first is the column.
///
/// # Errors
/// [`Error::Data`] with the archive and the sample for what is damaged, cut, or over a limit.
pub(super) fn read(path: &Path, builder: &mut Builder) -> Result<()> {
    let at = || path.display().to_string();
    let metadata = std::fs::metadata(path).map_err(|error| Error::data(at(), format!("cannot be read ({error})")))?;
    if !metadata.is_file() {
        return Err(Error::data(at(), "not a regular file"));
    }
    let packed = path.extension().is_some_and(|ending| !ending.eq_ignore_ascii_case("tar"));
    let mut file = match packed {
        true => gunzip(path, PACKED_LIMIT)?,
        false => File::open(path).map_err(Error::io(path))?,
    };
    let length =
        file.seek(std::io::SeekFrom::End(0)).and_then(|end| file.rewind().map(|()| end)).map_err(Error::io(path))?;
    let kept = match packed {
        true => Store::Unpacked(Arc::new(file.try_clone().map_err(Error::io(path))?)),
        false => Store::Plain(path.to_path_buf()),
    };
    let store = builder.store(kept);
    builder.part(path, Some("key"), "sample");
    let before = builder.len();
    let mut shard = Shard { path, builder, sample: None, left_out: Vec::new(), left_out_count: 0 };
    let mut archive = tar::Archive::new(std::io::BufReader::new(file));
    let entries =
        archive.entries_with_seek().map_err(|error| Error::data(at(), format!("damaged archive: {error}")))?;
    for (index, entry) in entries.enumerate() {
        let after = shard.sample.as_ref().map(|(key, _)| format!(" after sample {key:?}")).unwrap_or_default();
        let damaged = |error: std::io::Error| {
            Error::data(at(), format!("damaged archive{after}: {}", error.to_string().replace('\n', " ")))
        };
        let mut entry = entry.map_err(damaged)?;
        if index >= ENTRY_LIMIT {
            return Err(Error::data(at(), format!("more than {ENTRY_LIMIT} files")).with_help("divide it into shards"));
        }
        let name = entry.path_bytes().into_owned();
        let name =
            String::from_utf8(name).map_err(|_| Error::data(at(), format!("a name that is not UTF-8{after}")))?;
        if name.len() > NAME_LIMIT {
            return Err(Error::data(at(), format!("a name of {} bytes{after}, the limit is {NAME_LIMIT}", name.len())));
        }
        if !entry.header().entry_type().is_file() {
            if !entry.header().entry_type().is_dir() {
                shard.leave_out(&name);
            }
            continue;
        }
        let (start, size) = (entry.raw_file_position(), entry.size());
        if start.checked_add(size).is_none_or(|end| end > length) {
            let problem = format!("cut short: {name:?} ends after the archive's {length} bytes");
            return Err(Error::data(at(), problem));
        }
        shard.file(&name, &mut entry, Stored { store, bytes: u32::try_from(size).unwrap_or(u32::MAX), at: start })?;
    }
    shard.end();
    let (left_out, left_out_count) = (shard.left_out, shard.left_out_count);
    if builder.len() == before {
        return Err(
            Error::data(at(), "no samples").with_help("a sample is files side by side, such as 000.jpg and 000.txt")
        );
    }
    if left_out_count > 0 {
        let number = count(left_out_count, "file");
        builder.note(format!("{}: left out {number} that are not read, such as {}", at(), left_out.join(", ")));
    }
    Ok(())
}

/// An archive while it is looked through.
struct Shard<'a> {
    path: &'a Path,
    builder: &'a mut Builder,
    /// The sample that files are added to.
    sample: Option<(String, Cells)>,
    left_out: Vec<String>,
    left_out_count: usize,
}

impl Shard<'_> {
    fn leave_out(&mut self, name: &str) {
        self.left_out_count += 1;
        if self.left_out.len() < 3 {
            self.left_out.push(name.to_string());
        }
    }

    /// Ends the sample.
    fn end(&mut self) {
        if let Some((_, row)) = self.sample.take() {
            self.builder.push(row);
        }
    }

    fn file(&mut self, name: &str, entry: &mut impl Read, stored: Stored) -> Result<()> {
        let base = name.rsplit('/').next().unwrap_or(name);
        if base.starts_with('.') {
            return Ok(()); // a hidden file
        }
        let Some((_, ending)) = base.split_once('.') else {
            self.leave_out(name);
            return Ok(());
        };
        let Some((column, kind)) = column(&ending.to_ascii_lowercase()) else {
            self.leave_out(name);
            return Ok(());
        };
        let key = name[..name.len() - ending.len() - 1].trim_start_matches("./").to_string();
        let place = || format!("{}, sample {key:?}", self.path.display());
        if self.sample.as_ref().is_none_or(|(known, _)| *known != key) {
            self.end();
            let mut row = Cells::new();
            self.builder.put(&mut row, "key", Some(Raw::Text(key.clone())))?;
            self.sample = Some((key.clone(), row));
        }
        let text = |entry: &mut dyn Read| -> Result<String> {
            if stored.bytes() > CELL_LIMIT as u64 {
                let problem = format!("{base:?} has {} bytes, the limit is {CELL_LIMIT}", stored.bytes());
                return Err(Error::data(place(), problem));
            }
            let mut bytes = Vec::new();
            entry.read_to_end(&mut bytes).map_err(|error| Error::data(place(), error.to_string()))?;
            String::from_utf8(bytes).map_err(|_| Error::data(place(), format!("{base:?} is not valid UTF-8")))
        };
        let cells = match kind {
            Kind::Media => vec![(column, Some(Raw::Stored(stored)))],
            Kind::Text => vec![(column, Some(Raw::Text(text(entry)?.trim_end_matches(['\n', '\r']).to_string())))],
            Kind::Json => {
                jsonl::fields(&text(entry)?).map_err(|error| error.within(&format!("{}, {base:?}", place())))?
            }
        };
        let (_, row) = self.sample.as_mut().expect("set above");
        for (column, cell) in cells {
            if self.builder.has(row, &column) {
                let problem = format!("two values of {column:?}, the second from {base:?}");
                let place = format!("{}, sample {key:?}", self.path.display());
                return Err(Error::data(place, problem)
                    .with_help("files of one kind have endings such as .left.jpg and .right.jpg"));
            }
            self.builder.put(row, &column, cell)?;
        }
        Ok(())
    }
}

/// The column of a file by its ending, all behind the first dot of its name.
fn column(ending: &str) -> Option<(String, Kind)> {
    let (part, last) = ending.rsplit_once('.').map_or((None, ending), |(part, last)| (Some(part), last));
    let (usual, kind) = match (last, media_kind(&format!("a.{last}"))) {
        (_, Some(Media::Image)) => ("image", Kind::Media),
        (_, Some(Media::Audio)) => ("audio", Kind::Media),
        (_, Some(Media::Video)) => ("video", Kind::Media),
        ("txt" | "text", _) => ("text", Kind::Text),
        ("cls" | "cls2", _) => ("label", Kind::Text),
        ("json", _) => ("json", Kind::Json),
        _ => return None,
    };
    Some((part.unwrap_or(usual).to_string(), kind))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{Table, table::shown};

    /// An archive of named contents.
    pub(crate) fn archive(files: &[(&str, &[u8])]) -> Vec<u8> {
        let mut builder = tar::Builder::new(Vec::new());
        for (name, bytes) in files {
            let mut header = tar::Header::new_ustar();
            header.set_size(bytes.len() as u64);
            header.set_mode(0o644);
            builder.append_data(&mut header, name, *bytes).unwrap();
        }
        builder.into_inner().unwrap()
    }

    fn read_bytes(name: &str, bytes: &[u8]) -> Result<Table> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        let table = Table::read(&path)?;
        std::mem::forget(folder); // the table reads on from it
        Ok(table)
    }

    const FILES: &[(&str, &[u8])] = &[
        ("a/0.jpg", b"one"),
        ("a/0.txt", b"red\n"),
        ("a/0.left.png", b"left"),
        ("a/1.json", br#"{"text": "blue", "size": 3}"#),
        ("a/1.jpg", b"three"),
        ("a/1.npy", b"?"),
        ("README", b"?"),
    ];

    #[test]
    fn samples_are_rows_and_media_stay_where_they_are() {
        for name in ["s.tar", "s.tar.gz"] {
            let mut bytes = archive(FILES);
            if name.ends_with("gz") {
                let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
                std::io::Write::write_all(&mut packed, &bytes).unwrap();
                bytes = packed.finish().unwrap();
            }
            let table = read_bytes(name, &bytes).unwrap();
            assert_eq!(table.columns(), ["key", "image", "text", "left", "size"]);
            let text = |row, column| table.named(row, column).map(|raw| shown(raw).into_owned());
            assert_eq!(text(0, "text").as_deref(), Some("red"));
            assert_eq!((text(1, "text").as_deref(), text(1, "size").as_deref()), (Some("blue"), Some("3")));
            assert_eq!((text(1, "left"), text(1, "key").as_deref()), (None, Some("a/1")));
            let image = table.column("image").unwrap();
            assert_eq!(
                (&*table.media(0, image).unwrap(), &*table.media(1, image).unwrap()),
                (&b"one"[..], &b"three"[..])
            );
            assert!(table.row_place(1).ends_with(&format!("{name}, sample \"a/1\"")));
            assert!(table.notes()[0].ends_with("left out 2 files that are not read, such as a/1.npy, README"));
        }
    }

    #[test]
    fn errors_name_the_archive_and_the_sample() {
        let error = |files: &[(&str, &[u8])]| read_bytes("s.tar", &archive(files)).unwrap_err().to_string();
        assert!(
            error(&[("0.jpg", b"a"), ("0.png", b"b")])
                .ends_with("s.tar, sample \"0\": two values of \"image\", the second from \"0.png\"")
        );
        assert!(error(&[("0.txt", b"\xff")]).ends_with("sample \"0\": \"0.txt\" is not valid UTF-8"));
        assert!(error(&[("0.json", b"[1]")]).contains("sample \"0\", \"0.json\": an array, expected an object"));
        assert!(error(&[("README", b"")]).ends_with("s.tar: no samples"));
        let whole = archive(FILES);
        let error = read_bytes("s.tar", &whole[..514]).unwrap_err().to_string();
        assert!(error.ends_with("cut short: \"a/0.jpg\" ends after the archive's 514 bytes"), "{error}");
        let error = read_bytes("s.tar", b"not an archive").unwrap_err().to_string();
        assert!(error.contains("damaged archive"), "{error}");
    }

    #[test]
    fn links_are_not_followed() {
        let mut builder = tar::Builder::new(Vec::new());
        let mut header = tar::Header::new_ustar();
        header.set_entry_type(tar::EntryType::Symlink);
        header.set_size(0);
        builder.append_link(&mut header, "0.jpg", "../../secret.jpg").unwrap();
        let mut header = tar::Header::new_ustar();
        header.set_size(2);
        builder.append_data(&mut header, "1.txt", &b"ok"[..]).unwrap();
        let table = read_bytes("s.tar", &builder.into_inner().unwrap()).unwrap();
        assert_eq!((table.len(), table.columns().len()), (1, 2));
        assert!(table.notes()[0].ends_with("left out 1 file that are not read, such as 0.jpg"));
    }
}
