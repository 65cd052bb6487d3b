//! Text as a sequence of words, characters or subwords; id 0 is padding, 1 is a unit that training never saw.
use super::{Fit, Read, kind};
use crate::{
    Error, Item, Named, Raw, Result,
    random::{Random, RngExt},
    types::{Build, at_least, within},
    words::{Language, Tag, Tokenizer, VectorsConfig, Word, language::joins, segment, tag, tokenizer},
};
use burn::module::Module;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::{collections::HashMap, path::Path};

/// The id of padding, and of the end of a text that a decoder writes; before the first unit it stands for the beginning.
pub(crate) const END: u32 = 0;
/// The id of a unit that training never saw.
pub(crate) const UNKNOWN: u32 = 1;
/// Ids of units begin here.
const FIRST: u32 = 2;

/// What one id stands for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// A word, lower case.
    #[default]
    Word,
    /// A character, lower case.
    Character,
    /// A piece of a word.
    Subword,
}

/// What is changed at random in training; all of it is off by default.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct WordAugment {
    /// Probability that a unit is read as one that training never saw (word dropout, Iyyer et al. 2015, ACL P15-1162; as
    /// in Bowman et al. 2016, arXiv:1511.06349, it is replaced, not removed). Without it a unit first met after training
    /// stands for nothing that was learned.
    pub word_dropout: f64,
}

/// How a vocabulary of subwords is learned.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SubwordConfig {
    /// How subwords are found: `bpe`, `wordpiece` or `unigram`.
    pub model: tokenizer::Model,
    /// Most subwords.
    pub size: usize,
}

impl Default for SubwordConfig {
    fn default() -> Self {
        Self { model: tokenizer::Model::Bpe, size: 1000 }
    }
}

/// Text, cut into words by the Unicode rules (UAX 29; a dictionary for Japanese, Thai, …; jieba for Chinese), into characters, or
/// into subwords.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TextConfig {
    /// What one id stands for: `word`, `character` or `subword`.
    pub unit: Unit,
    /// How words are cut and tagged: `auto` (by the script of each text), `english`, `chinese`, or `other` (the Unicode rules
    /// alone).
    pub language: Language,
    /// Whether each unit's part of speech is read beside it (Universal Dependencies; a tagger for English and one for Chinese):
    /// the encoder adds a learned vector of it to the unit's.
    pub pos: bool,
    /// Units read of one text; the rest is cut off.
    pub max_time: usize,
    /// How often a word or character must occur in the training rows to get an id of its own.
    pub min_count: usize,
    /// Most words or characters that get an id, the most frequent first.
    pub max_vocabulary: usize,
    /// How subwords are learned of the training rows.
    pub subword: SubwordConfig,
    /// For subwords, a `tokenizer.json` instead of learning them: its path from the config's folder. A run has its content here.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub tokenizer: String,
    /// For words, vectors that they begin with, from a file; words that no training row has get an id too, up to
    /// `max_vocabulary`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vectors: Option<VectorsConfig>,
    /// Random changes in training; all off by default.
    pub augment: WordAugment,
    /// The words or characters that have ids, from id 2 on; empty: taken from the training rows.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub vocabulary: Vec<String>,
}

impl Default for TextConfig {
    fn default() -> Self {
        Self {
            unit: Unit::Word,
            language: Language::Auto,
            pos: false,
            max_time: 64,
            min_count: 1,
            max_vocabulary: 50_000,
            subword: SubwordConfig::default(),
            tokenizer: String::new(),
            vectors: None,
            augment: WordAugment::default(),
            vocabulary: Vec::new(),
        }
    }
}

