//! The product of matrices in slices, which the `gemm` crate makes.
use gemm::Parallelism;

/// A matrix in a slice: rows, columns, and how far apart they stand.
#[derive(Clone, Copy)]
pub(super) struct Strides {
    row: usize,
    column: usize,
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
        multiply(sizes, room, left, right, read, Parallelism::None);
    }
}

/// `made = made + left · right` on all cores, `made` row by row.
pub(super) fn add_product(sizes: [usize; 3], made: &mut [f32], left: (&[f32], Strides), right: (&[f32], Strides)) {
    let room = (made.as_mut_ptr(), made.len(), rows_of(sizes[1]));
    #[allow(unsafe_code)]
    // SAFETY: `made` is borrowed alone, and holds numbers.
    unsafe {
        multiply(sizes, room, left, right, true, Parallelism::Rayon(0));
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
        multiply(sizes, room, left, right, false, Parallelism::Rayon(0));
        made.set_len(rows * columns);
    }
    made
}

/// [`product`], into room of so many numbers.
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
    parallelism: Parallelism,
) {
    let last = |strides: Strides, rows: usize, columns: usize| match rows * columns {
        0 => 0,
        _ => (rows - 1) * strides.row + (columns - 1) * strides.column + 1,
    };
    assert!(last(to, rows, columns) <= room);
    assert!(last(of, rows, inner) <= left.len() && last(by, inner, columns) <= right.len());
    // SAFETY: the last place of each matrix lies within its slice or its room.
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
            parallelism,
        );
    }
}

pub(super) fn rows_of(width: usize) -> Strides {
    Strides { row: width, column: 1 }
}

pub(super) fn turned(width: usize) -> Strides {
    Strides { row: 1, column: width }
}

/// `[left, right]`: the product of each row of `left`, `[left, dim]`, with each of `right`, `[right, dim]`; one thread.
pub(crate) fn each_with_each(left: &[f32], right: &[f32], dim: usize, made: &mut [f32]) {
    let sizes = [left.len() / dim, right.len() / dim, dim];
    product(sizes, (made, rows_of(sizes[1])), (left, rows_of(dim)), (right, turned(dim)), false);
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
}
