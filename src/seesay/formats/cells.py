"""Resolve the cells of a table to files: paths on disk, or bytes and numbers in the table itself.

A path may be in another Unicode form than on disk (macOS decomposes accents, most editors do not), or have
Windows backslashes.
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

from seesay.spec import kind_by_suffix


@dataclass(frozen=True, eq=False)
class Embedded:
    """A content inside the table itself; compared by identity."""

    name: str
    """Name in messages: the path that the table gives, or the row."""
    source: bytes | tuple[np.ndarray, int] | np.ndarray
    """The bytes of a file, samples and their rate in Hz, or a ready-made array."""

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True)
class Member:
    """An array in a `.npz` file; without a name, its only one."""

    path: Path
    name: str = ""

    def __str__(self) -> str:
        return f"{self.path}:{self.name}" if self.name else str(self.path)


Cell = str | Embedded
"""A cell of contents: a path (`a.png`, `a.npy`, `a.npz`, `a.npz:name`), an embedded content, or ""."""

File = Path | Embedded | Member
"""Source of a content."""

NPZ = re.compile(r"(.*\.npz)(?::([^:/\\]+))?", re.IGNORECASE | re.DOTALL)
"""Path of a `.npz` file, and optionally an array in it."""


def source_of(file: File) -> Any:
    """The source as readers in `signal` take it: a path, bytes, or samples with their rate."""
    if isinstance(file, Member):
        return file.path
    return file.source if isinstance(file, Embedded) else file


def path_of(cell: str) -> str:
    """The path in a cell, without the name of an array."""
    return npz[1] if (npz := NPZ.fullmatch(cell)) else cell


def is_array(cell: Cell) -> bool:
    """Whether a cell holds a ready-made array, or a path to one or to a file of a registered kind."""
    if isinstance(cell, Embedded):
        return isinstance(cell.source, np.ndarray) and cell.source.dtype.kind in "biufO"
    ready_made = cell.lower().endswith(".npy") or NPZ.fullmatch(cell) is not None
    return ready_made or kind_by_suffix(cell) is not None


def are_arrays(cells: Sequence[Cell]) -> bool:
    """Whether every cell of a column is a ready-made array or empty.

    Lists of numbers may be anything (boxes, words of a text), so at least half must have one shape.
    """
    given = [cell for cell in cells if cell]
    sources = [cell.source for cell in given if isinstance(cell, Embedded)]
    shapes = Counter(s.shape for s in sources if isinstance(s, np.ndarray) and s.dtype != object)
    alike = not sources or 2 * max(shapes.values(), default=0) >= len(sources)
    return bool(given) and all(map(is_array, given)) and alike


def files_of(cells: Sequence[Cell], folder: Path) -> list[File | None]:
    """The file of each cell, None if empty. A path that does not exist is kept as written."""
    listings: dict[Path, dict[str, str]] = {}
    by_cell: dict[str, File | None] = {}
    files: list[File | None] = []
    for cell in cells:
        if isinstance(cell, Embedded):
            files.append(cell)
            continue
        if cell not in by_cell:
            by_cell[cell] = file_of(cell, folder, listings)
        files.append(by_cell[cell])
    return files


def file_of(cell: Cell, folder: Path, listings: dict[Path, dict[str, str]]) -> File | None:
    """The file of a cell, as in `files_of`. `listings` keeps the names of folders for the next cell."""
    if isinstance(cell, Embedded):
        return cell
    if not cell:
        return None
    path, npz = _find(folder, path_of(cell), listings), NPZ.fullmatch(cell)
    return Member(path, npz[2] or "") if npz else path


def is_there(path: Path) -> bool:
    """Whether the path is a file."""
    try:
        return path.is_file()
    except OSError:  # name too long, as from an unclosed quote
        return False


def composed(text: str) -> str:
    """The text in NFC, the Unicode form in which all texts are compared."""
    return unicodedata.normalize("NFC", text)


def _find(folder: Path, cell: str, listings: dict[Path, dict[str, str]]) -> Path:
    for written in dict.fromkeys((cell, cell.replace("\\", "/"))):
        if is_there(folder / written):
            return folder / written
        if (path := _in_other_form(folder / written, listings)) is not None:
            return path
    return folder / cell


def _in_other_form(path: Path, listings: dict[Path, dict[str, str]]) -> Path | None:
    """The file of this path in another Unicode form, or None."""
    if str(path).isascii():
        return None
    here = Path(path.anchor)
    for part in path.relative_to(here).parts:
        if here not in listings:
            listings[here] = _listing(here)
        here = here / listings[here].get(composed(part), part)
    return here if is_there(here) else None


def _listing(folder: Path) -> dict[str, str]:
    """Names in `folder` on disk, by their NFC form; empty if it cannot be listed."""
    try:
        return {composed(path.name): path.name for path in folder.iterdir()}
    except OSError:
        return {}
