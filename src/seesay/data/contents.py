"""From files to tables of contents: every picture or recording is read once, and all that cannot be read are
named together."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from seesay.data.cells import File, source_of
from seesay.data.columns import Table, listed
from seesay.data.dataset import MISSING
from seesay.data.ragged import distinct
from seesay.data.settings import (
    LONGEST_SIDE,
    Chosen,
    Reader,
    picture_facts,
    picture_settings,
    recording_facts,
    recording_settings,
)
from seesay.data.skipped import Skipped
from seesay.errors import ConfigError, InputError, SeesayError
from seesay.signal import audio, image
from seesay.spec import PictureSpec, Spec, WaveformSpec

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
    """What a table calls our columns, where it is not what we do: `{"image": "photo"}`."""
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
    files: Sequence[File | None], reading: Reading, where: str, track: Track = silent
) -> Table:
    """The picture of each row, None where it has none. Files that are not there or cannot be read:
    InputError."""
    different = _different(files)
    chosen = image_settings(list(map(source_of, different)), reading)

    def content(file: File) -> np.ndarray:
        return image.as_content(image.read_image(source_of(file), chosen.spec))

    return _table(chosen, files, different, content, reading, where, track, "pictures")


def audio_contents(
    files: Sequence[File | None], reading: Reading, where: str, track: Track = silent
) -> Table:
    """The recording of each row, None where it has none. Files that are not there or cannot be read:
    InputError."""
    different = _different(files)
    chosen = audio_settings(list(map(source_of, different)), reading)

    def content(file: File) -> np.ndarray:
        return audio.as_content(audio.read_audio(source_of(file), chosen.spec))

    return _table(chosen, files, different, content, reading, where, track, "recordings")


def _different(files: Sequence[File | None]) -> list[File]:
    """The different files, in order of appearance."""
    return list(dict.fromkeys(file for file in files if file is not None))


def _table(
    chosen: Chosen[PictureSpec] | Chosen[WaveformSpec],
    files: Sequence[File | None],
    different: Sequence[File],
    content: Callable[[File], np.ndarray],
    reading: Reading,
    where: str,
    track: Track,
    what: str,
) -> Table:
    read: list[np.ndarray] = []
    place: dict[File | None, int] = {None: MISSING}
    faults: dict[File, str] = {}
    for file in track(different, f"Reading {what}"):
        try:
            read.append(content(file))
            place[file] = len(read) - 1
        except SeesayError as error:
            faults[file] = str(error).rstrip(".")
    if faults and (reading.on_bad == "stop" or not read):
        row = {file: i for i, file in reversed(list(enumerate(files, 1))) if file in faults}
        raise InputError(
            f"{where}: {len(faults)} of {len(different)} files cannot be read: "
            + listed(f"row {row[file]}: {why}" for file, why in faults.items()),
            "Mend or leave out those rows" + (", or import them with --on-bad skip." if read else "."),
        )
    kept, which = distinct(read)
    pointers = [MISSING if file in faults else place[file] for file in files]
    said = f"{len(read)} {what}, {chosen.said}; {len(kept)} distinct"
    return Table(
        chosen.spec,
        kept,
        np.array([MISSING if i == MISSING else which[i] for i in pointers], np.int32),
        said,
        notes=chosen.notes,
        skipped=tuple(
            Skipped(i, str(file), faults[file])
            for i, file in enumerate(files, 1)
            if file is not None and file in faults
        ),
    )


def image_settings(sources: Sequence[Any], reading: Reading) -> Chosen[PictureSpec]:
    """How these pictures are kept: as the model has them that they are read for, or as the files have it."""
    if reading.spec is not None:
        for spec in reading.spec.contents.values():
            if isinstance(spec, PictureSpec):
                return Chosen(spec, "read as the model's pictures were")
    return picture_settings(picture_facts(sources), reading.reader, reading.size, reading.max_side)


def audio_settings(sources: Sequence[Any], reading: Reading) -> Chosen[WaveformSpec]:
    """How these recordings are kept: as the model they are read for has them, or as the files have it."""
    if reading.spec is not None:
        for spec in reading.spec.contents.values():
            if isinstance(spec, WaveformSpec):
                return Chosen(spec, "read as the model's recordings were")
    return recording_settings(recording_facts(sources), reading.rate)
