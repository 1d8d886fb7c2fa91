"""Read CSV, Parquet and JSON Lines tables as columns of cells, which the reader of each layout interprets."""

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
"""Columns about the row; any other column that is read is a modality."""

COLUMNS = (*FIRST, *ROW_COLUMNS)
"""Columns of a manifest that are read by default."""

SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}

MARKS = {codecs.BOM_UTF8: "utf-8", codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be"}
"""Byte order marks of encodings; spreadsheets write UTF-16 as "Unicode text"."""


@dataclass(frozen=True)
class Wanted:
    """Which columns of a table to read."""

    required: Sequence[str] = ()
    """Columns that must exist."""
    aliases: Mapping[str, str] = field(default_factory=dict)
    """The table's names of our columns, where they differ."""
    used: Sequence[str] | None = COLUMNS
    """Columns to read if they exist; None: all."""
    others: Callable[[str], bool] | None = None
    """Whether to read a column of another name too, if it holds ready-made arrays; None: never."""

    def also(
        self,
        names: Sequence[str],
        positions: Mapping[str, int],
        column: Callable[[int], Sequence[Cell] | None],
    ) -> dict[str, int]:
        """`positions` with those of other columns of ready-made arrays added. `column` reads the cells of
        one, or returns None if it cannot hold arrays."""
        if self.others is None:
            return dict(positions)
        taken = {name.casefold() for name in positions}
        once = {i: name for i, name in enumerate(names) if names.count(name) == 1}
        free = {i: n for i, n in once.items() if i not in positions.values() and n.casefold() not in taken}
        arrays = {i: n for i, n in free.items() if self.others(n) and are_arrays(column(i) or ())}
        return {**positions, **{name: i for i, name in arrays.items()}}


@dataclass(frozen=True)
class Sheet:
    """The columns read from a table, under our names, one entry per row."""

    columns: Mapping[str, list[Cell]]
    names: tuple[str, ...]
    """The table's names of all its columns."""
    classes: tuple[str, ...] = ()
    """Names that integer labels index, if the table has them."""
    notes: tuple[str, ...] = ()

    def texts(self, name: str) -> list[str] | None:
        """A column as text; None if there is none."""
        return [str(cell) for cell in self.columns[name]] if name in self.columns else None


def parse_columns(words: Sequence[str]) -> dict[str, str]:
    """Words such as `image=photo label=class touch=force` as a dict from our names to the table's. Another
    form, an invalid name of a modality, or a likely typo: ConfigError."""
    aliases: dict[str, str] = {}
    for word in words:
        ours, equals, alias = word.partition("=")
        if not equals or not alias:
            raise ConfigError(f"--columns takes pairs such as image=photo, got {word!r}")
        if ours not in COLUMNS and _is_typo(ours):
            raise ConfigError(f"--columns: {ours!r} is not one of our columns", nearest(ours, list(COLUMNS)))
        if ours not in COLUMNS and not is_name(ours):
            raise ConfigError(
                f"--columns: a modality cannot be called {ours!r}",
                f"Use letters, digits, - and _, and none of {', '.join(TAKEN)}.",
            )
        if ours in aliases:
            raise ConfigError(f"--columns names {ours} twice: {aliases[ours]} and {alias}", "Name one.")
        aliases[ours] = composed(alias)
    return aliases


def _is_typo(name: str) -> bool:
    """Whether a name is a likely typo of ours, such as `imgae`, but not `image2`."""
    close = get_close_matches(name.casefold(), COLUMNS, n=1, cutoff=0.8)
    return name.isalpha() and bool(close) and close[0][0] == name[0].casefold()


def read_sheet(path: Path, wanted: Wanted) -> Sheet:
    """The wanted columns of a CSV file (with a heading), a Parquet or a JSON Lines file; missing values are
    "".

    A CSV file is in UTF-8, or UTF-16 with a byte order mark; its separator is the one that makes most sense
    of the heading. Missing columns, duplicate names, rows of differing length, no rows, or another kind of
    file: InputError.
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
    """Every column of a table as text, under its own name. InputError as in `read_sheet`."""
    sheet = read_sheet(path, Wanted(required, used=None))
    for name in required:
        if name not in sheet.columns:
            names = list(sheet.columns)
            raise InputError(f"{path} has no column {name!r}, only {listed(names)}", _suggestion(name, names))
    return {name: [str(cell) for cell in column] for name, column in sheet.columns.items()}


def places(names: Sequence[str], wanted: Wanted, where: str) -> dict[str, int]:
    """Position of each wanted column among the table's `names`.

    A missing column that is `required` or in `aliases`, or a duplicate one: InputError.
    """
    required, aliases = wanted.required, wanted.aliases
    positions = {}
    for column in filter(None, names) if wanted.used is None else wanted.used:
        alias = aliases.get(column, column)
        matches = [i for i, other in enumerate(names) if composed(other) == alias]
        if not matches and column not in aliases:
            matches = [i for i, other in enumerate(names) if other.casefold() == alias]
        if column not in aliases:
            matches = [i for i in matches if composed(names[i]) not in aliases.values()]
        if len(matches) > 1:
            duplicates = listed(f"column {i + 1}" for i in matches)
            raise InputError(f"{where} has two columns of one name, {alias!r}: {duplicates}", "Rename one.")
        if matches:
            positions[column] = matches[0]
        elif column in required or column in aliases:
            raise InputError(
                f"{where} has no column {alias!r}, only {listed(names)}", _suggestion(alias, names)
            )
    return positions


def unused(names: Sequence[str], positions: Mapping[str, int]) -> list[str]:
    """A note that names the unused columns, if any."""
    others = [
        name or f"column {i + 1} (no name)" for i, name in enumerate(names) if i not in positions.values()
    ]
    return [f"Columns that are not used: {listed(others)}."] if others else []


def _suggestion(name: str, names: Sequence[str]) -> str:
    like = get_close_matches(name.casefold(), [n.casefold() for n in names], n=1)
    if like:
        close = next(n for n in names if n.casefold() == like[0])
        return f"Did you mean {close!r}?"
    return "The first line must name the columns; map yours with --columns, as in label=class."


def _json_lines(path: Path, wanted: Wanted) -> Sheet:
    columns = read_json_lines(path)
    names = tuple(map(composed, columns))
    values = list(columns.values())
    positions = wanted.also(names, places(names, wanted, str(path)), lambda i: cells(values[i]))
    read = {
        name: list[Cell](texts(values[i])) if name in ROW_COLUMNS else cells(values[i])
        for name, i in positions.items()
    }
    return Sheet(read, names, notes=tuple(unused(names, positions)))


# -------------------------------------------------------------------------------------------------------- CSV


def _csv(path: Path, wanted: Wanted) -> Sheet:
    text, notes = decoded(path)
    try:
        separator, text = separator_of(text, wanted)
        heading, *rows = (
            [cell.strip() for cell in row]
            for row in csv.reader(StringIO(text, ""), delimiter=separator)
            if row
        )
    except csv.Error as error:
        raise InputError(f"{path} is not a CSV file ({error})", "Is a quote left open?") from None
    except ValueError:
        raise InputError(f"{path} is not a CSV file: it has no heading", "Save the table again.") from None
    if separator != ",":
        notes.append(f"Columns of {path.name} are separated by {SEPARATORS.get(separator, separator)}.")
    while rows and not any(rows[-1]):
        rows.pop()
    if not rows:
        raise InputError(f"{path} has a heading and no rows", "Copy or download it again.")
    width = named_width(heading)
    positions = places(heading, wanted, str(path))
    if _cut(rows, width, len(heading), path):
        notes.append(f"Empty cells at the ends of lines of {path.name} are dropped: extra commas.")
        heading = heading[:width]

    def column(i: int) -> list[Cell]:
        return [composed(row[i]) for row in rows]

    positions = wanted.also(heading, positions, column)
    columns = {name: column(i) for name, i in positions.items()}
    return Sheet(columns, tuple(heading), notes=(*notes, *unused(heading, positions)))


def named_width(heading: Sequence[str]) -> int:
    """The number of columns up to the last that has a name."""
    return max((i + 1 for i, name in enumerate(heading) if name), default=0)


def decoded(path: Path) -> tuple[str, list[str]]:
    """The text of a file in UTF-8 or, with a byte order mark, UTF-16; and notes."""
    data, notes = path.read_bytes(), []
    mark = next((mark for mark in MARKS if data.startswith(mark)), b"")
    if mark and mark != codecs.BOM_UTF8:
        notes.append(f"{path.name} is read as {MARKS[mark][:6].upper()}.")
    try:
        text = data[len(mark) :].decode(MARKS.get(mark, "utf-8"))
    except UnicodeDecodeError as error:
        if mark and mark != codecs.BOM_UTF8:
            raise InputError(
                f"{path} is not complete UTF-16 text ({error.reason})", "Save it again."
            ) from None
        line, byte = data[: error.start].count(b"\n") + 1, data[error.start : error.start + 1]
        guess = byte.decode("cp1252", "ignore")
        meant = f", {guess!r} if it is Windows-1252 (Latin-1)" if guess.isalpha() else ""
        raise InputError(
            f"{path} is not a CSV file in UTF-8: line {line} has the byte 0x{byte.hex()}{meant}",
            "Save it as CSV in UTF-8.",
        ) from None
    if "\0" in text:
        raise InputError(
            f"{path} is not a CSV file in UTF-8: it has zero bytes, like UTF-16 without a byte order mark",
            "Save it as CSV in UTF-8.",
        )
    return text, notes


def separator_of(text: str, wanted: Wanted) -> tuple[str, str]:
    """The separator of cells, and the text without a leading `sep=` line, which some spreadsheets write.

    It is the one that gives the heading most of the wanted names; in a tie, the comma.
    """
    our_names = wanted.used or (*COLUMNS, *wanted.required)
    names = {wanted.aliases.get(name, name).casefold() for name in our_names}
    first, _, rest = text.partition("\n")
    if first.startswith("sep=") and first.rstrip("\r")[len("sep=") :] in SEPARATORS:
        return first[len("sep=")], rest

    def named(separator: str) -> int:
        try:
            heading = next((row for row in csv.reader(StringIO(text, ""), delimiter=separator) if row), [])
        except csv.Error:  # an unclosed quote
            return 0
        return len({cell.strip().casefold() for cell in heading} & names)

    return max(SEPARATORS, key=named), text


def _cut(rows: list[list[str]], width: int, full_width: int, path: Path) -> bool:
    """Drop extra empty cells at the ends of rows, and return whether there were any. A row of another length:
    InputError."""
    cut = full_width > width and not any(cell for row in rows for cell in row[width:full_width])
    for i, row in enumerate(rows, 1):
        cut = trim(row, i, width, full_width, path) or cut
    return cut


def trim(row: list[str], i: int, width: int, full_width: int, path: Path) -> bool:
    """Drop empty cells beyond the heading of row `i`, and return whether there were any. A row of another
    length: InputError. `width`: that of the heading without columns that have no name."""
    cut = len(row) > full_width and not any(row[full_width:])
    if cut:
        del row[full_width:]
    if len(row) < width or (len(row) != full_width and any(row[width:])):
        raise InputError(f"{path}: row {i} has {len(row)} cells, expected {full_width}", "Fix the row.")
    return cut
