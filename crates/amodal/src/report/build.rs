//! What a training brought, as a [`Report`](super::Report).
use super::{
    Cell, Column, Curve, Floor, Gallery, GalleryRow, Hit, Item, Line, Media, MetricTable, Mistake, Mistakes, Row, Unit,
};
use crate::{
    Named, Raw, Result,
    convert::Conversion,
    cost,
    data::{Examples, Media as Kind, Source, media_kind},
    decode::sampling::Changes,
    eval::Measured,
    media,
    modalities::{Modality, ModalityConfig},
    run::{self, Answer, Run, Trained},
};

/// Rows of a gallery, hits of a row, mistakes of a task.
const ROWS: usize = 12;
const HITS: usize = 6;
const MISTAKES: usize = 12;
/// Rows whose conversions are shown: the first ones.
const MADE: usize = 40;
/// Pictures are shown at most this wide and high, sounds at most this long.
const PIXELS: usize = 128;
const SECONDS: f32 = 4.0;
/// Films are shown with so many frames, at most this wide and high.
const FILM_FRAMES: usize = 8;
const FILM_PIXELS: usize = 96;

/// The report page of a training: curves, every figure beside its floor, galleries of what finds what, worst mistakes.
///
/// # Errors
/// Whatever reading the rows again gives.
pub fn report(trained: &Trained, measured: &[Measured], notes: Vec<String>) -> Result<String> {
    let Trained { run, examples, splits, progress, seconds, .. } = trained;
    let split = trained.shown();
    let rows = split.map(|name| splits[name].as_slice()).unwrap_or_default();
    let environment = run::environment();
    let splits: Vec<String> = splits.iter().map(|(name, rows)| format!("{name} {}", rows.len())).collect();
    let facts = [
        ("Data", run.config.data.path.file_name().unwrap_or_default().to_string_lossy().into_owned()),
        ("Rows", splits.join(", ")),
        ("Parameters", cost::parameters(&run.model).to_string()),
        ("Training", format!("{} steps, {seconds:.0} s", progress.step)),
        ("Seed", run.config.train.seed.to_string()),
        ("Version", format!("amodal {}, {}", environment["version"], environment["engine"])),
        ("Machine", format!("{}, {} threads", environment["cpu"], environment["threads"])),
    ];
    let tasks: Vec<&str> = run.model.tasks().map(|(name, _)| name).collect();
    let report = super::Report {
        title: format!("Amodal: {}", tasks.join(", ")),
        lede:
            "What the model reaches on rows that training never saw, each figure beside the floor that a thoughtless \
               answer reaches on the same rows."
                .into(),
        facts: facts.map(|(name, value)| (name.to_string(), value)).into(),
        notes,
        tables: tables(measured),
        withheld: withheld(measured),
        galleries: [
            conversions(run, examples, split.unwrap_or_default(), rows)?,
            galleries(run, examples, split.unwrap_or_default(), rows)?,
        ]
        .concat(),
        mistakes: mistakes(run, examples, rows)?,
        curves: curves(&run.folder),
        config: short(&run.config)?,
    };
    Ok(super::render(&report))
}

/// The config with long lists of words cut short.
fn short(config: &crate::Config) -> Result<String> {
    let text = config.to_toml()?;
    let line = |line: &str| match line.char_indices().nth(300) {
        Some((end, _)) => format!("{} … ({} characters)", &line[..end], line.chars().count()),
        None => line.to_string(),
    };
    Ok(text.lines().map(line).collect::<Vec<_>>().join("\n"))
}

fn curves(folder: &std::path::Path) -> Vec<Curve> {
    let logs = run::logs(folder);
    let tasks: Vec<String> = logs.first().map(|log| log.train.keys().cloned().collect()).unwrap_or_default();
    let curve = |task: &String| {
        let line = |name: &str, losses: fn(&crate::train::Log) -> &Named<f64>| {
            let points = logs.iter().filter_map(|log| Some((log.epoch, *losses(log).get(task)?)));
            Line { name: name.into(), points: points.collect() }
        };
        let lines = [line("training", |log| &log.train), line("validation", |log| &log.validation)];
        Curve {
            title: format!("Loss of {task}"),
            x_label: "epoch".into(),
            y_label: "loss".into(),
            log_y: false,
            lines: lines.into_iter().filter(|line| !line.points.is_empty()).collect(),
        }
    };
    tasks.iter().map(curve).collect()
}

