//! Memory: what is freed and taken again every step stays with the process, so that the system need not zero it anew; and
//! how much is held.
use std::{
    alloc::{GlobalAlloc, Layout, System},
    sync::atomic::{AtomicBool, AtomicIsize, Ordering::Relaxed},
};

/// Tells the C library to keep freed memory. Call it once, before other threads start; does nothing where the C library
/// is not glibc.
///
/// Measured on easy-VQA, one epoch: 10.4 s before, 8.9 s after; of them 1.8 s and 0.5 s in the system.
pub fn keep() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    #[allow(unsafe_code)]
    // SAFETY: mallopt only sets parameters of the allocator; it is called before any other thread allocates.
    unsafe {
        libc::mallopt(libc::M_MMAP_MAX, 0);
        libc::mallopt(libc::M_TRIM_THRESHOLD, i32::MAX);
        libc::mallopt(libc::M_ARENA_MAX, 1);
    }
}

/// Asks for large pages for what a vector will hold, where it is to be read here and there: fewer look-ups of addresses.
pub(crate) fn large_pages<T>(room: &mut Vec<T>) {
    #[cfg(target_os = "linux")]
    {
        const PAGE: usize = 1 << 21;
        let start = (room.as_mut_ptr() as usize).next_multiple_of(PAGE);
        let end = (room.as_mut_ptr() as usize + room.capacity() * size_of::<T>()) / PAGE * PAGE;
        if start < end {
            #[allow(unsafe_code)]
            // SAFETY: the pages lie within the vector's own memory; advice changes nothing of what they hold.
            unsafe {
                libc::madvise(start as *mut libc::c_void, end - start, libc::MADV_HUGEPAGE);
            }
        }
    }
}

/// So many numbers, whichever: for what writes each of them. In tests none is a number, so that one that is not written is
/// found.
pub(crate) fn room(count: usize) -> Vec<f32> {
    let mut room = Vec::<f32>::with_capacity(count);
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    room.resize(count, 0.0);
    #[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
    #[allow(unsafe_code)]
    // SAFETY: the memory is the vector's own, and any bits are a number; after the assembly, which may have written them for
    // all that the compiler knows, they are settled.
    unsafe {
        std::arch::asm!("/* {0} */", in(reg) room.as_mut_ptr(), options(nostack, preserves_flags));
        room.set_len(count);
    }
    if cfg!(test) {
        room.fill(f32::NAN);
    }
    room
}

/// Asks for what will be read soon.
#[inline(always)]
pub(crate) fn prefetch<T>(values: &[T]) {
    #[cfg(target_arch = "x86_64")]
    for line in values.chunks((64 / size_of::<T>()).max(1)) {
        #[allow(unsafe_code)]
        // SAFETY: every processor of this kind has the instruction, and it never faults.
        unsafe {
            std::arch::x86_64::_mm_prefetch::<{ std::arch::x86_64::_MM_HINT_T0 }>(line.as_ptr().cast());
        }
    }
}

/// The system's allocator, counting while [`peak`] asks for it. A program chooses it with `#[global_allocator]`.
pub struct Counted;

static IS_CHOSEN: AtomicBool = AtomicBool::new(false);
static IS_COUNTING: AtomicBool = AtomicBool::new(false);
/// Bytes taken and not freed since counting began, and the most of them; what was taken before may be freed meanwhile.
static HELD: AtomicIsize = AtomicIsize::new(0);
static MOST: AtomicIsize = AtomicIsize::new(0);

/// What `work` yields, and the most bytes that all threads held at once meanwhile, on top of those held before; absent where
/// the program has not chosen [`Counted`], or counts already.
pub fn peak<T>(work: impl FnOnce() -> T) -> (T, Option<usize>) {
    if IS_COUNTING.swap(true, Relaxed) {
        return (work(), None);
    }
    HELD.store(0, Relaxed);
    MOST.store(0, Relaxed);
    let made = work();
    IS_COUNTING.store(false, Relaxed);
    (made, IS_CHOSEN.load(Relaxed).then(|| MOST.load(Relaxed).max(0) as usize))
}

fn count(bytes: isize) {
    if IS_COUNTING.load(Relaxed) {
        IS_CHOSEN.store(true, Relaxed);
        let held = HELD.fetch_add(bytes, Relaxed) + bytes;
        if bytes > 0 {
            MOST.fetch_max(held, Relaxed);
        }
    }
}

#[allow(unsafe_code)]
// SAFETY: everything is the system allocator's; counting allocates nothing.
unsafe impl GlobalAlloc for Counted {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as isize);
        // SAFETY: the caller's promises are the system allocator's.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as isize);
        // SAFETY: the caller's promises are the system allocator's.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, old: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(size as isize - layout.size() as isize);
        // SAFETY: the caller's promises are the system allocator's.
        unsafe { System.realloc(old, layout, size) }
    }

    unsafe fn dealloc(&self, old: *mut u8, layout: Layout) {
        count(-(layout.size() as isize));
        // SAFETY: the caller's promises are the system allocator's.
        unsafe { System.dealloc(old, layout) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::hint::black_box;

    #[global_allocator]
    static MEMORY: Counted = Counted;

    const SIZE: usize = 1 << 20;

    #[track_caller]
    fn assert_peak(expected: usize, work: impl FnOnce()) {
        let most = peak(work).1.unwrap();
        assert!((expected..expected + SIZE / 4).contains(&most), "{most} bytes, expected {expected}");
    }

    #[test]
    fn the_most_that_is_held_at_once_is_counted() {
        let take = |size| black_box(vec![0_u8; size]);
        assert_peak(2 * SIZE, || drop([take(SIZE), take(SIZE)]));
        assert_peak(SIZE, || (drop(take(SIZE)), drop(take(SIZE))).0);
        let before = take(3 * SIZE);
        assert_peak(0, || {
            drop(before);
            drop(take(SIZE));
        });
        assert_peak(SIZE + SIZE / 2, || {
            let mut grows = take(SIZE);
            grows.reserve_exact(SIZE / 2);
            black_box(&grows);
        });
        assert_peak(SIZE, || std::thread::scope(|scope| drop(scope.spawn(|| take(SIZE)))));
    }
}
