//! Tables of every kind with bytes changed, and the corpus of the fuzz targets: read or refused with one line that names the
//! file, never a panic.
#![allow(clippy::unwrap_used)] // helpers of tests

#[path = "../../../fuzz/readers.rs"]
mod readers;

use amodal::{
    Error,
    data::{Table, parquet},
};
use std::{
    fs::{self, File},
    io::Write,
    path::Path,
};

/// Numbers that look random and are the same every time (SplitMix64).
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) % end.max(1) as u64) as usize
    }
}

/// A file as damage leaves it: bits turned, bytes overwritten, a part cut out, doubled or moved, the end missing.
fn mutant(valid: &[u8], random: &mut Random) -> Vec<u8> {
    let mut bytes = valid.to_vec();
    for _ in 0..=random.below(4) {
        let (at, length) = (random.below(bytes.len()), 1 + random.below(40));
        let end = (at + length).min(bytes.len());
        match random.below(7) {
            0 | 1 => {
                if let Some(byte) = bytes.get_mut(at) {
                    *byte ^= 1 << random.below(8);
                }
            }
            2 => bytes[at..end].fill([0, 0xff, 0x7f, b'"', b'9'][random.below(5)]),
            3 => drop(bytes.drain(at..end)),
            4 => {
                let part = bytes[at..end].to_vec();
                let to = random.below(bytes.len());
                bytes.splice(to..to, part);
            }
            5 => bytes.truncate(at),
            _ => {
                let part: Vec<u8> = (0..length).map(|_| random.below(256) as u8).collect();
                bytes.splice(at..end, part);
            }
        }
        if bytes.is_empty() {
            break;
        }
    }
    bytes
}

/// Valid files by name.
fn valid() -> Vec<(&'static str, Vec<u8>)> {
    let mut all: Vec<(&str, Vec<u8>)> = vec![
        ("a.csv", b"image,text,size\na.png,\"red, a \"\"square\"\"\",1.5\nb.png,blue,2\n,,\n".to_vec()),
        ("a.tsv", b"image\ttext\tsize\na.png\tred\t1.5\nb.png\tblue\t2\n".to_vec()),
        ("a.jsonl", b"{\"image\": \"a.png\", \"size\": 1.5, \"box\": [1, 2]}\n{\"image\": null, \"steps\": [[1], [2, 3]]}\n".to_vec()),
        (
            "a.json",
            br#"{"images": [{"id": 7, "file_name": "b.jpg"}], "annotations": [{"id": 1, "image_id": 7, "caption": "one"}]}"#
                .to_vec(),
        ),
    ];
    let mut archive = tar::Builder::new(Vec::new());
    for (name, bytes) in
        [("0.jpg", b"picture".as_slice()), ("0.txt", b"red"), ("0.json", b"{\"size\": 3}"), ("1.cls", b"4")]
    {
        let mut header = tar::Header::new_ustar();
        header.set_size(bytes.len() as u64);
        archive.append_data(&mut header, name, bytes).unwrap();
    }
    let archive = archive.into_inner().unwrap();
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packed.write_all(&archive).unwrap();
    all.push(("a.tar.gz", packed.finish().unwrap()));
    all.push(("a.tar", archive));
    let mut file = Vec::new();
    let texts = (0..40).map(|row| format!("text of row {row}")).collect();
    let vectors = (0..40).map(|row| vec![row as f32; row % 5]).collect();
    let columns = [
        ("text".to_string(), parquet::Column::Texts(texts)),
        ("vector".to_string(), parquet::Column::Vectors(vectors)),
    ];
    parquet::write(&mut file, &columns).unwrap();
    all.push(("b.parquet", file));
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/datasets.parquet");
    all.push(("a.parquet", fs::read(golden).unwrap()));
    all
}

/// The most memory that the process has held, in kB; 0 where the system does not say.
fn peak_kb() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}

fn read_mutants(count: usize) {
    let folder = tempfile::tempdir().unwrap();
    let mut random = Random(count as u64);
    for (name, bytes) in valid() {
        let path = folder.path().join(name);
        fs::write(&path, &bytes).unwrap();
        let table = Table::read(&path).unwrap_or_else(|error| panic!("{name} is valid: {error}"));
        assert!(table.len() > 0);
        let (before, mut refused) = (peak_kb(), 0);
        for number in 0..count {
            File::create(&path).unwrap().write_all(&mutant(&bytes, &mut random)).unwrap();
            match Table::read(&path) {
                Ok(table) => {
                    for (row, column) in
                        (0..table.len()).flat_map(|row| (0..table.columns().len()).map(move |c| (row, c)))
                    {
                        let _ = table.media(row, column);
                    }
                }
                Err(error) => {
                    refused += 1;
                    let text = error.to_string();
                    assert!(!text.contains('\n') && text.contains(name), "{name}, mutant {number}: {text:?}");
                    assert!(
                        matches!(error, Error::Data { .. } | Error::Io { .. }),
                        "{name}, mutant {number}: {error:?}"
                    );
                }
            }
        }
        let grown = peak_kb() - before;
        assert!(grown < 64 << 10, "{name}: {grown} kB more");
        assert!(refused * 10 > count, "{name}: only {refused} of {count} refused");
        let names: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(names, [name], "nothing else was written");
        fs::remove_file(&path).unwrap();
        println!("{name}: {refused} of {count} refused, {grown} kB more");
    }
}

#[test]
fn three_hundred_mutants_of_each_kind() {
    read_mutants(300);
}

#[test]
#[ignore = "takes a minute"]
fn ten_thousand_mutants_of_each_kind() {
    read_mutants(10_000);
}

#[test]
fn the_corpus_of_the_fuzz_targets() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus");
    for (target, read) in [("table", readers::table as fn(&[u8])), ("media", readers::media)] {
        let files: Vec<_> = fs::read_dir(corpus.join(target)).unwrap().map(|entry| entry.unwrap().path()).collect();
        assert!(!files.is_empty(), "{target}");
        for file in files {
            println!("{}", file.display());
            read(&fs::read(&file).unwrap());
        }
    }
}

/// Writes the corpus that the fuzz targets begin with.
#[test]
#[ignore = "writes files"]
fn write_the_corpus() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/table");
    for (name, bytes) in valid() {
        let ending = name.split_once('.').expect("it has one").1;
        let first = readers::ENDINGS.iter().position(|known| *known == ending).expect("a known ending") as u8;
        fs::write(corpus.join(name), [&[first], bytes.as_slice()].concat()).unwrap();
    }
}
