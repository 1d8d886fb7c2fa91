"""List the pictures and recordings in a folder, and count other files by reason.

A common suffix decides, so that damaged files are reported when read; other files are tried with Pillow and
libsndfile.
"""

import os
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import NoReturn

import soundfile
from PIL import Image, ImageFile

from seesay.errors import InputError
from seesay.spec import kind_by_suffix

SUFFIXES: Mapping[str, str] = {
    **dict.fromkeys((".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp"), "picture"),
    **dict.fromkeys((".ppm", ".pgm", ".pbm", ".heic", ".heif", ".avif"), "picture"),
    **dict.fromkeys((".wav", ".flac", ".ogg", ".oga", ".mp3", ".aiff", ".aif", ".opus"), "waveform"),
    **dict.fromkeys((".m4a", ".aac", ".amr", ".caf", ".webm"), "waveform"),
}
"""Kind by common suffix, whether or not the format can be read."""

NOISE = "_background_noise_"
"""The folder of Speech Commands that holds no words."""

HIDDEN = ("Thumbs.db", "desktop.ini", "__MACOSX")
"""Leftovers of file managers and archives, besides names that begin with a dot."""


@dataclass(frozen=True)
class Listing:
    """The files below a folder, as relative paths with `/`, in order of folders and names."""

    folder: Path
    files: Mapping[str, Sequence[str]]
    folders: Sequence[str]
    """All folders that are not hidden, including empty ones."""
    left_out: Mapping[str, int]
    """Number of unusable files by reason."""

    def paths(self, files: Sequence[str]) -> list[Path]:
        return [self.folder / file for file in files]


def look(folder: Path, excluded: Collection[Path] = ()) -> Listing:
    """Everything below a folder, except the files `excluded`. Not a folder: InputError."""
    if not folder.is_dir():
        raise InputError(f"{folder} is not a folder", "Check the path.")
    files: dict[str, list[str]] = {"picture": [], "waveform": []}
    folders: list[str] = []
    left_out: Counter[str] = Counter()
    for path in _walk(folder, left_out):
        name = path.relative_to(folder).as_posix()
        if path in excluded:
            continue
        if path.is_dir():
            folders.append(name)
        elif (kind := kind_of(path)) is None:
            left_out["not a picture or recording"] += 1
        else:
            files[kind].append(name)
    ordered = {kind: sorted(names, key=lambda name: name.split("/")) for kind, names in files.items()}
    return Listing(folder, ordered, sorted(folders), dict(left_out))


def _walk(folder: Path, left_out: Counter[str]) -> Iterator[Path]:
    """Files and folders below a folder, following links without loops. Hidden files and background noise are
    counted in `left_out` instead."""
    visited = {folder.resolve()}
    for inner, folders, files in os.walk(folder, onerror=_raise, followlinks=True):
        for name in [*folders, *files]:
            path = Path(inner, name)
            if name.startswith(".") or name in HIDDEN:
                left_out["hidden"] += 1
            elif name == NOISE:
                left_out[f"{NOISE} of Speech Commands"] += len(list(path.iterdir()))
            elif name in files or path.resolve() not in visited:
                visited |= {path.resolve()} if name in folders else set()
                yield path
                continue
            if name in folders:
                folders.remove(name)


def _raise(error: OSError) -> NoReturn:
    """Raise for a folder that cannot be listed, which os.walk would skip."""
    raise error


def kind_of(path: Path) -> str | None:
    """The kind of a file, by its suffix or, if uncommon, by the library that can open it; else None."""
    if (kind := SUFFIXES.get(path.suffix.lower()) or kind_by_suffix(path.name)) is not None:
        return kind
    return look_inside(path) if path.is_file() else None


def look_inside(file: Path | bytes) -> str | None:
    """The kind of a file or its bytes, by the library that can open it; else None."""
    if _is_picture(file):
        return "picture"
    return "waveform" if _is_recording(file) else None


def _is_picture(file: Path | bytes) -> bool:
    try:
        with Image.open(BytesIO(file) if isinstance(file, bytes) else file) as picture:
            return not isinstance(
                picture, ImageFile.StubImageFile
            )  # formats that Pillow recognises but cannot read
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        return True
    except Exception:  # readers raise anything on bytes that only begin like a picture
        return False


def _is_recording(file: Path | bytes) -> bool:
    if isinstance(file, Path) and file.suffix.lower() == ".raw":
        return False
    try:
        return soundfile.info(BytesIO(file) if isinstance(file, bytes) else str(file)).frames > 0
    except (soundfile.SoundFileError, TypeError):
        return False
