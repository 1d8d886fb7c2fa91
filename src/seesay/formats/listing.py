"""List the pictures and recordings in a folder, and count other files by reason.

A common suffix decides, so that damaged files are reported when read; other files are tried with Pillow and
libsndfile.
"""

import glob
import os
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import NoReturn, overload

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

    def paths(self, files: Sequence[str | None]) -> "Paths":
        return Paths(self.folder, files)


@dataclass(frozen=True)
class Paths(Sequence[Path | None]):
    """Paths of files in a folder, made from their names when asked for: a million names take 100 MB, a
    million paths five times as much. None stays None."""

    folder: Path
    names: Sequence[str | None]

    def __len__(self) -> int:
        return len(self.names)

    @overload
    def __getitem__(self, index: int) -> Path | None: ...
    @overload
    def __getitem__(self, index: slice) -> "Paths": ...
    def __getitem__(self, index: int | slice) -> "Path | Paths | None":
        if isinstance(index, slice):
            return Paths(self.folder, self.names[index])
        name = self.names[index]
        return None if name is None else self.folder / name


def matching(patterns: Sequence[str]) -> Listing:
    """The files that match any of these patterns, in which `**` stands for any folders, or that have one of
    these names. Names in the listing are relative to the working directory, as `file` takes them. Nothing
    matches, or a name that is no file: InputError."""
    found: dict[str, None] = {}
    for pattern in patterns:
        names = [pattern] if Path(pattern).exists() else glob.glob(pattern, recursive=True)  # noqa: PTH207 (hidden files, absolute patterns)
        files = [name for name in names if Path(name).is_file()]
        if not files:
            what = "is not a file" if Path(pattern).exists() else "matches no file"
            raise InputError(f"{pattern} {what}", "Give files, or a pattern of them such as 'photos/*.png'.")
        found.update(dict.fromkeys(Path(name).as_posix() for name in files))
    files, left_out = _by_kind((name, Path(name)) for name in found)
    return Listing(Path(), files, [], left_out)


def look(folder: Path, excluded: Collection[Path] = ()) -> Listing:
    """Everything below a folder, except the files `excluded`. Not a folder: InputError."""
    if not folder.is_dir():
        raise InputError(f"{folder} is not a folder", "Check the path.")
    named: list[tuple[str, Path]] = []
    folders: list[str] = []
    left_out: Counter[str] = Counter()
    for path in _walk(folder, left_out):
        name = path.relative_to(folder).as_posix()
        if path in excluded:
            continue
        if path.is_dir():
            folders.append(name)
        else:
            named.append((name, path))
    files, others = _by_kind(named)
    return Listing(folder, files, sorted(folders), {**left_out, **others})


def _by_kind(named: Iterable[tuple[str, Path]]) -> tuple[dict[str, list[str]], dict[str, int]]:
    """The names of pictures and of recordings, each in order, and the number of other files by reason."""
    files: dict[str, list[str]] = {"picture": [], "waveform": []}
    left_out: Counter[str] = Counter()
    for name, path in named:
        if (kind := kind_of(path)) in files:
            files[kind].append(name)
        else:
            left_out["not a picture or recording"] += 1
    return {k: sorted(names, key=lambda name: name.split("/")) for k, names in files.items()}, dict(left_out)


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
