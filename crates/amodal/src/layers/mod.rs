//! Blocks that several parts share: one copy of each.
pub mod absent;
pub mod align;
pub mod attention;
pub mod mlp;
pub mod norm;
pub mod position;
pub mod project;

pub use absent::Absent;
pub use align::Align;
pub use attention::{Block, BlockConfig};
pub use mlp::Mlp;
pub use norm::{Norm, Normalize};
pub use project::Project;
