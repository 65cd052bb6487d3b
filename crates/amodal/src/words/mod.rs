//! Words: cutting text into them, naming their parts of speech, and vectors that say which mean alike.
pub mod corpus;
mod draw;
pub mod evaluate;
mod files;
mod huffman;
pub mod language;
pub mod lines;
pub mod map;
pub mod phrases;
mod rows;
pub mod segment;
mod subwords;
pub mod tag;
mod threads;
pub mod tokenizer;
pub mod train;
pub mod vectors;
pub mod vocabulary;
pub mod word2vec;

pub use files::Format;
pub use language::Language;
pub use segment::{Word, segment};
pub use tag::{Tag, Tagger};
pub use tokenizer::Tokenizer;
pub use vectors::Vectors;
