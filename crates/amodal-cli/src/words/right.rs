//! Files of right answers: a line a word, a blank line behind each sentence.
use super::lines;
use amodal::Result;
use std::path::Path;

/// Reads each word by `word` and hands on each sentence that has one.
pub(super) fn sentences<T>(path: &Path, word: impl Fn(&str) -> Result<T>, mut each: impl FnMut(Vec<T>)) -> Result<()> {
    let mut sentence = Vec::new();
    for line in lines(path)? {
        let line = line?;
        if !line.text.is_empty() {
            let at = || format!("{}:{}", path.display(), line.number);
            sentence.push(word(&line.text).map_err(|error| error.within(&at()))?);
        } else if !sentence.is_empty() {
            each(std::mem::take(&mut sentence));
        }
    }
    if !sentence.is_empty() {
        each(sentence);
    }
    Ok(())
}
