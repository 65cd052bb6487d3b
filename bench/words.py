"""Word2Vec beside gensim 4.4: words a second of CPU, and what the vectors are worth, on one corpus and with one set of options.

    data/fetch words
    python3 -m venv venv && venv/bin/pip install gensim==4.4.0
    cargo build --release
    venv/bin/python bench/words.py [--epochs 5] [--threads 1] [--seeds 1] [--rounds 1] [--predict skip_gram cbow]

The two take turns. CPU time is that of the whole process: reading, counting the vocabulary, learning; ours also writes
its vectors. Quality is measured by gensim on both: Spearman's rank correlation with WordSim-353 and SimLex-999, and
analogies answered rightly.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DATA = ROOT / "data" / "words"
GENSIM = """
import sys
from gensim.models import Word2Vec
text, out, sg, epochs, threads, seed = sys.argv[1:]
model = Word2Vec(corpus_file=text, vector_size=100, window=5, min_count=5, sg=int(sg), negative=5, sample=1e-3,
                 workers=int(threads), epochs=int(epochs), seed=int(seed) + 1)
model.wv.save_word2vec_format(out)
"""


def run(command, environment):
    """CPU seconds and peak memory in MB of a process."""
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    if status != 0:
        sys.exit(f"error: {command[0]} failed")
    return usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


QUALITY = """
import sys
from gensim.models import KeyedVectors
path, data = sys.argv[1:]
vectors = KeyedVectors.load_word2vec_format(path)
for name in ["wordsim353.tsv", "simlex999.txt"]:
    print(100 * vectors.evaluate_word_pairs(f"{data}/{name}")[1][0])
print(100 * vectors.evaluate_word_analogies(f"{data}/questions-words.txt")[0])
"""


def quality(path):
    """In a process of its own: what a process holds counts for those it starts."""
    said = subprocess.run([sys.executable, "-c", QUALITY, path, DATA], capture_output=True, text=True, check=True).stdout
    return [float(line) for line in said.split()]


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--epochs", type=int, default=5)
    options.add_argument("--threads", type=int, default=1)
    options.add_argument("--seeds", type=int, default=1)
    options.add_argument("--rounds", type=int, default=1)
    options.add_argument("--predict", nargs="*", default=["skip_gram", "cbow"])
    options = options.parse_args()
    text = DATA / "corpus.txt"
    with open(text, encoding="utf-8") as lines:
        words = sum(len(line.split()) for line in lines) * options.epochs
    environment = os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    with tempfile.TemporaryDirectory() as folder:
        for predict in options.predict:
            for seed in range(options.seeds):
                rates = {"gensim": [], "amodal": []}
                for _ in range(options.rounds):
                    for name in rates:
                        out = Path(folder) / f"{name}.txt"
                        if name == "gensim":
                            command = [sys.executable, "-c", GENSIM, text, out, str(int(predict == "skip_gram")),
                                       str(options.epochs), str(options.threads), str(seed)]
                        else:
                            command = [ROOT / "target/release/amodal", "words", "train", text, "-o", out, "-q",
                                       "--model", predict.replace("_", "-"), "--epochs", str(options.epochs),
                                       "--threads", str(options.threads), "--seed", str(seed)]
                        seconds, memory = run([str(part) for part in command], environment)
                        rates[name].append(words / seconds)
                        wordsim, simlex, analogies = quality(out)
                        print(f"{predict} seed {seed} {name}: {words / seconds:,.0f} words per CPU-second, {memory:.0f} MB, "
                              f"WordSim {wordsim:.1f}, SimLex {simlex:.1f}, analogies {analogies:.1f} %", flush=True)
                ratio = statistics.median(rates["amodal"]) / statistics.median(rates["gensim"])
                print(f"{predict} seed {seed}: {ratio:.2f} times gensim's", flush=True)


if __name__ == "__main__":
    main()
