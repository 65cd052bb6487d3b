//! Reads a JPEG at a half, a quarter or an eighth of its size, from the lowest frequencies of each block alone: what is
//! scaled down further anyway need not be decoded whole.
//!
//! It knows the usual kind: baseline, 8 bits, grey or YCbCr, all in one scan. It answers anything else, damage included, with
//! `None`, and the decoder of whole pictures has the word.
//!
//! ITU-T T.81 (1992). Differs: a block of 8 × 8 becomes one of `size` × `size` by the shorter cosine transform of its lowest
//! frequencies; colours that are stored at a half or a quarter of the size give more of theirs, so that nothing is scaled up.
use super::image::Picture;
use crate::kernels::{Wide, wide};

/// Side of a block of the file.
const BLOCK: usize = 8;
/// Bits of a code that are looked up at once.
const LOOK: u32 = 10;
/// A run that ends the block.
const END: u8 = 64;

/// Place in a block, `[row, column]`, of the numbers in the order of the file.
#[rustfmt::skip]
const ORDER: [u8; 64] = [
    0, 1, 8, 16, 9, 2, 3, 10, 17, 24, 32, 25, 18, 11, 4, 5, 12, 19, 26, 33, 40, 48, 41, 34, 27, 20, 13, 6, 7, 14, 21, 28,
    35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51, 58, 59, 52, 45, 38, 31, 39, 46, 53, 60, 61, 54, 47, 55, 62, 63,
];

/// Rows and columns, at least, that hold the numbers up to a place in the order of the file.
const REACH: [[u8; 2]; 64] = {
    let mut reach = [[1; 2]; 64];
    let mut at = 1;
    while at < 64 {
        let (row, column) = (ORDER[at] / 8 + 1, ORDER[at] % 8 + 1);
        let [rows, columns] = reach[at - 1];
        reach[at] = [if row > rows { row } else { rows }, if column > columns { column } else { columns }];
        at += 1;
    }
    reach
};

/// What stands before the first scan.
pub(super) struct Header<'a> {
    /// Rows.
    pub(super) height: usize,
    /// Columns.
    pub(super) width: usize,
    /// The content of an EXIF segment.
    pub(super) exif: Option<&'a [u8]>,
    parts: Vec<Part>,
    dividers: [Option<[f32; 64]>; 4],
    /// Of the first number of a block, then of the others.
    codes: [[Option<Box<Codes>>; 4]; 2],
    /// Groups of blocks after which the code begins anew; 0: never.
    restart: usize,
    scan: &'a [u8],
}

/// Brightness, or one of the two colours.
#[derive(Clone, Default)]
struct Part {
    id: u8,
    /// Blocks of a group, across and down.
    across: usize,
    down: usize,
    divider: usize,
    /// Which codes, of the first number and of the others.
    codes: [usize; 2],
}

impl<'a> Header<'a> {
    /// Reads up to the first scan; `None` for a kind that is not read here.
    pub(super) fn read(bytes: &'a [u8]) -> Option<Self> {
        let mut header = Self {
            height: 0,
            width: 0,
            exif: None,
            parts: Vec::new(),
            dividers: [None; 4],
            codes: Default::default(),
            restart: 0,
            scan: &[],
        };
        let mut rest = bytes.strip_prefix(&[0xff, 0xd8])?;
        loop {
            let marker = match rest {
                [0xff, 0xff, ..] => {
                    rest = &rest[1..];
                    continue;
                }
                [0xff, marker, ..] => *marker,
                _ => return None,
            };
            let length = usize::from(u16::from_be_bytes([*rest.get(2)?, *rest.get(3)?]));
            let body = rest.get(4..2 + length)?;
            rest = &rest[2 + length..];
            match marker {
                0xc0 | 0xc1 => header.frame(body)?,
                0xc4 => header.codes(body)?,
                0xdb => header.dividers(body)?,
                0xdd => header.restart = usize::from(u16::from_be_bytes(body.try_into().ok()?)),
                0xda => {
                    header.scan = rest;
                    header.order(body)?;
                    return Some(header);
                }
                0xe1 if body.starts_with(b"Exif\0\0") => header.exif = Some(&body[6..]),
                // Adobe's mark of another way to write colours.
                0xee if body.starts_with(b"Adobe") && body.get(11) != Some(&1) => return None,
                0xe0..=0xef | 0xfe => {}
                _ => return None,
            }
        }
    }

