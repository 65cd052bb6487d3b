"""Writes the golden files of the encoders of pictures, of the recurrent ones and of the options of the transformer.

    python reference/encoders.py

Made as `parity.py` says; written from the papers' formulas. Recurrent layers are torch's own, row by row, each row as
long as it is.
"""

import math

import numpy as np
import torch
import torch.nn.functional as F

import parity
from parity import SEED, TRAIN, Weights, classify, cross_entropy, classes, padded, picture, pool, present, simple

VOCABULARY = '["one", "two", "three"]'  # ids 0 to 4
IDS = 5

LABEL = """
[fuse]
type = "sum"
dim = 4
[tasks.label]
target = { type = "category", classes = ["a", "b", "c"] }
decode = { type = "classifier" }
loss = { type = "cross_entropy" }
"""


def conv(w, at, x, out, kernel, stride=1, padding=None, norm="none"):
    """A convolution, behind it batch normalisation or its bias."""
    weight = w(f"{at}.conv.weight", out, x.shape[1], kernel, kernel)
    bias = None if norm == "batch" else w(f"{at}.conv.bias", out)
    x = F.conv2d(x, weight, bias, stride, kernel // 2 if padding is None else padding)
    return w.batch_norm(f"{at}.norm.batch", x) if norm == "batch" else x


def non_local(w, at, x, real):
    """Wang et al. 2018, eq. 6, over the places of each real row."""
    batch, channels, height, width = x.shape
    inner = -(-channels // 2)
    places = x.flatten(2).transpose(1, 2)
    query, value = w.linear(f"{at}.query", places, inner), w.linear(f"{at}.value", places, inner)
    key = w.linear(f"{at}.key", places, inner, bias=False)
    found = w.linear(f"{at}.output", torch.softmax(query @ key.transpose(1, 2), 2) @ value, channels)
    return x + (found * real[:, :, None]).transpose(1, 2).view(batch, channels, height, width)


def alexnet(w, name, x, dim, channels, hidden, stride):
    values, mask = x
    at, x = f"encode.{name}.Alexnet", values
    for stage, (out, kernel) in enumerate(zip(channels, [5, 5, 3, 3, 3])):
        x = torch.relu(conv(w, f"{at}.stages.{stage}", x, out, kernel, 1 if stage else stride, None if stage else 2))
        if stage < 2:  # section 3.3: over 5 neighbouring channels
            squares = F.pad(x**2, (0, 0, 0, 0, 2, 2))
            neighbours = sum(squares[:, shift : shift + out] for shift in range(5))
            x = x / (2 + 1e-4 * neighbours) ** 0.75
        if stage in (0, 1, 4):
            x = F.max_pool2d(x, [min(3, size) for size in x.shape[2:]], 2)
    return w.perceptron(f"{at}.perceptron", x.flatten(1), hidden, dim)[:, None], mask


def places(x, mask, coordinates):
    """One token a place, with its row and column from -1 to 1 where asked for."""
    batch, _, height, width = x.shape
    if coordinates:
        rows, columns = torch.meshgrid(torch.linspace(-1, 1, height), torch.linspace(-1, 1, width), indexing="ij")
        x = torch.cat([x, torch.stack([rows, columns])[None].expand(batch, -1, -1, -1)], 1)
    return x.flatten(2).transpose(1, 2), mask.expand(-1, height * width)


def resnet(w, name, x, dim, channels, blocks, large, norm, non_local_after, how):
    values, mask = x
    at = f"encode.{name}.Resnet"
    x = torch.relu(conv(w, f"{at}.stem", values, channels[0], 7 if large else 3, 2 if large else 1, norm=norm))
    if large:
        x = F.max_pool2d(x, 3, 2, 1)
    for stage, (out, count) in enumerate(zip(channels, blocks)):
        for block in range(count):
            place = f"{at}.stages.{stage}.blocks.{block}"
            stride = 2 if stage and not block else 1
            change = torch.relu(conv(w, f"{place}.first", x, out, 3, stride, norm=norm))
            change = conv(w, f"{place}.second", change, out, 3, norm=norm)
            if stride > 1 or x.shape[1] != out:
                x = conv(w, f"{place}.shortcut", x, out, 1, stride, norm=norm)
            x = torch.relu(x + change)
        if stage in non_local_after:
            x = non_local(w, f"{at}.stages.{stage}.non_local", x, mask)
    tokens = places(x, mask, how == "coordinates")
    if how == "mean":
        return w.linear(f"{at}.output", pool(tokens), dim)[:, None], mask
    return w.linear(f"{at}.output", tokens[0], dim), tokens[1]


def cnn(w, name, x, dim, channels, non_local_after):
    """`cnn` with a grid of places that are told their coordinates."""
    values, mask = x
    at, x = f"encode.{name}.Cnn", values
    for stage, out in enumerate(channels):
        x = F.max_pool2d(torch.relu(conv(w, f"{at}.stages.{stage}", x, out, 3)), 2, ceil_mode=True)
        if stage in non_local_after:
            x = non_local(w, f"{at}.stages.{stage}.non_local", x, mask)
    tokens, real = places(x, mask, True)
    return w.linear(f"{at}.output", tokens, dim), real


def turn(x):
    """Rotary positions of [batch, heads, time, dim]: each pair of channels as a complex number (eq. 34)."""
    time, dim = x.shape[2:]
    angle = torch.arange(time)[:, None] / 10_000 ** (torch.arange(0, dim, 2, dtype=torch.float64) / dim)
    pairs = torch.view_as_complex(x.reshape(*x.shape[:-1], dim // 2, 2))
    return torch.view_as_real(pairs * torch.polar(torch.ones_like(angle), angle).to(torch.complex64)).flatten(3)


def blocks(w, at, x, real, count, heads, turned=lambda x: x):
    batch, time, dim = x.shape
    for layer in range(count):
        block = f"{at}.blocks.{layer}"
        qkv = w.linear(f"{block}.qkv", w.layer_norm(f"{block}.attention_norm", x), 3 * dim)
        q, k, v = qkv.view(batch, time, 3, heads, dim // heads).permute(2, 0, 3, 1, 4)
        # rows without a real token attend to nothing: their attention is made zero below
        allowed = (real + (1 - present(real))).bool()[:, None, None]
        mixed = F.scaled_dot_product_attention(turned(q), turned(k), v, attn_mask=allowed)
        mixed = mixed.transpose(1, 2).reshape(batch, time, dim)
        x = x + w.linear(f"{block}.output", mixed, dim) * present(real)[..., None]
        hidden = F.gelu(w.linear(f"{block}.expand", w.layer_norm(f"{block}.mlp_norm", x), 4 * dim))
        x = x + w.linear(f"{block}.contract", hidden, dim)
    return w.layer_norm(f"{at}.norm", x)


def vit(w, name, x, dim, patch, layers, heads, how):
    values, mask = x
    at = f"encode.{name}.Vit"
    x = F.pad(values, (0, -values.shape[3] % patch, 0, -values.shape[2] % patch))
    x = w.linear(f"{at}.patches", F.unfold(x, patch, stride=patch).transpose(1, 2), dim)
    if how == "class":
        x = torch.cat([w(f"{at}.class", 1, dim).expand(len(x), 1, dim), x], 1)
    real = mask.expand(-1, x.shape[1])
    x = blocks(w, at, x + w(f"{at}.positions", x.shape[1], dim), real, layers, heads)
    if how == "class":
        return x[:, :1], mask
    return (pool((x, real))[:, None], mask) if how == "mean" else (x, real)


def embedded(w, at, x, dim):
    values, mask = x
    if values.dim() == 2:
        return F.embedding(values.long(), w(f"{at}.words.weight", IDS, dim)), mask
    return x


def recurrent(w, kind, name, x, dim, layers, both, how):
    at = f"encode.{name}.{kind.title()}"
    x, mask = embedded(w, at, x, dim)
    size = dim // 2 if both else dim
    gates = {"lstm": 4, "gru": 3}[kind]
    for layer in range(layers):
        states = torch.zeros(*mask.shape, dim)
        lasts = []
        for row, length in enumerate(mask.sum(1).int().tolist()):
            ends = []
            for side, direction in enumerate(["forward", "backward"][: 1 + both]):
                place = f"{at}.layers.{layer}.{direction}"
                weights = [
                    w(f"{place}.input.weight", x.shape[2], gates * size).T,
                    w(f"{place}.state.weight", size, gates * size).T,
                    w(f"{place}.input.bias", gates * size),
                ]
                if kind == "gru":
                    weights.append(w(f"{place}.state.bias", gates * size))
                else:  # torch's order is input, forget, candidate, output
                    order = torch.arange(4 * size).view(4, size)[[0, 1, 3, 2]].flatten()
                    weights = [weight[order] for weight in weights] + [torch.zeros(4 * size)]
                if not length:
                    ends.append(torch.zeros(size))
                    continue
                steps = x[row, :length].flip(0) if side else x[row, :length]
                start = torch.zeros(1, 1, size)
                function = torch.lstm if kind == "lstm" else torch.gru
                start = (start, start) if kind == "lstm" else start
                found = function(steps[None], start, weights, True, 1, 0.0, False, False, True)[0][0]
                ends.append(found[-1])
                here = states.new_zeros(states.shape)
                here[row, :length, side * size : (side + 1) * size] = found.flip(0) if side else found
                states = states + here
            lasts.append(torch.cat(ends))
        x = states
    if how == "steps":
        return x, mask
    return (torch.stack(lasts) if how == "last" else pool((x, mask)))[:, None], present(mask)


def text_cnn(w, name, x, dim, windows, channels):
    """Kim 2014, row by row; a text shorter than a window is filled with zeros."""
    at = f"encode.{name}.TextCnn"
    words, mask = embedded(w, at, x, dim)
    rows = []
    for row, length in enumerate(mask.sum(1).int().tolist()):
        features = []
        for place, size in enumerate(windows):
            weight = w(f"{at}.windows.{place}.weight", channels, dim, size)
            bias = w(f"{at}.windows.{place}.bias", channels)
            text = F.pad(words[row, :length].T, (0, max(0, size - length)))
            found = torch.relu(F.conv1d(text[None], weight, bias)[0]).amax(1)
            features.append(found if length else torch.zeros(channels))
        rows.append(torch.cat(features))
    return w.linear(f"{at}.output", torch.stack(rows), dim)[:, None], present(mask)


def transformer(w, name, x, dim, layers, heads, positions, frames=1, max_length=0):
    values, mask = x
    at = f"encode.{name}.Transformer"
    if values.dim() == 2:
        x = embedded(w, at, x, dim)[0] * math.sqrt(dim)
    else:
        more = -values.shape[1] % frames
        values, mask = F.pad(values, (0, 0, 0, more)), F.pad(mask, (0, more))
        values = values.unflatten(1, (-1, frames)).flatten(2)
        mask = mask.unflatten(1, (-1, frames)).amax(2)
        x = w.linear(f"{at}.frames", values, dim)
    if positions == "learned":
        x = x + w(f"{at}.learned", max_length, dim)[: x.shape[1]]
    return blocks(w, at, x, mask, layers, heads, turn if positions == "rotary" else lambda x: x), mask


def cases():
    random = np.random.default_rng(SEED)

    def case(name, config, inputs, encode):
        targets = {"label": classes(random, [1, 1, 1, 0, 1], 3)}

        def forward(w, inputs, targets, groups):
            logits = classify(w, "label", simple(w, "sum", encode(w, inputs), 4), [], 3)
            return {"label": logits}, cross_entropy(logits, targets["label"])

        return name, TRAIN + config + LABEL, inputs, targets, torch.arange(5), forward, Weights(random)

    config = """
[modalities]
alexnet = { type = "image", size = 7 }
cnn = { type = "image", size = 7 }
vit = { type = "image", size = 7 }
vit_class = { type = "image", size = 7 }
[encode]
alexnet = { type = "alexnet", dim = 4, channels = [3, 3, 2, 2, 2], hidden = [4], norm = "local_response", dropout = 0.0 }
cnn = { type = "cnn", dim = 4, channels = [2, 3], norm = "none", pool = "grid", coordinates = true, non_local = [1, 2] }
vit = { type = "vit", dim = 4, patch = 3, num_layers = 1, num_heads = 2, dropout = 0.0 }
vit_class = { type = "vit", dim = 4, patch = 4, num_layers = 1, num_heads = 2, dropout = 0.0, pool = "class" }
"""
    present_rows = {"alexnet": [1, 1, 0, 1, 1], "cnn": [1, 0, 1, 1, 1], "vit": [1, 1, 0, 1, 1], "vit_class": [1, 0, 1, 1, 0]}
    inputs = {name: picture(random, has, 7) for name, has in present_rows.items()}

    def encode(w, inputs):
        return {
            "alexnet": alexnet(w, "alexnet", inputs["alexnet"], 4, [3, 3, 2, 2, 2], [4], 1),
            "cnn": cnn(w, "cnn", inputs["cnn"], 4, [2, 3], [0, 1]),
            "vit": vit(w, "vit", inputs["vit"], 4, 3, 1, 2, "mean"),
            "vit_class": vit(w, "vit_class", inputs["vit_class"], 4, 4, 1, 2, "class"),
        }

    yield case("pictures", config, inputs, encode)

    config = """
[modalities]
large = { type = "image", size = 9 }
small = { type = "image", size = 6 }
[encode]
large = { type = "resnet", dim = 4, channels = [2, 3], blocks = [1, 1], stem = "large" }
small = { type = "resnet", dim = 4, channels = [2, 3], blocks = [1, 2], norm = "none", pool = "grid", coordinates = true, non_local = [1] }
"""
    inputs = {"large": picture(random, [1, 1, 1, 0, 1], 9), "small": picture(random, [0, 1, 1, 1, 1], 6)}

    def encode(w, inputs):
        return {
            "large": resnet(w, "large", inputs["large"], 4, [2, 3], [1, 1], True, "batch", [], "mean"),
            "small": resnet(w, "small", inputs["small"], 4, [2, 3], [1, 2], False, "none", [0], "coordinates"),
        }

    yield case("residual", config, inputs, encode)

    config = f"""
[modalities]
gru = {{ type = "text", vocabulary = {VOCABULARY} }}
gru_both = {{ type = "audio", mel = {{ num_mels = 3 }} }}
lstm = {{ type = "audio", mel = {{ num_mels = 3 }} }}
lstm_both = {{ type = "text", vocabulary = {VOCABULARY} }}
[encode]
gru = {{ type = "gru", dim = 4, pool = "mean" }}
gru_both = {{ type = "gru", dim = 6, bidirectional = true }}
lstm = {{ type = "lstm", dim = 4, num_layers = 2, pool = "steps" }}
lstm_both = {{ type = "lstm", dim = 6, num_layers = 2, bidirectional = true }}
"""
    inputs = {
        "gru": padded(random, [3, 1, 0, 4, 2], ids=IDS),
        "gru_both": padded(random, [2, 5, 3, 1, 0], 3),
        "lstm": padded(random, [1, 0, 4, 2, 3], 3),
        "lstm_both": padded(random, [4, 2, 3, 0, 1], ids=IDS),
    }

    def encode(w, inputs):
        return {
            "gru": recurrent(w, "gru", "gru", inputs["gru"], 4, 1, False, "mean"),
            "gru_both": recurrent(w, "gru", "gru_both", inputs["gru_both"], 6, 1, True, "last"),
            "lstm": recurrent(w, "lstm", "lstm", inputs["lstm"], 4, 2, False, "steps"),
            "lstm_both": recurrent(w, "lstm", "lstm_both", inputs["lstm_both"], 6, 2, True, "last"),
        }

    yield case("recurrent", config, inputs, encode)

    config = f"""
[modalities]
learned = {{ type = "text", vocabulary = {VOCABULARY} }}
rotary = {{ type = "text", vocabulary = {VOCABULARY} }}
sound = {{ type = "audio", mel = {{ num_mels = 3 }} }}
windows = {{ type = "text", vocabulary = {VOCABULARY} }}
[encode]
learned = {{ type = "transformer", dim = 4, num_layers = 1, num_heads = 2, dropout = 0.0, positions = "learned", max_length = 6 }}
rotary = {{ type = "transformer", dim = 8, num_layers = 1, num_heads = 2, dropout = 0.0, positions = "rotary" }}
sound = {{ type = "transformer", dim = 4, num_layers = 1, num_heads = 1, dropout = 0.0, positions = "rotary", frames = 2 }}
windows = {{ type = "text_cnn", dim = 4, windows = [1, 2, 3], channels = 2, dropout = 0.0 }}
"""
    inputs = {
        "learned": padded(random, [3, 1, 0, 4, 2], ids=IDS),
        "rotary": padded(random, [5, 0, 3, 1, 2], ids=IDS),
        "sound": padded(random, [1, 0, 5, 2, 3], 3),
        "windows": padded(random, [4, 2, 3, 0, 1], ids=IDS),
    }

    def encode(w, inputs):
        return {
            "learned": transformer(w, "learned", inputs["learned"], 4, 1, 2, "learned", max_length=6),
            "rotary": transformer(w, "rotary", inputs["rotary"], 8, 1, 2, "rotary"),
            "sound": transformer(w, "sound", inputs["sound"], 4, 1, 1, "rotary", frames=2),
            "windows": text_cnn(w, "windows", inputs["windows"], 4, [1, 2, 3], 2),
        }

    yield case("positions", config, inputs, encode)


if __name__ == "__main__":
    parity.main(cases())
