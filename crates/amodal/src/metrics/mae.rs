//! Mean absolute error.
use super::{Entry, Figure, Kind, Metric, View, numbers};
use crate::Result;

/// The list's entry.
pub const ENTRY: Entry = Entry {
    name: "mae",
    about: "Mean absolute error in the units of the table; beside that of always answering the median.",
    kind: Kind::Number,
    make: || Box::new(Mae::default()),
};

#[derive(Default)]
struct Mae {
    /// Predicted and right number of each row.
    rows: Vec<(f64, f64)>,
}

impl Metric for Mae {
    fn update(&mut self, view: &View) -> Result<()> {
        self.rows.extend(numbers(view)?);
        Ok(())
    }

    fn figures(&self) -> Vec<Figure> {
        let count = self.rows.len();
        if count == 0 {
            return Vec::new();
        }
        let mut sorted: Vec<f64> = self.rows.iter().map(|(_, right)| *right).collect();
        sorted.sort_by(f64::total_cmp);
        let constant: Vec<(f64, f64)> = sorted.iter().map(|right| (sorted[count / 2], *right)).collect();
        let error = |rows: &[(f64, f64)]| rows.iter().map(|(a, b)| (a - b).abs()).sum::<f64>() / count as f64;
        vec![Figure {
            name: "mae".into(),
            value: error(&self.rows),
            floor: error(&constant),
            floor_name: "median",
            is_share: false,
            higher_is_better: false,
            count,
        }]
    }
}
