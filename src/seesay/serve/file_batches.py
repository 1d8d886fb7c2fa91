"""The files of many rows in batches for the encoder, each file once.

Which files make a batch depends on the rows alone, so a command that continues after a kill makes the batches
that the first would have made. Encodings of earlier shards are found on disk (serve/shards.py).
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from seesay.data.dataset import MISSING
from seesay.errors import InputError
from seesay.formats.cells import Embedded, File, Member
from seesay.formats.file_rows import FileRows
from seesay.serve.encodings import ENCODER_BATCH
from seesay.spec import Modality

REMEMBERED = 100_000
"""Files of a modality that later shards do not read again: 20 MB of names."""

Files = tuple[File | None, ...]
"""The files of a row, by modality."""


@dataclass
class Batch:
    """Files of a shard that are encoded together."""

    modality: Modality
    files: list[File] = field(default_factory=list)
    first_rows: list[int] = field(default_factory=list)
    """The first row that names each, from 0."""


@dataclass
class Rows:
    """The rows of a shard, all of whose new files are in batches before it."""

    shard: int
    first: int
    """Number of the first row, from 0."""
    count: int
    empty: list[int] = field(default_factory=list)
    """Rows that name no file at all."""
    places: dict[Modality, list[int]] = field(default_factory=dict)
    """The number of each row's file among all files of the modality, or -1."""
    starts: dict[Modality, list[int]] = field(default_factory=dict)
    """The number of the first new file of each shard so far, by shard."""
    stamp: str = ""
    """Hash of the names, sizes and times of all files of the rows."""
    finished: bool = False
    """Whether the shard was finished before, and its files have not changed."""


def batches_of(
    source: FileRows, modalities: Sequence[Modality], size: int, finished: Callable[[int], str | None]
) -> Iterator[Batch | Rows]:
    """Yield shard by shard the batches of new files, then the rows. `finished`: the stamp of a shard that was
    finished before; unless its files have changed, only its rows are yielded."""
    stream = source.rows()
    numbers = {modality: Numbers() for modality in modalities}
    for shard, first in enumerate(range(0, source.count, size)):
        count = min(size, source.count - first)
        for each in numbers.values():
            each.begin()
        some = islice(stream, count)
        if (before := finished(shard)) is not None:
            rows = Rows(shard, first, count)
            for _ in _batches(source, some, rows, numbers):
                pass
            if rows.stamp == before:
                rows.finished = True
                yield rows
                continue
            for each in numbers.values():
                each.undo()
            some = islice(source.rows(), first, first + count)
        rows = Rows(shard, first, count)
        yield from _batches(source, some, rows, numbers)
        yield rows


def _batches(
    source: FileRows, some: Iterable[Files], rows: Rows, numbers: dict[Modality, "Numbers"]
) -> Iterator[Batch]:
    """Yield the batches of a shard's new files, and fill in its rows."""
    columns = {modality: source.modalities.index(modality) for modality in numbers}
    waiting = {modality: Batch(modality) for modality in numbers}
    rows.starts = {modality: each.starts for modality, each in numbers.items()}
    rows.places = {modality: [] for modality in numbers}
    stamp, row = hashlib.sha256(), rows.first - 1
    for row, files in enumerate(some, rows.first):
        stamp.update(_stamp(files))
        if not any(files):
            rows.empty.append(row)
        for modality, column in columns.items():
            file = files[column]
            place, new = (MISSING, False) if file is None else numbers[modality](file)
            rows.places[modality].append(place)
            if file is not None and new:
                batch = waiting[modality]
                batch.files.append(file)
                batch.first_rows.append(row)
                if len(batch.files) == ENCODER_BATCH:
                    waiting[modality] = Batch(modality)
                    yield batch
    if row + 1 < rows.first + rows.count:
        raise InputError(f"{source.where} was changed while it was read", "Start again.")
    rows.stamp = stamp.hexdigest()
    yield from (batch for batch in waiting.values() if batch.files)


class Numbers:
    """Numbers the files of a modality in order of appearance: each once in a shard, and those REMEMBERED once
    in all shards."""

    def __init__(self) -> None:
        self.count = 0
        self.starts: list[int] = []
        self.earlier, self.here = dict[bytes, int](), dict[File, int]()

    def __call__(self, file: File) -> tuple[int, bool]:
        """The number of a file, and whether it is new."""
        number = self.here.get(file)
        if number is None and self.earlier and not isinstance(file, Embedded):
            number = self.earlier.get(_digest(file))
        if number is not None:
            return number, False
        if not isinstance(file, Embedded):  # a content in a table would stay in memory, and is never repeated
            self.here[file] = self.count
        self.count += 1
        return self.count - 1, True

    def begin(self) -> None:
        """Begin the next shard."""
        for file, number in self.here.items():
            if len(self.earlier) < REMEMBERED:
                self.earlier[_digest(file)] = number
        self.here.clear()
        self.starts.append(self.count)

    def undo(self) -> None:
        """Go back to the beginning of the shard."""
        self.here.clear()
        self.count = self.starts[-1]


def _digest(file: File) -> bytes:
    return hashlib.blake2b(str(file).encode("utf-8", "surrogateescape"), digest_size=16).digest()


def _stamp(files: Files) -> bytes:
    """Names, sizes and times of a row's files."""
    facts = []
    for file in files:
        path = path_of_file(file)
        try:
            facts.append("" if path is None else f"{path} {(stat := path.stat()).st_size} {stat.st_mtime_ns}")
        except OSError:
            facts.append(f"{path} absent")
    return "\n".join(facts).encode("utf-8", "surrogateescape")


def path_of_file(file: File | None) -> Path | None:
    """The file on disk in which a content lies; None: in a table, or nowhere."""
    if isinstance(file, Embedded):
        return None
    return file.path if isinstance(file, Member) else file
