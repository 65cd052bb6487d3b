//! The page of a profile: what a table holds and what is wrong with it, with its pictures.
use maud::{Markup, html};

use super::gallery::media as shown;
use super::number::{count, number, share};
use super::page::document;
use super::{Media, build};
use crate::data::Table;
use crate::media::image::{Fit, Limits, decode, resize};
use crate::media::write;
use crate::profile::{Column, Count, Files, Histogram, Kind, Near, Pair, Place, Profile};
use crate::{Named, Raw};

/// Longer side of a picture on the page, in pixels.
const PIXELS: usize = 96;
/// Classes that show pictures, and pictures each.
const CLASSES: usize = 12;
const A_CLASS: usize = 6;
/// Bytes of all pictures together, before they become text.
const BYTES: usize = 4_000_000;
/// Size of a chart, and of the gap between bars.
const WIDTH: f64 = 240.0;
const HEIGHT: f64 = 56.0;
const GAP: f64 = 1.0;

/// A self-contained page of a profile; pictures of the table are read again, a limited number of them.
#[must_use]
pub fn profile_page(profile: &Profile, table: &Table, splits: &Named<Vec<usize>>) -> String {
    let mut pictures = Pictures { table, left: BYTES };
    let images = || profile.columns.iter().filter(|column| column.kind == Kind::Image);
    let class = profile.class(table, splits);
    let thumbnails: Vec<Markup> = images().map(|column| by_class(&mut pictures, column, class)).collect();
    let alike: Vec<Markup> = images().filter_map(|column| near(&mut pictures, column)).collect();
    let bad: Vec<(&Column, &Files)> = profile
        .columns
        .iter()
        .filter_map(|column| Some((column, column.files.as_ref().filter(|files| files.unreadable.total > 0)?)))
        .collect();
    let findings = !profile.errors.is_empty() || !profile.warnings.is_empty();
    let mut links = vec![("columns", "Columns")];
    let mut link = |shown: bool, id, title| links.extend(shown.then_some((id, title)));
    link(!thumbnails.is_empty(), "pictures", "Pictures");
    link(!alike.is_empty(), "alike", "Pictures that look alike");
    link(!bad.is_empty(), "unreadable", "Files that cannot be used");
    if findings {
        links.insert(0, ("findings", "Findings"));
    }
    let body = html! {
        header {
            h1 { (profile.path) }
            p.lede { (lede(profile)) }
            nav aria-label="Sections" { @for (id, title) in &links { a href={ "#" (id) } { (title) } " " } }
        }
        main {
            @if findings {
                section id="findings" { h2 { "Findings" } (findings_of(profile)) }
            }
            section id="columns" {
                h2 { "Columns" }
                div.columns { @for column in &profile.columns { (card(column)) } }
            }
            @if !thumbnails.is_empty() {
                section id="pictures" {
                    h2 { "Pictures" }
                    @for part in &thumbnails { (part) }
                }
            }
            @if !alike.is_empty() {
                section id="alike" {
                    h2 { "Pictures that look alike" }
                    @for part in &alike { (part) }
                }
            }
            @if !bad.is_empty() {
                section id="unreadable" {
                    h2 { "Files that cannot be used" }
                    @for (column, files) in &bad {
                        h3 { (column.name) }
                        ul.places {
                            @for line in &files.unreadable.first { li { (line) } }
                            @if files.unreadable.total > files.unreadable.first.len() {
                                li.none { "and " (count(files.unreadable.total - files.unreadable.first.len())) " more" }
                            }
                        }
                    }
                }
            }
        }
    };
    document(&profile.path, &body).into_string()
}

/// Rows, splits and how long reading takes, in a sentence or two.
fn lede(profile: &Profile) -> String {
    let splits: Vec<String> = profile.splits.iter().map(|(name, rows)| format!("{name} {}", count(*rows))).collect();
    let mut text = format!("{} rows and {} columns", count(profile.rows), count(profile.columns.len()));
    if !splits.is_empty() {
        text += &format!("; rows of each split: {}", splits.join(", "));
    }
    text += ".";
    if profile.decode_seconds() > 0.0 {
        text += &format!(" Reading every file once took about {} s.", number(profile.decode_seconds()));
    }
    text
}

fn findings_of(profile: &Profile) -> Markup {
    let all = profile.errors.iter().map(|finding| ("Error", finding));
    let all = all.chain(profile.warnings.iter().map(|finding| ("Warning", finding)));
    html! {
        ul.findings {
            @for (kind, finding) in all {
                li {
                    p { b class=(kind.to_lowercase()) { (kind) } " " (finding.problem) }
                    @if !finding.help.is_empty() { p.hint { (finding.help) } }
                }
            }
        }
    }
}

