//! Products of matrices in bfloat16: numbers are rounded to 16 bits as they are packed, multiplied two at a time by AVX-512
//! BF16, and summed in 32 bits (Kalamkar et al. 2019, arXiv:1905.12322). Twice the products of 32 bits a cycle.
use super::matrix::Strides;
use crate::{Error, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::sync::atomic::{AtomicBool, Ordering};

/// Numbers that products of matrices are made of; weights, sums and all else have 32 bits in any case.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Precision {
    /// 32 bits, 24 of them for the digits.
    #[default]
    Float32,
    /// 16 bits, 8 of them for the digits; a processor with AVX-512 BF16 makes two such products in the time of one.
    Bfloat16,
}

/// Whether products are in bfloat16.
static HALF: AtomicBool = AtomicBool::new(false);

impl Precision {
    /// Whether it is the usual one.
    pub(crate) fn is_usual(&self) -> bool {
        *self == Self::default()
    }

    /// Whether this processor can compute in it.
    pub fn is_available(self) -> bool {
        #[cfg(target_arch = "x86_64")]
        let has = is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512vl")
            && is_x86_feature_detected!("avx512bf16");
        #[cfg(not(target_arch = "x86_64"))]
        let has = false;
        self == Self::Float32 || has
    }

    /// Makes all further products in linear layers, convolutions, attention and recurrent layers in it, on all threads of the
    /// process. Scores of alignment and of searches stay in 32 bits.
    ///
    /// # Errors
    /// [`Error::Config`] if this processor cannot.
    pub fn choose(self) -> Result<()> {
        if !self.is_available() {
            return Err(Error::config("train.precision", "this processor has no AVX-512 BF16")
                .with_help("leave it out: \"float32\" works everywhere"));
        }
        HALF.store(self == Self::Bfloat16, Ordering::Relaxed);
        Ok(())
    }
}

/// Whether products are to be made here, whatever their size: a row alone is then what it is among others.
pub(super) fn applies() -> bool {
    HALF.load(Ordering::Relaxed)
}

#[cfg(not(target_arch = "x86_64"))]
#[allow(unsafe_code)]
pub(super) unsafe fn multiply(
    _: [usize; 3],
    _: (*mut f32, Strides),
    _: (*const f32, Strides),
    _: (*const f32, Strides),
    _: bool,
    _: bool,
) {
    unreachable!("not available")
}

#[cfg(target_arch = "x86_64")]
pub(super) use x86::multiply;

#[cfg(target_arch = "x86_64")]
#[allow(unsafe_code)]
mod x86 {
    use super::Strides;
    use rayon::prelude::*;
    use std::arch::x86_64::*;
    use std::cell::RefCell;
    use std::mem::transmute;

    /// Rows and columns whose sums stay in registers: 28 of the 32.
    const ROWS: usize = 14;
    const COLUMNS: usize = 32;
    /// Numbers that are summed over before the sums are written, so that what is packed of them stays in the cache.
    const DEPTH: usize = 384;
    /// Rows and columns that are packed at once.
    const HIGH: usize = 16 * ROWS;
    const WIDE: usize = 64 * COLUMNS;
    /// Numbers in a register.
    const LANES: usize = 16;
    /// Products below which one thread is quicker than waking another.
    const SMALL: usize = 48 * 48 * 256;

    thread_local! {
        /// What is packed, a pair of numbers a cell; kept, as fresh memory is slow.
        static ROOM: RefCell<Vec<u32>> = const { RefCell::new(Vec::new()) };
    }

    /// `made = read · made + left · right`, on all cores if `shared`; each sum is in the same order on any number of threads.
    ///
    /// # Safety
    /// The processor has AVX-512 BF16; all places of the matrices lie within memory that is there, that of `made` is used by
    /// nobody else meanwhile, and holds numbers where it is `read`.
    pub(in crate::kernels) unsafe fn multiply(
        sizes @ [rows, columns, inner]: [usize; 3],
        (made, to): (*mut f32, Strides),
        (left, of): (*const f32, Strides),
        (right, by): (*const f32, Strides),
        read: bool,
        shared: bool,
    ) {
        let threads = if shared && rows * columns * inner > SMALL { rayon::current_num_threads() } else { 1 };
        let (all, unit) = if rows >= columns { (rows, ROWS) } else { (columns, COLUMNS) };
        let part = all.div_ceil(threads).next_multiple_of(unit);
        if part >= all {
            // SAFETY: the caller's promises are the same.
            return unsafe { product(sizes, (made, to), (left, of), (right, by), read) };
        }
        let (made, left, right) = (made as usize, left as usize, right as usize); // addresses may go to other threads
        (0..all.div_ceil(part)).into_par_iter().for_each(|at| {
            let (start, count) = (at * part, part.min(all - at * part));
            let (made, left, right) = (made as *mut f32, left as *const f32, right as *const f32);
            // SAFETY: each thread makes rows, or columns, of its own.
            unsafe {
                if rows >= columns {
                    let (made, left) = (made.add(start * to.row), left.add(start * of.row));
                    product([count, columns, inner], (made, to), (left, of), (right, by), read);
                } else {
                    let (made, right) = (made.add(start * to.column), right.add(start * by.column));
                    product([rows, count, inner], (made, to), (left, of), (right, by), read);
                }
            }
        });
    }

