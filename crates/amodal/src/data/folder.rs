//! Folders of media: with a `metadata` table, or with one folder a class.
use std::fs;
use std::path::{Path, PathBuf};

use super::grid::Grid;
use super::shards;
use super::split::is_split;
use super::table::{Rows, Table, count};
use crate::{Error, Raw, Result};

/// What a media file holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Media {
    /// A still picture.
    Image,
    /// A sound.
    Audio,
    /// A film.
    Video,
}

const ENDINGS: [(&str, Media); 16] = [
    ("png", Media::Image),
    ("jpg", Media::Image),
    ("jpeg", Media::Image),
    ("webp", Media::Image),
    ("gif", Media::Image),
    ("svg", Media::Image),
    ("wav", Media::Audio),
    ("flac", Media::Audio),
    ("mp3", Media::Audio),
    ("ogg", Media::Audio),
    ("oga", Media::Audio),
    ("mp4", Media::Video),
    ("webm", Media::Video),
    ("mov", Media::Video),
    ("mkv", Media::Video),
    ("avi", Media::Video),
];

/// What a file holds by the ending of its name; `None` if it is no media file that we know.
pub fn media_kind(name: &str) -> Option<Media> {
    let (stem, ending) = name.rsplit_once('.')?;
    let known = |(known, _): &&(&str, Media)| ending.eq_ignore_ascii_case(known);
    ENDINGS.iter().find(known).filter(|_| !stem.is_empty()).map(|(_, media)| *media)
}

/// Folders inside folders that are followed; a loop of links ends here.
const DEPTH_LIMIT: usize = 16;

/// Reads a folder: its `metadata.csv` or `metadata.jsonl`, or else every media file with its class.
///
/// The first folder above a file is its class; if all top folders are named after splits, they are the splits and the
/// classes stand below. A folder without folders gives the files alone.
pub(super) fn read(path: &Path) -> Result<Table> {
    let metadata: Vec<PathBuf> = metadata_files(path);
    match metadata.as_slice() {
        [] => shards::read_folder(path)?.map_or_else(|| classes(path), Ok),
        [one] => {
            let table = Table::read(one)?;
            table.column("file_name")?;
            Ok(table)
        }
        [one, two, ..] => {
            let problem = format!("also {}, expected one table", name_of(two));
            Err(Error::data(one.display().to_string(), problem).with_help("remove one of them"))
        }
    }
}

fn metadata_files(folder: &Path) -> Vec<PathBuf> {
    let names = ["metadata.csv", "metadata.jsonl"];
    names.iter().map(|name| folder.join(name)).filter(|file| file.exists()).collect()
}

fn classes(path: &Path) -> Result<Table> {
    let mut found = Found::default();
    let top = entries(path)?;
    let folders: Vec<&Entry> = top.iter().filter(|entry| entry.folder).collect();
    let named: Vec<&str> = folders.iter().map(|entry| entry.name.as_str()).filter(|name| is_split(name)).collect();
    let by_split = !named.is_empty() && named.len() == folders.len();
    if by_split {
        for folder in &folders {
            if let Some(file) = metadata_files(&path.join(&folder.name)).first() {
                let help =
                    format!("join the tables into {}, with a column \"split\"", path.join("metadata.csv").display());
                return Err(Error::data(file.display().to_string(), "a table inside a split").with_help(help));
            }
        }
    } else if !named.is_empty() {
        found.notes.push(format!(
            "the folders {named:?} have names of splits, but others beside them have not: all are taken as classes"
        ));
    }
    walk(path, "", &mut found, 0)?;
    let depth = usize::from(by_split);
    // What stands outside of the class folders has no class: fine if there is none at all.
    let class_of = |file: &str| {
        let mut parts: Vec<&str> = file.split('/').collect();
        parts.pop();
        parts.get(depth).map(|name| (*name).to_string())
    };
    let labelled = found.files.iter().any(|file| class_of(file).is_some());
    if let Some(file) = found.files.iter().find(|file| labelled && class_of(file).is_none()) {
        let help = "move it into the folder of its class, or list the files in metadata.csv";
        let at = path.join(file).display().to_string();
        return Err(Error::data(at, "a file outside of the class folders").with_help(help));
    }
    if by_split && let Some(file) = found.files.iter().find(|file| !file.contains('/')) {
        let help = "move it into the folder of its split";
        return Err(Error::data(path.join(file).display().to_string(), "a file outside of the splits").with_help(help));
    }
    let mut columns = vec!["file".to_string()];
    columns.extend(labelled.then(|| "label".to_string()));
    columns.extend(by_split.then(|| "split".to_string()));
    let mut cells = Grid::default();
    for file in &found.files {
        let mut row = vec![Some(Raw::Text(file.clone()))];
        if labelled {
            row.push(class_of(file).map(Raw::Text));
        }
        if by_split {
            row.push(file.split('/').next().map(|name| Raw::Text(name.to_string())));
        }
        cells.push(row);
    }
    if found.files.is_empty() {
        let help =
            "expected a table (.csv, .jsonl, .parquet, .tar), or a folder of pictures or sounds, one folder a class";
        return Err(Error::data(path.display().to_string(), "no media file in the folder").with_help(help));
    }
    let mut table = Table::new(path, columns, cells, Rows::Files(0))?.with_folder(path);
    if !found.ignored.is_empty() {
        let first = &found.ignored[..found.ignored.len().min(3)];
        let number = count(found.ignored.len(), "file");
        found
            .notes
            .push(format!("left out {number} of no known ending for pictures or sounds, such as {}", first.join(", ")));
    }
    table.notes = found.notes;
    Ok(table)
}

