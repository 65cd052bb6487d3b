//! Pictures a CPU-second, from JPEG files to numbers that a model reads: decoded anew, and decoded before. `bench/pictures.py`
//! does the same with other tools.
//!
//! ```sh
//! cargo run --release -p amodal --example pictures -- FOLDER 224
//! ```
use amodal::{
    Error, Input, Item, Named, Raw,
    media::image::Fit,
    modalities::{Read, image::ImageConfig},
    train::device,
    types::Build,
};
use std::{env, fs};

/// Of CPU for each figure.
const SECONDS: f64 = 3.0;
/// Pictures of a batch.
const BATCH: usize = 32;

fn main() -> amodal::Result<()> {
    amodal::kernels::memory::keep(); // as the command does
    let mut arguments = env::args().skip(1);
    let (Some(folder), size) = (arguments.next(), arguments.next()) else {
        return Err(Error::data("", "expected a folder of JPEG files, and the side of the square, such as 224"));
    };
    let size = size.map_or(Ok(224), |size| size.parse()).map_err(|_| Error::data("", "the side is no number"))?;
    let read = |error: std::io::Error| Error::data(&folder, error.to_string());
    let mut files = fs::read_dir(&folder)
        .and_then(|files| files.map(|file| Ok(file?.path())).collect::<Result<Vec<_>, _>>())
        .map_err(read)?;
    files.retain(|file| file.extension().is_some_and(|ending| ending == "jpg"));
    files.sort();
    let files = files
        .iter()
        .map(|file| Ok(Raw::Bytes(fs::read(file).map_err(read)?.into())))
        .collect::<amodal::Result<Vec<_>>>()?;
    let device = device();
    let config = ImageConfig { size, fit: Fit::Cover, ..ImageConfig::default() };
    let image = config.build(&Build { dims: Named::new(), device: &device })?;
    let stack = |items: &[Item]| {
        for items in items.chunks(BATCH) {
            Input::stack(&items.iter().map(Some).collect::<Vec<_>>(), &image.blank(), None, &device)?;
        }
        Ok(())
    };
    let decode = || files.iter().map(|file| image.read(file)).collect::<amodal::Result<Vec<_>>>();
    let kept = decode()?;
    println!("decoded {:.1}", measure(files.len(), || stack(&decode()?))?);
    println!("cached {:.1}", measure(files.len(), || stack(&kept))?);
    Ok(())
}

/// Pictures a CPU-second of work on some.
fn measure(pictures: usize, work: impl Fn() -> amodal::Result<()>) -> amodal::Result<f64> {
    work()?; // the first one has memory to get
    let (start, mut done) = (cpu_seconds()?, 0);
    loop {
        work()?;
        done += pictures;
        let seconds = cpu_seconds()? - start;
        if seconds >= SECONDS {
            return Ok(done as f64 / seconds);
        }
    }
}

/// What the process has used of the processor, in itself and in the system, as Linux counts it: in hundredths.
fn cpu_seconds() -> amodal::Result<f64> {
    let file = "/proc/self/stat";
    let text = fs::read_to_string(file).map_err(|error| Error::data(file, error.to_string()))?;
    // the name, in brackets, may hold anything
    let fields = text.rsplit(')').next().unwrap_or_default().split_whitespace();
    Ok(fields.skip(11).take(2).filter_map(|ticks| ticks.parse::<f64>().ok()).sum::<f64>() / 100.0)
}
