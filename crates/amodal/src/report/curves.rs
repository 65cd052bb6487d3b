//! Line charts as inline SVG. plotters places the strokes; colours, dashes and letters come from the page's style, so
//! that a chart follows the reader's light or dark theme. Title, axis names and legend are HTML and can wrap.

use std::fmt::Write;

use maud::{Markup, PreEscaped, html};
use plotters::coord::Shift;
use plotters::coord::ranged1d::{KeyPointHint, NoDefaultFormatting, Ranged, ValueFormatter};
use plotters::prelude::{
    ChartBuilder, Circle, Color, DrawingArea, IntoDrawingArea, IntoFont, LineSeries, RGBColor, SVGBackend, TRANSPARENT,
};

use super::number::{NONE, count, number, tick};
use super::{Curve, Line};

/// Units of the drawing a CSS pixel at its natural size: plotters places strokes on whole units.
const FINE: u32 = 4;
const WIDTH: u32 = 400 * FINE;
const HEIGHT: u32 = 230 * FINE;

/// Points kept of each line.
const MAX_POINTS: usize = 600;

/// Lines with at most this many points also get a dot at each.
const MAX_DOTS: usize = 24;

/// Styles in the style sheet; a chart with more lines starts again.
const STYLES: usize = 6;

/// Larger values would overflow the arithmetic of an axis.
const LARGEST: f64 = 1e100;

// Colours that stand for classes of the style sheet until `themed` replaces them.
const GRID: RGBColor = RGBColor(1, 1, 0);
const AXIS: RGBColor = RGBColor(1, 1, 1);
const TICK: RGBColor = RGBColor(1, 1, 2);

pub(super) fn curve(curve: &Curve) -> Markup {
    let drawable: Vec<Vec<(f64, f64)>> = curve.lines.iter().map(|line| drawable(line, curve.log_y)).collect();
    let left_out =
        curve.lines.iter().map(|line| line.points.len()).sum::<usize>() - drawable.iter().map(Vec::len).sum::<usize>();
    let legend = curve.lines.len() > 1 || curve.lines.iter().any(|line| !line.name.is_empty());
    html! {
        figure.curve {
            h3 { (curve.title) }
            @if legend {
                ul.legend { @for (index, line) in curve.lines.iter().enumerate() { (legend_entry(line, index)) } }
            }
            @if drawable.iter().any(|line| !line.is_empty()) {
                p.axis { (curve.y_label) @if curve.log_y { " (log scale)" } }
                (chart(curve, &drawable))
                p.axis.x { (curve.x_label) }
            } @else {
                p.none { "No points to draw." }
            }
            @if left_out > 0 {
                p.caption { (count(left_out)) " of the points are not drawn: their values are not finite" @if curve.log_y { " or not above zero" } "." }
            }
        }
    }
}

fn legend_entry(line: &Line, index: usize) -> Markup {
    html! {
        li {
            svg viewBox="0 0 112 32" aria-hidden="true" {
                line class=(format!("line-{}", index % STYLES)) x1="0" y1="16" x2="112" y2="16" stroke-width="7" {}
            }
            (line.name)
            @if let Some((_, last)) = line.points.last() { " " span.score { span.hidden { "ends at " } (number(*last)) } }
        }
    }
}

fn chart(curve: &Curve, lines: &[Vec<(f64, f64)>]) -> Markup {
    match draw(lines, curve.log_y) {
        Ok(drawing) => html! {
            svg.chart viewBox=(format!("0 0 {WIDTH} {HEIGHT}")) role="img" aria-label=(in_words(curve, lines)) {
                (PreEscaped(themed(&drawing)))
            }
        },
        Err(error) => html! { p.none { "The chart could not be drawn: " (error.to_string()) } },
    }
}

/// The chart as a sentence, for those who do not see it.
fn in_words(curve: &Curve, lines: &[Vec<(f64, f64)>]) -> String {
    let mut text = format!("{}: {} over {}.", curve.title, curve.y_label, curve.x_label);
    for (line, points) in curve.lines.iter().zip(lines) {
        let ends = points.first().zip(points.last());
        let (from, to) = ends.map_or((NONE.into(), NONE.into()), |(first, last)| (number(first.1), number(last.1)));
        // Writing to a string cannot fail.
        let _ = write!(text, " {} goes from {from} to {to}.", line.name);
    }
    text
}