#[derive(Default)]
struct Found {
    files: Vec<String>,
    ignored: Vec<String>,
    notes: Vec<String>,
}

/// Collects the files below a folder in name order, as paths from the top with `/` between.
fn walk(top: &Path, below: &str, found: &mut Found, depth: usize) -> Result<()> {
    let folder = top.join(below);
    if depth > DEPTH_LIMIT {
        return Err(Error::data(folder.display().to_string(), format!("more than {DEPTH_LIMIT} folders deep")));
    }
    for entry in entries(&folder)? {
        let file = if below.is_empty() { entry.name } else { format!("{below}/{}", entry.name) };
        if entry.folder {
            walk(top, &file, found, depth + 1)?;
        } else if media_kind(&file).is_some() {
            found.files.push(file);
        } else {
            found.ignored.push(file);
        }
    }
    Ok(())
}

/// The pictures of a folder, or those beside each other that a name with one `*` stands for, in the order of the numbers
/// in their names; none where it is neither.
pub(super) fn pictures(path: &Path) -> Vec<PathBuf> {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let (folder, (before, behind)) = match (path.is_dir(), name.split_once('*')) {
        (true, _) => (path, ("", "")),
        (false, Some(parts)) => (path.parent().unwrap_or(path), parts),
        (false, None) => return Vec::new(),
    };
    let meant = |name: &str| name.strip_prefix(before).is_some_and(|rest| rest.ends_with(behind));
    let found = entries(folder).unwrap_or_default().into_iter().filter(|entry| !entry.folder).map(|entry| entry.name);
    let mut names: Vec<String> = found.filter(|name| media_kind(name) == Some(Media::Image) && meant(name)).collect();
    names.sort_by_cached_key(|name| numbers_padded(name));
    names.iter().map(|name| folder.join(name)).collect()
}

/// The name with its numbers at one length, so that 10 comes after 9.
fn numbers_padded(name: &str) -> String {
    let (mut padded, mut digits) = (String::new(), String::new());
    for sign in name.chars().chain(['\0']) {
        if sign.is_ascii_digit() {
            digits.push(sign);
            continue;
        }
        if !digits.is_empty() {
            padded += &format!("{:0>24}", std::mem::take(&mut digits));
        }
        padded.push(sign);
    }
    padded
}

pub(super) struct Entry {
    pub(super) name: String,
    pub(super) folder: bool,
}

/// What stands in a folder, by name, without hidden files.
pub(super) fn entries(folder: &Path) -> Result<Vec<Entry>> {
    let mut entries = Vec::new();
    for entry in fs::read_dir(folder).map_err(Error::io(folder))? {
        let entry = entry.map_err(Error::io(folder))?;
        let Ok(name) = entry.file_name().into_string() else {
            let help = "rename the file";
            return Err(Error::data(entry.path().display().to_string(), "a name that is not UTF-8").with_help(help));
        };
        if !name.starts_with('.') {
            entries.push(Entry { name, folder: entry.path().is_dir() });
        }
    }
    entries.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(entries)
}

