//! The cells of a table, in blocks of rows: nothing moves as a table grows, and a block is no wider than its longest row.
use super::table::Cells;
use crate::Raw;

/// Most rows of a block.
const ROWS: usize = 1024;

/// Rows of cells; what stands past the end of a row is missing.
#[derive(Clone, Debug, Default)]
pub(super) struct Grid {
    blocks: Vec<Block>,
    rows: usize,
}

/// Rows of one width.
#[derive(Clone, Debug)]
struct Block {
    /// The first of them.
    first: usize,
    width: usize,
    cells: Cells,
}

impl Grid {
    /// Number of rows.
    pub(super) fn len(&self) -> usize {
        self.rows
    }

    /// Adds a row.
    pub(super) fn push(&mut self, mut row: Cells) {
        let full = self.rows - self.blocks.last().map_or(0, |block| block.first) == ROWS;
        if full || self.blocks.last().is_none_or(|block| block.width < row.len()) {
            let room = if full { ROWS * row.len() } else { 0 };
            self.blocks.push(Block { first: self.rows, width: row.len(), cells: Cells::with_capacity(room) });
        }
        let block = self.blocks.last_mut().expect("one was there or was made");
        row.resize(block.width, None);
        block.cells.extend(row);
        self.rows += 1;
    }

    /// The value at a row and column.
    pub(super) fn get(&self, row: usize, column: usize) -> Option<&Raw> {
        let place = self.blocks.partition_point(|block| block.first <= row).checked_sub(1)?;
        let block = &self.blocks[place];
        if column >= block.width {
            return None;
        }
        block.cells.get((row - block.first) * block.width + column)?.as_ref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn row(number: usize, width: usize) -> Cells {
        (0..width).map(|column| (column % 3 != 1).then(|| Raw::Numbers(vec![number as f32, column as f32]))).collect()
    }

    proptest! {
        #[test]
        fn rows_of_any_width_come_back(widths in prop::collection::vec(0_usize..6, 0..40), repeats in 1_usize..120) {
            let widths = widths.repeat(repeats);
            let mut grid = Grid::default();
            widths.iter().enumerate().for_each(|(number, width)| grid.push(row(number, *width)));
            prop_assert_eq!(grid.len(), widths.len());
            for (number, width) in widths.iter().enumerate() {
                let expected = row(number, *width);
                for column in 0..7 {
                    prop_assert_eq!(grid.get(number, column), expected.get(column).and_then(Option::as_ref));
                }
            }
            prop_assert_eq!(grid.get(widths.len(), 0), None);
        }
    }
}
