//! Products of matrices on processors with AVX-512 BF16 (and AMX where they have it): packing, the order of the loops, and three
//! kernels. In bfloat16 numbers are rounded to 16 bits as they are packed, multiplied two at a time, and summed in 32 bits
//! (Kalamkar et al. 2019, arXiv:1905.12322).
use super::{Precision, matrix::Strides};
use rayon::prelude::*;
use std::arch::{asm, x86_64::*};
use std::cell::RefCell;
use std::mem::transmute;
use std::sync::OnceLock;

/// Numbers of 32 bits, or pairs of 16, in a register.
const LANES: usize = 16;
/// Columns of a panel.
const COLUMNS: usize = 2 * LANES;
/// Rows (a multiple of each kernel's) and columns that are packed at once.
const HIGH: usize = 224;
const WIDE: usize = 32 * COLUMNS;
/// Rows so few that columns are read where they stand: packing would read them as often as the product does.
const FEW: usize = 4;
/// Products below which one thread is quicker than waking another.
const SMALL: usize = 48 * 48 * 256;

thread_local! {
    /// What is packed; kept, as fresh memory is slow.
    static ROOM: RefCell<Vec<Cells>> = const { RefCell::new(Vec::new()) };
}

/// What multiplies.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Kernel {
    /// 32 bits: 14 rows by 32 columns are summed in 28 of the 32 registers.
    Numbers,
    /// bfloat16 by AVX-512, likewise.
    Pairs,
    /// bfloat16 by AMX: 32 rows by 32 columns are summed in four tiles.
    Tiles,
}

impl Kernel {
    /// The fastest one.
    pub(super) fn of(precision: Precision) -> Option<Self> {
        static HAS_TILES: OnceLock<bool> = OnceLock::new();
        match precision {
            _ if !is_available() => None,
            Precision::Float32 => Some(Self::Numbers),
            Precision::Bfloat16 if *HAS_TILES.get_or_init(has_tiles) => Some(Self::Tiles),
            Precision::Bfloat16 => Some(Self::Pairs),
        }
    }

    /// The instructions it is made of.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Numbers => "AVX-512",
            Self::Pairs => "AVX-512 BF16",
            Self::Tiles => "AMX",
        }
    }

    /// Rows of a panel.
    fn rows(self) -> usize {
        match self {
            Self::Numbers | Self::Pairs => 14,
            Self::Tiles => 2 * LANES,
        }
    }

    /// Numbers in 32 bits.
    fn numbers(self) -> usize {
        match self {
            Self::Numbers => 1,
            Self::Pairs | Self::Tiles => 2,
        }
    }

    /// Lines of the cache that so many numbers take.
    fn lines(self, depth: usize) -> usize {
        depth.div_ceil(self.numbers() * LANES)
    }

    /// Numbers that are summed over before the sums are written, so that what is packed of them stays in the cache.
    fn depth(self) -> usize {
        match self {
            Self::Numbers => 256,
            Self::Pairs | Self::Tiles => 384,
        }
    }
}

/// Whether any kernel can be used.
pub(super) fn is_available() -> bool {
    is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512vl")
        && is_x86_feature_detected!("avx512bf16")
}

/// Whether the processor has AMX for bfloat16 and the system lets this process use it, for which Linux wants to be asked.
#[cfg(target_os = "linux")]
fn has_tiles() -> bool {
    const ASK: usize = 0x1023; // ARCH_REQ_XCOMP_PERM
    const TILES: usize = 18; // XFEATURE_XTILEDATA
    let features = __cpuid_count(7, 0).edx;
    // SAFETY: the call changes nothing but what the process may use.
    features >> 22 & 1 == 1
        && features >> 24 & 1 == 1
        && unsafe { libc::syscall(libc::SYS_arch_prctl, ASK, TILES) } == 0
}

#[cfg(not(target_os = "linux"))]
fn has_tiles() -> bool {
    false
}

