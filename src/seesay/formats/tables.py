"""Sheets of cells, CSV, Parquet or JSON Lines, as columns: what a cell means is for the reader of the layout
to say."""

import codecs
import csv
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from io import StringIO
from pathlib import Path

from seesay.errors import ConfigError, InputError, listed, nearest
from seesay.files import check_file
from seesay.formats.cells import Cell, are_arrays, composed
from seesay.formats.json_lines import cells, read_json_lines, texts
from seesay.spec import FIRST, TAKEN, is_name

ROW_COLUMNS = ("label", "split", "speaker", "group")
"""Those that say something of a row; any other column that is read is a modality."""

COLUMNS = (*FIRST, *ROW_COLUMNS)
"""Those that a manifest may have without being asked."""

SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}

MARKS = {codecs.BOM_UTF8: "utf-8", codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be"}
"""How a text begins that says its encoding: spreadsheets write UTF-16 as "Unicode text"."""


@dataclass(frozen=True)
class Wanted:
    """Which columns of a table are read."""

    required: Sequence[str] = ()
    """Those that must be there."""
    theirs: Mapping[str, str] = field(default_factory=dict)
    """What the table calls them, where it is not what we do."""
    used: Sequence[str] | None = COLUMNS
    """Those that are read where they are there; none: all."""
    others: Callable[[str], bool] | None = None
    """Which columns of other names are read too, if they hold ready-made arrays; none: no others."""

    def also(
        self, names: Sequence[str], found: Mapping[str, int], column: Callable[[int], Sequence[Cell] | None]
    ) -> dict[str, int]:
        """`found`, and the places of other columns that hold ready-made arrays. `column` reads one; None: it
        cannot be such."""
        if self.others is None:
            return dict(found)
        taken = {name.casefold() for name in found}
        once = {i: name for i, name in enumerate(names) if names.count(name) == 1}
        free = {i: n for i, n in once.items() if i not in found.values() and n.casefold() not in taken}
        arrays = {i: n for i, n in free.items() if self.others(n) and are_arrays(column(i) or ())}
        return {**found, **{name: i for i, name in arrays.items()}}


@dataclass(frozen=True)
class Sheet:
    """The columns that are used of a table, an entry per row each, under our names."""

    columns: Mapping[str, list[Cell]]
    names: tuple[str, ...]
    """Of all columns, as the table names them."""
    classes: tuple[str, ...] = ()
    """What labels that are whole numbers are called, where the table says."""
    notes: tuple[str, ...] = ()

    def texts(self, name: str) -> list[str] | None:
        """A column of text; None where there is none."""
        return [str(cell) for cell in self.columns[name]] if name in self.columns else None


def parse_columns(words: Sequence[str]) -> dict[str, str]:
    """`image=photo label=class touch=force` as names of columns or modalities, and theirs. Another form, no
    name that a modality may have, or nearly one of ours: ConfigError."""
    theirs: dict[str, str] = {}
    for word in words:
        ours, equals, name = word.partition("=")
        if not equals or not name:
            raise ConfigError(f"--columns takes pairs such as image=photo, got {word!r}")
        if ours not in COLUMNS and _is_slip(ours):
            raise ConfigError(f"--columns: {ours!r} is no column of ours", nearest(ours, list(COLUMNS)))
        if ours not in COLUMNS and not is_name(ours):
            raise ConfigError(
                f"--columns: a modality cannot be called {ours!r}",
                f"Use letters, digits, - and _, and none of {', '.join(TAKEN)}.",
            )
        if ours in theirs:
            raise ConfigError(f"--columns names {ours} twice: {theirs[ours]} and {name}", "Name one.")
        theirs[ours] = composed(name)
    return theirs


def _is_slip(name: str) -> bool:
    """Whether a name was meant to be one of ours, as `imgae`; `image2` was not."""
    close = get_close_matches(name.casefold(), COLUMNS, n=1, cutoff=0.8)
    return name.isalpha() and bool(close) and close[0][0] == name[0].casefold()


def read_sheet(path: Path, wanted: Wanted) -> Sheet:
    """The wanted columns of a CSV file (with a heading), a Parquet or a JSON Lines file, an absent value as
    "".

    A CSV file is in UTF-8, or in UTF-16 with its mark, separated by what makes a heading of our names.
    Missing columns, two of one name, rows of another length, no rows at all, or another kind of file:
    InputError.
    """
    check_file(path)
    match path.suffix.lower():
        case ".parquet":
            from seesay.formats.parquet import read_parquet

            return read_parquet(path, wanted)
        case ".jsonl":
            return _json_lines(path, wanted)
    return _csv(path, wanted)


def read_columns(path: Path, required: Sequence[str] = ()) -> dict[str, list[str]]:
    """Every column of a table as text, under its own name; what `read_sheet` refuses, InputError."""
    sheet = read_sheet(path, Wanted(required, used=None))
    for name in required:
        if name not in sheet.columns:
            names = list(sheet.columns)
            raise InputError(f"{path} has no column {name!r}, only {listed(names)}", _meant(name, names))
    return {name: [str(cell) for cell in column] for name, column in sheet.columns.items()}


def places(names: Sequence[str], wanted: Wanted, where: str) -> dict[str, int]:
    """Which column, of those that a table names so, is which of the wanted.

    A column that is `required` or named in `theirs` and is not there, or is there twice: InputError.
    """
    required, theirs = wanted.required, wanted.theirs
    found = {}
    for ours in filter(None, names) if wanted.used is None else wanted.used:
        name = theirs.get(ours, ours)
        at = [i for i, other in enumerate(names) if composed(other) == name]
        if not at and ours not in theirs:
            at = [i for i, other in enumerate(names) if other.casefold() == name]
        if ours not in theirs:
            at = [i for i in at if composed(names[i]) not in theirs.values()]
        if len(at) > 1:
            both = listed(f"column {i + 1}" for i in at)
            raise InputError(f"{where} has two columns of one name, {name!r}: {both}", "Rename one.")
        if at:
            found[ours] = at[0]
        elif ours in required or ours in theirs:
            raise InputError(f"{where} has no column {name!r}, only {listed(names)}", _meant(name, names))
    return found


def unused(names: Sequence[str], found: Mapping[str, int]) -> list[str]:
    """A sentence that names the columns that are not used, or nothing."""
    others = [name or f"column {i + 1} (no name)" for i, name in enumerate(names) if i not in found.values()]
    return [f"Columns that are not used: {listed(others)}."] if others else []


def _meant(name: str, names: Sequence[str]) -> str:
    like = get_close_matches(name.casefold(), [n.casefold() for n in names], n=1)
    if like:
        close = next(n for n in names if n.casefold() == like[0])
        return f"Did you mean {close!r}?"
    return "The first line must name the columns, or name yours with --columns, as in label=class."


def _json_lines(path: Path, wanted: Wanted) -> Sheet:
    columns = read_json_lines(path)
    names = tuple(map(composed, columns))
    values = list(columns.values())
    found = wanted.also(names, places(names, wanted, str(path)), lambda i: cells(values[i]))
    read = {
        name: list[Cell](texts(values[i])) if name in ROW_COLUMNS else cells(values[i])
        for name, i in found.items()
    }
    return Sheet(read, names, notes=tuple(unused(names, found)))


# -------------------------------------------------------------------------------------------------------- CSV


def _csv(path: Path, wanted: Wanted) -> Sheet:
    text, notes = _decoded(path)
    ours = wanted.used or (*COLUMNS, *wanted.required)
    try:
        separator, text = _separator(text, {wanted.theirs.get(name, name).casefold() for name in ours})
        heading, *rows = (
            [cell.strip() for cell in row]
            for row in csv.reader(StringIO(text, ""), delimiter=separator)
            if row
        )
    except csv.Error as error:
        raise InputError(f"{path} is not a CSV file ({error})", "Is a quote never closed?") from None
    except ValueError:
        raise InputError(f"{path} is not a CSV file: it has no heading", "Save the table again.") from None
    if separator != ",":
        notes.append(f"Columns of {path.name} are separated by {SEPARATORS.get(separator, separator)}.")
    while rows and not any(rows[-1]):
        rows.pop()
    if not rows:
        raise InputError(f"{path} has a heading and no rows", "Copy or download it again.")
    width = max(i + 1 for i, name in enumerate(heading) if name) if any(heading) else 0
    found = places(heading, wanted, str(path))
    if _cut(rows, width, len(heading), path):
        notes.append(f"Empty cells at the ends of lines of {path.name} are dropped: a comma too many.")
        heading = heading[:width]

    def column(i: int) -> list[Cell]:
        return [composed(row[i]) for row in rows]

    found = wanted.also(heading, found, column)
    columns = {name: column(i) for name, i in found.items()}
    return Sheet(columns, tuple(heading), notes=(*notes, *unused(heading, found)))


def _decoded(path: Path) -> tuple[str, list[str]]:
    """The text of a file in UTF-8, or in UTF-16 that says so."""
    data, notes = path.read_bytes(), []
    mark = next((mark for mark in MARKS if data.startswith(mark)), b"")
    if mark and mark != codecs.BOM_UTF8:
        notes.append(f"{path.name} is read as {MARKS[mark][:6].upper()}.")
    try:
        text = data[len(mark) :].decode(MARKS.get(mark, "utf-8"))
    except UnicodeDecodeError as error:
        if mark and mark != codecs.BOM_UTF8:
            raise InputError(f"{path} is no whole UTF-16 text ({error.reason})", "Save it again.") from None
        line, byte = data[: error.start].count(b"\n") + 1, data[error.start : error.start + 1]
        guess = byte.decode("cp1252", "ignore")
        meant = f", {guess!r} if it is Windows-1252 (Latin-1)" if guess.isalpha() else ""
        raise InputError(
            f"{path} is not a CSV file in UTF-8: line {line} has the byte 0x{byte.hex()}{meant}",
            "Save it as CSV in UTF-8.",
        ) from None
    if "\0" in text:
        raise InputError(
            f"{path} is not a CSV file in UTF-8: it has zero bytes, as UTF-16 without its mark has",
            "Save it as CSV in UTF-8.",
        )
    return text, notes


def _separator(text: str, wanted: set[str]) -> tuple[str, str]:
    """What separates cells, and the text without the line that says so, which some spreadsheets write.

    It is the one whose heading has most of the `wanted` names; commas, where several do.
    """
    first, _, rest = text.partition("\n")
    if first.startswith("sep=") and first.rstrip("\r")[len("sep=") :] in SEPARATORS:
        return first[len("sep=")], rest

    def named(separator: str) -> int:
        try:
            heading = next((row for row in csv.reader(StringIO(text, ""), delimiter=separator) if row), [])
        except csv.Error:  # a cell that never ends, so cut
            return 0
        return len({cell.strip().casefold() for cell in heading} & wanted)

    return max(SEPARATORS, key=named), text


def _cut(rows: list[list[str]], width: int, whole: int, path: Path) -> bool:
    """Whether cells were cut off that nobody named and nothing stands in. InputError for a row of another
    length than the heading."""
    cut = whole > width and not any(cell for row in rows for cell in row[width:whole])
    for i, row in enumerate(rows, 1):
        if len(row) > whole and not any(row[whole:]):
            del row[whole:]
            cut = True
        if len(row) < width or (len(row) != whole and any(row[width:])):
            raise InputError(f"{path}: row {i} has {len(row)} cells, expected {whole}", "Mend the row.")
    return cut
