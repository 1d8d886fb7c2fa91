"""Cells of a table as files: a path is found on disk however it is written, bytes are themselves the file.

A file name may be written in another Unicode form than the disk has it (macOS decomposes accents, most
editors do not), or with the backslashes of Windows.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np


@dataclass(frozen=True, eq=False)
class Embedded:
    """A picture or recording that stands in the table itself, no two of them the same object."""

    name: str
    """What to call it in a message: the path that the table gives it, or its row."""
    source: bytes | tuple[np.ndarray, int]
    """The bytes of a file, or samples and their rate in Hz."""

    def __str__(self) -> str:
        return self.name


Cell = str | Embedded
"""Of a column of pictures or recordings: a path, a file, or "" for none."""

File = Path | Embedded
"""What a picture or recording is read from."""


def source_of(file: File) -> Any:
    """What the readers of `signal` take: a path, bytes, or samples with their rate."""
    return file.source if isinstance(file, Embedded) else file


def files_of(cells: Sequence[Cell], folder: Path) -> list[File | None]:
    """The file of each cell, None where it is empty; a path that is not found stays as it is written."""
    listings: dict[Path, dict[str, str]] = {}
    found: dict[str, Path | None] = {"": None}
    files: list[File | None] = []
    for cell in cells:
        if isinstance(cell, Embedded):
            files.append(cell)
            continue
        if cell not in found:
            found[cell] = _find(folder, cell, listings)
        files.append(found[cell])
    return files


def is_there(path: Path) -> bool:
    """Whether it is a file."""
    try:
        return path.is_file()
    except OSError:  # a name too long for any disk, as a quote that is never closed makes it
        return False


def composed(text: str) -> str:
    """The text in the one Unicode form in which all texts are compared (NFC)."""
    return unicodedata.normalize("NFC", text)


def _find(folder: Path, cell: str, listings: dict[Path, dict[str, str]]) -> Path:
    for written in dict.fromkeys((cell, cell.replace("\\", "/"))):
        if is_there(folder / written):
            return folder / written
        if (path := _in_other_form(folder / written, listings)) is not None:
            return path
    return folder / cell


def _in_other_form(path: Path, listings: dict[Path, dict[str, str]]) -> Path | None:
    """The file whose parts have these names in another Unicode form, None where there is none."""
    if str(path).isascii():
        return None
    here = Path(path.anchor)
    for part in path.relative_to(here).parts:
        if here not in listings:
            listings[here] = _listing(here)
        here = here / listings[here].get(composed(part), part)
    return here if is_there(here) else None


def _listing(folder: Path) -> dict[str, str]:
    """What names in `folder` are composed, and are on disk; nothing where it cannot be listed."""
    try:
        return {composed(path.name): path.name for path in folder.iterdir()}
    except OSError:
        return {}
