//! Parts of speech: the tags of Universal Dependencies, by a tagger for English and one for Chinese.
use super::{
    language::{Language, is_chinese},
    segment::{Word, jieba},
};
use crate::{Error, suggest};
use harper_brill::{BrillTagger, FreqDict, Tagger as _, UPOS, brill_tagger};
use std::{fmt, str::FromStr};

/// A part of speech of Universal Dependencies (de Marneffe et al. 2021, doi:10.1162/coli_a_00402).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Tag {
    /// Adjective.
    Adj,
    /// Preposition or postposition.
    Adp,
    /// Adverb.
    Adv,
    /// Auxiliary verb.
    Aux,
    /// Coordinating conjunction.
    Cconj,
    /// Determiner.
    Det,
    /// Interjection.
    Intj,
    /// Noun.
    Noun,
    /// Numeral.
    Num,
    /// Particle.
    Part,
    /// Pronoun.
    Pron,
    /// Proper noun.
    Propn,
    /// Punctuation.
    Punct,
    /// Subordinating conjunction.
    Sconj,
    /// Symbol.
    Sym,
    /// Verb.
    Verb,
    /// What is none of them, or is not known.
    X,
}

impl Tag {
    /// Every tag, in the order of their names.
    pub const ALL: [Self; 17] = [
        Self::Adj,
        Self::Adp,
        Self::Adv,
        Self::Aux,
        Self::Cconj,
        Self::Det,
        Self::Intj,
        Self::Noun,
        Self::Num,
        Self::Part,
        Self::Pron,
        Self::Propn,
        Self::Punct,
        Self::Sconj,
        Self::Sym,
        Self::Verb,
        Self::X,
    ];
    /// Ids of tags: 0 is padding.
    pub const IDS: usize = Self::ALL.len() + 1;

    /// Its name in Universal Dependencies.
    pub fn name(self) -> &'static str {
        match self {
            Self::Adj => "ADJ",
            Self::Adp => "ADP",
            Self::Adv => "ADV",
            Self::Aux => "AUX",
            Self::Cconj => "CCONJ",
            Self::Det => "DET",
            Self::Intj => "INTJ",
            Self::Noun => "NOUN",
            Self::Num => "NUM",
            Self::Part => "PART",
            Self::Pron => "PRON",
            Self::Propn => "PROPN",
            Self::Punct => "PUNCT",
            Self::Sconj => "SCONJ",
            Self::Sym => "SYM",
            Self::Verb => "VERB",
            Self::X => "X",
        }
    }

    /// Its id, from 1 on.
    pub fn id(self) -> u32 {
        self as u32 + 1
    }

    /// The tag that a word has by its characters alone: marks, symbols and numbers.
    fn of_shape(word: &str) -> Option<Self> {
        if word.chars().all(is_mark) {
            return Some(Self::Punct);
        }
        if !word.chars().any(char::is_alphanumeric) {
            return Some(Self::Sym);
        }
        let is_number =
            word.starts_with(char::is_numeric) && word.chars().all(|c| c.is_numeric() || ".,:/-".contains(c));
        is_number.then_some(Self::Num)
    }

    /// The tag of an English word that is not in the dictionary: by its first letter and its ending.
    fn of_unknown(word: &str, is_first: bool) -> Self {
        const ENDINGS: [(&str, Tag); 13] = [
            ("ly", Tag::Adv),
            ("ing", Tag::Verb),
            ("ed", Tag::Verb),
            ("ise", Tag::Verb),
            ("ize", Tag::Verb),
            ("ous", Tag::Adj),
            ("ful", Tag::Adj),
            ("ive", Tag::Adj),
            ("able", Tag::Adj),
            ("ible", Tag::Adj),
            ("less", Tag::Adj),
            ("ish", Tag::Adj),
            ("ical", Tag::Adj),
        ];
        if !is_first && word.starts_with(char::is_uppercase) {
            return Self::Propn;
        }
        let ending = ENDINGS.iter().find(|(ending, _)| word.len() > ending.len() + 2 && word.ends_with(ending));
        ending.map_or(Self::Noun, |(_, tag)| *tag)
    }
}

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Tag {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self, Error> {
        Self::ALL.into_iter().find(|tag| tag.name() == name).ok_or_else(|| {
            let near = suggest(name, Self::ALL.map(Self::name)).map(|near| format!("did you mean `{near}`?"));
            Error::data("", format!("no part of speech `{name}`")).with_help(near.unwrap_or_default())
        })
    }
}

