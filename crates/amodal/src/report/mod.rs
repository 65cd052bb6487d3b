//! `report.html`: one self-contained page with what a run reached, what it finds, where it errs and how it was trained.
//!
//! The page is a pure function of [`Report`], a tree of plain data without tensors. It loads nothing: pictures and
//! sounds are data URIs, curves are inline SVG, and the only script stops one sound when another starts. Every string
//! is escaped; every section that would be empty is left out.
//!
//! Pictures and sounds go into the page as they are, once for each place they are shown: send thumbnails and short
//! sounds.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

pub mod build;
mod curves;
mod gallery;
mod looks;
mod number;
mod page;
mod profile;
mod table;
mod word_map;

pub use looks::looks;
pub use profile::profile_page;
pub use word_map::word_map;

/// Everything a report shows.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Report {
    /// The page's heading.
    pub title: String,
    /// One to three sentences: what was trained on what, and the main result.
    pub lede: String,
    /// Name and value: parameters, seed, time, version, CPU, command.
    pub facts: Vec<(String, String)>,
    /// What a reader must know before the figures, such as "The speech is synthetic (espeak-ng)."
    pub notes: Vec<String>,
    /// Metrics beside their floors.
    pub tables: Vec<MetricTable>,
    /// Metrics over the share of the rows that a modality is withheld from.
    pub withheld: Vec<Curve>,
    /// Queries with their ranked hits.
    pub galleries: Vec<Gallery>,
    /// Wrong predictions, by task.
    pub mistakes: Vec<Mistakes>,
    /// Losses and metrics over the training.
    pub curves: Vec<Curve>,
    /// The resolved configuration as TOML, shown folded.
    pub config: String,
}

/// One chart of lines over a common axis.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Curve {
    /// What the chart shows.
    pub title: String,
    /// Name of the horizontal axis.
    pub x_label: String,
    /// Name of the vertical axis.
    pub y_label: String,
    /// Whether the vertical axis is logarithmic; then points with `y <= 0` are counted and not drawn.
    #[serde(default)]
    pub log_y: bool,
    /// The lines, in the order of the legend.
    pub lines: Vec<Line>,
}

/// One line of a [`Curve`].
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Line {
    /// Name in the legend, such as "train" or "held out".
    pub name: String,
    /// Points in the order of `x`. Values that are not finite are counted and not drawn; in JSON they are `null`.
    #[serde(deserialize_with = "read_points")]
    pub points: Vec<(f64, f64)>,
}

/// A table of metrics, each beside its floors.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MetricTable {
    /// Heading of the table.
    pub title: String,
    /// What the rows and the figures are.
    #[serde(default)]
    pub caption: String,
    /// The split that every figure was computed on.
    pub split: String,
    /// Heading of the first column, such as "task" or "inputs".
    pub label: String,
    /// The metrics, one column each.
    pub columns: Vec<Column>,
    /// The rows.
    pub rows: Vec<Row>,
}

/// One metric of a [`MetricTable`].
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Column {
    /// The metric's name.
    pub name: String,
    /// How its values are written.
    #[serde(default)]
    pub unit: Unit,
    /// Whether a smaller value is a better one.
    #[serde(default)]
    pub lower_is_better: bool,
}

/// How a metric's values are written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// A share of one, written in percent; the bar's scale is 0 to 100%.
    #[default]
    Share,
    /// A plain number; the bar's scale is the column's where all floors are the same, else the row's own.
    Plain,
}

/// One row of a [`MetricTable`].
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Row {
    /// What the row is about, such as "picture → label" or "picture + speech".
    pub label: String,
    /// Examples that the figures were computed on.
    pub n: usize,
    /// One cell a column; `None` or a missing one where the metric does not apply.
    pub cells: Vec<Option<Cell>>,
    /// Whether the row stands out.
    #[serde(default)]
    pub highlight: bool,
}

/// A metric's value with what is reached without learning.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cell {
    /// The value; a share is between 0 and 1. In JSON a value that is not finite is `null`.
    #[serde(deserialize_with = "read_number")]
    pub value: f64,
    /// The floors, marked on the bar.
    #[serde(default)]
    pub floors: Vec<Floor>,
}

/// What a simple rule reaches on the same rows.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Floor {
    /// The rule, such as "chance", "majority" or "raw pixels".
    pub name: String,
    /// Its value, in the unit of the column.
    #[serde(deserialize_with = "read_number")]
    pub value: f64,
}

/// Queries with their ranked hits, or inputs with what was made from them.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Gallery {
    /// Heading of the gallery.
    pub title: String,
    /// What is searched by what, and how the rows were chosen.
    #[serde(default)]
    pub caption: String,
    /// Whether what follows each query was made of it, and is not a ranked hit: what was made, what is right, and more.
    #[serde(default)]
    pub made: bool,
    /// The rows.
    pub rows: Vec<GalleryRow>,
}

