"""Read Parquet files as sheets, including those of Hugging Face data sets.

There, pictures and recordings are in the table, as `{"bytes", "path"}` or as samples with a rate, ready-made
arrays are lists of numbers, labels are integers named by the schema, and a split is one or more files of a
folder, `train-00000-of-00002.parquet`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from seesay.data.dataset import SPLITS
from seesay.errors import InputError, listed
from seesay.formats.cells import Cell, Embedded, composed, is_array
from seesay.formats.rows import SYNONYMS
from seesay.formats.tables import ROW_COLUMNS, Sheet, Wanted, places, unused
from seesay.spec import DEFAULT_NAMES, FIRST

SHARD = re.compile(r"([A-Za-z]+)(?:-(\d+)-of-(\d+))?(?:[-._].*)?")
"""File name of a split: `train-00000-of-00002`, `test`, `validation-0123abcd`."""

RATES = ("sampling_rate", "rate", "sample_rate")
"""Possible columns for the rate of samples in the table."""

RECORDINGS = DEFAULT_NAMES["waveform"]
"""The column that a column of rates applies to, if it exists."""

PEEK = 64
"""Cells of a text column examined before all of it is read."""


def read_parquet(path: Path, wanted: Wanted) -> Sheet:
    """The wanted columns of a Parquet file. Columns that `places` refuses, labels that are neither text nor
    numbers, samples without a rate, another kind of file: InputError."""
    file = opened(path)
    names = list(file.schema_arrow.names)
    features = features_of(file.schema_arrow.metadata or {})
    positions = places(names, wanted, str(path))
    rate = next((name for name in RATES if name in names), None)
    rates = None if rate is None else _column(file, rate, path).to_pylist()

    @cache
    def contents(i: int, our_name: str) -> list[Cell]:
        where, schema_rate = f"{path}, column {names[i]!r}", features.get(names[i], {}).get("sampling_rate")
        column = _column(file, names[i], path)
        samples = are_samples(our_name, schema_rate, rates is not None and RECORDINGS not in positions)
        rates_of_rows = (rates or [schema_rate] * len(column)) if samples else None
        return [
            cell
            for chunk, row in _chunks(column)
            for cell in contents_of(
                chunk, row, where, rates_of_rows and rates_of_rows[row : row + len(chunk)]
            )
        ]

    def other(i: int) -> list[Cell] | None:
        try:
            return contents(i, names[i]) if _may_be_arrays(file, names[i], path) else None
        except InputError:  # samples without a rate, or a damaged column, that nobody named
            return None

    positions = wanted.also(names, positions, other)
    columns: dict[str, list[Cell]] = {}
    for our_name, i in positions.items():
        if our_name in FIRST or (wanted.used is not None and our_name not in ROW_COLUMNS):
            columns[our_name] = contents(i, our_name)
        else:
            columns[our_name] = list(_texts(_column(file, names[i], path), f"{path}, column {names[i]!r}"))
    if not file.metadata.num_rows:
        raise InputError(f"{path} has no rows", "Copy or download it again.")
    classes: tuple[str, ...] = ()
    if "label" in positions:
        classes = _class_names(features.get(names[positions["label"]], {}), columns["label"])
    if classes:
        columns["label"] = ["" if label == "-1" else label for label in columns["label"]]
    others = [name for name in names if name not in RATES]
    used = {our_name: others.index(names[i]) for our_name, i in positions.items() if names[i] in others}
    return Sheet(columns, tuple(names), classes, tuple(unused(others, used)))


def are_samples(our_name: str, schema_rate: Any, rated: bool) -> bool:
    """Whether lists of numbers in a column are samples of recordings. `rated`: the table has a column of
    rates, and none of recordings."""
    return our_name == RECORDINGS or schema_rate is not None or rated


def opened(path: Path) -> Any:
    """The Parquet file, its contents unread. Another kind of file, or no pyarrow: InputError."""
    try:
        from pyarrow import ArrowException, parquet
    except ImportError:
        raise InputError(f"{path}: reading Parquet needs pyarrow", "Install seesay[parquet].") from None
    try:
        return parquet.ParquetFile(path)
    except (ArrowException, OSError) as error:
        raise no_parquet(path, error) from None


def _column(file: Any, name: str, path: Path) -> Any:
    from pyarrow import ArrowException

    try:
        return file.read([name]).column(name)
    except (ArrowException, OSError) as error:
        raise no_parquet(path, error) from None


def no_parquet(path: Path, error: Exception) -> InputError:
    """The error for a file that pyarrow cannot read."""
    return InputError(f"{path} is not a Parquet file ({error})", "Save it as one, or as CSV.")


def features_of(metadata: Mapping[bytes, bytes]) -> dict[str, Any]:
    """What Hugging Face's schema says of each column; empty without one."""
    try:
        features = json.loads(metadata[b"huggingface"])["info"]["features"]
    except (KeyError, TypeError, ValueError):
        return {}
    return {n: f for n, f in features.items() if isinstance(f, dict)} if isinstance(features, dict) else {}


