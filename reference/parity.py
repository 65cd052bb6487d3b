"""Writes crates/amodal/tests/golden/*.safetensors, which tests/parity.rs compares the library with.

Made with torch 2.9.1 (CPU, float32), numpy and safetensors; seed 0 of numpy for every case. From the root:

    python reference/parity.py

Each file holds a config (metadata "amodal"), and as float32 tensors
    input/NAME/values, input/NAME/mask     what every modality reads (ids as floats)
    target/TASK/values, target/TASK/mask
    groups                                 one number a row
    weights/PARAMETER                      before training, by the library's names; a linear layer is [in, out]
    output/...                             predictions, or unit vectors by modality, in training
    loss, gradients/PARAMETER
    losses                                 of STEPS steps of AdamW, each before its step
    after/PARAMETER, valid/...             weights after them, and then the outputs in evaluation
"""

import math
import pathlib

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.numpy import save_file

SEED = 0
STEPS = 10
LEARNING_RATE = 1e-3
WEIGHT_DECAY = 0.1
CLIP = 1.0
FOLDER = pathlib.Path(__file__).parent.parent / "crates/amodal/tests/golden"

TRAIN = f"""
[data]
path = "none.csv"
[train]
learning_rate = {LEARNING_RATE}
weight_decay = {WEIGHT_DECAY}
clip = {CLIP}
warmup = 0.0
"""


class Weights:
    """Parameters by name, drawn when first asked for."""

    def __init__(self, random):
        self.random, self.learned, self.statistics, self.training = random, {}, {}, True

    def __call__(self, name, *shape, around=0.0):
        if name not in self.learned:
            spread = 1 / math.sqrt(shape[0]) if len(shape) > 1 else 0.3
            values = around + self.random.uniform(-spread, spread, shape)
            self.learned[name] = torch.tensor(values, dtype=torch.float32, requires_grad=True)
        return self.learned[name]

    def statistic(self, name, value, size):
        return self.statistics.setdefault(name, torch.full((size,), value))

    def linear(self, name, x, size, bias=True):
        y = x @ self(f"{name}.weight", x.shape[-1], size)
        return y + self(f"{name}.bias", size) if bias else y

    def layer_norm(self, name, x):
        size = x.shape[-1]
        return F.layer_norm(x, (size,), self(f"{name}.gamma", size, around=1.0), self(f"{name}.beta", size), 1e-5)

    def batch_norm(self, name, x):
        size = x.shape[1]
        mean, variance = self.statistic(f"{name}.running_mean", 0.0, size), self.statistic(f"{name}.running_var", 1.0, size)
        gamma, beta = self(f"{name}.gamma", size, around=1.0), self(f"{name}.beta", size)
        if not self.training:
            return F.batch_norm(x, mean, variance, gamma, beta, False, 0.0, 1e-5)
        # torch averages the variance over n - 1 into the running one, the library that over n
        batch = torch.var_mean(x.detach(), (0, 2, 3), correction=0)
        for running, now in ((variance, batch[0]), (mean, batch[1])):
            running.mul_(0.9).add_(now, alpha=0.1)
        return F.batch_norm(x, None, None, gamma, beta, True, 0.1, 1e-5)

    def perceptron(self, name, x, hidden, size):
        for at, width in enumerate(hidden + [size]):
            x = self.linear(f"{name}.layers.{at}", torch.relu(x) if at else x, width)
        return x


def present(mask):
    return mask.amax(1, keepdim=True)


def pool(tokens):
    """Mean over real tokens; zero where there is none."""
    values, mask = tokens
    return (values * mask[..., None]).sum(1) / mask.sum(1, keepdim=True).clamp(min=1)


def number(w, name, x, dim, hidden):
    values, mask = x
    return w.perceptron(f"encode.{name}.Number.perceptron", values, hidden, dim), mask


def category(w, name, x, classes, dim):
    values, mask = x
    return F.embedding(values.long(), w(f"encode.{name}.Category.classes.weight", classes, dim)), mask


