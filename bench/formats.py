"""One data set in every format that is read: the same model comes out, bit for bit.

    data/fetch easy-vqa
    python3 -m venv venv && venv/bin/pip install pyarrow
    cargo build --release
    venv/bin/python bench/formats.py [--epochs 2]

Pictures of coloured shapes and their names (easy-vqa's `shapes.csv`) are written as CSV, TSV, JSON lines, Parquet with paths,
Parquet with the pictures themselves as Hugging Face's `datasets` writes them, a folder with `metadata.csv`, WebDataset's tar
shards, plain and packed, and COCO's captions; one config learns the caption's vector beside the picture's from each.
"""

import argparse
import csv
import gzip
import hashlib
import io
import json
import os
import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path

import pyarrow
import pyarrow.parquet

ROOT = Path(__file__).resolve().parent.parent
DATA = ROOT / "data/easy-vqa"
AMODAL = ROOT / "target/release/amodal"
CONFIG = """
[data]
path = "{path}"
columns = {{ image = "{image}", caption = "{caption}" }}

[train]
epochs = {epochs}
batch_size = 50
seed = 0

[modalities.image]
type = "image"
size = 32

[modalities.caption]
type = "text"

[encode.image]
type = "cnn"
channels = [8, 16, 32]

[encode.caption]
type = "bag"

[tasks.align]
loss = {{ type = "info_nce", between = ["image", "caption"] }}
"""


def write(rows, folder):
    """Writes the rows in each format; names of the tables and of the columns of pictures and captions."""
    names = ["image", "caption", "split"]
    for ending, separator in [("csv", ","), ("tsv", "\t")]:
        with open(folder / f"table.{ending}", "w", newline="") as file:
            writer = csv.writer(file, delimiter=separator)
            writer.writerow(names)
            writer.writerows([row[name] for name in names] for row in rows)
    with open(folder / "table.jsonl", "w") as file:
        file.writelines(json.dumps({name: row[name] for name in names}) + "\n" for row in rows)
    columns = {name: [row[name] for row in rows] for name in names}
    pyarrow.parquet.write_table(pyarrow.table(columns), folder / "paths.parquet")
    pictures = [(DATA / row["image"]).read_bytes() for row in rows]
    kind = pyarrow.struct([("bytes", pyarrow.binary()), ("path", pyarrow.string())])
    for split in dict.fromkeys(columns["split"]):
        at = [row for row in range(len(rows)) if rows[row]["split"] == split]
        of = {"image": pyarrow.array([{"bytes": pictures[row], "path": None} for row in at], kind),
              "caption": [rows[row]["caption"] for row in at]}
        (folder / "datasets/data").mkdir(parents=True, exist_ok=True)
        pyarrow.parquet.write_table(pyarrow.table(of), folder / f"datasets/data/{split}-00000-of-00001.parquet",
                                    row_group_size=100)
    (folder / "folder").mkdir()
    os.symlink(DATA / "pictures", folder / "folder/pictures")
    with open(folder / "folder/metadata.csv", "w") as file:
        file.write((folder / "table.csv").read_text().replace("image,", "file_name,", 1))
    images = [{"id": at, "file_name": row["image"], "split": row["split"]} for at, row in enumerate(rows)]
    captions = [{"id": at, "image_id": at, "caption": row["caption"]} for at, row in enumerate(rows)]
    (folder / "captions.json").write_text(json.dumps({"images": images, "annotations": captions}))
    os.symlink(DATA / "pictures", folder / "pictures")
    (folder / "shards").mkdir()
    for shard in range(4):
        chunk = range(shard * len(rows) // 4, (shard + 1) * len(rows) // 4)
        with tarfile.open(folder / f"shards/{shard:03}.tar", "w") as archive:
            for at in chunk:
                for ending, content in [("png", pictures[at]), ("txt", rows[at]["caption"].encode()),
                                        ("json", json.dumps({"split": rows[at]["split"]}).encode())]:
                    member = tarfile.TarInfo(f"{at:06}.{ending}")
                    member.size = len(content)
                    archive.addfile(member, io.BytesIO(content))
    (folder / "packed").mkdir()
    for shard in (folder / "shards").iterdir():
        with open(shard, "rb") as source, gzip.open(folder / f"packed/{shard.name}.gz", "wb", 1) as target:
            shutil.copyfileobj(source, target)
    return [("table.csv", "image", "caption"), ("table.tsv", "image", "caption"), ("table.jsonl", "image", "caption"),
            ("paths.parquet", "image", "caption"), ("datasets", "image", "caption"), ("folder", "file_name", "caption"),
            ("captions.json", "image", "caption"), ("shards/{000..003}.tar", "image", "text"), ("shards", "image", "text"),
            ("packed", "image", "text")]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochs", type=int, default=2)
    options = parser.parse_args()
    with open(DATA / "shapes.csv", newline="") as file:
        rows = [{**row, "split": row["all_pairs"]} for row in csv.DictReader(file)]
    # rows of one split side by side, as a folder of datasets has them, by the names of the splits
    rows.sort(key=lambda row: row["split"])
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        for path, image, caption in write(rows, folder):
            (folder / "config.toml").write_text(
                CONFIG.format(path=path, image=image, caption=caption, epochs=options.epochs))
            shutil.rmtree(folder / "run", ignore_errors=True)
            subprocess.run([AMODAL, "train", folder / "config.toml", "--out", folder / "run", "-q"], check=True,
                           stdout=subprocess.DEVNULL)
            digest = hashlib.sha256((folder / "run/model.safetensors").read_bytes()).hexdigest()
            print(f"{path:24} {digest[:16]}", flush=True)


if __name__ == "__main__":
    main()
