"""What a data set holds: the kind of content of each modality, and the class names.

Four kinds: pictures, waveforms, matrices (ready-made features in time) and vectors (ready-made encodings). A
modality is called as the data set calls it; what it is follows from its kind alone. A spec is written once,
by `seesay data`, and travels with every model.
"""

import dataclasses
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

from seesay.errors import ConfigError, nearest
from seesay.plain import check_object, check_range, dataclass_from, from_dict, to_dict

Modality = str

Kind = Literal["picture", "waveform", "matrix", "vector"]
"""What the contents of a modality are."""


@dataclass(frozen=True)
class PictureSpec:
    """What a picture content is, `(channels, height, width)`, and how a file becomes one."""

    kind: ClassVar[Kind] = "picture"
    """What it is."""
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

    def __str__(self) -> str:
        return f"pictures ({self.channels}x{self.height}x{self.width})"


@dataclass(frozen=True)
class WaveformSpec:
    """What a recording content is: samples."""

    kind: ClassVar[Kind] = "waveform"
    """What it is."""
    fixed: ClassVar[tuple[str, ...]] = ("rate",)
    """The fields in which contents must agree with those that a model was trained on."""
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

    def __str__(self) -> str:
        return f"recordings ({self.rate} Hz)"


@dataclass(frozen=True)
class MatrixSpec:
    """What a content is that came as a ready-made matrix, such as features of a recording in time. No file
    can be read into one but an array."""

    kind: ClassVar[Kind] = "matrix"
    """What it is."""
    fixed: ClassVar[tuple[str, ...]] = ("frames", "columns")
    """The fields in which contents must agree with those that a model was trained on."""
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
class VectorSpec:
    """What a content is that came as a ready-made vector, such as an encoding by another network."""

    kind: ClassVar[Kind] = "vector"
    """What it is."""
    fixed: ClassVar[tuple[str, ...]] = ("size",)
    """The fields in which contents must agree with those that a model was trained on."""
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


ContentSpec = PictureSpec | WaveformSpec | MatrixSpec | VectorSpec

CONTENT_SPECS: Mapping[str, type[ContentSpec]] = {
    spec.kind: spec for spec in (PictureSpec, WaveformSpec, MatrixSpec, VectorSpec)
}

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


NOUNS: Mapping[str, str] = {"picture": "picture", "waveform": "recording"}
"""What people call a content, by its kind; others are called as their modality is."""


def noun(modality: Modality, kinds: Mapping[Modality, str]) -> str:
    """What people call a content of this modality, of those that there are: a picture where only one of them
    holds pictures, else by the modality's name."""
    kind = kinds[modality]
    return NOUNS.get(kind, modality) if list(kinds.values()).count(kind) == 1 else modality


DEFAULT_NAMES: Mapping[str, Modality] = {"picture": "image", "waveform": "audio"}
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
    if kind not in CONTENT_SPECS:
        raise ConfigError(f"{where}: {kind!r} is no kind of content", nearest(kind, list(CONTENT_SPECS)))
    return dataclass_from(CONTENT_SPECS[kind], {n: v for n, v in values.items() if n != "kind"}, where)
