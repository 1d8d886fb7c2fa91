"""What `describe` found, as tables on a terminal."""

from __future__ import annotations

from collections.abc import Iterable

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from seesay.data.info import Info

WIDE = 12  # classes that stand side by side; of more, only the rarest and the commonest are shown


def print_info(info: Info, console: Console) -> None:
    """Tables of rows and contents, then what stands in two splits and the warnings. Made to fit 100
    columns."""
    console.print(
        Text(info.name, "bold"),
        Text(f"{info.rows:,} rows, {len(info.classes)} classes, pairs {info.pairing}"),
    )
    console.print(_split_table(info), _content_table(info))
    if not info.shared and len(info.splits) > 1:
        console.print("No picture, recording or group stands in two of these splits.")
    for warning in info.warnings:
        console.print(Text.assemble(("! ", "bold yellow"), warning))
    for source in info.sources:
        console.print(Text(source, "dim"))


def _split_table(info: Info) -> Table:
    wide = len(info.classes) > WIDE
    table = Table("split", Column("rows", justify="right"), box=SIMPLE_HEAD)
    columns = ("rarest class", "commonest class") if wide else info.classes
    for name in (*columns, "no label"):
        table.add_column(Text(name), justify="right", overflow="fold")
    for name, rows in info.splits.items():
        counts = info.balance[name]
        shown = [f"{n:,} {info.classes[counts.index(n)]}" for n in (min(counts), max(counts))]
        cells = shown if wide else [f"{n:,}" if n else "-" for n in counts]
        none = info.unlabelled[name]
        table.add_row(name, f"{rows:,}", *map(Text, cells), f"{none:,}" if none else "-")
    return table


def _content_table(info: Info) -> Table:
    table = Table("", *(Column(m, justify="right") for m in info.modalities), box=SIMPLE_HEAD)
    tables = list(info.modalities.values())

    def add(name: str, cells: Iterable[str]) -> None:
        table.add_row(Text(name), *map(Text, cells))

    add("distinct contents", (f"{t.contents:,}" for t in tables))
    add("one content", (f"{t.dtype} {' x '.join(map(str, t.shape))}" for t in tables))
    add("range (mean)", (f"{t.minimum:.4g} to {t.maximum:.4g} ({t.mean:.4g})" for t in tables))
    add("recipe", (f"{t.features}{', normalised' if t.normalised else ', not normalised'}" for t in tables))
    add("repeats", (f"{t.repeated:,} rows, up to {t.most_repeated:,} of one content" for t in tables))
    for split in info.splits:
        add(f"missing in {split}", (f"{t.missing[split]:,}" if t.missing[split] else "-" for t in tables))
    for name in dict.fromkeys(name for t in tables for name in t.groups):
        add(f"{name}s", (f"{t.groups[name]:,}" if name in t.groups else "not known" for t in tables))
    return table
