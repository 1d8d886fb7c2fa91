"""From files to tables of contents: every file is read once, and all that cannot be read are named
together."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np

from seesay.data.dataset import MISSING
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
)

Track = Callable[[Iterable[Any], str], Iterable[Any]]
"""Shows progress over items, under a description: `rich.progress.track` is one."""

WIDEST = 1_024
"""Pixels: the largest side of a picture that is kept, of a megapixel then."""


def silent(items: Iterable[Any], _description: str) -> Iterable[Any]:
    """No progress shown."""
    return items


@dataclass(frozen=True)
class Reading:
    """How files of pictures and recordings become contents, and rows."""

    rate: int | None = None
    """Samples a second; none: the lowest among the recordings, so that bandwidth tells nothing, and at most
    16,000."""
    reader: Reader = "auto"
    """How pictures are read: as `ink` on paper or as a `photo`; `auto` looks at some of them."""
    size: int | None = None
    """Height and width of ink in pixels; none: 28."""
    max_side: int = LONGEST_SIDE
    """Pixels of the longer side that photos are kept with at most."""
    spec: Spec | None = None
    """A trained model's, which files are read for: nothing else counts then."""
    labelled: bool = True
    """Whether rows need labels, and of two classes or more. Those that are only predicted do not."""
    on_bad: Literal["stop", "skip"] = "stop"
    """What a file that cannot be read does: it stops all, or its row is left out."""
    columns: Mapping[str, str] = field(default_factory=dict)
    """What a table calls our columns, and the modalities that are named so: `{"label": "class"}`."""
    name_pattern: str | None = None
    """What the names of files in a folder mean, as `{label}_{speaker}_{take}`; none: found out from all of
    them."""

    def __post_init__(self) -> None:
        limits = {"size": (1, WIDEST), "max_side": (1, WIDEST), "rate": audio.RATES}
        for name, (least, most) in limits.items():
            value = getattr(self, name)
            if value is not None and not least <= value <= most:
                raise ConfigError(f"{name} must be {least:,} to {most:,}, got {value:g}")


USUAL = Reading()
"""As everything is read unless asked for otherwise."""


def image_contents(
    files: Sequence[File | None],
    reading: Reading,
    where: str,
    track: Track = silent,
    modality: Modality | None = None,
) -> Table:
    """The picture of each row, None where it has none. Files that are not there or cannot be read:
    InputError."""
    different = _different(files)
    chosen = image_settings(list(map(source_of, different)), reading, modality)

    def content(file: File) -> np.ndarray:
        return image.as_content(image.read_image(source_of(file), chosen.spec))

    return _from_files(chosen, files, different, content, reading, where, track, "pictures")


def audio_contents(
    files: Sequence[File | None],
    reading: Reading,
    where: str,
    track: Track = silent,
    modality: Modality | None = None,
) -> Table:
    """The recording of each row, None where it has none. Files that are not there or cannot be read:
    InputError."""
    different = _different(files)
    chosen = audio_settings(list(map(source_of, different)), reading, modality)

    def content(file: File) -> np.ndarray:
        return audio.as_content(audio.read_audio(source_of(file), chosen.spec))

    return _from_files(chosen, files, different, content, reading, where, track, "recordings")


def array_contents(
    files: Sequence[File | None],
    reading: Reading,
    where: str,
    track: Track = silent,
    modality: Modality | None = None,
) -> Table:
    """The ready-made array of each row, None where it has none: a vector, a matrix or a picture each. Files
    that cannot be read, or arrays of another shape than those of most rows or of the model: InputError."""
    modality = modality or "arrays"
    different = _different(files)
    read, faults = _read(different, array_reader(), track, modality)
    spec = reading.spec.contents.get(modality) if reading.spec is not None else None
    known = isinstance(spec, MatrixSpec | VectorSpec)
    why = "as the model has" if known else "as most have"
    if read:
        shape = spec.shape if known else common_shape(array.shape for array in read.values())
        for file, array in list(read.items()):
            if array.shape != shape:
                faults[file] = f"{file}: expected the shape {shape}, {why}, got {array.shape}"
                del read[file]
    _check_read(files, read, faults, reading, where)
    if modality in DEFAULT_NAMES.values() and next(iter(read.values())).ndim == 1:
        raise InputError(
            f"{where}: {modality} holds vectors, which may be pixels, samples or encodings",
            f"Call encodings by a name of their own, as in --columns vector={modality}; of others name files "
            "of pictures or recordings.",
        )
    made = array_table({f"{where}, {modality}": np.stack(list(read.values()))}, modality)
    return _table(files, read, faults, made)


