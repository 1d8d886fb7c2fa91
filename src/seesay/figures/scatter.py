"""Encodings in the plane."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float, Integer
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.transforms import Bbox

from seesay.figures.style import COLOURS, INK, MARKERS, _bare, _page, _shortened, _style

Label = Integer[np.ndarray, "n"]
Points = Float[np.ndarray, "n 2"]


def scatter(points: Points, label: Label, classes: Sequence[str], title: str) -> Figure:
    """A projection coloured by label; each class is named in the legend, and where it lies if there is
    room."""
    figure, (axes,) = _page(7.4 + _legend_width(classes), 7.0)
    names = _scatter(axes, points, label, classes, title)
    _legend(figure, axes, classes)
    _tidy(figure, {axes: names})
    return figure


def scatter_pair(
    points: Points, label: Label, assignment: Label, classes: Sequence[str], title: str
) -> Figure:
    """By label on the left, by k-means cluster on the right.

    A cluster wears the colour of the class that it stands for. Rows of another class are ringed, the others
    faint.
    """
    figure, (left, right) = _page(13.0 + _legend_width(classes), 6.6, ncols=2)
    wrong = assignment != label
    names = {left: _scatter(left, points, label, classes, f"{title}, by label")}
    heading = f"By k-means cluster; {100 * wrong.mean():.1f} % are wrong, ringed"
    names[right] = _scatter(right, points, assignment, classes, heading, strength=0.25)
    style: Any = {"s": 1.8 * _area(points), "linewidths": 0.45, "edgecolors": INK}
    right.scatter(*points[wrong].T, c=_colours(assignment[wrong]), **style)
    _legend(figure, right, classes)
    _tidy(figure, names)
    return figure


def _tidy(figure: Figure, names: Mapping[Axes, Sequence[Text]]) -> None:
    """Names of classes come into the axes, and those that would lie on another are taken away: the legend has
    them."""
    figure.draw_without_rendering()
    for axes, texts in names.items():
        room, taken = axes.get_window_extent(), []
        for text in texts:
            box = _frame(text)
            if move := max(room.x0 - box.x0, 0) + min(room.x1 - box.x1, 0):
                x, y = axes.transData.transform(text.get_position())
                moved = axes.transData.inverted().transform((x + move, y))
                text.set_position((float(moved[0]), float(moved[1])))
                box = box.translated(move, 0)
            if any(box.overlaps(other) for other in taken):
                text.remove()
            else:
                taken.append(box)


def _frame(text: Text) -> Bbox:
    """The box around a name, in pixels, as it was drawn."""
    patch = text.get_bbox_patch()
    return text.get_window_extent() if patch is None else patch.get_window_extent()


def _scatter(
    axes: Axes,
    points: np.ndarray,
    which: np.ndarray,
    classes: Sequence[str],
    title: str,
    strength: float = 0.75,
) -> list[Text]:
    """Draws the points, and returns the names of the classes, as they were written."""
    _style(axes, title, grid="none")
    _bare(axes)
    axes.set_aspect("equal", adjustable="datalim")
    order = np.random.default_rng(0).permutation(len(points))  # so that no class lies on top of another
    shape = which // len(COLOURS)
    for s in np.unique(shape):
        rows = order[shape[order] == s]
        look: Any = {"s": _area(points), "linewidths": 0, "alpha": strength}
        axes.scatter(*points[rows].T, c=_colours(which[rows]), marker=MARKERS[s % len(MARKERS)], **look)
    return [
        _name_where_it_lies(axes, points[which == index], name, COLOURS[index % len(COLOURS)])
        for index, name in enumerate(classes)
        if (which == index).any()
    ]


def _name_where_it_lies(axes: Axes, own: np.ndarray, name: str, colour: str) -> Text:
    """The name of a class where its own points are densest: on the one whose nearest quarter of them is
    nearest."""
    some = own[:: max(1, len(own) // 500)]
    apart = np.linalg.norm(some[:, None] - some, axis=2)
    quarter = len(some) // 4
    x, y = some[np.partition(apart, quarter, axis=1)[:, quarter].argmin()]
    box = {"boxstyle": "round,pad=0.2", "facecolor": "white", "edgecolor": colour, "alpha": 0.85}
    size = 13 if len(name) <= 2 else 9
    look: Any = {"fontsize": size, "color": INK, "ha": "center", "va": "center", "bbox": box}
    return axes.text(x, y, _shortened(name, 16), parse_math=False, **look)


def _area(points: np.ndarray) -> float:
    """Of a marker, in square points: smaller the more there are."""
    return float(np.clip(30_000 / len(points), 4, 40))


def _colours(which: np.ndarray) -> np.ndarray:
    return np.asarray(COLOURS)[which % len(COLOURS)]


def _legend(figure: Figure, axes: Axes, classes: Sequence[str]) -> None:
    handles = [
        axes.plot(
            [],
            [],
            MARKERS[i // len(COLOURS) % len(MARKERS)],
            color=COLOURS[i % len(COLOURS)],
            label=_shortened(name),
        )[0]
        for i, name in enumerate(classes)
    ]
    columns = -(-len(classes) // LINES)
    figure.legend(handles=handles, loc="outside right center", frameon=False, ncols=columns, fontsize=10)


LINES = 22
"""Classes one below the other in a legend."""


def _legend_width(classes: Sequence[str]) -> float:
    """Inches, so that the points keep theirs however long the names are."""
    longest = max(len(_shortened(name)) for name in classes)
    return max(1.0, -(-len(classes) // LINES) * (0.5 + 0.085 * longest))
