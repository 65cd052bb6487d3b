use super::*;

const WEBP: &[u8] = include_bytes!("../../tests/fixtures/rising.webp");
const APNG: &[u8] = include_bytes!("../../tests/fixtures/rising.apng");
const GIF: &[u8] = include_bytes!("../../tests/fixtures/rising.gif");
/// With frames that are coded in another order than shown, and two that need no other.
const MP4: &[u8] = include_bytes!("../../tests/fixtures/rising.mp4");
const STILL: &[u8] = include_bytes!("../../tests/fixtures/quarters_lossy.webp");

/// Eight frames, a tenth of a second each, grey of 30 times their number.
fn clips() -> [(&'static str, &'static [u8]); 4] {
    [("WebP", WEBP), ("APNG", APNG), ("GIF", GIF), ("MP4", MP4)]
}

fn read(bytes: &[u8], count: usize) -> Result<Clip> {
    let mut limits = ClipLimits::default();
    limits.picture.max_pixels = 100_000;
    decode(bytes, count, &limits, None, |picture| picture)
}

fn problem(bytes: &[u8]) -> String {
    read(bytes, 8).unwrap_err().to_string()
}

/// The grey of each frame, in steps of 30.
#[track_caller]
fn greys(clip: &Clip) -> Vec<usize> {
    let grey = |frame: &Frame| {
        let mean = frame.picture.pixels.iter().map(|value| usize::from(*value)).sum::<usize>() as f64
            / frame.picture.pixels.len() as f64;
        assert!((mean / 30.0 - (mean / 30.0).round()).abs() < 0.15, "grey {mean}");
        (mean / 30.0).round() as usize
    };
    clip.frames.iter().map(grey).collect()
}

#[test]
fn every_format_gives_its_frames_in_the_order_of_time() {
    for (name, bytes) in clips() {
        let clip = read(bytes, 100).unwrap();
        assert_eq!((clip.count, greys(&clip)), (8, (0..8).collect()), "{name}");
        assert!((clip.seconds - 0.8).abs() < 1e-6, "{name}: {} s", clip.seconds);
        for (at, frame) in clip.frames.iter().enumerate() {
            assert!((frame.seconds - 0.1 * at as f64).abs() < 1e-6, "{name}: {} s", frame.seconds);
        }
        // quarters of the time, the middle of each: 0.1, 0.3, 0.5 and 0.7 seconds
        let few = read(bytes, 4).unwrap();
        assert_eq!(greys(&few), [1, 3, 5, 7], "{name}");
        assert_eq!(few.frames[2], clip.frames[5], "{name}");
        assert_eq!(greys(&read(bytes, 1).unwrap()), [4], "{name}");
    }
}

#[test]
fn frames_that_are_shown_longer_are_taken_more_often() {
    let timeline = Timeline::of([0.1, 0.1, 0.7, 0.1]);
    assert_eq!(timeline.pick(3), [1, 2, 2]);
    assert_eq!(Timeline::of([0.5, 0.1, 0.1, 0.1, 0.2]).pick(4), [0, 0, 2, 4]);
    assert_eq!(timeline.pick(4), [0, 1, 2, 3], "each once where there are no more");
    assert_eq!(Timeline::of([0.0; 9]).pick(2), [8, 8], "no time at all");
}

#[test]
fn a_still_is_a_clip_of_one_frame_and_pictures_in_a_row_are_a_clip() {
    let still = read(STILL, 8).unwrap();
    assert_eq!((still.count, still.frames.len(), still.frames[0].picture.height), (1, 1, 16));
    let row = row(&[STILL.to_vec(), GIF.to_vec(), STILL.to_vec()]);
    let clip = read(&row, 8).unwrap();
    assert_eq!((clip.count, clip.seconds), (3, 0.12));
    assert_eq!(clip.frames[2].picture, still.frames[0].picture);
    assert_eq!(problem(ROW), ": no frames");
    assert_eq!(problem(&row[..row.len() - 1]), ": truncated row of pictures: it ends in picture 3");
    let error = read(&super::row(&[STILL.to_vec(), b"x".to_vec()]), 8).unwrap_err();
    assert_eq!(error.to_string(), "picture 2: not a picture: starts with \"x\"");
}

#[test]
fn what_is_not_read_is_named_with_a_way_out() {
    for (bytes, name) in [
        (&b"\x1a\x45\xdf\xa3\x01\0\0\0\0\0\0\x1f\x42\x86\x81\x01webm"[..], "WebM"),
        (b"\x1a\x45\xdf\xa3matroska", "Matroska (MKV)"),
        (b"RIFF\0\0\0\0AVI LIST", "AVI"),
    ] {
        let error = read(bytes, 8).unwrap_err();
        assert_eq!(error.to_string(), format!(": {name} is not read"));
        assert!(error.help().unwrap().contains("ffmpeg -i"), "{:?}", error.help());
    }
    assert_eq!(problem(b""), ": empty file");
    assert_eq!(problem(b"hello, world, and more"), ": not a clip: starts with \"hello, world\"");
    let at = MP4.windows(4).position(|word| word == b"avc1").unwrap();
    let at = at + 4 + MP4[at + 4..].windows(4).position(|word| word == b"avc1").unwrap();
    let mut other = MP4.to_vec();
    other[at..at + 4].copy_from_slice(b"hvc1");
    assert_eq!(problem(&other), ": MP4 with `hvc1` (H.265) is not read");
}

#[test]
fn limits_are_kept() {
    for (name, bytes) in clips() {
        let refused = |limits: ClipLimits| decode(bytes, 8, &limits, None, |picture| picture).unwrap_err().to_string();
        let few = ClipLimits { max_frames: 7, ..ClipLimits::default() };
        assert_eq!(refused(few), ": 8 frames, more than the limit of 7", "{name}");
        let short = ClipLimits { max_seconds: 0.5, ..ClipLimits::default() };
        assert_eq!(refused(short), ": 0.8 seconds, more than the limit of 0.5", "{name}");
        let mut small = ClipLimits::default();
        small.picture.max_pixels = 100;
        assert!(refused(small).contains("megapixels, more than the limit of 0"), "{name}");
        let mut light = ClipLimits::default();
        light.picture.max_bytes = 100;
        assert!(refused(light).contains("more than the limit of 0.0 MB"), "{name}");
    }
}

#[test]
fn a_file_cut_anywhere_is_an_error_or_the_whole_clip() {
    for (name, bytes) in clips() {
        let whole = read(bytes, 8).unwrap();
        for end in 0..bytes.len() {
            if let Ok(got) = read(&bytes[..end], 8) {
                assert!(got == whole, "{name} cut at {end} of {}", bytes.len());
                assert!(end + 20 > bytes.len(), "{name} cut at {end} of {}", bytes.len());
            }
        }
    }
}

#[test]
fn any_byte_may_be_wrong_without_a_panic() {
    for (_, bytes) in clips() {
        for at in 0..bytes.len() {
            for value in [0, 1, 0x7f, 0xff, !bytes[at]] {
                let mut wrong = bytes.to_vec();
                wrong[at] = value;
                let _ = read(&wrong, 8);
            }
        }
    }
}
