"""Read manifests: CSV, Parquet or JSON Lines files with a column per modality, such as `image` and `audio`, a
column `label`, and optionally `split`, `speaker`, `group`.

Paths are relative to the manifest; an empty cell is missing. Rows that are only predicted need no `label`.
The kind of a column (pictures, recordings, ready-made arrays) is detected from its cells.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import islice
from pathlib import Path

import numpy as np

from seesay.data.dataset import Dataset
from seesay.data.skipped import Skipped
from seesay.errors import InputError, listed, shortened
from seesay.formats.cells import Cell, Embedded, File, Member, files_of, is_array, is_there
from seesay.formats.listing import SUFFIXES, kind_of, look_inside
from seesay.formats.media import USUAL, Reading, Track, reader_of, silent, with_negatives
from seesay.formats.named_arrays import may_be_content
from seesay.formats.parquet import read_shards
from seesay.formats.rows import Table, dataset_from
from seesay.formats.tables import COLUMNS, ROW_COLUMNS, Wanted, read_sheet
from seesay.spec import DEFAULT_NAMES, FIRST, Modality, in_order, kind_by_suffix, spec_type

LONGEST_REASON = 400
"""Characters of an error that are quoted in a note."""


def read_manifest(path: Path, reading: Reading = USUAL, track: Track = silent) -> Dataset:
    """The data set that a manifest lists. An invalid manifest, or unreadable files: InputError that names
    them."""
    wanted = columns_wanted(reading)
    sheet = read_sheet(path, wanted)
    return read_rows(
        sheet.columns,
        path,
        reading,
        track,
        detected=sheet.columns.keys() - set(wanted.used or ()),
        sources=[f"the manifest {path.name}"],
        notes=sheet.notes,
        names=sheet.names,
        classes=sheet.classes,
    )


def read_parquet_folder(folder: Path, reading: Reading = USUAL, track: Track = silent) -> Dataset:
    """The data set in a folder of Parquet files, as Hugging Face stores them. InputError as in `read_shards`
    and `read_manifest`."""
    wanted = columns_wanted(reading)
    sheet = read_shards(folder, wanted)
    return read_rows(
        sheet.columns,
        folder / "*.parquet",
        reading,
        track,
        detected=sheet.columns.keys() - set(wanted.used or ()),
        name=folder.resolve().name,
        sources=[f"the Parquet files of {folder.resolve().name}"],
        notes=sheet.notes,
        names=sheet.names,
        classes=sheet.classes,
    )


def columns_wanted(reading: Reading) -> Wanted:
    """Which columns of a table to read: the standard ones, those named by the user or the model, and, unless
    a model is given, others that hold ready-made arrays."""
    modalities = reading.spec.modalities if reading.spec is not None else ()
    return Wanted(
        required=("label",) if reading.labelled else (),
        aliases=reading.columns,
        used=tuple(dict.fromkeys((*COLUMNS, *reading.columns, *modalities))),
        others=may_be_content if reading.spec is None else None,
    )


def read_rows(
    columns: Mapping[str, Sequence[Cell]],
    path: Path,
    reading: Reading = USUAL,
    track: Track = silent,
    *,
    detected: Collection[Modality] = (),
    name: str = "",
    sources: Sequence[str] = (),
    notes: Sequence[str] = (),
    left_out: Mapping[str, int] | None = None,
    names: Sequence[str] = (),
    classes: Sequence[str] = (),
) -> Dataset:
    """The data set of a manifest's columns.

    `path`: the manifest, to which paths in cells are relative. `detected`: columns of arrays that
    were found, not asked for; an unreadable one is left out, with a note, unless some row has no other
    content. `name`: of the
    data set, if not the file's. `names`: all columns of the manifest. `classes`: the names that labels index.

    InputError if there is no modality, or if rows are empty or their files missing or unreadable; with
    `reading.on_bad` "skip", such rows are left out instead.
    """
    named = in_order(name for name in columns if name not in ROW_COLUMNS and any(columns[name]))
    files: dict[Modality, list[File | None]] = {m: files_of(columns[m], path.parent) for m in named}
    if not files:
        raise InputError(
            f"{path} names no picture and no recording, it has only {listed(names or columns)}",
            "It needs a column image, audio or both, or columns of arrays; name yours with --columns, as in "
            "image=photo.",
        )
    empty = _empty_rows(files)
    required = {m: column for m, column in files.items() if m not in detected}
    if reading.on_bad == "stop":
        _check_named(empty, files, str(path))
        check_files(columns, required, str(path))  # of all modalities at once
    texts = {n: [str(cell) for cell in columns[n]] for n in ROW_COLUMNS if n in columns}
    reading = with_negatives(reading, texts.get("label", []), files.values())
    arrays, dropped = _read_detected(columns, files, detected, reading, str(path), track)
    readers = {m: reader_of(column_kind(m, columns[m], files[m], str(path))) for m in required}
    return dataset_from(
        name or path.stem,
        {m: readers[m](files[m], reading, str(path), track, m) for m in required} | arrays,
        texts.get("label") or [""] * len(next(iter(files.values()))),
        classes=classes,
        split=texts.get("split"),
        speaker=texts.get("speaker"),
        group=texts.get("group"),
        sources=sources,
        notes=(*notes, *dropped),
        left_out=left_out,
        skipped=[Skipped(row, "", f"it names {lacks(files)}") for row in empty],
        where=str(path),
        labelled=reading.labelled,
    )


def _read_detected(
    columns: Mapping[str, Sequence[Cell]],
    files: Mapping[Modality, Sequence[File | None]],
    detected: Collection[Modality],
    reading: Reading,
    where: str,
    track: Track,
) -> tuple[dict[Modality, Table], list[str]]:
    """Tables of the detected columns of arrays that can be read, and a note on each that cannot.

    InputError where a row has contents in unreadable columns only.
    """
    tables: dict[Modality, Table] = {}
    faults: dict[Modality, InputError] = {}
    for modality in (m for m in files if m in detected):
        try:
            if reading.on_bad == "stop":
                check_files(columns, {modality: files[modality]}, where)
            read = reader_of(column_kind(modality, columns[modality], files[modality], where))
            tables[modality] = read(files[modality], reading, where, track, modality)
        except InputError as error:
            faults[modality] = error
    readable = {m: column for m, column in files.items() if m not in faults}
    if faults and (not readable or _empty_rows(readable) != _empty_rows(files)):
        raise next(iter(faults.values()))
    return tables, [
        f"Column {modality} is left out, its arrays cannot be used (to require it: --columns "
        f"{modality}={modality}): {shortened(str(error).removeprefix(f'{where}: '), LONGEST_REASON)}"
        for modality, error in faults.items()
    ]


def _empty_rows(files: Mapping[Modality, Sequence[File | None]]) -> list[int]:
    """Rows, counted from 1, without any content."""
    return [i for i, row in enumerate(zip(*files.values(), strict=True), 1) if not any(row)]


def _check_named(empty: Sequence[int], modalities: Iterable[Modality], where: str) -> None:
    if empty:
        raise InputError(
            f"{where}: {len(empty)} rows have {lacks(modalities)}: " + listed(f"row {row}" for row in empty),
            "Fill or delete them.",
        )


def lacks(modalities: Iterable[Modality]) -> str:
    """What an empty row lacks, as `neither picture nor recording`."""
    names = list(modalities)
    return "neither picture nor recording" if set(names) <= set(FIRST) else f"none of {listed(names)}"


def column_kind(modality: Modality, cells: Sequence[Cell], files: Sequence[File | None], where: str) -> str:
    """The kind of a column, as `reader_of` takes it. Cells of several kinds, or of none: InputError."""
    own = {kind_by_suffix(str(cell)) for cell in cells if cell}
    if len(own) == 1 and (kind := own.pop()) is not None:
        return kind
    if all(is_array(cell) for cell in cells if cell):
        return "array"
    default = next((kind for kind, name in DEFAULT_NAMES.items() if name == modality), None)
    rows = [(i, file) for i, file in enumerate(files, 1) if file is not None]
    if default is not None and not any(_is_numbers(file) for _, file in rows):
        return default  # whatever the suffixes: reading the files reports what is wrong
    first: dict[str, int] = {}
    for i, file in rows:
        if (kind := _kind_of(file) or default) is not None:
            first.setdefault(kind, i)
    if not first:
        detected = ((kind, i) for i, file in rows if (kind := _look_inside(file)) is not None)
        first = dict(islice(detected, 1))
    if len(first) == 1:
        return next(iter(first))
    kinds = [
        f"{kind if kind == 'array' else spec_type(kind).noun}s (row {row})" for kind, row in first.items()
    ]
    what = f"mixes {' and '.join(kinds)}" if kinds else f"names no picture, recording or array: {rows[0][1]}"
    raise InputError(f"{where}: the column of {modality} {what}", "Name files of one kind in a column.")


def _is_numbers(file: File) -> bool:
    return isinstance(file, Embedded) and isinstance(file.source, np.ndarray)


def _kind_of(file: File) -> str | None:
    """The kind of a file by its name or, for an embedded content, its type; None: unknown."""
    if isinstance(file, Embedded):
        return "array" if _is_numbers(file) else None if isinstance(file.source, bytes) else "waveform"
    if isinstance(file, Member) or file.suffix.lower() == ".npy":
        return "array"
    return SUFFIXES.get(file.suffix.lower())


def _look_inside(file: File) -> str | None:
    if isinstance(file, Path):
        return kind_of(file)
    return look_inside(file.source) if isinstance(file, Embedded) and isinstance(file.source, bytes) else None


def check_files(
    columns: Mapping[str, Sequence[Cell]], files: Mapping[Modality, Sequence[File | None]], where: str
) -> None:
    """InputError that lists the missing files of these columns, as written."""
    first: dict[Path, tuple[int, str]] = {}
    for modality, column in files.items():
        for i, (file, cell) in enumerate(zip(column, columns[modality], strict=True), 1):
            path = file.path if isinstance(file, Member) else file
            if isinstance(path, Path):
                first[path] = min(first.get(path, (i, str(cell))), (i, str(cell)))
    missing = sorted(place for path, place in first.items() if not is_there(path))
    if missing:
        tried = " Backslashes were also tried as slashes." if any("\\" in cell for _, cell in missing) else ""
        raise InputError(
            f"{where}: {len(missing)} of {len(first)} files do not exist: "
            + listed(f"{cell} (row {i})" for i, cell in missing),
            f"Paths are relative to the manifest.{tried}",
        )
