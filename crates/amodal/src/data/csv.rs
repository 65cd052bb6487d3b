//! Comma- and tab-separated tables (RFC 4180), read strictly.
//!
//! Own reader, because an error has to name the line: the `csv` crate takes an unterminated quote as the rest of the
//! file and counts blank lines to the row before. On well-formed files both read the same (tested below).
use std::path::Path;

use super::grid::Grid;
use super::table::{CELL_LIMIT, Cells, Rows, Table, count, oversize, text};
use crate::{Error, Raw, Result};

/// Reads a whole file; `path` is for the errors and the folder of media.
pub(super) fn read(path: &Path, bytes: &[u8], delimiter: u8) -> Result<Table> {
    let at = |line: usize| format!("{}:{line}", path.display());
    let mut records = Records { text: text(path, bytes)?, position: 0, line: 1, delimiter };
    let mut next = || {
        records.next().map_err(|(line, problem)| {
            Error::data(at(line), problem).with_help("a cell with quotes is written \"with \"\"two\"\" of each\"")
        })
    };
    let Some(header) = next()? else {
        return Err(Error::data(path.display().to_string(), "the file is empty"));
    };
    let columns = header.cells;
    let (mut cells, mut lines) = (Grid::default(), Vec::new());
    while let Some(record) = next()? {
        let found = record.cells.len();
        if found != columns.len() {
            let problem = format!("{}, expected {} as in the header", count(found, "cell"), columns.len());
            let name = if delimiter == b'\t' { "tab" } else { "comma" };
            let help = if found > columns.len() {
                format!("quote cells that contain a {name}")
            } else {
                format!("a missing value still needs its {name}")
            };
            return Err(Error::data(at(record.line), problem).with_help(help));
        }
        let mut row = Cells::with_capacity(found);
        for (cell, column) in record.cells.into_iter().zip(&columns) {
            if cell.len() > CELL_LIMIT {
                return Err(oversize(format!("{}, column {column:?}", at(record.line)), cell.len()));
            }
            row.push((!cell.is_empty()).then_some(Raw::Text(cell)));
        }
        cells.push(row);
        lines.push(record.line);
    }
    let note = match columns.as_slice() {
        [one] => [';', '\t', ',', '|'].into_iter().find(|sign| one.contains(*sign)).map(|sign| {
            format!(
                "the header is one column, {one:?}; if {sign:?} separates the cells, write commas (.csv) or tabs (.tsv)"
            )
        }),
        _ => None,
    };
    if lines.is_empty() && !columns.iter().any(String::is_empty) {
        return Err(Error::data(path.display().to_string(), "a header and no rows"));
    }
    let mut table = Table::new(path, columns, cells, Rows::Lines(lines))?;
    table.notes.extend(note);
    Ok(table)
}

struct Record {
    line: usize,
    cells: Vec<String>,
}

/// The records of a text, one after the other.
struct Records<'a> {
    text: &'a str,
    position: usize,
    line: usize,
    delimiter: u8,
}