def _class_names(feature: Mapping[str, Any], labels: Sequence[Cell]) -> tuple[str, ...]:
    """Class names from the schema, for integer labels; else empty."""
    names = feature.get("names", ())
    whole = all(re.fullmatch(r"-?\d+|", str(label)) for label in labels)
    return tuple(composed(str(name)) for name in names) if isinstance(names, list) and whole else ()


# ------------------------------------------------------------------------------------------------------ cells


def _may_be_arrays(file: Any, name: str, path: Path) -> bool:
    """Whether a column holds lists of numbers, or text whose first cells name arrays."""
    from pyarrow import ArrowException, types

    kind = file.schema_arrow.field(name).type
    if _depth(kind):
        return True
    if not (types.is_string(kind) or types.is_large_string(kind)):
        return False
    try:
        first = next(file.iter_batches(PEEK, columns=[name]), None)
    except (ArrowException, OSError) as error:
        raise no_parquet(path, error) from None
    texts = [] if first is None else map(_text, first.column(0).to_pylist())
    return all(is_array(text) for text in texts if text)


def _depth(kind: Any) -> int:
    """Nesting depth of lists of numbers: 1 for a list of numbers, 2 for a list of those; 0 for anything
    else."""
    from pyarrow import types

    depth = 0
    while types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind):
        kind, depth = kind.value_type, depth + 1
    return depth if types.is_integer(kind) or types.is_floating(kind) or types.is_boolean(kind) else 0


def _texts(column: Any, where: str) -> list[str]:
    """Cells as text, integral floats as integers, "" for null. Bytes, lists and structs: InputError."""
    from pyarrow import types

    kind = column.type.value_type if types.is_dictionary(column.type) else column.type
    if types.is_nested(kind) or any(
        is_kind(kind) for is_kind in (types.is_binary, types.is_large_binary, types.is_fixed_size_binary)
    ):
        raise InputError(f"{where} holds {kind}, expected text or numbers", "Name the classes in text.")
    return [_text(value) for value in column.to_pylist()]


def _text(value: Any) -> str:
    if value is None:
        return ""
    return (
        str(int(value)) if isinstance(value, float) and value.is_integer() else composed(str(value).strip())
    )


def _chunks(column: Any) -> Iterator[tuple[Any, int]]:
    """The chunks of a column, none over 2 GB, with the number of rows before each."""
    row = 0
    for chunk in column.chunks:
        yield chunk, row
        row += len(chunk)


def contents_of(column: Any, first_row: int, where: str, rates: Sequence[Any] | None) -> list[Cell]:
    """Cells of a chunk of a column: paths, files, arrays or, with `rates` of its rows, samples. Another type:
    InputError.

    `first_row`: number of rows before the chunk.
    """
    from pyarrow import types

    kind = column.type.value_type if types.is_dictionary(column.type) else column.type
    fields = {field.name: i for i, field in enumerate(kind)} if types.is_struct(kind) else {}
    if types.is_string(kind) or types.is_large_string(kind) or types.is_null(kind):
        return [_text(value) for value in column.to_pylist()]
    if types.is_binary(kind) or types.is_large_binary(kind):
        return [_file({"bytes": data}, first_row + i) for i, data in enumerate(column.to_pylist(), 1)]
    if "bytes" in fields or list(fields) == ["path"]:
        return [_file(value or {}, first_row + i) for i, value in enumerate(column.to_pylist(), 1)]
    if {"array", "sampling_rate"} <= set(fields):
        parts = column.flatten()
        return _samples(parts[fields["array"]], first_row, where, parts[fields["sampling_rate"]].to_pylist())
    depth = _depth(kind)
    if depth == 1 and rates is not None:
        return _samples(column, first_row, where, rates)
    if depth:
        return [
            Embedded(f"the numbers in row {i}", _array(value)) if value.is_valid else ""
            for i, value in enumerate(column, first_row + 1)
        ]
    raise InputError(
        f"{where} holds {kind}, expected paths, bytes, {{bytes, path}}, samples with a rate or lists of "
        "numbers",
        "Save files as bytes, or their paths.",
    )


