"""Read the columns of contents of a CSV, JSON Lines or Parquet table row by row.

A first pass checks the table and counts its rows, so a fault in the last line is an error before the first is
predicted; rows are then read again as they are needed. Memory does not grow with their number.
"""

import csv
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import Any

from seesay.errors import InputError
from seesay.files import check_file
from seesay.formats.cells import Cell, composed
from seesay.formats.json_lines import cell as json_cell
from seesay.formats.parquet import (
    RATES,
    RECORDINGS,
    are_samples,
    contents_of,
    features_of,
    no_parquet,
    opened,
)
from seesay.formats.tables import (
    MARKS,
    ROW_COLUMNS,
    Wanted,
    decoded,
    named_width,
    places,
    separator_of,
    trim,
)

HEAD = 2**16
"""Characters in which the heading of a CSV file is looked for."""

ENCODINGS = {"": "utf-8", "utf-8": "utf-8-sig", "utf-16-le": "utf-16", "utf-16-be": "utf-16"}
"""Python's names of the encodings in MARKS, with their marks; "": no mark."""

AT_ONCE = 128
"""Rows of a Parquet file decoded at a time."""

Row = tuple[Cell, ...]
"""A cell for each column of contents."""


@dataclass(frozen=True)
class TableRows:
    """The columns of contents of a table, under our names, and its rows."""

    columns: tuple[str, ...]
    names: tuple[str, ...]
    """The table's names of all its columns."""
    count: int
    rows: Callable[[], Iterator[Row]]
    """Reads the rows from the first one."""

    @staticmethod
    def of(columns: Mapping[str, list[Cell]]) -> "TableRows":
        """The rows of columns in memory."""
        contents = {name: cells for name, cells in columns.items() if name not in ROW_COLUMNS}
        count = len(next(iter(columns.values()), []))

        def rows() -> Iterator[Row]:
            return zip(*contents.values(), strict=True)

        return TableRows(tuple(contents), tuple(columns), count, rows)

    def filled(self) -> set[str]:
        """The columns that are not empty in all rows. Reads up to the row in which the last was found."""
        found: set[str] = set()
        for row in self.rows():
            found.update(name for name, cell in zip(self.columns, row, strict=True) if cell)
            if len(found) == len(self.columns):
                break
        return found


def table_rows(path: Path, wanted: Wanted) -> TableRows:
    """The rows of a table. InputError as in `read_sheet`."""
    check_file(path)
    match path.suffix.lower():
        case ".parquet":
            return parquet_rows([path], wanted)
        case ".jsonl":
            return _json_rows(path, wanted)
    return _csv_rows(path, wanted)


def _contents(names: tuple[str, ...], wanted: Wanted, where: str) -> dict[str, int]:
    """The position of each column of contents among the table's names."""
    return {name: i for name, i in places(names, wanted, where).items() if name not in ROW_COLUMNS}


# -------------------------------------------------------------------------------------------------------- CSV


def _csv_rows(path: Path, wanted: Wanted) -> TableRows:
    lines = _csv_lines(path, wanted)
    heading = next(lines, None)
    if heading is None:
        raise InputError(f"{path} is not a CSV file: it has no heading", "Save the table again.")
    positions = _contents(tuple(heading), wanted, str(path))
    width, count = named_width(heading), 0
    empty_rows: list[tuple[int, list[str]]] = []  # those at the end are dropped, whatever their length
    for i, row in enumerate(lines, 1):
        if not any(row):
            empty_rows.append((i, row))
            continue
        for j, checked in (*empty_rows, (i, row)):
            trim(checked, j, width, len(heading), path)
        empty_rows, count = [], i
    if not count:
        raise InputError(f"{path} has a heading and no rows", "Copy or download it again.")

    def rows() -> Iterator[Row]:
        for row in islice(_csv_lines(path, wanted), 1, count + 1):
            yield tuple(composed(row[i]) for i in positions.values())

    return TableRows(tuple(positions), tuple(heading), count, rows)


