//! Text as a sequence of words or characters; id 0 is padding, 1 is a word that training never saw.
use super::{Fit, Read, kind};
use crate::{
    Error, Item, Named, Raw, Result,
    random::{Random, RngExt},
    types::{Build, at_least, within},
};
use burn::module::Module;
use icu_segmenter::{WordSegmenter, options::WordBreakInvariantOptions};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;

/// The id of padding, and of the end of a text that a decoder writes; before the first unit it stands for the beginning.
pub(crate) const END: u32 = 0;
/// The id of a unit that training never saw.
pub(crate) const UNKNOWN: u32 = 1;

/// What one id stands for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// A word by the Unicode rules (UAX 29; a dictionary for Chinese, Japanese, Thai, …), lower case.
    #[default]
    Word,
    /// A character, lower case.
    Character,
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

/// Text, cut into words by the Unicode rules (UAX 29) or into characters.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TextConfig {
    /// What one id stands for: `word` or `character`.
    pub unit: Unit,
    /// Units read of one text; the rest is cut off.
    pub max_time: usize,
    /// How often a unit must occur in the training rows to get an id of its own.
    pub min_count: usize,
    /// Most units that get an id, the most frequent first.
    pub max_vocabulary: usize,
    /// Random changes in training; all off by default.
    pub augment: WordAugment,
    /// The units that have ids, from id 2 on; empty: taken from the training rows.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub vocabulary: Vec<String>,
}

impl Default for TextConfig {
    fn default() -> Self {
        Self {
            unit: Unit::Word,
            max_time: 64,
            min_count: 1,
            max_vocabulary: 50_000,
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
        let ids = self.vocabulary.iter().enumerate().map(|(id, unit)| (unit.clone(), id as u32 + 2)).collect();
        let Self { unit, max_time, augment, vocabulary, .. } = self.clone();
        Ok(Text { unit, max_time, augment, ids, vocabulary })
    }
}

impl Fit for TextConfig {
    fn fit(&mut self, values: &mut dyn Iterator<Item = &Raw>) -> Result<()> {
        if !self.vocabulary.is_empty() {
            return Ok(());
        }
        let mut counts: HashMap<String, usize> = HashMap::new();
        for raw in values {
            for unit in units(self.unit, text(raw)?, self.max_time) {
                *counts.entry(unit).or_default() += 1;
            }
        }
        let mut counts: Vec<_> = counts.into_iter().filter(|(_, count)| *count >= self.min_count).collect();
        counts.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        counts.truncate(self.max_vocabulary);
        self.vocabulary = counts.into_iter().map(|(unit, _)| unit).collect();
        Ok(())
    }
}

/// Whether words that end or begin with this letter stand without a blank: Chinese, Japanese, Thai, Lao, Khmer, Burmese.
pub(crate) fn joins(letter: char) -> bool {
    matches!(u32::from(letter), 0x0e00..=0x0eff | 0x1000..=0x109f | 0x1780..=0x17ff | 0x3040..=0x30ff | 0x3400..=0x9fff
        | 0x2_0000..=0x3_ffff)
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

/// The first `most` units of a text.
pub fn units(unit: Unit, text: String, most: usize) -> Vec<String> {
    match unit {
        Unit::Character => {
            text.to_lowercase().chars().filter(|c| !c.is_control()).take(most).map(String::from).collect()
        }
        Unit::Word => {
            let segmenter = WordSegmenter::new_auto(WordBreakInvariantOptions::default());
            let mut words = Vec::new();
            let mut start = 0;
            for (end, kind) in segmenter.segment_str(&text).iter_with_word_type() {
                if kind.is_word_like() {
                    words.push(text[start..end].to_lowercase());
                }
                start = end;
                if words.len() == most {
                    break;
                }
            }
            words
        }
    }
}

/// Reads [`TextConfig`].
#[derive(Module, Debug)]
pub struct Text {
    #[module(skip)]
    unit: Unit,
    max_time: usize,
    #[module(skip)]
    augment: WordAugment,
    #[module(skip)]
    ids: HashMap<String, u32>,
    /// From id 2 on.
    #[module(skip)]
    vocabulary: Vec<String>,
}

impl Read for Text {
    fn dims(&self) -> Named<usize> {
        let width = self.ids.len() + 2;
        let dims = [("input", width), ("words", width), ("longest", self.max_time)];
        dims.map(|(name, dim)| (name.to_string(), dim)).into()
    }

    fn read(&self, raw: &Raw) -> Result<Item> {
        let units = units(self.unit, text(raw)?, self.max_time);
        let mut ids: Vec<u32> = units.iter().map(|unit| self.ids.get(unit).copied().unwrap_or(UNKNOWN)).collect();
        if ids.is_empty() {
            ids.push(UNKNOWN); // a text without a word is still a text
        }
        Ok(Item::Ids(ids))
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
        let mut text = String::new();
        for id in ids.iter().take_while(|id| **id != END) {
            let unit = id.checked_sub(2).and_then(|id| self.vocabulary.get(id as usize)).map_or("…", String::as_str);
            if self.unit == Unit::Word && !text.ends_with(joins) && !unit.starts_with(joins) && !text.is_empty() {
                text.push(' ');
            }
            text.push_str(unit);
        }
        Ok(Raw::Text(text))
    }

    fn augment(&self, item: &Item, random: &mut Random) -> Option<Item> {
        let (Item::Ids(ids), chance) = (item, self.augment.word_dropout) else { return None };
        let drop = |id: &u32| if random.random::<f64>() < chance { UNKNOWN } else { *id };
        (chance > 0.0).then(|| Item::Ids(ids.iter().map(drop).collect()))
    }

    fn blank(&self) -> Item {
        Item::Ids(vec![0])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_by_the_unicode_rules() {
        let words = |text: &str| units(Unit::Word, text.into(), 100);
        assert_eq!(words("Don't stop, T-Rex!"), ["don't", "stop", "t", "rex"]);
        assert_eq!(words("一只小猫"), ["一只", "小猫"]);
        assert_eq!(units(Unit::Word, "a b c".into(), 2), ["a", "b"]);
        assert_eq!(units(Unit::Character, "Ab".into(), 9), ["a", "b"]);
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
}
