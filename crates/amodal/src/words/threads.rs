//! Work on several threads.
use crate::Result;
use std::{
    ops::Range,
    sync::atomic::{AtomicUsize, Ordering::Relaxed},
};

/// Does pieces of work, each once, by any number of threads; returns what each thread made of its own.
///
/// # Errors
/// The first of `work`.
pub(super) fn share<T: Default + Send>(
    pieces: Range<usize>,
    threads: usize,
    work: impl Fn(usize, &mut T) -> Result<()> + Sync,
) -> Result<Vec<T>> {
    let next = AtomicUsize::new(pieces.start);
    let thread = || {
        let mut own = T::default();
        loop {
            let piece = next.fetch_add(1, Relaxed);
            if piece >= pieces.end {
                return Ok(own);
            }
            work(piece, &mut own).inspect_err(|_| next.store(pieces.end, Relaxed))?;
        }
    };
    std::thread::scope(|scope| {
        let running: Vec<_> = (0..threads.max(1)).map(|_| scope.spawn(thread)).collect();
        running.into_iter().map(|one| one.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))).collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Error;

    #[test]
    fn every_piece_is_done_once() {
        for threads in [0, 1, 3] {
            let done = share(2..50, threads, |piece, done: &mut Vec<usize>| {
                done.push(piece);
                Ok(())
            });
            let mut done = done.unwrap().concat();
            done.sort_unstable();
            assert_eq!(done, (2..50).collect::<Vec<_>>());
        }
        let fail = |piece, (): &mut ()| if piece == 7 { Err(Error::data("here", "wrong")) } else { Ok(()) };
        assert_eq!(share(0..50, 2, fail).unwrap_err().to_string(), "here: wrong");
    }
}
