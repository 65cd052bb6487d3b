"""Writes the cases of decoders to crates/amodal/tests/golden/, as parity.py does for the others:

    python reference/decoders.py

Texts are scored one word after the other, and transposed convolutions are torch's own.
"""

import math

import numpy as np
import torch
import torch.nn.functional as F

import parity
from parity import SEED, TRAIN, Weights, bag, mse, padded, picture, pool, present, transformer

WORDS = 8  # of the vocabulary, padding and unknown included
VOCABULARY = '["one", "two", "three", "four", "five", "six"]'


def texts(random, lengths):
    """Texts with their end, which is id 0."""
    values, mask = padded(random, lengths, ids=WORDS)
    for row, length in enumerate(lengths):
        if length:
            values[row, length - 1] = 0
    return values, mask


def cell(w, at, x, h, c, dim):
    gates = w.linear(f"{at}.forward.input", x, 4 * dim) + w.linear(f"{at}.forward.state", h, 4 * dim, bias=False)
    i, f, o, g = gates.split(dim, 1)
    c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
    return torch.sigmoid(o) * torch.tanh(c), c


def before(target):
    """The word before each word of the texts; id 0 before the first."""
    return F.pad(target[0].long(), (1, 0))[:, :-1]


def lstm(w, at, fused, target, dim):
    words = F.embedding(before(target), w(f"{at}.words.weight", WORDS, dim))
    h = c = torch.zeros(len(words), dim)
    h, c = cell(w, f"{at}.cell", w.linear(f"{at}.input", pool(fused), dim), h, c, dim)
    logits = []
    for word in words.unbind(1):
        h, c = cell(w, f"{at}.cell", word, h, c, dim)
        logits.append(w.linear(f"{at}.output", h, WORDS))
    return torch.stack(logits, 1)


def attention_lstm(w, at, fused, target, dim):
    values, mask = fused
    values = values * mask[..., None]
    words = F.embedding(before(target), w(f"{at}.words.weight", WORDS, dim))
    h = torch.tanh(w.linear(f"{at}.state", pool(fused), dim))
    c = torch.tanh(w.linear(f"{at}.memory", pool(fused), dim))
    keys = w.linear(f"{at}.places", values, dim)
    logits = []
    for word in words.unbind(1):
        scores = w.linear(f"{at}.score", torch.tanh(keys + w.linear(f"{at}.query", h, dim, bias=False)[:, None]), 1, bias=False)
        scores = scores[..., 0].masked_fill(mask == 0, -1e9)
        weights = torch.softmax(scores, 1) * mask
        context = (weights[..., None] * values).sum(1) * torch.sigmoid(w.linear(f"{at}.gate", h, 1))
        h, c = cell(w, f"{at}.cell", torch.cat([word, context], 1), h, c, dim)
        seen = word + w.linear(f"{at}.output_state", h, dim) + w.linear(f"{at}.output_context", context, dim, bias=False)
        logits.append(w.linear(f"{at}.output", seen, WORDS))
    return torch.stack(logits, 1)


def sinusoids(time, dim):
    angle = torch.arange(time)[:, None] / 10_000 ** (torch.arange(0, dim, 2, dtype=torch.float64) / dim)
    return torch.stack([angle.sin(), angle.cos()], 2).reshape(time, dim).float()


