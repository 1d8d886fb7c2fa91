"""The confusion matrix."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Integer
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure

from seesay.figures.style import INK, PALE, RULE, page, shortened, style_axes

ERROR_COLOURS = LinearSegmentedColormap.from_list("errors", ["#ffffff", "#fdd0a2", "#f16913", "#8c2d04"])
"""From no error to the most frequent error: the oranges of ColorBrewer."""

DARKEST = 5
"""Errors that a cell needs for the darkest orange, so that a few errors do not look like many."""


def confusion_matrix(matrix: Integer[np.ndarray, "k k"], classes: Sequence[str], title: str) -> Figure:
    """The matrix with labels as rows and predictions as columns, and each class's recall on the right. Errors
    are orange and correct predictions grey, so that errors stand out."""
    k, names = len(classes), [shortened(name) for name in classes]
    cell = min(0.52, 11 / k)  # inches
    size = min(10.0, 22 * cell)
    name_width = 0.009 * size * max(map(len, names))  # inches
    rotated = max(map(len, names)) > 3
    diagonal = np.eye(k, dtype=bool)
    errors = np.where(diagonal, 0, matrix)
    shade = np.sqrt(errors / max(errors.max(), DARKEST))
    heading = f"{title}: {errors.sum():,} of {matrix.sum():,} wrong"
    width = max(cell * k + name_width + 2.0, 0.12 * len(heading) + 0.3)
    figure, (axes,) = page(width, cell * k + (name_width if rotated else 0.2) + 1.1)
    style_axes(axes, "", "predicted", "label", grid="none")
    figure.suptitle(heading, x=0.15 / width, ha="left", fontsize=12, fontweight="bold", color=INK)
    axes.imshow(np.where(diagonal, np.nan, shade), cmap=ERROR_COLOURS, vmin=0, vmax=1)
    axes.set_facecolor("#efefef")
    for i, j in np.argwhere(matrix):
        look: Any = (
            {"color": PALE} if i == j else {"color": "white" if shade[i, j] > 0.75 else INK, "weight": "bold"}
        )
        axes.text(j, i, str(matrix[i, j]), ha="center", va="center", fontsize=size, **look)
    _draw_recalls(axes, matrix, size)
    axes.set_xticks(range(k), names, fontsize=size, rotation=90 if rotated else 0)
    axes.set_yticks(range(k), names, fontsize=size)
    borders = np.arange(k + 1) - 0.5
    axes.set_xticks(borders, minor=True)
    axes.set_yticks(borders, minor=True)
    axes.grid(which="minor", color=RULE, linewidth=0.7)
    axes.tick_params(which="both", length=0)
    axes.spines[:].set_visible(False)
    return figure


def _draw_recalls(axes: Axes, matrix: np.ndarray, size: float) -> None:
    """Write the recall of each class to the right of its row."""
    rows, k = matrix.sum(axis=1), len(matrix)
    look: Any = {"fontsize": size, "color": PALE, "va": "center", "annotation_clip": False}
    for i in np.flatnonzero(rows):
        axes.annotate(f"{100 * matrix[i, i] / rows[i]:.1f} %", (k - 0.3, i), **look)
    axes.annotate("recall", (k - 0.3, k - 0.2), **look)
