"""Read and check the probabilities of another program, to compare them with those of a run."""

from pathlib import Path

import numpy as np

from seesay.condition import Condition
from seesay.data.dataset import Dataset
from seesay.errors import InputError
from seesay.files import read_array
from seesay.formats.tables import read_columns
from seesay.measure.compare import Side

SUMS_TO_ONE = 1e-3
"""Tolerance for the sum of a row's probabilities; float16 and six decimals stay within it."""

SUFFIXES = (".npy", ".csv")


def read_side(path: Path, dataset: Dataset, rows: np.ndarray, condition: Condition, name: str) -> Side:
    """The probabilities in a file of another program: `.npy` (n, k), or CSV with a column per class.

    n is the number of `rows`, or of all rows of the data set; a CSV may instead have a column `row_id`, the
    index in the data set. They are NaN in rows that do not count in the condition. Another shape, other
    classes, NaN, negative numbers, rows that do not sum to 1: InputError.
    """
    table = read_array(path) if path.suffix == ".npy" else _from_csv(path, dataset, rows)
    k = len(dataset.spec.classes)
    if table.ndim != 2 or table.shape[1] != k or table.dtype.kind not in "fiu":
        raise InputError(
            f"{path}: expected probabilities (rows, {k} classes), got {table.dtype} {table.shape}",
            "Give each row one number per class, in the order of the data set's classes.",
        )
    if len(table) not in (len(rows), len(dataset)):
        raise InputError(
            f"{path} has {len(table):,} rows, expected {len(rows):,} (those scored) "
            f"or {len(dataset):,} (all of {dataset.name})"
        )
    table = np.array(table if len(table) == len(rows) else table[rows], np.float64)
    _check_probabilities(path, table)
    present = condition.has({m: dataset.pointers(m)[rows] >= 0 for m in condition.modalities})
    table[~present] = np.nan
    return Side(name, {condition: table})


def _check_probabilities(path: Path, table: np.ndarray) -> None:
    wrong = ~np.isfinite(table).all(1) | (table < 0).any(1) | (np.abs(table.sum(1) - 1) > SUMS_TO_ONE)
    if wrong.any():
        row = int(np.flatnonzero(wrong)[0])
        problem = f"sum {table[row].sum():.4g}" if np.isfinite(table[row]).all() else "one is not finite"
        if (table[row] < 0).any():
            problem = f"one is {table[row].min():.4g}"
        raise InputError(
            f"{path}: {wrong.sum():,} of {len(table):,} rows are not probabilities: row {row + 1}: {problem}",
            "Each row must be 0 or more and sum to 1; apply softmax to logits first.",
        )


def _from_csv(path: Path, dataset: Dataset, rows: np.ndarray) -> np.ndarray:
    """(n, k) in the order of the data set's classes; with a column `row_id`, a row for each row of the data
    set, NaN for those that it lacks."""
    columns = read_columns(path, dataset.spec.classes)
    others = set(columns) - set(dataset.spec.classes) - {"row_id"}
    if others:
        raise InputError(
            f"{path} has columns that are not classes of {dataset.name}: {', '.join(sorted(others))}",
            "Remove them.",
        )
    try:
        table = np.array([list(map(float, columns[c])) for c in dataset.spec.classes]).T
        ids = [int(i) for i in columns.get("row_id", ())]
    except ValueError as error:
        raise InputError(f"{path}: expected numbers in every cell ({error})", "Fix the cell.") from None
    if not ids:
        return table
    if len(set(ids)) != len(ids) or not all(0 <= i < len(dataset) for i in ids):
        raise InputError(
            f"{path}: row_id must be a row of {dataset.name}, 0 to {len(dataset) - 1:,}, each once"
        )
    if missing := len(set(rows.tolist()) - set(ids)):
        raise InputError(f"{path} lacks {missing:,} of the {len(rows):,} rows that are scored", "Add them.")
    whole = np.full((len(dataset), table.shape[1]), np.nan)
    whole[ids] = table
    return whole
