"""Parts by name: fusions, encoders and front ends, those that come with seesay and those registered from
outside.

`register("fusion", "mine", Mine)` is all that an own part needs: from then on configs, the command line,
search, export and prediction take its name. Parts of seesay are written as text, `module:name`, so that
listing names imports nothing.
"""

import re
import sys
from collections.abc import Collection, Generator, Iterable
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from seesay.errors import ConfigError, nearest

ENTRY_POINTS = "seesay.plugins"
"""Group of entry points under which an installed package names a module that registers parts."""

NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")
"""What a part may be called."""


@dataclass(frozen=True)
class Choice:
    """Marks a field of a config whose value is the name of a part of this family."""

    family: str


@dataclass(frozen=True)
class Part:
    """What makes a fusion, an encoder or a front end."""

    make: Any
    """A class or function; of seesay's own parts `module:name`."""
    kinds: tuple[str, ...] = ()
    """Kinds of content that it is for; empty: any."""
    module: str = ""
    """The plug-in that registered it; "": it comes with seesay."""

    def load(self) -> Any:
        """The class or function."""
        return resolved(self.make)


def resolved(place: Any) -> Any:
    """What `module:name` names; anything else is itself."""
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
        "mlp": Part("seesay.model.encoders:mlp", ("vector",)),
    },
    "front-end": {
        "mfcc": Part("seesay.signal.front_ends:mfcc", ("waveform",)),
        "log-mel": Part("seesay.signal.front_ends:log_mel", ("waveform",)),
    },
    "kind": {
        "picture": Part("seesay.spec:PictureSpec"),
        "waveform": Part("seesay.spec:WaveformSpec"),
        "matrix": Part("seesay.spec:MatrixSpec"),
        "vector": Part("seesay.spec:VectorSpec"),
    },
}
"""By family and name."""

_loading: list[str] = []
"""Plug-ins that are being imported, the innermost last."""

_named: list[str] = []
"""Plug-ins that were asked for by name, as with `--plugin`."""

_installed: list[str] = []
"""Entry points that have been looked at, once in a process."""


def register(family: str, name: str, part: Any = None, *, kinds: Collection[str] = ()) -> Any:
    """Makes a part known by a name, everywhere: `register("fusion", "mine", Mine)`. Returns the part; without
    one, a decorator.

    A fusion is a class `(modalities, dim, classes, hidden, layers)` of modules that take encodings
    `(b, m, d)`, each modality's logits `(b, m, k)` and which are present `(b, m)`, and return logits
    `(b, k)`; an encoder a function `(EncoderConfig, dim, shape)` that returns a module from features
    `(b, *shape)` to `(b, dim)`; a front end a function `(FeaturesConfig, spec)` that returns a module from
    contents to features; a kind of content a frozen dataclass below `seesay.spec.ContentSpec`; a metric a
    function `(probabilities, label)` that returns a number.

    `kinds`: of content that an encoder or a front end is for (`picture`, `waveform`, `matrix`, `vector`);
    empty: any. Another family, a name with spaces, or one that is taken: ConfigError.
    """
    if part is None:
        return lambda given: register(family, name, given, kinds=kinds)
    if family == "metric":
        from seesay.metrics.scores import add_metric

        add_metric(name, part)
        return part
    known = table(family)
    if NAME.fullmatch(name) is None:
        raise ConfigError(f"a {family} cannot be called {name!r}", "Use letters, digits, - and _.")
    before = known.get(name)
    if before is not None and not _again(before, part):
        raise ConfigError(f"there is a {family} {name!r} already", "Register yours under another name.")
    known[name] = Part(part, tuple(kinds), _loading[-1] if _loading else getattr(part, "__module__", ""))
    return part


def _again(before: Part, part: Any) -> bool:
    """Whether this is the same part, made once more, as when a cell of a notebook runs twice."""
    where = [(getattr(p, "__module__", None), getattr(p, "__qualname__", None)) for p in (before.make, part)]
    return bool(before.module) and where[0] == where[1]


def table(family: str) -> dict[str, Part]:
    """The parts of a family by name. There is no such family: ConfigError."""
    if family not in PARTS:
        raise ConfigError(f"there is no family of parts {family!r}", nearest(family, list(PARTS)))
    return PARTS[family]


def names(family: str, kind: str = "") -> list[str]:
    """The names of a family's parts, seesay's own first; `kind`: those for this kind of content."""
    return [name for name, part in table(family).items() if not kind or not part.kinds or kind in part.kinds]


def find(family: str, name: str) -> Part:
    """The part of this name; plug-ins of installed packages are imported where it is not among the others.
    There is none: ConfigError with the nearest."""
    check(family, name)
    return table(family)[name]


def check(family: str, name: str | None) -> None:
    """ConfigError with the nearest where no part has this name. None is a default that follows from the
    data."""
    if name is None or name in table(family):
        return
    load_installed()
    if name not in table(family):
        remedy = nearest(name, names(family))
        raise ConfigError(f"there is no {family} {name!r}", f"{remedy} An own one needs --plugin MODULE.")


# ------------------------------------------------------------------------------------------------ plug-ins


def load_plugin(module: str) -> None:
    """Imports a module that registers parts, from the working directory or wherever Python finds it. It
    cannot be imported: ConfigError."""
    if module not in _named:
        with _from_here():
            _imported(module, "Give the name of a module, in this folder or installed.")
        _named.append(module)


def load_installed() -> None:
    """Imports the plug-ins that installed packages name by entry points, once. One that cannot be imported is
    said on standard error and left out."""
    if _installed:
        return
    from importlib.metadata import entry_points

    _installed.append("")
    for point in entry_points(group=ENTRY_POINTS):
        _installed.append(point.value)
        try:
            _imported(point.value.partition(":")[0], "Mend or uninstall its package.")
        except ConfigError as error:
            print(f"seesay: {error}", file=sys.stderr)


def _imported(module: str, remedy: str) -> None:
    _loading.append(module)
    try:
        import_module(module)
    except Exception as error:  # whatever a stranger's module raises when it is imported
        said = f"{type(error).__name__}: {error}"
        raise ConfigError(f"the plug-in {module} cannot be imported ({said})", remedy) from error
    finally:
        _loading.pop()


@contextmanager
def _from_here() -> Generator[None]:
    """The working directory is searched for modules, last."""
    here = str(Path.cwd())
    sys.path.append(here)
    try:
        yield
    finally:
        sys.path.remove(here)


def plugins_of(parts: Iterable[tuple[str, str | None]]) -> tuple[str, ...]:
    """The plug-ins that these parts, each a family and a name, come from, each once, in order."""
    found = (table(family).get(name) for family, name in parts if name is not None)
    return tuple(dict.fromkeys(part.module for part in found if part is not None and part.module))


def missing_plugins(plugins: Iterable[str]) -> list[str]:
    """Those that nobody has imported."""
    return [module for module in plugins if module not in sys.modules]


def plugin_words() -> str:
    """What a command line needs for this process's plug-ins, ` --plugin mine`, to be put behind a command;
    "": nothing."""
    return "".join(f" --plugin {module}" for module in _named)
