"""Dataclasses to plain JSON values and back, with a one-line error for what does not fit.

A dataclass may define `to_plain` and `from_plain` to control its own conversion.
"""

import ast
import dataclasses
import inspect
import json
import math
import textwrap
import types
from collections.abc import Mapping
from itertools import pairwise
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from seesay.errors import ConfigError, nearest


def check_range(config: Any, *names: str, least: int | float, most: int | float = math.inf) -> None:
    """Raise ConfigError if one of these fields is outside `least` to `most` or not finite. None passes: a
    default that follows from the data."""
    for name in names:
        value = getattr(config, name)
        if value is not None and not (least <= value <= most and math.isfinite(value)):
            limits = f"{least:g} or more" if most == math.inf else f"{least:g} to {most:g}"
            raise ConfigError(f"{name} must be {limits}, got {value:g}")


def to_json(config: Any) -> str:
    """A spec or config as indented JSON; `from_dict` is the inverse."""
    return json.dumps(to_dict(config), indent=2)


def to_dict(value: Any) -> Any:
    """A dataclass as plain values, recursively."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        to_plain = getattr(value, "to_plain", None)
        if to_plain is not None:
            return to_plain()
        return {field.name: to_dict(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {name: to_dict(v) for name, v in value.items()}
    return [to_dict(v) for v in value] if isinstance(value, list | tuple) else value


def from_dict(kind: Any, values: Any, where: str = "") -> Any:
    """A value of type `kind`, usually a dataclass, from plain JSON values. An unknown field or a value of
    another type: ConfigError, which names the place by `where`."""
    if dataclasses.is_dataclass(kind):
        from_plain = getattr(kind, "from_plain", None)
        return dataclass_from(kind, values, where) if from_plain is None else from_plain(values, where)
    origin, arguments = get_origin(kind), get_args(kind)
    if origin in (Union, types.UnionType):
        if values is None:
            return None
        return from_dict(next(a for a in arguments if a is not type(None)), values, where)
    if origin is Literal:
        if values not in arguments:
            raise ConfigError(f"{where} is {values!r}", nearest(str(values), [str(a) for a in arguments]))
        return values
    if origin is tuple:
        if not isinstance(values, list | tuple):
            raise ConfigError(f"{where} must be a list, got {values!r}")
        return tuple(from_dict(arguments[0], v, where) for v in values)
    if kind is float and isinstance(values, int) and not isinstance(values, bool):
        return float(values)
    if not isinstance(values, kind) or (kind is int and isinstance(values, bool)):
        raise ConfigError(f"{where} must be {kind.__name__}, got {values!r}")
    return values


def dataclass_from(kind: Any, values: Any, where: str = "") -> Any:
    """A dataclass of type `kind` from a mapping of its fields; ConfigError as in `from_dict`."""
    check_object(kind.__name__, values, where)
    hints = get_type_hints(kind)
    names = [f.name for f in dataclasses.fields(kind) if f.init]
    for name in values:
        if name not in names:
            raise ConfigError(f"{f'{where}.' if where else ''}{name} is not a field", nearest(name, names))
    try:
        return kind(**{n: from_dict(hints[n], v, f"{where}.{n}" if where else n) for n, v in values.items()})
    except TypeError as error:  # a field without a default is absent
        raise ConfigError(f"{where or kind.__name__}: {error}") from None


def check_object(name: str, values: Any, where: str) -> None:
    """Raise ConfigError unless `values` is a mapping."""
    if not isinstance(values, Mapping):
        raise ConfigError(f"{where or name} must be an object with fields, got {values!r}")


def changes(before: Mapping[str, Any], now: Mapping[str, Any], most: int = 3) -> str:
    """The first `most` differences, as `optim.epochs was 6, now 8`, and how many more there are; "" if
    none."""
    old, new = flat(before), flat(now)
    names = [name for name in dict.fromkeys([*old, *new]) if old.get(name) != new.get(name)]
    lines = [f"{name} was {old.get(name, 'absent')}, now {new.get(name, 'absent')}" for name in names]
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return "; ".join(lines[:most]) + more


def flat(tree: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """A nested mapping as one level of dotted names."""
    leaves: dict[str, Any] = {}
    for name, value in tree.items():
        leaves |= flat(value, f"{prefix}{name}.") if isinstance(value, Mapping) else {prefix + name: value}
    return leaves


def field_docs(kind: type) -> dict[str, str]:
    """The docstring under each field of a dataclass, by name."""
    [definition] = ast.parse(textwrap.dedent(inspect.getsource(kind))).body
    body = definition.body if isinstance(definition, ast.ClassDef) else []
    return {
        field.target.id: " ".join(str(doc.value.value).split())
        for field, doc in pairwise(body)
        if isinstance(field, ast.AnnAssign)
        and isinstance(field.target, ast.Name)
        and isinstance(doc, ast.Expr)
        and isinstance(doc.value, ast.Constant)
    }
