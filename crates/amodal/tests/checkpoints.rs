//! Files of weights that are damaged, or another model's: an error, never a panic, and never silently taken.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]
use amodal::{
    Config, Error, Model,
    run::{Run, train},
    train::{
        Trainer, checkpoint, device,
        weights::{self, Weights},
    },
};
use burn::module::Module;
use proptest::prelude::*;
use safetensors::SafeTensors;
use std::{fs, path::Path};

const CONFIG: &str = r#"
[data]
path = "t.csv"
[train]
epochs = 2
batch_size = 8
patience = 1
[modalities]
colour = { type = "category" }
size = { type = "number" }
[encode]
colour = { type = "category", dim = 3 }
size = { type = "number", dim = 3, hidden = [4] }
[fuse]
type = "concat"
dim = 4
[tasks.kind]
target = { type = "category" }
decode = { type = "classifier" }
loss = { type = "cross_entropy" }
"#;

/// A small trained run in `folder/run`, and its resolved config.
fn trained(folder: &Path) -> Config {
    let mut table = String::from("colour,size,kind,split\n");
    for row in 0..24 {
        let split = if row % 3 == 2 { "validation" } else { "train" };
        table += &format!("{},{},{},{split}\n", ["red", "blue"][row % 2], row, ["x", "y"][row / 2 % 2]);
    }
    fs::write(folder.join("t.csv"), table).unwrap();
    let mut config = Config::parse(CONFIG, &[]).unwrap();
    config.data.path = folder.join("t.csv");
    train(config, &folder.join("run"), false, &mut ()).unwrap().run.config
}

fn resume(config: &Config, path: &Path) -> Result<Trainer, Error> {
    Trainer::new(config.clone()).unwrap().resume(path)
}

/// Reads both files of a run with these bytes, and says what happens; a panic fails the test.
fn read_both(folder: &Path, config: &Config, model: Option<&[u8]>, state: Option<&[u8]>) -> [Result<(), Error>; 2] {
    let run = folder.join("run");
    let (model_path, state_path) = (run.join("model.safetensors"), run.join("checkpoint/state.safetensors"));
    let (old_model, old_state) = (fs::read(&model_path).unwrap(), fs::read(&state_path).unwrap());
    fs::write(&model_path, model.unwrap_or(&old_model)).unwrap();
    fs::write(&state_path, state.unwrap_or(&old_state)).unwrap();
    let results = [Run::open(&run).map(drop), resume(config, &state_path).map(drop)];
    fs::write(&model_path, old_model).unwrap();
    fs::write(&state_path, old_state).unwrap();
    results
}

fn bytes(folder: &Path) -> [Vec<u8>; 2] {
    ["run/model.safetensors", "run/checkpoint/state.safetensors"].map(|file| fs::read(folder.join(file)).unwrap())
}

#[test]
fn truncated_files_are_errors() {
    let folder = tempfile::tempdir().unwrap();
    let config = trained(folder.path());
    let [model, state] = bytes(folder.path());
    let cuts = |length: usize| (0..12).chain((12..length).step_by(length / 60 + 1)).chain([length - 1]);
    for cut in cuts(model.len()) {
        let [result, _] = read_both(folder.path(), &config, Some(&model[..cut]), None);
        assert!(matches!(result, Err(Error::Run { .. })), "model cut at {cut}: {result:?}");
    }
    for cut in cuts(state.len()) {
        let [_, result] = read_both(folder.path(), &config, None, Some(&state[..cut]));
        assert!(matches!(result, Err(Error::Run { .. })), "state cut at {cut}: {result:?}");
    }
    let longer = [&model[..], b"more"].concat();
    assert!(read_both(folder.path(), &config, Some(&longer), None)[0].is_err(), "bytes after the end");
}

/// The same tensors and text as older versions wrote them, without a checksum.
fn without_checksum(file: &[u8]) -> Vec<u8> {
    let (_, metadata) = SafeTensors::read_metadata(file).unwrap();
    let mut texts = metadata.metadata().clone().unwrap();
    assert!(texts.remove("checksum").is_some());
    safetensors::serialize(SafeTensors::deserialize(file).unwrap().tensors(), Some(texts)).unwrap()
}

