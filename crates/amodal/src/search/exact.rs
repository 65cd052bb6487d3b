//! Exact search: the product of every query with every vector, and the best `k` of each.
use crate::kernels::each_with_each;
use rayon::prelude::*;

/// Queries and vectors whose products are computed together; they stay in the cache.
const QUERIES: usize = 128;
const BLOCK: usize = 512;

/// Candidates that are gathered before those that fell behind are left out.
const ROOM: usize = 64;
/// Candidates that no score tells apart, above which they are ranked at once.
const MANY: usize = 1024;
/// Scores that are compared at once.
const LANES: usize = 32;

/// Gives the name of a position, or `None` to leave it out.
pub(super) type Name<'n, 'a> = &'n (dyn Fn(usize) -> Option<(&'a str, &'a str)> + Sync);

/// For each query the positions and scores of the best `k` vectors, best first; equal scores stand in the order of their
/// names.
///
/// `vectors` is `[items, dim]` and `queries` `[queries, dim]`, each of length 1. The result does not depend on the order of
/// the vectors, nor on how many queries are asked at once: products of blocks choose candidates with room for their rounding,
/// and [`dot`] ranks these.
pub(super) fn nearest(vectors: &[f32], queries: &[f32], dim: usize, k: usize, name: Name) -> Vec<Vec<(usize, f32)>> {
    let count = vectors.len() / dim;
    let k = k.min(count);
    let share = count.div_ceil(rayon::current_num_threads()).next_multiple_of(BLOCK).max(BLOCK);
    let ask = |queries: &[f32]| {
        let part = |at: usize| {
            let part = &vectors[at * share * dim..vectors.len().min((at + 1) * share * dim)];
            candidates(part, at * share, queries, dim, k, name)
        };
        let parts: Vec<Vec<Candidates>> = each(count.div_ceil(share), part);
        let of = |at: usize| {
            let query = &queries[at * dim..][..dim];
            let found = parts.iter().flat_map(|part| &part[at].found).map(|one| one.position);
            rank(found, |position| dot(&vectors[position * dim..][..dim], query), k, name)
        };
        (0..queries.len() / dim).map(of).collect::<Vec<_>>()
    };
    queries.chunks(QUERIES * dim).flat_map(ask).collect()
}

/// What work yields for each number up to `count`, on all cores; without handing it to another thread where that gains nothing.
pub(super) fn each<T: Send>(count: usize, work: impl Fn(usize) -> T + Sync + Send) -> Vec<T> {
    if count == 1 || rayon::current_num_threads() == 1 {
        return (0..count).map(work).collect();
    }
    (0..count).into_par_iter().map(work).collect()
}

/// The best `k` of some positions by their scores, best first.
pub(super) fn rank(
    found: impl Iterator<Item = usize>,
    score: impl Fn(usize) -> f32,
    k: usize,
    name: Name,
) -> Vec<(usize, f32)> {
    let mut ranked: Vec<_> = found.filter_map(|at| Some((at, score(at), name(at)?))).collect();
    let order = |a: &(usize, f32, (&str, &str)), b: &(usize, f32, (&str, &str))| {
        b.1.total_cmp(&a.1).then_with(|| a.2.cmp(&b.2))
    };
    if k < ranked.len() {
        ranked.select_nth_unstable_by(k, order);
        ranked.truncate(k);
    }
    ranked.sort_unstable_by(order);
    ranked.into_iter().map(|(position, score, _)| (position, score)).collect()
}

/// A vector that may be among the best, by a score that is not exact.
struct Candidate {
    score: f32,
    position: usize,
}

/// Those of one query so far: all that may be among its best `k`.
struct Candidates {
    found: Vec<Candidate>,
    /// What is below cannot be among the best.
    least: f32,
    /// Number of candidates at which those that fell behind are left out.
    full: usize,
}

