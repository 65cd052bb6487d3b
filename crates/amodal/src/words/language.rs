//! Which language a text is taken for.
use crate::{Error, suggest};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::str::FromStr;

/// Letters that are looked at to tell a language.
const LETTERS: usize = 1000;

/// The language of a text: how it is cut into words, and which tagger names their parts of speech.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Language {
    /// By the script of the letters: see [`Language::of`].
    #[default]
    Auto,
    /// Words by the Unicode rules; the English tagger.
    English,
    /// Runs of Chinese characters by jieba, the rest by the Unicode rules; the Chinese tagger, and the English one for what
    /// is not Chinese.
    Chinese,
    /// Words by the Unicode rules, with their dictionaries for Chinese, Japanese, Thai, …; no tagger.
    Other,
}

impl Language {
    /// Their names in a config and on the command line.
    pub const NAMES: [&str; 4] = ["auto", "english", "chinese", "other"];

    /// The language that a text is taken for, by the script of its first 1000 letters: Chinese where it has Chinese
    /// characters and no Japanese kana or Korean letters; English where most letters are Latin, which other languages with
    /// Latin letters are taken for as well; else other. A language that is not `auto` stays.
    pub fn of(self, text: &str) -> Self {
        if self != Self::Auto {
            return self;
        }
        let (mut latin, mut letters, mut chinese) = (0, 0, false);
        for letter in text.chars().filter(|letter| letter.is_alphabetic()).take(LETTERS) {
            match u32::from(letter) {
                0x3040..=0x30ff | 0x31f0..=0x31ff | 0xff66..=0xff9f | 0x1100..=0x11ff | 0xac00..=0xd7ff => {
                    return Self::Other;
                }
                ..=0x24f | 0x1e00..=0x1eff => latin += 1,
                _ => chinese |= is_chinese(letter),
            }
            letters += 1;
        }
        match chinese {
            true => Self::Chinese,
            false if letters > 0 && 2 * latin >= letters => Self::English,
            false => Self::Other,
        }
    }
}

impl FromStr for Language {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self, Error> {
        match name {
            "auto" => Ok(Self::Auto),
            "english" => Ok(Self::English),
            "chinese" => Ok(Self::Chinese),
            "other" => Ok(Self::Other),
            _ => {
                let problem = format!("no language `{name}`; here are: {}", Self::NAMES.join(", "));
                let near = suggest(name, Self::NAMES).map(|near| format!("did you mean `{near}`?"));
                Err(Error::config("language", problem).with_help(near.unwrap_or_default()))
            }
        }
    }
}

/// Whether it is a Chinese character: an ideograph, or a sign that repeats one or stands for zero.
pub fn is_chinese(letter: char) -> bool {
    matches!(u32::from(letter), 0x3005 | 0x3007 | 0x3400..=0x4dbf | 0x4e00..=0x9fff | 0xf900..=0xfaff | 0x2_0000..=0x3_ffff)
}

/// Whether words that end or begin with this letter stand without a blank: Chinese, Japanese, Thai, Lao, Khmer, Burmese.
pub fn joins(letter: char) -> bool {
    matches!(u32::from(letter), 0x0e00..=0x0eff | 0x1000..=0x109f | 0x1780..=0x17ff | 0x3040..=0x30ff | 0x3400..=0x9fff
        | 0x2_0000..=0x3_ffff)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_language_is_told_by_its_letters() {
        for (text, language) in [
            ("A red cat!", Language::English),
            ("Un été à Nîmes", Language::English),
            ("一只小猫", Language::Chinese),
            ("一只 cat", Language::Chinese),
            ("猫が好きです", Language::Other),
            ("красный кот", Language::Other),
            ("แมวสีแดง", Language::Other),
            ("🐱 12 !", Language::Other),
            ("", Language::Other),
        ] {
            assert_eq!(Language::Auto.of(text), language, "{text}");
        }
        assert_eq!(Language::Other.of("A red cat"), Language::Other);
    }

    #[test]
    fn languages_have_names() {
        for name in Language::NAMES {
            let language: Language = name.parse().unwrap();
            assert_eq!(serde_json::to_value(language).unwrap(), name);
        }
        let error = "chinse".parse::<Language>().unwrap_err();
        assert_eq!(error.help(), Some("did you mean `chinese`?"));
    }
}
