"""Scores with their intervals."""

import math
from collections.abc import Mapping
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from seesay.figures.style import COLOURS, INK, page, style_axes


def score_intervals(series: Mapping[str, Mapping[str, tuple[float, float, float]]], title: str) -> Figure:
    """Macro-F1 by condition as a dot with its interval, for each series (a model, a split) in the legend.

    A score is (value, low, high); low and high are NaN where the interval is unknown.
    """
    conditions = list(dict.fromkeys(c for scores in series.values() for c in scores))
    figure, (axes,) = page(9.0, 1.3 + 0.34 * len(conditions) * (len(series) + 0.6))
    style_axes(axes, title, "macro-F1", grid="x")
    step = 1 / (len(series) + 0.6)
    for s, (name, scores) in enumerate(series.items()):
        colour = INK if len(series) == 1 else COLOURS[s % len(COLOURS)]
        axes.plot([], [], "o", color=colour, label=name)
        for condition, score in scores.items():
            height = conditions.index(condition) + (s - (len(series) - 1) / 2) * step
            _draw_score(axes, height, *score, colour)
    axes.set_yticks(range(len(conditions)), conditions, fontsize=11)
    axes.tick_params(axis="y", length=0)
    axes.set_ylim(len(conditions) - 0.5, -0.5)
    axes.margins(x=0.06)
    if len(series) > 1:
        figure.legend(loc="outside lower center", ncols=3, frameon=False, fontsize=10)
    return figure


def _draw_score(axes: Axes, height: float, value: float, low: float, high: float, colour: str) -> None:
    axes.plot([low, high], [height] * 2, color=colour, linewidth=5, alpha=0.3, solid_capstyle="round")
    axes.plot(value, height, "o", color=colour, markersize=8)
    text = f"{value:.4f}" if math.isnan(low) else f"{value:.4f}  [{low:.4f}, {high:.4f}]"
    position: Any = {"xy": (1.01, height), "xycoords": ("axes fraction", "data"), "va": "center"}
    axes.annotate(text, color=colour, fontsize=9, **position)
