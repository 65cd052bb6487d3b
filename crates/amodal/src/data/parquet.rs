//! Parquet files, as pandas, Polars, DuckDB and Hugging Face's `datasets` write them.
//!
//! Texts and numbers come into memory. The content of media (a column of bytes, or of `{bytes, path}`) goes into a file
//! without a name as it is read, since a value's place in a packed page cannot be gone to.
use std::collections::HashMap;
use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use parquet::basic::{Compression, ConvertedType, LogicalType, Repetition, Type as Physical};
use parquet::data_type::{ByteArray, ByteArrayType, FloatType};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::file::writer::SerializedFileWriter;
use parquet::record::Field;
use parquet::schema::types::{PrimitiveTypeBuilder, Type, TypePtr};

use super::store::Unpacking;
use super::table::{Builder, Cells};
use super::{footer, jsonl};
use crate::error::guarded;
use crate::{Error, Raw, Result};

/// Rows that are read ahead; with pictures in them a few are many bytes.
const AHEAD: usize = 16;

/// Adds a file's rows.
///
/// # Errors
/// [`Error::Data`] with file, row and column for what is damaged or cannot be read.
pub(super) fn read(path: &Path, builder: &mut Builder) -> Result<()> {
    let metadata = std::fs::metadata(path);
    let metadata =
        metadata.map_err(|error| Error::data(path.display().to_string(), format!("cannot be read ({error})")))?;
    if !metadata.is_file() {
        return Err(Error::data(path.display().to_string(), "not a regular file"));
    }
    let file = File::open(path).map_err(Error::io(path))?;
    let damaged = |reason: &str| Error::data(path.display().to_string(), format!("damaged Parquet: {reason}"));
    footer::check(&file).map_err(|reason| damaged(&reason))?;
    guarded(|| rows(path, file, builder)).unwrap_or_else(|| Err(damaged("the decoder gave up")))
}

fn rows(path: &Path, file: File, builder: &mut Builder) -> Result<()> {
    let at = || path.display().to_string();
    let damaged = |at: String, error: ParquetError| {
        let reason = error.to_string().replace('\n', " ");
        Error::data(at, format!("damaged Parquet: {}", reason.chars().take(200).collect::<String>()))
    };
    let reader = SerializedFileReader::new(file).map_err(|error| damaged(at(), error))?;
    let file_metadata = reader.metadata().file_metadata();
    let pairs = file_metadata.key_value_metadata().map(Vec::as_slice).unwrap_or_default();
    let described = pairs.iter().find(|pair| pair.key == "huggingface").and_then(|pair| pair.value.as_deref());
    let classes = classes(described.unwrap_or_default());
    let schema = file_metadata.schema();
    let (taken, left_out): (Vec<_>, Vec<_>) = schema.get_fields().iter().cloned().partition(|field| is_read(field));
    let taken = Type::group_type_builder(schema.name()).with_fields(taken).build();
    let taken = taken.map_err(|error| damaged(at(), error))?;
    builder.part(path, None, "row");
    let store = builder.next_store();
    let mut contents = Unpacking::new()?;
    let first = builder.len();
    for row in reader.get_row_iter(Some(taken)).map_err(|error| damaged(at(), error))?.with_batch_size(AHEAD) {
        let place = format!("{}, row {}", path.display(), builder.len() - first + 1);
        let row = row.map_err(|error| damaged(place.clone(), error))?;
        let mut cells = Cells::new();
        for (name, field) in row.get_column_iter() {
            let cell = match field {
                Field::Bytes(bytes) if bytes.is_empty() => None,
                Field::Bytes(bytes) => Some(Raw::Stored(contents.add(bytes.data(), store)?)),
                Field::Group(group) => {
                    let part = |wanted: &str| {
                        group.get_column_iter().find(|(name, _)| *name == wanted).map(|(_, field)| field)
                    };
                    match (part("bytes"), part("path")) {
                        (Some(Field::Bytes(bytes)), _) if !bytes.is_empty() => {
                            Some(Raw::Stored(contents.add(bytes.data(), store)?))
                        }
                        (Some(_), Some(Field::Str(path))) => Some(Raw::Text(path.clone())),
                        _ => None,
                    }
                }
                field => match (classes.get(name), field) {
                    (Some(names), Field::Long(number)) => {
                        let class = usize::try_from(*number).ok().and_then(|number| names.get(number));
                        class.map(|class| Raw::Text(class.clone()))
                    }
                    _ => cell(field).map_err(|problem| Error::data(format!("{place}, column {name:?}"), problem))?,
                },
            };
            builder.put(&mut cells, name, cell)?;
        }
        builder.push(cells);
    }
    builder.store(contents.done()?);
    if !left_out.is_empty() {
        let known = left_out.iter().map(|field| format!("{:?}", field.name())).collect::<Vec<_>>().join(", ");
        builder.note(format!("{}: left out what is of a kind that is not read: {known}", at()));
    }
    Ok(())
}

