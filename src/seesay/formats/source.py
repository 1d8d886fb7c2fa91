"""Check the paths and data set names given to a command, before anything heavy is loaded.

No numpy, no torch here.
"""

import glob
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from seesay.errors import InputError
from seesay.spec import DEFAULT_NAMES

NAMES = ("digits", "wsd")
"""Data sets by name: inside the package, and downloaded."""


def check_source(source: Path | str) -> None:
    """InputError unless `source` is an existing path, a data set's name or a pattern that a file matches."""
    if is_pattern(source):
        if next(glob.iglob(str(source), recursive=True), None) is None:  # noqa: PTH207 (as in listing.py)
            raise InputError(
                f"No file matches {str(source)!r}", "Check the pattern, and the folder you are in."
            )
    elif str(source) not in NAMES and not Path(source).exists():
        raise _missing("file or data set", source, NAMES)


def is_pattern(source: Path | str) -> bool:
    """Whether this is a pattern such as `photos/*.png`, and not the name of a file."""
    return glob.has_magic(str(source)) and not Path(source).exists()


def check_path(kind: str) -> Callable[[Path | str], None]:
    """A function that raises InputError for a missing path, called a `kind`."""

    def check(path: Path | str) -> None:
        if not Path(path).exists():
            raise _missing(kind, path)

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
"""Options that name inputs, and the check of each."""


def check_inputs(options: Mapping[str, Any]) -> None:
    """InputError for the first option that names a missing input."""
    for name, value in options.items():
        if name in CHECKS and value is not None:
            for path in value if isinstance(value, tuple) else (value,):
                CHECKS[name](path)


def _missing(kind: str, source: Path | str, names: tuple[str, ...] = ()) -> InputError:
    path = Path(source)
    beside = [str(other) for other in path.parent.iterdir()] if path.parent.is_dir() else []
    close = get_close_matches(str(path), [*names, *beside], n=1, cutoff=0.6)
    named = f"Give a path, or one of the names {' and '.join(names)}." if names else "Check the path."
    return InputError(f"No such {kind}: {str(source)!r}", f"Did you mean {close[0]!r}?" if close else named)
