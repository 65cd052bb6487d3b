//! Films of other formats through the programs `ffprobe` and `ffmpeg`, which are found on the path.
//!
//! They run as processes of their own: a decoder that a film brings down does not bring down ours. They may read the one
//! file and nothing of the network, and stop after a minute of CPU time each.
use std::io::{BufReader, Read, Write};
use std::process::{Command, Output, Stdio};

use super::image::{Picture, check_pixels};
use super::video::{Clip, ClipLimits, Timeline, check_count};
use crate::{Error, Result};

/// Seconds of CPU time that decoding may take.
const SECONDS: &str = "60";
/// Bytes of a message that are shown.
const SHOWN: usize = 160;

/// Decodes `count` frames that are spread evenly over the time of a film.
///
/// # Errors
/// [`Error::Data`] with an empty place if a program is not there, or the film is damaged, over a limit, or none.
pub(super) fn decode(
    name: &str,
    bytes: &[u8],
    count: usize,
    limits: &ClipLimits,
    mut keep: impl FnMut(Picture) -> Picture,
) -> Result<Clip> {
    let system = |error: std::io::Error| Error::data("", format!("{name} cannot be handed to ffmpeg: {error}"));
    // a file rather than a pipe: the index of many films stands at their end
    let mut file = tempfile::NamedTempFile::new().map_err(system)?;
    file.write_all(bytes).and_then(|()| file.flush()).map_err(system)?;
    let path = file.path();
    let probe = run(
        name,
        Command::new("ffprobe")
            .args(["-v", "error", "-protocol_whitelist", "file", "-select_streams", "v:0"])
            .args(["-show_entries", "packet=pts_time,duration_time:stream=width,height", "-of", "compact=p=0:nk=0"])
            .arg(path),
    )?;
    let (timeline, pixels) = times(name, &String::from_utf8_lossy(&probe.stdout), limits)?;
    check_pixels(pixels, &limits.picture)?;
    let places = std::cell::RefCell::new(Vec::new());
    timeline.clip(count, limits, |wanted| {
        places.borrow_mut().extend_from_slice(wanted);
        let select: Vec<String> = wanted.iter().map(|place| format!("eq(n\\,{place})")).collect();
        let mut child = Command::new("ffmpeg")
            .args([
                "-nostdin",
                "-v",
                "error",
                "-threads",
                "1",
                "-timelimit",
                SECONDS,
                "-protocol_whitelist",
                "file",
                "-i",
            ])
            .arg(path)
            .args(["-map", "0:v:0", "-vf", &format!("select='{}'", select.join("+")), "-vsync", "0"])
            .args(["-f", "image2pipe", "-c:v", "ppm", "-pix_fmt", "rgb24", "pipe:1"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| missing(name, "ffmpeg", &error))?;
        let mut frames = BufReader::new(child.stdout.take().expect("it is piped"));
        let mut pictures = Vec::with_capacity(wanted.len());
        while pictures.len() < wanted.len()
            && let Some(picture) = ppm(&mut frames, limits)?
        {
            pictures.push(keep(picture));
        }
        drop(frames);
        let ended = child.wait_with_output().map_err(system)?;
        match pictures.len() {
            decoded if decoded < wanted.len() => {
                Err(Error::data("", format!("damaged {name}: {decoded} of {} frames{}", wanted.len(), said(&ended))))
            }
            _ => Ok(pictures),
        }
    })
}

/// When each frame is shown, and how many pixels it has, from what `ffprobe` lists.
fn times(name: &str, listed: &str, limits: &ClipLimits) -> Result<(Timeline, u64)> {
    let value = |line: &str, key: &str| {
        line.split('|').find_map(|field| field.strip_prefix(key)?.strip_prefix('=')?.parse::<f64>().ok())
    };
    let (mut starts, mut end, mut pixels) = (Vec::new(), 0.0_f64, 0);
    for line in listed.lines() {
        if let (Some(width), Some(height)) = (value(line, "width"), value(line, "height")) {
            pixels = (width * height) as u64;
        } else if let Some(start) = value(line, "pts_time").filter(|start| start.is_finite()) {
            starts.push(start);
            end = end.max(start + value(line, "duration_time").unwrap_or(0.0).clamp(0.0, 1e6));
        }
        check_count(starts.len().max(1), limits)?;
    }
    if starts.is_empty() || pixels == 0 {
        return Err(Error::data("", format!("{name} without a film that ffmpeg can read")));
    }
    starts.sort_by(f64::total_cmp);
    let first = starts[0];
    starts.iter_mut().for_each(|start| *start -= first);
    let last = starts[starts.len() - 1];
    Ok((Timeline { starts, seconds: (end - first).max(last) }, pixels))
}

fn run(name: &str, command: &mut Command) -> Result<Output> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command.stdin(Stdio::null()).output().map_err(|error| missing(name, &program, &error))?;
    match output.status.success() {
        true => Ok(output),
        false => Err(Error::data("", format!("damaged {name}{}", said(&output)))),
    }
}

fn missing(name: &str, program: &str, error: &std::io::Error) -> Error {
    Error::data("", format!("{name} is read by `{program}`, which cannot be started ({error})"))
        .with_help("install ffmpeg, so that it is found on the path")
}

