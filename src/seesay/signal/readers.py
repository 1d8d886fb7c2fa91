"""Read one content for prediction, by its kind: from a file, bytes, an array or a Pillow picture."""

from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from seesay.errors import InputError
from seesay.registry import resolved
from seesay.signal.audio import as_content as audio_content
from seesay.signal.audio import read_audio
from seesay.signal.image import as_content as image_content
from seesay.signal.image import read_image
from seesay.signal.ready_made import read_ready_made as read_array_of
from seesay.spec import ContentSpec, PictureSpec, WaveformSpec, kind_by_suffix


def read_picture(source: Any, spec: PictureSpec) -> np.ndarray:
    """The picture as content. Unreadable, or blank where ink is expected: InputError."""
    _check_type(source, "picture", Image.Image, "an array or a Pillow picture")
    if spec.standardised:
        return read_image(source, spec)
    content = image_content(read_image(source, spec))
    if spec.reader == "ink" and not content.any():
        name = str(source) if isinstance(source, str | Path) else "the picture"
        raise InputError(f"{name} is blank: it shows no ink", "Give another one, or leave it out.")
    return content


def read_recording(source: Any, spec: WaveformSpec) -> np.ndarray:
    """The recording as content. Unreadable: InputError."""
    _check_type(source, "recording", tuple, "a pair (samples, rate)")
    return audio_content(read_audio(source, spec))


def read_ready_made(source: Any, spec: ContentSpec) -> np.ndarray:
    """The array, of exactly the spec's shape. Another shape: InputError."""
    _check_type(source, spec.kind, np.ndarray, "an array")
    if isinstance(source, str | PathLike) and kind_by_suffix(str(source)) == spec.kind:
        try:
            source = np.asarray(resolved(type(spec).load)(Path(source)))
        except (ValueError, OSError) as error:
            raise InputError(f"{source} cannot be read as {spec.kind}: {error}", "Check the file.") from None
    return read_array_of(source, spec)


def _check_type(source: Any, what: str, other: type, named: str) -> None:
    """InputError for a type that no reader accepts."""
    if not isinstance(source, (bytes, str, PathLike, np.ndarray, other)):
        raise InputError(f"expected a {what} as a path, bytes, {named}, got {type(source).__name__}")
