"""What a data set contains: the kind of content of each modality, and the class names.

Four kinds: pictures, waveforms, matrices (ready-made features over time) and vectors (ready-made embeddings);
others can be registered. The data set chooses a modality's name; how it is treated follows from its kind. A
spec is written once, by `seesay data`, and is saved with every model.
"""

import dataclasses
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

from seesay.errors import ConfigError
from seesay.plain import check_object, check_range, dataclass_from, from_dict, to_dict
from seesay.registry import find, names, resolved

Modality = str


@dataclass(frozen=True)
class ContentSpec:
    """The contents of one modality: their kind, shape and file format. Each kind is defined by one
    subclass: how its files are read and turned into features, and how these are encoded, augmented and drawn.

    A new kind is a frozen subclass, registered with `seesay.register("kind", "points", PointsSpec)`. Its
    parts (`read`, `front_end`, `augment`, `panels`) are functions, or strings `module:name`.
    """

    kind: ClassVar[str]
    """The name it is registered under."""
    noun: ClassVar[str] = ""
    """The word for one content; empty: the name of its modality."""
    modality: ClassVar[Modality] = ""
    """Default name of a modality of this kind; empty: the data must name it."""
    integers: ClassVar[str] = ""
    """The only integer dtype allowed in a table of contents: the front end scales it to floats."""
    speech: ClassVar[bool] = False
    """Whether contents may be speech, so that speakers matter."""
    task: ClassVar[str] = ""
    """Name of the task on model cards."""
    encoder: ClassVar[Mapping[str, Any]] = {}
    """Fields of the default network's `EncoderConfig`."""
    read: ClassVar[Any] = "seesay.signal.readers:read_ready_made"
    """`(source, spec)` → one content from a file, bytes or an array, for prediction."""
    front_end: ClassVar[Any] = "seesay.signal.front_ends:ready_made"
    """`(FeaturesConfig, spec)` → the module from contents to features."""
    features: ClassVar[tuple[str, ...]] = ()
    """Fields of `FeaturesConfig` that the front end uses."""
    augment: ClassVar[Any] = "seesay.signal.augment_features:augment_others"
    """`(features, AugmentConfig, generator)` → the batch of features, each augmented at random."""
    suffixes: ClassVar[tuple[str, ...]] = ()
    """Endings of files that hold a content of a registered kind, as in `(".xyz",)`."""
    load: ClassVar[Any] = None
    """`(path)` → the array in such a file; all of one shape. Unreadable: ValueError or OSError."""
    panels: ClassVar[Any] = "seesay.figures.contact_sheet:matrix_panels"
    """`(dataset, modality, rows, spec)` → how a contact sheet draws them."""

    @classmethod
    def of(cls, shape: tuple[int, ...]) -> "ContentSpec":
        """The spec of contents of this shape. By default the sizes are passed to the fields in order.
        ConfigError if the class has other fields."""
        try:
            return cls(*shape)
        except TypeError:
            problem = (
                f"{cls.__name__} must have {len(shape)} fields, one for each axis of contents of {shape}"
            )
            raise ConfigError(problem, 'As in "size: int = 0".') from None

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of a content."""
        raise NotImplementedError

    @property
    def fixed(self) -> tuple[str, ...]:
        """The fields that new contents must share with those that a model was trained on."""
        return tuple(f.name for f in dataclasses.fields(self) if f.init)

    @property
    def sizes(self) -> tuple[int | str, ...]:
        """The size of a content by axis; the axis's name where sizes may differ."""
        return self.shape


def part_of(spec: ContentSpec, name: str) -> Any:
    """A function that belongs to a kind: `read`, `front_end`, `augment` or `panels`."""
    return resolved(getattr(type(spec), name))