#[test]
fn flipped_bytes_are_errors() {
    let folder = tempfile::tempdir().unwrap();
    let config = trained(folder.path());
    let files = bytes(folder.path());
    let older = files.each_ref().map(|file| without_checksum(file));
    for (which, original) in files.iter().chain(&older).enumerate() {
        let header = 8 + u64::from_le_bytes(original[..8].try_into().unwrap()) as usize;
        for at in (0..8).chain((8..header).step_by(29)).chain((header..original.len()).step_by(997)) {
            for flip in [0x01, 0x80, 0xff] {
                let mut changed = original.clone();
                changed[at] ^= flip;
                let both = if which % 2 == 0 { (Some(&changed[..]), None) } else { (None, Some(&changed[..])) };
                let result = &read_both(folder.path(), &config, both.0, both.1)[which % 2];
                // without a checksum some are other numbers, but never a panic
                let taken = matches!(result, Ok(()) if which >= 2 && at >= 8);
                assert!(taken || matches!(result, Err(Error::Run { .. })), "byte {at} of file {which}: {result:?}");
            }
        }
    }
    let older = older.each_ref().map(|file| Some(file.as_slice()));
    for result in read_both(folder.path(), &config, older[0], older[1]) {
        result.unwrap();
    }
}

/// A checkpoint that is cut or has one bit flipped, at 100 places of the file: found out, and the one before it used.
#[test]
fn the_checkpoint_before_a_damaged_one_is_used() {
    let folder = tempfile::tempdir().unwrap();
    let config = trained(folder.path());
    let [_, newest] = bytes(folder.path());
    let state = folder.path().join("run/checkpoint/state.safetensors");
    let previous = checkpoint::previous(&state);
    let before = fs::read(&previous).unwrap();
    let resume = || Trainer::new(config.clone()).unwrap().resume_newest(&state);
    let step = |path: &Path| self::resume(&config, path).unwrap().progress.step;
    let (last, step) = (step(&state), step(&previous));
    assert!(step < last, "{step} and {last}");
    for place in 0..100 {
        let at = place * newest.len() / 100;
        let mut flipped = newest.clone();
        flipped[at] ^= 1 << (place % 8);
        for (way, damaged) in [("cut", &newest[..at]), ("flipped", &flipped[..])] {
            fs::write(&state, damaged).unwrap();
            fs::write(&previous, &before).unwrap();
            let (trainer, warning) = resume().unwrap_or_else(|error| panic!("{way} at {at}: {error}"));
            assert_eq!(trainer.progress.step, step, "{way} at {at}");
            let warning = warning.unwrap();
            assert!(warning.starts_with(&format!("{}: damaged: ", state.display())), "{warning}");
            assert!(warning.ends_with(&format!("the checkpoint before it, of step {step}")), "{warning}");
            // what the next one keeps is whole
            assert!(fs::read(&state).unwrap() == before && !previous.exists());
        }
    }
    // the newest is whole: taken, whatever the one before it is
    fs::write(&state, &newest).unwrap();
    fs::write(&previous, &before[..99]).unwrap();
    let (trainer, warning) = resume().unwrap();
    assert_eq!((trainer.progress.step, warning), (last, None));
    // both are damaged
    fs::write(&state, &newest[..99]).unwrap();
    let error = resume().map(drop).unwrap_err().to_string();
    assert!(
        error.contains("state.safetensors: damaged: ") && error.contains("previous.safetensors: damaged: "),
        "{error}"
    );
    // there is none before
    fs::remove_file(&previous).unwrap();
    assert!(matches!(resume(), Err(Error::Run { path, .. }) if path == state));
    // a kill between the two renames leaves the last one under the name of the one before
    fs::write(&previous, &newest).unwrap();
    fs::remove_file(&state).unwrap();
    let (trainer, warning) = resume().unwrap();
    assert_eq!((trainer.progress.step, warning), (last, None));
    assert!(state.exists() && !previous.exists());
    // there is none at all
    fs::remove_file(&state).unwrap();
    assert_eq!(resume().unwrap().0.progress.step, 0);
}

