"""Cells of a table as files: a path is found on disk however it is written, bytes and numbers are themselves
the file.

A file name may be written in another Unicode form than the disk has it (macOS decomposes accents, most
editors do not), or with the backslashes of Windows.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np


@dataclass(frozen=True, eq=False)
class Embedded:
    """A content that stands in the table itself, no two of them the same object."""

    name: str
    """What to call it in a message: the path that the table gives it, or its row."""
    source: bytes | tuple[np.ndarray, int] | np.ndarray
    """The bytes of a file, samples and their rate in Hz, or a ready-made array."""

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True)
class Member:
    """An array of a `.npz` file: its only one where it has no name."""

    path: Path
    name: str = ""

    def __str__(self) -> str:
        return f"{self.path}:{self.name}" if self.name else str(self.path)


Cell = str | Embedded
"""Of a column of contents: a path (`a.png`, `a.npy`, `a.npz`, `a.npz:name`), a content, or "" for none."""

File = Path | Embedded | Member
"""What a content is read from."""

NPZ = re.compile(r"(.*\.npz)(?::([^:/\\]+))?", re.IGNORECASE | re.DOTALL)
"""A `.npz` file, and which of its arrays."""


def source_of(file: File) -> Any:
    """What the readers of `signal` take: a path, bytes, or samples with their rate."""
    if isinstance(file, Member):
        return file.path
    return file.source if isinstance(file, Embedded) else file


def path_of(cell: str) -> str:
    """The path in a cell, without the name of an array in it."""
    return npz[1] if (npz := NPZ.fullmatch(cell)) else cell


def is_array(cell: Cell) -> bool:
    """Whether it holds a ready-made array, or is a path that says so."""
    if isinstance(cell, Embedded):
        return isinstance(cell.source, np.ndarray) and cell.source.dtype.kind in "biufO"
    return cell.lower().endswith(".npy") or NPZ.fullmatch(cell) is not None


def are_arrays(cells: Sequence[Cell]) -> bool:
    """Whether a column, whatever its name, is one of ready-made arrays: every cell is one, or empty. Lists of
    numbers may be anything (boxes, words of a text), unless half of them or more are of one shape."""
    given = [cell for cell in cells if cell]
    sources = [cell.source for cell in given if isinstance(cell, Embedded)]
    shapes = Counter(s.shape for s in sources if isinstance(s, np.ndarray) and s.dtype != object)
    alike = not sources or 2 * max(shapes.values(), default=0) >= len(sources)
    return bool(given) and all(map(is_array, given)) and alike


def files_of(cells: Sequence[Cell], folder: Path) -> list[File | None]:
    """The file of each cell, None where it is empty; a path that is not found stays as it is written."""
    listings: dict[Path, dict[str, str]] = {}
    found: dict[str, Path | Member | None] = {"": None}
    files: list[File | None] = []
    for cell in cells:
        if isinstance(cell, Embedded):
            files.append(cell)
            continue
        if cell not in found:
            path, npz = _find(folder, path_of(cell), listings), NPZ.fullmatch(cell)
            found[cell] = Member(path, npz[2] or "") if npz else path
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
