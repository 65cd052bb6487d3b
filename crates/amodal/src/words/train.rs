//! Learning on several threads, watched, stopped and gone on with.
use crate::{Error, Result};
use std::{
    sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed},
    time::{Duration, Instant},
};

/// How far learning has come.
#[derive(Clone, Copy, Debug)]
pub struct Progress {
    /// Share of all work that is done.
    pub share: f64,
    /// Words, or pairs of words, learned a second since it was begun or gone on with.
    pub rate: f64,
    /// Mean loss since the last report; NaN where nothing was measured.
    pub loss: f64,
}

/// Called now and then while something is learned; false asks to stop.
pub type Watch<'a> = dyn FnMut(&Progress) -> bool + 'a;

/// What a thread counted since it was asked last.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counted {
    pub(crate) units: u64,
    pub(crate) loss: f64,
    pub(crate) losses: u64,
}

/// Work in pieces that are taken in order, by any number of threads.
pub(crate) struct Pieces {
    pub(crate) done: usize,
    pub(crate) all: usize,
    pub(crate) threads: usize,
    /// Between two calls of `save`.
    pub(crate) save_every: Duration,
}

impl Pieces {
    /// Does what is left of the pieces. Between pieces `save` is called now and then with how many are done, and in the end
    /// or where it is to stop.
    ///
    /// # Errors
    /// Those of `work` and `save`; [`Error::Stopped`] if `watch` asks for it, after `save`.
    pub(crate) fn run<W: Send>(
        mut self,
        watch: &mut Watch,
        start: impl Fn() -> W + Sync,
        work: impl Fn(usize, &mut W) -> Result<Counted> + Sync,
        mut save: impl FnMut(usize) -> Result<()>,
    ) -> Result<()> {
        let (begun, units) = (Instant::now(), AtomicU64::new(0));
        while self.done < self.all {
            let (next, stop) = (AtomicUsize::new(self.done), AtomicBool::new(false));
            let sums = std::sync::Mutex::new((0.0, 0_u64));
            let asked = std::thread::scope(|scope| {
                let run = || -> Result<()> {
                    let mut own = start();
                    while !stop.load(Relaxed) {
                        let piece = next.fetch_add(1, Relaxed);
                        if piece >= self.all {
                            break;
                        }
                        let counted = work(piece, &mut own).inspect_err(|_| stop.store(true, Relaxed))?;
                        units.fetch_add(counted.units, Relaxed);
                        let mut sums = sums.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
                        *sums = (sums.0 + counted.loss, sums.1 + counted.losses);
                    }
                    Ok(())
                };
                let running: Vec<_> = (0..self.threads.max(1)).map(|_| scope.spawn(run)).collect();
                let (since, mut told, mut asked) = (Instant::now(), Instant::now(), false);
                while !running.iter().all(std::thread::ScopedJoinHandle::is_finished) {
                    std::thread::park_timeout(Duration::from_millis(20));
                    if told.elapsed() > Duration::from_millis(200) && !stop.load(Relaxed) {
                        told = Instant::now();
                        let (loss, losses) =
                            std::mem::take(&mut *sums.lock().unwrap_or_else(std::sync::PoisonError::into_inner));
                        let share = next.load(Relaxed).min(self.all) as f64 / self.all as f64;
                        let rate = units.load(Relaxed) as f64 / begun.elapsed().as_secs_f64();
                        asked = !watch(&Progress { share, rate, loss: loss / losses as f64 });
                        stop.store(asked || since.elapsed() > self.save_every, Relaxed);
                    }
                }
                for one in running {
                    one.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
                }
                Ok::<_, Error>(asked)
            })?;
            self.done = next.into_inner().min(self.all); // every piece that was taken is done
            save(self.done)?;
            if asked && self.done < self.all {
                return Err(Error::Stopped { step: self.done });
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;

    fn pieces(threads: usize) -> Pieces {
        Pieces { done: 3, all: 40, threads, save_every: Duration::ZERO }
    }

    #[test]
    fn every_piece_is_done_once() {
        for threads in [1, 3] {
            let done = Mutex::new(Vec::new());
            let mut saved = 0;
            let work = |piece, _: &mut ()| {
                std::thread::sleep(Duration::from_millis(20));
                done.lock().unwrap().push(piece);
                Ok(Counted { units: 1, ..Counted::default() })
            };
            let save = |pieces| {
                assert_eq!(done.lock().unwrap().len(), pieces - 3);
                saved += 1;
                Ok(())
            };
            pieces(threads).run(&mut |_| true, || (), work, save).unwrap();
            let mut done = done.into_inner().unwrap();
            done.sort_unstable();
            assert_eq!(done, (3..40).collect::<Vec<_>>());
            assert!(saved > 1);
        }
    }

    #[test]
    fn errors_and_stops_end_it() {
        let fail = |piece, _: &mut ()| match piece {
            7 => Err(Error::data("here", "wrong")),
            _ => Ok(Counted::default()),
        };
        let error = pieces(2).run(&mut |_| true, || (), fail, |_| panic!("nothing is saved")).unwrap_err();
        assert_eq!(error.to_string(), "here: wrong");
        let mut saved = 0;
        let slow = |_, _: &mut ()| {
            std::thread::sleep(Duration::from_millis(30));
            Ok(Counted::default())
        };
        let save = |done| {
            saved = done;
            Ok(())
        };
        let error = pieces(2).run(&mut |_| false, || (), slow, save).unwrap_err();
        assert!(matches!(error, Error::Stopped { step } if step == saved && step > 3 && step < 40), "{error}");
    }
}
