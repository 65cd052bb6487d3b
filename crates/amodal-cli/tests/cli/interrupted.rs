//! Training that is killed or stopped, and goes on as if it had not been.
use crate::{
    data::squares,
    place::{Place, Ran},
};
use std::{
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

const TRAIN: &[&str] = &["train", "config.toml", "--out", "killed", "--set", "train.epochs=30"];
const RESUME: &[&str] = &["train", "--resume", "killed", "-q"];

fn start(place: &Place, arguments: &[&str]) -> Child {
    place.command(arguments).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("the command starts")
}

/// Numbers that look random and are the same every time (SplitMix64).
fn random(state: &mut u64) -> f64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut mixed = *state;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    ((mixed ^ (mixed >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
}

/// Kills a training `kills` times, wherever it is; the resumed one ends with the bytes of one that was left alone.
fn killed(kills: usize, epochs: usize) {
    let place = squares();
    let epochs = format!("train.epochs={epochs}");
    let train = ["train", "config.toml", "--out", "killed", "--set", &epochs, "-q"];
    let begin = Instant::now();
    place.amodal(&format!("train config.toml --out whole --set {epochs} -q")).done();
    let seconds = begin.elapsed().as_secs_f64();
    let mut state = 7 + kills as u64;
    let (mut in_training, mut arguments) = (0, train.as_slice());
    for _ in 0..kills {
        let mut child = start(&place, arguments);
        // long enough to come further each time, short enough that some training is left
        std::thread::sleep(Duration::from_secs_f64(seconds / kills as f64 * (0.3 + 0.6 * random(&mut state))));
        let ended = child.try_wait().unwrap().is_some();
        child.kill().unwrap(); // SIGKILL
        child.wait().unwrap();
        if ended {
            arguments = RESUME; // changes nothing
            break;
        }
        in_training += usize::from(place.path("killed/checkpoint/state.safetensors").exists());
        arguments = if place.path("killed/config.toml").exists() { RESUME } else { &train };
    }
    assert!(in_training * 2 >= kills, "only {in_training} of {kills} kills fell into training");
    place.arguments(arguments).done();
    for file in ["model.safetensors", "metrics.jsonl", "results.json"] {
        let (killed, whole) = (place.bytes(&format!("killed/{file}")), place.bytes(&format!("whole/{file}")));
        assert!(killed == whole, "{file} differs after {kills} kills");
    }
    let left: Vec<_> =
        std::fs::read_dir(place.path("killed")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    let left: Vec<String> = left.into_iter().map(|name| name.into_string().unwrap()).collect();
    assert!(left.iter().any(|name| name == "report.html"), "{left:?}");
}

#[test]
fn three_kills_change_nothing() {
    killed(3, 30);
}

#[test]
#[ignore = "takes ten seconds"]
fn ten_kills_change_nothing() {
    killed(10, 200);
}

/// Ctrl-C: a checkpoint, a message that says how to go on, exit 1; and then the same bytes.
#[cfg(unix)]
#[test]
fn an_interrupt_leaves_a_run_that_can_be_resumed() {
    let place = squares();
    place.amodal("train config.toml --out whole --set train.epochs=30 -q").done();
    let child = start(&place, TRAIN);
    let begin = Instant::now();
    while !place.path("killed/checkpoint/state.safetensors").exists() && begin.elapsed().as_secs() < 30 {
        std::thread::sleep(Duration::from_millis(5));
    }
    let sent = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(sent.success());
    let ran = Ran::new("train", &child.wait_with_output().unwrap());
    ran.failed(1, &["stopping after this step", "stopped at step ", "help: continue with", "--resume"]);
    assert!(!place.path("killed/model.safetensors").exists());
    place.amodal("predict killed --input text=red").failed(1, &["has not ended", "help: ", "--resume killed"]);
    place.amodal("train --resume killed -q").done();
    assert!(place.bytes("killed/model.safetensors") == place.bytes("whole/model.safetensors"));
}

/// A run that has ended can be resumed: it changes nothing.
#[test]
fn resuming_what_has_ended() {
    let place = crate::data::trained();
    let before = place.bytes("run/model.safetensors");
    place.amodal("train --resume run -q").done();
    assert!(place.bytes("run/model.safetensors") == before);
}
