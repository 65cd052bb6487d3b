//! Changes pictures at random in training: one affine resampling, then one change of colours.
use std::f32::consts::PI;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::image::Picture;
use crate::random::{Random, RngExt};
use crate::{Error, Result};

/// What is varied, and how much; all of it is off by default.
///
/// A range is drawn from evenly; a probability says how often a change happens at all. Colours are changed in the
/// order hue, saturation, grayscale, contrast, brightness, invert.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Augment {
    /// Range of the zoom about the middle, such as `[0.8, 1.2]`; 1 is off.
    pub scale: [f32; 2],
    /// Shift either way, as a share of the side: `0.1` moves by a tenth at most.
    pub shift: f32,
    /// Turn either way, in degrees.
    pub rotate: f32,
    /// Probability of a flip of left and right.
    pub flip: f32,
    /// Probability of a flip of top and bottom.
    pub flip_vertical: f32,
    /// Smallest share of the area that a random cut keeps; its shape is from 3:4 to 4:3. 1 is off.
    pub crop: f32,
    /// Brightness is multiplied by up to `1 ± brightness`.
    pub brightness: f32,
    /// Distance from middle grey is multiplied by up to `1 ± contrast`.
    pub contrast: f32,
    /// Distance from grey of the same brightness is multiplied by up to `1 ± saturation`.
    pub saturation: f32,
    /// Turn of the colour circle either way, in degrees.
    pub hue: f32,
    /// Probability that all colours become greys.
    pub grayscale: f32,
    /// Probability that every colour becomes its opposite.
    pub invert: f32,
    /// Probability of a slight blur (3 × 3 binomial).
    pub blur: f32,
    /// Probability that a rectangle of 2 to 33 % of the area becomes white or grey (Zhong et al. 2017,
    /// arXiv:1708.04896; differs: the fill is one colour, not noise).
    pub erase: f32,
}

impl Default for Augment {
    fn default() -> Self {
        Self {
            scale: [1.0, 1.0],
            shift: 0.0,
            rotate: 0.0,
            flip: 0.0,
            flip_vertical: 0.0,
            crop: 1.0,
            brightness: 0.0,
            contrast: 0.0,
            saturation: 0.0,
            hue: 0.0,
            grayscale: 0.0,
            invert: 0.0,
            blur: 0.0,
            erase: 0.0,
        }
    }
}

impl Augment {
    /// Whether [`apply`](Self::apply) changes nothing.
    pub fn is_off(&self) -> bool {
        *self == Self::default()
    }

    /// Whether every option is in its range.
    ///
    /// # Errors
    /// [`Error::Config`] at the first option that is out of its range.
    pub fn check(&self) -> Result<()> {
        let [low, high] = self.scale;
        if !(0.1..=10.0).contains(&low) || !(low..=10.0).contains(&high) {
            return Err(Error::config("scale", format!("[{low}, {high}] is not a rising range within 0.1 to 10")));
        }
        if !(0.01..=1.0).contains(&self.crop) {
            return Err(Error::config("crop", format!("{} is not from 0.01 to 1", self.crop)));
        }
        let upper = [
            ("shift", self.shift, 1.0),
            ("rotate", self.rotate, 180.0),
            ("flip", self.flip, 1.0),
            ("flip_vertical", self.flip_vertical, 1.0),
            ("brightness", self.brightness, 1.0),
            ("contrast", self.contrast, 1.0),
            ("saturation", self.saturation, 1.0),
            ("hue", self.hue, 180.0),
            ("grayscale", self.grayscale, 1.0),
            ("invert", self.invert, 1.0),
            ("blur", self.blur, 1.0),
            ("erase", self.erase, 1.0),
        ];
        for (name, value, most) in upper {
            if !(0.0..=most).contains(&value) {
                return Err(Error::config(name, format!("{value} is not from 0 to {most}")));
            }
        }
        Ok(())
    }

