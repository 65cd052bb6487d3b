#!/usr/bin/env python3
"""Queries a second of Amodal's search and of faiss, hnswlib and usearch, on the same vectors, one thread each.

    python3 -m venv venv && venv/bin/pip install numpy faiss-cpu hnswlib usearch
    cargo build --release --workspace --features hnsw --example search
    venv/bin/python bench/search.py [--items 100000] [--dim 128] [--rounds 5] [--busy]

Vectors of length 1 around 500 centres; 1,000 queries for 10 neighbours each. Exact searches are given all queries at once; those by
graphs (16 neighbours, 200 looked at in building) one after the other, each tool with the least effort of a list that finds 99 % of
the 10 nearest. The tools take turns; the figure is the median of their rounds. It ends if another process holds a core;
`--busy` measures all the same.
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

os.environ |= {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "RAYON_NUM_THREADS": "1"}

import numpy as np

from machine import busy

EXAMPLE = Path(__file__).resolve().parent.parent / "target/release/examples/search"
K, EFFORTS, ASKED = 10, [10, 16, 20, 24, 28, 32, 40, 48, 64, 96, 128, 192, 256], 0.99


def timed(work):
    start = time.perf_counter()
    found = work()
    return time.perf_counter() - start, found


def peers(items, queries):
    """By name: what builds a tool, and what then searches with an effort (None where it is exact)."""
    import faiss
    import hnswlib
    from usearch.index import Index

    faiss.omp_set_num_threads(1)
    count, dim = items.shape

    def flat():
        index = faiss.IndexFlatIP(dim)
        index.add(items)
        return lambda _: index.search(queries, K)[1]

    def hnsw():
        index = hnswlib.Index("ip", dim)
        index.init_index(count, M=16, ef_construction=200, random_seed=1)
        index.set_num_threads(1)
        index.add_items(items, num_threads=1)

        def search(effort):
            index.set_ef(effort)
            return index.knn_query(queries, K, num_threads=1)[0]

        return search

    def faiss_hnsw():
        index = faiss.IndexHNSWFlat(dim, 16, faiss.METRIC_INNER_PRODUCT)
        index.hnsw.efConstruction = 200
        index.add(items)

        def search(effort):
            index.hnsw.efSearch = effort
            return index.search(queries, K)[1]

        return search

    def usearch(kind):
        def build():
            index = Index(ndim=dim, metric="ip", dtype=kind, connectivity=16, expansion_add=200)
            index.add(np.arange(count), items, threads=1)

            def search(effort):
                index.expansion_search = effort
                return index.search(queries, K, threads=1).keys

            return search

        return build

    return {"faiss Flat": flat}, {"hnswlib": hnsw, "faiss HNSW": faiss_hnsw, "usearch f32": usearch("f32"),
                                  "usearch bf16": usearch("bf16")}


class Ours:
    def __init__(self, folder, dim):
        self.process = subprocess.Popen([EXAMPLE, folder, str(dim), str(K)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        text=True)

    def ask(self, line):
        self.process.stdin.write(f"{line}\n")
        self.process.stdin.flush()
        said = self.process.stdout.readline()
        if not said:
            sys.exit(f"error: Amodal's side ended at {line!r}")
        said = json.loads(said)
        return said["seconds"], np.array(said["found"])


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--items", type=int, default=100_000)
    options.add_argument("--dim", type=int, default=128)
    options.add_argument("--rounds", type=int, default=5)
    options.add_argument("--busy", action="store_true", help="measure while other processes hold a core")
    options = options.parse_args()
    if not options.busy and busy() > 0.3:
        sys.exit(f"error: other processes hold {busy():.1f} cores; --busy measures all the same")
    random = np.random.default_rng(0)
    centres = random.standard_normal((500, options.dim), dtype=np.float32)

    def draw(count):
        made = centres[random.integers(0, 500, count)] + 0.7 * random.standard_normal((count, options.dim), dtype=np.float32)
        return (made / np.linalg.norm(made, axis=1, keepdims=True)).astype(np.float32)

    items, queries = draw(options.items), draw(1000)
    scores = queries @ items.T
    # The last of the nearest may be one of several that rounding cannot tell apart: any of them is right.
    least = np.partition(scores, -K, axis=1)[:, -K] - 1e-6

    def recall(found):
        if len(found) and np.shape(found)[1] < K:
            return 0.0
        return float((np.take_along_axis(scores, np.asarray(found, dtype=np.int64), 1) >= least[:, None]).mean())

    with tempfile.TemporaryDirectory() as folder:
        items.tofile(f"{folder}/items.f32")
        queries.tofile(f"{folder}/queries.f32")
        ours = Ours(folder, options.dim)
        exact, graphs = peers(items, queries)
        searches = {name: (lambda search: lambda _: timed(lambda: search(None)))(build()) for name, build in exact.items()}
        searches |= {"Amodal, exact": lambda _: ours.ask("exact"), "Amodal, exact, one by one": lambda _: ours.ask("one")}
        efforts, builds = dict.fromkeys(searches), {}
        for name, build in {**graphs, "Amodal, graph": None}.items():
            if build is None:
                builds[name], _ = ours.ask("build")
                searches[name] = ours.ask
            else:
                builds[name], search = timed(build)
                searches[name] = (lambda search: lambda effort: timed(lambda: search(effort)))(search)
            efforts[name] = next((effort for effort in EFFORTS if recall(searches[name](effort)[1]) >= ASKED), EFFORTS[-1])
        seconds = {name: [] for name in searches}
        recalls = {}
        for _ in range(options.rounds):
            for name, search in searches.items():
                took, found = search(efforts[name])
                seconds[name].append(took)
                recalls[name] = recall(found)
    rate = {name: len(queries) / statistics.median(values) for name, values in seconds.items()}
    print(f"{options.items:,} vectors of {options.dim} numbers, 1,000 queries, one thread, median of {options.rounds} rounds\n")
    print("| | effort | recall@10 | queries a second | least, most | built, vectors a second |")
    print("|---|--:|--:|--:|--:|--:|")
    for name, values in seconds.items():
        least_rate, most = len(queries) / max(values), len(queries) / min(values)
        built = f"{options.items / builds[name]:,.0f}" if name in builds else ""
        print(f"| {name} | {efforts[name] or ''} | {recalls[name]:.4f} | {rate[name]:,.0f} | {least_rate:,.0f}, {most:,.0f} | {built} |")
    print(f"\nexact: {rate['Amodal, exact'] / rate['faiss Flat']:.2f} times faiss; graph: "
          f"{rate['Amodal, graph'] / rate['hnswlib']:.2f} times hnswlib, built "
          f"{builds['hnswlib'] / builds['Amodal, graph']:.2f} times as fast")


if __name__ == "__main__":
    main()
