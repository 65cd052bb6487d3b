//! Where a modality's values stand in a table.
use super::Table;
use crate::{Raw, Result, modalities::number::number};
use std::borrow::Cow;

/// Where a modality's values stand in a table.
#[derive(Clone, Debug)]
pub enum Source {
    /// A column, each cell as it is.
    Column(usize),
    /// Several columns of a number each; one that the table has not is empty.
    Numbers(Vec<Option<usize>>),
}

impl Source {
    /// The columns `several`, each of which must be there where `strict`; where none is given or there, the column `one`.
    ///
    /// # Errors
    /// [`crate::Error::Data`] with the known names.
    pub fn find(table: &Table, one: &str, several: &[String], strict: bool) -> Result<Self> {
        if !several.is_empty() && (strict || several.iter().any(|name| table.find(name).is_some())) {
            let column = |name: &String| if strict { table.column(name).map(Some) } else { Ok(table.find(name)) };
            return Ok(Self::Numbers(several.iter().map(column).collect::<Result<_>>()?));
        }
        table.column(one).map(Self::Column)
    }

    /// The value of a row: a cell, or the numbers of several, NaN for an empty one. `None` where nothing is there.
    ///
    /// # Errors
    /// [`crate::Error::Data`] with the place of a cell among several that is no finite number.
    pub fn value<'a>(&self, table: &'a Table, row: usize) -> Result<Option<Cow<'a, Raw>>> {
        let columns = match self {
            Self::Column(column) => return Ok(table.cell(row, *column).map(Cow::Borrowed)),
            Self::Numbers(columns) => columns,
        };
        if !self.has(table, row) {
            return Ok(None);
        }
        let one = |column: &Option<usize>| {
            let Some(column) = *column else { return Ok(f32::NAN) };
            let Some(cell) = table.cell(row, column) else { return Ok(f32::NAN) };
            number(cell).map(|number| number as f32).map_err(|error| error.within(&table.place(row, column)))
        };
        Ok(Some(Cow::Owned(Raw::Numbers(columns.iter().map(one).collect::<Result<_>>()?))))
    }

    /// Whether a row has a value.
    pub fn has(&self, table: &Table, row: usize) -> bool {
        match self {
            Self::Column(column) => table.cell(row, *column).is_some(),
            Self::Numbers(columns) => columns.iter().flatten().any(|column| table.cell(row, *column).is_some()),
        }
    }

    /// Where the value of a row stands, for errors.
    pub fn place(&self, table: &Table, row: usize) -> String {
        match self {
            Self::Column(column) => table.place(row, *column),
            Self::Numbers(_) => table.row_place(row),
        }
    }
}
