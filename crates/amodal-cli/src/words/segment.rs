//! `amodal words segment`.
use super::lines;
use crate::{Output, show};
use amodal::words::{Language, segment};
use clap::Args;
use std::path::PathBuf;

/// Bytes that are written at once.
const AT_ONCE: usize = 1 << 16;

#[derive(Args)]
pub(crate) struct Segment {
    /// Text files; `-` is stdin
    #[arg(value_name = "FILE", default_value = "-")]
    files: Vec<PathBuf>,
    /// How words are cut: auto (by the letters of each line), english, chinese or other
    #[arg(long, default_value = "auto")]
    language: Language,
    /// Words alone, in lower case, as a model reads them: no marks and symbols
    #[arg(long)]
    plain: bool,
}

impl Segment {
    pub(crate) fn run(&self, output: Output) -> anyhow::Result<()> {
        let mut text = String::new();
        for path in &self.files {
            let mut is_within = false;
            for line in lines(path)? {
                let line = line.inspect_err(|_| {
                    let _ = show::print(&text); // what was good before it
                })?;
                let words = segment(&line.text, self.language, usize::MAX);
                let words = words.into_iter().filter(|word| word.is_word || !self.plain).map(|word| match self.plain {
                    true => word.text.to_lowercase(),
                    false => word.text.to_string(),
                });
                let words: Vec<String> = words.collect();
                if output.json {
                    text += &format!("{}\n", serde_json::to_string(&words)?);
                } else {
                    let before = if is_within && !words.is_empty() { " " } else { "" };
                    text += &format!("{before}{}{}", words.join(" "), if line.ends { "\n" } else { "" });
                }
                is_within = !line.ends;
                if text.len() >= AT_ONCE {
                    show::print(&std::mem::take(&mut text))?;
                }
            }
        }
        show::print(&text)
    }
}
