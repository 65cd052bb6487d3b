//! Blocks that several parts share: one copy of each.
pub mod align;
pub mod attention;
pub mod frames;
pub mod mlp;
pub mod non_local;
pub mod norm;
pub mod position;
pub mod project;

pub use align::Align;
pub use attention::{Block, BlockConfig};
pub use frames::Frames;
pub use mlp::Mlp;
pub use non_local::NonLocal;
pub use norm::{Norm, Normalize};
pub use project::Project;