impl TextConfig {
    /// Makes the reader.
    pub fn build(&self, _: &Build) -> Result<Text> {
        at_least("max_time", self.max_time, 1)?;
        within("augment.word_dropout", self.augment.word_dropout, 0.0, 0.95)?;
        if self.unit != Unit::Subword && !self.tokenizer.is_empty() {
            return Err(Error::config("tokenizer", "is for subwords").with_help("add unit = \"subword\""));
        }
        if let Some(vectors) = &self.vectors {
            if self.unit != Unit::Word {
                return Err(Error::config("vectors", "are for words").with_help("remove `unit`, or `vectors`"));
            }
            within("vectors.dim", vectors.dim as f64, 1.0, 10_000.0)?;
        }
        let tokenizer = match self.tokenizer.as_str() {
            "" => None,
            content if is_content(content) => Some(Tokenizer::from_json(content)),
            path => Some(Tokenizer::load(Path::new(path))),
        };
        let tokenizer = tokenizer.transpose().map_err(|error| error.within("tokenizer"))?;
        let ids = self.vocabulary.iter().zip(FIRST..).map(|(unit, id)| (unit.clone(), id)).collect();
        let Self { unit, language, pos, max_time, augment, vectors, vocabulary, .. } = self.clone();
        Ok(Text { unit, language, pos, max_time, augment, vectors, ids, vocabulary, tokenizer })
    }

    /// Learns subwords of the training rows, or reads those that are named.
    fn fit_subwords(&mut self, values: &mut dyn Iterator<Item = &Raw>) -> Result<()> {
        self.tokenizer = match self.tokenizer.as_str() {
            "" => {
                let SubwordConfig { model, size } = self.subword;
                let made = Tokenizer::train(values.map(text), model, size, false);
                made.and_then(|made| made.to_json()).map_err(|error| match error {
                    Error::Config { .. } => error.within("subword"),
                    _ => error,
                })?
            }
            content if is_content(content) => return Ok(()),
            path => tokenizer::content(Path::new(path)).map_err(|error| error.within("tokenizer"))?,
        };
        Ok(())
    }
}

/// Whether it is what a `tokenizer.json` says, and not its path.
fn is_content(text: &str) -> bool {
    text.trim_start().starts_with('{')
}

impl Fit for TextConfig {
    fn place(&mut self, folder: &Path) {
        if !self.tokenizer.is_empty() && !is_content(&self.tokenizer) {
            self.tokenizer = folder.join(&self.tokenizer).to_string_lossy().into_owned();
        }
        if let Some(vectors) = self.vectors.as_mut().filter(|vectors| !vectors.path.is_empty()) {
            vectors.path = folder.join(&vectors.path).to_string_lossy().into_owned();
        }
    }

    fn fit(&mut self, values: &mut dyn Iterator<Item = &Raw>) -> Result<()> {
        if self.unit == Unit::Subword {
            return self.fit_subwords(values);
        }
        if !self.vocabulary.is_empty() {
            return Ok(());
        }
        let mut counts: HashMap<String, usize> = HashMap::new();
        for raw in values {
            for (unit, _) in units(self.unit, &text(raw)?, self.language, self.max_time) {
                *counts.entry(unit).or_default() += 1;
            }
        }
        let mut counts: Vec<_> = counts.into_iter().filter(|(_, count)| *count >= self.min_count).collect();
        counts.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        counts.truncate(self.max_vocabulary);
        self.vocabulary = counts.into_iter().map(|(unit, _)| unit).collect();
        match &mut self.vectors {
            Some(vectors) if self.unit == Unit::Word => {
                vectors.fit(&mut self.vocabulary, self.max_vocabulary, FIRST as usize)
            }
            _ => Ok(()),
        }
    }
}

/// The text that a raw value gives.
fn text(raw: &Raw) -> Result<String> {
    match raw {
        Raw::Text(text) => Ok(text.clone()),
        Raw::Numbers(numbers) if numbers.len() == 1 => Ok(numbers[0].to_string()),
        Raw::Bytes(bytes) => String::from_utf8(bytes.to_vec())
            .map_err(|error| Error::data("", format!("not UTF-8 text at byte {}", error.utf8_error().valid_up_to()))),
        other => Err(Error::data("", format!("{}, expected text", kind(other)))),
    }
}

