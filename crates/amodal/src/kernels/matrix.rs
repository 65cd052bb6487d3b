//! The product of matrices in slices: by our own kernels on processors with AVX-512, by the `gemm` crate on others.
#[cfg(target_arch = "x86_64")]
use super::avx512;
#[cfg(target_arch = "x86_64")]
use super::precision::{Precision, chosen};
use gemm::Parallelism;
use rayon::prelude::*;

/// Rows that are few (of one row alone `gemm` sums in another way), and columns that are many.
const FEW: usize = 96;
const MANY: usize = 512;
/// Columns that are computed together.
const LANES: usize = 16;
/// Columns of a [`Panels`] that lie together.
const PANEL: usize = 128;

/// A matrix that few rows are multiplied by again and again, in the order in which products read it.
pub(super) enum Panels {
    #[cfg(target_arch = "x86_64")]
    Packed(avx512::Packed),
    /// Some columns together: `gemm` copies each panel quicker than rows that are far apart.
    Plain { values: Vec<f32>, rows: usize, columns: usize },
}

impl Panels {
    /// Of a matrix of so many rows and columns.
    pub(super) fn new([rows, columns]: [usize; 2], (from, strides): (&[f32], Strides)) -> Self {
        assert!(last(strides, rows, columns) <= from.len());
        #[cfg(target_arch = "x86_64")]
        if let Some(kernel) = avx512::Kernel::of(chosen()) {
            #[allow(unsafe_code)]
            // SAFETY: the kernel is there, and the last place of the matrix lies within its slice.
            return Self::Packed(unsafe { avx512::Packed::new(kernel, [rows, columns], (from.as_ptr(), strides)) });
        }
        let mut values = Vec::with_capacity(rows * columns);
        for start in (0..columns).step_by(PANEL) {
            for row in 0..rows {
                let count = PANEL.min(columns - start);
                values.extend((start..start + count).map(|column| from[row * strides.row + column * strides.column]));
            }
        }
        Self::Plain { values, rows, columns }
    }
}

/// [`product`] of so many rows by a matrix in panels, from as many numbers a row as it has rows.
pub(super) fn product_panels(
    count: usize,
    (made, to): (&mut [f32], Strides),
    (left, of): (&[f32], Strides),
    right: &Panels,
    read: bool,
) {
    match right {
        #[cfg(target_arch = "x86_64")]
        Panels::Packed(packed) => {
            let [rows, columns] = packed.size();
            assert!(last(to, count, columns) <= made.len() && last(of, count, rows) <= left.len());
            #[allow(unsafe_code)]
            // SAFETY: the last place of each matrix lies within its slice, and `made` is borrowed alone.
            unsafe {
                packed.multiply(count, (made.as_mut_ptr(), to), (left.as_ptr(), of), read);
            }
        }
        Panels::Plain { values, rows, columns } => {
            for (at, panel) in values.chunks(PANEL * rows).enumerate() {
                let some = PANEL.min(columns - at * PANEL);
                let room = (&mut made[at * PANEL * to.column..], to);
                product([count, some, *rows], room, (left, of), (panel, rows_of(some)), read);
            }
        }
    }
}

/// How far a matrix of so many rows and columns reaches.
fn last(strides: Strides, rows: usize, columns: usize) -> usize {
    match rows * columns {
        0 => 0,
        _ => (rows - 1) * strides.row + (columns - 1) * strides.column + 1,
    }
}

/// A matrix in a slice: rows, columns, and how far apart they stand.
#[derive(Clone, Copy)]
pub(super) struct Strides {
    pub(super) row: usize,
    pub(super) column: usize,
}

/// `made = read · made + left · right`, one thread; `sizes` are rows and columns made, and what is summed over.
pub(super) fn product(
    sizes: [usize; 3],
    (made, to): (&mut [f32], Strides),
    left: (&[f32], Strides),
    right: (&[f32], Strides),
    read: bool,
) {
    let room = (made.as_mut_ptr(), made.len(), to);
    #[allow(unsafe_code)]
    // SAFETY: `made` is borrowed alone, and holds numbers.
    unsafe {
        multiply(sizes, room, left, right, read, false, false);
    }
}

/// `made = made + left · right` on all cores, `made` row by row.
pub(super) fn add_product(sizes: [usize; 3], made: &mut [f32], left: (&[f32], Strides), right: (&[f32], Strides)) {
    let room = (made.as_mut_ptr(), made.len(), rows_of(sizes[1]));
    #[allow(unsafe_code)]
    // SAFETY: `made` is borrowed alone, and holds numbers.
    unsafe {
        multiply(sizes, room, left, right, true, true, false);
    }
}

/// `left · right` on all cores, row by row.
pub(super) fn new_product(sizes: [usize; 3], left: (&[f32], Strides), right: (&[f32], Strides)) -> Vec<f32> {
    let [rows, columns, inner] = sizes;
    if inner == 0 {
        return vec![0.0; rows * columns];
    }
    let mut made = Vec::<f32>::with_capacity(rows * columns);
    let room = (made.as_mut_ptr(), made.capacity(), rows_of(columns));
    #[allow(unsafe_code)]
    // SAFETY: the vector has room for all numbers, none is read, and each is written.
    unsafe {
        multiply(sizes, room, left, right, false, true, false);
        made.set_len(rows * columns);
    }
    made
}

