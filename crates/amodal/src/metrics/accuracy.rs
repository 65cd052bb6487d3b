//! Share of rows whose most likely class is right.
use super::{Entry, Figure, Kind, Metric, View, classes};
use crate::Result;

/// The list's entry.
pub const ENTRY: Entry = Entry {
    name: "accuracy",
    about: "Share of rows whose most likely class is right; beside the share of the most frequent class.",
    kind: Kind::Class,
    make: || Box::new(Accuracy::default()),
};

#[derive(Default)]
struct Accuracy {
    right: usize,
    /// Rows of each class.
    seen: Vec<usize>,
}

impl Metric for Accuracy {
    fn update(&mut self, view: &View) -> Result<()> {
        let (rows, classes) = classes(view)?;
        self.seen.resize(classes, 0);
        for (best, right) in rows {
            self.right += usize::from(best == right);
            self.seen[right] += 1;
        }
        Ok(())
    }

    fn figures(&self) -> Vec<Figure> {
        let count: usize = self.seen.iter().sum();
        if count == 0 {
            return Vec::new();
        }
        vec![Figure {
            name: "accuracy".into(),
            value: self.right as f64 / count as f64,
            floor: *self.seen.iter().max().unwrap_or(&0) as f64 / count as f64,
            floor_name: "majority",
            is_share: true,
            higher_is_better: true,
            count,
        }]
    }
}
