//! A table read through a model's modalities: decoded values, each different one once.
use super::cache::{Cache, Place, Room, key};
use super::{Source, Table, count};
use crate::{
    Batch, Config, Error, Input, Item, Model, Named, Raw, Result,
    config::OnError,
    modalities::Modality,
    random::{Purpose, RngExt, random, random_named},
};
use burn::tensor::{Device, Tensor, TensorData};
use rayon::prelude::*;
use std::{
    borrow::Cow,
    collections::HashMap,
    sync::{Arc, OnceLock},
};

/// A row without a value.
const MISSING: u32 = u32::MAX;

/// A table read through a model's modalities.
pub struct Examples {
    table: Table,
    inputs: Vec<Field>,
    targets: Vec<Field>,
    groups: Vec<u64>,
}

/// One modality's column.
struct Field {
    name: String,
    source: Option<Source>,
    modality: Modality,
    /// Whether it is what a decoder is to make.
    is_target: bool,
    /// Which of the different values each row has.
    slots: Vec<u32>,
    /// The first row of each different value.
    first: Vec<usize>,
    kept: Kept,
}

/// What is decoded once: media in a file, the rest in memory.
enum Kept {
    Media(Cache, Vec<Place>),
    Small(Vec<OnceLock<Arc<Item>>>),
}

/// How rows are changed at random in training.
#[derive(Clone, Debug)]
pub struct Draw {
    /// The run's seed.
    pub seed: u64,
    /// Passes done over the rows.
    pub epoch: u64,
    /// Probability that a modality is withheld from a row.
    pub modality_dropout: f64,
}

/// Rows ready to become tensors.
pub struct Gathered {
    inputs: Named<Column>,
    targets: Named<Column>,
    groups: Vec<u64>,
}

/// One modality of some rows: each different value once.
struct Column {
    items: Vec<Option<Arc<Item>>>,
    rows: Vec<u32>,
    blank: Item,
    time: Option<usize>,
}

impl Examples {
    /// Reads a table's columns through a model's modalities.
    ///
    /// A column that the table has not is a missing modality; that all are missing is an error, and in training
    /// (`strict`) each is.
    ///
    /// # Errors
    /// [`Error::Data`] with the column; in training [`Error::Config`] where `data.cache_folder` cannot be written in.
    pub fn new(table: Table, config: &Config, model: &Model, strict: bool) -> Result<Self> {
        let room = Room::new(config.data.cache_mb as u64 * 1_000_000, config.data.cache_folder.as_deref());
        if strict {
            room.check()?;
        }
        let field = |name: &str, modality: &Modality, is_target: bool| -> Result<Field> {
            let source = Source::find(&table, config.column(name), config.columns(name), strict);
            let source = match (source, strict) {
                (Ok(source), _) => Some(source),
                (Err(error), true) => return Err(crate::run::missing_column(error, name)),
                (Err(_), false) => None,
            };
            let cache = modality.get().is_media().then(|| room.open(&options(config, name, is_target)));
            Ok(Field { is_target, ..Field::new(name, source, modality, cache, &table) })
        };
        let inputs =
            model.modalities().map(|(name, modality)| field(name, modality, false)).collect::<Result<Vec<_>>>()?;
        let targets = model.tasks().filter_map(|(name, task)| Some((name, task.target()?)));
        let targets = targets.map(|(name, modality)| field(name, modality, true)).collect::<Result<Vec<_>>>()?;
        if inputs.iter().all(|field| field.source.is_none()) {
            let columns = inputs.iter().flat_map(|field| match config.columns(&field.name) {
                [] => vec![config.column(&field.name)],
                several => several.iter().map(String::as_str).collect(),
            });
            let columns: Vec<&str> = columns.collect();
            let problem = format!("has none of the columns that the model reads: {}", columns.join(", "));
            let help = format!("its columns are: {}", table.columns().join(", "));
            return Err(Error::data(table.path().display().to_string(), problem).with_help(help));
        }
        let group = config.data.group_by.as_deref().map(|name| table.column(name));
        let group = match group {
            Some(Err(error)) if strict => return Err(error),
            Some(Ok(column)) => Some(column),
            _ => None,
        };
        let groups = (0..table.len()).map(|row| match group.and_then(|column| table.cell(row, column)) {
            Some(raw) => hash(raw),
            None => hash(&Raw::Numbers(vec![row as f32])).wrapping_add(row as u64),
        });
        let groups = groups.collect();
        room.tidy();
        Ok(Self { inputs, targets, groups, table })
    }

    /// The table.
    pub fn table(&self) -> &Table {
        &self.table
    }

