//! Words on a plane, so that those whose vectors are near each other are near each other there, as far as a plane allows.
use super::vectors::Vectors;
use crate::{Error, Result, kernels::each_with_each};
use bhtsne::{Neighbor, tSNE};
use rayon::prelude::*;

/// Fewest and most words of a map.
pub const WORDS: [usize; 2] = [5, 5000];
/// Neighbours that are compared.
const NEAREST: usize = 10;
/// How many words a word attends to, about.
const PERPLEXITY: f32 = 30.0;
/// Steps of t-SNE.
const STEPS: usize = 1000;
/// How far it approximates what is far away.
const THETA: f32 = 0.5;
/// Rows whose products with all others are made at once.
const ROWS: usize = 64;
/// Steps in which a direction of largest spread is found.
const POWERS: usize = 60;

/// Where words stand.
#[derive(Clone, Debug, PartialEq)]
pub struct Map {
    /// The words, the frequent ones first.
    pub words: Vec<String>,
    /// Where each stands.
    pub points: Vec<[f32; 2]>,
    /// The words that each is nearest to by cosine, the nearest first.
    pub nearest: Vec<Vec<usize>>,
    /// Share of those that are as many nearest on the map, too.
    pub kept: f64,
    /// What that share would be by chance.
    pub chance: f64,
}

impl Map {
    /// Places some words by t-SNE (van der Maaten and Hinton 2008; its tree: van der Maaten 2014, jmlr.org/papers/v15) of the
    /// distances of their vectors, each of length one, from where their two main directions put them. The same bits each time.
    ///
    /// # Errors
    /// [`Error::Data`] for a word without a vector, one that is named twice, or another number of words than [`WORDS`] says.
    pub fn new(vectors: &Vectors, words: &[&str]) -> Result<Self> {
        let [least, most] = WORDS;
        if !(least..=most).contains(&words.len()) {
            let problem = format!("{} words, expected {least} to {most}", words.len());
            return Err(Error::data("the map", problem));
        }
        let mut unit = Vec::with_capacity(words.len() * vectors.dim());
        for (at, word) in words.iter().enumerate() {
            if words[..at].contains(word) {
                return Err(Error::data("the map", format!("`{word}` stands twice among its words")));
            }
            let vector = vectors.get(word)?;
            let length = vector.iter().map(|value| value * value).sum::<f32>().sqrt().max(f32::MIN_POSITIVE);
            unit.extend(vector.iter().map(|value| value / length));
        }
        let count = words.len();
        let perplexity = PERPLEXITY.min((count - 1) as f32 / 3.0);
        let all = neighbours(&unit, vectors.dim(), (3.0 * perplexity) as usize);
        let points = place(&all, main_directions(&unit, vectors.dim()), perplexity)?;
        let few = NEAREST.min((count - 1) / 2);
        let nearest: Vec<Vec<usize>> =
            all.iter().map(|near| near.iter().take(few).map(|one| one.index).collect()).collect();
        let on_map = nearest_on_map(&points, few);
        let kept =
            nearest.iter().zip(&on_map).map(|(a, b)| a.iter().filter(|one| b.contains(one)).count()).sum::<usize>();
        Ok(Self {
            words: words.iter().map(|word| (*word).to_string()).collect(),
            points,
            nearest,
            kept: kept as f64 / (count * few) as f64,
            chance: few as f64 / (count - 1) as f64,
        })
    }
}

/// The `most` nearest of each row among the others, the nearest first; of equal ones the first.
fn neighbours(unit: &[f32], dim: usize, most: usize) -> Vec<Vec<Neighbor<f32>>> {
    let count = unit.len() / dim;
    let blocks = unit.par_chunks(ROWS * dim).enumerate().flat_map_iter(|(block, rows)| {
        let mut products = vec![0.0; rows.len() / dim * count];
        each_with_each(rows, unit, dim, &mut products);
        let near = |(at, products): (usize, &[f32])| {
            let own = block * ROWS + at;
            let mut others: Vec<usize> = (0..count).filter(|other| *other != own).collect();
            others.sort_by(|a, b| products[*b].total_cmp(&products[*a]));
            let distance = |index: usize| (2.0 - 2.0 * products[index]).max(0.0).sqrt();
            others.into_iter().take(most).map(|index| Neighbor { index, distance: distance(index) }).collect()
        };
        products.chunks_exact(count).enumerate().map(near).collect::<Vec<_>>()
    });
    blocks.collect()
}

