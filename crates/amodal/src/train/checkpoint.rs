//! Files of weights: written whole or not at all.
use super::weights::Weights;
use crate::{Error, Result, files::write_atomic};
use safetensors::{Dtype, SafeTensors, tensor::TensorView};
use std::{collections::HashMap, io::Write, path::Path};

/// Writes tensors and a text to one safetensors file, beside it first and then in one rename.
///
/// # Errors
/// [`Error::Io`] where the system refuses; the old file is intact then.
pub fn save(path: &Path, weights: &Weights, text: &str) -> Result<()> {
    let bytes: Vec<(&String, &Vec<usize>, Vec<u8>)> = weights
        .iter()
        .map(|(name, (shape, values))| (name, shape, values.iter().flat_map(|value| value.to_le_bytes()).collect()))
        .collect();
    let views = bytes.iter().map(|(name, shape, bytes)| {
        let view = TensorView::new(Dtype::F32, (*shape).clone(), bytes);
        view.map(|view| (name.as_str(), view)).map_err(|error| Error::run(path, error.to_string()))
    });
    let views = views.collect::<Result<Vec<_>>>()?;
    let metadata = HashMap::from([("amodal".to_string(), text.to_string())]);
    let file = safetensors::serialize(views, Some(metadata)).map_err(|error| Error::run(path, error.to_string()))?;
    write_atomic(path, |writer| writer.write_all(&file))
}

/// Reads what [`save`] wrote.
///
/// # Errors
/// [`Error::Io`] where there is no file, [`Error::Run`] where it is damaged.
pub fn load(path: &Path) -> Result<(Weights, String)> {
    let file = std::fs::read(path).map_err(Error::io(path))?;
    let damaged = |problem: String| Error::run(path, format!("damaged: {problem}"));
    let (_, metadata) = SafeTensors::read_metadata(&file).map_err(|error| damaged(error.to_string()))?;
    let tensors = SafeTensors::deserialize(&file).map_err(|error| damaged(error.to_string()))?;
    let text = metadata.metadata().as_ref().and_then(|texts| texts.get("amodal")).cloned().unwrap_or_default();
    let mut weights = Weights::new();
    for (name, view) in tensors.tensors() {
        if view.dtype() != Dtype::F32 {
            return Err(damaged(format!("`{name}` is {:?}, expected F32", view.dtype())));
        }
        let values = view.data().chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect();
        weights.insert(name, (view.shape().to_vec(), values));
    }
    Ok((weights, text))
}
