//! `amodal words train`.
use crate::{Output, progress, show};
use amodal::words::{
    Format,
    corpus::{Corpus, LONGEST},
    train::Progress,
    vocabulary::Vocabulary,
    word2vec::{Predict, Word2VecConfig, word2vec},
};
use clap::{Args, ValueEnum};
use indicatif::{ProgressBar, ProgressStyle};
use std::path::PathBuf;

/// Learn vectors of words from texts: Word2Vec, and fastText's n-grams with `--ngrams`.
///
/// A text holds a sentence a line and blanks between words, all of which count as they stand: `amodal words segment` cuts
/// and lowers other text. On one thread the same seed gives the same vectors; on several, threads overwrite each other's
/// changes now and then, and the vectors differ a little each time.
#[derive(Args)]
pub(crate) struct Train {
    /// The texts
    #[arg(required = true)]
    texts: Vec<PathBuf>,
    /// The file of vectors: .txt or .vec (text of word2vec), .bin (its binary form) or .safetensors
    #[arg(short)]
    output: PathBuf,
    /// The text form of GloVe: without the line of counts
    #[arg(long)]
    no_header: bool,
    /// What is told by what: each word around tells the word, or their mean does (three times faster)
    #[arg(long, value_enum, default_value_t = Told::SkipGram)]
    predict: Told,
    /// Numbers of a vector
    #[arg(long, default_value_t = 100)]
    dim: usize,
    /// Most words on each side that are around a word
    #[arg(long, default_value_t = 5)]
    window: usize,
    /// Negative samples; 0: hierarchical softmax
    #[arg(long, default_value_t = 5)]
    negative: usize,
    /// How often a word must occur
    #[arg(long, default_value_t = 5)]
    min_count: u64,
    /// Most words, the frequent ones first
    #[arg(long, default_value_t = 10_000_000)]
    max_words: usize,
    /// Share of the text above which a word is left out now and then; 0: never
    #[arg(long, default_value_t = 1e-3)]
    sample: f64,
    /// Times that the text is read
    #[arg(long, default_value_t = 5)]
    epochs: usize,
    /// Size of the first step
    #[arg(long, default_value_t = 0.025)]
    learning_rate: f64,
    /// Vectors for n-grams of letters too, from 3 to 6: words of one stem share what is learned
    #[arg(long)]
    ngrams: bool,
    /// Seed of all that is drawn
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Threads [default: one a core]
    #[arg(long)]
    threads: Option<usize>,
}

#[derive(Clone, Copy, ValueEnum)]
enum Told {
    SkipGram,
    Cbow,
}

impl Train {
    pub(crate) fn run(&self, output: Output) -> anyhow::Result<()> {
        let config = Word2VecConfig {
            predict: match self.predict {
                Told::SkipGram => Predict::SkipGram,
                Told::Cbow => Predict::Cbow,
            },
            dim: self.dim,
            window: self.window,
            negative: self.negative,
            sample: self.sample,
            epochs: self.epochs,
            learning_rate: self.learning_rate,
            ngrams: self.ngrams.then_some([3, 6]),
            seed: self.seed,
            ..Word2VecConfig::default()
        };
        config.check()?;
        let threads = self.threads.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from));
        let corpus = Corpus::open(&self.texts)?;
        let vocabulary = Vocabulary::count(&corpus, self.min_count, self.max_words, threads)?;
        let (total, words) = (show::thousands(vocabulary.total()), show::thousands(vocabulary.len() as u64));
        output.say(format_args!("{total} words in the text; {words} different ones get a vector"));
        if corpus.too_long() > 0 {
            let left_out = show::thousands(corpus.too_long());
            output.say(format_args!("warning: {left_out} words of more than {LONGEST} bytes were left out"));
        }
        progress::catch("stopping; what is learned by now is written");
        let bar = if output.quiet { ProgressBar::hidden() } else { ProgressBar::new(1000) };
        let style = ProgressStyle::with_template("{elapsed:>4} {bar:30} {percent} %, {msg}, {eta} left");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        let mut last = 0.0;
        let mut watch = |progress: &Progress| {
            last = progress.rate;
            bar.set_position((progress.share * 1000.0) as u64);
            bar.set_message(format!("{} words/s, loss {:.3}", show::thousands(progress.rate as u64), progress.loss));
            progress::is_wanted()
        };
        let vectors = word2vec(&corpus, &vocabulary, &config, threads, &mut watch)?;
        bar.finish_and_clear();
        let format = if self.no_header { Format::Glove } else { Format::of(&self.output) };
        vectors.write_as(&self.output, format)?;
        if last > 0.0 {
            output.say(format_args!("{} words a second", show::thousands(last as u64)));
        }
        output.say(format_args!("wrote {}: {words} vectors of {} numbers", self.output.display(), self.dim));
        anyhow::ensure!(progress::is_wanted(), "stopped early: the vectors are those learned by then");
        Ok(())
    }
}
