//! Finding by likeness: named vectors, and the nearest of them to any vector of the same space.
mod exact;
pub mod graph;
mod index;

pub use index::{Hit, Index};
