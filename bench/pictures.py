#!/usr/bin/env python3
"""Pictures a CPU-second, from JPEG files to numbers that a model reads, in Amodal and in other tools, on the same files with
one thread.

    python3 -m venv venv && venv/bin/pip install torch torchvision open_clip_torch pillow numpy
    cargo build --release --workspace --example pictures
    venv/bin/python bench/pictures.py [FOLDER] [--size 224] [--rounds 3] [--busy]

Without a folder of .jpg files it makes 60 of 640 x 480: blurred squares of colour with noise, quality 88. All scale the shorter
side to the size and cut the middle out; the others in full detail, but for Pillow's `draft`, which reads at a half as Amodal
does. The tools take turns; the figure is the median of their rounds. It ends if another process holds a core, as that shares
caches and clock; `--busy` measures all the same.
"""

import argparse
import glob
import io
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

os.environ |= {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "RAYON_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}

import numpy as np
from PIL import Image, ImageFilter

from machine import busy

EXAMPLE = Path(__file__).resolve().parent.parent / "target/release/examples/pictures"
SECONDS = 3.0


def make(folder):
    random = np.random.default_rng(0)
    for at in range(60):
        squares = np.kron(random.integers(0, 255, (30, 40, 3)), np.ones((16, 16, 1))).astype("uint8")
        blurred = np.asarray(Image.fromarray(squares).filter(ImageFilter.GaussianBlur(4))).astype(int)
        noisy = np.clip(blurred + random.normal(0, 6, (480, 640, 3)), 0, 255).astype("uint8")
        Image.fromarray(noisy).save(f"{folder}/{at:03}.jpg", quality=88)


def tools(size):
    """Each tool's way from the bytes of a file to numbers, and the tool's from its decoded picture where it has one."""

    def pillow(data, draft=False):
        picture = Image.open(io.BytesIO(data))
        if draft:
            picture.draft("RGB", (size, size))
        picture = picture.convert("RGB")
        scale = size / min(picture.size)
        width, height = (round(side * scale) for side in picture.size)
        left, top = (width - size) // 2, (height - size) // 2
        picture = picture.resize((width, height), Image.BICUBIC).crop((left, top, left + size, top + size))
        return np.ascontiguousarray((np.asarray(picture, dtype=np.float32) / 127.5 - 1).transpose(2, 0, 1))

    found = {"Pillow": pillow, "Pillow, draft": lambda data: pillow(data, True)}
    try:
        import torch
        import torchvision
        from torchvision.transforms import v2

        torch.set_num_threads(1)
        mean, std = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
        steps = v2.Compose([v2.Resize(size, antialias=True), v2.CenterCrop(size), v2.ToDtype(torch.float32, scale=True),
                            v2.Normalize(mean, std)])

        def vision(data):
            return steps(torchvision.io.decode_jpeg(torch.frombuffer(bytearray(data), dtype=torch.uint8)))

        found["torchvision"] = vision
        import open_clip

        transform = open_clip.image_transform(size, is_train=False)
        found["open_clip"] = lambda data: transform(Image.open(io.BytesIO(data)))
    except ImportError as error:
        print(f"without torchvision or open_clip: {error}", file=sys.stderr)
    return found


def rate(work, files):
    """Files a CPU-second."""
    for data in files[:4]:
        work(data)
    start, done = time.process_time(), 0
    while time.process_time() - start < SECONDS:
        for data in files:
            work(data)
        done += len(files)
    return done / (time.process_time() - start)


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("folder", nargs="?")
    options.add_argument("--size", type=int, default=224)
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--busy", action="store_true", help="measure while other processes hold a core")
    options = options.parse_args()
    if not options.busy and busy() > 0.3:
        sys.exit(f"error: other processes hold {busy():.1f} cores; --busy measures all the same")
    with tempfile.TemporaryDirectory() as made:
        folder = options.folder or made
        if not options.folder:
            make(made)
        files = [Path(path).read_bytes() for path in sorted(glob.glob(f"{folder}/*.jpg"))]
        if not files:
            sys.exit(f"error: no .jpg in {folder}")
        found, rates = tools(options.size), {}
        for _ in range(options.rounds):
            for name, work in found.items():
                rates.setdefault(name, []).append(rate(work, files))
            said = subprocess.run([EXAMPLE, folder, str(options.size)], capture_output=True, text=True, check=True).stdout
            for name, value in (line.split() for line in said.splitlines()):
                rates.setdefault(f"Amodal, {name}", []).append(float(value))
    ours = {kind: statistics.median(rates[f"Amodal, {kind}"]) for kind in ["decoded", "cached"]}
    print(f"{len(files)} pictures to {options.size} x {options.size}, one thread, median of {options.rounds} rounds\n")
    print("| | pictures a CPU-second | least, most | Amodal decoded is | Amodal cached is |")
    print("|---|---|---|---|---|")
    for name, values in sorted(rates.items(), key=lambda pair: statistics.median(pair[1])):
        value = statistics.median(values)
        times = " | ".join(f"{ours[kind] / value:.1f} times" for kind in ["decoded", "cached"])
        print(f"| {name} | {value:,.0f} | {min(values):,.0f}, {max(values):,.0f} | {times} |")


if __name__ == "__main__":
    main()
