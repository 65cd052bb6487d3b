//! Captions as COCO has them (Lin et al. 2014, arXiv:1405.0312): one JSON file of pictures and annotations.
use std::collections::HashMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::table::{Builder, Cells, Table, count};
use crate::{Error, Raw, Result};

#[derive(Deserialize)]
struct File {
    images: Vec<Image>,
    #[serde(default)]
    annotations: Vec<Annotation>,
}

#[derive(Deserialize)]
struct Image {
    id: serde_json::Value,
    file_name: String,
    #[serde(default)]
    split: Option<String>,
}

#[derive(Deserialize)]
struct Annotation {
    image_id: serde_json::Value,
    #[serde(default)]
    caption: Option<String>,
}

/// Reads a file of captions: a row a caption, with the columns `image`, `caption` and `image_id`, and `split` where the
/// pictures have one.
///
/// Pictures are looked for beside the file, in `images` beside it, and where COCO keeps them: `../train2017` for
/// `annotations/captions_train2017.json`.
///
/// # Errors
/// [`Error::Data`] where it is not such a file, for an annotation without caption, or one of a picture that is not listed.
pub(super) fn read(path: &Path, bytes: &[u8]) -> Result<Table> {
    let at = || path.display().to_string();
    let expected = "expected COCO's captions: {\"images\": [{\"id\": 1, \"file_name\": \"a.jpg\"}], \
                    \"annotations\": [{\"image_id\": 1, \"caption\": \"…\"}]}";
    let mut reader = serde_json::Deserializer::from_slice(bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes));
    let file: File = serde_path_to_error::deserialize(&mut reader).map_err(|error| {
        let place = match error.path().to_string() {
            place if place == "." => String::new(),
            // a key may hold anything
            place => format!("`{}`: ", place.chars().take(100).collect::<String>().escape_debug()),
        };
        let help = format!("{expected}; a table of one object a line is named .jsonl");
        Error::data(at(), format!("{place}{}", error.into_inner())).with_help(help)
    })?;
    reader.end().map_err(|error| Error::data(at(), error.to_string()))?;
    if file.annotations.is_empty() {
        return Err(Error::data(at(), "no annotations").with_help(expected));
    }
    let known: HashMap<String, &Image> = file.images.iter().map(|image| (image.id.to_string(), image)).collect();
    if known.len() < file.images.len() {
        let problem = format!("{} share an id with another", count(file.images.len() - known.len(), "picture"));
        return Err(Error::data(at(), problem));
    }
    let by_split = file.images.iter().any(|image| image.split.is_some());
    let mut builder = Builder::new(path);
    builder.part(path, None, "annotation");
    for (index, annotation) in file.annotations.iter().enumerate() {
        let place = || format!("{}, annotation {}", path.display(), index + 1);
        let Some(image) = known.get(&annotation.image_id.to_string()) else {
            return Err(Error::data(place(), format!("no picture has the id {}", annotation.image_id)));
        };
        let Some(caption) = &annotation.caption else {
            let help = "captions alone are read, not boxes or key points";
            return Err(Error::data(place(), "no caption").with_help(help));
        };
        let mut row = Cells::new();
        let text = |text: &str| Some(Raw::Text(text.to_string()));
        builder.put(&mut row, "image", text(&image.file_name))?;
        builder.put(&mut row, "caption", text(caption))?;
        let id = annotation.image_id.as_str().map_or_else(|| annotation.image_id.to_string(), str::to_string);
        builder.put(&mut row, "image_id", Some(Raw::Text(id)))?;
        if by_split {
            builder.put(&mut row, "split", image.split.as_deref().and_then(text))?;
        }
        builder.push(row);
    }
    let table = builder.done()?;
    Ok(match folder(path, &file.images) {
        Some(folder) => table.with_folder(folder),
        None => table,
    })
}

/// Where the first picture lies.
fn folder(path: &Path, images: &[Image]) -> Option<PathBuf> {
    let beside = path.parent().unwrap_or(Path::new(""));
    let first = images.first()?;
    let name = path.file_stem()?.to_str()?.rsplit('_').next()?;
    let above = beside
        .parent()
        .filter(|_| !beside.as_os_str().is_empty())
        .map_or_else(|| Path::new("..").into(), Path::to_path_buf);
    let places =
        [beside.to_path_buf(), beside.join("images"), beside.join(name), above.join(name), above.join("images")];
    places.into_iter().find(|place| place.join(&first.file_name).is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = r#"{"info": {}, "images": [{"id": 7, "file_name": "b.jpg", "height": 4}, {"id": 3, "file_name": "a.jpg"}],
        "annotations": [{"id": 1, "image_id": 3, "caption": "one"}, {"image_id": 7, "caption": "two"}, {"image_id": 3, "caption": ""}]}"#;

    fn error(text: &str) -> String {
        read(Path::new("c.json"), text.as_bytes()).unwrap_err().to_string()
    }

    #[test]
    fn a_row_a_caption_and_pictures_where_coco_keeps_them() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["annotations", "train2017"] {
            std::fs::create_dir(folder.path().join(name)).unwrap();
        }
        std::fs::write(folder.path().join("train2017/b.jpg"), "b").unwrap();
        let path = folder.path().join("annotations/captions_train2017.json");
        std::fs::write(&path, TEXT).unwrap();
        let table = Table::read(&path).unwrap();
        assert_eq!((table.columns(), table.len()), (["image", "caption", "image_id"].map(String::from).as_slice(), 3));
        assert_eq!(table.named(0, "caption"), Some(&Raw::Text("one".into())));
        assert_eq!(table.named(2, "image_id"), Some(&Raw::Text("3".into())));
        assert_eq!(&*table.media(1, 0).unwrap(), b"b");
        assert!(table.row_place(1).ends_with("captions_train2017.json, annotation 2"));
        assert!(table.media(0, 0).unwrap_err().to_string().contains("annotation 1, column \"image\": no such file: "));
    }

    #[test]
    fn errors_name_the_annotation() {
        assert_eq!(
            error(&TEXT.replace(r#""image_id": 7"#, r#""image_id": 8"#)),
            "c.json, annotation 2: no picture has the id 8"
        );
        assert_eq!(error(&TEXT.replace(r#"3, "caption": """#, r#"3, "bbox": []"#)), "c.json, annotation 3: no caption");
        assert_eq!(error(&TEXT.replace(r#""id": 3"#, r#""id": 7"#)), "c.json: 1 picture share an id with another");
        assert!(error("[1]").starts_with("c.json: `[0]`: invalid type"), "{}", error("[1]"));
        assert!(error(r#"{"images": [{"id": 1}]}"#).starts_with("c.json: `images[0]`: missing field `file_name`"));
        assert!(error(&TEXT[..90]).contains("EOF"));
        let key = error(r#"{"images": [{"a\nb": {1}}]}"#);
        assert_eq!(key, "c.json: `images[0].a\\nb`: key must be a string at line 1 column 23");
        assert_eq!(error(r#"{"images": []}"#), "c.json: no annotations");
    }
}
