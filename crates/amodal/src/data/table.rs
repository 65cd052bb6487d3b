//! A table in memory: cells are values or the names of media files, which are read when asked for.
use std::borrow::Cow;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::grid::Grid;
use super::store::Store;
use super::{coco, csv, folder, jsonl, shards};
use crate::error::suggest;
use crate::files::read_regular;
use crate::media::video;
use crate::{Error, Raw, Result};

/// Bytes that one cell may hold.
pub const CELL_LIMIT: usize = 1 << 20;
/// Bytes that a media file may hold unless [`Table::with_media_limit`] says otherwise.
pub const MEDIA_LIMIT: u64 = 256 << 20;

/// The cells of one row; a missing value is `None`.
pub type Cells = Vec<Option<Raw>>;

/// Rows and named columns, each cell with its place in the file for errors.
#[derive(Clone, Debug)]
pub struct Table {
    path: PathBuf,
    folder: Option<PathBuf>,
    columns: Vec<String>,
    cells: Grid,
    pub(super) rows: Rows,
    media_limit: u64,
    stores: Vec<Store>,
    pub(super) notes: Vec<String>,
}

/// Where the rows came from.
#[derive(Clone, Debug)]
pub(super) enum Rows {
    /// Each row starts at this line of the file.
    Lines(Vec<usize>),
    /// Each row is the file that this column names.
    Files(usize),
    /// Rows of several files, or those that have no lines.
    Parts(Vec<Part>),
    /// Made in memory.
    Memory,
}

/// Rows of one file.
#[derive(Clone, Debug)]
pub(super) struct Part {
    /// The first of them.
    first: usize,
    path: PathBuf,
    /// Column that names them; none: they are counted.
    key: Option<usize>,
    /// What they are called.
    noun: &'static str,
}

impl Part {
    /// Where a row stands that nothing names.
    fn place(&self, row: usize) -> String {
        format!("{}, {} {}", self.path.display(), self.noun, row - self.first + 1)
    }
}

impl Table {
    /// Reads a table; the ending of `path` says how: `.csv`, `.tsv`, `.jsonl`, `.ndjson`, `.parquet`, `.tar` and `.tar.gz`
    /// (WebDataset), `.json` (COCO's captions). A range such as `{000..099}` stands for many Parquet files or archives. A
    /// folder is one of such files, or of media.
    ///
    /// # Errors
    /// [`Error::Data`] with file and line for whatever cannot be read as it stands; nothing is skipped silently.
    pub fn read(path: &Path) -> Result<Self> {
        if path.is_dir() {
            return folder::read(path);
        }
        let at = || path.display().to_string();
        let ending = path.extension().map(|ending| ending.to_string_lossy().to_lowercase()).unwrap_or_default();
        let read: fn(&Path, &[u8]) -> Result<Self> = match ending.as_str() {
            "csv" => |path, bytes| csv::read(path, bytes, b','),
            "tsv" => |path, bytes| csv::read(path, bytes, b'\t'),
            "jsonl" | "ndjson" => jsonl::read,
            "json" => coco::read,
            _ if shards::is_shard(path) => return shards::read(path),
            _ if !path.exists() => return Err(Error::data(at(), "no such file or folder")),
            _ => {
                let problem = "not a table, expected .csv, .tsv, .jsonl, .parquet, .tar, .json (COCO) or a folder";
                return Err(Error::data(at(), problem));
            }
        };
        let bytes = read_regular(path, u64::MAX - 1).map_err(|problem| Error::data(at(), problem))?;
        read(path, &bytes)
    }

    /// A table from values in memory, as a request or a test gives them.
    ///
    /// Text in it never opens a file until [`Table::with_folder`] allows it.
    ///
    /// # Errors
    /// [`Error::Data`] for columns of the same name, a row of another length, or no rows.
    pub fn from_rows(columns: Vec<String>, rows: Vec<Cells>) -> Result<Self> {
        for (index, row) in rows.iter().enumerate() {
            if row.len() != columns.len() {
                let problem = format!("{}, expected {} as there are columns", count(row.len(), "cell"), columns.len());
                return Err(Error::data(format!("row {}", index + 1), problem));
            }
        }
        let mut cells = Grid::default();
        rows.into_iter().for_each(|row| cells.push(row));
        let mut table = Self::new(Path::new("table"), columns, cells, Rows::Memory)?;
        table.folder = None;
        Ok(table)
    }