def bag(w, name, x, words, dim, hidden):
    values, mask = x
    words = F.embedding(values.long(), w(f"encode.{name}.Bag.words.weight", words, dim))
    mean = pool((words, mask))
    if hidden:
        mean = w.perceptron(f"encode.{name}.Bag.perceptron", mean, hidden, dim)
    return mean[:, None], present(mask)


def cnn(w, name, x, dim, channels, depth, norm, how, at=None):
    """Stages of 3x3 convolutions; `how` places become tokens: flatten or mean."""
    values, mask = x
    picture, at = values.dim() == 4, at or f"encode.{name}.Cnn"
    x = values if picture else (values * mask[..., None])[:, None]
    real = mask
    for stage, out in enumerate(channels):
        for layer in range(depth):
            place = f"{at}.stages.{stage * depth + layer}"
            weight = w(f"{place}.conv.weight", out, x.shape[1], 3, 3)
            bias = None if norm == "batch" else w(f"{place}.conv.bias", out)
            x = F.conv2d(x, weight, bias, padding=1)
            x = torch.relu(w.batch_norm(f"{place}.norm.batch", x) if norm == "batch" else x)
            if not picture:
                x = x * real[:, None, :, None]
        x = F.max_pool2d(x, 2, ceil_mode=True)
        if not picture:
            real = F.max_pool1d(real[:, None], 2, ceil_mode=True)[:, 0]
    if how == "flatten":
        return w.linear(f"{at}.output", x.flatten(1)[:, None], dim), present(mask)
    places = x.flatten(2).transpose(1, 2) if picture else x.transpose(1, 2).flatten(2)
    real = present(mask).expand(-1, places.shape[1]) if picture else real
    return w.linear(f"{at}.output", pool((places, real)), dim)[:, None], present(mask)


