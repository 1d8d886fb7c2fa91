"""The scores of `benchmarks.small_data` as a page: a table, what it comes to, a figure."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

from benchmarks.machine import machine

CONDITIONS = ("image", "audio", "image+audio")
OURS = "seesay"
COLOURS = {OURS: "#c44e00", "logistic regression": "#4878a8", "RBF-SVM": "#6a9955"}

Cell = tuple[int, int, int]
Found = Mapping[Cell, Mapping[str, Mapping[int, Mapping[str, float]]]]
"""By cell, contender and seed: macro-F1 by condition."""


def write(lines: Sequence[Mapping[str, Any]], out: Path) -> None:
    """The page and, beside it, its figure."""
    found: dict[Cell, dict[str, dict[int, Any]]] = defaultdict(lambda: defaultdict(dict))
    for line in lines:
        rows, classes, ratio = line["cell"]
        found[rows, classes, ratio][line["contender"]][line["seed"]] = line["scores"]
    cells = {cell: found[cell] for cell in sorted(found, key=lambda c: (c[1], c[2], c[0]))}
    seconds = [line["seconds"] for line in lines if line["contender"] == OURS]
    figure = out.with_suffix(".png")
    draw(cells).savefig(figure, dpi=110, bbox_inches="tight")
    out.write_text(page(cells, figure.name, sum(seconds) / max(len(seconds), 1)))


def page(found: Found, figure: str, seconds: float) -> str:
    """Markdown."""
    seeds = max(len(scores) for contenders in found.values() for scores in contenders.values())
    head = HEAD.format(seeds=seeds, figure=figure)
    here = machine()
    foot = (
        f"A training of seesay took {seconds:.0f} CPU seconds on average "
        f"({here['processor']}, one thread, torch {here['torch']})."
    )
    command = "    $ python -m benchmarks.small_data --data FOLDER"
    return "\n".join([head, *verdict(found), "", *table(found), "", foot, "", command, ""])


HEAD = """# Small data

Macro-F1 on 1,000 balanced test rows of digits and speakers that no training saw, mean ± standard
deviation over {seeds} seeds, each of which draws other classes, pictures and recordings. seesay has its
defaults. The baselines are scikit-learn's on pixels and MFCC; both: the sum of their log-probabilities less
the log-prior. A cell is left out where a class would have fewer than 3 rows.

![Macro-F1 by training rows]({figure})
"""


def verdict(found: Found) -> list[str]:
    """What the cells come to: how often and how far below the better baseline, and the means."""
    lines, means = [], {c: defaultdict(list) for c in CONDITIONS}
    for cell, contenders in found.items():
        for condition in CONDITIONS:
            for name, scores in contenders.items():
                means[condition][name].append(np.mean([s[condition] for s in scores.values()]))
            gap, error, best = behind(contenders, condition)
            if gap < -2 * error:
                told = f"{100 * -gap:.1f} points below {best} (SE {100 * error:.1f})"
                lines.append(f"- {name_of(cell)}, {condition}: {told}")
    below = len(lines)
    head = f"{below} of {3 * len(found)} scores lie more than two standard errors below the better baseline"
    lines = [f"{head}{':' if below else '.'}", *lines, ""]
    for condition in CONDITIONS:
        told = ", ".join(f"{name} {np.mean(values):.3f}" for name, values in means[condition].items())
        lines.append(f"Mean over the cells, {condition}: {told}.")
    return lines


def behind(contenders: Mapping[str, Mapping[int, Any]], condition: str) -> tuple[float, float, str]:
    """Mean and standard error of seesay's score less that of the better baseline, seed by seed, and its
    name."""
    ours = contenders[OURS]
    others = {n: s for n, s in contenders.items() if n != OURS}
    best = max(others, key=lambda n: float(np.mean([s[condition] for s in others[n].values()])))
    seeds = sorted(set(ours) & set(others[best]))
    gaps = np.array([ours[s][condition] - others[best][s][condition] for s in seeds])
    return float(gaps.mean()), float(gaps.std(ddof=1) / len(gaps) ** 0.5) if len(gaps) > 1 else 0.0, best


def table(found: Found) -> list[str]:
    names = list(COLOURS)
    head = ["rows", "classes", "balance", *(f"{c}: {n}" for c in CONDITIONS for n in names)]
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    for (rows, classes, ratio), contenders in found.items():
        cells = [f"{rows:,}", str(classes), "balanced" if ratio == 1 else f"{ratio}:1"]
        for condition in CONDITIONS:
            for name in names:
                scores = [s[condition] for s in contenders.get(name, {}).values()]
                cells.append(f"{np.mean(scores):.3f} ± {np.std(scores):.3f}" if scores else "")
        lines.append("| " + " | ".join(cells) + " |")
    return lines


def name_of(cell: Cell) -> str:
    rows, classes, ratio = cell
    return f"{rows:,} rows, {classes} classes, {'balanced' if ratio == 1 else f'{ratio}:1'}"


def draw(found: Found) -> Figure:
    """Rows: 3 and 10 classes; columns: conditions; a line a contender, dashed where classes are
    unbalanced."""
    kinds = sorted({cell[1] for cell in found})
    with mpl.rc_context({"font.size": 9, "axes.spines.top": False, "axes.spines.right": False}):
        figure = Figure(figsize=(10.5, 3.1 * len(kinds) + 0.4))
        axes = figure.subplots(len(kinds), len(CONDITIONS), squeeze=False, sharex=True)
        for i, classes in enumerate(kinds):
            for j, condition in enumerate(CONDITIONS):
                _panel(axes[i, j], {c: v for c, v in found.items() if c[1] == classes}, condition)
                axes[i, j].set_title(f"{condition}, {classes} classes", loc="left", fontsize=9)
            axes[i, 0].set_ylabel("macro-F1")
        rows = sorted({cell[0] for cell in found})
        for axis in axes[-1]:  # which all above share
            axis.set_xticks(rows, [f"{count:,}" for count in rows])
            axis.set_xticks([], minor=True)
            axis.set_xlabel("training rows")
        handles, labels = axes[0, 0].get_legend_handles_labels()
        figure.legend(
            handles, labels, loc="upper center", ncol=len(labels), frameon=False, bbox_to_anchor=(0.5, 1.02)
        )
        figure.tight_layout()
    return figure


def _panel(axis: Any, found: Found, condition: str) -> None:
    for name, colour in COLOURS.items():
        for ratio, style in ((1, "-"), (20, "--")):
            points = sorted(
                (cell[0], float(np.mean([s[condition] for s in contenders[name].values()])))
                for cell, contenders in found.items()
                if cell[2] == ratio and contenders.get(name)
            )
            if points:
                label = name if ratio == 1 else f"{name}, 20:1"
                axis.plot(
                    *zip(*points, strict=True), style, color=colour, marker="o", markersize=3, label=label
                )
    axis.set_xscale("log")
    axis.set_ylim(top=1.02)
    axis.grid(alpha=0.25)
