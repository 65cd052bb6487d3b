#!/usr/bin/env python3
"""The time of a step in Amodal and in PyTorch, with the same weights and the same data: training steps of a small convolutional
network, a causal transformer, two towers, deconvolutions and an LSTM; forward steps of ViT-B/32 and of MiniLM's transformer.

    python3 -m venv venv && venv/bin/pip install torch safetensors numpy
    cargo build --release --workspace --example steps
    venv/bin/python bench/steps.py [WORKLOAD ...] [--threads 1] [--rounds 5] [--bfloat ours|both] [--compile] [--busy]

The two sides take turns, three steps each; the figure is the median. GFLOP/s are of products and convolutions alone, the way
back counted twice. The losses of the first five steps must agree to four
digits. A turn during which other processes held more than 6 % of a core is thrown away, on either side, and done again:
PyTorch's threads wait for each other by spinning, so that company slows it more than Amodal. `--busy` keeps such turns.
`--bfloat` makes the products of Amodal, or of both sides (`torch.autocast`), in bfloat16; losses then agree to two digits.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

EXAMPLE = Path(__file__).resolve().parent.parent / "target/release/examples/steps"
WORKLOADS = ["cnn", "lm", "two", "dec", "lstm", "vit1", "vit16", "minilm1", "minilm32"]
FIRST, TURN, TRIES = 5, 3, 6
TICKS = os.sysconf("SC_CLK_TCK")


def models():
    """PyTorch's side. `parts` are a model's tensors in the order of ours; ours holds a linear layer's weight as [in, out]."""
    import torch
    import torch.nn.functional as F
    from torch import nn

    def linear(layer):
        return [layer.weight.T, layer.bias]

    def normal(layer):
        return [layer.weight, layer.bias]

    def batch(layer):
        return [layer.weight, layer.bias, layer.running_mean, layer.running_var]

    class Cnn(nn.Module):
        def __init__(self, out):
            super().__init__()
            widths = [3, 32, 64, 128, 256]
            pairs = list(zip(widths, widths[1:]))
            self.convolutions = nn.ModuleList(nn.Conv2d(*pair, 3, 2, 1, bias=False) for pair in pairs)
            self.norms = nn.ModuleList(nn.BatchNorm2d(width) for _, width in pairs)
            self.head = nn.Linear(256, out)

        def forward(self, x):
            for convolution, norm in zip(self.convolutions, self.norms):
                x = F.relu(norm(convolution(x)))
            return self.head(x.mean((2, 3)))

        def parts(self):
            return [layer.weight for layer in self.convolutions] + sum(map(batch, self.norms), []) + linear(self.head)

    class Block(nn.Module):
        def __init__(self, dim, heads):
            super().__init__()
            self.heads = heads
            self.first, self.second = nn.LayerNorm(dim), nn.LayerNorm(dim)
            self.qkv, self.output = nn.Linear(dim, 3 * dim), nn.Linear(dim, dim)
            self.expand, self.contract = nn.Linear(dim, 4 * dim), nn.Linear(4 * dim, dim)

        def forward(self, x, causal):
            rows, tokens, dim = x.shape
            qkv = self.qkv(self.first(x)).view(rows, tokens, 3, self.heads, dim // self.heads).permute(2, 0, 3, 1, 4)
            mixed = F.scaled_dot_product_attention(*qkv.unbind(0), is_causal=causal)
            x = x + self.output(mixed.transpose(1, 2).reshape(rows, tokens, dim))
            return x + self.contract(F.gelu(self.expand(self.second(x))))

        def parts(self):
            return (normal(self.first) + linear(self.qkv) + linear(self.output) + normal(self.second)
                    + linear(self.expand) + linear(self.contract))

    class Transformer(nn.Module):
        """Words, places, blocks, norm."""

        def __init__(self, words, length, dim, layers, heads, causal):
            super().__init__()
            self.words, self.places = nn.Embedding(words, dim), nn.Parameter(torch.randn(length, dim) * 0.02)
            self.blocks = nn.ModuleList(Block(dim, heads) for _ in range(layers))
            self.norm, self.causal = nn.LayerNorm(dim), causal

        def forward(self, words):
            x = self.words(words) + self.places
            for block in self.blocks:
                x = block(x, self.causal)
            return self.norm(x)

        def parts(self):
            return [self.words.weight, self.places] + sum((block.parts() for block in self.blocks), []) + normal(self.norm)

    class Lm(nn.Module):
        def __init__(self):
            super().__init__()
            self.body, self.head = Transformer(8192, 64, 256, 4, 4, True), nn.Linear(256, 8192)

        def forward(self, words):
            return self.head(self.body(words))

        def parts(self):
            return self.body.parts() + linear(self.head)

    class Two(nn.Module):
        def __init__(self):
            super().__init__()
            self.pictures, self.words = Cnn(128), nn.Embedding(8192, 256)
            self.project, self.scale = nn.Linear(256, 128), nn.Parameter(torch.tensor([2.66]))

        def forward(self, x, words):
            pictures = F.normalize(self.pictures(x), dim=-1)
            texts = F.normalize(self.project(self.words(words).mean(1)), dim=-1)
            return pictures @ texts.T * self.scale.exp()

        def parts(self):
            return self.pictures.parts() + [self.words.weight] + linear(self.project) + [self.scale]

    class Dec(nn.Module):
        """Deconvolutions of 6×6, each as a convolution of 3×3 places and a pixel shuffle: the same function."""

        def __init__(self):
            super().__init__()
            widths = [256, 128, 64, 32]
            self.read = nn.Linear(128, 256 * 16)
            self.norms = nn.ModuleList(nn.BatchNorm2d(width) for width in widths)
            self.stages = nn.ModuleList(nn.Conv2d(a, 4 * b, 3, 1, 1) for a, b in zip(widths, [*widths[1:], 3]))

        def forward(self, z):
            x = self.read(z).view(-1, 256, 4, 4)
            for norm, stage in zip(self.norms, self.stages):
                x = F.pixel_shuffle(stage(F.relu(norm(x))), 2)
            return x

        def parts(self):
            *stages, last = [[stage.weight, stage.bias] for stage in self.stages]
            first, *norms = [batch(norm) for norm in self.norms]
            return linear(self.read) + first + sum(stages, []) + sum(norms, []) + last

    class Lstm(nn.Module):
        def __init__(self):
            super().__init__()
            self.words, self.lstm = nn.Embedding(2048, 256), nn.LSTM(256, 512, batch_first=True)
            self.head = nn.Linear(512, 2048)
            nn.init.zeros_(self.lstm.bias_hh_l0)  # ours has one bias
            self.lstm.bias_hh_l0.requires_grad_(False)

        def forward(self, words):
            return self.head(self.lstm(self.words(words))[0])

        def parts(self):
            def ours(weight):  # input, forget, candidate, output → input, forget, output, candidate
                first, second, third, fourth = weight.chunk(4)
                return torch.cat([first, second, fourth, third])

            lstm = self.lstm
            return [self.words.weight, ours(lstm.weight_ih_l0).T, ours(lstm.bias_ih_l0), ours(lstm.weight_hh_l0).T,
                    *linear(self.head)]

    class Vit(nn.Module):
        def __init__(self):
            super().__init__()
            self.patches, self.first = nn.Conv2d(3, 768, 32, 32), nn.Parameter(torch.randn(1, 1, 768) * 0.02)
            self.places = nn.Parameter(torch.randn(50, 768) * 0.02)
            self.blocks = nn.ModuleList(Block(768, 12) for _ in range(12))
            self.norm, self.head = nn.LayerNorm(768), nn.Linear(768, 512)

        def forward(self, x):
            x = self.patches(x).flatten(2).transpose(1, 2)
            x = torch.cat([self.first.expand(x.shape[0], -1, -1), x], 1) + self.places
            for block in self.blocks:
                x = block(x, False)
            return self.head(self.norm(x[:, 0]))

        def parts(self):
            return ([self.patches.weight.flatten(1).T, self.patches.bias, self.first, self.places]
                    + sum((block.parts() for block in self.blocks), []) + normal(self.norm) + linear(self.head))

    return Cnn, Transformer, Lm, Two, Dec, Lstm, Vit


def make(workload):
    """A model, its data, its loss, and whether it learns."""
    import torch
    import torch.nn.functional as F

    Cnn, Transformer, Lm, Two, Dec, Lstm, Vit = models()
    name = workload.rstrip("0123456789")
    rows = int(workload[len(name):] or 0)
    words = lambda count, *shape: torch.randint(0, count, shape)
    each = lambda logits, right: F.cross_entropy(logits.flatten(0, -2), right.flatten())
    if name == "cnn":
        model, data = Cnn(10), {"x": torch.randn(64, 3, 64, 64), "y": words(10, 64, 1)}
        return model, data, lambda x, y: each(model(x), y), True
    if name == "lm":
        model, data = Lm(), {"t": words(8192, 32, 64), "y": words(8192, 32, 64)}
        return model, data, lambda t, y: each(model(t), y), True
    if name == "two":
        model, data = Two(), {"x": torch.randn(128, 3, 64, 64), "t": words(8192, 128, 32)}
        right = torch.arange(128)

        def loss(x, t):
            scores = model(x, t)
            return (each(scores, right) + each(scores.T, right)) / 2

        return model, data, loss, True
    if name == "dec":
        model, data = Dec(), {"z": torch.randn(64, 128), "x": torch.randn(64, 3, 64, 64)}
        return model, data, lambda z, x: F.mse_loss(model(z), x), True
    if name == "lstm":
        model, data = Lstm(), {"t": words(2048, 64, 20), "y": words(2048, 64, 20)}
        return model, data, lambda t, y: each(model(t), y), True
    if name == "vit":
        model, data = Vit(), {"x": torch.randn(rows, 3, 224, 224)}
        return model, data, lambda x: model(x).abs().mean(), False
    model, data = Transformer(30522, 128, 384, 6, 12, False), {"t": words(30522, rows, 128)}
    return model, data, lambda t: model(t).mean(1).abs().mean(), False


def side(workload, folder, threads, compiled, bfloat):
    """PyTorch's process: the same talk as the example's."""
    import torch
    from safetensors.torch import save_file

    torch.set_num_threads(threads)
    torch.manual_seed(0)
    model, data, loss, learns = make(workload)
    parts = [part.detach().clone().contiguous() for part in model.parts()]
    save_file({str(at): part for at, part in enumerate(parts)}, f"{folder}/weights.safetensors")
    plain = {name: value.int() if value.dtype == torch.int64 else value for name, value in data.items()}
    save_file(plain, f"{folder}/data.safetensors")
    print("MADE", flush=True)
    sys.stdin.readline()
    if compiled:
        loss = torch.compile(loss)
    if bfloat:
        whole = loss

        def loss(**data):
            with torch.autocast("cpu", torch.bfloat16):
                return whole(**data)
    if learns:
        weights = [weight for weight in model.parameters() if weight.requires_grad]
        groups = [{"params": [weight for weight in weights if weight.dim() > 1], "weight_decay": 0.01},
                  {"params": [weight for weight in weights if weight.dim() == 1], "weight_decay": 0.0}]
        optimizer = torch.optim.AdamW(groups, lr=1e-3, fused=True)

        def step():
            optimizer.zero_grad()
            found = loss(**data)
            found.backward()
            optimizer.step()
            return found.item()
    else:
        model.eval()

        def step():
            with torch.no_grad():
                return loss(**data).item()

    print("READY", *[f"{step():.6f}" for _ in range(FIRST if learns else 1)], flush=True)
    for line in sys.stdin:
        times = []
        for _ in range(int(line)):
            start = time.perf_counter()
            step()
            times.append((time.perf_counter() - start) * 1e3)
        print(*[f"{value:.3f}" for value in times], flush=True)


def used():
    """CPU seconds of the machine."""
    with open("/proc/stat", encoding="ascii") as lines:
        numbers = [int(number) for number in lines.readline().split()[1:]]
    return (sum(numbers[:3]) + sum(numbers[5:8])) / TICKS


def own(process):
    """CPU seconds of a process."""
    fields = Path(f"/proc/{process.pid}/stat").read_text(encoding="ascii").rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def peak(process):
    """Its largest memory, MB."""
    lines = Path(f"/proc/{process.pid}/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) // 1024 for line in lines if line.startswith("VmHWM"))


def said(process, word):
    """What stands behind the word, in its next line that begins with it."""
    for line in process.stdout:
        if line.startswith(word):
            return line.split()[1:]
    sys.exit(f"error: {process.args[0]} ended before it said {word}")


def turn(process, busy):
    """Milliseconds of a few steps during which nobody else took a core, the CPU milliseconds of one, and turns thrown away."""
    for dropped in range(TRIES):
        machine, before, start = used(), own(process), time.time()
        process.stdin.write(f"{TURN}\n")
        process.stdin.flush()
        times = [float(value) for value in process.stdout.readline().split()]
        seconds, cpu = time.time() - start, own(process) - before
        if busy or used() - machine - cpu <= 0.06 * seconds + 0.03:
            return times, cpu / TURN * 1e3, dropped
        time.sleep(1)
    return [], 0.0, TRIES


def compare(workload, options):
    environment = os.environ | {name: str(options.threads) for name in
                                ["RAYON_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"]}
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True, "env": environment}
    with tempfile.TemporaryDirectory() as folder:
        flags = ["--side", folder, "--threads", str(options.threads)] + ["--compile"] * options.compile
        flags += ["--bfloat", "both"] * (options.bfloat == "both")
        theirs = subprocess.Popen([sys.executable, __file__, workload, *flags], **pipes)
        said(theirs, "MADE")
        theirs.stdin.write("go\n")
        theirs.stdin.flush()
        losses = [said(theirs, "READY")]
        ours = subprocess.Popen([EXAMPLE, workload, folder] + ["bfloat16"] * bool(options.bfloat), **pipes)
        multiply_adds = int(said(ours, "MADE")[0])
        losses.append(said(ours, "READY"))
    for a, b in zip(*losses):
        if abs(float(a) - float(b)) > (2e-2 if options.bfloat else 1e-4) * max(abs(float(a)), 1e-3):
            sys.exit(f"error: {workload}: losses differ: {losses}")
    times, dropped, cpus = ([], []), 0, ([], [])
    for _ in range(options.rounds):
        for at, process in enumerate([ours, theirs]):
            found, cpu, missed = turn(process, options.busy)
            times[at].extend(found)
            cpus[at].append(cpu)
            dropped += missed
    memory = [peak(process) for process in [ours, theirs]]
    for process in [ours, theirs]:
        process.stdin.close()
        process.wait()
    if not all(times):
        sys.exit(f"error: {workload}: other processes held a core all the time; --busy measures all the same")
    ours, theirs = (statistics.median(values) for values in times)
    cpu = [statistics.median(values) for values in cpus]
    # the way back takes two products for each forward
    gflop = 2 * multiply_adds * (3 if len(losses[0]) > 1 else 1) / 1e9
    return {"workload": workload, "threads": options.threads, "ours_ms": ours, "theirs_ms": theirs, "ratio": ours / theirs,
            "ours_rate": gflop / ours * 1e3, "theirs_rate": gflop / theirs * 1e3, "ours_cpu_ms": cpu[0],
            "theirs_cpu_ms": cpu[1], "ours_mb": memory[0], "theirs_mb": memory[1], "dropped": dropped, "losses": losses[0]}


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("workloads", nargs="*", default=WORKLOADS)
    options.add_argument("--threads", type=int, default=1)
    options.add_argument("--rounds", type=int, default=5)
    options.add_argument("--bfloat", choices=["ours", "both"], help="products in bfloat16")
    options.add_argument("--compile", action="store_true", help="let torch.compile have PyTorch's side")
    options.add_argument("--busy", action="store_true", help="keep turns during which other processes held a core")
    options.add_argument("--json", help="a file that a line is added to for each workload")
    options.add_argument("--side", help=argparse.SUPPRESS)
    options = options.parse_args()
    if options.side:
        return side(options.workloads[0], options.side, options.threads, options.compile, bool(options.bfloat))
    print("| workload | threads | Amodal, ms | PyTorch, ms | ratio | CPU ms | GFLOP/s | MB | turns dropped |")
    print("|---|--:|--:|--:|--:|--:|--:|--:|--:|")
    for workload in options.workloads:
        found = compare(workload, options)
        row = ("| {workload} | {threads} | {ours_ms:.1f} | {theirs_ms:.1f} | **{ratio:.2f}** | {ours_cpu_ms:.0f} : {theirs_cpu_ms:.0f} "
               "| {ours_rate:.0f} : {theirs_rate:.0f} | {ours_mb} : {theirs_mb} | {dropped} |")
        print(row.format(**found), flush=True)
        if options.json:
            with open(options.json, "a", encoding="utf-8") as lines:
                lines.write(json.dumps(found) + "\n")
    return None


if __name__ == "__main__":
    main()
