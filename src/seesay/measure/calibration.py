"""Whether a score of 0.9 is right nine times in ten, and the one number that makes it so.

Both after Guo et al. 2017, "On Calibration of Modern Neural Networks", arXiv:1706.04599.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Integer
from scipy.optimize import minimize_scalar
from scipy.special import logsumexp

TEMPERATURES = (0.05, 20.0)
"""Where the temperature is looked for. Logits without an error among the rows want 0: they get the lower end,
and so stay finite."""


def fit_temperature(logits: Float[np.ndarray, "n k"], label: Integer[np.ndarray, "n"]) -> float:
    """The T for which softmax(logits / T) has the smallest negative log-likelihood; above 1: too sure before.

    Log-probabilities will do as logits; all must be finite. In 1/T the loss is convex, so what a bounded search finds is the
    optimum.
    """
    logits = logits.astype(np.float64)
    logits -= logits[np.arange(len(label)), label][:, None]  # the label's is 0: a row's loss is its logsumexp

    def loss(log_temperature: float) -> float:
        return float(logsumexp(logits * np.exp(-log_temperature), axis=1).mean())

    low, high = np.log(TEMPERATURES)
    found = minimize_scalar(loss, bounds=(low, high), method="bounded", options={"xatol": 1e-5})
    return float(np.exp(min((low, found.x, high), key=loss)))


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
