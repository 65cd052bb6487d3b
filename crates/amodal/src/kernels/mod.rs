//! What needs `unsafe`: nothing else in this crate does.
pub mod memory;