fn drawable(line: &Line, log_y: bool) -> Vec<(f64, f64)> {
    let fits = |value: f64| value.is_finite() && value.abs() <= LARGEST;
    line.points.iter().copied().filter(|&(x, y)| fits(x) && fits(y) && (!log_y || y > 0.0)).collect()
}

/// The first, the last, and the lowest and highest point of each of equal stretches between: spikes stay visible.
fn thinned(points: &[(f64, f64)]) -> Vec<(f64, f64)> {
    let [first, inner @ .., last] = points else { return points.to_vec() };
    if points.len() <= MAX_POINTS {
        return points.to_vec();
    }
    let mut kept = vec![*first];
    for stretch in inner.chunks(inner.len().div_ceil((MAX_POINTS - 2) / 2)) {
        let indices = || 0..stretch.len();
        let low = indices().min_by(|&a, &b| stretch[a].1.total_cmp(&stretch[b].1)).unwrap_or(0);
        let high = indices().max_by(|&a, &b| stretch[a].1.total_cmp(&stretch[b].1)).unwrap_or(0);
        kept.push(stretch[low.min(high)]);
        if low != high {
            kept.push(stretch[low.max(high)]);
        }
    }
    kept.push(*last);
    kept
}

type Drawing<'a> = DrawingArea<SVGBackend<'a>, Shift>;

fn draw(lines: &[Vec<(f64, f64)>], log_y: bool) -> Result<String, Box<dyn std::error::Error>> {
    let mut drawing = String::new();
    {
        let area = SVGBackend::with_string(&mut drawing, (WIDTH, HEIGHT)).into_drawing_area();
        draw_on(&area, lines, log_y)?;
        area.present()?;
    }
    Ok(drawing)
}

fn draw_on(area: &Drawing, lines: &[Vec<(f64, f64)>], log_y: bool) -> Result<(), Box<dyn std::error::Error>> {
    let scaled = |y: f64| if log_y { y.log10() } else { y };
    let (x_low, x_high) = ends(lines.iter().flatten().map(|point| point.0), 0.0);
    let (mut y_low, y_high) = ends(lines.iter().flatten().map(|point| scaled(point.1)), 0.04);
    let lowest = lines.iter().flatten().map(|point| point.1).fold(f64::INFINITY, f64::min);
    if !log_y && lowest >= 0.0 && lowest < 0.4 * y_high {
        y_low = 0.0;
    }
    let x_axis = Axis::linear(x_low, x_high, 5);
    let y_axis = if log_y { Axis::logarithmic(y_low, y_high) } else { Axis::linear(y_low, y_high, 4) };
    let label_length = y_axis.labels.iter().map(|label| label.chars().count() as u32).max().unwrap_or(0);

    let mut chart = ChartBuilder::on(area)
        .margin_top(8 * FINE)
        .margin_right(22 * FINE)
        .x_label_area_size(24 * FINE)
        .y_label_area_size((14 + 8 * label_length) * FINE)
        .build_cartesian_2d(x_axis, y_axis)?;
    chart
        .configure_mesh()
        .disable_x_mesh()
        .light_line_style(TRANSPARENT)
        .bold_line_style(GRID.stroke_width(FINE))
        .axis_style(AXIS.stroke_width(FINE))
        .set_all_tick_mark_size(4 * FINE)
        .label_style(("sans-serif", 13 * FINE).into_font().color(&TICK))
        .draw()?;
    for (index, points) in lines.iter().enumerate() {
        let color = RGBColor(1, 0, (index % STYLES) as u8);
        let points: Vec<_> = thinned(points).into_iter().map(|(x, y)| (x, scaled(y))).collect();
        if points.len() <= MAX_DOTS {
            chart.draw_series(points.iter().map(|&point| Circle::new(point, 3 * FINE, color.filled())))?;
        }
        let width = if points.len() > MAX_POINTS / 2 { 5 } else { 7 };
        chart.draw_series(LineSeries::new(points, color.stroke_width(width)))?;
    }
    Ok(())
}