    /// A changed copy of the same size; the same random stream gives the same picture.
    ///
    /// What comes into view from outside is white.
    ///
    /// # Panics
    /// If `picture.pixels` is not `height * width * 3` long.
    pub fn apply(&self, picture: &Picture, random: &mut Random) -> Picture {
        assert_eq!(picture.pixels.len(), picture.height * picture.width * 3, "pixels are [height, width, 3]");
        let affine = self.affine(picture.height, picture.width, random);
        let mut changed = match affine == IDENTITY {
            true => picture.clone(),
            false => resample(picture, affine),
        };
        if chance(self.blur, random) {
            blur(&mut changed);
        }
        let colours = self.colours(random);
        if colours != PLAIN {
            recolour(&mut changed.pixels, &colours);
        }
        if chance(self.erase, random) {
            erase(&mut changed, random);
        }
        changed
    }

    /// Where a pixel of the result comes from: `[a, b, c, d, e, f]` with `x = a x' + b y' + c`, `y = d x' + e y' + f`,
    /// all in pixels from the middle.
    fn affine(&self, height: usize, width: usize, random: &mut Random) -> [f32; 6] {
        let (height, width) = (height as f32, width as f32);
        let mut map = IDENTITY;
        if self.crop < 1.0 {
            let area = between(self.crop, 1.0, random);
            let shape = between(-1.0, 1.0, random) * (4.0_f32 / 3.0).ln();
            let tall = (area * shape.exp()).sqrt().min(1.0);
            let wide = (area / shape.exp()).sqrt().min(1.0);
            let left = either(0.5 - wide / 2.0, random) * width;
            let top = either(0.5 - tall / 2.0, random) * height;
            map = [wide, 0.0, left, 0.0, tall, top];
        }
        let zoom = 1.0 / between(self.scale[0], self.scale[1], random);
        let (sin, cos) = either(self.rotate * PI / 180.0, random).sin_cos();
        let (right, down) = (either(self.shift * width, random), either(self.shift * height, random));
        let mirror_x = if chance(self.flip, random) { -1.0 } else { 1.0 };
        let mirror_y = if chance(self.flip_vertical, random) { -1.0 } else { 1.0 };
        // Backwards through shift, mirror, turn and zoom, then into the cut.
        let (a, b) = (zoom * cos * mirror_x, zoom * sin * mirror_y);
        let (d, e) = (-zoom * sin * mirror_x, zoom * cos * mirror_y);
        let (c, f) = (-(a * right + b * down), -(d * right + e * down));
        [map[0] * a, map[0] * b, map[0] * c + map[2], map[4] * d, map[4] * e, map[4] * f + map[5]]
    }

    /// Three rows of a matrix over (red, green, blue, 255).
    fn colours(&self, random: &mut Random) -> [[f32; 4]; 3] {
        const LUMA: [f32; 3] = [0.299, 0.587, 0.114];
        let mut colours = PLAIN;
        if self.hue > 0.0 {
            colours = hue(either(self.hue, random) * PI / 180.0);
        }
        let mut saturation = if self.saturation > 0.0 { 1.0 + either(self.saturation, random) } else { 1.0 };
        if chance(self.grayscale, random) {
            saturation = 0.0;
        }
        if saturation != 1.0 {
            let grey: [f32; 4] = std::array::from_fn(|column| (0..3).map(|row| LUMA[row] * colours[row][column]).sum());
            for row in &mut colours {
                *row = std::array::from_fn(|column| grey[column] + saturation * (row[column] - grey[column]));
            }
        }
        // contrast: c (v - 1/2) + 1/2; brightness: b v; invert: 1 - v
        let contrast = 1.0 + either(self.contrast, random);
        let brightness = 1.0 + either(self.brightness, random);
        let (mut factor, mut offset) = (contrast * brightness, (0.5 - 0.5 * contrast) * brightness);
        if chance(self.invert, random) {
            (factor, offset) = (-factor, 1.0 - offset);
        }
        for row in &mut colours {
            row.iter_mut().for_each(|value| *value *= factor);
            row[3] += offset;
        }
        colours
    }
}

