//! Training by the real path, from a table on disk to a run folder: what is learned, and that neither the number of
//! threads nor a stop changes a bit.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]
use amodal::{
    Config, Error, Raw,
    data::Draw,
    eval::{self, Curves, Options},
    model::Generate,
    run::{Answer, Run, Trained, single, train},
    train::{Log, Progress, Report, Trainer, Watch, device, weights},
};
use burn::module::Module;
use std::{
    fmt::Write,
    fs,
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
};

fn try_config(folder: &Path, text: &str, set: &[&str]) -> amodal::Result<Config> {
    let set: Vec<String> = set.iter().map(|change| (*change).to_string()).collect();
    let mut config = Config::parse(text, &set)?;
    config.data.path = folder.join(&config.data.path);
    Ok(config)
}

fn config(folder: &Path, text: &str, set: &[&str]) -> Config {
    try_config(folder, text, set).unwrap()
}

/// A share between 0 and 1 of the held-out rows, by name and given modalities.
fn accuracy(trained: &Trained, without: &[&str]) -> f64 {
    let Run { config, model, .. } = &trained.run;
    let without = without.iter().map(|name| (*name).to_string()).collect();
    let options = Options { without, ..Options::default() };
    let rows = ("validation", trained.splits["validation"].as_slice());
    let measured = eval::evaluate(model, config, &trained.examples, rows, &options).unwrap();
    measured.iter().find(|measured| measured.figure.name == "accuracy").unwrap().figure.value
}

fn model_bytes(run: &Path) -> Vec<u8> {
    fs::read(run.join("model.safetensors")).unwrap()
}

/// Two inputs that say nothing alone; together, whether they are of one kind.
fn write_xor(folder: &Path) {
    let mut table = String::from("left,right,same,split\n");
    for row in 0..400 {
        let (a, b) = (row % 2, row / 2 % 2);
        let split = if row < 200 { "train" } else { "validation" };
        let spread = f64::from(row % 10) / 50.0;
        writeln!(table, "{},{},{},{split}", ["x", "o"][a as usize], f64::from(b) + spread, a == b).unwrap();
    }
    fs::write(folder.join("xor.csv"), table).unwrap();
}

const XOR: &str = r#"
[data]
path = "xor.csv"
[train]
epochs = 40
batch_size = 50
learning_rate = 0.01
[modalities]
left = { type = "category" }
right = { type = "number" }
[encode]
left = { type = "category", dim = 8 }
right = { type = "number", dim = 8, hidden = [16] }
[fuse]
type = "concat"
dim = 32
[tasks.same]
target = { type = "category" }
decode = { type = "classifier" }
loss = { type = "cross_entropy" }
"#;

#[test]
fn xor_needs_both_modalities() {
    let folder = tempfile::tempdir().unwrap();
    write_xor(folder.path());
    let trained = train(config(folder.path(), XOR, &[]), &folder.path().join("run"), false, &mut ()).unwrap();
    let both = accuracy(&trained, &[]);
    assert!(both > 0.97, "with both: {both}");
    for withheld in ["left", "right"] {
        let one = accuracy(&trained, &[withheld]);
        assert!((0.4..=0.6).contains(&one), "without {withheld}: {one}");
    }
    // the opened folder is the same model
    let opened = Trained { run: Run::open(&folder.path().join("run")).unwrap(), ..trained };
    assert_eq!(accuracy(&opened, &[]), both);
}

#[test]
fn one_modality_of_xor_alone_learns_nothing() {
    let folder = tempfile::tempdir().unwrap();
    write_xor(folder.path());
    let alone =
        XOR.replace("left = { type = \"category\" }\n", "").replace("left = { type = \"category\", dim = 8 }\n", "");
    let trained = train(config(folder.path(), &alone, &[]), &folder.path().join("run"), false, &mut ()).unwrap();
    let one = accuracy(&trained, &[]);
    assert!((0.4..=0.6).contains(&one), "the label leaks: {one}");
}

