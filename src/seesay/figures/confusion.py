"""The confusion matrix."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Integer
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure

from seesay.figures.style import INK, PALE, RULE, _page, _shortened, _style

ERRORS = LinearSegmentedColormap.from_list("errors", ["#ffffff", "#fdd0a2", "#f16913", "#8c2d04"])
"""From no error to the most frequent one: the oranges of ColorBrewer."""

FAINT = 5
"""Errors in a cell from which the darkest orange is used: one of forty is no disaster."""


def confusion(matrix: Integer[np.ndarray, "k k"], classes: Sequence[str], title: str) -> Figure:
    """Labels down, predictions across; errors in orange and what is right in grey, so that the errors
    show."""
    k, names = len(classes), [_shortened(name) for name in classes]
    cell = min(0.52, 11 / k)  # inches
    size = min(10.0, 22 * cell)
    letters = 0.009 * size * max(map(len, names))  # inches
    turned = max(map(len, names)) > 3
    right = np.eye(k, dtype=bool)
    wrong = np.where(right, 0, matrix)
    shade = np.sqrt(wrong / max(wrong.max(), FAINT))
    heading = f"{title}: {wrong.sum():,} of {matrix.sum():,} wrong"
    width = max(cell * k + letters + 2.0, 0.12 * len(heading) + 0.3)
    figure, (axes,) = _page(width, cell * k + (letters if turned else 0.2) + 1.1)
    _style(axes, "", "predicted", "label", grid="none")
    figure.suptitle(heading, x=0.15 / width, ha="left", fontsize=12, fontweight="bold", color=INK)
    axes.imshow(np.where(right, np.nan, shade), cmap=ERRORS, vmin=0, vmax=1)
    axes.set_facecolor("#efefef")
    for i, j in np.argwhere(matrix):
        look: Any = (
            {"color": PALE} if i == j else {"color": "white" if shade[i, j] > 0.75 else INK, "weight": "bold"}
        )
        axes.text(j, i, str(matrix[i, j]), ha="center", va="center", fontsize=size, **look)
    _recalls(axes, matrix, size)
    axes.set_xticks(range(k), names, fontsize=size, rotation=90 if turned else 0)
    axes.set_yticks(range(k), names, fontsize=size)
    between = np.arange(k + 1) - 0.5
    axes.set_xticks(between, minor=True)
    axes.set_yticks(between, minor=True)
    axes.grid(which="minor", color=RULE, linewidth=0.7)
    axes.tick_params(which="both", length=0)
    axes.spines[:].set_visible(False)
    return figure


def _recalls(axes: Axes, matrix: np.ndarray, size: float) -> None:
    """The share of each class that is right, to the right of its row."""
    rows, k = matrix.sum(axis=1), len(matrix)
    look: Any = {"fontsize": size, "color": PALE, "va": "center", "annotation_clip": False}
    for i in np.flatnonzero(rows):
        axes.annotate(f"{100 * matrix[i, i] / rows[i]:.1f} %", (k - 0.3, i), **look)
    axes.annotate("recall", (k - 0.3, k - 0.2), **look)
