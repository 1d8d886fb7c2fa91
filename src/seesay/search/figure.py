"""The figure of a search: the sorted cells of a grid, or the progress of a Bayesian search and the importance
of each field."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from seesay.condition import Condition
from seesay.figures.style import BLUE, INK, ORANGE, PALE, RULE, page, style_axes
from seesay.search.search import Search
from seesay.search.space import shown
from seesay.search.study import FEWEST
from seesay.search.trial import Trial

MOST = 20
"""Most cells in the figure; the best are shown."""


def figure_of(search: Search, title: str, note: str) -> Figure:
    """The sorted cells of a grid, or the progress and importances of a Bayesian search."""
    trials, plan = search.study.trials(), search.plan
    done = sorted((t for t in trials if t.state == "done"), key=lambda t: -t.mean(condition=plan.condition))
    if plan.trials is None:
        return cells_figure(done, plan.space.varied, plan.condition, title, note)
    return progress_figure(trials, search.study.importances(), plan.condition, title)


def cells_figure(
    trials: Sequence[Trial],
    names: Sequence[str],
    condition: Condition | None,
    title: str,
    note: str = "",
    most: int = MOST,
) -> Figure:
    """The best `most` trials in order: their values as text; the mean as a dot, the standard deviation as a
    bar, every fold as a faint dot. `note`: a caption below."""
    shown_here = trials[:most]
    figure, (left, right) = page(
        10.5, 1.5 + 0.32 * len(shown_here), ncols=2, width_ratios=[1.1 * len(names) + 0.2, 7]
    )
    figure.suptitle(title, x=0.01, ha="left", fontsize=12, fontweight="bold", color=INK)
    style_axes(right, "", f"macro-F1{f' of {condition}' if condition else ''}", grid="x")
    _columns(
        left,
        [[text_of(trial.values[name]) for name in names] for trial in shown_here],
        list(short(names).values()),
    )
    for y, trial in enumerate(shown_here):
        mean, std = trial.mean(condition=condition), trial.std(condition=condition)
        colour = BLUE if y == 0 else INK
        folds = trial.scores(condition=condition)
        right.plot(folds, np.full(len(folds), y), "o", color=PALE, markersize=4, alpha=0.5, markeredgewidth=0)
        right.plot(
            [mean - std, mean + std], [y, y], color=colour, linewidth=5, alpha=0.3, solid_capstyle="round"
        )
        right.plot(mean, y, "o", color=colour, markersize=7)
        text = f"{mean:.4f}" + ("" if math.isnan(std) else f" ± {std:.4f}")
        place = {"xycoords": ("axes fraction", "data"), "va": "center"}
        right.annotate(text, (1.02, y), color=colour, fontsize=9, **place)
    figure.supxlabel(note, x=0.01, ha="left", fontsize=8, color=PALE)
    for axes in (left, right):
        axes.set_ylim(len(shown_here) - 0.4, -0.8)
    right.set_yticks([])
    right.spines["left"].set_visible(False)
    right.margins(x=0.06)
    return figure


def _columns(axes: Axes, cells: Sequence[Sequence[str]], heads: Sequence[str]) -> None:
    """Draw text in columns, a row at every integer height."""
    axes.set(xticks=[], yticks=[], xlim=(-0.5, len(heads) - 0.5))
    axes.spines[:].set_visible(False)
    for x, head in enumerate(heads):
        axes.text(x, -0.75, head, ha="center", va="bottom", fontsize=9, fontweight="bold", color=INK)
    for y, row in enumerate(cells):
        axes.axhline(y + 0.5, color=RULE, linewidth=0.6)
        for x, text in enumerate(row):
            axes.text(x, y, text, ha="center", va="center", fontsize=9, color=INK)


def progress_figure(
    trials: Sequence[Trial], importances: Mapping[str, float], condition: Condition | None, title: str
) -> Figure:
    """Left: finished trials in the order of their start, the best so far as a line, pruned trials as marks
    below; right: the importance of each field."""
    figure, (left, right) = page(11, 4.6, ncols=2, width_ratios=[3, 2])
    figure.suptitle(title, x=0.01, ha="left", fontsize=12, fontweight="bold", color=INK)
    done = [trial for trial in trials if trial.state == "done"]
    pruned = [trial.number for trial in trials if trial.state == "pruned"]
    numbers, scores = [t.number for t in done], np.array([t.mean(condition=condition) for t in done])
    heading = f"{len(done)} trial{'s' * (len(done) != 1)} done"
    heading += f", {len(pruned)} pruned (below)" if pruned else ""
    style_axes(left, heading, "trial", f"macro-F1{f' of {condition}' if condition else ''}")
    best = np.maximum.accumulate(scores)
    left.step(numbers, best, where="post", color=BLUE, linewidth=2)
    left.errorbar(
        numbers, scores, yerr=np.nan_to_num([t.std(condition=condition) for t in done]),
        fmt="o", color=INK, ecolor=PALE, markersize=5,
    )  # fmt: skip
    at_bottom = {"transform": left.get_xaxis_transform(), "clip_on": False}
    left.plot(pruned, np.full(len(pruned), 0.02), "|", color=ORANGE, markersize=9, **at_bottom)
    left.annotate(
        f"best {best[-1]:.4f}", (1, best[-1]), xycoords=("axes fraction", "data"), xytext=(0, 6),
        textcoords="offset points", ha="right", color=BLUE, fontweight="bold",
    )  # fmt: skip
    left.set_xlim(min(numbers, default=0) - 0.5, max(t.number for t in trials) + 0.5)
    left.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    _importances(right, importances, len(done))
    return figure


def _importances(axes: Axes, importances: Mapping[str, float], done: int) -> None:
    style_axes(axes, "Importance of each field", "fraction (PED-ANOVA)", grid="x")
    if not importances:
        text = (
            f"unknown after {done} trial{'s' * (done != 1)}:\nat least {FEWEST} with different scores needed"
        )
        axes.text(0.5, 0.5, text, ha="center", va="center", color=PALE, transform=axes.transAxes)
        axes.set_xlabel("")
        axes.set_xticks([])
        axes.set_yticks([])
        return
    names, values = list(importances), list(importances.values())
    axes.barh(names, values, color=INK, height=0.6)
    for name, value in importances.items():
        axes.annotate(f" {100 * value:.0f} %", (value, name), va="center", fontsize=9, color=INK)
    axes.set_xlim(0, 1.15 * max(values))
    axes.invert_yaxis()
    axes.tick_params(axis="y", length=0)


def text_of(value: Any) -> str:
    """A value as text, floats to three digits."""
    return f"{value:.3g}" if isinstance(value, float) else shown(value)


def short(names: Sequence[str]) -> dict[str, str]:
    """The shortest unique suffix of each dotted name."""
    suffixes = {}
    for name in names:
        parts = name.split(".")
        candidates = [".".join(parts[-n:]) for n in range(1, len(parts) + 1)]
        unique = (c for c in candidates if sum(f".{other}".endswith(f".{c}") for other in names) == 1)
        suffixes[name] = next(unique, name)
    return suffixes
