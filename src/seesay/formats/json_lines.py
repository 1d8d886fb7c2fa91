"""Read JSON Lines files (`.jsonl`, one object a line) as columns."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from seesay.errors import InputError
from seesay.formats.cells import Cell, Embedded, composed


def read_json_lines(path: Path) -> dict[str, list[object]]:
    """The fields of all objects as columns; None where an object lacks one. Not JSON Lines: InputError."""
    try:
        lines = path.read_text(encoding="utf-8-sig").split("\n")  # texts may contain other line ends
        rows = [json.loads(line) for line in lines if line.strip()]
    except ValueError as error:
        raise InputError(f"{path} is not one JSON object a line ({error})", "Save it again.") from None
    if not rows or not all(isinstance(row, dict) for row in rows):
        raise InputError(f"{path} is not one JSON object a line", "Save it again.")
    names = dict.fromkeys(name for row in rows for name in row)
    return {name: [row.get(name) for row in rows] for name in names}


def texts(values: Sequence[object]) -> list[str]:
    """Values as text, "" for None."""
    return [_text(value) for value in values]


def cells(values: Sequence[object]) -> list[Cell]:
    """Values as cells of contents: lists as arrays, others as paths, "" for None."""
    return [cell(value, i) for i, value in enumerate(values, 1)]


def cell(value: object, row: int) -> Cell:
    """A value as a cell of contents, as in `cells`. `row` is its number, from 1."""
    if isinstance(value, list):
        return Embedded(f"the numbers in row {row}", _array(value))
    return _text(value)


def _text(value: object) -> str:
    if isinstance(value, list | dict):
        return json.dumps(value)
    return "" if value is None else composed(str(value))


def _array(value: list[object]) -> np.ndarray:
    """The array of a list; of dtype object where inner lists differ in size."""
    try:
        return np.array(value)
    except (ValueError, OverflowError):
        return np.array(value, object)
