//! Tables of examples: CSV, TSV, JSON lines and folders of media, and the splits of their rows.
mod csv;
mod folder;
mod jsonl;
mod source;
mod split;
mod table;

pub use folder::{Media, media_kind};
pub use source::Source;
pub use split::{SplitOptions, normal_split, splits};
pub use table::{CELL_LIMIT, Cells, MEDIA_LIMIT, Table};
pub(crate) use table::{count, shown};

pub mod examples;
mod loader;
pub use examples::{Draw, Examples, Gathered};
pub use loader::{Loader, Order};
