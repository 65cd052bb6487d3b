//! Words: cutting text into them, naming their parts of speech, and vectors that say which mean alike.
