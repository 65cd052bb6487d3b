use super::*;
use crate::data::{Examples, SplitOptions, splits};
use crate::media::{audio::Sound, image::Picture, write};
use crate::run::Prepared;
use crate::train::{Trainer, estimate};
use std::fs;
use std::time::Duration;

const COLOURS: [(&str, [u8; 3]); 4] =
    [("red", [200, 30, 30]), ("green", [30, 160, 30]), ("blue", [30, 30, 200]), ("black", [0, 0, 0])];

/// A folder with pictures of a square of one colour, each at its own place, and tones.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for number in 0..24_usize {
        let mut picture = Picture::filled(40, 40, [255; 3]);
        for (index, pixel) in picture.pixels.chunks_exact_mut(3).enumerate() {
            let (row, column) = (index / 40, index % 40);
            if (number..number + 12).contains(&column) && (24 - number..36 - number).contains(&row) {
                pixel.copy_from_slice(&COLOURS[number % 4].1);
            }
        }
        fs::write(folder.path().join(format!("{number}.png")), write::picture(&picture, "png").unwrap()).unwrap();
        let wave = |at: usize| (at as f32 * 0.02 * (1 + number % 4) as f32).sin() * 0.5;
        let sound = Sound { sample_rate_hz: 8000, samples: (0..4000 + 100 * number).map(wave).collect() };
        fs::write(folder.path().join(format!("{number}.wav")), write::sound(&sound, "wav").unwrap()).unwrap();
    }
    folder
}

/// The config for a table, which must train; its text and config.
fn written(folder: &Path, text: &str, target: Option<&str>) -> (String, Config) {
    let path = folder.join("table.csv");
    fs::write(&path, text).unwrap();
    started(&path, target)
}

fn started(path: &Path, target: Option<&str>) -> (String, Config) {
    let table = Table::read(path).unwrap();
    let splits = splits(&table, &SplitOptions::default()).unwrap();
    let profile = crate::profile::profile(&table, &splits);
    let text = start(&profile, &table, &splits, target, "amodal train config.toml").unwrap();
    let prepared = Prepared::new(Config::parse(&text, &[]).unwrap()).unwrap_or_else(|error| panic!("{error}\n{text}"));
    let config = prepared.config;
    let model = Trainer::new(config.clone()).unwrap().model;
    let examples = Examples::new(prepared.table, &config, &model, true).unwrap();
    let good = |split: &str| examples.load(&prepared.splits[split], &config).unwrap().0;
    let (train, validation) = (good("train"), good("validation"));
    let estimate = estimate(&config, &examples, (&train, &validation), Duration::ZERO).unwrap();
    assert!(estimate.measured >= 1 && estimate.step_seconds > 0.0 && estimate.epoch_seconds > 0.0, "{estimate:?}");
    assert!(estimate.total_seconds >= estimate.epoch_seconds);
    (text, config)
}

fn fusion(config: &Config) -> String {
    let value = serde_json::to_value(config.fuse.as_ref().unwrap()).unwrap();
    value["type"].as_str().unwrap().to_string()
}

#[test]
fn questions_about_pictures_are_multiplied() {
    let folder = folder();
    let mut text = "image,question,answer,split\n".to_string();
    for row in 0..24 * 4 {
        let (picture, asked) = (row / 4, row % 4);
        let answer = if picture % 4 == asked { "yes" } else { "no" };
        // each question has two answers, and so has each picture
        let answer = if asked == 3 { COLOURS[picture % 4].0 } else { answer };
        let question =
            if asked == 3 { "which colour is it".to_string() } else { format!("is it {}", COLOURS[asked].0) };
        let split = ["train", "train", "train", "test"][picture / 6];
        text += &format!("{picture}.png,{question},{answer},{split}\n");
    }
    let (text, config) = written(folder.path(), &text, None);
    assert_eq!(fusion(&config), "product", "{text}");
    assert_eq!((config.train.together.as_deref(), config.train.modality_dropout), (Some("image"), 0.0));
    assert_eq!(config.tasks.keys().collect::<Vec<_>>(), ["answer"], "a question does not describe its picture\n{text}");
}

