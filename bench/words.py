"""Word2Vec beside gensim 4.4, and GloVe beside its authors' program: words a second of CPU, and what the vectors are worth, on
one corpus and with one set of options.

    data/fetch words
    python3 -m venv venv && venv/bin/pip install gensim==4.4.0
    cargo build --release
    venv/bin/python bench/words.py [--epochs 5] [--threads 1] [--seeds 1] [--rounds 1] [--model skip-gram cbow]
    venv/bin/python bench/words.py --model glove --glove FOLDER

FOLDER holds vocab_count, cooccur, shuffle and glove, built by `make` of github.com/stanfordnlp/GloVe.

The two take turns. CPU time is that of the whole process: reading, counting the vocabulary, learning; ours also writes
its vectors. Quality is that of `amodal words evaluate`, which is gensim's to the last digit: Spearman's rank correlation with
WordSim-353 and SimLex-999, and analogies answered rightly.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DATA = ROOT / "data" / "words"
AMODAL = ROOT / "target/release/amodal"
GENSIM = """
import sys
from gensim.models import Word2Vec
text, out, sg, epochs, threads, seed = sys.argv[1:]
model = Word2Vec(corpus_file=text, vector_size=100, window=5, min_count=5, sg=int(sg), negative=5, sample=1e-3,
                 workers=int(threads), epochs=int(epochs), seed=int(seed) + 1)
model.wv.save_word2vec_format(out)
"""


def run(commands, environment):
    """CPU seconds of processes, one after the other, and the peak memory of the largest in MB."""
    seconds, memory = 0.0, 0.0
    for command, stdin, stdout in commands:
        with open(stdin or os.devnull, "rb") as source, open(stdout or os.devnull, "wb") as target:
            process = subprocess.Popen([str(part) for part in command], env=environment, stdin=source, stdout=target,
                                       stderr=subprocess.DEVNULL if stdout or stdin else None)
            _, status, usage = os.wait4(process.pid, 0)
        if status != 0:
            sys.exit(f"error: {command[0]} failed")
        seconds += usage.ru_utime + usage.ru_stime
        memory = max(memory, usage.ru_maxrss / 1024)
    return seconds, memory


def peer(model, text, out, folder, options, seed):
    """The commands of gensim, or of GloVe's authors, each with what it reads and writes."""
    if model != "glove":
        sg = str(int(model == "skip-gram"))
        return [([sys.executable, "-c", GENSIM, text, out, sg, options.epochs, options.threads, seed], None, None)]
    glove, words, pairs, shuffled = options.glove, folder / "words", folder / "pairs", folder / "shuffled"
    learn = [glove / "glove", "-save-file", out.with_suffix(""), "-threads", options.threads, "-input-file", shuffled, "-iter",
             options.epochs, "-vector-size", 100, "-binary", 0, "-vocab-file", words, "-write-header", 1, "-seed", seed + 1]
    return [([glove / "vocab_count", "-min-count", 5], text, words),
            ([glove / "cooccur", "-memory", 2, "-vocab-file", words], text, pairs),
            ([glove / "shuffle", "-memory", 2, "-seed", seed + 1], pairs, shuffled), (learn, text, None)]


def quality(path):
    """Spearman's correlations and the share of analogies, as gensim would give them."""
    files = [DATA / name for name in ["wordsim353.tsv", "simlex999.txt", "questions-words.txt"]]
    said = subprocess.run([AMODAL, "words", "evaluate", path, *files, "--json"], capture_output=True, check=True).stdout
    wordsim, simlex, analogies = json.loads(said)
    total = analogies["analogies"]["total"]
    return [100 * wordsim["pairs"]["spearman"], 100 * simlex["pairs"]["spearman"], 100 * total["right"] / total["asked"]]


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--epochs", type=int, default=5)
    options.add_argument("--threads", type=int, default=1)
    options.add_argument("--seeds", type=int, default=1)
    options.add_argument("--rounds", type=int, default=1)
    options.add_argument("--model", nargs="*", default=["skip-gram", "cbow"], choices=["skip-gram", "cbow", "glove"])
    options.add_argument("--glove", type=Path)
    options = options.parse_args()
    text = DATA / "corpus.txt"
    with open(text, encoding="utf-8") as lines:
        words = sum(len(line.split()) for line in lines) * options.epochs
    environment = os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    with tempfile.TemporaryDirectory() as folder:
        for model in options.model:
            for seed in range(options.seeds):
                rates = {"peer": [], "amodal": []}
                for _ in range(options.rounds):
                    for name in rates:
                        out = Path(folder) / f"{name}.txt"
                        if name == "peer":
                            commands = peer(model, text, out, Path(folder), options, seed)
                        else:
                            train = [AMODAL, "words", "train", text, "-o", out, "-q", "--model", model,
                                     "--epochs", options.epochs, "--threads", options.threads, "--seed", seed]
                            commands = [(train, None, None)]
                        seconds, memory = run(commands, environment)
                        rates[name].append(words / seconds)
                        wordsim, simlex, analogies = quality(out)
                        print(f"{model} seed {seed} {name}: {words / seconds:,.0f} words per CPU-second, {memory:.0f} MB, "
                              f"WordSim {wordsim:.1f}, SimLex {simlex:.1f}, analogies {analogies:.1f} %", flush=True)
                ratio = statistics.median(rates["amodal"]) / statistics.median(rates["peer"])
                print(f"{model} seed {seed}: {ratio:.2f} times the peer's", flush=True)


if __name__ == "__main__":
    main()
