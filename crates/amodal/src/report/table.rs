//! Tables of metrics: each value with a bar on which its floors are marked.

use maud::{Markup, html};

use super::number::{NONE, count, metric};
use super::{Cell, Column, Floor, MetricTable, Unit};

pub(super) fn table(table: &MetricTable, id: &str) -> Markup {
    let shared: Vec<Option<&[Floor]>> = (0..table.columns.len()).map(|column| shared_floors(table, column)).collect();
    html! {
        h3 { (table.title) }
        div.scroll role="region" aria-labelledby=(id) tabindex="0" {
            table {
                caption id=(id) {
                    div {
                        (table.caption)
                        @if !table.caption.is_empty() { " " }
                        span.split { "Split: " b { (table.split) } "." }
                    }
                }
                thead {
                    tr {
                        th scope="col" { (table.label) }
                        th.n scope="col" { i { "n" } }
                        @for (column, floors) in table.columns.iter().zip(&shared) { (heading(column, *floors)) }
                    }
                }
                tbody {
                    @for row in &table.rows {
                        tr class=[row.highlight.then_some("highlight")] {
                            th scope="row" { (row.label) }
                            td.n { (count(row.n)) }
                            @for (index, column) in table.columns.iter().enumerate() {
                                td.metric {
                                    @match row.cells.get(index).and_then(Option::as_ref) {
                                        Some(cell) => (value(cell, column, scale(table, index, cell, shared[index].is_some()), shared[index].is_none())),
                                        None => { div.value { span.figure { (NONE) span.hidden { " does not apply" } } } }
                                    }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn heading(column: &Column, floors: Option<&[Floor]>) -> Markup {
    html! {
        th.metric scope="col" {
            (column.name)
            @if column.lower_is_better { span.hint { " ↓ lower is better" } }
            @if let Some(floors) = floors.filter(|floors| !floors.is_empty()) {
                div.floors { (names(floors, column.unit)) }
            }
        }
    }
}

fn value(cell: &Cell, column: &Column, (low, high): (f64, f64), with_names: bool) -> Markup {
    let place = |value: f64| 100.0 * (value - low) / (high - low);
    let zero = place(0.0);
    html! {
        div.value {
            span.figure { (metric(cell.value, column.unit)) }
            @if cell.value.is_finite() {
                svg.bar viewBox="0 0 100 16" preserveAspectRatio="none" aria-hidden="true" {
                    rect.track x="0" y="4" width="100" height="8" {}
                    rect.fill x=(short(place(cell.value).min(zero))) y="4" width=(short((place(cell.value) - zero).abs()))
                        height="8" {}
                    @for floor in cell.floors.iter().filter(|floor| floor.value.is_finite()) {
                        line.halo x1=(short(place(floor.value))) x2=(short(place(floor.value))) y1="0" y2="16" {}
                        line.floor x1=(short(place(floor.value))) x2=(short(place(floor.value))) y1="0" y2="16" {}
                    }
                }
            }
        }
        @if with_names && !cell.floors.is_empty() { div.floors { (names(&cell.floors, column.unit)) } }
        @if !beats(cell, column) { div.below { "not better than the floor" } }
    }
}

fn names(floors: &[Floor], unit: Unit) -> Markup {
    html! {
        @for (index, floor) in floors.iter().enumerate() {
            @if index > 0 { ", " }
            span { (floor.name) " " (metric(floor.value, unit)) }
        }
    }
}

/// The floors of a column, if each of its cells has the same: then its heading names them once.
fn shared_floors(table: &MetricTable, column: usize) -> Option<&[Floor]> {
    let mut cells = table.rows.iter().filter_map(|row| row.cells.get(column)?.as_ref());
    let first = cells.next()?;
    cells.all(|cell| cell.floors == first.floors).then_some(first.floors.as_slice())
}

/// Whether the value is better than each of its floors; a value that is not finite is not judged.
fn beats(cell: &Cell, column: &Column) -> bool {
    let worse = |floor: &Floor| match column.lower_is_better {
        true => cell.value >= floor.value,
        false => cell.value <= floor.value,
    };
    !cell.value.is_finite() || !cell.floors.iter().any(worse)
}

/// The ends of a bar: it holds zero, the value and its floors, and one where values are shares. Rows of one floor share
/// their scale; others, which may be prices and years, have each their own.
fn scale(table: &MetricTable, column: usize, cell: &Cell, shared: bool) -> (f64, f64) {
    let top: f64 = if table.columns[column].unit == Unit::Share { 1.0 } else { 0.0 };
    let every = table.rows.iter().filter_map(|row| row.cells.get(column)?.as_ref());
    let cells = every.filter(|other| shared || std::ptr::eq(*other, cell));
    let values = cells.flat_map(|cell| cell.floors.iter().map(|floor| floor.value).chain([cell.value]));
    let (low, high) = values.filter(|v| v.is_finite()).fold((0.0_f64, top), |(a, b), v| (a.min(v), b.max(v)));
    if high > low { (low, high) } else { (low, low + 1.0) }
}

/// A place on the bar: a tenth of a percent is finer than a pixel.
fn short(value: f64) -> String {
    format!("{value:.1}")
}

#[cfg(test)]
mod tests {
    use super::super::Row;
    use super::*;

    fn one(value: f64, floor: f64, unit: Unit, lower_is_better: bool) -> String {
        let floors = vec![Floor { name: "chance".into(), value: floor }];
        let rows = vec![Row { label: "a".into(), n: 10, cells: vec![Some(Cell { value, floors })], highlight: false }];
        let columns = vec![Column { name: "m".into(), unit, lower_is_better }];
        table(&MetricTable { columns, rows, ..Default::default() }, "id").into_string()
    }

    #[test]
    fn the_floor_is_marked_on_the_bar() {
        let text = one(0.75, 0.1, Unit::Share, false);
        assert!(text.contains(r#"<rect class="fill" x="0.0" y="4" width="75.0""#), "{text}");
        assert!(text.contains(r#"<line class="floor" x1="10.0" x2="10.0""#), "{text}");
        assert!(text.contains("chance 10.0%") && !text.contains("not better"), "{text}");
    }

    #[test]
    fn a_value_at_the_floor_or_past_it_says_so() {
        assert!(one(0.1, 0.1, Unit::Share, false).contains("not better than the floor"));
        assert!(one(3.0, 2.0, Unit::Plain, true).contains("not better than the floor"));
        assert!(!one(1.0, 2.0, Unit::Plain, true).contains("not better than the floor"));
    }

    #[test]
    fn rows_of_different_floors_have_their_own_scale() {
        let cell = |value, floor| Some(Cell { value, floors: vec![Floor { name: "mean".into(), value: floor }] });
        let row = |cell| Row { label: "a".into(), n: 1, cells: vec![cell], highlight: false };
        let columns = vec![Column { name: "MAE".into(), unit: Unit::Plain, lower_is_better: true }];
        let rows = vec![row(cell(500.0, 1000.0)), row(cell(5.0, 10.0))];
        let text = table(&MetricTable { columns, rows, ..Default::default() }, "id").into_string();
        assert_eq!(text.matches(r#"y="4" width="50.0""#).count(), 2, "{text}");
    }

    #[test]
    fn negative_and_undefined_values_stay_on_the_scale() {
        let text = one(-0.5, 0.5, Unit::Plain, false);
        assert!(text.contains(r#"x="0.0" y="4" width="50.0""#), "{text}");
        assert!(!one(f64::NAN, 0.5, Unit::Share, false).contains("<svg"));
        assert!(!one(0.0, 0.0, Unit::Plain, false).contains("NaN"));
    }
}