/// `made = read · made + left · right`, on all cores if `shared`; each sum is in the same order on any number of threads.
///
/// # Safety
/// The kernel [is there](Kernel::of); all places of the matrices lie within memory that is there, that of `made` is used by
/// nobody else meanwhile, and holds numbers where it is `read`.
pub(super) unsafe fn multiply(
    kernel: Kernel,
    sizes @ [rows, columns, inner]: [usize; 3],
    (made, to): (*mut f32, Strides),
    (left, of): (*const f32, Strides),
    (right, by): (*const f32, Strides),
    read: bool,
    shared: bool,
) {
    if to.column != 1 && to.row == 1 {
        // rows are written together: the same product, turned
        let turned = |Strides { row, column }| Strides { row: column, column: row };
        let sizes = [columns, rows, inner];
        // SAFETY: the places are the same.
        return unsafe {
            multiply(kernel, sizes, (made, turned(to)), (right, turned(by)), (left, turned(of)), read, shared)
        };
    }
    let threads = if shared && rows * columns * inner > SMALL { rayon::current_num_threads() } else { 1 };
    let (all, unit) = if rows >= columns { (rows, kernel.rows()) } else { (columns, COLUMNS) };
    let part = all.div_ceil(threads).next_multiple_of(unit);
    if part >= all {
        // SAFETY: the caller's promises are the same.
        return unsafe { product(kernel, sizes, (made, to), (left, of), Right::There(right, by), read) };
    }
    let (made, left, right) = (made as usize, left as usize, right as usize); // addresses may go to other threads
    (0..all.div_ceil(part)).into_par_iter().for_each(|at| {
        let (start, count) = (at * part, part.min(all - at * part));
        let (made, left, right) = (made as *mut f32, left as *const f32, right as *const f32);
        // SAFETY: each thread makes rows, or columns, of its own.
        unsafe {
            if rows >= columns {
                let (made, left) = (made.add(start * to.row), left.add(start * of.row));
                product(kernel, [count, columns, inner], (made, to), (left, of), Right::There(right, by), read);
            } else {
                let (made, right) = (made.add(start * to.column), right.add(start * by.column));
                product(kernel, [rows, count, inner], (made, to), (left, of), Right::There(right, by), read);
            }
        }
    });
}

/// Where the right matrix is.
enum Right<'a> {
    There(*const f32, Strides),
    Packed(&'a [Cells]),
}

/// A right matrix that is packed once for several products.
pub(super) struct Packed {
    cells: Vec<Cells>,
    kernel: Kernel,
    inner: usize,
    columns: usize,
}

impl Packed {
    /// Of a matrix of so many rows and columns.
    ///
    /// # Safety
    /// The kernel [is there](Kernel::of), and all places lie within memory that is there.
    pub(super) unsafe fn new(kernel: Kernel, [inner, columns]: [usize; 2], (right, by): (*const f32, Strides)) -> Self {
        let mut cells = Vec::new();
        for column in (0..columns).step_by(WIDE) {
            let wide = WIDE.min(columns - column);
            for start in (0..inner).step_by(kernel.depth()) {
                let depth = kernel.depth().min(inner - start);
                let before = cells.len();
                cells.resize(before + wide.next_multiple_of(COLUMNS) * kernel.lines(depth), Cells([0; LANES]));
                let from = right.wrapping_add(start * by.row + column * by.column);
                // SAFETY: the caller's promises are the same.
                unsafe { pack_by::<false>(kernel, &mut cells[before..], [wide, depth], from, [by.column, by.row]) };
            }
        }
        Self { cells, kernel, inner, columns }
    }

    /// Rows and columns.
    pub(super) fn size(&self) -> [usize; 2] {
        [self.inner, self.columns]
    }

    /// [`multiply`] of so many rows by it, on one thread.
    ///
    /// # Safety
    /// That of [`multiply`].
    pub(super) unsafe fn multiply(
        &self,
        rows: usize,
        made: (*mut f32, Strides),
        left: (*const f32, Strides),
        read: bool,
    ) {
        let sizes = [rows, self.columns, self.inner];
        // SAFETY: the caller's promises are the same.
        unsafe { product(self.kernel, sizes, made, left, Right::Packed(&self.cells), read) };
    }
}

