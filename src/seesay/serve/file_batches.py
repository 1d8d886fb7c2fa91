"""Predictions for rows of files: a shard's files are read and encoded some rows at a time.

A file is read as `seesay predict` reads a single one, whatever the other rows are, and once in a shard. Only
encodings of a shard are kept, so memory depends neither on the number of rows nor on the size of contents.
"""

import hashlib
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from seesay.data.dataset import MISSING
from seesay.data.ragged import as_table
from seesay.data.skipped import Skipped
from seesay.errors import InputError, SeesayError, listed
from seesay.formats.arrays import image_table
from seesay.formats.cells import Embedded, File, Member, is_there, source_of
from seesay.formats.file_rows import FileRows
from seesay.formats.manifest import lacks
from seesay.formats.ready_made import array_reader
from seesay.serve.columns import Column, predicted, shown
from seesay.serve.encodings import ENCODER_BATCH, encode, size_of
from seesay.serve.parallel import parallel_map
from seesay.serve.predict import Predictor
from seesay.serve.shards import Shard
from seesay.spec import ContentSpec, Modality, PictureSpec, part_of

Files = tuple[File | None, ...]
"""The files of a row, by modality."""


@dataclass
class Piece:
    """Some rows of a shard, and the files that no earlier piece of it has."""

    shard: int
    first: int
    """Number of the first row, from 0."""
    rows: int
    empty: list[int]
    """Rows that name no file at all, from 0."""
    places: dict[Modality, list[int]] = field(default_factory=dict)
    """The place of each row's file among the shard's files, or -1."""
    files: dict[Modality, dict[int, File]] = field(default_factory=dict)
    """New files by their place; empty once they are encoded."""
    encodings: dict[Modality, Tensor] = field(default_factory=dict)
    """Those of the files; zeros where one cannot be read."""
    faults: dict[Modality, dict[int, tuple[str, str]]] = field(default_factory=dict)
    """Name and reason of the files that cannot be read, by their place."""
    stamp: str | None = None
    """Of the whole shard, in its last piece."""


def file_shards(
    predictor: Predictor,
    source: FileRows,
    columns: Sequence[Column],
    size: int,
    *,
    threads: int = 1,
    reject: float | None = None,
    strict: bool = False,
    finished: Callable[[int], str | None] = lambda _: None,
    advance: Callable[[int], object] = lambda _: None,
) -> Iterator[Shard]:
    """Yield predictions for shards of `size` rows, in order; rows that cannot be read are left out.

    `finished`: the stamp of a shard that was finished before, which is skipped if its files have not changed.
    `advance` is called with the number of rows done. `strict`: a row that cannot be read is an InputError.
    """
    if strict:
        check_named(source)
    modalities = modalities_of(predictor, source)
    read, pieces = Reader(), list[Piece]()

    def work(piece: Piece | Shard) -> Piece | Shard:
        if isinstance(piece, Piece):
            encode_files(predictor, piece, read)
            if strict:
                check_read(piece, source.where)
        return piece

    for piece in parallel_map(work, pieces_of(source, modalities, size, finished), threads):
        advance(piece.rows)
        if isinstance(piece, Shard):
            yield piece
            continue
        pieces.append(piece)
        if piece.stamp is not None:
            yield _predicted(predictor, source, columns, pieces, reject)
            pieces = []


def modalities_of(predictor: Predictor, source: FileRows) -> list[Modality]:
    """The modalities that the model and the rows have in common, in the model's order. None: InputError."""
    common = [m for m in predictor.spec.modalities if m in source.modalities]
    if not common:
        given, trained_on = " and ".join(source.modalities), " and ".join(predictor.spec.modalities)
        raise InputError(f"{source.where} has {given}, the model was trained on {trained_on} only")
    return common