#[test]
fn modality_dropout_is_drawn_for_each_row() {
    let folder = tempfile::tempdir().unwrap();
    write_xor(folder.path());
    let trained =
        train(config(folder.path(), XOR, &["train.epochs=1"]), &folder.path().join("run"), false, &mut ()).unwrap();
    let has = |rows: &[usize], epoch: u64, modality_dropout: f64| -> Vec<(bool, bool)> {
        let draw = Draw { seed: 0, epoch, modality_dropout };
        let batch = trained.examples.gather(rows, Some(&draw), false).unwrap().batch(&device()).unwrap();
        let real = |name: &str| -> Vec<bool> {
            let mask = batch.inputs[name].clone().each_row().mask;
            mask.into_data().iter::<f32>().map(|real| real > 0.0).collect()
        };
        real("left").into_iter().zip(real("right")).collect()
    };
    let rows: Vec<usize> = (0..200).collect();
    let drawn = has(&rows, 0, 0.5);
    let count = |wanted: (bool, bool)| drawn.iter().filter(|has| **has == wanted).count();
    assert_eq!(count((false, false)), 0, "one always stays");
    for (wanted, share) in [((true, true), 0.25), ((true, false), 0.375), ((false, true), 0.375)] {
        let found = count(wanted) as f64 / 200.0;
        assert!((found - share).abs() < 0.1, "{wanted:?}: {found}, expected about {share}");
    }
    assert_eq!(has(&[7], 0, 0.5), drawn[7..8], "whatever else is in the batch");
    assert_ne!(has(&rows, 1, 0.5), drawn, "in each epoch anew");
    assert!(has(&rows, 0, 0.0).iter().all(|has| *has == (true, true)));
}

#[test]
fn what_is_withheld_from_more_rows_is_missed_more() {
    let folder = tempfile::tempdir().unwrap();
    write_xor(folder.path());
    let trained = train(config(folder.path(), XOR, &[]), &folder.path().join("run"), false, &mut ()).unwrap();
    let Run { config, model, .. } = &trained.run;
    let rows = ("validation", trained.splits["validation"].as_slice());
    let options = Options { withheld: Curves::All, ..Options::default() };
    let measured = eval::evaluate(model, config, &trained.examples, rows, &options).unwrap();
    let line = |modalities: &[&str]| -> Vec<f64> {
        let of =
            |one: &&eval::Measured| one.withheld.as_ref().is_some_and(|withheld| withheld.modalities == modalities);
        let accuracies = measured.iter().filter(of).filter(|one| one.figure.name == "accuracy");
        accuracies.map(|one| one.figure.value).collect()
    };
    for modalities in [["left"].as_slice(), &["right"], &["left", "right"]] {
        let line = line(modalities);
        assert_eq!(line.len(), 5, "{modalities:?}");
        assert_eq!(line[0], accuracy(&trained, &[]), "nothing is withheld");
        assert!(line[0] > line[2] && line[2] > line[4], "{modalities:?}: {line:?}");
    }
    assert_eq!(line(&["left"])[4], accuracy(&trained, &["left"]), "all is withheld");
}

