#!/usr/bin/env python3
"""Whole jobs in Amodal and in plain PyTorch: from files to a model and its figures on test rows, one thread.

    python3 -m venv venv && venv/bin/pip install torch pillow scikit-learn
    cargo build --release
    venv/bin/python bench/jobs.py [--epochs 10] [--rounds 3] [--busy]

The data are the 1,797 written digits of scikit-learn as PNG of 32×32, 70 % of them for training, with words of which two tell
half of the digit, and captions that name it. `classify`: the digit from picture and words, by two convolutions, an embedding,
concatenation and a hidden layer. `align`: pictures and captions in one space, by transformers (a small CLIP); a test picture is
named by the nearest of ten captions. Layers, widths, batches, optimizer and schedule are the same; both compute the validation
loss after each epoch. Amodal also writes a checkpoint after each, and at the end measures every subset of the modalities and
writes a report, which is in its whole CPU time. Each job runs with so many epochs and with twice as many: the difference is what an epoch costs without
starting and reading. The sides take turns; figures are medians. It ends if another process holds a core; `--busy` measures
all the same.
"""

import argparse
import csv
import json
import math
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from machine import busy

os.environ |= {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "RAYON_NUM_THREADS": "1"}

AMODAL = Path(__file__).resolve().parent.parent / "target/release/amodal"
NUMBERS = "zero one two three four five six seven eight nine".split()
CAPTIONS = ["a photo of the digit {}", "handwritten {}", "the number {}", "someone wrote a {}", "a grey drawing of {}"]
FILLERS = "paper ink pen scan note page mark line small faint dark table book grey old new".split()
BATCH = 64
COMMON = """
[data]
path = "{folder}/table.csv"

[train]
epochs = {epochs}
batch_size = 64
learning_rate = 1e-3
weight_decay = {decay}
clip = 0.0
seed = {seed}

[modalities.image]
type = "image"
size = 32
"""
CONFIGS = {"classify": COMMON + """
[modalities.text]
type = "text"

[encode.image]
type = "cnn"
channels = [32, 64]
norm = "none"
dim = 128

[encode.text]
type = "bag"
dim = 64

[fuse]
type = "concat"
dim = 128

[tasks.label]
target = { type = "category" }
decode = { type = "classifier" }
loss = { type = "cross_entropy" }
""", "align": COMMON + """
[modalities.caption]
type = "text"

[encode.image]
type = "vit"
patch = 8
pool = "class"
num_layers = 4
dropout = 0.0

[encode.caption]
type = "transformer"
num_layers = 2
positions = "learned"
dropout = 0.0

[tasks.align]
loss = { type = "info_nce", dim = 64 }
"""}
DECAY = {"classify": 0.0, "align": 0.1}


