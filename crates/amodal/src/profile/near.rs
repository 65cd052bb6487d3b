//! Pictures that look alike though their files differ: saved again, scaled, cut a little, recoloured a little.
//!
//! Each picture is reduced to 64 bits, the signs of its lowest frequencies (a perceptual hash as in Zauner 2010), and to 16 × 16
//! pixels. Pictures whose bits differ in few places are compared by these pixels, in colour and relative to their own
//! contrast: two drawings of one outline in two colours are not alike, and neither are two pale ones. Pictures of nearly one
//! colour are left out, since all of them would be alike.
use std::collections::HashMap;
use std::f64::consts::PI;
use std::fmt;

use serde::Serialize;

use super::LISTED;
use crate::Named;
use crate::data::count;
use crate::media::image::{Fit, Picture, resize};

/// Bits of 64 that may differ.
const BITS: u32 = 6;
/// Mean difference of the small pictures, as a share of their own deviation from their mean colour, at most.
const DIFFERENCE: f64 = 0.2;
/// Mean deviation from the mean colour, of 255, below which a picture has nearly one colour.
const PLAIN: f64 = 2.0;
/// Side of the picture that the frequencies are taken of.
const SIDE: usize = 32;
/// Side of the small picture.
const SMALL: usize = 16;
/// Frequencies each way; together the bits.
const LOW: usize = 8;
/// Parts of the bits, each looked up on its own: of 6 bits that differ, at most one falls into one of the 4 parts.
const PARTS: u32 = 4;
/// What comparing may cost: a comparison of bits is 1, one of small pictures 64. About two seconds.
const BUDGET: u64 = 1_000_000_000;

/// What pictures are compared by.
#[derive(Clone, Debug, PartialEq)]
pub struct Look {
    bits: u64,
    small: Vec<u8>,
    deviation: f64,
}

impl Look {
    /// The look of a picture.
    pub fn of(picture: &Picture) -> Self {
        let small = resize(picture, SMALL, SMALL, Fit::Stretch).pixels;
        let mean = |colour: usize| {
            small.iter().skip(colour).step_by(3).map(|value| f64::from(*value)).sum::<f64>() / (SMALL * SMALL) as f64
        };
        let means = [mean(0), mean(1), mean(2)];
        let deviation = small.iter().enumerate().map(|(at, value)| (f64::from(*value) - means[at % 3]).abs()).sum();
        Self { bits: bits(picture), small, deviation }
    }

    fn is_plain(&self) -> bool {
        self.deviation < PLAIN * self.small.len() as f64
    }

    /// 0 for equal small pictures, about 1 for those that have nothing in common.
    fn difference(&self, other: &Self) -> f64 {
        let sum: u32 = self.small.iter().zip(&other.small).map(|(a, b)| u32::from(a.abs_diff(*b))).sum();
        f64::from(sum) / ((self.deviation + other.deviation) / 2.0).max(1.0)
    }
}

/// Whether each of the lowest 8 × 8 frequencies of the brightness lies above their median.
fn bits(picture: &Picture) -> u64 {
    let grey = resize(picture, SIDE, SIDE, Fit::Stretch);
    let grey: Vec<f64> = grey
        .pixels
        .chunks_exact(3)
        .map(|rgb| 0.299 * f64::from(rgb[0]) + 0.587 * f64::from(rgb[1]) + 0.114 * f64::from(rgb[2]))
        .collect();
    let wave = |frequency: usize, at: usize| (PI * frequency as f64 * (at as f64 + 0.5) / SIDE as f64).cos();
    let waves: Vec<f64> = (0..LOW * SIDE).map(|index| wave(index / SIDE, index % SIDE)).collect();
    let mut along = vec![0.0; SIDE * LOW]; // [row, frequency]
    for (row, pixels) in grey.chunks_exact(SIDE).enumerate() {
        for frequency in 0..LOW {
            let wave = &waves[frequency * SIDE..][..SIDE];
            along[row * LOW + frequency] = pixels.iter().zip(wave).map(|(pixel, wave)| pixel * wave).sum();
        }
    }
    let both = |index: usize| -> f64 {
        let (down, across) = (index / LOW, index % LOW);
        (0..SIDE).map(|row| along[row * LOW + across] * waves[down * SIDE + row]).sum()
    };
    let values: Vec<f64> = (0..LOW * LOW).map(both).collect();
    let mut sorted = values.clone();
    sorted.sort_by(f64::total_cmp);
    let median = (sorted[LOW * LOW / 2 - 1] + sorted[LOW * LOW / 2]) / 2.0;
    values.iter().enumerate().fold(0, |bits, (at, value)| bits | u64::from(*value > median) << at)
}

