"""Search spaces: which config fields to try with which values, as one line of text.

`model.dim=32..256:log,model.fusion=concat|gated|attention`: a range low..high, sampled uniformly or (`:log`)
log-uniformly, or choices between bars. A space with choices only is also a grid. `report` names the report's
grid.
"""

import dataclasses
import functools
import itertools
import math
import re
import types
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from seesay.config import Config
from seesay.errors import ConfigError, nearest
from seesay.plain import flat, from_dict, to_dict
from seesay.recipes import USUAL_KINDS
from seesay.spec import Modality

Value = int | float | str | bool

SPACES = {
    "report": "model.{modality}.kind=report,model.{modality}.layers=2|3,"
    "model.{modality}.activation=relu|sigmoid,model.{modality}.dropout=0.2|0.5,"
    "model.{modality}.kernel=3|5,model.{modality}.stride=1,pretrain.epochs=0"
}
"""Named spaces, each for one modality. `report`: section 2.4 of the report, 16 cells of a supervised CNN."""

RANGE = re.compile(r"(?P<low>.*?)\.\.(?P<high>[^:]*)(?::(?P<scale>.*))?")


@dataclass(frozen=True)
class Range:
    """Numbers from `low` to `high`, both included; integers if both are."""

    low: float
    high: float
    log: bool = False

    def __str__(self) -> str:
        return f"{self.low!r}..{self.high!r}{':log' * self.log}"


@dataclass(frozen=True)
class Choices:
    """A choice of one of these values."""

    values: tuple[Value, ...]

    def __str__(self) -> str:
        return "|".join(map(shown, self.values))


@dataclass(frozen=True)
class Space:
    """The fields to try, by their dotted names; all other fields stay as in the config."""

    fields: Mapping[str, Range | Choices]

    @property
    def varied(self) -> tuple[str, ...]:
        """The fields that can have more than one value."""
        return tuple(n for n, f in self.fields.items() if isinstance(f, Range) or len(f.values) > 1)

    @property
    def fixed(self) -> dict[str, Value]:
        """The fields that the space sets to one value."""
        return {
            n: f.values[0] for n, f in self.fields.items() if isinstance(f, Choices) and len(f.values) == 1
        }

    def cells(self) -> list[dict[str, Value]]:
        """Every combination of values, the last field changing fastest. ConfigError if a field is a range."""
        ranges = [name for name, field in self.fields.items() if isinstance(field, Range)]
        if ranges:
            raise ConfigError(
                f"a grid needs choices; {ranges[0]} is a range",
                "Give the number of trials, or write choices: a|b|c.",
            )
        values = [field.values for field in self.fields.values() if isinstance(field, Choices)]
        return [dict(zip(self.fields, cell, strict=True)) for cell in itertools.product(*values)]


def shown(value: Value) -> str:
    """A value as written in a space and on the command line."""
    return str(value).lower() if isinstance(value, bool) else str(value)


# ---------------------------------------------------------------------------------------------------- reading


def parse_space(text: str, modality: Modality | None = None, config: Config | None = None) -> Space:
    """The space that a text describes or names (`SPACES`, which need the modality). `config`: the config
    whose fields may be named; None: the default config for image and audio.

    An unknown field, an empty range, a value of another type or outside the field's limits: ConfigError.
    """
    if "=" not in text:
        return parse_space(_named(text.strip(), modality), None, config)
    config = config or Config().naming(USUAL_KINDS, others=True)
    fields: dict[str, Range | Choices] = {}
    kinds = dict(field_kinds(config))
    for part in text.split(","):
        name, equals, values = (word.strip() for word in part.partition("="))
        name = name.replace("-", "_")
        if not equals:
            raise ConfigError(
                f"expected field=low..high or field=a|b in the search space, got {part.strip()!r}"
            )
        if name not in kinds:
            raise ConfigError(
                f"the search space names {name!r}, which is not a field", nearest(name, list(kinds))
            )
        if name in fields:
            raise ConfigError(f"the search space names {name} twice", "Give all its values at once.")
        fields[name] = (
            _range(name, values, kinds[name])
            if ".." in values and "../" not in values
            else _choices(name, values, kinds[name])
        )
        _check_limits(config, name, fields[name])
    return Space(fields)


def _named(name: str, modality: Modality | None) -> str:
    if name not in SPACES:
        raise ConfigError(
            f"there is no search space {name!r}", f"{nearest(name, list(SPACES))} Or write field=low..high."
        )
    if modality is None:
        choices = " or ".join(f"--modality {m}" for m in USUAL_KINDS)
        raise ConfigError(f"the search space {name!r} is for one modality", f"Add {choices}.")
    return SPACES[name].format(modality=modality)