def _array(value: Any) -> np.ndarray:
    """The array of a list, NaN for null; of dtype object where inner lists differ in size."""
    if not _depth(value.type.value_type):
        return np.asarray(value.values.to_numpy(zero_copy_only=False))
    lines = [_array(line) if line.is_valid else np.array(None) for line in value.values]
    if len({line.shape for line in lines}) != 1 or lines[0].dtype == object:
        return np.empty(len(lines), object)
    return np.stack(lines)


def _file(value: Mapping[str, Any], row: int) -> Cell:
    """The cell of `{"bytes", "path"}`: the bytes if present, else the path."""
    data, path = value.get("bytes"), _text(value.get("path"))
    return Embedded(path or f"the file in row {row}", data) if isinstance(data, bytes) else path


def _samples(column: Any, first_row: int, where: str, rates: Sequence[Any]) -> list[Cell]:
    """Cells of samples with their rates; "" for null."""
    cells: list[Cell] = []
    for i, (samples, rate) in enumerate(zip(column, rates, strict=True), first_row + 1):
        if not samples.is_valid:
            cells.append("")
            continue
        if not isinstance(rate, int | float) or not float(rate).is_integer():
            raise InputError(
                f"{where} holds samples, and row {i} has no rate for them",
                f"Add a column {RATES[0]!r}, in Hz.",
            )
        values = np.asarray(samples.values.to_numpy(zero_copy_only=False))
        cells.append(Embedded(f"the samples in row {i}", (values, int(rate))))
    return cells


# ----------------------------------------------------------------------------------------------------- shards


def shards(folder: Path) -> list[tuple[Path, str]]:
    """The Parquet files of a folder, or of its folder `data`, each with the split in its name, or ""."""
    for place in (folder, folder / "data"):
        if files := sorted(place.glob("*.parquet")):
            return [(path, _split_of(path)) for path in files]
    return []


def is_parquet_folder(folder: Path) -> bool:
    """Whether a folder is a Parquet data set: names give splits, or there are no other folders."""
    others = [
        path for path in folder.iterdir() if path.is_dir() and path.name[0] != "." and path.name != "data"
    ]
    files = shards(folder)
    return any(split for _, split in files) or (bool(files) and not others)


def _split_of(path: Path) -> str:
    named = SHARD.fullmatch(path.stem)
    name = named[1].lower() if named else ""
    name = SYNONYMS.get(name, name)
    return name if name in SPLITS else ""


def read_shards(folder: Path, wanted: Wanted) -> Sheet:
    """All Parquet files of a folder as one sheet; splits come from a column or else from file names.

    Only some names with a split, missing shards, or differing classes between files: InputError.
    """
    files = checked_shards(folder)
    sheets = []
    for path, split in files:
        required = [n for n in wanted.required if split != "test" or n != "label"]
        sheet = read_parquet(path, replace(wanted, required=required))
        rows = len(next(iter(sheet.columns.values()), []))
        named: dict[str, list[Cell]] = {"split": [split] * rows} if split else {}
        sheets.append(replace(sheet, columns={**named, **sheet.columns}))
    first = sheets[0]
    for (path, _), sheet in zip(files, sheets, strict=True):
        if sheet.classes != first.classes and "label" in sheet.columns:
            raise InputError(f"{path} has other classes than {files[0][0]}", "Copy or download them again.")
    columns: dict[str, list[Cell]] = {}
    for name in dict.fromkeys(name for sheet in sheets for name in sheet.columns):
        columns[name] = []
        for sheet in sheets:
            rows = len(next(iter(sheet.columns.values()), []))
            columns[name] += sheet.columns.get(name, [""] * rows)
    notes = dict.fromkeys(note for sheet in sheets for note in sheet.notes)
    return replace(first, columns=columns, notes=tuple(notes))


def checked_shards(folder: Path) -> list[tuple[Path, str]]:
    """The Parquet files of a folder and their splits. A split that only some name, or missing files:
    InputError."""
    files = shards(folder)
    unnamed = [path.name for path, split in files if not split]
    if unnamed and len(unnamed) < len(files):
        raise InputError(
            f"{folder}: the names of {len(unnamed)} of {len(files)} Parquet files give no split: "
            + listed(unnamed),
            "Name them train-*, validation-* or test-*, or open one of them.",
        )
    parts: dict[tuple[str, int], set[int]] = {}
    for path, _ in files:
        if (named := SHARD.fullmatch(path.stem)) and named[3]:
            parts.setdefault((named[1], int(named[3])), set()).add(int(named[2]))
    for (name, total), present in parts.items():
        if len(present) < total:
            raise InputError(
                f"{folder} has {len(present)} of the {total} Parquet files of {name}", "Download the others."
            )
    return files
