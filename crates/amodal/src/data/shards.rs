//! Tables of several files: WebDataset's tar shards and Parquet files, of a folder or of a range such as `{000..099}`.
use std::path::{Path, PathBuf};

use super::folder::{Entry, entries};
use super::split::{is_split, normal_split};
use super::table::{Builder, Table};
use super::{parquet, webdataset};
use crate::{Error, Raw, Result};

/// Files that a range may stand for.
const RANGE_LIMIT: u64 = 1_000_000;
/// Folders inside folders that are looked through.
const DEPTH_LIMIT: usize = 4;

/// What a file of many rows is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Tar,
    Parquet,
}

fn kind(path: &Path) -> Option<Kind> {
    let name = path.file_name()?.to_str()?.to_ascii_lowercase();
    let ends = |endings: &[&str]| endings.iter().any(|ending| name.ends_with(ending));
    match () {
        () if ends(&[".tar", ".tar.gz", ".tgz"]) => Some(Kind::Tar),
        () if ends(&[".parquet"]) => Some(Kind::Parquet),
        () => None,
    }
}

/// Whether a path names one file of many rows, or a range of them.
pub(super) fn is_shard(path: &Path) -> bool {
    kind(path).is_some()
}

/// Reads the file that a path names, or those of its ranges.
pub(super) fn read(path: &Path) -> Result<Table> {
    let files = match path.exists() {
        true => vec![path.to_path_buf()],
        false => expand(path)?,
    };
    read_files(path, &files)
}

/// Reads the shards of a folder and of the folders in it; `None` where there are none.
pub(super) fn read_folder(path: &Path) -> Result<Option<Table>> {
    let mut files = Vec::new();
    collect(path, &mut files, 0)?;
    if files.is_empty() {
        return Ok(None);
    }
    read_files(path, &files).map(Some)
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>, depth: usize) -> Result<()> {
    for Entry { name, folder: is_folder } in entries(folder)? {
        let path = folder.join(name);
        match is_folder {
            true if depth < DEPTH_LIMIT => collect(&path, files, depth + 1)?,
            false if is_shard(&path) => files.push(path),
            _ => {}
        }
    }
    Ok(())
}

fn read_files(path: &Path, files: &[PathBuf]) -> Result<Table> {
    let kinds: Vec<Option<Kind>> = files.iter().map(|file| kind(file)).collect();
    if kinds.iter().any(|kind| *kind != kinds[0]) {
        let problem = "holds tar shards and Parquet files, expected one kind";
        return Err(Error::data(path.display().to_string(), problem).with_help("name the folder of one of them"));
    }
    // the names of splits, where every file has one
    let splits: Vec<Option<String>> = files.iter().map(|file| split_of(path, file)).collect();
    let by_split = splits.iter().all(Option::is_some) && path.is_dir();
    let mut builder = Builder::new(path);
    for (file, split) in files.iter().zip(splits) {
        if let (true, Some(split)) = (by_split, split) {
            builder.otherwise("split", Raw::Text(split));
        }
        match kinds[0] {
            Some(Kind::Parquet) => parquet::read(file, &mut builder)?,
            _ => webdataset::read(file, &mut builder)?,
        }
    }
    let table = builder.done()?;
    // paths in the tables of a folder start at the folder
    Ok(if path.is_dir() { table.with_folder(path) } else { table })
}

/// The split that a file's folder below `top`, or the beginning of its name, is called after: `train-00000-of-00004.parquet`.
fn split_of(top: &Path, file: &Path) -> Option<String> {
    let below = file.strip_prefix(top).unwrap_or(file);
    let name = below.file_name()?.to_str()?;
    let start: String = name.chars().take_while(char::is_ascii_alphabetic).collect();
    let folders = below.parent().into_iter().flat_map(Path::iter).filter_map(|part| part.to_str());
    folders.chain([start.as_str()]).find(|name| is_split(name)).map(normal_split)
}

