//! The page of a map of words.
use super::{number::share, page::document};
use crate::words::map::Map;
use maud::{Markup, PreEscaped, html};

/// Width of the drawing, and the most height that it may have.
const WIDTH: f32 = 1200.0;
const HEIGHT: f32 = 1400.0;
/// Room at the sides and above and below the points, for the labels of the outermost.
const ASIDE: f32 = 60.0;
const ABOVE: f32 = 24.0;
/// Size of the letters.
const SIZE: f32 = 14.0;
/// From a point to its label, and to that of another.
const GAP: f32 = 5.0;
const DOT: f32 = 2.0;

/// A word that is pointed at comes to the front.
const FRONT: &str =
    "addEventListener('pointerover',e=>{const g=e.target.closest('.map g');g&&g.nextSibling&&g.parentNode.append(g)})";

/// A page with a map of words: the labels that overlap others are shown where the pointer is.
pub fn word_map(map: &Map, title: &str) -> String {
    let (points, height) = scaled(&map.points);
    let labels = labels(&map.words, &points, height);
    let shown = labels.iter().filter(|(_, shown)| *shown).count();
    let lede = format!(
        "{} words, placed so that words with near vectors stand near each other. {} of each word's {} nearest are among its \
         nearest here; by chance it would be {}.",
        map.words.len(),
        share(map.kept),
        map.nearest.first().map_or(0, Vec::len),
        share(map.chance),
    );
    let caption = "t-SNE of the distances of the vectors, each of length one. Only who is near whom says something: the axes, and \
                   how far apart groups stand, do not.";
    let body = html! {
        header {
            h1 { (title) }
            p.lede { (lede) }
        }
        main {
            section id="map" {
                h2 { "Map" }
                p.caption {
                    (caption)
                    @if shown < map.words.len() {
                        " " (map.words.len() - shown) " words have no room for their letters: they show at the pointer."
                    }
                }
                div.scroll { (drawing(map, &points, &labels, height)) }
            }
            section id="words" {
                h2 { "Words" }
                details {
                    summary { "Each word, and those nearest to it by their vectors" }
                    dl.facts {
                        @for (word, near) in map.words.iter().zip(&map.nearest) {
                            div {
                                dt { (word) }
                                dd { (near.iter().map(|at| map.words[*at].as_str()).collect::<Vec<_>>().join(", ")) }
                            }
                        }
                    }
                }
            }
        }
        script { (PreEscaped(FRONT)) }
    };
    document(title, &body).into_string()
}

fn drawing(map: &Map, points: &[[f32; 2]], labels: &[(Label, bool)], height: f32) -> Markup {
    html! {
        svg.map viewBox=(format!("0 0 {WIDTH} {height:.0}")) role="img" aria-label={ "A map of " (map.words.len()) " words" } {
            // what is frequent stands in front
            @for (at, (label, shown)) in labels.iter().enumerate().rev() {
                g class=[(!shown).then_some("off")] {
                    circle.reach cx=(tenth(points[at][0])) cy=(tenth(points[at][1])) r="9" {}
                    circle.dot cx=(tenth(points[at][0])) cy=(tenth(points[at][1])) r="2.5" {}
                    text x=(tenth(label.x)) y=(tenth(label.y)) text-anchor=(label.anchor) { (map.words[at]) }
                }
            }
        }
    }
}

fn tenth(value: f32) -> String {
    format!("{value:.1}")
}

/// The points in the drawing, as large as fits, and its height.
fn scaled(points: &[[f32; 2]]) -> (Vec<[f32; 2]>, f32) {
    let ends = |axis: usize| {
        let values = || points.iter().map(|point| point[axis]);
        (values().fold(f32::INFINITY, f32::min), values().fold(f32::NEG_INFINITY, f32::max))
    };
    let ((left, right), (low, high)) = (ends(0), ends(1));
    let room = |from: f32, to: f32, size: f32| size / (to - from).max(f32::MIN_POSITIVE);
    let scale = room(left, right, WIDTH - 2.0 * ASIDE).min(room(low, high, HEIGHT - 2.0 * ABOVE)).min(1e30);
    let height = (high - low) * scale + 2.0 * ABOVE;
    let aside = (WIDTH - (right - left) * scale) / 2.0;
    (points.iter().map(|[x, y]| [(x - left) * scale + aside, (y - low) * scale + ABOVE]).collect(), height)
}

/// Where a word's letters stand.
#[derive(Clone, Debug, PartialEq)]
struct Label {
    x: f32,
    y: f32,
    anchor: &'static str,
    /// Left, top, right and bottom of what they cover.
    covers: [f32; 4],
}

