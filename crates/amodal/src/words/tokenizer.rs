//! Subwords: pieces of words, so that few of them write every word.
use crate::{
    Error, Result,
    files::{read_regular, write_atomic},
    words::language::joins,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::{
    collections::{BTreeMap, BTreeSet},
    io::Write,
    path::Path,
    str::FromStr,
};
use tokenizers::{
    AddedToken, DecoderWrapper, ModelWrapper, NormalizedString, Normalizer as _, NormalizerWrapper, OffsetReferential,
    OffsetType, PreTokenizedString, PreTokenizer as _, PreTokenizerWrapper,
    decoders::wordpiece::WordPiece as WordPieceDecoder,
    models::{
        bpe::{BPE, BpeTrainer},
        unigram::{Unigram, UnigramTrainer},
        wordpiece::WordPiece,
    },
    normalizers::{BertNormalizer, Lowercase},
    pre_tokenizers::{
        bert::BertPreTokenizer, byte_level::ByteLevel, metaspace::Metaspace, sequence::Sequence,
        whitespace::WhitespaceSplit,
    },
};

/// Most bytes of a `tokenizer.json`.
const LARGEST_FILE: u64 = 256 << 20;
/// Most subwords of a vocabulary.
const MOST: usize = 1_000_000;
/// Most letters of a word that training looks at in one piece.
const LONGEST: usize = 256;
/// Times that a subword must occur to be made.
const OFTEN: u64 = 2;
/// What the trainer of `unigram` calls the unknown; a word that holds it would be taken for it.
const RESERVED: &str = "<UNK>";

/// How subwords are found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Model {
    /// Pairs of neighbours joined, the most frequent first (Sennrich et al. 2016, arXiv:1508.07909), over the bytes of the
    /// text, so that nothing is unknown (Radford et al. 2019, GPT-2).
    #[default]
    Bpe,
    /// The same over letters, and the longest that fits first (Schuster and Nakajima 2012, doi:10.1109/ICASSP.2012.6289079; Devlin et
    /// al. 2018, arXiv:1810.04805).
    Wordpiece,
    /// The most probable cut under a model of single subwords (Kudo 2018, arXiv:1804.10959).
    Unigram,
}

impl Model {
    /// Their names in a config and on the command line.
    pub const NAMES: [&str; 3] = ["bpe", "wordpiece", "unigram"];
}

impl FromStr for Model {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        match name {
            "bpe" => Ok(Self::Bpe),
            "wordpiece" => Ok(Self::Wordpiece),
            "unigram" => Ok(Self::Unigram),
            _ => Err(Error::config("model", format!("no model `{name}`; here are: {}", Self::NAMES.join(", ")))),
        }
    }
}

/// A subword of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    /// Its number in the vocabulary.
    pub id: u32,
    /// As the vocabulary has it.
    pub name: String,
    /// Its first byte in the text.
    pub start: usize,
    /// The byte behind it.
    pub end: usize,
}

/// Cuts texts into subwords, and joins them again.
#[derive(Clone, Debug)]
pub struct Tokenizer {
    inner: tokenizers::Tokenizer,
    unknown: Option<u32>,
    size: usize,
}

impl Tokenizer {
    /// Learns a vocabulary of at most `size` subwords from texts, in lower case unless `keep_case`. The same texts give the same
    /// vocabulary, in any order.
    ///
    /// # Errors
    /// [`Error::Config`] for a size that is too small for the characters of the texts, and where there is no word; the errors of the
    /// texts.
    pub fn train(
        texts: impl IntoIterator<Item = Result<String>>,
        model: Model,
        size: usize,
        keep_case: bool,
    ) -> Result<Self> {
        if size > MOST {
            return Err(Error::config("size", format!("{size}, expected at most {MOST}")));
        }
        let mut inner = empty(model, keep_case);
        let mut words: BTreeMap<String, u64> = BTreeMap::new();
        for text in texts {
            for word in pieces(&inner, &text?)? {
                let letters: Vec<char> = word.chars().collect();
                for word in letters.chunks(LONGEST).map(|word| word.iter().collect::<String>()) {
                    *words.entry(word).or_default() += 1;
                }
            }
        }
        words.retain(|word, _| !word.contains(RESERVED) && !word.contains('\0'));
        if words.is_empty() {
            return Err(Error::config("", "no word to learn subwords from"));
        }
        let learned: ModelWrapper = match model {
            Model::Bpe => train_bpe(words, size)?.into(),
            Model::Wordpiece => train_wordpiece(words, size)?.into(),
            Model::Unigram => train_unigram(words, size)?.into(),
        };
        inner.with_model(learned);
        // as a file it is read, it is used: the content says all
        Self::from_json(&inner.to_string(false).map_err(|error| broken("", &error.to_string()))?)
    }

