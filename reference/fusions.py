"""Writes the files of crates/amodal/tests/golden/ for the learned fusions, which tests/parity.rs compares the library
with. Every fusion is written from its paper's formula for one row at a time, over the modalities that the row has. From
the root:

    python reference/fusions.py

See parity.py for what a file holds.
"""

import numpy as np
import torch

import parity
from parity import Weights, category, classes, classify, cross_entropy, number, padded

DIM = 6
WIDTH = 3
RANK = 2


def mean(tokens):
    return tokens.mean(0)


def weighted(w, row, widths):
    share = torch.softmax(w("fuse.Weighted.logits", len(widths))[list(row)], 0)
    return sum(share[at] * w.linear(f"fuse.Weighted.project.project.{m}", mean(row[m]), DIM) for at, m in enumerate(row))


def gated(w, row, widths):
    count = len(widths)
    beside = torch.cat([mean(row[m]) if m in row else torch.zeros(width) for m, width in enumerate(widths)])
    gates = 1 if count == 2 else count
    z = torch.sigmoid(w.linear("fuse.Gated.gate", beside, gates * DIM)).reshape(gates, DIM)
    z = [z[0], 1 - z[0]] if count == 2 else z
    return sum(z[m] * torch.tanh(w.linear(f"fuse.Gated.project.project.{m}", mean(row[m]), DIM)) for m in row)


def tensor(w, row, widths):
    one = torch.ones(1)
    a, b, c = (
        torch.cat([w.linear(f"fuse.Tensor.project.project.{m}", mean(row[m]), WIDTH), one])
        if m in row
        else torch.cat([torch.zeros(WIDTH), one])
        for m in range(3)
    )
    return w.linear("fuse.Tensor.output", torch.einsum("i,j,k->ijk", a, b, c).flatten(), DIM)


def low_rank(w, row, widths):
    product = torch.ones(RANK, DIM)
    for m, width in enumerate(widths):
        at = f"fuse.LowRank.factors.project.{m}"
        factor = torch.cat([w(f"{at}.weight", width, RANK * DIM), w(f"{at}.bias", RANK * DIM)[None]])
        x = torch.cat([mean(row[m]) if m in row else torch.zeros(width), torch.ones(1)])
        product = product * torch.einsum("i,ird->rd", x, factor.reshape(width + 1, RANK, DIM))
    return product.sum(0)


def bilinear(w, row, widths):
    product = torch.ones(RANK, WIDTH)
    for m in row:
        x = torch.tanh(w.linear(f"fuse.Bilinear.project.project.{m}", mean(row[m]), WIDTH))
        product = product * w.linear(f"fuse.Bilinear.core.{m}", x, RANK * WIDTH).reshape(RANK, WIDTH)
    return w.linear("fuse.Bilinear.output", product.sum(0), DIM)


def film(w, row, widths, modulated=1, layers=2):
    others = [m for m in range(len(widths)) if m != modulated]
    said = torch.zeros(2 * layers * DIM)
    for place, m in enumerate(others):
        if m in row:
            said = said + w.linear(f"fuse.Film.condition.project.{place}", mean(row[m]), 2 * layers * DIM)
    if modulated in row:
        x = w.linear("fuse.Film.input", row[modulated], DIM)
    else:
        x = torch.zeros(1, DIM)
    for layer, (gamma, beta) in enumerate(said.reshape(layers, 2, DIM)):
        x = x + torch.relu((1 + gamma) * w.linear(f"fuse.Film.layers.{layer}", x, DIM) + beta)
    return mean(x)


def multiplicative(w, row, widths):
    fused = sum(w.linear(f"fuse.Multiplicative.linear.project.{m}", mean(row[m]), DIM) for m in row)
    narrow = {m: w.linear(f"fuse.Multiplicative.narrow.project.{m}", mean(row[m]), WIDTH) for m in row}
    form = w("fuse.Multiplicative.bilinear.weight", 3 * WIDTH * WIDTH, DIM).reshape(3, WIDTH, WIDTH, DIM)
    for at, (z, x) in enumerate([(0, 1), (0, 2), (1, 2)]):
        if z in row and x in row:
            fused = fused + torch.einsum("i,ijd,j->d", narrow[z], form[at], narrow[x])
    return fused