impl Records<'_> {
    fn byte(&self) -> Option<u8> {
        self.text.as_bytes().get(self.position).copied()
    }

    /// Steps over `\n`, `\r\n` or `\r`.
    fn end_of_line(&mut self) -> bool {
        let rest = &self.text.as_bytes()[self.position..];
        let length = match rest {
            [b'\r', b'\n', ..] => 2,
            [b'\r' | b'\n', ..] => 1,
            _ => return false,
        };
        self.position += length;
        self.line += 1;
        true
    }

    /// The next record that is not a blank line; an error has its line and problem.
    fn next(&mut self) -> Result<Option<Record>, (usize, &'static str)> {
        while self.end_of_line() {}
        if self.byte().is_none() {
            return Ok(None);
        }
        let (line, mut cells) = (self.line, Vec::new());
        loop {
            cells.push(if self.byte() == Some(b'"') { self.quoted()? } else { self.plain() });
            match self.byte() {
                Some(byte) if byte == self.delimiter => self.position += 1,
                Some(b'\r' | b'\n') => {
                    self.end_of_line();
                    break;
                }
                Some(_) => return Err((self.line, "text after a closing quote")),
                None => break,
            }
        }
        Ok(Some(Record { line, cells }))
    }

    fn plain(&mut self) -> String {
        let rest = &self.text[self.position..];
        let ends = |byte: &u8| *byte == self.delimiter || matches!(byte, b'\r' | b'\n');
        let length = rest.as_bytes().iter().position(ends).unwrap_or(rest.len());
        self.position += length;
        rest[..length].to_string()
    }

    fn quoted(&mut self) -> Result<String, (usize, &'static str)> {
        let (start, mut cell) = (self.line, String::new());
        loop {
            self.position += 1; // the quote
            let rest = &self.text[self.position..];
            let length = rest.find('"').ok_or((start, "a quote that is never closed"))?;
            cell.push_str(&rest[..length]);
            self.line += lines(&rest[..length]);
            self.position += length + 1;
            if self.byte() != Some(b'"') {
                return Ok(cell);
            }
            cell.push('"');
        }
    }
}

