//! `amodal words train`.
use crate::{Output, progress, show};
use amodal::{
    Error,
    words::{
        Format,
        corpus::{Corpus, LONGEST},
        glove::{GloveConfig, glove},
        train::{Progress, Training},
        vocabulary::Vocabulary,
        word2vec::{Predict, Word2VecConfig, word2vec},
    },
};
use clap::{Args, ValueEnum};
use indicatif::{ProgressBar, ProgressStyle};
use std::{
    path::{Path, PathBuf},
    time::Duration,
};

/// Learn vectors of words from texts: Word2Vec, fastText's n-grams with `--ngrams`, or GloVe.
///
/// A text holds a sentence a line and blanks between words, all of which count as they stand: `amodal words segment` cuts
/// and lowers other text. On one thread the same seed gives the same vectors; on several, threads overwrite each other's
/// changes now and then, and the vectors differ a little each time. What is learned is kept every few minutes, and when you
/// stop it, so that `--resume` can go on.
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
    /// How vectors are learned: each word around tells the word, their mean does (three times faster), or products of
    /// vectors tell how often words stand near each other
    #[arg(long, value_enum, default_value_t = Model::SkipGram)]
    model: Model,
    /// Numbers of a vector
    #[arg(long, default_value_t = 100)]
    dim: usize,
    /// Most words on each side that are around a word [default: 5; glove: 15]
    #[arg(long)]
    window: Option<usize>,
    /// Negative samples; 0: hierarchical softmax [default: 5]
    #[arg(long)]
    negative: Option<usize>,
    /// How often a word must occur
    #[arg(long, default_value_t = 5)]
    min_count: u64,
    /// Most words, the frequent ones first
    #[arg(long, default_value_t = 10_000_000)]
    max_words: usize,
    /// Share of the text above which a word is left out now and then; 0: never [default: 0.001]
    #[arg(long)]
    sample: Option<f64>,
    /// Times that the text, or its pairs of words, are learned [default: 5; glove: 25]
    #[arg(long)]
    epochs: Option<usize>,
    /// Size of the first step [default: 0.025; glove: 0.05]
    #[arg(long)]
    learning_rate: Option<f64>,
    /// Vectors for n-grams of letters too, from 3 to 6: words of one stem share what is learned
    #[arg(long)]
    ngrams: bool,
    /// Memory for counting pairs of words, in GB; what does not fit goes to a file beside the output [default: 2]
    #[arg(long)]
    memory: Option<f64>,
    /// Go on from where a stopped or killed training was: from the file of the output's name and `.state`
    #[arg(long)]
    resume: bool,
    /// Seconds between two writings of the state
    #[arg(long, default_value_t = 300)]
    save_every: u64,
    /// Seed of all that is drawn
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Threads [default: one a core]
    #[arg(long)]
    threads: Option<usize>,
}

#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum Model {
    SkipGram,
    Cbow,
    Glove,
}

/// What is learned.
enum Learned {
    Word2Vec(Word2VecConfig),
    Glove(GloveConfig),
}

impl Train {
    /// The options of the model; those of another are refused.
    fn learned(&self) -> anyhow::Result<Learned> {
        let is_glove = self.model == Model::Glove;
        let given = [
            ("negative", self.negative.is_some(), !is_glove),
            ("sample", self.sample.is_some(), !is_glove),
            ("ngrams", self.ngrams, !is_glove),
            ("memory", self.memory.is_some(), is_glove),
        ];
        if let Some((option, ..)) = given.iter().find(|(_, given, fits)| *given && !fits) {
            let others = if is_glove { "skip-gram and cbow" } else { "glove" };
            return Err(Error::config(format!("--{option}"), format!("is for {others}")).into());
        }
        if is_glove {
            let base = GloveConfig::default();
            let config = GloveConfig {
                dim: self.dim,
                window: self.window.unwrap_or(base.window),
                epochs: self.epochs.unwrap_or(base.epochs),
                learning_rate: self.learning_rate.unwrap_or(base.learning_rate),
                seed: self.seed,
                ..base
            };
            config.check()?;
            return Ok(Learned::Glove(config));
        }
        let base = Word2VecConfig::default();
        let config = Word2VecConfig {
            predict: if self.model == Model::Cbow { Predict::Cbow } else { Predict::SkipGram },
            dim: self.dim,
            window: self.window.unwrap_or(base.window),
            negative: self.negative.unwrap_or(base.negative),
            sample: self.sample.unwrap_or(base.sample),
            epochs: self.epochs.unwrap_or(base.epochs),
            learning_rate: self.learning_rate.unwrap_or(base.learning_rate),
            ngrams: self.ngrams.then_some([3, 6]),
            seed: self.seed,
            ..base
        };
        config.check()?;
        Ok(Learned::Word2Vec(config))
    }

    pub(crate) fn run(&self, output: Output) -> anyhow::Result<()> {
        let learned = self.learned()?;
        let folder = self.output.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        if !folder.is_dir() {
            return Err(Error::data(folder.display().to_string(), "not a folder").with_help("make it first").into());
        }
        let state = PathBuf::from(format!("{}.state", self.output.display()));
        if self.resume && !state.exists() {
            return Err(Error::data(state.display().to_string(), "no state to go on from")
                .with_help("leave --resume out to begin anew")
                .into());
        }
        let training = Training {
            threads: super::threads(self.threads),
            state: Some(state.clone()),
            every: Duration::from_secs(self.save_every),
            resume: self.resume,
        };
        let corpus = Corpus::open(&self.texts)?;
        let vocabulary = Vocabulary::count(&corpus, self.min_count, self.max_words, training.threads)?;
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
        let units = if self.model == Model::Glove { "pairs" } else { "words" };
        let (mut last, mut doing) = (0.0, "");
        let mut watch = |progress: &Progress| {
            if doing != progress.doing {
                doing = progress.doing;
                bar.reset();
            }
            bar.set_position((progress.share * 1000.0) as u64);
            let rate = show::thousands(progress.rate as u64);
            if progress.loss.is_nan() {
                bar.set_message(format!("{doing}, {rate} words/s"));
            } else {
                last = progress.rate;
                bar.set_message(format!("{rate} {units}/s, loss {:.3}", progress.loss));
            }
            progress::is_wanted()
        };
        let vectors = match &learned {
            Learned::Word2Vec(config) => word2vec(&corpus, &vocabulary, config, &training, &mut watch)?,
            Learned::Glove(config) => {
                let memory = (self.memory.unwrap_or(2.0).clamp(0.0, 1e6) * 1e9) as u64;
                glove(&corpus, &vocabulary, config, memory, folder, &training, &mut watch)?
            }
        };
        bar.finish_and_clear();
        let format = if self.no_header { Format::Glove } else { Format::of(&self.output) };
        vectors.write_as(&self.output, format)?;
        if last > 0.0 {
            output.say(format_args!("{} {units} a second", show::thousands(last as u64)));
        }
        output.say(format_args!("wrote {}: {words} vectors of {} numbers", self.output.display(), self.dim));
        anyhow::ensure!(
            progress::is_wanted(),
            "stopped early: the vectors are those learned by then; the same command with --resume goes on"
        );
        if state.exists() {
            std::fs::remove_file(&state).map_err(Error::io(&state))?;
        }
        Ok(())
    }
}