/// A chart for each split, task and metric: over the share withheld, a line for the floor, each modality, and all.
fn withheld(measured: &[Measured]) -> Vec<Curve> {
    let mut curves: Vec<Curve> = Vec::new();
    for (one, withheld) in measured.iter().filter_map(|one| Some((one, one.withheld.as_ref()?))) {
        let figure = &one.figure;
        let (scale, y_label) = match figure.is_share {
            true => (100.0, format!("{}, in %", figure.name)),
            false => (1.0, figure.name.clone()),
        };
        let title = format!("{} of {} on {}", figure.name, one.task, one.split);
        let at = curves.iter().position(|curve| curve.title == title).unwrap_or_else(|| {
            let floor = [0.0, 100.0].map(|share| (share, scale * figure.floor));
            let lines = vec![Line { name: format!("floor: {}", figure.floor_name), points: floor.into() }];
            let x_label = "rows that it is withheld from, in %".to_string();
            curves.push(Curve { title, x_label, y_label, log_y: false, lines });
            curves.len() - 1
        });
        let lines = &mut curves[at].lines;
        let name = withheld.modalities.join(" + ");
        let at = lines.iter().position(|line| line.name == name).unwrap_or_else(|| {
            lines.push(Line { name, points: Vec::new() });
            lines.len() - 1
        });
        lines[at].points.push((100.0 * withheld.share, scale * figure.value));
    }
    curves
}

/// A table for each split, task and kind of figure.
fn tables(measured: &[Measured]) -> Vec<MetricTable> {
    let mut tables: Vec<MetricTable> = Vec::new();
    for one in measured.iter().filter(|one| one.withheld.is_none()) {
        let (label, metric) = match one.figure.name.split_once(" recall@").or(one.figure.name.split_once(" median")) {
            Some((pair, " rank")) => (pair.to_string(), "median rank".to_string()),
            Some((pair, rest)) => (pair.to_string(), format!("recall@{rest}")),
            None => (one.given.join(" + "), one.figure.name.clone()),
        };
        let title = format!("{} on {}", one.task, one.split);
        let at = tables.iter().position(|table| table.title == title);
        let table = match at {
            Some(at) => &mut tables[at],
            None => {
                tables.push(MetricTable {
                    title,
                    caption: String::new(),
                    split: one.split.clone(),
                    label: if one.given.is_empty() { "from → to".into() } else { "given".into() },
                    ..MetricTable::default()
                });
                tables.last_mut().expect("just pushed")
            }
        };
        let column = match table.columns.iter().position(|column| column.name == metric) {
            Some(column) => column,
            None => {
                let unit = if one.figure.is_share { Unit::Share } else { Unit::Plain };
                table.columns.push(Column { name: metric, unit, lower_is_better: !one.figure.higher_is_better });
                table.columns.len() - 1
            }
        };
        let row = match table.rows.iter().position(|row| row.label == label) {
            Some(row) => row,
            None => {
                table.rows.push(Row { label, n: one.figure.count, ..Row::default() });
                table.rows.len() - 1
            }
        };
        let cells = &mut table.rows[row].cells;
        cells.resize(cells.len().max(column + 1), None);
        let floor = Floor { name: one.figure.floor_name.into(), value: one.figure.floor };
        match &mut cells[column] {
            Some(cell) => cell.floors.push(floor),
            empty => *empty = Some(Cell { value: one.figure.value, floors: vec![floor] }),
        }
    }
    for table in &mut tables {
        let width = table.columns.len();
        table.rows.iter_mut().for_each(|row| row.cells.resize(width, None));
    }
    tables
}

/// For each pair of aligned modalities, some rows and what they find among all rows of the split.
fn galleries(run: &Run, examples: &Examples, split: &str, rows: &[usize]) -> Result<Vec<Gallery>> {
    if rows.is_empty() || run.config.tasks.values().all(|task| task.target.is_some()) {
        return Ok(Vec::new());
    }
    let vectors = run.embed(examples, rows)?;
    let names: Vec<&str> = run.model.modalities().map(|(name, _)| name).collect();
    let groups = examples.groups();
    let mut galleries = Vec::new();
    for from in &names {
        for to in names.iter().filter(|to| *to != from) {
            let queries: Vec<usize> = (0..rows.len()).filter(|row| vectors[*row].contains_key(*from)).collect();
            let step = queries.len().div_ceil(ROWS).max(1); // spread over the split, not chosen
            let shown: Vec<usize> = queries.iter().copied().step_by(step).take(ROWS).collect();
            let mut gallery_rows = Vec::new();
            for query in shown {
                let own = &vectors[query][*from];
                let mut scored: Vec<(f32, usize)> = (0..rows.len())
                    .filter_map(|row| {
                        let other = vectors[row].get(*to)?;
                        Some((own.iter().zip(other).map(|(a, b)| a * b).sum(), row))
                    })
                    .collect();
                scored.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
                let mut seen = std::collections::HashSet::new();
                scored.retain(|(_, row)| seen.insert(groups[rows[*row]]));
                let hits = scored.iter().take(HITS).map(|(score, row)| Hit {
                    item: Item { score: Some(f64::from(*score)), ..item(run, examples, rows[*row], to) },
                    right: Some(groups[rows[*row]] == groups[rows[query]]),
                });
                gallery_rows.push(GalleryRow { query: item(run, examples, rows[query], from), hits: hits.collect() });
            }
            if gallery_rows.iter().any(|row| !row.hits.is_empty()) {
                let caption =
                    format!("Evenly spread rows of {split}; the nearest different things among all of its rows.");
                let title = format!("{from} → {to}");
                galleries.push(Gallery { title, caption, rows: gallery_rows, made: false });
            }
        }
    }
    Ok(galleries)
}

