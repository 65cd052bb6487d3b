use super::*;
use crate::random::{Purpose, RngExt, random};
use proptest::prelude::*;
use std::collections::BTreeMap;

fn index() -> Index {
    let mut index = Index::new(2, "run-1".into());
    index.add("a", "image", &[3.0, 4.0], "\"a.png\"".into()).unwrap();
    index.add("a", "text", &[1.0, 0.0], "\"hello\"".into()).unwrap();
    index.add("b", "image", &[0.0, 2.0], "null".into()).unwrap();
    index
}

fn names(hits: &[Hit]) -> Vec<String> {
    hits.iter().map(|hit| format!("{}/{}", hit.id, hit.modality)).collect()
}

#[test]
fn the_nearest_come_first() {
    let index = index();
    let hits = index.search(&[0.0, 10.0], None, 2).unwrap();
    assert_eq!(names(&hits), ["b/image", "a/image"]);
    assert_eq!((hits[0].score, hits[1].score, hits[1].meta.as_str()), (1.0, 0.8, "\"a.png\""));
    assert_eq!(names(&index.search(&[0.0, 1.0], Some("text"), 9).unwrap()), ["a/text"]);
    assert!(index.search(&[0.0, 1.0], None, 0).unwrap().is_empty());
    assert_eq!(index.modalities(), [("image".to_string(), 2), ("text".to_string(), 1)].into());
}

#[test]
fn items_are_replaced_and_removed_in_place() {
    let mut index = index();
    index.add("b", "image", &[1.0, 0.0], "new".into()).unwrap();
    assert_eq!(index.len(), 3);
    assert_eq!(index.search(&[1.0, 0.0], Some("image"), 1).unwrap()[0].meta, "new");
    assert_eq!((index.remove("a"), index.remove("a"), index.len()), (2, 0, 1));
    assert_eq!(names(&index.search(&[1.0, 0.0], None, 9).unwrap()), ["b/image"]);
    assert_eq!((index.remove("b"), index.is_empty()), (1, true));
    assert!(index.search(&[1.0, 0.0], Some("image"), 9).unwrap().is_empty());
}

#[test]
fn equal_scores_stand_by_name() {
    let mut index = Index::new(1, String::new());
    for id in ["c", "a", "d", "b"] {
        index.add(id, "text", &[2.0], String::new()).unwrap();
        index.add(id, "image", &[1.0], String::new()).unwrap();
    }
    assert_eq!(names(&index.search(&[1.0], None, 3).unwrap()), ["a/image", "a/text", "b/image"]);
}

#[test]
fn wrong_vectors_are_named() {
    let mut index = index();
    let mut error = |vector: &[f32]| index.add("c", "image", vector, String::new()).unwrap_err().to_string();
    assert_eq!(error(&[1.0]), "image of \"c\": 1 number, expected 2");
    assert_eq!(error(&[1.0, f32::NAN]), "image of \"c\": NaN at position 1, expected finite numbers");
    assert_eq!(error(&[f32::INFINITY, 0.0]), "image of \"c\": inf at position 0, expected finite numbers");
    assert_eq!(error(&[0.0, 0.0]), "image of \"c\": all zero, which has no direction");
    assert_eq!(index.len(), 3);
    let error = |query: &[f32], modality| index.search(query, modality, 1).unwrap_err();
    assert_eq!(error(&[1.0; 3], None).to_string(), "query: 3 numbers, expected 2");
    assert_eq!(error(&[f32::NAN, 1.0], None).to_string(), "query: NaN at position 0, expected finite numbers");
    let unknown = error(&[1.0; 2], Some("txt"));
    assert_eq!(unknown.to_string(), "index: no modality \"txt\"; it has [\"image\", \"text\"]");
    assert_eq!(unknown.help(), Some("did you mean \"text\"?"));
}

#[test]
fn huge_and_tiny_vectors_have_a_direction() {
    let mut index = Index::new(2, String::new());
    index.add("huge", "x", &[f32::MAX, f32::MAX], String::new()).unwrap();
    index.add("tiny", "x", &[1e-40, 0.0], String::new()).unwrap();
    let hits = index.search(&[1.0, 0.0], None, 2).unwrap();
    assert_eq!((hits[0].id.as_str(), hits[0].score), ("tiny", 1.0));
    assert!((hits[1].score - 0.5_f32.sqrt()).abs() < 1e-6);
}

