#!/usr/bin/env python3
"""Trains MultiBench's own code on the arrays that `digits_arrays.toml` gives to Amodal.

    bench/multibench.py arrays data/digits/digits.csv       writes data/digits/digits.arrays.jsonl
    bench/multibench.py train data/digits/digits.arrays.jsonl --multibench PATH
        [--optimizer adam] [--unimodal picture] [--seed 1] [--epochs 30] [--standardise]

`arrays` turns each recording into 40 steps of 25 ms of 40 log-mel bands, from 0 to 1 (the loudest of the recording; 80 dB
below it), padded with 0 or cut to one second. A row of its JSONL holds that array, the picture's file (a grey PNG of
28×28, 0 to 1), the digit and the split; both sides read these numbers, as the sets called AV-MNIST differ from each other.

`train` runs MultiBench's LeNet encoders, Concat, MLP, `Supervised_Learning.train` and its test, as its
`examples/multimedia/avmnist_simple_late_fusion.py`: SGD, rate 0.1, weight decay 1e-4, 30 epochs, batches of 40; one
encoder is a convolution less deep, as the array has 40×40 places, not 112×112. `--optimizer adam` takes Adam at 1e-3
instead. `--unimodal` runs `training_structures/unimodal.py` with the widths and the 20 epochs of `avmnist_unimodal_*.py`.
MultiBench keeps the weights with the best validation accuracy, and these are tested.

Needs numpy, pillow, scikit-learn, matplotlib, memory_profiler, tqdm, torch and torchvision (pip install; measured with torch
2.9.1+cpu, torchvision 0.24.1), and a checkout of github.com/pliang279/MultiBench at
49f9be224f342de005b7f001281f33df4301eb22. One thread;
the last line is JSON: accuracy, parameters, CPU seconds (user and system) and peak memory of the process.
"""

import argparse
import csv
import json
import os
import random
import resource
import sys
import tempfile
import time
import wave
from pathlib import Path

for threads in ["OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"]:
    os.environ[threads] = "1"

import numpy as np  # noqa: E402

STEPS, BANDS = 40, 40
LOWEST = 20.0     # Hz
RANGE = 80.0      # dB