impl From<UPOS> for Tag {
    fn from(tag: UPOS) -> Self {
        match tag {
            UPOS::ADJ => Self::Adj,
            UPOS::ADP => Self::Adp,
            UPOS::ADV => Self::Adv,
            UPOS::AUX => Self::Aux,
            UPOS::CCONJ => Self::Cconj,
            UPOS::DET => Self::Det,
            UPOS::INTJ => Self::Intj,
            UPOS::NOUN => Self::Noun,
            UPOS::NUM => Self::Num,
            UPOS::PART => Self::Part,
            UPOS::PRON => Self::Pron,
            UPOS::PROPN => Self::Propn,
            UPOS::PUNCT => Self::Punct,
            UPOS::SCONJ => Self::Sconj,
            UPOS::SYM => Self::Sym,
            UPOS::VERB => Self::Verb,
        }
    }
}

/// A mark of punctuation, of any script.
fn is_mark(letter: char) -> bool {
    match letter {
        '$' | '%' | '&' | '+' | '<' | '=' | '>' | '@' | '^' | '`' | '|' | '~' | '#' => false,
        _ => {
            letter.is_ascii_punctuation()
                || matches!(u32::from(letter), 0xa1 | 0xa7 | 0xab | 0xb6 | 0xb7 | 0xbb | 0xbf | 0x5be | 0x60c | 0x61b | 0x61f
                    | 0x964 | 0x2010..=0x2027 | 0x2030..=0x205e | 0x3001..=0x3003 | 0x3008..=0x3011 | 0x3014..=0x301f
                    | 0x30fb | 0xfe10..=0xfe19 | 0xfe30..=0xfe4f | 0xff01 | 0xff02 | 0xff07..=0xff0a | 0xff0c..=0xff0f
                    | 0xff1a | 0xff1b | 0xff1f | 0xff3b..=0xff3d | 0xff5b | 0xff5d | 0xff5f..=0xff65)
        }
    }
}

/// Names the parts of speech of words in a row.
pub trait Tagger {
    /// The tag of each word.
    fn tag(&self, words: &[&str]) -> Vec<Tag>;
}

/// English: the tagger of Brill 1992 (ACL A92-1021) as `harper-brill` ships it, the most frequent tag of each word changed by rules
/// about its neighbours. A contraction is tagged as its first part, as the tagger was trained; a word that it does not know by its
/// shape, first letter and ending.
#[derive(Clone, Copy, Debug, Default)]
pub struct English;

impl Tagger for English {
    fn tag(&self, words: &[&str]) -> Vec<Tag> {
        let tagger: &BrillTagger<FreqDict> = &brill_tagger();
        let is_end = |word: &&str| matches!(*word, "." | "!" | "?" | "…" | "。" | "！" | "？");
        let mut tags = Vec::with_capacity(words.len());
        for sentence in words.split_inclusive(is_end) {
            let stems: Vec<String> = sentence.iter().map(|word| stem(word)).collect();
            let known = tagger.tag_sentence(&stems);
            let first = sentence.iter().position(|word| word.chars().any(char::is_alphabetic));
            tags.extend(stems.iter().zip(known).enumerate().map(|(at, (word, known))| {
                let shape = Tag::of_shape(word);
                known.map(Tag::from).or(shape).unwrap_or_else(|| Tag::of_unknown(word, first == Some(at)))
            }));
        }
        tags
    }
}

/// The first part of a contraction: `do` of `don't`, `it` of `it’s`; any other word as it is.
fn stem(word: &str) -> String {
    let word = word.replace('’', "'");
    let negated = word.strip_suffix("n't").or_else(|| word.strip_suffix("N'T"));
    let stem = negated.or_else(|| word.split_once('\'').map(|(stem, _)| stem));
    stem.filter(|stem| !stem.is_empty()).unwrap_or(&word).to_string()
}

/// Chinese: the tags of jieba's dictionary, and of its hidden Markov model for words that are not in it, as Universal
/// Dependencies names them; a word that is not Chinese by [`English`]. A word is tagged without its neighbours.
#[derive(Clone, Copy, Debug, Default)]
pub struct Chinese;