/// Whether a column is of values, of lists of them, or of media with their names: not of columns of its own, nor of
/// intervals, which the decoder does not know.
fn is_read(field: &Type) -> bool {
    fn has_interval(field: &Type) -> bool {
        field.get_basic_info().converted_type() == ConvertedType::INTERVAL
            || (field.is_group() && field.get_fields().iter().any(|part| has_interval(part)))
    }
    let is_list = field.get_basic_info().converted_type() == ConvertedType::LIST;
    let has = |name: &str| field.get_fields().iter().any(|part| part.name() == name);
    !has_interval(field) && (field.is_primitive() || is_list || (has("bytes") && has("path")))
}

/// Names of the classes that `datasets` writes as numbers, by column.
fn classes(described: &str) -> HashMap<String, Vec<String>> {
    let value: serde_json::Value = serde_json::from_str(described).unwrap_or_default();
    let features = value["info"]["features"].as_object();
    let names = |feature: &serde_json::Value| -> Option<Vec<String>> {
        feature["names"].as_array()?.iter().map(|name| name.as_str().map(str::to_string)).collect()
    };
    features.into_iter().flatten().filter_map(|(name, feature)| Some((name.clone(), names(feature)?))).collect()
}

/// A value; lists of numbers, and lists of those, as JSON lines have them.
fn cell(field: &Field) -> std::result::Result<Option<Raw>, String> {
    let json = match field {
        Field::Null => return Ok(None),
        Field::Float(value) if value.is_nan() => return Ok(None), // as pandas writes what is missing
        Field::Double(value) if value.is_nan() => return Ok(None),
        Field::Float(value) if value.is_infinite() => return Err(format!("the number {value}")),
        Field::Double(value) if value.is_infinite() => return Err(format!("the number {value}")),
        Field::Str(text) => return Ok(Some(Raw::Text(text.clone()))),
        Field::Date(_)
        | Field::TimeMillis(_)
        | Field::TimeMicros(_)
        | Field::TimestampMillis(_)
        | Field::TimestampMicros(_)
        | Field::Decimal(_) => return Ok(Some(Raw::Text(field.to_string()))),
        field => field.to_json_value(),
    };
    jsonl::cell(json)
}

/// One column of a table to be written.
#[derive(Clone, Debug)]
pub enum Column {
    /// Texts.
    Texts(Vec<String>),
    /// Numbers.
    Numbers(Vec<f32>),
    /// A list of numbers a row.
    Vectors(Vec<Vec<f32>>),
}

/// Writes named columns, all of one length, as a Parquet file packed with Zstandard.
///
/// # Errors
/// What the system says where it refuses.
pub fn write<W: Write + Send>(file: W, columns: &[(String, Column)]) -> std::io::Result<()> {
    write_columns(file, columns).map_err(|error| std::io::Error::other(error.to_string()))
}