def heads_of(x, heads):
    batch, time, dim = x.shape
    return x.view(batch, time, heads, dim // heads).transpose(1, 2)


def attend(q, k, v, heads, allowed=None, causal=False):
    q, k, v = (heads_of(x, heads) for x in (q, k, v))
    mixed = F.scaled_dot_product_attention(q, k, v, attn_mask=allowed, is_causal=causal)
    return mixed.transpose(1, 2).flatten(2)


def real(mask):
    """Which keys are seen; all of a row that has none, whose result is then left out."""
    return (mask + (1 - present(mask))).bool()[:, None, None]


def perceptron(w, at, x, dim):
    return x + w.linear(f"{at}.contract", F.gelu(w.linear(f"{at}.expand", w.layer_norm(f"{at}.mlp_norm", x), 4 * dim)), dim)


def text_transformer(w, at, fused, target, dim, layers, heads):
    values, mask = fused
    memory = w.linear(f"{at}.input", values, dim)
    x = F.embedding(before(target), w(f"{at}.words.weight", WORDS, dim))
    x = x + sinusoids(x.shape[1], dim)
    for layer in range(layers):
        block = f"{at}.blocks.{layer}"
        q, k, v = w.linear(f"{block}.qkv", w.layer_norm(f"{block}.norm", x), 3 * dim).split(dim, 2)
        x = x + w.linear(f"{block}.output", attend(q, k, v, heads, causal=True), dim)
        q = w.linear(f"{block}.cross.queries", w.layer_norm(f"{block}.cross.norm", x), dim)
        k, v = w.linear(f"{block}.cross.keys_values", memory, 2 * dim).split(dim, 2)
        x = x + w.linear(f"{block}.cross.output", attend(q, k, v, heads, real(mask)), dim) * present(mask)[..., None]
        x = perceptron(w, block, x, dim)
    return w.linear(f"{at}.output", w.layer_norm(f"{at}.norm", x), WORDS)


def spectrogram(w, at, fused, time, bands, dim, layers, heads, windows):
    values, mask = fused
    places = math.ceil(time / windows)
    memory = w.linear(f"{at}.input", values, dim)
    x = sinusoids(places, dim) + pool((memory, mask))[:, None]
    for layer in range(layers):
        block = f"{at}.blocks.{2 * layer}"
        norm = lambda x: w.layer_norm(f"{block}.attention_norm", x)
        q = w.linear(f"{block}.qkv", norm(x), 3 * dim)[..., :dim]
        _, k, v = w.linear(f"{block}.qkv", norm(memory), 3 * dim).split(dim, 2)
        x = x + w.linear(f"{block}.output", attend(q, k, v, heads, real(mask)), dim) * present(mask)[..., None]
        x = perceptron(w, block, x, dim)
        block = f"{at}.blocks.{2 * layer + 1}"
        q, k, v = w.linear(f"{block}.qkv", norm(x), 3 * dim).split(dim, 2)
        x = x + w.linear(f"{block}.output", attend(q, k, v, heads), dim)
        x = perceptron(w, block, x, dim)
    made = w.linear(f"{at}.output", w.layer_norm(f"{at}.norm", x), windows * bands)
    return made.reshape(len(x), places * windows, bands)[:, :time]


def transposed(w, at, x, out):
    """A transposed convolution of 6x6 and stride 2, its weights kept as those of four convolutions of 3x3."""
    weight, bias = w(f"{at}.weight", 4 * out, x.shape[1], 3, 3), w(f"{at}.bias", 4 * out)
    kernel = torch.zeros(x.shape[1], out, 6, 6)
    for a in range(2):
        for b in range(2):
            for d in range(3):
                for e in range(3):
                    taken = weight.view(out, 2, 2, x.shape[1], 3, 3)[:, a, b, :, d, e]
                    spot = torch.zeros(6, 6)
                    spot[a + 4 - 2 * d, b + 4 - 2 * e] = 1.0
                    kernel = kernel + taken.T[..., None, None] * spot
    y = F.conv_transpose2d(x, kernel, stride=2, padding=2)
    shifts = bias.view(out, 2, 2).repeat(1, x.shape[2], x.shape[3])
    return y + shifts


def deconv(w, at, fused, channels, size):
    side = math.ceil(size / 2 ** len(channels))
    x = w.linear(f"{at}.input", pool(fused), channels[0] * side * side).view(-1, channels[0], side, side)
    x = torch.relu(w.batch_norm(f"{at}.grid.first.batch", x))
    for stage, out in enumerate(channels[1:]):
        x = transposed(w, f"{at}.grid.stages.{stage}", x, out)
        x = torch.relu(w.batch_norm(f"{at}.grid.norms.{stage}.batch", x))
    return transposed(w, f"{at}.grid.last", x, 3)[..., :size, :size]


def cross_entropy(logits, target):
    values, mask = target
    score = F.cross_entropy(logits.transpose(1, 2), values.long(), reduction="none")
    return (score * mask).sum() / mask.sum()


def cases():
    random = np.random.default_rng(SEED)
    text_out = f'target = {{ type = "text", vocabulary = {VOCABULARY}, max_time = 6 }}'
    encoder = 'type = "transformer", dim = 6, num_layers = 1, num_heads = 2, dropout = 0.0'
    lengths, has = [3, 1, 5, 0, 2, 4], [4, 2, 1, 3, 0, 5]
    encode = lambda w, x: transformer(w, "heard", x, WORDS, 6, 1, 2)

    def case(name, decode, loss, target, targets, forward, encoder=encoder):
        config = f"""
[modalities]
heard = {{ type = "text", vocabulary = {VOCABULARY} }}
[encode]
heard = {{ {encoder} }}
[tasks.made]
{target}
decode = {{ {decode} }}
loss = {{ type = "{loss}" }}
"""
        inputs = {"heard": padded(random, lengths, ids=WORDS)}
        return name, TRAIN + config, inputs, {"made": targets}, torch.arange(6), forward, Weights(random)

    for kind, part, options, decode in (
        ("lstm", "Lstm", "dim = 6", lambda w, at, fused, target: lstm(w, at, fused, target, 6)),
        ("attention_lstm", "AttentionLstm", "dim = 6", lambda w, at, fused, target: attention_lstm(w, at, fused, target, 6)),
        ("transformer", "Transformer", "dim = 8, num_layers = 2, num_heads = 2",
         lambda w, at, fused, target: text_transformer(w, at, fused, target, 8, 2, 2)),
    ):
        def forward(w, inputs, targets, groups, part=part, decode=decode):
            logits = decode(w, f"tasks.made.decode.{part}", encode(w, inputs["heard"]), targets["made"])
            return {"made": logits}, cross_entropy(logits, targets["made"])

        yield case(f"write_{kind}", f'type = "{kind}", {options}, dropout = 0.0', "cross_entropy", text_out,
                   texts(random, has), forward)

    def forward(w, inputs, targets, groups):
        values, mask = encode(w, inputs["heard"])
        scores = F.log_softmax(w.linear("tasks.made.decode.Ctc.output", values, WORDS), 2)
        ids, target_mask = targets["made"]
        tokens, units = mask.sum(1).long(), (target_mask.sum(1) - 1).clamp(min=0).long()
        counts = present(target_mask)[:, 0] * present(mask)[:, 0]
        losses = F.ctc_loss(scores.transpose(0, 1), ids.long(), tokens.clamp(min=1), units, reduction="none", zero_infinity=True)
        loss = (losses * counts).sum() / (units.clamp(min=1) * counts).sum()
        return {"made": loss.reshape(1, 1, 1)}, loss

    yield case("write_ctc", 'type = "ctc"', "own", text_out, texts(random, [3, 2, 4, 2, 0, 3]), forward)

    def forward(w, inputs, targets, groups):
        made = spectrogram(w, "tasks.made.decode.Spectrogram", encode(w, inputs["heard"]), 8, 5, 6, 1, 2, 3)
        return {"made": made}, mse(made, targets["made"])

    # 8 windows: 7 hops of 8 samples and one window of 16
    sound = 'target = { type = "audio", seconds = 0.072, mel = { sample_rate_hz = 1000, num_mels = 5, hop_ms = 8.0, window_ms = 16.0 } }'
    yield case("speak", 'type = "spectrogram", dim = 6, num_layers = 1, num_heads = 2, windows = 3', "mse", sound,
               padded(random, [8, 8, 0, 8, 8, 8], 5), forward)

    def forward(w, inputs, targets, groups):
        fused = bag(w, "heard", inputs["heard"], WORDS, 6, [])
        made = deconv(w, "tasks.made.decode.Deconv", fused, [4, 3], 7)
        wanted, mask = targets["made"]
        loss = ((made - wanted).abs().flatten(1).mean(1) * mask[:, 0]).sum() / mask.sum()
        return {"made": made.flatten(2)}, loss

    yield case("draw", 'type = "deconv", channels = [4, 3]', "mae", 'target = { type = "image", size = 7 }',
               picture(random, [1, 1, 1, 0, 1, 1], 7), forward, encoder='type = "bag", dim = 6')


if __name__ == "__main__":
    parity.main(cases())