const IDENTITY: [f32; 6] = [1.0, 0.0, 0.0, 0.0, 1.0, 0.0];
const PLAIN: [[f32; 4]; 3] = [[1.0, 0.0, 0.0, 0.0], [0.0, 1.0, 0.0, 0.0], [0.0, 0.0, 1.0, 0.0]];

fn chance(probability: f32, random: &mut Random) -> bool {
    probability > 0.0 && random.random::<f32>() < probability
}

fn between(low: f32, high: f32, random: &mut Random) -> f32 {
    if low < high { low + (high - low) * random.random::<f32>() } else { low }
}

/// Evenly from `-most` to `most`.
fn either(most: f32, random: &mut Random) -> f32 {
    if most > 0.0 { most * (2.0 * random.random::<f32>() - 1.0) } else { 0.0 }
}

/// A turn of the colour circle that keeps greys and brightness: the matrix of CSS `hue-rotate`.
fn hue(angle: f32) -> [[f32; 4]; 3] {
    let (sin, cos) = angle.sin_cos();
    let row = |k: [f32; 3], c: [f32; 3], s: [f32; 3]| {
        [k[0] + c[0] * cos + s[0] * sin, k[1] + c[1] * cos + s[1] * sin, k[2] + c[2] * cos + s[2] * sin, 0.0]
    };
    let luma = [0.213, 0.715, 0.072];
    [
        row(luma, [0.787, -0.715, -0.072], [-0.213, -0.715, 0.928]),
        row(luma, [-0.213, 0.285, -0.072], [0.143, 0.140, -0.283]),
        row(luma, [-0.213, -0.715, 0.928], [-0.787, 0.715, 0.072]),
    ]
}

/// Bilinear reading at the mapped place of every pixel, white outside.
fn resample(picture: &Picture, [a, b, c, d, e, f]: [f32; 6]) -> Picture {
    let (height, width, source) = (picture.height, picture.width, picture.pixels.as_slice());
    let (middle_x, middle_y) = (width as f32 / 2.0, height as f32 / 2.0);
    let white = [255.0; 3];
    let pixel = |at: usize| [f32::from(source[at]), f32::from(source[at + 1]), f32::from(source[at + 2])];
    let mut pixels = vec![255; source.len()];
    for (row, line) in pixels.chunks_exact_mut((width * 3).max(1)).enumerate() {
        let down = row as f32 + 0.5 - middle_y;
        for (column, out) in line.chunks_exact_mut(3).enumerate() {
            let right = column as f32 + 0.5 - middle_x;
            let x = a * right + b * down + c + middle_x - 0.5;
            let y = d * right + e * down + f + middle_y - 0.5;
            if !(x > -1.0 && y > -1.0 && x < width as f32 && y < height as f32) {
                continue; // white
            }
            let (left, top) = ((x + 1.0) as usize, (y + 1.0) as usize); // one more than the floor
            let (part_x, part_y) = (x + 1.0 - left as f32, y + 1.0 - top as f32);
            let at = |line: usize, column: usize| (line * width + column) * 3;
            let inside = left > 0 && top > 0 && left < width && top < height;
            let corners = if inside {
                let start = at(top - 1, left - 1);
                [pixel(start), pixel(start + 3), pixel(start + width * 3), pixel(start + width * 3 + 3)]
            } else {
                let read =
                    |line: usize, column: usize| match (1..=height).contains(&line) && (1..=width).contains(&column) {
                        true => pixel(at(line - 1, column - 1)),
                        false => white,
                    };
                [read(top, left), read(top, left + 1), read(top + 1, left), read(top + 1, left + 1)]
            };
            for (colour, out) in out.iter_mut().enumerate() {
                let upper = corners[0][colour] + part_x * (corners[1][colour] - corners[0][colour]);
                let lower = corners[2][colour] + part_x * (corners[3][colour] - corners[2][colour]);
                *out = (upper + part_y * (lower - upper) + 0.5) as u8;
            }
        }
    }
    Picture { height, width, pixels }
}