    /// A number a row, the same for copies of one thing.
    pub fn groups(&self) -> &[u64] {
        &self.groups
    }

    /// Whether `data.cache_mb` held all that was decoded so far; the rest is decoded again every epoch.
    pub fn fits_cache(&self) -> bool {
        let fields = self.inputs.iter().chain(&self.targets);
        !fields.into_iter().any(|field| matches!(&field.kept, Kept::Media(cache, _) if cache.is_full()))
    }

    /// For each row of the table which of a modality's different values it has.
    ///
    /// # Errors
    /// [`Error::Config`] where there is no such modality.
    pub fn slots(&self, modality: &str) -> Result<&[u32]> {
        let field = self.inputs.iter().find(|field| field.name == modality);
        let known = || self.inputs.iter().map(|field| field.name.as_str()).collect::<Vec<_>>().join(", ");
        field
            .map(|field| field.slots.as_slice())
            .ok_or_else(|| Error::config("train.together", format!("no modality `{modality}`; here are: {}", known())))
    }

    /// One modality of some rows, unchanged; none where a row has it not.
    ///
    /// # Errors
    /// [`Error::Data`] for a value that cannot be read.
    pub fn items(&self, rows: &[usize], modality: &str) -> Result<Vec<Option<Arc<Item>>>> {
        let field = self.inputs.iter().find(|field| field.name == modality);
        let field = field.ok_or_else(|| Error::config(modality, "is no modality"))?;
        let item = |row: &usize| match field.slots[*row] {
            MISSING => Ok(None),
            slot => self.item(field, slot).map(Some),
        };
        rows.iter().map(item).collect()
    }

    /// Decodes all values of some rows on all cores, so that no bad one comes as a surprise in training.
    ///
    /// Returns the rows that can be used and, where the policy is to skip, the errors of the others.
    ///
    /// # Errors
    /// The first row's error where the policy is to stop, or where more than `max_errors` rows are bad.
    pub fn load(&self, rows: &[usize], config: &Config) -> Result<(Vec<usize>, Vec<Error>)> {
        self.load_fields(&self.inputs.iter().chain(&self.targets).collect::<Vec<_>>(), rows, config)
    }

    /// The same of what the model reads alone, for rows whose targets do not matter.
    ///
    /// # Errors
    /// As [`load`](Self::load).
    pub fn load_inputs(&self, rows: &[usize], config: &Config) -> Result<(Vec<usize>, Vec<Error>)> {
        self.load_fields(&self.inputs.iter().collect::<Vec<_>>(), rows, config)
    }

    fn load_fields(&self, fields: &[&Field], rows: &[usize], config: &Config) -> Result<(Vec<usize>, Vec<Error>)> {
        let mut bad: HashMap<(usize, u32), Error> = HashMap::new();
        for (at, field) in fields.iter().enumerate() {
            let mut slots: Vec<u32> =
                rows.iter().map(|row| field.slots[*row]).filter(|slot| *slot != MISSING).collect();
            slots.sort_unstable();
            slots.dedup();
            let errors: Vec<(u32, Error)> =
                slots.par_iter().filter_map(|slot| self.item(field, *slot).err().map(|error| (*slot, error))).collect();
            bad.extend(errors.into_iter().map(|(slot, error)| ((at, slot), error)));
        }
        if bad.is_empty() {
            return Ok((rows.to_vec(), Vec::new()));
        }
        let (mut good, mut skipped) = (Vec::new(), Vec::new());
        for row in rows {
            let wrong = fields.iter().enumerate().find(|(at, field)| bad.contains_key(&(*at, field.slots[*row])));
            match wrong {
                None => good.push(*row),
                Some((_, field)) => skipped.push(self.item_of(field, *row).err().unwrap_or_else(|| {
                    Error::data(self.table.path().display().to_string(), "changed while it was read")
                })),
            }
        }
        if config.data.on_error == OnError::Stop {
            let others = skipped.len() - 1;
            return Err(or_skip(skipped.swap_remove(0), others));
        }
        if skipped.len() > config.data.max_errors {
            let count = skipped.len();
            let first = skipped.swap_remove(0);
            let problem =
                format!("{count} rows cannot be read, more than data.max_errors = {}", config.data.max_errors);
            return Err(
                Error::data(self.table.path().display().to_string(), problem).with_help(format!("the first: {first}"))
            );
        }
        Ok((good, skipped))
    }

