"""Writes crates/amodal/tests/golden/metrics.json: inputs of the metrics, and what their reference implementations say.

    python -m venv venv && venv/bin/pip install sacrebleu pycocoevalcap nltk jiwer scikit-image scipy
    venv/bin/python reference/metrics.py

Written with sacrebleu 2.6.0, pycocoevalcap 1.2, nltk 3.10.4, jiwer 4.0.0, scikit-image 0.26.0, scipy 1.17.1, numpy 2.4.6.
"""

import json
import pathlib

import jiwer
import numpy as np
import sacrebleu
import scipy.linalg
from nltk.stem.snowball import SnowballStemmer
from nltk.translate.meteor_score import meteor_score
from pycocoevalcap.cider.cider import Cider
from pycocoevalcap.rouge.rouge import Rouge
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

FILE = pathlib.Path(__file__).parent.parent / "crates/amodal/tests/golden/metrics.json"

# name: rows of a made text and its right ones
TEXTS = {
    "captions": [
        ("a man rides a horse on the beach", ["a man riding a horse along the beach", "someone rides on a beach"]),
        ("two dogs are playing in the snow", ["two dogs play in snow", "dogs playing in the deep white snow"]),
        ("a plate of food on a table", ["a white plate with food on a wooden table", "food on a plate"]),
        ("a red bus is parked on the street", ["the red bus parked in a street", "a bus on the street"]),
        ("a cat", ["a black cat sits on the chair", "cat on chair"]),
    ],
    "odd": [
        ("", ["the answer was never given"]),
        ("the the the the the the the", ["the cat is on the mat"]),
        ("and so it goes on and on and on and never ends though nobody asked it to", ["it ends"]),
        ("кошка сидит на окне", ["кошка спит на окне"]),
        ("一 只 猫 坐 在 垫子 上", ["一 只 猫 在 垫子 上"]),
        ("Η ΓΑΤΑ ΤΟΥ ΟΔΟΣ", ["η γάτα του οδος"]),
        ("naïve café 🙂 e\u0301te", ["naive café 🙂 été"]),
        ("Running Dogs happily jumped", ["the dog runs and jumps happily"]),
        ("the same words in the same order", ["the same words in the same order"]),
        ("order same the in words same the", ["the same words in the same order"]),
        ("mat the on cat the", ["the cat on the mat sat on the mat"]),
    ],
    "empty": [("", [""]), ("a b c d e", [""]), ("a b c d", ["a b c d"])],
    "nothing right": [("left is not right", ["other words stand here"]), ("nor here", ["or there again now"])],
    "one row": [("the quick brown fox jumps over the dog", ["the quick brown fox jumped over the lazy dog"])],
    "one word": [("horse", ["horse"]), ("goat", ["goats"])],
    "no four in a row": [("the cat sat up there", ["the dog sat up here"]), ("it is so", ["so it is"])],
    "two lengths as near": [("a dog runs after a ball", ["a dog runs after a ball or two", "a dog runs after"])],
    "nothing to be said": [("some words", [""])],
    "never said": [("", ["some words"])],
}

# what the stemmers make of each ending
WORDS = """skis skies dying news generously communities arsenal inning outing proceed succeeding happily babies cried
tied gas this kiwis gaps ran running hopping hoping feed agreed fizzed failing filing sky say enjoyed conditional
relational rationally vileness hopefully valency decisiveness formality sensibility bowdlerize triplicate electricity
defensible replacement adoption activate effective probate rate cease controlling rolling nationally analogously
horses ponies caresses beautifully yesterday youth boyish knightly o'clock children's dogs' aching""".split()


class NoSynonyms:
    def synsets(self, word):
        return []


def texts(name, rows):
    made = [made for made, _ in rows]
    first = [right[0] for _, right in rows]
    streams = list(zip(*(right for _, right in rows)))
    given = {row: [text] for row, text in enumerate(made)}
    right = {row: list(texts) for row, (_, texts) in enumerate(rows)}
    bleu = sacrebleu.BLEU(tokenize="none", smooth_method="exp", force=True)
    stemmer = SnowballStemmer("english")
    said = any(text.split() for texts in right.values() for text in texts)
    meteor = [
        meteor_score([text.split() for text in right], made.split(), stemmer=stemmer, wordnet=NoSynonyms())
        for made, right in rows
    ]
    return {
        "name": name,
        "rows": rows,
        "bleu": bleu.corpus_score(made, streams).score / 100,
        "rouge": Rouge().compute_score(right, given)[0],
        # it refuses right texts without a word
        "cider": Cider().compute_score(right, given)[0] if said else None,
        "meteor": np.mean(meteor),
        # with the first right text alone: jiwer takes one
        "word_error": jiwer.wer(first, made),
        "character_error": jiwer.cer(first, made),
        "exact": np.mean([made == right for made, right in zip(made, first)]),
    }


