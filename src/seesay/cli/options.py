"""Parse a command line into a call: a command's signature defines its options, its docstring is the help.

tyro makes the flags from the types; its boxed errors become one line with the nearest match.
"""

import contextlib
import dataclasses
import functools
import inspect
import io
import json
import re
import textwrap
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, cast, get_args, get_origin, get_type_hints

import tyro

from seesay.config import Config, ModelConfig
from seesay.errors import ConfigError, SeesayError, nearest
from seesay.plain import field_docs, from_dict, to_dict
from seesay.recipes import USUAL_KINDS, recipe
from seesay.registry import Choice, load_installed, load_plugin, names

Call = functools.partial[int | None]


def parse(commands: Mapping[str, Callable[..., int | None]], arguments: list[str]) -> Call | None:
    """The call that the arguments ask for; None if help or the version was asked for and has been printed.

    An unknown command, option or value: ConfigError with the nearest.
    """
    if arguments == ["--version"]:
        from importlib.metadata import version

        print(version("seesay"))
        return None
    arguments = _plugins(arguments)
    name, rest = _command(commands, arguments)
    if name is None:
        print(_overview(commands, arguments[0] if arguments and not arguments[0].startswith("-") else ""))
        return None
    command = _with_config(commands[name], rest)
    arguments = ["--help" if word == ALL else word for word in rest]
    asked, output = "--help" in arguments or "-h" in arguments, io.StringIO()
    brief = asked and _has_config(command) and ALL not in rest
    shown = _spread(command, COMMON if brief else _all_fields(command)) if asked else command
    try:
        with contextlib.redirect_stderr(output):
            return tyro.cli(
                _deferred(shown),
                args=arguments,
                prog=f"seesay {name}",
                config=(tyro.conf.FlagCreatePairsOff,),
            )
    except SystemExit as exit:
        if exit.code in (0, None):
            if brief:
                print(f"seesay {name} {ALL} lists all options, one per config field.")
            return None
        raise ConfigError(*_short(output.getvalue(), name, _flags(command))) from None


def _plugins(arguments: list[str]) -> list[str]:
    """Import the modules of `--plugin MODULE`, and return the other arguments. Unless only help is asked for,
    plug-ins of installed packages are imported too."""
    rest, words = [], iter(arguments)
    for word in words:
        option, equals, module = word.partition("=")
        if option != "--plugin":
            rest.append(word)
            continue
        module = module if equals else next(words, "")
        if not module or module.startswith("-"):
            raise ConfigError("--plugin needs the name of a module", "For example: --plugin my_package.")
        load_plugin(module)
    if not {"--help", "-h", "--version"} & set(arguments):
        load_installed()
    return rest


ALL = "--help-all"


def _fields(kind: Any, prefix: str = "") -> list[str]:
    """The dotted names of all fields of a config."""
    names = []
    for field in dataclasses.fields(kind):
        inner = field.default
        inside = dataclasses.is_dataclass(inner)
        names += _fields(type(inner), f"{prefix}{field.name}.") if inside else [prefix + field.name]
    return names


COMMON = (
    "seed", "modalities", "split.by", "split.valid", "split.seed", "model.fusion", "model.dim",
    "optim.epochs", "optim.batch", "optim.lr", "optim.patience", "optim.class_weights",
    "optim.weight_decay", "optim.keep",
)  # fmt: skip
"""Fields of the config that `--help` shows; `--help-all` shows these first, then the others."""


def _all_fields(command: Callable[..., int | None]) -> tuple[str, ...]:
    """The dotted names of a command's config fields, those of `--help` first; none without a config."""
    if not _has_config(command):
        return ()
    names = _fields(type(inspect.signature(command).parameters["config"].default))
    return (*COMMON, *(name for name in names if name not in COMMON))


