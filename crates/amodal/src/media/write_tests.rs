use proptest::prelude::*;

use super::*;
use crate::media::{audio, image, video};

/// Colours that change slowly over the place and with `time`.
fn waves(height: usize, width: usize, time: usize) -> Picture {
    let wave = |at: usize, length: f32| (127.5 + 100.0 * (at as f32 / length).sin()) as u8;
    let mut picture = Picture::filled(height, width, [0; 3]);
    for (at, pixel) in picture.pixels.chunks_exact_mut(3).enumerate() {
        let (row, column) = (at / width, at % width);
        pixel.copy_from_slice(&[wave(row + 3 * time, 9.0), wave(column + time, 7.0), wave(row + column, 11.0)]);
    }
    picture
}

/// Few colours, in blocks.
fn blocks(height: usize, width: usize, time: usize) -> Picture {
    let mut picture = waves(height, width, time);
    picture.pixels.iter_mut().for_each(|value| *value &= 0xc0);
    picture
}

fn read_picture(bytes: &[u8]) -> Picture {
    image::decode(bytes, &image::Limits::default(), 64).unwrap()
}

fn read_clip(bytes: &[u8]) -> Clip {
    video::decode(bytes, 1000, &video::ClipLimits::default(), None, |picture| picture).unwrap()
}

fn read_sound(bytes: &[u8]) -> Sound {
    audio::decode(bytes, &audio::SoundLimits::default()).unwrap()
}

/// Peak signal-to-noise ratio in dB over the size of the first picture.
fn likeness(one: &Picture, other: &Picture) -> f64 {
    let row = |picture: &Picture, row: usize| picture.pixels[row * picture.width * 3..][..one.width * 3].to_vec();
    let apart = |(one, other): (u8, u8)| f64::from(one.abs_diff(other)).powi(2);
    let sum: f64 = (0..one.height).flat_map(|at| row(one, at).into_iter().zip(row(other, at))).map(apart).sum();
    10.0 * (255.0_f64.powi(2) / (sum / one.pixels.len() as f64).max(1e-9)).log10()
}

fn made(count: usize, seconds: f64, frame: impl Fn(usize) -> Picture) -> Clip {
    Clip::even((0..count).map(frame).collect(), seconds)
}

#[test]
fn pictures_come_back() {
    for (height, width) in [(33, 17), (17, 33), (1, 1), (64, 64), (1, 300)] {
        let few = blocks(height, width, 1);
        for format in ["png", "webp", "gif"] {
            assert_eq!(read_picture(&picture(&few, format).unwrap()), few, "{format}");
        }
        let many = waves(height, width, 1);
        for format in ["png", "webp"] {
            assert_eq!(read_picture(&picture(&many, format).unwrap()), many, "{format}");
        }
        for (format, least) in [("jpg", 30.0), ("jpeg", 30.0), ("gif", 25.0)] {
            let back = read_picture(&picture(&many, format).unwrap());
            assert_eq!((back.height, back.width), (height, width), "{format}");
            let likeness = likeness(&many, &back);
            assert!(likeness > least, "{format} of {width} × {height}: {likeness:.1} dB");
        }
    }
}

#[test]
fn sounds_come_back() {
    for length in [1, 2, 31, 4096, 20_000] {
        for wave in [0.05_f32, 12_345.6, 0.0] {
            let samples: Vec<f32> = (0..length).map(|at| (at as f32 * wave).sin() * 1.1).collect();
            let made = Sound { sample_rate_hz: 22_050, samples };
            let back = read_sound(&sound(&made, "wav").unwrap());
            assert_eq!((back.sample_rate_hz, back.samples.len()), (22_050, length));
            let near = |(one, other): (&f32, &f32)| (one.clamp(-1.0, 1.0) - other).abs() < 4e-5;
            assert!(made.samples.iter().zip(&back.samples).all(near), "{length} of {wave}");
        }
    }
    for sample_rate_hz in [8000, 16_000, 44_100, 48_000, 12_345, 96_000] {
        let made = Sound { sample_rate_hz, samples: vec![0.25; 100] };
        for format in SOUNDS {
            assert_eq!(read_sound(&sound(&made, format).unwrap()), made, "{format}");
        }
    }
}