/// One query of a [`Gallery`].
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GalleryRow {
    /// What was asked.
    pub query: Item,
    /// What was found, best first.
    pub hits: Vec<Hit>,
}

/// One result of a query.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hit {
    /// The thing found.
    pub item: Item,
    /// Whether it is a right answer; `None` where that has no meaning.
    #[serde(default)]
    pub right: Option<bool>,
}

/// One value of a modality, as shown.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Item {
    /// The value.
    pub media: Media,
    /// A few words below it; for a picture also its text alternative.
    #[serde(default)]
    pub caption: String,
    /// Similarity or probability.
    #[serde(default)]
    pub score: Option<f64>,
}

/// A value that the page shows or plays.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Media {
    /// A picture; up to 64 pixels it is enlarged without smoothing.
    Image {
        /// Such as `image/png`.
        mime: String,
        /// The encoded file; in JSON as base64.
        #[serde(serialize_with = "write_bytes", deserialize_with = "read_bytes")]
        bytes: Vec<u8>,
    },
    /// A sound.
    Sound {
        /// Such as `audio/wav`.
        mime: String,
        /// The encoded file; in JSON as base64.
        #[serde(serialize_with = "write_bytes", deserialize_with = "read_bytes")]
        bytes: Vec<u8>,
    },
    /// A text in any language.
    Text(String),
    /// A number.
    Number(#[serde(deserialize_with = "read_number")] f64),
    /// The cell was empty.
    #[default]
    Missing,
}

/// Wrong predictions of one task.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mistakes {
    /// The task's name.
    pub task: String,
    /// How the rows were chosen, and of how many mistakes.
    #[serde(default)]
    pub caption: String,
    /// The mistakes.
    pub rows: Vec<Mistake>,
}

/// One wrong prediction.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mistake {
    /// What the model was given.
    pub inputs: Vec<Item>,
    /// The right answer.
    pub expected: String,
    /// The model's answer.
    pub predicted: String,
    /// The probability that the model gave its answer.
    #[serde(default)]
    pub confidence: Option<f64>,
}

/// Writes the report as one HTML page.
#[must_use]
pub fn render(report: &Report) -> String {
    page::page(report).into_string()
}

fn read_number<'de, D: Deserializer<'de>>(from: D) -> Result<f64, D::Error> {
    Ok(Option::deserialize(from)?.unwrap_or(f64::NAN))
}

fn read_points<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<(f64, f64)>, D::Error> {
    let points = Vec::<(Option<f64>, Option<f64>)>::deserialize(from)?;
    Ok(points.into_iter().map(|(x, y)| (x.unwrap_or(f64::NAN), y.unwrap_or(f64::NAN))).collect())
}

fn write_bytes<S: Serializer>(bytes: &[u8], to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(&STANDARD.encode(bytes))
}

