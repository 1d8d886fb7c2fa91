"""The few ways in which what a user hands in can be wrong.

Each message is one line that says what was expected, what came, and what to do. The command line prints it
and exits with 2; anything else that escapes is a bug of ours and shows its traceback.
"""


class SeesayError(Exception):
    """Something that the caller can mend. `str(error)` is the whole story in one line."""

    def __init__(self, problem: str, remedy: str = "") -> None:
        """`problem` says what was expected and what came; `remedy` says what to do about it."""
        whole = " ".join((f"{problem.removesuffix('.')}. {remedy}" if remedy else problem).split())
        super().__init__("".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in whole))


class InputError(SeesayError):
    """A file, an array or a row that cannot be used: missing, truncated, of another shape, not what its name
    says."""


class ConfigError(SeesayError):
    """A recipe, a field or a value that does not exist or does not fit."""


class OutputError(SeesayError):
    """A result that cannot be written: the folder exists, the disk is full. What was there before is still
    there."""


def nearest(word: str, choices: list[str]) -> str:
    """A remedy that names the closest of `choices`, or all of them when none is close."""
    from difflib import get_close_matches

    close = get_close_matches(word, choices, n=1, cutoff=0.5)
    return f"Did you mean {close[0]!r}?" if close else f"Choose one of: {', '.join(choices)}."