    fn frame(&mut self, body: &[u8]) -> Option<()> {
        let (&[bits, top, bottom, left, right, count], parts) = body.split_first_chunk()?;
        self.height = usize::from(u16::from_be_bytes([top, bottom]));
        self.width = usize::from(u16::from_be_bytes([left, right]));
        let known = bits == 8 && self.parts.is_empty() && (count == 1 || count == 3) && self.height * self.width > 0;
        if !known || parts.len() != usize::from(count) * 3 {
            return None;
        }
        for part in parts.chunks_exact(3) {
            let (across, down) = (usize::from(part[1] >> 4), usize::from(part[1] & 15));
            self.parts.push(Part { id: part[0], across, down, divider: usize::from(part[2]), codes: [0; 2] });
        }
        match &mut self.parts[..] {
            [only] => (only.across, only.down) = (1, 1), // alone its groups are single blocks, whatever it says
            parts if parts.iter().map(|part| part.id).eq(*b"RGB") => return None,
            _ => {}
        }
        let (across, down) = self.group();
        let even = |part: &Part| [1, 2, 4].contains(&part.across) && [1, 2, 4].contains(&part.down);
        // The first, brightness, is the finest.
        (self.parts.iter().all(even) && (self.parts[0].across, self.parts[0].down) == (across, down)).then_some(())
    }

    /// Most blocks of a part in a group, across and down.
    fn group(&self) -> (usize, usize) {
        let most = |side: fn(&Part) -> usize| self.parts.iter().map(side).max().unwrap_or(1);
        (most(|part| part.across), most(|part| part.down))
    }

    fn dividers(&mut self, mut body: &[u8]) -> Option<()> {
        while let Some((&head, rest)) = body.split_first() {
            let wide = usize::from(head >> 4);
            let numbers = rest.get(..64 << wide).filter(|_| wide < 2)?;
            let number = |at: usize| match wide {
                0 => f32::from(numbers[at]),
                _ => f32::from(u16::from_be_bytes([numbers[2 * at], numbers[2 * at + 1]])),
            };
            *self.dividers.get_mut(usize::from(head & 15))? = Some(std::array::from_fn(number));
            body = &rest[numbers.len()..];
        }
        Some(())
    }

    fn codes(&mut self, mut body: &[u8]) -> Option<()> {
        while let Some((&head, rest)) = body.split_first() {
            let (counts, rest) = rest.split_first_chunk::<16>()?;
            let values = rest.get(..counts.iter().map(|count| usize::from(*count)).sum())?;
            let codes = Codes::new(counts, values, head >> 4 == 0)?;
            *self.codes.get_mut(usize::from(head >> 4))?.get_mut(usize::from(head & 15))? = Some(Box::new(codes));
            body = &rest[values.len()..];
        }
        Some(())
    }

    /// The head of a scan, which must have all parts.
    fn order(&mut self, body: &[u8]) -> Option<()> {
        let count = self.parts.len();
        if count == 0 || body.len() != 4 + 2 * count || usize::from(body[0]) != count {
            return None;
        }
        let all = body[1 + 2 * count..] == [0, 63, 0];
        for (part, chosen) in self.parts.iter_mut().zip(body[1..].chunks_exact(2)) {
            part.codes = [usize::from(chosen[1] >> 4), usize::from(chosen[1] & 15)];
            if part.id != chosen[0] || !all {
                return None;
            }
        }
        Some(())
    }

    /// The picture, `size` eighths of its height and width, rounded up; `size` is 1, 2 or 4.
    ///
    /// Memory is that of the result, and of the file. `None` for a kind that is not read here, and for a damaged one.
    pub(super) fn decode(&self, size: usize) -> Option<Picture> {
        let mut picture = None;
        wide(Decoding { header: self, size, picture: &mut picture });
        picture
    }
}

/// The least of 1, 2 and 4 eighths that is at least `share`.
pub(super) fn eighths(share: f64) -> Option<usize> {
    [1, 2, 4].into_iter().find(|size| *size as f64 / 8.0 >= share)
}

/// A table of codes, as a file gives it.
struct Codes {
    /// By the next [`LOOK`] bits: what the code says; nothing for a longer code.
    short: [Code; 1 << LOOK],
    /// Codes of 1 to 16 bits end before this one, of 16 bits.
    ends: [u32; 17],
    /// Place of a length's first value, less its first code.
    places: [i32; 17],
    says: [Code; 256],
}

