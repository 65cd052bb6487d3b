//! Draws an SVG without reading anything but its bytes.
use resvg::tiny_skia::{Color, Pixmap, Transform};
use resvg::usvg::{
    Group, ImageHrefResolver, Node, Options, Tree,
    filter::Kind,
    roxmltree::{self, Document, ParsingOptions},
};
use std::collections::HashMap;

use super::image::{Limits, Picture, check_pixels};
use crate::{Error, Result, error::guarded};

/// The parser recurses up to 1024 elements deep (its own limit); this is more stack than that can take.
const STACK_BYTES: usize = 64 << 20;

/// What drawing may cost: about as many pixels as a filter changes in a few seconds.
const WORK_LIMIT: f64 = 50e6;

/// Elements that a drawing may come to when each reference draws anew what it names.
const ELEMENT_LIMIT: u64 = 2_000_000;

/// References that may follow from each other.
const REFERENCE_DEPTH: usize = 64;

/// Whether the bytes are XML with an `svg` element near the start.
pub(super) fn is_svg(bytes: &[u8]) -> bool {
    let head = &bytes[..bytes.len().min(4096)];
    let head = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head).trim_ascii_start();
    head.starts_with(b"<") && head.windows(4).any(|word| word == b"<svg")
}

/// Draws the picture on white so that its longer side is `size` pixels.
pub(super) fn decode(bytes: &[u8], limits: &Limits, size: usize) -> Result<Picture> {
    check_pixels((size as u64).saturating_mul(size as u64), limits)?;
    let text = std::str::from_utf8(bytes).map_err(|error| broken(error.to_string()))?;
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().stack_size(STACK_BYTES);
        let drawing = thread
            .spawn_scoped(scope, || guarded(|| draw(text, size.max(1))))
            .map_err(|error| broken(error.to_string()))?;
        drawing.join().ok().flatten().unwrap_or_else(|| Err(broken("the renderer gave up".into())))
    })
}

fn draw(text: &str, size: usize) -> Result<Picture> {
    let nothing = ImageHrefResolver { resolve_data: Box::new(|_, _, _| None), resolve_string: Box::new(|_, _| None) };
    let options = Options { image_href_resolver: nothing, ..Options::default() };
    let parsing = ParsingOptions { allow_dtd: true, ..ParsingOptions::default() };
    let document = Document::parse_with_options(text, parsing).map_err(|error| broken(error.to_string()))?;
    if elements(&document) > ELEMENT_LIMIT {
        return Err(too_long());
    }
    let tree = Tree::from_xmltree(&document, &options).map_err(|error| broken(error.to_string()))?;
    let (width, height) = (tree.size().width(), tree.size().height());
    let scale = size as f32 / width.max(height);
    let side = |length: f32| ((length * scale).round() as u32).clamp(1, size as u32);
    let (pixel_width, pixel_height) = (side(width), side(height));
    let mut left = WORK_LIMIT;
    spend(tree.root(), f64::from(scale), &mut left);
    if left < 0.0 {
        return Err(too_long());
    }
    let mut canvas = Pixmap::new(pixel_width, pixel_height).ok_or_else(|| broken("no area".into()))?;
    canvas.fill(Color::WHITE);
    let fill = Transform::from_scale(pixel_width as f32 / width, pixel_height as f32 / height);
    resvg::render(&tree, fill, &mut canvas.as_mut());
    let pixels = canvas.data().chunks_exact(4).flat_map(|pixel| [pixel[0], pixel[1], pixel[2]]).collect();
    Ok(Picture { height: pixel_height as usize, width: pixel_width as usize, pixels })
}

/// Elements that a drawing comes to when each reference draws anew what it names, as the parser does with masks and the
/// like: ten in each of a dozen nested masks are 10^12.
fn elements(document: &Document) -> u64 {
    let by_id = document.descendants().filter_map(|node| Some((node.attribute("id")?, node))).collect();
    expanded(document.root(), &by_id, &mut HashMap::new(), 0)
}