#[test]
fn a_learned_token_stands_for_what_is_absent() {
    let folder = tempfile::tempdir().unwrap();
    write_xor(folder.path());
    let run = |name: &str, set: &[&str]| {
        train(config(folder.path(), XOR, set), &folder.path().join(name), false, &mut ()).unwrap()
    };
    let names = |trained: &Trained| weights::names(&trained.run.model);
    let skip = run("skip", &["train.epochs=1"]);
    let token = run("token", &["train.epochs=1", "absent=token", "train.modality_dropout=0.3"]);
    let more: Vec<String> = names(&token).into_iter().filter(|name| !names(&skip).contains(name)).collect();
    assert_eq!(more, ["absent.left.token", "absent.right.token"]);
    assert_eq!(names(&token).len(), names(&skip).len() + 2, "the others are the same");

    // it is learned
    let path = folder.path().join("token");
    let first = weights::read(&Trainer::new(token.run.config.clone()).unwrap().model);
    let learned = weights::read(&token.run.model);
    more.iter().for_each(|name| assert_ne!(first[name].1, learned[name].1, "{name}"));

    // it is used in predictions, where its modality is missing and nowhere else
    let predict = |run: &Run, values: &[(&str, &str)]| {
        let values = values.iter().map(|(name, value)| (name.to_string(), Raw::Text(value.to_string()))).collect();
        let (examples, _, rows) = run.rows(single(run, &values).unwrap(), None).unwrap();
        match &run.predict(&examples, &rows).unwrap()[0]["same"] {
            Answer::Class { probabilities, .. } => probabilities.clone(),
            Answer::Number { .. } | Answer::Text { .. } => unreachable!("the task has classes"),
        }
    };
    let opened = Run::open(&path).unwrap();
    let mut moved = learned.clone();
    moved.get_mut("absent.left.token").unwrap().1.iter_mut().for_each(|value| *value += 1.0);
    let moved =
        Run { model: weights::write(opened.model.clone(), &moved, &path).unwrap(), ..Run::open(&path).unwrap() };
    let (both, right) = ([("left", "x"), ("right", "0.5")], [("right", "0.5")]);
    assert_eq!(predict(&opened, &right), predict(&token.run, &right), "the file keeps it");
    assert_ne!(predict(&opened, &right), predict(&moved, &right));
    assert_eq!(predict(&opened, &both), predict(&moved, &both));
}

#[test]
fn a_task_does_without_any_of_its_modalities_but_the_last() {
    let folder = tempfile::tempdir().unwrap();
    write_xor(folder.path());
    let set = ["train.epochs=1", "tasks.same.modality_dropout=0.5"];
    let trained = train(config(folder.path(), XOR, &set), &folder.path().join("run"), false, &mut ()).unwrap();
    let (rows, examples) = (&trained.splits["train"], &trained.examples);
    let trainer = Trainer::new(trained.run.config.clone()).unwrap();
    let gathered = |device: &burn::tensor::Device| examples.gather(rows, None, true).unwrap().batch(device).unwrap();
    let logits = |outputs: &amodal::Outputs| {
        outputs.decoded["same"].logits().unwrap().into_data().iter::<f32>().collect::<Vec<f32>>()
    };
    let plain = trainer.model.valid();
    let batch = gathered(&device());
    let given: Vec<Vec<f32>> = [vec![], vec!["left"], vec!["right"]]
        .into_iter()
        .map(|without| {
            let mut encoded = plain.encode(&batch.inputs).unwrap();
            without.iter().for_each(|name| encoded.get_mut(*name).unwrap().mask = encoded[*name].mask.zeros_like());
            logits(&plain.generate(&encoded, &Generate::default()).unwrap())
        })
        .collect();
    let found = logits(&trainer.model.forward(&gathered(trainer.device())).unwrap());
    let mut seen = [0; 3];
    for (at, row) in found.chunks(2).enumerate() {
        let near = |all: &Vec<f32>| all[2 * at..][..2].iter().zip(row).all(|(a, b)| (a - b).abs() < 1e-5);
        seen[given.iter().position(near).expect("a row reads some of its modalities")] += 1;
    }
    // both stay, or both would go and stay: a half; the one or the other goes: a quarter each
    assert!(seen[0] > 80 && seen[1] > 30 && seen[2] > 30, "{seen:?}");
    assert_eq!(logits(&plain.forward(&batch).unwrap()), given[0], "nothing is withheld after training");
}

#[test]
fn a_token_for_what_is_absent_needs_a_fusion() {
    let folder = tempfile::tempdir().unwrap();
    write_xor(folder.path());
    let text = XOR
        .replace("[fuse]\ntype = \"concat\"\ndim = 32\n", "")
        .replace("[tasks.same]", "[tasks.same]\nfrom = [\"left\"]");
    let error = train(config(folder.path(), &text, &["absent=token"]), &folder.path().join("run"), false, &mut ());
    assert!(error.err().unwrap().to_string().contains("absent"));
}

