//! `amodal words convert`.
use crate::{Output, show};
use amodal::words::{Format, Vectors};
use clap::{Args, ValueEnum};
use std::path::PathBuf;

/// Write a file of vectors in another form.
///
/// What is read says itself which form it has: text of word2vec or GloVe, word2vec's binary form, a model of fastText, or
/// safetensors. What is written goes by the ending of its name.
#[derive(Args)]
pub(crate) struct Convert {
    /// The file of vectors
    #[arg(value_name = "IN")]
    from: PathBuf,
    /// The file to write: .bin, .safetensors, or any other ending for text
    #[arg(value_name = "OUT")]
    to: PathBuf,
    /// The form to write, whatever the name's ending
    #[arg(long, value_enum)]
    format: Option<Form>,
}

#[derive(Clone, Copy, ValueEnum)]
enum Form {
    /// Text with the number of words and of numbers on the first line
    Word2vec,
    /// Text without that line
    Glove,
    /// word2vec's binary form
    Binary,
    /// Tensors `vectors` and `words`
    Safetensors,
}

impl Convert {
    pub(crate) fn run(&self, output: Output) -> anyhow::Result<()> {
        let vectors = Vectors::read(&self.from)?;
        let format = match self.format {
            Some(Form::Word2vec) => Format::Word2Vec,
            Some(Form::Glove) => Format::Glove,
            Some(Form::Binary) => Format::Binary,
            Some(Form::Safetensors) => Format::Safetensors,
            None => Format::of(&self.to),
        };
        vectors.write_as(&self.to, format)?;
        if vectors.has_ngrams() {
            output.say("warning: the vectors of n-grams are left out: other words than these have none now");
        }
        let words = show::thousands(vectors.words().len() as u64);
        output.say(format_args!("wrote {}: {words} vectors of {} numbers", self.to.display(), vectors.dim()));
        Ok(())
    }
}
