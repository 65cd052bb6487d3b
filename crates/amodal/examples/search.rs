//! The time of searching, beside which `bench/search.py` runs other libraries on the same vectors.
//!
//! ```sh
//! cargo run --release --workspace --features hnsw --example search -- FOLDER DIM K
//! ```
//!
//! FOLDER holds `items.f32` and `queries.f32`, numbers of unit vectors one after the other. Each line of the input is `one` (exact,
//! query by query), `exact` (all queries at once), `build` or an effort (by the graph, query by query); each is answered by a
//! line of JSON: the seconds, and the positions found.
use amodal::{
    Result,
    search::{Hit, Index},
};
use std::{env, fs, io, process::exit, time::Instant};

fn main() -> Result<()> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [folder, dim, k] = arguments.as_slice() else {
        eprintln!("usage: search FOLDER DIM K");
        exit(2)
    };
    let (dim, k) = (number(dim), number(k));
    let read = |name: &str| -> Vec<f32> {
        let bytes = fs::read(format!("{folder}/{name}")).unwrap_or_else(|error| panic!("{folder}/{name}: {error}"));
        bytes.as_chunks::<4>().0.iter().map(|value| f32::from_le_bytes(*value)).collect()
    };
    let (items, queries) = (read("items.f32"), read("queries.f32"));
    let queries: Vec<&[f32]> = queries.chunks_exact(dim).collect();
    let mut index = Index::new(dim, String::new());
    for (position, vector) in items.chunks_exact(dim).enumerate() {
        index.add(&format!("{position:09}"), "x", vector, String::new())?;
    }
    for line in io::stdin().lines() {
        let line = line.unwrap_or_default();
        let begin = Instant::now();
        let each = |effort: Option<usize>| -> Result<Vec<Vec<Hit>>> {
            queries.iter().map(|query| Ok(index.search_all(&[query], None, k, effort)?.remove(0))).collect()
        };
        let found = match line.trim() {
            "build" => {
                index.build_graph()?;
                vec![]
            }
            "exact" => index.search_all(&queries, None, k, None)?,
            "one" => each(None)?,
            effort => each(Some(number(effort)))?,
        };
        let seconds = begin.elapsed().as_secs_f64();
        let ids: Vec<Vec<usize>> = found.iter().map(|hits| hits.iter().map(|hit| number(&hit.id)).collect()).collect();
        println!("{}", serde_json::json!({ "seconds": seconds, "found": ids }));
    }
    Ok(())
}

fn number(text: &str) -> usize {
    text.parse().unwrap_or_else(|_| panic!("{text:?}: expected a number"))
}