/// Random pictures, words and numbers with random labels; some cells are empty. Nothing can be learned but by heart.
fn write_mixed(folder: &Path, rows: usize, validation: bool) {
    let mut table = String::from("image,text,number,label,split\n");
    let mut state = 12345_u64;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize
    };
    for row in 0..rows {
        let name = format!("{row}.svg");
        let (x, y, colour) = (next() % 8, next() % 8, next() % 0xff_ffff);
        let picture = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"16\" height=\"16\"><rect x=\"{x}\" y=\"{y}\" \
             width=\"8\" height=\"8\" fill=\"#{colour:06x}\"/></svg>"
        );
        fs::write(folder.join(&name), picture).unwrap();
        let words = ["red", "blue", "cat", "dog", "one", "two", "up", "down"];
        let mut text: Vec<&str> = (0..1 + next() % 3).map(|_| words[next() % 8]).collect();
        let unique = format!("w{row}");
        text.push(&unique);
        let split = if validation && row % 4 == 3 { "validation" } else { "train" };
        let image = if row % 7 == 1 { "" } else { &name };
        let text = if row % 7 == 2 { String::new() } else { text.join(" ") };
        let number = if row % 7 == 3 { String::new() } else { (next() % 100).to_string() };
        let label = if row % 11 == 10 { "" } else { ["a", "b", "c"][next() % 3] };
        writeln!(table, "{image},{text},{number},{label},{split}").unwrap();
    }
    fs::write(folder.join("mixed.csv"), table).unwrap();
}

const MIXED: &str = r#"
[data]
path = "mixed.csv"
[train]
epochs = 3
batch_size = 8
[modalities]
image = { type = "image", size = 16 }
number = { type = "number" }
text = { type = "text" }
[encode]
image = { type = "cnn", dim = 16, channels = [4, 8], dropout = 0.1 }
number = { type = "number", dim = 8, hidden = [8] }
text = { type = "transformer", dim = 16, num_layers = 1, num_heads = 2, dropout = 0.1 }
[fuse]
type = "concat"
dim = 16
[tasks.align]
loss = { type = "info_nce", dim = 8 }
[tasks.label]
target = { type = "category" }
decode = { type = "classifier", hidden = [8], dropout = 0.1 }
loss = { type = "cross_entropy" }
"#;

/// Everything random at once, and a validation split that may end training.
const ALL_RANDOM: [&str; 4] = [
    "modalities.image.augment={ shift = 0.1, rotate = 15.0, flip = 0.5, brightness = 0.2, erase = 0.3, blur = 0.2 }",
    "train.modality_dropout=0.3",
    "train.patience=2",
    "train.epochs=4",
];

/// Keeps the losses of every step.
#[derive(Default)]
struct Losses(Vec<f64>, Vec<Log>);

impl Watch for Losses {
    fn step(&mut self, report: &Report, _: &Progress) -> bool {
        self.0.push(report.loss);
        true
    }

    fn evaluated(&mut self, log: &Log, _: &Progress) -> amodal::Result<()> {
        self.1.push(log.clone());
        Ok(())
    }
}

#[test]
fn rows_with_missing_modalities_and_targets_train() {
    let folder = tempfile::tempdir().unwrap();
    write_mixed(folder.path(), 44, true);
    for (at, fusion) in amodal::fuse::FusionConfig::NAMES.iter().enumerate() {
        let set = [format!("fuse.type={fusion}"), "train.modality_dropout=0.5".into(), "train.epochs=2".into()];
        let set: Vec<&str> = set.iter().map(String::as_str).collect();
        let mut losses = Losses::default();
        train(config(folder.path(), MIXED, &set), &folder.path().join(at.to_string()), false, &mut losses).unwrap();
        assert_eq!(losses.0.len(), 2 * 5, "{fusion}: 33 rows in batches of 8");
        assert!(losses.0.iter().all(|loss| loss.is_finite()), "{fusion}: {:?}", losses.0);
        for log in &losses.1 {
            assert!(
                log.train.values().chain(log.validation.values()).all(|loss| loss.is_finite()),
                "{fusion}: {log:?}"
            );
        }
    }
}

