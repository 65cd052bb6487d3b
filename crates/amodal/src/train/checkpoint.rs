//! Files of weights: written whole or not at all, with a checksum of what is in them.
use super::weights::Weights;
use crate::{Error, Result, files};
use safetensors::{Dtype, SafeTensors};
use serde_json::{Map, json};
use std::{
    borrow::Cow,
    collections::HashMap,
    fs::File,
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
};

/// The text that a file carries, among its metadata.
const TEXT: &str = "amodal";
/// The checksum of tensors and text, among the metadata.
const CHECKSUM: &str = "checksum";
/// What a checksum begins with.
const ALGORITHM: &str = "crc32:";

/// Where the checkpoint before the one at `path` is kept.
pub fn previous(path: &Path) -> PathBuf {
    path.with_file_name("previous.safetensors")
}

/// Writes tensors and a text to one safetensors file, beside it first and then in one rename.
///
/// # Errors
/// [`Error::Io`] where the system refuses; the old file is intact then.
pub fn save(path: &Path, weights: &Weights, text: &str) -> Result<()> {
    files::write_atomic(path, |file| write(file, weights, text))
}

/// The same; the file that was there becomes the [`previous`] one, so that one of both is whole at every moment.
///
/// # Errors
/// Those of [`save`].
pub fn save_keeping(path: &Path, weights: &Weights, text: &str) -> Result<()> {
    files::write_keeping(path, &previous(path), |file| write(file, weights, text))
}

/// A safetensors file, tensor by tensor: no copy of the whole in memory, and the same bytes for the same content, which
/// the crate does not give for two texts.
fn write(file: &mut BufWriter<File>, weights: &Weights, text: &str) -> io::Result<()> {
    let mut header = Map::new();
    header.insert("__metadata__".into(), json!({ TEXT: text, CHECKSUM: checksum(weights, text) }));
    let mut end = 0;
    for (name, (shape, values)) in weights {
        let begin = end;
        end += 4 * values.len();
        header.insert(name.clone(), json!({ "dtype": "F32", "shape": shape, "data_offsets": [begin, end] }));
    }
    let mut header = serde_json::to_vec(&header)?;
    header.resize(header.len().next_multiple_of(8), b' ');
    file.write_all(&(header.len() as u64).to_le_bytes())?;
    file.write_all(&header)?;
    weights.values().try_for_each(|(_, values)| file.write_all(&little_endian(values)))
}

/// CRC-32 of names, shapes, values and text: what is read is what was written, whatever the layout of the file.
fn checksum(weights: &Weights, text: &str) -> String {
    let mut sum = crc32fast::Hasher::new();
    // lengths first, so that no byte can move from one part to the next
    let mut add = |bytes: &[u8]| {
        sum.update(&(bytes.len() as u64).to_le_bytes());
        sum.update(bytes);
    };
    add(text.as_bytes());
    for (name, (shape, values)) in weights {
        add(name.as_bytes());
        add(&shape.iter().flat_map(|size| (*size as u64).to_le_bytes()).collect::<Vec<_>>());
        add(&little_endian(values));
    }
    format!("{ALGORITHM}{:08x}", sum.finalize())
}

/// Values as the bytes of a file; not copied where memory has the same order.
fn little_endian(values: &[f32]) -> Cow<'_, [u8]> {
    if cfg!(target_endian = "little") {
        Cow::Borrowed(bytemuck::cast_slice(values))
    } else {
        Cow::Owned(values.iter().flat_map(|value| value.to_le_bytes()).collect())
    }
}

/// Reads what [`save`] wrote. A file without a checksum, of another tool or of an older version, is read as it is.
///
/// # Errors
/// [`Error::Io`] where there is no file, [`Error::Run`] where it is damaged.
pub fn load(path: &Path) -> Result<(Weights, String)> {
    let file = std::fs::read(path).map_err(Error::io(path))?;
    let damaged = |problem: String| Error::run(path, format!("damaged: {problem}"));
    let (_, metadata) = SafeTensors::read_metadata(&file).map_err(|error| damaged(error.to_string()))?;
    let tensors = SafeTensors::deserialize(&file).map_err(|error| damaged(error.to_string()))?;
    let none = HashMap::new();
    let texts = metadata.metadata().as_ref().unwrap_or(&none);
    let text = texts.get(TEXT).cloned().unwrap_or_default();
    let mut weights = Weights::new();
    for (name, view) in tensors.tensors() {
        if view.dtype() != Dtype::F32 {
            return Err(damaged(format!("`{name}` is {:?}, expected F32", view.dtype())));
        }
        let values = view.data().chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect();
        weights.insert(name, (view.shape().to_vec(), values));
    }
    match texts.get(CHECKSUM) {
        Some(written) => {
            let found = checksum(&weights, &text);
            if found != *written {
                return Err(damaged(format!("its content has the checksum {found}, it was written with {written}")));
            }
        }
        // the name of the checksum itself is hit; older files, and those of other tools, have none under any name
        None if texts.values().any(|text| text.starts_with(ALGORITHM)) => {
            return Err(damaged("it has no checksum".to_string()));
        }
        None => {}
    }
    Ok((weights, text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use safetensors::tensor::TensorView;

    fn weights() -> Weights {
        let values = (0..6).map(|value| value as f32 / 7.0).collect();
        [("b".to_string(), (vec![2, 3], values)), ("a".to_string(), (vec![1], vec![f32::MIN_POSITIVE]))].into()
    }

    #[test]
    fn equal_content_gives_equal_bytes_that_other_tools_read() {
        let folder = tempfile::tempdir().unwrap();
        let paths = ["x", "y"].map(|name| folder.path().join(name));
        for path in &paths {
            save(path, &weights(), "a \"text\"").unwrap();
        }
        let [file, other] = paths.map(|path| std::fs::read(path).unwrap());
        assert_eq!(file, other);
        let tensors = SafeTensors::deserialize(&file).unwrap();
        assert_eq!(tensors.tensor("b").unwrap().shape(), [2, 3]);
        assert_eq!(tensors.tensor("a").unwrap().data(), f32::MIN_POSITIVE.to_le_bytes());
        assert_eq!(tensors.len(), 2);
    }

    #[test]
    fn every_bit_of_a_file_counts() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x");
        save(&path, &weights(), "text").unwrap();
        let file = std::fs::read(&path).unwrap();
        for bit in 0..8 * file.len() {
            let mut changed = file.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            std::fs::write(&path, changed).unwrap();
            let error = load(&path).expect_err(&format!("bit {bit} of {}", file.len() * 8)).to_string();
            assert!(error.contains("damaged: "), "{error}");
        }
    }

    #[test]
    fn files_without_a_checksum_are_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x");
        let data = 1.5_f32.to_le_bytes();
        for texts in [None, Some(("amodal", "text")), Some(("format", "pt"))] {
            let view = TensorView::new(Dtype::F32, vec![1], &data).unwrap();
            let metadata = texts.map(|(name, text)| HashMap::from([(name.to_string(), text.to_string())]));
            std::fs::write(&path, safetensors::serialize([("a", view)], metadata).unwrap()).unwrap();
            let (read, text) = load(&path).unwrap();
            assert_eq!(read["a"], (vec![1], vec![1.5]));
            assert_eq!(text == "text", texts == Some(("amodal", "text")));
        }
    }

    #[test]
    fn the_one_before_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x");
        for text in ["1", "2", "3"] {
            save_keeping(&path, &weights(), text).unwrap();
        }
        assert_eq!((load(&path).unwrap().1, load(&previous(&path)).unwrap().1), ("3".to_string(), "2".to_string()));
    }
}