/// What a code says: some zeros, then a number of some bits.
#[derive(Clone, Copy, Default)]
struct Code {
    /// Bits of the code; 0: none.
    length: u8,
    /// Bits of the code and of its number.
    total: u8,
    zeros: u8,
    bits: u8,
}

impl Codes {
    /// From how many values have codes of 1 to 16 bits, and the values.
    fn new(counts: &[u8; 16], values: &[u8], first: bool) -> Option<Self> {
        let mut codes =
            Self { short: [Code::default(); 1 << LOOK], ends: [0; 17], places: [0; 17], says: [Code::default(); 256] };
        let (mut code, mut place) = (0_u32, 0);
        for length in 1..=16_u32 {
            let count = usize::from(counts[length as usize - 1]);
            codes.places[length as usize] = place as i32 - code as i32;
            for value in values.get(place..place + count)? {
                let said = Code::of(*value, length as u8, first);
                *codes.says.get_mut(place)? = said;
                if length <= LOOK {
                    let shift = LOOK - length;
                    codes.short.get_mut((code << shift) as usize..((code + 1) << shift) as usize)?.fill(said);
                }
                (code, place) = (code + 1, place + 1);
            }
            if code > 1 << length {
                return None;
            }
            codes.ends[length as usize] = code << (16 - length);
            code <<= 1;
        }
        Some(codes)
    }

    /// The code that the next 16 bits begin with; none where there is none.
    #[cold]
    #[inline(never)]
    fn long(&self, next: u32) -> Code {
        let length = (1..=16).find(|length| next < self.ends[*length]).unwrap_or(0);
        let place = self.places[length] + (next >> (16 - length)) as i32;
        match length {
            0 => Code::default(),
            _ => self.says.get(place as usize).copied().unwrap_or_default(),
        }
    }
}

impl Code {
    fn of(value: u8, length: u8, first: bool) -> Self {
        let (zeros, bits) = (value >> 4, value & 15);
        let known = match (first, zeros, bits) {
            (true, zeros, bits) => zeros == 0 && bits <= 11,
            (false, 0 | 15, 0) => true,
            (false, _, bits) => (1..=10).contains(&bits),
        };
        let zeros = if !first && value == 0 { END } else { zeros };
        if known { Self { length, total: length + bits, zeros, bits } } else { Self::default() }
    }
}

/// Bits of a stretch of the scan, without what is stuffed between them.
struct Bits<'a> {
    /// With some zeros behind.
    bytes: &'a [u8],
    at: usize,
    /// The next bits, the first one highest.
    next: u64,
    have: u32,
}

/// Zeros behind a stretch.
const BEHIND: usize = 16;

impl<'a> Bits<'a> {
    fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0, next: 0, have: 0 }
    }

    /// Sees to it that there are 56 bits, enough for two codes and their numbers; past the end they are zeros.
    #[inline(always)]
    fn fill(&mut self) {
        let word =
            self.bytes[self.at.min(self.bytes.len() - 8)..].first_chunk().map_or(0, |word| u64::from_be_bytes(*word));
        self.next |= word >> self.have;
        let count = (63 - self.have) >> 3;
        self.at += count as usize;
        self.have += count * 8;
    }

    /// Whether more was read than there is.
    fn over(&self) -> bool {
        self.at * 8 - self.have as usize > (self.bytes.len() - BEHIND) * 8
    }

    /// The next code and its number, at most two after a [`Bits::fill`]; zeros are [`END`] at the end of a block.
    #[inline(always)]
    fn read(&mut self, codes: &Codes) -> Option<(u8, i32)> {
        let mut code = codes.short[(self.next >> (64 - LOOK)) as usize];
        if code.length == 0 {
            code = codes.long((self.next >> 48) as u32);
            if code.length == 0 {
                return None;
            }
        }
        let behind = self.next << code.length;
        let value = (behind >> 1 >> (63 - code.bits)) as i32;
        // A number that begins with 0 is negative.
        let negative = !((behind as i64 >> 63) as i32);
        self.next <<= code.total;
        self.have -= u32::from(code.total);
        Some((code.zeros, value + (negative & (1 - (1 << code.bits)))))
    }
}