#[test]
fn clips_come_back() {
    for (height, width, count) in [(33, 17, 5), (1, 1, 3), (64, 64, 8), (16, 48, 1), (2, 40, 40)] {
        for (frame, is_exact) in [(blocks as fn(usize, usize, usize) -> Picture, true), (waves, false)] {
            let made = made(count, 0.1 * count as f64, |time| frame(height, width, time));
            for format in CLIPS {
                let bytes = clip(&made, format).unwrap();
                let back = read_clip(&bytes);
                let what = format!("{count} frames of {width} × {height} as {format}");
                assert_eq!((back.count, back.frames.len()), (count, count), "{what}");
                let is_still = *format == "gif" && count == 1; // has no time of its own
                assert!(is_still || (back.seconds - made.seconds).abs() < 1e-6, "{what}: {} s", back.seconds);
                for (one, other) in made.frames.iter().zip(&back.frames) {
                    assert!((one.seconds - other.seconds).abs() < 1e-6, "{what}: {} s", other.seconds);
                    let likeness = likeness(&one.picture, &other.picture);
                    match *format {
                        "webp" | "png" | "apng" => assert_eq!(one.picture, other.picture, "{what}"),
                        "gif" if is_exact => assert_eq!(one.picture, other.picture, "{what}"),
                        "gif" => assert!(likeness > 25.0, "{what}: {likeness:.1} dB"),
                        // colours are kept at half the size, which blocks of colour do not survive
                        _ => assert!(likeness > if is_exact { 15.0 } else { 32.0 }, "{what}: {likeness:.1} dB"),
                    }
                    let even = |side: usize| side.next_multiple_of(if *format == "mp4" { 2 } else { 1 });
                    assert_eq!((other.picture.height, other.picture.width), (even(height), even(width)), "{what}");
                }
            }
        }
    }
}

#[test]
fn colours_of_mp4_are_right() {
    for (height, width) in [(32, 32), (720, 16)] {
        for colour in [[255, 0, 0], [0, 255, 0], [0, 0, 255], [255; 3], [0; 3], [200, 100, 50]] {
            let made = made(2, 1.0, |_| Picture::filled(height, width, colour));
            let back = read_clip(&clip(&made, "mp4").unwrap());
            let worst = back.frames[1]
                .picture
                .pixels
                .chunks(3)
                .flat_map(|pixel| pixel.iter().zip(colour).map(|(one, other)| one.abs_diff(other)).max());
            assert!(worst.max().unwrap() <= 6, "{colour:?} is {:?}", &back.frames[1].picture.pixels[..3]);
        }
    }
}

#[test]
fn frames_keep_their_times() {
    let mut made = made(4, 1.0, |time| blocks(8, 8, time));
    let times = [0.0, 0.31, 0.33, 0.9];
    made.frames.iter_mut().zip(times).for_each(|(frame, time)| frame.seconds = time);
    for format in CLIPS {
        let back = read_clip(&clip(&made, format).unwrap());
        assert!((back.seconds - 1.0).abs() < 1e-6, "{format}");
        let got: Vec<f64> = back.frames.iter().map(|frame| (frame.seconds * 1e4).round() / 1e4).collect();
        assert_eq!(got, times, "{format}");
    }
    // thirds of hundredths do not add up to another time
    let made = Clip::even(vec![blocks(4, 4, 0); 300], 10.0);
    for (format, step) in [("gif", 0.01), ("mp4", 1e-4), ("webp", 1e-3), ("png", 1e-3)] {
        let back = read_clip(&clip(&made, format).unwrap());
        let far = made.frames.iter().zip(&back.frames).map(|(one, other)| (one.seconds - other.seconds).abs());
        assert!(far.fold(0.0, f64::max) <= step && (back.seconds - 10.0).abs() <= step, "{format}");
    }
    // times that a format cannot hold are the nearest that it can
    for seconds in [0.0, -1.0, f64::NAN, 1e-9, 1e4] {
        let made = Clip::even(vec![blocks(4, 4, 0); 2], seconds);
        for format in CLIPS {
            let back = video::decode(
                &clip(&made, format).unwrap(),
                9,
                &video::ClipLimits { max_seconds: 1e9, ..video::ClipLimits::default() },
                None,
                |picture| picture,
            );
            assert_eq!(back.unwrap().count, 2, "{format} of {seconds} s");
        }
    }
}

