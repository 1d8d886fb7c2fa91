"""The registry of parts by name: fusions, encoders, front ends and kinds of content, built in or from
plug-ins.

`register("fusion", "mine", Mine)` is all that a new part needs: from then on configs, the command line,
search, export and prediction accept its name. Built-in parts are strings, `module:name`, so that listing
names imports nothing.
"""

import re
import sys
from collections.abc import Collection, Generator, Iterable
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

from seesay.errors import ConfigError, InputError, nearest

ENTRY_POINTS = "seesay.plugins"
"""Entry point group in which an installed package names the module that registers its parts."""

NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")
"""Valid names of parts."""


@dataclass(frozen=True)
class Choice:
    """Marks a config field whose value names a part of this family."""

    family: str


@dataclass(frozen=True)
class Part:
    """A registered fusion, encoder, front end or kind of content."""

    make: Any
    """A class or function; of built-in parts a string `module:name`."""
    kinds: tuple[str, ...] = ()
    """Kinds of content that it is for; empty: any."""
    module: str = ""
    """The plug-in that registered it; "": built in."""
    argument: str = ""
    """What follows its name after a colon, as FILE in `onnx:FILE`; "": nothing."""
    frozen: str = ""
    """Encoders with pretrained weights: the front end that contains them, unchanged."""
    trained: str = ""
    """Encoders with pretrained weights: the front end before them if they are trained further."""
    settings: tuple[str, ...] | None = None
    """Front ends: the fields of `FeaturesConfig` used; None: all those of its kind of content."""
    defaults: Any = field(default_factory=dict)
    """Front ends: values of `FeaturesConfig` instead of those that follow from the contents; or a function
    from the name, with its argument, and the spec to them, `module:name`."""
    normalised: bool = True
    """Front ends: whether features that are not pictures are normalised; not if the network that takes them
    is pretrained."""
    augment: str = ""
    """Front ends: how a batch of its features is augmented, `module:name`; "": as its kind of content is."""

    def load(self) -> Any:
        """The class or function."""
        return resolved(self.make)


def resolved(place: Any) -> Any:
    """The object that a string `module:name` refers to; anything but a string is returned unchanged."""
    if not isinstance(place, str):
        return place
    module, _, name = place.partition(":")
    return getattr(import_module(module), name)


PARTS: dict[str, dict[str, Part]] = {
    "fusion": {
        "concat": Part("seesay.model.fusion:Concat"),
        "gated": Part("seesay.model.fusion:Gated"),
        "attention": Part("seesay.model.fusion:Attention"),
        "low-rank": Part("seesay.model.fusion:LowRank"),
        "mean": Part("seesay.model.fusion:Mean"),
        "posterior-sum": Part("seesay.model.fusion:PosteriorSum"),
    },
    "encoder": {
        "cnn": Part("seesay.model.encoders:cnn", ("picture", "waveform", "matrix")),
        "deep": Part("seesay.model.encoders:deep_cnn", ("picture", "waveform", "matrix")),
        "report": Part("seesay.model.encoders:report_cnn", ("picture", "waveform", "matrix")),
        "transformer": Part("seesay.model.encoders:transformer", ("picture", "waveform", "matrix")),
        "speech": Part("seesay.model.encoders:speech", ("waveform",), frozen="speech", trained="speech-maps"),
        "efficientnet-lite0": Part(
            "seesay.model.encoders:efficientnet_lite0",
            ("picture", "waveform"),
            frozen="efficientnet-lite0",
            trained="pixels",
        ),
        "timm": Part(
            "seesay.model.encoders:timm_network",
            ("picture",),
            argument="NAME",
            frozen="timm",
            trained="pixels",
        ),
        "mlp": Part("seesay.model.encoders:mlp", ("vector",)),
        "onnx": Part("seesay.model.encoders:frozen", ("picture", "waveform"), argument="FILE", frozen="onnx"),
        "auto": Part("seesay.model.encoders:undecided", ("picture", "waveform")),
    },
    "front-end": {
        "mfcc": Part("seesay.signal.front_ends:mfcc", ("waveform",)),
        "log-mel": Part("seesay.signal.front_ends:log_mel", ("waveform",)),
        "speech": Part(
            "seesay.signal.speech:speech",
            ("waveform",),
            settings=("seconds",),
            augment="seesay.signal.augment_features:augment_embeddings",
        ),
        "speech-maps": Part(
            "seesay.signal.speech:speech_maps",
            ("waveform",),
            settings=("seconds",),
            normalised=False,
            augment="seesay.signal.augment_features:unchanged",
        ),
        "efficientnet-lite0": Part(
            "seesay.signal.efficientnet:efficientnet_lite0",
            ("picture", "waveform"),
            settings=("height", "width", "fit", "seconds", "window", "shift", "filters", "low", "high"),
            defaults={"height": 224, "width": 224, "filters": 64, "shift": 0.02},
            augment="seesay.signal.augment_features:augment_embeddings",
        ),
        "timm": Part(
            "seesay.signal.timm_network:timm_network",
            ("picture",),
            argument="NAME",
            defaults="seesay.signal.timm_network:input_size",
            augment="seesay.signal.augment_features:augment_embeddings",
        ),
        "pixels": Part("seesay.signal.efficientnet:pixels", ("picture",)),
        "onnx": Part(
            "seesay.signal.onnx_encoder:onnx_file",
            ("picture", "waveform"),
            argument="FILE",
            settings=("seconds", "height", "width", "fit"),
            defaults="seesay.signal.onnx_card:usual_sizes",
            augment="seesay.signal.augment_features:augment_embeddings",
        ),
    },
    "kind": {
        "picture": Part("seesay.spec:PictureSpec"),
        "waveform": Part("seesay.spec:WaveformSpec"),
        "matrix": Part("seesay.spec:MatrixSpec"),
        "vector": Part("seesay.spec:VectorSpec"),
    },
}
"""Parts by family and name."""