#[test]
fn thirty_two_rows_are_learned_by_heart() {
    let folder = tempfile::tempdir().unwrap();
    write_mixed(folder.path(), 32, false);
    let set = [
        "train.epochs=60",
        "train.learning_rate=0.01",
        "encode.image.dropout=0",
        "encode.text.dropout=0",
        "tasks.label.decode.dropout=0",
        "tasks.align.weight=0.1",
        "data.validation=0",
        "data.test=0",
    ];
    let mut losses = Losses::default();
    let trained = train(config(folder.path(), MIXED, &set), &folder.path().join("run"), false, &mut losses).unwrap();
    let last = losses.1.last().unwrap();
    assert!(last.train["label"] < 0.05, "{last:?}");
    let rows = ("train", trained.splits["train"].as_slice());
    let Run { config, model, .. } = &trained.run;
    let measured = eval::evaluate(model, config, &trained.examples, rows, &Options::default()).unwrap();
    let accuracy = &measured.iter().find(|measured| measured.figure.name == "accuracy").unwrap().figure;
    assert!(accuracy.value > 0.97, "{accuracy:?}");
}

#[test]
fn the_same_seed_gives_the_same_bytes_on_any_number_of_loader_threads() {
    let folder = tempfile::tempdir().unwrap();
    write_mixed(folder.path(), 44, true);
    let bytes = |name: &str, more: &[&str]| {
        let set: Vec<&str> = ALL_RANDOM.iter().chain(more).copied().collect();
        train(config(folder.path(), MIXED, &set), &folder.path().join(name), false, &mut ()).unwrap();
        model_bytes(&folder.path().join(name))
    };
    let first = bytes("first", &[]);
    assert!(first == bytes("again", &[]), "the same seed");
    assert!(first == bytes("threads", &["data.loader_threads=3"]), "three loader threads");
    assert!(first == bytes("no-cache", &["data.cache_mb=0"]), "nothing cached");
    assert!(first != bytes("other", &["train.seed=1"]), "another seed");
}

/// Stops after a step.
struct StopAt(usize);

impl Watch for StopAt {
    fn step(&mut self, report: &Report, _: &Progress) -> bool {
        report.step != self.0
    }
}

/// Trains without a stop, then with stops after each of `stops`, and compares the bytes of model, state and curve.
fn stop_and_resume(more: &[&str], stops: &[usize]) {
    let folder = tempfile::tempdir().unwrap();
    write_mixed(folder.path(), 44, true);
    let (whole, parts) = (folder.path().join("whole"), folder.path().join("parts"));
    let trained = train(config(folder.path(), MIXED, more), &whole, false, &mut ()).unwrap();
    for (at, stop) in stops.iter().enumerate() {
        assert!(*stop < trained.progress.step, "{stop} is after the end, {}", trained.progress.step);
        let stopped = train(config(folder.path(), MIXED, more), &parts, at > 0, &mut StopAt(*stop));
        assert!(matches!(stopped, Err(Error::Stopped { step, .. }) if step == *stop), "{:?}", stopped.err());
        assert!(Run::open(&parts).is_err(), "a run that has not ended is opened");
    }
    let resumed = train(config(folder.path(), MIXED, more), &parts, true, &mut ()).unwrap();
    assert_eq!(resumed.progress, trained.progress);
    for file in ["model.safetensors", "checkpoint/state.safetensors", "metrics.jsonl", "config.toml"] {
        assert!(
            fs::read(whole.join(file)).unwrap() == fs::read(parts.join(file)).unwrap(),
            "{file} differs from a run that never stopped; stops at {stops:?}, {more:?}"
        );
    }
}

/// Steps that are not the same in every run of the tests.
fn drawn(below: usize) -> usize {
    let seed = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().subsec_nanos();
    1 + seed as usize % (below - 1)
}

#[test]
fn a_stop_at_any_step_changes_nothing() {
    stop_and_resume(&[], &[drawn(15)]);
}

#[test]
fn a_stop_changes_nothing_where_everything_is_random() {
    let step = drawn(9); // patience may end it after the third epoch
    stop_and_resume(&ALL_RANDOM, &[step]);
}

#[test]
fn stops_on_the_borders_of_epochs_change_nothing() {
    stop_and_resume(&["train.patience=1", "train.epochs=3", "data.loader_threads=2"], &[1, 5, 6]);
}

