//! Rows of numbers that several threads read and change at once.
//!
//! Updates of different threads may overwrite each other (Hogwild, Niu et al. 2011, arXiv:1106.5730). Every number is read
//! and written by relaxed atomic operations, two at a time, into and from a thread's own copy, on which the arithmetic is
//! done: there is no data race, and one thread alone always gives the same bits.
use crate::{
    kernels::memory::{large_pages, prefetch},
    random::{Purpose, Rng, random},
};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Numbers that a copy of a row is a multiple of, for the widest registers.
pub(crate) const LANES: usize = 16;

/// `[rows, dim]`.
#[derive(Debug)]
pub(crate) struct Rows {
    /// Two numbers each.
    cells: Vec<AtomicU64>,
    /// Numbers of a row.
    pub(crate) dim: usize,
    /// Cells of a row.
    stride: usize,
}

/// Numbers of a thread's own copy of a row: `dim` and zeros.
pub(crate) fn width(dim: usize) -> usize {
    dim.next_multiple_of(LANES)
}

fn pack(pair: [f32; 2]) -> u64 {
    bytemuck::cast(pair)
}

impl Rows {
    /// Rows of zeros.
    pub(crate) fn zeros(rows: usize, dim: usize) -> Self {
        let stride = dim.div_ceil(2);
        let mut cells = Vec::with_capacity(rows * stride);
        large_pages(&mut cells);
        cells.resize_with(rows * stride, AtomicU64::default);
        Self { cells, dim, stride }
    }

    /// Rows of numbers between -`most` and `most`, drawn of a stream that `name` tells apart.
    pub(crate) fn drawn(rows: usize, dim: usize, most: f32, seed: u64, name: u64) -> Self {
        let made = Self::zeros(rows, dim);
        for row in 0..rows {
            let mut random = random(seed, name, row as u64, Purpose::Weights);
            for at in 0..made.stride {
                let mut draw = || (random.next_u32() >> 8) as f32 / 8_388_608.0 * most - most; // 24 bits
                let pair = [draw(), if 2 * at + 1 < dim { draw() } else { 0.0 }];
                made.cells[row * made.stride + at].store(pack(pair), Relaxed);
            }
        }
        made
    }

    /// Number of rows.
    pub(crate) fn len(&self) -> usize {
        self.cells.len() / self.stride.max(1)
    }

    fn row(&self, row: usize) -> &[AtomicU64] {
        &self.cells[row * self.stride..][..self.stride]
    }

    /// Asks for a row that will be copied soon.
    #[inline(always)]
    pub(crate) fn prefetch(&self, row: usize) {
        prefetch(self.row(row));
    }

    /// Copies a row; `copy` is as [`width`] says, and stays zero behind the row.
    #[inline(always)]
    pub(crate) fn load(&self, row: usize, copy: &mut [f32]) {
        let pairs: &mut [[f32; 2]] = bytemuck::cast_slice_mut(copy);
        for (pair, cell) in pairs.iter_mut().zip(self.row(row)) {
            *pair = bytemuck::cast(cell.load(Relaxed));
        }
    }

    /// Adds a row to a copy.
    #[inline(always)]
    pub(crate) fn add_to(&self, row: usize, copy: &mut [f32]) {
        let pairs: &mut [[f32; 2]] = bytemuck::cast_slice_mut(copy);
        for (pair, cell) in pairs.iter_mut().zip(self.row(row)) {
            let [a, b]: [f32; 2] = bytemuck::cast(cell.load(Relaxed));
            *pair = [pair[0] + a, pair[1] + b];
        }
    }

    /// Replaces a row.
    #[inline(always)]
    pub(crate) fn store(&self, row: usize, copy: &[f32]) {
        let pairs: &[[f32; 2]] = bytemuck::cast_slice(copy);
        for (pair, cell) in pairs.iter().zip(self.row(row)) {
            cell.store(pack(*pair), Relaxed);
        }
    }

    /// Adds to a row.
    #[inline(always)]
    pub(crate) fn add(&self, row: usize, change: &[f32]) {
        let pairs: &[[f32; 2]] = bytemuck::cast_slice(change);
        for (pair, cell) in pairs.iter().zip(self.row(row)) {
            let [a, b]: [f32; 2] = bytemuck::cast(cell.load(Relaxed));
            cell.store(pack([a + pair[0], b + pair[1]]), Relaxed);
        }
    }

    /// Replaces all numbers, given row by row.
    pub(crate) fn fill(&self, values: impl IntoIterator<Item = f32>) {
        let mut values = values.into_iter();
        for row in self.cells.chunks(self.stride.max(1)) {
            for (at, cell) in row.iter().enumerate() {
                let mut next = |place: usize| if place < self.dim { values.next().unwrap_or_default() } else { 0.0 };
                let pair = [next(2 * at), next(2 * at + 1)];
                cell.store(pack(pair), Relaxed);
            }
        }
    }

    /// All numbers, row by row.
    pub(crate) fn values(&self) -> Vec<f32> {
        let mut values = Vec::with_capacity(self.len() * self.dim);
        for row in self.cells.chunks(self.stride.max(1)) {
            let pairs = row.iter().flat_map(|cell| bytemuck::cast::<_, [f32; 2]>(cell.load(Relaxed)));
            values.extend(pairs.take(self.dim));
        }
        values
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_copied_changed_and_put_back() {
        let rows = Rows::drawn(3, 5, 0.5, 1, 0);
        let values = rows.values();
        assert_eq!((rows.len(), values.len()), (3, 15));
        assert!(values.iter().all(|value| (-0.5..0.5).contains(value)));
        assert!(values.iter().any(|value| *value < -0.2) && values.iter().any(|value| *value > 0.2));
        let mut copy = vec![0.0; width(5)];
        rows.load(1, &mut copy);
        assert_eq!(copy[..5], values[5..10]);
        assert_eq!(copy[5..], [0.0; 11]);
        rows.add_to(1, &mut copy);
        rows.store(2, &copy);
        rows.add(0, &copy);
        let now = rows.values();
        for at in 0..5 {
            assert_eq!((now[10 + at], now[5 + at]), (2.0 * values[5 + at], values[5 + at]));
            assert_eq!(now[at], values[at] + 2.0 * values[5 + at]);
        }
    }
}