/// Takes from `scan` what stands before the next marker to `bytes`, without stuffed zeros; the rest begins with the marker.
#[inline(always)]
fn stretch<'a>(scan: &'a [u8], bytes: &mut Vec<u8>) -> &'a [u8] {
    bytes.clear();
    let mut rest = scan;
    loop {
        while let Some((chunk, behind)) = rest.split_first_chunk::<32>() {
            if chunk.iter().fold(false, |found, byte| found | (*byte == 0xff)) {
                break;
            }
            bytes.extend_from_slice(chunk);
            rest = behind;
        }
        let end = rest.iter().position(|byte| *byte == 0xff).unwrap_or(rest.len());
        bytes.extend_from_slice(&rest[..end]);
        rest = &rest[end..];
        match rest {
            [0xff, 0, ..] => {
                bytes.push(0xff);
                rest = &rest[2..];
            }
            _ => break,
        }
    }
    bytes.extend_from_slice(&[0; BEHIND]);
    rest
}

/// Cosines of `0..=8` sixteenths of a half turn.
const COSINES: [f32; 9] =
    [1.0, 0.980_785_25, 0.923_879_5, 0.831_469_6, 0.707_106_77, 0.555_570_2, 0.382_683_43, 0.195_090_32, 0.0];

/// Weights of frequencies, `[frequency, place]`, that make `size` places.
fn waves(size: usize) -> [[f32; BLOCK]; BLOCK] {
    let wave = |frequency: usize, place: usize| {
        let turn = (2 * place + 1) * frequency * (BLOCK / size) % 32;
        let cosine = match turn {
            0..=8 => COSINES[turn],
            9..=16 => -COSINES[16 - turn],
            17..=24 => -COSINES[turn - 16],
            _ => COSINES[32 - turn],
        };
        if frequency == 0 { COSINES[4] / 2.0 } else { cosine / 2.0 }
    };
    std::array::from_fn(|frequency| {
        std::array::from_fn(|place| if frequency.max(place) < size { wave(frequency, place) } else { 0.0 })
    })
}

/// How a part's blocks become places.
struct Shape {
    /// Places of a block, down and across.
    rows: usize,
    columns: usize,
    down: [[f32; BLOCK]; BLOCK],
    across: [[f32; BLOCK]; BLOCK],
}

/// A part's numbers, `[row, column]`.
struct Block {
    numbers: [[f32; BLOCK]; BLOCK],
    /// How many rows and columns of them may be other than zero.
    rows: usize,
    columns: usize,
}

impl Shape {
    /// Makes the places of a block, each row of them written 8 wide.
    #[inline(always)]
    fn draw(&self, block: &Block, places: &mut [i16], stride: usize) {
        match self.rows {
            1 => self.rows::<1>(block, places, stride),
            2 => self.rows::<2>(block, places, stride),
            4 => self.rows::<4>(block, places, stride),
            _ => self.rows::<8>(block, places, stride),
        }
    }

    #[inline(always)]
    fn rows<const ROWS: usize>(&self, block: &Block, places: &mut [i16], stride: usize) {
        let level = [block.numbers[0][0] / 8.0; BLOCK];
        let (rows, columns) = (block.rows.min(ROWS), block.columns.min(self.columns));
        let mut down = [[0.0_f32; BLOCK]; ROWS];
        let plain = rows.max(columns) == 1;
        if !plain {
            for (row, sums) in down.iter_mut().enumerate() {
                *sums = sum(&block.numbers[..rows], |at| self.down[at][row]);
            }
        }
        for (row, numbers) in down.iter().enumerate() {
            let drawn = if plain { level } else { sum(&self.across[..columns], |at| numbers[at]) };
            if let Some(places) = places.get_mut(row * stride..).and_then(|places| places.first_chunk_mut()) {
                *places = drawn.map(whole);
            }
        }
    }
}

/// The weighted sum of rows.
#[inline(always)]
fn sum(rows: &[[f32; BLOCK]], weight: impl Fn(usize) -> f32) -> [f32; BLOCK] {
    let mut sums = [0.0; BLOCK];
    for (at, row) in rows.iter().enumerate() {
        let weight = weight(at);
        for (sum, number) in sums.iter_mut().zip(row) {
            *sum += weight * number;
        }
    }
    sums
}

/// The work of [`Header::decode`].
struct Decoding<'a> {
    header: &'a Header<'a>,
    size: usize,
    picture: &'a mut Option<Picture>,
}

impl Wide for Decoding<'_> {
    #[inline(always)]
    fn run(self) {
        *self.picture = decode(self.header, self.size);
    }
}