fn recolour(pixels: &mut [u8], colours: &[[f32; 4]; 3]) {
    for pixel in pixels.chunks_exact_mut(3) {
        let [red, green, blue] = [f32::from(pixel[0]), f32::from(pixel[1]), f32::from(pixel[2])];
        for (out, row) in pixel.iter_mut().zip(colours) {
            *out = (row[0] * red + row[1] * green + row[2] * blue + row[3] * 255.0 + 0.5) as u8; // `as` saturates
        }
    }
}

/// `[1 2 1] / 4` along both axes; the border repeats.
fn blur(picture: &mut Picture) {
    let (height, width) = (picture.height, picture.width);
    let mix =
        |before: u8, here: u8, after: u8| ((u16::from(before) + 2 * u16::from(here) + u16::from(after) + 2) / 4) as u8;
    let stride = width * 3;
    let mut across = picture.pixels.clone();
    for (line, source) in across.chunks_exact_mut(stride.max(1)).zip(picture.pixels.chunks_exact(stride.max(1))) {
        for at in 0..stride {
            let before = if at < 3 { at } else { at - 3 };
            let after = if at + 3 < stride { at + 3 } else { at };
            line[at] = mix(source[before], source[at], source[after]);
        }
    }
    for row in 0..height {
        let (before, here, after) = (row.saturating_sub(1) * stride, row * stride, (row + 1).min(height - 1) * stride);
        for at in 0..stride {
            picture.pixels[here + at] = mix(across[before + at], across[here + at], across[after + at]);
        }
    }
}

