"""A contact sheet: rows of a data set as picture, sound, features, class and split, on one page to look
at."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.patheffects import withStroke

from seesay.config import FeaturesConfig
from seesay.data.dataset import MISSING, SPLITS, Dataset
from seesay.data.ragged import ContentTable
from seesay.errors import ConfigError, InputError
from seesay.files import new_file
from seesay.signal.feature_axes import FeatureAxes, feature_axes
from seesay.signal.feature_settings import analysis_of
from seesay.spec import ContentSpec, Modality, WaveformSpec, part_of

PLAIN = FeaturesConfig()
SILENCE = np.zeros((1, 1), np.int16)

MOST = 400  # rows on a sheet: a page of 100 lines is as long as anybody scrolls
DECIBELS = 50  # below the loudest of a clip that its sound is shown; quieter is black
DEVIATIONS = 2.5  # from silence or from the mean, at which the colours of features end

# Inches. A cell is its panels side by side and a caption below.
HEIGHT = 1.0
CAPTION = 0.24
BETWEEN = 0.06
MARGIN = 0.22
HEADER = 0.66
ACROSS = 11.0  # width of the page, about
LETTER = 0.1  # of a class, in bold
SPLIT = 0.45  # for the name of a split
DETAIL = 1.25  # for speaker and row
RESOLUTION = 150  # dots an inch

INK, PALE, GROUND, HATCH = "#1a1a1a", "#808080", "#f4f4f4", "#dcdcdc"
COLOURS = {"train": "#3b528b", "valid": "#c0621d", "test": "#21808d", "no split": PALE}

SOUND: dict[str, Any] = {"cmap": "magma", "origin": "lower", "aspect": "auto"}
FEATURES: dict[str, Any] = {"cmap": "RdBu_r", "origin": "lower", "aspect": "auto"}


@dataclass(frozen=True)
class Panel:
    """One image per row of the sheet, in 0 to 1; None where the row has none."""

    images: list[np.ndarray | None]
    width: float
    absent: str
    """What an empty cell says."""
    style: dict[str, Any]
    """How `imshow` shows it."""
    said: str = ""
    """What it is, for the header."""
    axes: FeatureAxes | None = None
    """Of features: what stands at their edges, written on the first of them."""

    @property
    def first(self) -> int:
        """The first row that has one."""
        return next((i for i, image in enumerate(self.images) if image is not None), -1)


def draw_sheet(dataset: Dataset, out: Path | str, rows: int = 24, seed: int = 0) -> int:
    """Writes a PNG of `rows` rows, or of all where there are fewer, and returns how many these are.

    They are drawn by `seed` evenly from the classes and shown in their order. A recording is shown as its
    log-mel spectrum, time to the right, and where a model eats MFCC as those too, as deviations from silence
    (blue below, red above), each column on its own scale; ready-made features as deviations from their mean
    over the rows shown. A missing picture or recording is an empty, hatched cell.

    Less than one row or more than 400, or a file that is not named as a PNG: ConfigError; a data set without
    rows: InputError; the disk is full: OutputError.
    """
    if Path(out).suffix.lower() != ".png":
        raise ConfigError(f"a sheet is a PNG file, got the name {out}", "End it in .png.")
    chosen = choose(dataset, rows, seed)
    figure = _figure(dataset, chosen, list(_panels(dataset, chosen)))
    with new_file(out, "wb") as file:
        figure.savefig(file, format="png", dpi=RESOLUTION, metadata={"Software": None})
    return len(chosen)


def choose(dataset: Dataset, rows: int, seed: int) -> np.ndarray:
    """(rows,) indices in the order of the classes, as many of each as there are, unlabelled rows last."""
    if not 1 <= rows <= MOST:
        raise ConfigError(f"a sheet shows 1 to {MOST} rows, got {rows}")
    if seed < 0:
        raise ConfigError(f"seed must be 0 or more, got {seed}")
    if not len(dataset):
        raise InputError(f"{dataset.name} has no rows to show")
    order = np.random.default_rng(seed).permutation(len(dataset))
    label = dataset.label[order]
    by_class = np.argsort(label, kind="stable")
    starts = np.searchsorted(label[by_class], label[by_class])
    turn = np.empty(len(order), np.int64)
    turn[by_class] = np.arange(len(order)) - starts  # 0 for the first of its class, 1 for the second, ...
    drawn = order[np.lexsort((np.arange(len(order)), turn))[:rows]]
    last = np.where(dataset.label[drawn] == MISSING, len(dataset.spec.classes), dataset.label[drawn])
    return drawn[np.lexsort((drawn, last))]


# ----------------------------------------------------------------------------------------------------- panels


def _panels(dataset: Dataset, rows: np.ndarray) -> Iterator[Panel]:
    for modality, spec in dataset.spec.contents.items():
        yield from part_of(spec, "panels")(dataset, modality, rows, spec)


def picture_panels(
    dataset: Dataset, modality: Modality, rows: np.ndarray, spec: ContentSpec
) -> Iterator[Panel]:
    """The pictures as they are."""
    yield Panel(_spread(dataset, modality, rows, _as_images), 1.0, "no picture", {"cmap": "gray"})


def matrix_panels(
    dataset: Dataset, modality: Modality, rows: np.ndarray, spec: ContentSpec
) -> Iterator[Panel]:
    """Matrices, and vectors as one column."""
    shown = _spread(dataset, modality, rows, lambda values: _deviations(_matrices(values)))
    said = f"{spec}, deviation from their mean"
    yield Panel(shown, 1.5, f"no {modality}", FEATURES, said, feature_axes(PLAIN, spec))


def sound_panels(
    dataset: Dataset, modality: Modality, rows: np.ndarray, spec: WaveformSpec
) -> Iterator[Panel]:
    """Log-mel, and where a model would be given MFCC by default, those too."""
    log_mel, usual = replace(PLAIN, kind="log-mel"), analysis_of(PLAIN, spec)
    shown = _spread(dataset, modality, rows, lambda clips: _log_mel(clips, spec))
    said = f"log-mel ({usual.frames} x {usual.filters}) down to {DECIBELS} dB below the loudest"
    yield Panel(shown, 1.3, "no recording", SOUND, said, feature_axes(log_mel, spec))
    if usual.kind == "mfcc":
        shown = _spread(dataset, modality, rows, lambda clips: _mfcc(clips, spec))
        said = f"mfcc ({usual.frames} x {usual.columns}), deviation from silence"
        yield Panel(shown, 1.0, "", FEATURES, said, feature_axes(PLAIN, spec))


def _spread(
    dataset: Dataset, modality: Modality, rows: np.ndarray, images: Callable[[Any], Iterable[np.ndarray]]
) -> list[np.ndarray | None]:
    """`images` of the contents that these rows have, a cell per row."""
    pointers = dataset.pointers(modality)[rows]
    cells: list[np.ndarray | None] = [None] * len(rows)
    known = np.flatnonzero(pointers != MISSING)
    if len(known):
        for i, image in zip(known, images(dataset.contents[modality][pointers[known]]), strict=True):
            cells[i] = image
    return cells


def _as_images(contents: ContentTable) -> Iterator[np.ndarray]:
    """(h, w) or (h, w, 3) each."""
    for content in contents:
        scaled = content.astype(np.float32) / (255 if content.dtype == np.uint8 else 1)
        moved = np.moveaxis(scaled, 0, -1)
        yield moved[..., 0] if moved.shape[-1] == 1 else moved


def _matrices(values: np.ndarray) -> np.ndarray:
    """(n, frames, columns): a vector is one column of its numbers."""
    return values[:, :, None] if values.ndim == 2 else values


def _log_mel(clips: ContentTable, spec: WaveformSpec) -> np.ndarray:
    """(n, filters, frames): each clip from `DECIBELS` below its loudest, or from silence, to its loudest."""
    plain = replace(PLAIN, kind="log-mel")
    level, silence = _features(clips, plain, spec), _features(SILENCE, plain, spec)
    loudest = level.max((1, 2), keepdims=True)
    lowest = np.maximum(loudest - DECIBELS * math.log(10) / 10, silence.min())
    return np.clip((level - lowest) / np.maximum(loudest - lowest, 1e-6), 0, 1).transpose(0, 2, 1)


def _mfcc(clips: ContentTable, spec: WaveformSpec) -> np.ndarray:
    """(n, columns, frames): deviations from what digital silence gives."""
    return _deviations(_features(clips, PLAIN, spec), _features(SILENCE, PLAIN, spec))


def _features(clips: ContentTable, features: FeaturesConfig, spec: WaveformSpec) -> np.ndarray:
    """(n, frames, columns), not normalised."""
    from seesay.signal.front_ends import front_end, front_of  # brings torch, which takes a second

    return front_of(front_end(features, spec), clips).numpy()


def _deviations(features: np.ndarray, middle: np.ndarray | None = None) -> np.ndarray:
    """(n, columns, frames): 0.5 is the middle (the mean where none is given), 0 and 1 are `DEVIATIONS`
    away."""
    features = features.astype(np.float32)
    away = features - (features.mean((0, 1)) if middle is None else middle)
    scale = np.sqrt((away**2).mean((0, 1)))
    return np.clip(away / np.maximum(scale, 1e-6) / (2 * DEVIATIONS) + 0.5, 0, 1).transpose(0, 2, 1)


# ------------------------------------------------------------------------------------------------------- page


def _figure(dataset: Dataset, rows: np.ndarray, panels: list[Panel]) -> Figure:
    cell = sum(panel.width + BETWEEN for panel in panels) - BETWEEN
    across = min(len(rows), max(1, round((ACROSS - MARGIN) / (cell + MARGIN))))
    step = HEIGHT + CAPTION + MARGIN
    width = MARGIN + max(across * (cell + MARGIN), 6.0)  # inches: narrower would cut the header
    height = HEADER + math.ceil(len(rows) / across) * step
    figure = Figure((width, height), facecolor="white")
    _header(figure, dataset, len(rows), panels)
    for i, row in enumerate(rows):
        left, top = MARGIN + (i % across) * (cell + MARGIN), HEADER + (i // across) * step
        _caption(figure, dataset, int(row), left, top + HEIGHT + CAPTION / 2, cell)
        for panel in panels:
            axes = _axes(figure, left, top, panel.width)
            _show(axes, panel, i)
            if i == panel.first and panel.axes is not None:
                _mark(axes, panel.axes)
            left += panel.width + BETWEEN
    return figure


def _axes(figure: Figure, left: float, top: float, width: float) -> Axes:
    across, down = figure.get_size_inches()
    axes = figure.add_axes((left / across, 1 - (top + HEIGHT) / down, width / across, HEIGHT / down))
    axes.set_axis_off()
    return axes


def _show(axes: Axes, panel: Panel, i: int) -> None:
    image = panel.images[i]
    if image is not None:
        axes.imshow(image, vmin=0, vmax=1, interpolation="nearest", **panel.style)
        return
    axes.add_patch(Rectangle((0, 0), 1, 1, facecolor=GROUND, edgecolor=HATCH, hatch="//", linewidth=0))
    box = {"facecolor": GROUND, "edgecolor": "none", "pad": 2}
    if panel.absent:
        axes.text(0.5, 0.5, panel.absent, ha="center", va="center", size=8, color=PALE, bbox=box)


def _mark(axes: Axes, scale: FeatureAxes) -> None:
    """Within the edges, on whatever colour is there: where time ends, and the columns' marks."""
    look: Any = {"fontsize": 5.5, "color": "white", "clip_on": True}
    frame: Any = [withStroke(linewidth=1.4, foreground=INK)]
    high = axes.get_ylim()[1]
    for place, name in scale.marks:
        across, up = axes.get_xlim()[0] + 0.5, min(max(place, 0.2), high - 1.2)
        axes.text(across, up, name, va="center", path_effects=frame, **look)
    axes.text(0.98, 0.03, scale.time, ha="right", transform=axes.transAxes, path_effects=frame, **look)


