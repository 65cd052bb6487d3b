//! `amodal words nearest` and `amodal words analogy`.
use crate::{Output, show};
use amodal::words::Vectors;
use clap::Args;
use std::path::PathBuf;

#[derive(Args)]
pub(crate) struct Nearest {
    /// The file of vectors: text of word2vec or GloVe, word2vec's .bin, a model of fastText, or .safetensors
    vectors: PathBuf,
    /// The word
    word: String,
    /// How many words
    #[arg(short, default_value_t = 10)]
    k: usize,
}

#[derive(Args)]
pub(crate) struct Analogy {
    /// The file of vectors
    vectors: PathBuf,
    /// A: `man`
    a: String,
    /// B, which is to A …: `king`
    b: String,
    /// … what the words found are to C: `woman`
    c: String,
    /// How many words
    #[arg(short, default_value_t = 10)]
    k: usize,
}

impl Nearest {
    pub(crate) fn run(&self, output: Output) -> anyhow::Result<()> {
        let vectors = Vectors::read(&self.vectors)?;
        print(&vectors.nearest(vectors.get(&self.word)?, self.k, &[&self.word]), output)
    }
}

impl Analogy {
    pub(crate) fn run(&self, output: Output) -> anyhow::Result<()> {
        let vectors = Vectors::read(&self.vectors)?;
        print(&vectors.analogy([&self.a, &self.b, &self.c], self.k)?, output)
    }
}

fn print(found: &[(&str, f32)], output: Output) -> anyhow::Result<()> {
    if output.json {
        let found = found.iter().map(|(word, cosine)| serde_json::json!({ "word": word, "cosine": cosine }));
        return show::json(&found.collect::<Vec<_>>());
    }
    let rows: Vec<Vec<String>> =
        found.iter().map(|(word, cosine)| vec![(*word).to_string(), format!("{cosine:.3}")]).collect();
    show::print(&show::aligned(&rows))
}
