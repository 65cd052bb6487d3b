"""Sort-of-CLEVR, drawn after Santoro et al. 2017 (arXiv:1706.01427, section 4.2 and its supplement).

A question is 11 numbers: 6 for the colour, 2 for the kind, 3 for which of its three
questions; here each of the ten of a kind is asked once. Objects never overlap, and no
two are equally far from a third.
"""

import json

from packages import rank

SEED = "amodal"
SIDE, HALF = 75, 5  # pixels of a picture, half of an object
COLOURS = {"red": (255, 0, 0), "blue": (0, 0, 255), "green": (0, 255, 0), "orange": (255, 156, 0),
           "yellow": (255, 255, 0), "gray": (128, 128, 128)}
SHAPES = ["rectangle", "circle"]
KINDS = ["non-relational", "relational"]


def scene(random):
    """The six objects of a picture, (x, y, shape), in the order of the colours."""
    while True:
        places = []
        while len(places) < len(COLOURS):
            x, y = (int(v) for v in random.integers(HALF, SIDE - HALF, 2))
            if all(max(abs(x - a), abs(y - b)) > 2 * HALF for a, b in places):
                places.append((x, y))
        if all(len(set(far)) == len(far) for far in map(lambda at: distances(places, at), range(len(places)))):
            return [(x, y, int(shape)) for (x, y), shape in zip(places, random.integers(0, 2, len(places)))]


def distances(objects, of):
    """Squares of the distances from one object to the others."""
    return [(o[0] - objects[of][0])**2 + (o[1] - objects[of][1])**2 for at, o in enumerate(objects) if at != of]


def answer(objects, colour, kind, which):
    x, y, shape = objects[colour]
    if kind == 0:
        return [SHAPES[shape], "yes" if x < SIDE / 2 else "no", "yes" if y < SIDE / 2 else "no"][which]
    others = [o for at, o in enumerate(objects) if at != colour]
    far = distances(objects, colour)
    return [SHAPES[others[far.index(min(far))][2]], SHAPES[others[far.index(max(far))][2]],
            str(sum(o[2] == shape for o in objects))][which]


def picture(objects):
    import numpy as np
    pixels = np.full((SIDE, SIDE, 3), 255, "uint8")
    rows, columns = np.mgrid[:SIDE, :SIDE]
    for (x, y, shape), colour in zip(objects, COLOURS.values()):
        across, down = abs(columns - x), abs(rows - y)
        pixels[(np.maximum(across, down) <= HALF) if shape == 0 else (across**2 + down**2 <= (HALF + 0.5)**2)] = colour
    return pixels


def relations(out, count):
    """Writes `relations.jsonl`; returns the split and kind of each row."""
    import numpy as np
    from PIL import Image
    held, rows = max(1, round(count * 0.02)), []
    order = sorted(range(count), key=lambda n: rank(SEED, str(n)))
    split_of = {n: "test" if k < held else "validation" if k < 2 * held else "train" for k, n in enumerate(order)}
    one_hot = lambda at, width: [int(k == at) for k in range(width)]
    with open(out / "relations.jsonl", "w", encoding="utf-8") as table:
        for n in range(count):
            random = np.random.default_rng([int(rank(SEED, "relations") * 2**53), n])
            objects, folder = scene(random), out / "pictures" / f"{n // 1000:02}"
            folder.mkdir(parents=True, exist_ok=True)
            path = folder / f"{n:05}.png"
            Image.fromarray(picture(objects)).save(path)
            state = [[round(x / SIDE, 3), round(y / SIDE, 3), *one_hot(colour, len(COLOURS)), *one_hot(shape, 2)]
                     for colour, (x, y, shape) in enumerate(objects)]
            state = [state[at] for at in random.permutation(len(state))]
            for kind in range(2):
                for asked in sorted(random.permutation(3 * len(COLOURS))[:10]):
                    colour, which = divmod(int(asked), 3)
                    row = {"picture": path.relative_to(out).as_posix(), "kind": KINDS[kind],
                           "question": one_hot(colour, len(COLOURS)) + one_hot(kind, 2) + one_hot(which, 3),
                           "answer": answer(objects, colour, kind, which), "state": state,
                           # the test questions of each kind are a split of their own, measured apart
                           "split": KINDS[kind] if split_of[n] == "test" else split_of[n]}
                    table.write(json.dumps(row, separators=(",", ":")) + "\n")
                    rows.append({"kind": KINDS[kind], "split": split_of[n], "answer": row["answer"]})
    return rows
