"""Whether a score of 0.9 is right nine times in ten. The number that makes it so is found in
model/temperature.py.

After Guo et al. 2017, "On Calibration of Modern Neural Networks", arXiv:1706.04599.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Integer


@dataclass(frozen=True)
class Reliability:
    """Per bin of confidence, from low to high: how sure its rows were, and how many of them were right."""

    edges: Float[np.ndarray, "bins_and_one"]
    """0 to 1, equally far apart; a bin holds its upper edge and not its lower."""
    rows: Integer[np.ndarray, "bins"]
    """How many rows fall into each bin."""
    confidence: Float[np.ndarray, "bins"]
    """The mean highest probability; NaN where a bin is empty."""
    accuracy: Float[np.ndarray, "bins"]
    """The share of rows that are right; NaN where a bin is empty."""

    @property
    def ece(self) -> float:
        """The mean gap between confidence and accuracy, each row counting once."""
        return float(np.nansum(self.rows * np.abs(self.accuracy - self.confidence)) / self.rows.sum())


def reliability(
    probabilities: Float[np.ndarray, "n k"], label: Integer[np.ndarray, "n"], bins: int = 15
) -> Reliability:
    """The table behind a reliability diagram: equal-width bins of the probability of the predicted class."""
    confidence = probabilities.max(axis=1).astype(np.float64)
    right = probabilities.argmax(axis=1) == label
    edges = np.linspace(0, 1, bins + 1)
    which = np.digitize(confidence, edges[1:-1], right=True)
    rows = np.bincount(which, minlength=bins)

    def mean(values: np.ndarray) -> np.ndarray:
        total = np.bincount(which, weights=values, minlength=bins)
        return np.divide(total, rows, out=np.full(bins, np.nan), where=rows > 0)

    return Reliability(edges, rows, mean(confidence), mean(right))
