//! Memory that is freed and taken again every step stays with the process, so that the system need not zero it anew.

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