def _predicted(
    predictor: Predictor,
    source: FileRows,
    columns: Sequence[Column],
    pieces: Sequence[Piece],
    reject: float | None,
) -> Shard:
    """The shard of these pieces."""
    first, rows, bad = pieces[0].first, sum(piece.rows for piece in pieces), dict[int, Skipped]()
    for piece in pieces:
        for row in piece.empty:
            bad[row] = Skipped(row + 1, "", f"it names {lacks(source.modalities)}")
        for row, name, reason in bad_rows(piece, pieces):
            bad.setdefault(row, Skipped(row + 1, name, reason))
    skipped, stamp = [bad[row] for row in sorted(bad)], pieces[-1].stamp or ""
    kept = np.setdiff1d(np.arange(first, first + rows), list(bad))
    if not len(kept):
        return Shard(pieces[0].shard, rows, [[] for _ in columns], skipped, stamp)
    encodings, present = dict[Modality, Tensor](), dict[Modality, Tensor]()
    for modality in pieces[0].places:
        places = np.concatenate([piece.places[modality] for piece in pieces])[kept - first]
        table = torch.cat([piece.encodings[modality] for piece in pieces])
        present[modality] = torch.from_numpy(places != MISSING)
        encodings[modality] = torch.zeros(len(kept), table.shape[1])
        encodings[modality][present[modality]] = table[torch.from_numpy(places[places != MISSING])]
    numbers = kept.tolist()
    named = [shown(source.files[i] for i in numbers)] if source.files else []
    probabilities = any(column.of is not None for column in columns)
    values = predicted(predictor.model, predictor.spec.classes, encodings, present, reject, probabilities)
    return Shard(pieces[0].shard, rows, [numbers, *named, *values], skipped, stamp)


# --------------------------------------------------------------------------------------------------- pieces


def pieces_of(
    source: FileRows, modalities: Sequence[Modality], size: int, finished: Callable[[int], str | None]
) -> Iterator[Piece | Shard]:
    """The rows piece by piece, and a shard without values for each that was finished before."""
    stream = source.rows()
    for number, first in enumerate(range(0, source.count, size)):
        count = min(size, source.count - first)
        rows = islice(stream, count)
        if (before := finished(number)) is not None:
            stamp = hashlib.sha256()
            for row in rows:
                stamp.update(_stamp(row))
            if stamp.hexdigest() == before:
                yield Shard(number, count, None)
                continue
            rows = islice(source.rows(), first, first + count)
        yield from _pieces_of_shard(source, modalities, number, first, count, rows)


def _pieces_of_shard(
    source: FileRows,
    modalities: Sequence[Modality],
    number: int,
    first: int,
    count: int,
    rows: Iterator[Files],
) -> Iterator[Piece]:
    stamp, columns = hashlib.sha256(), [source.modalities.index(modality) for modality in modalities]
    seen: dict[Modality, dict[File, int]] = {m: {} for m in modalities}
    ends = dict.fromkeys(modalities, 0)
    for start in range(first, first + count, ENCODER_BATCH):
        some = list(islice(rows, min(ENCODER_BATCH, first + count - start)))
        if len(some) < min(ENCODER_BATCH, first + count - start):
            raise InputError(f"{source.where} was changed while it was read", "Start again.")
        piece = Piece(number, start, len(some), [start + i for i, row in enumerate(some) if not any(row)])
        for row in some:
            stamp.update(_stamp(row))
        for modality, column in zip(modalities, columns, strict=True):
            new = piece.files[modality] = {}
            piece.places[modality] = places = []
            for row in some:
                file = row[column]
                place = MISSING if file is None else seen[modality].get(file, ends[modality])
                if file is not None and place == ends[modality]:
                    new[place] = file
                    ends[modality] += 1
                    if not isinstance(file, Embedded):  # those would stay in memory, and none repeats
                        seen[modality][file] = place
                places.append(place)
        if start + len(some) == first + count:
            piece.stamp = stamp.hexdigest()
        yield piece


def _stamp(row: Files) -> bytes:
    """Names, sizes and times of a row's files."""
    parts = []
    for file in row:
        path = file.path if isinstance(file, Member) else file
        if isinstance(path, Path):
            try:
                facts = path.stat()
                parts.append(f"{path} {facts.st_size} {facts.st_mtime_ns}")
            except OSError:
                parts.append(f"{path} absent")
    return "\n".join(parts).encode("utf-8", "surrogateescape")


# -------------------------------------------------------------------------------------------------- reading


