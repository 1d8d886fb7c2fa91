"""Hugging Face's `imagefolder` and `audiofolder`: files, and a table of them, `metadata.csv` or `.jsonl`.

Its column `file_name` names a picture or a recording of each row, `image_file_name` and `audio_file_name` one
of each; other columns may hold ready-made arrays, as in a manifest. The label is the column of that name, or
the only other one. It may lie in each folder of a split.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath

from seesay.data.dataset import Dataset
from seesay.errors import InputError, listed
from seesay.formats.cells import Cell, are_arrays, is_array, path_of
from seesay.formats.json_lines import cells, read_json_lines, texts
from seesay.formats.listing import kind_of, look
from seesay.formats.manifest import columns_wanted, read_rows
from seesay.formats.media import Reading, Track, silent
from seesay.formats.names import read_names, split_called, split_folders
from seesay.formats.tables import ROW_COLUMNS, Wanted, read_columns
from seesay.spec import DEFAULT_NAMES, FIRST, Modality, is_name

TABLES = ("metadata.csv", "metadata.jsonl", "metadata.parquet")

FILE = "file_name"

Columns = dict[str, list[Cell]]


def metadata_tables(folder: Path) -> list[Path]:
    """The tables of the folder or, where it has none, of its folders of splits."""
    inner = [path for path in sorted(folder.iterdir()) if split_called(path.name)]
    own = [folder / name for name in TABLES if (folder / name).is_file()]
    return own or [path / name for path in inner for name in TABLES if (path / name).is_file()]


def read_metadata(folder: Path, reading: Reading, track: Track = silent) -> Dataset:
    """The data set that the tables list. No column of files, no label among several columns, or what a
    manifest refuses: InputError."""
    tables = metadata_tables(folder)
    parts, detected = [], set[Modality]()
    for table in tables:
        part, found = _rows(table, folder, reading)
        parts.append(part)
        detected |= found
    names = dict.fromkeys(name for part in parts for name in part)
    rows = [len(next(iter(part.values()))) for part in parts]
    columns = {
        name: [cell for part, size in zip(parts, rows, strict=True) for cell in part.get(name, [""] * size)]
        for name in names
    }
    files = [str(next(filter(None, row), "")) for row in zip(*_files(columns).values(), strict=True)]
    if "label" not in columns and reading.labelled:
        pictures = DEFAULT_NAMES["picture"] in columns
        columns["label"] = list(read_names(files, pictures, where=str(folder)).labels)
    if "split" not in columns and (splits := split_folders(files, str(folder))[1]):
        columns["split"] = list(splits)
    first = tables[0].name
    return read_rows(
        columns,
        folder / first,
        reading,
        track,
        detected=detected,
        name=folder.resolve().name,
        sources=[f"the folder {folder.resolve().name} as its {first} lists it"],
        notes=[f"{first}: {_says(columns)}"],
        left_out=_left_out(folder, columns, tables),
    )


def _files(columns: Mapping[str, Sequence[Cell]]) -> dict[Modality, Sequence[Cell]]:
    return {name: column for name, column in columns.items() if name not in ROW_COLUMNS}


def _says(columns: Mapping[str, Sequence[Cell]]) -> str:
    """Which of our columns it fills."""
    return f"{len(next(iter(columns.values()))):,} rows with {', '.join(columns)}"


def _left_out(folder: Path, columns: Columns, tables: Sequence[Path]) -> dict[str, int]:
    paths = {path_of(cell) for column in _files(columns).values() for cell in column if isinstance(cell, str)}
    named = {str(PurePosixPath(path)) for path in paths}
    listing = look(folder, excluded=[*tables, *(folder / path for path in paths if is_array(path))])
    others = sum(file not in named for files in listing.files.values() for file in files)
    return {**listing.left_out, **({f"not named in {tables[0].name}": others} if others else {})}


def _rows(table: Path, folder: Path, reading: Reading) -> tuple[Columns, set[Modality]]:
    """A table's columns as a manifest has them, paths relative to `folder`; and which of them are arrays that
    neither the user nor a column's name, as `clip_file_name`, says are contents."""
    ours = {theirs: name for name, theirs in reading.columns.items()}
    theirs = _columns(table, columns_wanted(reading))
    found = {ours.get(name, name): column for name, column in theirs.items()}
    contents = _contents(found, reading, table, folder)
    if not contents:
        raise InputError(f"{table} has no column {FILE!r}, only {', '.join(found)}", f"Name it {FILE}.")
    place = table.parent.relative_to(folder)
    columns: Columns = {
        modality: [_from(place, cell) if isinstance(cell, str) else cell for cell in found[name]]
        for modality, name in contents.items()
    }
    others = [name for name in found if name not in (*contents.values(), *ROW_COLUMNS)]
    if "label" not in found and reading.labelled and others:
        if len(others) > 1:
            raise InputError(
                f"{table} has no column 'label', and several that may be it: {listed(others)}",
                "Name the one that holds the classes, as in --columns label=class.",
            )
        columns["label"] = found[others[0]]
    named = (*reading.columns, *FIRST)
    detected = {m for m, name in contents.items() if m == name and m not in named}
    return columns | {name: found[name] for name in ROW_COLUMNS if name in found}, detected


def _columns(table: Path, wanted: Wanted) -> Columns:
    """All columns, as text but for those of lists of numbers that are contents."""
    if table.suffix != ".jsonl":
        return {name: list(column) for name, column in read_columns(table).items()}
    asked = {theirs for ours, theirs in wanted.theirs.items() if ours not in ROW_COLUMNS}
    columns: Columns = {}
    for name, column in read_json_lines(table).items():
        arrays = cells(column) if name in asked or (wanted.others and wanted.others(name)) else []
        columns[name] = arrays if are_arrays(arrays) else list(texts(column))
    return columns


def _from(place: Path, cell: str) -> str:
    """A path relative to the folder, from one relative to the table's."""
    return str(PurePosixPath(place, cell)) if cell else ""


def _contents(found: Columns, reading: Reading, table: Path, folder: Path) -> dict[Modality, str]:
    """By modality its column: of files, as their kind is called or, where several are of one, as the column
    is; others that the user names, or that hold ready-made arrays."""
    files = [name for name in found if name == FILE or name.endswith(f"_{FILE}")]
    kinds: dict[str, str | None] = {}
    for name in files:
        first = str(next(filter(None, found[name]), ""))
        kinds[name] = kind_of(folder / _from(table.parent.relative_to(folder), first))
    often = Counter(kinds.values())
    contents: dict[Modality, str] = {}
    for name, kind in kinds.items():
        own = name.removesuffix(FILE).removesuffix("_")
        if is_name(own) and (are_arrays(found[name]) or (kind is not None and often[kind] > 1)):
            contents[own] = name
        elif kind is None or often[kind] > 1:
            raise InputError(
                f"{table}: column {name!r} names no pictures and no recordings, or both",
                "Name files of one kind in a column.",
            )
        else:
            contents[DEFAULT_NAMES[kind]] = name
    asked = [name for name in reading.columns if name in found and name not in ROW_COLUMNS]
    may_be = columns_wanted(reading).others
    arrays = [n for n in found if may_be is not None and may_be(n) and are_arrays(found[n])]
    return contents | {name: name for name in (*asked, *arrays) if name not in files}
