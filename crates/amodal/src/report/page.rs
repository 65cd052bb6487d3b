//! The page: its head, the order of its sections, and the parts that are text alone.

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::{Report, curves, gallery, table};

const STYLE: &str = include_str!("style.css");

/// Stops every other sound when one starts.
const ONE_SOUND: &str =
    "addEventListener('play',e=>document.querySelectorAll('audio').forEach(a=>a!==e.target&&a.pause()),true)";

pub(super) fn page(report: &Report) -> Markup {
    let sections = sections(report);
    let body = html! {
        header {
            h1 { (report.title) }
            @if !report.lede.is_empty() { p.lede { (report.lede) } }
            @if sections.len() > 1 {
                nav aria-label="Sections" {
                    @for section in &sections { a href={ "#" (section.id) } { (section.title) } " " }
                }
            }
        }
        main {
            @for section in &sections {
                section id=(section.id) {
                    h2 { (section.title) }
                    (section.body)
                }
            }
        }
        @if plays_sound(report) { script { (PreEscaped(ONE_SOUND)) } }
    };
    document(&report.title, &body)
}

/// A page that loads nothing, in the look of all of them.
pub(super) fn document(title: &str, body: &Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title) }
                style { (PreEscaped(STYLE)) }
            }
            body { (body) }
        }
    }
}

struct Section {
    id: &'static str,
    title: &'static str,
    body: Markup,
}

/// The sections that have something to show, in the order of the page.
fn sections(report: &Report) -> Vec<Section> {
    let mut sections = Vec::new();
    let mut add = |shown: bool, id, title, body: &dyn Fn() -> Markup| {
        if shown {
            sections.push(Section { id, title, body: body() });
        }
    };
    add(!report.notes.is_empty(), "notes", "Notes", &|| {
        html! {
            ul.notes { @for note in &report.notes { li { (note) } } }
        }
    });
    add(!report.tables.is_empty(), "results", "Results", &|| {
        html! {
            @for (index, metrics) in report.tables.iter().enumerate() {
                (table::table(metrics, &format!("table-{}", index + 1)))
            }
        }
    });
    add(!report.withheld.is_empty(), "withheld", "Withheld modalities", &|| {
        html! {
            div.curves { @for curve in &report.withheld { (curves::curve(curve)) } }
        }
    });
    add(!report.galleries.is_empty(), "examples", "Examples", &|| {
        html! {
            @for gallery in &report.galleries { (gallery::gallery(gallery)) }
        }
    });
    add(!report.mistakes.is_empty(), "mistakes", "Mistakes", &|| {
        html! {
            @for mistakes in &report.mistakes { (gallery::mistakes(mistakes)) }
        }
    });
    add(!report.curves.is_empty(), "training", "Training", &|| {
        html! {
            div.curves { @for curve in &report.curves { (curves::curve(curve)) } }
        }
    });
    add(!report.facts.is_empty(), "run", "Run", &|| {
        html! {
            dl.facts { @for (name, value) in &report.facts { div { dt { (name) } dd { (value) } } } }
        }
    });
    add(!report.config.is_empty(), "configuration", "Configuration", &|| {
        html! {
            details { summary { "The resolved configuration" } pre tabindex="0" { code { (report.config) } } }
        }
    });
    sections
}

fn plays_sound(report: &Report) -> bool {
    let in_row = |row: &super::GalleryRow| {
        gallery::has_sound(&row.query) || row.hits.iter().any(|hit| gallery::has_sound(&hit.item))
    };
    report.galleries.iter().flat_map(|gallery| &gallery.rows).any(in_row)
        || report
            .mistakes
            .iter()
            .flat_map(|mistakes| &mistakes.rows)
            .flat_map(|row| &row.inputs)
            .any(gallery::has_sound)
}