/// One rectangle of one colour.
fn erase(picture: &mut Picture, random: &mut Random) {
    let area = between(0.02, 0.33, random);
    let shape = (between(-1.0, 1.0, random) * 3.3_f32.ln()).exp();
    let side = |share: f32, length: usize| ((share.min(1.0) * length as f32).round() as usize).min(length);
    let (tall, wide) = (side((area * shape).sqrt(), picture.height), side((area / shape).sqrt(), picture.width));
    let (top, left) = (random.random_range(0..=picture.height - tall), random.random_range(0..=picture.width - wide));
    let colour = if chance(0.5, random) { 255 } else { 128 };
    for row in top..top + tall {
        picture.pixels[(row * picture.width + left) * 3..(row * picture.width + left + wide) * 3].fill(colour);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{Purpose, random};

    fn picture(height: usize, width: usize) -> Picture {
        let mut stream = random(1, 0, 0, Purpose::Synthetic);
        Picture { height, width, pixels: (0..height * width * 3).map(|_| stream.random()).collect() }
    }

    fn stream() -> Random {
        random(7, 0, 0, Purpose::Augment)
    }

    fn all() -> Augment {
        Augment {
            scale: [0.8, 1.2],
            shift: 0.1,
            rotate: 15.0,
            flip: 0.5,
            flip_vertical: 0.5,
            crop: 0.5,
            brightness: 0.3,
            contrast: 0.3,
            saturation: 0.3,
            hue: 20.0,
            grayscale: 0.2,
            invert: 0.2,
            blur: 0.5,
            erase: 0.5,
        }
    }

    #[test]
    fn off_changes_nothing() {
        let off = Augment::default();
        assert!(off.is_off() && !all().is_off());
        let given = picture(7, 9);
        assert_eq!(off.apply(&given, &mut stream()), given);
        assert_eq!(resample(&given, IDENTITY), given);
    }

    #[test]
    fn a_flip_mirrors_and_twice_is_none() {
        let given = picture(6, 5);
        let at = |picture: &Picture, row: usize, column: usize| {
            picture.pixels[(row * picture.width + column) * 3..][..3].to_vec()
        };
        let across = Augment { flip: 1.0, ..Augment::default() };
        let down = Augment { flip_vertical: 1.0, ..Augment::default() };
        let (mirrored, upside) = (across.apply(&given, &mut stream()), down.apply(&given, &mut stream()));
        for (row, column) in [(0, 0), (2, 4), (5, 1)] {
            assert_eq!(at(&mirrored, row, column), at(&given, row, 4 - column));
            assert_eq!(at(&upside, row, column), at(&given, 5 - row, column));
        }
        assert_eq!(across.apply(&mirrored, &mut stream()), given);
        assert_eq!(down.apply(&upside, &mut stream()), given);
    }

    #[test]
    fn the_map_is_what_it_says() {
        // A quarter turn of a square, and a shift by one pixel.
        let given = picture(4, 4);
        let turned = resample(&given, [0.0, 1.0, 0.0, -1.0, 0.0, 0.0]);
        assert_eq!(turned.pixels[..3], given.pixels[3 * 4 * 3..][..3]); // upper left comes from lower left
        let shifted = resample(&given, [1.0, 0.0, -1.0, 0.0, 1.0, 0.0]);
        assert_eq!(shifted.pixels[..3], [255; 3]);
        assert_eq!(shifted.pixels[3..12], given.pixels[..9]);
        // Half a pixel is the mean of two.
        let halfway = resample(&given, [1.0, 0.0, 0.5, 0.0, 1.0, 0.0]);
        assert_eq!(u32::from(halfway.pixels[0]), (u32::from(given.pixels[0]) + u32::from(given.pixels[3])).div_ceil(2));
        // Zoom by 2 shows the middle: a white frame leaves the view.
        let mut framed = Picture::filled(16, 16, [255; 3]);
        for row in 4..12 {
            framed.pixels[(row * 16 + 4) * 3..(row * 16 + 12) * 3].fill(0);
        }
        let zoom = Augment { scale: [2.0, 2.0], ..Augment::default() }.apply(&framed, &mut stream());
        assert!(zoom.pixels[(16 + 1) * 3] == 0 && zoom.pixels[(14 * 16 + 14) * 3] == 0);
        let out =
            Augment { scale: [0.5, 0.5], ..Augment::default() }.apply(&Picture::filled(16, 16, [0; 3]), &mut stream());
        let black = out.pixels.iter().filter(|&&value| value < 128).count();
        assert_eq!(black, 8 * 8 * 3);
    }

    #[test]
    fn a_turn_keeps_the_middle_and_a_cut_fills_the_frame() {
        let mut dot = Picture::filled(33, 33, [255; 3]);
        dot.pixels[(16 * 33 + 16) * 3..][..3].fill(0);
        for seed in 0..20 {
            let mut stream = random(seed, 0, 0, Purpose::Augment);
            let turned = Augment { rotate: 180.0, ..Augment::default() }.apply(&dot, &mut stream);
            assert!(turned.pixels[(16 * 33 + 16) * 3] < 3);
            // Turn, zoom, flip and shift keep angles: both columns of the map are as long and stand upright.
            let rigid = Augment { crop: 1.0, scale: [0.5, 0.5], ..all() };
            let [a, b, _, d, e, _] = rigid.affine(33, 33, &mut stream);
            assert!((a * b + d * e).abs() < 1e-5 && (a.hypot(d) - 2.0).abs() < 1e-5 && (b.hypot(e) - 2.0).abs() < 1e-5);
            let cut = Augment { crop: 0.2, ..Augment::default() }.apply(&Picture::filled(20, 30, [0; 3]), &mut stream);
            assert!(cut.pixels.iter().all(|&value| value < 130), "white comes in");
            assert!(cut.pixels.iter().filter(|&&value| value > 0).count() < 3 * 100);
        }
    }

    #[test]
    fn colours_have_known_values() {
        let given = Picture { height: 1, width: 2, pixels: vec![255, 0, 0, 10, 20, 30] };
        let changed = |augment: Augment| augment.apply(&given, &mut stream()).pixels;
        assert_eq!(changed(Augment { invert: 1.0, ..Augment::default() }), [0, 255, 255, 245, 235, 225]);
        assert_eq!(changed(Augment { grayscale: 1.0, ..Augment::default() }), [76, 76, 76, 18, 18, 18]);
        // The colour circle: greys stay, a third of a turn moves red to green.
        let turned = hue(PI * 2.0 / 3.0);
        let mut pixels = [90, 90, 90, 255, 0, 0];
        recolour(&mut pixels, &turned);
        assert_eq!(pixels[..3], [90; 3]);
        assert!(pixels[4] > pixels[3] && pixels[4] > pixels[5], "{pixels:?}");
        for seed in 0..50 {
            let mut stream = random(seed, 0, 0, Purpose::Augment);
            let grey = Picture::filled(1, 1, [100; 3]);
            let bright = Augment { brightness: 0.2, ..Augment::default() }.apply(&grey, &mut stream).pixels[0];
            assert!((80..=120).contains(&bright));
            let middle = Picture::filled(1, 1, [128; 3]);
            let kept = Augment { contrast: 0.9, saturation: 0.9, ..Augment::default() }.apply(&middle, &mut stream);
            assert!(kept.pixels.iter().all(|&value| value.abs_diff(128) <= 1));
        }
    }

    #[test]
    fn erased_and_blurred_parts_have_their_size() {
        let black = Picture::filled(32, 32, [0; 3]);
        for seed in 0..50 {
            let mut stream = random(seed, 0, 0, Purpose::Augment);
            let erased = Augment { erase: 1.0, ..Augment::default() }.apply(&black, &mut stream);
            let count = erased.pixels.iter().filter(|&&value| value != 0).count() as f32 / black.pixels.len() as f32;
            assert!((0.01..0.36).contains(&count), "{count}");
        }
        let mut dot = Picture::filled(3, 3, [0; 3]);
        dot.pixels[4 * 3..5 * 3].fill(160);
        blur(&mut dot);
        let red: Vec<u8> = dot.pixels.iter().step_by(3).copied().collect();
        assert_eq!(red, [10, 20, 10, 20, 40, 20, 10, 20, 10]);
    }

    #[test]
    fn one_stream_gives_one_picture_of_any_size() {
        for (height, width) in [(0, 0), (0, 3), (1, 1), (1, 9), (9, 1), (13, 17)] {
            let given = picture(height, width);
            for seed in 0..20 {
                let draw = || all().apply(&given, &mut random(seed, 1, 2, Purpose::Augment));
                assert_eq!(draw(), draw());
                assert_eq!(draw().pixels.len(), given.pixels.len());
            }
        }
        let given = picture(13, 17);
        assert_ne!(all().apply(&given, &mut stream()), all().apply(&given, &mut random(8, 0, 0, Purpose::Augment)));
    }

    #[test]
    fn options_out_of_range_are_named() {
        all().check().unwrap();
        Augment::default().check().unwrap();
        let rotate = Augment { rotate: 181.0, ..Augment::default() };
        assert_eq!(rotate.check().unwrap_err().to_string(), "rotate: 181 is not from 0 to 180");
        assert!(Augment { flip: f32::NAN, ..Augment::default() }.check().is_err());
        assert!(Augment { scale: [1.2, 0.8], ..Augment::default() }.check().is_err());
        assert!(Augment { crop: 0.0, ..Augment::default() }.check().is_err());
        assert!(serde_json::from_str::<Augment>(r#"{"rotat": 3}"#).is_err());
        assert_eq!(serde_json::from_str::<Augment>("{}").unwrap(), Augment::default());
    }
}
