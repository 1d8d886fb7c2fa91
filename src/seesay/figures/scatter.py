"""Scatter plots of encodings projected to two dimensions."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float, Integer
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.transforms import Bbox

from seesay.figures.style import COLOURS, INK, MARKERS, hide_axes, page, shortened, style_axes

Label = Integer[np.ndarray, "n"]
Points = Float[np.ndarray, "n 2"]

LEGEND_ROWS = 22
"""Classes in a column of the legend."""


def scatter(points: Points, label: Label, classes: Sequence[str], title: str) -> Figure:
    """The points coloured by label. Classes are named in the legend and, where there is room, among their
    points."""
    figure, (axes,) = page(7.4 + _legend_width(classes), 7.0)
    names = _draw_points(axes, points, label, classes, title)
    _draw_legend(figure, axes, classes)
    _remove_overlaps(figure, {axes: names})
    return figure


def scatter_pair(
    points: Points, label: Label, assignment: Label, classes: Sequence[str], title: str
) -> Figure:
    """The points coloured by label on the left and by k-means cluster on the right.

    A cluster has the colour of the class it is matched to. Points whose label is another class are circled,
    the others faint.
    """
    figure, (left, right) = page(13.0 + _legend_width(classes), 7.0, ncols=2)
    figure.suptitle(title, x=0.004, ha="left", fontsize=13, fontweight="bold", color=INK)
    wrong = assignment != label
    names = {left: _draw_points(left, points, label, classes, "By label")}
    heading = f"By k-means cluster: {100 * wrong.mean():.1f} % in the cluster of another class (circled)"
    names[right] = _draw_points(right, points, assignment, classes, heading, alpha=0.25)
    circled: Any = {"s": 1.8 * _marker_area(points), "linewidths": 0.45, "edgecolors": INK}
    _draw_markers(right, points, assignment, np.flatnonzero(wrong), circled)
    _draw_legend(figure, right, classes)
    _remove_overlaps(figure, names)
    return figure


def _remove_overlaps(figure: Figure, names: Mapping[Axes, Sequence[Text]]) -> None:
    """Move class names into the axes, and remove those that would overlap another."""
    figure.draw_without_rendering()
    for axes, texts in names.items():
        room, kept = axes.get_window_extent(), []
        for text in texts:
            box = _box_of(text)
            if move := max(room.x0 - box.x0, 0) + min(room.x1 - box.x1, 0):
                x, y = axes.transData.transform(text.get_position())
                moved = axes.transData.inverted().transform((x + move, y))
                text.set_position((float(moved[0]), float(moved[1])))
                box = box.translated(move, 0)
            if any(box.overlaps(other) for other in kept):
                text.remove()
            else:
                kept.append(box)


def _box_of(text: Text) -> Bbox:
    """The box around a name as drawn, in pixels."""
    patch = text.get_bbox_patch()
    return text.get_window_extent() if patch is None else patch.get_window_extent()


def _draw_points(
    axes: Axes,
    points: np.ndarray,
    class_ids: np.ndarray,
    classes: Sequence[str],
    title: str,
    alpha: float = 0.75,
) -> list[Text]:
    """Draw the points coloured by class, and return the class names written among them."""
    style_axes(axes, title, grid="none")
    hide_axes(axes)
    axes.set_aspect("equal", adjustable="datalim")
    order = np.random.default_rng(0).permutation(len(points))  # so that no class covers another
    look: Any = {"s": _marker_area(points), "linewidths": 0, "alpha": alpha}
    _draw_markers(axes, points, class_ids, order, look)
    return [
        _write_name(axes, points[class_ids == index], name, COLOURS[index % len(COLOURS)])
        for index, name in enumerate(classes)
        if (class_ids == index).any()
    ]


def _draw_markers(
    axes: Axes, points: np.ndarray, class_ids: np.ndarray, order: np.ndarray, look: Mapping[str, Any]
) -> None:
    """Draw the points with these indices, each in the colour and with the marker of its class."""
    shape = class_ids // len(COLOURS)
    for s in np.unique(shape[order]):
        rows = order[shape[order] == s]
        colours = np.asarray(COLOURS)[class_ids[rows] % len(COLOURS)]
        axes.scatter(*points[rows].T, c=colours, marker=MARKERS[s % len(MARKERS)], **look)


def _write_name(axes: Axes, points: np.ndarray, name: str, colour: str) -> Text:
    """Write the name of a class where its points are densest: at the point with the smallest distance to the
    nearest quarter of the others."""
    sample = points[:: max(1, len(points) // 500)]
    distances = np.linalg.norm(sample[:, None] - sample, axis=2)
    quarter = len(sample) // 4
    x, y = sample[np.partition(distances, quarter, axis=1)[:, quarter].argmin()]
    box = {"boxstyle": "round,pad=0.2", "facecolor": "white", "edgecolor": colour, "alpha": 0.85}
    size = 13 if len(name) <= 2 else 9
    look: Any = {"fontsize": size, "color": INK, "ha": "center", "va": "center", "bbox": box}
    return axes.text(x, y, shortened(name, 16), parse_math=False, **look)


def _marker_area(points: np.ndarray) -> float:
    """Square points, smaller the more points there are."""
    return float(np.clip(30_000 / len(points), 4, 40))


def _draw_legend(figure: Figure, axes: Axes, classes: Sequence[str]) -> None:
    handles = [
        axes.plot(
            [],
            [],
            MARKERS[i // len(COLOURS) % len(MARKERS)],
            color=COLOURS[i % len(COLOURS)],
            label=shortened(name),
        )[0]
        for i, name in enumerate(classes)
    ]
    columns = -(-len(classes) // LEGEND_ROWS)
    figure.legend(handles=handles, loc="outside right center", frameon=False, ncols=columns, fontsize=10)


def _legend_width(classes: Sequence[str]) -> float:
    """Inches to add for the legend, so that the axes keep their size however long the names are."""
    longest = max(len(shortened(name)) for name in classes)
    return max(1.0, -(-len(classes) // LEGEND_ROWS) * (0.5 + 0.085 * longest))
