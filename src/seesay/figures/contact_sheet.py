"""A contact sheet: rows of a data set on one page, with their picture, sound, features, class and split."""

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
from seesay.data.dataset import MISSING, NONE, NONE_NAME, SPLITS, Dataset
from seesay.data.ragged import ContentTable
from seesay.errors import ConfigError, InputError
from seesay.files import new_file
from seesay.signal.feature_axes import FeatureAxes, feature_axes
from seesay.signal.feature_settings import analysis_of
from seesay.spec import ContentSpec, Modality, WaveformSpec, part_of

PLAIN = FeaturesConfig()
SILENCE = np.zeros((1, 1), np.int16)

MOST = 400  # rows on a sheet: 100 lines, as far as anybody scrolls
DECIBELS = 50  # range of a spectrogram below the clip's loudest point; quieter is black
DEVIATIONS = 2.5  # standard deviations from silence or the mean at the ends of the colour scale

# Inches. A cell is its panels side by side and a caption below.
HEIGHT = 1.0  # of a panel
CAPTION = 0.24
BETWEEN = 0.06  # two panels
MARGIN = 0.22
HEADER = 0.66
PAGE = 11.0  # approximate width
LETTER = 0.1  # of a class name, in bold
SPLIT = 0.45  # for the name of a split
DETAIL = 1.25  # for speaker and row
RESOLUTION = 150  # dots per inch

INK, PALE, GROUND, HATCH = "#1a1a1a", "#808080", "#f4f4f4", "#dcdcdc"
COLOURS = {"train": "#3b528b", "valid": "#c0621d", "test": "#21808d", "no split": PALE}

SOUND: dict[str, Any] = {"cmap": "magma", "origin": "lower", "aspect": "auto"}
FEATURES: dict[str, Any] = {"cmap": "RdBu_r", "origin": "lower", "aspect": "auto"}


@dataclass(frozen=True)
class Panel:
    """One kind of image on the sheet: for each row its image, values 0 to 1, or None if missing."""

    images: list[np.ndarray | None]
    width: float
    absent: str
    """Text of an empty cell."""
    style: dict[str, Any]
    """Arguments of `imshow`."""
    description: str = ""
    """What the panel shows, for the header."""
    axes: FeatureAxes | None = None
    """Labels of feature axes, written on the first image."""

    @property
    def first(self) -> int:
        """The first row with an image; -1 if there is none."""
        return next((i for i, image in enumerate(self.images) if image is not None), -1)


def draw_sheet(dataset: Dataset, out: Path | str, rows: int = 24, seed: int = 0) -> int:
    """Write a PNG of `rows` rows of the data set, or of all if it has fewer, and return how many it shows.

    Rows are sampled evenly from the classes with `seed`, and ordered by class. A recording is shown as a
    log-mel spectrogram, time to the right. If a model would use MFCC by default, they are shown too: their
    deviations from silence (blue below, red above), scaled by column. Ready-made features are shown as
    deviations from their mean over the rows shown. A missing picture or recording is an empty, hatched cell.

    ConfigError for fewer than 1 or more than 400 rows, or a name that does not end in .png; InputError for a
    data set without rows; OutputError if the file cannot be written.
    """
    if Path(out).suffix.lower() != ".png":
        raise ConfigError(f"a sheet is a PNG file, got the name {out}", "End it in .png.")
    chosen = choose(dataset, rows, seed)
    figure = _figure(dataset, chosen, list(_panels(dataset, chosen)))
    with new_file(out, "wb") as file:
        figure.savefig(file, format="png", dpi=RESOLUTION, metadata={"Software": None})
    return len(chosen)


def choose(dataset: Dataset, rows: int, seed: int) -> np.ndarray:
    """(rows,) indices, sampled evenly from the classes and ordered by class, those without one last."""
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
    rank = np.empty(len(order), np.int64)
    rank[by_class] = np.arange(len(order)) - starts  # 0 for the first of its class, 1 for the second, ...
    sampled = order[np.lexsort((np.arange(len(order)), rank))[:rows]]
    label = dataset.label[sampled]
    class_id = np.where(label < 0, len(dataset.spec.classes) - label, label)
    return sampled[np.lexsort((sampled, class_id))]


# ----------------------------------------------------------------------------------------------------- panels


def _panels(dataset: Dataset, rows: np.ndarray) -> Iterator[Panel]:
    for modality, spec in dataset.spec.contents.items():
        yield from part_of(spec, "panels")(dataset, modality, rows, spec)


def picture_panels(
    dataset: Dataset, modality: Modality, rows: np.ndarray, spec: ContentSpec
) -> Iterator[Panel]:
    """The pictures themselves."""
    yield Panel(_cells(dataset, modality, rows, _as_images), 1.0, "no picture", {"cmap": "gray"})


