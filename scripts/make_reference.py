"""Writes docs/reference/cli.md and docs/reference/config.md from the code: `make reference`. A test fails
where they differ from what the code says."""

import dataclasses
import inspect
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

from seesay.cli import COMMANDS
from seesay.cli.options import field_docs
from seesay.config import Config, EncoderConfig
from seesay.recipes import RECIPES
from seesay.registry import Choice, names

FOLDER = Path(__file__).parents[1] / "docs" / "reference"

MADE = "<!-- Made by scripts/make_reference.py from the code: make reference. Do not edit. -->"


def cli_page() -> str:
    """Every command with its options, as Markdown."""
    lines = [MADE, "# Command line", ""]
    lines += [
        f"- [`seesay {name}`](#seesay-{name.replace(' ', '-')}): {first(call)}"
        for name, call in COMMANDS.items()
    ]
    lines += [
        "",
        "Every command also takes `--help`, `--plugin MODULE` (a module with your own parts; repeatable)",
        "and, if it takes a config, `--help-all`.",
        "Exit codes: 0 done, 1 rows were skipped, 2 wrong input, 130 stopped.",
    ]
    for name, call in COMMANDS.items():
        lines += [
            "",
            f"## seesay {name}",
            "",
            *paragraphs(call),
            "",
            "| option | takes | default | |",
            "|---|---|---|---|",
        ]
        lines += [f"| {' | '.join(row)} |" for row in options_of(call)]
        if "config" in inspect.signature(call).parameters:
            lines += [
                "",
                "Every field of the [config](config.md) is an option too, such as `--optim.epochs 20`.",
            ]
    return "\n".join(lines) + "\n"


def first(call: Callable[..., Any]) -> str:
    """The first sentence of a command's docstring."""
    return re.split(r"(?<=[.]) ", paragraphs(call)[0])[0]


def paragraphs(call: Callable[..., Any]) -> list[str]:
    """A command's docstring without its arguments."""
    text = (inspect.getdoc(call) or "").partition("Args:")[0].strip()
    return [" ".join(part.split()) for part in text.split("\n\n")]


def options_of(call: Callable[..., Any]) -> Iterator[tuple[str, str, str, str]]:
    """Flag, type, default and meaning of each option."""
    told = dict(re.findall(r"^    (\w+): (.*?)(?=\n    \w+: |\Z)", argument_text(call), re.M | re.S))
    hints = get_type_hints(call, include_extras=True)
    for name, parameter in inspect.signature(call).parameters.items():
        if name == "config":
            continue
        hint, positional = unwrapped(hints[name])
        needed = parameter.default is inspect.Parameter.empty
        shown = f"`{name.upper()}`" if positional else f"`--{name.replace('_', '-')}`"
        default = "required" if needed else value_text(parameter.default)
        yield shown, takes(hint), default, cell(told.get(name, ""))


def argument_text(call: Callable[..., Any]) -> str:
    return (inspect.getdoc(call) or "").partition("Args:\n")[2]


def unwrapped(hint: Any) -> tuple[Any, bool]:
    """The type of an option without tyro's marks, and whether it is positional."""
    marks = [str(mark) for mark in getattr(hint, "__metadata__", ())]
    metavar = next(
        (m.metavar for m in getattr(hint, "__metadata__", ()) if getattr(m, "metavar", None)), None
    )
    inner = getattr(hint, "__origin__", hint) if hasattr(hint, "__metadata__") else hint
    return metavar or inner, any("Positional" in mark for mark in marks)


def takes(hint: Any) -> str:
    """What people write for a value of this type."""
    if isinstance(hint, str):
        return ", ".join(f"`{choice}`" for choice in hint.strip("{}").split(","))
    metadata = [m for m in getattr(hint, "__metadata__", ()) if isinstance(m, Choice)]
    if metadata:
        return ", ".join(f"`{name}`" for name in names(metadata[0].family))
    if hasattr(hint, "__metadata__"):
        hint = hint.__origin__
    if get_origin(hint) is Literal:
        return ", ".join(f"`{choice}`" for choice in get_args(hint))
    inner = [each for each in get_args(hint) if each not in (type(None), ...)]
    if get_origin(hint) is tuple:
        return "values" if len(get_args(hint)) > 1 and get_args(hint)[1] is ... else f"{len(inner)} values"
    if inner:
        return takes(inner[0])
    return {bool: "", int: "whole number", float: "number", Path: "path", str: "text"}.get(hint, "text")


def value_text(value: Any) -> str:
    if value is None or value == () or value is False:
        return ""
    return "on" if value is True else f"`{value}`"


def cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def config_page() -> str:
    """Every field of the config by its dotted name, with its default and its meaning, as Markdown."""
    lines = [
        MADE,
        "# Config",
        "",
        "Each field is an option of `seesay train`, `seesay tune` and a name in their search",
    ]
    lines += [
        "spaces: `--optim.lr 0.01`. Defaults are those of recipe `small`; `model.image.*` stands for every"
    ]
    lines += ["modality of the data. An empty default follows from the data.", ""]
    lines += ["| recipe | |", "|---|---|"]
    lines += [
        f"| `{name}` | {cell((inspect.getdoc(make) or '').split(chr(10) * 2)[0])} |"
        for name, make in RECIPES.items()
    ]
    for title, prefix, part in parts(Config()):
        docs, hints = field_docs(type(part)), get_type_hints(type(part), include_extras=True)
        intro = cell((inspect.getdoc(type(part)) or "").split("\n\n")[0])
        lines += ["", f"## {title}", "", intro, "", "| field | takes | default | |", "|---|---|---|---|"]
        for field in dataclasses.fields(part):
            value = getattr(part, field.name)
            if dataclasses.is_dataclass(value) or isinstance(value, dict):
                continue
            row = (
                f"`{prefix}{field.name}`",
                takes(hints[field.name]),
                value_text(value),
                cell(docs[field.name]),
            )
            lines.append(f"| {' | '.join(row)} |")
    return "\n".join(lines) + "\n"


def parts(config: Config) -> Iterator[tuple[str, str, Any]]:
    """Title, prefix of the dotted names and dataclass of each part of the config."""
    yield "The config", "", config
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        if dataclasses.is_dataclass(value):
            yield field.name, f"{field.name}.", value
            if field.name == "model":
                encoder = EncoderConfig()
                yield "model.image, model.audio, ...", "model.image.", encoder
                yield "model.image.features, ...", "model.image.features.", encoder.features


def pages() -> dict[Path, str]:
    """The pages by their place."""
    return {FOLDER / "cli.md": cli_page(), FOLDER / "config.md": config_page()}


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for path, text in pages().items():
        path.write_text(text)
        print(path)
