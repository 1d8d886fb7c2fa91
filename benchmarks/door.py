"""What the benchmarks take from a command line, and what they say of it where it does not fit."""

import argparse
import sys
from collections.abc import Callable

from seesay.errors import SeesayError


def positive(word: str) -> int:
    """A number of rows or seeds, for `argparse`."""
    number = int(word)
    if number < 1:
        raise argparse.ArgumentTypeError(f"expected 1 or more, got {number}")
    return number


def one_line_of_errors(main: Callable[[], None]) -> None:
    """Calls it; what the caller can mend is one line, and exit status 2."""
    try:
        main()
    except SeesayError as error:
        print(f"benchmarks: {error}", file=sys.stderr)
        sys.exit(2)