fn card(column: &Column) -> Markup {
    html! {
        article.column {
            h3 { span dir="auto" { (column.name) } " " span.score { (column.kind.name()) } }
            p.hint { (column.reason) }
            dl {
                div { dt { "missing" } dd { (share(column.missing_share)) @if column.missing > 0 { " (" (count(column.missing)) ")" } } }
                div { dt { "different" } dd { (count(column.distinct)) } }
                @if let Some(spread) = column.numbers {
                    div { dt { "from, mean, to" } dd { (number(spread.min)) ", " (number(spread.mean)) ", " (number(spread.max)) } }
                }
                @if let Some(share) = column.in_train.filter(|share| share.all > 0) {
                    div { dt { "outside train, also in it" } dd { (count(share.some)) " of " (count(share.all)) } }
                }
                @if let Some(files) = &column.files { (facts(files)) }
                @if column.only_outside_train.total > 0 {
                    div { dt { "in no train row" } dd { (column.only_outside_train.to_string()) } }
                }
            }
            @if let Some(histogram) = &column.histogram {
                (chart(histogram, if column.kind == Kind::Text { "words a text" } else { "values" }))
            }
            @if let Some(files) = &column.files {
                @if let Some(histogram) = &files.pixels { (chart(histogram, "pixels of the longer side")) }
                @if let Some(histogram) = &files.seconds { (chart(histogram, "seconds")) }
            }
            @if !column.balance.is_empty() {
                (bars(&column.balance, column.distinct))
            } @else if column.files.is_none() && column.numbers.is_none() && !column.examples.is_empty() {
                p.hint dir="auto" { "such as " (column.examples.join(" · ")) }
            }
        }
    }
}

fn facts(files: &Files) -> Markup {
    html! {
        div { dt { "files" } dd { (count(files.checked)) } }
        @if files.copies > 0 { div { dt { "copies of another" } dd { (count(files.copies)) } } }
        @if files.unreadable.total > 0 { div { dt { "cannot be used" } dd { (count(files.unreadable.total)) } } }
        @if let Some(near) = &files.near {
            div { dt { "look like another" } dd { (count(near.alike)) " of " (count(near.compared)) } }
            @if near.plain > 0 { div { dt { "nearly one colour" } dd { (count(near.plain)) } } }
        }
        @if files.different_sizes > 0 {
            div {
                dt { "sizes" }
                dd {
                    @for size in files.sizes.iter().take(3) { (size.value) " (" (count(size.rows)) ") " }
                    @if files.different_sizes > 3 { "and " (count(files.different_sizes - 3)) " more" }
                }
            }
        }
    }
}

/// Bars of a histogram, its ends below them.
fn chart(histogram: &Histogram, unit: &str) -> Markup {
    let most = histogram.counts.iter().copied().max().unwrap_or(0).max(1) as f64;
    let width = WIDTH / histogram.counts.len() as f64;
    let bar = |(at, rows): (usize, &usize)| {
        let height = *rows as f64 / most * HEIGHT;
        let height = if *rows > 0 { height.max(1.0) } else { 0.0 };
        let gap = GAP.min(width / 4.0);
        let (x, y) = (at as f64 * width + gap / 2.0, HEIGHT - height);
        html! { rect x=(tenth(x)) y=(tenth(y)) width=(tenth((width - gap).min(40.0))) height=(tenth(height)) {} }
    };
    let words = format!(
        "{unit}: {} to {}, the middle {}; the fullest of {} ranges has {}",
        number(histogram.from),
        number(histogram.to),
        number(histogram.median),
        histogram.counts.len(),
        count(most as usize),
    );
    html! {
        figure.histogram {
            svg viewBox=(format!("0 0 {WIDTH} {HEIGHT}")) role="img" aria-label=(words) preserveAspectRatio="none" {
                @for one in histogram.counts.iter().enumerate() { (bar(one)) }
            }
            figcaption {
                span { (number(histogram.from)) }
                span { (unit) @if histogram.above > 0 { ", " (count(histogram.above)) " above" } }
                span { (number(histogram.to)) }
            }
        }
    }
}

/// A bar for each of the commonest values of a category.
fn bars(balance: &[Count], distinct: usize) -> Markup {
    let most = balance.iter().map(|count| count.rows).max().unwrap_or(0).max(1) as f64;
    let row = |one: &Count| {
        let width = tenth(100.0 * one.rows as f64 / most);
        html! {
            tr {
                th scope="row" dir="auto" { (one.value) }
                td { svg.bar viewBox="0 0 100 10" preserveAspectRatio="none" aria-hidden="true" {
                    rect.fill x="0" y="0" width=(width) height="10" {}
                } }
                td.n { (count(one.rows)) }
            }
        }
    };
    html! {
        table.balance {
            tbody { @for one in balance { (row(one)) } }
        }
        @if distinct > balance.len() { p.hint { "and " (count(distinct - balance.len())) " more" } }
    }
}

