"""Read files into tables of contents. Every file is read once, and all unreadable ones are reported
together."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Literal

import numpy as np

from seesay.data.dataset import MISSING, NONE_NAME
from seesay.data.ragged import distinct
from seesay.data.skipped import Skipped
from seesay.errors import ConfigError, InputError, SeesayError, listed
from seesay.formats.arrays import array_table
from seesay.formats.cells import File, source_of
from seesay.formats.ready_made import array_reader, common_shape
from seesay.formats.rows import Table
from seesay.formats.settings import (
    LONGEST_SIDE,
    Chosen,
    Reader,
    picture_facts,
    picture_settings,
    recording_facts,
    recording_settings,
)
from seesay.registry import resolved
from seesay.signal import audio, image
from seesay.spec import (
    DEFAULT_NAMES,
    ContentSpec,
    MatrixSpec,
    Modality,
    PictureSpec,
    Spec,
    VectorSpec,
    WaveformSpec,
    spec_type,
)

Track = Callable[[Iterable[Any], str], Iterable[Any]]
"""Shows progress over items under a description, as `rich.progress.track` does."""

WIDEST = 1_024
"""Pixels: largest side of a stored picture, a megapixel for a square."""


def silent(items: Iterable[Any], _description: str) -> Iterable[Any]:
    """The items, without showing progress."""
    return items


@dataclass(frozen=True)
class Reading:
    """Settings for reading files into contents and rows."""

    rate: int | None = None
    """Hz; None: the lowest among the recordings, at most 16,000, so that bandwidth reveals no class."""
    reader: Reader = "auto"
    """Read pictures as `ink` on paper or as a `photo`; `auto` decides by a sample of them."""
    size: int | None = None
    """Height and width of ink in pixels; None: 28."""
    max_side: int = LONGEST_SIDE
    """Limit of the longer side of stored photos, in pixels."""
    spec: Spec | None = None
    """Spec of a trained model to read files for; overrides the other settings."""
    labelled: bool = True
    """Whether rows need labels, of at least two classes; false for rows that are only predicted."""
    on_bad: Literal["stop", "skip"] = "stop"
    """Whether an unreadable file stops reading, or its row is skipped."""
    columns: Mapping[str, str] = field(default_factory=dict)
    """Maps our column names, and new modality names, to column names in the table: `{"label": "class"}`."""
    negatives: Collection[File] = ()
    """Files of rows of no class (`_none_`): they have no say in the length of a clip."""
    name_pattern: str | None = None
    """Pattern of file names in a folder, such as `{label}_{speaker}_{take}`; None: detected."""

    def __post_init__(self) -> None:
        limits = {"size": (1, WIDEST), "max_side": (1, WIDEST), "rate": audio.RATES}
        for name, (least, most) in limits.items():
            value = getattr(self, name)
            if value is not None and not least <= value <= most:
                raise ConfigError(f"{name} must be {least:,} to {most:,}, got {value:g}")


USUAL = Reading()
"""The default way of reading."""


def image_contents(
    files: Sequence[File | None],
    reading: Reading,
    where: str,
    track: Track = silent,
    modality: Modality | None = None,
) -> Table:
    """The table of pictures, one file or None per row. Missing or unreadable files: InputError."""
    sources = list(map(source_of, _distinct_files(files)))
    choice = image_settings(sources, reading, modality)
    return _from_files(choice, image.as_content, image.read_image, files, reading, where, track)


def audio_contents(
    files: Sequence[File | None],
    reading: Reading,
    where: str,
    track: Track = silent,
    modality: Modality | None = None,
) -> Table:
    """The table of recordings, one file or None per row. Missing or unreadable files: InputError."""
    found = _distinct_files(files)
    words = [file for file in found if file not in reading.negatives] or found
    sources, of_words = list(map(source_of, found)), list(map(source_of, words))
    choice = audio_settings(sources, of_words, reading, modality)
    return _from_files(choice, audio.as_content, audio.read_audio, files, reading, where, track)


def array_contents(
    files: Sequence[File | None],
    reading: Reading,
    where: str,
    track: Track = silent,
    modality: Modality | None = None,
) -> Table:
    """The table of ready-made arrays (vectors, matrices or pictures), one file or None per row.

    Unreadable files, or another shape than the model's or that of most rows: InputError.
    """
    modality = modality or "arrays"
    distinct_files = _distinct_files(files)
    read, faults = _read(distinct_files, array_reader(), track, modality)
    spec = reading.spec.contents.get(modality) if reading.spec is not None else None
    fixed = isinstance(spec, MatrixSpec | VectorSpec)
    why = "as in the model" if fixed else "as in most files"
    if read:
        shape = spec.shape if fixed else common_shape(array.shape for array in read.values())
        for file, array in list(read.items()):
            if array.shape != shape:
                faults[file] = f"{file}: expected the shape {shape}, {why}, got {array.shape}"
                del read[file]
    _check_read(files, read, faults, reading, where)
    if modality in DEFAULT_NAMES.values() and next(iter(read.values())).ndim == 1:
        raise InputError(
            f"{where}: {modality} contains vectors, which could be pixels, samples or embeddings",
            f"Name embeddings differently, as in --columns vector={modality}; otherwise list files of "
            "pictures or recordings.",
        )
    table = array_table({f"{where}, {modality}": np.stack(list(read.values()))}, modality)
    return _table(files, read, faults, table)


READERS: Mapping[str, Callable[..., Table]] = {
    PictureSpec.kind: image_contents,
    WaveformSpec.kind: audio_contents,
    "array": array_contents,
}
"""The function that reads a column into a table, by kind of its files; `array` covers several kinds."""


def with_negatives(
    reading: Reading, labels: Sequence[str], files: Iterable[Sequence[File | None]]
) -> Reading:
    """The reading that knows the files of rows called `_none_`, in any of the columns."""
    if NONE_NAME not in labels:
        return reading
    found = (
        file for column in files for label, file in zip(labels, column, strict=True) if label == NONE_NAME
    )
    return replace(reading, negatives=frozenset(file for file in found if file is not None))


def reader_of(kind: str) -> Callable[..., Table]:
    """The function that reads a column of files of this kind, a registered one too, into a table."""
    return READERS[kind] if kind in READERS else partial(registered_contents, spec_type(kind))


def registered_contents(
    kind: type[ContentSpec],
    files: Sequence[File | None],
    reading: Reading,
    where: str,
    track: Track = silent,
    modality: Modality | None = None,
) -> Table:
    """The table of contents of a registered kind, one file or None per row. Unreadable files, or another
    shape than that of most: InputError."""

    def content(file: File) -> np.ndarray:
        try:
            return np.asarray(resolved(kind.load)(file), np.float32)
        except (ValueError, OSError) as error:
            raise InputError(f"{file} cannot be read as {kind.kind}: {error}") from None

    read, faults = _read(_distinct_files(files), content, track, kind.kind)
    shape = common_shape(array.shape for array in read.values()) if read else ()
    for file, array in list(read.items()):
        if array.shape != shape or not np.isfinite(array).all():
            faults[file] = f"{file}: expected finite numbers of shape {shape}, got {array.shape}"
            del read[file]
    _check_read(files, read, faults, reading, where)
    contents, pointers = distinct(np.stack(list(read.values())))
    spec = kind.of(shape)
    return _table(files, read, faults, Table(spec, contents, pointers, f"{len(read)} files, read as {spec}"))


def _distinct_files(files: Sequence[File | None]) -> list[File]:
    """The distinct files, in order of appearance."""
    return list(dict.fromkeys(file for file in files if file is not None))


def _read(
    files: Sequence[File], content: Callable[[File], np.ndarray], track: Track, what: str
) -> tuple[dict[File, np.ndarray], dict[File, str]]:
    """The contents of the readable files, and the errors of the others."""
    read: dict[File, np.ndarray] = {}
    faults: dict[File, str] = {}
    for file in track(files, f"Reading {what}"):
        try:
            read[file] = content(file)
        except SeesayError as error:
            faults[file] = str(error).rstrip(".")
    return read, faults


def _check_read(
    files: Sequence[File | None],
    read: Mapping[File, np.ndarray],
    faults: Mapping[File, str],
    reading: Reading,
    where: str,
) -> None:
    """InputError that lists unreadable files, unless their rows may be skipped and others remain."""
    if faults and (reading.on_bad == "stop" or not read):
        row_of = {file: i for i, file in reversed(list(enumerate(files, 1))) if file in faults}
        raise InputError(
            f"{where}: {len(faults)} of {len(read) + len(faults)} files cannot be read: "
            + listed(f"row {row_of[file]}: {why}" for file, why in faults.items()),
            "Fix or remove those rows" + (", or import them with --on-bad skip." if read else "."),
        )


def _table(
    files: Sequence[File | None], read: Mapping[File, np.ndarray], faults: Mapping[File, str], table: Table
) -> Table:
    """The `table` of the contents read, with its pointers expanded to all rows and the skipped rows
    listed."""
    pointer = dict(zip(read, table.pointers.tolist(), strict=True))
    return replace(
        table,
        pointers=np.array([MISSING if f is None else pointer.get(f, MISSING) for f in files], np.int32),
        skipped=tuple(
            Skipped(i, str(file), faults[file])
            for i, file in enumerate(files, 1)
            if file is not None and file in faults
        ),
    )


def _from_files(
    choice: Chosen[PictureSpec] | Chosen[WaveformSpec],
    as_content: Callable[..., np.ndarray],
    read_file: Callable[..., np.ndarray],
    files: Sequence[File | None],
    reading: Reading,
    where: str,
    track: Track,
) -> Table:
    """The table of what `read_file` reads, stored as `as_content` makes it."""

    def content(file: File) -> np.ndarray:
        return as_content(read_file(source_of(file), choice.spec))

    what = f"{choice.spec.noun}s"
    read, faults = _read(_distinct_files(files), content, track, what)
    _check_read(files, read, faults, reading, where)
    contents, pointers = distinct(list(read.values()))
    summary = f"{len(read)} {what}, {choice.summary}; {len(contents)} distinct"
    return _table(files, read, faults, Table(choice.spec, contents, pointers, summary, notes=choice.notes))


def image_settings(
    sources: Sequence[Any], reading: Reading, modality: Modality | None = None
) -> Chosen[PictureSpec]:
    """The settings for storing these pictures: those of the model if given, else chosen from the files."""
    for spec in _of_model(reading, modality):
        if isinstance(spec, PictureSpec):
            return Chosen(spec, "read like the model's pictures")
    return picture_settings(picture_facts(sources), reading.reader, reading.size, reading.max_side)


def audio_settings(
    sources: Sequence[Any], words: Sequence[Any], reading: Reading, modality: Modality | None = None
) -> Chosen[WaveformSpec]:
    """The settings for storing these recordings: those of the model if given, else chosen from the files;
    the length of a clip from `words`, those that belong to a class."""
    for spec in _of_model(reading, modality):
        if isinstance(spec, WaveformSpec):
            return Chosen(spec, "read like the model's recordings")
    lengths = None if len(words) == len(sources) else recording_facts(words)
    return recording_settings(recording_facts(sources), reading.rate, lengths)


def _of_model(reading: Reading, modality: Modality | None) -> list[ContentSpec]:
    """Content specs of the given model, that of `modality` first."""
    contents = reading.spec.contents if reading.spec is not None else {}
    return [contents[m] for m in sorted(contents, key=lambda m: m != modality)]