def _command(commands: Mapping[str, Any], arguments: list[str]) -> tuple[str | None, list[str]]:
    """The command's name and its arguments; None if only help is asked for."""
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
    """The list of commands, with the first sentence of each help."""
    lines = ["seesay classifies what is seen and said: a picture, a recording, or both.", ""]
    for name, command in commands.items():
        if name.startswith(family):
            sentences = " ".join((inspect.getdoc(command) or "").partition("\n\n")[0].split())
            first = f"  seesay {name:<16}{re.split(r'(?<=[.]) ', sentences)[0]}"
            lines += textwrap.wrap(first, 100, subsequent_indent=" " * 25)
    last = "seesay COMMAND --help shows a command's options. --plugin MODULE loads your own parts."
    return "\n".join([*lines, "", last])


def _with_config(command: Callable[..., int | None], arguments: list[str]) -> Callable[..., int | None]:
    """The command with config defaults from `--recipe` and with options for the modalities of `--data`."""
    if not _has_config(command):
        return command
    name = _given("recipe", arguments) or inspect.signature(command).parameters["recipe"].default
    config = recipe(name).naming(_kinds(_given("data", arguments), arguments), others=True)
    flags = as_flags(config)

    def call(*positional: Any, config: Any, **named: Any) -> int | None:
        tree = dataclasses.asdict(config)
        tree["model"]["kinds"] = others
        return command(*positional, config=from_dict(Config, tree), **named)

    others = to_dict(config.model.kinds)
    parameters = dict(inspect.signature(command).parameters)
    annotated: Any = Annotated
    kind = annotated[type(flags), tyro.conf.arg(name="")]
    parameters["config"] = parameters["config"].replace(
        default=flags, annotation=kind, kind=inspect.Parameter.KEYWORD_ONLY
    )
    ordered = sorted(parameters.values(), key=lambda parameter: parameter.kind)
    vars(call).pop("__wrapped__", None)  # left by a type checker; tyro would follow it
    call.__doc__ = command.__doc__
    call.__annotations__ = {parameter.name: parameter.annotation for parameter in ordered}
    vars(call)["__signature__"] = inspect.Signature(ordered)
    return call


def _given(option: str, arguments: list[str]) -> str:
    """The value of an option in the arguments; "" if it is not given."""
    for i, word in enumerate(arguments):
        if word == f"--{option}" and i + 1 < len(arguments):
            return arguments[i + 1]
        if word.startswith(f"--{option}="):
            return word.partition("=")[2]
    return ""


def _kinds(data: str, arguments: Sequence[str]) -> Mapping[str, str]:
    """The kind of content by modality, read from the data. Data that are not a data set folder are opened
    only if the arguments name a modality other than image and audio. Errors in the data are left to the
    command that opens them."""
    try:
        modalities = json.loads((Path(data) / "dataset.json").read_text())["modalities"] if data else {}
        return {name: part["spec"]["kind"] for name, part in modalities.items()} or USUAL_KINDS
    except (ValueError, KeyError, TypeError):
        return USUAL_KINDS
    except OSError:
        named = {match[1] for word in arguments if (match := re.match(r"--model\.([\w-]+)\.", word))}
        return _kinds_read(data) if named - set(USUAL_KINDS) else USUAL_KINDS


def _kinds_read(data: str) -> Mapping[str, str]:
    from seesay.formats.open import open_data

    try:
        return open_data(data).spec.kinds
    except SeesayError:
        return USUAL_KINDS


def as_flags(config: Config) -> Any:
    """The config as a dataclass for tyro, in which each named modality is a field of the model."""
    model = _options(config.model, "kinds", "named")
    model += [(name, type(each), each) for name, each in config.model.named.items()]
    of_model = _instance(ModelConfig, model)
    fields = {name: (name, hint, value) for name, hint, value in _options(config)}
    return _instance(Config, [*(fields | {"model": ("model", type(of_model), of_model)}).values()])


