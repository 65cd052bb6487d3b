"""Writes the golden files of the fusions by attention, of the relation network and of the token for what is absent.

    python reference/attention_fusions.py

Made as `parity.py` says; written from the papers' formulas, with torch's own attention.
"""

import numpy as np
import torch
import torch.nn.functional as F

import parity
from parity import SEED, Weights, bag, category, classes, classify, cross_entropy, padded, pool, present

DIM, HEADS = 4, 2
VOCABULARY = '["one", "two", "three"]'  # ids 0 to 4

CONFIG = f"""
[modalities]
colour = {{ type = "category", classes = ["red", "green", "blue"] }}
sound = {{ type = "audio", mel = {{ num_mels = 3 }} }}
text = {{ type = "text", vocabulary = {VOCABULARY} }}
[encode]
colour = {{ type = "category", dim = 4 }}
sound = {{ type = "transformer", dim = 4, num_layers = 1, num_heads = 2, dropout = 0.0 }}
text = {{ type = "bag", dim = 6 }}
[tasks.label]
target = {{ type = "category", classes = ["a", "b", "c"] }}
decode = {{ type = "classifier" }}
loss = {{ type = "cross_entropy", label_smoothing = 0.1 }}
"""


def block(w, at, x, memory, real):
    """A transformer block, queries from `x`, keys and values from `memory`; `real` says which of its rows' keys count."""
    batch, time, dim = x.shape
    norm = lambda values: w.layer_norm(f"{at}.attention_norm", values)
    weight, bias = w(f"{at}.qkv.weight", dim, 3 * dim), w(f"{at}.qkv.bias", 3 * dim)
    heads = lambda values: values.view(batch, -1, HEADS, dim // HEADS).transpose(1, 2)
    q = heads(norm(x) @ weight[:, :dim] + bias[:dim])
    k = heads(norm(memory) @ weight[:, dim : 2 * dim] + bias[dim : 2 * dim])
    v = heads(norm(memory) @ weight[:, 2 * dim :] + bias[2 * dim :])
    some = present(real)
    allowed = (real + (1 - some)).bool()[:, None, None]  # rows without a key: their attention is made zero below
    mixed = F.scaled_dot_product_attention(q, k, v, attn_mask=allowed).transpose(1, 2).reshape(batch, time, dim)
    x = x + w.linear(f"{at}.output", mixed, dim) * some[..., None]
    hidden = F.gelu(w.linear(f"{at}.expand", w.layer_norm(f"{at}.mlp_norm", x), 4 * dim))
    return x + w.linear(f"{at}.contract", hidden, dim)


def projected(w, at, encoded):
    values = [w.linear(f"{at}.project.project.{i}", encoded[name][0], DIM) for i, name in enumerate(sorted(encoded))]
    return values, [encoded[name][1] for name in sorted(encoded)]


def joint(w, encoded, layers, class_token):
    at = "fuse.Transformer"
    values, masks = projected(w, at, encoded)
    x, real = torch.cat(values, 1), torch.cat(masks, 1)
    if class_token:
        x = torch.cat([w(f"{at}.class", 1, 1, DIM).expand(len(x), 1, DIM), x], 1)
        real = torch.cat([present(real), real], 1)
    for layer in range(layers):
        x = block(w, f"{at}.blocks.{layer}", x, x, real)
    if class_token:
        x, real = x[:, :1], real[:, :1]
    return w.layer_norm(f"{at}.norm", x), real


def crossmodal(w, encoded, layers):
    at = "fuse.CrossAttention"
    values, masks = projected(w, at, encoded)
    results, reals, number = [], [], 0
    for own in range(len(values)):
        for other in range(len(values)):
            if own == other:
                continue
            x = values[own]
            for _ in range(layers):
                x = block(w, f"{at}.blocks.{number}", x, values[other], masks[other])
                number += 1
            results.append(x)
            reals.append(masks[own])
    return w.layer_norm(f"{at}.norm", torch.cat(results, 1)), torch.cat(reals, 1)


def bottleneck(w, encoded, layers, count):
    at = "fuse.Bottleneck"
    values, masks = projected(w, at, encoded)
    shared = w(f"{at}.bottleneck", 1, count, DIM).expand(len(values[0]), count, DIM)
    here = torch.cat([present(mask) for mask in masks], 1)  # [batch, modalities]
    for layer in range(layers):
        collected = []
        for i, mask in enumerate(masks):
            x = torch.cat([values[i], shared], 1)
            x = block(w, f"{at}.blocks.{layer * len(masks) + i}", x, x, torch.cat([mask, present(mask).expand(-1, count)], 1))
            values[i] = x[:, : mask.shape[1]]
            collected.append(x[:, mask.shape[1] :])
        # row by row: the mean over what the row has
        shared = torch.stack([
            torch.stack([collected[i][row] for i in range(len(masks)) if here[row, i]]).mean(0)
            if here[row].any() else shared[row] * 0
            for row in range(len(here))
        ])
    return w.layer_norm(f"{at}.norm", torch.cat(values, 1)), torch.cat(masks, 1)


def relation(w, encoded, condition, hidden, mean):
    """Pair by pair: the objects of a row side by side with its condition, through g."""
    at = "fuse.Relation"
    objects = [name for name in sorted(encoded) if name not in condition]
    size = {name: encoded[name][0].shape[2] for name in encoded}
    left = [w(f"{at}.left.{i}.weight", size[name], hidden[0]) for i, name in enumerate(objects)]
    bias = [w(f"{at}.left.{i}.bias", hidden[0]) for i in range(len(objects))]
    right = [w(f"{at}.right.{i}.weight", size[name], hidden[0]) for i, name in enumerate(objects)]
    question = [w(f"{at}.condition.{i}.weight", size[name], hidden[0]) for i, name in enumerate(sorted(condition))]
    pooled = {name: pool(encoded[name]) for name in condition}
    rows = []
    for row in range(len(encoded[objects[0]][0])):
        here = [
            (i, encoded[name][0][row, at_])
            for i, name in enumerate(objects)
            for at_ in range(encoded[name][1].shape[1])
            if encoded[name][1][row, at_]
        ]
        asked = sum((pooled[name][row] @ weight for name, weight in zip(sorted(condition), question)), torch.zeros(hidden[0]))
        first = [
            torch.cat([a, b]) @ torch.cat([left[i], right[j]]) + bias[i] + asked for i, a in here for j, b in here
        ] or [asked]
        g = torch.relu(w.perceptron(f"{at}.rest", torch.relu(torch.stack(first)), hidden[1:], DIM))
        something = any(encoded[name][1][row].any() for name in encoded)
        rows.append((g.mean(0) if mean else g.sum(0)) * float(something))
    real = torch.cat([present(mask) for _, mask in encoded.values()], 1).amax(1, keepdim=True)
    return torch.stack(rows)[:, None], real


def stand_in(w, encoded):
    """A learned token where a row has not a modality."""
    filled = {}
    for name, (values, mask) in encoded.items():
        token = w(f"absent.{name}.token", values.shape[2])
        first = (torch.arange(mask.shape[1]) == 0).float()[None] * (1 - present(mask))
        filled[name] = torch.where(first[..., None].bool(), token, values), mask + first
    return filled


def cases():
    random = np.random.default_rng(SEED)
    inputs = {
        "colour": classes(random, [1, 0, 1, 0, 0, 1], 3),
        "sound": padded(random, [4, 2, 0, 1, 0, 3], 3),
        "text": padded(random, [2, 3, 1, 0, 0, 1], ids=5),
    }
    targets = {"label": classes(random, [1, 1, 1, 1, 1, 0], 3)}
    layers = f"dim = {DIM}\nnum_heads = {HEADS}\ndropout = 0.0"
    fusions = {
        "transformer": (f'type = "transformer"\nnum_layers = 2\n{layers}', lambda w, x: joint(w, x, 2, False)),
        "class_token": (
            f'type = "transformer"\nclass_token = true\nnum_layers = 1\n{layers}', lambda w, x: joint(w, x, 1, True)
        ),
        "cross_attention": (f'type = "cross_attention"\nnum_layers = 1\n{layers}', lambda w, x: crossmodal(w, x, 1)),
        "bottleneck": (
            f'type = "bottleneck"\nbottlenecks = 2\nnum_layers = 2\n{layers}', lambda w, x: bottleneck(w, x, 2, 2)
        ),
        "relation": (
            f'type = "relation"\ndim = {DIM}\nhidden = [5, 6]', lambda w, x: relation(w, x, [], [5, 6], False)
        ),
        "relation_of_cells": (
            f'type = "relation"\ndim = {DIM}\nhidden = [5]\ncondition = ["text"]\ncombine = "mean"',
            lambda w, x: relation(w, x, ["text"], [5], True),
        ),
        "absent": (
            f'type = "transformer"\nnum_layers = 1\n{layers}', lambda w, x: joint(w, stand_in(w, x), 1, False)
        ),
    }
    for name, (options, fuse) in fusions.items():
        head = 'absent = "token"\n' if name == "absent" else ""

        def forward(w, inputs, targets, groups, fuse=fuse):
            encoded = {
                "colour": category(w, "colour", inputs["colour"], 3, 4),
                "sound": parity.transformer(w, "sound", inputs["sound"], 0, 4, 1, 2),
                "text": bag(w, "text", inputs["text"], 5, 6, []),
            }
            logits = classify(w, "label", fuse(w, encoded), [], 3)
            return {"label": logits}, cross_entropy(logits, targets["label"], 0.1)

        config = f"{head}{parity.TRAIN}{CONFIG}[fuse]\n{options}\n"
        yield name, config, inputs, targets, torch.arange(6), forward, Weights(random)


if __name__ == "__main__":
    parity.main(cases())