def matrix_panels(
    dataset: Dataset, modality: Modality, rows: np.ndarray, spec: ContentSpec
) -> Iterator[Panel]:
    """Ready-made matrices, and vectors as a single column."""
    images = _cells(dataset, modality, rows, lambda values: _deviations(_matrices(values)))
    description = f"{spec}, deviation from their mean"
    yield Panel(images, 1.5, f"no {modality}", FEATURES, description, feature_axes(PLAIN, spec))


def sound_panels(
    dataset: Dataset, modality: Modality, rows: np.ndarray, spec: WaveformSpec
) -> Iterator[Panel]:
    """Log-mel spectrograms, and MFCC if a model would use them by default."""
    log_mel, default = replace(PLAIN, kind="log-mel"), analysis_of(PLAIN, spec)
    images = _cells(dataset, modality, rows, lambda clips: _log_mel(clips, spec))
    description = f"log-mel ({default.frames} x {default.filters}) down to {DECIBELS} dB below the loudest"
    yield Panel(images, 1.3, "no recording", SOUND, description, feature_axes(log_mel, spec))
    if default.kind == "mfcc":
        images = _cells(dataset, modality, rows, lambda clips: _mfcc(clips, spec))
        description = f"mfcc ({default.frames} x {default.columns}), deviation from silence"
        yield Panel(images, 1.0, "", FEATURES, description, feature_axes(PLAIN, spec))


def _cells(
    dataset: Dataset, modality: Modality, rows: np.ndarray, images: Callable[[Any], Iterable[np.ndarray]]
) -> list[np.ndarray | None]:
    """For each row the image of its content, made by `images` from a table of contents; None if missing."""
    pointers = dataset.pointers(modality)[rows]
    cells: list[np.ndarray | None] = [None] * len(rows)
    present = np.flatnonzero(pointers != MISSING)
    if len(present):
        for i, image in zip(present, images(dataset.contents[modality][pointers[present]]), strict=True):
            cells[i] = image
    return cells


def _as_images(contents: ContentTable) -> Iterator[np.ndarray]:
    """Images (h, w) or (h, w, 3)."""
    for content in contents:
        scaled = content.astype(np.float32) / (255 if content.dtype == np.uint8 else 1)
        image = np.moveaxis(scaled, 0, -1)
        yield image[..., 0] if image.shape[-1] == 1 else image


def _matrices(values: np.ndarray) -> np.ndarray:
    """(n, frames, columns): a vector becomes a single column."""
    return values[:, :, None] if values.ndim == 2 else values


def _log_mel(clips: ContentTable, spec: WaveformSpec) -> np.ndarray:
    """(n, filters, frames): 1 is a clip's loudest point; 0 is `DECIBELS` below it, or silence if louder."""
    plain = replace(PLAIN, kind="log-mel")
    level, silence = _features(clips, plain, spec), _features(SILENCE, plain, spec)
    loudest = level.max((1, 2), keepdims=True)
    lowest = np.maximum(loudest - DECIBELS * math.log(10) / 10, silence.min())
    return np.clip((level - lowest) / np.maximum(loudest - lowest, 1e-6), 0, 1).transpose(0, 2, 1)


def _mfcc(clips: ContentTable, spec: WaveformSpec) -> np.ndarray:
    """(n, columns, frames): deviations from the MFCC of digital silence."""
    return _deviations(_features(clips, PLAIN, spec), _features(SILENCE, PLAIN, spec))


def _features(clips: ContentTable, features: FeaturesConfig, spec: WaveformSpec) -> np.ndarray:
    """Features (n, frames, columns), not normalised."""
    from seesay.signal.front_ends import (  # imports torch, which takes a second
        features_of_contents,
        front_end,
    )

    return features_of_contents(front_end(features, spec), clips).numpy()


def _deviations(features: np.ndarray, centre: np.ndarray | None = None) -> np.ndarray:
    """(n, columns, frames): deviations from `centre` (default: the mean), scaled so that 0.5 means
    none, and 0 and 1 mean `DEVIATIONS` standard deviations below and above."""
    features = features.astype(np.float32)
    deviation = features - (features.mean((0, 1)) if centre is None else centre)
    scale = np.sqrt((deviation**2).mean((0, 1)))
    return np.clip(deviation / np.maximum(scale, 1e-6) / (2 * DEVIATIONS) + 0.5, 0, 1).transpose(0, 2, 1)


# ------------------------------------------------------------------------------------------------------- page