def _options(config: Any, *without: str) -> list[tuple[str, Any, Any]]:
    """Name, type and value of a dataclass's fields, except these."""
    hints = get_type_hints(type(config), include_extras=True)
    names = [field.name for field in dataclasses.fields(config) if field.name not in without]
    return [(name, hints[name], getattr(config, name)) for name in names]


def _instance(kind: type, fields: list[tuple[str, Any, Any]]) -> Any:
    """An instance of a new dataclass with these fields; `kind` holds their docstrings."""
    made = [(name, hint, dataclasses.field(default=value)) for name, hint, value in fields]
    flags = dataclasses.make_dataclass(kind.__name__, made, frozen=True)
    flags.__doc__ = kind.__doc__
    vars_of: Any = flags
    vars_of.described_in = kind
    return flags()


def _has_config(command: Callable[..., int | None]) -> bool:
    return "config" in inspect.signature(command).parameters


def _spread(command: Callable[..., int | None], names: Sequence[str]) -> Callable[..., int | None]:
    """The command as its help shows it: its own options, then these fields of its config."""
    parameters = dict(inspect.signature(command).parameters)
    config = parameters.pop("config", None)
    fields = [] if config is None else [_field_option(config.default, name) for name in names]
    shown = [*parameters.values(), *fields]
    shown = [_without_none(parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY)) for parameter in shown]

    def spread(**_: Any) -> None:
        raise AssertionError("only shown as help, never called")

    vars(spread).pop("__wrapped__", None)  # left by a type checker; tyro would follow it
    spread.__doc__ = _doc(command)
    spread.__annotations__ = {parameter.name: parameter.annotation for parameter in shown}
    vars(spread)["__signature__"] = inspect.Signature(shown)
    return spread


def _without_none(parameter: inspect.Parameter) -> inspect.Parameter:
    """The option without tyro's `(default: None)` and `{None}|INT`, where None is what its help explains."""
    if parameter.default is not None and parameter.default != ():
        return parameter
    hint, annotated = parameter.annotation, cast(Any, Annotated)
    marks = getattr(hint, "__metadata__", ())
    metavar = next((mark.metavar for mark in marks if getattr(mark, "metavar", None)), None)
    metavar = metavar or _metavar(hint)
    if metavar and "Positional" in str(marks):
        metavar = f"[{metavar}]"
    quiet = tyro.conf.arg(help_behavior_hint="", metavar=metavar)
    return parameter.replace(annotation=annotated[hint, quiet])


def _metavar(hint: Any) -> str | None:
    """The placeholder for a value that may be None, as in `INT`; None: tyro's own."""
    inner = getattr(hint, "__origin__", hint) if hasattr(hint, "__metadata__") else hint
    kinds = [kind for kind in get_args(inner) if kind is not type(None)]
    if type(None) not in get_args(inner) or len(kinds) != 1:
        return None
    if get_origin(kinds[0]) is Literal:
        return f"{{{','.join(map(str, get_args(kinds[0])))}}}"
    return {int: "INT", float: "FLOAT", str: "STR", Path: "PATH", bool: "{True,False}"}.get(kinds[0])


def _doc(command: Callable[..., int | None]) -> str:
    """A command's docstring with each paragraph and option on one line, since tyro keeps line breaks."""
    written = command.func if isinstance(command, functools.partial) else command
    first, args, options = (inspect.getdoc(written) or "").partition("\n\nArgs:\n")
    return " ".join(first.split()) + args + re.sub(r"\n {8,}", " ", options)


def _field_option(config: Any, name: str) -> inspect.Parameter:
    """A field of the config as an option, with its default and help."""
    owner, last, value = _field(config, name)
    off, help = value is True, field_docs(getattr(owner, "described_in", type(owner)))[last]
    flag = tyro.conf.arg(name=_flag(config, name), help=f"Turns off: {help}" if off else help)
    hint: Any = bool if off else get_type_hints(type(owner), include_extras=True)[last]
    choices = [each for each in getattr(hint, "__metadata__", ()) if isinstance(each, Choice)]
    if choices:
        flag = tyro.conf.arg(name=_flag(config, name), help=help, metavar=_choices(choices[0]))
    annotated: Any = Annotated  # type checkers treat anything in its brackets as a type
    return inspect.Parameter(
        name.replace(".", "_"),
        inspect.Parameter.KEYWORD_ONLY,
        default=False if off else value,
        annotation=annotated[hint, flag],
    )