def transformer(w, name, x, words, dim, layers, heads, at=None):
    values, mask = x
    at = at or f"encode.{name}.Transformer"
    if words:
        x = F.embedding(values.long(), w(f"{at}.words.weight", words, dim)) * math.sqrt(dim)
    else:
        x = w.linear(f"{at}.frames", values, dim)
    batch, time, _ = x.shape
    angle = torch.arange(time)[:, None] / 10_000 ** (torch.arange(0, dim, 2, dtype=torch.float64) / dim)
    x = x + torch.stack([angle.sin(), angle.cos()], 2).reshape(time, dim).float()
    for layer in range(layers):
        block = f"{at}.blocks.{layer}"
        qkv = w.linear(f"{block}.qkv", w.layer_norm(f"{block}.attention_norm", x), 3 * dim)
        q, k, v = qkv.view(batch, time, 3, heads, dim // heads).permute(2, 0, 3, 1, 4)
        # rows without a real token attend to nothing: their attention is made zero below
        allowed = (mask + (1 - present(mask))).bool()[:, None, None]
        mixed = F.scaled_dot_product_attention(q, k, v, attn_mask=allowed).transpose(1, 2).reshape(batch, time, dim)
        x = x + w.linear(f"{block}.output", mixed, dim) * present(mask)[..., None]
        hidden = F.gelu(w.linear(f"{block}.expand", w.layer_norm(f"{block}.mlp_norm", x), 4 * dim))
        x = x + w.linear(f"{block}.contract", hidden, dim)
    return w.layer_norm(f"{at}.norm", x), mask


def concat(w, encoded, dim):
    any_of = torch.cat([present(mask) for _, mask in encoded.values()], 1).amax(1, keepdim=True)
    side = torch.cat([pool(encoded[name]) for name in sorted(encoded)], 1)
    return (torch.relu(w.linear("fuse.Concat.project", side, dim)) * any_of)[:, None], any_of


def simple(w, kind, encoded, dim):
    """max, mean, min, product or sum of what is present."""
    rows, masks = [], []
    for at, name in enumerate(sorted(encoded)):
        rows.append(w.linear(f"fuse.{kind.title()}.project.project.{at}", pool(encoded[name]), dim))
        masks.append(present(encoded[name][1]))
    rows, masks = torch.stack(rows), torch.stack(masks)
    any_of = masks.amax(0)
    where = masks.bool()
    if kind == "max":
        fused = rows.masked_fill(~where, -math.inf).amax(0)
    elif kind == "min":
        fused = rows.masked_fill(~where, math.inf).amin(0)
    elif kind == "product":
        fused = rows.masked_fill(~where, 1.0).prod(0)
    else:
        fused = (rows * masks).sum(0)
        if kind == "mean":
            fused = fused / masks.sum(0).clamp(min=1)
    return fused.masked_fill(any_of == 0, 0.0)[:, None], any_of


def classify(w, task, fused, hidden, classes):
    return w.perceptron(f"tasks.{task}.decode.Classifier.perceptron", pool(fused), hidden, classes)[:, None]


def regress(w, task, fused, hidden):
    return w.perceptron(f"tasks.{task}.decode.Regressor.perceptron", pool(fused), hidden, 1)[:, None]


def cross_entropy(logits, target, smoothing=0.0):
    values, mask = target
    score = F.cross_entropy(logits[:, 0], values[:, 0].long(), reduction="none", label_smoothing=smoothing)
    return (score * mask[:, 0]).sum() / mask.sum()


def mse(values, target):
    wanted, mask = target
    return (((values - wanted) ** 2).mean(2) * mask).sum() / mask.sum()


def embed(w, at, encoded, dim):
    vectors = {}
    for place, name in enumerate(sorted(encoded)):
        vector = w.linear(f"{at}.align.project.{place}", pool(encoded[name]), dim, bias=False)
        vectors[name] = F.normalize(vector, dim=1) * present(encoded[name][1])
    return vectors


def info_nce(w, task, encoded, dim, groups):
    """Of two modalities; row by row, so that nothing of the library's masking is repeated here."""
    at = f"tasks.{task}.loss.InfoNce"
    vectors = embed(w, at, encoded, dim)
    scale = w(f"{at}.log_scale", 1, around=-math.log(0.1)).exp()
    (first, second) = sorted(encoded)
    both = (present(encoded[first][1]) * present(encoded[second][1]))[:, 0].nonzero()[:, 0]
    logits = (vectors[first] @ vectors[second].T)[both][:, both] * scale
    same = (groups[both][:, None] == groups[both][None]).float()
    same = same / same.sum(1, keepdim=True)
    loss = (F.cross_entropy(logits, same) + F.cross_entropy(logits.T, same)) / 2
    return vectors, loss


def sigmoid(w, task, encoded, dim, groups):
    at = f"tasks.{task}.loss.Sigmoid"
    vectors = embed(w, at, encoded, dim)
    scale = w(f"{at}.log_scale", 1, around=-math.log(0.1)).exp()
    bias = w(f"{at}.bias", 1, around=-5.0)
    (first, second) = sorted(encoded)
    both = (present(encoded[first][1]) * present(encoded[second][1]))[:, 0].nonzero()[:, 0]
    logits = (vectors[first] @ vectors[second].T)[both][:, both] * scale + bias
    sign = 2 * (groups[both][:, None] == groups[both][None]).float() - 1
    return vectors, -F.logsigmoid(logits * sign).sum() / len(both)


def padded(random, lengths, *shape, ids=None):
    """Values and mask of rows of some lengths, padded with zeros; length 0 is a missing row."""
    time = max(lengths)
    mask = np.array([[float(at < length) for at in range(time)] for length in lengths], np.float32)
    if ids:
        values = random.integers(1, ids, (len(lengths), time)).astype(np.float32)
        return torch.tensor(values * mask), torch.tensor(mask)
    values = random.standard_normal((len(lengths), time, *shape)).astype(np.float32)
    return torch.tensor(values * mask.reshape(mask.shape + (1,) * len(shape))), torch.tensor(mask)


def picture(random, has, size):
    values, mask = padded(random, has, 3, size, size)
    return values[:, 0].clamp(-1, 1), mask


def classes(random, has, count):
    values, mask = padded(random, has, ids=count)
    return values, mask


def cases():
    random = np.random.default_rng(SEED)

    def case(name, config, inputs, targets, forward, groups=None):
        rows = len(next(iter(inputs.values()))[0])
        groups = torch.arange(rows) if groups is None else torch.tensor(groups)
        return name, TRAIN + config, inputs, targets, groups, forward, Weights(random)

    vocabulary = '["one", "two", "three", "four", "five", "six"]'  # ids 0 to 7
    label = f"""
[tasks.label]
target = {{ type = "category", classes = ["a", "b", "c"] }}
decode = {{ type = "classifier", hidden = [6] }}
loss = {{ type = "cross_entropy", label_smoothing = 0.1 }}
"""

    # a whole small model
    config = f"""
[modalities]
image = {{ type = "image", size = 10 }}
text = {{ type = "text", vocabulary = {vocabulary} }}
[encode]
image = {{ type = "cnn", dim = 8, channels = [4, 6], norm = "batch", pool = "flatten" }}
text = {{ type = "bag", dim = 8, hidden = [7] }}
[fuse]
type = "concat"
dim = 8
{label}"""
    inputs = {"image": picture(random, [1, 1, 1, 0, 1, 0], 10), "text": padded(random, [3, 1, 0, 4, 2, 0], ids=8)}
    targets = {"label": classes(random, [1, 1, 1, 1, 0, 1], 3)}

    def forward(w, inputs, targets, groups):
        encoded = {
            "image": cnn(w, "image", inputs["image"], 8, [4, 6], 1, "batch", "flatten"),
            "text": bag(w, "text", inputs["text"], 8, 8, [7]),
        }
        logits = classify(w, "label", concat(w, encoded, 8), [6], 3)
        return {"label": logits}, cross_entropy(logits, targets["label"], 0.1)

    yield case("classify", config, inputs, targets, forward)

    # a model that aligns
    for kind, loss in (("info_nce", info_nce), ("sigmoid", sigmoid)):
        config = f"""
[modalities]
size = {{ type = "number" }}
text = {{ type = "text", vocabulary = {vocabulary} }}
[encode]
size = {{ type = "number", dim = 6, hidden = [5] }}
text = {{ type = "bag", dim = 8 }}
[tasks.align]
loss = {{ type = "{kind}", dim = 5 }}
"""
        inputs = {"size": padded(random, [1, 1, 1, 0, 1, 1, 1], 1), "text": padded(random, [3, 1, 2, 4, 0, 2, 1], ids=8)}

        def forward(w, inputs, targets, groups, loss=loss):
            encoded = {"size": number(w, "size", inputs["size"], 6, [5]), "text": bag(w, "text", inputs["text"], 8, 8, [])}
            vectors, value = loss(w, "align", encoded, 5, groups)
            return {f"align/{name}": vector[:, None] for name, vector in vectors.items()}, value

        yield case(kind, config, inputs, {}, forward, groups=[1, 2, 3, 4, 5, 2, 6])

    # transformers over words and over frames, a series through a network of convolutions, a number
    config = f"""
[modalities]
sound = {{ type = "audio", mel = {{ num_mels = 6 }} }}
text = {{ type = "text", vocabulary = {vocabulary} }}
voice = {{ type = "audio", mel = {{ num_mels = 5 }} }}
[encode]
sound = {{ type = "cnn", dim = 6, channels = [3, 4], depth = 2, norm = "none", pool = "mean" }}
text = {{ type = "transformer", dim = 8, num_layers = 2, num_heads = 2, dropout = 0.0 }}
voice = {{ type = "transformer", dim = 6, num_layers = 1, num_heads = 3, dropout = 0.0 }}
[fuse]
type = "mean"
dim = 6
[tasks.height]
target = {{ type = "number" }}
decode = {{ type = "regressor", hidden = [4] }}
loss = {{ type = "mse" }}
"""
    inputs = {
        "sound": padded(random, [7, 3, 0, 6, 1, 0], 6),
        "text": padded(random, [3, 1, 5, 0, 2, 0], ids=8),
        "voice": padded(random, [2, 0, 4, 3, 0, 0], 5),
    }
    targets = {"height": padded(random, [1, 1, 1, 0, 1, 1], 1)}

    def forward(w, inputs, targets, groups):
        encoded = {
            "sound": cnn(w, "sound", inputs["sound"], 6, [3, 4], 2, "none", "mean"),
            "text": transformer(w, "text", inputs["text"], 8, 8, 2, 2),
            "voice": transformer(w, "voice", inputs["voice"], 0, 6, 1, 3),
        }
        values = regress(w, "height", simple(w, "mean", encoded, 6), [4])
        return {"height": values}, mse(values, targets["height"])

    yield case("sequences", config, inputs, targets, forward)

    # every other fusion
    for kind in ("max", "min", "product", "sum"):
        config = f"""
[modalities]
colour = {{ type = "category", classes = ["red", "green", "blue"] }}
size = {{ type = "number" }}
weight = {{ type = "number" }}
[encode]
colour = {{ type = "category", dim = 4 }}
size = {{ type = "number", dim = 5, hidden = [] }}
weight = {{ type = "number", dim = 3, hidden = [4] }}
[fuse]
type = "{kind}"
dim = 6
{label}"""
        inputs = {
            "colour": classes(random, [1, 0, 1, 0, 0, 1], 3),
            "size": padded(random, [1, 1, 0, 1, 0, 1], 1),
            "weight": padded(random, [1, 1, 1, 0, 0, 1], 1),
        }
        targets = {"label": classes(random, [1, 1, 1, 1, 1, 0], 3)}

        def forward(w, inputs, targets, groups, kind=kind):
            encoded = {
                "colour": category(w, "colour", inputs["colour"], 3, 4),
                "size": number(w, "size", inputs["size"], 5, []),
                "weight": number(w, "weight", inputs["weight"], 3, [4]),
            }
            logits = classify(w, "label", simple(w, kind, encoded, 6), [6], 3)
            return {"label": logits}, cross_entropy(logits, targets["label"], 0.1)

        yield case(kind, config, inputs, targets, forward)


def main(cases):
    torch.set_num_threads(1)
    FOLDER.mkdir(exist_ok=True)
    for name, config, inputs, targets, groups, forward, w in cases:
        tensors = {"groups": groups.float()}
        for what, values in (("input", inputs), ("target", targets)):
            for key, (value, mask) in values.items():
                tensors |= {f"{what}/{key}/values": value, f"{what}/{key}/mask": mask}
        forward(w, inputs, targets, groups)  # draws the weights
        for key, value in w.statistics.items():
            value.fill_(1.0 if key.endswith("var") else 0.0)
        everything = lambda: w.learned | w.statistics
        tensors |= {f"weights/{key}": value.detach().clone() for key, value in everything().items()}
        decayed = [value for value in w.learned.values() if value.dim() > 1]
        others = [value for value in w.learned.values() if value.dim() <= 1]
        optimizer = torch.optim.AdamW(
            [{"params": decayed, "weight_decay": WEIGHT_DECAY}, {"params": others, "weight_decay": 0.0}],
            lr=LEARNING_RATE, betas=(0.9, 0.999), eps=1e-8, foreach=False,
        )
        losses = []
        for step in range(STEPS):
            outputs, loss = forward(w, inputs, targets, groups)
            optimizer.zero_grad()
            loss.backward()
            if step == 0:
                tensors |= {f"output/{key}": value.detach() for key, value in outputs.items()}
                tensors |= {f"gradients/{key}": value.grad.clone() for key, value in w.learned.items()}
                tensors["loss"] = loss.detach().reshape(1)
            losses.append(loss.item())
            torch.nn.utils.clip_grad_norm_(list(w.learned.values()), CLIP)
            optimizer.step()
        w.training = False
        outputs, _ = forward(w, inputs, targets, groups)
        tensors["losses"] = torch.tensor(losses)
        tensors |= {f"after/{key}": value.detach() for key, value in everything().items()}
        tensors |= {f"valid/{key}": value.detach() for key, value in outputs.items()}
        arrays = {key: np.ascontiguousarray(value.numpy(), np.float32) for key, value in tensors.items()}
        metadata = {"amodal": config, "torch": torch.__version__.split("+")[0], "seed": str(SEED)}
        save_file(arrays, FOLDER / f"{name}.safetensors", metadata)
        print(f"{name}: losses {losses[0]:.6f} to {losses[-1]:.6f}")


if __name__ == "__main__":
    main(cases())
