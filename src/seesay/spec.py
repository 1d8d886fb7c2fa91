"""What a data set holds: the kind of content of each modality, and the class names.

Four kinds: pictures, waveforms, matrices (ready-made features in time) and vectors (ready-made encodings);
others are registered. A modality is called as the data set calls it; what it is follows from its kind alone.
A spec is written once, by `seesay data`, and travels with every model.
"""

import dataclasses
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

from seesay.errors import ConfigError
from seesay.plain import check_object, check_range, dataclass_from, from_dict, to_dict
from seesay.registry import find, resolved

Modality = str


@dataclass(frozen=True)
class ContentSpec:
    """What the contents of a modality are, and the one place that knows their kind: how files become
    contents, contents features, and what encodes, changes and draws them.

    An own kind is a frozen dataclass below this one, made known by `seesay.register("kind", "points",
    PointsSpec)`. Parts (`read`, `front_end`, `augment`, `panels`) are functions, or their places as
    `module:name`.
    """

    kind: ClassVar[str]
    """The name that it is registered by."""
    noun: ClassVar[str] = ""
    """What people call a content; empty: as its modality is called."""
    modality: ClassVar[Modality] = ""
    """What a modality of this kind is called where the data do not name it; empty: they must."""
    integers: ClassVar[str] = ""
    """The only integers that a table of contents may hold: its front end scales them to floats."""
    speech: ClassVar[bool] = False
    """Whether somebody may have spoken it, so that speakers matter."""
    task: ClassVar[str] = ""
    """How model cards name the task."""
    encoder: ClassVar[Mapping[str, Any]] = {}
    """Fields of the usual network's `EncoderConfig`."""
    read: ClassVar[Any] = "seesay.signal.readers:read_ready_made"
    """`(source, spec)` → one content, of a file, of bytes or of an array, for prediction."""
    front_end: ClassVar[Any] = "seesay.signal.front_ends:ready_made"
    """`(FeaturesConfig, spec)` → the module from contents to features."""
    features: ClassVar[tuple[str, ...]] = ()
    """Fields of `FeaturesConfig` that its front end uses."""
    augment: ClassVar[Any] = "seesay.signal.augment_features:augment_vectors"
    """`(features, AugmentConfig, generator)` → a batch of features, each changed at random."""
    panels: ClassVar[Any] = "seesay.figures.contact_sheet:matrix_panels"
    """`(dataset, modality, rows, spec)` → what a contact sheet shows of them."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Of a content."""
        raise NotImplementedError

    @property
    def fixed(self) -> tuple[str, ...]:
        """The fields in which contents must agree with those that a model was trained on."""
        return tuple(f.name for f in dataclasses.fields(self) if f.init)

    @property
    def sizes(self) -> tuple[int | str, ...]:
        """Of a content in a table, axis by axis; where contents may differ, what the axis is."""
        return self.shape


def part_of(spec: ContentSpec, name: str) -> Any:
    """A part of a kind: the function that its spec names."""
    return resolved(getattr(type(spec), name))


