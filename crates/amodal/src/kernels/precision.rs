//! In which numbers products of matrices are made.
use crate::{Error, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::sync::atomic::{AtomicBool, Ordering};

/// Numbers that products of matrices are made of; weights, sums and all else have 32 bits in any case.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Precision {
    /// 32 bits, 24 of them for the digits.
    #[default]
    Float32,
    /// 16 bits, 8 of them for the digits, on processors with AVX-512 BF16, which make two such products in the time of one,
    /// and with AMX sixteen.
    Bfloat16,
}

/// Whether products are in bfloat16.
static HALF: AtomicBool = AtomicBool::new(false);

impl Precision {
    /// Whether it is the usual one.
    pub(crate) fn is_usual(&self) -> bool {
        *self == Self::default()
    }

    /// Whether this processor can compute in it.
    pub fn is_available(self) -> bool {
        #[cfg(target_arch = "x86_64")]
        let has = super::avx512::is_available();
        #[cfg(not(target_arch = "x86_64"))]
        let has = false;
        self == Self::Float32 || has
    }

    /// What makes products of matrices in it on this processor.
    pub fn kernel(self) -> Option<&'static str> {
        #[cfg(target_arch = "x86_64")]
        if let Some(kernel) = super::avx512::Kernel::of(self) {
            return Some(kernel.name());
        }
        (self == Self::Float32).then_some("gemm")
    }

    /// Makes all further products in linear layers, convolutions, attention and recurrent layers in it, on all threads of the
    /// process. Scores of alignment and of searches stay in 32 bits.
    ///
    /// # Errors
    /// [`Error::Config`] if this processor cannot.
    pub fn choose(self) -> Result<()> {
        if !self.is_available() {
            return Err(Error::config("train.precision", "this processor has no AVX-512 BF16")
                .with_help("leave it out: \"float32\" works everywhere"));
        }
        HALF.store(self == Self::Bfloat16, Ordering::Relaxed);
        Ok(())
    }
}

/// What was chosen.
#[cfg(target_arch = "x86_64")]
pub(super) fn chosen() -> Precision {
    if HALF.load(Ordering::Relaxed) { Precision::Bfloat16 } else { Precision::Float32 }
}