#[test]
fn captions_pictures_and_sounds_are_aligned() {
    let folder = folder();
    let mut text = "picture,caption,caption_fr,caption_de,speech,note\n".to_string();
    for row in 0..24 {
        let note = if row < 3 { "a rare note" } else { "" };
        text += &format!(
            "{row}.png,a {0} square {row},un carré {row},ein Quadrat {row},{row}.wav,{note}\n",
            COLOURS[row % 4].0
        );
    }
    let (text, config) = written(folder.path(), &text, None);
    assert_eq!(config.modalities.keys().collect::<Vec<_>>(), ["caption", "picture", "speech"], "{text}");
    assert_eq!(config.tasks.keys().collect::<Vec<_>>(), ["align"]);
    assert!(config.fuse.is_none(), "nothing is predicted");
    for part in ["\"caption_fr\" is not read: \"caption\" says it in another", "\"note\" is not read: ", "augment = "] {
        assert!(text.contains(part), "{part}\n{text}");
    }
}

#[test]
fn names_of_drawings_keep_their_copies_together() {
    let folder = folder();
    let mut text = "thing_id,label,kind,kinds,style,picture,split\n".to_string();
    for row in 0..480 {
        let (thing, style) = (row / 4, row % 4);
        let split = ["train", "train", "validation", "test"][style];
        let kind = thing % 6;
        text += &format!("T{thing},a thing {thing},k{kind},all{},s{style},{}.png,{split}\n", kind / 3, row % 24);
    }
    let (text, config) = written(folder.path(), &text, Some("kind"));
    assert_eq!(config.data.group_by.as_deref(), Some("thing_id"), "{text}");
    assert!(!config.modalities.contains_key("style"), "a style of its own in every split\n{text}");
    assert!(text.contains("\"kinds\" is not read: it follows from \"kind\""), "{text}");
}

#[test]
fn numbers_and_classes_stand_side_by_side() {
    let folder = folder();
    let mut text = "width,height,depth,grade,price\n".to_string();
    for row in 0..60 {
        let (width, height) = (1.5 + f64::from(row % 7), 0.5 + f64::from(row % 5));
        text += &format!("{width},{height},{}.25,g{},{}.5\n", row % 11, row % 3, row * 10);
    }
    let (text, config) = written(folder.path(), &text, None);
    assert_eq!(fusion(&config), "concat", "{text}");
    assert_eq!(config.modalities.keys().collect::<Vec<_>>(), ["grade", "numbers"], "{text}");
    assert_eq!(config.tasks.keys().collect::<Vec<_>>(), ["price"]);
    let (_, config) = written(
        folder.path(),
        "age,label\n1.5,a\n2.5,b\n3.5,a\n4.5,b\n1.25,a\n2.5,b\n3.5,a\n4.5,b\n5.5,a\n1.5,b\n2.25,a\n3.5,b\n",
        None,
    );
    assert!(config.fuse.is_none() && config.tasks.contains_key("label"), "one modality needs no fusion");
}

#[test]
fn a_folder_of_classes_and_files_that_cannot_be_read() {
    let files = folder();
    let folder = tempfile::tempdir().unwrap();
    for number in 0..24 {
        let class = folder.path().join(COLOURS[number % 4].0);
        fs::create_dir_all(&class).unwrap();
        fs::copy(files.path().join(format!("{number}.png")), class.join(format!("{number}.png"))).unwrap();
    }
    let (text, config) = started(folder.path(), None);
    assert_eq!((config.modalities.len(), config.tasks.len()), (1, 1), "{text}");
    fs::write(folder.path().join("red/99.png"), "no picture").unwrap();
    let (text, config) = started(folder.path(), None);
    assert_eq!(config.data.on_error, crate::config::OnError::Skip, "{text}");
    assert!(text.contains("# 1 file cannot be read: such rows are left out"), "{text}");
}

#[test]
fn names_are_quoted_and_nothing_is_no_config() {
    let folder = folder();
    let mut text = "\"a \"\"b\"\" é\nc\",\"[data]\"\n".to_string();
    for row in 0..24 {
        text += &format!("{row}.png,a {0} square {row}\n", COLOURS[row % 4].0);
    }
    let (_, config) = written(folder.path(), &text, None);
    assert!(config.modalities.contains_key("a \"b\" é\nc") && config.modalities.contains_key("[data]"));
    fs::write(folder.path().join("table.csv"), "id\n7\n8\n9\n10\n11\n12\n13\n14\n15\n16\n").unwrap();
    let table = Table::read(&folder.path().join("table.csv")).unwrap();
    let splits = splits(&table, &SplitOptions::default()).unwrap();
    let profile = crate::profile::profile(&table, &splits);
    let error = start(&profile, &table, &splits, None, "").unwrap_err().to_string();
    assert!(error.contains("no column can be predicted from the others"), "{error}");
    let error = start(&profile, &table, &splits, Some("id"), "").unwrap_err().to_string();
    assert!(error.contains("the column `id` is identifier: expected a category or a number"), "{error}");
}
