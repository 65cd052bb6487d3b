"""Training on more data than memory: peak memory and waiting on WebDataset shards of two sizes, made on the spot.

    python3 -m venv venv && venv/bin/pip install pillow numpy
    cargo build --release
    venv/bin/python bench/shards.py FOLDER [--megabytes 100 10000]

FOLDER must have room for the shards and for what is decoded of them (`data.cache_folder`). Each sample is a picture of 640×480
(one of 200 different ones) and its class of ten. Peak memory is that of the whole process, without the system's page cache.
"""

import argparse
import io
import os
import random
import re
import subprocess
import tarfile
from pathlib import Path

import numpy
from PIL import Image

ROOT = Path(__file__).resolve().parent.parent
AMODAL = ROOT / "target/release/amodal"
CONFIG = """
[data]
path = "{path}"
cache_folder = "."
validation = 0.001
test = 0.001

[train]
epochs = {epochs}
batch_size = 64
seed = 0

[modalities.image]
type = "image"
size = 64
fit = "cover"

[encode.image]
type = "resnet"
dim = 64

[tasks.label]
target = {{ type = "category" }}
decode = {{ type = "classifier" }}
loss = {{ type = "cross_entropy" }}
"""


def pictures(count=200, quality=90):
    """JPEG files of about 100 kB: smooth colours of a class, and grain."""
    draw = numpy.random.default_rng(0)
    for at in range(count):
        small = draw.integers(0, 255, (12, 16, 3), dtype=numpy.uint8)
        small[:, :, 0] = at % 10 * 25
        picture = numpy.asarray(Image.fromarray(small).resize((640, 480), Image.BICUBIC), dtype=numpy.int16)
        grain = draw.normal(0, 9, picture.shape).astype(numpy.int16)
        file = io.BytesIO()
        Image.fromarray((picture + grain).clip(0, 255).astype(numpy.uint8)).save(file, "JPEG", quality=quality)
        yield file.getvalue()


def write(folder, megabytes, files, shard_megabytes=100):
    folder.mkdir(parents=True)
    order, at, left = random.Random(0), 0, megabytes * 1_000_000
    for shard in range(-(-megabytes // shard_megabytes)):
        end = max(0, left - shard_megabytes * 1_000_000)
        with tarfile.open(folder / f"{shard:05}.tar", "w") as archive:
            while left > end:
                picture = order.randrange(len(files))
                for ending, content in [("jpg", files[picture]), ("cls", str(picture % 10).encode())]:
                    member = tarfile.TarInfo(f"{at:08}.{ending}")
                    member.size = len(content)
                    archive.addfile(member, io.BytesIO(content))
                    left -= 512 + -(-len(content) // 512) * 512
                at += 1
    return at


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--megabytes", type=int, nargs="+", default=[100, 10_000])
    parser.add_argument("--amodal", type=Path, default=AMODAL)
    options = parser.parse_args()
    files = list(pictures())
    print(f"pictures of {sum(map(len, files)) / len(files) / 1000:.0f} kB")
    first = None
    for megabytes in options.megabytes:
        shards = options.folder / f"shards{megabytes}"
        samples = len(list(shards.glob("*.tar"))) and "as they are" or write(shards, megabytes, files)
        epochs = 1 if megabytes > 1000 else 3
        config = options.folder / f"config{megabytes}.toml"
        config.write_text(CONFIG.format(path=shards.name, epochs=epochs))
        run = options.folder / f"run{megabytes}"
        subprocess.run(["rm", "-rf", run], check=True)
        process = subprocess.Popen([options.amodal, "train", config, "--out", run], stderr=subprocess.PIPE,
                                   stdout=subprocess.DEVNULL, text=True)
        said = process.stderr.read()
        _, status, usage = os.wait4(process.pid, 0)
        memory = usage.ru_maxrss / 1024
        first = first or memory
        waited = re.search(r"(\d+) steps in (\d+) s, ([\d.]+) % of it waiting", said)
        print(f"{megabytes:6} MB, {samples} samples: {memory:.0f} MB of memory ({memory / first:.2f}), "
              f"{usage.ru_utime + usage.ru_stime:.0f} s of CPU, {waited.group(0) if waited else said[-300:]}", flush=True)
        assert status == 0


if __name__ == "__main__":
    main()
