//! Learning in pieces on several threads, watched.
use crate::Result;
use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

/// How far learning has come.
#[derive(Clone, Copy, Debug)]
pub struct Progress {
    /// Share of all work that is begun.
    pub share: f64,
    /// Words learned a second.
    pub rate: f64,
    /// Mean loss since the last report; NaN where none was taken.
    pub loss: f64,
}

/// Called a few times a second while something is learned; false asks to stop.
pub type Watch<'a> = dyn FnMut(&Progress) -> bool + 'a;

/// What was done in one piece.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counted {
    pub(crate) units: u64,
    pub(crate) loss: f64,
    pub(crate) losses: u64,
}

/// Does pieces of work in order, each once, by any number of threads, until `watch` asks to stop. A thread keeps a `W`.
///
/// # Errors
/// The first of `work`.
pub(crate) fn run<W: Default>(
    pieces: usize,
    threads: usize,
    watch: &mut Watch,
    work: impl Fn(usize, &mut W) -> Result<Counted> + Sync,
) -> Result<()> {
    let (begun, units) = (Instant::now(), AtomicU64::new(0));
    let (next, stop, losses) = (AtomicUsize::new(0), AtomicBool::new(false), Mutex::new((0.0, 0_u64)));
    let locked = || losses.lock().unwrap_or_else(PoisonError::into_inner);
    std::thread::scope(|scope| {
        let thread = || -> Result<()> {
            let mut own = W::default();
            while !stop.load(Relaxed) {
                let piece = next.fetch_add(1, Relaxed);
                if piece >= pieces {
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
                let share = next.load(Relaxed).min(pieces) as f64 / pieces as f64;
                let rate = units.load(Relaxed) as f64 / begun.elapsed().as_secs_f64();
                if !watch(&Progress { share, rate, loss: loss / losses as f64 }) {
                    stop.store(true, Relaxed);
                }
            }
        }
        running.into_iter().try_for_each(|one| one.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
    })
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
            run(40, threads, &mut |_| true, work).unwrap();
            let mut done = done.into_inner().unwrap();
            done.sort_unstable();
            assert_eq!(done, (0..40).collect::<Vec<_>>());
        }
    }

    #[test]
    fn errors_and_stops_end_it() {
        let fail = |piece, _: &mut ()| match piece {
            7 => Err(Error::data("here", "wrong")),
            _ => Ok(Counted::default()),
        };
        assert_eq!(run(40, 2, &mut |_| true, fail).unwrap_err().to_string(), "here: wrong");
        let done = AtomicUsize::new(0);
        let slow = |_, _: &mut ()| {
            std::thread::sleep(Duration::from_millis(30));
            done.fetch_add(1, Relaxed);
            Ok(Counted::default())
        };
        run(1000, 2, &mut |_| false, slow).unwrap();
        assert!((1..100).contains(&done.into_inner()));
    }
}
