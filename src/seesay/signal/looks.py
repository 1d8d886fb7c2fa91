"""Tell drawings from photos: strokes of one pen on an even ground or not, coloured or grey.

Every pixel of a drawing is a mix of two colours, the ground's and the pen's, and strokes are thin, few and
full of ink except at their edges. Several colours, texture, shading, other objects and filled shapes each
violate one of these.
"""

from dataclasses import dataclass
from os import PathLike

import numpy as np
from jaxtyping import Bool, Float
from PIL import Image
from scipy import ndimage

from seesay.errors import SeesayError
from seesay.signal.image import thumbnail
from seesay.signal.ink import GROUND as COARSE
from seesay.signal.ink import extent, stroke_width

Grey = Float[np.ndarray, "h w"]
Picture = Float[np.ndarray, "3 h w"]
Mask = Bool[np.ndarray, "h w"]
Colour = Float[np.ndarray, " 3"]

SIDE = 128
"""Pixels: longer side of the thumbnail that is examined."""

COLOURED = 0.1
"""Difference between a pixel's channels, out of 1, above which it is coloured. Grey saved as RGB JPEG has
0."""

# Limits between strokes and photos, from 54 sets of both (docs/log.md). Fractions are of what is not ground.
EVEN = 0.7  # fraction of the border within SHADE of its median; below, the ground is uneven
SHADE = 0.08  # of white
SMALL = 48  # pixels of the shorter side: below, uneven ground does not show
TINY = 16  # pixels of the longer side of the ink: below, strokes are a few pixels wide
FAINT = 0.05  # of white: least contrast of ink
GROUND = 0.25  # of full ink: less is ground
ODD = 0.3  # of full ink: residual of a pixel that no mix of ground and pen explains
FEW = 0.05  # fraction of pixels with such a residual, or on the other side of the ground than the pen
INSIDE = 0.25  # fraction of the inside of strokes that may be less than SOLID
SOLID = 0.8  # of full ink
STRAY = 1.5  # times the ink: area between ground and ink away from strokes, such as faint rules
THICK = {True: 0.32, False: 0.55}  # of the ink's extent: greatest thickness; by whether ink exceeds TINY
STEP = 0.08  # of white, from pixel to pixel of the estimated ground: paper ends here, shadows are softer
LONG = 5.5  # times the ink's extent: greatest total length of the strokes
BORDER = 0.55  # least fraction of the border that is ground, even in a digit cropped to its ink


@dataclass(frozen=True)
class Look:
    """What one picture looks like."""

    colour: bool
    """Whether more than 1 % of its pixels are coloured."""
    pen: Colour | None
    """Difference in red, green and blue between pen and ground, minus its mean; zero for a grey pen. None: a
    photo."""


def look(source: bytes | str | PathLike) -> Look | None:
    """The look of a picture. None if unreadable: reading it raises the error."""
    try:
        picture = thumbnail(source, SIDE)
    except SeesayError:
        return None
    return Look(bool((np.ptp(picture, axis=0) > COLOURED).mean() > 0.01), pen_of(picture))


def pen_of(picture: Picture) -> Colour | None:
    """The pen's colour, as in `Look`, if the picture (RGB, 0 to 1) is a few strokes of one pen; else None."""
    border = np.ones(picture.shape[1:], bool)
    border[1:-1, 1:-1] = False
    picture = evened(picture, border)
    rise = picture - np.median(picture[:, border], 1)[:, None, None]
    far = np.sqrt((rise**2).mean(0))
    strongest = np.argsort(far, axis=None)[-max(3, far.size // 100) :]
    pen = np.median(rise.reshape(3, -1)[:, strongest], 1)
    full = float(np.sqrt((pen**2).mean()))
    if full < FAINT:
        return None
    ink = (rise * pen[:, None, None]).mean(0) / full**2
    rest = np.sqrt(((rise - ink * pen[:, None, None]) ** 2).mean(0)) / full
    drawn = far > GROUND * full
    if (drawn & ((rest > ODD) | (ink < -GROUND))).sum() > FEW * drawn.sum() or drawn[
        border
    ].mean() > 1 - BORDER:
        return None
    return pen - pen.mean() if _are_strokes(ink) else None


def evened(picture: Picture, border: Mask) -> Picture:
    """The picture with its ground evened out, if that has no single value."""
    light = picture.mean(0)
    level = float(np.median(light[border]))
    if min(light.shape) < SMALL or (np.abs(light[border] - level) < SHADE).mean() > EVEN:
        return picture
    ground = uneven_ground(light)
    return picture * (level / np.maximum(ground, 0.1)) if level > 0.3 else picture - ground + level


def _are_strokes(ink: Float[np.ndarray, "h w"]) -> bool:
    """Whether ink forms a few thin strokes full of ink."""
    mask = ink > 0.5
    if not mask.any():
        return False
    longer = max(mask[extent(mask)].shape)
    thick = 2 * ndimage.distance_transform_edt(np.pad(mask, 1)).max() / longer
    length = mask.sum() / max(stroke_width(mask), 1) / longer
    inside = ndimage.binary_erosion(mask, iterations=1 if min(mask.shape) < SMALL else 2, border_value=1)
    shaded = (ink[inside] < SOLID).mean() if inside.any() else 0
    stray = (ink > GROUND) & ~ndimage.binary_dilation(mask, iterations=3)
    return bool(
        thick < THICK[longer > TINY]
        and length < LONG
        and shaded < INSIDE
        and stray.sum() < STRAY * mask.sum()
    )


def uneven_ground(grey: Grey) -> Grey:
    """Brightness of the paper: a wide median, corrected twice by the mean of the pixels close to it.

    Where the paper ends (the median jumps) it equals the picture, so that nothing stands out there.
    """
    factor = min(1.0, COARSE / max(grey.shape))
    height, width = (max(2, round(side * factor)) for side in grey.shape)  # a gradient needs two
    small = _resized(grey, (height, width), Image.Resampling.BOX)
    median = ndimage.median_filter(small, size=min(small.shape) // 4 * 2 + 1, mode="nearest")
    ground, wide = median, max(small.shape) / 16
    for _ in range(2):
        rise = small - ground
        paper = ~ndimage.binary_dilation(np.abs(rise) > max(4.5 * np.median(np.abs(rise)), 0.04))
        weight = ndimage.gaussian_filter(paper.astype(np.float32), wide)
        ground = ground + ndimage.gaussian_filter(rise * paper, wide) / np.maximum(weight, 0.01)
    edge = ndimage.maximum_filter(np.hypot(*np.gradient(median)) > STEP, 5)
    return np.where(_resized(edge, grey.shape) > 0.5, grey, _resized(ground, grey.shape))


def _resized(
    grey: Grey | Mask, shape: tuple[int, ...], method: Image.Resampling = Image.Resampling.BILINEAR
) -> Float[np.ndarray, "height width"]:
    picture = Image.fromarray(np.ascontiguousarray(grey, np.float32))
    return np.asarray(picture.resize((shape[1], shape[0]), method))
