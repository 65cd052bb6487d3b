//! Tables of examples: CSV, TSV, JSON lines, Parquet, WebDataset, COCO and folders of media, and the splits of their rows.
mod cache;
mod coco;
mod csv;
mod folder;
mod footer;
mod grid;
mod jsonl;
pub mod parquet;
mod shards;
mod source;
mod split;
mod store;
mod table;
mod webdataset;

pub use folder::{Media, media_kind};
pub use source::Source;
pub use split::{SplitOptions, normal_split, splits};
pub use store::Stored;
pub use table::{CELL_LIMIT, Cells, MEDIA_LIMIT, Table};
pub(crate) use table::{count, shown};

pub mod examples;
mod loader;
pub use examples::{Draw, Examples, Gathered};
pub use loader::{Loader, Order};
