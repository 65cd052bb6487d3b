//! Share of rows whose text is the right one.
use super::{
    Entry, Kind,
    made_texts::{Answer, MadeTexts, TextMeasure, mean},
};

/// The list's entry.
pub const ENTRY: Entry = Entry {
    name: "exact",
    about: "Share of rows whose made text is exactly the right one; beside always giving the commonest text.",
    kind: Kind::Text,
    make: || Box::new(MadeTexts::new(MEASURES)),
};

const MEASURES: &[TextMeasure] = &[TextMeasure { name: "exact", is_share: true, higher_is_better: true, of: exact }];

fn exact(rows: &[Answer]) -> f64 {
    mean(rows, |made, right| f64::from(u8::from(right.contains(&made))))
}

#[cfg(test)]
mod tests {
    #[test]
    fn equals_counting() {
        crate::metrics::golden::texts("exact", super::exact, false);
    }
}
