"""Read Hugging Face's `imagefolder` and `audiofolder`: files with a table, `metadata.csv` or `.jsonl`.

The column `file_name` names each row's picture or recording, `image_file_name` and `audio_file_name` one of
each; other columns may hold ready-made arrays, as in a manifest. The label is the column `label`, or the only
other one. There may be one table per folder of a split.
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
    """The metadata tables in the folder or, if it has none, in its folders of splits."""
    splits = [path for path in sorted(folder.iterdir()) if split_called(path.name)]
    tables = [folder / name for name in TABLES if (folder / name).is_file()]
    return tables or [path / name for path in splits for name in TABLES if (path / name).is_file()]


def read_metadata(folder: Path, reading: Reading, track: Track = silent) -> Dataset:
    """The data set that the tables list. No column of files, several candidates for the label, or an invalid
    manifest: InputError."""
    tables = metadata_tables(folder)
    columns, detected = metadata_columns(folder, reading)
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
        notes=[f"{first}: {_columns_note(columns)}"],
        left_out=_left_out(folder, columns, tables),
    )


def metadata_columns(folder: Path, reading: Reading) -> tuple[Columns, set[Modality]]:
    """The columns of a folder's tables as a manifest has them, and which were detected as arrays."""
    parts, detected = [], set[Modality]()
    for table in metadata_tables(folder):
        part, detected_here = _rows(table, folder, reading)
        parts.append(part)
        detected |= detected_here
    names = dict.fromkeys(name for part in parts for name in part)
    rows = [len(next(iter(part.values()))) for part in parts]
    columns = {
        name: [cell for part, size in zip(parts, rows, strict=True) for cell in part.get(name, [""] * size)]
        for name in names
    }
    return columns, detected


def _files(columns: Mapping[str, Sequence[Cell]]) -> dict[Modality, Sequence[Cell]]:
    return {name: column for name, column in columns.items() if name not in ROW_COLUMNS}


def _columns_note(columns: Mapping[str, Sequence[Cell]]) -> str:
    """A note on the number of rows and the columns read."""
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
    our_names = {theirs: ours for ours, theirs in reading.columns.items()}
    all_columns = _columns(table, columns_wanted(reading))
    table_columns = {our_names.get(name, name): column for name, column in all_columns.items()}
    contents = _contents(table_columns, reading, table, folder)
    if not contents:
        raise InputError(
            f"{table} has no column {FILE!r}, only {', '.join(table_columns)}", f"Name it {FILE}."
        )
    prefix = table.parent.relative_to(folder)
    columns: Columns = {
        modality: [
            _relative_path(prefix, cell) if isinstance(cell, str) else cell for cell in table_columns[name]
        ]
        for modality, name in contents.items()
    }
    others = [name for name in table_columns if name not in (*contents.values(), *ROW_COLUMNS)]
    if "label" not in table_columns and reading.labelled and others:
        if len(others) > 1:
            raise InputError(
                f"{table} has no column 'label' and several candidates: {listed(others)}",
                "Name the column of classes, as in --columns label=class.",
            )
        columns["label"] = table_columns[others[0]]
    named = (*reading.columns, *FIRST)
    detected = {m for m, name in contents.items() if m == name and m not in named}
    return columns | {name: table_columns[name] for name in ROW_COLUMNS if name in table_columns}, detected


def _columns(table: Path, wanted: Wanted) -> Columns:
    """All columns as text, except lists of numbers that are contents."""
    if table.suffix != ".jsonl":
        return {name: list(column) for name, column in read_columns(table).items()}
    named = {alias for our_name, alias in wanted.aliases.items() if our_name not in ROW_COLUMNS}
    columns: Columns = {}
    for name, column in read_json_lines(table).items():
        arrays = cells(column) if name in named or (wanted.others and wanted.others(name)) else []
        columns[name] = arrays if are_arrays(arrays) else list(texts(column))
    return columns


def _relative_path(prefix: Path, cell: str) -> str:
    """A cell's path, relative to the data set's folder instead of the table's."""
    return str(PurePosixPath(prefix, cell)) if cell else ""


def _contents(columns: Columns, reading: Reading, table: Path, folder: Path) -> dict[Modality, str]:
    """The column of each modality: columns of files, named by kind or, if several share a kind, by column;
    then columns that the user names or that hold ready-made arrays."""
    files = [name for name in columns if name == FILE or name.endswith(f"_{FILE}")]
    kinds: dict[str, str | None] = {}
    for name in files:
        first = str(next(filter(None, columns[name]), ""))
        kinds[name] = kind_of(folder / _relative_path(table.parent.relative_to(folder), first))
    count = Counter(kinds.values())
    contents: dict[Modality, str] = {}
    for name, kind in kinds.items():
        modality = name.removesuffix(FILE).removesuffix("_")
        if is_name(modality) and (are_arrays(columns[name]) or (kind is not None and count[kind] > 1)):
            contents[modality] = name
        elif kind is None or count[kind] > 1:
            raise InputError(
                f"{table}: column {name!r} names no pictures and no recordings, or both",
                "Name files of one kind in a column.",
            )
        else:
            contents[DEFAULT_NAMES[kind]] = name
    named = [name for name in reading.columns if name in columns and name not in ROW_COLUMNS]
    may_be_arrays = columns_wanted(reading).others
    arrays = [n for n in columns if may_be_arrays is not None and may_be_arrays(n) and are_arrays(columns[n])]
    return contents | {name: name for name in (*named, *arrays) if name not in files}
