//! The one error type: the place first, what was found, and the way out.
use std::{
    io::ErrorKind,
    path::{Path, PathBuf},
};

/// What can go wrong, by what a caller can do about it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The config asks for something that cannot be.
    #[error("{}: {problem}", if at.is_empty() { "config" } else { at })]
    Config {
        /// Path of the option, such as `tasks.label.loss.type`.
        at: String,
        /// What was found and what was expected.
        problem: String,
        /// What to do about it; empty where nothing is known.
        help: String,
    },
    /// A table, or a file that it names, cannot be used.
    #[error("{at}: {problem}")]
    Data {
        /// File, line and column, such as `train.csv:38, column "image"`.
        at: String,
        /// What was found and what was expected.
        problem: String,
        /// What to do about it; empty where nothing is known.
        help: String,
    },
    /// A run folder, checkpoint or index cannot be used.
    #[error("{}: {problem}", path.display())]
    Run {
        /// The file or folder.
        path: PathBuf,
        /// What was found and what was expected.
        problem: String,
        /// What to do about it; empty where nothing is known.
        help: String,
    },
    /// A part was handed a tensor of another shape than it reads.
    #[error("{at}: expected {expected}, got shape {got:?}")]
    Shape {
        /// The part.
        at: String,
        /// What it reads.
        expected: &'static str,
        /// What it got.
        got: Vec<usize>,
    },
    /// The operating system refused.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
        /// What to do about it; empty where the reason says enough.
        help: String,
    },
    /// Training was asked to stop; the checkpoint is written.
    #[error("stopped at step {step}")]
    Stopped {
        /// Steps done.
        step: usize,
        /// How to go on; empty where the run's folder is not known.
        help: String,
    },
}

/// Result of everything in this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// An [`Error::Config`] without help.
    pub fn config(at: impl Into<String>, problem: impl Into<String>) -> Self {
        Self::Config { at: at.into(), problem: problem.into(), help: String::new() }
    }

    /// An [`Error::Data`] without help.
    pub fn data(at: impl Into<String>, problem: impl Into<String>) -> Self {
        Self::Data { at: at.into(), problem: problem.into(), help: String::new() }
    }

    /// An [`Error::Run`] without help.
    pub fn run(path: impl Into<PathBuf>, problem: impl Into<String>) -> Self {
        Self::Run { path: path.into(), problem: problem.into(), help: String::new() }
    }

    /// Names the file that an input or output error is about: `.map_err(Error::io(path))`.
    pub fn io(path: impl AsRef<Path>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.as_ref().to_path_buf();
        move |source| Self::Io { path, source, help: String::new() }
    }

    /// The same error with what to do about it.
    pub fn with_help(mut self, text: impl Into<String>) -> Self {
        if let Self::Config { help, .. }
        | Self::Data { help, .. }
        | Self::Run { help, .. }
        | Self::Io { help, .. }
        | Self::Stopped { help, .. } = &mut self
        {
            *help = text.into();
        }
        self
    }

    /// The same error of a training that goes on from the folder `run`, once the system no longer refuses.
    pub fn in_training(self, run: &Path) -> Self {
        let first = match &self {
            Self::Stopped { .. } => "",
            Self::Io { source, .. } => match source.kind() {
                ErrorKind::StorageFull | ErrorKind::QuotaExceeded => "free some space, then ",
                ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => "make it writable, then ",
                ErrorKind::FileTooLarge => "allow larger files (`ulimit -f`), then ",
                _ => "",
            },
            _ => return self,
        };
        let help = format!("{first}continue with `amodal train --resume {}`", run.display());
        self.with_help(help)
    }

    /// The same error with `prefix` put before its place: a part names only its own option.
    pub fn within(mut self, prefix: &str) -> Self {
        match &mut self {
            Self::Config { at, .. } if at.is_empty() => *at = prefix.to_string(),
            Self::Data { at, .. } if at.is_empty() => *at = prefix.to_string(),
            Self::Config { at, .. } => *at = format!("{prefix}.{at}"),
            Self::Data { at, .. } => *at = format!("{prefix}: {at}"),
            Self::Shape { at, .. } => *at = prefix.to_string(),
            _ => {}
        }
        self
    }

    /// The same error, of a config file.
    pub fn in_file(mut self, path: &Path) -> Self {
        if let Self::Config { at, .. } = &mut self {
            let separator = if at.is_empty() { "" } else { ": " };
            *at = format!("{}{separator}{at}", path.display());
        }
        self
    }

    /// What to do about it, where known.
    pub fn help(&self) -> Option<&str> {
        match self {
            Self::Config { help, .. } | Self::Data { help, .. } | Self::Run { help, .. } => {
                Some(help.as_str()).filter(|help| !help.is_empty())
            }
            Self::Io { help, .. } | Self::Stopped { help, .. } if !help.is_empty() => Some(help),
            Self::Stopped { .. } => Some("continue with `--resume`"),
            Self::Io { source, .. } => match source.kind() {
                ErrorKind::NotFound => Some("check the spelling; a relative path starts at the current folder"),
                ErrorKind::PermissionDenied => Some("choose another path, or change its permissions"),
                ErrorKind::NotADirectory => Some("choose another path: a part of it is a file"),
                ErrorKind::ReadOnlyFilesystem => Some("choose another path: this one can only be read"),
                ErrorKind::StorageFull | ErrorKind::QuotaExceeded => {
                    Some("free some space or choose another path, then run the same command again")
                }
                _ => None,
            },
            Self::Shape { .. } => None,
        }
    }
}

/// `did you mean` for a wrong name: the known one that is nearest, if any is near.
pub fn suggest<'a>(wrong: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let near = |name: &&str| strsim::jaro_winkler(wrong, name);
    let best = known.into_iter().max_by(|a, b| near(a).total_cmp(&near(b)))?;
    (near(&best) > 0.75).then_some(best)
}

/// Runs a reader of another crate, and makes a panic in it `None`, with no message on stderr: some of them panic on
/// damaged input.
pub(crate) fn guarded<T>(run: impl FnOnce() -> T) -> Option<T> {
    use std::{cell::Cell, panic, sync::Once};
    thread_local!(static GUARDED: Cell<bool> = const { Cell::new(false) });
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let usual = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if !GUARDED.get() {
                usual(info);
            }
        }));
    });
    let before = GUARDED.replace(true);
    let ran = panic::catch_unwind(panic::AssertUnwindSafe(run));
    GUARDED.set(before);
    ran.ok()
}
