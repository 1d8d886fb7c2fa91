"""Digits as people draw them on a canvas or photograph them on paper, made from strokes: unseen pictures to
measure a model on that was trained on scans. Nothing here is used in training, and nothing of training here.

Every digit has several allographs: strokes through points in a box that is 1 high, y downwards; a point
that stands twice is a corner. A hand moves the points, slants, turns and stretches; a pen has a width; a
canvas has a size, a place for the digit and colours. All draws come from one seed.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO

import numpy as np
from jaxtyping import Float
from numpy.random import Generator
from PIL import Image, ImageDraw
from scipy import ndimage

Points = Float[np.ndarray, "n 2"]
Ink = Float[np.ndarray, "h w"]

ALLOGRAPHS = {
    "0 closed": "36 1, 12 10, 1 45, 10 88, 30 99, 50 90, 59 50, 50 10, 36 1, 20 4",
    "0 narrow": "22 1, 7 10, 1 45, 6 88, 18 99, 30 90, 35 50, 30 10, 20 2",
    "0 open": "30 4, 12 10, 1 45, 10 88, 30 99, 50 90, 59 50, 50 10, 40 0",
    "1 bar": "10 0, 10 50, 10 100",
    "1 flag": "0 22, 18 0, 18 0, 18 100",
    "1 foot": "2 20, 20 0, 20 0, 20 100 / 0 100, 40 100",
    "2 straight": "2 22, 12 4, 36 0, 56 18, 44 52, 0 100, 0 100, 60 98",
    "2 round": "4 20, 26 0, 52 14, 46 46, 2 97, 20 93, 42 99, 62 93",
    "2 loop": "5 18, 25 0, 50 12, 46 45, 20 90, 5 98, 2 86, 16 83, 36 97, 62 95",
    "3 round": "3 12, 25 0, 48 12, 42 38, 20 46, 20 46, 46 56, 54 78, 30 100, 0 90",
    "3 flat": "2 2, 50 0, 50 0, 22 40, 22 40, 48 50, 52 76, 28 100, 0 88",
    "4 open": "10 0, 2 55, 2 55, 58 55 / 46 10, 42 100",
    "4 closed": "44 100, 44 0, 44 0, 0 66, 0 66, 62 66",
    "4 curved": "6 2, 3 30, 14 50, 52 46 / 54 2, 50 50, 48 100",
    "5 hat": "10 0, 6 42, 6 42, 34 38, 54 62, 38 95, 0 92 / 10 0, 54 2",
    "5 single": "54 0, 12 2, 12 2, 8 42, 8 42, 36 40, 52 66, 34 97, 0 92",
    "6 straight": "40 0, 14 34, 2 70, 16 98, 42 93, 50 70, 30 55, 6 70",
    "6 curly": "50 8, 34 0, 10 22, 0 66, 14 97, 40 96, 52 74, 34 54, 8 64",
    "7 plain": "0 4, 56 0, 56 0, 20 100",
    "7 bar": "0 4, 56 0, 56 0, 20 100 / 12 50, 54 46",
    "7 hook": "0 16, 3 2, 3 2, 54 3, 54 3, 34 45, 26 100",
    "8 one stroke": "46 12, 26 0, 6 14, 16 38, 42 58, 50 82, 26 100, 2 82, 12 58, 38 38, 48 16, 40 5",
    "8 two rings": "26 0, 7 14, 10 36, 26 45, 43 35, 45 13, 26 0 /"
    "26 45, 4 60, 4 88, 26 100, 48 87, 48 60, 26 45",
    "9 straight": "52 12, 28 0, 4 14, 6 40, 28 47, 50 30, 54 8 / 56 8, 55 40, 50 100",
    "9 curved": "50 14, 30 0, 4 16, 10 43, 34 44, 52 18, 54 50, 44 92, 22 100, 4 90",
}
"""By `digit name`: points as `x y` in hundredths, a comma between two, a slash between two strokes."""

FINE = 3  # times finer than the canvas: the grid that strokes are drawn on, for smooth edges
DENSE = 16  # points of the curve between two points of the stroke
HASTE = (0.015, 0.05)  # of the digit's height: by how much a hand misses a point (standard deviation)
WIDTHS = (0.02, 0.12)  # of the digit's height: pens, from pencil to marker
SIDES = (100, 600)  # pixels: the shorter side of a canvas
HEIGHTS = (0.35, 0.85)  # of the canvas's shorter side: how high a digit is
GROUNDS = ("dark on light", "light on dark", "coloured", "transparent", "bilevel")
SHARES = (0.35, 0.25, 0.2, 0.12, 0.08)  # of the grounds


@dataclass(frozen=True)
class Drawing:
    """A digit, how it was written and on what ground, and the picture."""

    digit: int
    allograph: str
    ground: str
    picture: Image.Image


def drawings(count: int, seed: int) -> Iterator[Drawing]:
    """So many canvas drawings, the ten digits in turn."""
    for number, random in _turns(count, seed):
        allograph, ink = _written(number % 10, random)
        ground = str(random.choice(GROUNDS, p=SHARES))
        yield Drawing(number % 10, allograph, ground, _coloured(ink, ground, random))


def printed(count: int, seed: int) -> Iterator[Drawing]:
    """So many drawings in a frame, on rules and on squares of a program, in turn, the ten digits in turn."""
    for number, random in _turns(count, seed):
        allograph, ink = _written(number % 10, random)
        lines = ("frame", "rules", "squares")[number // 10 % 3]
        under = np.maximum(ink, _printed(lines, ink.shape, random))
        yield Drawing(
            number % 10, allograph, lines, _coloured(under, str(random.choice(GROUNDS, p=SHARES)), random)
        )


def photos(count: int, seed: int) -> Iterator[Drawing]:
    """So many photos of notes, blank, ruled and squared in turn, the ten digits in turn."""
    for number, random in _turns(count, seed):
        allograph, ink = _written(number % 10, random, least=300)
        ground = ("blank", "ruled", "squared")[number // 10 % 3]
        yield Drawing(number % 10, allograph, ground, _photographed(ink, ground, random))


def _turns(count: int, seed: int) -> Iterator[tuple[int, Generator]]:
    """A generator for each picture, so that the first hundred of two hundred are the hundred."""
    return ((number, np.random.default_rng((seed, number))) for number in range(count))


# --------------------------------------------------------------------------------------------------- the hand


def _written(digit: int, random: Generator, least: int = SIDES[0]) -> tuple[str, Ink]:
    """How much ink (0 to 1) each pixel of a canvas has, and the allograph that is written on it."""
    name = str(random.choice([name for name in ALLOGRAPHS if name[0] == str(digit)]))
    strokes = by_hand(strokes_of(name), random)
    side = _log_uniform((least, SIDES[1]), random)
    shape = np.rint(side * np.where(random.permutation(2), 1, random.choice([1, 1, random.uniform(1, 1.6)])))
    low, high = np.concatenate(strokes).min(0), np.concatenate(strokes).max(0)
    width = _log_uniform(WIDTHS, random)
    room = 1 - width - 4 / side  # of the digit's size: the pen's own width and a margin stay inside
    size = min(side * random.uniform(*HEIGHTS), *(room * shape[::-1] / np.maximum(high - low, 0.1)))
    pen = max(1.5, width * size)
    free = shape[::-1] - size * (high - low) - pen - 2
    corner = pen / 2 + 1 + np.maximum(free, 0) * random.uniform(0, 1, 2)
    placed = [(stroke - low) * size + corner for stroke in strokes]
    return name, inked(placed, pen, (int(shape[0]), int(shape[1])))


def strokes_of(allograph: str) -> list[Points]:
    """Its strokes, 1 high."""
    strokes = [stroke.split(",") for stroke in ALLOGRAPHS[allograph].split("/")]
    return [np.array([point.split() for point in stroke], float) / 100 for stroke in strokes]


def by_hand(strokes: list[Points], random: Generator) -> list[Points]:
    """The strokes as curves, each point moved a little, all slanted, turned and stretched."""
    haste = _log_uniform(HASTE, random)
    moved = [curve(stroke + _followed(random.normal(0, haste, stroke.shape), stroke)) for stroke in strokes]
    slant, turn = np.tan(np.deg2rad(random.uniform(-20, 20))), np.deg2rad(random.uniform(-12, 12))
    wide = np.exp(random.uniform(-0.35, 0.35))
    matrix = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    matrix = matrix @ np.array([[wide, -slant], [0, 1]])
    return [stroke @ matrix.T for stroke in moved]


def _followed(moves: Points, stroke: Points) -> Points:
    """The moves, the second of two equal points moved as the first: it stays a corner."""
    other = np.concatenate([[True], np.any(np.diff(stroke, axis=0) != 0, 1)])
    return moves[np.maximum.accumulate(np.where(other, np.arange(len(stroke)), 0))]


def curve(points: Points) -> Points:
    """A curve through the points (Catmull-Rom's spline)."""
    ends = np.concatenate([points[:1], points, points[-1:]])
    before, start, end, after = (ends[i : len(ends) - 3 + i, None] for i in range(4))
    t = np.linspace(0, 1, DENSE)[:, None]
    bent = (end - before) + (2 * before - 5 * start + 4 * end - after) * t
    return (start + t / 2 * (bent + (3 * (start - end) + after - before) * t**2)).reshape(-1, 2)


def inked(strokes: list[Points], pen: float, shape: tuple[int, int]) -> Ink:
    """Strokes of a round pen, in pixels: how much of each pixel is covered."""
    canvas = Image.new("L", (shape[1] * FINE, shape[0] * FINE))
    draw, radius = ImageDraw.Draw(canvas), pen * FINE / 2
    for stroke in strokes:
        path = [(x * FINE, y * FINE) for x, y in stroke]
        draw.line(path, 255, max(1, round(2 * radius)))
        for x, y in path:
            draw.ellipse((x - radius, y - radius, x + radius, y + radius), 255)
    return np.asarray(canvas.resize((shape[1], shape[0]), Image.Resampling.BOX), np.float32) / 255


def _log_uniform(limits: tuple[float, float], random: Generator) -> float:
    """Evenly spread on a logarithmic scale."""
    return float(np.exp(random.uniform(*np.log(limits))))


# ------------------------------------------------------------------------------------------------- the ground


def _printed(lines: str, shape: tuple[int, ...], random: Generator) -> Ink:
    """Lines on a page of this shape: a frame as dark as the ink, rules and squares fainter."""
    page, side = np.zeros(shape), min(shape)
    thick = int(random.integers(1, 2 + side // 60))
    if lines == "frame":
        inset = int(random.integers(0, 1 + side // 12))
        inner = np.s_[inset + thick : -inset - thick]
        page[inset : shape[0] - inset, inset : shape[1] - inset] = 1
        page[inner, inner] = 0
        return page
    period, faint = int(random.integers(side // 14, side // 6)), random.uniform(0.15, 0.6)
    start = int(random.integers(period))
    page[start::period] = faint
    if lines == "squares":
        page[:, start::period] = faint
    return page


def _coloured(ink: Ink, ground: str, random: Generator) -> Image.Image:
    """The ink in some colour, on paper of another: at least 0.3 of white between them."""
    paper, pen = random.uniform(0, 1, (2, 3))
    while abs(_luma(paper) - _luma(pen)) < 0.3:
        paper, pen = random.uniform(0, 1, (2, 3))
    if ground == "transparent":
        picture = Image.new("RGBA", ink.shape[::-1], tuple((255 * pen).astype(int)))
        picture.putalpha(Image.fromarray(np.rint(255 * ink).astype(np.uint8)))
        return picture
    if ground == "coloured":
        mixed = paper + ink[:, :, None] * (pen - paper)
        return Image.fromarray(np.rint(255 * mixed).astype(np.uint8))
    light = 1 - ink if ground != "light on dark" else ink
    if ground == "bilevel":
        return Image.fromarray(light > 0.5)
    low, high = random.choice([0, random.uniform(0, 0.2)]), random.choice([1, random.uniform(0.8, 1)])
    return Image.fromarray(np.rint(255 * (low + (high - low) * light)).astype(np.uint8))


def _luma(colour: np.ndarray) -> float:
    return float(colour @ (0.299, 0.587, 0.114))  # ITU-R BT.601


def _photographed(ink: Ink, ground: str, random: Generator) -> Image.Image:
    """On paper under uneven light, in the shadow of a hand, out of focus, with noise, as JPEG."""
    height, width = ink.shape
    y, x = np.mgrid[0:height, 0:width] / max(height, width)
    across, down = random.uniform(-0.3, 0.3, 2)
    light = random.uniform(0.6, 0.95) + across * (x - 0.5) + down * (y - 0.5)
    edge = x * random.normal() + y * random.normal() - random.uniform(-0.5, 0.8)
    shadow = 1 - random.uniform(0, 0.35) / (1 + np.exp(-edge / random.uniform(0.02, 0.1)))
    paper = random.uniform(0.85, 1) * np.ones_like(ink)
    if ground != "blank":
        period, slope = random.uniform(30, 70), random.uniform(-0.015, 0.015)
        start, grey = random.uniform(0, period), random.uniform(0.65, 0.85)
        paper[(np.arange(height)[:, None] + slope * np.arange(width) + start) % period < 2] *= grey
        if ground == "squared":
            paper[(np.arange(width) - slope * np.arange(height)[:, None] + start) % period < 2] *= grey
    grain = ndimage.gaussian_filter(random.normal(size=ink.shape), 1.5) * 0.03
    seen = light * shadow * paper * (1 - ink * random.uniform(0.4, 0.85)) + grain
    seen = ndimage.gaussian_filter(seen, random.uniform(0.4, 1.5)) + random.normal(0, 0.015, ink.shape)
    file = BytesIO()
    shades = np.rint(255 * np.clip(seen, 0, 1)).astype(np.uint8)
    Image.fromarray(shades).save(file, "JPEG", quality=int(random.integers(40, 90)))
    return Image.open(file)
