//! Root of the mean squared error.
use super::{Entry, Figure, Kind, Metric, View, numbers};
use crate::Result;

/// The list's entry.
pub const ENTRY: Entry = Entry {
    name: "rmse",
    about: "Root of the mean squared error in the units of the table; beside that of always answering the mean.",
    kind: Kind::Number,
    make: || Box::new(Rmse::default()),
};

#[derive(Default)]
struct Rmse {
    /// Predicted and right number of each row.
    rows: Vec<(f64, f64)>,
}

impl Metric for Rmse {
    fn update(&mut self, view: &View) -> Result<()> {
        self.rows.extend(numbers(view)?);
        Ok(())
    }

    fn figures(&self) -> Vec<Figure> {
        let count = self.rows.len();
        if count == 0 {
            return Vec::new();
        }
        let mean = self.rows.iter().map(|(_, right)| right).sum::<f64>() / count as f64;
        let constant: Vec<(f64, f64)> = self.rows.iter().map(|(_, right)| (mean, *right)).collect();
        let error =
            |rows: &[(f64, f64)]| (rows.iter().map(|(a, b)| (a - b).powi(2)).sum::<f64>() / count as f64).sqrt();
        vec![Figure {
            name: "rmse".into(),
            value: error(&self.rows),
            floor: error(&constant),
            floor_name: "mean",
            is_share: false,
            higher_is_better: false,
            count,
        }]
    }
}