/// For each conversion the first rows, what was made of them, and what is right.
fn conversions(run: &Run, examples: &Examples, split: &str, rows: &[usize]) -> Result<Vec<Gallery>> {
    let mut galleries = Vec::new();
    let makes = |conversion: &Conversion| ["text", "image", "audio", "video"].contains(&conversion.to);
    for conversion in run.conversions().into_iter().filter(makes) {
        let has = |row: &&usize| {
            conversion.from.iter().any(|name| examples.items(&[**row], name).is_ok_and(|items| items[0].is_some()))
        };
        let rows: Vec<usize> = rows.iter().filter(has).take(MADE).copied().collect();
        let format = run.formats(&conversion)?[0];
        let made = run.convert(examples, &rows, &conversion, &Changes::default(), format, 0)?;
        let shown = rows.iter().zip(&made).map(|(row, made)| {
            let target = run.config.tasks[&conversion.task].target.as_ref();
            let expected = cell(examples, *row, (&conversion.column, &[]), target);
            let mut hits = Vec::new();
            let drawn = match &made.value {
                Raw::Text(text) => Media::Text(text.clone()),
                Raw::Bytes(bytes) => media_of(conversion.to, bytes).unwrap_or_default(),
                Raw::Numbers(_) => Media::Missing,
            };
            let right = match (&drawn, run.written(&conversion, examples, *row)) {
                (Media::Text(made), Some(right)) => Some(*made == right),
                _ => None,
            };
            hits.push(Hit { item: Item { media: drawn, caption: "made".into(), score: None }, right });
            hits.push(Hit { item: Item { media: expected, caption: "in the data".into(), score: None }, right: None });
            for (word, picture) in super::looks(run, examples, *row, &conversion, made)? {
                let media = media::write::picture(&picture, "png")
                    .map(|bytes| Media::Image { mime: "image/png".into(), bytes });
                hits.push(Hit { item: Item { media: media?, caption: word, score: None }, right: None });
            }
            let query = conversion.from.first().map(|name| item(run, examples, *row, name)).unwrap_or_default();
            Ok(GalleryRow { query, hits })
        });
        let shown = shown.collect::<Result<Vec<_>>>()?;
        if !shown.is_empty() {
            let caption = format!("The first {} rows of {split}, not chosen.", shown.len());
            let title = format!("{} → {}", conversion.from.join(" + "), conversion.task);
            galleries.push(Gallery { title, caption, rows: shown, made: true });
        }
    }
    Ok(galleries)
}

/// The rows whose wrong answer was most certain.
fn mistakes(run: &Run, examples: &Examples, rows: &[usize]) -> Result<Vec<Mistakes>> {
    let answers = run.predict(examples, rows)?;
    let mut all = Vec::new();
    let is_answer = |modality: &Modality| matches!(modality, Modality::Category(_) | Modality::Number(_));
    for (name, task) in run.model.tasks().filter(|(_, task)| task.target().is_some_and(is_answer)) {
        let column = run.config.column(name);
        let mut wrong: Vec<(f32, usize, String, String, Option<f64>)> = Vec::new();
        for (at, row) in rows.iter().enumerate() {
            let Some(expected) = examples.table().named(*row, column).map(words) else { continue };
            match answers[at].get(name) {
                Some(Answer::Class { class, probability, .. }) if *class != expected => {
                    wrong.push((*probability, *row, expected, class.clone(), Some(f64::from(*probability))));
                }
                Some(Answer::Number { value }) => {
                    let error = expected.parse::<f32>().map_or(0.0, |right| (right - value).abs());
                    wrong.push((error, *row, expected, value.to_string(), None));
                }
                _ => {}
            }
        }
        let (count, total) = (wrong.len(), rows.len());
        wrong.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        wrong.truncate(MISTAKES);
        let is_class = task.target().is_some_and(|target| !target.get().classes().is_empty());
        let caption = match is_class {
            true => format!("{count} of {total} rows are wrong; these were the most certain."),
            false => "The rows with the largest errors.".to_string(),
        };
        let rows = wrong.into_iter().map(|(_, row, expected, predicted, confidence)| Mistake {
            inputs: task.from().iter().map(|name| item(run, examples, row, name)).collect(),
            expected,
            predicted,
            confidence,
        });
        all.push(Mistakes { task: name.to_string(), caption, rows: rows.collect() });
    }
    Ok(all)
}

