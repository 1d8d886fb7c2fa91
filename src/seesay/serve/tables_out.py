"""Formats of tables of predictions, chosen by a file's suffix: CSV, JSON Lines, Parquet.

Fractions have six digits in all of them, so they hold the same numbers.
"""

import csv
import io
import json
import shutil
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from seesay.errors import OutputError
from seesay.serve.columns import Block, Column

DIGITS = 6
"""Of a fraction, after the point."""


@dataclass(frozen=True)
class TableFormat:
    """How a table is written shard by shard and then joined."""

    encoded: Callable[[Sequence[Column], Block], bytes]
    """The bytes of some rows."""
    join: Callable[[IO[bytes], Sequence[Column], Iterable[Path]], None]
    """Writes the table of rows whose bytes these files hold."""
    names_repeat: bool = False
    """Whether two columns may have one name."""


def table_format(out: Path | str, columns: Sequence[Column]) -> TableFormat:
    """The format of a file with this suffix. Unknown suffix, a library is missing, or two columns have one
    name, as of a modality `score`, and the format forbids it: OutputError."""
    suffix = Path(out).suffix.lower()
    if suffix not in FORMATS:
        raise OutputError(f"{out} ends in none of {', '.join(FORMATS)}", "Choose one of these endings.")
    if suffix == ".parquet":
        try:
            import pyarrow  # noqa: F401
        except ImportError:
            raise OutputError(
                f"{out}: writing Parquet needs pyarrow", "Install seesay[parquet], or choose .csv or .jsonl."
            ) from None
    names = Counter(column.name for column in columns)
    twice = [name for name, count in names.items() if count > 1]
    if twice and not FORMATS[suffix].names_repeat:
        raise OutputError(f"{out} would have two columns {twice[0]!r}", "Choose a name that ends in .csv.")
    return FORMATS[suffix]


# -------------------------------------------------------------------------------------------------------- CSV


def _csv_rows(columns: Sequence[Column], block: Block) -> bytes:
    cells = [CELLS[column.kind](values) for column, values in zip(columns, block, strict=True)]
    return _csv(zip(*cells, strict=True))


def _csv(rows: Iterable[Sequence[Any]]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue().encode()


def _fractions(values: Sequence[Any]) -> list[str]:
    return ["" if value is None else f"{value:.{DIGITS}f}" for value in values]


CELLS: Mapping[str, Callable[[Sequence[Any]], Sequence[Any]]] = {
    "integer": list,
    "text": list,  # the writer leaves None empty
    "fraction": _fractions,
    "flag": lambda values: ["yes" if value else "no" for value in values],
}
"""Cells of a CSV column, by type."""


def _join_csv(file: IO[bytes], columns: Sequence[Column], parts: Iterable[Path]) -> None:
    file.write(_csv([[column.name for column in columns]]))
    _join_lines(file, columns, parts)


# ------------------------------------------------------------------------------------------------- JSON Lines


def _json_lines(columns: Sequence[Column], block: Block) -> bytes:
    plain = [column.name for column in columns if column.of is None]
    classes = [column.of for column in columns if column.of is not None]
    lines = []
    for row in zip(*_rounded(columns, block), strict=True):
        line: dict[str, Any] = dict(zip(plain, row[: len(plain)], strict=True))
        if classes:
            line["probabilities"] = dict(zip(classes, row[len(plain) :], strict=True))
        lines.append(json.dumps(line) + "\n")
    return "".join(lines).encode()


def _rounded(columns: Sequence[Column], block: Block) -> list[Sequence[Any]]:
    return [
        [None if value is None else round(value, DIGITS) for value in values]
        if column.kind == "fraction"
        else values
        for column, values in zip(columns, block, strict=True)
    ]


def _join_lines(file: IO[bytes], _columns: Sequence[Column], parts: Iterable[Path]) -> None:
    for part in parts:
        with part.open("rb") as source:
            shutil.copyfileobj(source, file)


# ---------------------------------------------------------------------------------------------------- Parquet


def _schema(columns: Sequence[Column]) -> Any:
    import pyarrow

    types = {
        "integer": pyarrow.int64(),
        "text": pyarrow.string(),
        "fraction": pyarrow.float64(),
        "flag": pyarrow.bool_(),
    }
    return pyarrow.schema([(column.name, types[column.kind]) for column in columns])


def _parquet(columns: Sequence[Column], block: Block) -> bytes:
    import pyarrow
    from pyarrow import parquet

    schema, file = _schema(columns), io.BytesIO()
    arrays = [
        pyarrow.array(list(values), field.type)
        for values, field in zip(_rounded(columns, block), schema, strict=True)
    ]
    parquet.write_table(pyarrow.Table.from_arrays(arrays, schema=schema), file)
    return file.getvalue()


def _join_parquet(file: IO[bytes], columns: Sequence[Column], parts: Iterable[Path]) -> None:
    from pyarrow import parquet

    with parquet.ParquetWriter(file, _schema(columns)) as writer:
        for part in parts:
            table = parquet.ParquetFile(part).read()
            if table.num_rows:
                writer.write_table(table)


FORMATS: Mapping[str, TableFormat] = {
    ".csv": TableFormat(_csv_rows, _join_csv, names_repeat=True),
    ".parquet": TableFormat(_parquet, _join_parquet),
    ".jsonl": TableFormat(_json_lines, _join_lines),
}
"""By suffix."""