/// What another training left in a folder is not taken for the checkpoint of a new one.
#[test]
fn a_new_training_begins_at_its_beginning() {
    let folder = tempfile::tempdir().unwrap();
    let config = trained(folder.path());
    let run = folder.path().join("run");
    fs::remove_file(run.join("config.toml")).unwrap();
    fs::write(run.join(".metrics.jsonl.1-0.tmp"), "left by a kill").unwrap();
    struct Stop;
    impl amodal::train::Watch for Stop {
        fn step(&mut self, _: &amodal::train::Report, _: &amodal::train::Progress) -> bool {
            false
        }
    }
    let stopped = train(config, &run, false, &mut Stop).map(drop).unwrap_err();
    assert_eq!(stopped.help().unwrap(), format!("continue with `amodal train --resume {}`", run.display()));
    assert!(!checkpoint::previous(&run.join("checkpoint/state.safetensors")).exists());
    assert!(!run.join(".metrics.jsonl.1-0.tmp").exists());
}

/// Two processes in one folder would write over each other.
#[test]
fn one_process_trains_in_a_folder() {
    let folder = tempfile::tempdir().unwrap();
    let config = trained(folder.path());
    let run = folder.path().join("run");
    let held = fs::OpenOptions::new().append(true).open(run.join("checkpoint/lock")).unwrap();
    held.lock().unwrap();
    let error = train(config.clone(), &run, true, &mut ()).map(drop).unwrap_err();
    assert!(error.to_string().ends_with("another process is training it"), "{error}");
    drop(held);
    train(config, &run, true, &mut ()).map(drop).unwrap();
}

/// Applies a change to the tensors of a file and gives its bytes.
fn changed(folder: &Path, file: &str, change: impl FnOnce(&mut Weights)) -> Vec<u8> {
    let (mut all, text) = checkpoint::load(&folder.join(file)).unwrap();
    change(&mut all);
    let path = folder.join("changed.safetensors");
    checkpoint::save(&path, &all, &text).unwrap();
    fs::read(path).unwrap()
}

#[test]
fn missing_extra_and_misshapen_tensors_are_errors() {
    let folder = tempfile::tempdir().unwrap();
    let config = trained(folder.path());
    let model = "run/model.safetensors";
    let names: Vec<String> = checkpoint::load(&folder.path().join(model)).unwrap().0.into_keys().collect();
    for name in &names {
        let cases = [
            ("missing", changed(folder.path(), model, |all| drop(all.remove(name)))),
            ("of another rank", changed(folder.path(), model, |all| all.get_mut(name).unwrap().0.push(1))),
            ("empty", changed(folder.path(), model, |all| drop(all.insert(name.clone(), (vec![0], Vec::new()))))),
            (
                "longer",
                changed(folder.path(), model, |all| {
                    let (shape, values) = all.get_mut(name).unwrap();
                    values.extend(vec![0.0; values.len()]);
                    shape[0] *= 2;
                }),
            ),
        ];
        for (case, file) in cases {
            let [result, _] = read_both(folder.path(), &config, Some(&file), None);
            let text = result.err().unwrap_or_else(|| panic!("`{name}` {case}: taken")).to_string();
            assert!(text.contains(name), "{text}");
        }
    }
    let extra = changed(folder.path(), model, |all| drop(all.insert("encode.sound.x".into(), (vec![1], vec![0.0]))));
    let [result, _] = read_both(folder.path(), &config, Some(&extra), None);
    assert!(result.err().unwrap().to_string().contains("encode.sound.x"));
}

#[test]
fn a_state_with_wrong_parts_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let config = trained(folder.path());
    let state = "run/checkpoint/state.safetensors";
    let names: Vec<String> = checkpoint::load(&folder.path().join(state)).unwrap().0.into_keys().collect();
    for part in ["model/", "best/", "first/", "second/"] {
        assert!(names.iter().any(|name| name.starts_with(part)), "{part} is not in {names:?}");
    }
    let mut wrong_ways = Vec::new();
    // all of `best` may be absent, one of its tensors may not
    for name in &names {
        for (case, file) in [
            ("missing", changed(folder.path(), state, |all| drop(all.remove(name)))),
            (
                "longer",
                changed(folder.path(), state, |all| {
                    let (shape, values) = all.get_mut(name).unwrap();
                    values.extend(vec![0.0; values.len()]);
                    shape[0] *= 2;
                }),
            ),
            ("empty", changed(folder.path(), state, |all| drop(all.insert(name.clone(), (vec![0], Vec::new()))))),
        ] {
            let [_, result] = read_both(folder.path(), &config, None, Some(&file));
            wrong_ways
                .extend((!matches!(result, Err(Error::Run { .. }))).then(|| format!("`{name}` {case}: {result:?}")));
        }
    }
    for extra in ["nothing", "other/x", "first/x", "model/x"] {
        let add = |all: &mut Weights| drop(all.insert(extra.into(), (vec![1], vec![0.0])));
        let [_, result] = read_both(folder.path(), &config, None, Some(&changed(folder.path(), state, add)));
        wrong_ways.extend((!matches!(result, Err(Error::Run { .. }))).then(|| format!("extra `{extra}`: {result:?}")));
    }
    assert!(wrong_ways.is_empty(), "{wrong_ways:#?}");
}

