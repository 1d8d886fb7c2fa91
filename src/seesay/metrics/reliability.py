"""Reliability: whether predictions with probability 0.9 are right nine times in ten. model/temperature.py
calibrates them.

After Guo et al. 2017, "On Calibration of Modern Neural Networks", arXiv:1706.04599.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Integer


@dataclass(frozen=True)
class Reliability:
    """Mean confidence and accuracy per bin of confidence, from low to high."""

    edges: Float[np.ndarray, "bins_and_one"]
    """Bin edges, evenly spaced from 0 to 1; a bin includes its upper edge and excludes its lower."""
    rows: Integer[np.ndarray, "bins"]
    """Number of rows in each bin."""
    confidence: Float[np.ndarray, "bins"]
    """Mean probability of the predicted class; NaN where a bin is empty."""
    accuracy: Float[np.ndarray, "bins"]
    """Fraction of rows predicted correctly; NaN where a bin is empty."""

    @property
    def ece(self) -> float:
        """The expected calibration error: the mean gap between confidence and accuracy, weighted by rows."""
        return float(np.nansum(self.rows * np.abs(self.accuracy - self.confidence)) / self.rows.sum())


def reliability(
    probabilities: Float[np.ndarray, "n k"], label: Integer[np.ndarray, "n"], bins: int = 15
) -> Reliability:
    """The table behind a reliability diagram: equal-width bins of the probability of the predicted class."""
    confidence = probabilities.max(axis=1).astype(np.float64)
    correct = probabilities.argmax(axis=1) == label
    edges = np.linspace(0, 1, bins + 1)
    which = np.digitize(confidence, edges[1:-1], right=True)
    rows = np.bincount(which, minlength=bins)

    def mean(values: np.ndarray) -> np.ndarray:
        total = np.bincount(which, weights=values, minlength=bins)
        return np.divide(total, rows, out=np.full(bins, np.nan), where=rows > 0)

    return Reliability(edges, rows, mean(confidence), mean(correct))