/// Pictures of a column that look alike.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Near {
    /// Different pictures that were compared.
    pub compared: usize,
    /// Pictures of nearly one colour, which are not compared.
    pub plain: usize,
    /// Pictures that have one that looks alike.
    pub alike: usize,
    /// Groups that these form.
    pub groups: usize,
    /// Of each split but train the pictures that look like one of train.
    pub like_train: Named<Share>,
    /// Whether there were so many that not all could be compared.
    pub limited: bool,
    /// One pair of each of some groups, those in two splits first.
    pub pairs: Vec<Pair>,
    /// Every pair that joined two groups, as rows of the table.
    #[serde(skip)]
    pub(super) joined: Vec<(usize, usize)>,
}

/// Some of all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Share {
    /// Some.
    pub some: usize,
    /// All.
    pub all: usize,
}

/// Two pictures that look alike.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Pair {
    /// Both, in the order of the table.
    pub pictures: [Place; 2],
    /// Bits of 64 that differ.
    pub bits: u32,
    /// Difference of the small pictures, as a share of their deviation from their mean colour.
    pub difference: f64,
}

/// Where a picture stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Place {
    /// Number of the row, from 0.
    pub row: usize,
    /// The row's place: `train.csv:2`.
    pub at: String,
    /// The row's split, where it has one.
    pub split: Option<String>,
    /// The cell, cut short.
    pub name: String,
}

impl Near {
    /// Whether a picture of another split looks like one of train.
    pub fn leaks(&self) -> bool {
        self.like_train.values().any(|share| share.some > 0)
    }

    /// Whether the two pictures of a pair stand in two splits.
    fn crosses(pair: &Pair) -> bool {
        pair.pictures[0].split != pair.pictures[1].split
    }
}

impl fmt::Display for Near {
    /// The splits that hold pictures like those of train, and pairs that show it.
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        let shares = self
            .like_train
            .iter()
            .filter(|(_, share)| share.some > 0)
            .map(|(split, share)| format!("{} of {} of {split}", share.some, count(share.all, "picture")));
        write!(formatter, "{} look like one of train:", shares.collect::<Vec<_>>().join(", "))?;
        for pair in self.pairs.iter().filter(|pair| Self::crosses(pair)).take(5) {
            let place = |place: &Place| {
                format!("{} ({}) {}", place.at, place.split.as_deref().unwrap_or("no split"), place.name)
            };
            write!(formatter, "\n    {} ~ {}", place(&pair.pictures[0]), place(&pair.pictures[1]))?;
        }
        Ok(())
    }
}

/// A picture to compare, and the rows that have it.
pub(super) struct Candidate {
    pub(super) look: Look,
    pub(super) rows: Vec<usize>,
}

/// Finds the pictures that look alike among those of different content.
pub(super) fn find(candidates: &[Candidate], side: &[Option<&str>], place: &dyn Fn(usize) -> Place) -> Near {
    find_within(candidates, side, place, BUDGET)
}

