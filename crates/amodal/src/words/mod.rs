//! Words: cutting text into them, naming their parts of speech, and vectors that say which mean alike.
pub mod corpus;
mod draw;
mod huffman;
mod rows;
mod subwords;
mod threads;
pub mod vocabulary;
pub mod word2vec;
pub mod train;