#[cfg(not(feature = "hnsw"))]
#[test]
fn a_graph_needs_the_feature() {
    let error = index().build_graph().unwrap_err();
    assert_eq!(error.to_string(), "index: this amodal was built without graphs");
    assert!(error.help().unwrap().contains("--features hnsw"));
}

/// Rows of words, some with a picture too; their vectors lie in clusters.
#[cfg(feature = "hnsw")]
fn clusters() -> Index {
    let (dim, mut random) = (24, random(7, 0, 0, Purpose::Synthetic));
    let mut draw = |scale: f32| -> Vec<f32> { (0..dim).map(|_| random.random_range(-scale..scale)).collect() };
    let centres: Vec<Vec<f32>> = (0..20).map(|_| draw(1.0)).collect();
    let mut index = Index::new(dim, "m".into());
    for row in (0..3000).rev() {
        let vector: Vec<f32> = centres[row % 20].iter().zip(draw(0.7)).map(|(centre, value)| centre + value).collect();
        index.add(&format!("r{row}"), "text", &vector, row.to_string()).unwrap();
        if row % 500 == 0 {
            index.add(&format!("r{row}"), "image", &draw(1.0), row.to_string()).unwrap();
        }
    }
    index
}

#[cfg(feature = "hnsw")]
#[test]
fn a_graph_finds_nearly_all() {
    let mut index = clusters();
    assert_eq!((index.has_graph(), index.recall(20, 100).unwrap()), (false, 1.0));
    index.build_graph().unwrap();
    assert_eq!(Index::new(3, String::new()).recall(64, 300).unwrap(), 1.0);
    let recall = index.recall(64, 300).unwrap();
    assert!((0.98..=1.0).contains(&recall), "{recall}");
    assert!(index.recall(10, 300).unwrap() < recall, "less effort finds less");
    let query = [0.3; 24];
    let exact = index.search_all(&[&query, &query], Some("text"), 5, None).unwrap();
    assert_eq!(index.search_all(&[&query, &query], Some("text"), 5, Some(64)).unwrap(), exact, "scores and order too");
    // Nothing asked, and more than there is.
    assert!(index.search_all(&[&query], None, 0, Some(0)).unwrap()[0].is_empty());
    assert!(index.search_all(&[], None, 3, Some(64)).unwrap().is_empty());
    let all = index.search_all(&[&query], None, usize::MAX, Some(usize::MAX)).unwrap().remove(0);
    assert_eq!(all.len(), index.len());
    // Six of three thousand are pictures.
    let found = index.search_all(&[&query], Some("image"), 9, Some(10)).unwrap().remove(0);
    assert_eq!((found.len(), &found), (6, &index.search(&query, Some("image"), 9).unwrap()));
    index.add("new", "image", &query, String::new()).unwrap();
    assert!(!index.has_graph());
    index.build_graph().unwrap();
    assert_eq!(index.search_all(&[&query], None, 1, Some(64)).unwrap()[0][0].id, "new");
    index.remove("new");
    assert!(!index.has_graph());
}