/// The first `most` words or characters of a text in lower case, each with its first byte in the text.
fn units(unit: Unit, text: &str, language: Language, most: usize) -> Vec<(String, usize)> {
    match unit {
        Unit::Character => {
            // the whole text at once, as a letter's lower case may depend on the next one
            let lower = text.to_lowercase();
            let starts = text.char_indices().flat_map(|(at, letter)| letter.to_lowercase().map(move |_| at));
            let units = lower.chars().zip(starts).filter(|(letter, _)| !letter.is_control());
            units.take(most).map(|(letter, at)| (letter.into(), at)).collect()
        }
        Unit::Word | Unit::Subword => {
            let words = segment(text, language, most).into_iter().filter(|word| word.is_word);
            words.map(|word| (word.text.to_lowercase(), word.start)).collect()
        }
    }
}

/// Reads [`TextConfig`].
#[derive(Module, Debug)]
pub struct Text {
    #[module(skip)]
    unit: Unit,
    #[module(skip)]
    language: Language,
    pos: bool,
    max_time: usize,
    #[module(skip)]
    augment: WordAugment,
    #[module(skip)]
    vectors: Option<VectorsConfig>,
    #[module(skip)]
    ids: HashMap<String, u32>,
    /// From id 2 on.
    #[module(skip)]
    vocabulary: Vec<String>,
    #[module(skip)]
    tokenizer: Option<Tokenizer>,
}

impl Text {
    /// Ids of a text's units, none for a text without one, each with its first byte in the text; of a subword that begins with a
    /// blank, its last.
    fn ids(&self, text: &str) -> Result<Vec<(u32, usize)>> {
        if let Some(tokenizer) = &self.tokenizer {
            let id = |id| if Some(id) == tokenizer.unknown() { UNKNOWN } else { id + FIRST };
            let pieces = tokenizer.encode(text)?.into_iter().take(self.max_time);
            return Ok(pieces.map(|piece| (id(piece.id), piece.end.saturating_sub(1))).collect());
        }
        let units = units(self.unit, text, self.language, self.max_time);
        Ok(units.into_iter().map(|(unit, at)| (self.ids.get(&unit).copied().unwrap_or(UNKNOWN), at)).collect())
    }

    /// The part of speech of what stands at each of these bytes.
    fn tags(&self, text: &str, places: impl Iterator<Item = usize>) -> Vec<u32> {
        let words = segment(text, self.language, self.max_time);
        let tags = tag::tag(text, &words, self.language);
        let tag = |at| {
            let word = words.partition_point(|word: &Word| word.end() <= at);
            tags.get(word).copied().unwrap_or(Tag::X).id()
        };
        places.map(tag).collect()
    }
}

impl Read for Text {
    fn dims(&self) -> Named<usize> {
        let width = self.tokenizer.as_ref().map_or(self.ids.len(), Tokenizer::size) + FIRST as usize;
        let dims = [("input", width), ("words", width), ("longest", self.max_time)];
        let tags = self.pos.then_some(("tags", Tag::IDS));
        let vectors = self.vectors.iter().flat_map(|vectors| {
            [("vectors", vectors.dim), ("learned", vectors.learned.saturating_add(FIRST as usize))]
        });
        dims.into_iter().chain(tags).chain(vectors).map(|(name, dim)| (name.to_string(), dim)).collect()
    }

    fn vectors(&self) -> Option<&[f32]> {
        self.vectors.as_ref().and_then(VectorsConfig::values)
    }

    fn read(&self, raw: &Raw) -> Result<Item> {
        let text = text(raw)?;
        let mut units = self.ids(&text)?;
        if units.is_empty() {
            units.push((UNKNOWN, usize::MAX)); // a text without a word is still a text
        }
        let ids = units.iter().map(|(id, _)| *id).collect();
        Ok(match self.pos {
            true => Item::Tagged { ids, tags: self.tags(&text, units.iter().map(|(_, at)| *at)) },
            false => Item::Ids(ids),
        })
    }

    fn read_target(&self, raw: &Raw) -> Result<Item> {
        match self.read(raw)? {
            Item::Ids(mut ids) => {
                ids.push(END);
                Ok(Item::Ids(ids))
            }
            other => Ok(other),
        }
    }

