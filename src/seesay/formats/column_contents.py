"""Contents of columns in memory: chosen how to be stored when a model is trained, and read the same way for
its predictions.

Which value of pictures in arrays is white, all training rows together decide: 1, 255 or, far from both, the
brightest. A new row alone could not, so that is remembered: `Learned.tops`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from seesay.data.dataset import MISSING, SPLITS, Dataset
from seesay.data.groups import joined
from seesay.data.ragged import ContentTable, distinct
from seesay.errors import InputError, SeesayError, listed
from seesay.formats.arrays import array_table, feature_shape, image_table, picture_top, pictures_like
from seesay.formats.cells import Cell, Embedded, File, files_of, is_array, source_of
from seesay.formats.columns import Rows, is_missing
from seesay.formats.manifest import column_kind
from seesay.formats.media import USUAL, audio_settings, image_settings, reader_of
from seesay.formats.ready_made import array_reader, common_shape
from seesay.formats.rows import Table
from seesay.spec import ContentSpec, MatrixSpec, Modality, PictureSpec, Spec, VectorSpec, in_order, part_of

Tops = Mapping[Modality, float | None]
"""The value of white, by modality of pictures that were given as arrays; None: they were standardised."""

DIM = 31
"""Brightest value of pictures in 0 to 255 up to which it is taken for white: those of sklearn's `load_digits`
end at 16."""

WHERE = "X"
"""What messages call the rows."""


@dataclass(frozen=True)
class Learned:
    """A data set of rows in memory, and how its arrays were read."""

    data: Dataset
    tops: Tops


@dataclass(frozen=True)
class Given:
    """The cells of a column that are not missing."""

    modality: Modality
    rows: np.ndarray
    """(n,): their positions."""
    numbers: np.ndarray
    """(n,): the numbers of these rows in messages."""
    array: np.ndarray | None
    """(n, ...), if they came as one array; else None."""
    cells: Sequence[Cell] = ()
    """Otherwise the n cells, and the file of each."""
    files: Sequence[File] = ()


def given_in(rows: Rows, modality: Modality) -> Given:
    """What a column holds."""
    column = rows.columns[modality]
    there = np.array([i for i, cell in enumerate(column) if not is_missing(cell)], np.int64)
    array = None if column.dtype == object else column[there]
    return _with_cells(Given(modality, there, rows.numbers[there], array), column[there])


def _with_cells(given: Given, values: np.ndarray) -> Given:
    """The column with these values as its cells, unless they are one array."""
    if given.array is not None:
        return given
    cells = [_cell(value, f"row {number}") for value, number in zip(values, given.numbers, strict=True)]
    return replace(given, cells=cells, files=[file for file in files_of(cells, Path()) if file is not None])


def _cell(value: Any, name: str) -> Cell:
    if isinstance(value, tuple):
        samples, rate = value
        return Embedded(name, (np.asarray(samples), rate))
    return Embedded(name, value) if isinstance(value, bytes | np.ndarray) else str(value)


# ----------------------------------------------------------------------------------------------- for training


def learned_from(rows: Rows, label: np.ndarray, classes: Sequence[str], groups: Any = None) -> Learned:
    """The data set of these rows, all for training. A column without contents is left out.

    `label`: (rows,) indices into the classes. `groups`: an entry for each row, of which equal ones stay on
    one side of a split; None, NaN and "" are unknown. Unreadable contents, or none at all: InputError.
    """
    given = {m: given_in(rows, m) for m in in_order(rows.modalities)}
    given = {m: column for m, column in given.items() if len(column.rows)}
    if not given:
        raise InputError(f"all cells of {', '.join(rows.modalities)} are missing", "Give some contents.")
    tables, tops = {}, {}
    for modality, column in given.items():
        table, top = _table(column)
        pointers = np.full(len(rows), MISSING, np.int32)
        pointers[column.rows] = table.pointers
        tables[modality] = Table(table.spec, table.contents, pointers, table.summary, table.notes)
        if isinstance(table.spec, PictureSpec) and _are_arrays(column):
            tops[modality] = top
    sizes = {m: len(table.contents) for m, table in tables.items()}
    pointers_of = {m: table.pointers for m, table in tables.items()}
    names = None if groups is None else np.array(["" if is_missing(g) else str(g) for g in groups], str)
    of_rows = {} if names is None else {m: {"group": g} for m, g in joined(sizes, pointers_of, names).items()}
    data = Dataset(
        spec=Spec(tuple(classes), {m: table.spec for m, table in tables.items()}),
        contents={m: table.contents for m, table in tables.items()},
        rows=np.stack([table.pointers for table in tables.values()], 1),
        label=label.astype(np.int64),
        split=np.full(len(rows), SPLITS.index("train"), np.int8),
        groups=of_rows,
        name=WHERE,
        notes=tuple(note for table in tables.values() for note in table.notes),
    )
    return Learned(data, tops)


def _are_arrays(column: Given) -> bool:
    return column.array is not None or all(map(is_array, column.cells))


def _array(column: Given) -> np.ndarray:
    """(n, ...): the arrays of a column; of different shapes: InputError."""
    if column.array is not None:
        return column.array
    arrays = _read_all(column, array_reader())
    shape = common_shape(array.shape for array in arrays)
    numbers = column.numbers.tolist()
    other = [f"row {i}: {a.shape}" for i, a in zip(numbers, arrays, strict=True) if a.shape != shape]
    if other:
        problem = f"{WHERE}: arrays of {column.modality} must have one shape, most have {shape}"
        raise InputError(f"{problem}, but {listed(other)}", "Bring them to it, or give pictures as files.")
    return np.stack(arrays)


def _table(column: Given) -> tuple[Table, float | None]:
    """The table of a column's contents and, of pictures in arrays, the value of white."""
    name, modality = f"{WHERE}, {column.modality}", column.modality
    kind = "array" if column.array is not None else column_kind(modality, column.cells, column.files, WHERE)
    if kind == "array":
        array = _array(column)
        if array.ndim == 2 and modality == "audio" and array.shape[1] > 1_000:
            raise InputError(f"{name}: recordings need their rate", "Give a pair (samples, rate) for each.")
        table = array_table({name: array}, modality)
        return _with_top(table, name, array) if isinstance(table.spec, PictureSpec) else (table, None)
    sources = [source_of(file) for file in dict.fromkeys(column.files)]
    if kind == "picture":  # sorted: of many, some are examined, whatever the order of the rows
        choice = image_settings(sorted(sources, key=_sort_key), USUAL)
        spec, notes = choice.spec, choice.notes
    elif kind == "waveform":
        choice = audio_settings(sources, sources, USUAL)
        spec, notes = choice.spec, choice.notes
    else:
        spec, notes = reader_of(kind)(column.files[:1], USUAL, name).spec, ()
    contents, pointers = distinct(_read_all(column, _reader(spec)))
    return Table(spec, contents, pointers, f"{len(column.rows)} {spec.noun}s", notes), None


