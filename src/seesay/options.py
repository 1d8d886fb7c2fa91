"""From the words of a command line to a call: the command's signature is its options, its docstring is its
help.

tyro makes the flags from the types. Here its boxes of errors become one line with the nearest match.
"""

import contextlib
import dataclasses
import functools
import inspect
import io
import re
import textwrap
from collections.abc import Callable, Mapping
from typing import Any

import tyro

from seesay.config import Config
from seesay.errors import ConfigError, nearest
from seesay.recipes import recipe

Call = functools.partial[int | None]


def parse(commands: Mapping[str, Callable[..., int | None]], arguments: list[str]) -> Call | None:
    """The call that the arguments ask for. None: help or the version was asked for and has been printed.

    An unknown command, option or value: ConfigError with the nearest.
    """
    if arguments == ["--version"]:
        from importlib.metadata import version

        print(version("seesay"))
        return None
    name, rest = _command(commands, arguments)
    if name is None:
        print(_overview(commands, arguments[0] if arguments and not arguments[0].startswith("-") else ""))
        return None
    command = _with_recipe(commands[name], rest)
    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said):
            return tyro.cli(
                _deferred(command), args=rest, prog=f"seesay {name}", config=(tyro.conf.FlagCreatePairsOff,)
            )
    except SystemExit as exit:
        if exit.code in (0, None):
            return None
        raise ConfigError(*_short(said.getvalue(), name, _flags(command))) from None


def _command(commands: Mapping[str, Any], arguments: list[str]) -> tuple[str | None, list[str]]:
    """The command's name and what follows it; None where only help is asked for."""
    words = arguments[:2]
    for name in (" ".join(words), *words[:1]):
        if name in commands:
            return name, arguments[len(name.split()) :]
    families = {name.split()[0] for name in commands if " " in name}
    if (
        not words
        or words[0] in ("--help", "-h")
        or (words[0] in families and set(words[1:]) <= {"--help", "-h"})
    ):
        return None, []
    asked = " ".join(words) if words[0] in families else words[0]
    choices = [name for name in commands if words[0] not in families or name.startswith(words[0])]
    raise ConfigError(f"there is no command {asked!r}", nearest(asked, choices))


def _overview(commands: Mapping[str, Callable[..., int | None]], family: str) -> str:
    """All commands with the first sentence of each."""
    lines = ["seesay classifies what is seen and said: a picture, a recording, or both.", ""]
    for name, command in commands.items():
        if name.startswith(family):
            said = " ".join((inspect.getdoc(command) or "").partition("\n\n")[0].split())
            first = f"  seesay {name:<16}{re.split(r'(?<=[.]) ', said)[0]}"
            lines += textwrap.wrap(first, 100, subsequent_indent=" " * 25)
    return "\n".join([*lines, "", "seesay COMMAND --help shows a command's options."])


def _with_recipe(command: Callable[..., int | None], arguments: list[str]) -> Callable[..., int | None]:
    """A command that takes a config starts from the recipe that the arguments name."""
    parameters = inspect.signature(command).parameters
    if "config" not in parameters:
        return command
    name = parameters["recipe"].default
    for i, word in enumerate(arguments):
        if word == "--recipe" and i + 1 < len(arguments):
            name = arguments[i + 1]
        elif word.startswith("--recipe="):
            name = word.removeprefix("--recipe=")
    return functools.partial(command, config=recipe(name))


def _deferred(command: Callable[..., int | None]) -> Callable[..., Call]:
    """The same signature, but calling it gives the call."""

    def defer(*positional: Any, **named: Any) -> Call:
        return functools.partial(command, *positional, **named)

    functools.update_wrapper(defer, command.func if isinstance(command, functools.partial) else command)
    vars(defer)["__wrapped__"] = command
    return defer


def _flags(command: Callable[..., int | None]) -> list[str]:
    """Every option the command has."""
    flags = []
    for name in inspect.signature(command).parameters:
        flags += _fields(Config) if name == "config" else [f"--{name.replace('_', '-')}"]
    return flags


def _fields(kind: Any, prefix: str = "--") -> list[str]:
    names = []
    for field in dataclasses.fields(kind):
        inner = field.default
        if dataclasses.is_dataclass(inner):
            names += _fields(type(inner), f"{prefix}{field.name}.")
        else:
            names.append(prefix + field.name.replace("_", "-"))
    return names


def _short(box: str, name: str, flags: list[str]) -> tuple[str, str]:
    """What a box of tyro's says, in one line, and what to do."""
    lines = [re.sub(r"[│╭╮╰╯─]+", " ", line).strip() for line in box.splitlines()]
    title, *said = [line for line in lines if line]
    said = said[
        : next((i for i, line in enumerate(said) if line.startswith(("For full", "Argument help"))), None)
    ]
    text = " ".join(said)
    unknown = re.search(r"Unrecognized options: (--[\w.-]+)", text)
    if unknown:
        return f"seesay {name} has no option {unknown[1]}", nearest(unknown[1], flags)
    return (text or title).rstrip("."), f"See seesay {name} --help."