    /// Reads the content of a `tokenizer.json`.
    ///
    /// # Errors
    /// [`Error::Config`] where it is none.
    pub fn from_json(json: &str) -> Result<Self> {
        // read as JSON first: the crate panics where the text ends within a part
        let all: serde_json::Value = serde_json::from_str(json).map_err(|error| broken("", &error.to_string()))?;
        let made = serde_json::from_value(all.clone()).map_err(|error| broken("", &error.to_string()));
        let mut inner: tokenizers::Tokenizer = made?;
        inner.with_padding(None);
        inner.with_truncation(None).map_err(|error| broken("", &error.to_string()))?;
        let vocabulary = inner.get_vocab(true);
        let size = vocabulary.values().max().map_or(0, |id| *id as usize + 1);
        if size == 0 {
            return Err(broken("", "it has no subword"));
        }
        if size > MOST {
            return Err(broken("", &format!("ids up to {}, expected fewer than {MOST}", size - 1)));
        }
        let unknown = match inner.get_model() {
            ModelWrapper::BPE(model) => model.get_unk_token().as_deref().and_then(|token| inner.token_to_id(token)),
            ModelWrapper::WordPiece(model) => inner.token_to_id(&model.unk_token),
            ModelWrapper::WordLevel(model) => inner.token_to_id(&model.unk_token),
            ModelWrapper::Unigram(_) => {
                let id = all.pointer("/model/unk_id").and_then(serde_json::Value::as_u64);
                id.and_then(|id| u32::try_from(id).ok())
            }
        };
        Ok(Self { inner, unknown, size })
    }

    /// Reads a `tokenizer.json`.
    ///
    /// # Errors
    /// [`Error::Config`] with the path.
    pub fn load(path: &Path) -> Result<Self> {
        Self::from_json(&content(path)?).map_err(|error| error.in_file(path))
    }

    /// The content of its `tokenizer.json`.
    ///
    /// # Errors
    /// [`Error::Config`] if a part of it has no such form.
    pub fn to_json(&self) -> Result<String> {
        self.inner.to_string(false).map_err(|error| broken("", &error.to_string()))
    }

    /// Writes a `tokenizer.json`, which other software reads as well.
    ///
    /// # Errors
    /// [`Error::Io`] with the path.
    pub fn save(&self, path: &Path) -> Result<()> {
        let json = self.inner.to_string(true).map_err(|error| broken("", &error.to_string()))?;
        write_atomic(path, |file| file.write_all(json.as_bytes()))
    }

    /// Ids are below this.
    pub fn size(&self) -> usize {
        self.size
    }

    /// The id of what is not in the vocabulary; none where everything is.
    pub fn unknown(&self) -> Option<u32> {
        self.unknown
    }

    /// The subwords of a text, without those that a model would be shown around it.
    ///
    /// # Errors
    /// [`Error::Data`] for a text that the tokenizer cannot cut, such as one with a character unknown to a vocabulary without an
    /// unknown.
    pub fn encode(&self, text: &str) -> Result<Vec<Piece>> {
        let encoding =
            self.inner.encode(text, false).map_err(|error| Error::data("", format!("cannot be cut: {error}")))?;
        let pieces = encoding.get_ids().iter().zip(encoding.get_tokens()).zip(encoding.get_offsets());
        Ok(pieces
            .map(|((id, name), (start, end))| Piece { id: *id, name: name.clone(), start: *start, end: *end })
            .collect())
    }

    /// The text of subwords; ids that are none are left out.
    ///
    /// # Errors
    /// [`Error::Data`] for ids that the tokenizer cannot join.
    pub fn decode(&self, ids: &[u32]) -> Result<String> {
        let text =
            self.inner.decode(ids, true).map_err(|error| Error::data("", format!("cannot be joined: {error}")))?;
        let text = text.trim();
        if !matches!(self.inner.get_decoder(), Some(DecoderWrapper::WordPiece(_))) {
            return Ok(text.to_string());
        }
        let mut joined = String::with_capacity(text.len()); // it stood each Chinese character apart
        for word in text.split(' ') {
            if !joined.is_empty() && (!joined.ends_with(joins) || !word.starts_with(joins)) {
                joined.push(' ');
            }
            joined.push_str(word);
        }
        Ok(joined)
    }
}

