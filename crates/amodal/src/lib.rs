//! Cross-modal learning: images, text, sound and table columns are *encoded* into one shared space, any subset of them
//! is *fused*, and the result is *decoded*: classified, measured, searched.
#![doc = "\n"]
#![doc = include_str!("../../../README.md")]

pub mod config;
pub mod convert;
pub mod cost;
pub mod data;
pub mod decode;
pub mod encode;
mod error;
pub mod eval;
pub mod files;
pub mod floor;
pub mod fuse;
pub mod kernels;
pub mod layers;
pub mod loss;
pub mod media;
pub mod metrics;
pub mod modalities;
pub mod model;
pub mod profile;
pub mod random;
pub mod registry;
pub mod report;
pub mod run;
pub mod search;
pub mod train;
pub mod types;
pub mod words;

pub use config::Config;
pub use error::{Error, Result, suggest};
pub use model::Model;
pub use types::{Batch, Input, Item, Named, Outputs, Prediction, Raw, Tokens};
