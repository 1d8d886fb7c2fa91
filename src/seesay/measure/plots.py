"""What was measured, as figures for a page or a slide: each function takes plain arrays and returns a matplotlib Figure.

Figures are objects that nobody else knows of: no pyplot, no settings changed for the whole process, so a server can draw
too. Colours are told apart by those who do not see red or green as well.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Integer, Shaped
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke
from matplotlib.ticker import FormatStrFormatter, LogLocator, MaxNLocator, NullFormatter

from seesay.files import new_file
from seesay.measure.calibration import Reliability

DOTS = 150
"""Pixels an inch of a saved figure."""

INK, PALE, RULE = "#222222", "#8a8a8a", "#e3e3e3"
"""Text and lines that matter; what is said aside; grid."""

COLOURS = (
    "#332288", "#cc6677", "#117733", "#ddaa33", "#88ccee",
    "#882255", "#44aa99", "#999933", "#aa4499", "#111111",
)  # fmt: skip
"""Of classes: the muted scheme of Paul Tol, "Colour Schemes", SRON/EPS/TN/09-002, its sand made stronger, and black."""

MARKERS = "o^sDvP"
"""The eleventh class begins with the colours again, and another shape."""

CONDITIONS = {"image": "#0072b2", "audio": "#d55e00", "image+audio": INK}
"""Blue and vermilion of Okabe and Ito (2008)."""

ERRORS = LinearSegmentedColormap.from_list("errors", ["#ffffff", "#fdd0a2", "#f16913", "#8c2d04"])
"""From no error to the most frequent one: the oranges of ColorBrewer."""

OUTLINE = [withStroke(linewidth=3, foreground="white")]

Label = Integer[np.ndarray, "n"]
Points = Float[np.ndarray, "n 2"]


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
    """The house style: title on the left, two spines, a faint grid behind the data. `grid`: both, x, y or none."""
    axes.set_title(title, loc="left", fontsize=12, fontweight="bold", color=INK, pad=10)
    axes.set_xlabel(x, color=INK)
    axes.set_ylabel(y, color=INK)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(PALE)
    axes.tick_params(colors=INK, length=3, labelsize=9)
    axes.set_axisbelow(True)
    if grid in ("both", "x", "y"):
        axes.grid(axis=grid, color=RULE, linewidth=0.8)  # ty: ignore[invalid-argument-type]


def _bare(axes: Axes) -> None:
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set_visible(False)


# ------------------------------------------------------------------------------------------------------------- learning


def learning_curves(epochs: Sequence[Mapping[str, Any]]) -> Figure:
    """The loss, and the validation macro-F1 of each condition, epoch by epoch.

    An epoch has `number`, `loss`, `scores` ({condition: macro-F1}, may be empty) and `seconds`. Scores stand on a scale of
    errors, so that from 0.99 to 0.999 is as far as from 0.9 to 0.99.
    """
    figure, (left, right) = _page(10, 4.4, ncols=2, width_ratios=[2, 3])
    numbers = [epoch["number"] for epoch in epochs]
    seconds = sum(epoch["seconds"] for epoch in epochs)
    _style(left, "Loss in training", "epoch")
    left.plot(numbers, [epoch["loss"] for epoch in epochs], color=INK, linewidth=2, marker="o", markersize=3)
    left.set_yscale("log")
    left.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    left.yaxis.set_major_formatter(FormatStrFormatter("%g"))
    left.yaxis.set_minor_formatter(NullFormatter())
    _style(right, "Macro-F1 in validation", f"epoch  ({len(epochs)} in {seconds:,.0f} s)")
    scored = [epoch for epoch in epochs if epoch["scores"]]
    conditions = list(dict.fromkeys(c for epoch in scored for c in epoch["scores"]))
    ends = {}
    for condition in conditions:
        having = [epoch for epoch in scored if condition in epoch["scores"]]
        values = [epoch["scores"][condition] for epoch in having]
        heights = _nines(values)
        colour = CONDITIONS.get(condition, PALE)
        right.plot([e["number"] for e in having], heights, color=colour, linewidth=2, marker="o", markersize=3)
        ends[f"{condition} {values[-1]:.3f}"] = (heights[-1], colour)
    _score_ticks(right)
    _name_the_ends(right, ends)
    for axes in (left, right):
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    return figure


def _nines(scores: Sequence[float]) -> np.ndarray:
    """How many nines a score has: 0.9 is 1, 0.99 is 2; at most 4."""
    return -np.log10(np.clip(1 - np.asarray(scores, dtype=float), 1e-4, 1))


def _score_ticks(axes: Axes) -> None:
    """Macro-F1 written at heights that `_nines` gave, over the range that is there."""
    low, high = axes.get_ylim()
    low, high = max(low, -0.02), max(high, low + 0.3)
    axes.set_ylim(low, high)
    ladder = [0, 0.2, 0.5, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 0.998, 0.999, 0.9995, 0.9999]
    ticks = [score for score in ladder if low <= _nines([score])[0] <= high]
    axes.set_yticks(_nines(ticks), [f"{tick:g}" for tick in ticks])


def _name_the_ends(axes: Axes, ends: Mapping[str, tuple[float, str]]) -> None:
    """Names beside the last points of lines, moved apart where they would overlap."""
    low, high = axes.get_ylim()
    gap, last = 0.065 * (high - low), -np.inf
    for name, (height, colour) in sorted(ends.items(), key=lambda end: end[1][0]):
        last = max(height, last + gap)
        place = (1.02, (last - low) / (high - low))
        axes.annotate(name, place, xycoords="axes fraction", color=colour, fontweight="bold", fontsize=9, va="center")


# --------------------------------------------------------------------------------------------------------------- scores


def scores_table(series: Mapping[str, Mapping[str, tuple[float, float, float]]], title: str) -> Figure:
    """A dot and its interval per condition, for each series (a model, a split), its name in the legend.

    A score is (value, low, high); low and high are NaN where no interval is known.
    """
    conditions = list(dict.fromkeys(c for scores in series.values() for c in scores))
    figure, (axes,) = _page(9, 1.3 + 0.34 * len(conditions) * (len(series) + 0.6))
    _style(axes, title, "macro-F1", grid="x")
    step = 1 / (len(series) + 0.6)
    for s, (name, scores) in enumerate(series.items()):
        colour = INK if len(series) == 1 else COLOURS[s % len(COLOURS)]
        for c, (condition, (value, low, high)) in enumerate((c, scores[c]) for c in conditions if c in scores):
            y = conditions.index(condition) + (s - (len(series) - 1) / 2) * step
            axes.plot([low, high], [y, y], color=colour, linewidth=5, alpha=0.3, solid_capstyle="round")
            axes.plot(value, y, "o", color=colour, markersize=8, label=name if c == 0 else None)
            axes.annotate(
                f"{value:.4f}" if np.isnan(low) else f"{value:.4f}  [{low:.4f}, {high:.4f}]",
                (1.01, y),
                xycoords=("axes fraction", "data"),
                color=colour,
                fontsize=9,
                va="center",
            )
    axes.set_yticks(range(len(conditions)), conditions, fontsize=11)
    axes.tick_params(axis="y", length=0)
    axes.set_ylim(len(conditions) - 0.5, -0.5)
    axes.margins(x=0.06)
    if len(series) > 1:
        axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.2), ncols=3, frameon=False, fontsize=9)
    return figure


def confusion(matrix: Integer[np.ndarray, "k k"], classes: Sequence[str], title: str) -> Figure:
    """Labels down, predictions across; errors in orange, what is right in grey, so that the errors stand out."""
    k = len(classes)
    cell = min(0.52, 11 / k)
    figure, (axes,) = _page(cell * k + 2.4, cell * k + 1.6)
    wrong = matrix * (1 - np.eye(k, dtype=int))
    _style(axes, f"{title}: {wrong.sum():,} of {matrix.sum():,} wrong", "predicted", "label", grid="none")
    shade = np.sqrt(wrong / max(wrong.max(), 1))
    axes.imshow(np.where(np.eye(k, dtype=bool), np.nan, shade), cmap=ERRORS, vmin=0, vmax=1)
    axes.set_facecolor("#ececec")
    size = min(10, 72 * cell * 0.3)
    for i, j in np.argwhere(matrix):
        colour = PALE if i == j else "white" if shade[i, j] > 0.75 else INK
        weight = "normal" if i == j else "bold"
        axes.text(j, i, str(matrix[i, j]), ha="center", va="center", fontsize=size, color=colour, fontweight=weight)
    rows = matrix.sum(axis=1)
    for i in np.flatnonzero(rows):
        recall = f"{100 * matrix[i, i] / rows[i]:.1f} %"
        axes.annotate(recall, (k - 0.3, i), fontsize=size, color=PALE, va="center", annotation_clip=False)
    axes.annotate("recall", (k - 0.3, -0.8), fontsize=size, color=PALE, va="center", annotation_clip=False)
    turned = 90 if max(map(len, classes)) > 3 else 0
    axes.set_xticks(range(k), classes, fontsize=size, rotation=turned)
    axes.set_yticks(range(k), classes, fontsize=size)
    axes.set_xticks(np.arange(k + 1) - 0.5, minor=True)
    axes.set_yticks(np.arange(k + 1) - 0.5, minor=True)
    axes.grid(which="minor", color="white", linewidth=1)
    axes.tick_params(which="both", length=0)
    axes.spines[:].set_visible(False)
    return figure


def reliability(tables: Mapping[str, Reliability]) -> Figure:
    """Per condition: how often rows of a confidence are right (on the dashed line: as often as it says), and their share."""
    figure, panels = _page(4 * len(tables) + 0.4, 4.8, nrows=2, ncols=len(tables), height_ratios=[4, 1], sharex="col")
    tops, bottoms = panels[: len(tables)], panels[len(tables) :]
    for top, bottom, (condition, table) in zip(tops, bottoms, tables.items(), strict=True):
        colour = CONDITIONS.get(condition, INK)
        share = table.rows / table.rows.sum()
        _style(top, f"{condition}: ECE {table.ece:.3f}", y="share that is right" if top is tops[0] else "")
        top.plot([0, 1], [0, 1], color=PALE, linewidth=1, linestyle=(0, (4, 3)))
        top.vlines(table.confidence, table.confidence, table.accuracy, color=colour, linewidth=1.5, alpha=0.5)
        top.scatter(table.confidence, table.accuracy, s=15 + 150 * np.sqrt(share), color=colour, zorder=3)
        top.set(xlim=(0, 1.02), ylim=(0, 1.04))
        _style(bottom, x="confidence", y="rows" if bottom is bottoms[0] else "", grid="y")
        bottom.bar(table.edges[:-1], table.rows, np.diff(table.edges), align="edge", color=colour, alpha=0.6, linewidth=0)
        bottom.set_yscale("log")
        bottom.set_ylim(bottom=0.5)
    return figure


# ------------------------------------------------------------------------------------------------------------- pictures


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


def mistakes(cells: Sequence[Mistake], columns: int = 4, most: int = 24) -> Figure:
    """A contact sheet of the `most` mistakes with the highest scores, the surest first."""
    shown = sorted(cells, key=lambda mistake: -mistake.score)[:most]
    rows = max(1, -(-len(shown) // columns))
    figure = Figure(figsize=(2.5 * columns, 1.75 * rows + 0.6), facecolor="white")
    FigureCanvasAgg(figure)
    height = 1.75 * rows + 0.6
    title = f"The {len(shown)} surest of {len(cells):,} mistakes" if cells else "No mistakes"
    figure.text(0.1 / (2.5 * columns), 1 - 0.3 / height, title, fontsize=12, fontweight="bold", color=INK, va="center")
    for i, mistake in enumerate(shown):
        left, top = 2.5 * (i % columns) + 0.12, 0.75 + 1.75 * (i // columns)
        _mistake(figure, mistake, left, top)
    return figure


def _mistake(figure: Figure, mistake: Mistake, left: float, top: float) -> None:
    """One cell; `left` and `top` in inches from the upper left corner."""
    width, height = figure.get_size_inches()

    def place(x: float, y: float, side: float) -> tuple[float, float, float, float]:
        return ((left + x) / width, 1 - (top + y + side) / height, side / width, side / height)

    x, y, *_ = place(0, 0.08, 0)
    figure.text(x, y, f"{mistake.label}", fontsize=12, fontweight="bold", color=INK, va="center")
    said = f"taken for {mistake.prediction}"
    figure.text(x + 0.1 * (1 + len(mistake.label)) / width, y, said, fontsize=9.5, color=CONDITIONS["audio"], va="center")
    aside = f"{100 * mistake.score:.0f} % sure"
    figure.text(x + 2.2 / width, y, aside, fontsize=8, color=PALE, va="center", ha="right")
    _picture(figure.add_axes(place(0, 0.25, 1.05)), mistake.picture)
    _features(figure.add_axes(place(1.15, 0.25, 1.05)), mistake.features)


def _picture(axes: Axes, picture: np.ndarray | None) -> None:
    _bare(axes)
    if picture is None:
        return _absent(axes, "no picture")
    white = 255 if picture.dtype == np.uint8 else 1
    shown = picture[0] if len(picture) == 1 else np.moveaxis(picture, 0, -1)
    axes.imshow(shown, cmap="gray", vmin=0, vmax=white)
    return None


def _features(axes: Axes, features: np.ndarray | None) -> None:
    """Time runs to the right, columns upwards."""
    _bare(axes)
    if features is None:
        return _absent(axes, "no recording")
    low, high = np.percentile(features, [1, 99])
    axes.imshow(features.T, cmap="magma", vmin=low, vmax=high, aspect="auto", origin="lower")
    return None


def _absent(axes: Axes, words: str) -> None:
    axes.set_facecolor("#f2f2f2")
    axes.text(0.5, 0.5, words, ha="center", va="center", fontsize=8, color=PALE, transform=axes.transAxes)


def reconstructions(inputs: Float[np.ndarray, "n ..."], outputs: Float[np.ndarray, "n ..."], most: int = 12) -> Figure:
    """The first `most` inputs, pictures (c, h, w) or features (t, f), above what an autoencoder made of them."""
    shown = min(most, len(inputs))
    figure, panels = _page(1.05 * shown + 0.5, 3.0, nrows=2, ncols=shown)
    error = ((inputs - outputs) ** 2).mean()
    figure.suptitle(
        f"Inputs and their reconstructions, mean squared error {error:.4f}",
        x=0.01, ha="left", fontsize=12, fontweight="bold", color=INK,
    )  # fmt: skip
    draw = _picture if inputs.ndim == 4 else _features
    for i in range(shown):
        draw(panels[i], inputs[i])
        draw(panels[shown + i], np.clip(outputs[i], 0, 1) if inputs.ndim == 4 else outputs[i])
        panels[shown + i].set_xlabel(f"{((inputs[i] - outputs[i]) ** 2).mean():.4f}", fontsize=8, color=PALE)
    panels[0].set_ylabel("input", color=INK)
    panels[shown].set_ylabel("output", color=INK)
    return figure


# ---------------------------------------------------------------------------------------------------------- projections


def scatter(points: Points, label: Label, classes: Sequence[str], title: str) -> Figure:
    """A projection coloured by label; each class is named where it lies and in the legend."""
    figure, (axes,) = _page(8.4, 7)
    _scatter(axes, points, label, classes, title)
    _legend(figure, axes, classes)
    return figure


def scatter_pair(points: Points, label: Label, assignment: Label, classes: Sequence[str], title: str) -> Figure:
    """By label on the left, by k-means cluster on the right: clusters wear the colour of the class they stand for.

    Rows whose cluster stands for another class than theirs are ringed in black, the others faint.
    """
    figure, (left, right) = _page(14, 6.6, ncols=2, sharex=True, sharey=True)
    wrong = assignment != label
    _scatter(left, points, label, classes, f"{title}, by label")
    heading = f"By k-means cluster: {100 * wrong.mean():.1f} % in another class's (ringed)"
    _scatter(right, points, assignment, classes, heading, strength=0.25)
    style = {"s": 2.2 * _area(points), "linewidths": 0.6, "edgecolors": INK}
    right.scatter(*points[wrong].T, c=_colours(assignment[wrong]), **style)
    _legend(figure, right, classes)
    return figure


def _scatter(axes: Axes, points: np.ndarray, which: np.ndarray, classes: Sequence[str], title: str, strength=0.75) -> None:
    _style(axes, title, grid="none")
    _bare(axes)
    axes.set_aspect("equal", adjustable="datalim")
    order = np.random.default_rng(0).permutation(len(points))  # so that no class lies on top of another
    shape = which // len(COLOURS)
    for s in np.unique(shape):
        rows = order[shape[order] == s]
        look = {"s": _area(points), "marker": MARKERS[s % len(MARKERS)], "linewidths": 0, "alpha": strength}
        axes.scatter(*points[rows].T, c=_colours(which[rows]), **look)
    for index in np.unique(which):
        own = points[which == index]
        x, y = own[np.linalg.norm(own - np.median(own, axis=0), axis=1).argmin()]
        look = {"fontsize": 14 if len(classes) <= 12 else 9, "color": COLOURS[index % len(COLOURS)], "ha": "center"}
        axes.text(x, y, classes[index], fontweight="bold", va="center", path_effects=OUTLINE, **look)


def _area(points: np.ndarray) -> float:
    """Of a marker, in square points: smaller the more there are."""
    return float(np.clip(30_000 / len(points), 4, 40))


def _colours(which: np.ndarray) -> np.ndarray:
    return np.asarray(COLOURS)[which % len(COLOURS)]


def _legend(figure: Figure, axes: Axes, classes: Sequence[str]) -> None:
    handles = [
        axes.plot([], [], MARKERS[i // len(COLOURS) % len(MARKERS)], color=COLOURS[i % len(COLOURS)], label=name)[0]
        for i, name in enumerate(classes)
    ]
    columns = -(-len(classes) // 22)
    figure.legend(handles=handles, loc="outside right center", frameon=False, ncols=columns, fontsize=10)
