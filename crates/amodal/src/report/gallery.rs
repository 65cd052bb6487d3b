//! Pictures, sounds and texts: what a query found, and where a prediction went wrong.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use maud::{Markup, html};

use super::number::{count, number, share};
use super::{Gallery, GalleryRow, Hit, Item, Media, Mistake, Mistakes};

/// Rows shown at once; the others are folded below them.
const OPEN_ROWS: usize = 12;
/// The same of what was made: small, side by side.
const OPEN_MADE: usize = 40;

/// Pictures up to this many pixels a side are enlarged without smoothing.
const TINY: u32 = 64;

/// The side, in CSS pixels, that a tiny picture is enlarged to at most.
const ENLARGED: u32 = 128;

/// Characters of a text that are shown before it is folded.
const OPEN_TEXT: usize = 200;

pub(super) fn gallery(gallery: &Gallery) -> Markup {
    html! {
        h3 { (gallery.title) }
        @if !gallery.caption.is_empty() { p.caption { (gallery.caption) } }
        @if gallery.made {
            (folded(&gallery.rows, OPEN_MADE, |rows, start| html! {
                ol.made start=(start) { @for row in rows { (made_row(row)) } }
            }))
        } @else {
            (folded(&gallery.rows, OPEN_ROWS, |rows, start| html! {
                ol.rows start=(start) { @for row in rows { (gallery_row(row)) } }
            }))
        }
    }
}

pub(super) fn mistakes(mistakes: &Mistakes) -> Markup {
    html! {
        h3 { (mistakes.task) }
        @if !mistakes.caption.is_empty() { p.caption { (mistakes.caption) } }
        (folded(&mistakes.rows, OPEN_ROWS, |rows, start| html! {
            ol.mistakes start=(start) { @for row in rows { (mistake(row)) } }
        }))
    }
}

/// Whether the page plays a sound.
pub(super) fn has_sound(item: &Item) -> bool {
    matches!(item.media, Media::Sound { .. })
}

fn folded<T>(rows: &[T], most: usize, list: impl Fn(&[T], usize) -> Markup) -> Markup {
    let (open, rest) = rows.split_at(rows.len().min(most));
    html! {
        @if !open.is_empty() { (list(open, 1)) }
        @if !rest.is_empty() {
            details.more {
                summary { (count(rest.len())) " more" }
                (list(rest, most + 1))
            }
        }
    }
}

fn gallery_row(row: &GalleryRow) -> Markup {
    let any = |kind: fn(&Media) -> bool| row.hits.iter().any(|hit| kind(&hit.item.media));
    let class = if any(|media| matches!(media, Media::Text(_))) {
        "hits texts"
    } else if any(|media| matches!(media, Media::Sound { .. })) {
        "hits sounds"
    } else {
        "hits"
    };
    html! {
        li.row {
            div.query { (item(&row.query)) }
            @if row.hits.is_empty() { p.none { "nothing found" } } @else {
                ol class=(class) { @for (index, hit) in row.hits.iter().enumerate() { (ranked(hit, index + 1)) } }
            }
        }
    }
}

/// What was made of a query, and what is right, side by side.
fn made_row(row: &GalleryRow) -> Markup {
    html! {
        li {
            div.query { (item(&row.query)) }
            @for hit in &row.hits {
                div class=(class(hit)) { (mark(hit)) (item(&hit.item)) }
            }
        }
    }
}

fn class(hit: &Hit) -> &'static str {
    match hit.right {
        Some(true) => "hit right",
        Some(false) => "hit wrong",
        None => "hit",
    }
}

/// A tick or a cross.
fn mark(hit: &Hit) -> Markup {
    html! {
        @if let Some(right) = hit.right {
            svg viewBox="0 0 16 16" role="img" aria-label=(if right { "right" } else { "wrong" }) {
                @if right { path d="M2.5 8.5l3.5 4 7.5-9" {} } @else { path d="M3.5 3.5l9 9m0-9l-9 9" {} }
            }
        }
    }
}

fn ranked(hit: &Hit, rank: usize) -> Markup {
    html! {
        li class=(class(hit)) {
            div.rank { span { (rank) } (mark(hit)) }
            (item(&hit.item))
        }
    }
}

fn mistake(mistake: &Mistake) -> Markup {
    html! {
        li {
            div.inputs { @for input in &mistake.inputs { (item(input)) } }
            dl {
                div { dt { "expected" } dd dir="auto" { (mistake.expected) } }
                div.wrong {
                    dt { "predicted" }
                    dd dir="auto" {
                        span { (mistake.predicted) }
                        @if let Some(confidence) = mistake.confidence {
                            " " span.score { (share(confidence)) " sure" }
                        }
                    }
                }
            }
        }
    }
}

fn item(item: &Item) -> Markup {
    html! {
        figure.item {
            (media(&item.media, &item.caption))
            @if !item.caption.is_empty() || item.score.is_some() {
                figcaption {
                    span dir="auto" { (item.caption) }
                    @if let Some(score) = item.score {
                        @if !item.caption.is_empty() { " " }
                        span.score { span.hidden { "score " } (number(score)) }
                    }
                }
            }
        }
    }
}

