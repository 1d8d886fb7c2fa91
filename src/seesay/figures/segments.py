"""A recording over time, and below it what was recognised where."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Int16
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from seesay.figures.style import BLUE, COLOURS, INK, PALE, page, shortened, style_axes

COLUMNS = 2_000
"""Columns of the drawn waveform: each shows the range of its samples."""

LANES = 20
"""Labels with a lane of their own, those with most time first; the rest share one. With more segments than
this their scores are not written."""

FAINTEST = 0.25
"""Opacity of a segment with a score of 0; one with a score of 1 is opaque."""


class Bar(NamedTuple):
    """A segment: seconds, label and score."""

    start: float
    end: float
    label: str
    score: float


def segments(waveform: Int16[np.ndarray, " n"], rate: int, bars: Sequence[Bar], title: str) -> Figure:
    """The waveform above, and below it a lane per label with its segments, the paler the less certain."""
    time = {label: sum(bar.end - bar.start for bar in bars if bar.label == label) for label in _labels(bars)}
    kept = set(sorted(time, key=lambda label: -time[label])[:LANES])
    lanes = [label for label in time if label in kept]
    names = [*map(shortened, lanes), *(["other"] if len(time) > len(lanes) else [])]
    heights = [1.6, 0.5 + 0.26 * len(names)]
    figure, (above, below) = page(
        10.0, sum(heights) + 0.9, nrows=2, sharex=True, gridspec_kw={"height_ratios": heights}
    )
    _draw_waveform(above, waveform, rate)
    style_axes(above, title, y="amplitude", grid="x")
    style_axes(below, x="seconds", grid="x")
    for bar in bars:
        lane = lanes.index(bar.label) if bar.label in kept else len(lanes)
        colour = COLOURS[lane % len(COLOURS)] if bar.label in kept else PALE
        opacity = FAINTEST + (1 - FAINTEST) * bar.score
        width = max(bar.end - bar.start, len(waveform) / rate / 500)  # so that none is thinner than a line
        below.barh(lane, width, 0.7, bar.start, color=colour, alpha=opacity, linewidth=0)
        if len(bars) <= LANES:
            above.axvspan(bar.start, bar.start + width, color=colour, alpha=0.12, linewidth=0)
            offset: Any = {"xytext": (3, 0), "textcoords": "offset points", "va": "center"}
            below.annotate(f"{bar.score:.2f}", (bar.end, lane), fontsize=7, color=INK, **offset)
    below.set_yticks(range(len(names)), names, fontsize=10)
    below.set_ylim(len(names) - 0.5, -0.5)
    below.tick_params(axis="y", length=0)
    below.set_xlim(0, len(waveform) / rate)
    return figure


def _labels(bars: Sequence[Bar]) -> list[str]:
    """The labels, in order; numbers by value."""
    numbers = all(bar.label.isdecimal() for bar in bars)
    return sorted({bar.label for bar in bars}, key=lambda label: (int(label) if numbers else 0, label))


def _draw_waveform(axes: Axes, waveform: np.ndarray, rate: int) -> None:
    each = max(1, len(waveform) // COLUMNS)
    columns = waveform[: len(waveform) // each * each].reshape(-1, each) / np.float32(32_768)
    times = (np.arange(len(columns)) + 0.5) * each / rate
    axes.fill_between(times, columns.min(1), columns.max(1), color=BLUE, linewidth=0.3, edgecolor=BLUE)
    most = max(0.05, float(np.abs(columns).max(initial=0.0)))
    axes.set_ylim(-most, most)
