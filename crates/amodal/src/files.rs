//! Files that are replaced whole or not at all.
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::{Error, Result};

/// Writes a file so that a reader, or a restart after a kill, sees the old one or the new one, never a part.
///
/// The bytes go to a new file beside the target, which is flushed to disk and then renamed over it; a symbolic link at
/// `path` is replaced by the file.
///
/// # Errors
/// [`Error::Io`] with `path` if `write` or the system fails; the old file is then as it was, and nothing is left behind.
pub fn write_atomic(path: &Path, write: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>) -> Result<()> {
    replace(path, None, write).map_err(Error::io(path))
}

/// The same; the old file becomes `previous`, in the same folder. A kill leaves one of both at every moment.
///
/// # Errors
/// Those of [`write_atomic`].
pub(crate) fn write_keeping(
    path: &Path,
    previous: &Path,
    write: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>,
) -> Result<()> {
    replace(path, Some(previous), write).map_err(Error::io(path))
}

fn replace(
    path: &Path,
    previous: Option<&Path>,
    write: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>,
) -> io::Result<()> {
    let name = path.file_name().ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "not the name of a file"))?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let (file, unfinished) = create_beside(folder, &name.to_string_lossy())?;
    let mut writer = BufWriter::new(file);
    write(&mut writer)?;
    writer.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()?;
    if let Some(previous) = previous {
        match fs::rename(path, previous) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    fs::rename(&unfinished.0, path)?;
    std::mem::forget(unfinished);
    sync_folder(folder)
}

