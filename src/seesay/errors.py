"""Errors in user input, and how their messages are built.

Each message is one line that says what was expected, what came, and what to do. The command line prints it
and exits with 2; any other exception is a bug in seesay and shows its traceback.
"""

from collections.abc import Iterable

LONGEST = 1_000
"""Characters of a message. A cell, a name or a library's own message may have any length."""

SHOWN = 10
"""Number of items of a list that are shown; the rest are counted."""

LONG = 200
"""Characters of one of those faults that are shown."""


class SeesayError(Exception):
    """An error that the caller can fix. `str(error)` is one line of at most LONGEST characters."""

    def __init__(self, problem: str, remedy: str = "") -> None:
        """`problem`: what was expected and what came; `remedy`: what to do about it."""
        problem, remedy = _line(problem), shortened(_line(remedy), LONGEST // 2)
        if remedy:
            problem = shortened(problem.removesuffix("."), LONGEST - len(f". {remedy}"))
            super().__init__(f"{problem}. {remedy}")
        else:
            super().__init__(shortened(problem, LONGEST))


class InputError(SeesayError):
    """A file, an array or a row that cannot be used: missing, truncated, of the wrong shape or format."""


class ConfigError(SeesayError):
    """A recipe, a field or a value that does not exist or does not fit."""


class OutputError(SeesayError):
    """A result that cannot be written: the folder exists, the disk is full. Existing files are unchanged."""


def shortened(text: str, most: int) -> str:
    """The text, its middle cut out where it is longer than `most` characters."""
    if len(text) <= most:
        return text
    cut = f" ... ({len(text):,} characters) ... "
    head = (most - len(cut)) * 3 // 4
    return text[:head] + cut + text[len(text) - (most - len(cut) - head) :]


def _line(text: str) -> str:
    """The text on one line, with characters that could control a terminal replaced."""
    one = " ".join(text.split())
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in one)


def nearest(word: str, choices: list[str]) -> str:
    """A remedy that names the closest of `choices`, or all of them when none is close."""
    from difflib import get_close_matches

    close = get_close_matches(word, choices, n=1, cutoff=0.5)
    return f"Did you mean {close[0]!r}?" if close else f"Choose one of: {', '.join(choices)}."


def listed(faults: Iterable[str]) -> str:
    """The items joined by commas: at most SHOWN, each cut to LONG characters, and how many more there are."""
    faults = list(faults)
    more = f" and {len(faults) - SHOWN} more" if len(faults) > SHOWN else ""
    return ", ".join(shortened(fault, LONG) for fault in faults[:SHOWN]) + more
