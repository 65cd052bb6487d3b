//! `amodal words phrases`.
use crate::{Output, show};
use amodal::words::{
    corpus::{Corpus, LONGEST},
    phrases::{Phrases as Found, PhrasesConfig, Score},
};
use clap::Args;
use std::path::PathBuf;

/// Join words that stand together far more often than apart: new york → `new_york`.
///
/// The phrases are those of gensim's `Phrases`; the best are printed. A text that was joined may be joined again, for phrases
/// of up to four words.
#[derive(Args)]
pub(crate) struct Phrases {
    /// The texts: a sentence a line, blanks between words
    #[arg(required = true, value_name = "TEXT")]
    texts: Vec<PathBuf>,
    /// The text to write
    #[arg(short)]
    output: PathBuf,
    /// How often two words must stand together
    #[arg(long, default_value_t = 5)]
    min_count: u64,
    /// Score that two words must be above: the lower, the more phrases [default: 10; with --npmi 0.5]
    #[arg(long)]
    threshold: Option<f64>,
    /// Score by normalised pointwise mutual information, from -1 to 1
    #[arg(long)]
    npmi: bool,
    /// How many phrases are printed
    #[arg(short, default_value_t = 20)]
    k: usize,
    /// Threads [default: one a core]
    #[arg(long)]
    threads: Option<usize>,
}

impl Phrases {
    pub(crate) fn run(&self, output: Output) -> anyhow::Result<()> {
        let config = PhrasesConfig {
            min_count: self.min_count,
            threshold: self.threshold.unwrap_or(if self.npmi { 0.5 } else { 10.0 }),
            score: if self.npmi { Score::Npmi } else { Score::Ratio },
            ..PhrasesConfig::default()
        };
        config.check()?;
        let threads = super::threads(self.threads);
        let corpus = Corpus::open(&self.texts)?;
        let phrases = Found::find(&corpus, &config, threads)?;
        let joined = phrases.join(&corpus, &self.output, threads)?;
        if corpus.too_long() > 0 {
            output.say(format_args!("warning: words of more than {LONGEST} bytes were left out"));
        }
        let (count, joined_text) = (show::count(phrases.len(), "phrase"), show::thousands(joined));
        output.say(format_args!("wrote {}: {count}, joined {joined_text} times", self.output.display()));
        let mut best = phrases.list();
        best.truncate(self.k);
        if output.json {
            let best = best
                .iter()
                .map(|one| serde_json::json!({ "phrase": one.phrase, "count": one.count, "score": one.score }));
            return show::json(&serde_json::json!({
                "phrases": phrases.len(), "joined": joined, "best": best.collect::<Vec<_>>(),
            }));
        }
        let rows: Vec<Vec<String>> = best
            .iter()
            .map(|one| vec![one.phrase.clone(), show::thousands(one.count.into()), format!("{:.3}", one.score)])
            .collect();
        show::print(&show::aligned(&rows))
    }
}