/// One thread's. The order of the loops is that of Goto and van de Geijn 2008, doi:10.1145/1356052.1356053.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16")]
unsafe fn product(
    kernel: Kernel,
    [rows, columns, inner]: [usize; 3],
    (made, to): (*mut f32, Strides),
    (left, of): (*const f32, Strides),
    right: Right,
    read: bool,
) {
    if let (Kernel::Numbers, 1..=FEW, Right::There(right, by)) = (kernel, rows, &right)
        && (by.column == 1 || by.row == 1)
        && to.column == 1
    {
        // SAFETY: the caller's promises are the same.
        return unsafe { few([rows, columns, inner], (made, to.row), (left, of), (*right, *by), read) };
    }
    ROOM.with_borrow_mut(|room| {
        let height = kernel.rows();
        let most = kernel.lines(kernel.depth().min(inner));
        let of_left = HIGH.min(rows).next_multiple_of(height) * most;
        let of_right = match right {
            Right::There(..) => WIDE.min(columns).next_multiple_of(COLUMNS) * most,
            Right::Packed(_) => 0,
        };
        if room.len() < of_left + of_right {
            room.resize(of_left + of_right, Cells([0; LANES]));
        }
        let (packed_left, packed_right) = room.split_at_mut(of_left);
        let tiles = (kernel == Kernel::Tiles).then(Tiles::begin);
        let mut already = 0;
        for column in (0..columns).step_by(WIDE) {
            let wide = WIDE.min(columns - column);
            for start in (0..inner).step_by(kernel.depth()) {
                let depth = kernel.depth().min(inner - start);
                let (lines, cells) = (kernel.lines(depth), depth.div_ceil(kernel.numbers()));
                let read = read || start > 0;
                // SAFETY: all places are within the matrices, as the caller promises.
                unsafe {
                    let packed_right = match right {
                        Right::There(right, by) => {
                            let from = right.add(start * by.row + column * by.column);
                            pack_by::<false>(kernel, packed_right, [wide, depth], from, [by.column, by.row]);
                            &*packed_right
                        }
                        Right::Packed(all) => &all[already..],
                    };
                    already += wide.next_multiple_of(COLUMNS) * lines;
                    for row in (0..rows).step_by(HIGH) {
                        let high = HIGH.min(rows - row);
                        let from = left.add(row * of.row + start * of.column);
                        pack_by::<true>(kernel, packed_left, [high, depth], from, [of.row, of.column]);
                        for at in (0..wide).step_by(COLUMNS) {
                            let right = &packed_right[at * lines..][..COLUMNS * lines];
                            let columns = COLUMNS.min(wide - at);
                            for up in (0..high).step_by(height) {
                                let left = &packed_left[up * lines..][..height * lines];
                                let place = (made.add((row + up) * to.row + (column + at) * to.column), to);
                                let size = [height.min(high - up), columns];
                                match (&tiles, kernel) {
                                    (Some(tiles), _) => tiles.sum(place, left, right, size, read),
                                    (_, Kernel::Numbers) => {
                                        registers::<false>(place, left, right, cells, size, read);
                                    }
                                    _ => registers::<true>(place, left, right, cells, size, read),
                                }
                            }
                        }
                    }
                }
            }
        }
    });
}

/// Few rows by columns whose numbers stand side by side, or whose rows' do; each sum in the order of the other way.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16")]
unsafe fn few(
    [rows, columns, inner]: [usize; 3],
    (made, to): (*mut f32, usize),
    (left, of): (*const f32, Strides),
    (right, by): (*const f32, Strides),
    read: bool,
) {
    const PART: usize = 16 * COLUMNS;
    let depth = Kernel::Numbers.depth();
    for column in (0..columns).step_by(PART) {
        let wide = PART.min(columns - column);
        for start in (0..inner).step_by(depth) {
            let mut sums = [[_mm512_setzero_ps(); PART / LANES]; FEW];
            let end = inner.min(start + depth);
            // SAFETY: the places are within the matrices, and what is not in a mask is not read.
            unsafe {
                let factor = |row: usize, at: usize| _mm512_set1_ps(*left.add(row * of.row + at * of.column));
                if by.column == 1 {
                    for at in start..end {
                        let line = right.wrapping_add(at * by.row + column);
                        for (row, sums) in sums.iter_mut().enumerate().take(rows) {
                            let factor = factor(row, at);
                            for (part, sum) in sums.iter_mut().enumerate().take(wide.div_ceil(LANES)) {
                                let part = part * LANES;
                                let values = _mm512_maskz_loadu_ps(first(wide - part), line.wrapping_add(part));
                                *sum = _mm512_fmadd_ps(factor, values, *sum);
                            }
                        }
                    }
                } else {
                    for (part, lane) in (0..wide).step_by(LANES).enumerate() {
                        for at in (start..end).step_by(LANES) {
                            let from = right.wrapping_add((column + lane) * by.column + at);
                            let cells = by_lane::<false>(from, LANES.min(wide - lane), end - at, by.column);
                            for (at, cells) in (at..end).zip(turned(cells)) {
                                for (row, sums) in sums.iter_mut().enumerate().take(rows) {
                                    let values = _mm512_castsi512_ps(cells);
                                    sums[part] = _mm512_fmadd_ps(factor(row, at), values, sums[part]);
                                }
                            }
                        }
                    }
                }
            }
            for (row, sums) in sums.iter().enumerate().take(rows) {
                for (pair, sums) in sums.as_chunks().0.iter().enumerate().take(wide.div_ceil(COLUMNS)) {
                    let place = made.wrapping_add(row * to + column + pair * COLUMNS);
                    // SAFETY: so many columns are there.
                    unsafe { write((place, 1), *sums, COLUMNS.min(wide - pair * COLUMNS), read || start > 0) };
                }
            }
        }
    }
}