fn write_columns<W: Write + Send>(file: W, columns: &[(String, Column)]) -> std::result::Result<(), ParquetError> {
    fn plain(name: &str, physical: Physical) -> PrimitiveTypeBuilder<'_> {
        Type::primitive_type_builder(name, physical).with_repetition(Repetition::REQUIRED)
    }
    let schema = |(name, column): &(String, Column)| -> std::result::Result<TypePtr, ParquetError> {
        Ok(Arc::new(match column {
            Column::Texts(_) => plain(name, Physical::BYTE_ARRAY)
                .with_converted_type(ConvertedType::UTF8)
                .with_logical_type(Some(LogicalType::String))
                .build()?,
            Column::Numbers(_) => plain(name, Physical::FLOAT).build()?,
            Column::Vectors(_) => {
                let element = Arc::new(plain("element", Physical::FLOAT).build()?);
                let list = Type::group_type_builder("list").with_repetition(Repetition::REPEATED);
                let list = Arc::new(list.with_fields(vec![element]).build()?);
                Type::group_type_builder(name)
                    .with_repetition(Repetition::REQUIRED)
                    .with_converted_type(ConvertedType::LIST)
                    .with_logical_type(Some(LogicalType::List))
                    .with_fields(vec![list])
                    .build()?
            }
        }))
    };
    let fields = columns.iter().map(schema).collect::<std::result::Result<_, _>>()?;
    let schema = Arc::new(Type::group_type_builder("schema").with_fields(fields).build()?);
    let properties = WriterProperties::builder().set_compression(Compression::ZSTD(Default::default())).build();
    let mut writer = SerializedFileWriter::new(file, schema, Arc::new(properties))?;
    let mut group = writer.next_row_group()?;
    for (_, column) in columns {
        let Some(mut to) = group.next_column()? else { break };
        match column {
            Column::Texts(texts) => {
                let values: Vec<ByteArray> = texts.iter().map(|text| ByteArray::from(text.as_str())).collect();
                to.typed::<ByteArrayType>().write_batch(&values, None, None)?;
            }
            Column::Numbers(numbers) => {
                to.typed::<FloatType>().write_batch(numbers, None, None)?;
            }
            Column::Vectors(vectors) => {
                let values: Vec<f32> = vectors.concat();
                let levels = vectors.iter().flat_map(|vector| {
                    let real = i16::from(!vector.is_empty());
                    (0..vector.len().max(1)).map(move |at| (real, i16::from(at > 0)))
                });
                let (definition, repetition): (Vec<i16>, Vec<i16>) = levels.unzip();
                to.typed::<FloatType>().write_batch(&values, Some(&definition), Some(&repetition))?;
            }
        }
        to.close()?;
    }
    group.close()?;
    writer.close()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Table;

    fn table(columns: &[(&str, Column)]) -> Table {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.parquet");
        let columns: Vec<_> = columns.iter().map(|(name, column)| (name.to_string(), column.clone())).collect();
        write(File::create(&path).unwrap(), &columns).unwrap();
        Table::read(&path).unwrap()
    }

    #[test]
    fn what_is_written_is_read() {
        let table = table(&[
            ("text", Column::Texts(vec!["a".into(), String::new(), "ß".into()])),
            ("number", Column::Numbers(vec![1.5, f32::NAN, -3.0])),
            ("vector", Column::Vectors(vec![vec![1.0, 2.5], vec![], vec![3.0]])),
        ]);
        assert_eq!((table.columns(), table.len()), (["text", "number", "vector"].map(String::from).as_slice(), 3));
        assert_eq!(table.named(2, "text"), Some(&Raw::Text("ß".into())));
        assert_eq!((table.named(0, "number"), table.named(1, "number")), (Some(&Raw::Numbers(vec![1.5])), None));
        assert_eq!(table.named(0, "vector"), Some(&Raw::Numbers(vec![1.0, 2.5])));
        assert_eq!(table.named(1, "vector"), Some(&Raw::Numbers(vec![])));
        assert!(table.row_place(2).ends_with("a.parquet, row 3"));
    }

    /// `python reference/parquet.py` writes it with pyarrow: a struct of bytes and path, classes, lists of lists, dates.
    #[test]
    fn a_file_of_datasets() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/datasets.parquet");
        let table = Table::read(&path).unwrap();
        assert_eq!(table.columns(), ["image", "label", "score", "box", "steps", "day", "raw"]);
        let image = table.column("image").unwrap();
        assert_eq!(&*table.media(0, image).unwrap(), b"first picture");
        assert_eq!(table.named(1, "image"), Some(&Raw::Text("beside.png".into())));
        assert_eq!(table.named(2, "image"), None);
        let text = |row, name| table.named(row, name).map(|raw| crate::data::shown(raw).into_owned());
        assert_eq!((text(0, "label").as_deref(), text(1, "label").as_deref()), (Some("cat"), Some("dog")));
        assert_eq!(
            (text(0, "score").as_deref(), text(1, "score"), text(2, "score").as_deref()),
            (Some("0.5"), None, Some("2"))
        );
        assert_eq!(table.named(0, "box"), Some(&Raw::Numbers(vec![1.0, 2.0, 3.0])));
        assert_eq!(text(0, "steps").as_deref(), Some("[[1.0,2.0],[3.0]]"));
        assert_eq!(text(2, "day").as_deref(), Some("2024-02-29"));
        assert_eq!(&*table.media(2, table.column("raw").unwrap()).unwrap(), b"\x00\xff");
        assert!(
            table.notes()[0].ends_with("left out what is of a kind that is not read: \"extra\""),
            "{:?}",
            table.notes()
        );
    }

    /// `python reference/parquet.py` writes it with DuckDB.
    #[test]
    fn a_column_of_intervals_is_left_out() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/interval.parquet");
        let table = Table::read(&path).unwrap();
        assert_eq!(table.columns(), ["text", "score"]);
        assert_eq!(table.named(0, "score"), Some(&Raw::Numbers(vec![1.5])));
        assert!(table.notes()[0].ends_with("left out what is of a kind that is not read: \"wait\""));
    }

    #[test]
    fn damage_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.parquet");
        let error = |bytes: &[u8]| {
            std::fs::write(&path, bytes).unwrap();
            Table::read(&path).unwrap_err().to_string()
        };
        assert!(error(b"").contains("a.parquet: damaged Parquet: "));
        assert!(error(b"PAR1 and then nothing of the kind PAR1").contains("damaged Parquet: "));

        // the schema's first element: its name, then the number of its children
        let mut bytes = Vec::new();
        write(&mut bytes, &[("text".to_string(), Column::Texts(vec!["a".into()]))]).unwrap();
        let place = bytes.windows(9).position(|window| window == b"\x06schema\x15\x02").unwrap() + 8;
        bytes.splice(place..=place, *b"\xfe\xff\xff\xff\x0f");
        let length = bytes.len() - 8;
        let footer = u32::from_le_bytes(bytes[length..][..4].try_into().unwrap()) + 4;
        bytes[length..][..4].copy_from_slice(&footer.to_le_bytes());
        assert!(error(&bytes).ends_with("damaged Parquet: a group of 2147483647 columns in a schema of 2"));
    }
}
