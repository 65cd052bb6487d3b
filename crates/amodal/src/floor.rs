//! The floor of finding one modality by another: the nearest neighbour among the training rows, without learning.
use crate::{
    Item, Model, Result,
    data::Examples,
    eval::Measured,
    kernels::sum,
    metrics::{
        Figure,
        retrieval::{CHANCE, summary},
    },
};
use rayon::prelude::*;
use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    sync::Arc,
};

/// Most pairs of numbers that are compared for one modality; beyond, it has no floor, so that no one waits for one.
const MOST: usize = 20_000_000_000;

/// What raw values find: each picture and each recording of some rows is compared with every one of the training rows,
/// number by number.
///
/// - `raw picture → thing`: the things whose training pictures are nearest to the picture, and the other way round;
/// - `raw speech → picture`: the thing whose training recordings are nearest to the recording, then the pictures that are
///   nearest to the training pictures of that thing.
///
/// Shaped as the model's own retrieval figures are, so that they are read beside them. Empty where the things of the rows
/// are not among the training rows: there is nothing that raw values could be compared with.
///
/// # Errors
/// [`crate::Error::Data`] for a value that cannot be read.
pub fn raw(
    model: &Model,
    examples: &Examples,
    train: &[usize],
    (split, rows): (&str, &[usize]),
) -> Result<Vec<Measured>> {
    let Some((task, _)) = model.tasks().find(|(_, task)| task.target().is_none()) else { return Ok(Vec::new()) };
    let groups = examples.groups();
    let known: BTreeSet<u64> = train.iter().map(|row| groups[*row]).collect();
    let things: BTreeSet<u64> = rows.iter().map(|row| groups[*row]).collect();
    if !things.is_subset(&known) {
        return Ok(Vec::new());
    }
    let things: Vec<u64> = things.into_iter().collect();
    let mut all: BTreeMap<&str, Distances> = BTreeMap::new();
    for (name, modality) in model.modalities().filter(|(_, modality)| modality.get().is_media()) {
        let shelf = different(examples, train, name)?;
        let shown = different(examples, rows, name)?;
        let size = modality.get().blank().numbers().max(shown.first().map_or(0, |(_, item)| item.numbers()));
        if !shown.is_empty() && shelf.len().saturating_mul(shown.len()).saturating_mul(size) <= MOST {
            all.insert(name, Distances::new(&shelf, &shown, &things));
        }
    }
    let mut figures: Vec<Figure> = Vec::new();
    let mut add = |name: String, ranks: Vec<usize>| figures.extend(summary(&name, ranks, things.len(), CHANCE));
    for (name, distances) in &all {
        add(format!("raw {name} → thing"), distances.thing_ranks());
        add(format!("raw thing → {name}"), (0..things.len()).map(|thing| distances.rank_by(thing, thing)).collect());
        for (other, others) in all.iter().filter(|(other, _)| *other != name) {
            let ranks = (0..distances.own.len()).map(|at| others.rank_by(distances.nearest(at), distances.own[at]));
            add(format!("raw {name} → {other}"), ranks.collect());
        }
    }
    let measured =
        |figure| Measured { task: task.into(), split: split.into(), given: Vec::new(), withheld: None, figure };
    Ok(figures.into_iter().map(measured).collect())
}

/// How far the values of some rows are from the nearest training value of each thing.
struct Distances {
    /// Which thing each value is of.
    own: Vec<usize>,
    /// For each value the distance to each thing.
    to: Vec<Vec<f32>>,
}

impl Distances {
    fn new(shelf: &[(u64, Arc<Item>)], shown: &[(u64, Arc<Item>)], things: &[u64]) -> Self {
        let place = |group: &u64| things.binary_search(group).ok();
        let shelf: Vec<(usize, &Item)> =
            shelf.iter().filter_map(|(group, item)| Some((place(group)?, &**item))).collect();
        let row = |(_, item): &(u64, Arc<Item>)| {
            let mut nearest = vec![f32::INFINITY; things.len()];
            for (thing, other) in &shelf {
                nearest[*thing] = nearest[*thing].min(distance(item, other));
            }
            nearest
        };
        Self {
            own: shown.iter().filter_map(|(group, _)| place(group)).collect(),
            to: shown.par_iter().map(row).collect(),
        }
    }