def _csv_lines(path: Path, wanted: Wanted) -> Iterator[list[str]]:
    """The heading, then the rows, without blank lines. Not CSV in UTF-8 or UTF-16: InputError."""
    with path.open("rb") as start:
        first = start.read(max(map(len, MARKS)))
    mark = next((mark for mark in MARKS if first.startswith(mark)), b"")
    try:
        with path.open(encoding=ENCODINGS[MARKS.get(mark, "")], newline="") as file:
            head = file.read(HEAD)
            separator, without_first = separator_of(head, wanted)
            file.seek(0)
            if len(without_first) < len(head):
                file.readline()
            for row in csv.reader(file, delimiter=separator):
                if any("\0" in cell for cell in row):
                    decoded(path)  # raises the error
                if row:
                    yield [cell.strip() for cell in row]
    except csv.Error as error:
        raise InputError(f"{path} is not a CSV file ({error})", "Is a quote left open?") from None
    except UnicodeDecodeError as error:
        decoded(path)  # raises the error, with the line
        raise InputError(f"{path} is not a CSV file in UTF-8 ({error})", "Save it again.") from None


# ------------------------------------------------------------------------------------------------- JSON Lines


def _json_rows(path: Path, wanted: Wanted) -> TableRows:
    names: dict[str, None] = {}
    count = 0
    for row in _json_lines(path):
        names.update(dict.fromkeys(row))
        count += 1
    if not count:
        raise InputError(f"{path} is not one JSON object a line", "Save it again.")
    all_names = list(names)
    positions = _contents(tuple(map(composed, all_names)), wanted, str(path))

    def rows() -> Iterator[Row]:
        for number, row in enumerate(_json_lines(path), 1):
            yield tuple(json_cell(row.get(all_names[i]), number) for i in positions.values())

    return TableRows(tuple(positions), tuple(map(composed, all_names)), count, rows)


def _json_lines(path: Path) -> Iterator[dict[str, Any]]:
    try:
        with path.open(encoding="utf-8-sig") as file:
            for line in filter(str.strip, file):
                row = json.loads(line)
                if not isinstance(row, dict):
                    raise InputError(f"{path} is not one JSON object a line", "Save it again.")
                yield row
    except ValueError as error:
        raise InputError(f"{path} is not one JSON object a line ({error})", "Save it again.") from None


# ---------------------------------------------------------------------------------------------------- Parquet


def parquet_rows(paths: Sequence[Path], wanted: Wanted) -> TableRows:
    """The rows of Parquet files, one after the other. InputError as in `read_parquet`."""
    files = {path: opened(path) for path in paths}
    names = {path: tuple(file.schema_arrow.names) for path, file in files.items()}
    positions = {path: _contents(names[path], wanted, str(path)) for path in paths}
    columns = tuple(dict.fromkeys(name for found in positions.values() for name in found))
    for path, file in files.items():
        if not file.metadata.num_rows:
            raise InputError(f"{path} has no rows", "Copy or download it again.")

    def rows() -> Iterator[Row]:
        for path in paths:
            theirs = {name: names[path][i] for name, i in positions[path].items()}
            for cells in _parquet_cells(path, theirs):
                yield tuple(cells.get(name, "") for name in columns)

    count = sum(file.metadata.num_rows for file in files.values())
    return TableRows(columns, tuple(dict.fromkeys(chain(*names.values()))), count, rows)


def _parquet_cells(path: Path, columns: Mapping[str, str]) -> Iterator[dict[str, Cell]]:
    """The cells of each row, by our name; `columns` maps our names to those in the file."""
    from pyarrow import ArrowException

    file = opened(path)
    features = features_of(file.schema_arrow.metadata or {})
    rate = next((name for name in RATES if name in file.schema_arrow.names), None)
    read = [*columns.values(), *([rate] if rate else [])]
    first = 0
    try:
        for batch in file.iter_batches(AT_ONCE, columns=read):
            rates = batch.column(rate).to_pylist() if rate else None
            cells = []
            for ours, theirs in columns.items():
                schema_rate = features.get(theirs, {}).get("sampling_rate")
                samples = are_samples(ours, schema_rate, rates is not None and RECORDINGS not in columns)
                where, of_rows = f"{path}, column {theirs!r}", rates or [schema_rate] * len(batch)
                cells.append(contents_of(batch.column(theirs), first, where, of_rows if samples else None))
            first += len(batch)
            yield from (dict(zip(columns, row, strict=True)) for row in zip(*cells, strict=True))
    except (ArrowException, OSError) as error:
        raise no_parquet(path, error) from None