/// [`pack`] for a kernel, in panels of its rows if `BY_LANE`, else of columns.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16")]
unsafe fn pack_by<const BY_LANE: bool>(
    kernel: Kernel,
    to: &mut [Cells],
    sizes: [usize; 2],
    from: *const f32,
    strides: [usize; 2],
) {
    let width = if BY_LANE { kernel.rows() } else { COLUMNS };
    // SAFETY: the caller's promises are the same.
    unsafe {
        match kernel.numbers() {
            1 => pack::<false, BY_LANE>(to, width, sizes, from, strides),
            _ => pack::<true, BY_LANE>(to, width, sizes, from, strides),
        }
    }
}

/// A line of the cache: sixteen numbers of 32 bits, or pairs of 16.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
struct Cells([u32; LANES]);

/// Packs `count` rows, or columns, of the matrix `from` in panels of `width`. A panel is cut along the depth into blocks of
/// sixteen cells, and a block into squares of sixteen lanes at most: line by line a lane's cells if `BY_LANE`, else the
/// lanes of a cell. Zeros stand where there are none.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16")]
unsafe fn pack<const PAIRS: bool, const BY_LANE: bool>(
    to: &mut [Cells],
    width: usize,
    [count, depth]: [usize; 2],
    from: *const f32,
    [stride, step]: [usize; 2],
) {
    let deepest = if PAIRS { 2 * LANES } else { LANES };
    let blocks = depth.div_ceil(deepest);
    for (at, panel) in to.chunks_exact_mut(width * blocks).take(count.div_ceil(width)).enumerate() {
        for (block, lines) in panel.chunks_exact_mut(width).enumerate() {
            let depth = (depth - block * deepest).min(deepest);
            for (square, lines) in lines.chunks_mut(LANES).enumerate() {
                let lane = at * width + square * LANES;
                let lanes = count.saturating_sub(lane).min(lines.len());
                let from = from.wrapping_add(lane * stride + block * deepest * step);
                // SAFETY: only places within the matrix are read.
                let (cells, are_by_lane) = unsafe {
                    if stride == 1 {
                        (by_cell::<PAIRS>(from, lanes, depth, step), false)
                    } else if step == 1 {
                        (by_lane::<PAIRS>(from, lanes, depth, stride), true)
                    } else {
                        let mut all = [[0.0; 2 * LANES]; LANES];
                        for (lane, all) in all.iter_mut().enumerate().take(lanes) {
                            for (at, value) in all.iter_mut().enumerate().take(depth) {
                                *value = *from.add(lane * stride + at * step);
                            }
                        }
                        (by_lane::<PAIRS>(all.as_ptr().cast(), LANES, depth, 2 * LANES), true)
                    }
                };
                let cells = if are_by_lane == BY_LANE { cells } else { turned(cells) };
                for (line, cells) in lines.iter_mut().zip(cells) {
                    // SAFETY: a line is a register's size.
                    unsafe { _mm512_store_si512(line.0.as_mut_ptr().cast(), cells) };
                }
            }
        }
    }
}