impl Candidates {
    /// Leaves out what is not among the best `k`, nor within `rounding` of the last of these; where that leaves many, as equal
    /// vectors do, all but the `k` that `exact` ranks first.
    fn tidy(&mut self, k: usize, rounding: f32, exact: impl Fn(&[Candidate]) -> Vec<(usize, f32)>) {
        if self.found.len() > k {
            let (_, last, _) = self.found.select_nth_unstable_by(k - 1, |a, b| b.score.total_cmp(&a.score));
            self.least = last.score - rounding;
            self.found.retain(|one| one.score >= self.least);
        }
        if self.found.len() > 4 * k + MANY {
            let ranked = exact(&self.found);
            self.least = self.least.max(ranked[k - 1].1 - rounding);
            self.found = ranked.into_iter().map(|(position, score)| Candidate { score, position }).collect();
        }
        self.full = 2 * self.found.len().max(k) + ROOM;
    }
}

/// For each query what may be among its best `k` of some vectors, the first of which stands at `start`.
fn candidates(vectors: &[f32], start: usize, queries: &[f32], dim: usize, k: usize, name: Name) -> Vec<Candidates> {
    let empty = || Candidates { found: Vec::new(), least: f32::NEG_INFINITY, full: 2 * k + ROOM };
    let mut all: Vec<Candidates> = (0..queries.len() / dim).map(|_| empty()).collect();
    if k == 0 {
        return all;
    }
    // A sum of products of two vectors of length 1 is off by at most half an epsilon a number; both ways of summing are, for
    // the last of the best and for what is compared with it.
    let rounding = 2.1 * (dim as f32 + 8.0) * f32::EPSILON;
    let exact = |query: usize, found: &[Candidate]| {
        let query = &queries[query * dim..][..dim];
        let score = |position: usize| dot(&vectors[(position - start) * dim..][..dim], query);
        rank(found.iter().map(|one| one.position), score, k, name)
    };
    let mut scores = vec![0.0; all.len() * BLOCK];
    for (block, rows) in vectors.chunks(BLOCK * dim).enumerate() {
        let count = rows.len() / dim;
        each_with_each(queries, rows, dim, &mut scores[..all.len() * count]);
        for (query, (of, scores)) in all.iter_mut().zip(scores.chunks_exact(count)).enumerate() {
            for (offset, lanes) in scores.chunks(LANES).enumerate() {
                if !any_from(lanes, of.least) {
                    continue;
                }
                for (lane, score) in lanes.iter().copied().enumerate() {
                    let position = start + block * BLOCK + offset * LANES + lane;
                    if score >= of.least && name(position).is_some() {
                        of.found.push(Candidate { score, position });
                    }
                }
            }
            if of.found.len() >= of.full {
                of.tidy(k, rounding, |found| exact(query, found));
            }
        }
    }
    for (query, of) in all.iter_mut().enumerate() {
        of.tidy(k, rounding, |found| exact(query, found));
    }
    all
}

/// Whether a score is at least so much.
fn any_from(scores: &[f32], least: f32) -> bool {
    match scores.as_array::<LANES>() {
        Some(scores) => scores.iter().fold(false, |any, score| any | (*score >= least)),
        None => scores.iter().any(|score| *score >= least),
    }
}

