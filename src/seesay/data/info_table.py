"""What `describe` found, as tables on a terminal."""

from __future__ import annotations

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from seesay.data.info import NOUNS, Contents, Info, either

WIDE = 12  # classes that stand side by side; of more, only the rarest and the commonest are shown


def print_info(info: Info, console: Console) -> None:
    """Tables of rows and of contents, then what stands in two splits, and the warnings. Fits 100 columns."""
    console.print(
        Text(info.name, "bold"),
        Text(f"{info.rows:,} rows, {len(info.classes)} classes, pairs {info.pairing}"),
    )
    console.print(_split_table(info), _content_table(info))
    if not info.shared and len(info.splits) > 1:
        shareable = [NOUNS[m] for m in info.modalities] + [
            g for t in info.modalities.values() for g in t.groups
        ]
        console.print(f"No {either(list(dict.fromkeys(shareable)))} stands in two of these splits.")
    for note in info.notes:
        console.print(Text(note))
    for warning in info.warnings:
        console.print(Text.assemble(("! ", "bold yellow"), warning))
    for source in info.sources:
        console.print(Text(source, "dim"))


def _split_table(info: Info) -> Table:
    wide = len(info.classes) > WIDE
    table = _table("split", "rows", *(("rarest class", "commonest class") if wide else info.classes))
    unlabelled = any(info.unlabelled.values())
    if unlabelled:
        table.add_column("no label", justify="right")
    for name, rows in info.splits.items():
        counts = info.balance[name]
        few, many = (f"{info.classes[counts.index(n)]}: {n}" for n in (min(counts), max(counts)))
        cells = [few, many] if wide else [str(n or "-") for n in counts]
        _row(table, name, str(rows), *cells, *([str(info.unlabelled[name] or "-")] if unlabelled else []))
    return table


def _content_table(info: Info) -> Table:
    table = _table("contents", *info.modalities)
    tables = list(info.modalities.values())
    _row(table, "distinct", *(f"{t.contents:,}" for t in tables))
    _row(table, "one is", *(f"{t.dtype} {' x '.join(map(str, t.shape))}" for t in tables))
    _row(table, "values", *(f"{t.minimum:,.6g} to {t.maximum:,.6g}, mean {t.mean:.3g}" for t in tables))
    _row(table, "recipe", *(f"{t.features}, {'' if t.normalised else 'not '}normalised" for t in tables))
    _row(table, "repeats", *(_repeats(t) for t in tables))
    lacking = [split for split in info.splits if any(t.missing[split] for t in tables)]
    for split in lacking:
        _row(table, f"missing in {split}", *(_count(t.missing[split]) for t in tables))
    if not lacking:
        _row(table, "missing", *("-" for _ in tables))
    for name in dict.fromkeys(name for t in tables for name in t.groups):
        _row(table, f"{name}s", *(_count(t.groups.get(name, 0)) for t in tables))
    return table


def _repeats(table: Contents) -> str:
    return f"{table.repeated:,} rows, one up to {table.most_repeated:,} times" if table.repeated else "-"


def _count(number: int) -> str:
    return f"{number:,}" if number else "-"


def _table(first: str, *columns: str) -> Table:
    others = (Column(Text(name), justify="right") for name in columns)
    return Table(Column(first), *others, box=SIMPLE_HEAD, padding=(0, 1, 0, 0))


def _row(table: Table, *cells: str) -> None:
    """A row of plain text: names of people's classes are not rich's markup."""
    table.add_row(*map(Text, cells))
