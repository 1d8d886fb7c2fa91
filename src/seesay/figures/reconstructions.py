"""Inputs of an autoencoder and their reconstructions."""

import numpy as np
from jaxtyping import Float
from matplotlib.figure import Figure

from seesay.figures.panels import draw_features, draw_picture, label_feature_axes
from seesay.figures.style import INK, PALE, page
from seesay.signal.feature_axes import FeatureAxes


def reconstructions(
    inputs: Float[np.ndarray, "n ..."],
    outputs: Float[np.ndarray, "n ..."],
    most: int = 12,
    axes: FeatureAxes | None = None,
) -> Figure:
    """The first `most` inputs, pictures (c, h, w) or features (t, f), each above its reconstruction and mean
    squared error. `axes` labels the features."""
    count = min(most, len(inputs))
    figure, panels = page(max(1.05 * count + 0.5, 6.5), 2.9, nrows=2, ncols=count)
    errors = ((inputs - outputs) ** 2).reshape(len(inputs), -1).mean(axis=1)
    title = f"Inputs and their reconstructions, mean squared error {errors.mean():.4f}"
    figure.suptitle(title, x=0.01, ha="left", fontsize=12, fontweight="bold", color=INK)
    for i in range(count):
        above, below = panels[i], panels[count + i]
        if inputs.ndim == 4:
            draw_picture(above, inputs[i])
            draw_picture(below, outputs[i].clip(0, 1))
        else:
            draw_features(above, inputs[i])
            draw_features(below, outputs[i], like=inputs[i])
            if axes and i == count - 1:
                label_feature_axes(below, inputs[i], axes)
        below.set_xlabel(f"{errors[i]:.4f}", fontsize=8, color=PALE)
    panels[0].set_ylabel("input", color=INK)
    panels[count].set_ylabel("output", color=INK)
    return figure
