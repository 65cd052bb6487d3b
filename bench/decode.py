#!/usr/bin/env python3
"""Tokens a second of a transformer that writes texts, in PyTorch: the decoder of crates/amodal/examples/decode_speed.rs,
with what it attended to kept from word to word, and computed anew for each.

    python bench/decode.py --threads 1
"""

import argparse
import time

import torch
import torch.nn.functional as F

DIM, LAYERS, HEADS, WORDS, LONGEST, PLACES, SECONDS = 256, 4, 8, 8000, 128, 64, 4.0


def heads(x):
    batch, time, dim = x.shape
    return x.view(batch, time, HEADS, dim // HEADS).transpose(1, 2)


class Block(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.norm, self.cross_norm, self.mlp_norm = (torch.nn.LayerNorm(DIM) for _ in range(3))
        self.qkv, self.output = torch.nn.Linear(DIM, 3 * DIM), torch.nn.Linear(DIM, DIM)
        self.queries, self.keys_values = torch.nn.Linear(DIM, DIM), torch.nn.Linear(DIM, 2 * DIM)
        self.cross_output = torch.nn.Linear(DIM, DIM)
        self.expand, self.contract = torch.nn.Linear(DIM, 4 * DIM), torch.nn.Linear(4 * DIM, DIM)

    def forward(self, x, past, memory):
        q, k, v = (heads(part) for part in self.qkv(self.norm(x)).chunk(3, 2))
        if past is not None:
            k, v = torch.cat([past[0], k], 2), torch.cat([past[1], v], 2)
        mixed = F.scaled_dot_product_attention(q, k, v, is_causal=past is None and q.shape[2] > 1)
        x = x + self.output(mixed.transpose(1, 2).flatten(2))
        mixed = F.scaled_dot_product_attention(heads(self.queries(self.cross_norm(x))), *memory)
        x = x + self.cross_output(mixed.transpose(1, 2).flatten(2))
        return x + self.contract(F.gelu(self.expand(self.mlp_norm(x)))), (k, v)


class Decoder(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.input, self.words = torch.nn.Linear(DIM, DIM), torch.nn.Embedding(WORDS, DIM)
        self.blocks = torch.nn.ModuleList(Block() for _ in range(LAYERS))
        self.norm, self.output = torch.nn.LayerNorm(DIM), torch.nn.Linear(DIM, WORDS)
        angle = torch.arange(LONGEST)[:, None] / 10_000 ** (torch.arange(0, DIM, 2) / DIM)
        self.places = torch.stack([angle.sin(), angle.cos()], 2).reshape(LONGEST, DIM)

    def memory(self, fused):
        x = self.input(fused)
        return [tuple(heads(part) for part in block.keys_values(x).chunk(2, 2)) for block in self.blocks]

    def forward(self, ids, start, past, memory):
        x = self.words(ids) + self.places[start:start + ids.shape[1]]
        kept = []
        for block, before, of in zip(self.blocks, past, memory):
            x, pair = block(x, before, of)
            kept.append(pair)
        return self.output(self.norm(x)), kept


def kept(decoder, fused):
    memory, past = decoder.memory(fused), [None] * LAYERS
    ids = torch.zeros(len(fused), 1, dtype=torch.long)
    for at in range(LONGEST):
        logits, past = decoder(ids, at, past, memory)
        ids = logits[:, -1:].argmax(2)


def anew(decoder, fused):
    ids = torch.zeros(len(fused), 1, dtype=torch.long)
    for _ in range(LONGEST):
        logits, _ = decoder(ids, 0, [None] * LAYERS, decoder.memory(fused))
        ids = torch.cat([ids, logits[:, -1:].argmax(2)], 1)


def measure(work):
    work()
    start, runs = time.perf_counter(), 0
    while time.perf_counter() - start < SECONDS:
        work()
        runs += 1
    return runs / (time.perf_counter() - start)


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--threads", type=int, default=1)
    torch.set_num_threads(arguments.parse_args().threads)
    torch.manual_seed(0)
    decoder = Decoder().eval()
    with torch.inference_mode():
        for rows in (1, 32):
            fused = torch.randn(rows, PLACES, DIM)
            fast, slow = (rows * LONGEST * measure(lambda: work(decoder, fused)) for work in (kept, anew))
            print(f"batch {rows}: {fast:.0f} tokens/s, {slow:.0f} computed anew ({fast / slow:.1f} times)")


if __name__ == "__main__":
    main()
