"""Learning curves and reliability diagrams."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FormatStrFormatter, LogLocator, MaxNLocator, NullLocator

from seesay.figures.style import INK, PALE, colours, page, style_axes
from seesay.metrics.reliability import Reliability


def learning_curves(epochs: Sequence[Mapping[str, Any]]) -> Figure:
    """Training loss, and validation macro-F1 by condition, over epochs.

    An epoch has `number`, `loss`, `scores` ({condition: macro-F1}; empty if nothing was scored) and
    `seconds`. Macro-F1 is on a logarithmic scale of errors: 0.99 to 0.999 is as far as 0.9 to 0.99.
    """
    conditions = list(dict.fromkeys(condition for epoch in epochs for condition in epoch["scores"]))
    grid = {"ncols": 2, "width_ratios": [2, 3]} if conditions else {}
    figure, panels = page(10.0 if conditions else 6.0, 4.4, **grid)
    seconds = sum(epoch["seconds"] for epoch in epochs)
    style_axes(panels[0], "Training loss", f"epoch ({len(epochs)} in {seconds:,.0f} s)")
    _draw_line(panels[0], [(epoch["number"], epoch["loss"]) for epoch in epochs], INK)
    panels[0].set_yscale("log")
    panels[0].yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    panels[0].yaxis.set_major_formatter(FormatStrFormatter("%g"))
    panels[0].yaxis.set_minor_locator(NullLocator())
    if conditions:
        style_axes(panels[1], "Validation macro-F1", "epoch")
        _draw_scores(panels[1], epochs, conditions)
    for axes in panels:
        axes.set_xlim(epochs[0]["number"] - 0.5, epochs[-1]["number"] + 0.5)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1, steps=[1, 2, 5, 10]))
    return figure


def _draw_line(axes: Axes, points: Sequence[tuple[int, float]], colour: str) -> None:
    axes.plot(*zip(*points, strict=True), color=colour, linewidth=2, marker="o", markersize=3)


def _draw_scores(axes: Axes, epochs: Sequence[Mapping[str, Any]], conditions: Sequence[str]) -> None:
    """Draw a line for each condition, with its name and last score at the end."""
    ends = {}
    for condition in conditions:
        points = [(e["number"], e["scores"][condition]) for e in epochs if condition in e["scores"]]
        colour = colours(conditions).get(condition, INK)
        _draw_line(axes, [(number, _nines(score)) for number, score in points], colour)
        ends[f"{condition} {_format_score(points[-1][1])}"] = (_nines(points[-1][1]), colour)
    _set_score_ticks(axes)
    _label_ends(axes, ends)


def _format_score(score: float) -> str:
    """The score with three digits, or with up to six if it would read as 1."""
    return next(text for n in (3, 4, 5, 6) if (text := f"{score:.{n}f}")[0] == "0" or score == 1 or n == 6)


TOP = 4.3
"""Height of a score of 1, a little above 0.9999, which has four nines."""


def _nines(score: float) -> float:
    """How many nines a score has, its height in the figure: 0.9 is 1, 0.99 is 2; 1 is `TOP`."""
    return -math.log10(min(max(1 - score, 10**-TOP), 1))


TICKS = (
    0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9,
    0.95, 0.98, 0.99, 0.995, 0.998, 0.999, 0.9995, 0.9999, 1.0,
)  # fmt: skip
"""Candidate ticks of the score axis."""


def _set_score_ticks(axes: Axes) -> None:
    """Mark scores on an axis of `_nines`, as many as fit into the range of the data."""
    low, high = axes.get_ylim()
    high = min(max(high, low + 0.5), TOP + 0.05)
    low = max(min(low, high - 0.5), -0.02)
    axes.set_ylim(low, high)
    ticks: list[float] = []
    for score in reversed(TICKS):
        in_range = low <= _nines(score) <= high
        if in_range and all(_nines(tick) - _nines(score) > 0.06 * (high - low) for tick in ticks):
            ticks.append(score)
    axes.set_yticks([_nines(tick) for tick in ticks], [f"{tick:g}" for tick in ticks])


def _label_ends(axes: Axes, ends: Mapping[str, tuple[float, str]]) -> None:
    """Write {name: (height, colour)} beside the ends of the lines, moved apart where they would overlap."""
    low, high = axes.get_ylim()
    order = sorted(ends.items(), key=lambda end: end[1][0])
    heights = _spread([height for _, (height, _) in order], 0.065 * (high - low), low, high)
    for (name, (_, colour)), height in zip(order, heights, strict=True):
        position = (1.02, (height - low) / (high - low))
        axes.annotate(
            name, position, xycoords="axes fraction", color=colour, fontweight="bold", fontsize=9, va="center"
        )


def _spread(heights: Sequence[float], gap: float, low: float, high: float) -> list[float]:
    """Ascending heights, moved as little as possible to be `gap` apart and between `low` and `high`."""
    clusters: list[list[float]] = []  # heights that have to move together
    for height in heights:
        clusters.append([height])
        while (
            len(clusters) > 1
            and _mean(clusters[-1]) - _mean(clusters[-2]) < gap * (len(clusters[-1]) + len(clusters[-2])) / 2
        ):
            clusters[-2:] = [clusters[-2] + clusters[-1]]
    positions = []
    for cluster in clusters:
        half = gap * (len(cluster) - 1) / 2
        middle = max(min(_mean(cluster), high - half), low + half)
        positions += [middle - half + gap * i for i in range(len(cluster))]
    return positions


def _mean(heights: Sequence[float]) -> float:
    return sum(heights) / len(heights)


def reliability(tables: Mapping[str, Reliability]) -> Figure:
    """A reliability diagram per condition: accuracy over confidence, with a dashed line for perfect
    calibration, above the number of rows per bin."""
    grid = {"nrows": 2, "ncols": len(tables), "height_ratios": [4, 1], "sharex": "col"}
    figure, panels = page(4 * len(tables) + 0.4, 4.8, **grid)
    for i, (condition, table) in enumerate(tables.items()):
        top, bottom = panels[i], panels[len(tables) + i]
        colour = colours(tables).get(condition, INK)
        style_axes(top, f"{condition}: ECE {table.ece:.3f}", y="" if i else "accuracy")
        top.plot([0, 1], [0, 1], color=PALE, linewidth=1, linestyle=(0, (4, 3)))
        top.vlines(table.confidence, table.confidence, table.accuracy, color=colour, linewidth=1.5, alpha=0.5)
        sizes = 15 + 150 * np.sqrt(table.rows / table.rows.sum())
        top.scatter(table.confidence, table.accuracy, s=sizes, color=colour, zorder=3, clip_on=False)
        top.set(xlim=(0, 1.02), ylim=(0, 1.04))
        style_axes(bottom, x="confidence", y="" if i else "rows", grid="y")
        bottom.stairs(table.rows, table.edges, color=colour, alpha=0.6, fill=True)
        bottom.set_yscale("log")
        bottom.set_ylim(bottom=0.5)
    return figure