/// A new file of a name that no other writer has.
fn create_beside(folder: &Path, name: &str) -> io::Result<(File, Unfinished)> {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    // Long names are cut, so that the longest name the system allows can still be written.
    let short: String = name.chars().take(48).collect();
    loop {
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = folder.join(format!(".{short}.{}-{count}.tmp", std::process::id()));
        match OpenOptions::new().write(true).create_new(true).open(&path) {
            Ok(file) => return Ok((file, Unfinished(path))),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
}

/// Removes what killed writers left in a folder. Nobody else may be writing there.
///
/// # Errors
/// [`Error::Io`] if the system fails.
pub(crate) fn remove_unfinished(folder: &Path) -> Result<()> {
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    for entry in fs::read_dir(folder).map_err(Error::io(folder))? {
        let path = entry.map_err(Error::io(folder))?.path();
        // the names that `create_beside` gives
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let name = name.strip_prefix('.').and_then(|name| name.strip_suffix(".tmp"));
        let numbers = name.and_then(|name| name.rsplit_once('.')).and_then(|(_, numbers)| numbers.split_once('-'));
        if numbers.is_some_and(|(process, count)| is_number(process) && is_number(count)) {
            fs::remove_file(&path).map_err(Error::io(&path))?;
        }
    }
    Ok(())
}

/// Removes its file when writing ends early, by an error or a panic.
struct Unfinished(PathBuf);

impl Drop for Unfinished {
    fn drop(&mut self) {
        // The error that brought us here is the one to report.
        let _ = fs::remove_file(&self.0);
    }
}

/// Makes the rename itself survive a loss of power.
fn sync_folder(folder: &Path) -> io::Result<()> {
    if cfg!(unix) { File::open(folder)?.sync_all() } else { Ok(()) }
}

/// Reads a whole regular file of at most `limit` bytes; never blocks on a pipe or runs on in a device.
///
/// # Errors
/// What is wrong with the file, without its name.
pub(crate) fn read_regular(path: &Path, limit: u64) -> std::result::Result<Vec<u8>, String> {
    use io::Read;
    let reason = |error: io::Error| match error.kind() {
        io::ErrorKind::NotFound => "no such file".to_string(),
        io::ErrorKind::PermissionDenied => "no permission to read the file".to_string(),
        _ => format!("cannot be read ({error})"),
    };
    // Asked before opening, because opening a named pipe waits for a writer.
    let metadata = fs::metadata(path).map_err(reason)?;
    if metadata.is_dir() {
        return Err("a folder, expected a file".to_string());
    }
    if !metadata.is_file() {
        return Err("not a regular file".to_string());
    }
    let too_large = |bytes: u64| format!("a file of {bytes} bytes, the limit is {limit}");
    if metadata.len() > limit {
        return Err(too_large(metadata.len()));
    }
    let mut bytes = Vec::with_capacity(usize::try_from(metadata.len()).unwrap_or(0));
    File::open(path).and_then(|file| file.take(limit + 1).read_to_end(&mut bytes)).map_err(reason)?;
    if bytes.len() as u64 > limit { Err(too_large(bytes.len() as u64)) } else { Ok(bytes) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<_> =
            fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn new_and_old_files_are_replaced_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.json");
        for text in ["first, and longer", "second"] {
            write_atomic(&path, |file| file.write_all(text.as_bytes())).unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap(), text);
        }
        assert_eq!(names(folder.path()), ["a.json"]);
    }

    #[test]
    fn the_old_file_stays_until_the_new_one_is_complete() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.json");
        fs::write(&path, "old").unwrap();
        write_atomic(&path, |file| {
            file.write_all(&[b'x'; 100_000])?;
            file.flush()?;
            assert_eq!(fs::read_to_string(&path).unwrap(), "old");
            assert_eq!(names(folder.path()).len(), 2);
            assert!(names(folder.path())[0].starts_with(".a.json."), "the unfinished file is hidden");
            Ok(())
        })
        .unwrap();
        assert_eq!(fs::read(&path).unwrap().len(), 100_000);
    }

    #[test]
    fn failure_and_panic_leave_the_old_file_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.json");
        fs::write(&path, "old").unwrap();
        let error = write_atomic(&path, |file| {
            file.write_all(b"half")?;
            Err(io::Error::other("the disk is full"))
        })
        .unwrap_err();
        assert_eq!(error.to_string(), format!("{}: the disk is full", path.display()));
        let panic = std::panic::catch_unwind(|| write_atomic(&path, |_| panic!("in the writer")));
        assert!(panic.is_err());
        assert_eq!(fs::read_to_string(&path).unwrap(), "old");
        assert_eq!(names(folder.path()), ["a.json"]);
    }

    #[test]
    fn the_old_file_is_kept_once_the_new_one_is_complete() {
        let folder = tempfile::tempdir().unwrap();
        let [path, previous] = ["a", "b"].map(|name| folder.path().join(name));
        for text in ["1", "2", "3"] {
            write_keeping(&path, &previous, |file| file.write_all(text.as_bytes())).unwrap();
        }
        assert!(write_keeping(&path, &previous, |_| Err(io::Error::other("the disk is full"))).is_err());
        assert_eq!([&path, &previous].map(|path| fs::read_to_string(path).unwrap()), ["3", "2"]);
        assert_eq!(names(folder.path()), ["a", "b"]);
    }

    #[test]
    fn only_what_killed_writers_left_is_removed() {
        let folder = tempfile::tempdir().unwrap();
        let kept = [".a.json.1-.tmp", ".a.json.tmp", ".a.json.x-1.tmp", "a.json", "a.json.1-2.tmp"];
        for name in kept.iter().chain(&[".a.json.123-4.tmp", ".b.123-45.tmp"]) {
            fs::write(folder.path().join(name), "").unwrap();
        }
        remove_unfinished(folder.path()).unwrap();
        assert_eq!(names(folder.path()), kept);
    }

    #[test]
    fn a_target_that_cannot_be_replaced_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("sub")).unwrap();
        assert!(write_atomic(&folder.path().join("sub"), |_| Ok(())).is_err());
        assert!(write_atomic(&folder.path().join("none/a.json"), |_| Ok(())).is_err());
        assert_eq!(write_atomic(Path::new(".."), |_| Ok(())).unwrap_err().to_string(), "..: not the name of a file");
        assert_eq!(names(folder.path()), ["sub"]);
    }

    #[test]
    fn only_regular_files_within_the_limit_are_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        fs::write(&path, "12345").unwrap();
        assert_eq!(read_regular(&path, 5).unwrap(), b"12345");
        assert_eq!(read_regular(&path, 4).unwrap_err(), "a file of 5 bytes, the limit is 4");
        assert_eq!(read_regular(folder.path(), 5).unwrap_err(), "a folder, expected a file");
        assert_eq!(read_regular(&folder.path().join("b"), 5).unwrap_err(), "no such file");
        if cfg!(unix) {
            assert_eq!(read_regular(Path::new("/dev/zero"), 5).unwrap_err(), "not a regular file");
        }
    }

    #[test]
    fn a_name_of_full_length_can_be_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("n".repeat(255));
        write_atomic(&path, |file| file.write_all(b"x")).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"x");
    }
}
