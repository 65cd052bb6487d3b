//! Blocks that several parts share: one copy of each.
pub mod absent;
pub mod align;
pub mod attention;
pub mod conv;
pub mod frames;
pub mod linear;
pub mod mlp;
pub mod non_local;
pub mod norm;
pub mod places;
pub mod position;
pub mod project;
pub mod recurrent;

pub use absent::Absent;
pub use align::Align;
pub use attention::{Block, BlockConfig, check_pairs};
pub use frames::Frames;
pub use linear::Linear;
pub use mlp::Mlp;
pub use non_local::NonLocal;
pub use norm::{Norm, Normalize};
pub use places::Pool;
pub use project::Project;
pub use recurrent::Recurrent;