/// The files of a name with ranges such as `{000..099}`, in order.
fn expand(path: &Path) -> Result<Vec<PathBuf>> {
    let at = || path.display().to_string();
    let missing = || Error::data(at(), "no such file or folder");
    let text = path.to_str().ok_or_else(missing)?;
    let Some((before, rest)) = text.split_once('{') else { return Err(missing()) };
    let wrong =
        || Error::data(at(), "not a range of files").with_help("write it as shard-{000..099}.tar, both ends included");
    let (range, behind) = rest.split_once('}').ok_or_else(wrong)?;
    let (first, last) = range.split_once("..").ok_or_else(wrong)?;
    let digits = |text: &str| !text.is_empty() && text.len() < 16 && text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(first) || !digits(last) {
        return Err(wrong());
    }
    let number = |text: &str| text.parse::<u64>().map_err(|_| wrong());
    let (from, to) = (number(first)?, number(last)?);
    if from > to || to - from >= RANGE_LIMIT {
        return Err(Error::data(
            at(),
            format!("a range of files from {from} to {to}, expected at most {RANGE_LIMIT}, rising"),
        ));
    }
    let mut files = Vec::new();
    for number in from..=to {
        let file = PathBuf::from(format!("{before}{number:0width$}{behind}", width = first.len()));
        match file.to_str().is_some_and(|name| name.contains('{')) {
            true => files.extend(expand(&file)?),
            false => files.push(file),
        }
        if files.len() as u64 > RANGE_LIMIT {
            return Err(Error::data(at(), format!("ranges of more than {RANGE_LIMIT} files")));
        }
    }
    match files.iter().find(|file| !file.exists()) {
        Some(file) => Err(Error::data(file.display().to_string(), format!("no such file (of {})", path.display()))),
        None => Ok(files),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_stand_for_files_in_order() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["a-08-0.tar", "a-08-1.tar", "a-09-0.tar", "a-09-1.tar"] {
            std::fs::write(folder.path().join(name), "").unwrap();
        }
        let names = |name: &str| {
            expand(&folder.path().join(name)).map(|files| {
                files.iter().map(|file| file.file_name().unwrap().to_str().unwrap().to_string()).collect::<Vec<_>>()
            })
        };
        assert_eq!(names("a-{08..09}-{0..1}.tar").unwrap(), ["a-08-0.tar", "a-08-1.tar", "a-09-0.tar", "a-09-1.tar"]);
        let error = |name: &str| names(name).unwrap_err().to_string();
        assert!(error("a-{08..10}-0.tar").contains("a-10-0.tar: no such file (of "));
        for wrong in ["a-{08..x}.tar", "a-{08-09}.tar", "a-{08..09.tar", "a-{..}.tar"] {
            assert!(error(wrong).ends_with("not a range of files"), "{wrong}");
        }
        assert!(
            error("a-{9..1}.tar").contains("rising") && error("a-{0..99999999999}.tar").contains("at most 1000000")
        );
        assert!(error("none.tar").ends_with("no such file or folder"));
    }

    #[test]
    fn paths_in_a_folder_of_tables_start_at_the_folder() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("data")).unwrap();
        std::fs::write(folder.path().join("a.png"), "picture").unwrap();
        for split in ["train", "test"] {
            let file =
                std::fs::File::create(folder.path().join(format!("data/{split}-00000-of-00001.parquet"))).unwrap();
            let names = parquet::Column::Texts(vec!["a.png".to_string(); 2]);
            parquet::write(file, &[("image".to_string(), names)]).unwrap();
        }
        let table = Table::read(folder.path()).unwrap();
        assert_eq!((table.columns(), table.len()), (["image", "split"].map(String::from).as_slice(), 4));
        assert_eq!(table.named(0, "split"), Some(&Raw::Text("test".into())));
        assert_eq!(&*table.media(3, 0).unwrap(), b"picture");
        assert!(table.row_place(3).ends_with("train-00000-of-00001.parquet, row 2"));
    }

    #[test]
    fn a_split_that_a_row_names_itself_goes_before_that_of_its_file() {
        let folder = tempfile::tempdir().unwrap();
        let file = std::fs::File::create(folder.path().join("train.parquet")).unwrap();
        let texts = |texts: [&str; 2]| parquet::Column::Texts(texts.map(str::to_string).to_vec());
        let columns = [("split".to_string(), texts(["validation", "test"])), ("text".to_string(), texts(["a", "b"]))];
        parquet::write(file, &columns).unwrap();
        let table = Table::read(folder.path()).unwrap();
        let splits = [0, 1].map(|row| table.named(row, "split"));
        assert_eq!(splits, [Some(&Raw::Text("validation".into())), Some(&Raw::Text("test".into()))]);
    }

    #[test]
    fn splits_are_told_by_names() {
        let split = |name: &str| split_of(Path::new("top/train"), &Path::new("top/train").join(name));
        assert_eq!(split("data/val-00000-of-00004.parquet").as_deref(), Some("validation"));
        assert_eq!(split("test/0.tar").as_deref(), Some("test"));
        assert_eq!((split("0.tar"), split("trainer.tar")), (None, None));
    }
}