    fn write(&self, item: &Item, _: &str) -> Result<Raw> {
        let Item::Ids(ids) = item else { return Err(super::no_way_back("a text")) };
        let ids = ids.iter().take_while(|id| **id != END);
        if let Some(tokenizer) = &self.tokenizer {
            let known: Vec<u32> = ids.clone().filter_map(|id| id.checked_sub(FIRST)).collect();
            let unknown = known.is_empty() && ids.count() > 0;
            return Ok(Raw::Text(if unknown { "…".into() } else { tokenizer.decode(&known)? }));
        }
        let mut text = String::new();
        for id in ids {
            let unit =
                id.checked_sub(FIRST).and_then(|id| self.vocabulary.get(id as usize)).map_or("…", String::as_str);
            if self.unit == Unit::Word && !text.ends_with(joins) && !unit.starts_with(joins) && !text.is_empty() {
                text.push(' ');
            }
            text.push_str(unit);
        }
        Ok(Raw::Text(text))
    }

    fn augment(&self, item: &Item, random: &mut Random) -> Option<Item> {
        let chance = self.augment.word_dropout;
        if chance == 0.0 {
            return None;
        }
        let drop = |id: &u32| if random.random::<f64>() < chance { UNKNOWN } else { *id };
        match item {
            Item::Ids(ids) => Some(Item::Ids(ids.iter().map(drop).collect())),
            Item::Tagged { ids, tags } => {
                Some(Item::Tagged { ids: ids.iter().map(drop).collect(), tags: tags.clone() }) // what it may be is still seen
            }
            _ => None,
        }
    }

