"""What a command is asked to read: a path or the name of a data set, a run, a file.

It is found, or refused with the nearest, before anything heavy is loaded: no numpy, no torch here."""

from collections.abc import Callable, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from seesay.errors import InputError
from seesay.spec import DEFAULT_NAMES

NAMES = ("digits", "wsd")
"""Data sets that have no path: inside the package, and downloaded."""


def check_source(source: Path | str) -> None:
    """InputError unless there is such a path or such a name."""
    if str(source) not in NAMES and not Path(source).exists():
        raise _absent("file or data set", source, NAMES)


def check_path(kind: str) -> Callable[[Path | str], None]:
    """A check that raises InputError, calling what is absent a `kind`."""

    def check(path: Path | str) -> None:
        if not Path(path).exists():
            raise _absent(kind, path)

    return check


CHECKS: Mapping[str, Callable[[Path | str], None]] = {
    "data": check_source,
    "source": check_source,
    "run": check_path("run"),
    **dict.fromkeys(DEFAULT_NAMES.values(), check_path("file")),
    "pictures": check_path("folder"),
    "recordings": check_path("folder"),
    "test_speakers": check_path("file"),
}
"""The options of commands that name what is read, and how each is looked for."""


def check_inputs(options: Mapping[str, Any]) -> None:
    """InputError for the first of these options that names something which is not there."""
    for name, value in options.items():
        if name in CHECKS and value is not None:
            for path in value if isinstance(value, tuple) else (value,):
                CHECKS[name](path)


def _absent(kind: str, source: Path | str, names: tuple[str, ...] = ()) -> InputError:
    path = Path(source)
    beside = [str(other) for other in path.parent.iterdir()] if path.parent.is_dir() else []
    close = get_close_matches(str(path), [*names, *beside], n=1, cutoff=0.6)
    named = f"Give a path, or one of the names {' and '.join(names)}." if names else "Check the path."
    return InputError(f"No such {kind}: {str(source)!r}", f"Did you mean {close[0]!r}?" if close else named)
