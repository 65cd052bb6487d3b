//! Data made here: squares of four colors, words about them and a number, with the color as the label.
use crate::place::Place;
use flate2::{Compression, Crc, write::ZlibEncoder};
use std::{fmt::Write as _, io::Write as _};

/// Colors and their names.
const COLORS: [(&str, [u8; 3]); 4] =
    [("red", [220, 30, 30]), ("green", [30, 200, 40]), ("blue", [30, 40, 220]), ("yellow", [230, 220, 30])];

/// A config that trains in a few seconds.
pub(crate) const CONFIG: &str = r#"
[data]
path = "table.csv"

[train]
epochs = 6
batch_size = 20
learning_rate = 3e-3
modality_dropout = 0.1
checkpoint_seconds = 0
seed = 0

[modalities.image]
type = "image"
size = 16

[modalities.text]
type = "text"

[modalities.size]
type = "number"

[encode.image]
type = "cnn"
channels = [8, 16]
dim = 32

[encode.text]
type = "bag"
dim = 32

[encode.size]
type = "number"
dim = 8

[fuse]
type = "concat"
dim = 32

[tasks.label]
target = { type = "category" }
decode = { type = "classifier", hidden = [32], dropout = 0.1 }
loss = { type = "cross_entropy" }

[tasks.align]
loss = { type = "info_nce", dim = 16, between = ["image", "text"] }
"#;

/// Lines of the table: 140 to train on, 30 for validation, 30 for the test.
pub(crate) fn rows() -> Vec<String> {
    let row = |row: usize| {
        let (color, _) = COLORS[row % 4];
        let split = if row < 140 {
            "train"
        } else if row < 170 {
            "validation"
        } else {
            "test"
        };
        let kind = ["big", "small", "old", "new"][row * 7 % 13 % 4];
        let size = 2 * (row % 4) as u32 + 1;
        format!("r{row:03},img/{row:03}.png,a {color} square of kind {kind},{size}.{:02},{color},{split}", row % 97)
    };
    (0..200).map(row).collect()
}

/// Columns of the table.
pub(crate) const HEADER: &str = "id,image,text,size,label,split";

/// A table of these lines.
pub(crate) fn table(rows: &[String]) -> String {
    rows.iter().fold(format!("{HEADER}\n"), |mut text, row| {
        let _ = writeln!(text, "{row}");
        text
    })
}

/// `table.csv`, its pictures, and `config.toml`.
pub(crate) fn squares() -> Place {
    let place = Place::new();
    for row in 0..200 {
        place.write(&format!("img/{row:03}.png"), square(row));
    }
    place.write("table.csv", table(&rows()));
    place.write("config.toml", CONFIG);
    place
}

/// The squares, and a run of one epoch on them in `run`.
pub(crate) fn trained() -> Place {
    let place = squares();
    place.amodal("train config.toml --out run --set train.epochs=1 -q").done();
    place
}

/// A square of the row's color, a little different in each row.
fn square(row: usize) -> Vec<u8> {
    let (_, color) = COLORS[row % 4];
    let pixel = color.map(|value| value.saturating_add((row * 11 % 25) as u8));
    png(16, 16, &mut std::iter::repeat_n(pixel, 256).flatten().collect::<Vec<_>>().chunks(48))
}

/// A PNG of RGB lines.
pub(crate) fn png(width: u32, height: u32, lines: &mut dyn Iterator<Item = &[u8]>) -> Vec<u8> {
    let mut pixels = ZlibEncoder::new(Vec::new(), Compression::best());
    for line in lines {
        pixels.write_all(&[0]).expect("memory"); // no filter
        pixels.write_all(line).expect("memory");
    }
    let mut header = [width.to_be_bytes(), height.to_be_bytes()].concat();
    header.extend([8, 2, 0, 0, 0]); // 8 bits, RGB
    let mut file = b"\x89PNG\r\n\x1a\n".to_vec();
    for (kind, content) in [(b"IHDR", header), (b"IDAT", pixels.finish().expect("memory")), (b"IEND", vec![])] {
        let mut sum = Crc::new();
        sum.update(kind);
        sum.update(&content);
        file.extend((content.len() as u32).to_be_bytes());
        file.extend(kind);
        file.extend(content);
        file.extend(sum.sum().to_be_bytes());
    }
    file
}

/// A PNG of about 1 MB that would take 1.2 GB of memory.
pub(crate) fn enormous_png() -> Vec<u8> {
    let line = vec![0; 3 * 20_000];
    png(20_000, 20_000, &mut std::iter::repeat_n(line.as_slice(), 20_000))
}