class Reader(threading.local):
    """Reads a file as content; each thread keeps an open `.npz` of its own."""

    def __init__(self) -> None:
        self.array = array_reader()

    def __call__(self, file: File, spec: ContentSpec) -> np.ndarray:
        """The content of a file, as a single prediction reads it. Unreadable: InputError."""
        if not _is_array(file):
            return part_of(spec, "read")(source_of(file), spec)
        array = self.array(file)
        if isinstance(spec, PictureSpec) and not spec.standardised:
            return _picture(array, spec, str(file))
        return part_of(spec, "read")(array.astype(np.float32) if array.dtype == bool else array, spec)


def _is_array(file: File) -> bool:
    if isinstance(file, Embedded):
        return isinstance(file.source, np.ndarray)
    return isinstance(file, Member) or file.suffix.lower() == ".npy"


def _picture(array: np.ndarray, spec: PictureSpec, name: str) -> np.ndarray:
    """The content of a picture given as an array, in 0 to 1 or 0 to 255, as an import makes it."""
    if array.ndim == 1:
        raise InputError(f"{name} is a vector, expected a picture")
    table = image_table({name: array[None]})
    wrong = [n for n in spec.fixed if getattr(table.spec, n) != getattr(spec, n)]
    if wrong:
        raise InputError(f"{name} holds {table.spec}, the model was trained on {spec}")
    return table.contents[0]


def encode_files(predictor: Predictor, piece: Piece, read: Reader) -> None:
    """Read and encode the new files of a piece."""
    for modality, files in piece.files.items():
        contents: dict[int, np.ndarray] = {}
        faults = piece.faults[modality] = {}
        for place, file in files.items():
            try:
                contents[place] = read(file, predictor.spec[modality])
            except SeesayError as error:
                faults[place] = (str(file), str(error).rstrip("."))
        encodings = torch.zeros(len(files), size_of(predictor.model, modality))
        if contents:
            which = torch.tensor([place in contents for place in files])
            encodings[which] = encode(predictor.model, modality, as_table(_of_one_type(contents.values())))
        piece.encodings[modality] = encodings
    piece.files = {}


def _of_one_type(contents: Iterable[np.ndarray]) -> list[np.ndarray]:
    """Contents of one dtype: arrays of pictures may be bytes in one row and fractions in another."""
    contents = list(contents)
    if len({content.dtype for content in contents}) == 1:
        return contents
    return [c.astype(np.float32) / np.float32(1 if c.dtype.kind == "f" else 255) for c in contents]


# ------------------------------------------------------------------------------------------------- bad rows


def bad_rows(piece: Piece, pieces: Sequence[Piece]) -> Iterator[tuple[int, str, str]]:
    """The rows of a piece with a file that could not be read, there or in an earlier one of these pieces:
    their number from 0, the file and the reason."""
    for modality, places in piece.places.items():
        faults = {place: fault for each in pieces for place, fault in each.faults[modality].items()}
        for row, place in enumerate(places, piece.first):
            if place in faults:
                yield row, *faults[place]


def check_read(piece: Piece, where: str) -> None:
    """InputError that names the rows of a piece whose files could not be read, if any."""
    rows = [f"row {row + 1}: {reason}" for row, _, reason in bad_rows(piece, [piece])]
    if rows:
        raise InputError(
            f"{where}: {len(rows)} of {piece.rows} rows cannot be read: {listed(rows)}",
            "Fix or remove those rows, or leave them out with --on-bad skip.",
        )


def check_named(source: FileRows) -> None:
    """InputError that lists rows without any file, and files that do not exist."""
    empty, missing, count = list[str](), list[str](), 0
    for number, row in enumerate(source.rows(), 1):
        if not any(row):
            empty.append(f"row {number}")
        for file in row:
            path = file.path if isinstance(file, Member) else file
            count += file is not None
            if isinstance(path, Path) and not is_there(path):
                missing.append(f"{_as_written(path, source)} (row {number})")
    if empty:
        raise InputError(
            f"{source.where}: {len(empty)} rows have {lacks(source.modalities)}: {listed(empty)}",
            "Fill or delete them.",
        )
    if missing:
        raise InputError(
            f"{source.where}: {len(missing)} of {count} files do not exist: {listed(missing)}",
            "Paths are relative to the manifest.",
        )


def _as_written(path: Path, source: FileRows) -> str:
    folder = source.sources[0].parent if source.sources else Path()
    return str(path.relative_to(folder)) if path.is_relative_to(folder) else str(path)
