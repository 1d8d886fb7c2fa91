"""What an autoencoder makes of its inputs."""

import numpy as np
from jaxtyping import Float
from matplotlib.figure import Figure

from seesay.figures.panels import _features, _mark, _picture
from seesay.figures.style import INK, PALE, _page
from seesay.signal.feature_axes import FeatureAxes


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