@dataclass(frozen=True)
class PictureSpec(ContentSpec):
    """What a picture content is, `(channels, height, width)`, and how a file becomes one."""

    kind: ClassVar[str] = "picture"
    noun: ClassVar[str] = "picture"
    modality: ClassVar[Modality] = "image"
    integers: ClassVar[str] = "uint8"
    task: ClassVar[str] = "image-classification"
    encoder: ClassVar[Mapping[str, Any]] = {"weight_decay": 1.0}  # they gain from much of it (docs/log.md)
    read: ClassVar[Any] = "seesay.signal.readers:read_picture"
    front_end: ClassVar[Any] = "seesay.signal.front_ends:of_pictures"
    features: ClassVar[tuple[str, ...]] = ("height", "width", "fit")
    augment: ClassVar[Any] = "seesay.signal.augment_features:augment_pictures"
    panels: ClassVar[Any] = "seesay.figures.contact_sheet:picture_panels"

    reader: Literal["ink", "photo"] | None = "ink"
    """`ink`: polarity found, ink cropped, scaled and centred as MNIST was; `photo`: all of the picture, each
    in its own size; none: ready-made arrays, how they came about is not known, so a picture file cannot be
    read into them."""
    channels: int = 1
    """1 for grey, 3 for RGB."""
    height: int = 28
    """Pixels; of photos, to which a model makes them fit unless told otherwise."""
    width: int = 28
    """The same."""
    standardised: bool = False
    """Ready-made arrays of floats around 0, whose values are used as they are."""
    max_side: int = field(default=256, kw_only=True)
    """`photo` only: pixels of the longer side at most; a larger picture is made smaller."""
    white: float | None = field(default=None, kw_only=True)
    """`photo` only: the value that is white in pictures of more than 8 bits, where the file does not say it
    (4,095 for 12-bit scans in 16-bit files). None: by type, 65,535 for whole numbers and 1 for floats."""

    def __post_init__(self) -> None:
        if self.white is not None:
            check_range(self, "white", least=1)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Of a content: (channels, height, width). Photos may have other sides."""
        return (self.channels, self.height, self.width)

    @property
    def fixed(self) -> tuple[str, ...]:
        """The fields in which contents must agree with those that a model was trained on."""
        sides = () if self.reader == "photo" else ("height", "width")
        return ("channels", *sides, "standardised")

    @property
    def sizes(self) -> tuple[int | str, ...]:
        """Of a content in a table, axis by axis; where contents may differ, what the axis is."""
        return (self.channels, "height", "width") if self.reader == "photo" else self.shape

    def __str__(self) -> str:
        return f"pictures ({self.channels}x{self.height}x{self.width})"


@dataclass(frozen=True)
class WaveformSpec(ContentSpec):
    """What a recording content is: samples."""

    kind: ClassVar[str] = "waveform"
    noun: ClassVar[str] = "recording"
    modality: ClassVar[Modality] = "audio"
    integers: ClassVar[str] = "int16"
    speech: ClassVar[bool] = True
    task: ClassVar[str] = "audio-classification"
    encoder: ClassVar[Mapping[str, Any]] = {"width": 64}
    read: ClassVar[Any] = "seesay.signal.readers:read_recording"
    front_end: ClassVar[Any] = "seesay.signal.front_ends:of_recordings"
    augment: ClassVar[Any] = "seesay.signal.augment_features:augment_recordings"
    panels: ClassVar[Any] = "seesay.figures.contact_sheet:sound_panels"

    rate: int = 16_000
    """Samples a second."""
    seconds: float = 1.0
    """That most recordings last at most: the length of the clip that a model hears unless told otherwise."""
    high: float | None = None
    """Hz up to which all sources have sound: half the lowest rate among them. None: half of `rate`."""

    def __post_init__(self) -> None:
        check_range(self, "rate", least=1)
        check_range(self, "seconds", "high", least=0)

    @property
    def samples(self) -> int:
        """Samples of a clip of so many seconds."""
        return round(self.rate * self.seconds)

    @property
    def shape(self) -> tuple[int]:
        """Of a clip: (samples,). Recordings may have any length."""
        return (self.samples,)

    @property
    def fixed(self) -> tuple[str, ...]:
        """The fields in which contents must agree with those that a model was trained on."""
        return ("rate",)

    @property
    def sizes(self) -> tuple[int | str, ...]:
        """Of a content in a table, axis by axis; where contents may differ, what the axis is."""
        return ("samples",)

    def __str__(self) -> str:
        return f"recordings ({self.rate} Hz)"


@dataclass(frozen=True)
class MatrixSpec(ContentSpec):
    """What a content is that came as a ready-made matrix, such as features of a recording in time. No file
    can be read into one but an array."""

    kind: ClassVar[str] = "matrix"
    speech: ClassVar[bool] = True
    encoder: ClassVar[Mapping[str, Any]] = {"width": 64}
    augment: ClassVar[Any] = "seesay.signal.augment_features:augment_recordings"
    frames: int
    """Rows of a matrix."""
    columns: int
    """Columns of a matrix."""

    def __post_init__(self) -> None:
        check_range(self, "frames", "columns", least=1)

    @property
    def shape(self) -> tuple[int, int]:
        """Of a content: (frames, columns)."""
        return (self.frames, self.columns)

    def __str__(self) -> str:
        return f"ready-made features ({self.frames}x{self.columns})"


@dataclass(frozen=True)
class VectorSpec(ContentSpec):
    """What a content is that came as a ready-made vector, such as an encoding by another network."""

    kind: ClassVar[str] = "vector"
    encoder: ClassVar[Mapping[str, Any]] = {"kind": "mlp", "width": 512, "layers": 1, "dropout": 0.3}
    size: int
    """Numbers of a vector."""

    def __post_init__(self) -> None:
        check_range(self, "size", least=1)

    @property
    def shape(self) -> tuple[int]:
        """Of a content: (size,)."""
        return (self.size,)

    def __str__(self) -> str:
        return f"vectors ({self.size})"


NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")
"""What a modality may be called: it becomes part of files' names, of options and of conditions."""