/// The last line that a program said.
fn said(output: &Output) -> String {
    let text = String::from_utf8_lossy(&output.stderr);
    let line = text.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or_default();
    // the place in memory and the name of the temporary file say nothing to anyone
    let line = line.rsplit_once("] ").map_or(line, |(_, rest)| rest);
    let line = line.rsplit_once(": ").map_or(line, |(_, rest)| rest);
    match line.trim() {
        "" => String::new(),
        line => format!(": {}", line.chars().take(SHOWN).collect::<String>()),
    }
}

/// The next picture of a row of portable pixmaps; none at the end.
fn ppm(reader: &mut impl Read, limits: &ClipLimits) -> Result<Option<Picture>> {
    let broken = || Error::data("", "ffmpeg ended inside of a frame");
    let mut word = || -> Result<Option<String>> {
        let (mut word, mut byte) = (String::new(), [0]);
        while word.len() < 20 {
            match reader.read(&mut byte) {
                Ok(0) => return Ok(None),
                Ok(_) if byte[0].is_ascii_whitespace() => return Ok(Some(word)),
                Ok(_) => word.push(byte[0].into()),
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(_) => return Ok(None),
            }
        }
        Err(broken())
    };
    let Some(kind) = word()? else { return Ok(None) };
    let mut number = || -> Result<u64> { word()?.and_then(|word| word.parse().ok()).ok_or_else(broken) };
    let (width, height, most) = (number()?, number()?, number()?);
    if kind != "P6" || most != 255 {
        return Err(broken());
    }
    check_pixels(width.saturating_mul(height), &limits.picture)?;
    let (width, height) = (width as usize, height as usize);
    let mut pixels = vec![0; width * height * 3];
    reader.read_exact(&mut pixels).map_err(|_| broken())?;
    Ok(Some(Picture { height, width, pixels }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_of_pixmaps() {
        let limits = ClipLimits::default();
        let mut bytes = b"P6\n2 1\n255\nabcdefP6\n1 1\n255\nxyz".as_slice();
        let first = ppm(&mut bytes, &limits).unwrap().unwrap();
        assert_eq!((first.width, first.height, first.pixels.as_slice()), (2, 1, b"abcdef".as_slice()));
        assert_eq!(ppm(&mut bytes, &limits).unwrap().unwrap().pixels, b"xyz");
        assert_eq!(ppm(&mut bytes, &limits).unwrap(), None);
        assert!(ppm(&mut b"P6\n2 1\n255\nabc".as_slice(), &limits).is_err());
        assert!(ppm(&mut b"P6\n99999999 99999999\n255\n".as_slice(), &limits).is_err());
    }

    #[test]
    fn times_are_sorted_and_begin_at_zero() {
        let listed = "pts_time=1.5|duration_time=0.5\npts_time=1.0|duration_time=0.5\nwidth=4|height=3\n";
        let (timeline, pixels) = times("WebM", listed, &ClipLimits::default()).unwrap();
        assert_eq!((timeline.starts, timeline.seconds, pixels), (vec![0.0, 0.5], 1.0, 12));
        assert!(times("WebM", "width=4|height=3\n", &ClipLimits::default()).is_err());
    }

    /// Needs the programs: without them it only shows that their absence is an error with a way out.
    #[test]
    fn films_that_ffmpeg_wrote() {
        let folder = tempfile::tempdir().unwrap();
        for (name, codec) in [("a.webm", "libvpx-vp9"), ("a.mkv", "mpeg4"), ("a.avi", "mjpeg"), ("a.mp4", "mpeg4")] {
            let path = folder.path().join(name);
            let made = Command::new("ffmpeg")
                .args(["-v", "error", "-f", "lavfi", "-i", "color=red:s=64x48:d=1:r=10,format=yuv420p"])
                .args(["-f", "lavfi", "-i", "color=blue:s=64x48:d=1:r=10,format=yuv420p"])
                .args(["-filter_complex", "[0][1]concat=n=2", "-c:v", codec])
                .arg(&path)
                .status();
            let limits = ClipLimits::default();
            if !made.is_ok_and(|status| status.success()) {
                let error = decode("WebM", b"", 1, &limits, |picture| picture).unwrap_err();
                assert!(
                    error.help().is_some_and(|help| help.contains("install ffmpeg"))
                        || error.to_string().contains("WebM")
                );
                continue;
            }
            let bytes = std::fs::read(&path).unwrap();
            let clip = decode(name, &bytes, 4, &limits, |picture| picture).unwrap();
            assert_eq!((clip.frames.len(), clip.count), (4, 20), "{name}");
            assert!((clip.seconds - 2.0).abs() < 0.15, "{name}: {} s", clip.seconds);
            let colour = |at: usize| {
                let picture = &clip.frames[at].picture;
                (picture.height, picture.width, picture.pixels[0] > 128, picture.pixels[2] > 128)
            };
            assert_eq!(
                [0, 1, 2, 3].map(colour),
                [(48, 64, true, false), (48, 64, true, false), (48, 64, false, true), (48, 64, false, true)],
                "{name}"
            );
            // of a film that is cut there is what ffmpeg finds, or an error that says so
            let half = &bytes[..bytes.len() / 3];
            if let Err(error) = decode(name, half, 4, &limits, |picture| picture) {
                let text = error.to_string();
                let known = ["damaged", "without a film"];
                assert!(known.iter().any(|word| text.contains(word)), "{name}: {text}");
            }
            let tiny =
                ClipLimits { picture: super::super::image::Limits { max_pixels: 100, ..Default::default() }, ..limits };
            assert!(decode(name, &bytes, 4, &tiny, |picture| picture).unwrap_err().to_string().contains("megapixels"));
        }
    }
}
