//! Vectors of parts of words: n-grams of letters in buckets, as fastText has them.
use super::vocabulary::Vocabulary;

/// The rows of each word: its own, and those of its n-grams.
#[derive(Clone, Debug)]
pub(crate) struct Subwords {
    rows: Vec<u32>,
    starts: Vec<usize>,
}

impl Subwords {
    pub(crate) fn new(vocabulary: &Vocabulary, ngrams: [usize; 2], buckets: usize) -> Self {
        let (mut rows, mut starts) = (Vec::new(), vec![0]);
        for (id, word) in vocabulary.words().iter().enumerate() {
            rows.push(id as u32);
            rows.extend(buckets_of(word, ngrams, buckets).map(|bucket| (vocabulary.len() + bucket) as u32));
            starts.push(rows.len());
        }
        Self { rows, starts }
    }

    /// The rows of a word.
    #[inline(always)]
    pub(crate) fn of(&self, id: u32) -> &[u32] {
        &self.rows[self.starts[id as usize]..self.starts[id as usize + 1]]
    }
}

/// The buckets of a word's n-grams: those of `<word>` of a length between `shortest` and `longest` letters, but for `<` and `>`
/// alone.
pub(crate) fn buckets_of(
    word: &str,
    [shortest, longest]: [usize; 2],
    buckets: usize,
) -> impl Iterator<Item = usize> + use<> {
    let word = format!("<{word}>");
    let places: Vec<usize> = word.char_indices().map(|(place, _)| place).chain([word.len()]).collect();
    let letters = places.len() - 1;
    let mut found = Vec::new();
    for first in 0..letters {
        for last in (first + shortest)..=letters.min(first + longest) {
            if last - first > 1 || (first > 0 && last < letters) {
                found.push(hash(&word.as_bytes()[places[first]..places[last]]) as usize % buckets);
            }
        }
    }
    found.into_iter()
}

/// FNV-1a over signed bytes, as fastText has it.
fn hash(bytes: &[u8]) -> u32 {
    bytes.iter().fold(2_166_136_261, |hash, byte| (hash ^ (*byte as i8) as u32).wrapping_mul(16_777_619))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ngrams_are_those_of_fasttext() {
        // fasttext.util: ft_ngram_hashes("où", 3, 6, 1000) and a plain FNV-1a of the same parts
        let found: Vec<usize> = buckets_of("ab", [1, 3], 1 << 30).collect();
        let parts = ["<a", "<ab", "a", "ab", "ab>", "b", "b>"];
        let expected: Vec<usize> = parts.iter().map(|part| hash(part.as_bytes()) as usize % (1 << 30)).collect();
        assert_eq!(found, expected);
        assert_eq!(hash(b"a"), 0xe40c_292c);
        assert_eq!(buckets_of("é", [3, 6], 100).count(), 1);
    }
}