/// A place for each word's letters, and whether they are shown: those that come first are, unless at each of four places
/// they would cover others, or a point.
fn labels(words: &[String], points: &[[f32; 2]], height: f32) -> Vec<(Label, bool)> {
    let mut taken: Vec<[f32; 4]> = Vec::new();
    let mut labels = Vec::new();
    for (own, (word, [x, y])) in words.iter().zip(points).enumerate() {
        let (width, half) = (width(word), SIZE * 0.5);
        let place = |x: f32, middle: f32, anchor, left: f32| Label {
            x,
            y: middle + SIZE * 0.33,
            anchor,
            covers: [left - 1.0, middle - half, left + width + 1.0, middle + half],
        };
        let above = GAP + half;
        let places = [
            place(x + GAP, *y, "start", x + GAP),
            place(x - GAP, *y, "end", x - GAP - width),
            place(*x, y - above, "middle", x - width / 2.0),
            place(*x, y + above, "middle", x - width / 2.0),
        ];
        let fits = |label: &&Label| {
            let [left, top, right, bottom] = label.covers;
            let inside = left >= 0.0 && top >= 0.0 && right <= WIDTH && bottom <= height;
            let covers = |other: &[f32; 4]| left < other[2] && other[0] < right && top < other[3] && other[1] < bottom;
            let mut others = points.iter().enumerate().filter(|(other, _)| *other != own);
            inside
                && !taken.iter().any(covers)
                && !others.any(|(_, [x, y])| covers(&[x - DOT, y - DOT, x + DOT, y + DOT]))
        };
        match places.iter().find(fits) {
            Some(label) => {
                taken.push(label.covers);
                labels.push((label.clone(), true));
            }
            None => {
                // at the pointer, towards the middle
                let at = usize::from(places[0].covers[2] > WIDTH);
                labels.push((places[at].clone(), false));
            }
        }
    }
    labels
}

/// About how wide letters are in a font without serifs.
fn width(word: &str) -> f32 {
    let em = |letter: char| match letter {
        'i' | 'j' | 'l' | 't' | 'f' | 'I' | '.' | ',' | '\'' | '-' => 0.34,
        'm' | 'w' | 'M' | 'W' => 0.88,
        '\u{1100}'.. => 1.0,
        _ if letter.is_uppercase() => 0.7,
        _ => 0.58,
    };
    word.chars().map(em).sum::<f32>() * SIZE
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(words: &[&str]) -> Map {
        let points = (0..words.len()).map(|at| [(at * at % 17) as f32, (at * 5 % 13) as f32]).collect();
        let nearest = (0..words.len()).map(|at| vec![(at + 1) % words.len()]).collect();
        Map { words: words.iter().map(|word| (*word).to_string()).collect(), points, nearest, kept: 0.5, chance: 0.01 }
    }

    #[test]
    fn no_label_covers_another() {
        let words: Vec<String> = (0..400).map(|at| format!("word-{at}")).collect();
        let points: Vec<[f32; 2]> = (0..400).map(|at| [(at * 37 % 400) as f32, (at * 91 % 211) as f32]).collect();
        let (points, height) = scaled(&points);
        let labels = labels(&words, &points, height);
        let shown: Vec<_> = labels.iter().filter(|(_, shown)| *shown).map(|(label, _)| label.covers).collect();
        assert!(shown.len() > 20 && shown.len() < 400, "{}", shown.len());
        for (at, a) in shown.iter().enumerate() {
            assert!(a[0] >= 0.0 && a[1] >= 0.0 && a[2] <= WIDTH && a[3] <= height);
            assert!(!shown[..at].iter().any(|b| a[0] < b[2] && b[0] < a[2] && a[1] < b[3] && b[1] < a[3]));
            assert!(!points.iter().any(|[x, y]| (a[0]..a[2]).contains(x) && (a[1]..a[3]).contains(y)));
        }
    }

    #[test]
    fn points_fill_the_drawing_and_stay_inside() {
        for points in [vec![[0.0, 0.0], [1.0, 9.0]], vec![[-3.0, 5.0], [7.0, 5.5]], vec![[1.0, 1.0]; 3]] {
            let (scaled, height) = scaled(&points);
            assert!((2.0 * ABOVE..=HEIGHT + 1.0).contains(&height), "{height}");
            for [x, y] in scaled {
                assert!((ASIDE - 0.1..=WIDTH - ASIDE + 0.1).contains(&x), "{x}");
                assert!((ABOVE - 0.1..=height - ABOVE + 0.1).contains(&y), "{y}");
            }
        }
    }

    #[test]
    fn the_page_loads_nothing_and_escapes_words() {
        let page = word_map(&map(&["a<b>", "\"q\"", "c", "d", "中"]), "a <title>");
        for outside in ["http:", "https:", "src=", "url(", "@import", "<link", "<b>", "<title>a <title>"] {
            assert!(!page.contains(outside), "{outside}");
        }
        assert!(page.contains("a&lt;b&gt;") && page.contains("50.0% of each word's 1 nearest"), "{page}");
    }
}