@dataclass(frozen=True)
class PictureSpec(ContentSpec):
    """A picture, `(channels, height, width)`, and how a file becomes one."""

    kind: ClassVar[str] = "picture"
    noun: ClassVar[str] = "picture"
    modality: ClassVar[Modality] = "image"
    integers: ClassVar[str] = "uint8"
    task: ClassVar[str] = "image-classification"
    encoder: ClassVar[Mapping[str, Any]] = {"weight_decay": 1.0}  # high decay helps pictures (docs/log.md)
    read: ClassVar[Any] = "seesay.signal.readers:read_picture"
    front_end: ClassVar[Any] = "seesay.signal.front_ends:picture_steps"
    features: ClassVar[tuple[str, ...]] = ("height", "width", "fit")
    augment: ClassVar[Any] = "seesay.signal.augment_features:augment_pictures"
    panels: ClassVar[Any] = "seesay.figures.contact_sheet:picture_panels"

    reader: Literal["ink", "photo"] | None = "ink"
    """`ink`: polarity is detected, and the ink is cropped, scaled and centred as in MNIST; `photo`: the whole
    picture in its own size; None: ready-made arrays of unknown origin, so picture files cannot be added or
    predicted."""
    channels: int = 1
    """1 for grey, 3 for RGB."""
    height: int = 28
    """Height in pixels; for photos, the default height to which a model fits them."""
    width: int = 28
    """Width in pixels; for photos, the default width to which a model fits them."""
    standardised: bool = False
    """Ready-made arrays of floats around 0, whose values are used unchanged."""
    max_side: int = field(default=256, kw_only=True)
    """`photo` only: longest side in pixels; larger pictures are scaled down."""
    white: float | None = field(default=None, kw_only=True)
    """`photo` only: the value of white in pictures of more than 8 bits, where the file does not give it
    (4,095 for 12-bit scans in 16-bit files). None: by type, 65,535 for integers and 1 for floats."""

    def __post_init__(self) -> None:
        if self.white is not None:
            check_range(self, "white", least=1)

    @property
    def shape(self) -> tuple[int, int, int]:
        """(channels, height, width) of a content. The sides of photos may differ."""
        return (self.channels, self.height, self.width)

    @property
    def fixed(self) -> tuple[str, ...]:
        """The fields that new contents must share with those that a model was trained on."""
        sides = () if self.reader == "photo" else ("height", "width")
        return ("channels", *sides, "standardised")

    @property
    def sizes(self) -> tuple[int | str, ...]:
        """The size of a content by axis; the axis's name where sizes may differ."""
        return (self.channels, "height", "width") if self.reader == "photo" else self.shape

    def __str__(self) -> str:
        return f"pictures ({self.channels}x{self.height}x{self.width})"


@dataclass(frozen=True)
class WaveformSpec(ContentSpec):
    """A recording: samples at a fixed rate."""

    kind: ClassVar[str] = "waveform"
    noun: ClassVar[str] = "recording"
    modality: ClassVar[Modality] = "audio"
    integers: ClassVar[str] = "int16"
    speech: ClassVar[bool] = True
    task: ClassVar[str] = "audio-classification"
    encoder: ClassVar[Mapping[str, Any]] = {"width": 64}
    read: ClassVar[Any] = "seesay.signal.readers:read_recording"
    front_end: ClassVar[Any] = "seesay.signal.front_ends:recording_steps"
    augment: ClassVar[Any] = "seesay.signal.augment_features:augment_recordings"
    panels: ClassVar[Any] = "seesay.figures.contact_sheet:sound_panels"

    rate: int = 16_000
    """Sample rate in Hz."""
    seconds: float = 1.0
    """Length in seconds that most recordings do not exceed: the default length of a model's clip."""
    high: float | None = None
    """Highest frequency in Hz that all sources contain: half the lowest sample rate among them. None: half of
    `rate`."""

    def __post_init__(self) -> None:
        check_range(self, "rate", least=1)
        check_range(self, "seconds", "high", least=0)

    @property
    def samples(self) -> int:
        """The number of samples in a clip of `seconds`."""
        return round(self.rate * self.seconds)

    @property
    def shape(self) -> tuple[int]:
        """(samples,) of a clip. Recordings may have any length."""
        return (self.samples,)

    @property
    def fixed(self) -> tuple[str, ...]:
        """The fields that new contents must share with those that a model was trained on."""
        return ("rate",)

    @property
    def sizes(self) -> tuple[int | str, ...]:
        """The size of a content by axis; the axis's name where sizes may differ."""
        return ("samples",)

    def __str__(self) -> str:
        return f"recordings ({self.rate} Hz)"


@dataclass(frozen=True)
class MatrixSpec(ContentSpec):
    """A ready-made matrix, such as features of a recording over time. It is read from arrays only."""

    kind: ClassVar[str] = "matrix"
    speech: ClassVar[bool] = True
    encoder: ClassVar[Mapping[str, Any]] = {"width": 64}
    augment: ClassVar[Any] = "seesay.signal.augment_features:augment_recordings"
    frames: int
    """Number of rows, which are steps in time."""
    columns: int
    """Number of columns, which are features."""

    def __post_init__(self) -> None:
        check_range(self, "frames", "columns", least=1)

    @property
    def shape(self) -> tuple[int, int]:
        """(frames, columns) of a content."""
        return (self.frames, self.columns)

    def __str__(self) -> str:
        return f"ready-made features ({self.frames}x{self.columns})"


@dataclass(frozen=True)
class VectorSpec(ContentSpec):
    """A ready-made vector, such as an embedding by another network."""

    kind: ClassVar[str] = "vector"
    encoder: ClassVar[Mapping[str, Any]] = {
        "kind": "mlp",
        "width": 512,
        "layers": 1,
        "dropout": 0.5,
        "weight_decay": 1.0,
    }
    augment: ClassVar[Any] = "seesay.signal.augment_features:augment_vectors"
    size: int
    """Length of the vector."""

    def __post_init__(self) -> None:
        check_range(self, "size", least=1)

    @property
    def shape(self) -> tuple[int]:
        """(size,) of a content."""
        return (self.size,)

    def __str__(self) -> str:
        return f"vectors ({self.size})"


NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")
"""Valid names of modalities, which become part of file names, options and conditions."""

TAKEN = ("rows", "label", "split", "speaker", "group", "dim", "fusion", "hidden", "kinds", "all")
"""Names that no modality may have: columns and files of a data set, fields of a model's config."""


def is_name(name: str) -> bool:
    """Whether a modality may have this name."""
    return NAME.fullmatch(name) is not None and name not in TAKEN


@dataclass(frozen=True)
class Spec:
    """What a data set contains and a model accepts."""

    classes: tuple[str, ...]
    """Names of the classes; a label is an index into them."""
    contents: Mapping[Modality, ContentSpec] = field(default_factory=dict)
    """The spec of each modality's contents, in the order of the modalities."""

    def __post_init__(self) -> None:
        for name in self.contents:
            if not is_name(name):
                raise ConfigError(
                    f"a modality cannot be called {name!r}",
                    f"Use letters, digits, - and _, and none of {', '.join(TAKEN)}.",
                )

    @property
    def modalities(self) -> tuple[Modality, ...]:
        """The modalities, in order."""
        return tuple(self.contents)

    @property
    def kinds(self) -> dict[Modality, str]:
        """The kind of contents of each modality."""
        return {modality: spec.kind for modality, spec in self.contents.items()}

    def __getitem__(self, modality: Modality) -> ContentSpec:
        return self.contents[modality]

    def noun(self, modality: Modality) -> str:
        """The word for one content of this modality: see `noun`."""
        return noun(modality, self.kinds)

    def of_kind(self, *kinds: str) -> tuple[Modality, ...]:
        """The modalities whose contents are of one of these kinds."""
        return tuple(modality for modality, kind in self.kinds.items() if kind in kinds)

    def only(self, modalities: tuple[Modality, ...]) -> "Spec":
        """A copy with these modalities only."""
        return dataclasses.replace(self, contents={m: s for m, s in self.contents.items() if m in modalities})

    def to_plain(self) -> dict[str, Any]:
        """Plain values for JSON."""
        contents = {m: content_to_dict(spec) for m, spec in self.contents.items()}
        return {"classes": list(self.classes), "contents": contents}

    @staticmethod
    def from_plain(values: Any, where: str = "spec") -> "Spec":
        """The inverse of `to_plain`. Unknown fields or kinds: ConfigError."""
        check_object("Spec", values, where)
        check_object("contents", values.get("contents"), f"{where}.contents")
        contents = {m: content_from_dict(v, f"{where}.contents.{m}") for m, v in values["contents"].items()}
        return Spec(from_dict(tuple[str, ...], values.get("classes"), f"{where}.classes"), contents)


def noun(modality: Modality, kinds: Mapping[Modality, str]) -> str:
    """The word for one content of this modality: that of its kind ("picture") if no other modality in `kinds`
    has the same kind, else the modality's name."""
    kind = kinds[modality]
    return (list(kinds.values()).count(kind) == 1 and spec_type(kind).noun) or modality


def spec_type(kind: str) -> type[ContentSpec]:
    """The spec class of a kind. Unknown kind: ConfigError with the nearest match."""
    return find("kind", kind).load()


def kind_by_suffix(name: str) -> str | None:
    """The registered kind whose files end like this name; None if there is none."""
    own = ((kind, spec_type(kind).suffixes) for kind in names("kind"))
    return next((kind for kind, suffixes in own if suffixes and name.lower().endswith(suffixes)), None)


DEFAULT_NAMES: Mapping[str, Modality] = {s.kind: s.modality for s in (PictureSpec, WaveformSpec)}
"""Default name of a modality by kind, where the data do not name it, as in a folder of files."""

FIRST = tuple(DEFAULT_NAMES.values())
"""Modalities of these names come before others."""


def file_option(modality: Modality, file: str) -> str:
    """The option of `seesay predict` for a file of this modality: `--image FILE` or `--input NAME=FILE`."""
    return f"--{modality} {file}" if modality in FIRST else f"--input {modality}={file}"


def in_order(names: Iterable[Modality]) -> list[Modality]:
    """Modalities in their standard order: those in `FIRST`, then the others as given."""
    names = list(names)
    return [name for name in FIRST if name in names] + [name for name in names if name not in FIRST]


def content_to_dict(spec: ContentSpec) -> dict[str, Any]:
    """Plain values for JSON, the kind first."""
    return {"kind": spec.kind} | {f.name: to_dict(getattr(spec, f.name)) for f in dataclasses.fields(spec)}


def content_from_dict(values: Any, where: str) -> Any:
    """The inverse of `content_to_dict`. Unknown kind or fields: ConfigError."""
    check_object("spec", values, where)
    kind = str(values.get("kind"))
    try:
        spec = spec_type(kind)
    except ConfigError as error:
        raise ConfigError(f"{where}: {error}") from None
    return dataclass_from(spec, {n: v for n, v in values.items() if n != "kind"}, where)
