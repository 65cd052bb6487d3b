//! Content that lies inside of larger files: archives, and tables that hold pictures themselves.
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::{Error, Result};

/// Content that lies in a file of many, such as a tar archive: its table reads it when asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Stored {
    /// Which of the table's stores.
    pub(super) store: u32,
    /// Length.
    pub(super) bytes: u32,
    /// Where it begins.
    pub(super) at: u64,
}

impl Stored {
    /// Length of the content.
    pub fn bytes(&self) -> u64 {
        u64::from(self.bytes)
    }
}

/// A file that holds the content of many.
#[derive(Clone, Debug)]
pub(super) enum Store {
    /// Content lies in the file as it is.
    Plain(PathBuf),
    /// Content was unpacked into a file without a name, which ends with the process.
    Unpacked(Arc<File>),
}

impl Store {
    /// What lies at a place.
    pub(super) fn read(&self, stored: &Stored) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; stored.bytes as usize];
        match self {
            Self::Plain(path) => read_at(&File::open(path)?, &mut bytes, stored.at)?,
            Self::Unpacked(file) => read_at(file, &mut bytes, stored.at)?,
        }
        Ok(bytes)
    }
}

/// Fills `bytes` from a place in a file, and moves nothing that others read by.
pub(super) fn read_at(file: &File, bytes: &mut [u8], at: u64) -> io::Result<()> {
    #[cfg(unix)]
    return std::os::unix::fs::FileExt::read_exact_at(file, bytes, at);
    #[cfg(windows)]
    {
        let mut done = 0;
        while done < bytes.len() {
            match std::os::windows::fs::FileExt::seek_read(file, &mut bytes[done..], at + done as u64)? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                read => done += read,
            }
        }
        Ok(())
    }
}

/// Writes `bytes` at a place in a file.
pub(super) fn write_at(file: &File, bytes: &[u8], at: u64) -> io::Result<()> {
    #[cfg(unix)]
    return std::os::unix::fs::FileExt::write_all_at(file, bytes, at);
    #[cfg(windows)]
    {
        let mut done = 0;
        while done < bytes.len() {
            done += std::os::windows::fs::FileExt::seek_write(file, &bytes[done..], at + done as u64)?;
        }
        Ok(())
    }
}

/// A file without a name that contents are unpacked into, one after the other.
pub(super) struct Unpacking {
    file: io::BufWriter<File>,
    /// Bytes written.
    end: u64,
}

impl Unpacking {
    /// An empty one, in the system's folder for temporary files.
    ///
    /// # Errors
    /// [`Error::Io`] where the system refuses.
    pub(super) fn new() -> Result<Self> {
        let file = tempfile::tempfile().map_err(unpacking)?;
        Ok(Self { file: io::BufWriter::new(file), end: 0 })
    }

    /// Adds a content, and says where it lies in the table's store of number `store`.
    ///
    /// # Errors
    /// [`Error::Io`] where the disk is full.
    pub(super) fn add(&mut self, bytes: &[u8], store: u32) -> Result<Stored> {
        self.file.write_all(bytes).map_err(unpacking)?;
        let at = self.end;
        self.end += bytes.len() as u64;
        Ok(Stored { store, bytes: u32::try_from(bytes.len()).unwrap_or(u32::MAX), at })
    }

    /// The store.
    ///
    /// # Errors
    /// [`Error::Io`] where the disk is full.
    pub(super) fn done(self) -> Result<Store> {
        let file = self.file.into_inner().map_err(|error| unpacking(error.into_error()))?;
        Ok(Store::Unpacked(Arc::new(file)))
    }
}

/// The error of a disk that is full while something is unpacked.
pub(super) fn unpacking(error: io::Error) -> Error {
    let folder = std::env::temp_dir();
    Error::run(&folder, format!("cannot be unpacked into: {error}"))
        .with_help("name another folder for temporary files in the environment variable TMPDIR")
}

/// A gzip file, unpacked into a file without a name of at most `limit` bytes.
///
/// # Errors
/// [`Error::Data`] for a damaged or cut file, or one that holds more; [`Error::Io`] where the disk is full.
pub(super) fn gunzip(path: &Path, limit: u64) -> Result<File> {
    let packed = File::open(path).map_err(Error::io(path))?;
    let mut reader = flate2::read::MultiGzDecoder::new(io::BufReader::new(packed));
    let mut file = tempfile::tempfile().map_err(unpacking)?;
    let (mut buffer, mut total) = (vec![0; 1 << 16], 0_u64);
    loop {
        let read = match reader.read(&mut buffer) {
            Ok(0) => break,
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => {
                return Err(Error::data(
                    path.display().to_string(),
                    format!("damaged gzip after {total} bytes: {error}"),
                ));
            }
        };
        total += read as u64;
        if total > limit {
            return Err(Error::data(path.display().to_string(), format!("holds more than {limit} bytes"))
                .with_help("unpack it, and name the folder"));
        }
        file.write_all(&buffer[..read]).map_err(unpacking)?;
    }
    io::Seek::rewind(&mut file).map_err(unpacking)?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_unpacked_is_read_again() {
        let mut unpacking = Unpacking::new().unwrap();
        let places = [b"one".as_slice(), b"", b"three"].map(|bytes| unpacking.add(bytes, 0).unwrap());
        let store = unpacking.done().unwrap();
        assert_eq!(places.map(|place| store.read(&place).unwrap()), [b"one".to_vec(), b"".to_vec(), b"three".to_vec()]);
        assert!(store.read(&Stored { store: 0, bytes: 9, at: 1 }).is_err(), "beyond the end");
    }

    #[test]
    fn gzip_has_a_limit_and_damage_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.gz");
        let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        packed.write_all(&[7; 100_000]).unwrap();
        let packed = packed.finish().unwrap();
        std::fs::write(&path, &packed).unwrap();
        let mut bytes = Vec::new();
        gunzip(&path, 100_000).unwrap().read_to_end(&mut bytes).unwrap();
        assert_eq!(bytes, [7; 100_000]);
        assert!(gunzip(&path, 99_999).unwrap_err().to_string().ends_with("holds more than 99999 bytes"));
        std::fs::write(&path, &packed[..packed.len() / 2]).unwrap();
        assert!(gunzip(&path, 100_000).unwrap_err().to_string().contains("damaged gzip after "));
    }
}
