//! The product of matrices in slices, which the `gemm` crate makes.

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
    (left, of): (&[f32], Strides),
    (right, by): (&[f32], Strides),
    read: bool,
) {
    let [rows, columns, inner] = sizes;
    let last = |strides: Strides, rows: usize, columns: usize| match rows * columns {
        0 => 0,
        _ => (rows - 1) * strides.row + (columns - 1) * strides.column + 1,
    };
    assert!(last(to, rows, columns) <= made.len());
    assert!(last(of, rows, inner) <= left.len() && last(by, inner, columns) <= right.len());
    #[allow(unsafe_code)]
    // SAFETY: the last place of each matrix lies within its slice, and `made` is borrowed alone.
    unsafe {
        gemm::gemm(
            rows,
            columns,
            inner,
            made.as_mut_ptr(),
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
            gemm::Parallelism::None,
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
