"""The most confident mistakes: a contact sheet of their pictures and recordings, or a table if they have
neither."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from jaxtyping import Float, Shaped
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from seesay.figures.panels import draw_features, draw_picture, label_feature_axes
from seesay.figures.style import INK, ORANGE, PALE, RULE, shortened
from seesay.signal.feature_axes import FeatureAxes


@dataclass(frozen=True)
class Mistake:
    """A row with a wrong prediction."""

    row: int
    """Index in the data set."""
    picture: Shaped[np.ndarray, "c h w"] | None
    """uint8, or floats in [0, 1]; None if the row has none or it was not used."""
    features: Float[np.ndarray, "t f"] | None
    """Features of the recording; None if the row has no recording or it was not used."""
    label: str
    prediction: str
    probability: float
    """Of the predicted class."""
    condition: str
    opinions: Mapping[str, tuple[str, float] | None] = field(default_factory=dict)
    """By modality, what it predicts on its own and the probability; None: the row lacks it. Empty if only
    one modality was used."""


MARGIN = 0.12
"""Left margin of the title and the cells, in inches."""

SIDE = 1.05
"""Inches of a picture or a feature matrix."""

GAP, ROW = 0.3, 1.95
"""Inches between two cells of the sheet, and from one row of cells to the next."""

LINE = 0.27
"""Inches of a line of the table."""


def mistakes_figure(
    mistakes: Sequence[Mistake],
    total: int | None = None,
    axes: FeatureAxes | None = None,
    columns: int = 4,
    title: str = "",
) -> Figure:
    """The mistakes, most confident first: a contact sheet, or a table if none has a picture or features.

    `total`: the number of mistakes, if these are only some of them. `axes` labels the features. A panel that
    no mistake has, such as the picture where only recordings were used, is left out. `title`: what to write
    above them, in this order, in place of their number.
    """
    ranked = list(mistakes) if title else sorted(mistakes, key=lambda mistake: -mistake.probability)
    title = title or _title(ranked, len(ranked) if total is None else total)
    panels = [name for name in ("picture", "features") if any(getattr(m, name) is not None for m in ranked)]
    return _sheet(ranked, title, panels, axes, columns) if panels or not ranked else _table(ranked, title)


def _title(mistakes: Sequence[Mistake], total: int) -> str:
    if not total:
        return "No mistakes"
    conditions = {mistake.condition for mistake in mistakes}
    prefix = f"{next(iter(conditions))}: " if len(conditions) == 1 else ""
    if total == 1:
        return f"{prefix}1 mistake"
    count = f"{len(mistakes)} of {total:,}" if len(mistakes) < total else f"{total:,}"
    return f"{prefix}{count} mistakes, most confident first"


def _blank(width: float, height: float, title: str) -> Figure:
    figure = Figure(figsize=(width, height), facecolor="white")
    FigureCanvasAgg(figure)
    _write(figure, MARGIN, 0.3, title, fontsize=12, fontweight="bold", color=INK)
    return figure


def _write(figure: Figure, left: float, top: float, text: str, **style: Any) -> None:
    """Write a line of text that starts `left` inches from the left edge of the page, vertically centred `top`
    inches below its upper edge."""
    width, height = figure.get_size_inches()
    figure.text(left / width, 1 - top / height, text, va="center", parse_math=False, **style)


# ------------------------------------------------------------------------------------------------------ sheet


def _sheet(
    mistakes: Sequence[Mistake], title: str, panels: Sequence[str], axes: FeatureAxes | None, columns: int
) -> Figure:
    tick_labels = 0.55 if axes and "features" in panels else 0.0  # inches
    cell = max(len(panels) * (SIDE + 0.1) + tick_labels, 1.75)
    columns = min(columns if len(panels) > 1 else columns + 2, max(len(mistakes), 1))
    width = max((cell + GAP) * columns + MARGIN, 5.0)
    figure = _blank(width, ROW * -(-len(mistakes) // columns) + 0.6, title)
    for i, mistake in enumerate(mistakes):
        left, top = (cell + GAP) * (i % columns) + MARGIN, ROW * (i // columns) + 1.0
        _draw_cell(figure, mistake, left, top, panels, axes, cell)
    return figure


def _draw_cell(
    figure: Figure,
    mistake: Mistake,
    left: float,
    top: float,
    panels: Sequence[str],
    scale: FeatureAxes | None,
    room: float,
) -> None:
    """Draw a cell `room` inches wide; its panels start `left` and `top` inches from the upper left corner."""
    width, height = figure.get_size_inches()
    for i, panel in enumerate(panels):
        x = left + i * (SIDE + 0.1)
        axes = figure.add_axes((x / width, 1 - (top + SIDE) / height, SIDE / width, SIDE / height))
        if panel == "picture":
            draw_picture(axes, mistake.picture)
        else:
            draw_features(axes, mistake.features)
            if scale and mistake.features is not None:
                label_feature_axes(axes, mistake.features, scale)
    label = shortened(mistake.label, int(room / 0.105))  # inches per letter of 10 points, in bold
    prediction = shortened(mistake.prediction, int(room / 0.078) - len("predicted as "))
    confidence = f"{_percent(mistake.probability)} confident"
    _write(figure, left, top - 0.31, label, fontsize=10, fontweight="bold", color=INK)
    _write(figure, left, top - 0.12, f"predicted as {prediction}", fontsize=9, color=ORANGE)
    _write(figure, left, top + SIDE + 0.22, confidence, fontsize=8, color=PALE)


def _percent(probability: float) -> str:
    """The probability as a percentage; "over 99.9 %" instead of 100 %, since no model is certain."""
    return "over 99.9 %" if probability > 0.9995 else f"{100 * probability:.1f} %"


# ------------------------------------------------------------------------------------------------------ table


def _table(mistakes: Sequence[Mistake], title: str) -> Figure:
    """A line per mistake: row, label, prediction, probability, and what each modality predicts on its own,
    wrong predictions in orange."""
    modalities = list(dict.fromkeys(modality for mistake in mistakes for modality in mistake.opinions))
    heads = [(name, PALE) for name in ("row", "label", "predicted", "probability")]
    lines = [[*heads, *((shortened(f"{name} alone"), PALE) for name in modalities)]]
    for m in mistakes:
        line = [(f"{m.row:,}", PALE), (shortened(m.label), INK), (shortened(m.prediction), ORANGE)]
        line.append((_percent(m.probability), INK))
        lines.append([*line, *(_opinion(m, modality) for modality in modalities)])
    widths = [0.085 * max(len(text) for text, _ in column) + 0.25 for column in zip(*lines, strict=True)]
    width = max(MARGIN + sum(widths), 0.12 * len(title) + 0.3)
    figure = _blank(width, LINE * len(lines) + 0.75, title)
    for i, line in enumerate(lines):
        left, top = MARGIN, 0.75 + LINE * i
        for column, ((text, colour), room) in enumerate(zip(line, widths, strict=True)):
            weight = "bold" if i and column == 1 else "normal"
            _write(figure, left, top, text, fontsize=9, color=colour, fontweight=weight)
            left += room
        y = 1 - (top + LINE / 2) / figure.get_figheight()
        figure.add_artist(Line2D([MARGIN / width, 1 - MARGIN / width], [y] * 2, color=RULE, linewidth=0.8))
    return figure


def _opinion(mistake: Mistake, modality: str) -> tuple[str, str]:
    """The text and colour of what a modality predicts on its own."""
    opinion = mistake.opinions.get(modality)
    if opinion is None:
        return "missing", PALE
    prediction, probability = opinion
    text = f"{shortened(prediction, 16)}  {_percent(probability)}"
    return text, INK if prediction == mistake.label else ORANGE
