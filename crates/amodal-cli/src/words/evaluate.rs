//! `amodal words evaluate`.
use crate::{Output, show};
use amodal::words::{
    Vectors,
    evaluate::{Alike, Evaluator, Questions, Right},
};
use clap::Args;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// Measure vectors: correlation with how alike people found words, and analogies answered rightly.
///
/// A file of pairs has two words and a number a line, between tabs or blanks (WordSim-353, SimLex-999); a file of analogies has
/// `: section` lines and four words a line (questions-words.txt). Case does not count; what has a word without a vector is left
/// out. The figures are those of gensim's `evaluate_word_pairs` and `evaluate_word_analogies`.
#[derive(Args)]
pub(crate) struct Evaluate {
    /// The file of vectors
    vectors: PathBuf,
    /// Files of pairs or of analogies
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Words that count, from the first on
    #[arg(long, value_name = "COUNT", default_value_t = 300_000)]
    max_words: usize,
}

impl Evaluate {
    pub(crate) fn run(&self, output: Output) -> anyhow::Result<()> {
        let asked: Vec<Questions> = self.files.iter().map(|file| Questions::read(file)).collect::<Result<_, _>>()?;
        let vectors = Vectors::read(&self.vectors)?;
        let evaluator = Evaluator::new(&vectors, self.max_words);
        let (mut found, mut text) = (Vec::new(), String::new());
        for (file, asked) in self.files.iter().zip(&asked) {
            let within = |error: amodal::Error| error.within(&file.display().to_string());
            if !text.is_empty() {
                text.push('\n');
            }
            match asked {
                Questions::Pairs(pairs) => {
                    let alike = evaluator.pairs(pairs).map_err(within)?;
                    text += &of_pairs(file, &alike);
                    found.push(json!({ "file": file, "pairs": alike }));
                }
                Questions::Analogies(sections) => {
                    let mut sections = evaluator.analogies(sections).map_err(within)?;
                    text += &of_analogies(file, &sections);
                    let total = sections.pop();
                    found.push(json!({ "file": file, "analogies": { "sections": sections, "total": total } }));
                }
            }
        }
        match output.json {
            true => show::json(&Value::Array(found)),
            false => show::print(&text),
        }
    }
}

fn of_pairs(file: &Path, alike: &Alike) -> String {
    let row = |name: &str, value: String| vec![format!("  {name}"), value];
    let rows = [
        row("Spearman's correlation", format!("{:.4}", alike.spearman)),
        row("Pearson's correlation", format!("{:.4}", alike.pearson)),
        row("pairs", alike.asked.to_string()),
        row("left out", alike.left_out.to_string()),
    ];
    format!("{}\n{}", file.display(), show::aligned(&rows))
}

fn of_analogies(file: &Path, sections: &[Right]) -> String {
    let mut rows = vec![["  section", "right", "asked", "share", "left out"].map(String::from).to_vec()];
    rows.extend(sections.iter().map(|one| {
        let share = match one.asked {
            0 => "–".to_string(),
            asked => format!("{:.1} %", 100.0 * one.right as f64 / asked as f64),
        };
        let counts = [one.right, one.asked, one.left_out].map(|count| count.to_string());
        let [right, asked, left_out] = counts;
        vec![format!("  {}", one.section), right, asked, share, left_out]
    }));
    format!("{}\n{}", file.display(), show::aligned(&rows))
}