/// Sum of products in eight running sums, always in the same order: the compiler keeps them in one register, and the
/// same vectors give the same bits.
pub(super) fn dot(a: &[f32], b: &[f32]) -> f32 {
    let (a, b) = (a.as_chunks::<8>(), b.as_chunks::<8>());
    let mut sums = [0.0_f32; 8];
    for (a, b) in a.0.iter().zip(b.0) {
        for lane in 0..8 {
            sums[lane] += a[lane] * b[lane];
        }
    }
    let rest: f32 = a.1.iter().zip(b.1).map(|(a, b)| a * b).sum();
    // Adding zero turns -0 into 0, so that both count as the same score.
    ((sums[0] + sums[4]) + (sums[1] + sums[5])) + ((sums[2] + sums[6]) + (sums[3] + sums[7])) + rest + 0.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{Purpose, RngExt};
    use proptest::prelude::*;

    #[test]
    fn dot_of_any_length() {
        for length in 0..40 {
            let a: Vec<f32> = (0..length).map(|index| index as f32 + 1.0).collect();
            let expected: f32 = a.iter().map(|value| value * 2.0).sum();
            assert_eq!(dot(&a, &vec![2.0; length]), expected);
        }
        assert!(dot(&[-0.0], &[1.0]).is_sign_positive());
    }

    #[test]
    fn many_queries_find_what_one_finds() {
        let (dim, mut random) = (37, crate::random::random(1, 0, 0, Purpose::Synthetic));
        let mut unit = |count: usize| -> Vec<f32> {
            let mut values: Vec<f32> = (0..count * dim).map(|_| random.random_range(-1.0..1.0)).collect();
            for row in values.chunks_mut(dim) {
                let length = row.iter().map(|value| value * value).sum::<f32>().sqrt();
                row.iter_mut().for_each(|value| *value /= length);
            }
            values
        };
        let mut vectors = unit(3000);
        // Copies that differ by a rounding, which sums in another order confuse.
        for at in 1..400 {
            vectors.copy_within(..dim, at * 7 * dim);
            let value = &mut vectors[at * 7 * dim + at % dim];
            *value = value.next_up();
        }
        let mut queries = unit(QUERIES + 3);
        queries[..dim].copy_from_slice(&vectors[..dim]);
        let names: Vec<String> = (0..3000).map(|row| row.to_string()).collect();
        let name = |row: usize| Some((names[row].as_str(), ""));
        for (query, found) in queries.chunks(dim).zip(nearest(&vectors, &queries, dim, 50, &name)) {
            let all = rank(0..3000, |row| dot(&vectors[row * dim..][..dim], query), 50, &name);
            assert_eq!(found, all);
            assert_eq!(nearest(&vectors, query, dim, 50, &name), [all]);
        }
    }

    #[test]
    fn equal_vectors_are_not_all_kept() {
        let count = 20 * BLOCK;
        let vectors: Vec<f32> =
            (0..count).flat_map(|row| if row % 1000 == 7 { [1.0, 0.0] } else { [0.6, 0.8] }).collect();
        let names: Vec<String> = (0..count).map(|row| format!("{:05}", (row * 7919) % 10_243)).collect();
        let name = |row: usize| Some((names[row].as_str(), ""));
        let kept = candidates(&vectors, 0, &[0.6, 0.8], 2, 3, &name).remove(0);
        assert!(kept.found.len() <= 4 * 3 + MANY, "{}", kept.found.len());
        let all = rank(0..count, |row| dot(&vectors[row * 2..][..2], &[0.6, 0.8]), 3, &name);
        assert_eq!(nearest(&vectors, &[0.6, 0.8], 2, 3, &name), [all]);
        let all = nearest(&vectors, &[0.6, 0.8], 2, usize::MAX, &name).remove(0);
        assert_eq!((all.len(), all[0].1 > all[count - 1].1), (count, true));
    }

    proptest! {
        #[test]
        fn the_same_as_sorting_everything(
            // Few values make many equal scores.
            values in prop::collection::vec(-2_i8..=2, 3..1800), queries in prop::collection::vec([-2_i8..=2, -2_i8..=2, -2_i8..=2], 1..140),
            k in 0_usize..40, skip in 1_usize..5,
        ) {
            let rows = values.len() / 3;
            let vectors: Vec<f32> = values[..rows * 3].iter().map(|value| f32::from(*value)).collect();
            let queries: Vec<f32> = queries.into_iter().flatten().map(f32::from).collect();
            let names: Vec<String> = (0..rows).map(|row| format!("{:04}", (row * 7919) % 10_007)).collect();
            let name = |row: usize| row.is_multiple_of(skip).then(|| (names[row].as_str(), "image"));
            let expected = |query: &[f32]| {
                let mut all: Vec<(usize, f32)> = (0..rows).filter(|row| row.is_multiple_of(skip))
                    .map(|row| (row, (0..3).map(|at| vectors[row * 3 + at] * query[at]).sum())).collect();
                all.sort_by(|a, b| b.1.partial_cmp(&a.1).unwrap().then_with(|| names[a.0].cmp(&names[b.0])));
                all.truncate(k);
                all
            };
            let expected: Vec<_> = queries.chunks(3).map(expected).collect();
            prop_assert_eq!(nearest(&vectors, &queries, 3, k, &name), expected);
        }
    }
}