_loading: list[str] = []
"""Plug-ins being imported, the innermost last."""

_named: list[str] = []
"""Plug-ins loaded by name, as with `--plugin`."""

_installed: list[str] = []
"""Entry points already loaded; not empty once `load_installed` has run."""


def register(
    family: str, name: str, part: Any = None, *, kinds: Collection[str] = (), **settings: Any
) -> Any:
    """Register a part under a name, usable everywhere: `register("fusion", "mine", Mine)`. Returns the part;
    without a part, returns a decorator.

    A fusion is a module class with arguments `(modalities, dim, classes, hidden, layers)` that takes
    encodings `(b, m, d)`, each modality's logits `(b, m, k)` and a presence mask `(b, m)`, and returns logits
    `(b, k)`; an encoder is a function `(EncoderConfig, dim, shape)` that returns a module from features
    `(b, *shape)` to `(b, dim)`; a front end is a function `(FeaturesConfig, spec)` that returns a module from
    contents to features; a kind of content is a frozen dataclass that inherits from
    `seesay.spec.ContentSpec`; a metric is a function `(probabilities, label)` that returns a number.

    `kinds`: the kinds of content that an encoder or a front end is for (`picture`, `waveform`, `matrix`,
    `vector`); empty: any. `settings`: of a metric: `heading`, `meaning`, `higher_is_better`, `interval`. An
    unknown family, an invalid name, one already in use, or a part of another type: ConfigError.
    """
    if part is None:
        return lambda decorated: register(family, name, decorated, kinds=kinds, **settings)
    if family == "metric":
        from seesay.metrics.scores import METRICS, add_metric

        if name in METRICS and _same_definition(METRICS[name].score, part):
            del METRICS[name]
        add_metric(name, part, **settings)
        return part
    parts = table(family)
    if not callable(part):
        raise ConfigError(f"the {family} {name} must be a class or a function, got {part!r}")
    if isinstance(kinds, str):
        raise ConfigError(f"kinds must be a list, got {kinds!r}", f'As in kinds=["{kinds}"].')
    if family == "kind" and (getattr(part, "kind", name) != name or not hasattr(part, "front_end")):
        raise ConfigError(
            f"the kind {name} must be a subclass of seesay.spec.ContentSpec with kind = {name!r}",
            f"Got {part!r}.",
        )
    if family == "kind":
        _check_suffixes(name, part)
    if NAME.fullmatch(name) is None:
        raise ConfigError(f"a {family} cannot be called {name!r}", "Use letters, digits, - and _.")
    existing = parts.get(name)
    if existing is not None and not _same_definition(existing.make, part):
        raise ConfigError(f"there is already a {family} {name!r}", "Register yours under another name.")
    parts[name] = Part(part, tuple(kinds), _loading[-1] if _loading else getattr(part, "__module__", ""))
    return part


def _check_suffixes(name: str, kind: Any) -> None:
    """ConfigError if another registered kind has files of the same ending."""
    for other, part in PARTS["kind"].items():
        taken = set(getattr(part.make, "suffixes", ())) & set(kind.suffixes)
        if other != name and taken:
            problem = f"the kind {name}: files that end in {min(taken)} are already those of {other}"
            raise ConfigError(problem, "Use another ending.")


def _same_definition(existing: Any, part: Any) -> bool:
    """Whether this is the same class or function defined again, as when a notebook cell runs twice."""
    places = [(getattr(p, "__module__", None), getattr(p, "__qualname__", "")) for p in (existing, part)]
    return existing is part or (places[0] == places[1] and "<lambda>" not in places[0][1])