    /// Checks what all kinds of tables have in common.
    pub(super) fn new(path: &Path, columns: Vec<String>, cells: Grid, rows: Rows) -> Result<Self> {
        let at = path.display().to_string();
        if columns.is_empty() {
            return Err(Error::data(at, "no columns"));
        }
        let mut seen = HashMap::new();
        for (index, name) in columns.iter().enumerate() {
            if name.is_empty() {
                let help = "give it a name, or write the table without its index (pandas: `index=False`)";
                return Err(Error::data(at, format!("column {} has no name", index + 1)).with_help(help));
            }
            if let Some(first) = seen.insert(name, index) {
                let problem = format!("two columns have the name {name:?}, the {} and the {}", nth(first), nth(index));
                return Err(Error::data(at, problem).with_help("give every column a name of its own"));
            }
        }
        if cells.len() == 0 {
            return Err(Error::data(at, "no rows"));
        }
        let folder = Some(path.parent().unwrap_or(Path::new("")).to_path_buf());
        let path = path.to_path_buf();
        Ok(Self { path, folder, columns, cells, rows, media_limit: MEDIA_LIMIT, stores: vec![], notes: vec![] })
    }

    /// The same table, reading relative media paths from `folder`.
    pub fn with_folder(mut self, folder: impl Into<PathBuf>) -> Self {
        self.folder = Some(folder.into());
        self
    }

    /// The same table, refusing media files of more than `bytes`.
    pub fn with_media_limit(mut self, bytes: u64) -> Self {
        self.media_limit = bytes.min(u64::MAX - 1);
        self
    }

    /// The file or folder that was read.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where relative media paths start; `None` if the table may not open files.
    pub fn folder(&self) -> Option<&Path> {
        self.folder.as_deref()
    }

    /// Names of the columns, in the order of the file.
    pub fn columns(&self) -> &[String] {
        &self.columns
    }

    /// Number of rows.
    #[expect(clippy::len_without_is_empty, reason = "a table has at least one row")]
    pub fn len(&self) -> usize {
        self.cells.len()
    }

    /// What the reader left out or had to guess, to be shown as warnings.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// The value at a row and column; `None` if it is missing.
    pub fn cell(&self, row: usize, column: usize) -> Option<&Raw> {
        debug_assert!(column < self.columns.len());
        self.cells.get(row, column)
    }

    /// The value at a row and named column; `None` if the cell is empty or there is no such column.
    pub fn named(&self, row: usize, column: &str) -> Option<&Raw> {
        self.cell(row, self.find(column)?)
    }

