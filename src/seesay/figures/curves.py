"""Curves: of learning, and of reliability."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FormatStrFormatter, LogLocator, MaxNLocator, NullLocator

from seesay.figures.style import INK, PALE, _page, _style, colours
from seesay.metrics.reliability import Reliability


def learning_curves(epochs: Sequence[Mapping[str, Any]]) -> Figure:
    """The loss, and the validation macro-F1 of each condition, epoch by epoch.

    An epoch has `number`, `loss`, `scores` ({condition: macro-F1}; empty where nothing was scored) and
    `seconds`. Scores stand on a scale of errors, so that from 0.99 to 0.999 is as far as from 0.9 to 0.99.
    """
    conditions = list(dict.fromkeys(condition for epoch in epochs for condition in epoch["scores"]))
    shape = {"ncols": 2, "width_ratios": [2, 3]} if conditions else {}
    figure, panels = _page(10.0 if conditions else 6.0, 4.4, **shape)
    _style(
        panels[0], "Loss in training", f"epoch  ({len(epochs)} in {sum(e['seconds'] for e in epochs):,.0f} s)"
    )
    _line(panels[0], [(epoch["number"], epoch["loss"]) for epoch in epochs], INK)
    panels[0].set_yscale("log")
    panels[0].yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    panels[0].yaxis.set_major_formatter(FormatStrFormatter("%g"))
    panels[0].yaxis.set_minor_locator(NullLocator())
    if conditions:
        _style(panels[1], "Macro-F1 in validation", "epoch")
        _score_lines(panels[1], epochs, conditions)
    for axes in panels:
        axes.set_xlim(epochs[0]["number"] - 0.5, epochs[-1]["number"] + 0.5)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1, steps=[1, 2, 5, 10]))
    return figure


def _line(axes: Axes, points: Sequence[tuple[int, float]], colour: str) -> None:
    axes.plot(*zip(*points, strict=True), color=colour, linewidth=2, marker="o", markersize=3)


def _score_lines(axes: Axes, epochs: Sequence[Mapping[str, Any]], conditions: Sequence[str]) -> None:
    """A line for each condition, named at its end."""
    ends = {}
    for condition in conditions:
        points = [(e["number"], e["scores"][condition]) for e in epochs if condition in e["scores"]]
        colour = colours(conditions).get(condition, INK)
        _line(axes, [(number, _nines(score)) for number, score in points], colour)
        ends[f"{condition} {_told(points[-1][1])}"] = (_nines(points[-1][1]), colour)
    _score_ticks(axes)
    _name_the_ends(axes, ends)


def _told(score: float) -> str:
    """To three digits, or as many as tell it from 1."""
    return next(text for n in (3, 4, 5, 6) if (text := f"{score:.{n}f}")[0] == "0" or score == 1 or n == 6)


TOP = 4.3
"""Where a score of 1 stands, a little above 0.9999, which has four nines."""


def _nines(score: float) -> float:
    """How many nines a score has: 0.9 is 1, 0.99 is 2; 1 is `TOP`."""
    return -math.log10(min(max(1 - score, 10**-TOP), 1))


LADDER = (
    0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9,
    0.95, 0.98, 0.99, 0.995, 0.998, 0.999, 0.9995, 0.9999, 1.0,
)  # fmt: skip
"""Scores that an axis may be marked at."""


def _score_ticks(axes: Axes) -> None:
    """Macro-F1 written at heights that `_nines` gave, over the range that is there."""
    low, high = axes.get_ylim()
    high = min(max(high, low + 0.5), TOP + 0.05)
    low = max(min(low, high - 0.5), -0.02)
    axes.set_ylim(low, high)
    ticks: list[float] = []
    for score in reversed(LADDER):
        there = low <= _nines(score) <= high
        if there and all(_nines(tick) - _nines(score) > 0.06 * (high - low) for tick in ticks):
            ticks.append(score)
    axes.set_yticks([_nines(tick) for tick in ticks], [f"{tick:g}" for tick in ticks])


def _name_the_ends(axes: Axes, ends: Mapping[str, tuple[float, str]]) -> None:
    """Names beside the last points of lines; where they would overlap, moved apart around their middle, and
    never out of the axes."""
    low, high = axes.get_ylim()
    order = sorted(ends.items(), key=lambda end: end[1][0])
    heights = _apart([height for _, (height, _) in order], 0.065 * (high - low), low, high)
    for (name, (_, colour)), height in zip(order, heights, strict=True):
        place = (1.02, (height - low) / (high - low))
        axes.annotate(
            name, place, xycoords="axes fraction", color=colour, fontweight="bold", fontsize=9, va="center"
        )


def _apart(heights: Sequence[float], gap: float, low: float, high: float) -> list[float]:
    """Ascending heights, moved as little as makes them `gap` apart and keeps them between the two."""
    bundles: list[list[float]] = []  # those that have to move together
    for height in heights:
        bundles.append([height])
        while (
            len(bundles) > 1
            and _middle(bundles[-1]) - _middle(bundles[-2]) < gap * (len(bundles[-1]) + len(bundles[-2])) / 2
        ):
            bundles[-2:] = [bundles[-2] + bundles[-1]]
    places = []
    for bundle in bundles:
        half = gap * (len(bundle) - 1) / 2
        middle = max(min(_middle(bundle), high - half), low + half)
        places += [middle - half + gap * i for i in range(len(bundle))]
    return places


def _middle(heights: Sequence[float]) -> float:
    return sum(heights) / len(heights)


def reliability(tables: Mapping[str, Reliability]) -> Figure:
    """Per condition: how often rows of a confidence are right, dashed where it is as often as it says; below,
    rows."""
    shape = {"nrows": 2, "ncols": len(tables), "height_ratios": [4, 1], "sharex": "col"}
    figure, panels = _page(4 * len(tables) + 0.4, 4.8, **shape)
    for i, (condition, table) in enumerate(tables.items()):
        top, bottom = panels[i], panels[len(tables) + i]
        colour = colours(tables).get(condition, INK)
        _style(top, f"{condition}: ECE {table.ece:.3f}", y="" if i else "share that is right")
        top.plot([0, 1], [0, 1], color=PALE, linewidth=1, linestyle=(0, (4, 3)))
        top.vlines(table.confidence, table.confidence, table.accuracy, color=colour, linewidth=1.5, alpha=0.5)
        sizes = 15 + 150 * np.sqrt(table.rows / table.rows.sum())
        top.scatter(table.confidence, table.accuracy, s=sizes, color=colour, zorder=3, clip_on=False)
        top.set(xlim=(0, 1.02), ylim=(0, 1.04))
        _style(bottom, x="confidence", y="" if i else "rows", grid="y")
        bottom.stairs(table.rows, table.edges, color=colour, alpha=0.6, fill=True)
        bottom.set_yscale("log")
        bottom.set_ylim(bottom=0.5)
    return figure