fn find_within(
    candidates: &[Candidate],
    side: &[Option<&str>],
    place: &dyn Fn(usize) -> Place,
    mut budget: u64,
) -> Near {
    let (plain, compared): (Vec<_>, Vec<_>) = candidates.iter().partition(|candidate| candidate.look.is_plain());
    let mut near = Near { compared: compared.len(), plain: plain.len(), ..Near::default() };
    let is_in = |at: usize, split: &str| compared[at].rows.iter().any(|row| side[*row] == Some(split));
    let mut known: Vec<HashMap<u16, Vec<u32>>> = vec![HashMap::new(); PARTS as usize];
    let mut seen = vec![u32::MAX; compared.len()];
    let mut parent: Vec<usize> = (0..compared.len()).collect();
    let (mut alike, mut like_train) = (vec![false; compared.len()], vec![false; compared.len()]);
    let mut joined = Vec::new();
    'pictures: for (at, candidate) in compared.iter().enumerate() {
        let look = &candidate.look;
        for (part, known) in (0..PARTS).zip(&known) {
            let own = part_of(look.bits, part);
            let close = std::iter::once(own).chain((0..16).map(|bit| own ^ (1 << bit)));
            for other in close.filter_map(|key| known.get(&key)).flatten().map(|other| *other as usize) {
                if std::mem::replace(&mut seen[other], at as u32) == at as u32 {
                    continue;
                }
                let differ = (look.bits ^ compared[other].look.bits).count_ones();
                let cost = if differ <= BITS { 64 } else { 1 };
                if budget < cost {
                    near.limited = true;
                    near.compared = at;
                    break 'pictures;
                }
                budget -= cost;
                if differ > BITS {
                    continue;
                }
                let difference = look.difference(&compared[other].look);
                if difference > DIFFERENCE {
                    continue;
                }
                (alike[at], alike[other]) = (true, true);
                like_train[at] |= is_in(other, "train");
                like_train[other] |= is_in(at, "train");
                let (one, two) = (root(&mut parent, at), root(&mut parent, other));
                if one != two {
                    parent[one.max(two)] = one.min(two);
                    joined.push((other, at, differ, difference));
                }
            }
        }
        for (part, known) in (0..PARTS).zip(&mut known) {
            known.entry(part_of(look.bits, part)).or_default().push(at as u32);
        }
    }
    near.alike = alike.iter().filter(|alike| **alike).count();
    near.groups = near.alike - joined.len();
    let mut names: Vec<&str> = side.iter().flatten().copied().filter(|name| *name != "train").collect();
    names.sort_unstable();
    names.dedup();
    if side.contains(&Some("train")) {
        for split in names {
            let here: Vec<usize> = (0..compared.len()).filter(|at| is_in(*at, split)).collect();
            let some = here.iter().filter(|at| like_train[**at]).count();
            near.like_train.insert(split.to_string(), Share { some, all: here.len() });
        }
    }
    let mut shown = std::collections::HashSet::new();
    for crossing in [true, false] {
        for (one, two, bits, difference) in &joined {
            let rows = [compared[*one].rows[0], compared[*two].rows[0]];
            let group = root(&mut parent, *one);
            let fits = (side[rows[0]] != side[rows[1]]) == crossing;
            if fits && near.pairs.len() < LISTED && shown.insert(group) {
                let mut pictures = rows.map(place);
                pictures.sort_by_key(|place| place.row);
                near.pairs.push(Pair { pictures, bits: *bits, difference: *difference });
            }
        }
    }
    near.joined = joined.iter().map(|(one, two, ..)| (compared[*one].rows[0], compared[*two].rows[0])).collect();
    near
}

fn part_of(bits: u64, part: u32) -> u16 {
    (bits >> (part * 16)) as u16
}

