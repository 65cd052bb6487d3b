//! What the fuzz targets run, and what the tests of the library replay their corpus through.
use amodal::data::Table;
use amodal::media::{audio, image, video};

/// Endings of tables; a file of the corpus says with its first byte which one it is.
pub(crate) const ENDINGS: [&str; 7] = ["csv", "tsv", "jsonl", "json", "parquet", "tar", "tar.gz"];

/// Reads a table and all that lies in it; an error must be one line that names the file.
pub(crate) fn table(data: &[u8]) {
    let Some((first, bytes)) = data.split_first() else { return };
    let folder = tempfile::tempdir().expect("a temporary folder");
    let name = format!("a.{}", ENDINGS[usize::from(*first) % ENDINGS.len()]);
    let path = folder.path().join(&name);
    std::fs::write(&path, bytes).expect("a file");
    match Table::read(&path) {
        Ok(table) => {
            for row in 0..table.len() {
                for column in 0..table.columns().len() {
                    let _ = table.media(row, column);
                    let _ = table.place(row, column);
                }
            }
        }
        Err(error) => {
            let text = error.to_string();
            assert!(!text.contains('\n') && text.contains(&name), "{text:?}");
        }
    }
}

/// Decodes bytes as a picture, a sound and a film, each under small limits.
pub(crate) fn media(data: &[u8]) {
    let limits = image::Limits { max_pixels: 1 << 20, ..Default::default() };
    let _ = image::decode(data, &limits, 32);
    let _ = image::fitted(data, &limits, 8, image::Fit::Cover);
    let _ = audio::decode(data, &audio::SoundLimits { max_seconds: 10.0, ..Default::default() });
    let clip = video::ClipLimits { picture: limits, max_frames: 100, max_seconds: 10.0, ..Default::default() };
    let _ = video::decode(data, 3, &clip, |picture| picture);
}