    /// For each value the rank of its own thing; another that is as near counts as nearer.
    fn thing_ranks(&self) -> Vec<usize> {
        let rank = |(own, to): (&usize, &Vec<f32>)| to.iter().filter(|distance| **distance <= to[*own]).count();
        self.own.iter().zip(&self.to).map(rank).collect()
    }

    /// The thing nearest to a value.
    fn nearest(&self, at: usize) -> usize {
        let to = &self.to[at];
        (0..to.len()).min_by(|a, b| to[*a].total_cmp(&to[*b])).unwrap_or_default()
    }

    /// The rank of the thing `right` where things are ordered by how near their values are to the thing `by`.
    fn rank_by(&self, by: usize, right: usize) -> usize {
        let things = self.to.first().map_or(0, Vec::len);
        let mut best = vec![f32::INFINITY; things];
        for (own, to) in self.own.iter().zip(&self.to) {
            best[*own] = best[*own].min(to[by]);
        }
        best.iter().filter(|distance| **distance <= best[right]).count()
    }
}

/// The summed squared difference of two values; the shorter of two series ends in zeros.
fn distance(one: &Item, other: &Item) -> f32 {
    match (one, other) {
        (Item::Image { pixels: a, .. }, Item::Image { pixels: b, .. }) if a.len() == b.len() => {
            // whole numbers, in lots that fit 32 bits: quick
            let lots = a.chunks(1 << 16).zip(b.chunks(1 << 16));
            let lot =
                |(a, b): (&[u8], &[u8])| a.iter().zip(b).map(|(a, b)| u32::from(a.abs_diff(*b)).pow(2)).sum::<u32>();
            lots.map(lot).map(u64::from).sum::<u64>() as f32
        }
        (Item::Series { values: a, .. }, Item::Series { values: b, .. }) => {
            let length = a.len().min(b.len());
            let both = sum(&a[..length], &b[..length], |a, b| (a - b).powi(2));
            let rest = if a.len() > b.len() { &a[b.len()..] } else { &b[a.len()..] };
            both + rest.iter().map(|x| x * x).sum::<f32>()
        }
        _ => f32::INFINITY,
    }
}

/// The different values of some rows, with their group.
fn different(examples: &Examples, rows: &[usize], name: &str) -> Result<Vec<(u64, Arc<Item>)>> {
    let slots = examples.slots(name)?;
    let mut seen = HashSet::new();
    let rows: Vec<usize> =
        rows.iter().copied().filter(|row| seen.insert((slots[*row], examples.groups()[*row]))).collect();
    let items = examples.items(&rows, name)?;
    Ok(rows.iter().zip(items).filter_map(|(row, item)| Some((examples.groups()[*row], item?))).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sound(values: &[f32]) -> Arc<Item> {
        Arc::new(Item::Series { values: values.to_vec(), channels: 1 })
    }

    #[test]
    fn the_nearest_value_finds_its_thing_and_the_way_through_it() {
        let things = [10, 20, 30];
        let shelf = [(10, sound(&[0.0])), (10, sound(&[9.0])), (20, sound(&[4.0])), (30, sound(&[6.0]))];
        let sounds = Distances::new(&shelf, &[(10, sound(&[8.5])), (20, sound(&[5.5])), (30, sound(&[5.9]))], &things);
        assert_eq!(sounds.thing_ranks(), [1, 2, 1]);
        assert_eq!([0, 1, 2].map(|at| sounds.nearest(at)), [0, 2, 2]);
        assert_eq!(sounds.rank_by(1, 1), 1); // of the three the second is nearest to 4.0
        assert_eq!(sounds.rank_by(2, 1), 2); // to 6.0 the third is nearer
    }

    #[test]
    fn pictures_of_any_size_are_as_far_apart_as_their_numbers() {
        let picture = |value: u8| Item::Image { pixels: vec![value; 300 * 250 * 3], height: 300, width: 250 };
        assert_eq!(distance(&picture(255), &picture(0)), 300.0 * 250.0 * 3.0 * 65025.0);
        assert_eq!(distance(&picture(3), &picture(5)), 300.0 * 250.0 * 3.0 * 4.0);
    }

    #[test]
    fn a_shorter_series_ends_in_zeros() {
        assert_eq!(distance(&sound(&[1.0, 2.0]), &sound(&[1.0])), 4.0);
        assert_eq!(distance(&sound(&[1.0]), &sound(&[1.0, 2.0])), 4.0);
    }
}
