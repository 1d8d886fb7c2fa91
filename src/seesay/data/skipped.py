"""Rows that were left out because a file of theirs could not be read, and the table that names them."""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from seesay.files import new_file

HEADING = ("row", "file", "reason")


@dataclass(frozen=True)
class Skipped:
    """A row of the source, counted from 1, the file that was at fault, and what was wrong with it."""

    row: int
    file: str
    reason: str


def bad_path(out: Path | str) -> Path:
    """Where the rows that were left out of `out` stand: `pairs.bad.csv` beside `pairs`."""
    return Path(f"{str(out).rstrip('/')}.bad.csv")


def write_skipped(out: Path | str, skipped: Sequence[Skipped]) -> str:
    """Writes them beside `out` and says so in a line. None: "", and what an earlier command wrote there is
    deleted, for it would be taken for this one's."""
    path = bad_path(out)
    if not skipped:
        if path.is_file() and path.read_bytes().startswith(",".join(HEADING).encode()):
            path.unlink()
        return ""
    with new_file(path, newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(HEADING)
        writer.writerows((each.row, each.file, each.reason) for each in skipped)
    rows = "1 row was" if len(skipped) == 1 else f"{len(skipped):,} rows were"
    return f"{rows} skipped; {path} says which and why"