/// A value as the page shows it.
pub(super) fn media(media: &Media, caption: &str) -> Markup {
    match media {
        Media::Image { mime, bytes } if is_media_type(mime, "image/") => image(mime, bytes, caption),
        Media::Sound { mime, bytes } if is_media_type(mime, "audio/") => {
            let label = if caption.is_empty() { "sound" } else { caption };
            html! { audio controls preload="none" aria-label=(label) src=(data_uri(mime, bytes)) {} }
        }
        Media::Image { mime, bytes } | Media::Sound { mime, bytes } => {
            html! { p.none { "cannot be shown: " (count(bytes.len())) " bytes of type “" (mime) "”" } }
        }
        Media::Text(text) => long_text(text),
        Media::Number(value) => html! { p.number { (number(*value)) } },
        Media::Missing => html! { p.none { "missing" } },
    }
}

fn image(mime: &str, bytes: &[u8], caption: &str) -> Markup {
    let size = dimensions(bytes);
    let alt = match (caption, size) {
        ("", Some((width, height))) => format!("picture of {width} × {height} pixels"),
        ("", None) => "picture".to_string(),
        (caption, _) => caption.to_string(),
    };
    let tiny = size.is_some_and(|(width, height)| width.max(height) <= TINY);
    let shown = size.map(|(width, height)| {
        let times = if tiny { ENLARGED / width.max(height) } else { 1 };
        (width * times, height * times)
    });
    html! {
        img class=[tiny.then_some("tiny")] src=(data_uri(mime, bytes)) alt=(alt) decoding="async"
            width=[shown.map(|(width, _)| width)] height=[shown.map(|(_, height)| height)];
    }
}

fn long_text(text: &str) -> Markup {
    if text.chars().count() <= OPEN_TEXT {
        return html! { p.text dir="auto" { (text) } };
    }
    let start: String = text.chars().take(OPEN_TEXT).collect();
    let start = start.rsplit_once(char::is_whitespace).map_or(start.as_str(), |(words, _)| words);
    html! {
        details.text dir="auto" {
            summary { (start) "…" }
            p { (text) }
        }
    }
}

/// Whether `mime` is of the kind and of the letters that a data URI may carry.
fn is_media_type(mime: &str, kind: &str) -> bool {
    let allowed = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '/' | '.' | '+' | '-');
    mime.len() > kind.len() && mime.starts_with(kind) && mime.chars().all(allowed)
}

fn data_uri(mime: &str, bytes: &[u8]) -> String {
    format!("data:{mime};base64,{}", STANDARD.encode(bytes))
}

/// Width and height from the head of a PNG or GIF, the formats of tiny pictures.
fn dimensions(bytes: &[u8]) -> Option<(u32, u32)> {
    let (width, height) = if bytes.starts_with(b"\x89PNG\r\n\x1a\n") {
        let side = |at: usize| Some(u32::from_be_bytes(bytes.get(at..at + 4)?.try_into().ok()?));
        (side(16)?, side(20)?)
    } else if bytes.starts_with(b"GIF8") {
        let side = |at: usize| Some(u32::from(u16::from_le_bytes(bytes.get(at..at + 2)?.try_into().ok()?)));
        (side(6)?, side(8)?)
    } else {
        return None;
    };
    (width > 0 && height > 0).then_some((width, height))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn png(width: u32, height: u32) -> Vec<u8> {
        let mut bytes = b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR".to_vec();
        bytes.extend(width.to_be_bytes());
        bytes.extend(height.to_be_bytes());
        bytes
    }

    fn shown(bytes: Vec<u8>) -> String {
        media(&Media::Image { mime: "image/png".into(), bytes }, "").into_string()
    }

    #[test]
    fn tiny_pictures_are_enlarged_by_a_whole_factor() {
        let text = shown(png(28, 14));
        assert!(text.contains(r#"class="tiny""#) && text.contains(r#"width="112" height="56""#), "{text}");
        assert!(text.contains(r#"alt="picture of 28 × 14 pixels""#), "{text}");
        let text = shown(png(65, 20));
        assert!(!text.contains("tiny") && text.contains(r#"width="65" height="20""#), "{text}");
        let text = shown(b"GIF89a\x04\0\x02\0".to_vec());
        assert!(text.contains(r#"width="128" height="64""#), "{text}");
    }

    #[test]
    fn a_broken_picture_has_no_size_and_does_no_harm() {
        for bytes in [Vec::new(), png(0, 3), b"\x89PNG\r\n\x1a\n".to_vec(), png(u32::MAX, u32::MAX)[..20].to_vec()] {
            assert!(!shown(bytes).contains("width="));
        }
        assert!(shown(png(u32::MAX, u32::MAX)).contains("width=\"4294967295\""));
    }

    #[test]
    fn other_types_are_named_and_not_embedded() {
        for mime in ["text/html", "image/png,<b>", "image/", "javascript:x"] {
            let text = media(&Media::Image { mime: mime.into(), bytes: vec![1] }, "").into_string();
            assert!(text.contains("cannot be shown: 1 bytes") && !text.contains("data:"), "{text}");
        }
    }

    #[test]
    fn right_and_wrong_are_words_too() {
        let hit = |right| ranked(&Hit { item: Item::default(), right }, 3).into_string();
        assert!(hit(Some(true)).contains(r#"aria-label="right""#));
        assert!(hit(Some(false)).contains(r#"aria-label="wrong""#));
        assert!(!hit(None).contains("<svg"));
    }

    #[test]
    fn many_rows_and_long_texts_are_folded() {
        let long = Gallery { rows: vec![GalleryRow::default(); 40], ..Default::default() };
        let text = gallery(&long).into_string();
        assert!(text.contains("28 more") && text.contains(r#"<ol class="rows" start="13">"#), "{text}");
        assert!(long_text(&"слово ".repeat(100)).into_string().contains("слово…</summary>"));
        assert!(long_text(&"x".repeat(1000)).into_string().contains("<details"));
    }
}