def make(folder):
    from PIL import Image
    from sklearn.datasets import load_digits

    digits, draw = load_digits(), random.Random(0)
    with open(f"{folder}/table.csv", "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["image", "text", "caption", "label", "split"])
        for at, (picture, digit) in enumerate(zip(digits.images, digits.target)):
            bytes_ = (picture.clip(0, 16) / 16 * 255).astype("uint8")
            Image.fromarray(bytes_).resize((32, 32), Image.BILINEAR).convert("RGB").save(f"{folder}/{at:04}.png")
            words = draw.choices(FILLERS, k=6) + ["even" if digit % 2 == 0 else "odd", "low" if digit < 5 else "high"]
            draw.shuffle(words)
            split = "train" if at % 10 < 7 else "validation" if at % 10 == 7 else "test"
            caption = draw.choice(CAPTIONS).format(NUMBERS[digit])
            writer.writerow([f"{at:04}.png", " ".join(words), caption, digit, split])
    with open(f"{folder}/names.csv", "w") as file:
        file.writelines(["digit,caption\n"] + [f"{digit},{CAPTIONS[0].format(name)}\n" for digit, name in enumerate(NUMBERS)])


def torch_side(job, folder, epochs, seed):
    import numpy as np
    import torch
    import torch.nn.functional as F
    from PIL import Image
    from torch import nn

    torch.set_num_threads(1)
    torch.manual_seed(seed)
    with open(f"{folder}/table.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    column = "text" if job == "classify" else "caption"
    words = {}
    for row in rows:
        for word in row[column].split():
            words.setdefault(word, len(words) + 2)
    length = max(len(row[column].split()) for row in rows) + 1
    read = lambda text: (ids := [words[word] for word in text.split()] + [1]) + [0] * (length - len(ids))
    pictures = np.stack([np.asarray(Image.open(f"{folder}/{row['image']}").convert("RGB")) for row in rows])
    pictures = torch.from_numpy(pictures).permute(0, 3, 1, 2).float() / 127.5 - 1
    texts = torch.tensor([read(row[column]) for row in rows])
    labels = torch.tensor([int(row["label"]) for row in rows])
    of = {split: torch.tensor([at for at, row in enumerate(rows) if row["split"] == split])
          for split in ["train", "validation", "test"]}

    class Classify(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.second = nn.Conv2d(3, 32, 3, padding=1), nn.Conv2d(32, 64, 3, padding=1)
            self.picture, self.words = nn.Linear(64 * 64, 128), nn.Embedding(len(words) + 2, 64, padding_idx=0)
            self.fuse, self.head = nn.Linear(192, 128), nn.Linear(128, 10)

        def forward(self, pictures, texts):
            x = F.max_pool2d(F.relu(self.first(pictures)), 2)
            x = self.picture(F.max_pool2d(F.relu(self.second(x)), 2).flatten(1))
            return self.head(F.relu(self.fuse(torch.cat([x, self.words(texts).mean(1)], 1))))

        def loss(self, pictures, texts, labels):
            return F.cross_entropy(self(pictures, texts), labels)

        def right(self, at):
            return sum((self(pictures[part], texts[part]).argmax(1) == labels[part]).sum().item() for part in at.split(256))

    def blocks(count):
        layer = nn.TransformerEncoderLayer(128, 4, 512, 0.0, "gelu", batch_first=True, norm_first=True)
        return nn.TransformerEncoder(layer, count, enable_nested_tensor=False)

    class Align(nn.Module):
        def __init__(self):
            super().__init__()
            self.patches = nn.Conv2d(3, 128, 8, 8)
            self.first = nn.Parameter(torch.randn(1, 1, 128) * 0.02)
            self.places = nn.Parameter(torch.randn(1, 17, 128) * 0.02)
            self.look, self.look_norm, self.look_out = blocks(4), nn.LayerNorm(128), nn.Linear(128, 64, bias=False)
            self.words = nn.Embedding(len(words) + 2, 128)
            self.order = nn.Parameter(torch.randn(1, length, 128) * 0.02)
            self.read, self.read_norm, self.read_out = blocks(2), nn.LayerNorm(128), nn.Linear(128, 64, bias=False)
            self.scale = nn.Parameter(torch.tensor(math.log(1 / 0.07)))
            nn.init.normal_(self.words.weight, std=0.02)

        def pictures(self, x):
            x = self.patches(x).flatten(2).transpose(1, 2)
            x = self.look(torch.cat([self.first.expand(len(x), -1, -1), x], 1) + self.places)
            return F.normalize(self.look_out(self.look_norm(x[:, 0])), dim=-1)

        def texts(self, x):
            real = x > 0
            y = self.read_norm(self.read(self.words(x) + self.order, src_key_padding_mask=~real))
            y = (y * real[..., None]).sum(1) / real.sum(1, keepdim=True)
            return F.normalize(self.read_out(y), dim=-1)

        def loss(self, pictures, texts, _):
            scores = self.scale.exp() * self.pictures(pictures) @ self.texts(texts).T
            right = torch.arange(len(scores))
            return (F.cross_entropy(scores, right) + F.cross_entropy(scores.T, right)) / 2

        def right(self, at):
            names = self.texts(torch.tensor([read(CAPTIONS[0].format(name)) for name in NUMBERS]))
            return ((self.pictures(pictures[at]) @ names.T).argmax(1) == labels[at]).sum().item()

    model = (Classify if job == "classify" else Align)()
    matrices = [weight for weight in model.parameters() if weight.dim() > 1]
    others = [weight for weight in model.parameters() if weight.dim() <= 1]
    groups = [{"params": matrices, "weight_decay": DECAY[job]}, {"params": others, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, 1e-3, fused=True)
    step, steps = 0, epochs * math.ceil(len(of["train"]) / BATCH)
    for _ in range(epochs):
        model.train()
        for at in of["train"][torch.randperm(len(of["train"]))].split(BATCH):
            warm, done = steps // 20, step
            rate = (done + 1) / warm if done < warm else 0.5 * (1 + math.cos(math.pi * (done - warm) / (steps - warm)))
            for group in optimizer.param_groups:
                group["lr"] = 1e-3 * rate
            optimizer.zero_grad()
            model.loss(pictures[at], texts[at], labels[at]).backward()
            optimizer.step()
            step += 1
        model.eval()
        with torch.no_grad():
            for part in of["validation"].split(BATCH):
                model.loss(pictures[part], texts[part], labels[part])
    with torch.no_grad():
        print(json.dumps({"accuracy": model.right(of["test"]) / len(of["test"])}))


def used(command):
    """Seconds of CPU, peak memory in MB, and what a command printed."""
    with tempfile.TemporaryFile("w+") as out:
        process = subprocess.Popen([str(part) for part in command], stdout=out, stderr=subprocess.DEVNULL)
        _, status, use = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            sys.exit(f"error: {command} ended with {process.returncode}")
        out.seek(0)
        return use.ru_utime + use.ru_stime, use.ru_maxrss / 1024, out.read()


def amodal(job, folder, epochs, seed):
    config = CONFIGS[job].replace("{folder}", str(folder)).replace("{epochs}", str(epochs))
    config = config.replace("{decay}", str(DECAY[job])).replace("{seed}", str(seed))
    Path(f"{folder}/{job}.toml").write_text(config)
    run = f"{folder}/{job}-{epochs}-{seed}-{time.time_ns()}"
    cpu, memory, said = used([AMODAL, "train", f"{folder}/{job}.toml", "--out", run, "--json"])
    if job == "classify":
        return cpu, memory, next(
            figure["value"] for figure in json.loads(said) if figure["name"] == "accuracy" and len(figure["given"]) == 2)
    used([AMODAL, "index", run, f"{folder}/names.csv", "-o", f"{run}/index", "--id", "digit"])
    search = [AMODAL, "search", run, f"{run}/index", f"{folder}/table.csv", "--split", "test", "--by", "image", "-k", 1]
    _, _, said = used(search)
    found = [json.loads(line) for line in said.splitlines()]
    with open(f"{folder}/table.csv", newline="") as file:
        labels = [row["label"] for row in csv.DictReader(file) if row["split"] == "test"]
    return cpu, memory, sum(hit["hits"][0]["id"] == label for hit, label in zip(found, labels, strict=True)) / len(labels)


def pytorch(job, folder, epochs, seed):
    cpu, memory, said = used([sys.executable, __file__, "--side", job, folder, epochs, seed])
    return cpu, memory, json.loads(said)["accuracy"]


def main():
    if sys.argv[1:2] == ["--make"]:
        make(sys.argv[2])
        return
    if sys.argv[1:2] == ["--side"]:
        torch_side(sys.argv[2], sys.argv[3], int(sys.argv[4]), int(sys.argv[5]))
        return
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--epochs", type=int, default=10)
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--busy", action="store_true", help="measure while other processes hold a core")
    options = options.parse_args()
    if not options.busy and busy() > 0.3:
        sys.exit(f"error: other processes hold {busy():.1f} cores; --busy measures all the same")
    sides = {"Amodal": amodal, "PyTorch": pytorch}
    print("| job | | epochs | accuracy, each seed | CPU seconds, whole | training rows a CPU-second | MB |")
    print("|---|---|--:|--:|--:|--:|--:|")
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([sys.executable, __file__, "--make", folder], check=True)
        with open(f"{folder}/table.csv", newline="") as file:
            rows = sum(row["split"] == "train" for row in csv.DictReader(file))
        for job in CONFIGS:
            results = {name: [] for name in sides}
            for seed in range(options.rounds):
                for name, side in sides.items():
                    short, long = (side(job, folder, epochs, seed) for epochs in [options.epochs, 2 * options.epochs])
                    results[name].append((short, long))
            rates = {}
            for name, runs in results.items():
                rates[name] = statistics.median(rows * options.epochs / (long[0] - short[0]) for short, long in runs)
                for epochs, which in [(options.epochs, 0), (2 * options.epochs, 1)]:
                    of = [run[which] for run in runs]
                    accuracy = ", ".join(f"{run[2] * 100:.1f}" for run in of)
                    rate = f"{rates[name]:,.0f}" if which else ""
                    cpu, memory = (statistics.median(run[part] for run in of) for part in [0, 1])
                    print(f"| {job} | {name} | {epochs} | {accuracy} % | {cpu:.1f} | {rate} | {memory:.0f} |")
            print(f"| | Amodal : PyTorch | | | | **{rates['Amodal'] / rates['PyTorch']:.2f}** | |", flush=True)


if __name__ == "__main__":
    main()
