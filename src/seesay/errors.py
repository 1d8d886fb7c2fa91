"""The few ways in which what a user hands in can be wrong.

Each message is one line that says what was expected, what came, and what to do. The command line prints it
and exits with 2; anything else that escapes is a bug of ours and shows its traceback.
"""

from collections.abc import Iterable

LONGEST = 1_000
"""Characters of a message. What people hand in (a cell, a name, what a library said of it) may have any
length."""

SHOWN = 10
"""Of a list of faults, as many are shown; the count says how many there are."""

LONG = 200
"""Of one of them, as many characters are shown."""


class SeesayError(Exception):
    """Something that the caller can mend. `str(error)` is the whole story in one line, never a long one."""

    def __init__(self, problem: str, remedy: str = "") -> None:
        """`problem` says what was expected and what came; `remedy` says what to do about it."""
        problem, remedy = _line(problem), shortened(_line(remedy), LONGEST // 2)
        if remedy:
            problem = shortened(problem.removesuffix("."), LONGEST - len(f". {remedy}"))
            super().__init__(f"{problem}. {remedy}")
        else:
            super().__init__(shortened(problem, LONGEST))


class InputError(SeesayError):
    """A file, an array or a row that cannot be used: missing, truncated, of another shape, not what its name
    says."""


class ConfigError(SeesayError):
    """A recipe, a field or a value that does not exist or does not fit."""


class OutputError(SeesayError):
    """A result that cannot be written: the folder exists, the disk is full. What was there before is still
    there."""


def shortened(text: str, most: int) -> str:
    """The text, without its middle where it has more than `most` characters."""
    if len(text) <= most:
        return text
    cut = f" ... ({len(text):,} characters) ... "
    head = (most - len(cut)) * 3 // 4
    return text[:head] + cut + text[len(text) - (most - len(cut) - head) :]


def _line(text: str) -> str:
    """On one line, and without what could command a terminal."""
    one = " ".join(text.split())
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in one)


def nearest(word: str, choices: list[str]) -> str:
    """A remedy that names the closest of `choices`, or all of them when none is close."""
    from difflib import get_close_matches

    close = get_close_matches(word, choices, n=1, cutoff=0.5)
    return f"Did you mean {close[0]!r}?" if close else f"Choose one of: {', '.join(choices)}."


def listed(faults: Iterable[str]) -> str:
    """At most SHOWN of them, none longer than LONG, and how many more there are."""
    faults = list(faults)
    more = f" and {len(faults) - SHOWN} more" if len(faults) > SHOWN else ""
    return ", ".join(shortened(fault, LONG) for fault in faults[:SHOWN]) + more