/// Each row along the two directions in which rows differ most, small, as t-SNE begins (Kobak and Berens 2019,
/// doi:10.1038/s41467-019-13056-x).
fn main_directions(unit: &[f32], dim: usize) -> Vec<f32> {
    let count = unit.len() / dim;
    let mut rows: Vec<f64> = unit.iter().map(|value| f64::from(*value)).collect();
    let mean: Vec<f64> = (0..dim).map(|at| rows.iter().skip(at).step_by(dim).sum::<f64>() / count as f64).collect();
    rows.chunks_exact_mut(dim).for_each(|row| row.iter_mut().zip(&mean).for_each(|(value, mean)| *value -= mean));
    let mut points = vec![0.0; 2 * count];
    let mut scale = 0.0;
    for axis in 0..2 {
        let mut direction: Vec<f64> = (0..dim).map(|at| 1.0 / (at + 1) as f64).collect();
        let mut along = vec![0.0; count];
        for _ in 0..POWERS {
            let length = direction.iter().map(|value| value * value).sum::<f64>().sqrt().max(f64::MIN_POSITIVE);
            direction.iter_mut().for_each(|value| *value /= length);
            for (along, row) in along.iter_mut().zip(rows.chunks_exact(dim)) {
                *along = row.iter().zip(&direction).map(|(a, b)| a * b).sum();
            }
            let mut next = vec![0.0; dim];
            for (along, row) in along.iter().zip(rows.chunks_exact(dim)) {
                next.iter_mut().zip(row).for_each(|(sum, value)| *sum += along * value);
            }
            if next.iter().all(|value| *value == 0.0) {
                break; // no spread is left
            }
            direction = next;
        }
        let length = direction.iter().map(|value| value * value).sum::<f64>().sqrt().max(f64::MIN_POSITIVE);
        direction.iter_mut().for_each(|value| *value /= length);
        for (at, row) in rows.chunks_exact_mut(dim).enumerate() {
            let along: f64 = row.iter().zip(&direction).map(|(a, b)| a * b).sum();
            row.iter_mut().zip(&direction).for_each(|(value, direction)| *value -= along * direction);
            points[2 * at + axis] = along;
        }
        if axis == 0 {
            let spread = points.iter().map(|value| value * value).sum::<f64>() / count as f64;
            scale = 1e-4 / spread.sqrt().max(f64::MIN_POSITIVE);
        }
    }
    // words of one vector are pulled apart by their place in the order
    points.iter().enumerate().map(|(at, value)| (value * scale + at as f64 * 1e-9) as f32).collect()
}

/// On one thread: how sums are split among several changes their last bits, and with them the map.
fn place(near: &[Vec<Neighbor<f32>>], start: Vec<f32>, perplexity: f32) -> Result<Vec<[f32; 2]>> {
    let samples = vec![(); near.len()];
    let work = || {
        let mut tsne = tSNE::<f32, (), 2>::new(&samples);
        tsne.perplexity(perplexity).epochs(STEPS).initial_embedding(start).barnes_hut_with_neighbors(THETA, near);
        tsne.embedding().as_chunks::<2>().0.to_vec()
    };
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build();
    Ok(pool.map_err(|error| Error::data("the map", error.to_string()))?.install(work))
}

fn nearest_on_map(points: &[[f32; 2]], count: usize) -> Vec<Vec<usize>> {
    let near = |(own, [x, y]): (usize, &[f32; 2])| {
        let distance = |at: &usize| (points[*at][0] - x).powi(2) + (points[*at][1] - y).powi(2);
        let mut others: Vec<usize> = (0..points.len()).filter(|other| *other != own).collect();
        others.sort_by(|a, b| distance(a).total_cmp(&distance(b)));
        others.truncate(count);
        others
    };
    points.par_iter().enumerate().map(near).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Words in bunches, each bunch around a direction of its own.
    fn bunches(bunches: usize, each: usize) -> Vectors {
        let dim = bunches + 3;
        let words: Vec<String> = (0..bunches * each).map(|at| format!("{}:{}", at % bunches, at / bunches)).collect();
        let value = |at: usize| {
            let (word, axis) = (at / dim, at % dim);
            f32::from(u8::from(axis == word % bunches)) + ((at * 7919 % 101) as f32 - 50.0) * 0.003
        };
        let values = (0..words.len() * dim).map(value).collect();
        Vectors::new(words, dim, values).unwrap()
    }

    #[test]
    fn bunches_of_words_stand_together() {
        let vectors = bunches(6, 20);
        let words: Vec<&str> = vectors.words().iter().map(String::as_str).collect();
        let map = Map::new(&vectors, &words).unwrap();
        for (word, near) in words.iter().zip(nearest_on_map(&map.points, 10)) {
            assert!(near.iter().all(|other| words[*other][..2] == word[..2]), "{word}");
        }
        assert!(map.kept > 0.5 && map.kept <= 1.0 && (map.chance - 10.0 / 119.0).abs() < 1e-9, "{}", map.kept);
        assert!(map.nearest.iter().enumerate().all(|(at, near)| near.len() == 10 && !near.contains(&at)));
    }

    #[test]
    fn the_same_bits_on_any_number_of_threads() {
        let vectors = bunches(9, 30);
        let words: Vec<&str> = vectors.words().iter().map(String::as_str).collect();
        let on = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| Map::new(&vectors, &words).unwrap())
        };
        let one = on(1);
        assert!(one == on(2));
        assert!(one == on(5));
    }

    #[test]
    fn few_words_and_equal_vectors() {
        let words: Vec<String> = (0..8).map(|at| format!("w{at}")).collect();
        let vectors = Vectors::new(words, 2, vec![1.0; 16]).unwrap();
        let map = Map::new(&vectors, &["w0", "w1", "w2", "w3", "w4"]).unwrap();
        assert!(map.points.iter().flatten().all(|value| value.is_finite()), "{:?}", map.points);
        for (words, expected) in [
            (vec!["w0"; 5], "the map: `w0` stands twice"),
            (vec!["w0", "w1", "w2", "w3", "x"], "`x`: a word without a vector"),
            (vec!["w0"], "the map: 1 words, expected 5 to 5000"),
        ] {
            assert!(Map::new(&vectors, &words).unwrap_err().to_string().starts_with(expected));
        }
    }
}