fn tenth(value: f64) -> String {
    format!("{value:.1}")
}

/// Pictures of a table as thumbnails, while there is room.
struct Pictures<'a> {
    table: &'a Table,
    left: usize,
}

impl Pictures<'_> {
    fn of(&mut self, row: usize, column: &str) -> Option<Media> {
        let column = self.table.column(column).ok()?;
        let bytes = self.table.media(row, column).ok()?;
        let picture = decode(&bytes, &Limits::default(), PIXELS).ok()?;
        let side = picture.height.max(picture.width).max(1);
        let scaled = |length: usize| (length * PIXELS / side).max(1);
        let picture = match side > PIXELS {
            true => resize(&picture, scaled(picture.height), scaled(picture.width), Fit::Stretch),
            false => picture,
        };
        let encoded = ["png", "jpg"].map(|format| write::picture(&picture, format).ok());
        let [png, jpg] = encoded;
        let (mime, bytes) = match (png, jpg) {
            (Some(png), Some(jpg)) if jpg.len() < png.len() => ("image/jpeg", jpg),
            (Some(png), _) => ("image/png", png),
            (None, jpg) => ("image/jpeg", jpg?),
        };
        self.left = self.left.checked_sub(bytes.len())?;
        Some(Media::Image { mime: mime.into(), bytes })
    }
}

/// Some pictures of each of the commonest classes, or of the whole column where there are none.
fn by_class(pictures: &mut Pictures, column: &Column, class: Option<&Column>) -> Markup {
    let table = pictures.table;
    let rows: Vec<usize> = (0..table.len()).filter(|row| table.named(*row, &column.name).is_some()).collect();
    let mut groups: Vec<(String, Vec<usize>)> = Vec::new();
    match class {
        Some(class) => {
            let mut by: Named<Vec<usize>> = Named::new();
            for row in rows {
                if let Some(value) = table.named(row, &class.name) {
                    by.entry(build::words(value)).or_default().push(row);
                }
            }
            groups.extend(by);
            groups.sort_by_key(|(_, rows)| std::cmp::Reverse(rows.len()));
        }
        None => groups.push((String::new(), rows)),
    }
    let classes = groups.len();
    let wanted = if class.is_some() { A_CLASS } else { CLASSES * A_CLASS / 2 };
    groups.truncate(CLASSES);
    let mut shown_groups = Vec::new();
    for (name, rows) in groups {
        let step = (rows.len() / wanted).max(1);
        let mut seen: Vec<&Raw> = Vec::new(); // a picture that many rows have is shown once
        let mut items = Vec::new();
        for row in rows.iter().step_by(step) {
            let Some(value) = table.named(*row, &column.name) else { continue };
            if items.len() == wanted {
                break;
            }
            if !seen.contains(&value) {
                seen.push(value);
                items.extend(pictures.of(*row, &column.name));
            }
        }
        if !items.is_empty() {
            shown_groups.push((name, rows.len(), items));
        }
    }
    html! {
        h3 { (column.name) }
        @if let Some(class) = class {
            p.caption {
                "Some of each " (class.name) ", taken evenly over the table"
                @if classes > CLASSES { "; the commonest " (CLASSES) " of " (count(classes)) } "."
            }
        }
        div.classes {
            @for (name, rows, items) in &shown_groups {
                div {
                    @if !name.is_empty() { p.hint { b dir="auto" { (name) } " " (count(*rows)) " rows" } }
                    div.thumbnails { @for item in items { (shown(item, name)) } }
                }
            }
        }
    }
}

/// Pairs side by side; those in two splits stand first.
fn near(pictures: &mut Pictures, column: &Column) -> Option<Markup> {
    let near = column.files.as_ref()?.near.as_ref().filter(|near| !near.pairs.is_empty())?;
    let pairs: Vec<(&Pair, Vec<Option<Media>>)> = near
        .pairs
        .iter()
        .map(|pair| (pair, pair.pictures.iter().map(|place| pictures.of(place.row, &column.name)).collect()))
        .collect();
    let place = |place: &Place| {
        html! {
            span.hint {
                @match &place.split { Some(split) => b { (split) }, None => b { "no split" } }
                // the table's folder is the page's title already
                " " (place.at.rsplit('/').next().unwrap_or_default()) " " span dir="auto" { (place.name) }
            }
        }
    };
    Some(html! {
        h3 { (column.name) }
        p.caption { (summary(near)) }
        ul.pairs {
            @for (pair, media) in &pairs {
                li {
                    @for (at, medium) in pair.pictures.iter().zip(media) {
                        figure.item {
                            @match medium { Some(medium) => (shown(medium, &at.name)), None => p.none { "not shown" } }
                            figcaption { (place(at)) }
                        }
                    }
                    p.hint { (pair.bits) " of 64 bits differ, colours by " (share(pair.difference)) }
                }
            }
        }
    })
}