/// Line ends in the inside of a cell.
fn lines(text: &str) -> usize {
    let bytes = text.as_bytes();
    let ends = |(index, byte): &(usize, &u8)| match byte {
        b'\n' => true,
        b'\r' => bytes.get(index + 1) != Some(&b'\n'),
        _ => false,
    };
    bytes.iter().enumerate().filter(ends).count()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn table(text: &str) -> Table {
        read(Path::new("train.csv"), text.as_bytes(), b',').unwrap()
    }

    fn error(bytes: impl AsRef<[u8]>) -> (String, String) {
        let error = read(Path::new("train.csv"), bytes.as_ref(), b',').unwrap_err();
        (error.to_string(), error.help().unwrap_or_default().to_string())
    }

    fn cells(table: &Table) -> Vec<Option<&str>> {
        let at = |index| match table.cell(index / table.columns().len(), index % table.columns().len()) {
            Some(Raw::Text(text)) => Some(text.as_str()),
            None => None,
            other => panic!("{other:?}"),
        };
        (0..table.len() * table.columns().len()).map(at).collect()
    }

    #[test]
    fn cells_and_lines() {
        let table = table("\u{FEFF}a,b\r\n1,\"x,\r\ny \"\"z\"\"\"\r\n\r\n,\"\"\r\n3,é");
        assert_eq!(table.columns(), ["a", "b"]);
        assert_eq!(cells(&table), [Some("1"), Some("x,\r\ny \"z\""), None, None, Some("3"), Some("é")]);
        assert_eq!(table.place(0, 1), "train.csv:2, column \"b\"");
        assert_eq!(table.row_place(1), "train.csv:5");
        assert_eq!(table.row_place(2), "train.csv:6");
        assert!(table.notes().is_empty());
    }

    #[test]
    fn tabs() {
        let table = read(Path::new("a.tsv"), b"a\tb\nx,y\t\"p\tq\"\n", b'\t').unwrap();
        assert_eq!(cells(&table), [Some("x,y"), Some("p\tq")]);
        let error = read(Path::new("a.tsv"), b"a\tb\nx\ty\tz\n", b'\t').unwrap_err();
        assert_eq!(error.to_string(), "a.tsv:2: 3 cells, expected 2 as in the header");
        assert_eq!(error.help(), Some("quote cells that contain a tab"));
    }

    #[test]
    fn errors_name_line_and_way_out() {
        let utf8 = "save the file as plain UTF-8 text";
        let quotes = "a cell with quotes is written \"with \"\"two\"\" of each\"";
        let cases: [(&[u8], &str, &str); 14] = [
            (b"", "train.csv: the file is empty", ""),
            (b"\xEF\xBB\xBF\r\n \n", "train.csv: the file is empty", ""),
            (b"a,b\n", "train.csv: a header and no rows", ""),
            (
                b"a,b,a\n1,2,3\n",
                "train.csv: two columns have the name \"a\", the 1st and the 3rd",
                "give every column a name of its own",
            ),
            (
                b",b\n0,2\n",
                "train.csv: column 1 has no name",
                "give it a name, or write the table without its index (pandas: `index=False`)",
            ),
            (
                b"a,b\n\"1\n2\",3\n1,2,3\n",
                "train.csv:4: 3 cells, expected 2 as in the header",
                "quote cells that contain a comma",
            ),
            (
                b"a,b\n1,2\n1\n",
                "train.csv:3: 1 cell, expected 2 as in the header",
                "a missing value still needs its comma",
            ),
            (b"a,b\n1,\xFF\n", "train.csv:2: not valid UTF-8", utf8),
            (b"\xFF\xFEa\0", "train.csv:1: not valid UTF-8", utf8),
            (b"a,b\n1,2\n1,\0\n", "train.csv:3: a NUL byte", utf8),
            (b"a,b\n1,2\n1,\"2\n3,4\n", "train.csv:3: a quote that is never closed", quotes),
            (b"a,\"b\n1,2\n", "train.csv:1: a quote that is never closed", quotes),
            (b"a,b\n1,\"2\"3\n", "train.csv:2: text after a closing quote", quotes),
            (b"a,b\n1,\"2\"\"\n", "train.csv:2: a quote that is never closed", quotes),
        ];
        for (bytes, problem, help) in cases {
            assert_eq!(error(bytes), (problem.to_string(), help.to_string()), "{bytes:?}");
        }
    }

    #[test]
    fn a_cell_has_a_limit() {
        table(&format!("a,b\n1,{}\n", "x".repeat(CELL_LIMIT)));
        let (problem, help) = error(format!("a,b\n1,2\n1,{}\n", "x".repeat(CELL_LIMIT + 1)));
        assert_eq!(problem, "train.csv:3, column \"b\": a cell of 1048577 bytes, the limit is 1048576");
        assert_eq!(help, "store long values in files of their own and name the file in the cell");
    }

    #[test]
    fn another_separator_is_noted() {
        let note = "the header is one column, \"a;b\"; if ';' separates the cells, write commas (.csv) or tabs (.tsv)";
        assert_eq!(table("a;b\n1;2\n").notes(), [note]);
        assert!(table("a\n1;2\n").notes().is_empty());
    }

    proptest! {
        #[test]
        fn reads_what_the_csv_crate_writes(rows in prop::collection::vec(prop::collection::vec("[a\",\r\n é]{0,6}", 3), 1..6)) {
            let mut writer = ::csv::WriterBuilder::new().quote_style(::csv::QuoteStyle::Always).from_writer(vec![]);
            writer.write_record(["p", "q", "r"]).unwrap();
            let mut starts = vec![];
            for row in &rows {
                writer.flush().unwrap();
                let text = std::str::from_utf8(writer.get_ref()).unwrap();
                starts.push(1 + lines(text));
                writer.write_record(row).unwrap();
            }
            let bytes = writer.into_inner().unwrap();
            let table = read(Path::new("train.csv"), &bytes, b',').unwrap();
            let expected: Vec<_> = rows.iter().flatten().map(|cell| Some(cell.as_str()).filter(|cell| !cell.is_empty())).collect();
            prop_assert_eq!(cells(&table), expected);
            for (row, line) in starts.iter().enumerate() {
                prop_assert_eq!(table.row_place(row), format!("train.csv:{line}"));
            }
        }

        #[test]
        fn agrees_with_the_csv_crate_and_never_panics(text in "[ab\",\r\n]{0,24}") {
            if let Ok(table) = read(Path::new("train.csv"), text.as_bytes(), b',') {
                let mut reader = ::csv::ReaderBuilder::new().has_headers(false).from_reader(text.as_bytes());
                let rows: Vec<_> = reader.records().skip(1).map(|row| row.unwrap()).collect();
                let expected: Vec<_> = rows.iter().flat_map(|row| row.iter().map(|cell| Some(cell).filter(|cell| !cell.is_empty()))).collect();
                prop_assert_eq!(cells(&table), expected);
            }
        }
    }
}
