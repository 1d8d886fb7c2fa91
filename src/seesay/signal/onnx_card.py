"""The card of an encoder in an ONNX file: a JSON file beside it that says what the network takes and gives.

Torch-free: settings follow from it before anything is built.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from seesay.config import FeaturesConfig
from seesay.errors import ConfigError
from seesay.plain import check_range, from_dict
from seesay.spec import ContentSpec, PictureSpec, WaveformSpec

PAGE = "docs/how-to/own-encoders.md"
"""Where every field is explained."""

PICTURE_LAYOUTS = ("NCHW", "NHWC", "NHW", "CHW", "HWC", "HW")
RECORDING_LAYOUTS = ("NT", "NCT", "NTC", "T", "CT", "TC")
"""Axes of the input: N contents, C channels, H rows, W columns, T samples. Without N the network takes one
content at a time."""

OUTPUT_LAYOUTS = {2: "ND", 3: "NTD", 4: "NDHW"}
"""Axes of an output by their number, where the card does not give them."""


@dataclass(frozen=True)
class Card:
    """What an ONNX file takes and gives. A picture's pixels (white is 1) or a recording's samples (full scale
    is 1) become `(value * scale - mean) / std`."""

    input: str
    """Name of the input."""
    layout: str
    """Its axes: N contents, C channels, then H and W of a picture (`NCHW`, `NHWC`) or T samples of a
    recording (`NT`, `NCT`). Without N (`T`): one content at a time."""
    output: str
    """Name of the output that is the embedding."""
    output_layout: str = ""
    """Its axes: N contents, D the embedding, and others, as in `NTD` or `NDHW`. Default, by their number:
    `D`, `ND`, `NTD`, `NDHW`."""
    pool: str | None = None
    """`mean`: the mean over all axes of the output but N and D. None: one such axis at most, which stays."""
    height: int | None = None
    """Pictures: height in pixels. None: any."""
    width: int | None = None
    """Pictures: width in pixels. None: any."""
    rate: int | None = None
    """Recordings: samples per second."""
    seconds: float | None = None
    """Recordings: length in seconds; longer clips are cut into windows of it. None: any."""
    channels: int | None = None
    """Channels. Default: 3 for pictures, 1 for recordings and for a layout without C."""
    scale: float = 1.0
    """What white, or a sample at full scale, becomes before `mean` and `std`."""
    mean: tuple[float, ...] = (0.0,)
    """Subtracted: one number, or one for each channel."""
    std: tuple[float, ...] = (1.0,)
    """Divided by: one number, or one for each channel."""
    source: str = ""
    """Where the network comes from: free text."""
    licence: str = ""
    """Its licence: free text."""

    def __post_init__(self) -> None:
        layouts = (*PICTURE_LAYOUTS, *RECORDING_LAYOUTS)
        if self.layout not in layouts:
            raise ConfigError(f"layout is {self.layout!r}", f"Choose one of: {', '.join(layouts)}.")
        axes = self.output_layout
        if axes and ("D" not in axes or len(set(axes)) < len(axes) or not axes.isupper()):
            raise ConfigError(f"output_layout is {axes!r}", "Give capital letters, D once, as in NTD.")
        if axes and ("N" in axes) != self.batched:
            raise ConfigError(f"layout is {self.layout} and output_layout {axes}", "Give N in both, or none.")
        if self.pool not in (None, "mean"):
            raise ConfigError(f"pool is {self.pool!r}", "Give mean or null.")
        contents = f"{'pictures' if self.picture else 'recordings'} (layout {self.layout})"
        for name in self._wrong():
            raise ConfigError(f"{name} is not for {contents}", "Remove it.")
        for name in self._needed():
            raise ConfigError(f"{name} is missing, which {contents} need", f"See {PAGE}.")
        check_range(self, "height", "width", "rate", "channels", least=1)
        check_range(self, "seconds", least=0.001, most=600)
        if "C" not in self.layout and self.depth != 1:
            raise ConfigError(f"channels is {self.depth}, and layout {self.layout} has no C")
        for name, values in (("mean", self.mean), ("std", self.std)):
            if len(values) not in (1, self.depth):
                raise ConfigError(f"{name} has {len(values)} numbers", f"Give 1, or {self.depth} (channels).")
        if not all(self.std):
            raise ConfigError("std is 0", "Pixels and samples are divided by it.")

    def _wrong(self) -> list[str]:
        """Fields that are set but are for the other kind of content."""
        names = ("rate", "seconds") if self.picture else ("height", "width")
        return [name for name in names if getattr(self, name) is not None]

    def _needed(self) -> list[str]:
        """Fields that this kind of content needs and that are not set."""
        if not self.picture:
            return ["rate"] if self.rate is None else []
        given = [name for name in ("height", "width") if getattr(self, name) is not None]
        return ["width" if given == ["height"] else "height"] if len(given) == 1 else []

    @property
    def picture(self) -> bool:
        """Whether the network takes pictures; otherwise recordings."""
        return "H" in self.layout

    @property
    def batched(self) -> bool:
        """Whether it takes several contents at once."""
        return "N" in self.layout

    @property
    def depth(self) -> int:
        """The number of channels."""
        return self.channels or (3 if self.picture and "C" in self.layout else 1)

    @property
    def samples(self) -> int | None:
        """Samples of a window; None: any number."""
        return None if self.seconds is None or self.rate is None else round(self.seconds * self.rate)


ONNX = "onnx:"
"""What begins the name of an encoder or a front end from a file."""


def file_of(kind: str) -> Path:
    """The file of an encoder or a front end `onnx:FILE`."""
    return Path(kind.partition(":")[2]).expanduser()


def card_path(path: Path) -> Path:
    """The JSON file that belongs to an ONNX file: `clip.onnx.json` or `clip.json`. Neither: ConfigError."""
    if not path.is_file():
        raise ConfigError(f"{path} does not exist", "Give the path of an ONNX file, as in onnx:clip.onnx.")
    beside = (path.with_name(f"{path.name}.json"), path.with_suffix(".json"))
    for candidate in beside:
        if candidate.is_file():
            return candidate
    what = f"says what the network takes and gives ({PAGE})"
    raise ConfigError(f"{path} has no JSON file beside it", f"Write {beside[1]}, which {what}.")


def card_of(path: Path) -> Card:
    """The card of an ONNX file. Missing, no JSON, or a field that is unknown, absent or wrong: ConfigError
    that names the file and the field."""
    place = card_path(path)
    return _read(place, place.stat().st_mtime_ns)


@lru_cache(maxsize=8)
def _read(place: Path, _: int) -> Card:
    try:
        values = json.loads(place.read_text(encoding="utf-8"))
    except (ValueError, OSError) as error:
        raise ConfigError(f"{place} is not JSON ({error})", "Correct it.") from None
    if not isinstance(values, Mapping):
        raise ConfigError(f"{place} must hold one object with fields, got {type(values).__name__}")
    for name in ("input", "layout", "output"):
        if name not in values:
            raise ConfigError(f"{place} lacks the field {name}", f"See {PAGE}.")
    try:
        return from_dict(Card, values)
    except ConfigError as error:
        raise ConfigError(f"{place}: {error}") from None


def card_for(kind: str, spec: ContentSpec) -> Card:
    """The card of the front end `onnx:FILE`. ConfigError if the network is for other contents."""
    path = file_of(kind)
    card = card_of(path)
    if not isinstance(spec, PictureSpec if card.picture else WaveformSpec):
        takes = "pictures" if card.picture else "recordings"
        raise ConfigError(f"{path} takes {takes} (layout {card.layout}), got {spec}", "Give another file.")
    if isinstance(spec, PictureSpec) and spec.standardised:
        raise ConfigError(f"{path} needs pictures in bytes, got floats of unknown scale", "Import them anew.")
    return card


def usual_sizes(kind: str, spec: ContentSpec) -> dict[str, Any]:
    """Fields of `FeaturesConfig` that a file fixes, by name: the height and width of pictures."""
    card = card_for(kind, spec)
    return {} if card.height is None else {"height": card.height, "width": card.width}


def window_starts(length: int, window: int) -> tuple[int, ...]:
    """Starts of as few windows as cover this many samples, equally far apart; (0,) if one does."""
    count = max(1, math.ceil(length / window))
    return tuple(round(i * (length - window) / (count - 1)) for i in range(count)) if count > 1 else (0,)


def how_it_fits(features: FeaturesConfig, spec: ContentSpec) -> list[str]:
    """What is done to recordings before the network of a front end `onnx:FILE`, in a line; none otherwise."""
    kind = features.kind or ""
    if not kind.startswith(ONNX) or not isinstance(spec, WaveformSpec):
        return []
    card, seconds, notes = card_for(kind, spec), features.seconds or spec.seconds, []
    if card.rate != spec.rate:
        notes.append(f"recordings of {spec.rate:,} Hz are resampled to {card.rate:,} Hz")
    if card.seconds is not None and card.seconds != seconds:
        count = len(window_starts(round(seconds * spec.rate), round(card.seconds * spec.rate)))
        windows = f"{count} windows" if count > 1 else "1 window"
        notes.append(f"a clip of {seconds:g} s is {windows} of {card.seconds:g} s")
    return [f"{file_of(kind)}: {' and '.join(notes)}."] if notes else []
