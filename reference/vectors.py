"""Writes crates/amodal/tests/golden/vectors.{bin,txt}, fasttext.{bin,txt}, word_pairs.tsv and word_analogies.txt: files
of vectors as gensim writes them, and questions about them.

    python -m venv venv && venv/bin/pip install gensim
    venv/bin/python reference/vectors.py

Written with gensim 4.4.0, numpy 2.4.6. fasttext.txt has gensim's vectors of all words of fasttext.bin, and of some that it
does not have. word_pairs.tsv and word_analogies.txt ask about the words of vectors.txt; what gensim
finds is printed, and stands in crates/amodal/src/words/evaluate.rs.
"""

import pathlib
import random

import numpy as np
from gensim.models import FastText, KeyedVectors
from gensim.models.fasttext import save_facebook_model

FOLDER = pathlib.Path(__file__).parent.parent / "crates/amodal/tests/golden"
WORDS = """sea ship wave sail harbour sky cloud wing bird feather né où 中文 猫 and the of a oddly-shaped don't
walk walked walking walker odd odds sailor sailing wings clouds""".split()
OUTSIDE = ["oddly", "sailors", "naïve", "犬", "x"]


def text(path, words, vectors):
    lines = [" ".join([word] + [repr(float(value)) for value in vector]) for word, vector in zip(words, vectors)]
    path.write_text("\n".join([f"{len(words)} {len(vectors[0])}"] + lines) + "\n", encoding="utf-8")


def main():
    values = np.random.default_rng(0).normal(size=(len(WORDS), 5)).astype(np.float32)
    vectors = KeyedVectors(vector_size=5)
    vectors.add_vectors(WORDS, values)
    vectors.save_word2vec_format(str(FOLDER / "vectors.bin"), binary=True)
    text(FOLDER / "vectors.txt", WORDS, values)

    draws = random.Random(0)
    lines = [[draws.choice(WORDS) for _ in range(8)] for _ in range(200)]
    model = FastText(lines, vector_size=5, min_count=1, bucket=100, min_n=2, max_n=4, epochs=2, seed=1, workers=1)
    save_facebook_model(model, str(FOLDER / "fasttext.bin"))
    words = model.wv.index_to_key + OUTSIDE
    text(FOLDER / "fasttext.txt", words, [model.wv[word] for word in words])

    pairs = [draws.sample(WORDS, 2) + [round(draws.uniform(0, 10) * 2) / 2] for _ in range(24)]
    pairs += [["Ship", "nosuch", 3.0], ["nosuch", "sea", 4.5]]
    pairs[3][0] = pairs[3][0].upper()
    rows = ["# two words, and a number"] + ["\t".join(map(str, pair)) for pair in pairs]
    (FOLDER / "word_pairs.tsv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    pearson, spearman, _ = vectors.evaluate_word_pairs(str(FOLDER / "word_pairs.tsv"))
    print(f"Spearman {spearman[0]:.9f}, Pearson {pearson[0]:.9f}")

    rows = []
    for section in ["first of two", "second"]:
        rows.append(f": {section}")
        for number in range(12):
            a, b, c, other = draws.sample(WORDS, 4)
            nearest = vectors.most_similar(positive=[b, c], negative=[a], topn=1)[0][0]
            rows.append(f"{a} {b.upper()} {c} {nearest if number % 3 else other}")
        rows.append("sea ship wave nosuch")
    (FOLDER / "word_analogies.txt").write_text("\n".join(rows) + "\n", encoding="utf-8")
    for section in vectors.evaluate_word_analogies(str(FOLDER / "word_analogies.txt"))[1]:
        right = len(section["correct"])
        print(f"{section['section']}: {right} of {right + len(section['incorrect'])}")


if __name__ == "__main__":
    main()
