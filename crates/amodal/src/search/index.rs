//! Named unit vectors in one file, held in memory.
use std::collections::HashMap;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use safetensors::tensor::{Dtype, SafeTensors, TensorView, serialize};
use serde::{Deserialize, Serialize};

use super::exact::{dot, each, nearest, rank};
use super::graph::{self, Graph};
use crate::data::count;
use crate::files::{read_regular, write_atomic};
use crate::{Error, Result};

/// A collection to search: each item is one modality of one row, with its embedding and what to show for it.
///
/// Items are added, replaced and removed in place: the last item moves into the gap, and results do not depend on where
/// items stand. The file is in safetensors form (tensors `vectors` `[items, dim]` and `items`, JSON as bytes), in the
/// order of the names, so that the same items give the same bytes. With [`Self::build_graph`] it also holds a graph (tensor
/// `graph`, bytes of the library that made it), by which some vectors are compared and not all; it is gone when an item is
/// added or removed.
#[derive(Clone, Debug)]
pub struct Index {
    model: String,
    dim: usize,
    items: Vec<Item>,
    vectors: Vec<f32>,                                  // [items, dim]
    positions: HashMap<String, HashMap<String, usize>>, // id → modality → item
    counts: crate::Named<usize>,                        // items of each modality
    graph: Option<Arc<Graph>>,
    /// Whether the file has a graph that this program cannot read.
    has_unread_graph: bool,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Item {
    id: String,
    modality: String,
    meta: String,
}

/// An item that was found.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Hit {
    /// The row that the item belongs to.
    pub id: String,
    /// Which modality of the row it is.
    pub modality: String,
    /// Cosine of the angle to the query: 1 is the same direction.
    pub score: f32,
    /// What was given to show for it, such as a text or a path, in JSON.
    pub meta: String,
}

/// Written into the file, to tell it from any other tensors.
#[derive(Serialize, Deserialize)]
struct Header {
    version: u32,
    model: String,
    dim: usize,
    /// CRC-32 of the graph, whose library trusts what it reads.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    graph: Option<u32>,
}

const HEADER: &str = "amodal_index";
const VERSION: u32 = 1;

impl Index {
    /// An empty index for embeddings of `dim` numbers (at least one), made by `model`.
    pub fn new(dim: usize, model: String) -> Self {
        Self {
            model,
            dim: dim.max(1),
            items: vec![],
            vectors: vec![],
            positions: HashMap::new(),
            counts: crate::Named::new(),
            graph: None,
            has_unread_graph: false,
        }
    }

    /// Numbers in an embedding.
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// The model that made the embeddings.
    pub fn model(&self) -> &str {
        &self.model
    }

    /// Number of items: rows times their modalities.
    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// Whether nothing is in it.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// Number of items of each modality.
    pub fn modalities(&self) -> crate::Named<usize> {
        self.counts.clone()
    }

    /// Refuses to compare embeddings of different models, whose numbers mean different things.
    ///
    /// # Errors
    /// [`Error::Data`] if `model` is not the one that made the index.
    pub fn check_model(&self, model: &str) -> Result<()> {
        if self.model == model {
            return Ok(());
        }
        let problem = format!("made by model {:?}, the model in use is {model:?}", self.model);
        Err(Error::data("index", problem).with_help("make the index again with `amodal index`"))
    }

    /// Adds an embedding, scaled to length 1; one of the same `id` and `modality` is replaced.
    ///
    /// # Errors
    /// [`Error::Data`] if the vector has another number of numbers, is not finite, or is all zero.
    pub fn add(&mut self, id: &str, modality: &str, vector: &[f32], meta: String) -> Result<()> {
        let unit = self.unit(vector).map_err(|error| error.within(&format!("{modality} of {id:?}")))?;
        self.graph = None;
        let item = Item { id: id.to_string(), modality: modality.to_string(), meta };
        if let Some(position) = self.positions.get(id).and_then(|of| of.get(modality)).copied() {
            self.vectors[position * self.dim..][..self.dim].copy_from_slice(&unit);
            self.items[position] = item;
        } else {
            self.vectors.extend(unit);
            self.insert(item);
        }
        Ok(())
    }

