"""One picture, or the features of one recording, in axes of its own."""

import numpy as np
from matplotlib.axes import Axes

from seesay.figures.style import PALE, _bare
from seesay.signal.feature_axes import FeatureAxes


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
