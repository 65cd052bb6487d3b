//! Vectors as tensors that many tools read.
use super::{MOST, Source};
use crate::{Error, Result, files::write_atomic, words::vectors::Vectors};
use safetensors::{
    Dtype, SafeTensors,
    tensor::{TensorView, serialize},
};
use std::{
    io::{Read, Write},
    path::Path,
};

/// Whether a file begins so: the length of a header, and the header, which is JSON.
pub(super) fn is(head: &[u8]) -> bool {
    head.first_chunk().is_some_and(|length| u64::from_le_bytes(*length) < 1 << 32) && head.get(8) == Some(&b'{')
}

pub(super) fn read(mut source: Source) -> Result<Vectors> {
    let mut bytes = Vec::with_capacity(source.room(usize::MAX, 1));
    source.reader.read_to_end(&mut bytes).map_err(Error::io(&source.name))?;
    parse(&bytes)
        .map_err(|problem| Error::data(source.name.clone(), problem))?
        .map_err(|error| error.within(&source.name))
}

fn parse(bytes: &[u8]) -> Result<Result<Vectors>, String> {
    let tensors =
        SafeTensors::deserialize(bytes).map_err(|error| format!("not a safetensors file, or cut short ({error})"))?;
    let tensor = |name, dtype, axes: &str| {
        let problem = |found| format!("{found}, expected tensor `{name}` of {dtype:?} {axes}");
        let tensor = tensors.tensor(name).map_err(|_| problem(format!("tensors {:?}", tensors.names())))?;
        let (found, shape) = (tensor.dtype(), tensor.shape().to_vec());
        match found == dtype && shape.len() == axes.split(',').count() {
            true => Ok(tensor),
            false => Err(problem(format!("{found:?} {shape:?}"))),
        }
    };
    let vectors = tensor("vectors", Dtype::F32, "[words, dim]")?;
    let words = tensor("words", Dtype::U8, "[bytes]")?;
    let words = std::str::from_utf8(words.data()).map_err(|error| format!("tensor `words`: {error}"))?;
    let words: Vec<String> = words.split('\n').map(str::to_string).collect();
    let (rows, dim) = (vectors.shape()[0], vectors.shape()[1]);
    if rows != words.len() || rows.saturating_mul(dim) > MOST {
        return Err(format!("{rows} vectors of {dim} numbers, and {} words", words.len()));
    }
    let values = vectors.data().as_chunks::<4>().0.iter().map(|value| f32::from_le_bytes(*value)).collect();
    Ok(Vectors::new(words, dim, values))
}

pub(super) fn write(vectors: &Vectors, path: &Path) -> Result<()> {
    let invalid = |error: safetensors::SafeTensorError| Error::data(path.display().to_string(), error.to_string());
    let words = vectors.words().join("\n").into_bytes();
    let mut values = Vec::with_capacity(vectors.values().len() * 4);
    vectors.values().iter().for_each(|value| values.extend_from_slice(&value.to_le_bytes()));
    let shape = vec![vectors.words().len(), vectors.dim()];
    let tensors = [
        ("vectors", TensorView::new(Dtype::F32, shape, &values).map_err(invalid)?),
        ("words", TensorView::new(Dtype::U8, vec![words.len()], &words).map_err(invalid)?),
    ];
    let bytes = serialize(tensors, None).map_err(invalid)?;
    write_atomic(path, |file| file.write_all(&bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(name: &str, dtype: Dtype, shape: &[usize], words: &[u8]) -> Result<Vectors> {
        let bytes = vec![0; shape.iter().product::<usize>() * dtype.bitsize() / 8];
        let tensors = [
            (name, TensorView::new(dtype, shape.to_vec(), &bytes).unwrap()),
            ("words", TensorView::new(Dtype::U8, vec![words.len()], words).unwrap()),
        ];
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("v.safetensors");
        std::fs::write(&path, serialize(tensors, None).unwrap()).unwrap();
        Vectors::read(&path)
    }

    #[test]
    fn what_is_wrong_with_a_file_is_named() {
        assert!(file("vectors", Dtype::F32, &[2, 3], b"a\nb").is_ok());
        for (result, expected) in [
            (file("vectors", Dtype::F32, &[3, 3], b"a\nb"), "v.safetensors: 3 vectors of 3 numbers, and 2 words"),
            (file("vectors", Dtype::F32, &[2, 0], b"a\nb"), "2 words of 0 numbers"),
            (file("vectors", Dtype::F32, &[6], b"a\nb"), "F32 [6], expected tensor `vectors` of F32 [words, dim]"),
            (file("vectors", Dtype::F16, &[2, 3], b"a\nb"), "F16 [2, 3], expected tensor `vectors`"),
            (file("model", Dtype::F32, &[2, 3], b"a\nb"), "expected tensor `vectors` of F32 [words, dim]"),
            (file("vectors", Dtype::F32, &[2, 3], b"a\n\xff"), "tensor `words`: invalid utf-8"),
        ] {
            let error = result.unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
        let error = parse(b"\x02\0\0\0\0\0\0\0{").unwrap_err();
        assert!(error.starts_with("not a safetensors file, or cut short"), "{error}");
    }
}
