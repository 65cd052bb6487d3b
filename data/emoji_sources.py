"""Emoji drawings by style and hexcode, from npm packages, with emojibase's words.

Every style gives a picture as an RGBA image of any size asked for. Where a package
names drawings by words, the name is found from the emojibase label or the Unicode
name; the few that need help stand in the tables below.
"""

import functools
import io
import json
import re

from packages import npm_package

PACKAGES = {
    "words": ("emojibase-data", "17.0.0"),
    "noto": ("emoji-datasource-google", "16.0.0"),
    "twemoji": ("emoji-datasource-twitter", "16.0.0"),
    "emojitwo": ("@iconify-json/emojione", "1.2.3"),
    "fxemoji": ("@iconify-json/fxemoji", "1.2.2"),
    "openmoji": ("openmoji", "17.0.0"),
    "fluent": ("fluentui-emoji", "1.3.0"),
}

# fxemoji's names that neither the label nor the Unicode name gives; `None`: not drawn,
# or drawn as something else. The side views must not be taken for the faces.
FXEMOJI = {
    "dog": "dogside", "dog face": "dog", "cat": "catside", "cat face": "cat",
    "tiger": "tigerside", "tiger face": "tiger", "leopard": "leopardside", "mouse": "mouseside",
    "mouse face": "mouse", "pig": "pigside", "pig face": "pig", "pig nose": "pigsnout",
    "rabbit": "bunnyside", "rabbit face": "bunny", "dragon": "dragonside", "dragon face": "dragonhead",
    "hamster": "hampster", "front-facing baby chick": "frontfacingchick", "spouting whale": "spurtingwhale",
    "evergreen tree": "evergreen", "fallen leaf": "fallingleaf", "leaf fluttering in wind": "leaffluttering",
    "hot pepper": "chilipepper", "chestnut": "acorn", "fish cake with swirl": "fishcakeswirl",
    "globe showing Europe-Africa": "europeafricaglobe", "globe showing Americas": "americasglobe",
    "globe showing Asia-Australia": "asiaaustraliaglobe", "globe with meridians": "meridianglobe",
    "map of Japan": "silhouetteohjapan", "snow-capped mountain": "snowmountains",
    "beach with umbrella": "beachumbrella", "Tokyo tower": "toykotower", "building construction": "construct",
    "bullet train": "highspeedtrainbulletnose", "racing car": "racecar", "cloud with rain": "raincloud",
    "cloud with snow": "snowcloud", "cloud with lightning": None, "confetti ball": "confetti",
    "wrapped gift": "present", "reminder ribbon": "reminder", "tennis": "tennisball", "necktie": "tie",
    "t-shirt": "mansshirt", "woman’s clothes": "womansshirt", "purse": "pinkwallet", "clutch bag": "makeupbag",
    "man’s shoe": "mensshoe", "running shoe": "mensrunner", "high-heeled shoe": "heels",
    "woman’s sandal": "sandals", "woman’s boot": "boot", "gem stone": "gem", "studio microphone": "studiomic",
    "control knobs": "controlknob", "level slider": "levelslider", "mobile phone": "cellphone",
    "telephone receiver": "telephonereceiver2", "floppy disk": "floppydisk2", "video camera": "handheldvideocamera",
    "videocassette": "videocasette", "magnifying glass tilted left": "leftmagnifyingglass",
    "notebook with decorative cover": "notebookdecorativecover", "bookmark tabs": "bookmarktab",
    "yen banknote": "banknoteyen", "dollar banknote": "banknotedollar", "euro banknote": "banknoteeuro",
    "pound banknote": "banknotepound", "outbox tray": "outbox", "inbox tray": "inboxtray",
    "closed mailbox with raised flag": "closedmailboxraised", "ballot box with ballot": "ballottboxwithballott",
    "pen": "lowerleftpen", "crayon": "lowerleftcrayon", "paintbrush": "lowerleftpaintbrush",
    "fountain pen": "lowerleftfountainpen", "pencil": "pencil", "memo": "memo", "chart increasing": "chartupwardstrend",
    "locked with key": "lockandkey", "locked": "lock", "unlocked": "openlock", "kitchen knife": "hocho",
    "umbrella": "umbrellawithraindrops", "umbrella with rain drops": "umbrellawithraindrops",
    "eggplant": "aubergine", "ear of corn": "earofmaize", "sheaf of rice": "earofrice", "flashlight": "electrictorch",
    "dagger": "daggerknife", "ewe": "sheep", "camel": "dromedarycamel", "two-hump camel": "bactriancamel",
    "wolf": "wolfface", "panda": "pandaface", "horse": None, "horse face": "horseface", "bell": "bell",
    "pizza": "sliceofpizza", "basketball": "basketballandhoop", "skis": "skiandskiboot", "goat": "goat",
    "fishing pole": "fishingpoleandfish", "sake": "sakebottleandcup", "canoe": "rowboat",
    "red paper lantern": "izakayalantern", "optical disk": "opticaldisc", "computer disk": "minidisc",
    "locomotive": "steamlocomotive", "sport utility vehicle": "recreationalvehicle", "bullseye": "directhit",
    "magnifying glass tilted right": "rightmagnifyingglass", "framed picture": "framewithpicture",
    "desktop computer": "desktopcomputer", "laptop": "personalcomputer", "keyboard": "wiredkeyboard", "computer mouse": "threebuttonmouse",
    "backpack": "schoolsatchel", "bow and arrow": None, "water pistol": None, "peacock": None,
    "dove": "doveofpeace", "snowman": None, "snowman without snow": "snowmanwithoutsnow", "star": "whitemediumstar",
    "sun": "whitesun", "tram": "tram", "light bulb": "lightbulb", "statue of Liberty": "statueofliberty",
    "tear-off calendar": "tearoffcalendar", "police car light": "policecarsrevolvinglight",
    "sunglasses": "darksunglasses", "scissors": "blackscissors", "telephone": "blacktelephone",
    "cyclone": "cyclone", "house": "housebuilding", "houses": "housebuildings", "hotel": "hotel",
    "post office": "europeanpostoffice", "castle": "europeancastle", "shortcake": "shortcake",
    "briefs": None, "fork and knife with plate": "forkknife", "fork and knife": "forkandknife",
    "moai": "moyai", "game die": "gamedie", "pool 8 ball": "billiards", "mantelpiece clock": "manltepiececlock",
}
EMOJITWO = {"cricket": None, "cricket game": "cricket"}  # the game, not the animal
FLUENT = {"stuffed flatbread": "stuffedbread-flat", "phoenix": "phoenix-bird", "piñata": "pinata", "black bird": "blackbird"}