#[inline(always)]
fn decode(header: &Header, size: usize) -> Option<Picture> {
    let (across, down) = header.group();
    let mut shapes = Vec::new();
    for part in &header.parts {
        let (rows, columns) = (size * down / part.down, size * across / part.across);
        if rows > BLOCK || columns > BLOCK {
            return None;
        }
        shapes.push(Shape { rows, columns, down: waves(rows), across: waves(columns) });
    }
    let side = |length: usize| (length * size).div_ceil(BLOCK);
    let (height, width) = (side(header.height), side(header.width));
    let groups = [header.height.div_ceil(BLOCK * down), header.width.div_ceil(BLOCK * across)];
    // The places of one row of groups, part by part; a row of a block is written 8 wide.
    let (high, stride) = (size * down, groups[1] * size * across + BLOCK);
    let mut parts = vec![vec![0_i16; high * stride]; header.parts.len()];
    let zeros = vec![0_i16; stride * high];
    let mut pixels = vec![0_u8; height * width * 3];

    let mut tables = Vec::new();
    for part in &header.parts {
        let codes = |kind: usize| header.codes[kind].get(part.codes[kind])?.as_deref();
        tables.push((codes(0)?, codes(1)?, header.dividers.get(part.divider)?.as_ref()?));
    }
    let mut bytes = Vec::new();
    let mut rest = stretch(header.scan, &mut bytes);
    let mut bits = Bits::new(&bytes);
    let mut before = [0_i32; 3];
    let mut block = Block { numbers: [[0.0; BLOCK]; BLOCK], rows: 1, columns: 1 };
    let (mut left, mut turn) = (header.restart, 0);
    for row in 0..groups[0] {
        for column in 0..groups[1] {
            if header.restart > 0 {
                if left == 0 {
                    let over = bits.over();
                    match rest {
                        [0xff, marker, behind @ ..] if *marker == 0xd0 + turn && !over => {
                            rest = stretch(behind, &mut bytes);
                            bits = Bits::new(&bytes);
                        }
                        _ => return None,
                    }
                    (before, left, turn) = ([0; 3], header.restart, (turn + 1) % 8);
                }
                left -= 1;
            }
            for (at, part) in header.parts.iter().enumerate() {
                let (first, others, divider) = tables[at];
                let shape = &shapes[at];
                for index in 0..part.down * part.across {
                    let (y, x) = (
                        index / part.across * shape.rows,
                        (column * part.across + index % part.across) * shape.columns,
                    );
                    block.read(&mut bits, first, others, divider, &mut before[at])?;
                    shape.draw(&block, &mut parts[at][y * stride + x..], stride);
                }
            }
        }
        if bits.over() {
            return None;
        }
        for y in 0..high.min(height - (row * high).min(height)) {
            let line = |part: usize| parts.get(part).unwrap_or(&zeros)[y * stride..].get(..stride).unwrap_or(&zeros);
            colours(line(0), line(1), line(2), &mut pixels[(row * high + y) * width * 3..][..width * 3]);
        }
    }
    while let [0xff, 0xff, ..] = rest {
        rest = &rest[1..];
    }
    matches!(rest, [0xff, 0xd9, ..]).then_some(Picture { height, width, pixels })
}

impl Block {
    /// Reads the next one.
    #[inline(always)]
    fn read(
        &mut self,
        bits: &mut Bits,
        first: &Codes,
        others: &Codes,
        divider: &[f32; 64],
        before: &mut i32,
    ) -> Option<()> {
        self.numbers = [[0.0; BLOCK]; BLOCK];
        let numbers = self.numbers.as_flattened_mut();
        bits.fill();
        *before = before.wrapping_add(bits.read(first)?.1);
        numbers[0] = *before as f32 * divider[0];
        let mut at = 0;
        'block: while at < 63 {
            bits.fill();
            for _ in 0..2 {
                let (zeros, value) = bits.read(others)?;
                let next = at + 1 + usize::from(zeros);
                if next > 63 {
                    if zeros < END {
                        return None;
                    }
                    break 'block;
                }
                numbers[usize::from(ORDER[next])] = value as f32 * divider[next];
                at = next;
                if at == 63 {
                    break;
                }
            }
        }
        (self.rows, self.columns) = (usize::from(REACH[at][0]), usize::from(REACH[at][1]));
        Some(())
    }
}

