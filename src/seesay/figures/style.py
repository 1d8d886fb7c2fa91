"""What all figures share: colours, a blank page, the style of axes, and saving as PNG.

Every figure function takes plain arrays and returns a matplotlib Figure. No pyplot and no global settings, so
figures can also be drawn in a server. The colours are safe for red-green colour blindness.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from seesay.condition import JOINT
from seesay.files import new_file
from seesay.spec import in_order

DPI = 150
"""Pixels per inch of a saved figure."""

INK, PALE, RULE = "#222222", "#8a8a8a", "#e3e3e3"
"""Main text and lines; secondary text; grid lines."""

COLOURS = (
    "#332288", "#cc6677", "#117733", "#ddaa33", "#88ccee",
    "#882255", "#44aa99", "#999933", "#aa4499", "#6b4226",
)  # fmt: skip
"""Class colours: the muted scheme of Paul Tol, "Colour Schemes", SRON/EPS/TN/09-002, with a stronger sand and
a brown added."""

MARKERS = "o^sDvP"
"""Class markers: from the eleventh class on the colours repeat with the next marker."""

PALETTE = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00")
"""Colours of single modalities, in order (Okabe and Ito 2008); the fused condition is drawn in INK."""

BLUE, ORANGE, *_ = PALETTE

MAX_NAME = 24
"""Characters of a class name in a figure; longer names are cut in the middle."""


def colours(conditions: Iterable[str]) -> dict[str, str]:
    """A colour for each single-modality condition."""
    single = in_order(name for name in conditions if JOINT not in name)
    return {name: PALETTE[i % len(PALETTE)] for i, name in enumerate(single)}


def save(figure: Figure, path: Path | str) -> None:
    """Write the figure as a PNG, atomically. OutputError if it cannot be written."""
    with new_file(path, "wb") as file:
        figure.savefig(file, format="png", dpi=DPI)


def page(width: float, height: float, **grid: Any) -> tuple[Figure, np.ndarray]:
    """A white figure of this size in inches, and its axes as a flat array."""
    figure = Figure(figsize=(width, height), facecolor="white", layout="constrained")
    FigureCanvasAgg(figure)
    return figure, np.atleast_1d(figure.subplots(**grid)).ravel()


def style_axes(axes: Axes, title: str = "", x: str = "", y: str = "", grid: str = "both") -> None:
    """Apply the house style: title on the left, two spines, a faint grid (`both`, `x`, `y` or `none`)."""
    axes.set_title(title, loc="left", fontsize=12, fontweight="bold", color=INK, pad=10)
    axes.set_xlabel(x, color=INK)
    axes.set_ylabel(y, color=INK)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(PALE)
    axes.tick_params(colors=INK, length=3, labelsize=9)
    axes.set_axisbelow(True)
    if grid in ("both", "x", "y"):
        axes.grid(axis=grid, color=RULE, linewidth=0.8)


def hide_axes(axes: Axes) -> None:
    """Remove ticks and spines."""
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set_visible(False)


def shortened(name: str, most: int = MAX_NAME) -> str:
    """The start and end of a long name, to keep similar names distinguishable."""
    half = (most - 1) // 2
    return name if len(name) <= most else f"{name[: most - 1 - half]}…{name[-half:]}"