/// The first of a picture's group.
fn root(parent: &mut [usize], mut at: usize) -> usize {
    while parent[at] != at {
        parent[at] = parent[parent[at]];
        at = parent[at];
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A disc of a colour on white.
    fn disc(side: usize, x: f64, y: f64, radius: f64, colour: [u8; 3]) -> Picture {
        let mut picture = Picture::filled(side, side, [255; 3]);
        for (index, pixel) in picture.pixels.chunks_exact_mut(3).enumerate() {
            let at = |index: usize| (index as f64 + 0.5) / side as f64;
            if (at(index % side) - x).hypot(at(index / side) - y) < radius {
                pixel.copy_from_slice(&colour);
            }
        }
        picture
    }

    fn found(pictures: &[Picture], splits: &[&str], budget: u64) -> Near {
        let candidate = |(row, picture)| Candidate { look: Look::of(picture), rows: vec![row] };
        let candidates: Vec<_> = pictures.iter().enumerate().map(candidate).collect();
        let side: Vec<Option<&str>> = splits.iter().map(|split| Some(*split)).collect();
        let place = |row: usize| Place {
            row,
            at: format!("t.csv:{}", row + 2),
            split: side[row].map(str::to_string),
            name: format!("{row}.png"),
        };
        find_within(&candidates, &side, &place, budget)
    }

    #[test]
    fn a_picture_saved_again_is_found_in_the_other_split() {
        let red = disc(64, 0.4, 0.5, 0.2, [200, 30, 30]);
        let mut pale = resize(&red, 90, 90, Fit::Stretch); // larger, and a little paler
        pale.pixels.iter_mut().for_each(|value| *value = value.saturating_add(6));
        let near = found(&[red, disc(64, 0.7, 0.3, 0.1, [0; 3]), pale], &["train", "train", "test"], BUDGET);
        assert_eq!((near.compared, near.alike, near.groups), (3, 2, 1));
        assert_eq!(near.like_train["test"], Share { some: 1, all: 1 });
        let rows: Vec<_> = near.pairs[0].pictures.iter().map(|place| place.row).collect();
        assert_eq!((near.pairs.len(), rows), (1, vec![0, 2]));
        let shown = "1 of 1 picture of test look like one of train:\n    t.csv:2 (train) 0.png ~ t.csv:4 (test) 2.png";
        assert_eq!(near.to_string(), shown);
    }

    #[test]
    fn another_colour_place_or_nothing_at_all_is_not_alike() {
        let pictures = [
            disc(64, 0.4, 0.5, 0.2, [200, 30, 30]),
            disc(64, 0.4, 0.5, 0.2, [30, 30, 200]), // the same outline in another colour
            disc(64, 0.6, 0.5, 0.2, [200, 30, 30]),
            Picture::filled(64, 64, [255; 3]),
            Picture::filled(48, 48, [254; 3]),
        ];
        let near = found(&pictures, &["train", "test", "test", "train", "test"], BUDGET);
        assert_eq!((near.compared, near.plain, near.alike, near.pairs.len()), (3, 2, 0, 0));
        assert!(!near.leaks());
    }

    #[test]
    fn groups_count_once_and_the_work_is_limited() {
        let pictures: Vec<_> =
            (0..6).map(|index| disc(64 + index, if index < 3 { 0.3 } else { 0.7 }, 0.5, 0.15, [20, 120, 40])).collect();
        let splits = ["train"; 6];
        let near = found(&pictures, &splits, BUDGET);
        assert_eq!((near.alike, near.groups, near.joined.len(), near.limited), (6, 2, 4, false));
        assert!(!near.leaks(), "inside of one split nothing leaks");
        let near = found(&pictures, &splits, 70);
        assert!(near.limited && near.compared < 6);
    }

    #[test]
    fn bits_are_half_ones_and_differ_between_pictures() {
        let (one, two) = (bits(&disc(50, 0.3, 0.3, 0.2, [0; 3])), bits(&disc(50, 0.7, 0.6, 0.3, [0; 3])));
        assert!((24..=40).contains(&one.count_ones()), "{one:b}");
        assert!((one ^ two).count_ones() > BITS);
    }
}
