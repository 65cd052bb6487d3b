//! The same rows as every kind of table: the same weights, bit for bit.
use crate::{
    data::{CONFIG, rows, squares},
    place::Place,
};
use serde_json::{Value, json};

/// The lines of the table, cell by cell: id, image, text, size, label, split.
fn cells() -> Vec<Vec<String>> {
    rows().iter().map(|row| row.split(',').map(str::to_string).collect()).collect()
}

/// The model that a config and its table train to.
fn weights(place: &Place, config: &str, path: &str) -> Vec<u8> {
    place.write("this.toml", config.replace("table.csv", path));
    let _ = std::fs::remove_dir_all(place.path("this"));
    place.amodal("train this.toml --out this --set train.epochs=2 -q").done();
    place.bytes("this/model.safetensors")
}

/// A tar archive of named contents.
fn archive(files: &[(String, Vec<u8>)]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (name, bytes) in files {
        let mut header = tar::Header::new_ustar();
        header.set_size(bytes.len() as u64);
        builder.append_data(&mut header, name, bytes.as_slice()).unwrap();
    }
    builder.into_inner().unwrap()
}

#[test]
fn every_format_trains_the_same_model() {
    let place = squares();
    let expected = weights(&place, CONFIG, "table.csv");
    place.write("table.tsv", place.read("table.csv").replace(',', "\t"));
    let lines = cells().into_iter().map(|row| {
        let size: f64 = row[3].parse().unwrap();
        let (id, image, text, label, split) = (&row[0], &row[1], &row[2], &row[4], &row[5]);
        json!({ "id": id, "image": image, "text": text, "size": size, "label": label, "split": split }).to_string()
    });
    place.write("table.jsonl", lines.collect::<Vec<_>>().join("\n"));
    place.write("folder/metadata.csv", place.read("table.csv").replacen(",image,", ",file_name,", 1));
    for row in 0..200 {
        place.write(&format!("folder/img/{row:03}.png"), place.bytes(&format!("img/{row:03}.png")));
    }
    let sample = |row: &Vec<String>| {
        let fields = json!({ "size": row[3].parse::<f64>().unwrap(), "split": row[5] }).to_string().into_bytes();
        let key = &row[0];
        vec![
            (format!("{key}.png"), place.bytes(&row[1])),
            (format!("{key}.txt"), row[2].clone().into_bytes()),
            (format!("{key}.cls"), row[4].clone().into_bytes()),
            (format!("{key}.json"), fields),
        ]
    };
    for (number, rows) in cells().chunks(90).enumerate() {
        place.write(&format!("shards/s-{number}.tar"), archive(&rows.iter().flat_map(sample).collect::<Vec<_>>()));
    }
    for (path, config) in [
        ("table.tsv", CONFIG.to_string()),
        ("table.jsonl", CONFIG.to_string()),
        ("folder", CONFIG.replace("[train]", "columns = { image = \"file_name\" }\n[train]")),
        ("shards/s-{0..2}.tar", CONFIG.to_string()),
        ("shards", CONFIG.to_string()),
    ] {
        assert!(weights(&place, &config, path) == expected, "{path}");
    }
}

/// What `predict` and `embed` write can be read as a table again, the same in each format.
#[test]
fn predictions_and_vectors_in_every_format() {
    let place = crate::data::trained();
    let mut rows = Vec::new();
    for ending in ["csv", "jsonl", "parquet"] {
        place.amodal(&format!("predict run table.csv -o p.{ending}")).done();
        place.amodal(&format!("embed run table.csv -o e.{ending}")).done();
        if ending != "jsonl" {
            let profile: Value =
                serde_json::from_str(&place.amodal(&format!("check p.{ending} --json")).stdout).unwrap();
            let columns: Vec<&str> =
                profile["columns"].as_array().unwrap().iter().map(|column| column["name"].as_str().unwrap()).collect();
            assert_eq!((columns, profile["rows"].as_u64()), (vec!["row", "label", "label_probability"], Some(200)));
        }
        let profile: Value = serde_json::from_str(&place.amodal(&format!("check e.{ending} --json")).stdout).unwrap();
        rows.push(profile["rows"].as_u64());
    }
    assert_eq!(rows, [Some(400); 3], "a picture and a text a row");
    place.amodal("predict run table.csv -o p.xml").failed(2, &["expected a file named .jsonl or .csv or .parquet"]);
}

/// Captions as COCO has them, beside the same rows as CSV.
#[test]
fn captions_of_coco() {
    let place = squares();
    let config = CONFIG.replace("[modalities.size]\ntype = \"number\"\n\n", "");
    let config = config.replace("[encode.size]\ntype = \"number\"\ndim = 8\n\n", "");
    let start = config.find("[tasks.label]").unwrap();
    let end = config.find("[tasks.align]").unwrap();
    let config = format!("{}{}", &config[..start], &config[end..]);
    let coco = config.replace("[train]", "columns = { text = \"caption\" }\n[train]");
    let images: Vec<Value> =
        cells().iter().enumerate().map(|(at, row)| json!({ "id": at, "file_name": row[1], "split": row[5] })).collect();
    let captions: Vec<Value> =
        cells().iter().enumerate().map(|(at, row)| json!({ "image_id": at, "caption": row[2] })).collect();
    place.write("captions.json", json!({ "images": images, "annotations": captions }).to_string());
    assert!(weights(&place, &coco, "captions.json") == weights(&place, &config, "table.csv"));
}