/// A row of brightness and of two differences, to blue and to red, as red, green, blue.
#[inline(always)]
fn colours(bright: &[i16], blue: &[i16], red: &[i16], pixels: &mut [u8]) {
    for (((pixel, bright), blue), red) in pixels.as_chunks_mut::<3>().0.iter_mut().zip(bright).zip(blue).zip(red) {
        let (bright, blue, red) = (((i32::from(*bright) + 128) << 16) + 32768, i32::from(*blue), i32::from(*red));
        let sums = [bright + 91881 * red, bright - 22554 * blue - 46802 * red, bright + 116_130 * blue];
        *pixel = sums.map(|sum| (sum >> 16).clamp(0, 255) as u8);
    }
}

/// The nearest whole number, of -1024 to 1023, by the bits of a float, which compilers put into whole registers.
#[inline(always)]
fn whole(value: f32) -> i16 {
    (value.clamp(-1024.0, 1023.0) + 12_582_912.0).to_bits() as i16
}

#[cfg(test)]
mod tests {
    use super::super::image::{Fit, Limits, decode, fitted, resize};
    use super::*;
    use crate::Result;
    use image::{ExtendedColorType, ImageEncoder, codecs::jpeg::JpegEncoder};

    /// 97 × 67, colours at half the height and width, begun anew after every five groups.
    const QUARTER: &[u8] = include_bytes!("../../tests/fixtures/waves_420.jpg");
    /// 97 × 67, colours at half the width.
    const HALF: &[u8] = include_bytes!("../../tests/fixtures/waves_422.jpg");
    const PROGRESSIVE: &[u8] = include_bytes!("../../tests/fixtures/quarters_progressive.jpg");
    const CMYK: &[u8] = include_bytes!("../../tests/fixtures/quarters_cmyk.jpg");

    fn whole(bytes: &[u8]) -> Picture {
        decode(bytes, &Limits::default(), 8).unwrap()
    }

    fn square(bytes: &[u8], size: usize, fit: Fit) -> Result<Picture> {
        fitted(bytes, &Limits { max_pixels: 100_000, ..Limits::default() }, size, fit)
    }

    /// The same picture with colours at full size, and without colours.
    fn written() -> [Vec<u8>; 2] {
        let Picture { height, width, pixels } = whole(HALF);
        let (mut colours, mut greys) = (Vec::new(), Vec::new());
        let (across, down) = (width as u32, height as u32);
        let encoder = |bytes| JpegEncoder::new_with_quality(bytes, 90);
        encoder(&mut colours).write_image(&pixels, across, down, ExtendedColorType::Rgb8).unwrap();
        let red: Vec<u8> = pixels.iter().step_by(3).copied().collect();
        encoder(&mut greys).write_image(&red, across, down, ExtendedColorType::L8).unwrap();
        [colours, greys]
    }

    /// Mean and largest difference of a colour value.
    fn far(one: &Picture, other: &Picture) -> (f64, u8) {
        assert_eq!((one.height, one.width), (other.height, other.width));
        let apart = || one.pixels.iter().zip(&other.pixels).map(|(one, other)| one.abs_diff(*other));
        (apart().map(f64::from).sum::<f64>() / one.pixels.len() as f64, apart().max().unwrap())
    }

    /// Beside what a whole picture gives, a colour value of these hard little pictures is off by this much in the mean, of 255,
    /// at most; most are off by 1 or 2.
    const NEAR: f64 = 5.0;

    #[test]
    fn a_square_is_nearly_the_one_of_the_whole_picture() {
        let [colours, greys] = written();
        for (name, bytes) in [("4:2:0", QUARTER), ("4:2:2", HALF), ("4:4:4", &colours), ("grey", &greys)] {
            for fit in [Fit::Contain, Fit::Cover, Fit::Stretch] {
                for size in [6, 8, 12, 16, 24, 32] {
                    let (mean, _) = far(&square(bytes, size, fit).unwrap(), &resize(&whole(bytes), size, size, fit));
                    assert!(mean < NEAR, "{name} {fit:?} {size}: {mean}");
                }
            }
        }
    }

