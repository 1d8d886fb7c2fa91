"""Rows in memory: columns of files or arrays by modality, which can be sliced like a 2-D array.

Nothing is read here: a slice of ten thousand paths costs nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from os import PathLike
from typing import Any

import numpy as np

from seesay.errors import ConfigError, InputError
from seesay.spec import TAKEN, Modality, is_name

NUMBERS = "biuf"
"""Kinds of dtypes of arrays that hold contents."""

CELL = "a path, bytes, an array, a pair (samples, rate), or None"
"""What a cell may be, in words."""


class Rows:
    """Rows for `SeesayClassifier`, a column for each modality: `Rows(image=paths, audio=paths)`.

    A column has an entry for each row: the path of a file, its bytes, an array, or `(samples, rate)` of a
    recording. None, NaN and "" are missing. One array `(n, ...)` with the contents of all rows is a column
    too; in it, a row of NaN is missing. Columns of different lengths, or something else: InputError.

    Slices, indices and masks give Rows, an integer gives one row as a dictionary, a name a column. To NumPy
    and scikit-learn it is a 2-D array of objects, rows by modalities.
    """

    def __init__(self, **columns: Any) -> None:
        if not columns:
            raise InputError("rows need at least one column", "Name it: Rows(image=paths).")
        for name in columns:
            if not is_name(name):
                remedy = f"Use letters, digits, - and _, and none of {', '.join(TAKEN)}."
                raise ConfigError(f"a modality cannot be called {name!r}", remedy)
        self.columns: dict[Modality, np.ndarray] = {n: _column(n, column) for n, column in columns.items()}
        lengths = {name: len(column) for name, column in self.columns.items()}
        if len(set(lengths.values())) > 1:
            described = ", ".join(f"{length} in {name}" for name, length in lengths.items())
            raise InputError(f"columns must have an entry for each row, got {described}")
        self.numbers = np.arange(next(iter(lengths.values())))
        """(n,): the number of each row, from 0, in the rows that this is a slice of; for messages."""

    @staticmethod
    def of(given: Mapping[Any, Any]) -> Rows:
        """Rows of a dictionary of columns. Keys that are not names: InputError."""
        if not all(isinstance(name, str) for name in given):
            raise InputError(f"columns are named by modality, got {', '.join(map(repr, list(given)[:3]))}")
        return Rows(**given)

    @property
    def modalities(self) -> tuple[Modality, ...]:
        """The names of the columns, in order."""
        return tuple(self.columns)

    @property
    def shape(self) -> tuple[int, int]:
        """The number of rows, and of modalities."""
        return len(self), len(self.columns)

    def __len__(self) -> int:
        return len(self.numbers)

    def __repr__(self) -> str:
        return f"Rows({len(self)} x {' + '.join(self.columns)})"

    def __getitem__(self, key: Any) -> Any:
        if isinstance(key, str):
            return self.columns[key]
        if isinstance(key, tuple) and len(key) == 2:  # as NumPy's X[rows, :], X[rows, ...] and X[:, 1]
            rows, which = key
            return self[rows] if which is Ellipsis else self[rows]._of(which)
        if isinstance(key, int | np.integer):
            return {name: column[key] for name, column in self.columns.items()}
        key = key if isinstance(key, slice) else np.asarray(key)
        if isinstance(key, np.ndarray) and not key.size:
            key = key.astype(np.int64)  # an empty list is an array of floats
        return self._with({name: column[key] for name, column in self.columns.items()}, self.numbers[key])

    def _of(self, which: Any) -> Any:
        """One column by its number, or Rows of several."""
        if isinstance(which, int | np.integer):
            return self.columns[self.modalities[which]]
        picked = np.array(self.modalities)[which]
        return self._with({name: self.columns[name] for name in picked.tolist()}, self.numbers)

    @staticmethod
    def _with(columns: dict[Modality, np.ndarray], numbers: np.ndarray) -> Rows:
        rows = object.__new__(Rows)
        rows.columns, rows.numbers = columns, numbers
        return rows

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        """(n, modalities): the cells, as objects."""
        cells = np.empty(self.shape, object)
        for j, column in enumerate(self.columns.values()):
            for i, cell in enumerate(column):
                cells[i, j] = cell
        return cells


def _column(name: str, given: Any) -> np.ndarray:
    """A column as one array of numbers (n, ...), or as (n,) objects."""
    if isinstance(given, str | bytes | Mapping) or not hasattr(given, "__len__"):
        raise InputError(f"{name} must be a column with an entry for each row, got {type(given).__name__}")
    if isinstance(given, np.ndarray) and given.ndim > 1 and given.dtype.kind in NUMBERS:
        return given
    cells = np.empty(len(given), object)
    for i, cell in enumerate(given):
        cells[i] = None if is_missing(cell) else np.asarray(cell) if isinstance(cell, list) else cell
        if not _is_cell(cells[i]):
            raise InputError(f"{name} of row {i} must be {CELL}, got {type(cell).__name__}")
    return cells


def _is_cell(cell: Any) -> bool:
    if isinstance(cell, np.ndarray):
        return cell.dtype.kind in NUMBERS
    pair = isinstance(cell, tuple) and len(cell) == 2
    return cell is None or pair or isinstance(cell, str | bytes | PathLike)


def is_missing(cell: Any) -> bool:
    """Whether a cell says that there is nothing: None, NaN (of pandas too), "", or an array of only NaN."""
    if isinstance(cell, np.ndarray):
        return cell.dtype.kind == "f" and cell.size > 0 and bool(np.isnan(cell).all())
    if cell is None or isinstance(cell, str):
        return not cell
    nothing = type(cell).__name__ in ("NAType", "NaTType")
    return nothing or (isinstance(cell, float | np.floating) and bool(np.isnan(cell)))