/// What Universal Dependencies calls the tags of jieba, which are those of ICTCLAS; the longest that a tag begins with counts.
const ICTCLAS: [(&str, Tag); 43] = [
    ("a", Tag::Adj),
    ("ad", Tag::Adv),
    ("an", Tag::Noun),
    ("b", Tag::Adj),
    ("c", Tag::Cconj),
    ("d", Tag::Adv),
    ("e", Tag::Intj),
    ("eng", Tag::X),
    ("f", Tag::Adp),
    ("g", Tag::Noun),
    ("h", Tag::Part),
    ("i", Tag::Verb),
    ("in", Tag::Noun),
    ("j", Tag::Propn),
    ("k", Tag::Part),
    ("l", Tag::Noun),
    ("m", Tag::Num),
    ("n", Tag::Noun),
    ("nr", Tag::Propn),
    ("ns", Tag::Propn),
    ("nt", Tag::Propn),
    ("nz", Tag::Propn),
    ("o", Tag::Intj),
    ("p", Tag::Adp),
    ("q", Tag::Noun),
    ("r", Tag::Pron),
    ("s", Tag::Noun),
    ("t", Tag::Noun),
    ("u", Tag::Part),
    ("ug", Tag::Aux),
    ("ul", Tag::Aux),
    ("uz", Tag::Aux),
    ("v", Tag::Verb),
    ("vd", Tag::Adv),
    ("vg", Tag::Verb),
    ("vi", Tag::Verb),
    ("vn", Tag::Noun),
    ("vq", Tag::Verb),
    ("w", Tag::Punct),
    ("x", Tag::X),
    ("y", Tag::Part),
    ("z", Tag::Adj),
    ("zg", Tag::Adv),
];

/// Words of closed classes that ICTCLAS counts among larger ones: auxiliaries among verbs, determiners among pronouns, and
/// conjunctions of both kinds together.
const CLOSED: [(&str, Tag); 38] = [
    ("是", Tag::Aux),
    ("会", Tag::Aux),
    ("能", Tag::Aux),
    ("能够", Tag::Aux),
    ("可", Tag::Aux),
    ("可以", Tag::Aux),
    ("可能", Tag::Aux),
    ("要", Tag::Aux),
    ("应", Tag::Aux),
    ("应该", Tag::Aux),
    ("应当", Tag::Aux),
    ("必须", Tag::Aux),
    ("需要", Tag::Aux),
    ("愿意", Tag::Aux),
    ("想", Tag::Aux),
    ("了", Tag::Aux),
    ("着", Tag::Aux),
    ("过", Tag::Aux),
    ("这", Tag::Det),
    ("那", Tag::Det),
    ("该", Tag::Det),
    ("此", Tag::Det),
    ("每", Tag::Det),
    ("各", Tag::Det),
    ("某", Tag::Det),
    ("另", Tag::Det),
    ("其他", Tag::Det),
    ("任何", Tag::Det),
    ("所有", Tag::Det),
    ("这些", Tag::Det),
    ("那些", Tag::Det),
    ("因为", Tag::Sconj),
    ("由于", Tag::Sconj),
    ("如果", Tag::Sconj),
    ("虽然", Tag::Sconj),
    ("只要", Tag::Sconj),
    ("只有", Tag::Sconj),
    ("不", Tag::Adv),
];

impl Chinese {
    fn tag_one(word: &str) -> Tag {
        if let Some((_, tag)) = CLOSED.iter().find(|(closed, _)| *closed == word) {
            return *tag;
        }
        // a word that jieba cuts further is what its last part is
        let found = jieba().tag(word, true);
        let name = found.iter().rev().find(|part| part.word.starts_with(is_chinese)).map_or("x", |part| part.tag);
        let known = ICTCLAS.iter().filter(|(prefix, _)| name.starts_with(prefix));
        known.max_by_key(|(prefix, _)| prefix.len()).map_or(Tag::X, |(_, tag)| *tag)
    }
}

