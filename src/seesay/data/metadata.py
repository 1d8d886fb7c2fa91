"""Hugging Face's `imagefolder` and `audiofolder`: files, and a table of them, `metadata.csv` or `.jsonl`.

Its column `file_name` names a picture or a recording of each row, `image_file_name` and `audio_file_name` one
of each; the label is the column of that name, or the only other one. It may lie in each folder of a split.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath

from seesay.data.columns import listed
from seesay.data.contents import Reading, Track, silent
from seesay.data.dataset import Dataset
from seesay.data.listing import kind_of, look
from seesay.data.manifest import read_rows
from seesay.data.names import read_names, split_called, split_folders
from seesay.data.sheets import read_columns
from seesay.errors import InputError
from seesay.spec import DEFAULT_NAMES, FIRST

TABLES = ("metadata.csv", "metadata.jsonl", "metadata.parquet")

FILE = "file_name"

OURS = ("label", "split", "speaker", "group")
"""Columns that mean what a manifest means by them."""

Columns = dict[str, list[str]]


def metadata_tables(folder: Path) -> list[Path]:
    """The tables of the folder or, where it has none, of its folders of splits."""
    inner = [path for path in sorted(folder.iterdir()) if split_called(path.name)]
    own = [folder / name for name in TABLES if (folder / name).is_file()]
    return own or [path / name for path in inner for name in TABLES if (path / name).is_file()]


def read_metadata(folder: Path, reading: Reading, track: Track = silent) -> Dataset:
    """The data set that the tables list. No column of files, no label among several columns, or what a
    manifest refuses: InputError."""
    tables = metadata_tables(folder)
    parts = [_rows(table, folder, reading) for table in tables]
    names = dict.fromkeys(name for part in parts for name in part)
    rows = [len(next(iter(part.values()))) for part in parts]
    columns = {
        name: [cell for part, size in zip(parts, rows, strict=True) for cell in part.get(name, [""] * size)]
        for name in names
    }
    files = [next(filter(None, cells), "") for cells in zip(*_files(columns).values(), strict=True)]
    if "label" not in columns and reading.labelled:
        columns["label"] = list(
            read_names(files, DEFAULT_NAMES["picture"] in columns, where=str(folder)).labels
        )
    if "split" not in columns and (splits := split_folders(files, str(folder))[1]):
        columns["split"] = list(splits)
    first = tables[0].name
    return read_rows(
        columns,
        folder / first,
        reading,
        track,
        name=folder.resolve().name,
        sources=[f"the folder {folder.resolve().name} as its {first} lists it"],
        notes=[f"{first}: {_says(columns)}"],
        left_out=_left_out(folder, columns, tables),
    )


def _files(columns: Mapping[str, Sequence[str]]) -> dict[str, Sequence[str]]:
    return {name: columns[name] for name in FIRST if name in columns}


def _says(columns: Mapping[str, Sequence[str]]) -> str:
    """Which of our columns it fills."""
    return f"{len(next(iter(columns.values()))):,} rows with {', '.join(columns)}"


def _left_out(folder: Path, columns: Columns, tables: Sequence[Path]) -> dict[str, int]:
    listing = look(folder, but=tables)
    named = {str(PurePosixPath(cell)) for cells in _files(columns).values() for cell in cells}
    others = sum(file not in named for files in listing.files.values() for file in files)
    return {**listing.left_out, **({f"not named in {tables[0].name}": others} if others else {})}


def _rows(table: Path, folder: Path, reading: Reading) -> Columns:
    """Columns as a manifest has them, paths relative to `folder`."""
    ours = {theirs: name for name, theirs in reading.columns.items()}
    found = _jsonl(table) if table.suffix == ".jsonl" else read_columns(table, ())
    found = {ours.get(name, name): column for name, column in found.items()}
    files = [name for name in found if name == FILE or name.endswith(f"_{FILE}")]
    if not files:
        raise InputError(f"{table} has no column {FILE!r}, only {', '.join(found)}", f"Name it {FILE}.")
    columns: Columns = {}
    for name in files:
        paths = [
            str(PurePosixPath(table.parent.relative_to(folder), cell)) if cell else "" for cell in found[name]
        ]
        kind = kind_of(folder / next(filter(None, paths), ""))
        modality = DEFAULT_NAMES[kind] if kind is not None else ""
        if not modality or modality in columns:
            raise InputError(
                f"{table}: column {name!r} names no pictures and no recordings, or both",
                "Name files of one kind in a column.",
            )
        columns[modality] = paths
    others = [name for name in found if name not in (*files, *OURS)]
    if "label" not in found and reading.labelled and others:
        if len(others) > 1:
            raise InputError(
                f"{table} has no column 'label', and several that may be it: {listed(others)}",
                "Name the one that holds the classes, as in --columns label=class.",
            )
        columns["label"] = found[others[0]]
    return columns | {name: found[name] for name in OURS if name in found}


def _jsonl(path: Path) -> Columns:
    """The fields of an object a line, each as a column of text."""
    try:
        rows = [
            json.loads(line) for line in path.read_text(encoding="utf-8-sig").splitlines() if line.strip()
        ]
    except ValueError as error:
        raise InputError(f"{path} is not one JSON object a line ({error})", "Save it again.") from None
    if not rows or not all(isinstance(row, dict) for row in rows):
        raise InputError(f"{path} is not one JSON object a line", "Save it again.")
    names = dict.fromkeys(name for row in rows for name in row)
    return {name: [_text(path, name, row.get(name)) for row in rows] for name in names}


def _text(path: Path, name: str, value: object) -> str:
    if isinstance(value, list | dict):
        return json.dumps(value)
    return "" if value is None else str(value)