/// The content of a `tokenizer.json`.
pub(crate) fn content(path: &Path) -> Result<String> {
    let bytes = read_regular(path, LARGEST_FILE).map_err(|problem| Error::config("", problem).in_file(path))?;
    String::from_utf8(bytes).map_err(|_| broken("", "it is not UTF-8 text").in_file(path))
}

fn broken(at: &str, problem: &str) -> Error {
    let help = "make one with `amodal words tokenizer train`";
    Error::config(at, format!("not a tokenizer.json: {problem}")).with_help(help)
}

/// What is done before and after a model that is still to be learned.
fn empty(model: Model, keep_case: bool) -> tokenizers::Tokenizer {
    let lower: Option<NormalizerWrapper> = (!keep_case).then(|| Lowercase.into());
    let mut inner;
    match model {
        Model::Bpe => {
            inner = tokenizers::Tokenizer::new(BPE::default());
            inner.with_normalizer(lower);
            inner.with_pre_tokenizer(Some(ByteLevel::default()));
            inner.with_decoder(Some(ByteLevel::default()));
        }
        Model::Wordpiece => {
            inner = tokenizers::Tokenizer::new(WordPiece::default());
            inner.with_normalizer(Some(BertNormalizer::new(true, true, Some(false), !keep_case)));
            inner.with_pre_tokenizer(Some(BertPreTokenizer));
            inner.with_decoder(Some(WordPieceDecoder::default()));
        }
        Model::Unigram => {
            inner = tokenizers::Tokenizer::new(Unigram::default());
            inner.with_normalizer(lower);
            let words: [PreTokenizerWrapper; 2] = [WhitespaceSplit.into(), Metaspace::default().into()];
            inner.with_pre_tokenizer(Some(Sequence::new(words.into())));
            inner.with_decoder(Some(Metaspace::default()));
        }
    }
    inner
}

/// What the model is shown of a text.
fn pieces(inner: &tokenizers::Tokenizer, text: &str) -> Result<Vec<String>> {
    let cut = || -> tokenizers::Result<Vec<String>> {
        let mut text = NormalizedString::from(text);
        inner.get_normalizer().map_or(Ok(()), |normalizer| normalizer.normalize(&mut text))?;
        let mut text = PreTokenizedString::from(text);
        inner.get_pre_tokenizer().map_or(Ok(()), |words| words.pre_tokenize(&mut text))?;
        let words = text.get_splits(OffsetReferential::Original, OffsetType::Byte);
        Ok(words.into_iter().map(|(word, _, _)| word.to_string()).collect())
    };
    cut().map_err(|error| Error::data("", format!("cannot be cut: {error}")))
}

/// A size that leaves room for one subword more than the vocabulary must have.
fn check_size(size: usize, must: usize, what: &str) -> Result<()> {
    if size <= must {
        let problem = format!("{size}, expected more than {must}: {what}");
        return Err(Error::config("size", problem));
    }
    Ok(())
}

fn learned<T>(made: tokenizers::Result<T>) -> Result<T> {
    made.map_err(|error| Error::config("", format!("no subwords can be learned: {error}")))
}

fn train_bpe(words: BTreeMap<String, u64>, size: usize) -> Result<BPE> {
    check_size(size, 256, "one for each byte")?;
    let alphabet = ByteLevel::alphabet().into_iter().collect();
    let trainer =
        BpeTrainer::builder().vocab_size(size).min_frequency(OFTEN).initial_alphabet(alphabet).show_progress(false);
    let mut model = BPE::default();
    learned(
        trainer.build().do_train(&words.into_iter().map(|(word, count)| (word.into(), count)).collect(), &mut model),
    )?;
    Ok(model)
}