def field_kinds(config: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """The dotted name and the type of every field with a single value, those of named modalities included."""
    hints = get_type_hints(type(config))
    for name in (field.name for field in dataclasses.fields(config)):
        value, kind = getattr(config, name), hints[name]
        if dataclasses.is_dataclass(value):
            yield from field_kinds(value, f"{prefix}{name}.")
        elif isinstance(value, Mapping):
            for key, part in value.items():
                yield from field_kinds(
                    part, f"{prefix}{key}." if name == "named" else f"{prefix}{name}.{key}."
                )
        else:
            not_none = [inner for inner in get_args(kind) if inner is not type(None)]
            kind = not_none[0] if get_origin(kind) in (Union, types.UnionType) else kind
            if kind in (int, float, bool, str) or get_origin(kind) is Literal:
                yield prefix + name, kind


def _range(name: str, text: str, kind: Any) -> Range:
    if kind not in (int, float):
        raise ConfigError(
            f"{name} is not a number and cannot have the range {text!r}", "Write choices: a|b|c."
        )
    match = RANGE.fullmatch(text)
    if match is None or match["scale"] not in (None, "log"):
        raise ConfigError(f"{name}={text} is not a range", "Write low..high or low..high:log.")
    low, high = (_value(name, match[end], kind) for end in ("low", "high"))
    log = match["scale"] == "log"
    if not low < high:
        raise ConfigError(f"{name}={text} is an empty range: {low} is not below {high}", "Write low..high.")
    if log and low <= 0:
        raise ConfigError(f"{name}={text} has no logarithm at {low}", "Begin above 0, or drop :log.")
    return Range(low, high, log)


def _choices(name: str, text: str, kind: Any) -> Choices:
    words = [word.strip() for word in text.split("|")]
    if not all(words):
        raise ConfigError(f"{name}={text} has an empty choice", "Write a|b|c, or low..high.")
    values = tuple(_value(name, word, kind) for word in words)
    if len(set(values)) < len(values):
        raise ConfigError(f"{name}={text} has the same choice twice")
    return Choices(values)


def _value(name: str, word: str, kind: Any) -> Any:
    """The word as the field's type."""
    if get_origin(kind) is Literal:
        return from_dict(kind, {str(choice): choice for choice in get_args(kind)}.get(word, word), name)
    if kind is bool:
        if word.lower() not in ("true", "false"):
            raise ConfigError(f"{name} must be true or false, got {word!r}")
        return word.lower() == "true"
    try:
        value = kind(word)
    except ValueError:
        value = math.nan
    if kind in (int, float) and not math.isfinite(value):
        raise ConfigError(f"{name} must be a {'whole ' * (kind is int)}number, got {word!r}")
    return value


def _check_limits(config: Config, name: str, field: Range | Choices) -> None:
    """Raise ConfigError if the config does not accept the ends of a range or one of the choices."""
    *path, last = name.split(".")
    part = functools.reduce(_part, path, config)
    for value in (field.low, field.high) if isinstance(field, Range) else field.values:
        try:
            dataclasses.replace(part, **{last: value})
        except ConfigError as error:
            raise ConfigError(f"the search space has {name}={shown(value)}, but {error}") from None


def _part(config: Any, name: str) -> Any:
    """The part of a config, or of a mapping in it, with this name."""
    if isinstance(config, Mapping):
        return config[name]
    return getattr(config, "named", {}).get(name) or getattr(config, name)


# ----------------------------------------------------------------------------------------- values in a config


def apply(config: Config, values: Mapping[str, Value]) -> Config:
    """A copy of the config with these fields changed. ConfigError if they do not fit together."""
    tree = to_dict(config)
    for name, value in values.items():
        *path, last = name.split(".")
        branch = tree
        for step in path:
            branch = branch[step]
        branch[last] = value
    return from_dict(Config, tree)


def flags(config: Config, base: Config, kinds: Mapping[Modality, str]) -> list[str]:
    """The command line options that turn the config `base` of a recipe into `config`: every field that
    differs. `kinds`: kind of content by modality."""
    new, old = (flat(to_dict(c.naming(kinds))) for c in (config, base))
    return [word for name in new if new[name] != old[name] for word in _flag(name, new[name])]


def _flag(name: str, value: Any) -> list[str]:
    *path, last = name.replace("_", "-").split(".")
    if isinstance(value, bool):  # a switch: --augment.repair, --augment.no-repair
        return [f"--{'.'.join([*path, last if value else f'no-{last}'])}"]
    values = [*map(str, value)] if isinstance(value, list | tuple) else [shown(value)]
    return [f"--{'.'.join([*path, last])}", *values]
