//! What the decoding library does not check in sound files: that they are whole, and that lengths inside them fit (it
//! allocates gigabytes for a comment that says it is that long).
use crate::{Error, Result};

/// What follows an ID3v2 tag, which may stand before MP3 and FLAC.
pub(super) fn behind_id3(bytes: &[u8]) -> &[u8] {
    match bytes {
        [b'I', b'D', b'3', _, _, _, a, b, c, d, ..] => {
            let length = [a, b, c, d].iter().fold(0, |sum, &&byte| sum << 7 | usize::from(byte & 0x7f));
            bytes.get(10 + length..).unwrap_or_default()
        }
        _ => bytes,
    }
}

/// Whether the first MP3 frame states how many follow.
pub(super) fn has_info(bytes: &[u8]) -> bool {
    let head = &bytes[..bytes.len().min(64)];
    head.windows(4).any(|tag| matches!(tag, b"Xing" | b"Info" | b"VBRI"))
}

/// Whether another MP3 frame starts behind the last whole one.
pub(super) fn ends_inside_frame(bytes: &[u8], last: &[u8]) -> bool {
    let Some(start) = bytes.windows(last.len().max(1)).rposition(|window| window == last) else { return true };
    let tail = &bytes[start + last.len()..];
    tail.first() == Some(&0xff) && tail.iter().zip(last).take(2).all(|(one, other)| one == other)
}

/// The FLAC stream with its first metadata block alone: what the samples need.
pub(super) fn bare_flac(bytes: &[u8]) -> Result<Vec<u8>> {
    let mut bare = Vec::with_capacity(bytes.len());
    let mut rest = bytes.get(4..).unwrap_or_default();
    loop {
        let [kind, l0, l1, l2] = *rest.first_chunk().ok_or_else(|| Error::data("", "truncated FLAC: no samples"))?;
        let length = 4 + u32::from_be_bytes([0, l0, l1, l2]) as usize;
        let block = rest.get(..length).ok_or_else(|| Error::data("", "truncated FLAC: the file ends in its header"))?;
        if bare.is_empty() {
            if kind & 0x7f != 0 {
                return Err(Error::data("", "damaged FLAC: the first block does not describe the stream"));
            }
            bare.extend(b"fLaC\x80"); // the last block, of kind 0
            bare.extend(&block[1..]);
        }
        rest = &rest[length..];
        if kind & 0x80 != 0 {
            bare.extend(rest);
            return Ok(bare);
        }
    }
}

/// An error unless the last Ogg page is whole and says that it is the last, and the comments fit into their pages.
pub(super) fn check_ogg(bytes: &[u8]) -> Result<()> {
    let truncated = |what: &str| Err(Error::data("", format!("truncated Ogg: {what}")));
    let Some(start) = bytes.windows(4).rposition(|window| window == b"OggS") else {
        return truncated("no page");
    };
    match page_of(&bytes[start..]) {
        None => return truncated("the last page is not whole"),
        Some(_) if bytes[start + 5] & 4 == 0 => return truncated("no page is marked as the last"),
        Some(_) => {}
    }
    // The first page holds the first header alone; the comments begin with the second.
    let (mut rest, mut body) = (bytes, Vec::new());
    let mut first = true;
    while let Some((head, length)) = page_of(rest) {
        if !first {
            body.extend(&rest[head..length]);
        }
        (first, rest) = (false, &rest[length..]);
    }
    match body.strip_prefix(b"\x03vorbis") {
        Some(comments) if !comments_fit(comments) => {
            Err(Error::data("", "damaged Ogg: a comment is longer than the file"))
        }
        _ => Ok(()),
    }
}

/// Length of the head and of the whole Ogg page at the start, if it is whole.
fn page_of(bytes: &[u8]) -> Option<(usize, usize)> {
    let head = 27 + usize::from(*bytes.get(26).filter(|_| bytes.starts_with(b"OggS"))?);
    let length = head + bytes.get(27..head)?.iter().map(|&length| usize::from(length)).sum::<usize>();
    (length <= bytes.len()).then_some((head, length))
}

fn comments_fit(bytes: &[u8]) -> bool {
    let number = |bytes: &[u8]| bytes.first_chunk().map(|bytes| u32::from_le_bytes(*bytes) as usize);
    let behind = |bytes: &'_ [u8]| number(bytes).and_then(|length| bytes.len().checked_sub(length.checked_add(4)?));
    let Some(left) = behind(bytes) else { return false };
    let mut rest = &bytes[bytes.len() - left..];
    let Some(count) = number(rest) else { return false };
    rest = &rest[4..];
    for _ in 0..count {
        let Some(left) = behind(rest) else { return false };
        rest = &rest[rest.len() - left..];
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    const FLAC: &[u8] = include_bytes!("../../tests/fixtures/sine.flac");
    const OGG: &[u8] = include_bytes!("../../tests/fixtures/sine.ogg");

    #[test]
    fn flac_keeps_its_stream_and_loses_its_tags() {
        let bare = bare_flac(FLAC).unwrap();
        assert_eq!(bare[..8], *b"fLaC\x80\0\0\x22");
        assert_eq!(bare[8..42], FLAC[8..42]);
        assert_eq!(bare[42..44], [0xff, 0xf8]);
        assert!(FLAC.ends_with(&bare[42..]) && bare.len() < FLAC.len());
        assert!(bare_flac(&FLAC[..60]).is_err());
    }

    #[test]
    fn a_comment_longer_than_the_file_is_refused() {
        check_ogg(OGG).unwrap();
        let at = OGG.windows(7).position(|word| word == b"\x03vorbis").unwrap() + 7;
        let vendor = u32::from_le_bytes(OGG[at..at + 4].try_into().unwrap()) as usize;
        for place in [at, at + 4 + vendor, at + 8 + vendor] {
            let mut wrong = OGG.to_vec();
            wrong[place + 3] = 0xff;
            assert_eq!(check_ogg(&wrong).unwrap_err().to_string(), ": damaged Ogg: a comment is longer than the file");
        }
        let mut open = OGG.to_vec();
        let last = OGG.windows(4).rposition(|word| word == b"OggS").unwrap();
        open[last + 5] = 0;
        assert_eq!(check_ogg(&open).unwrap_err().to_string(), ": truncated Ogg: no page is marked as the last");
    }
}
