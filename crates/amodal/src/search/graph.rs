//! Approximate search: a hierarchical navigable small world of vectors, Malkov and Yashunin 2018 (arXiv:1603.09320), which the
//! library `usearch` builds where amodal is built with the feature `hnsw`.
use crate::{Error, Result};

/// Vectors that a search keeps in view where nothing else is asked: more find more, and take longer.
pub const EFFORT: usize = 64;

/// Whether graphs can be built.
///
/// # Errors
/// [`Error::Data`] where amodal is built without the feature `hnsw`.
pub fn can_be_built() -> Result<()> {
    if cfg!(feature = "hnsw") {
        return Ok(());
    }
    let help = "build it with `--features hnsw`, which needs a C++ compiler; without a graph the search is exact";
    Err(Error::data("index", "this amodal was built without graphs").with_help(help))
}

#[cfg(feature = "hnsw")]
mod made {
    use crate::{Error, Result};
    use usearch::{Index, IndexOptions, MetricKind, ScalarKind};

    /// Neighbours of a vector, and vectors kept in view for finding them.
    const NEIGHBOURS: usize = 16;
    const CARE: usize = 200;

    /// A graph of vectors by their positions. Its own copies have half the bits: it finds candidates, others rank them.
    pub(in crate::search) struct Graph(Index);

    impl Graph {
        /// Of unit vectors, `[items, dim]`. One thread adds them, so that the same vectors give the same graph.
        pub(in crate::search) fn build(vectors: &[f32], dim: usize) -> Result<Self> {
            let (graph, items) = (Self::empty(dim)?, vectors.len() / dim);
            // Each thread that the library knows of draws levels of its own, in turn.
            graph.0.reset().map_err(failed)?;
            graph.0.reserve_capacity_and_threads(items, 1).map_err(failed)?;
            for (position, vector) in vectors.chunks_exact(dim).enumerate() {
                graph.0.add(position as u64, vector).map_err(failed)?;
            }
            graph.for_threads(items)?;
            Ok(graph)
        }

        fn empty(dim: usize) -> Result<Self> {
            let options = IndexOptions {
                dimensions: dim,
                metric: MetricKind::IP,
                quantization: ScalarKind::BF16,
                connectivity: NEIGHBOURS,
                expansion_add: CARE,
                expansion_search: 1, // as many as are asked for
                multi: false,
            };
            Ok(Self(Index::new(&options).map_err(failed)?))
        }

        /// Makes room for searching on all threads.
        fn for_threads(&self, items: usize) -> Result<()> {
            self.0.reserve_capacity_and_threads(items, rayon::current_num_threads() + 1).map_err(failed)
        }

        /// What [`Self::bytes`] wrote for so many vectors.
        pub(in crate::search) fn load(bytes: &[u8], items: usize, dim: usize) -> Result<Self> {
            let graph = Self::empty(dim)?;
            graph.0.load_from_buffer(bytes).map_err(failed)?;
            if (graph.0.size(), graph.0.dimensions()) != (items, dim) {
                return Err(failed("is of other vectors"));
            }
            graph.for_threads(items)?;
            Ok(graph)
        }

        pub(in crate::search) fn bytes(&self) -> Result<Vec<u8>> {
            let mut bytes = vec![0; self.0.serialized_length()];
            self.0.save_to_buffer(&mut bytes).map_err(failed)?;
            Ok(bytes)
        }

        /// Positions that may be nearest to a query, of which so many are kept in view; none where it cannot be searched, as
        /// on more threads than it was made for.
        pub(in crate::search) fn find(
            &self,
            query: &[f32],
            effort: usize,
            keep: Option<&impl Fn(usize) -> bool>,
        ) -> Vec<usize> {
            let found = match keep {
                Some(keep) => self.0.filtered_search(query, effort, |key| keep(key as usize)),
                None => self.0.search(query, effort),
            };
            found.map_or_else(|_| Vec::new(), |found| found.keys.into_iter().map(|key| key as usize).collect())
        }
    }

    /// What the library says.
    fn failed(problem: impl std::fmt::Display) -> Error {
        Error::data("index", format!("the graph: {problem}"))
    }
}

#[cfg(not(feature = "hnsw"))]
mod made {
    use crate::Result;

    /// There is none without the feature.
    pub(in crate::search) enum Graph {}

    impl Graph {
        pub(in crate::search) fn build(_: &[f32], _: usize) -> Result<Self> {
            super::can_be_built()?;
            unreachable!("that is an error here")
        }

        pub(in crate::search) fn load(_: &[u8], _: usize, _: usize) -> Result<Self> {
            Self::build(&[], 0)
        }

        pub(in crate::search) fn bytes(&self) -> Result<Vec<u8>> {
            match *self {}
        }

        pub(in crate::search) fn find(&self, _: &[f32], _: usize, _: Option<&impl Fn(usize) -> bool>) -> Vec<usize> {
            match *self {}
        }
    }
}

pub(super) use made::Graph;

impl std::fmt::Debug for Graph {
    fn fmt(&self, formatter: &mut std::fmt::Formatter) -> std::fmt::Result {
        formatter.write_str("Graph")
    }
}