    fn insert(&mut self, item: Item) {
        let of = self.positions.entry(item.id.clone()).or_default();
        of.insert(item.modality.clone(), self.items.len());
        *self.counts.entry(item.modality.clone()).or_default() += 1;
        self.items.push(item);
    }

    /// Removes every modality of a row; the number of items removed, 0 if there is no such row.
    pub fn remove(&mut self, id: &str) -> usize {
        let Some(of) = self.positions.remove(id) else { return 0 };
        self.graph = None;
        let mut removed: Vec<usize> = of.into_values().collect();
        removed.sort_unstable();
        // From the end, so that the item that moves into a gap is never itself one to remove.
        for position in removed.iter().rev().copied() {
            let last = self.items.len() - 1;
            let Item { modality, .. } = self.items.swap_remove(position);
            if let Some(count) = self.counts.get_mut(&modality) {
                *count -= 1;
            }
            self.vectors.copy_within(last * self.dim.., position * self.dim);
            self.vectors.truncate(last * self.dim);
            if let Some(moved) = self.items.get(position)
                && let Some(at) = self.positions.get_mut(&moved.id).and_then(|of| of.get_mut(&moved.modality))
            {
                *at = position;
            }
        }
        self.counts.retain(|_, count| *count > 0);
        removed.len()
    }

    /// Whether a search can go by a graph.
    pub fn has_graph(&self) -> bool {
        self.graph.is_some()
    }

    /// Whether the file that it was read from has a graph that this program cannot read, being built without the feature `hnsw`
    /// or with another version of the library; it is not written again.
    pub fn has_unread_graph(&self) -> bool {
        self.has_unread_graph
    }

    /// Builds the graph of all items; adding or removing one takes it away again.
    ///
    /// # Errors
    /// [`Error::Data`] where amodal is built without the feature `hnsw`.
    pub fn build_graph(&mut self) -> Result<()> {
        graph::can_be_built()?;
        // The file is in the order of names, and the graph knows items by their positions.
        let order = self.order();
        self.vectors = order.iter().flat_map(|position| self.vector(*position)).copied().collect();
        self.items = order.iter().map(|position| self.items[*position].clone()).collect();
        for (position, item) in self.items.iter().enumerate() {
            if let Some(at) = self.positions.get_mut(&item.id).and_then(|of| of.get_mut(&item.modality)) {
                *at = position;
            }
        }
        self.graph = Some(Arc::new(Graph::build(&self.vectors, self.dim)?));
        self.has_unread_graph = false;
        Ok(())
    }

    /// The share of the 10 nearest items, or of others as near, that a search by the graph finds; asked with items taken evenly.
    /// 1 without a graph.
    ///
    /// # Errors
    /// As those of [`Self::search`].
    pub fn recall(&self, effort: usize, samples: usize) -> Result<f64> {
        let step = self.len().div_ceil(samples.max(1)).max(1);
        let queries: Vec<&[f32]> = (0..self.len()).step_by(step).map(|position| self.vector(position)).collect();
        let find = |effort: Option<usize>| self.search_all(&queries, None, 10, effort);
        let (all, near) = (find(None)?, find(Some(effort))?);
        let as_near = |(all, near): (&Vec<Hit>, &Vec<Hit>)| {
            let least = all.last().map_or(0.0, |last| last.score);
            near.iter().filter(|hit| hit.score >= least).count()
        };
        let found: usize = all.iter().zip(&near).map(as_near).sum();
        let asked: usize = all.iter().map(Vec::len).sum();
        Ok(if asked == 0 { 1.0 } else { found as f64 / asked as f64 })
    }

    /// The `k` items nearest to a query, of one modality or of all, best first; equal scores in the order of id, then
    /// modality. Exact: every item is compared.
    ///
    /// # Errors
    /// [`Error::Data`] for a query of another width, not finite or all zero, or an unknown modality of a filled index.
    pub fn search(&self, query: &[f32], modality: Option<&str>, k: usize) -> Result<Vec<Hit>> {
        Ok(self.search_all(&[query], modality, k, None)?.remove(0))
    }

