"""Tables of contents of different sizes: one flat array with offsets, so recordings and photos need no
padding."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Ragged:
    """A table of contents. An integer index gives one content, a slice or an array of indices another
    table."""

    values: np.ndarray
    """(total,): all contents, one after the other. May be memory-mapped."""
    offsets: np.ndarray
    """(contents + 1,) int64: start of each content, and the end of the last."""
    shapes: np.ndarray
    """(contents, dimensions) int32."""

    @staticmethod
    def of(contents: Sequence[np.ndarray]) -> Ragged:
        """The table of one or more contents of one dtype and number of dimensions."""
        shapes = np.array([content.shape for content in contents], np.int32)
        return Ragged(np.concatenate([content.reshape(-1) for content in contents]), _offsets(shapes), shapes)

    def __len__(self) -> int:
        return len(self.shapes)

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the values."""
        return self.values.dtype

    @property
    def dimensions(self) -> int:
        """Number of dimensions of a content: 1 for a recording, 3 for a picture."""
        return self.shapes.shape[1]

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, int | np.integer):
            i = range(len(self))[index]
            start, end = self.offsets[i : i + 2]
            return self.values[start:end].reshape(tuple(self.shapes[i]))
        picked = np.arange(len(self))[index]
        if not len(picked):
            return Ragged(self.values[:0], np.zeros(1, np.int64), self.shapes[:0])
        return Ragged.of([self[int(i)] for i in picked])

    def __iter__(self) -> Iterator[np.ndarray]:
        return (self[i] for i in range(len(self)))


ContentTable = np.ndarray | Ragged
"""A table of contents: an array (contents, ...) if all have one shape, else ragged."""


def as_table(contents: Sequence[np.ndarray]) -> ContentTable:
    """Contents as one array if they have one shape, else as a ragged table."""
    same = len({content.shape for content in contents}) == 1
    return np.stack(contents) if same else Ragged.of(contents)


def dimensions(table: ContentTable) -> int:
    """Number of dimensions of a content."""
    return table.dimensions if isinstance(table, Ragged) else table.ndim - 1


def flat(table: ContentTable) -> np.ndarray:
    """All values of a table, content after content."""
    return table.values if isinstance(table, Ragged) else np.ascontiguousarray(table)


def hashed(*tables: ContentTable) -> str:
    """Hexadecimal SHA-256 of all values, and of the shapes of ragged tables."""
    digest = hashlib.sha256()
    for table in tables:
        digest.update(np.ascontiguousarray(flat(table)).data)
        if isinstance(table, Ragged):
            digest.update(np.ascontiguousarray(table.shapes, np.int32).data)
    return digest.hexdigest()


def distinct(table: ContentTable | Sequence[np.ndarray]) -> tuple[ContentTable, np.ndarray]:
    """The distinct contents of `table`, in order of appearance, and their indices, (rows,) int32.

    Contents of different shapes differ, whatever their bytes.
    """
    seen: dict[tuple[bytes, tuple[int, ...]], int] = {}
    pointers = np.empty(len(table), np.int32)
    first: list[int] = []
    for i, content in enumerate(table):
        digest = hashlib.blake2b(content.tobytes(), digest_size=16).digest(), content.shape
        if digest not in seen:
            seen[digest] = len(first)
            first.append(i)
        pointers[i] = seen[digest]
    is_table = isinstance(table, np.ndarray | Ragged)
    contents = table[np.array(first, np.int64)] if is_table else as_table([table[i] for i in first])
    return contents, pointers


def _offsets(shapes: np.ndarray) -> np.ndarray:
    sizes = [math.prod(shape) for shape in shapes.tolist()]
    return np.concatenate([[0], np.cumsum(sizes, dtype=np.int64)])
