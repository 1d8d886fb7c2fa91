"""Sheets of cells, CSV or Parquet, as columns of text: what a cell means is for the reader of the layout to
say."""

import csv
from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path

from seesay.errors import InputError
from seesay.files import check_file


def read_columns(path: Path, required: Sequence[str]) -> dict[str, list[str]]:
    """Every column of a CSV (UTF-8, with a heading) or Parquet file as text, an absent value as "".

    Missing columns, rows of another length, no rows at all, or another kind of file: InputError.
    """
    check_file(path)
    columns = _parquet(path) if path.suffix == ".parquet" else _csv(path)
    for name in required:
        if name not in columns:
            like = get_close_matches(name, columns, n=1)
            remedy = (
                f"Did you mean {like[0]!r}?" if like else "The first line must name them, commas between."
            )
            raise InputError(f"{path} has no column {name!r}, only {', '.join(columns)}", remedy)
    if not len(next(iter(columns.values()))):
        raise InputError(f"{path} has a heading and no rows", "Copy or download it again.")
    return columns


def _csv(path: Path) -> dict[str, list[str]]:
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            heading, *rows = ([cell.strip() for cell in row] for row in csv.reader(file) if row)
    except (UnicodeDecodeError, csv.Error, ValueError) as error:
        raise InputError(f"{path} is not a CSV file in UTF-8 ({error})", "Save it as one.") from None
    if len(set(heading)) != len(heading):
        raise InputError(f"{path} has two columns of one name: {', '.join(heading)}", "Rename one.")
    for i, row in enumerate(rows, 1):
        if len(row) != len(heading):
            raise InputError(
                f"{path}: row {i} has {len(row)} cells, expected {len(heading)}", "Mend the row."
            )
    return {name: [row[i] for row in rows] for i, name in enumerate(heading)}


def _parquet(path: Path) -> dict[str, list[str]]:
    try:
        from pyarrow import ArrowException, parquet
    except ImportError:
        raise InputError(f"{path}: reading Parquet needs pyarrow", "Install seesay[parquet].") from None
    try:
        columns = parquet.read_table(path).to_pydict()
    except ArrowException as error:
        raise InputError(f"{path} is not a Parquet file ({error})", "Save it as one, or as CSV.") from None
    return {n: ["" if v is None else str(v).strip() for v in values] for n, values in columns.items()}