/// The cells of so many lanes that lie `stride` apart, a lane a register.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16")]
unsafe fn by_lane<const PAIRS: bool>(from: *const f32, lanes: usize, depth: usize, stride: usize) -> [__m512i; LANES] {
    let masks = [first(depth), first(depth.saturating_sub(LANES))];
    let mut cells = [_mm512_setzero_si512(); LANES];
    for (lane, cells) in cells.iter_mut().enumerate().take(lanes) {
        // SAFETY: what is not in the mask is not read.
        let half = |half: usize| unsafe {
            _mm512_maskz_loadu_ps(masks[half], from.wrapping_add(lane * stride + half * LANES))
        };
        *cells = match PAIRS {
            // SAFETY: the same bits.
            true => unsafe { transmute::<__m512bh, __m512i>(_mm512_cvtne2ps_pbh(half(1), half(0))) },
            false => _mm512_castps_si512(half(0)),
        };
    }
    cells
}

/// The lanes, side by side, of cells of which each number lies `step` behind the one before, a cell a register.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16")]
unsafe fn by_cell<const PAIRS: bool>(from: *const f32, lanes: usize, depth: usize, step: usize) -> [__m512i; LANES] {
    let mask = first(lanes);
    // SAFETY: what is not in the mask is not read.
    let numbers =
        |at: usize| unsafe { _mm512_maskz_loadu_ps(if at < depth { mask } else { 0 }, from.wrapping_add(at * step)) };
    let mut cells = [_mm512_setzero_si512(); LANES];
    for (cell, cells) in cells.iter_mut().enumerate() {
        *cells = match PAIRS {
            true => _mm512_or_si512(wide(numbers(2 * cell)), _mm512_slli_epi32::<16>(wide(numbers(2 * cell + 1)))),
            false => _mm512_castps_si512(numbers(cell)),
        };
    }
    cells
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

/// A square of cells with its rows as columns.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16")]
fn turned(cells: [__m512i; LANES]) -> [__m512i; LANES] {
    let mut two = cells;
    for at in (0..LANES).step_by(2) {
        two[at] = _mm512_unpacklo_epi32(cells[at], cells[at + 1]);
        two[at + 1] = _mm512_unpackhi_epi32(cells[at], cells[at + 1]);
    }
    let mut four = two; // four rows of a column in each quarter
    for at in (0..LANES).step_by(4) {
        for half in 0..2 {
            four[at + 2 * half] = _mm512_unpacklo_epi64(two[at + half], two[at + 2 + half]);
            four[at + 2 * half + 1] = _mm512_unpackhi_epi64(two[at + half], two[at + 2 + half]);
        }
    }
    let mut all = four;
    for at in 0..4 {
        let [a, b, c, d] = [four[at], four[at + 4], four[at + 8], four[at + 12]];
        let (even, odd) = (_mm512_shuffle_i32x4::<0x88>(a, b), _mm512_shuffle_i32x4::<0xdd>(a, b));
        let (more_even, more_odd) = (_mm512_shuffle_i32x4::<0x88>(c, d), _mm512_shuffle_i32x4::<0xdd>(c, d));
        all[at] = _mm512_shuffle_i32x4::<0x88>(even, more_even);
        all[at + 4] = _mm512_shuffle_i32x4::<0x88>(odd, more_odd);
        all[at + 8] = _mm512_shuffle_i32x4::<0xdd>(even, more_even);
        all[at + 12] = _mm512_shuffle_i32x4::<0xdd>(odd, more_odd);
    }
    all
}

/// Tiles that this thread may use as long as this is there.
struct Tiles;

impl Tiles {
    /// Eight tiles of sixteen lines.
    fn begin() -> Self {
        let mut shape = [0u8; 64];
        shape[0] = 1;
        for tile in 0..8 {
            (shape[16 + 2 * tile], shape[48 + tile]) = (64, LANES as u8);
        }
        // SAFETY: the processor has tiles and they may be used: the kernel is chosen so.
        unsafe { asm!("ldtilecfg [{}]", in(reg) shape.as_ptr(), options(nostack, readonly)) };
        Self
    }

    /// Sums over all pairs for up to 32 rows and columns.
    ///
    /// # Safety
    /// So many rows and columns of `made` are there.
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16")]
    unsafe fn sum(
        &self,
        (made, to): (*mut f32, Strides),
        left: &[Cells],
        right: &[Cells],
        [rows, columns]: [usize; 2],
        read: bool,
    ) {
        if [rows, columns] == [COLUMNS; 2] && to.column == 1 {
            // SAFETY: all that is written is there.
            return unsafe { self.whole(made, to.row, left, right, read) };
        }
        let mut sums = [[0.0; COLUMNS]; COLUMNS];
        // SAFETY: there is room, and so many places are in what is made.
        unsafe {
            if read {
                for (row, sums) in sums.iter_mut().enumerate().take(rows) {
                    for (column, sum) in sums.iter_mut().enumerate().take(columns) {
                        *sum = *made.add(row * to.row + column * to.column);
                    }
                }
            }
            // added to what is there in the tile, as where it is whole
            self.whole(sums.as_mut_ptr().cast(), COLUMNS, left, right, read);
            for (row, sums) in sums.iter().enumerate().take(rows) {
                let sums = [0, LANES].map(|half| _mm512_loadu_ps(sums[half..].as_ptr()));
                write((made.add(row * to.row), to.column), sums, columns, false);
            }
        }
    }

    /// 32 rows and 32 columns, which lie side by side.
    unsafe fn whole(&self, made: *mut f32, row: usize, left: &[Cells], right: &[Cells], read: bool) {
        debug_assert_eq!(left.len(), right.len());
        let blocks = left.len() / COLUMNS;
        // SAFETY: four tiles are read and written, `row` numbers from line to line; of what is packed as many as there are.
        unsafe {
            asm!(
                "test {read:e}, {read:e}",
                "jnz 2f",
                "tilezero tmm0",
                "tilezero tmm1",
                "tilezero tmm2",
                "tilezero tmm3",
                "jmp 3f",
                "2:",
                "tileloadd tmm0, [{made} + {row}]",
                "tileloadd tmm1, [{made} + {row} + 64]",
                "tileloadd tmm2, [{low} + {row}]",
                "tileloadd tmm3, [{low} + {row} + 64]",
                "3:",
                "tileloadd tmm4, [{left} + {line}]",
                "tileloadd tmm6, [{right} + {line}]",
                "tileloadd tmm5, [{left} + {line} + 1024]",
                "tileloadd tmm7, [{right} + {line} + 1024]",
                "tdpbf16ps tmm0, tmm4, tmm6",
                "tdpbf16ps tmm1, tmm4, tmm7",
                "tdpbf16ps tmm2, tmm5, tmm6",
                "tdpbf16ps tmm3, tmm5, tmm7",
                "add {left}, 2048",
                "add {right}, 2048",
                "dec {blocks}",
                "jnz 3b",
                "tilestored [{made} + {row}], tmm0",
                "tilestored [{made} + {row} + 64], tmm1",
                "tilestored [{low} + {row}], tmm2",
                "tilestored [{low} + {row} + 64], tmm3",
                read = in(reg) u32::from(read),
                made = in(reg) made,
                low = in(reg) made.wrapping_add(LANES * row),
                row = in(reg) row * size_of::<f32>(),
                line = in(reg) size_of::<Cells>(),
                left = inout(reg) left.as_ptr() => _,
                right = inout(reg) right.as_ptr() => _,
                blocks = inout(reg) blocks => _,
                out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _,
                out("tmm4") _, out("tmm5") _, out("tmm6") _, out("tmm7") _,
                options(nostack),
            );
        }
    }
}

impl Drop for Tiles {
    fn drop(&mut self) {
        // SAFETY: they were begun.
        unsafe { asm!("tilerelease", options(nostack, nomem)) };
    }
}

/// [`tile`] for so many rows as there are.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16")]
unsafe fn registers<const PAIRS: bool>(
    made: (*mut f32, Strides),
    left: &[Cells],
    right: &[Cells],
    count: usize,
    [rows, columns]: [usize; 2],
    read: bool,
) {
    macro_rules! of_rows {
        ($($rows:literal)*) => {
            match rows {
                // SAFETY: the caller's promises are the same.
                $($rows => unsafe { tile::<PAIRS, $rows>(made, left, right, count, columns, read) },)*
                _ => unreachable!("a panel has 14 rows at most"),
            }
        };
    }
    of_rows!(1 2 3 4 5 6 7 8 9 10 11 12 13 14);
}

/// Sums over `count` cells for so many rows and up to 32 columns.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16")]
unsafe fn tile<const PAIRS: bool, const ROWS: usize>(
    (made, to): (*mut f32, Strides),
    left: &[Cells],
    right: &[Cells],
    count: usize,
    columns: usize,
    read: bool,
) {
    let mut sums = [[_mm512_setzero_ps(); 2]; ROWS];
    if to.column == 1 {
        for row in 0..ROWS {
            _mm_prefetch::<_MM_HINT_T0>(made.wrapping_add(row * to.row).cast());
            _mm_prefetch::<_MM_HINT_T0>(made.wrapping_add(row * to.row + LANES).cast());
        }
    }
    let height = Kernel::Numbers.rows();
    for (block, (left, right)) in left.chunks_exact(height).zip(right.chunks_exact(COLUMNS)).enumerate() {
        for cell in 0..LANES.min(count - block * LANES) {
            // SAFETY: a line is a register.
            let right = [0, LANES].map(|half| unsafe { _mm512_load_si512(right[half + cell].0.as_ptr().cast()) });
            for (sums, left) in sums.iter_mut().zip(left) {
                let left = _mm512_set1_epi32(left.0[cell] as i32);
                for (sum, right) in sums.iter_mut().zip(right) {
                    *sum = match PAIRS {
                        // SAFETY: the same bits.
                        true => unsafe {
                            _mm512_dpbf16_ps(
                                *sum,
                                transmute::<__m512i, __m512bh>(left),
                                transmute::<__m512i, __m512bh>(right),
                            )
                        },
                        false => _mm512_fmadd_ps(_mm512_castsi512_ps(left), _mm512_castsi512_ps(right), *sum),
                    };
                }
            }
        }
    }
    for (row, sums) in sums.into_iter().enumerate() {
        // SAFETY: only so many rows and columns are read and written, which the caller promises to be there.
        unsafe { write((made.add(row * to.row), to.column), sums, columns, read) };
    }
}

/// Writes the sums of a row, so many of which are wanted.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16")]
unsafe fn write((made, step): (*mut f32, usize), sums: [__m512; 2], columns: usize, read: bool) {
    // SAFETY: only so many columns are read and written, which the caller promises to be there.
    unsafe {
        if step == 1 {
            for (half, sum) in sums.into_iter().enumerate() {
                let made = made.wrapping_add(half * LANES);
                let mask = first(columns.saturating_sub(half * LANES));
                let before = _mm512_maskz_loadu_ps(if read { mask } else { 0 }, made);
                _mm512_mask_storeu_ps(made, mask, _mm512_add_ps(sum, before));
            }
        } else {
            scatter((made, step), transmute::<[__m512; 2], [f32; COLUMNS]>(sums), columns, read);
        }
    }
}

/// [`write`] of columns that stand apart.
#[cold]
unsafe fn scatter((made, step): (*mut f32, usize), sums: [f32; COLUMNS], columns: usize, read: bool) {
    for (column, sum) in sums.into_iter().enumerate().take(columns) {
        // SAFETY: only so many columns are read and written, which the caller promises to be there.
        unsafe {
            let made = made.add(column * step);
            *made = if read { *made + sum } else { sum };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::matrix::{rows_of, turned};
    use super::*;
    use crate::random::{Purpose, RngExt, random};

    /// Those that are there.
    fn kernels() -> Vec<Kernel> {
        let best = [Precision::Float32, Precision::Bfloat16].map(Kernel::of);
        if best[0].is_none() {
            eprintln!("this processor has no AVX-512 BF16: not tested");
        }
        let pairs = best[1].filter(|kernel| *kernel == Kernel::Tiles).map(|_| Kernel::Pairs);
        best.into_iter().chain([pairs]).flatten().collect()
    }

    /// As a kernel reads it: in bfloat16 to the nearest number with eight digits, of two the even one.
    fn read_by(kernel: Kernel, value: f32) -> f64 {
        let bits = value.to_bits();
        f64::from(match kernel {
            Kernel::Numbers => value,
            Kernel::Pairs | Kernel::Tiles => f32::from_bits((bits + 0x7fff + (bits >> 16 & 1)) & 0xffff_0000),
        })
    }

    #[test]
    fn sums_of_products() {
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
            [64, 64, 800],
            [3, 1100, 600],
        ];
        for (kernel, [rows, columns, inner]) in
            kernels().into_iter().flat_map(|kernel| sizes.map(|size| (kernel, size)))
        {
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
                    let (left, right) = ((left.as_ptr(), of), (right.as_ptr(), by));
                    // SAFETY: the matrices are as large as is said.
                    unsafe {
                        multiply(kernel, [rows, columns, inner], (made.as_mut_ptr(), to), left, right, read, shared);
                    }
                    made
                };
                let (new, added) = (make(false, false), make(true, false));
                for row in 0..rows {
                    for column in (0..columns).step_by(1 + columns / 50) {
                        let term = |at: usize| {
                            read_by(kernel, left[row * of.row + at * of.column])
                                * read_by(kernel, right[at * by.row + column * by.column])
                        };
                        let (sum, at) = ((0..inner).map(term).sum::<f64>(), row * to.row + column * to.column);
                        let place = format!("{kernel:?}, {rows} × {columns} × {inner}, {turns}: {row}, {column}");
                        assert!((f64::from(new[at]) - sum).abs() < 2e-5, "{place}: {} and {sum}", new[at]);
                        assert!((f64::from(added[at] - before[at]) - sum).abs() < 2e-5, "{place}");
                    }
                }
                assert_eq!(make(false, true), new, "the same on all cores");
                if to.column == 1 {
                    let mut made = before.clone();
                    // SAFETY: the matrices are as large as is said.
                    unsafe {
                        let packed = Packed::new(kernel, [inner, columns], (right.as_ptr(), by));
                        packed.multiply(rows, (made.as_mut_ptr(), to), (left.as_ptr(), of), true);
                    }
                    assert_eq!(made, added, "the same where the right matrix was packed before");
                }
            }
        }
    }

    #[test]
    fn rows_that_stand_apart_and_rows_alone() {
        let mut random = random(1, 0, 0, Purpose::Synthetic);
        let (rows, columns, inner, width) = (33, 41, 500, 50);
        let mut draw = |count: usize| -> Vec<f32> { (0..count).map(|_| random.random_range(-1.0..1.0)).collect() };
        // columns of every other number too
        let (left, right) = (draw(rows * inner), draw(2 * inner * columns));
        for kernel in kernels() {
            let make = |from: usize, rows: usize| {
                let mut made = vec![9.0; rows * width];
                let left = (left[from * inner..].as_ptr(), rows_of(inner));
                let right = (right.as_ptr(), Strides { row: 2 * columns, column: 2 });
                // SAFETY: the matrices are as large as is said.
                unsafe {
                    let room = (made.as_mut_ptr(), Strides { row: width, column: 1 });
                    multiply(kernel, [rows, columns, inner], room, left, right, false, true);
                }
                made
            };
            let all = make(0, rows);
            assert!(all.chunks(width).all(|row| row[columns..].iter().all(|value| *value == 9.0)));
            for (row, made) in all.chunks(width).enumerate() {
                assert_eq!(make(row, 1), made, "{kernel:?}, {row}");
                let term = |at: usize| {
                    read_by(kernel, left[row * inner + at]) * read_by(kernel, right[2 * (at * columns + 7)])
                };
                assert!((f64::from(made[7]) - (0..inner).map(term).sum::<f64>()).abs() < 2e-5, "{kernel:?}, {row}");
            }
        }
    }

    #[test]
    fn what_is_not_finite_stays() {
        for (kernel, value) in kernels()
            .into_iter()
            .flat_map(|kernel| [f32::INFINITY, f32::NEG_INFINITY, f32::NAN].map(|value| (kernel, value)))
        {
            let (mut left, right, mut made) = (vec![1.0; 8 * 16], vec![1.0; 16 * 16], vec![0.0; 8 * 16]);
            left[3] = value;
            // SAFETY: the matrices are as large as is said.
            unsafe {
                let room = (made.as_mut_ptr(), rows_of(16));
                let (left, right) = ((left.as_ptr(), rows_of(16)), (right.as_ptr(), rows_of(16)));
                multiply(kernel, [8, 16, 16], room, left, right, false, false);
            }
            assert!(made[0] == value || made[0].is_nan() && value.is_nan(), "{kernel:?}, {value}: {}", made[0]);
            assert_eq!(made[16], 16.0);
        }
    }
}