def slug(text):
    return re.sub(r"[^a-z0-9]+", "-", text.lower().replace("’", "").replace("ñ", "n")).strip("-")


@functools.cache
def package(style):
    return npm_package(*PACKAGES[style])


def _json(style, path):
    return json.loads((package(style) / path).read_text("utf-8"))


@functools.cache
def words(language="en"):
    """emojibase's entries that belong to a group, with names of group and subgroup."""
    names = _json("words", "meta/groups.json")
    entries = []
    for e in _json("words", f"{language}/data.json"):
        if "group" in e and "subgroup" in e:
            entries.append({**e, "group": names["groups"][str(e["group"])],
                            "subgroup": names["subgroups"][str(e["subgroup"])]})
    return entries


@functools.cache
def _unicode_names():
    return _json("words", "meta/unicode-names.json")


@functools.cache
def _datasource(style):
    files = {}
    for e in _json(style, "emoji.json"):
        for code in (e["unified"], e["non_qualified"]):
            if code:
                files[code] = e["image"]
    return files


@functools.cache
def _iconify(style):
    data = _json(style, "icons.json")
    return data, data["icons"], data.get("aliases", {})


def _render(size, **svg):
    import resvg_py
    from PIL import Image
    png = resvg_py.svg_to_bytes(width=size, height=size, skip_system_fonts=True, **svg)
    return Image.open(io.BytesIO(bytes(png))).convert("RGBA")


def picture(style, entry, size):
    """The drawing of an emojibase entry in a style as RGBA, `size` or more wide; or None."""
    from PIL import Image
    label, code = entry["label"], entry["hexcode"]
    names = [label, _unicode_names().get(code, "")]
    if style in ("noto", "twemoji"):
        company = {"noto": "google", "twemoji": "twitter"}[style]
        file = _datasource(style).get(code) or _datasource(style).get(code + "-FE0F")
        path = file and package(style) / "img" / company / "64" / file
        return Image.open(path).convert("RGBA") if path and path.exists() else None
    if style == "openmoji":
        for c in (code, code.replace("-FE0F", "")):
            path = package(style) / "color" / "svg" / f"{c}.svg"
            if path.exists():
                return _render(size, svg_path=str(path))
        return None
    if style == "fluent":
        plain = [FLUENT.get(label, slug(label)), *map(slug, names)]
        for name in plain + [f"{n}-default" for n in plain]:  # of those with skin tones
            path = package(style) / "icons" / "flat" / f"{name}.svg"
            if path.exists():
                return _render(size, svg_path=str(path))
        return None
    data, icons, aliases = _iconify(style)
    if style == "fxemoji":
        found = [FXEMOJI[label]] if label in FXEMOJI else [re.sub("[^a-z0-9]", "", n.lower()) for n in names]
    else:
        found = [EMOJITWO[label]] if label in EMOJITWO else [slug(n) for n in names]
    for name in found:
        icon = icons.get(name) or icons.get(aliases.get(name, {}).get("parent"))
        if icon:
            w, h = (icon.get(k, data.get(k, 16)) for k in ("width", "height"))
            box = f'{icon.get("left", 0)} {icon.get("top", 0)} {w} {h}'
            return _render(size, svg_string='<svg xmlns="http://www.w3.org/2000/svg" '
                           f'xmlns:xlink="http://www.w3.org/1999/xlink" viewBox="{box}" width="{w}" '
                           f'height="{h}">{icon["body"]}</svg>')
    return None


def scaled(image, size):
    """RGBA at `size`×`size`: Lanczos on colours weighted by alpha, so edges stay clean."""
    import numpy as np
    from PIL import Image
    side = max(image.size)
    if image.size != (side, side):
        square = Image.new("RGBA", (side, side))
        square.paste(image, ((side - image.width) // 2, (side - image.height) // 2))
        image = square
    a = np.asarray(image).astype("float32") / 255
    a[..., :3] *= a[..., 3:]
    b = np.stack([np.asarray(Image.fromarray(a[..., c], "F").resize((size, size), Image.LANCZOS))
                  for c in range(4)], -1)
    alpha = np.clip(b[..., 3:], 0, 1)
    colour = np.where(alpha > 1e-3, b[..., :3] / np.maximum(alpha, 1e-3), 0)
    out = np.concatenate([np.clip(colour, 0, 1), alpha], -1)
    return Image.fromarray((out * 255 + 0.5).astype("uint8"), "RGBA")


def on_white(image):
    from PIL import Image
    ground = Image.new("RGBA", image.size, "white")
    ground.alpha_composite(image)
    return ground.convert("RGB")