#[cfg(feature = "hnsw")]
#[test]
fn a_file_keeps_the_graph() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.index");
    let mut index = clusters();
    index.build_graph().unwrap();
    index.save(&path).unwrap();
    let bytes = std::fs::read(&path).unwrap();
    let loaded = Index::load(&path).unwrap();
    let query = [0.3; 24];
    let of = |index: &Index| index.search_all(&[&query], None, 20, Some(20)).unwrap();
    assert!(loaded.has_graph());
    assert_eq!(of(&loaded), of(&index));
    // Built anew from what was read, on any number of threads, it is the same file.
    for threads in [1, 5] {
        let mut again = loaded.clone();
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| again.build_graph()).unwrap();
        again.save(&path).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), bytes, "{threads}");
    }
    // On more threads than it was made for, all are compared.
    let pool = rayon::ThreadPoolBuilder::new().num_threads(64).build().unwrap();
    let many = vec![query.as_slice(); 500];
    let found = pool.install(|| loaded.search_all(&many, None, 20, Some(20))).unwrap();
    assert!(found.iter().all(|hits| hits.len() == 20));
    // One of other vectors is left out, and so is one that nobody can read.
    let mut other = Index::new(24, "m".into());
    other.add("a", "text", &query, String::new()).unwrap();
    other.build_graph().unwrap();
    for graph in [other.graph.as_ref().unwrap().bytes().unwrap(), vec![7; 100]] {
        let file = SafeTensors::deserialize(&bytes).unwrap();
        let (items, vectors) = (file.tensor("items").unwrap(), file.tensor("vectors").unwrap());
        let view = TensorView::new(Dtype::U8, vec![graph.len()], &graph).unwrap();
        let header = serde_json::to_string(&Header {
            version: 1,
            model: "m".into(),
            dim: 24,
            graph: Some(crc32fast::hash(&graph)),
        });
        let metadata = Some([(HEADER.to_string(), header.unwrap())].into());
        let made = serialize([("items", items), ("vectors", vectors), ("graph", view)], metadata).unwrap();
        let made = Index::parse(&made).unwrap();
        assert_eq!((made.has_graph(), made.has_unread_graph(), made.len()), (false, true, index.len()));
    }
    let mut empty = Index::new(24, "m".into());
    empty.build_graph().unwrap();
    empty.save(&path).unwrap();
    assert!(Index::load(&path).unwrap().search_all(&[&query], None, 3, Some(64)).unwrap()[0].is_empty());
    // The graph is the first of the tensors: the library must not see what is not its own.
    let start = 8 + u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    let graph = SafeTensors::deserialize(&bytes).unwrap().tensor("graph").unwrap().data().to_vec();
    let at = bytes.windows(64).position(|window| window == &graph[..64]).unwrap();
    assert!(at >= start);
    for offset in (0..graph.len()).step_by(graph.len() / 50) {
        let mut damaged = bytes.clone();
        damaged[at + offset] ^= 0x10;
        assert_eq!(Index::parse(&damaged).unwrap_err(), "its graph is damaged", "{offset}");
    }
}

#[test]
fn another_model_is_refused() {
    assert!(index().check_model("run-1").is_ok());
    let error = index().check_model("run-2").unwrap_err();
    assert_eq!(error.to_string(), "index: made by model \"run-1\", the model in use is \"run-2\"");
    assert_eq!(error.help(), Some("make the index again with `amodal index`"));
}

#[test]
fn a_file_keeps_everything() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.index");
    index().save(&path).unwrap();
    let loaded = Index::load(&path).unwrap();
    assert_eq!((loaded.model(), loaded.dim(), loaded.len()), ("run-1", 2, 3));
    let query = [0.3, 0.7];
    assert_eq!(loaded.search(&query, None, 9).unwrap(), index().search(&query, None, 9).unwrap());
    // The same items, added in another order, are the same bytes.
    let mut other = Index::new(2, "run-1".into());
    other.add("x", "image", &[1.0, 1.0], String::new()).unwrap();
    other.add("b", "image", &[0.0, 2.0], "null".into()).unwrap();
    other.add("a", "text", &[1.0, 0.0], "\"hello\"".into()).unwrap();
    other.add("a", "image", &[3.0, 4.0], "\"a.png\"".into()).unwrap();
    other.remove("x");
    other.save(&folder.path().join("b.index")).unwrap();
    assert_eq!(std::fs::read(&path).unwrap(), std::fs::read(folder.path().join("b.index")).unwrap());
    let empty = Index::new(5, "m".into());
    empty.save(&path).unwrap();
    assert_eq!((Index::load(&path).unwrap().len(), Index::load(&path).unwrap().dim()), (0, 5));
}