/// The same of one element; `known` holds those that were counted, and 0 for one that is being counted.
fn expanded<'a>(
    of: roxmltree::Node<'a, '_>,
    by_id: &HashMap<&'a str, roxmltree::Node<'a, '_>>,
    known: &mut HashMap<&'a str, u64>,
    depth: usize,
) -> u64 {
    if depth > REFERENCE_DEPTH {
        return u64::MAX;
    }
    let mut sum: u64 = 0;
    for node in of.descendants() {
        sum = sum.saturating_add(1);
        for attribute in node.attributes() {
            let value = attribute.value();
            let urls = value.split("url(").skip(1).filter_map(|rest| rest.split(')').next());
            let names = urls.chain((attribute.name() == "href").then_some(value));
            let names = names.filter_map(|name| name.trim_matches(['\'', '"', ' ']).strip_prefix('#'));
            for name in names {
                let Some((id, node)) = by_id.get_key_value(name) else { continue };
                let count = match known.get(id) {
                    Some(count) => *count,
                    None => {
                        known.insert(id, 0);
                        let count = expanded(*node, by_id, known, depth + 1);
                        known.insert(id, count);
                        count
                    }
                };
                sum = sum.saturating_add(count);
            }
        }
    }
    sum
}

fn too_long() -> Error {
    Error::data("", "SVG that takes too long to draw").with_help("convert it to a PNG")
}

/// Takes what a group costs from what is left, until nothing is: every node, and for every filter the pixels of its region,
/// as the renderer goes through the whole of it. Masks and the like cost anew at each use.
fn spend(group: &Group, scale: f64, left: &mut f64) {
    let turn = group.abs_transform();
    let area = f64::from((turn.sx * turn.sy - turn.kx * turn.ky).abs()) * scale * scale;
    for filter in group.filters() {
        let pixels = f64::from(filter.rect().width()) * f64::from(filter.rect().height()) * area;
        let times = filter.primitives().iter().map(|part| match part.kind() {
            Kind::Turbulence(noise) => f64::from(noise.num_octaves()),
            Kind::ConvolveMatrix(mix) => f64::from(mix.matrix().columns()) * f64::from(mix.matrix().rows()),
            _ => 1.0,
        });
        *left -= pixels * times.sum::<f64>();
    }
    for node in group.children() {
        *left -= 100.0;
        if *left < 0.0 {
            return;
        }
        if let Node::Group(inner) = node {
            spend(inner, scale, left);
        }
        node.subroots(|inner| {
            if *left >= 0.0 {
                spend(inner, scale, left);
            }
        });
    }
}