    /// The values of some rows; `draw` changes them at random for training.
    ///
    /// # Errors
    /// [`Error::Data`] with the row and column of a value that cannot be read.
    pub fn gather(&self, rows: &[usize], draw: Option<&Draw>, targets: bool) -> Result<Gathered> {
        let kept = draw.filter(|draw| draw.modality_dropout > 0.0).map(|draw| self.kept(rows, draw));
        let column = |at: usize, field: &Field, draw: Option<&Draw>| -> Result<Column> {
            let (mut items, mut places) = (Vec::new(), HashMap::new());
            let mut indices = Vec::with_capacity(rows.len());
            for (index, row) in rows.iter().enumerate() {
                let keep = draw.is_none() || kept.as_ref().is_none_or(|kept| kept[index][at]);
                let slot = if keep { field.slots[*row] } else { MISSING };
                let place = match places.get(&slot) {
                    Some(place) => *place,
                    None => {
                        let item = match slot {
                            MISSING => None,
                            slot => Some(self.drawn(field, slot, *row, draw)?),
                        };
                        items.push(item);
                        places.insert(slot, items.len() as u32 - 1);
                        items.len() as u32 - 1
                    }
                };
                indices.push(place);
            }
            let modality = field.modality.get();
            Ok(Column { items, rows: indices, blank: modality.blank(), time: modality.time() })
        };
        let named = |(at, field): (usize, &Field), draw| Ok((field.name.clone(), column(at, field, draw)?));
        let inputs = self.inputs.iter().enumerate().map(|field| named(field, draw)).collect::<Result<_>>()?;
        let read = self.targets.iter().enumerate().filter(|_| targets);
        let targets = read.map(|field| named(field, None)).collect::<Result<_>>()?;
        Ok(Gathered { inputs, targets, groups: rows.iter().map(|row| self.groups[*row]).collect() })
    }

    /// For each row and modality whether it stays: each is dropped by chance, and one that the row has always stays.
    fn kept(&self, rows: &[usize], draw: &Draw) -> Vec<Vec<bool>> {
        let row = |row: &usize| {
            let mut random = random(draw.seed, draw.epoch, *row as u64, Purpose::ModalityDropout);
            let has: Vec<usize> = (0..self.inputs.len()).filter(|at| self.inputs[*at].slots[*row] != MISSING).collect();
            let mut kept: Vec<bool> =
                self.inputs.iter().map(|_| random.random::<f64>() >= draw.modality_dropout).collect();
            if !has.is_empty() && !has.iter().any(|at| kept[*at]) {
                kept[has[random.random_range(0..has.len())]] = true;
            }
            kept
        };
        rows.iter().map(row).collect()
    }

    fn drawn(&self, field: &Field, slot: u32, row: usize, draw: Option<&Draw>) -> Result<Arc<Item>> {
        let item = self.item(field, slot)?;
        let Some(draw) = draw else { return Ok(item) };
        let mut random = random_named(draw.seed, draw.epoch, row as u64, &field.name, Purpose::Augment);
        Ok(field.modality.get().augment(&item, &mut random).map_or(item, Arc::new))
    }

    fn item_of(&self, field: &Field, row: usize) -> Result<Arc<Item>> {
        self.item(field, field.slots[row]).map_err(|error| match (error, &field.source) {
            (Error::Data { problem, help, .. }, Some(source @ Source::Column(_))) => {
                Error::Data { at: source.place(&self.table, row), problem, help }
            }
            (error, _) => error,
        })
    }

    /// A value, from the cache or decoded now.
    fn item(&self, field: &Field, slot: u32) -> Result<Arc<Item>> {
        let kept = match &field.kept {
            Kept::Media(cache, places) => cache.get(&places[slot as usize]).map(Arc::new),
            Kept::Small(items) => items[slot as usize].get().cloned(),
        };
        if let Some(item) = kept {
            return Ok(item);
        }
        let row = field.first[slot as usize];
        let modality = field.modality.get();
        let read = |raw: &Raw| if field.is_target { modality.read_target(raw) } else { modality.read(raw) };
        let source = field.source.as_ref().expect("a field without a column has no values");
        let raw = source.value(&self.table, row)?.expect("a slot is a value that is not empty");
        let content = match (modality.is_media(), source, raw.as_ref()) {
            (true, Source::Column(column), Raw::Text(_)) | (_, Source::Column(column), Raw::Stored(_)) => {
                Cow::Owned(Raw::Bytes(self.table.media(row, *column)?))
            }
            _ => Cow::Borrowed(raw.as_ref()),
        };
        let key = match &field.kept {
            Kept::Media(cache, places) if cache.stays() => {
                let key = hash(&content);
                if let Some(item) = cache.find(&places[slot as usize], key) {
                    return Ok(Arc::new(item));
                }
                key
            }
            _ => 0,
        };
        let item = match (&content, source) {
            (Cow::Owned(content), Source::Column(column)) => {
                read(content).map_err(|error| match error {
                    // a place of its own is one inside of the file: a moment, a picture of a folder
                    Error::Data { at, problem, help } => {
                        let inside = if at.is_empty() { at } else { format!("{at}: ") };
                        let problem = format!("{}: {inside}{problem}", media_name(&raw));
                        Error::Data { at: self.table.place(row, *column), problem, help }
                    }
                    other => other,
                })?
            }
            (content, _) => read(content).map_err(|error| error.within(&source.place(&self.table, row)))?,
        };
        let item = Arc::new(item);
        match &field.kept {
            Kept::Media(cache, places) => cache.put(&places[slot as usize], key, &item),
            Kept::Small(items) => drop(items[slot as usize].set(item.clone())),
        }
        Ok(item)
    }
}

