//! The command as a user meets it: the real binary in a folder of its own, on data made here, without a network.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails there")]

mod bad_input;
mod data;
mod demo;
mod formats;
mod golden;
mod interrupted;
mod pipeline;
mod place;
mod regression;
mod words;
mod wrong_use;