#[test]
fn foreign_files_are_errors() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.index");
    let read = |bytes: &[u8]| {
        std::fs::write(&path, bytes).unwrap();
        let error = Index::load(&path).unwrap_err();
        assert_eq!(error.help(), Some("make it again with `amodal index`"));
        error.to_string().replace(&folder.path().display().to_string(), "data")
    };
    let missing = Index::load(&folder.path().join("none")).unwrap_err().to_string();
    assert!(missing.ends_with("none: no such file"), "{missing}");
    assert!(read(b"hello").starts_with("data/a.index: not an index, or cut short ("));
    let data = [0_u8; 8];
    let view = || TensorView::new(Dtype::F32, vec![1, 2], &data).unwrap();
    let plain = serialize([("vectors", view())], None).unwrap();
    assert_eq!(read(&plain), "data/a.index: a safetensors file, but not an index");
    let make = |header: &str, items: &[u8]| {
        let items = TensorView::new(Dtype::U8, vec![items.len()], items).unwrap();
        serialize([("items", items), ("vectors", view())], Some([(HEADER.into(), header.into())].into())).unwrap()
    };
    let header = "{\"version\":1,\"model\":\"m\",\"dim\":2}";
    let newer = make("{\"version\":2,\"model\":\"m\",\"dim\":2}", b"[]");
    assert_eq!(read(&newer), "data/a.index: version 2 of the index file, this program reads 1");
    assert_eq!(read(&make(header, b"[]")), "data/a.index: vectors of F32 [1, 2], expected F32 [0, 2]");
    let zero = make(header, b"[{\"id\":\"a\",\"modality\":\"image\",\"meta\":\"\"}]");
    assert_eq!(read(&zero), "data/a.index: image of \"a\" is not of length 1");
}

#[test]
fn a_file_cut_anywhere_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.index");
    index().save(&path).unwrap();
    let bytes = std::fs::read(&path).unwrap();
    for length in 0..bytes.len() {
        assert!(Index::parse(&bytes[..length]).unwrap_err().starts_with("not an index, or cut short"), "{length}");
    }
    assert!(Index::parse(&bytes).is_ok());
}

proptest! {
    #[test]
    fn any_changes_then_search_agree_with_a_plain_map(
        changes in prop::collection::vec((0_u8..12, 0_u8..2, any::<bool>(), 0_u64..6), 1..80), k in 1_usize..30, seed in 0_u64..20,
    ) {
        let dim = 11;
        let draw = |seed| -> Vec<f32> {
            let mut random = random(seed, 0, 0, Purpose::Synthetic);
            (0..dim).map(|_| random.random_range(-1.0..1.0)).collect()
        };
        let mut index = Index::new(dim, String::new());
        let mut plain = BTreeMap::new();
        for (id, modality, keep, vector) in changes {
            let (id, modality) = (format!("r{id}"), ["image", "text"][usize::from(modality)]);
            if keep {
                index.add(&id, modality, &draw(vector), vector.to_string()).unwrap();
                plain.insert((id, modality), vector);
            } else {
                let before = plain.len();
                plain.retain(|(other, _), _| *other != id);
                prop_assert_eq!(index.remove(&id), before - plain.len());
            }
        }
        prop_assert_eq!(index.len(), plain.len());
        let query = draw(100 + seed);
        let cosine = |vector: &[f32]| {
            let length = |vector: &[f32]| vector.iter().map(|value| f64::from(*value).powi(2)).sum::<f64>().sqrt();
            let dot: f64 = vector.iter().zip(&query).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum();
            dot / length(vector) / length(&query)
        };
        // Vectors are drawn from a few, so that scores are equal or far apart.
        let mut expected: Vec<_> = plain.iter().filter(|((_, modality), _)| *modality == "image")
            .map(|((id, _), vector)| (cosine(&draw(*vector)), id.clone(), vector.to_string())).collect();
        expected.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| a.1.cmp(&b.1)));
        expected.truncate(k);
        let hits = index.search(&query, Some("image"), k);
        if expected.is_empty() {
            prop_assert!(hits.map_or(true, |hits| hits.is_empty()));
        } else {
            let hits = hits.unwrap();
            let found: Vec<_> = hits.iter().map(|hit| (hit.id.clone(), hit.meta.clone())).collect();
            prop_assert_eq!(found, expected.iter().map(|(_, id, meta)| (id.clone(), meta.clone())).collect::<Vec<_>>());
            for (hit, (score, _, _)) in hits.iter().zip(&expected) {
                prop_assert!((f64::from(hit.score) - score).abs() < 1e-6);
            }
        }
    }
}
