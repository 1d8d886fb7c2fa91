"""What a row of a request asks about, and how large its files are, found out before they are decoded."""

from collections.abc import Mapping
from dataclasses import dataclass
from io import BytesIO
from struct import unpack
from typing import Any

import numpy as np
from PIL import Image

from seesay.serve.limits import Limits
from seesay.serve.problems import Refused
from seesay.signal import sound_files
from seesay.signal.sounding import LONG
from seesay.spec import ContentSpec, Modality, PictureSpec, WaveformSpec

LIGHT_BYTES = 2**17
"""A larger file is read in a thread of its own."""

LIGHT_PIXELS = 2**18
"""So is a larger picture: one of 280x280 takes 5 ms."""

PNG = b"\x89PNG\r\n\x1a\n"


@dataclass(frozen=True)
class Asked:
    """One row of a request."""

    sources: Mapping[Modality, Any]
    """Bytes of files; arrays of ready-made contents."""
    reject: float | None = None
    encode: bool = False
    """Whether it asks for encodings instead of a prediction."""


def is_light(spec: ContentSpec, source: Any) -> bool:
    """Whether a content is read in about a millisecond: a small PNG, a WAV as short as a word, an array."""
    if not isinstance(source, bytes):
        return True
    if len(source) > LIGHT_BYTES:
        return False
    if isinstance(spec, PictureSpec):
        size = _png_size(source)
        return size is None or size[0] * size[1] <= LIGHT_PIXELS
    if isinstance(spec, WaveformSpec):
        seconds = _wav_seconds(source)
        return seconds is not None and seconds <= LONG * spec.seconds
    return True


def check_size(modality: Modality, spec: ContentSpec, source: Any, limits: Limits) -> None:
    """413 if the file says that it holds more pixels or seconds than the limits."""
    if not isinstance(source, bytes):
        return
    if isinstance(spec, PictureSpec) and (size := _png_size(source) or _picture_size(source)):
        width, height = size
        if width * height > limits.pixels:
            problem = f"the picture is {width}x{height}, more than the {limits.pixels:,} pixels that may be"
            raise Refused(413, f"{problem}. Scale it down.", modality)
    if isinstance(spec, WaveformSpec):
        seconds = _wav_seconds(source)
        if seconds is None or seconds > limits.seconds:
            facts = sound_files.facts_of(source)
            seconds = None if facts is None else facts.seconds
        _check_seconds(modality, seconds or 0, limits)


def check_length(modality: Modality, spec: ContentSpec, content: np.ndarray, limits: Limits) -> None:
    """413 if a recording turned out longer than the limits."""
    if isinstance(spec, WaveformSpec):
        _check_seconds(modality, len(content) / spec.rate, limits)


def _check_seconds(modality: Modality, seconds: float, limits: Limits) -> None:
    if seconds > limits.seconds:
        problem = f"the recording lasts {seconds:,.1f} seconds, more than the {limits.seconds:g} that may be"
        raise Refused(413, f"{problem}. Trim it.", modality)


def _png_size(data: bytes) -> tuple[int, int] | None:
    """Width and height; None if it is no PNG."""
    if len(data) < 24 or not data.startswith(PNG) or data[12:16] != b"IHDR":
        return None
    width, height = unpack(">II", data[16:24])
    return width, height


def _picture_size(data: bytes) -> tuple[int, int] | None:
    """Width and height by its header; None if it cannot be opened: reading it says why."""
    try:
        with Image.open(BytesIO(data)) as picture:
            return picture.size
    except Exception:
        return None


def _wav_seconds(data: bytes) -> float | None:
    """At most so long, if the header of this WAV is true; None if it is none."""
    if len(data) < 44 or data[:4] != b"RIFF" or data[8:16] != b"WAVEfmt ":
        return None
    (rate,) = unpack("<I", data[28:32])
    return len(data) / rate if rate else None