    /// One thread's. The order of the loops is that of Goto and van de Geijn 2008, doi:10.1145/1356052.1356053.
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16")]
    unsafe fn product(
        [rows, columns, inner]: [usize; 3],
        (made, to): (*mut f32, Strides),
        (left, of): (*const f32, Strides),
        (right, by): (*const f32, Strides),
        read: bool,
    ) {
        ROOM.with_borrow_mut(|room| {
            let pairs = DEPTH.min(inner).div_ceil(2);
            let of_left = HIGH.min(rows).next_multiple_of(ROWS) * pairs;
            let of_right = WIDE.min(columns).next_multiple_of(COLUMNS) * pairs;
            if room.len() < of_left + of_right {
                room.resize(of_left + of_right, 0);
            }
            let (packed_left, packed_right) = room.split_at_mut(of_left);
            for column in (0..columns).step_by(WIDE) {
                let wide = WIDE.min(columns - column);
                for start in (0..inner).step_by(DEPTH) {
                    let depth = DEPTH.min(inner - start);
                    let pairs = depth.div_ceil(2);
                    let read = read || start > 0;
                    // SAFETY: all places are within the matrices, as the caller promises.
                    unsafe {
                        let from = right.add(start * by.row + column * by.column);
                        pack::<COLUMNS>(packed_right, [wide, depth], from, [by.column, by.row]);
                        for row in (0..rows).step_by(HIGH) {
                            let high = HIGH.min(rows - row);
                            let from = left.add(row * of.row + start * of.column);
                            pack::<ROWS>(packed_left, [high, depth], from, [of.row, of.column]);
                            for (at, right) in
                                packed_right.chunks(COLUMNS * pairs).take(wide.div_ceil(COLUMNS)).enumerate()
                            {
                                let made = made.add(row * to.row + (column + at * COLUMNS) * to.column);
                                strip((made, to), (packed_left, high), (right, wide - at * COLUMNS), read);
                            }
                        }
                    }
                }
            }
        });
    }

    /// Multiplies packed rows by one panel of columns, of both so many as are there.
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16")]
    unsafe fn strip(
        (made, to): (*mut f32, Strides),
        (left, high): (&[u32], usize),
        (right, columns): (&[u32], usize),
        read: bool,
    ) {
        let pairs = right.len() / COLUMNS;
        for (at, left) in left.chunks_exact(ROWS * pairs).take(high.div_ceil(ROWS)).enumerate() {
            // SAFETY: the tile is within what is made.
            unsafe {
                let made = (made.add(at * ROWS * to.row), to);
                macro_rules! of_rows {
                    ($($rows:literal)*) => {
                        match ROWS.min(high - at * ROWS) {
                            $($rows => tile::<$rows>(made, left, right, columns.min(COLUMNS), read),)*
                            _ => unreachable!("a panel has {ROWS} rows at most"),
                        }
                    };
                }
                of_rows!(1 2 3 4 5 6 7 8 9 10 11 12 13 14);
            }
        }
    }

