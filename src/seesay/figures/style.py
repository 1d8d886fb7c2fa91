"""What the figures share: colours, a blank page, axes, and how a figure is saved.

Figures are objects that nobody else knows of: no pyplot, no settings changed for the whole process, so a
server can draw too. Colours are told apart by those who do not see red or green as well.
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

DOTS = 150
"""Pixels an inch of a saved figure."""

INK, PALE, RULE = "#222222", "#8a8a8a", "#e3e3e3"
"""Text and lines that matter; what is said aside; grid."""

COLOURS = (
    "#332288", "#cc6677", "#117733", "#ddaa33", "#88ccee",
    "#882255", "#44aa99", "#999933", "#aa4499", "#6b4226",
)  # fmt: skip
"""Of classes: the muted scheme of Paul Tol, "Colour Schemes", SRON/EPS/TN/09-002, its sand made stronger, and
a brown."""

MARKERS = "o^sDvP"
"""The eleventh class begins with the colours again, and another shape."""

PALETTE = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00")
"""Of modalities by themselves, in their order (Okabe and Ito 2008); all together are drawn in ink."""

BLUE, ORANGE, *_ = PALETTE

LONGEST = 24
"""Letters of a class name in a figure; what is longer is cut in its middle."""


def colours(conditions: Iterable[str]) -> dict[str, str]:
    """A colour for each condition of a modality by itself."""
    alone = in_order(name for name in conditions if JOINT not in name)
    return {name: PALETTE[i % len(PALETTE)] for i, name in enumerate(alone)}


def save(figure: Figure, path: Path | str) -> None:
    """Writes a PNG, all or nothing. The disk is full or refuses: OutputError."""
    with new_file(path, "wb") as file:
        figure.savefig(file, format="png", dpi=DOTS)


def _page(width: float, height: float, **grid: Any) -> tuple[Figure, np.ndarray]:
    """A white figure of so many inches, and its axes as a flat array."""
    figure = Figure(figsize=(width, height), facecolor="white", layout="constrained")
    FigureCanvasAgg(figure)
    return figure, np.atleast_1d(figure.subplots(**grid)).ravel()


def _style(axes: Axes, title: str = "", x: str = "", y: str = "", grid: str = "both") -> None:
    """The house style: title on the left, two spines, a faint grid behind the data. `grid`: both, x, y or
    none."""
    axes.set_title(title, loc="left", fontsize=12, fontweight="bold", color=INK, pad=10)
    axes.set_xlabel(x, color=INK)
    axes.set_ylabel(y, color=INK)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(PALE)
    axes.tick_params(colors=INK, length=3, labelsize=9)
    axes.set_axisbelow(True)
    if grid in ("both", "x", "y"):
        axes.grid(axis=grid, color=RULE, linewidth=0.8)


def _bare(axes: Axes) -> None:
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set_visible(False)


def _shortened(name: str, most: int = LONGEST) -> str:
    """The beginning and the end of a long name: both tell it from others."""
    half = (most - 1) // 2
    return name if len(name) <= most else f"{name[: most - 1 - half]}…{name[-half:]}"
