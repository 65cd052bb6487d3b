"""Writes the cases of videos to crates/amodal/tests/golden/, as parity.py does for the others:

    python reference/video.py

Clips are computed one by one and without their padding; batch statistics are those of all real frames.
"""

import math

import numpy as np
import torch
import torch.nn.functional as F

import parity
from parity import SEED, TRAIN, Weights, classes, classify, cnn, cross_entropy, padded, pool, present, transformer


def clips(random, lengths, size):
    values, mask = padded(random, lengths, 3, size, size)
    return values.clamp(-1, 1), mask


def apart(values, mask):
    """The real frames of each row."""
    return [values[row, : int(mask[row].sum())] for row in range(len(values))]


def together(rows, time):
    """Rows of vectors, padded with zeros."""
    return torch.stack([F.pad(row, (0, 0, 0, time - len(row))) for row in rows])


def split(x, rows):
    return torch.split(x, [len(row) for row in rows])


def frames(w, name, x, dim, channels, norm, layers, heads):
    values, mask = x
    at = f"encode.{name}.Frames"
    rows = apart(values, mask)
    every = torch.cat(rows)
    vectors, _ = cnn(w, name, (every, torch.ones(len(every), 1)), dim, channels, 1, norm, "flatten", at=f"{at}.cnn")
    tokens = together(split(vectors[:, 0], rows), mask.shape[1])
    if layers:
        return transformer(w, name, (tokens, mask), 0, dim, layers, heads, at=f"{at}.time")
    return pool((tokens, mask))[:, None], present(mask)


def non_local(w, at, x):
    """x: [channels, time, height, width] of one clip."""
    channels = x.shape[0]
    inner = math.ceil(channels / 2)
    flat = x.flatten(1).T
    q = w.linear(f"{at}.query", flat, inner)
    k = w.linear(f"{at}.key", flat, inner, bias=False)
    v = w.linear(f"{at}.value", flat, inner)
    return x + w.linear(f"{at}.output", torch.softmax(q @ k.T, 1) @ v, channels).T.reshape(x.shape)


def r2plus1d(w, name, x, dim, channels, stride, norm, look_around, how):
    values, mask = x
    at = f"encode.{name}.R2plus1d"
    rows = [row for row in apart(values, mask)]

    def normed(place, rows):
        every = torch.cat(rows)
        return split(torch.relu(w.batch_norm(place, every) if norm == "batch" else every), rows)

    for stage, out in enumerate(channels):
        place, width = f"{at}.stages.{stage}", rows[0].shape[1]
        inner = max(1, 27 * width * out // (9 * width + 3 * out))
        bias = lambda part, size: None if norm == "batch" else w(f"{place}.{part}.bias", size)
        weight = w(f"{place}.space.weight", inner, width, 3, 3)
        rows = [F.conv2d(row, weight, bias("space", inner), padding=1) for row in rows]
        rows = normed(f"{place}.space_norm.batch", rows)
        # [out, 3 inner, 1, 1] is [out, inner, 3, 1, 1] with time before channels
        weight = w(f"{place}.time.weight", out, 3 * inner, 1, 1)
        kernel = weight.view(out, 3, inner, 1, 1).transpose(1, 2)
        step = stride if stage else 1
        over_time = lambda row: F.conv3d(
            row.transpose(0, 1)[None], kernel, bias("time", out), stride=(step, 1, 1), padding=(1, 0, 0)
        )[0].transpose(0, 1)
        rows = [over_time(row) if len(row) else row.new_zeros(0, out, *row.shape[2:]) for row in rows]
        rows = normed(f"{place}.time_norm.batch", rows)
        rows = [F.max_pool2d(row, 2, ceil_mode=True) if len(row) else row[..., ::2, ::2] for row in rows]
    if look_around:
        around = lambda row: non_local(w, f"{at}.non_local", row.transpose(0, 1)).transpose(0, 1)
        rows = [around(row) if len(row) else row for row in rows]
    time = max(len(row) for row in rows)
    vectors = together([row.mean((2, 3)) for row in rows], time)
    real = torch.tensor([[float(at < len(row)) for at in range(time)] for row in rows])
    if how == "mean":
        return w.linear(f"{at}.output", pool((vectors, real)), dim)[:, None], present(mask)
    return w.linear(f"{at}.output", vectors, dim), real


def cases():
    random = np.random.default_rng(SEED)
    wanted = [
        (
            "video_mean",
            'type = "frames", dim = 6, channels = [3, 4], norm = "batch", time = "mean"',
            lambda w, x: frames(w, "clip", x, 6, [3, 4], "batch", 0, 0),
        ),
        (
            "video_transformer",
            'type = "frames", dim = 6, channels = [3, 4], norm = "none", num_layers = 1, num_heads = 2',
            lambda w, x: frames(w, "clip", x, 6, [3, 4], "none", 1, 2),
        ),
        (
            "r2plus1d",
            'type = "r2plus1d", dim = 6, channels = [3, 4], norm = "batch"',
            lambda w, x: r2plus1d(w, "clip", x, 6, [3, 4], 2, "batch", False, "mean"),
        ),
        (
            "r2plus1d_non_local",
            'type = "r2plus1d", dim = 6, channels = [3, 4], norm = "none", non_local = true, pool = "frames"',
            lambda w, x: r2plus1d(w, "clip", x, 6, [3, 4], 2, "none", True, "frames"),
        ),
    ]
    for name, options, encode in wanted:
        config = f"""
[modalities]
clip = {{ type = "video", size = 7 }}
[encode]
clip = {{ {options} }}
[tasks.label]
target = {{ type = "category", classes = ["a", "b", "c"] }}
decode = {{ type = "classifier", hidden = [6] }}
loss = {{ type = "cross_entropy", label_smoothing = 0.1 }}
"""
        inputs = {"clip": clips(random, [5, 2, 0, 4, 1], 7)}
        targets = {"label": classes(random, [1, 1, 1, 1, 0], 3)}

        def forward(w, inputs, targets, groups, encode=encode):
            logits = classify(w, "label", encode(w, inputs["clip"]), [6], 3)
            return {"label": logits}, cross_entropy(logits, targets["label"], 0.1)

        yield name, TRAIN + config, inputs, targets, torch.arange(5), forward, Weights(random)


if __name__ == "__main__":
    parity.main(cases())