def table(family: str) -> dict[str, Part]:
    """The parts of a family by name. Unknown family: ConfigError."""
    if family not in PARTS:
        raise ConfigError(f"there is no family of parts {family!r}", nearest(family, list(PARTS)))
    return PARTS[family]


def names(family: str, kind: str = "") -> list[str]:
    """The names of a family's parts, built-in ones first, with what follows them, as in `onnx:FILE`; `kind`:
    only those for this kind of content."""
    fitting = {n: p for n, p in table(family).items() if not kind or not p.kinds or kind in p.kinds}
    return [f"{name}:{part.argument}" if part.argument else name for name, part in fitting.items()]


def find(family: str, name: str) -> Part:
    """The part of this name, from installed plug-ins if need be; what follows a colon is its argument.
    Unknown name: ConfigError with the nearest match."""
    check(family, name)
    return table(family)[name.partition(":")[0]]


def is_frozen(front_end: str | None) -> bool:
    """Whether a built-in front end holds a pretrained network, which turns contents into encodings."""
    name = (front_end or "").partition(":")[0]
    return any(part.frozen == name for part in PARTS["encoder"].values() if part.frozen)


def check(family: str, name: str | None) -> None:
    """Raise ConfigError with the nearest match if no part has this name, or if it lacks its argument. None is
    accepted: the default is then chosen from the data."""
    if name is None:
        return
    own, colon, argument = name.partition(":")
    if own not in table(family):
        load_installed()
    part = table(family).get(own)
    if part is not None and part.argument and not argument:
        raise ConfigError(f"the {family} {own} needs a {part.argument}", f"As in {own}:{part.argument}.")
    if part is None or (colon and not part.argument):
        remedy = nearest(name, names(family))
        raise ConfigError(f"there is no {family} {name!r}", f"{remedy} Your own needs --plugin MODULE.")


# ------------------------------------------------------------------------------------------------ plug-ins


def load_plugin(module: str) -> None:
    """Import a module that registers parts, installed or in the working directory. ConfigError if that
    fails."""
    if module.endswith(".py") or not all(word.isidentifier() for word in module.split(".")):
        name = module.replace("\\", "/").rpartition("/")[2].removesuffix(".py")
        raise ConfigError(f"--plugin takes the name of a module, got {module}", f"As in --plugin {name}.")
    if module not in _named:
        with _working_directory_on_path():
            _import(module, "Give the name of a module, in this folder or installed.")
        _named.append(module)


def load_installed() -> None:
    """Import the plug-ins that installed packages declare by entry points, once per process. Failures are
    reported on standard error and skipped."""
    if _installed:
        return
    from importlib.metadata import entry_points

    _installed.append("")
    for point in entry_points(group=ENTRY_POINTS):
        _installed.append(point.value)
        try:
            _import(point.value.partition(":")[0], "Fix or uninstall its package.")
        except ConfigError as error:
            print(f"seesay: {error}", file=sys.stderr)


def _import(module: str, remedy: str) -> None:
    _loading.append(module)
    try:
        import_module(module)
    except Exception as error:  # a plug-in may raise anything
        reason = f"{type(error).__name__}: {error}"
        raise ConfigError(f"the plug-in {module} cannot be imported ({reason})", remedy) from error
    finally:
        _loading.pop()


@contextmanager
def _working_directory_on_path() -> Generator[None]:
    """Search the working directory for modules, after all other places."""
    here = str(Path.cwd())
    sys.path.append(here)
    try:
        yield
    finally:
        sys.path.remove(here)


def plugins_of(parts: Iterable[tuple[str, str | None]]) -> tuple[str, ...]:
    """The plug-ins that registered these parts (family, name), without repeats."""
    registered = (table(family).get(name) for family, name in parts if name is not None)
    return tuple(dict.fromkeys(part.module for part in registered if part is not None and part.module))


def check_plugins(what: Path, plugins: Iterable[str], holds: str) -> None:
    """InputError that names the plug-ins to load if some of these have not been imported. They are never
    imported automatically: a folder may come from a stranger. `what`: the folder; `holds`: what the plug-ins
    hold of it."""
    if missing := [module for module in map(str, plugins) if module not in sys.modules]:
        options = " ".join(f"--plugin {module}" for module in missing)
        raise InputError(
            f"{what} needs the plug-in {' and '.join(missing)}, which contains {holds}",
            f"Add {options}; in Python, import it first.",
        )


def plugins() -> tuple[str, ...]:
    """The plug-ins that this process loaded by name, for a process that it starts."""
    return tuple(_named)


def plugin_flags() -> str:
    """The options that load this process's plug-ins, ` --plugin mine`, to append to a command; "" if
    none."""
    return "".join(f" --plugin {module}" for module in _named)