READERS: Mapping[str, Callable[..., Table]] = {
    PictureSpec.kind: image_contents,
    WaveformSpec.kind: audio_contents,
    "array": array_contents,
}
"""What makes a table of the files in a column: by kind of file, arrays being of several."""


def _different(files: Sequence[File | None]) -> list[File]:
    """The different files, in order of appearance."""
    return list(dict.fromkeys(file for file in files if file is not None))


def _read(
    different: Sequence[File], content: Callable[[File], np.ndarray], track: Track, what: str
) -> tuple[dict[File, np.ndarray], dict[File, str]]:
    """The content of each file that can be read, and what is wrong with the others."""
    read: dict[File, np.ndarray] = {}
    faults: dict[File, str] = {}
    for file in track(different, f"Reading {what}"):
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
    """InputError that lists what is wrong, unless such rows may be skipped and others remain."""
    if faults and (reading.on_bad == "stop" or not read):
        row = {file: i for i, file in reversed(list(enumerate(files, 1))) if file in faults}
        raise InputError(
            f"{where}: {len(faults)} of {len(read) + len(faults)} files cannot be read: "
            + listed(f"row {row[file]}: {why}" for file, why in faults.items()),
            "Mend or leave out those rows" + (", or import them with --on-bad skip." if read else "."),
        )


def _table(
    files: Sequence[File | None], read: Mapping[File, np.ndarray], faults: Mapping[File, str], made: Table
) -> Table:
    """The table that was `made` of what was read, an entry each, with an entry for each row instead."""
    place = dict(zip(read, made.pointers.tolist(), strict=True))
    return replace(
        made,
        pointers=np.array([MISSING if f is None else place.get(f, MISSING) for f in files], np.int32),
        skipped=tuple(
            Skipped(i, str(file), faults[file])
            for i, file in enumerate(files, 1)
            if file is not None and file in faults
        ),
    )


def _from_files(
    chosen: Chosen[PictureSpec] | Chosen[WaveformSpec],
    files: Sequence[File | None],
    different: Sequence[File],
    content: Callable[[File], np.ndarray],
    reading: Reading,
    where: str,
    track: Track,
    what: str,
) -> Table:
    read, faults = _read(different, content, track, what)
    _check_read(files, read, faults, reading, where)
    kept, which = distinct(list(read.values()))
    said = f"{len(read)} {what}, {chosen.said}; {len(kept)} distinct"
    return _table(files, read, faults, Table(chosen.spec, kept, which, said, notes=chosen.notes))


def image_settings(
    sources: Sequence[Any], reading: Reading, modality: Modality | None = None
) -> Chosen[PictureSpec]:
    """How these pictures are kept: as the model has them that they are read for, or as the files have it."""
    for spec in _of_model(reading, modality):
        if isinstance(spec, PictureSpec):
            return Chosen(spec, "read as the model's pictures were")
    return picture_settings(picture_facts(sources), reading.reader, reading.size, reading.max_side)


def audio_settings(
    sources: Sequence[Any], reading: Reading, modality: Modality | None = None
) -> Chosen[WaveformSpec]:
    """How these recordings are kept: as the model they are read for has them, or as the files have it."""
    for spec in _of_model(reading, modality):
        if isinstance(spec, WaveformSpec):
            return Chosen(spec, "read as the model's recordings were")
    return recording_settings(recording_facts(sources), reading.rate)


def _of_model(reading: Reading, modality: Modality | None) -> list[ContentSpec]:
    """What the model's contents are that files are read for: that of this name first."""
    contents = reading.spec.contents if reading.spec is not None else {}
    return [contents[m] for m in sorted(contents, key=lambda m: m != modality)]
