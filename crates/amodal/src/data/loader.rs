//! Batches of an epoch, prepared ahead of the training thread.
//!
//! A batch is a pure function of (seed, epoch, number), so the number of threads changes nothing but the time.
use super::examples::{Draw, Examples, Gathered};
use crate::{
    Result,
    random::{Purpose, random, shuffle},
};
use std::{
    sync::mpsc::{Receiver, SyncSender, sync_channel},
    thread::Scope,
};

/// Which rows are trained on, and in what order.
#[derive(Clone, Debug)]
pub struct Order {
    /// The training rows.
    pub rows: Vec<usize>,
    /// Rows that are kept together: equal numbers stand side by side. One number a training row, or none.
    pub together: Option<Vec<u64>>,
    /// Rows a batch; the last of an epoch may have fewer.
    pub batch_size: usize,
    /// The run's seed.
    pub seed: u64,
}

impl Order {
    /// Batches an epoch.
    pub fn batches(&self) -> usize {
        self.rows.len().div_ceil(self.batch_size)
    }

    /// The rows of an epoch in order.
    pub fn epoch(&self, epoch: u64) -> Vec<usize> {
        let mut random = random(self.seed, epoch, 0, Purpose::Shuffle);
        let mut order: Vec<usize> = (0..self.rows.len()).collect();
        shuffle(&mut order, &mut random);
        if let Some(together) = &self.together {
            let mut place = std::collections::HashMap::new();
            for at in &order {
                let next = place.len();
                place.entry(together[*at]).or_insert(next); // a group stands where its first row was drawn
            }
            order.sort_by_key(|at| place[&together[*at]]);
        }
        order.into_iter().map(|at| self.rows[at]).collect()
    }
}

/// Prepares batches on threads of `scope`, from batch `start` (counted over all epochs) up to `end`.
pub struct Loader {
    threads: Vec<Receiver<Result<Gathered>>>,
    next: usize,
    end: usize,
}

impl Loader {
    /// Starts the threads.
    pub fn start<'scope, 'env>(
        scope: &'scope Scope<'scope, 'env>,
        examples: &'env Examples,
        order: &'env Order,
        modality_dropout: f64,
        (start, end): (usize, usize),
        threads: usize,
    ) -> Self {
        let threads = threads.max(1);
        let spawn = |thread: usize| {
            let (sender, receiver) = sync_channel(2);
            scope.spawn(move || {
                prepare(examples, order, modality_dropout, (start + thread..end).step_by(threads), &sender)
            });
            receiver
        };
        Self { threads: (0..threads).map(spawn).collect(), next: start, end }
    }
}

impl Iterator for Loader {
    type Item = Result<Gathered>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.next >= self.end {
            return None;
        }
        self.next += 1;
        let batch = self.threads.first()?.recv().ok();
        self.threads.rotate_left(1); // the threads take turns
        batch
    }
}

fn prepare(
    examples: &Examples,
    order: &Order,
    modality_dropout: f64,
    batches: impl Iterator<Item = usize>,
    sender: &SyncSender<Result<Gathered>>,
) {
    let mut current: Option<(u64, Vec<usize>)> = None;
    for batch in batches {
        let (epoch, at) = ((batch / order.batches()) as u64, batch % order.batches());
        if current.as_ref().is_none_or(|(known, _)| *known != epoch) {
            current = Some((epoch, order.epoch(epoch)));
        }
        let rows = &current.as_ref().expect("set above").1;
        let start = at * order.batch_size;
        let rows = &rows[start..(start + order.batch_size).min(rows.len())];
        let draw = Draw { seed: order.seed, epoch, modality_dropout };
        if sender.send(examples.gather(rows, Some(&draw), true)).is_err() {
            return; // training ended
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_once_an_epoch_and_groups_together() {
        let together: Vec<u64> = (0..100).map(|row| row % 7).collect();
        let order = Order { rows: (100..200).collect(), together: Some(together.clone()), batch_size: 9, seed: 3 };
        let epoch = order.epoch(5);
        let mut sorted = epoch.clone();
        sorted.sort_unstable();
        assert_eq!(sorted, order.rows);
        let changes = epoch.windows(2).filter(|w| together[w[0] - 100] != together[w[1] - 100]).count();
        assert_eq!(changes, 6);
        assert_eq!(order.epoch(5), epoch);
        assert_ne!(order.epoch(6), epoch);
    }
}