fn read_bytes<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<u8>, D::Error> {
    STANDARD.decode(String::deserialize(from)?).map_err(de::Error::custom)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ATTACK: &str = "\"'><script>alert(1)</script>&<img src=x>";

    /// A report with `text` in every field that holds one.
    fn full(text: &str) -> Report {
        let t = || text.to_string();
        let item = |media| Item { media, caption: t(), score: Some(0.5) };
        let every = [
            Media::Image { mime: "image/png".into(), bytes: vec![1, 2] },
            Media::Image { mime: t(), bytes: vec![1] },
            Media::Sound { mime: "audio/wav".into(), bytes: vec![3] },
            Media::Sound { mime: t(), bytes: vec![3] },
            Media::Text(t()),
            Media::Text(text.repeat(20)),
            Media::Number(1.5),
            Media::Missing,
        ];
        let items: Vec<Item> = every.into_iter().map(item).collect();
        let hits = items.iter().map(|item| Hit { item: item.clone(), right: Some(false) }).collect();
        let floors = vec![Floor { name: t(), value: 0.1 }];
        let cells = vec![Some(Cell { value: 0.5, floors }), None];
        let column = Column { name: t(), unit: Unit::Share, lower_is_better: true };
        let lines = vec![Line { name: t(), points: vec![(0.0, 1.0), (1.0, 0.5)] }; 2];
        Report {
            title: t(),
            lede: t(),
            facts: vec![(t(), t())],
            notes: vec![t()],
            withheld: vec![Curve { title: t(), x_label: t(), y_label: t(), log_y: false, lines: lines.clone() }],
            curves: vec![Curve { title: t(), x_label: t(), y_label: t(), log_y: false, lines }],
            tables: vec![MetricTable {
                title: t(),
                caption: t(),
                split: t(),
                label: t(),
                columns: vec![column.clone(), column],
                rows: vec![Row { label: t(), n: 1000, cells, highlight: true }],
            }],
            galleries: vec![Gallery {
                made: false,
                title: t(),
                caption: t(),
                rows: vec![GalleryRow { query: items[0].clone(), hits }],
            }],
            mistakes: vec![Mistakes {
                task: t(),
                caption: t(),
                rows: vec![Mistake { inputs: items, expected: t(), predicted: t(), confidence: Some(0.9) }],
            }],
            config: t(),
        }
    }

    #[test]
    fn every_text_is_escaped() {
        let page = render(&full(ATTACK));
        assert!(!page.contains("<script>alert") && !page.contains("<img src=x"), "{page}");
        // An attribute cannot be left either: a quote of the attack never reaches the page.
        assert!(!page.contains("\"'>"), "{page}");
        assert!(page.matches("&lt;script&gt;").count() > 40);
        assert_eq!(page.matches("<script>").count(), 1);
    }

    #[test]
    fn the_page_loads_nothing() {
        let page = render(&full("x"));
        for outside in ["http:", "https:", "src=\"//", "url(", "@import", "<link"] {
            assert!(!page.contains(outside), "{outside}");
        }
        assert!(page.split("src=\"").skip(1).all(|rest| rest.starts_with("data:")));
        assert!(page.split("href=\"").skip(1).all(|rest| rest.starts_with('#')));
    }

    #[test]
    fn empty_sections_are_left_out() {
        let page = render(&Report { title: "T".into(), ..Default::default() });
        for part in ["<section", "<nav", "<script", "<h2", "class=\"lede\""] {
            assert!(!page.contains(part), "{part}");
        }
        let page = render(&full("x"));
        let ids = ["notes", "results", "withheld", "examples", "mistakes", "training", "run", "configuration"];
        for id in ids {
            assert_eq!(page.matches(&format!("<section id=\"{id}\"><h2>")).count(), 1, "{id}");
            assert_eq!(page.matches(&format!("href=\"#{id}\"")).count(), 1, "{id}");
        }
        let order: Vec<_> = ids.iter().map(|id| page.find(&format!("<section id=\"{id}\"")).unwrap()).collect();
        assert!(order.is_sorted());
    }

    #[test]
    fn the_page_can_be_read_without_seeing_it() {
        let page = render(&full("x"));
        assert!(page.starts_with("<!DOCTYPE html><html lang=\"en\">"));
        assert!(page.contains("<meta name=\"color-scheme\" content=\"light dark\">"));
        assert!(page.contains("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">"));
        let levels: Vec<u32> = page.split("<h").skip(1).filter_map(|rest| rest.chars().next()?.to_digit(10)).collect();
        assert_eq!(levels.iter().filter(|level| **level == 1).count(), 1);
        assert!(levels.windows(2).all(|pair| pair[1] <= pair[0] + 1), "{levels:?}");
        assert!(page.split("<img").skip(1).all(|rest| rest.split('>').next().unwrap().contains("alt=\"x\"")));
        assert_eq!(page.matches("<table>").count(), page.matches("<caption").count());
        let drawings: Vec<_> = page.split("<svg").skip(1).map(|rest| rest.split('>').next().unwrap()).collect();
        assert!(drawings.iter().all(|svg| svg.contains("aria-label=") || svg.contains("aria-hidden=\"true\"")));
    }

    #[test]
    fn a_report_survives_json() {
        let mut report = full("grün ☂");
        let back: Report = serde_json::from_str(&serde_json::to_string(&report).unwrap()).unwrap();
        assert_eq!(back, report);
        report.curves[0].lines[0].points[1].1 = f64::NAN;
        report.tables[0].rows[0].cells[0].as_mut().unwrap().value = f64::INFINITY;
        report.mistakes[0].rows[0].inputs[6].media = Media::Number(f64::NAN);
        let back: Report = serde_json::from_str(&serde_json::to_string(&report).unwrap()).unwrap();
        assert!(back.curves[0].lines[0].points[1].1.is_nan());
        assert!(render(&back) == render(&report));
        assert!(serde_json::from_str::<Report>("{}").is_ok());
        assert!(serde_json::from_str::<Report>(r#"{"titel":"x"}"#).is_err());
    }

    #[test]
    fn long_curves_stay_small() {
        let points: Vec<_> = (0..10_000).map(|i| (f64::from(i), 2.0 + (f64::from(i) * 1.7).sin())).collect();
        let line = |name: &str| Line { name: name.into(), points: points.clone() };
        let curve = Curve { lines: vec![line("train"), line("held out")], ..Default::default() };
        let page = render(&Report { curves: vec![curve; 8], ..Default::default() });
        assert!(page.len() < 1_000_000, "{}", page.len());
        for line in page.split("points=\"").skip(1) {
            assert!(line.split('"').next().unwrap().split_whitespace().count() <= 600);
        }
    }
}
