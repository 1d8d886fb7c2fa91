"""How good predictions are: accuracy, macro-F1, negative log-likelihood, calibration error.

What counts rows goes through the counts of the confusion matrix, so that a resample (statistics.py) is scored
exactly as the report is. All scores are plain fractions.
"""

import numpy as np
from jaxtyping import Float, Integer, Real

from seesay.metrics.reliability import reliability

Probabilities = Float[np.ndarray, "n k"]
Prediction = Integer[np.ndarray, "n"]
Label = Integer[np.ndarray, "n"]
Confusion = Integer[np.ndarray, "k k"]
Counts = Real[np.ndarray, "r k"]

LEAST = float(np.finfo(np.float32).tiny)
"""The least probability a float32 softmax can say at full precision, 1.2e-38: a row costs at most 87.3."""


def measure(probabilities: Probabilities, label: Label) -> dict[str, float]:
    """`accuracy`, `macro_f1`, `nll` and `ece` of rows of probabilities that sum to 1; at least one row."""
    matrix = confusion(predicted(probabilities), label, probabilities.shape[1])
    return {
        "accuracy": accuracy(matrix),
        "macro_f1": macro_f1(matrix),
        "nll": nll(probabilities, label),
        "ece": ece(probabilities, label),
    }


def predicted(probabilities: Probabilities | Prediction) -> Prediction:
    """The most likely class of each row, the first of equals. What is a prediction already passes through."""
    return probabilities if probabilities.ndim == 1 else probabilities.argmax(axis=1)


def confusion(prediction: Prediction, label: Label, classes: int) -> Confusion:
    """How many rows of class i (row) were taken for class j (column)."""
    pairs = label.astype(np.int64) * classes + prediction
    return np.bincount(pairs, minlength=classes * classes).reshape(classes, classes)


def accuracy(matrix: Confusion) -> float:
    """The share of rows that are right."""
    return float(np.trace(matrix) / matrix.sum())


def macro_f1(matrix: Confusion) -> float:
    """The mean of the classes' F1; see `macro_f1_of_counts`."""
    hits, labelled, called = np.diagonal(matrix), matrix.sum(axis=1), matrix.sum(axis=0)
    return float(macro_f1_of_counts(hits[None], labelled[None], called[None])[0])


def macro_f1_of_counts(hits: Counts, labelled: Counts, called: Counts) -> Float[np.ndarray, "r"]:
    """The macro-F1 of each resample r, from how many rows of each class are right, are of it, and were called
    it.

    Classes that occur neither as label nor as prediction are left out, as scikit-learn does with
    `f1_score(average="macro")`.
    """
    either = labelled + called
    f1 = np.divide(2 * hits, either, out=np.zeros(either.shape), where=either > 0)
    return f1.sum(axis=1) / (either > 0).sum(axis=1)


def nll(probabilities: Probabilities, label: Label) -> float:
    """The mean negative natural logarithm of the probability given to the label; a 0 counts as `LEAST`."""
    given = probabilities[np.arange(len(label)), label].astype(np.float64)
    return float(-np.log(np.clip(given, LEAST, 1)).mean())


def ece(probabilities: Probabilities, label: Label, bins: int = 15) -> float:
    """Expected calibration error over equal-width bins of confidence (Guo et al. 2017, arXiv:1706.04599)."""
    return reliability(probabilities, label, bins).ece
