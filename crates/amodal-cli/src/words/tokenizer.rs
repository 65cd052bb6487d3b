//! `amodal words tokenizer`.
use super::lines;
use crate::{Output, show};
use amodal::{
    Result,
    words::{Tokenizer as Subwords, tokenizer::Model},
};
use clap::{Args, Subcommand};
use std::path::PathBuf;

#[derive(Args)]
pub(crate) struct Tokenizer {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Learn a vocabulary of subwords from text files
    Train(Train),
    /// Cut texts into subwords, a line for each line
    Encode(Encode),
}

#[derive(Args)]
struct Train {
    /// Text files; `-` is stdin
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
    /// How subwords are found: bpe, wordpiece or unigram
    #[arg(long, default_value = "bpe")]
    model: Model,
    /// Most subwords
    #[arg(long, value_name = "COUNT", default_value = "8000")]
    size: usize,
    /// Tell capitals from small letters
    #[arg(long)]
    keep_case: bool,
    /// The file to write
    #[arg(short, long, value_name = "FILE", default_value = "tokenizer.json")]
    output: PathBuf,
}

#[derive(Args)]
struct Encode {
    /// A tokenizer.json
    tokenizer: PathBuf,
    /// Text files; `-` is stdin
    #[arg(value_name = "FILE", default_value = "-")]
    files: Vec<PathBuf>,
    /// Ids instead of subwords
    #[arg(long)]
    ids: bool,
}

impl Tokenizer {
    pub(crate) fn run(&self, output: Output) -> anyhow::Result<()> {
        match &self.command {
            Command::Train(command) => command.run(output),
            Command::Encode(command) => command.run(output),
        }
    }
}

impl Train {
    fn run(&self, output: Output) -> anyhow::Result<()> {
        let files = self.files.iter().map(|path| lines(path)).collect::<Result<Vec<_>>>()?;
        let texts = files.into_iter().flatten().map(|line| line.map(|line| line.text));
        let made = Subwords::train(texts, self.model, self.size, self.keep_case)?;
        made.save(&self.output)?;
        let path = self.output.display();
        match output.json {
            true => show::json(&serde_json::json!({ "subwords": made.size(), "file": self.output })),
            false => show::print(&format!("{path}: {}\n", show::count(made.size(), "subword"))),
        }
    }
}

impl Encode {
    fn run(&self, output: Output) -> anyhow::Result<()> {
        let tokenizer = Subwords::load(&self.tokenizer)?;
        for path in &self.files {
            for line in lines(path)? {
                let line = line?;
                let pieces = tokenizer
                    .encode(&line.text)
                    .map_err(|error| error.within(&format!("{}:{}", path.display(), line.number)))?;
                let ids: Vec<u32> = pieces.iter().map(|piece| piece.id).collect();
                let names: Vec<&str> = pieces.iter().map(|piece| piece.name.as_str()).collect();
                let text = match (output.json, self.ids) {
                    (true, _) => serde_json::json!({ "ids": ids, "subwords": names }).to_string(),
                    (_, true) => ids.iter().map(u32::to_string).collect::<Vec<_>>().join(" "),
                    (_, false) => names.join(" "),
                };
                show::print(&(text + "\n"))?;
            }
        }
        Ok(())
    }
}