    #[test]
    fn as_little_is_read_as_the_square_needs() {
        let eighths = [0.01, 0.125, 0.126, 0.25, 0.4, 0.5, 0.51, 3.0].map(eighths);
        assert_eq!(eighths, [Some(1), Some(1), Some(2), Some(2), Some(4), Some(4), None, None]);
        let header = Header::read(QUARTER).unwrap();
        let sides = |size| header.decode(size).map(|picture| [picture.width, picture.height]).unwrap();
        assert_eq!([1, 2, 4].map(sides), [[13, 9], [25, 17], [49, 34]]);
        for (size, fit) in [(49, Fit::Contain), (34, Fit::Cover), (64, Fit::Stretch)] {
            assert_eq!(square(HALF, size, fit).unwrap(), resize(&whole(HALF), size, size, fit));
        }
    }

    #[test]
    fn noise_that_fills_every_block_is_read() {
        let mut bytes = Vec::new();
        let noise: Vec<u8> = (0..64_u32 * 64).map(|at| (at.wrapping_mul(2_654_435_761) >> 21) as u8).collect();
        let encoder = JpegEncoder::new_with_quality(&mut bytes, 100);
        encoder.write_image(&noise, 64, 64, ExtendedColorType::L8).unwrap();
        let header = Header::read(&bytes).unwrap();
        for size in [1, 2, 4] {
            let picture = header.decode(size).expect("it is of the usual kind");
            let (mean, _) = far(&picture, &resize(&whole(&bytes), 8 * size, 8 * size, Fit::Stretch));
            assert!(mean < 12.0, "{size}: {mean}");
        }
    }

    #[test]
    fn exif_turns_what_is_read_small() {
        for turn in 1..=8 {
            let head = b"\xff\xe1\x00\x22Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0";
            let turned = [&QUARTER[..2], head, &[turn], &[0; 7], &QUARTER[2..]].concat();
            for fit in [Fit::Contain, Fit::Cover, Fit::Stretch] {
                let (mean, _) = far(&square(&turned, 31, fit).unwrap(), &resize(&whole(&turned), 31, 31, fit));
                assert!(mean < NEAR, "{turn} {fit:?}: {mean}");
            }
        }
    }

    #[test]
    fn another_kind_is_read_whole() {
        for bytes in [PROGRESSIVE, CMYK] {
            assert_eq!(square(bytes, 4, Fit::Cover).unwrap(), resize(&whole(bytes), 4, 4, Fit::Cover));
        }
    }

    #[test]
    fn a_file_cut_anywhere_is_an_error_or_the_whole_picture() {
        for bytes in [QUARTER, HALF] {
            let small = square(bytes, 16, Fit::Contain).unwrap();
            for end in 0..bytes.len() {
                if let Ok(got) = square(&bytes[..end], 16, Fit::Contain) {
                    assert!(got == small && end + 2 >= bytes.len(), "cut at {end} of {}", bytes.len());
                }
            }
        }
    }

    #[test]
    fn a_bomb_is_refused_by_its_head() {
        let mut bytes = QUARTER.to_vec();
        let frame = bytes.windows(2).position(|pair| pair == [0xff, 0xc0]).unwrap();
        bytes[frame + 5..frame + 9].fill(0xff);
        let problem = square(&bytes, 16, Fit::Contain).unwrap_err().to_string();
        assert!(problem.contains("4294.8 megapixels, more than the limit of 0.1"), "{problem}");
    }

    #[test]
    fn ten_thousand_damaged_files_are_an_error_or_a_picture() {
        let mut state = 1_u64;
        let mut random = |below: usize| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) as usize % below
        };
        for round in 0..10_000 {
            let mut bytes = [QUARTER, HALF][round % 2].to_vec();
            for _ in 0..=random(4) {
                // Half of them where tables and sizes stand.
                let below = if random(2) == 0 { 700 } else { bytes.len() };
                let at = random(below);
                match random(4) {
                    0 => bytes[at] = random(256) as u8,
                    1 => bytes[at] ^= 1 << random(8),
                    2 => bytes[at] = 0xff,
                    _ => drop(bytes.splice(at..at, [random(256) as u8])),
                }
            }
            if let Some(header) = Header::read(&bytes).filter(|header| header.height * header.width <= 100_000) {
                for size in [1, 2, 4] {
                    let side = |length: usize| (length * size).div_ceil(8);
                    if let Some(picture) = header.decode(size) {
                        assert_eq!((picture.height, picture.width), (side(header.height), side(header.width)));
                        assert_eq!(picture.pixels.len(), picture.height * picture.width * 3);
                    }
                }
            }
        }
    }
}
