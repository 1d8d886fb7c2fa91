"""Read a picture from a file, bytes, an array or Pillow as float32 `(channels, height, width)` in 0 to 1.

All later code sees one format and one polarity. `as_content` makes the result storable; the model's front end
(signal/front_ends.py) makes features of contents.
"""

import math
from dataclasses import dataclass
from io import BytesIO
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, UInt8
from PIL import Image, ImageOps, UnidentifiedImageError

from seesay.errors import InputError
from seesay.signal import media
from seesay.signal.ink import LONGEST, lay_out
from seesay.spec import PictureSpec

Source = bytes | str | PathLike | np.ndarray | Image.Image

SMALLEST = 2  # pixels: a shorter side shows nothing, whichever the reader
LARGEST = 50_000_000  # pixels: as many as common cameras have; a decompression bomb unpacks to gigabytes
OVERSHOOT = 1.05  # times white: scaled or sharpened floats exceed white a little, and are clipped
ORIENTATION = 0x0112  # the EXIF tag, and those of its values that swap height and width
SIDEWAYS = (5, 6, 7, 8)
BITS_PER_SAMPLE = 258  # a TIFF tag


def read_image(source: Source, spec: PictureSpec) -> Float[np.ndarray, "c h w"]:
    """A picture read as the spec says: float32 in 0 to 1, of shape `spec.shape`, or of its own for a photo.

    The source is a path, the bytes of a file in any format that Pillow decodes by itself (HEIC with the extra
    `media`), a Pillow picture, or an array `(h, w)`, `(h, w, c)` or `(c, h, w)` with 1, 3 or 4 channels. EXIF
    orientation is applied; only the first frame of an animation is read; arrays with several channels are
    rounded to 8 bits.

    `ink` finds the ink on its paper and lays it out like MNIST (seesay.signal.ink): a MNIST picture is
    unchanged bit for bit, a blank page is all zeros, a transparent background gets the opposite brightness of
    what is drawn on it, and contrast does not matter. A `photo` is kept whole, scaled down if its longer side
    exceeds `spec.max_side` pixels; a transparent background becomes white, and all pictures of a data set
    share one white value (`_white`). Without a reader only arrays of exactly `spec.shape` are accepted, uint8
    or in 0 to 1.

    Raises InputError, naming the file, if it is missing, empty, no picture, truncated, under 2 pixels on a
    side or over 50 megapixels (refused before decoding); and for an array of another shape, empty, with NaN
    or infinities, or brighter than white.
    """
    if spec.reader is None:
        return _ready_made(source, spec)
    if isinstance(source, np.ndarray):
        picture = _from_array(source, spec)
    elif isinstance(source, Image.Image):
        picture = _decoded(source, "the picture", spec)
    else:
        name = _name(source)
        with _opened(source, name) as file:
            _check_size(file.size, name)
            factor = _spare(file.size, spec)
            smaller = max(1, file.width // factor), max(1, file.height // factor)
            file.draft("L" if spec.reader == "ink" else None, smaller)
            picture = _decoded(file, name, spec)
    factor = _spare(picture.size, spec)
    picture = picture.reduce(factor) if factor > 1 else picture
    return _ink(picture, spec) if spec.reader == "ink" else _photo(picture, spec)


@dataclass(frozen=True)
class Facts:
    """Size of a picture file, and its largest value where the file does not state which value is white."""

    height: int
    """Pixels, upright."""
    width: int
    peak: float | None = None
    """Largest value, for more than 8 bits. None: it has 8 bits, or states its white."""
    whole: bool = True
    """Whether values are integers."""


def facts_of(source: bytes | str | PathLike) -> Facts | None:
    """Size and peak of a picture, decoded only if it has more than 8 bits. None if unreadable: reading it
    raises the error."""
    try:
        with _opened(source, name := _name(source)) as file:
            _check_size(file.size, name)
            sideways = file.getexif().get(ORIENTATION, 1) in SIDEWAYS
            width, height = reversed(file.size) if sideways else file.size
            if not _is_deep(file) or _stated_white(file) is not None:
                return Facts(height, width)
            values = _checked(np.asarray(file), name)
            return Facts(height, width, float(values.max()), values.dtype.kind != "f")
    except Exception:  # decoders raise anything on damaged bytes
        return None


def thumbnail(source: bytes | str | PathLike, longest: int) -> Float[np.ndarray, "3 h w"]:
    """The whole picture in colour, 0 to 1, its longer side at most `longest` pixels.

    A transparent background gets the opposite brightness of what is opaque; with more than 8 bits, white is
    about the brightest value. InputError as in `read_image`.
    """
    with _opened(source, name := _name(source)) as file:
        _check_size(file.size, name)
        file.draft("RGB", (2 * longest, 2 * longest))
        picture = _decoded(file, name, PictureSpec("ink"))
    if picture.mode == "F":
        picture = Image.fromarray(np.rint(np.asarray(picture) * 255).astype(np.uint8))
    if picture.mode == "RGBA":
        grey, alpha = _grey(picture.convert("L")), _grey(picture.getchannel("A"))
        ground = round(255 * float(_ground_under(grey, alpha)))
        picture = Image.alpha_composite(Image.new("RGBA", picture.size, (ground,) * 3), picture)
    picture = picture.convert("RGB")
    if max(picture.size) > longest:
        factor = longest / max(picture.size)
        size = (max(2, round(picture.width * factor)), max(2, round(picture.height * factor)))
        picture = picture.resize(size, Image.Resampling.BOX)
    return np.asarray(picture, np.float32).transpose(2, 0, 1) / np.float32(255)


def as_content(picture: Float[np.ndarray, "c h w"]) -> UInt8[np.ndarray, "c h w"]:
    """A picture in 0 to 1 as uint8 for storage: rounded to 0-255."""
    return np.rint(picture * 255).astype(np.uint8)


# ------------------------------------------------------------------------------------------ the two readers


def _spare(size: tuple[int, int], spec: PictureSpec) -> int:
    """The integer factor by which a picture can be downscaled before reading, without visible loss."""
    if spec.reader == "ink":
        return max(1, max(size) // LONGEST)
    return max(1, max(size) // (3 * spec.max_side))


def _ink(picture: Image.Image, spec: PictureSpec) -> Float[np.ndarray, "c h w"]:
    grey = _grey(_contrasting(picture))
    if picture.mode == "RGBA":
        alpha = _grey(picture.getchannel("A"))
        grey = grey * alpha + _ground_under(grey, alpha) * (1 - alpha)
    return np.repeat(lay_out(grey, spec.height, spec.width)[None], spec.channels, axis=0)


def _contrasting(picture: Image.Image) -> Image.Image:
    """The picture in grey: its luma, or one channel where luma hides the contrast, as of red ink on green."""
    if picture.mode != "RGB":
        return picture
    luma, channels = picture.convert("L"), np.ptp(picture.getextrema(), axis=1)
    best = int(np.argmax(channels))
    return picture.getchannel(best) if channels[best] > 4 * np.ptp(luma.getextrema()) else luma


def _grey(picture: Image.Image) -> Float[np.ndarray, "h w"]:
    """Luma (ITU-R BT.601, Pillow's) between 0 and 1."""
    if picture.mode == "F":
        return np.array(picture)
    return np.asarray(picture.convert("L"), np.float32) / np.float32(255)


def _ground_under(grey: Float[np.ndarray, "h w"], alpha: Float[np.ndarray, "h w"]) -> np.float32:
    """The background for a transparent picture: its own paper if it has some, else the opposite of its
    ink."""
    seen = grey[alpha > 0.5]
    if seen.size > grey.size / 2 and np.ptp(np.quantile(seen, (0.02, 0.98))) > 0.25:
        return np.float32(np.median(seen))
    light = seen.size > 0 and seen.mean() > 0.5
    return np.float32(0 if light else 1)


def _photo(picture: Image.Image, spec: PictureSpec) -> Float[np.ndarray, "c h w"]:
    if picture.mode == "RGBA":
        picture = Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture)
    if picture.mode != "F":
        picture = picture.convert("L" if spec.channels == 1 else "RGB")
    fitted = np.asarray(_smaller(picture, spec.max_side))
    planes = np.atleast_3d(fitted).transpose(2, 0, 1).astype(np.float32)
    if picture.mode == "F":
        return np.repeat(np.clip(planes, 0, 1), spec.channels, axis=0)
    return np.ascontiguousarray(planes) / np.float32(255)


def _smaller(picture: Image.Image, longest: int) -> Image.Image:
    """The picture, scaled down if its longer side exceeds `longest` pixels."""
    factor = longest / max(picture.size)
    if factor >= 1:
        return picture
    size = max(1, round(picture.width * factor)), max(1, round(picture.height * factor))
    return picture.resize(size, Image.Resampling.BICUBIC)


# --------------------------------------------------------------------------------------- which value is white


def _is_deep(picture: Image.Image) -> bool:
    """Whether it has one channel of more than 8 bits; Pillow cuts several channels to their upper 8 bits."""
    return picture.mode[0] in "IF"


def _stated_white(picture: Image.Image) -> float | None:
    """The white value that the file states: of a 12-bit TIFF, or a PGM, which Pillow scales to 16 bits."""
    if picture.format == "PPM" and picture.mode == "I":
        return 65_535.0
    if picture.format == "TIFF":
        bits = max(getattr(picture, "tag_v2", {}).get(BITS_PER_SAMPLE, (16,)))
        return 2.0**bits - 1 if 8 < bits < 16 else None
    return None


def _white(values: np.ndarray, spec: PictureSpec, stated: float | None, name: str) -> float:
    """The white value: as the file states, else the spec's (one for a whole data set), else by dtype.

    One picture alone decides it only for ink, where contrast does not matter. A picture brighter than white
    comes from another source: InputError.
    """
    peak = float(values.max())
    if spec.reader == "ink":
        white = full_scale(peak)
    else:
        by_type = 1 if values.dtype.kind == "f" else 65_535
        white = stated or spec.white or by_type
    if peak > (65_535 if spec.reader == "ink" else OVERSHOOT * white):
        remedy = "Scale it to that range, or give uint8, 0 to 255."
        if spec.white:
            remedy = "Scale it to the range of the pictures of the model or data set."
        low = float(values.min())
        raise InputError(
            f"{name} has values from {low:g} to {peak:g}, expected 0 to {min(white, 65_535):g}", remedy
        )
    return white


def full_scale(peak: float) -> float:
    """The smallest of 1, 3, 7 ... 65,535 (a full range of bits) that is at least `peak`."""
    return 2.0 ** max(1, math.ceil(math.log2(peak + 1))) - 1


# -------------------------------------------------------------------------------------------------- opening


def _check_size(size: tuple[int, int], name: str) -> None:
    width, height = size
    if min(size) < SMALLEST:
        raise InputError(
            f"{name} is {width}x{height} pixels, too small to show anything", "Give a larger one."
        )
    if width * height > LARGEST:
        limit = f"more than the limit of {LARGEST // 1_000_000} megapixels"
        raise InputError(f"{name} is {width}x{height} pixels, {limit}", "Scale it down.")


def _name(source: Any) -> str:
    return str(source) if isinstance(source, str | PathLike) else "the picture"


def _opened(source: bytes | str | PathLike, name: str) -> Image.Image:
    """The file as a Pillow picture, identified but not decoded."""
    if not isinstance(source, bytes) and not Path(source).is_file():
        problem = "is not a file" if Path(source).exists() else "does not exist"
        raise InputError(f"{name} {problem}", "Check the path.")
    if (len(source) if isinstance(source, bytes) else Path(source).stat().st_size) == 0:
        raise InputError(f"{name} is empty, expected a picture", "Make or copy it again.")
    try:
        file = _identified(source)
    except UnidentifiedImageError:
        remedy = "Give a PNG, JPEG, GIF, BMP, TIFF or WebP file."
        if not media.opens_heic():
            remedy = f"{remedy[:-1]}; HEIC, the format of phones, needs the extra media: {media.INSTALL}"
        raise InputError(f"{name} is not a picture that can be read", remedy) from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise InputError(f"{name} has too many pixels ({error})", "Scale it down.") from None
    except Exception as error:
        raise _broken(name, error) from error
    if file.format == "EPS":
        file.close()
        raise InputError(f"{name} is PostScript, a program and not a picture", "Save it as PNG.")
    return file


def _identified(source: bytes | str | PathLike) -> Image.Image:
    """The picture as Pillow opens it, with libheif if need be."""
    try:
        return Image.open(BytesIO(source) if isinstance(source, bytes) else source)
    except UnidentifiedImageError:
        if not media.opens_heic():
            raise
    return Image.open(BytesIO(source) if isinstance(source, bytes) else source)


def _decoded(picture: Image.Image, name: str, spec: PictureSpec) -> Image.Image:
    """The picture upright, in mode L, RGB or RGBA (8 bits), or F (grey, 0 to 1) if it had more bits."""
    _check_size(picture.size, name)
    stated = _stated_white(picture)
    try:
        upright = ImageOps.exif_transpose(picture)
        if not _is_deep(upright):
            return _eight_bits(upright)
    except Exception as error:  # decoders raise anything on damaged bytes: SyntaxError, struct.error ...
        raise _broken(name, error) from error
    values = _checked(np.asarray(upright), name)
    white = _white(values, spec, stated, name)
    return Image.fromarray(np.minimum(values.astype(np.float32) / np.float32(white), np.float32(1)))


def _eight_bits(picture: Image.Image) -> Image.Image:
    if picture.has_transparency_data:
        return picture.convert("RGBA")
    return picture.convert("L" if picture.mode in ("1", "L") else "RGB")


def _broken(name: str, error: Exception) -> InputError:
    return InputError(f"{name} is a damaged or truncated picture ({error})", "Make or copy it again.")


def _from_array(array: np.ndarray, spec: PictureSpec) -> Image.Image:
    name, shape = "the picture array", array.shape
    if array.ndim == 3 and array.shape[2] not in (1, 3, 4):
        array = np.moveaxis(array, 0, 2)
    if array.size == 0 or array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[2] not in (1, 3, 4)):
        expected = "(h, w), (h, w, c) or (c, h, w) with 1, 3 or 4 channels"
        raise InputError(f"{name} has the shape {shape}, expected {expected}", "Reshape it.")
    _check_size((array.shape[1], array.shape[0]), name)
    unit = _unit(_checked(array, name), spec, name)
    if unit.ndim == 2 or unit.shape[2] == 1:
        return Image.fromarray(unit.reshape(unit.shape[:2]))
    return Image.fromarray(as_content(unit))


def _checked(array: np.ndarray, name: str) -> np.ndarray:
    """The array, of finite numbers of at least 0; others: InputError."""
    if array.dtype.kind not in "buif":
        raise InputError(f"{name} holds {array.dtype}, expected numbers")
    if not np.isfinite(array).all():
        raise InputError(f"{name} holds NaN or infinities", "Fill such pixels first.")
    if (low := float(array.min())) < 0:
        raise InputError(f"{name} has values from {low:g} to {float(array.max()):g}, expected none below 0")
    return array


def _unit(array: np.ndarray, spec: PictureSpec, name: str) -> Float[np.ndarray, "..."]:
    """Values scaled to 0 to 1, float32. White is the maximum of bool, uint8 and uint16, 255 of other
    integers, 1 of floats; except for bool and uint8, the spec's `white` goes first."""
    if array.dtype == bool:
        return array.astype(np.float32)
    stated = None
    if array.dtype == np.uint8:
        return array.astype(np.float32) / np.float32(255)
    if array.dtype != np.uint16 and array.dtype.kind != "f":
        stated = spec.white or 255.0
    white = _white(array, spec, stated, name)
    return np.minimum(array.astype(np.float32) / np.float32(white), np.float32(1))


def _ready_made(source: Source, spec: PictureSpec) -> Float[np.ndarray, "c h w"]:
    if not isinstance(source, np.ndarray):
        name = str(source) if isinstance(source, str | PathLike) else "the picture"
        raise InputError(
            f"{name} cannot be read: the model was trained on ready-made arrays, not on files",
            f"Give an array of shape {spec.shape}, made the same way"
            + (": standardised floats, around 0." if spec.standardised else "."),
        )
    if source.shape != spec.shape:
        raise InputError(
            f"the picture array has shape {source.shape}, the model has arrays of shape {spec.shape}",
            "Bring it to that shape the same way.",
        )
    if spec.standardised:
        if source.dtype.kind != "f" or not np.isfinite(source).all():
            raise InputError(
                f"the picture array ({source.dtype}) must be floats around 0 without NaN",
                "Standardise it like the arrays that the model was trained on.",
            )
        return source.astype(np.float32)
    if source.dtype == np.uint8:
        return source.astype(np.float32) / np.float32(255)
    if source.dtype.kind not in "bf" or not ((source >= 0) & (source <= 1)).all():
        raise InputError(
            f"the picture array ({source.dtype}) must be uint8, or floats between 0 and 1 without NaN",
            "Scale it like the arrays that the model was trained on.",
        )
    return source.astype(np.float32)
