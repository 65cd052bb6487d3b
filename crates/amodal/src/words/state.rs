//! What a training of vectors has learned so far, in a safetensors file: named rows of numbers, what is done, and what it
//! belongs to.
use super::rows::Rows;
use crate::{Error, Result};
use safetensors::{Dtype, SafeTensorError, SafeTensors, View};
use std::{borrow::Cow, collections::HashMap, path::Path};

/// Writes the state; a reader sees the old file or the new one, never a part.
pub(super) fn save(path: &Path, about: &str, done: usize, rows: &[(&str, &Rows)]) -> Result<()> {
    let texts = [("about", about.to_string()), ("done", done.to_string())];
    let texts = texts.map(|(name, text)| (name.to_string(), text)).into();
    let rows = rows.iter().map(|(name, rows)| (*name, Tensor { shape: [rows.len(), rows.dim], rows }));
    safetensors::serialize_to_file(rows, Some(texts), path).map_err(|error| match error {
        SafeTensorError::IoError(error) => Error::io(path)(error),
        other => Error::run(path, other.to_string()),
    })
}

/// Reads a state into the rows, and says what is done.
///
/// # Errors
/// [`Error::Io`] where there is no file, [`Error::Run`] where it is damaged or not `about` the same; the rows may have
/// changed then.
pub(super) fn load(path: &Path, about: &str, rows: &[(&str, &Rows)]) -> Result<usize> {
    let file = std::fs::read(path).map_err(Error::io(path))?;
    let damaged = |problem: &str| Error::run(path, format!("damaged: {problem}"));
    let (_, metadata) = SafeTensors::read_metadata(&file).map_err(|error| damaged(&error.to_string()))?;
    let tensors = SafeTensors::deserialize(&file).map_err(|error| damaged(&error.to_string()))?;
    let none = HashMap::new();
    let texts = metadata.metadata().as_ref().unwrap_or(&none);
    match texts.get("about") {
        Some(said) if said == about => {}
        Some(said) => {
            return Err(Error::run(path, format!("the state of another training: {said}"))
                .with_help(format!("this one is {about}; give the same texts and options, or leave --resume out")));
        }
        None => return Err(damaged("says not what it is about")),
    }
    let done = texts.get("done").and_then(|done| done.parse().ok()).ok_or_else(|| damaged("says not what is done"))?;
    for (name, rows) in rows {
        let tensor = tensors.tensor(name).map_err(|error| damaged(&error.to_string()))?;
        if tensor.dtype() != Dtype::F32 || tensor.shape() != [rows.len(), rows.dim] {
            return Err(damaged(&format!("`{name}` is {:?} {:?}", tensor.dtype(), tensor.shape())));
        }
        let number = |bytes: &[u8]| f32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
        rows.fill(tensor.data().chunks_exact(4).map(number));
    }
    Ok(done)
}

/// Rows as safetensors writes them, copied when it is their turn.
struct Tensor<'a> {
    shape: [usize; 2],
    rows: &'a Rows,
}

impl View for Tensor<'_> {
    fn dtype(&self) -> Dtype {
        Dtype::F32
    }

    fn shape(&self) -> &[usize] {
        &self.shape
    }

    fn data(&self) -> Cow<'_, [u8]> {
        Cow::Owned(self.rows.values().iter().flat_map(|value| value.to_le_bytes()).collect())
    }

    fn data_len(&self) -> usize {
        self.shape.iter().product::<usize>() * 4
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_come_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state");
        let (a, b) = (Rows::drawn(3, 5, 1.0, 0, 0), Rows::drawn(2, 4, 1.0, 0, 1));
        save(&path, "this", 7, &[("a", &a), ("b", &b)]).unwrap();
        let (c, d) = (Rows::zeros(3, 5), Rows::zeros(2, 4));
        assert_eq!(load(&path, "this", &[("a", &c), ("b", &d)]).unwrap(), 7);
        assert_eq!((c.values(), d.values()), (a.values(), b.values()));
        let error = load(&path, "this", &[("a", &d)]).unwrap_err();
        assert!(error.to_string().ends_with("damaged: `a` is F32 [3, 5]"), "{error}");
        let whole = std::fs::read(&path).unwrap();
        for bytes in [0, 7, 100, whole.len() - 1] {
            std::fs::write(&path, &whole[..bytes]).unwrap();
            let error = load(&path, "this", &[("a", &c), ("b", &d)]).unwrap_err();
            assert!(error.to_string().contains("damaged"), "{error}");
        }
    }
}
