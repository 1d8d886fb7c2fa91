"""Tables of text for a terminal, or as Markdown, CSV or LaTeX.

A table is a list of rows of cells; the first row is the header. On a terminal no number is cut: a table that
is too wide is transposed; if that is too wide as well, it is split into several, each with the first column;
a single column that is too wide is wrapped.
"""

import csv
import io
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

Rows = Sequence[Sequence[str]]
Format = Literal["table", "markdown", "csv", "latex"]


def show(rows: Rows, console: Any, title: str = "") -> None:
    """Print the table on a rich console, the first column left-aligned, the others right-aligned."""
    from rich.text import Text

    if title:
        console.print(Text(title, "bold"))
    columns = list(zip(*rows, strict=True))
    if not _fits(rows, console) and _fits(columns, console):
        console.print(_rich(columns))
        return
    first, *others = columns
    block = [first]
    for column in others:
        if len(block) > 1 and not _fits(list(zip(*block, column, strict=True)), console):
            console.print(_rich(list(zip(*block, strict=True))))
            block = [first]
        block.append(column)
    console.print(_rich(list(zip(*block, strict=True))))


def _fits(rows: Rows, console: Any) -> bool:
    return (
        _rich(rows).__rich_measure__(console, console.options.update(max_width=10_000)).maximum
        <= console.width
    )


def _rich(rows: Rows) -> Any:
    """A rich table. Cells are plain text, so a class name is never taken for markup."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for i, head in enumerate(rows[0]):
        table.add_column(Text(head), justify="right" if i else "left", overflow="fold")
    for row in rows[1:]:
        table.add_row(*map(Text, row))
    return table


def written(rows: Rows, kind: Format) -> str:
    """The table as text in this format, without a final newline."""
    return WRITERS[kind](rows)


def _markdown(rows: Rows) -> str:
    heads, *others = ([cell.replace("|", r"\|") for cell in row] for row in rows)
    rule = ["---", *["---:"] * (len(heads) - 1)]
    return "\n".join(f"| {' | '.join(row)} |" for row in (heads, rule, *others))


def _csv(rows: Rows) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue().rstrip("\n")


def _latex(rows: Rows) -> str:
    r"""A `tabular` with the rules of the booktabs package."""
    heads, *others = (" & ".join(map(_escaped, row)) + r" \\" for row in rows)
    columns = "l" + "r" * (len(rows[0]) - 1)
    start = rf"\begin{{tabular}}{{{columns}}}"
    return "\n".join([start, r"\toprule", heads, r"\midrule", *others, r"\bottomrule", r"\end{tabular}"])


def _escaped(cell: str) -> str:
    r"""Escape characters that are special in LaTeX."""
    names = {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}
    return re.sub(r"[\\~^#$%&_{}]", lambda match: names.get(match[0], f"\\{match[0]}"), cell)


WRITERS: Mapping[str, Callable[[Rows], str]] = {"markdown": _markdown, "csv": _csv, "latex": _latex}
