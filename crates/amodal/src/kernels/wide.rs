//! Code compiled for the registers that the processor has.

/// Work whose loops are to be compiled for wide registers: what it calls must be `#[inline(always)]` too.
pub(crate) trait Wide {
    /// Does it. Mark it `#[inline(always)]`.
    fn run(self);
}

/// Does the work, by AVX-512, or AVX2 and FMA, where the processor has them.
pub(crate) fn wide<W: Wide>(work: W) {
    #[cfg(target_arch = "x86_64")]
    {
        #[target_feature(enable = "avx2,fma")]
        fn avx2<W: Wide>(work: W) {
            work.run();
        }
        #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,fma")]
        fn avx512<W: Wide>(work: W) {
            work.run();
        }
        if is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512dq")
            && is_x86_feature_detected!("avx512vl")
            && is_x86_feature_detected!("fma")
        {
            #[allow(unsafe_code)]
            // SAFETY: the processor has what the function is compiled for.
            unsafe {
                avx512(work);
            }
            return;
        }
        if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
            #[allow(unsafe_code)]
            // SAFETY: the processor has what the function is compiled for.
            unsafe {
                avx2(work);
            }
            return;
        }
    }
    work.run();
}
