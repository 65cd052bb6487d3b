//! Cutting a text into words.
use super::language::{Language, is_chinese};
use icu_segmenter::{WordSegmenter, options::WordBreakInvariantOptions};
use jieba_rs::Jieba;
use std::sync::OnceLock;

/// A word, or what stands between words: a mark, a symbol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Word<'a> {
    /// As it is written.
    pub text: &'a str,
    /// Its first byte in the text that it was cut from.
    pub start: usize,
    /// Whether it has letters or digits; marks and symbols have not.
    pub is_word: bool,
}

impl Word<'_> {
    /// The byte behind it.
    pub fn end(&self) -> usize {
        self.start + self.text.len()
    }
}

/// The words of a text and the marks between them, without blanks and control characters, up to the `most`th word.
///
/// Words are cut by the Unicode rules (UAX 29; a dictionary for Chinese, Japanese, Thai, …); in Chinese, runs of Chinese
/// characters are cut by jieba's dictionary and its hidden Markov model for words that are not in it.
pub fn segment(text: &str, language: Language, most: usize) -> Vec<Word<'_>> {
    let mut cut = Cut { text, words: Vec::new(), left: most };
    match language.of(text) {
        Language::Chinese => {
            let mut start = 0;
            while start < text.len() && cut.left > 0 {
                let rest = &text[start..];
                let is_run = rest.starts_with(is_chinese);
                let length = rest.find(|letter| is_chinese(letter) != is_run).unwrap_or(rest.len());
                if is_run {
                    cut.chinese(start, start + length)
                } else {
                    cut.unicode(start, start + length)
                }
                start += length;
            }
        }
        _ => cut.unicode(0, text.len()),
    }
    cut.words
}

/// jieba and its dictionary, read when it is first needed.
pub(crate) fn jieba() -> &'static Jieba {
    static JIEBA: OnceLock<Jieba> = OnceLock::new();
    JIEBA.get_or_init(Jieba::new)
}

/// A text being cut.
struct Cut<'a> {
    text: &'a str,
    words: Vec<Word<'a>>,
    left: usize,
}

impl Cut<'_> {
    fn push(&mut self, start: usize, end: usize, is_word: bool) {
        let text = &self.text[start..end];
        if self.left > 0 && !text.chars().all(|letter| letter.is_whitespace() || letter.is_control()) {
            self.left -= usize::from(is_word);
            self.words.push(Word { text, start, is_word });
        }
    }

    /// By the Unicode rules.
    fn unicode(&mut self, start: usize, end: usize) {
        let segmenter = WordSegmenter::new_auto(WordBreakInvariantOptions::default());
        let mut from = start;
        for (to, kind) in segmenter.segment_str(&self.text[start..end]).iter_with_word_type() {
            let to = start + to;
            if to > from {
                self.push(from, to, kind.is_word_like());
            }
            from = to;
            if self.left == 0 {
                break;
            }
        }
    }

    /// By jieba.
    fn chinese(&mut self, start: usize, end: usize) {
        for word in jieba().cut(&self.text[start..end], true) {
            self.push(start + word.byte_start, start + word.byte_end, true);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn words(text: &str, language: Language) -> Vec<&str> {
        segment(text, language, usize::MAX).iter().map(|word| word.text).collect()
    }

    #[test]
    fn words_by_the_unicode_rules() {
        assert_eq!(words("Don't stop, T-Rex!", Language::Auto), ["Don't", "stop", ",", "T", "-", "Rex", "!"]);
        assert_eq!(words("一只小猫", Language::Other), ["一只", "小猫"]);
        assert_eq!(words("a 👩‍👩‍👧 b\u{0}\n", Language::English), ["a", "👩‍👩‍👧", "b"]);
        assert_eq!(words("", Language::Auto), [""; 0]);
        assert_eq!(words(" \t\r\n\u{7}", Language::Chinese), [""; 0]);
    }

    #[test]
    fn chinese_words_are_cut_by_jieba() {
        assert_eq!(words("我来到北京清华大学。", Language::Auto), ["我", "来到", "北京", "清华大学", "。"]);
        assert_eq!(words("一只red小猫, ok", Language::Auto), ["一只", "red", "小猫", ",", "ok"]);
        assert_eq!(words("他来到了网易杭研大厦", Language::Chinese), ["他", "来到", "了", "网易", "杭研", "大厦"]);
    }

    #[test]
    fn so_many_words_and_no_more() {
        assert_eq!(segment("a, b c", Language::Auto, 2).len(), 3);
        assert_eq!(segment("我来到北京", Language::Auto, 2).len(), 2);
        assert_eq!(segment("a b", Language::Auto, 0).len(), 0);
        let long = "word ".repeat(100_000);
        assert_eq!(segment(&long, Language::Auto, usize::MAX).len(), 100_000);
        let long = "小猫".repeat(50_000);
        assert!(segment(&long, Language::Auto, usize::MAX).len() >= 50_000);
    }

    proptest! {
        #[test]
        fn words_stand_in_their_text_in_order(text in "(\\PC|[一-三]|[\\x00-\\x20]){0,60}") {
            for language in [Language::Auto, Language::English, Language::Chinese, Language::Other] {
                let mut end = 0;
                for word in segment(&text, language, usize::MAX) {
                    prop_assert!(word.start >= end && !word.text.is_empty());
                    prop_assert!(text[end..word.start].chars().all(|letter| letter.is_whitespace() || letter.is_control()));
                    prop_assert_eq!(&text[word.start..word.end()], word.text);
                    end = word.end();
                }
            }
        }
    }
}