def _header(figure: Figure, dataset: Dataset, rows: int, panels: list[Panel]) -> None:
    said = " · ".join(filter(None, [f"{rows:,} of {len(dataset):,} rows", *(panel.said for panel in panels)]))
    _write(figure, MARGIN, 0.2, dataset.name, size=13, weight="bold", color=INK)
    _write(figure, MARGIN, 0.43, said, size=8, color=PALE)


def _caption(figure: Figure, dataset: Dataset, row: int, left: float, top: float, width: float) -> None:
    """The class on the left, then the split; where there is room, the speaker and the row on the right."""
    label, side = int(dataset.label[row]), int(dataset.split[row])
    split = "no split" if side == MISSING else SPLITS[side]
    room = width - SPLIT - (DETAIL if (wide := width >= 2 * DETAIL) else 0)
    name = _short("no label" if label == MISSING else dataset.spec.classes[label], int(room / LETTER))
    _write(figure, left, top, name, size=10, weight="bold", color=INK)
    if wide:
        detail = " · ".join([*_speakers(dataset, row), f"row {row:,}"])
        _write(figure, left + width, top, detail, size=6.5, color=PALE, ha="right")
        _write(figure, left + LETTER * (len(name) + 2), top, split, size=7.5, color=COLOURS[split])
    else:
        _write(figure, left + width, top, split, size=7.5, color=COLOURS[split], ha="right")


def _write(figure: Figure, left: float, top: float, text: str, **style: Any) -> None:
    """Text in the middle of a line, inches from the page's left and top."""
    across, down = figure.get_size_inches()
    figure.text(left / across, 1 - top / down, text, va="center", parse_math=False, **style)


def _speakers(dataset: Dataset, row: int) -> Iterator[str]:
    """Names of the groups that its contents are in."""
    for modality, groups in dataset.groups.items():
        content = int(dataset.pointers(modality)[row])
        for group in groups.values():
            if content != MISSING and group.ids[content] != MISSING:
                yield _short(group.names[group.ids[content]], 10)


def _short(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"
