//! F1, the mean over classes.
use super::{Entry, Figure, Kind, Metric, View, classes};
use crate::Result;

/// The list's entry.
pub const ENTRY: Entry = Entry {
    name: "f1",
    about: "F1 (harmonic mean of precision and recall), the mean over the classes that occur; beside that of the most frequent class.",
    kind: Kind::Class,
    make: || Box::new(F1::default()),
};

#[derive(Default)]
struct F1 {
    /// For each class: rows rightly given it, rows given it, rows of it.
    counts: Vec<[usize; 3]>,
}

impl Metric for F1 {
    fn update(&mut self, view: &View) -> Result<()> {
        let (rows, classes) = classes(view)?;
        self.counts.resize(classes, [0; 3]);
        for (best, right) in rows {
            self.counts[right][0] += usize::from(best == right);
            self.counts[best][1] += 1;
            self.counts[right][2] += 1;
        }
        Ok(())
    }

    fn figures(&self) -> Vec<Figure> {
        let count: usize = self.counts.iter().map(|[_, _, seen]| seen).sum();
        if count == 0 {
            return Vec::new();
        }
        let f1 = |right: usize, given: usize, seen: usize| 2.0 * right as f64 / (given + seen).max(1) as f64;
        let occurring = self.counts.iter().filter(|[_, given, seen]| given + seen > 0).count();
        let value = self.counts.iter().map(|[right, given, seen]| f1(*right, *given, *seen)).sum::<f64>();
        let classes = self.counts.iter().filter(|[_, _, seen]| *seen > 0).count();
        let largest = self.counts.iter().map(|[_, _, seen]| *seen).max().unwrap_or(0);
        vec![Figure {
            name: "f1".into(),
            value: value / occurring.max(1) as f64,
            floor: f1(largest, count, largest) / classes.max(1) as f64,
            floor_name: "majority",
            is_share: true,
            higher_is_better: true,
            count,
        }]
    }
}