    /// Packs `count` rows (or columns) in panels of `WIDTH`: pair by pair along the depth, those of a panel side by side, zeros
    /// where there are none.
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16")]
    unsafe fn pack<const WIDTH: usize>(
        to: &mut [u32],
        [count, depth]: [usize; 2],
        from: *const f32,
        [stride, step]: [usize; 2],
    ) {
        let pairs = depth.div_ceil(2);
        for (at, panel) in to.chunks_exact_mut(WIDTH * pairs).take(count.div_ceil(WIDTH)).enumerate() {
            let lanes = WIDTH.min(count - at * WIDTH);
            // SAFETY: only places within the matrix are read.
            unsafe {
                let from = from.add(at * WIDTH * stride);
                if stride == 1 {
                    for (pair, cells) in panel.chunks_exact_mut(WIDTH).enumerate() {
                        let from = from.add(2 * pair * step);
                        for (at, cells) in cells.chunks_mut(LANES).enumerate() {
                            let mask = first(lanes.saturating_sub(at * LANES));
                            let one = _mm512_maskz_loadu_ps(mask, from.wrapping_add(at * LANES));
                            let is_pair = if 2 * pair + 1 < depth { mask } else { 0 };
                            let other = _mm512_maskz_loadu_ps(is_pair, from.wrapping_add(step + at * LANES));
                            let both = _mm512_or_si512(wide(one), _mm512_slli_epi32::<16>(wide(other)));
                            _mm512_mask_storeu_epi32(cells.as_mut_ptr().cast(), first(cells.len()), both);
                        }
                    }
                    continue;
                }
                for lane in 0..WIDTH {
                    let mut pair = 0;
                    if lane < lanes {
                        let from = from.add(lane * stride);
                        while step == 1 && 2 * (pair + LANES) <= depth {
                            let from = from.add(2 * pair);
                            let both = _mm512_cvtne2ps_pbh(_mm512_loadu_ps(from.add(LANES)), _mm512_loadu_ps(from));
                            let both: [u32; LANES] = transmute(both);
                            for (at, both) in both.into_iter().enumerate() {
                                panel[(pair + at) * WIDTH + lane] = both;
                            }
                            pair += LANES;
                        }
                        while pair < pairs {
                            let one = rounded(*from.add(2 * pair * step));
                            let other =
                                if 2 * pair + 1 < depth { rounded(*from.add((2 * pair + 1) * step)) } else { 0 };
                            panel[pair * WIDTH + lane] = one | other << 16;
                            pair += 1;
                        }
                    }
                    for pair in pair..pairs {
                        panel[pair * WIDTH + lane] = 0;
                    }
                }
            }
        }
    }

    /// The mask of the first lanes, all where they are more.
    fn first(lanes: usize) -> __mmask16 {
        if lanes < LANES { (1 << lanes) - 1 } else { !0 }
    }

    /// Rounded numbers, each in the low half of 32 bits.
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16")]
    fn wide(values: __m512) -> __m512i {
        // SAFETY: the same bits.
        _mm512_cvtepu16_epi32(unsafe { transmute::<__m256bh, __m256i>(_mm512_cvtneps_pbh(values)) })
    }

    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16")]
    fn rounded(value: f32) -> u32 {
        _mm_cvtsi128_si32(_mm512_castsi512_si128(wide(_mm512_set1_ps(value)))) as u32
    }

    /// Sums over all pairs for so many rows and up to 32 columns.
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16")]
    unsafe fn tile<const COUNT: usize>(
        (made, to): (*mut f32, Strides),
        left: &[u32],
        right: &[u32],
        columns: usize,
        read: bool,
    ) {
        let mut sums = [[_mm512_setzero_ps(); 2]; COUNT];
        if to.column == 1 {
            for row in 0..COUNT {
                _mm_prefetch::<_MM_HINT_T0>(made.wrapping_add(row * to.row).cast());
                _mm_prefetch::<_MM_HINT_T0>(made.wrapping_add(row * to.row + LANES).cast());
            }
        }
        let (left, right) = (left.as_chunks::<ROWS>().0, right.as_chunks::<COLUMNS>().0);
        for (left, right) in left.iter().zip(right) {
            // SAFETY: 32 cells are two registers of pairs.
            let right = unsafe {
                let right = right.as_ptr().cast::<__m512bh>();
                [right.read_unaligned(), right.add(1).read_unaligned()]
            };
            for (sums, left) in sums.iter_mut().zip(left) {
                // SAFETY: the same bits.
                let left: __m512bh = unsafe { transmute(_mm512_set1_epi32(*left as i32)) };
                sums[0] = _mm512_dpbf16_ps(sums[0], left, right[0]);
                sums[1] = _mm512_dpbf16_ps(sums[1], left, right[1]);
            }
        }
        for (row, sums) in sums.into_iter().enumerate() {
            // SAFETY: only so many rows and columns are read and written, which the caller promises to be there.
            unsafe {
                let made = made.add(row * to.row);
                if to.column == 1 {
                    for (half, sum) in sums.into_iter().enumerate() {
                        let (made, mask) =
                            (made.wrapping_add(half * LANES), first(columns.saturating_sub(half * LANES)));
                        let before = _mm512_maskz_loadu_ps(if read { mask } else { 0 }, made);
                        _mm512_mask_storeu_ps(made, mask, _mm512_add_ps(sum, before));
                    }
                    continue;
                }
                let sums: [f32; COLUMNS] = transmute(sums);
                for (column, sum) in sums.into_iter().enumerate().take(columns) {
                    let made = made.add(column * to.column);
                    *made = if read { *made + sum } else { sum };
                }
            }
        }
    }
}

