"""Rows skipped because their files could not be read, and the CSV file that lists them."""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from seesay.files import new_file

HEADING = ("row", "file", "reason")


@dataclass(frozen=True)
class Skipped:
    """A skipped row of the source, counted from 1, its unreadable file, and the reason."""

    row: int
    file: str
    reason: str


def bad_path(out: Path | str) -> Path:
    """Path of the list of rows skipped for `out`: `pairs.bad.csv` beside `pairs`."""
    return Path(f"{str(out).rstrip('/')}.bad.csv")


def write_skipped(out: Path | str, skipped: Sequence[Skipped]) -> str:
    """Write the skipped rows beside `out` and return a sentence that says so.

    If none: "", and the file of an earlier command is deleted, as it would be mistaken for this one's.
    """
    path = bad_path(out)
    if not skipped:
        if path.is_file() and path.read_bytes().startswith(",".join(HEADING).encode()):
            path.unlink()
        return ""
    with new_file(path, newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(HEADING)
        writer.writerows((row.row, row.file, row.reason) for row in skipped)
    rows = "1 row was" if len(skipped) == 1 else f"{len(skipped):,} rows were"
    return f"{rows} skipped; {path} says which and why"