    fn blank(&self) -> Item {
        match self.pos {
            true => Item::Tagged { ids: vec![0], tags: vec![0] },
            false => Item::Ids(vec![0]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_by_the_unicode_rules() {
        let units = |unit, text, most| -> Vec<String> {
            units(unit, text, Language::Auto, most).into_iter().map(|(unit, _)| unit).collect()
        };
        assert_eq!(units(Unit::Word, "Don't stop, T-Rex!", 100), ["don't", "stop", "t", "rex"]);
        assert_eq!(units(Unit::Word, "一只小猫", 100), ["一只", "小猫"]);
        assert_eq!(units(Unit::Word, "a b c", 2), ["a", "b"]);
        assert_eq!(units(Unit::Character, "Ab\n", 9), ["a", "b"]);
        assert_eq!(units(Unit::Character, "İΣ", 9), ["i", "\u{307}", "ς"]);
    }

    #[test]
    fn vocabulary_is_the_frequent_words() {
        let rows: Vec<Raw> = ["red cat", "red dog", "blue cat"].iter().map(|text| Raw::Text((*text).into())).collect();
        let mut config = TextConfig { min_count: 2, ..Default::default() };
        config.fit(&mut rows.iter()).unwrap();
        assert_eq!(config.vocabulary, ["cat", "red"]);
        let device = burn::tensor::Device::flex();
        let text = config.build(&Build { dims: Named::new(), device: &device }).unwrap();
        assert_eq!(text.read(&Raw::Text("red zebra".into())).unwrap(), Item::Ids(vec![3, 1]));
        assert_eq!(text.read(&Raw::Text("!".into())).unwrap(), Item::Ids(vec![1]));
        assert_eq!(text.read_target(&Raw::Text("Red cat".into())).unwrap(), Item::Ids(vec![3, 2, END]));
    }

    #[test]
    fn a_text_that_was_read_is_written_back() {
        let device = burn::tensor::Device::flex();
        for (unit, text, written) in [
            (Unit::Word, "A red, red cat!", "a red red cat"),
            (Unit::Word, "一只小猫 is red", "一只小猫is red"),
            (Unit::Character, "Ab, b", "ab, b"),
            (Unit::Word, "", "…"),
        ] {
            let mut config = TextConfig { unit, ..Default::default() };
            config.fit(&mut [Raw::Text(text.into())].iter()).unwrap();
            let reader = config.build(&Build { dims: Named::new(), device: &device }).unwrap();
            let item = reader.read_target(&Raw::Text(text.into())).unwrap();
            assert_eq!(reader.write(&item, "txt").unwrap(), Raw::Text(written.into()));
        }
    }

    #[test]
    fn word_dropout_makes_units_unknown_by_chance() {
        let augment = WordAugment { word_dropout: 0.25 };
        let config = TextConfig { augment, vocabulary: vec!["a".into()], ..Default::default() };
        let device = burn::tensor::Device::flex();
        let text = config.build(&Build { dims: Named::new(), device: &device }).unwrap();
        let mut random = crate::random::random(0, 0, 0, crate::random::Purpose::Augment);
        let Some(Item::Ids(ids)) = text.augment(&Item::Ids(vec![2; 10_000]), &mut random) else { panic!() };
        let unknown = ids.iter().filter(|id| **id == UNKNOWN).count();
        assert!((2300..2700).contains(&unknown), "{unknown}");
        assert!(ids.iter().all(|id| [UNKNOWN, 2].contains(id)));
        let still = TextConfig { augment: WordAugment::default(), ..config };
        let still = still.build(&Build { dims: Named::new(), device: &device }).unwrap();
        assert_eq!(still.augment(&Item::Ids(vec![2]), &mut random), None);
    }

    fn built(config: &TextConfig) -> Result<Text> {
        config.build(&Build { dims: Named::new(), device: &burn::tensor::Device::flex() })
    }

    fn fitted(config: TextConfig, text: &str) -> Result<Text> {
        let mut config = config;
        config.fit(&mut [Raw::Text(text.into())].iter())?;
        built(&config)
    }

    fn tags(tags: &[Tag]) -> Vec<u32> {
        tags.iter().map(|tag| tag.id()).collect()
    }

    #[test]
    fn each_unit_has_a_part_of_speech() {
        let (text, read) = ("The red, red cat: 12", |config| {
            let reader =
                fitted(TextConfig { pos: true, ..config }, "The red, red cat: 12 The red, red cat: 12").unwrap();
            assert_eq!(reader.dims()["tags"], Tag::IDS);
            match reader.read(&Raw::Text("The red, red cat: 12".into())).unwrap() {
                Item::Tagged { ids, tags } => {
                    assert_eq!(ids.len(), tags.len());
                    tags
                }
                other => panic!("{other:?}"),
            }
        });
        let (det, adj, noun, num, punct) = (Tag::Det, Tag::Adj, Tag::Noun, Tag::Num, Tag::Punct);
        assert_eq!(read(TextConfig::default()), tags(&[det, adj, adj, noun, num]));
        let characters = read(TextConfig { unit: Unit::Character, ..Default::default() });
        assert_eq!(characters.len(), text.len());
        assert_eq!(characters[..8], tags(&[det, det, det, adj, adj, adj, adj, punct]));
        for model in [tokenizer::Model::Bpe, tokenizer::Model::Wordpiece, tokenizer::Model::Unigram] {
            let subword = SubwordConfig { model, size: 300 };
            let mut found = read(TextConfig { unit: Unit::Subword, subword, ..Default::default() });
            found.dedup();
            let wanted = tags(&[det, adj, punct, adj, noun, punct, num]);
            // a unigram takes a mark for the end of its word
            assert!(found == wanted || model == tokenizer::Model::Unigram, "{model:?}: {found:?}");
        }
        let reader = fitted(TextConfig { pos: true, ..Default::default() }, "a").unwrap();
        assert_eq!(
            reader.read(&Raw::Text(String::new())).unwrap(),
            Item::Tagged { ids: vec![1], tags: tags(&[Tag::X]) }
        );
        assert!(matches!(reader.blank(), Item::Tagged { .. }));
    }

    #[test]
    fn subwords_are_written_back_and_need_no_file() {
        let text = "a small cat, the smallest cat 一只小猫 🐱";
        for model in [tokenizer::Model::Bpe, tokenizer::Model::Wordpiece, tokenizer::Model::Unigram] {
            let subword = SubwordConfig { model, size: 400 };
            let mut config = TextConfig { unit: Unit::Subword, subword, ..Default::default() };
            config.fit(&mut [Raw::Text(text.repeat(3))].iter()).unwrap();
            let again: TextConfig = toml::from_str(&toml::to_string(&config).unwrap()).unwrap();
            assert_eq!(again, config);
            let reader = built(&again).unwrap();
            let item = reader.read_target(&Raw::Text(text.to_uppercase())).unwrap();
            let Item::Ids(ids) = &item else { panic!("{item:?}") };
            assert!(ids.ends_with(&[END]) && !ids.contains(&UNKNOWN));
            assert!(ids.iter().all(|id| (*id as usize) < reader.dims()["words"]));
            let Raw::Text(written) = reader.write(&item, "txt").unwrap() else { panic!() };
            assert_eq!(written.replace(' ', ""), text.replace(' ', ""), "{model:?}");
            assert_eq!(reader.write(&Item::Ids(vec![UNKNOWN, END]), "txt").unwrap(), Raw::Text("…".into()));
            assert_eq!(reader.read(&Raw::Text(String::new())).unwrap(), Item::Ids(vec![UNKNOWN]));
            let far = Item::Ids(vec![u32::MAX, 100_000]);
            assert_eq!(reader.write(&far, "txt").unwrap(), Raw::Text(String::new()));
        }
    }

    #[test]
    fn a_tokenizer_from_a_file() {
        let folder = tempfile::tempdir().unwrap();
        let texts = ["a small red cat", "the smallest cat"].map(|text| Ok(text.to_string()));
        let tokenizer = Tokenizer::train(texts, tokenizer::Model::Bpe, 280, false).unwrap();
        tokenizer.save(&folder.path().join("tokenizer.json")).unwrap();
        let mut config = TextConfig { unit: Unit::Subword, tokenizer: "tokenizer.json".into(), ..Default::default() };
        config.place(folder.path());
        assert_eq!(built(&config).unwrap().dims()["words"], tokenizer.size() + 2);
        config.fit(&mut std::iter::empty()).unwrap();
        config.place(Path::new("elsewhere"));
        drop(folder);
        assert_eq!(built(&config).unwrap().dims()["words"], tokenizer.size() + 2);

        let wrong = |tokenizer: &str, unit| {
            let config = TextConfig { unit, tokenizer: tokenizer.into(), ..Default::default() };
            built(&config).unwrap_err().to_string()
        };
        assert_eq!(wrong("tokenizer.json", Unit::Word), "tokenizer: is for subwords");
        assert!(wrong("nosuch.json", Unit::Subword).contains("no such file"));
        assert!(wrong("{\"model\": 1}", Unit::Subword).starts_with("tokenizer: not a tokenizer.json"));
        let small = SubwordConfig { size: 20, ..Default::default() };
        let small = TextConfig { unit: Unit::Subword, subword: small, ..Default::default() };
        assert!(
            fitted(small, "a cat").unwrap_err().to_string().starts_with("subword.size: 20, expected more than 256")
        );
    }

    #[test]
    fn texts_of_any_kind_are_read() {
        let texts = ["", "\u{0}\u{7}\n", "🐱👩‍👩‍👧", "一只 red 小猫!", &"word ".repeat(100_000), &"猫".repeat(100_000)];
        for unit in [Unit::Word, Unit::Character, Unit::Subword] {
            for language in [Language::Auto, Language::English, Language::Chinese, Language::Other] {
                let reader =
                    fitted(TextConfig { unit, language, pos: true, ..Default::default() }, "a red cat").unwrap();
                for text in texts {
                    let item = reader.read(&Raw::Text(text.into())).unwrap();
                    assert!((1..=64).contains(&item.time()), "{unit:?}");
                }
            }
        }
        assert!(fitted(TextConfig::default(), "a").unwrap().read(&Raw::Bytes([0xff].as_slice().into())).is_err());
    }

    #[test]
    fn word_dropout_keeps_parts_of_speech() {
        let augment = WordAugment { word_dropout: 0.5 };
        let reader = fitted(TextConfig { augment, pos: true, ..Default::default() }, "a red cat").unwrap();
        let mut random = crate::random::random(0, 0, 0, crate::random::Purpose::Augment);
        let item = Item::Tagged { ids: vec![2; 100], tags: vec![3; 100] };
        let Some(Item::Tagged { ids, tags }) = reader.augment(&item, &mut random) else { panic!() };
        assert!(ids.contains(&UNKNOWN) && ids.contains(&2) && tags == [3; 100]);
    }
}