    pub(crate) fn find(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|column| column == name)
    }

    /// Index of a column.
    ///
    /// # Errors
    /// [`Error::Data`] with the known names.
    pub fn column(&self, name: &str) -> Result<usize> {
        self.find(name).ok_or_else(|| {
            let mut known: Vec<_> = self.columns.iter().take(20).map(|name| format!("{name:?}")).collect();
            if self.columns.len() > 20 {
                known.push(format!("and {} more", self.columns.len() - 20));
            }
            let problem = format!("no column {name:?}; columns are {}", known.join(", "));
            let near = suggest(name, self.columns.iter().map(String::as_str));
            let help = near.map(|near| format!("did you mean {near:?}?")).unwrap_or_default();
            Error::data(self.path.display().to_string(), problem).with_help(help)
        })
    }

    /// Where a row stands, for errors: `train.csv:38`.
    pub fn row_place(&self, row: usize) -> String {
        match &self.rows {
            Rows::Lines(lines) => format!("{}:{}", self.path.display(), lines.get(row).copied().unwrap_or(0)),
            Rows::Files(column) => {
                let name = self.cell(row, *column).map(shown).unwrap_or_default();
                self.path.join(name.as_ref()).display().to_string()
            }
            Rows::Parts(parts) => {
                let part = &parts[parts.partition_point(|part| part.first <= row).saturating_sub(1)];
                match part.key.and_then(|key| self.cell(row, key)) {
                    Some(key) => format!("{}, {} {:?}", part.path.display(), part.noun, shown(key)),
                    None => part.place(row),
                }
            }
            Rows::Memory => format!("row {}", row + 1),
        }
    }

    /// Where a cell stands, for errors: `train.csv:38, column "image"`.
    pub fn place(&self, row: usize, column: usize) -> String {
        let name = self.columns.get(column).map(String::as_str).unwrap_or_default();
        format!("{}, column {name:?}", self.row_place(row))
    }

    /// The bytes of the media file that a cell names, or those in the cell itself.
    ///
    /// The name of a folder of pictures, or one with a `*` in its last part, gives them as one clip.
    ///
    /// # Errors
    /// [`Error::Data`] with the place of the cell and the path tried: no such file, not a regular file, empty, or larger
    /// than the limit.
    pub fn media(&self, row: usize, column: usize) -> Result<Arc<[u8]>> {
        let fail = |problem: String| Error::data(self.place(row, column), problem);
        let name = match self.cell(row, column) {
            Some(Raw::Bytes(bytes)) if bytes.len() as u64 > self.media_limit => {
                return Err(fail(format!("{} bytes, the limit is {}", bytes.len(), self.media_limit)));
            }
            Some(Raw::Bytes(bytes)) => return Ok(bytes.clone()),
            Some(Raw::Stored(stored)) if stored.bytes() > self.media_limit => {
                return Err(fail(format!("{} bytes, the limit is {}", stored.bytes(), self.media_limit)));
            }
            Some(Raw::Stored(stored)) if stored.bytes() == 0 => return Err(fail("the file is empty".into())),
            Some(Raw::Stored(stored)) => {
                let bytes = self.stores[stored.store as usize].read(stored);
                return bytes.map(Arc::from).map_err(|error| fail(format!("cannot be read ({error})")));
            }
            Some(Raw::Text(name)) => name,
            Some(Raw::Numbers(_)) => return Err(fail("a number, expected the name of a file".into())),
            None => return Err(fail("empty, expected the name of a file".into())),
        };
        let Some(folder) = &self.folder else {
            return Err(fail("text, expected the bytes of a file".into()));
        };
        if name.trim().is_empty() {
            return Err(fail("blank, expected the name of a file".into()));
        }
        if name.starts_with("http://") || name.starts_with("https://") {
            let help = "download the files and write their paths into the table";
            return Err(fail(format!("a web address, expected the name of a file: {name}")).with_help(help));
        }
        let path = folder.join(name); // an absolute name replaces the folder
        let pictures = folder::pictures(&path);
        let read = match pictures.is_empty() {
            true => read_regular(&path, self.media_limit),
            false => read_row(&pictures, self.media_limit),
        };
        match read {
            Ok(bytes) if bytes.is_empty() => Err(fail(format!("the file is empty: {}", path.display()))),
            Ok(bytes) => Ok(bytes.into()),
            Err(problem) => Err(fail(format!("{problem}: {}", path.display()))),
        }
    }
}

/// Pictures as one clip of at most `limit` bytes.
fn read_row(pictures: &[PathBuf], limit: u64) -> std::result::Result<Vec<u8>, String> {
    let (mut files, mut left) = (Vec::new(), limit);
    for path in pictures {
        let name = path.file_name().unwrap_or_default().display();
        let file = read_regular(path, left).map_err(|problem| format!("{name}: {problem}"))?;
        left = left.saturating_sub(file.len() as u64);
        files.push(file);
    }
    Ok(video::row(&files))
}

/// A value as text: to compare, to count, to show.
pub(crate) fn shown(value: &Raw) -> Cow<'_, str> {
    match value {
        Raw::Text(text) => Cow::Borrowed(text),
        Raw::Numbers(numbers) => numbers.iter().map(f32::to_string).collect::<Vec<_>>().join(" ").into(),
        Raw::Bytes(bytes) => format!("{} bytes", bytes.len()).into(),
        Raw::Stored(stored) => format!("{} bytes", stored.bytes()).into(),
    }
}

/// A table in the making, whose columns are found on the way.
pub(super) struct Builder {
    path: PathBuf,
    columns: Vec<String>,
    known: HashMap<String, usize>,
    cells: Grid,
    /// A column and what stands there in the rows to come that have no value in it.
    otherwise: Option<(String, Raw)>,
    lines: Vec<usize>,
    parts: Vec<Part>,
    stores: Vec<Store>,
    notes: Vec<String>,
}

impl Builder {
    /// An empty table.
    pub(super) fn new(path: &Path) -> Self {
        let (columns, known, cells, otherwise) = (Vec::new(), HashMap::new(), Grid::default(), None);
        let (lines, parts, stores, notes) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        Self { path: path.to_path_buf(), columns, known, cells, otherwise, lines, parts, stores, notes }
    }

    /// The next row starts at this line of the file; every row does, or none.
    pub(super) fn line(&mut self, line: usize) {
        self.lines.push(line);
    }

    /// From here on the rows are of another file; `key` is the column that names them, `noun` what they are called.
    pub(super) fn part(&mut self, path: &Path, key: Option<&str>, noun: &'static str) {
        let key = key.map(|key| self.column(key));
        self.parts.push(Part { first: self.len(), path: path.to_path_buf(), key, noun });
    }