#[test]
fn hostile_progress_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let config = trained(folder.path());
    let (all, progress) = checkpoint::load(&folder.path().join("run/checkpoint/state.safetensors")).unwrap();
    let path = folder.path().join("hostile.safetensors");
    for text in ["", "{}", "[]", "null", "{\"step\": -1}", "nonsense", &progress[..progress.len() - 1]] {
        checkpoint::save(&path, &all, text).unwrap();
        assert!(matches!(resume(&config, &path).map(drop), Err(Error::Run { .. })), "{text}");
    }
}

#[test]
fn files_of_another_kind_are_errors() {
    let folder = tempfile::tempdir().unwrap();
    let config = trained(folder.path());
    let hostile: [&[u8]; 6] = [
        b"",
        b"{}",
        &[0xff; 64],
        b"\x02\x00\x00\x00\x00\x00\x00\x00{}",
        b"\x40\x00\x00\x00\x00\x00\x00\x00{\"a\":{\"dtype\":\"F32\",\"shape\":[4294967296,4294967296],\"data_offsets\":[0,4]}}",
        b"\x08\x00\x00\x00\x00\x00\x00\x00[[[[[[[[",
    ];
    for file in hostile {
        let results = read_both(folder.path(), &config, Some(file), Some(file));
        for result in results {
            assert!(matches!(result, Err(Error::Run { .. })), "{:?}: {result:?}", String::from_utf8_lossy(file));
        }
    }
    // the state of a training is not a model, nor the other way round
    let [model, state] = bytes(folder.path());
    assert!(read_both(folder.path(), &config, Some(&state), None)[0].is_err());
    assert!(read_both(folder.path(), &config, None, Some(&model))[1].is_err());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    /// Any config survives TOML; any of its models survives its file, bit for bit.
    #[test]
    fn configs_and_weights_survive_their_files(
        fusion in 0..amodal::fuse::FusionConfig::NAMES.len(),
        (dim, hidden) in (1_usize..6, proptest::collection::vec(1_usize..5, 0..3)),
        (seed, learning_rate, clip) in (0..=i64::MAX as u64, 1e-9_f64..1.0, 0.0_f64..10.0),
        special in proptest::collection::vec(any::<u32>(), 4),
    ) {
        let set = [
            format!("fuse.type={}", amodal::fuse::FusionConfig::NAMES[fusion]),
            format!("encode.size.dim={dim}"),
            format!("encode.size.hidden={hidden:?}"),
            format!("train.seed={seed}"),
            format!("train.learning_rate={learning_rate:e}"),
            format!("train.clip={clip:?}"),
            "modalities.colour.classes=[\"red\", \"a \\\"quoted\\\" one\", \"日本\"]".to_string(),
            "tasks.kind.target.classes=[\"x\", \"y\"]".to_string(),
        ];
        let config = Config::parse(CONFIG, &set).unwrap();
        prop_assert_eq!(&Config::parse(&config.to_toml().unwrap(), &[]).unwrap(), &config);

        let device = device();
        let model = Model::new(&config, &device).unwrap().materialize();
        let mut before = weights::read(&model);
        // any bits are kept, those of infinities and of numbers near zero too
        for ((_, values), bits) in before.values_mut().zip(special) {
            values[0] = f32::from_bits(bits);
        }
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("model.safetensors");
        checkpoint::save(&path, &before, "text").unwrap();
        let (loaded, text) = checkpoint::load(&path).unwrap();
        prop_assert_eq!(text, "text");
        let model = weights::write(Model::new(&config, &device).unwrap(), &loaded, &path).unwrap();
        let after = weights::read(&model);
        prop_assert!(after.keys().eq(before.keys()));
        for (name, (shape, values)) in &before {
            let bits = |values: &[f32]| values.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
            prop_assert_eq!(&after[name].0, shape);
            prop_assert_eq!(bits(&after[name].1), bits(values), "{}", name);
        }
    }
}
