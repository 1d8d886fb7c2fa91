"""Contents of different sizes as one flat array with a table of offsets: recordings of any length without
padding, photos as they were taken."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Ragged:
    """A table of contents. An index gives one as an array, an array of indices or a slice another table."""

    values: np.ndarray
    """(total,): all contents, one after the other. May be memory-mapped."""
    offsets: np.ndarray
    """(contents + 1,) int64: where each begins, and where the last ends."""
    shapes: np.ndarray
    """(contents, dimensions) int32."""

    @staticmethod
    def of(contents: Sequence[np.ndarray]) -> Ragged:
        """The table of these contents: at least one, of one type and number of dimensions."""
        shapes = np.array([content.shape for content in contents], np.int32)
        return Ragged(np.concatenate([content.reshape(-1) for content in contents]), _offsets(shapes), shapes)

    def __len__(self) -> int:
        return len(self.shapes)

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of every value."""
        return self.values.dtype

    @property
    def dimensions(self) -> int:
        """Of a content: 1 of a recording, 3 of a picture."""
        return self.shapes.shape[1]

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, int | np.integer):
            place = range(len(self))[index]
            start, end = self.offsets[place : place + 2]
            return self.values[start:end].reshape(tuple(self.shapes[place]))
        picked = np.arange(len(self))[index]
        if not len(picked):
            return Ragged(self.values[:0], np.zeros(1, np.int64), self.shapes[:0])
        return Ragged.of([self[int(i)] for i in picked])

    def __iter__(self) -> Iterator[np.ndarray]:
        return (self[i] for i in range(len(self)))


ContentTable = np.ndarray | Ragged
"""A table of contents: all of one shape, (contents, ...), or of different ones."""


def as_table(contents: Sequence[np.ndarray]) -> ContentTable:
    """These contents as one array where they are of one shape, else as a ragged table."""
    same = len({content.shape for content in contents}) == 1
    return np.stack(contents) if same else Ragged.of(contents)


def dimensions(table: ContentTable) -> int:
    """Of a content of the table."""
    return table.dimensions if isinstance(table, Ragged) else table.ndim - 1


def flat(table: ContentTable) -> np.ndarray:
    """All values of a table, content after content."""
    return table.values if isinstance(table, Ragged) else np.ascontiguousarray(table)


def hashed(*tables: ContentTable) -> str:
    """SHA-256 of all values, and of the shapes where they differ: hexadecimal."""
    whole = hashlib.sha256()
    for table in tables:
        whole.update(np.ascontiguousarray(flat(table)).data)
        if isinstance(table, Ragged):
            whole.update(np.ascontiguousarray(table.shapes, np.int32).data)
    return whole.hexdigest()


def distinct(table: ContentTable | Sequence[np.ndarray]) -> tuple[ContentTable, np.ndarray]:
    """The different contents of `table`, in order of appearance, and per row which of them, (rows,) int32.
    Contents of different shapes or lengths are different, whatever their bytes."""
    found: dict[tuple[bytes, tuple[int, ...]], int] = {}
    pointers = np.empty(len(table), np.int32)
    first: list[int] = []
    for i, content in enumerate(table):
        digest = hashlib.blake2b(content.tobytes(), digest_size=16).digest(), content.shape
        if digest not in found:
            found[digest] = len(first)
            first.append(i)
        pointers[i] = found[digest]
    whole = isinstance(table, np.ndarray | Ragged)
    kept = table[np.array(first, np.int64)] if whole else as_table([table[i] for i in first])
    return kept, pointers


def _offsets(shapes: np.ndarray) -> np.ndarray:
    sizes = [math.prod(shape) for shape in shapes.tolist()]
    return np.concatenate([[0], np.cumsum(sizes, dtype=np.int64)])