fn summary(near: &Near) -> String {
    let mut text = format!(
        "{} of {} different pictures look like another, in {} groups.",
        count(near.alike),
        count(near.compared),
        count(near.groups)
    );
    for (split, share_of) in near.like_train.iter().filter(|(_, share)| share.all > 0) {
        let part = share(share_of.some as f64 / share_of.all as f64);
        text += &format!(
            " Of {split}, {} of {} ({part}) look like one of train.",
            count(share_of.some),
            count(share_of.all)
        );
    }
    if near.plain > 0 {
        text += &format!(" {} of nearly one colour were left out.", count(near.plain));
    }
    if near.limited {
        text += " There were too many to compare them all.";
    }
    text + " One pair of each group, those in two splits first."
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{SplitOptions, splits};

    const ATTACK: &str = "\"'><script>alert(1)</script>&<img src=x onerror=alert(1)>";

    fn page(folder: &std::path::Path, text: &str) -> (Profile, String) {
        let path = folder.join("table.csv");
        std::fs::write(&path, text).unwrap();
        let table = Table::read(&path).unwrap();
        let splits = splits(&table, &SplitOptions { validation: 0.0, ..SplitOptions::default() }).unwrap();
        let profile = crate::profile::profile(&table, &splits);
        let page = profile_page(&profile, &table, &splits);
        (profile, page)
    }

    /// A picture with a corner of a colour, so large.
    fn picture(side: usize, colour: [u8; 3]) -> Vec<u8> {
        let mut picture = crate::media::image::Picture::filled(side, side, [255; 3]);
        for (index, pixel) in picture.pixels.chunks_exact_mut(3).enumerate() {
            if index % side < side / 2 && index / side < side / 3 {
                pixel.copy_from_slice(&colour);
            }
        }
        write::picture(&picture, "png").unwrap()
    }

    #[test]
    fn hostile_names_are_text() {
        let folder = tempfile::tempdir().unwrap();
        let quoted = |end: &str| format!("\"{}{end}\"", ATTACK.replace('"', "\"\""));
        let name = "a<b onerror=x>.png"; // a file's name may be hostile as well
        std::fs::write(folder.path().join(name), picture(40, [200, 0, 0])).unwrap();
        std::fs::write(folder.path().join("bad.png"), "<script>alert(2)</script>").unwrap();
        let mut text = format!("{},picture,note,split\n", quoted(""));
        for row in 0..12 {
            let file = if row == 3 { "bad.png" } else { name };
            let (name, note) = (quoted(""), quoted(&format!(" {row}")));
            text += &format!("{name},{file},{note},{}\n", if row < 8 { "train" } else { "test" });
        }
        let (profile, page) = page(folder.path(), &text);
        assert!(profile.has_errors());
        assert!(page.contains("&lt;script&gt;alert(1)") && page.contains("starts with &quot;&lt;script&gt;"));
        for hostile in ["<script", "<img src=x", "onerror=x>"] {
            assert!(!page.contains(hostile), "{hostile}");
        }
        assert!(page.contains("Files that cannot be used") && !page.contains("http://") && !page.contains("https://"));
    }

    #[test]
    fn pictures_and_pairs_are_shown() {
        let folder = tempfile::tempdir().unwrap();
        let mut text = "picture,label,age,split\n".to_string();
        for row in 0..12_usize {
            let colour = [[200, 0, 0], [0, 0, 200], [0, 160, 0]][row % 3];
            std::fs::write(folder.path().join(format!("{row}.png")), picture(96 + 6 * row, colour)).unwrap();
            text += &format!("{row}.png,c{},{}.5,{}\n", row % 3, row, if row < 9 { "train" } else { "test" });
        }
        let (profile, page) = page(folder.path(), &text);
        let near = profile.columns[0].files.as_ref().and_then(|files| files.near.clone()).unwrap();
        assert_eq!((near.alike, near.groups), (12, 3));
        assert_eq!(page.matches("data:image/").count(), 12 + 2 * 3, "four of each class, and a pair of each group");
        assert!(page.contains("Of test, 3 of 3 (100%) look like one of train."), "{page}");
        assert_eq!(page.matches("<figure class=\"histogram\">").count(), 2, "sides and ages");
        let mut none = Pictures { table: &Table::read(&folder.path().join("table.csv")).unwrap(), left: 100 };
        assert_eq!(none.of(0, "picture"), None, "there is no room");
    }
}
