//! Words: cutting text into them, naming their parts of speech, and vectors that say which mean alike.
pub mod language;
pub mod lines;
pub mod segment;
pub mod tag;
pub mod tokenizer;

pub use language::Language;
pub use segment::{Word, segment};
pub use tag::{Tag, Tagger};
pub use tokenizer::Tokenizer;