#[test]
fn resuming_a_run_that_ended_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    write_xor(folder.path());
    let run = folder.path().join("run");
    let set = ["train.epochs=2"];
    train(config(folder.path(), XOR, &set), &run, false, &mut ()).unwrap();
    let before = model_bytes(&run);
    assert!(train(config(folder.path(), XOR, &set), &run, false, &mut ()).is_err(), "a run is overwritten");
    train(config(folder.path(), XOR, &set), &run, true, &mut ()).unwrap();
    assert!(before == model_bytes(&run));
}

#[test]
fn unreadable_pictures_stop_or_are_left_out() {
    let folder = tempfile::tempdir().unwrap();
    write_mixed(folder.path(), 44, true);
    fs::write(folder.path().join("5.svg"), "no picture").unwrap();
    fs::remove_file(folder.path().join("6.svg")).unwrap();
    let error = train(config(folder.path(), MIXED, &[]), &folder.path().join("stop"), false, &mut ()).err().unwrap();
    let text = error.to_string();
    assert!(matches!(error, Error::Data { .. }), "{text}");
    assert!(text.contains("mixed.csv:7") && text.contains("image") && text.contains("5.svg"), "{text}"); // line 7 is row 5
    assert!(error.help().unwrap().contains("data.on_error"), "{:?}", error.help());

    let skip = ["data.on_error=skip", "train.epochs=1"];
    let trained = train(config(folder.path(), MIXED, &skip), &folder.path().join("skip"), false, &mut ()).unwrap();
    let named: Vec<String> = trained.skipped.iter().map(ToString::to_string).collect();
    assert_eq!(named.len(), 2, "{named:?}");
    assert!(named[0].contains("mixed.csv:7") && named[0].contains("5.svg"), "{named:?}");
    assert!(named[1].contains("mixed.csv:8") && named[1].contains("6.svg"), "{named:?}");
    let rows: usize = trained.splits.values().map(Vec::len).sum();
    assert_eq!(rows, 44 - 2);
    assert!(trained.splits.values().flatten().all(|row| ![5, 6].contains(row)));

    let few = ["data.on_error=skip", "data.max_errors=1"];
    let error = train(config(folder.path(), MIXED, &few), &folder.path().join("few"), false, &mut ()).err().unwrap();
    assert!(error.to_string().contains("max_errors"), "{error}");
}

#[test]
fn training_options_out_of_range_are_errors() {
    let folder = tempfile::tempdir().unwrap();
    write_xor(folder.path());
    let table = fs::read_to_string(folder.path().join("xor.csv")).unwrap();
    let plain: Vec<&str> = table.lines().map(|line| line.rsplit_once(',').unwrap().0).collect();
    fs::write(folder.path().join("plain.csv"), plain.join("\n")).unwrap();
    let mut wrong_ways = Vec::new();
    for (at, wrong) in [
        "train.batch_size=0",
        "train.learning_rate=-1.0",
        "train.learning_rate=nan",
        "train.weight_decay=-1.0",
        "train.warmup=2.0",
        "train.clip=-1.0",
        "train.modality_dropout=1.5",
        "train.together=nothing",
        "data.validation=1.5",
        "data.test=-0.5",
        "tasks.same.weight=nan",
        "tasks.same.modality_dropout=1.0",
        "encode.left.dim=10000000000",
    ]
    .iter()
    .enumerate()
    {
        let run = folder.path().join(at.to_string());
        // shares apply where no column names the splits
        let path = if wrong.starts_with("data") { "data.path=plain.csv" } else { "data.path=xor.csv" };
        let set = [*wrong, "train.epochs=1", path];
        let result = catch_unwind(AssertUnwindSafe(|| {
            try_config(folder.path(), XOR, &set).and_then(|config| train(config, &run, false, &mut ())).err()
        }));
        match result {
            Ok(Some(Error::Config { .. })) => {}
            Ok(Some(error)) => wrong_ways.push(format!("{wrong}: {error}")),
            Ok(None) => wrong_ways.push(format!("{wrong}: taken")),
            Err(_) => wrong_ways.push(format!("{wrong}: panics")),
        }
    }
    assert!(wrong_ways.is_empty(), "{wrong_ways:#?}");
}
