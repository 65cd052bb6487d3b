"""Writes the golden file of an alignment whose vectors recall learned patterns.

    python reference/alignments.py

Made as `parity.py` says.
"""

import math

import numpy as np
import torch
import torch.nn.functional as F

import parity
from parity import SEED, Weights, bag, number, padded, pool, present

CONFIG = f"""
[modalities]
size = {{ type = "number" }}
text = {{ type = "text", vocabulary = ["one", "two", "three", "four", "five", "six"] }}
[encode]
size = {{ type = "number", dim = 6, hidden = [5] }}
text = {{ type = "bag", dim = 8 }}
[tasks.align]
loss = {{ type = "info_nce", dim = 5, memory = 4 }}
"""


def recall(w, at, encoded):
    """Retrieval of a modern Hopfield network (Ramsauer et al. 2020, equation 3), its patterns learned."""
    patterns = F.normalize(w(f"{at}.memory.patterns", 4, 5), dim=1)
    sharpness = w(f"{at}.memory.log_scale", 1, around=math.log(10)).exp()
    vectors = {}
    for place, name in enumerate(sorted(encoded)):
        x = F.normalize(w.linear(f"{at}.project.{place}", pool(encoded[name]), 5, bias=False), dim=1)
        near = torch.softmax(sharpness * x @ patterns.T, dim=1)
        vectors[name] = F.normalize(near @ patterns, dim=1) * present(encoded[name][1])
    return vectors


def cases():
    random = np.random.default_rng(SEED)
    inputs = {"size": padded(random, [1, 1, 1, 0, 1, 1, 1], 1), "text": padded(random, [3, 1, 2, 4, 0, 2, 1], ids=8)}
    groups = torch.tensor([1, 2, 3, 4, 5, 2, 6])

    def forward(w, inputs, targets, groups):
        at = "tasks.align.loss.InfoNce"
        encoded = {"size": number(w, "size", inputs["size"], 6, [5]), "text": bag(w, "text", inputs["text"], 8, 8, [])}
        vectors = recall(w, f"{at}.align", encoded)
        scale = w(f"{at}.log_scale", 1, around=-math.log(0.1)).exp()
        both = (present(encoded["size"][1]) * present(encoded["text"][1]))[:, 0].nonzero()[:, 0]
        logits = (vectors["size"] @ vectors["text"].T)[both][:, both] * scale
        same = (groups[both][:, None] == groups[both][None]).float()
        same = same / same.sum(1, keepdim=True)
        loss = (F.cross_entropy(logits, same) + F.cross_entropy(logits.T, same)) / 2
        return {f"align/{name}": vector[:, None] for name, vector in vectors.items()}, loss

    yield "memory", parity.TRAIN + CONFIG, inputs, {}, groups, forward, Weights(random)


if __name__ == "__main__":
    parity.main(cases())
