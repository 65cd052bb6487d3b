//! Counter-based randomness: every draw is a pure function of (seed, epoch, row, purpose), so that neither the number
//! of threads nor a restart changes a bit.
use rand::SeedableRng;
pub use rand::{Rng, RngExt};
pub use rand_chacha::ChaCha8Rng as Random;

/// What a random stream is for; streams of different purposes never touch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u64)]
pub enum Purpose {
    /// Which rows are held out.
    Split = 1,
    /// Order of the rows in an epoch.
    Shuffle = 2,
    /// Augmentation of one value.
    Augment = 3,
    /// Which modalities are withheld from a row in training.
    ModalityDropout = 4,
    /// Initial weights.
    Weights = 5,
    /// Dropout inside the model, one stream a step.
    Dropout = 6,
    /// Made-up data in tests and examples.
    Synthetic = 7,
    /// Which rows a modality is withheld from in an evaluation.
    Withheld = 8,
    /// What a decoder draws.
    Sampling = 9,
    /// What is drawn while vectors of words are learned.
    Words = 10,
    /// Which pictures of a batch are mixed.
    Mix = 11,
}

/// Any order as likely as another (Fisher and Yates).
pub fn shuffle<T>(values: &mut [T], random: &mut impl RngExt) {
    for last in (1..values.len()).rev() {
        values.swap(last, random.random_range(0..=last));
    }
}

/// A number of the normal distribution (Box and Muller 1958, doi:10.1214/aoms/1177706645).
pub fn normal(random: &mut impl RngExt) -> f64 {
    let (radius, angle): (f64, f64) = (1.0 - random.random::<f64>(), random.random());
    (-2.0 * radius.ln()).sqrt() * (std::f64::consts::TAU * angle).cos()
}

/// The stream of one purpose at one place.
pub fn random(seed: u64, epoch: u64, row: u64, purpose: Purpose) -> Random {
    let mut key = [0; 32];
    for (bytes, word) in key.chunks_exact_mut(8).zip([seed, epoch, row, purpose as u64]) {
        bytes.copy_from_slice(&word.to_le_bytes());
    }
    Random::from_seed(key)
}

/// The same stream for a value that is known by name.
pub fn random_named(seed: u64, epoch: u64, row: u64, name: &str, purpose: Purpose) -> Random {
    let hash = name
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3));
    random(seed ^ hash, epoch, row, purpose)
}