def _with_top(table: Table, name: str, array: np.ndarray) -> tuple[Table, float | None]:
    """The table of pictures and the value of white in them."""
    top, brightest = picture_top(name, array), float(array.max())
    if top != 255 or brightest > DIM:
        return table, top
    table = image_table({name: array / np.float32(brightest)})
    note = f"The brightest value of {name} is {brightest:g}, which is taken for white."
    return replace(table, notes=(*table.notes, note)), brightest


def _sort_key(source: Path | bytes) -> bytes:
    return source if isinstance(source, bytes) else str(source).encode()


def _reader(spec: ContentSpec) -> Callable[[File], np.ndarray]:
    """The function that reads a file as prediction does."""
    read = part_of(spec, "read")
    return lambda file: read(source_of(file), spec)


def _read_all(column: Given, read: Callable[[File], np.ndarray]) -> list[np.ndarray]:
    """What `read` makes of each cell, every file read once. InputError that lists all unreadable ones."""
    made: dict[File, np.ndarray] = {}
    faults: dict[File, str] = {}
    for number, file in zip(column.numbers, column.files, strict=True):
        if file in made or file in faults:
            continue
        try:
            made[file] = read(file)
        except SeesayError as error:
            faults[file] = f"row {number}: {error}".rstrip(".")
    if faults:
        problem = f"{WHERE}: {len(faults)} of {len(faults) + len(made)} contents of {column.modality}"
        raise InputError(f"{problem} cannot be read: {listed(faults.values())}", "Mend them, or give None.")
    return [made[file] for file in column.files]


# --------------------------------------------------------------------------------------------- for prediction


def contents_like(rows: Rows, modality: Modality, spec: ContentSpec, tops: Tops) -> tuple[Any, np.ndarray]:
    """The contents of a column, read as in training, and (rows,) pointers into them.

    Each row is read by itself. `tops`: of the training rows. Unreadable, or of another kind: InputError.
    """
    column = given_in(rows, modality)
    pointers = np.full(len(rows), MISSING, np.int64)
    pointers[column.rows] = np.arange(len(column.rows))
    if not len(column.rows):
        return np.zeros((0, *spec.shape), np.float32), pointers
    if _are_arrays(column) and (modality in tops or isinstance(spec, MatrixSpec | VectorSpec)):
        return _arrays_like(column, spec, tops.get(modality)), pointers
    if column.array is not None:
        column = _with_cells(replace(column, array=None), column.array)
    contents, which = distinct(_read_all(column, _reader(spec)))
    pointers[column.rows] = which
    return contents, pointers


def _arrays_like(column: Given, spec: ContentSpec, top: float | None) -> ContentTable:
    name, array = f"{WHERE}, {column.modality}", _array(column)
    if isinstance(spec, PictureSpec):
        return pictures_like(name, array, spec, top)
    shape = feature_shape(name, array) if isinstance(spec, MatrixSpec) else array.shape[1:]
    if shape != spec.shape:
        raise InputError(f"{name}: expected arrays of shape {spec.shape}, got {shape}", "As in training.")
    values = array.reshape(-1, *shape).astype(np.float32)
    if not np.isfinite(values).all():
        raise InputError(f"{name} holds NaN or infinities", "Only a row of nothing but NaN is missing.")
    return values