def experts(w, row, widths):
    weighted, precision = torch.zeros(DIM), torch.ones(DIM)
    for m in row:
        mu, log_precision = w.linear(f"fuse.Experts.project.project.{m}", mean(row[m]), 2 * DIM).split(DIM)
        weighted, precision = weighted + mu * log_precision.exp(), precision + log_precision.exp()
    return weighted / precision


def deepset(w, row, widths, pool="sum"):
    tokens = torch.cat([torch.relu(w.linear(f"fuse.DeepSet.project.{m}", row[m], DIM)) for m in row])
    pooled = {"sum": tokens.sum(0), "mean": tokens.mean(0), "max": tokens.amax(0), "min": tokens.amin(0)}[pool]
    return w.perceptron("fuse.DeepSet.perceptron", pooled, [5], DIM)


def each_row(fuse, w, encoded):
    """Rows through `fuse`, which is given the real tokens of the modalities that the row has, by place."""
    names = sorted(encoded)
    widths = [encoded[name][0].shape[-1] for name in names]
    real = torch.stack([encoded[name][1].amax(1) for name in names]).amax(0)
    vectors = []
    for at, any_of in enumerate(real):
        row = {m: encoded[name][0][at][encoded[name][1][at] > 0] for m, name in enumerate(names)}
        row = {m: tokens for m, tokens in row.items() if len(tokens)}
        vectors.append(fuse(w, row, widths) if any_of else torch.zeros(DIM))
    return torch.stack(vectors)[:, None], real[:, None]


def cases():
    random = np.random.default_rng(parity.SEED)
    fusions = [
        ("weighted", weighted, ""),
        ("gated", gated, ""),
        ("gated_pair", gated, ""),
        ("tensor", tensor, f"width = {WIDTH}"),
        ("low_rank", low_rank, f"rank = {RANK}"),
        ("bilinear", bilinear, f"width = {WIDTH}\nrank = {RANK}"),
        ("film", film, 'modulated = "sound"\nnum_layers = 2'),
        ("multiplicative", multiplicative, f"width = {WIDTH}"),
        ("experts", experts, ""),
        ("deepset", deepset, "hidden = [5]"),
    ]
    for name, fuse, options in fusions:
        three = name != "gated_pair"
        config = f"""
[modalities]
colour = {{ type = "category", classes = ["red", "green", "blue"] }}
sound = {{ type = "audio", mel = {{ num_mels = 3 }} }}
{'weight = { type = "number" }' if three else ""}
[encode]
colour = {{ type = "category", dim = 4 }}
sound = {{ type = "identity" }}
{'weight = { type = "number", dim = 5, hidden = [] }' if three else ""}
[fuse]
type = "{name.removesuffix("_pair")}"
dim = {DIM}
{options}
[tasks.label]
target = {{ type = "category", classes = ["a", "b", "c"] }}
decode = {{ type = "classifier", hidden = [] }}
loss = {{ type = "cross_entropy" }}
"""
        inputs = {
            "colour": classes(random, [1, 0, 1, 0, 0, 1, 1], 3),
            "sound": padded(random, [4, 2, 0, 3, 0, 1, 3], 3),
        }
        if three:
            inputs["weight"] = padded(random, [1, 1, 1, 0, 0, 1, 0], 1)
        targets = {"label": classes(random, [1, 1, 1, 1, 1, 0, 1], 3)}

        def forward(w, inputs, targets, groups, fuse=fuse, three=three):
            encoded = {"colour": category(w, "colour", inputs["colour"], 3, 4), "sound": inputs["sound"]}
            if three:
                encoded["weight"] = number(w, "weight", inputs["weight"], 5, [])
            logits = classify(w, "label", each_row(fuse, w, encoded), [], 3)
            return {"label": logits}, cross_entropy(logits, targets["label"])

        yield name, parity.TRAIN + config, inputs, targets, torch.arange(7), forward, Weights(random)


if __name__ == "__main__":
    parity.main(cases())