/// Lowest and highest value with a margin of this share; a single value gets room on both sides.
fn ends(values: impl Iterator<Item = f64>, margin: f64) -> (f64, f64) {
    let (low, high) = values.fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), value| (a.min(value), b.max(value)));
    let room = (high - low) * margin;
    let (wide_low, wide_high) = (low - room, high + room);
    // A difference that rounding swallows is none.
    if wide_high - wide_low > 1e-12 * low.abs().max(high.abs()) {
        (wide_low, wide_high)
    } else {
        let room = if low == 0.0 { 1.0 } else { low.abs() * 0.5 };
        (low - room, high + room)
    }
}

/// About `wanted` round values between `low` and `high`, and the step between them.
fn nice_ticks(low: f64, high: f64, wanted: usize) -> (Vec<f64>, f64) {
    let rough = (high - low) / wanted as f64;
    let power = 10_f64.powf(rough.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0].into_iter().map(|times| times * power).find(|step| *step >= rough * 0.999);
    let step = step.unwrap_or(10.0 * power);
    let first = (low / step - 1e-9).ceil();
    let ticks = (0..=2 * wanted).map(|i| (first + i as f64) * step).take_while(|tick| *tick <= high + step * 1e-9);
    (ticks.collect(), step)
}

/// An axis that knows where its ticks are and what stands beside them.
struct Axis {
    low: f64,
    high: f64,
    ticks: Vec<f64>,
    labels: Vec<String>,
}

impl Axis {
    fn linear(low: f64, high: f64, wanted: usize) -> Self {
        let (ticks, step) = nice_ticks(low, high, wanted);
        let labels = ticks.iter().map(|value| tick(*value, step)).collect();
        Self { low, high, ticks, labels }
    }

    /// An axis of logarithms to base ten. Its ticks are powers of ten, with 2 and 5 between them where there is room,
    /// or round values where the axis covers less than that.
    fn logarithmic(low: f64, high: f64) -> Self {
        let decades = high - low;
        let ticks: Vec<f64> = if decades >= 3.0 {
            let every = (decades / 5.0).ceil();
            let first = (low / every).ceil() * every;
            (0..8).map(|i| first + every * f64::from(i)).filter(|tick| *tick <= high).collect()
        } else {
            let powers = low.floor() as i32..=high.ceil() as i32;
            let values = powers.flat_map(|power| [1.0_f64, 2.0, 5.0].map(|times| times.log10() + f64::from(power)));
            values.filter(|tick| (low..=high).contains(tick)).collect()
        };
        if ticks.len() >= 3 {
            let labels = ticks.iter().map(|tick| round_number(10_f64.powf(*tick))).collect();
            return Self { low, high, ticks, labels };
        }
        let (values, step) = nice_ticks(10_f64.powf(low), 10_f64.powf(high), 4);
        let values: Vec<f64> = values.into_iter().filter(|value| *value > 0.0).collect();
        let labels = values.iter().map(|value| tick(*value, step)).collect();
        Self { low, high, ticks: values.into_iter().map(f64::log10).collect(), labels }
    }
}

impl Ranged for Axis {
    type FormatOption = NoDefaultFormatting;
    type ValueType = f64;

    fn map(&self, value: &f64, (start, end): (i32, i32)) -> i32 {
        let share = (value - self.low) / (self.high - self.low);
        start + (share * f64::from(end - start)).round() as i32
    }

    fn key_points<Hint: KeyPointHint>(&self, _: Hint) -> Vec<f64> {
        self.ticks.clone()
    }

    fn range(&self) -> std::ops::Range<f64> {
        self.low..self.high
    }
}

impl ValueFormatter<f64> for Axis {
    fn format_ext(&self, value: &f64) -> String {
        let index = self.ticks.iter().position(|tick| tick == value);
        index.and_then(|index| self.labels.get(index)).cloned().unwrap_or_default()
    }
}

/// A number of one digit, as the ticks of a logarithmic axis are: 0.02, 500, 10⁻⁵.
fn round_number(value: f64) -> String {
    let step = 10_f64.powf((value.log10() + 1e-9).floor());
    tick((value / step).round() * step, step)
}