#[cfg(test)]
#[allow(unsafe_code)]
mod tests {
    use super::super::matrix::{rows_of, turned};
    use super::*;
    use crate::random::{Purpose, RngExt, random};

    /// To the nearest number with eight digits, of two the even one.
    fn rounded(value: f32) -> f64 {
        let bits = value.to_bits();
        f64::from(f32::from_bits((bits + 0x7fff + (bits >> 16 & 1)) & 0xffff_0000))
    }

    #[test]
    fn sums_of_rounded_numbers() {
        if !Precision::Bfloat16.is_available() {
            return eprintln!("this processor has no AVX-512 BF16: not tested");
        }
        let mut random = random(0, 0, 0, Purpose::Synthetic);
        let sizes = [
            [1, 1, 1],
            [8, 16, 16],
            [14, 32, 384],
            [15, 33, 385],
            [1, 70, 31],
            [250, 40, 900],
            [31, 2100, 47],
            [225, 65, 33],
        ];
        for [rows, columns, inner] in sizes {
            for turns in 0..8 {
                let mut draw =
                    |count: usize| -> Vec<f32> { (0..count).map(|_| random.random_range(-1.0..1.0)).collect() };
                let (left, right, before) = (draw(rows * inner), draw(inner * columns), draw(rows * columns));
                let strides = |at: usize, rows: usize, width: usize| {
                    if turns >> at & 1 == 1 { turned(rows) } else { rows_of(width) }
                };
                let (of, by, to) = (strides(0, rows, inner), strides(1, inner, columns), strides(2, rows, columns));
                let make = |read: bool, shared: bool| {
                    let mut made = before.clone();
                    // SAFETY: the matrices are as large as is said.
                    unsafe {
                        let room = (made.as_mut_ptr(), to);
                        multiply([rows, columns, inner], room, (left.as_ptr(), of), (right.as_ptr(), by), read, shared);
                    }
                    made
                };
                let (new, added) = (make(false, false), make(true, false));
                for row in 0..rows {
                    for column in (0..columns).step_by(1 + columns / 50) {
                        let term = |at: usize| {
                            rounded(left[row * of.row + at * of.column])
                                * rounded(right[at * by.row + column * by.column])
                        };
                        let (sum, at) = ((0..inner).map(term).sum::<f64>(), row * to.row + column * to.column);
                        let place = format!("{rows} × {columns} × {inner}, {turns}: {row}, {column}");
                        assert!((f64::from(new[at]) - sum).abs() < 2e-5, "{place}: {} and {sum}", new[at]);
                        assert!((f64::from(added[at] - before[at]) - sum).abs() < 2e-5, "{place}");
                    }
                }
                assert_eq!(make(false, true), new, "the same on all cores");
            }
        }
    }

    #[test]
    fn rows_that_stand_apart_and_rows_alone() {
        if !Precision::Bfloat16.is_available() {
            return;
        }
        let mut random = random(1, 0, 0, Purpose::Synthetic);
        let (rows, columns, inner, width) = (33, 41, 500, 50);
        let mut draw = |count: usize| -> Vec<f32> { (0..count).map(|_| random.random_range(-1.0..1.0)).collect() };
        let (left, right) = (draw(rows * inner), draw(inner * columns));
        let make = |from: usize, rows: usize| {
            let mut made = vec![9.0; rows * width];
            // SAFETY: the matrices are as large as is said.
            unsafe {
                let room = (made.as_mut_ptr(), Strides { row: width, column: 1 });
                let left = (left[from * inner..].as_ptr(), rows_of(inner));
                multiply([rows, columns, inner], room, left, (right.as_ptr(), rows_of(columns)), false, true);
            }
            made
        };
        let all = make(0, rows);
        assert!(all.chunks(width).all(|row| row[columns..].iter().all(|value| *value == 9.0)));
        for (row, made) in all.chunks(width).enumerate() {
            assert_eq!(make(row, 1), made, "{row}");
        }
    }

    #[test]
    fn what_is_not_finite_stays() {
        if !Precision::Bfloat16.is_available() {
            return;
        }
        for value in [f32::INFINITY, f32::NEG_INFINITY, f32::NAN] {
            let (mut left, right, mut made) = (vec![1.0; 8 * 16], vec![1.0; 16 * 16], vec![0.0; 8 * 16]);
            left[3] = value;
            // SAFETY: the matrices are as large as is said.
            unsafe {
                let room = (made.as_mut_ptr(), rows_of(16));
                multiply([8, 16, 16], room, (left.as_ptr(), rows_of(16)), (right.as_ptr(), rows_of(16)), false, false);
            }
            assert!(made[0] == value || made[0].is_nan() && value.is_nan(), "{value}: {}", made[0]);
            assert_eq!(made[16], 16.0);
        }
    }
}