def filters(rate, size):
    """Triangles of equal width on the mel scale: [bands, frequencies]."""
    mel = lambda hertz: 2595 * np.log10(1 + hertz / 700)
    edges = 700 * (10 ** (np.linspace(mel(LOWEST), mel(rate / 2), BANDS + 2) / 2595) - 1)
    hertz = np.arange(size // 2 + 1) * rate / size
    low, middle, high = (edges[at:at + BANDS, None] for at in range(3))
    return np.clip(np.minimum((hertz - low) / (middle - low), (high - hertz) / (high - middle)), 0, None)


def log_mel(path):
    """One second of a WAV file: [steps, bands], 0 to 1."""
    with wave.open(str(path)) as file:
        rate = file.getframerate()
        x = np.frombuffer(file.readframes(file.getnframes()), "<i2") / 32768
    hop, window, size = rate // STEPS, rate // STEPS * 2, 1024
    x = np.pad(x[:rate], (0, max(0, rate - len(x)) + window - hop))
    frames = np.stack([x[at * hop:at * hop + window] for at in range(STEPS)]) * np.hanning(window)
    power = np.abs(np.fft.rfft(frames, size)) ** 2 @ filters(rate, size).T
    decibels = 10 * np.log10(np.maximum(power, 1e-12))
    return np.clip((decibels - decibels.max()) / RANGE + 1, 0, 1)


def arrays(table):
    out, read = table.with_suffix(".arrays.jsonl"), {}
    with open(table, encoding="utf-8", newline="") as rows, open(out, "w", encoding="utf-8") as to:
        for row in csv.DictReader(rows):
            name = row["speech"]
            if name not in read:
                read[name] = np.round(log_mel(table.parent / name), 3).tolist()
            row = {"picture": row["picture"], "speech": read[name], "digit": row["digit"], "split": row["split"]}
            to.write(json.dumps(row, separators=(",", ":")) + "\n")
    print(out)


def load(path, standardise):
    """The rows of each split, as MultiBench's get_data.py holds them: [picture, speech, digit]."""
    from PIL import Image
    splits = {"train": [], "validation": [], "test": []}
    with open(path, encoding="utf-8") as lines:
        for line in lines:
            row = json.loads(line)
            picture = np.asarray(Image.open(path.parent / row["picture"]).convert("L"), np.float32) / 255
            speech = np.asarray(row["speech"], np.float32)
            splits[row["split"]].append([picture[None], speech[None], int(row["digit"])])
    for rows in splits.values():  # the table is sorted by digit, and `unimodal.py` reads the statistics of a test batch
        random.Random(0).shuffle(rows)
    if standardise:
        speech = np.stack([row[1] for row in splits["train"]])
        mean, deviation = speech.mean((0, 1, 2)), speech.std((0, 1, 2))  # of each band, as Amodal's `series` does
        for row in sum(splits.values(), []):
            row[1] = (row[1] - mean) / deviation
    return splits


def cpu_seconds():
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def train(options):
    sys.path.insert(0, str(options.multibench))
    import torch
    from fusions.common_fusions import Concat
    from training_structures import Supervised_Learning, unimodal
    from unimodals.common_models import MLP, LeNet
    torch.set_num_threads(1)
    torch.manual_seed(options.seed)
    splits = load(options.table, options.standardise)
    batches = {name: torch.utils.data.DataLoader(rows, batch_size=40, shuffle=name == "train")
               for name, rows in splits.items()}
    loaded, start = cpu_seconds(), time.perf_counter()
    sgd = options.optimizer == "sgd"
    how = {"optimtype": torch.optim.SGD if sgd else torch.optim.Adam, "weight_decay": 1e-4 if sgd else 0.0,
           "lr": 1e-3 if not sgd else 0.01 if options.unimodal == "picture" else 0.1, "track_complexity": False}

    with tempfile.TemporaryDirectory() as folder:
        best, best_head = f"{folder}/best.pt", f"{folder}/head.pt"
        if options.unimodal:
            at = ["picture", "speech"].index(options.unimodal)
            encoder, width = [(LeNet(1, 3, 3), 24), (LeNet(1, 6, 4), 96)][at]
            modules = [encoder, MLP(width, 100, 10)]
            unimodal.train(*modules, batches["train"], batches["validation"], options.epochs or 20, modalnum=at,
                           save_encoder=best, save_head=best_head, **how)
            trained = cpu_seconds()
            tested = [torch.load(file, weights_only=False) for file in [best, best_head]]
            result = unimodal.single_test(*tested, batches["test"], modalnum=at)
            # it never calls eval(): batch norm reads the other rows of the test batch, also when the best epoch is chosen
            for module in tested:
                module.eval()
            result["Accuracy in eval mode"] = unimodal.single_test(*tested, batches["test"], modalnum=at)["Accuracy"]
        else:
            # depths at which 28×28 and 40×40 places become one: 6·2³ + 6·2⁴ features
            modules = [LeNet(1, 6, 3), LeNet(1, 6, 4), MLP(48 + 96, 100, 10)]
            Supervised_Learning.train(modules[:2], Concat(), modules[2], batches["train"], batches["validation"],
                                      options.epochs or 30, save=best, **how)
            trained = cpu_seconds()
            result = Supervised_Learning.single_test(torch.load(best, weights_only=False), batches["test"])

    parameters = sum(values.numel() for module in modules for values in module.parameters())
    print(json.dumps({
        **{name.lower(): round(float(value), 4) for name, value in result.items()},
        "rows": len(splits["test"]), "parameters": parameters, "cpu_seconds": round(cpu_seconds(), 1),
        "cpu_seconds_of_training": round(trained - loaded, 1),
        "wall_seconds_behind_loading": round(time.perf_counter() - start, 1),
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024}))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("arrays").add_argument("table", type=Path)
    command = commands.add_parser("train")
    command.add_argument("table", type=Path)
    command.add_argument("--multibench", type=Path, required=True)
    command.add_argument("--optimizer", choices=["sgd", "adam"], default="sgd")
    command.add_argument("--unimodal", choices=["picture", "speech"])
    command.add_argument("--standardise", action="store_true")
    command.add_argument("--epochs", type=int)
    command.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    arrays(options.table) if options.command == "arrays" else train(options)


if __name__ == "__main__":
    main()