fn broken(problem: String) -> Error {
    Error::data("", format!("damaged SVG: {problem}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(body: &str) -> Result<Picture> {
        let text = format!(
            "<?xml version=\"1.0\"?>\n<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"40\" height=\"20\">{body}</svg>"
        );
        assert!(is_svg(text.as_bytes()));
        super::super::image::decode(text.as_bytes(), &Limits::default(), 8)
    }

    #[test]
    fn the_longer_side_is_the_size_and_paper_is_white() {
        let got = drawn("<rect x=\"20\" width=\"20\" height=\"20\" fill=\"#102030\"/>").unwrap();
        assert_eq!((got.height, got.width), (4, 8));
        for row in got.pixels.chunks_exact(24) {
            assert_eq!(row, [[255; 3].repeat(4), [16, 32, 48].repeat(4)].concat());
        }
    }

    #[test]
    fn what_would_take_for_ever_is_refused_at_once() {
        let filter = |part: &str, uses: usize| {
            let used = "<rect filter=\"url(#f)\" width=\"40\" height=\"20\"/>".repeat(uses);
            format!("<filter id=\"f\" x=\"-9\" y=\"-9\" width=\"30\" height=\"30\">{part}</filter>{used}")
        };
        let noise = "<feTurbulence baseFrequency=\"0.01\" numOctaves=\"1000000000\"/>";
        let matrix = format!("<feConvolveMatrix order=\"200\" kernelMatrix=\"{}\"/>", "1 ".repeat(40_000));
        let blurs = "<feGaussianBlur stdDeviation=\"9\"/>".repeat(100);
        for body in [filter(noise, 1), filter(&matrix, 5), filter(&blurs, 500)] {
            let start = std::time::Instant::now();
            let problem = drawn(&body).unwrap_err().to_string();
            assert_eq!(problem, ": SVG that takes too long to draw");
            assert!(start.elapsed().as_secs() < 5, "{:?}", start.elapsed());
        }
        drawn(&filter("<feGaussianBlur stdDeviation=\"9\"/>", 20)).unwrap();
    }

    #[test]
    fn masks_in_masks_are_counted_before_they_are_drawn() {
        let masks = |levels: usize| -> String {
            let level = |n: usize| {
                let rects =
                    format!("<rect mask=\"url(#m{})\" width=\"9\" height=\"9\" fill=\"white\"/>", n + 1).repeat(10);
                format!("<mask id=\"m{n}\">{rects}</mask>")
            };
            (0..levels).map(level).collect::<String>() + "<rect mask=\"url('#m0')\" width=\"9\" height=\"9\"/>"
        };
        let start = std::time::Instant::now();
        assert_eq!(drawn(&masks(12)).unwrap_err().to_string(), ": SVG that takes too long to draw");
        assert!(drawn(&masks(70)).is_err());
        assert!(start.elapsed().as_secs() < 5, "{:?}", start.elapsed());
        drawn(&masks(3)).unwrap();
        drawn("<mask id=\"a\"><rect mask=\"url(#a)\" width=\"9\" height=\"9\"/></mask>").unwrap();
    }

    #[test]
    fn nothing_outside_is_read() {
        let folder = std::env::temp_dir().join(format!("amodal-svg-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let inner = folder.join("inner.svg");
        let black = "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"40\" height=\"40\"><rect width=\"40\" height=\"40\"/></svg>";
        std::fs::write(&inner, black).unwrap();
        let image = format!("<image href=\"{}\" width=\"40\" height=\"20\"/>", inner.display());
        let got = drawn(&image).unwrap();
        std::fs::remove_dir_all(&folder).unwrap();
        assert_eq!(got, Picture::filled(4, 8, [255; 3]));
        let entity = "<?xml version=\"1.0\"?><!DOCTYPE svg [<!ENTITY file SYSTEM \"file:///etc/hostname\">]>\
            <svg xmlns=\"http://www.w3.org/2000/svg\" width=\"4\" height=\"4\"><desc>&file;</desc></svg>";
        let _ = decode(entity.as_bytes(), &Limits::default(), 8);
    }

    #[test]
    fn hostile_drawings_are_errors() {
        let nested = |count: usize| format!("{}{}", "<g opacity=\"0.5\">".repeat(count), "</g>".repeat(count));
        assert!(drawn(&nested(100_000)).is_err());
        drawn(&nested(1000)).unwrap();
        // Each group draws the next one twice: 2^40 elements.
        let uses = |n: usize| format!("<g id=\"g{n}\"><use href=\"#g{0}\"/><use href=\"#g{0}\"/></g>", n + 1);
        assert!(drawn(&(0..40).map(uses).collect::<String>()).is_err());
        let laughs = "<!DOCTYPE svg [<!ENTITY a \"aaaaaaaaaa\"><!ENTITY b \"&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;\">\
            <!ENTITY c \"&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;\"><!ENTITY d \"&c;&c;&c;&c;&c;&c;&c;&c;&c;&c;\">]>\
            <svg xmlns=\"http://www.w3.org/2000/svg\"><desc>&d;&d;&d;&d;&d;&d;&d;&d;</desc></svg>";
        let _ = decode(laughs.as_bytes(), &Limits::default(), 8);
        assert!(drawn("<rect").is_err());
        assert!(drawn("<use href=\"#a\" id=\"a\"/>").is_ok());
        for size in ["0", "-1", "1e38", "1e-38", "nan"] {
            let text = format!("<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{size}\" height=\"10\"/>");
            let _ = decode(text.as_bytes(), &Limits::default(), 8);
        }
        assert!(decode(b"<svg xmlns=\"http://www.w3.org/2000/svg\"/>", &Limits::default(), 100_000).is_err());
    }

    #[test]
    fn a_drawing_cut_anywhere_is_an_error() {
        let text = "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 9 9\"><path d=\"M0 0L9 9Z\" stroke=\"red\"/></svg>";
        for end in 0..text.len() {
            assert!(decode(&text.as_bytes()[..end], &Limits::default(), 8).is_err(), "cut at {end}");
        }
        assert!(decode(text.as_bytes(), &Limits::default(), 8).is_ok());
    }
}