    /// Adds a file of contents, and says its number.
    pub(super) fn store(&mut self, store: Store) -> u32 {
        self.stores.push(store);
        self.stores.len() as u32 - 1
    }

    /// The number that the next store will have.
    pub(super) fn next_store(&self) -> u32 {
        self.stores.len() as u32
    }

    /// Number of rows.
    pub(super) fn len(&self) -> usize {
        self.cells.len()
    }

    /// Something to be shown as a warning.
    pub(super) fn note(&mut self, note: String) {
        self.notes.push(note);
    }

    fn column(&mut self, name: &str) -> usize {
        if let Some(column) = self.known.get(name) {
            return *column;
        }
        self.columns.push(name.to_string());
        self.known.insert(name.to_string(), self.columns.len() - 1);
        self.columns.len() - 1
    }

    /// Whether a row has a value in a column.
    pub(super) fn has(&self, row: &Cells, name: &str) -> bool {
        self.known.get(name).and_then(|column| row.get(*column)).is_some_and(Option::is_some)
    }

    /// Writes a value into a row that is not yet part of the table.
    ///
    /// # Errors
    /// [`Error::Data`] for a value over the limit.
    pub(super) fn put(&mut self, row: &mut Cells, name: &str, cell: Option<Raw>) -> Result<()> {
        let column = self.column(name);
        if row.len() <= column {
            row.resize(column + 1, None);
        }
        let bytes = match &cell {
            Some(Raw::Text(text)) => text.len(),
            Some(Raw::Numbers(numbers)) => numbers.len() * 4,
            _ => 0,
        };
        if bytes > CELL_LIMIT {
            let at = match (self.lines.last(), self.parts.last()) {
                (Some(line), _) => format!("{}:{line}", self.path.display()),
                (_, Some(part)) => part.place(self.len()),
                _ => self.path.display().to_string(),
            };
            return Err(oversize(format!("{at}, column {name:?}"), bytes));
        }
        row[column] = cell;
        Ok(())
    }

    /// Adds a row.
    pub(super) fn push(&mut self, mut row: Cells) {
        if let Some((name, value)) = self.otherwise.take() {
            let column = self.column(&name);
            if row.len() <= column {
                row.resize(column + 1, None);
            }
            row[column].get_or_insert_with(|| value.clone());
            self.otherwise = Some((name, value));
        }
        self.cells.push(row);
    }

    /// What stands in a column of the rows to come that have no value in it.
    pub(super) fn otherwise(&mut self, name: &str, value: Raw) {
        self.otherwise = Some((name.to_string(), value));
    }

    /// The table.
    ///
    /// # Errors
    /// [`Error::Data`] where it has no rows or no columns.
    pub(super) fn done(self) -> Result<Table> {
        let rows = if self.parts.is_empty() { Rows::Lines(self.lines) } else { Rows::Parts(self.parts) };
        let mut table = Table::new(&self.path, self.columns, self.cells, rows)?;
        (table.stores, table.notes) = (self.stores, self.notes);
        Ok(table)
    }
}

/// `1 cell`, `2 cells`.
pub(crate) fn count(number: usize, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}

fn nth(index: usize) -> String {
    let number = index + 1;
    let ending = match (number % 10, number % 100) {
        (1, not) if not != 11 => "st",
        (2, not) if not != 12 => "nd",
        (3, not) if not != 13 => "rd",
        _ => "th",
    };
    format!("{number}{ending}")
}

/// The text of a table file without its byte order mark.
pub(super) fn text<'a>(path: &Path, bytes: &'a [u8]) -> Result<&'a str> {
    let bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
    let fail = |end: usize, problem: &str| {
        let line = bytes[..end].iter().filter(|byte| **byte == b'\n').count() + 1;
        Error::data(format!("{}:{line}", path.display()), problem).with_help("save the file as plain UTF-8 text")
    };
    let text = std::str::from_utf8(bytes).map_err(|error| fail(error.valid_up_to(), "not valid UTF-8"))?;
    match text.find('\0') {
        Some(end) => Err(fail(end, "a NUL byte")),
        None if text.trim().is_empty() => Err(Error::data(path.display().to_string(), "the file is empty")),
        None => Ok(text),
    }
}

/// The error of a cell that holds too much.
pub(super) fn oversize(at: String, bytes: usize) -> Error {
    Error::data(at, format!("a cell of {bytes} bytes, the limit is {CELL_LIMIT}"))
        .with_help("store long values in files of their own and name the file in the cell")
}

#[cfg(test)]
#[path = "table_tests.rs"]
mod tests;