def _figure(dataset: Dataset, rows: np.ndarray, panels: list[Panel]) -> Figure:
    cell = sum(panel.width + BETWEEN for panel in panels) - BETWEEN
    columns = min(len(rows), max(1, round((PAGE - MARGIN) / (cell + MARGIN))))
    step = HEIGHT + CAPTION + MARGIN
    width = MARGIN + max(columns * (cell + MARGIN), 6.0)  # inches: narrower would cut the header
    height = HEADER + math.ceil(len(rows) / columns) * step
    figure = Figure((width, height), facecolor="white")
    _header(figure, dataset, len(rows), panels)
    for i, row in enumerate(rows):
        left, top = MARGIN + (i % columns) * (cell + MARGIN), HEADER + (i // columns) * step
        _caption(figure, dataset, int(row), left, top + HEIGHT + CAPTION / 2, cell)
        for panel in panels:
            axes = _axes(figure, left, top, panel.width)
            _draw(axes, panel, i)
            if i == panel.first and panel.axes is not None:
                _label_axes(axes, panel.axes)
            left += panel.width + BETWEEN
    return figure


def _axes(figure: Figure, left: float, top: float, width: float) -> Axes:
    page, height = figure.get_size_inches()
    axes = figure.add_axes((left / page, 1 - (top + HEIGHT) / height, width / page, HEIGHT / height))
    axes.set_axis_off()
    return axes


def _draw(axes: Axes, panel: Panel, i: int) -> None:
    image = panel.images[i]
    if image is not None:
        axes.imshow(image, vmin=0, vmax=1, interpolation="nearest", **panel.style)
        return
    axes.add_patch(Rectangle((0, 0), 1, 1, facecolor=GROUND, edgecolor=HATCH, hatch="//", linewidth=0))
    box = {"facecolor": GROUND, "edgecolor": "none", "pad": 2}
    if panel.absent:
        axes.text(0.5, 0.5, panel.absent, ha="center", va="center", size=8, color=PALE, bbox=box)


def _label_axes(axes: Axes, scale: FeatureAxes) -> None:
    """Label the end of time and the columns, inside the image, readable on any colour."""
    look: Any = {"fontsize": 5.5, "color": "white", "clip_on": True}
    frame: Any = [withStroke(linewidth=1.4, foreground=INK)]
    high = axes.get_ylim()[1]
    for column, name in scale.marks:
        x, y = axes.get_xlim()[0] + 0.5, min(max(column, 0.2), high - 1.2)
        axes.text(x, y, name, va="center", path_effects=frame, **look)
    axes.text(0.98, 0.03, scale.time, ha="right", transform=axes.transAxes, path_effects=frame, **look)


def _header(figure: Figure, dataset: Dataset, rows: int, panels: list[Panel]) -> None:
    count = f"{rows:,} of {len(dataset):,} rows"
    line = " · ".join(filter(None, [count, *(panel.description for panel in panels)]))
    _write(figure, MARGIN, 0.2, dataset.name, size=13, weight="bold", color=INK)
    _write(figure, MARGIN, 0.43, line, size=8, color=PALE)


def _caption(figure: Figure, dataset: Dataset, row: int, left: float, top: float, width: float) -> None:
    """Write the class on the left, then the split and, if there is room, speaker and row on the right."""
    label, split_id = int(dataset.label[row]), int(dataset.split[row])
    split = "no split" if split_id == MISSING else SPLITS[split_id]
    room = width - SPLIT - (DETAIL if (wide := width >= 2 * DETAIL) else 0)
    name = {MISSING: "no label", NONE: NONE_NAME}.get(label) or dataset.spec.classes[label]
    name = _short(name, int(room / LETTER))
    _write(figure, left, top, name, size=10, weight="bold", color=INK)
    if wide:
        detail = " · ".join([*_speakers(dataset, row), f"row {row:,}"])
        _write(figure, left + width, top, detail, size=6.5, color=PALE, ha="right")
        _write(figure, left + LETTER * (len(name) + 2), top, split, size=7.5, color=COLOURS[split])
    else:
        _write(figure, left + width, top, split, size=7.5, color=COLOURS[split], ha="right")


def _write(figure: Figure, left: float, top: float, text: str, **style: Any) -> None:
    """Write a line of text, its middle this many inches from the left and top of the page."""
    width, height = figure.get_size_inches()
    figure.text(left / width, 1 - top / height, text, va="center", parse_math=False, **style)


def _speakers(dataset: Dataset, row: int) -> Iterator[str]:
    """Names of the groups of its contents, such as speakers."""
    for modality, groups in dataset.groups.items():
        content = int(dataset.pointers(modality)[row])
        for group in groups.values():
            if content != MISSING and group.ids[content] != MISSING:
                yield _short(group.names[group.ids[content]], 10)


def _short(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"
