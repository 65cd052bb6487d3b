//! Recall@1, @5, @10 and median rank of finding one modality by another, both ways for each pair.
use super::{Entry, Figure, Kind, Metric, View};
use crate::{Named, Result, kernels::matmul, loss::of_task};
use burn::tensor::{Tensor, TensorData};
use std::collections::BTreeMap;

/// The list's entry.
pub const ENTRY: Entry = Entry {
    name: "retrieval",
    about: "Recall@1, @5, @10 and median rank of finding one modality by another among the different things (data.group_by), both ways for each pair; beside chance.",
    kind: Kind::Alignment,
    make: || Box::new(Retrieval::default()),
};

/// Queries that are compared with everything at once.
const BLOCK: usize = 256;

/// What recall is compared with.
pub(crate) const CHANCE: &str = "chance";

#[derive(Default)]
struct Retrieval {
    /// By modality: group and unit vector of each row that has it.
    vectors: Named<Vec<(u64, Vec<f32>)>>,
}

impl Metric for Retrieval {
    fn update(&mut self, view: &View) -> Result<()> {
        for (name, tokens) in of_task(&view.outputs.embedded, view.task, "embedding")? {
            let [_, _, dim] = tokens.values.dims();
            let values: Vec<f32> = tokens.values.clone().into_data().iter::<f32>().collect();
            let real: Vec<f32> = tokens.mask.clone().into_data().iter::<f32>().collect();
            let rows = values.chunks_exact(dim).zip(real).zip(&view.batch.groups);
            let rows = rows.filter(|((_, real), _)| *real > 0.0);
            let known = self.vectors.entry(name.clone()).or_default();
            known.extend(rows.map(|((vector, _), group)| (*group, vector.to_vec())));
        }
        Ok(())
    }

    fn figures(&self) -> Vec<Figure> {
        let mut figures = Vec::new();
        for (from, queries) in &self.vectors {
            for (to, items) in &self.vectors {
                if from != to && !queries.is_empty() && !items.is_empty() {
                    let (ranks, groups) = ranks(&distinct(queries), items);
                    figures.extend(summary(&format!("{from} → {to}"), ranks, groups, CHANCE));
                }
            }
        }
        figures
    }
}

/// Rows that differ: copies of one query (a caption that stands in several rows) count once.
fn distinct(queries: &[(u64, Vec<f32>)]) -> Vec<(u64, Vec<f32>)> {
    let mut seen = std::collections::HashSet::new();
    let key = |(group, vector): &(u64, Vec<f32>)| (*group, vector.iter().map(|v| v.to_bits()).collect::<Vec<_>>());
    queries.iter().filter(|query| seen.insert(key(query))).cloned().collect()
}

/// For each query the rank of its own group among all groups, each as near as its nearest item, from 1; and the number of
/// groups. Another group that is as near counts as nearer. A query without an item of its group is left out.
fn ranks(queries: &[(u64, Vec<f32>)], items: &[(u64, Vec<f32>)]) -> (Vec<usize>, usize) {
    let mut places: BTreeMap<u64, usize> = BTreeMap::new();
    for (group, _) in items {
        let next = places.len();
        places.entry(*group).or_insert(next);
    }
    let own: Vec<usize> = items.iter().map(|(group, _)| places[group]).collect();
    let device = crate::train::device();
    let matrix = |rows: &[(u64, Vec<f32>)]| {
        let dim = rows[0].1.len();
        let values: Vec<f32> = rows.iter().flat_map(|(_, vector)| vector.iter().copied()).collect();
        Tensor::<2>::from_data(TensorData::new(values, [rows.len(), dim]), &device)
    };
    let all = matrix(items).transpose();
    let mut ranks = Vec::new();
    for block in queries.chunks(BLOCK) {
        let scores: Vec<f32> = matmul(matrix(block), all.clone()).into_data().iter::<f32>().collect();
        for ((group, _), scores) in block.iter().zip(scores.chunks_exact(items.len())) {
            let Some(right) = places.get(group) else { continue };
            let mut best = vec![f32::NEG_INFINITY; places.len()];
            for (score, place) in scores.iter().zip(&own) {
                best[*place] = best[*place].max(*score);
            }
            ranks.push(best.iter().filter(|score| **score >= best[*right]).count());
        }
    }
    (ranks, places.len())
}

/// Recalls and median rank beside what chance would reach among `groups`.
pub(crate) fn summary(name: &str, mut ranks: Vec<usize>, groups: usize, floor_name: &'static str) -> Vec<Figure> {
    if ranks.is_empty() {
        return Vec::new();
    }
    ranks.sort_unstable();
    let count = ranks.len();
    let recall = |k: usize| Figure {
        name: format!("{name} recall@{k}"),
        value: ranks.iter().filter(|rank| **rank <= k).count() as f64 / count as f64,
        floor: k.min(groups) as f64 / groups as f64,
        floor_name,
        is_share: true,
        higher_is_better: true,
        count,
    };
    let median = Figure {
        name: format!("{name} median rank"),
        value: ranks[count / 2] as f64,
        floor: (groups + 1) as f64 / 2.0,
        floor_name,
        is_share: false,
        higher_is_better: false,
        count,
    };
    vec![recall(1), recall(5), recall(10), median]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks_groups_by_their_nearest_item() {
        let items = [(1, vec![1.0, 0.0]), (2, vec![0.8, 0.6]), (2, vec![0.0, 1.0]), (3, vec![-1.0, 0.0])];
        let (found, groups) =
            ranks(&[(1, vec![1.0, 0.0]), (3, vec![0.6, 0.8]), (2, vec![1.0, 0.0]), (9, vec![1.0, 0.0])], &items);
        assert_eq!((found, groups), (vec![1, 3, 2], 3));
    }

    #[test]
    fn a_collapsed_space_finds_nothing() {
        let items: Vec<_> = (0..10).map(|group| (group, vec![1.0, 0.0])).collect();
        let (found, _) = ranks(&items, &items);
        assert!(found.iter().all(|rank| *rank == 10));
    }
}
