"""Read ready-made arrays listed in a table, one per row: from `.npy` or `.npz` files, or numbers in the
table."""

from collections import Counter
from collections.abc import Callable, Iterable
from functools import lru_cache
from pathlib import Path
from typing import Any
from zipfile import is_zipfile

import numpy as np

from seesay.errors import InputError, listed, nearest
from seesay.files import check_file, read_array
from seesay.formats.cells import Embedded, File, Member

DIMENSIONS = (1, 2, 3)
"""Dimensions of a vector, a matrix and a picture."""


def array_reader() -> Callable[[File], np.ndarray]:
    """A function that reads the array of a file or cell, keeping the last `.npz` open for other rows.

    Unreadable, or not a vector, matrix or picture of finite numbers: InputError.
    """
    archive = lru_cache(maxsize=1)(open_npz)

    def read(file: File) -> np.ndarray:
        if isinstance(file, Member):
            array = _member(archive(file.path), file)
        elif isinstance(file, Embedded):
            array = file.source
        else:
            array = read_array(file, mapped=False)
        return _checked(array, str(file))

    return read


def open_npz(path: Path) -> Any:
    """The arrays of a `.npz` file by name, read on access. Not such a file: InputError."""
    check_file(path)
    if not is_zipfile(path):
        raise InputError(f"{path} is not a .npz file, or truncated", "Save arrays with numpy.savez.")
    try:
        return np.load(path, allow_pickle=False)
    except Exception as error:  # damaged archives make zipfile raise nearly anything
        raise unreadable(path, error) from None


def unreadable(path: Path, error: Exception) -> InputError:
    """The error for a `.npz` file with an unreadable array."""
    pickled = "Object arrays cannot be loaded" in str(error)
    why = "it holds pickled objects, which can run code and are never loaded" if pickled else str(error)
    return InputError(f"{path} cannot be read: {why}", "Save numeric arrays with numpy.savez.")


def common_shape(shapes: Iterable[tuple[int, ...]]) -> tuple[int, ...]:
    """The most common shape; the first of several."""
    return Counter(shapes).most_common(1)[0][0]


def _member(archive: Any, file: Member) -> Any:
    names = list(archive.files)
    if not file.name and len(names) != 1:
        raise InputError(
            f"{file.path} holds {len(names)} arrays ({listed(names)}), expected one",
            f"Name one, as in {file.path.name}:{next(iter(names), 'name')}.",
        )
    name = file.name or names[0]
    if name not in names:
        raise InputError(f"{file.path} has no array {name!r}", nearest(name, names))
    try:
        return archive[name]
    except Exception as error:  # as in `open_npz`
        raise unreadable(file.path, error) from None


def _checked(array: Any, name: str) -> np.ndarray:
    if not isinstance(array, np.ndarray):
        raise InputError(f"{name} is not an array", "Save a numeric array with numpy.save.")
    if array.dtype == object:
        raise InputError(
            f"{name}: expected numbers, got lists of differing sizes, or cells without a number",
            "Fill them, or make them one size.",
        )
    if array.dtype.kind not in "biuf":
        raise InputError(f"{name}: expected numbers, got {array.dtype}", "Save a numeric array.")
    if array.ndim not in DIMENSIONS or not array.size:
        raise InputError(
            f"{name}: expected a vector, a matrix or a picture, got an array of shape {array.shape}",
            "Save one array for each row of the table.",
        )
    with np.errstate(over="ignore"):  # overflow becomes infinite, as it would when stored
        finite = np.isfinite(array.astype(np.float32)).all()
    if not finite:
        raise InputError(f"{name} holds NaN or an infinity", "Fix it, or leave the cell empty.")
    return array