#[test]
fn what_cannot_be_written_is_an_error() {
    let problem = |result: Result<Vec<u8>>| result.unwrap_err().to_string();
    let small = waves(2, 2, 0);
    assert_eq!(problem(picture(&small, "bmp")), "-o: `bmp` is not written, expected png, jpg, jpeg, webp, gif");
    let quiet = Sound { sample_rate_hz: 8000, samples: vec![0.0] };
    assert_eq!(problem(sound(&quiet, "mp3")), "-o: `mp3` is not written, expected wav");
    let one = made(1, 1.0, |_| small.clone());
    assert_eq!(problem(clip(&one, "avi")), "-o: `avi` is not written, expected gif, mp4, webp, png, apng");

    let none = Clip { frames: Vec::new(), count: 0, seconds: 0.0 };
    let mixed = Clip::even(vec![small.clone(), waves(3, 2, 0)], 1.0);
    let flat = Picture::filled(0, 4, [0; 3]);
    let short = Picture { pixels: vec![0; 11], ..small };
    for format in CLIPS {
        assert_eq!(problem(clip(&none, format)), ": no frames");
        assert_eq!(problem(clip(&mixed, format)), ": frames of different sizes: 2 × 2 and 2 × 3 pixels");
        assert_eq!(problem(clip(&Clip::even(vec![flat.clone()], 1.0), format)), ": 0 colour values for 4 × 0 pixels");
    }
    for format in PICTURES {
        assert_eq!(problem(picture(&flat, format)), ": 0 colour values for 4 × 0 pixels");
        assert_eq!(problem(picture(&short, format)), ": 11 colour values for 2 × 2 pixels");
    }
    for format in SOUNDS {
        assert_eq!(problem(sound(&Sound { samples: Vec::new(), ..quiet }, format)), ": no sound: zero samples");
        assert!(sound(&Sound { sample_rate_hz: 0, ..quiet.clone() }, format).is_err());
    }
    let long = Picture::filled(1, 70_000, [9; 3]);
    for format in ["jpg", "webp", "gif"] {
        let problem = problem(picture(&long, format));
        assert!(problem.starts_with(": 70000 × 1 pixels cannot be written: "), "{problem}");
    }
    let long = Clip::even(vec![long], 1.0);
    for format in ["gif", "webp", "mp4"] {
        assert!(problem(clip(&long, format)).starts_with(if format == "mp4" {
            ": a clip of 70000 × 2"
        } else {
            ": 70000 × 1"
        }));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_small_size_is_written(
        height in 0_usize..40, width in 0_usize..40, count in 0_usize..4, seed in any::<u64>(), seconds in 0.0..3.0_f64,
    ) {
        let noise = |time: usize| {
            let mut state = seed ^ time as u64;
            let pixels = (0..height * width * 3).map(|_| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                (state >> 56) as u8
            });
            Picture { height, width, pixels: pixels.collect() }
        };
        let is_empty = height * width == 0;
        for format in PICTURES {
            let written = picture(&noise(0), format);
            prop_assert_eq!(written.is_err(), is_empty, "{}", format);
            let Ok(bytes) = written else { continue };
            let back = read_picture(&bytes);
            prop_assert_eq!((back.height, back.width), (height, width));
        }
        let made = made(count, seconds, noise);
        for format in CLIPS {
            let written = clip(&made, format);
            prop_assert_eq!(written.is_err(), is_empty || count == 0, "{}", format);
            let Ok(bytes) = written else { continue };
            prop_assert_eq!(read_clip(&bytes).count, count, "{}", format);
        }
    }
}