/// [`product`], into room of so many numbers; `shared`: on all cores; `whole`: in 32 bits, whatever precision was chosen.
///
/// # Safety
/// Nobody else may use the room meanwhile; where it is `read`, it must hold numbers.
#[allow(unsafe_code)]
unsafe fn multiply(
    [rows, columns, inner]: [usize; 3],
    (made, room, to): (*mut f32, usize, Strides),
    (left, of): (&[f32], Strides),
    (right, by): (&[f32], Strides),
    read: bool,
    shared: bool,
    whole: bool,
) {
    assert!(last(to, rows, columns) <= room);
    assert!(last(of, rows, inner) <= left.len() && last(by, inner, columns) <= right.len());
    #[cfg(target_arch = "x86_64")]
    if inner > 0
        && let Some(kernel) = avx512::Kernel::of(if whole { Precision::Float32 } else { chosen() })
    {
        let (left, right) = ((left.as_ptr(), of), (right.as_ptr(), by));
        // SAFETY: the kernel is there, and the last place of each matrix lies within its slice or its room.
        return unsafe { avx512::multiply(kernel, [rows, columns, inner], (made, to), left, right, read, shared) };
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = whole; // all products are
    // SAFETY: the last place of each matrix lies within its slice or its room.
    unsafe { by_gemm([rows, columns, inner], (made, to), (left, of), (right, by), read, shared) }
}

/// [`multiply`] by the `gemm` crate, which splits the rows between threads. They are too few where the right matrix is large
/// and each thread would copy all of it: then each takes some columns.
///
/// # Safety
/// That of [`multiply`]; the last place of each matrix lies within its slice or its room.
#[allow(unsafe_code)]
unsafe fn by_gemm(
    [rows, columns, inner]: [usize; 3],
    (made, to): (*mut f32, Strides),
    (left, of): (&[f32], Strides),
    (right, by): (&[f32], Strides),
    read: bool,
    shared: bool,
) {
    let part = columns.div_ceil(rayon::current_num_threads()).next_multiple_of(LANES);
    if shared && (2..=FEW).contains(&rows) && columns >= MANY && part < columns {
        let made = made as usize; // an address may go to other threads
        return (0..columns.div_ceil(part)).into_par_iter().for_each(|at| {
            let (start, count) = (at * part, part.min(columns - at * part));
            let right = (&right[(start * by.column).min(right.len())..], by);
            // SAFETY: each thread writes columns of its own.
            unsafe {
                let made = ((made as *mut f32).add(start * to.column), to);
                by_gemm([rows, count, inner], made, (left, of), right, read, false);
            }
        });
    }
    // SAFETY: the caller's promises are the same.
    unsafe {
        gemm::gemm(
            rows,
            columns,
            inner,
            made,
            to.column as isize,
            to.row as isize,
            read,
            left.as_ptr(),
            of.column as isize,
            of.row as isize,
            right.as_ptr(),
            by.column as isize,
            by.row as isize,
            1.0,
            1.0,
            false,
            false,
            false,
            if shared { Parallelism::Rayon(0) } else { Parallelism::None },
        );
    }
}

pub(super) fn rows_of(width: usize) -> Strides {
    Strides { row: width, column: 1 }
}

pub(super) fn turned(width: usize) -> Strides {
    Strides { row: 1, column: width }
}

/// `[left, right]`: the product of each row of `left`, `[left, dim]`, with each of `right`, `[right, dim]`; one thread, in 32 bits.
pub(crate) fn each_with_each(left: &[f32], right: &[f32], dim: usize, made: &mut [f32]) {
    let sizes = [left.len() / dim, right.len() / dim, dim];
    let room = (made.as_mut_ptr(), made.len(), rows_of(sizes[1]));
    #[allow(unsafe_code)]
    // SAFETY: `made` is borrowed alone.
    unsafe {
        multiply(sizes, room, (left, rows_of(dim)), (right, turned(dim)), false, false, true);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_with_rows() {
        let (left, right) = ([1.0, 2.0, 3.0, 4.0], [1.0, 0.0, 0.0, 1.0, -1.0, 1.0]);
        let mut made = [9.0; 7];
        each_with_each(&left, &right, 2, &mut made);
        assert_eq!(made, [1.0, 2.0, 1.0, 3.0, 4.0, 1.0, 9.0]);
    }

    /// Processors with kernels of our own have no other use of it.
    #[test]
    fn products_by_gemm_are_the_same() {
        let numbers = |count: usize| -> Vec<f32> { (0..count).map(|at| (at * 5 % 9) as f32).collect() };
        for [rows, columns, inner] in [[3, 5, 7], [4, 700, 7], [130, 6, 9]] {
            let (left, right) = (numbers(rows * inner), numbers(inner * columns));
            let (left, right) = ((&left[..], rows_of(inner)), (&right[..], turned(inner)));
            let mut made = vec![1.0; rows * columns];
            add_product([rows, columns, inner], &mut made, left, right);
            for shared in [false, true] {
                let mut other = vec![1.0; rows * columns];
                #[allow(unsafe_code)]
                // SAFETY: the matrices are as large as is said.
                unsafe {
                    let room = (other.as_mut_ptr(), rows_of(columns));
                    by_gemm([rows, columns, inner], room, left, right, true, shared);
                }
                assert_eq!(made, other, "{rows} × {columns}, shared: {shared}");
            }
            let sum: f32 = (0..inner).map(|at| left.0[inner + at] * right.0[2 * inner + at]).sum();
            assert_eq!(made[columns + 2], 1.0 + sum);
        }
    }
}