fn words(raw: &Raw) -> String {
    match raw {
        Raw::Text(text) => text.trim().to_string(),
        Raw::Numbers(numbers) => numbers.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "),
        Raw::Bytes(_) => String::new(),
    }
}

/// One modality of a row, as it is shown.
fn item(run: &Run, examples: &Examples, row: usize, name: &str) -> Item {
    let columns = run.config.columns(name);
    let media = cell(examples, row, (run.config.column(name), columns), run.config.modalities.get(name));
    Item { media, caption: String::new(), score: None }
}

/// What a cell holds, as it is shown.
fn cell(
    examples: &Examples,
    row: usize,
    (column, columns): (&str, &[String]),
    modality: Option<&ModalityConfig>,
) -> Media {
    let table = examples.table();
    let Ok(source) = Source::find(table, column, columns, false) else { return Media::Missing };
    let Ok(value) = source.value(table, row) else { return Media::Missing };
    let is_film = matches!(modality, Some(ModalityConfig::Video(_)));
    match (value.as_deref(), &source) {
        (None, _) => Media::Missing,
        (Some(raw), Source::Column(column)) if is_film => {
            let shown = table.media(row, *column).ok().and_then(|bytes| film(&bytes));
            shown.unwrap_or_else(|| Media::Text(words(raw)))
        }
        (Some(Raw::Numbers(numbers)), _) if numbers.len() == 1 => Media::Number(f64::from(numbers[0])),
        (Some(Raw::Text(path)), Source::Column(column)) if media_kind(path).is_some() => {
            let bytes = table.media(row, *column).ok();
            let shown = bytes.and_then(|bytes| match media_kind(path) {
                Some(Kind::Image) => picture(&bytes),
                Some(Kind::Audio) => sound(&bytes),
                Some(Kind::Video) => film(&bytes),
                None => None,
            });
            shown.unwrap_or_else(|| Media::Text(path.clone()))
        }
        (Some(raw), _) => Media::Text(words(raw)),
    }
}

/// A file that was made, as it is shown.
fn media_of(kind: &str, bytes: &[u8]) -> Option<Media> {
    match kind {
        "image" => picture(bytes),
        "audio" => sound(bytes),
        _ => film(bytes),
    }
}

/// A picture, small enough for a page.
fn picture(bytes: &[u8]) -> Option<Media> {
    use media::image::{Fit, Limits};
    let picture = media::image::decode(bytes, &Limits::default(), PIXELS).ok()?;
    let side = picture.height.max(picture.width).max(1);
    let scaled = |length: usize| (length * PIXELS.min(side) / side).max(1);
    let (height, width) = (scaled(picture.height), scaled(picture.width));
    let picture = media::image::resize(picture, height, width, Fit::Stretch);
    Some(Media::Image { mime: "image/png".into(), bytes: media::write::picture(&picture, "png").ok()? })
}

/// A film as a moving GIF of a few frames, small enough for a page.
fn film(bytes: &[u8]) -> Option<Media> {
    let small = |picture: media::image::Picture| {
        let side = picture.height.max(picture.width).max(1);
        let scaled = |length: usize| (length * FILM_PIXELS.min(side) / side).max(1);
        let (height, width) = (scaled(picture.height), scaled(picture.width));
        media::image::resize(picture, height, width, media::image::Fit::Stretch)
    };
    let clip = media::video::decode(bytes, FILM_FRAMES, &media::video::ClipLimits::default(), None, small).ok()?;
    let pictures = clip.frames.into_iter().map(|frame| frame.picture).collect();
    let clip = media::video::Clip::even(pictures, clip.seconds.min(10.0));
    Some(Media::Image { mime: "image/gif".into(), bytes: media::write::clip(&clip, "gif").ok()? })
}

/// A sound, short enough for a page.
fn sound(bytes: &[u8]) -> Option<Media> {
    let sound = media::audio::decode(bytes, &media::audio::SoundLimits::default()).ok()?;
    let mut sound = media::audio::resample(&sound, sound.sample_rate_hz.min(16_000));
    sound.samples.truncate((SECONDS * sound.sample_rate_hz as f32) as usize);
    Some(Media::Sound { mime: "audio/wav".into(), bytes: media::audio::encode_wav(&sound) })
}
