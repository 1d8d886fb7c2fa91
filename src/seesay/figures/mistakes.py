"""A contact sheet of mistakes."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, Shaped
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from seesay.figures.panels import _features, _mark, _picture
from seesay.figures.style import INK, ORANGE, PALE, _shortened
from seesay.signal.feature_axes import FeatureAxes


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
