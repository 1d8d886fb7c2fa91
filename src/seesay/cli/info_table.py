"""Tables for `seesay data info`."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Console
from rich.text import Text

from seesay.data.dataset import NONE_NAME
from seesay.data.info import Contents, Info, either
from seesay.spec import noun
from seesay.tables import show

WIDE = 12  # most classes shown side by side; of more, only the rarest and the most common


def print_info(info: Info, console: Console) -> None:
    """Prints tables of rows and of contents, then leaks between splits and warnings; fits any width."""
    head = f"{info.rows:,} rows, {len(info.classes)} classes, pairs {info.pairing}"
    console.print(Text(info.name, "bold"), Text(head))
    show(list(_split_rows(info)), console)
    show(list(_content_rows(info)), console)
    if not info.shared and len(info.splits) > 1:
        groups = [name for table in info.modalities.values() for name in table.groups]
        shareable = [*(noun(m, info.kinds) for m in info.modalities), *groups]
        console.print(f"No {either(list(dict.fromkeys(shareable)))} is in more than one split.")
    for note in info.notes:
        console.print(Text(note))
    for warning in info.warnings:
        console.print(Text.assemble(("! ", "bold yellow"), warning))
    for source in info.sources:
        console.print(Text(source, "dim"))


def _split_rows(info: Info) -> Iterator[list[str]]:
    """Lines of the table of splits: number of rows, per class or of the rarest and most common class."""
    wide = len(info.classes) > WIDE
    columns = {"no label": info.unlabelled, NONE_NAME: info.negatives}
    others = {name: counts for name, counts in columns.items() if any(counts.values())}
    yield ["split", "rows", *(("rarest class", "most common class") if wide else info.classes), *others]
    for name, rows in info.splits.items():
        counts = info.balance[name]
        few, many = (f"{info.classes[counts.index(n)]}: {n:,}" for n in (min(counts), max(counts)))
        cells = [few, many] if wide else [_count(n) for n in counts]
        yield [name, f"{rows:,}", *cells, *(_count(counts[name]) for counts in others.values())]


def _content_rows(info: Info) -> Iterator[list[str]]:
    """Lines of the table of contents: one column per modality."""
    tables = list(info.modalities.values())
    yield ["contents", *info.modalities]
    yield ["distinct", *(f"{t.contents:,}" for t in tables)]
    yield [
        "shape and type",
        *(f"{t.dtype} {' x '.join('any' if n is None else str(n) for n in t.shape)}" for t in tables),
    ]
    yield ["values", *(f"{t.minimum:,.6g} to {t.maximum:,.6g}, mean {t.mean:.3g}" for t in tables)]
    yield ["kind", *(f"{t.kind}, {t.made or 'ready-made'}" for t in tables)]
    yield ["repeats", *(_repeats(t) for t in tables)]
    lacking = [split for split in info.splits if any(t.missing[split] for t in tables)]
    for split in lacking:
        yield [f"missing in {split}", *(_count(t.missing[split]) for t in tables)]
    if not lacking:
        yield ["missing", *("-" for _ in tables)]
    for name in dict.fromkeys(name for t in tables for name in t.groups):
        yield [f"{name}s", *(_count(t.groups.get(name, 0)) for t in tables)]


def _repeats(table: Contents) -> str:
    return f"{table.repeated:,} rows, up to {table.most_repeated:,} times" if table.repeated else "-"


def _count(number: int) -> str:
    return f"{number:,}" if number else "-"
