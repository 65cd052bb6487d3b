//! Exact search: the dot product with every vector, and the best `k` of them.
use std::cmp::Ordering;
use std::collections::BinaryHeap;

/// Vectors whose scores are computed before any of them is ranked; a block of scores stays in the cache.
const BLOCK: usize = 256;

/// One vector with its score; the greatest in a heap is the worst.
struct Candidate<'a> {
    score: f32,
    name: (&'a str, &'a str),
    position: usize,
}

impl Ord for Candidate<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        other.score.total_cmp(&self.score).then_with(|| self.name.cmp(&other.name))
    }
}

impl PartialOrd for Candidate<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Candidate<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Candidate<'_> {}

/// The positions and scores of the best `k` vectors, best first; equal scores stand in the order of their names.
///
/// `vectors` is `[items, dim]`; `name` gives the name of a position, or `None` to leave it out. The result does not
/// depend on the order of the vectors.
pub(super) fn nearest<'a>(
    vectors: &[f32],
    query: &[f32],
    k: usize,
    name: impl Fn(usize) -> Option<(&'a str, &'a str)>,
) -> Vec<(usize, f32)> {
    let dim = query.len();
    let mut best = BinaryHeap::with_capacity(k.min(vectors.len() / dim) + 1);
    let mut scores = [0.0; BLOCK];
    for (block, rows) in vectors.chunks(BLOCK * dim).enumerate() {
        for (score, row) in scores.iter_mut().zip(rows.chunks_exact(dim)) {
            *score = dot(row, query);
        }
        for (offset, score) in scores[..rows.len() / dim].iter().copied().enumerate() {
            let worst = if best.len() < k { None } else { best.peek().map(|worst: &Candidate| worst.score) };
            if k == 0 || worst.is_some_and(|worst| score < worst) {
                continue;
            }
            let position = block * BLOCK + offset;
            if let Some(name) = name(position) {
                best.push(Candidate { score, name, position });
                if best.len() > k {
                    best.pop();
                }
            }
        }
    }
    best.into_sorted_vec().into_iter().map(|one| (one.position, one.score)).collect()
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

    proptest! {
        #[test]
        fn the_same_as_sorting_everything(
            // Few values make many equal scores.
            values in prop::collection::vec(-2_i8..=2, 3..1800), query in prop::collection::vec(-2_i8..=2, 3), k in 0_usize..40,
            skip in 1_usize..5,
        ) {
            let rows = values.len() / 3;
            let vectors: Vec<f32> = values[..rows * 3].iter().map(|value| f32::from(*value)).collect();
            let query: Vec<f32> = query.into_iter().map(f32::from).collect();
            let names: Vec<String> = (0..rows).map(|row| format!("{:04}", (row * 7919) % 10_007)).collect();
            let name = |row: usize| row.is_multiple_of(skip).then(|| (names[row].as_str(), "image"));
            let mut expected: Vec<(usize, f32)> = (0..rows).filter(|row| row.is_multiple_of(skip))
                .map(|row| (row, (0..3).map(|at| vectors[row * 3 + at] * query[at]).sum())).collect();
            expected.sort_by(|a, b| b.1.partial_cmp(&a.1).unwrap().then_with(|| names[a.0].cmp(&names[b.0])));
            expected.truncate(k);
            prop_assert_eq!(nearest(&vectors, &query, k, name), expected);
        }
    }
}
