//! What the metrics of made texts share: all rows scored together, beside always giving the commonest right text.
use super::{Figure, Metric, View, texts};
use crate::Result;
use std::collections::BTreeMap;

/// A made text and the right ones that it may be.
pub(super) type Answer<'a> = (&'a str, Vec<&'a str>);

/// One figure of made texts.
pub(super) struct TextMeasure {
    /// Its name.
    pub(super) name: &'static str,
    /// Whether it is a share of 1.
    pub(super) is_share: bool,
    /// Whether more is better.
    pub(super) higher_is_better: bool,
    /// Its value over all rows, of which there is at least one; each has at least one right text.
    pub(super) of: fn(&[Answer]) -> f64,
}

/// Made and right text of each row.
pub(super) struct MadeTexts {
    measures: &'static [TextMeasure],
    rows: Vec<(String, String)>,
}

impl MadeTexts {
    /// A counter at zero.
    pub(super) fn new(measures: &'static [TextMeasure]) -> Self {
        Self { measures, rows: Vec::new() }
    }

    /// The right text that most rows have; of several the first by its letters.
    fn commonest(&self) -> &str {
        let mut counts = BTreeMap::new();
        for (_, right) in &self.rows {
            *counts.entry(right.as_str()).or_insert(0) += 1;
        }
        counts.into_iter().rev().max_by_key(|(_, count)| *count).map_or("", |(text, _)| text)
    }
}

impl Metric for MadeTexts {
    fn update(&mut self, view: &View) -> Result<()> {
        self.rows.extend(texts(view)?);
        Ok(())
    }

    fn figures(&self) -> Vec<Figure> {
        if self.rows.is_empty() {
            return Vec::new();
        }
        let made: Vec<Answer> = self.rows.iter().map(|(made, right)| (made.as_str(), vec![right.as_str()])).collect();
        let commonest = self.commonest();
        let constant: Vec<Answer> = made.iter().map(|(_, right)| (commonest, right.clone())).collect();
        let figure = |measure: &TextMeasure| Figure {
            name: measure.name.into(),
            value: (measure.of)(&made),
            floor: (measure.of)(&constant),
            floor_name: "commonest text",
            is_share: measure.is_share,
            higher_is_better: measure.higher_is_better,
            count: made.len(),
        };
        self.measures.iter().map(figure).collect()
    }
}

/// The mean over rows.
pub(super) fn mean(rows: &[Answer], of: impl Fn(&str, &[&str]) -> f64) -> f64 {
    rows.iter().map(|(made, right)| of(made, right)).sum::<f64>() / rows.len() as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_floor_is_the_commonest_right_text() {
        let measure = &[TextMeasure {
            name: "",
            is_share: true,
            higher_is_better: true,
            of: |rows| mean(rows, |made, right| f64::from(u8::from(right[0] == made))),
        }];
        let row = |made: &str, right: &str| (made.to_string(), right.to_string());
        let rows = vec![row("a", "c"), row("b", "b"), row("b", "c"), row("d", "b"), row("e", "a")];
        let texts = MadeTexts { measures: measure, rows };
        assert_eq!(texts.commonest(), "b");
        let figure = &texts.figures()[0];
        assert_eq!((figure.value, figure.floor, figure.count), (0.2, 0.4, 5));
    }
}
