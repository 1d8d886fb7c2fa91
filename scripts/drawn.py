"""MNIST's digits as strangers draw, scan, enlarge and photograph them, read by seesay's reader: pictures to
train on beside the digits themselves.

A digit is cropped to its ink, its strokes are made thicker or thinner, and it is scaled: by block means of
8x8 as other scans were made, or to 20 to 256 pixels, with a margin or without. Then come blur, uneven
light, grain, JPEG and either polarity. What the reader makes of that is 28x28 uint8. The network so learns
what the reader leaves: the width and softness of strokes, the traces of grain and of enlarging.
"""

from io import BytesIO

import numpy as np
from jaxtyping import Int, UInt8
from numpy.random import Generator
from PIL import Image, ImageFilter

from seesay.signal.image import as_content, read_image
from seesay.spec import PictureSpec

FINE = 4  # times finer than MNIST: the grid on which strokes grow and shrink
BLOCKS = 0.4  # fraction of pictures that are block means: the coarsest scans, hardest to read
SIDES = (20, 256)  # pixels: longer side of the ink, evenly spread on a logarithmic scale
LARGE = 64  # pixels: uneven light shows on no smaller picture


def drawn(
    pictures: UInt8[np.ndarray, "n 28 28"], rows: Int[np.ndarray, " m"], seed: int
) -> UInt8[np.ndarray, "m 1 28 28"]:
    """A drawing of each of these rows of MNIST's pictures, as read. Each has a generator of its own, so that
    fewer are the first of more. A drawing without ink that the reader finds is the picture itself."""
    read = np.empty((len(rows), 1, 28, 28), np.uint8)
    for number, row in enumerate(rows):
        view = drawing(pictures[row], np.random.default_rng((seed, number)))
        content = as_content(read_image(view, PictureSpec()))
        read[number] = content if content.any() else pictures[row]
    return read


def drawing(picture: UInt8[np.ndarray, "28 28"], random: Generator) -> Image.Image:
    """One digit, drawn and kept in a way that is drawn at random."""
    ink = Image.fromarray(picture)
    ink = ink.crop(ink.getbbox() or (0, 0, *ink.size))
    ink = ink.resize((FINE * ink.width, FINE * ink.height), Image.Resampling.BICUBIC)
    ink = _with_pen(ink, int(random.integers(-1, 4)))
    ink = _in_blocks(ink, random) if random.random() < BLOCKS else _scaled(ink, random)
    if random.random() < 0.5:
        ink = _with_margin(ink, random)
    if random.random() < 0.3:
        ink = ink.filter(ImageFilter.GaussianBlur(random.uniform(0, 0.03) * max(ink.size)))
    return _kept(np.asarray(ink, np.float32) / 255, random)


def _with_pen(ink: Image.Image, wider: int) -> Image.Image:
    """Strokes wider by twice so many pixels of the fine grid, with room for them."""
    if wider < 0:
        thinner = ink.filter(ImageFilter.MinFilter(1 - 2 * wider))
        return thinner if np.asarray(thinner).max() > 200 else ink
    room = Image.new("L", (ink.width + 2 * wider, ink.height + 2 * wider))
    room.paste(ink, (wider, wider))
    return room.filter(ImageFilter.MaxFilter(1 + 2 * wider)) if wider else room


def _in_blocks(ink: Image.Image, random: Generator) -> Image.Image:
    """A bilevel scan of 32x32 that the digit fills, averaged to 8x8 values of 0 to 16; often enlarged.

    So the digits of NIST that scikit-learn has were made (Alpaydin and Kaynak, 1998), none of which is used.
    """
    height, width = 32, 32
    if random.random() < 0.3:  # of its own aspect
        height, width = (max(8, round(32 * side / max(ink.size))) for side in ink.size[::-1])
    bilevel = np.asarray(ink.resize((width, height), Image.Resampling.BICUBIC)) > random.uniform(70, 150)
    page = np.zeros((32, 32))
    left, top = (32 - width) // 2, (32 - height) // 2
    page[top : top + height, left : left + width] = bilevel
    dots = page.reshape(8, 4, 8, 4).sum((1, 3))
    coarse = Image.fromarray(np.rint(dots * (255 / 16)).astype(np.uint8))
    if random.random() < 0.4:
        return coarse
    side = round(_spread(random, *SIDES))
    return coarse.resize((side, side), Image.Resampling.BICUBIC)


def _scaled(ink: Image.Image, random: Generator) -> Image.Image:
    """The ink at some size, straight from the fine grid or by way of MNIST's own."""
    way = random.random()
    longest = round(_spread(random, *SIDES))
    for longer in (20, longest) if way < 0.5 else (longest,):
        factor = longer / max(ink.size)
        size = max(2, round(factor * ink.width)), max(2, round(factor * ink.height))
        ink = ink.resize(size, Image.Resampling.BICUBIC)
    return ink


def _with_margin(ink: Image.Image, random: Generator) -> Image.Image:
    """Room on each side, up to two fifths of the ink's longer side."""
    left, top, right, bottom = (round(n) for n in max(ink.size) * random.uniform(0, 0.4, 4))
    room = Image.new("L", (ink.width + left + right, ink.height + top + bottom))
    room.paste(ink, (left, top))
    return room


def _kept(ink: np.ndarray, random: Generator) -> Image.Image:
    """As a picture: under some light, with grain, of either polarity, perhaps through JPEG."""
    grey = ink
    if min(ink.shape) > LARGE and random.random() < 0.3:
        down, across = (np.linspace(-0.5, 0.5, side)[:, None] for side in ink.shape)
        light = 0.8 + random.uniform(-0.3, 0.3) * down + random.uniform(-0.3, 0.3) * across.T
        grey = 1 - light * (1 - random.uniform(0.5, 0.9) * ink)
    if random.random() < 0.35:
        grey = grey + random.normal(0, random.uniform(0.02, 0.14), ink.shape)
    levels = np.rint(255 * np.clip(grey, 0, 1)).astype(np.uint8)
    picture = Image.fromarray(levels if random.random() < 0.5 else 255 - levels)
    if random.random() < 0.3:
        file = BytesIO()
        picture.save(file, "JPEG", quality=int(random.integers(40, 95)))
        return Image.open(file)
    return picture


def _spread(random: Generator, low: float, high: float) -> float:
    return float(np.exp(random.uniform(np.log(low), np.log(high))))