    /// [`Self::search`] for each of many queries, quicker than one after the other, and the same hits; or, where there is a
    /// graph and an `effort`, quicker still and nearly the same: the graph keeps so many items in view (at least `k`), which
    /// are ranked as in an exact search. Where few items are of the modality, all are compared.
    ///
    /// # Errors
    /// As those of [`Self::search`].
    pub fn search_all(
        &self,
        queries: &[&[f32]],
        modality: Option<&str>,
        k: usize,
        effort: Option<usize>,
    ) -> Result<Vec<Vec<Hit>>> {
        let units: Result<Vec<Vec<f32>>> = queries.iter().map(|query| self.unit(query)).collect();
        let units = units.map_err(|error| error.within("query"))?;
        let k = k.min(self.len());
        let of = |item: &Item| modality.is_none_or(|modality| item.modality == modality);
        let there = modality.map_or(self.len(), |modality| self.counts.get(modality).copied().unwrap_or(0));
        if there == 0
            && let Some(modality) = modality
            && !self.is_empty()
        {
            let known: Vec<_> = self.modalities().into_keys().collect();
            let near = crate::error::suggest(modality, known.iter().map(String::as_str));
            let help = near.map(|near| format!("did you mean {near:?}?")).unwrap_or_default();
            let problem = format!("no modality {modality:?}; it has {known:?}");
            return Err(Error::data("index", problem).with_help(help));
        }
        let name = |position: usize| {
            let item = &self.items[position];
            of(item).then_some((item.id.as_str(), item.modality.as_str()))
        };
        let exact = |queries: &[f32]| nearest(&self.vectors, queries, self.dim, k, &name);
        let effort = effort.map(|effort| effort.clamp(k.max(1), self.len().max(1)));
        let found = match (&self.graph, effort) {
            (Some(graph), Some(effort)) if there > 4 * effort => {
                let keep = |position: usize| self.items.get(position).is_some_and(of);
                let one = |query: usize| {
                    let found = graph.find(&units[query], effort, modality.is_some().then_some(&keep));
                    let score = |position: usize| dot(self.vector(position), &units[query]);
                    (found.len() >= k).then(|| rank(found.into_iter(), score, k, &name))
                };
                let found = each(units.len(), one);
                // A graph may lead past items of a rare modality.
                let missing = found.iter().zip(&units).filter(|(found, _)| found.is_none());
                let missing: Vec<f32> = missing.flat_map(|(_, unit)| unit.iter().copied()).collect();
                let mut compared = exact(&missing).into_iter();
                found.into_iter().map(|found| found.or_else(|| compared.next()).unwrap_or_default()).collect()
            }
            _ => exact(&units.concat()),
        };
        let hit = |(position, score): (usize, f32)| {
            let Item { id, modality, meta } = self.items[position].clone();
            Hit { id, modality, score, meta }
        };
        Ok(found.into_iter().map(|found| found.into_iter().map(hit).collect()).collect())
    }

    fn vector(&self, position: usize) -> &[f32] {
        &self.vectors[position * self.dim..][..self.dim]
    }

