"""What was measured, as figures for a page or a slide: each function takes plain arrays and returns a
matplotlib Figure.

Figures are objects that nobody else knows of: no pyplot, no settings changed for the whole process, so a
server can draw too. Colours are told apart by those who do not see red or green as well.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Integer, Shaped
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.ticker import FormatStrFormatter, LogLocator, MaxNLocator, NullLocator
from matplotlib.transforms import Bbox

from seesay.condition import JOINT
from seesay.files import new_file
from seesay.metrics.reliability import Reliability
from seesay.signal.feature_axes import FeatureAxes
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


ERRORS = LinearSegmentedColormap.from_list("errors", ["#ffffff", "#fdd0a2", "#f16913", "#8c2d04"])
"""From no error to the most frequent one: the oranges of ColorBrewer."""

Label = Integer[np.ndarray, "n"]
Points = Float[np.ndarray, "n 2"]


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


# --------------------------------------------------------------------------------------------------- learning


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


# ----------------------------------------------------------------------------------------------------- scores


def scores_table(series: Mapping[str, Mapping[str, tuple[float, float, float]]], title: str) -> Figure:
    """A dot and its interval per condition, for each series (a model, a split), whose name is in the legend.

    A score is (value, low, high); low and high are NaN where no interval is known.
    """
    conditions = list(dict.fromkeys(c for scores in series.values() for c in scores))
    figure, (axes,) = _page(9.0, 1.3 + 0.34 * len(conditions) * (len(series) + 0.6))
    _style(axes, title, "macro-F1", grid="x")
    step = 1 / (len(series) + 0.6)
    for s, (name, scores) in enumerate(series.items()):
        colour = INK if len(series) == 1 else COLOURS[s % len(COLOURS)]
        axes.plot([], [], "o", color=colour, label=name)
        for condition, score in scores.items():
            height = conditions.index(condition) + (s - (len(series) - 1) / 2) * step
            _score(axes, height, *score, colour)
    axes.set_yticks(range(len(conditions)), conditions, fontsize=11)
    axes.tick_params(axis="y", length=0)
    axes.set_ylim(len(conditions) - 0.5, -0.5)
    axes.margins(x=0.06)
    if len(series) > 1:
        figure.legend(loc="outside lower center", ncols=3, frameon=False, fontsize=10)
    return figure


def _score(axes: Axes, height: float, value: float, low: float, high: float, colour: str) -> None:
    axes.plot([low, high], [height] * 2, color=colour, linewidth=5, alpha=0.3, solid_capstyle="round")
    axes.plot(value, height, "o", color=colour, markersize=8)
    text = f"{value:.4f}" if math.isnan(low) else f"{value:.4f}  [{low:.4f}, {high:.4f}]"
    place: Any = {"xy": (1.01, height), "xycoords": ("axes fraction", "data"), "va": "center"}
    axes.annotate(text, color=colour, fontsize=9, **place)


LONGEST = 24
"""Letters of a class name in a figure; what is longer is cut in its middle."""

FAINT = 5
"""Errors in a cell from which the darkest orange is used: one of forty is no disaster."""


def _shortened(name: str, most: int = LONGEST) -> str:
    """The beginning and the end of a long name: both tell it from others."""
    half = (most - 1) // 2
    return name if len(name) <= most else f"{name[: most - 1 - half]}…{name[-half:]}"


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


# --------------------------------------------------------------------------------------------------- pictures


@dataclass(frozen=True)
class Mistake:
    """A row and what was wrongly said of it."""

    picture: Shaped[np.ndarray, "c h w"] | None
    """uint8, or floats in [0, 1]; None where the row has none or it was not used."""
    features: Float[np.ndarray, "t f"] | None
    """Of the recording; None likewise."""
    label: str
    prediction: str
    score: float
    """Of the prediction."""
    condition: str


SIDE = 1.05
"""Inches of a picture or a feature matrix."""

CELL = (0.3, 1.95)
"""Inches: between two mistakes across, and from one to the next down."""


def mistakes(
    cells: Sequence[Mistake], total: int | None = None, axes: FeatureAxes | None = None, columns: int = 4
) -> Figure:
    """A contact sheet of mistakes, the surest first; `total`: as many were made. Panels that no mistake has,
    such as the picture where only recordings were used, take no room. `axes`: of the features."""
    shown = sorted(cells, key=lambda mistake: -mistake.score)
    panels = [name for name in ("picture", "features") if any(getattr(m, name) is not None for m in shown)]
    marked = 0.55 if axes and "features" in panels else 0.0  # inches, for the marks of the features' axis
    wide = max(len(panels) * (SIDE + 0.1) + marked, 1.6)
    columns = min(columns if len(panels) > 1 else columns + 2, max(len(shown), 1))
    width, height = (wide + CELL[0]) * columns + 0.12, CELL[1] * -(-len(shown) // columns) + 0.6
    figure = Figure(figsize=(max(width, 5.0), height), facecolor="white")
    FigureCanvasAgg(figure)
    place = (0.12 / max(width, 5.0), 1 - 0.3 / height)
    title = _mistakes_title(len(shown), len(shown) if total is None else total, shown)
    figure.text(*place, title, fontsize=12, fontweight="bold", color=INK, va="center")
    for i, mistake in enumerate(shown):
        left, top = (wide + CELL[0]) * (i % columns) + 0.12, CELL[1] * (i // columns) + 1.0
        _mistake(figure, mistake, left, top, panels, axes, wide)
    return figure


def _mistakes_title(shown: int, total: int, cells: Sequence[Mistake]) -> str:
    if not total:
        return "No mistakes"
    conditions = {cell.condition for cell in cells}
    of = f"{next(iter(conditions))}: " if len(conditions) == 1 else ""
    if shown < total:
        return f"{of}{shown} of {total:,} mistakes, the surest"
    return f"{of}{total} mistakes, the surest first" if total > 1 else f"{of}1 mistake"


def _mistake(
    figure: Figure,
    mistake: Mistake,
    left: float,
    top: float,
    panels: Sequence[str],
    scale: FeatureAxes | None,
    room: float,
) -> None:
    """A cell whose pictures begin `left` and `top` inches from the upper left corner."""
    width, height = figure.get_size_inches()
    for i, panel in enumerate(panels):
        x = left + i * (SIDE + 0.1)
        axes = figure.add_axes((x / width, 1 - (top + SIDE) / height, SIDE / width, SIDE / height))
        if panel == "picture":
            _picture(axes, mistake.picture)
        else:
            _features(axes, mistake.features)
            if scale and mistake.features is not None:
                _mark(axes, mistake.features, scale)
    label = _shortened(mistake.label, int(room / 0.105))  # inches of a letter of 10 points, in bold
    prediction = _shortened(mistake.prediction, int(room / 0.08) - 10)
    lines: Any = (
        (0.31, label, {"fontsize": 10, "fontweight": "bold", "color": INK}),
        (0.12, f"taken for {prediction}", {"fontsize": 9, "color": ORANGE}),
    )
    for above, text, look in lines:
        place = (left / width, 1 - (top - above) / height)
        figure.text(*place, text, va="center", parse_math=False, **look)
    place = (left / width, 1 - (top + SIDE + 0.22) / height)
    figure.text(*place, f"{_sure(mistake.score)} sure", fontsize=8, color=PALE, va="center")


def _sure(score: float) -> str:
    """Never 100 %: no model is."""
    return "over 99.9 %" if score > 0.9995 else f"{100 * score:.1f} %"


def _mark(axes: Axes, features: np.ndarray, scale: FeatureAxes) -> None:
    """Time below, the columns on the right."""
    axes.set_xticks([-0.5, len(features) - 0.5], ["0", scale.time])
    axes.yaxis.tick_right()
    axes.set_yticks([place for place, _ in scale.marks], [name for _, name in scale.marks])
    axes.tick_params(length=2, pad=1, labelsize=6, colors=PALE)
    for label, side in zip(axes.get_xticklabels(), ("left", "right"), strict=True):
        label.set_horizontalalignment(side)


def _picture(axes: Axes, picture: np.ndarray | None) -> None:
    _bare(axes)
    if picture is None:
        return _absent(axes, "no picture")
    white = 255 if picture.dtype == np.uint8 else 1
    shown = picture[0] if len(picture) == 1 else np.moveaxis(picture, 0, -1)
    axes.imshow(shown, cmap="gray", vmin=0, vmax=white)
    return None


def _features(axes: Axes, features: np.ndarray | None, like: np.ndarray | None = None) -> None:
    """Time runs to the right, columns upwards; the colours span the values of `like`, or its own."""
    _bare(axes)
    if features is None:
        return _absent(axes, "no recording")
    low, high = np.percentile(features if like is None else like, [1, 99])
    axes.imshow(features.T, cmap="magma", vmin=low, vmax=high, aspect="auto", origin="lower")
    return None


def _absent(axes: Axes, words: str) -> None:
    axes.set_facecolor("#f2f2f2")
    axes.text(0.5, 0.5, words, ha="center", va="center", fontsize=8, color=PALE, transform=axes.transAxes)


def reconstructions(
    inputs: Float[np.ndarray, "n ..."],
    outputs: Float[np.ndarray, "n ..."],
    most: int = 12,
    axes: FeatureAxes | None = None,
) -> Figure:
    """The first inputs, pictures (c, h, w) or features (t, f), above what an autoencoder made of them.
    `axes`: of the features."""
    shown = min(most, len(inputs))
    figure, panels = _page(max(1.05 * shown + 0.5, 6.5), 2.9, nrows=2, ncols=shown)
    errors = ((inputs - outputs) ** 2).reshape(len(inputs), -1).mean(axis=1)
    title = f"Inputs and their reconstructions, mean squared error {errors.mean():.4f}"
    figure.suptitle(title, x=0.01, ha="left", fontsize=12, fontweight="bold", color=INK)
    for i in range(shown):
        above, below = panels[i], panels[shown + i]
        if inputs.ndim == 4:
            _picture(above, inputs[i])
            _picture(below, outputs[i].clip(0, 1))
        else:
            _features(above, inputs[i])
            _features(below, outputs[i], like=inputs[i])
            if axes and i == shown - 1:
                _mark(below, inputs[i], axes)
        below.set_xlabel(f"{errors[i]:.4f}", fontsize=8, color=PALE)
    panels[0].set_ylabel("input", color=INK)
    panels[shown].set_ylabel("output", color=INK)
    return figure


# ------------------------------------------------------------------------------------------------ projections


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
