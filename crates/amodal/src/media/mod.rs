//! Bytes to pictures, sounds and clips, what is done to them before a model reads them, and the way back to bytes
//! ([`mod@write`]). Nothing here knows of tensors.
//!
//! Every decoder works under limits that are checked from the header, answers broken data with
//! [`Error::Data`](crate::Error::Data) whose place is empty (the caller knows file and row), and never reads another
//! file or the network.
mod animation;
pub mod audio;
pub mod augment;
pub mod cepstrum;
mod container;
mod ffmpeg;
mod film;
mod griffin_lim;
pub mod image;
mod jpeg;
pub mod mel;
mod mp4;
pub mod spec_augment;
mod svg;
pub mod video;
mod wav;
pub mod write;

/// The first bytes of something that is not what it should be, for a message: `"GARBAGE\n"`.
fn start_of(bytes: &[u8]) -> String {
    format!("\"{}\"", bytes[..bytes.len().min(12)].escape_ascii())
}
