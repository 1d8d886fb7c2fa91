"""From files to tables of contents: every picture or recording is read once, and all that cannot be read are
named together."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any, Literal

import numpy as np
import soundfile

from seesay.config import AudioSpec, ImageSpec
from seesay.data.cells import File, source_of
from seesay.data.columns import Table, listed
from seesay.data.dataset import MISSING, distinct
from seesay.data.skipped import Skipped
from seesay.errors import ConfigError, InputError, SeesayError
from seesay.signal import audio, image

Track = Callable[[Iterable[Any], str], Iterable[Any]]
"""Shows progress over items, under a description: `rich.progress.track` is one."""

HIGHEST_RATE = 16_000
"""Samples a second that are kept unless asked for otherwise: speech has little above 8 kHz."""

LOOKED_AT = 50
"""Pictures looked at to find out whether they are ink on paper, and whether they have colour."""

LOOK = ImageSpec("photo", channels=3, height=64, width=64)
"""How they are looked at."""

COLOUR = 0.1
"""Difference between the channels of a pixel, of 1, above which it has a colour. Grey saved as RGB JPEG has
0."""

WIDEST = 1_024
"""Pixels: the largest side of a picture that is kept, of a megapixel then."""

GROUND = 0.2
"""How far, of 1, the grey of a pixel may lie from the ground's and still be ground."""


def silent(items: Iterable[Any], _description: str) -> Iterable[Any]:
    """No progress shown."""
    return items


@dataclass(frozen=True)
class Reading:
    """How files of pictures and recordings become contents, and rows."""

    rate: int | None = None
    """Samples a second; none: the lowest among the recordings, so that bandwidth tells nothing, and at most
    16,000."""
    seconds: float = 1.0
    """Length of the clip around the word."""
    features: Literal["mfcc", "log-mel"] = "mfcc"
    """What a model will make of recordings."""
    reader: Literal["auto", "ink", "photo"] = "auto"
    """How pictures are read: as `ink` on paper or as a `photo`; `auto` looks at some of them."""
    size: int = 28
    """Height and width of pictures in pixels."""
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
        limits = {"size": (1, WIDEST), "rate": audio.RATES, "seconds": (0, audio.LONGEST)}
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
    spec, why = image_spec(different, reading)

    def content(file: File) -> np.ndarray:
        return image.as_content(image.read_image(source_of(file), spec))

    return _table(spec, files, different, content, reading, where, track, f"pictures, {why}")


def audio_contents(
    files: Sequence[File | None], reading: Reading, where: str, track: Track = silent
) -> Table:
    """The recording of each row, None where it has none. Files that are not there or cannot be read:
    InputError."""
    different = _different(files)
    spec, why = audio_spec(different, reading)

    def content(file: File) -> np.ndarray:
        return audio.as_content(audio.read_audio(source_of(file), spec))

    return _table(spec, files, different, content, reading, where, track, f"recordings, {why}")


def _different(files: Sequence[File | None]) -> list[File]:
    """The different files, in order of appearance."""
    return list(dict.fromkeys(file for file in files if file is not None))


def _table(
    spec: ImageSpec | AudioSpec,
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
    for file in track(different, f"Reading {what.split(',')[0]}"):
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
    kept, which = distinct(np.stack(read))
    pointers = [MISSING if file in faults else place[file] for file in files]
    said = f"{len(read)} {what}; {len(kept)} distinct"
    return Table(
        spec,
        kept,
        np.array([MISSING if i == MISSING else which[i] for i in pointers], np.int32),
        said,
        skipped=tuple(
            Skipped(i, str(file), faults[file])
            for i, file in enumerate(files, 1)
            if file is not None and file in faults
        ),
    )


# ------------------------------------------------------------------------------------------------- which spec


def audio_spec(files: Sequence[File], reading: Reading) -> tuple[AudioSpec, str]:
    """The spec for recordings of these files, and why. Filters end at half the lowest rate of all."""
    lowest = min(filter(None, map(_rate, files)), default=HIGHEST_RATE)
    rate = reading.rate or min(lowest, HIGHEST_RATE)
    spec = AudioSpec(reading.features, rate, reading.seconds, high=min(rate, lowest) / 2)
    return spec, f"the lowest rate {lowest} Hz, kept at {rate} Hz as clips of {reading.seconds:g} s"


def _rate(file: File) -> int | None:
    """Samples a second as the file says; None for what is no recording: reading it will say so."""
    match source_of(file):
        case (_, int() as rate):
            return rate if audio.RATES[0] <= rate <= audio.RATES[1] else None
        case source:
            pass
    try:
        rate = soundfile.info(BytesIO(source) if isinstance(source, bytes) else str(source)).samplerate
    except (soundfile.SoundFileError, TypeError):
        return None
    return rate if audio.RATES[0] <= rate <= audio.RATES[1] else None


def image_spec(files: Sequence[File], reading: Reading) -> tuple[ImageSpec, str]:
    """The spec for pictures of these files, and why."""
    looks = [look for file in files[:: len(files) // LOOKED_AT + 1] if (look := _look(file)) is not None]
    ink = sum(map(looks_like_ink, looks))
    reader = reading.reader
    why = f"read as {reader}"
    if reader == "auto":
        reader = "ink" if ink > len(looks) / 2 else "photo"
        why = f"read as {reader}, since {ink} of {len(looks)} looked at are strokes on an even ground"
    channels = 3 if reader == "photo" and any(map(has_colour, looks)) else 1
    spec = ImageSpec(reader, channels, reading.size, reading.size)
    return spec, f"{why}, {reading.size}x{reading.size} {'RGB' if channels == 3 else 'grey'}"


def _look(file: File) -> np.ndarray | None:
    """(3, 64, 64), or None for what is no picture: reading it will say so."""
    try:
        return image.read_image(source_of(file), LOOK)
    except SeesayError:
        return None


def has_colour(picture: np.ndarray) -> bool:
    """Whether more than a hundredth of the pixels of (3, h, w) in 0 to 1 are not grey."""
    return bool((np.ptp(picture, axis=0) > COLOUR).mean() > 0.01)


def looks_like_ink(picture: np.ndarray) -> bool:
    """Whether (3, h, w) in 0 to 1 is mostly one shade, all around the border too, with some of another on it.

    All of 2,500 pictures of MNIST are so, and 40 of 600 crops of scikit-learn's two photos: hence a majority
    decides.
    """
    grey = picture.mean(axis=0)
    border = np.concatenate([grey[0], grey[-1], grey[:, 0], grey[:, -1]])
    ground = np.median(border)
    on_ground = np.abs(grey - ground) < GROUND
    even = (np.abs(border - ground) < GROUND).mean() > 0.9
    return bool(even and 0.5 < on_ground.mean() < 0.99)