/// The inner elements of plotters' document with classes in the place of the stand-in colours.
///
/// plotters escapes quotes in texts, so an attribute of this form is never part of one.
fn themed(drawing: &str) -> String {
    let inner = drawing.split_once('>').map_or("", |(_, rest)| rest);
    let inner = inner.rsplit_once("</svg>").map_or(inner, |(inner, _)| inner);
    let mut text = inner.replace(r#" opacity="1""#, "").replace(r##" stroke="none""##, "");
    for (from, to) in [("stroke=\"#010100\"", "grid"), ("stroke=\"#010101\"", "frame"), ("fill=\"#010102\"", "tick")] {
        text = text.replace(from, &format!("class=\"{to}\""));
    }
    for index in 0..STYLES {
        text = text.replace(&format!("stroke=\"#01000{index}\""), &format!("class=\"line-{index}\""));
        text = text.replace(&format!("fill=\"#01000{index}\""), &format!("class=\"dot-{index}\""));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(points: Vec<(f64, f64)>, log_y: bool) -> String {
        let lines = vec![Line { name: "train".into(), points }];
        curve(&Curve { title: "Loss".into(), x_label: "step".into(), y_label: "nats".into(), log_y, lines })
            .into_string()
    }

    #[test]
    fn thinning_keeps_ends_and_spikes() {
        let mut points: Vec<_> = (0..10_000).map(|i| (f64::from(i), (f64::from(i) * 0.01).sin())).collect();
        points[5_432].1 = 40.0;
        let kept = thinned(&points);
        assert!(kept.len() <= MAX_POINTS && kept.len() > MAX_POINTS / 2, "{}", kept.len());
        assert!(kept.contains(&(5_432.0, 40.0)));
        assert_eq!((kept.first(), kept.last()), (points.first(), points.last()));
        assert!(kept.windows(2).all(|pair| pair[0].0 < pair[1].0));
        for length in [0, 1, 2, 600] {
            assert_eq!(thinned(&points[..length]), points[..length]);
        }
    }

    #[test]
    fn colours_come_from_the_style_sheet() {
        let text = of(vec![(0.0, 1.0), (1.0, 0.5)], false);
        for part in ["class=\"line-0\"", "class=\"dot-0\"", "class=\"grid\"", "class=\"frame\"", "class=\"tick\""] {
            assert!(text.contains(part), "{part} in {text}");
        }
        assert!(!text.contains("#01") && !text.contains("xmlns"), "{text}");
        assert!(text.contains("train goes from 1 to 0.500."), "{text}");
    }

    #[test]
    fn any_points_give_a_chart_or_a_sentence() {
        let cases: Vec<Vec<(f64, f64)>> = vec![
            vec![],
            vec![(0.0, 0.0)],
            vec![(3.0, -7.0), (3.0, -7.0)],
            vec![(0.0, f64::NAN), (f64::INFINITY, 1.0)],
            vec![(0.0, 1e300), (1.0, -1e300)],
            vec![(0.0, 1e-300), (1.0, 1e99)],
            vec![(0.0, 1e99), (1.0, -1e99)],
            vec![(1e15, 1.0), (1e15 + 1.0, 1.0 + 1e-15)],
            vec![(0.0, 5e-324), (1.0, 5e-324)],
        ];
        for points in cases {
            for log_y in [false, true] {
                let text = of(points.clone(), log_y);
                assert!(text.contains("chart\"") || text.contains("No points to draw."), "{points:?} {text}");
                assert!(!text.contains("could not be drawn:"), "{points:?} {text}");
            }
        }
        let text = of(vec![(0.0, f64::NAN), (1.0, -1.0), (2.0, 1.0)], true);
        assert!(text.contains("2 of the points are not drawn"), "{text}");
    }

    #[test]
    fn ticks_are_round() {
        assert_eq!(nice_ticks(0.0, 4000.0, 5).0, [0.0, 1000.0, 2000.0, 3000.0, 4000.0]);
        assert_eq!(Axis::linear(0.0, 1.0, 4).labels, ["0", "0.5", "1.0"]);
        assert_eq!(Axis::logarithmic(-2.0, 0.3).labels, ["0.01", "0.02", "0.05", "0.1", "0.2", "0.5", "1"]);
        assert_eq!(Axis::logarithmic(0.0, 8.0).ticks, [0.0, 2.0, 4.0, 6.0, 8.0]);
        assert!(Axis::logarithmic(0.30, 0.33).labels.len() >= 3);
    }
}