impl Tagger for Chinese {
    fn tag(&self, words: &[&str]) -> Vec<Tag> {
        let tag = |(word, other): (&&str, Tag)| if word.contains(is_chinese) { Self::tag_one(word) } else { other };
        words.iter().zip(English.tag(words)).map(tag).collect()
    }
}

/// Any other language: marks, symbols and numbers by their characters; words are not known.
#[derive(Clone, Copy, Debug, Default)]
pub struct Untagged;

impl Tagger for Untagged {
    fn tag(&self, words: &[&str]) -> Vec<Tag> {
        words.iter().map(|word| Tag::of_shape(word).unwrap_or(Tag::X)).collect()
    }
}

/// The tagger of a language; of `auto`, that of what a text of these words is taken for.
pub fn tagger(language: Language, text: &str) -> &'static dyn Tagger {
    match language.of(text) {
        Language::English => &English,
        Language::Chinese => &Chinese,
        Language::Auto | Language::Other => &Untagged,
    }
}

/// The tags of the words that a text was cut into.
pub fn tag(text: &str, words: &[Word], language: Language) -> Vec<Tag> {
    let words: Vec<&str> = words.iter().map(|word| word.text).collect();
    tagger(language, text).tag(&words)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::words::segment;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    fn tagged(text: &str, language: Language) -> String {
        let words = segment(text, language, usize::MAX);
        let tags = tag(text, &words, language);
        assert_eq!(tags.len(), words.len());
        let pairs = words.iter().zip(tags).map(|(word, tag)| format!("{}/{tag}", word.text));
        pairs.collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn tags_have_names_and_ids() {
        for (at, tag) in Tag::ALL.into_iter().enumerate() {
            assert_eq!(tag.name().parse::<Tag>().unwrap(), tag);
            assert_eq!(tag.id() as usize, at + 1);
        }
        assert!(Tag::ALL.is_sorted_by_key(|tag| tag.name()));
        assert_eq!("NOUNN".parse::<Tag>().unwrap_err().help(), Some("did you mean `NOUN`?"));
        for table in [&ICTCLAS[..], &CLOSED[..]] {
            let names: BTreeSet<&str> = table.iter().map(|(name, _)| *name).collect();
            assert_eq!(names.len(), table.len());
        }
    }

    #[test]
    fn english() {
        let text = "The red cat doesn't sleep on Zorblax's bed, it quickly eats 12 fish.";
        assert_eq!(
            tagged(text, Language::Auto),
            "The/DET red/ADJ cat/NOUN doesn't/AUX sleep/VERB on/ADP Zorblax's/PROPN bed/NOUN ,/PUNCT it/PRON quickly/ADV \
             eats/VERB 12/NUM fish/NOUN ./PUNCT"
        );
        assert_eq!(
            tagged("frobnicating blorply glorpous Wug", Language::English),
            "frobnicating/VERB blorply/ADV glorpous/ADJ Wug/PROPN"
        );
        assert_eq!(tagged("“😀” € …", Language::English), "“/PUNCT 😀/SYM ”/PUNCT €/SYM …/PUNCT");
    }

    #[test]
    fn chinese() {
        assert_eq!(
            tagged("我在北京看见三只红色的小猫。", Language::Auto),
            "我/PRON 在/ADP 北京/PROPN 看见/VERB 三只/NUM 红色/NOUN 的/PART 小猫/NOUN 。/PUNCT"
        );
        assert_eq!(tagged("这 是一个 red cat 🐱", Language::Auto), "这/DET 是/AUX 一个/NUM red/ADJ cat/NOUN 🐱/SYM");
    }

    #[test]
    fn other_languages_have_no_tagger() {
        assert_eq!(tagged("красный кот, 12", Language::Auto), "красный/X кот/X ,/PUNCT 12/NUM");
        assert_eq!(tagged("", Language::Auto), "");
    }

    #[test]
    fn long_texts() {
        let text = "the cat sleeps and ".repeat(25_000);
        assert_eq!(tag(&text, &segment(&text, Language::Auto, usize::MAX), Language::Auto).len(), 100_000);
    }

    proptest! {
        #[test]
        fn any_text_is_tagged(text in "(\\PC|[一-三]|['’.a-z0-9 ]){0,40}") {
            for language in [Language::Auto, Language::English, Language::Chinese, Language::Other] {
                tagged(&text, language);
            }
        }
    }
}