fn train_wordpiece(words: BTreeMap<String, u64>, size: usize) -> Result<WordPiece> {
    let (mut first, mut later) = (BTreeSet::new(), BTreeSet::new());
    for word in words.keys() {
        first.extend(word.chars());
        later.extend(word.chars().skip(1));
    }
    check_size(size, 1 + first.len() + later.len(), "one for each character, at the beginning of a word and within")?;
    // the trainer numbers what it meets in no order; what it is told of stays in order
    let later = later.into_iter().map(|letter| format!("##{letter}"));
    let told = [WordPiece::default().unk_token].into_iter().chain(later).map(|token| AddedToken::from(token, false));
    let trainer = BpeTrainer::builder()
        .vocab_size(size)
        .min_frequency(OFTEN)
        .special_tokens(told.collect())
        .continuing_subword_prefix("##".into())
        .show_progress(false);
    let mut model = BPE::default();
    learned(
        trainer.build().do_train(&words.into_iter().map(|(word, count)| (word.into(), count)).collect(), &mut model),
    )?;
    Ok(WordPiece::from_bpe(&model))
}

fn train_unigram(words: BTreeMap<String, u64>, size: usize) -> Result<Unigram> {
    let unknown = "<unk>";
    let letters: BTreeSet<char> = words.keys().flat_map(|word| word.chars()).collect();
    check_size(size, 1 + letters.len(), "one for each character")?;
    let trainer = UnigramTrainer::builder()
        .vocab_size(size as u32)
        .special_tokens(vec![AddedToken::from(unknown, true)])
        .unk_token(Some(unknown.into()))
        .show_progress(false)
        .build();
    let trainer = learned(trainer.map_err(Into::into))?;
    // a subword that is expected less than half a time is dropped: counted 32 times, one that begins each word, of up to 16 letters,
    // stays, without which nothing has a probability
    let words =
        words.into_iter().map(|(word, count)| (word, u32::try_from(count.saturating_mul(32)).unwrap_or(u32::MAX)));
    // sums over threads would differ in their last bits
    let one = learned(rayon::ThreadPoolBuilder::new().num_threads(1).build().map_err(Into::into))?;
    let mut model = Unigram::default();
    learned(one.install(|| trainer.do_train(words.collect(), &mut model)))?;
    // characters that were dropped come back in no order, each a little more probable than the last
    let mut pieces: Vec<(String, f64)> = model.iter().cloned().collect();
    let known = pieces.split_off(1);
    let least = known.iter().map(|(_, score)| *score).fold(0.0, f64::min);
    let back = least + 1e-4 * letters.len() as f64;
    let mut known: Vec<(String, f64)> = known
        .into_iter()
        .map(|(piece, score)| if piece.chars().count() == 1 && score <= back { (piece, least) } else { (piece, score) })
        .collect();
    known.sort_by(|a, b| b.1.total_cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    pieces.extend(known);
    learned(Unigram::from(pieces, Some(0), false))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MODELS: [Model; 3] = [Model::Bpe, Model::Wordpiece, Model::Unigram];

    fn corpus() -> Vec<String> {
        let english =
            ["A small red cat", "the smallest cats are red", "Redder and smaller: it's a cat!", "été à Nîmes"];
        english.iter().chain(&["一只红色的小猫", "小猫很小。 🐱"]).map(ToString::to_string).cycle().take(60).collect()
    }

    fn trained(texts: &[String], model: Model, size: usize) -> Result<Tokenizer> {
        Tokenizer::train(texts.iter().cloned().map(Ok), model, size, false)
    }

    #[test]
    fn what_is_cut_is_joined_again() {
        for model in MODELS {
            let tokenizer = trained(&corpus(), model, 400).unwrap();
            for text in ["a small red cat", "the reddest cat", "一只小猫", "red 小猫 🐱", "été"] {
                let pieces = tokenizer.encode(text).unwrap();
                let ids: Vec<u32> = pieces.iter().map(|piece| piece.id).collect();
                assert!(
                    ids.iter().all(|id| (*id as usize) < tokenizer.size() && Some(*id) != tokenizer.unknown()),
                    "{model:?}: {pieces:?}"
                );
                assert_eq!(tokenizer.decode(&ids).unwrap(), text, "{model:?}: {pieces:?}");
                assert!(pieces.iter().all(|piece| text.get(piece.start..piece.end).is_some() || model == Model::Bpe));
            }
            assert!(tokenizer.encode("small").unwrap().len() < 5, "{model:?}");
            assert_eq!(tokenizer.encode("").unwrap(), []);
            assert_eq!(tokenizer.decode(&[u32::MAX, 999_999]).unwrap(), "");
        }
    }

    #[test]
    fn what_is_not_known() {
        for model in MODELS {
            let tokenizer = trained(&corpus(), model, 400).unwrap();
            let unknown = tokenizer.encode("Ω").unwrap().iter().any(|piece| Some(piece.id) == tokenizer.unknown());
            assert_eq!(unknown, model != Model::Bpe, "{model:?}");
        }
    }

    #[test]
    fn the_same_texts_give_the_same_vocabulary() {
        for model in MODELS {
            let one = trained(&corpus(), model, 300).unwrap().to_json().unwrap();
            let mut texts = corpus();
            texts.reverse();
            assert_eq!(trained(&texts, model, 300).unwrap().to_json().unwrap(), one, "{model:?}");
        }
    }

    #[test]
    fn a_file_gives_the_same_tokenizer() {
        let folder = tempfile::tempdir().unwrap();
        for model in MODELS {
            let tokenizer = trained(&corpus(), model, 300).unwrap();
            let path = folder.path().join("tokenizer.json");
            tokenizer.save(&path).unwrap();
            let loaded = Tokenizer::load(&path).unwrap();
            assert_eq!(loaded.encode("a small cat").unwrap(), tokenizer.encode("a small cat").unwrap());
            assert_eq!((loaded.size(), loaded.unknown()), (tokenizer.size(), tokenizer.unknown()));
        }
    }

    #[test]
    fn a_vocabulary_that_is_too_small() {
        let problems = MODELS.map(|model| trained(&corpus(), model, 20).unwrap_err().to_string());
        assert_eq!(problems[0], "size: 20, expected more than 256: one for each byte");
        assert!(
            problems[1..].iter().all(|problem| problem.starts_with("size: 20, expected more than ")),
            "{problems:?}"
        );
        for model in MODELS {
            assert!(trained(&corpus(), model, usize::MAX).is_err());
            let least = (21..300).find_map(|size| trained(&corpus(), model, size).ok().map(|made| (size, made)));
            let (size, tokenizer) = least.unwrap();
            assert!(tokenizer.size() <= size, "{model:?}: {} of {size}", tokenizer.size());
        }
    }

    #[test]
    fn texts_without_a_word() {
        for model in MODELS {
            for text in ["", " ", "\t\n", "\0"] {
                let made = trained(&[text.to_string()], model, 500);
                assert!(made.is_ok() || made.unwrap_err().to_string().contains("no word"), "{model:?}: {text:?}");
            }
            assert!(trained(&[], model, 500).unwrap_err().to_string().contains("no word"));
        }
    }

    #[test]
    fn few_and_odd_texts() {
        for model in MODELS {
            for text in [
                "a",
                "ab",
                "<UNK>",
                "a <UNK> b",
                "ab cd ef",
                "\u{1}\u{2}",
                "🐱",
                &"x".repeat(3000),
                &"ab ".repeat(3000),
            ] {
                let made = Tokenizer::train([Ok(text.to_string())], model, 500, true);
                if let Ok(tokenizer) = made {
                    tokenizer.encode(text).unwrap();
                }
            }
        }
    }

    #[test]
    fn what_is_no_tokenizer() {
        let good = trained(&corpus(), Model::Wordpiece, 300).unwrap().to_json().unwrap();
        for json in ["", "{", "[]", "{}", "{\"model\": 1}", &good[..300], "null"] {
            let error = Tokenizer::from_json(json).unwrap_err();
            assert!(error.to_string().contains("not a tokenizer.json"), "{error}");
        }
        let far = good.replacen("\"[UNK]\":0", "\"[UNK]\":4294967295", 1);
        assert_ne!(far, good);
        assert!(Tokenizer::from_json(&far).unwrap_err().to_string().contains("4294967295"));
        assert!(Tokenizer::load(Path::new("nosuch.json")).unwrap_err().to_string().contains("no such file"));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn any_texts_can_be_learned_from(texts in prop::collection::vec("(\\PC|[一-三a-c<>UNK \\x00-\\x20]){0,30}", 1..8), size in 2..600_usize) {
            for model in MODELS {
                let Ok(tokenizer) = Tokenizer::train(texts.iter().cloned().map(Ok), model, size, true) else { continue };
                prop_assert!(tokenizer.size() <= size);
                for text in &texts {
                    let ids: Vec<u32> = tokenizer.encode(text).unwrap().iter().map(|piece| piece.id).collect();
                    tokenizer.decode(&ids).unwrap();
                }
            }
        }
    }
}