/// The error of a row, with the ways out; `others` is how many further rows are known to be bad.
pub(crate) fn or_skip(mut error: Error, others: usize) -> Error {
    if let Error::Data { help, .. } = &mut error {
        let separator = if help.is_empty() { "" } else { "; " };
        *help += &format!("{separator}mend the row, or leave such rows out with `data.on_error = \"skip\"`");
        if others > 0 {
            *help += &format!(" ({} cannot be read either)", count(others, "other row"));
        }
    }
    error
}

/// The path in a cell, as it is called in an error.
fn media_name(raw: &Raw) -> &str {
    match raw {
        Raw::Text(path) => path,
        _ => "the value",
    }
}

/// The text of a value that is text.
fn text(raw: &Raw) -> Option<&str> {
    if let Raw::Text(text) = raw { Some(text) } else { None }
}

/// A hash of a value.
fn hash(raw: &Raw) -> u64 {
    match raw {
        Raw::Numbers(numbers) => key(&numbers.iter().map(|number| number.to_bits()).collect::<Vec<_>>()),
        Raw::Text(text) => key(text),
        Raw::Bytes(bytes) => key(bytes),
        Raw::Stored(stored) => key(stored),
    }
}

/// The options that a modality is decoded by.
fn options(config: &Config, name: &str, is_target: bool) -> String {
    let options = match is_target {
        true => serde_json::to_string(&config.tasks.get(name).map(|task| &task.target)),
        false => serde_json::to_string(&config.modalities.get(name)),
    };
    format!("{is_target}: {}", options.unwrap_or_default())
}

impl Field {
    fn new(name: &str, source: Option<Source>, modality: &Modality, cache: Option<Cache>, table: &Table) -> Self {
        let (mut slots, mut first) = (vec![MISSING; table.len()], Vec::new());
        if let Some(source) = &source {
            let mut known: HashMap<&str, u32> = HashMap::new();
            let text = |row| match source {
                Source::Column(column) => table.cell(row, *column).and_then(text),
                Source::Numbers(_) => None,
            };
            for (row, slot) in slots.iter_mut().enumerate() {
                let new = first.len() as u32;
                *slot = match text(row) {
                    Some(text) => *known.entry(text).or_insert(new),
                    None if source.has(table, row) => new,
                    None => MISSING,
                };
                if *slot == new {
                    first.push(row);
                }
            }
        }
        let kept = match cache {
            Some(cache) => Kept::Media(cache, first.iter().map(|_| Place::default()).collect()),
            None => Kept::Small(first.iter().map(|_| OnceLock::new()).collect()),
        };
        Self { name: name.to_string(), source, modality: modality.clone(), is_target: false, slots, first, kept }
    }
}

impl Gathered {
    /// The rows as tensors.
    pub fn batch(&self, device: &Device) -> Result<Batch> {
        let stack = |columns: &Named<Column>| -> Result<Named<Input>> {
            columns.iter().map(|(name, column)| Ok((name.clone(), column.stack(device)?))).collect()
        };
        let targets = stack(&self.targets)?.into_iter().map(|(name, target)| (name, target.each_row()));
        Ok(Batch { inputs: stack(&self.inputs)?, targets: targets.collect(), groups: self.groups.clone() })
    }
}

impl Column {
    fn stack(&self, device: &Device) -> Result<Input> {
        let items: Vec<Option<&Item>> = self.items.iter().map(Option::as_deref).collect();
        let mut input = Input::stack(&items, &self.blank, self.time, device)?;
        if self.rows.iter().enumerate().any(|(index, place)| index as u32 != *place)
            || self.rows.len() != self.items.len()
        {
            let rows: Vec<i64> = self.rows.iter().map(|place| i64::from(*place)).collect();
            let count = rows.len();
            input.rows = Some(Tensor::from_data(TensorData::new(rows, [count]), device));
        }
        Ok(input)
    }
}
