//! A temporary folder, the command run in it, and what came of it.
use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};
use tempfile::TempDir;

/// A folder of its own for one test; the command runs in it.
pub(crate) struct Place {
    folder: TempDir,
}

/// What one run of the command did.
pub(crate) struct Ran {
    /// Its exit code; -1 where a signal ended it.
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    /// The arguments, for messages.
    what: String,
}

impl Place {
    pub(crate) fn new() -> Self {
        Self { folder: tempfile::tempdir().expect("a temporary folder") }
    }

    pub(crate) fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().expect("inside the folder")).expect("a folder");
        fs::write(path, content).expect("a file");
    }

    pub(crate) fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    pub(crate) fn bytes(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    /// The command, ready to start.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_amodal"));
        command.args(arguments).current_dir(self.folder.path()).stdin(Stdio::null()).env("NO_COLOR", "1");
        command
    }

    /// Runs the command; arguments are separated by spaces.
    pub(crate) fn amodal(&self, arguments: &str) -> Ran {
        self.arguments(&arguments.split_whitespace().collect::<Vec<_>>())
    }

    /// Runs the command with arguments that hold spaces.
    pub(crate) fn arguments(&self, arguments: &[&str]) -> Ran {
        let output = self.command(arguments).output().expect("the command starts");
        Ran::new(&arguments.join(" "), &output)
    }
}

impl Ran {
    pub(crate) fn new(what: &str, output: &Output) -> Self {
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("the command writes UTF-8");
        let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
        let ran = Self { code: output.status.code().unwrap_or(-1), stdout, stderr, what: what.to_string() };
        for trace in ["panicked", "RUST_BACKTRACE", "stack backtrace", "unwrap()"] {
            assert!(!ran.stderr.contains(trace), "{ran}");
        }
        ran
    }

    /// It is done: exit 0, and nothing on stderr calls itself an error.
    #[track_caller]
    pub(crate) fn done(self) -> Self {
        assert!(self.code == 0 && !self.stderr.contains("error:"), "{self}");
        self
    }

    /// It failed with this exit code, nothing on stdout, and each of `parts` on stderr.
    #[track_caller]
    pub(crate) fn failed(self, code: i32, parts: &[&str]) -> Self {
        assert_eq!(self.code, code, "{self}");
        assert_eq!(self.stdout, "", "{self}");
        assert!(self.stderr.lines().any(|line| line.starts_with("error: ")), "{self}");
        self.says(parts)
    }

    /// stderr has each of `parts`.
    #[track_caller]
    pub(crate) fn says(self, parts: &[&str]) -> Self {
        for part in parts {
            assert!(self.stderr.contains(part), "stderr lacks {part:?}\n{self}");
        }
        self
    }

    /// stdout as one JSON value.
    #[track_caller]
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("stdout is not JSON: {error}\n{self}"))
    }

    /// stdout as JSON lines.
    #[track_caller]
    pub(crate) fn json_lines(&self) -> Vec<serde_json::Value> {
        json_lines(&self.stdout)
    }
}

/// JSON lines.
#[track_caller]
pub(crate) fn json_lines(text: &str) -> Vec<serde_json::Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))).collect()
}

impl std::fmt::Display for Ran {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { code, stdout, stderr, what } = self;
        let stdout: String = stdout.chars().take(2000).collect();
        write!(f, "amodal {what}\nexit {code}\nstdout:\n{stdout}\nstderr:\n{stderr}")
    }
}
