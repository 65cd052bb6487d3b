//! Training that is killed, stopped, or refused by the system, and goes on as if nothing had been.
use crate::{
    data::squares,
    place::{Place, Ran},
};
use std::{
    io::Read,
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

const TRAIN: &str = "train config.toml --out killed --set train.epochs=30";
const WHOLE: &str = "train config.toml --out whole --set train.epochs=30 -q";
const RESUME: &str = "train --resume killed -q";
const STATE: &str = "killed/checkpoint/state.safetensors";
/// Makes a checkpoint of 25 MB, so that half of the time goes into writing it.
#[cfg(target_os = "linux")]
const WIDE: &str = "--set fuse.dim=2048 --set tasks.label.decode.hidden=[1024] --set train.epochs=12";
/// What must be the same, byte for byte, whatever happened on the way.
const FILES: [&str; 4] = ["model.safetensors", "metrics.jsonl", "results.json", "checkpoint/state.safetensors"];

fn start(place: &Place, arguments: &str) -> Child {
    let arguments: Vec<_> = arguments.split_whitespace().collect();
    place.command(&arguments).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("the command starts")
}

/// Numbers that look random and are the same every time (SplitMix64).
fn random(state: &mut u64) -> f64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut mixed = *state;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    ((mixed ^ (mixed >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
}

/// The step of a checkpoint, from its header alone; none where there is none yet.
fn step(path: &Path) -> Option<u64> {
    let mut file = std::fs::File::open(path).ok()?;
    let mut length = [0; 8];
    file.read_exact(&mut length).ok()?;
    let mut header = vec![0; u64::from_le_bytes(length) as usize];
    file.read_exact(&mut header).ok()?;
    let header: serde_json::Value = serde_json::from_slice(&header).ok()?;
    let progress: serde_json::Value = serde_json::from_str(header["__metadata__"]["amodal"].as_str()?).ok()?;
    progress["step"].as_u64()
}

/// Waits until something is so; `false` where the process ends, or a minute passes, before.
fn wait(child: &mut Child, mut is_so: impl FnMut() -> bool) -> bool {
    let begin = Instant::now();
    while !is_so() {
        if child.try_wait().unwrap().is_some() || begin.elapsed().as_secs() > 60 {
            return false;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    true
}

/// Sends SIGKILL; whether the process was still running.
fn kill(mut child: Child) -> bool {
    let ended = child.try_wait().unwrap().is_some();
    child.kill().unwrap();
    child.wait().unwrap();
    !ended
}

/// Files that a killed writer left in a folder.
fn unfinished(place: &Place, folder: &str) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(place.path(folder)) else { return Vec::new() };
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.ends_with(".tmp")).collect()
}

/// The run `killed` is what `whole` is, and nothing is left over.
#[track_caller]
fn same(place: &Place) {
    for file in FILES {
        let (killed, whole) = (place.bytes(&format!("killed/{file}")), place.bytes(&format!("whole/{file}")));
        assert!(killed == whole, "{file} differs");
    }
    assert!(place.path("killed/report.html").exists());
    for folder in ["killed", "killed/checkpoint"] {
        assert_eq!(unfinished(place, folder), [""; 0]);
    }
}

/// Kills at steps of the first half, a random moment after the checkpoint: the trainings end with the bytes of one that
/// was left alone, however slow the machine is.
#[test]
fn three_kills_change_nothing() {
    let place = squares();
    place.amodal(WHOLE).done();
    let (mut state, mut in_training) = (7, 0);
    for target in [20, 55, 90] {
        let mut child = start(&place, if place.path("killed/config.toml").exists() { RESUME } else { TRAIN });
        wait(&mut child, || step(&place.path(STATE)).is_some_and(|step| step >= target));
        std::thread::sleep(Duration::from_secs_f64(0.01 * random(&mut state)));
        in_training += usize::from(kill(child));
    }
    assert!(in_training > 0, "no kill fell into training");
    place.amodal(RESUME).done();
    same(&place);
}

/// Half of the kills at any time from the start of the process on, half while a checkpoint is written. A run that ends
/// is compared with the one that was left alone, and another begun.
#[cfg(target_os = "linux")]
#[test]
#[ignore = "takes two minutes"]
fn fifty_kills_change_nothing() {
    let place = squares();
    let begin = Instant::now();
    place.amodal(&format!("train config.toml --out whole -q {WIDE}")).done();
    let seconds = begin.elapsed().as_secs_f64();
    let bytes = place.bytes("whole/checkpoint/state.safetensors").len();
    let (mut state, mut ended) = (50, 0);
    let (mut early, mut training, mut writing, mut late) = (0, 0, 0, 0);
    let mut round = 0;
    while early + training + writing + late < 50 {
        let fresh = !place.path("killed/config.toml").exists();
        let train = format!("train config.toml --out killed -q {WIDE}");
        let before = step(&place.path(STATE));
        let mut child = start(&place, if fresh { &train } else { RESUME });
        let is_writing = || !unfinished(&place, "killed/checkpoint").is_empty();
        round += 1;
        if round % 2 == 0 {
            for _ in 0..(4.0 * random(&mut state)) as usize {
                wait(&mut child, is_writing);
                wait(&mut child, || !is_writing());
            }
            wait(&mut child, is_writing);
            std::thread::sleep(Duration::from_secs_f64(0.04 * random(&mut state)));
        } else {
            std::thread::sleep(Duration::from_secs_f64(seconds * random(&mut state).powi(2)));
        }
        if kill(child) {
            if is_writing() {
                writing += 1;
            } else if place.path("killed/model.safetensors").exists() {
                late += 1;
            } else if step(&place.path(STATE)) == before {
                early += 1;
            } else {
                training += 1;
            }
            // found anew, it would be counted again where the next process is killed before it removes it
            for name in unfinished(&place, "killed/checkpoint") {
                let moved = place.path(format!("killed/.a.{round}-0.tmp"));
                std::fs::rename(place.path("killed/checkpoint").join(name), moved).unwrap();
            }
        } else {
            place.amodal(RESUME).done();
            same(&place);
            ended += 1;
            std::fs::remove_dir_all(place.path("killed")).unwrap();
        }
    }
    if place.path("killed/config.toml").exists() {
        place.amodal(RESUME).done();
        same(&place);
        ended += 1;
    }
    println!(
        "checkpoints of {bytes} bytes; {early} kills before the process had written one, {training} between two, {writing} \
         while one was written, {late} after training; {ended} runs, all equal"
    );
    assert!(writing >= 10, "only {writing} kills while a checkpoint was written");
    assert!(ended > 0);
}

/// Ctrl-C, what a scheduler sends, and a terminal that is closed: a checkpoint, a message that says how to go on, exit
/// 1; and then the same bytes.
#[cfg(unix)]
#[test]
fn an_interrupt_leaves_a_run_that_can_be_resumed() {
    let place = squares();
    place.amodal(WHOLE).done();
    for signal in ["INT", "TERM", "HUP"] {
        let mut child = start(&place, TRAIN);
        assert!(wait(&mut child, || place.path(STATE).exists()));
        if signal == "HUP" {
            child.stderr = None; // what is said goes nowhere
        }
        let sent = Command::new("kill").args([&format!("-{signal}"), &child.id().to_string()]).status().unwrap();
        assert!(sent.success());
        let ran = Ran::new(signal, &child.wait_with_output().unwrap());
        if signal == "HUP" {
            assert_eq!(ran.code, 1, "{ran}");
        } else {
            let help = "help: continue with `amodal train --resume killed`\n";
            ran.failed(1, &["stopping after this step", "stopped at step ", help]);
        }
        assert!(!place.path("killed/model.safetensors").exists());
        place.amodal("predict killed --input text=red").failed(1, &["has not ended", "help: ", "--resume killed"]);
        place.amodal(RESUME).done();
        same(&place);
        std::fs::remove_dir_all(place.path("killed")).unwrap();
    }
}

/// A run that has ended can be resumed: it changes nothing.
#[test]
fn resuming_what_has_ended() {
    let place = crate::data::trained();
    let before = place.bytes("run/model.safetensors");
    place.amodal("train --resume run -q").done();
    assert!(place.bytes("run/model.safetensors") == before);
}

/// A damaged checkpoint: said in one line, the one before it used, and the same bytes in the end.
#[test]
fn a_damaged_checkpoint() {
    let place = squares();
    for out in ["whole", "killed"] {
        place.amodal(&format!("train config.toml --out {out} -q")).done();
    }
    let newest = place.bytes(STATE);
    let before = place.bytes("killed/checkpoint/previous.safetensors");
    for (place_of_it, is_cut) in [(0.0001, false), (0.01, true), (0.5, false), (0.75, true), (0.9999, false)] {
        let at = (place_of_it * newest.len() as f64) as usize;
        let mut damaged = newest.clone();
        if is_cut {
            damaged.truncate(at);
        } else {
            damaged[at] ^= 1;
        }
        place.write(STATE, damaged);
        place.write("killed/checkpoint/previous.safetensors", &before);
        std::fs::remove_file(place.path("killed/model.safetensors")).unwrap();
        let ran = place.amodal(RESUME).done();
        assert_eq!(ran.stderr.lines().count(), 1, "{ran}");
        ran.says(&[&format!("warning: {STATE}: damaged: "), "; going on from the checkpoint before it, of step 41\n"]);
        same(&place);
    }
    let mut model = place.bytes("killed/model.safetensors");
    *model.last_mut().unwrap() ^= 0x80;
    place.write("killed/model.safetensors", model);
    let help = "help: write it anew from the checkpoint: `amodal train --resume killed`";
    place.amodal("predict killed --input text=red").failed(1, &["killed/model.safetensors: damaged: ", help]);
    place.amodal(RESUME).done();
    same(&place);
    // both: the way out leads to the same bytes
    place.write(STATE, &newest[..newest.len() - 1]);
    place.write("killed/checkpoint/previous.safetensors", &before[..100]);
    let help = "help: train it anew: `amodal train killed/config.toml --out ANOTHER`";
    place.amodal(RESUME).failed(1, &["state.safetensors: damaged: ", "previous.safetensors: damaged: ", help]);
    place.amodal("train killed/config.toml --out another -q").done();
    assert!(place.bytes("another/model.safetensors") == place.bytes("whole/model.safetensors"));
}

/// A write that the system refuses in the midst of training, here as the file would be larger than is allowed: an error
/// with a way out, and the checkpoint before it as it was.
#[cfg(target_os = "linux")]
#[test]
fn a_checkpoint_that_cannot_be_written() {
    let place = squares();
    place.amodal(WHOLE).done();
    let mut child = start(&place, TRAIN);
    assert!(wait(&mut child, || place.path(STATE).exists()));
    kill(child);
    let before = place.bytes(STATE);
    // half of a checkpoint, in units of 512 bytes or, in some shells, 1024; the signal that would end it is ignored
    let limit = format!("trap '' XFSZ; ulimit -f {}; exec \"$@\"", before.len() / 2048);
    let binary = env!("CARGO_BIN_EXE_amodal");
    let mut limited = Command::new("sh");
    limited.args(["-c", &limit, "sh", binary]).args(RESUME.split(' ')).current_dir(place.path(""));
    let help = "help: allow larger files (`ulimit -f`), then continue with `amodal train --resume killed`";
    let ran = Ran::new("limited", &limited.output().unwrap());
    ran.failed(1, &[&format!("error: {STATE}: File too large"), help]);
    assert!(place.bytes(STATE) == before);
    assert_eq!(unfinished(&place, "killed/checkpoint"), [""; 0]);
    place.amodal(RESUME).done();
    same(&place);
}

/// A folder that becomes read-only in the midst of training. Root may write everywhere: then another user trains.
#[cfg(target_os = "linux")]
#[test]
fn a_folder_that_becomes_read_only() {
    use std::os::unix::{
        fs::{PermissionsExt, chown},
        process::CommandExt,
    };
    const NOBODY: u32 = 65534;
    let place = squares();
    let allow = |path: &str, mode| {
        std::fs::set_permissions(place.path(path), std::fs::Permissions::from_mode(mode)).unwrap();
    };
    place.amodal(WHOLE).done();
    place.write("locked/x", "");
    allow("locked", 0o555);
    let is_root = std::fs::write(place.path("locked/x.tmp"), "").is_ok();
    let command = |arguments: &str| {
        let mut command = place.command(&arguments.split(' ').collect::<Vec<_>>());
        if is_root {
            command.uid(NOBODY).gid(NOBODY);
        }
        command
    };
    if is_root {
        allow("", 0o755);
        if let Err(error) = command("--version").output() {
            println!("skipped: another user cannot start the command: {error}");
            return;
        }
    }
    let ran = |arguments: &str| Ran::new(arguments, &command(arguments).output().unwrap());
    let help = "help: choose another path, or change its permissions";
    ran("train config.toml --out locked/run -q").failed(1, &["error: locked/run: Permission denied", help]);
    std::fs::create_dir(place.path("killed")).unwrap();
    if is_root {
        chown(place.path("killed"), Some(NOBODY), Some(NOBODY)).unwrap();
    }
    let mut child = command(TRAIN).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    assert!(wait(&mut child, || place.path(STATE).exists()));
    allow("killed/checkpoint", 0o555);
    let stopped = Ran::new(TRAIN, &child.wait_with_output().unwrap());
    let help = "help: make it writable, then continue with `amodal train --resume killed`";
    stopped.failed(1, &[&format!("error: {STATE}: Permission denied"), help]);
    assert!(step(&place.path(STATE)).or(step(&place.path("killed/checkpoint/previous.safetensors"))).is_some());
    allow("killed/checkpoint", 0o755);
    ran(RESUME).done();
    same(&place);
}

/// A disk of its own in memory, of some megabytes; it goes with its value.
#[cfg(target_os = "linux")]
struct Disk<'a> {
    place: &'a Place,
}

#[cfg(target_os = "linux")]
impl<'a> Disk<'a> {
    /// None where the system does not allow it: root alone may.
    fn mount(place: &'a Place, megabytes: usize) -> Option<Self> {
        std::fs::create_dir_all(place.path("killed")).unwrap();
        let disk = Self { place };
        disk.run("mount", &["-t", "tmpfs", "-o", &format!("size={megabytes}m"), "tmpfs"]).then_some(disk)
    }

    fn resize(&self, megabytes: usize) {
        assert!(self.run("mount", &["-o", &format!("remount,size={megabytes}m")]));
    }

    fn run(&self, command: &str, arguments: &[&str]) -> bool {
        let status = Command::new(command).args(arguments).arg(self.place.path("killed")).status();
        status.is_ok_and(|status| status.success())
    }

    /// Writes until nothing more fits.
    fn fill(&self) {
        let mut file = std::fs::File::create(self.place.path("killed/filler")).unwrap();
        while std::io::Write::write_all(&mut file, &[1; 4096]).is_ok() {}
    }

    fn free(&self) {
        std::fs::remove_file(self.place.path("killed/filler")).unwrap();
    }
}

#[cfg(target_os = "linux")]
impl Drop for Disk<'_> {
    fn drop(&mut self) {
        self.run("umount", &[]);
    }
}

/// A disk that is full before the first checkpoint, at the third, at a line of `metrics.jsonl`, and at the results.
#[cfg(target_os = "linux")]
#[test]
#[ignore = "takes half a minute, and root"]
fn a_full_disk_loses_nothing() {
    let place = squares();
    place.amodal(&format!("train config.toml --out whole -q {WIDE}")).done();
    let Some(disk) = Disk::mount(&place, 20) else {
        println!("skipped: no disk can be mounted");
        return;
    };
    let help = "help: free some space, then continue with `amodal train --resume killed`";
    let refused = |ran: Ran, file: &str| {
        println!("{}", ran.stderr.trim());
        ran.failed(1, &[&format!("error: killed/{file}: No space left on device"), help]);
        assert_eq!(unfinished(&place, "killed/checkpoint"), [""; 0]);
        assert_eq!(unfinished(&place, "killed"), [""; 0]);
    };
    let train = format!("train config.toml --out killed -q {WIDE}");
    refused(place.amodal(&train), "checkpoint/state.safetensors");
    assert!(!place.path(STATE).exists());
    disk.resize(60);
    refused(place.amodal(RESUME), "checkpoint/state.safetensors");
    assert_eq!(step(&place.path(STATE)), Some(2));
    assert_eq!(step(&place.path("killed/checkpoint/previous.safetensors")), Some(1));
    disk.resize(200);
    place.amodal(RESUME).done();
    same(&place);
    drop(disk);

    let disk = Disk::mount(&place, 200).unwrap();
    // fills the disk once a file is there
    let filled = |arguments: &str, file: &str| {
        let mut child = start(&place, arguments);
        let signal = |name: &str| {
            assert!(Command::new("kill").args([name, &child.id().to_string()]).status().unwrap().success());
        };
        let begin = Instant::now();
        while !place.path(file).exists() && begin.elapsed().as_secs() < 60 {
            std::thread::sleep(Duration::from_millis(1));
        }
        signal("-STOP");
        disk.fill();
        signal("-CONT");
        let _ = child.try_wait();
        Ran::new(arguments, &child.wait_with_output().unwrap())
    };
    // no checkpoint before the end of an epoch, which begins with the line
    let train = format!("{train} --set train.checkpoint_seconds=1000");
    refused(filled(&train, "killed/environment.json"), "metrics.jsonl");
    disk.free();
    refused(filled(RESUME, "killed/model.safetensors"), "results.json");
    disk.free();
    place.amodal(RESUME).done();
    same(&place);
}
