"""Patterns for file names: `{label}_{speaker}_{take}`, `{speaker}/{label}_{take}`."""

import re
from collections.abc import Mapping, Sequence
from string import Formatter

from seesay.errors import ConfigError
from seesay.formats.name_parts import SEPARATORS, Part

REMEDY = "Write it like {label}_{speaker}_{take} or {speaker}/{label}_{take}; {_} is ignored."


def parse_pattern(pattern: str) -> tuple[re.Pattern[str], list[str]]:
    """The regular expression of a pattern, and its fields without `{_}`.

    Only labels may contain the pattern's separators; a repeated field must have one value; a field directly
    after another matches digits. An invalid pattern, or one without a label: ConfigError.
    """
    try:
        pieces = [(text, name) for text, name, _, _ in Formatter().parse(pattern)]
    except ValueError as error:
        raise ConfigError(f"--name-pattern {pattern} is not a valid pattern: {error}", REMEDY) from None
    fields = list(dict.fromkeys(name for _, name in pieces if name is not None))
    if "label" not in fields or not all(map(str.isidentifier, fields)):
        raise ConfigError(f"--name-pattern {pattern} needs {{label}}, and names in braces", REMEDY)
    separators = re.escape("".join(sorted({"/", *"".join(text for text, _ in pieces)})))
    expression, seen = "", set[str]()
    for i, (text, name) in enumerate(pieces):
        other = r"\d" if i and not text else f"[^{separators}]"
        inside = "[^/]+?" if name == "label" else f"{other}+"
        expression += re.escape(text) + (_field(name, inside, seen) if name is not None else "")
    return re.compile(expression), [name for name in fields if name != "_"]


def _field(name: str, inside: str, seen: set[str]) -> str:
    """The regex group of a field, or a back-reference if it was seen before."""
    if name == "_":
        return inside
    again = name in seen
    seen.add(name)
    return f"(?P={name})" if again else f"(?P<{name}>{inside})"


def pattern_of(parts: Sequence[Part], stem: str, roles: Mapping[str, str]) -> str:
    """The pattern of paths like `stem` that gives parts, by place, these roles."""
    folders = [roles.get(part.place, "_") for part in parts if part.level is not None]
    folders += ["_"] * (stem.count("/") - len(folders))
    named = [part for part in parts if part.level is None]
    if any(part.uneven for part in named):
        fields = [*(roles[part.place] for part in named if part.place in roles), "take"]
        between = ["_"] * len(fields)
    else:
        fields = [roles.get(part.place, "take" if part.last else "_") for part in named]
        between = SEPARATORS.findall(stem.rsplit("/", 1)[-1]) + [""] * len(fields)  # `take1`: nothing between
    between = [*between[: len(fields) - 1], ""]
    name = "".join(f"{{{field}}}{text}" for field, text in zip(fields, between, strict=True))
    return "/".join([*(f"{{{folder}}}" for folder in folders), name])
