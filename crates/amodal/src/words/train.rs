//! Learning in pieces on several threads: watched, kept in a file now and then, and gone on with from it.
use super::{corpus::Corpus, rows::Rows, state, vocabulary::Vocabulary};
use crate::Result;
use serde::Serialize;
use std::{
    ops::Range,
    path::PathBuf,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

/// How vectors are learned, whatever they are.
#[derive(Clone, Debug)]
pub struct Training {
    /// Threads.
    pub threads: usize,
    /// The file that keeps what is learned, while it is being learned; absent: none.
    pub state: Option<PathBuf>,
    /// Time between two writings of the state.
    pub every: Duration,
    /// Whether to go on from the state.
    pub resume: bool,
}

impl Default for Training {
    fn default() -> Self {
        Self { threads: 1, state: None, every: Duration::from_mins(5), resume: false }
    }
}

/// How far learning has come.
#[derive(Clone, Copy, Debug)]
pub struct Progress {
    /// What is being done.
    pub doing: &'static str,
    /// Share of all work that is begun.
    pub share: f64,
    /// Words, or pairs of words, a second.
    pub rate: f64,
    /// Mean loss since the last report; NaN where none was taken.
    pub loss: f64,
}

/// Called a few times a second while something is learned; false asks to stop.
pub type Watch<'a> = dyn FnMut(&Progress) -> bool + 'a;

/// A model of words that learns in pieces.
pub(crate) trait Learn: Sync {
    /// What a thread keeps of its own.
    type Work: Default;

    /// Number of pieces.
    fn pieces(&self) -> usize;

    /// Learns one piece.
    fn learn(&self, piece: usize, work: &mut Self::Work) -> Result<Counted>;

    /// All that is learned, by name.
    fn rows(&self) -> Vec<(&'static str, &Rows)>;
}

/// What was done in one piece.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counted {
    pub(crate) units: u64,
    pub(crate) loss: f64,
    pub(crate) losses: u64,
}

/// What tells a training from another: its options, and what it reads.
pub(crate) fn about(config: &impl Serialize, corpus: &Corpus, vocabulary: &Vocabulary) -> String {
    let config = serde_json::to_string(config).unwrap_or_default();
    format!("{config} on {} bytes, {} words of {}", corpus.bytes(), vocabulary.len(), vocabulary.total())
}

/// Learns all pieces, or until `watch` asks to stop; `about` tells one training from another, so that none is gone on with
/// by another's state. A state is kept where not all was done.
///
/// # Errors
/// The model's; [`crate::Error::Run`] for a state that is another's or damaged.
pub(crate) fn learn<L: Learn>(model: &L, about: &str, training: &Training, watch: &mut Watch) -> Result<()> {
    let (pieces, mut wanted) = (model.pieces(), true);
    let mut done = match &training.state {
        Some(path) if training.resume => state::load(path, about, &model.rows())?,
        _ => 0,
    };
    while wanted && done < pieces {
        let begun = Instant::now();
        let mut watch = |progress: &Progress| {
            wanted = watch(progress);
            wanted && (training.state.is_none() || begun.elapsed() < training.every)
        };
        done = run("learning", done..pieces, training.threads, &mut watch, |piece, work| model.learn(piece, work))?;
        if let Some(path) = training.state.as_ref().filter(|_| done < pieces) {
            state::save(path, about, done, &model.rows())?;
        }
    }
    Ok(())
}

/// Does pieces of work in order, each once, by any number of threads, until `watch` asks to stop, and says which is the first
/// that is not done. A thread keeps a `W`.
///
/// # Errors
/// The first of `work`.
pub(crate) fn run<W: Default>(
    doing: &'static str,
    pieces: Range<usize>,
    threads: usize,
    watch: &mut Watch,
    work: impl Fn(usize, &mut W) -> Result<Counted> + Sync,
) -> Result<usize> {
    let (begun, units) = (Instant::now(), AtomicU64::new(0));
    let (next, stop, losses) = (AtomicUsize::new(pieces.start), AtomicBool::new(false), Mutex::new((0.0, 0_u64)));
    let locked = || losses.lock().unwrap_or_else(PoisonError::into_inner);
    std::thread::scope(|scope| {
        let thread = || -> Result<()> {
            let mut own = W::default();
            while !stop.load(Relaxed) {
                let piece = next.fetch_add(1, Relaxed);
                if piece >= pieces.end {
                    break;
                }
                let counted = work(piece, &mut own).inspect_err(|_| stop.store(true, Relaxed))?;
                units.fetch_add(counted.units, Relaxed);
                let mut losses = locked();
                *losses = (losses.0 + counted.loss, losses.1 + counted.losses);
            }
            Ok(())
        };
        let running: Vec<_> = (0..threads.max(1)).map(|_| scope.spawn(thread)).collect();
        let mut told = Instant::now();
        while !running.iter().all(std::thread::ScopedJoinHandle::is_finished) {
            std::thread::sleep(Duration::from_millis(10));
            if told.elapsed() > Duration::from_millis(200) {
                told = Instant::now();
                let (loss, losses) = std::mem::take(&mut *locked());
                let share = next.load(Relaxed).min(pieces.end) as f64 / pieces.end as f64;
                let rate = units.load(Relaxed) as f64 / begun.elapsed().as_secs_f64();
                if !watch(&Progress { doing, share, rate, loss: loss / losses as f64 }) {
                    stop.store(true, Relaxed);
                }
            }
        }
        running.into_iter().try_for_each(|one| one.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
    })?;
    Ok(next.into_inner().min(pieces.end))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Error;

    #[test]
    fn every_piece_is_done_once() {
        for threads in [1, 3] {
            let done = Mutex::new(Vec::new());
            let work = |piece, _: &mut ()| {
                done.lock().unwrap().push(piece);
                Ok(Counted::default())
            };
            assert_eq!(run("", 3..40, threads, &mut |_| true, work).unwrap(), 40);
            let mut done = done.into_inner().unwrap();
            done.sort_unstable();
            assert_eq!(done, (3..40).collect::<Vec<_>>());
        }
    }

    #[test]
    fn errors_and_stops_end_it() {
        let fail = |piece, _: &mut ()| match piece {
            7 => Err(Error::data("here", "wrong")),
            _ => Ok(Counted::default()),
        };
        assert_eq!(run("", 0..40, 2, &mut |_| true, fail).unwrap_err().to_string(), "here: wrong");
        let done = AtomicUsize::new(0);
        let slow = |_, _: &mut ()| {
            std::thread::sleep(Duration::from_millis(30));
            done.fetch_add(1, Relaxed);
            Ok(Counted::default())
        };
        let next = run("", 0..1000, 2, &mut |_| false, slow).unwrap();
        assert_eq!(next, done.into_inner());
        assert!((1..100).contains(&next));
    }

    /// Adds 1, 2, 3, … to a number, and slowly.
    struct Sum(Rows);

    impl Learn for Sum {
        type Work = ();

        fn pieces(&self) -> usize {
            60
        }

        fn learn(&self, piece: usize, (): &mut ()) -> Result<Counted> {
            std::thread::sleep(Duration::from_millis(10));
            self.0.add(0, &[piece as f32 + 1.0; 2]);
            Ok(Counted::default())
        }

        fn rows(&self) -> Vec<(&'static str, &Rows)> {
            vec![("sum", &self.0)]
        }
    }

    #[test]
    fn what_is_stopped_goes_on() {
        let folder = tempfile::tempdir().unwrap();
        let state = Some(folder.path().join("state"));
        let training = Training { state, every: Duration::from_millis(1), ..Default::default() };
        let model = || Sum(Rows::zeros(1, 2));
        learn(&model(), "a sum", &training, &mut |_| false).unwrap();
        let training = Training { resume: true, ..training };
        let error = learn(&model(), "another", &training, &mut |_| true).unwrap_err();
        assert!(error.to_string().contains("of another training"), "{error}");
        let begun = Instant::now();
        let rest = model();
        learn(&rest, "a sum", &training, &mut |_| true).unwrap();
        assert!(begun.elapsed() < Duration::from_millis(590), "all was done again");
        assert_eq!(rest.0.values(), [1830.0; 2]);
    }
}
