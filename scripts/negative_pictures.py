"""Pictures that show no digit, to train on as negatives: letters, scribbles, pieces, several digits, noise.

    apt install fonts-noto-core fonts-liberation fonts-breip fonts-femkeklaver fonts-dkg-handwriting \
        fonts-comic-neue

Nothing here may look like a digit (no i, l, o, s, z, b, g, q), and nothing like what benchmarks/unknowns.py
tests with: no capital letter of the Latin alphabet and no letter of another that looks like one, no Greek, no
punctuation, no filled shape, and no font of the DejaVu family. All draws come from one seed.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path

import numpy as np
from jaxtyping import Float, UInt8
from numpy.random import Generator
from PIL import Image, ImageDraw, ImageFont
from scipy import ndimage
from scipy.interpolate import splev, splprep

from seesay.errors import InputError
from seesay.signal.readers import read_picture
from seesay.spec import PictureSpec

Ink = Float[np.ndarray, "h w"]
Digits = UInt8[np.ndarray, "n 28 28"]

FONTS = Path("/usr/share/fonts")
SIDE = 72  # pixels of the page that is drawn on
SIZE = 44  # pixels: the height of a font

LATIN = "adefhjmnrt"
CYRILLIC = "ЖЩЮЯЙЦШДжщюяйцшд"


def _letters(first: int, last: int, but: str = "") -> str:
    return "".join(chr(code) for code in range(first, last + 1) if chr(code) not in but)


ALPHABETS: Mapping[str, tuple[str, Sequence[str]]] = {
    "Latin, printed": (
        LATIN,
        ("NotoSans-Regular", "NotoSerif-Regular", "LiberationSans-Bold", "LiberationSerif-Italic"),
    ),
    "Latin, by hand": (LATIN, ("Breip", "femkeklaver", "dkg", "ComicNeue-Regular")),
    "Cyrillic": (CYRILLIC, ("NotoSans-Regular", "NotoSerif-Bold", "LiberationMono-Regular")),
    "Hebrew": ("אבגהחכלמנעצקשת", ("NotoSansHebrew-Regular", "NotoSerifHebrew-Regular")),
    "Armenian": (_letters(0x561, 0x586, "ոսօզջց"), ("NotoSansArmenian-Regular", "NotoSerifArmenian-Regular")),
    "Georgian": (
        _letters(0x10D0, 0x10F0, "ვთიმნ"),
        ("NotoSansGeorgian-Regular", "NotoSerifGeorgian-Regular"),
    ),
    "Devanagari": (_letters(0x905, 0x939), ("NotoSansDevanagari-Regular",)),
    "Tamil": ("அஆஇஈஉஊஎஏஐககஙசஞடணதநபமயரலவழளறன", ("NotoSansTamil-Regular",)),
    "Thai": (_letters(0xE01, 0xE2E), ("NotoSansThai-Regular", "NotoSerifThai-Regular")),
    "Ethiopic": (_letters(0x1208, 0x1246), ("NotoSansEthiopic-Regular",)),
}
"""By name: letters, and the fonts that have them."""

SHARES = {"letter": 0.4, "scribble": 0.12, "outline": 0.12, "several": 0.12, "pieces": 0.12, "texture": 0.12}
"""How many of the pictures are of which kind."""


def pictures(count: int, seed: int, digits: Digits) -> UInt8[np.ndarray, "n 1 28 28"]:
    """So many pictures, read like a user's. `digits`: training pictures that some are put together from.
    A missing font: InputError."""
    random = np.random.default_rng(seed)
    kinds = random.choice(list(SHARES), count, p=list(SHARES.values()))
    return np.concatenate([of_kind(kind, 1, random, digits) for kind in kinds])


def of_kind(kind: str, count: int, random: Generator, digits: Digits) -> UInt8[np.ndarray, "n 1 28 28"]:
    """So many pictures of one of KINDS."""
    spec, found = PictureSpec(reader="ink"), []
    while len(found) < count:
        page = _on_paper(KINDS[kind](random, digits), random)
        with contextlib.suppress(InputError):  # the reader found no ink
            found.append(read_picture(page, spec))
    return np.stack(found)


def _on_paper(ink: Ink, random: Generator) -> UInt8[np.ndarray, "h w"]:
    """Ink on paper or chalk on slate."""
    dark, light = random.uniform(0, 0.4), random.uniform(0.7, 1)
    grey = light - (light - dark) * np.clip(ink, 0, 1)
    return np.uint8(255 * (grey if random.random() < 0.6 else 1 - grey))


def warped(ink: Ink, random: Generator) -> Ink:
    """The ink slanted, turned, stretched and bent, with another width of the pen."""
    turn, slant = random.normal(0, 0.12), random.normal(0, 0.2)
    stretch = np.exp(random.normal(0, 0.15, 2))
    matrix = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn) + slant, np.cos(turn)]]) * stretch
    middle = np.array(ink.shape) / 2
    rough = random.standard_normal((2, *ink.shape)) * random.uniform(0, 90, (2, 1, 1))
    places = np.stack(np.meshgrid(*map(np.arange, ink.shape), indexing="ij"), -1) - middle
    places = np.moveaxis(places @ matrix.T + middle, -1, 0) + ndimage.gaussian_filter(rough, (0, 9, 9))
    moved = ndimage.map_coordinates(ink, places, order=1)
    width = int(random.integers(-1, 4))
    return ndimage.grey_dilation(moved, size=width + 1) if width > 0 else moved


def letter(random: Generator, digits: Digits) -> Ink:
    """A letter of one of ALPHABETS."""
    letters, names = ALPHABETS[str(random.choice(list(ALPHABETS)))]
    page = Image.new("L", (SIDE, SIDE))
    middle = (SIDE // 2, SIDE // 2)
    text, font = str(random.choice(list(letters))), _font(str(random.choice(list(names))))
    ImageDraw.Draw(page).text(middle, text, 255, font, anchor="mm")
    return warped(np.asarray(page) / 255, random)


def check_fonts() -> None:
    """InputError if a font is missing: asked for before hours of work."""
    for _, names in ALPHABETS.values():
        for name in names:
            _font(name)


@cache
def _font(name: str) -> ImageFont.FreeTypeFont:
    files = sorted(file for ending in ("ttf", "otf") for file in FONTS.rglob(f"{name}.{ending}"))
    if not files:
        raise InputError(f"no font {name} in {FONTS}", "Install the packages that this file begins with.")
    return ImageFont.truetype(str(files[0]), SIZE)


def scribble(random: Generator, digits: Digits) -> Ink:
    """One long stroke to and fro, or several short ones."""
    page = Image.new("L", (SIDE, SIDE))
    draw, width = ImageDraw.Draw(page), int(random.integers(2, 7))
    if random.random() < 0.6:
        points = random.uniform(8, SIDE - 8, (int(random.integers(10, 18)), 2))
        curve = np.array(splev(np.linspace(0, 1, 200), splprep(points.T, s=0)[0])).T
        draw.line([tuple(point) for point in curve], 255, width)
    else:
        for start, end in random.uniform(8, SIDE - 8, (int(random.integers(5, 10)), 2, 2)):
            draw.line([tuple(start), tuple(end)], 255, width)
    return np.asarray(page) / 255


def outline(random: Generator, digits: Digits) -> Ink:
    """Lines of a shape: a triangle, a cross, an arrow, a star, a grid, waves, a spiral."""
    page = Image.new("L", (SIDE, SIDE))
    draw, width = ImageDraw.Draw(page), int(random.integers(2, 7))
    paths = OUTLINES[str(random.choice(list(OUTLINES)))](random)
    for path in paths:
        draw.line([tuple(SIDE * (0.12 + 0.76 * point)) for point in np.asarray(path)], 255, width, "curve")
    turned = ndimage.rotate(np.asarray(page) / 255, random.uniform(0, 360), reshape=False, order=1)
    return warped(turned, random)


def _star(random: Generator) -> list[np.ndarray]:
    corners = int(random.integers(5, 8))
    angle = np.arange(2 * corners + 1) * np.pi / corners
    far = np.where(np.arange(2 * corners + 1) % 2, random.uniform(0.2, 0.3), 0.5)
    return [0.5 + far[:, None] * np.stack([np.cos(angle), np.sin(angle)], 1)]


def _grid(random: Generator) -> list[np.ndarray]:
    across, down = (np.linspace(0, 1, int(random.integers(3, 6))) for _ in "xy")
    lines = [[(x, 0), (x, 1)] for x in across] + [[(0, y), (1, y)] for y in down]
    return [np.array(line) for line in lines]


def _waves(random: Generator) -> list[np.ndarray]:
    x, turns = np.linspace(0, 1, 80), random.uniform(2, 5)
    return [np.stack([x, 0.5 + random.uniform(0.1, 0.4) * np.sin(2 * np.pi * turns * x)], 1)]


def _spiral(random: Generator) -> list[np.ndarray]:
    angle = np.linspace(0, 2 * np.pi * random.uniform(2, 4), 160)
    far = 0.5 * (angle / angle[-1])[:, None]
    return [0.5 + far * np.stack([np.cos(angle), np.sin(angle)], 1)]


OUTLINES: Mapping[str, Callable[[Generator], Sequence[Sequence]]] = {
    "triangle": lambda random: [[(0, 1), (random.uniform(0, 1), 0), (1, 1), (0, 1)]],
    "cross": lambda random: [[(0, 0.5), (1, 0.5)], [(0.5, 0), (0.5, 1)]],
    "arrow": lambda random: [[(0, 0.5), (1, 0.5)], [(0.6, 0.1), (1, 0.5), (0.6, 0.9)]],
    "star": _star,
    "grid": _grid,
    "waves": _waves,
    "spiral": _spiral,
}
"""By name: the paths to draw in a box of side 1."""


def several(random: Generator, digits: Digits) -> Ink:
    """Two to four digits next to each other, or one above another."""
    picked = digits[random.integers(0, len(digits), int(random.integers(2, 5)))] / 255
    step = int(random.integers(12, 22))
    page = np.zeros((36, 36 + step * (len(picked) - 1)))
    for i, digit in enumerate(picked):
        top = int(random.integers(0, 9))
        part = page[top : top + 28, i * step : i * step + 28]
        np.maximum(part, digit[:, : part.shape[1]], out=part)
    return np.kron(page if random.random() < 0.7 else page.T, np.ones((2, 2)))


def pieces(random: Generator, digits: Digits) -> Ink:
    """A digit whose quarters are shuffled and turned, or two digits on top of each other."""
    one, other = digits[random.integers(0, len(digits), 2)] / 255
    if random.random() < 0.35:
        return np.kron(np.maximum(one, np.rot90(other)), np.ones((2, 2)))
    corners = [(y, x) for y in (4, 14) for x in (4, 14)]
    quarters = [np.rot90(one[y : y + 10, x : x + 10], random.integers(0, 4)) for y, x in corners]
    a, b, c, d = (quarters[i] for i in (1, 2, 3, 0))
    return np.kron(np.block([[a, b], [c, d]]), np.ones((2, 2)))


def texture(random: Generator, digits: Digits) -> Ink:
    """Grains, stripes or checks."""
    y, x = np.mgrid[:SIDE, :SIDE] / SIDE
    kind = random.integers(0, 3)
    if kind == 0:
        grain = ndimage.gaussian_filter(random.standard_normal((SIDE, SIDE)), random.uniform(2, 4))
        return (grain > np.quantile(grain, random.uniform(0.55, 0.85))).astype(float)
    turn, pitch = random.uniform(0, np.pi), random.uniform(2, 5)
    along, across = (np.cos(turn) * x + np.sin(turn) * y, np.cos(turn) * y - np.sin(turn) * x)
    if kind == 1:
        return (np.sin(2 * np.pi * pitch * along) > random.uniform(-0.7, 0.7)).astype(float)
    return ((np.sin(2 * np.pi * pitch * along) > 0) ^ (np.sin(2 * np.pi * pitch * across) > 0)).astype(float)


KINDS: Mapping[str, Callable[[Generator, Digits], Ink]] = {
    "letter": letter,
    "scribble": scribble,
    "outline": outline,
    "several": several,
    "pieces": pieces,
    "texture": texture,
}