fn name_of(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::table::shown;

    fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        folder
    }

    fn rows(table: &Table) -> Vec<String> {
        let row = |row| {
            let cells = (0..table.columns().len()).map(|column| shown(table.cell(row, column).unwrap()).into_owned());
            cells.collect::<Vec<_>>().join(" ")
        };
        (0..table.len()).map(row).collect()
    }

    #[test]
    fn pictures_of_a_folder_stand_in_the_order_of_their_numbers() {
        let folder = folder(&[("c/f10.png", ""), ("c/f9.png", ""), ("c/f1.PNG", ""), ("c/g.jpg", ""), ("c/n.txt", "")]);
        let names =
            |path: &str| pictures(&folder.path().join(path)).iter().map(|path| name_of(path)).collect::<Vec<_>>();
        assert_eq!(names("c"), ["f1.PNG", "f9.png", "f10.png", "g.jpg"]);
        assert_eq!(names("c/f*.png"), ["f9.png", "f10.png"]);
        let table = Table::from_rows(vec!["x".into()], vec![vec![Some(Raw::Text("c/f*.png".into()))]]).unwrap();
        let row = table.with_folder(folder.path()).media(0, 0).unwrap();
        assert_eq!(*row, *crate::media::video::row(&[Vec::new(), Vec::new()]));
        assert!(names("c/f9.png").is_empty() && names("d").is_empty() && names("d/*.png").is_empty());
    }

    fn error(files: &[(&str, &str)]) -> (String, String) {
        let folder = folder(files);
        let error = Table::read(folder.path()).unwrap_err();
        let name = folder.path().display().to_string();
        (error.to_string().replace(&name, "photos"), error.help().unwrap_or_default().replace(&name, "photos"))
    }

    #[test]
    fn one_folder_a_class() {
        let folder =
            folder(&[("dog/2.PNG", "d"), ("cat/b/1.jpg", "c"), ("cat/a.wav", "w"), ("README.md", ""), (".x.png", "")]);
        let table = Table::read(folder.path()).unwrap();
        assert_eq!(table.columns(), ["file", "label"]);
        assert_eq!(rows(&table), ["cat/a.wav cat", "cat/b/1.jpg cat", "dog/2.PNG dog"]);
        assert_eq!(&*table.media(2, 0).unwrap(), b"d");
        assert_eq!(table.row_place(1), folder.path().join("cat/b/1.jpg").display().to_string());
        assert_eq!(table.notes(), ["left out 1 file of no known ending for pictures or sounds, such as README.md"]);
    }

    #[test]
    fn top_folders_named_after_splits() {
        let folder = folder(&[("train/dog/2.png", "d"), ("Test/cat/1.png", "c")]);
        let table = Table::read(folder.path()).unwrap();
        assert_eq!(table.columns(), ["file", "label", "split"]);
        assert_eq!(rows(&table), ["Test/cat/1.png cat Test", "train/dog/2.png dog train"]);
        let folder = self::folder(&[("train/2.png", "d"), ("test/1.png", "c")]);
        assert_eq!(Table::read(folder.path()).unwrap().columns(), ["file", "split"]);
    }

    #[test]
    fn a_class_may_be_named_as_a_split() {
        let folder = folder(&[("test/2.png", "d"), ("cat/1.png", "c")]);
        let table = Table::read(folder.path()).unwrap();
        assert_eq!(table.columns(), ["file", "label"]);
        assert_eq!(
            table.notes(),
            ["the folders [\"test\"] have names of splits, but others beside them have not: all are taken as classes"]
        );
    }

    #[test]
    fn files_alone() {
        let folder = folder(&[("2.png", "d"), ("1.png", "c")]);
        let table = Table::read(folder.path()).unwrap();
        assert_eq!((table.columns(), rows(&table)), (&["file".to_string()][..], vec!["1.png".into(), "2.png".into()]));
    }

    #[test]
    fn metadata_beside_the_files() {
        let folder = folder(&[("a.png", "x"), ("metadata.csv", "file_name,caption\na.png,hello\n")]);
        let table = Table::read(folder.path()).unwrap();
        assert_eq!(&*table.media(0, 0).unwrap(), b"x");
        assert_eq!(table.row_place(0), format!("{}:2", folder.path().join("metadata.csv").display()));
    }

    #[test]
    fn errors() {
        type Case<'a> = (&'a [(&'a str, &'a str)], &'a str, &'a str);
        let cases: [Case; 6] = [
            (
                &[("a.txt", "")],
                "photos: no media file in the folder",
                "expected a table (.csv, .jsonl, .parquet, .tar), or a folder of pictures or sounds, one folder a class",
            ),
            (
                &[("a.png", ""), ("cat/b.png", "")],
                "photos/a.png: a file outside of the class folders",
                "move it into the folder of its class, or list the files in metadata.csv",
            ),
            (
                &[("a.png", ""), ("train/b.png", "")],
                "photos/a.png: a file outside of the splits",
                "move it into the folder of its split",
            ),
            (
                &[("metadata.csv", "file\na.png\n")],
                "photos/metadata.csv: no column \"file_name\"; columns are \"file\"",
                "did you mean \"file\"?",
            ),
            (
                &[("metadata.csv", ""), ("metadata.jsonl", "")],
                "photos/metadata.csv: also metadata.jsonl, expected one table",
                "remove one of them",
            ),
            (
                &[("train/metadata.csv", "file_name\na.png\n"), ("train/a.png", "")],
                "photos/train/metadata.csv: a table inside a split",
                "join the tables into photos/metadata.csv, with a column \"split\"",
            ),
        ];
        for (files, problem, help) in cases {
            assert_eq!(error(files), (problem.to_string(), help.to_string()));
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_loop_of_links_ends() {
        let folder = folder(&[("cat/a.png", "")]);
        std::os::unix::fs::symlink(folder.path(), folder.path().join("cat/loop")).unwrap();
        let error = Table::read(folder.path()).unwrap_err().to_string();
        assert!(error.ends_with(": more than 16 folders deep"), "{error}");
    }

    #[test]
    fn endings() {
        assert_eq!(media_kind("a/b.JPEG"), Some(Media::Image));
        assert_eq!(media_kind("b.svg"), Some(Media::Image));
        assert_eq!(media_kind("b.flac"), Some(Media::Audio));
        assert_eq!(media_kind("b.mp4"), Some(Media::Video));
        assert_eq!((media_kind("b.txt"), media_kind("png"), media_kind(".png")), (None, None, None));
    }
}