    /// The positions in the order of the names.
    fn order(&self) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.items.len()).collect();
        order.sort_by_key(|position| (&self.items[*position].id, &self.items[*position].modality));
        order
    }

    fn unit(&self, vector: &[f32]) -> Result<Vec<f32>> {
        if vector.len() != self.dim {
            return Err(Error::data("", format!("{}, expected {}", count(vector.len(), "number"), self.dim)));
        }
        if let Some(at) = vector.iter().position(|value| !value.is_finite()) {
            return Err(Error::data("", format!("{} at position {at}, expected finite numbers", vector[at])));
        }
        let length = vector.iter().map(|value| f64::from(*value).powi(2)).sum::<f64>().sqrt();
        if length == 0.0 {
            return Err(Error::data("", "all zero, which has no direction"));
        }
        Ok(vector.iter().map(|value| (f64::from(*value) / length) as f32).collect())
    }

    /// Writes the index; a file that stands there is replaced whole.
    ///
    /// # Errors
    /// [`Error::Io`] if the system refuses.
    pub fn save(&self, path: &Path) -> Result<()> {
        let invalid = |error: &dyn std::fmt::Display| Error::run(path, format!("cannot be written: {error}"));
        let order = self.order();
        let items: Vec<&Item> = order.iter().map(|position| &self.items[*position]).collect();
        let items = serde_json::to_vec(&items).map_err(|error| invalid(&error))?;
        let mut vectors = Vec::with_capacity(self.vectors.len() * 4);
        for value in order.iter().flat_map(|position| self.vector(*position)) {
            vectors.extend_from_slice(&value.to_le_bytes());
        }
        let graph = self.graph.as_ref().map(|graph| graph.bytes()).transpose()?;
        let sum = graph.as_deref().map(crc32fast::hash);
        let header = Header { version: VERSION, model: self.model.clone(), dim: self.dim, graph: sum };
        let header = serde_json::to_string(&header).map_err(|error| invalid(&error))?;
        let mut tensors = vec![
            ("items", TensorView::new(Dtype::U8, vec![items.len()], &items).map_err(|error| invalid(&error))?),
            (
                "vectors",
                TensorView::new(Dtype::F32, vec![order.len(), self.dim], &vectors).map_err(|error| invalid(&error))?,
            ),
        ];
        if let Some(graph) = &graph {
            let view = TensorView::new(Dtype::U8, vec![graph.len()], graph).map_err(|error| invalid(&error))?;
            tensors.push(("graph", view));
        }
        let bytes = serialize(tensors, Some([(HEADER.to_string(), header)].into())).map_err(|error| invalid(&error))?;
        write_atomic(path, |file| file.write_all(&bytes))
    }

    /// Reads an index that [`Self::save`] wrote.
    ///
    /// # Errors
    /// [`Error::Run`] for a file that is missing, cut short, not an index, or whose parts do not fit together.
    pub fn load(path: &Path) -> Result<Self> {
        let bytes = read_regular(path, u64::MAX - 1).map_err(|problem| Error::run(path, problem))?;
        Self::parse(&bytes).map_err(|problem| Error::run(path, problem).with_help("make it again with `amodal index`"))
    }

    fn parse(bytes: &[u8]) -> Result<Self, String> {
        let not = |reason: &dyn std::fmt::Display| format!("not an index, or cut short ({reason})");
        let (_, metadata) = SafeTensors::read_metadata(bytes).map_err(|error| not(&error))?;
        let header = metadata.metadata().as_ref().and_then(|values| values.get(HEADER));
        let header = header.ok_or("a safetensors file, but not an index")?;
        let header: Header = serde_json::from_str(header).map_err(|error| not(&error))?;
        if header.version != VERSION {
            return Err(format!("version {} of the index file, this program reads {VERSION}", header.version));
        }
        let tensors = SafeTensors::deserialize(bytes).map_err(|error| not(&error))?;
        let tensor = |name| tensors.tensor(name).map_err(|error| not(&error));
        let (items, vectors) = (tensor("items")?, tensor("vectors")?);
        let list: Vec<Item> = serde_json::from_slice(items.data()).map_err(|error| not(&error))?;
        let expected = [list.len(), header.dim];
        if header.dim == 0 || vectors.dtype() != Dtype::F32 || vectors.shape() != expected {
            let (kind, shape) = (vectors.dtype(), vectors.shape());
            return Err(format!("vectors of {kind:?} {shape:?}, expected F32 {expected:?}"));
        }
        let mut index = Self::new(header.dim, header.model);
        index.vectors = vectors.data().as_chunks::<4>().0.iter().map(|value| f32::from_le_bytes(*value)).collect();
        for (item, vector) in list.into_iter().zip(index.vectors.chunks_exact(header.dim)) {
            // A NaN is in no range.
            if !(0.999..1.001).contains(&dot(vector, vector)) {
                return Err(format!("{} of {:?} is not of length 1", item.modality, item.id));
            }
            let of = index.positions.entry(item.id.clone()).or_default();
            if of.insert(item.modality.clone(), index.items.len()).is_some() {
                return Err(format!("{} of {:?} stands twice", item.modality, item.id));
            }
            *index.counts.entry(item.modality.clone()).or_default() += 1;
            index.items.push(item);
        }
        if let Some(sum) = header.graph {
            let graph = tensor("graph")?;
            if crc32fast::hash(graph.data()) != sum {
                return Err("its graph is damaged".to_string());
            }
            // All that it knows stands in the vectors too.
            index.graph = Graph::load(graph.data(), index.len(), index.dim).ok().map(Arc::new);
            index.has_unread_graph = index.graph.is_none();
        }
        Ok(index)
    }
}

#[cfg(test)]
#[path = "index_tests.rs"]
mod tests;