def pictures(name, made, right):
    made, right = (np.clip(np.rint(picture), 0, 255).astype(np.uint8) for picture in (made, right))
    psnr = peak_signal_noise_ratio(right, made, data_range=255)
    ssim = structural_similarity(
        right, made, gaussian_weights=True, sigma=1.5, use_sample_covariance=False, data_range=255, channel_axis=2
    )
    height, width, _ = right.shape
    return {
        "name": name,
        "height": height,
        "width": width,
        "made": made.flatten().tolist(),
        "right": right.flatten().tolist(),
        "psnr": psnr if np.isfinite(psnr) else None,
        "ssim": ssim,
    }


def frechet(name, first, second):
    """pytorch-fid, `calculate_frechet_distance` (mu = np.mean(act, axis=0), sigma = np.cov(act, rowvar=False)):

    diff = mu1 - mu2
    covmean, _ = linalg.sqrtm(sigma1.dot(sigma2), disp=False)
    return diff.dot(diff) + np.trace(sigma1) + np.trace(sigma2) - 2 * tr_covmean
    """
    first, second = (np.round(vectors, 6) for vectors in (first, second))
    difference = first.mean(0) - second.mean(0)
    sigma1, sigma2 = np.cov(first, rowvar=False), np.cov(second, rowvar=False)
    root = np.trace(scipy.linalg.sqrtm(sigma1.dot(sigma2)).real)
    distance = difference.dot(difference) + np.trace(sigma1) + np.trace(sigma2) - 2 * root
    return {"name": name, "made": first.tolist(), "right": second.tolist(), "distance": distance}


def sounds(name, made, right):
    """Natural logarithms of power; a decibel is a tenth of the decimal logarithm."""
    made, right = (np.round(spectrum, 4) for spectrum in (made, right))
    decibels = 10 * np.log10(np.exp(made)) - 10 * np.log10(np.exp(right))
    return {
        "name": name,
        "made": made.tolist(),
        "right": right.tolist(),
        "mean": np.abs(decibels).mean(),
        "root_mean_square": np.sqrt((decibels**2).mean()),
    }


def main():
    random = np.random.default_rng(0)
    y, x, colour = np.mgrid[0:17, 0:14, 0:3]
    scene = 127 + 100 * np.sin(x / 3 + colour) * np.cos(y / 4)
    noise = random.normal(size=scene.shape)
    mixing = random.normal(size=(5, 5))
    normal = random.normal(size=(2, 12, 5))
    shifted = normal[1] @ np.diag([0.1, 0.5, 1, 2, 4]) + 1000
    spectrum = random.normal(-3, 2, size=40)
    golden = {
        "texts": [texts(name, rows) for name, rows in TEXTS.items()],
        "stems": [[word, SnowballStemmer("english").stem(word)] for word in WORDS],
        "pictures": [
            pictures("noise", scene + 12 * noise, scene),
            pictures("darker", scene / 2, scene),
            pictures("one tone", np.full_like(scene, 127), scene),
            pictures("the same", scene, scene),
            pictures("smallest", scene[:11, :11] + 40 * noise[:11, :11], scene[:11, :11]),
            pictures("opposite", np.full((12, 11, 3), 255), np.zeros((12, 11, 3))),
        ],
        "frechet": [
            frechet("mixed", normal[0] @ mixing, normal[1]),
            frechet("far from zero", normal[0] + 1000, shifted),
            frechet("the same", normal[0], normal[0]),
            frechet("fewer rows than numbers", normal[0][:4] @ mixing, normal[1]),
        ],
        "sounds": [
            sounds("noise", spectrum + random.normal(0, 0.5, size=40), spectrum),
            sounds("twice as loud", spectrum + np.log(4), spectrum),
            sounds("the same", spectrum, spectrum),
        ],
    }
    FILE.write_text(json.dumps(golden, ensure_ascii=False, separators=(",", ":"), allow_nan=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
