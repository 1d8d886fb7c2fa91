"""Read MNIST's four idx files, gzipped or not: training and test pictures and labels.

The format (yann.lecun.com/exdb/mnist): two zero bytes, a type, the number of dimensions, each dimension as
four big-endian bytes, then the values. Only unsigned bytes occur here.
"""

import gzip
import math
import zlib
from pathlib import Path

import numpy as np

from seesay.errors import InputError
from seesay.files import check_file

PARTS = {"train": "train", "test": "t10k"}
"""Prefix of the files of each split."""

BYTE = 8
"""Type code of unsigned bytes."""


def is_idx_folder(folder: Path) -> bool:
    """Whether any of the four files exists."""
    return any(_find(folder, name).is_file() for part in PARTS.values() for name in _names(part))


def read_idx_folder(folder: Path) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Pictures (n, h, w) and labels (n,), uint8, of `train` and, if its files exist, of `test`.

    Missing, truncated or invalid files, or differing numbers of rows: InputError.
    """
    paths = {split: [_find(folder, name) for name in _names(part)] for split, part in PARTS.items()}
    if not any(path.is_file() for path in paths["test"]):
        del paths["test"]
    arrays = {}
    for split, (pictures, labels) in paths.items():
        arrays[split] = (read_idx(pictures, 3), read_idx(labels, 1))
        if len(arrays[split][0]) != len(arrays[split][1]):
            raise InputError(
                f"{pictures} has {len(arrays[split][0])} rows, {labels} has {len(arrays[split][1])}",
                "Copy or download them again.",
            )
    return arrays


def read_idx(path: Path, dimensions: int) -> np.ndarray:
    """The uint8 array in an idx file. Missing, truncated, another type or number of dimensions:
    InputError."""
    check_file(path)
    try:
        values = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise InputError(
            f"{path} is not a gzip file, or truncated ({error})", "Copy or download it again."
        ) from None
    start = 4 + 4 * dimensions
    if len(values) < start or values[:4] != bytes([0, 0, BYTE, dimensions]):
        raise InputError(f"{path} is not an idx file of bytes in {dimensions} dimensions", "Check the file.")
    shape = tuple(np.frombuffer(values, ">u4", dimensions, 4).tolist())
    if len(values) - start != math.prod(shape):
        raise InputError(
            f"{path} must hold {shape} bytes but holds {len(values) - start}, it may be truncated",
            "Copy or download it again.",
        )
    return np.frombuffer(values, np.uint8, offset=start).reshape(shape)


def _names(part: str) -> tuple[str, str]:
    return f"{part}-images-idx3-ubyte", f"{part}-labels-idx1-ubyte"


def _find(folder: Path, name: str) -> Path:
    """The file `name` or, if that does not exist, `name.gz`."""
    plain = folder / name
    return plain if plain.is_file() else folder / f"{name}.gz"