TAKEN = ("rows", "label", "split", "speaker", "group", "dim", "fusion", "hidden", "kinds", "all")
"""What it may not be called: columns and files of a data set, fields of a model's config."""


def is_name(name: str) -> bool:
    """Whether a modality may be called so."""
    return NAME.fullmatch(name) is not None and name not in TAKEN


@dataclass(frozen=True)
class Spec:
    """What a data set holds and a model reads."""

    classes: tuple[str, ...]
    """Names of the classes; a label is an index into them."""
    contents: Mapping[Modality, ContentSpec] = field(default_factory=dict)
    """By modality what its contents are, in the order in which modalities stand side by side."""

    def __post_init__(self) -> None:
        for name in self.contents:
            if not is_name(name):
                raise ConfigError(
                    f"a modality cannot be called {name!r}",
                    f"Use letters, digits, - and _, and none of {', '.join(TAKEN)}.",
                )

    @property
    def modalities(self) -> tuple[Modality, ...]:
        """Those that it has, in their order."""
        return tuple(self.contents)

    @property
    def kinds(self) -> dict[Modality, str]:
        """By modality the kind of its contents."""
        return {modality: spec.kind for modality, spec in self.contents.items()}

    def __getitem__(self, modality: Modality) -> ContentSpec:
        return self.contents[modality]

    def noun(self, modality: Modality) -> str:
        """What people call one of its contents: see `noun`."""
        return noun(modality, self.kinds)

    def of_kind(self, *kinds: str) -> tuple[Modality, ...]:
        """The modalities whose contents are of one of these kinds."""
        return tuple(modality for modality, kind in self.kinds.items() if kind in kinds)

    def only(self, modalities: tuple[Modality, ...]) -> "Spec":
        """The same with these modalities alone."""
        return dataclasses.replace(self, contents={m: s for m, s in self.contents.items() if m in modalities})

    def to_plain(self) -> dict[str, Any]:
        """As JSON has it."""
        contents = {m: content_to_dict(spec) for m, spec in self.contents.items()}
        return {"classes": list(self.classes), "contents": contents}

    @staticmethod
    def from_plain(values: Any, where: str = "spec") -> "Spec":
        """What `to_plain` gave. Other fields or kinds: ConfigError."""
        check_object("Spec", values, where)
        check_object("contents", values.get("contents"), f"{where}.contents")
        contents = {m: content_from_dict(v, f"{where}.contents.{m}") for m, v in values["contents"].items()}
        return Spec(from_dict(tuple[str, ...], values.get("classes"), f"{where}.classes"), contents)


def noun(modality: Modality, kinds: Mapping[Modality, str]) -> str:
    """What people call a content of this modality, of those that there are: a picture where only one of them
    holds pictures, else by the modality's name."""
    kind = kinds[modality]
    return (list(kinds.values()).count(kind) == 1 and spec_type(kind).noun) or modality


def spec_type(kind: str) -> type[ContentSpec]:
    """The spec of a kind. There is no such kind: ConfigError with the nearest."""
    return find("kind", kind).load()


DEFAULT_NAMES: Mapping[str, Modality] = {s.kind: s.modality for s in (PictureSpec, WaveformSpec)}
"""By kind, what a modality is called where the data do not name it, as in a folder of files."""

FIRST = tuple(DEFAULT_NAMES.values())
"""Modalities of these names stand before others."""


def in_order(names: Iterable[Modality]) -> list[Modality]:
    """Modalities in the order in which they stand side by side: pictures and recordings as most data call
    them, then others as they come."""
    names = list(names)
    return [name for name in FIRST if name in names] + [name for name in names if name not in FIRST]


def content_to_dict(spec: ContentSpec) -> dict[str, Any]:
    """As JSON has it, its kind first."""
    return {"kind": spec.kind} | {f.name: to_dict(getattr(spec, f.name)) for f in dataclasses.fields(spec)}


def content_from_dict(values: Any, where: str) -> Any:
    """What `content_to_dict` gave. Another kind or other fields: ConfigError."""
    check_object("spec", values, where)
    kind = str(values.get("kind"))
    try:
        spec = spec_type(kind)
    except ConfigError as error:
        raise ConfigError(f"{where}: {error}") from None
    return dataclass_from(spec, {n: v for n, v in values.items() if n != "kind"}, where)