def _choices(choice: Choice) -> str:
    """The metavar of a field that names a registered part, as in `{concat,gated}`."""
    return f"{{{','.join(names(choice.family))}}}"


def _field(config: Any, name: str) -> tuple[Any, str, Any]:
    """The dataclass that has a field of this dotted name, the field's name there, and its value."""
    *path, last = name.split(".")
    for part in path:
        config = getattr(config, part)
    return config, last, getattr(config, last)


def _flag(config: Any, name: str) -> str:
    """The option of a field, without dashes; `no-...` for a switch that is on by default."""
    *path, last = name.replace("_", "-").split(".")
    return ".".join([*path, f"no-{last}" if _field(config, name)[2] is True else last])


def _deferred(command: Callable[..., int | None]) -> Callable[..., Call]:
    """A function of the same signature that returns the call instead of making it."""

    def defer(*positional: Any, **named: Any) -> Call:
        return functools.partial(command, *positional, **named)

    functools.update_wrapper(defer, command.func if isinstance(command, functools.partial) else command)
    vars(defer)["__wrapped__"] = command
    return defer


def _flags(command: Callable[..., int | None]) -> list[str]:
    """Every option of a command, with dashes."""
    flags = []
    for name, parameter in inspect.signature(command).parameters.items():
        config = parameter.default
        fields = _all_fields(command) if name == "config" else ()
        own = [_flag(config, field) for field in fields] or [name.replace("_", "-")]
        flags += [f"--{each}" for each in own]
    return flags


WANTED = {"INT": "a whole number", "int()": "a whole number", "FLOAT": "a number", "float": "a number"}
"""What an option takes, by what tyro's message about it says."""


def _short(box: str, name: str, flags: list[str]) -> tuple[str, str]:
    """The problem and the remedy in an error box printed by tyro, one line each."""
    lines = [re.sub(r"[│╭╮╰╯─]+|^[+|]|[+|]$|-{10,}", " ", line).strip() for line in box.splitlines()]
    title, *rest = [line for line in lines if line]
    end = next((i for i, line in enumerate(rest) if line.startswith(("For full", "Argument help"))), None)
    text = " ".join(rest[:end])
    if unknown := re.search(r"Unrecognized options: (--[\w.-]+)", text):
        return f"seesay {name} has no option {unknown[1]}", nearest(unknown[1], flags)
    usage = f"See seesay {name} --help."
    if extra := re.search(r"Unrecognized options: (.*)", text):
        return f"seesay {name} was given too many values: {extra[1].rstrip('.')}", usage
    if text.startswith("Missing from"):
        lacking = text.partition(": ")[2].split("(required)")[:-1]
        return f"seesay {name} needs {', '.join(map(_lacking, lacking))}", usage
    if valueless := re.search(r"Missing value for argument '(.*?)'", text):
        return f"{valueless[1]} needs a value", usage
    for option, kind, value in re.findall(r"Error parsing (\S+): (.*?)[:\[] ?'(.*?)'", text):
        wanted = next((words for word, words in WANTED.items() if word in kind), None)
        if wanted is not None:
            return f"{option} takes {wanted}, got {value!r}", usage
    return (text or title).rstrip("."), usage


def _lacking(required: str) -> str:
    """The flag of an option that is lacking, or what its help begins with if it has none."""
    first, _, rest = required.strip().partition(" ")
    if first.startswith("--"):
        return first
    words = re.split(r"[,;.]", rest)[0]
    return words[:1].lower() + words[1:]
