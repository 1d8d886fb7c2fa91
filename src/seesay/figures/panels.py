"""Draw one content in its own axes: a picture, or a matrix of features over time."""

import numpy as np
from matplotlib.axes import Axes

from seesay.figures.style import PALE, hide_axes
from seesay.signal.feature_axes import FeatureAxes


def draw_picture(axes: Axes, picture: np.ndarray | None) -> None:
    """Draw a picture (c, h, w), uint8 or floats in [0, 1]. None: draw "no picture"."""
    hide_axes(axes)
    if picture is None:
        return _draw_missing(axes, "no picture")
    white = 255 if picture.dtype == np.uint8 else 1
    pixels = picture[0] if len(picture) == 1 else np.moveaxis(picture, 0, -1)
    axes.imshow(pixels, cmap="gray", vmin=0, vmax=white)
    return None


def draw_features(axes: Axes, features: np.ndarray | None, like: np.ndarray | None = None) -> None:
    """Draw features (t, f), time to the right and columns upwards. The colours span the values of `like`, or
    of the features. None: draw "no recording"."""
    hide_axes(axes)
    if features is None:
        return _draw_missing(axes, "no recording")
    low, high = np.percentile(features if like is None else like, [1, 99])
    axes.imshow(features.T, cmap="magma", vmin=low, vmax=high, aspect="auto", origin="lower")
    return None


def label_feature_axes(axes: Axes, features: np.ndarray, scale: FeatureAxes) -> None:
    """Label time below and the columns on the right."""
    axes.set_xticks([-0.5, len(features) - 0.5], ["0", scale.time])
    axes.yaxis.tick_right()
    axes.set_yticks([position for position, _ in scale.marks], [name for _, name in scale.marks])
    axes.tick_params(length=2, pad=1, labelsize=6, colors=PALE)
    for label, side in zip(axes.get_xticklabels(), ("left", "right"), strict=True):
        label.set_horizontalalignment(side)


def _draw_missing(axes: Axes, text: str) -> None:
    axes.set_facecolor("#f2f2f2")
    axes.text(0.5, 0.5, text, ha="center", va="center", fontsize=8, color=PALE, transform=axes.transAxes)
