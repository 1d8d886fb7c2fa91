"""Metrics, and the table `METRICS` from which all scoring code takes them.

A metric is one function and one entry here. It then appears in `metrics.json`, on the terminal, in the model
card, in a search and in a comparison. Scores are fractions, not percentages; NLL is in nats.
"""

import inspect
import math
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, Integer, Real

from seesay.errors import ConfigError, SeesayError
from seesay.metrics.reliability import reliability

Probabilities = Float[np.ndarray, "n k"]
Prediction = Integer[np.ndarray, "n"]
Label = Integer[np.ndarray, "n"]
Confusion = Integer[np.ndarray, "k k"]
Counts = Real[np.ndarray, "r k"]
Resampled = Float[np.ndarray, "r"]

LEAST = float(np.finfo(np.float32).tiny)
"""The smallest probability that float32 has at full precision, 1.2e-38: NLL is at most 87.3 per row."""


@dataclass(frozen=True)
class Sums:
    """A score as a function of sums over rows, so that all resamples are one matrix product."""

    terms: Callable[[Probabilities, Label], Real[np.ndarray, "n c"]]
    """What each row adds to the sums."""
    score: Callable[[Real[np.ndarray, "r c"]], Resampled]
    """The score of each resample, from its sums."""


@dataclass(frozen=True)
class Metric:
    """A score of rows of probabilities that sum to 1, and how it is shown."""

    score: Callable[[Probabilities, Label], float]
    """The score of at least one row. NaN: undefined for these rows, and left out of the output."""
    heading: str
    """Heading of its column."""
    meaning: str = ""
    """One sentence: what the number is, and its source."""
    higher_is_better: bool = True
    interval: bool = False
    """Whether `evaluate` adds a 95 % bootstrap interval."""
    sums: Sums | None = None
    """The same score from sums over rows. None: a bootstrap calls `score` on every resample, which is
    slow."""
    form: str = ".4f"
    """How the number is printed."""


def by_class(
    of_counts: Callable[[Counts, Counts, Counts], Resampled],
    heading: str,
    meaning: str,
    higher_is_better: bool = True,
    interval: bool = False,
) -> Metric:
    """A metric computed from three counts per class: true positives, rows with the label, rows predicted."""
    return Metric(
        lambda probabilities, label: _of_confusion(of_counts, _confusion_of(probabilities, label)),
        heading,
        meaning,
        higher_is_better,
        interval,
        Sums(counts_of, lambda sums: of_counts(*np.split(sums, 3, axis=1))),
    )


def by_row(
    of_rows: Callable[[Probabilities, Label], Float[np.ndarray, "n"]],
    heading: str,
    meaning: str,
    higher_is_better: bool = True,
    interval: bool = False,
) -> Metric:
    """A metric that is the mean of a score per row."""

    def terms(probabilities: Probabilities, label: Label) -> Float[np.ndarray, "n 2"]:
        return np.stack([of_rows(probabilities, label), np.ones(len(label))], axis=1)

    return Metric(
        lambda probabilities, label: float(of_rows(probabilities, label).mean()),
        heading,
        meaning,
        higher_is_better,
        interval,
        Sums(terms, lambda sums: sums[:, 0] / sums[:, 1]),
    )


# ------------------------------------------------------------------------------------------------ predictions


def predicted(probabilities: Probabilities | Prediction) -> Prediction:
    """The most likely class of each row, the first if tied. Predictions are returned unchanged."""
    return probabilities if probabilities.ndim == 1 else probabilities.argmax(axis=1)


def confusion(prediction: Prediction, label: Label, classes: int) -> Confusion:
    """(k, k): how many rows of class i (row) were predicted as class j (column)."""
    pairs = label.astype(np.int64) * classes + prediction
    return np.bincount(pairs, minlength=classes * classes).reshape(classes, classes)


def counts_of_prediction(prediction: Prediction, label: Label, classes: int) -> Float[np.ndarray, "n c"]:
    """(n, 3 classes): what each row adds to the counts of true positives, labels and predictions per
    class."""
    labels, predictions = (np.eye(classes)[which] for which in (label, prediction))
    return np.concatenate([labels * predictions, labels, predictions], axis=1)


def counts_of(probabilities: Probabilities, label: Label) -> Float[np.ndarray, "n c"]:
    """(n, 3 classes): the counts of `counts_of_prediction`, from probabilities."""
    return counts_of_prediction(predicted(probabilities), label, probabilities.shape[1])


def _confusion_of(probabilities: Probabilities, label: Label) -> Confusion:
    return confusion(predicted(probabilities), label, probabilities.shape[1])


def _of_confusion(of_counts: Callable[[Counts, Counts, Counts], Resampled], matrix: Confusion) -> float:
    """The metric of a confusion matrix. Classes that occur neither as label nor as prediction are dropped
    first, so that the sum over classes runs as in scikit-learn: the same number to the last bit."""
    true_positives, labels, predictions = np.diagonal(matrix), matrix.sum(axis=1), matrix.sum(axis=0)
    occurs = labels + predictions > 0
    return float(of_counts(*(counts[None, occurs] for counts in (true_positives, labels, predictions)))[0])


# ---------------------------------------------------------------------------------------------------- metrics


def accuracy_of_counts(true_positives: Counts, labels: Counts, predictions: Counts) -> Resampled:
    """The accuracy of each resample r; arguments as in `macro_f1_of_counts`."""
    return true_positives.sum(axis=1) / labels.sum(axis=1)


def macro_f1_of_counts(true_positives: Counts, labels: Counts, predictions: Counts) -> Resampled:
    """The macro-F1 of each resample r, from the true positives, labels and predictions of each class.

    Classes that occur neither as label nor as prediction are left out, as in scikit-learn's
    `f1_score(average="macro")`.
    """
    total = labels + predictions
    f1 = np.divide(2 * true_positives, total, out=np.zeros(total.shape), where=total > 0)
    return f1.sum(axis=1) / (total > 0).sum(axis=1)


def balanced_accuracy_of_counts(true_positives: Counts, labels: Counts, predictions: Counts) -> Resampled:
    """The mean recall of each resample r, over the classes that occur as labels (Brodersen et al. 2010, "The
    balanced accuracy and its posterior distribution")."""
    recall = np.divide(true_positives, labels, out=np.zeros(labels.shape), where=labels > 0)
    return recall.sum(axis=1) / (labels > 0).sum(axis=1)


def nll_of_rows(probabilities: Probabilities, label: Label) -> Float[np.ndarray, "n"]:
    """The negative natural logarithm of the label's probability; 0 counts as `LEAST`."""
    return -np.log(np.clip(_of_label(probabilities, label), LEAST, 1))


def brier_of_rows(probabilities: Probabilities, label: Label) -> Float[np.ndarray, "n"]:
    """The squared distance of each row's probabilities from the one-hot label: 0 to 2 (Brier 1950,
    "Verification of forecasts expressed in terms of probability")."""
    probabilities = probabilities.astype(np.float64)
    return ((probabilities - np.eye(probabilities.shape[1])[label]) ** 2).sum(axis=1)


def top(most: int) -> Callable[[Probabilities, Label], Float[np.ndarray, "n"]]:
    """A function that returns 1 for each row whose label is among its `most` most likely classes, else 0.

    Ties go to the first class, as in `predicted`, so the top 1 is the prediction. NaN if there are no more
    than `most` classes, since every row would be right.
    """

    def of_rows(probabilities: Probabilities, label: Label) -> Float[np.ndarray, "n"]:
        classes = np.arange(probabilities.shape[1])
        if len(classes) <= most:
            return np.full(len(label), math.nan)
        of_label = _of_label(probabilities, label)[:, None]
        tied_before = (probabilities == of_label) & (classes < label[:, None])
        rank = ((probabilities > of_label) | tied_before).sum(axis=1)
        return (rank < most).astype(np.float64)

    return of_rows


def ece(probabilities: Probabilities, label: Label, bins: int = 15) -> float:
    """Expected calibration error over equal-width bins of confidence (Guo et al. 2017, arXiv:1706.04599)."""
    return reliability(probabilities, label, bins).ece


def _of_label(probabilities: Probabilities, label: Label) -> Float[np.ndarray, "n"]:
    """The probability of each row's label."""
    return probabilities[np.arange(len(label)), label].astype(np.float64)


# ------------------------------------------------------------------------------------------------------ table

METRICS: dict[str, Metric] = {
    "accuracy": by_class(
        accuracy_of_counts,
        "accuracy",
        "The fraction of rows whose most likely class is the label.",
    ),
    "macro_f1": by_class(
        macro_f1_of_counts,
        "macro-F1",
        "The mean over classes of F1 (harmonic mean of precision and recall); all classes weigh the same.",
        interval=True,
    ),
    "nll": by_row(
        nll_of_rows,
        "NLL",
        "The mean negative log-likelihood of the label, in nats; confident errors cost the most.",
        higher_is_better=False,
    ),
    "ece": Metric(
        ece,
        "ECE",
        "The expected calibration error: the mean gap between confidence and accuracy, over 15 bins.",
        higher_is_better=False,
    ),
    "brier": by_row(
        brier_of_rows,
        "Brier",
        "The Brier score: the squared error of the probabilities, summed over classes, 0 to 2.",
        higher_is_better=False,
    ),
    "balanced_accuracy": by_class(
        balanced_accuracy_of_counts,
        "balanced accuracy",
        "The mean recall over the classes that occur as labels; all classes weigh the same.",
    ),
    "top_3": by_row(
        top(3),
        "top-3 accuracy",
        "The fraction of rows whose label is among the three most likely classes, of four or more.",
    ),
}
"""Metrics by their names in `metrics.json`, in display order."""


RESERVED = ("a", "b", "condition", "rows", "groups", "only_a", "only_b")
"""Other keys next to metrics in `metrics.json` and in a comparison."""


def measure(probabilities: Probabilities, label: Label) -> dict[str, float]:
    """Every metric of `METRICS` that is defined for these rows. ConfigError if one does not return a
    number."""
    scores = {name: _score(name, metric, probabilities, label) for name, metric in METRICS.items()}
    return {name: score for name, score in scores.items() if not math.isnan(score)}


def add_metric(
    name: str,
    score: Any,
    heading: str = "",
    meaning: str = "",
    *,
    higher_is_better: bool = True,
    interval: bool = False,
) -> None:
    """Add a metric to `METRICS`: from now on it appears wherever scores do.

    `score` takes probabilities (n, classes) and labels (n,) and returns a number; NaN where it is undefined.
    `heading`: the name by default. A name in use or not valid as a key: ConfigError.
    """
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name) or name in RESERVED or name.endswith("_ci"):
        raise ConfigError(
            f"a metric cannot be named {name!r}",
            f"Use lower-case letters, digits and _; not {', '.join(RESERVED)}, and nothing that ends in _ci.",
        )
    if name in METRICS and not _is_redefinition(METRICS[name].score, score):
        raise ConfigError(f"there is already a metric {name!r}", "Choose another name.")
    if not _is_function(score):
        raise ConfigError(f"the metric {name!r} must be a function, got {score!r}")
    meaning = meaning or (inspect.getdoc(score) or "").split("\n\n")[0]
    METRICS[name] = Metric(score, heading or name, " ".join(meaning.split()), higher_is_better, interval)


def _is_redefinition(existing: Any, score: Any) -> bool:
    """Whether this is the same function defined again, as when a notebook cell runs twice."""
    names = [(getattr(f, "__module__", None), getattr(f, "__qualname__", None)) for f in (existing, score)]
    return names[0] == names[1]


def in_order(names: Iterable[str]) -> list[str]:
    """These names without repeats: first those of `METRICS` in its order, then the others."""
    unique = dict.fromkeys(names)
    return [*(name for name in METRICS if name in unique), *(name for name in unique if name not in METRICS)]


def heading(name: str) -> str:
    """The heading of a metric's column; its name if `METRICS` does not have it."""
    return METRICS[name].heading if name in METRICS else name


def printed(name: str, score: float) -> str:
    """The score formatted for display."""
    return f"{score:{METRICS[name].form if name in METRICS else Metric.form}}"


def lower_is_better(names: Iterable[str]) -> str:
    """A sentence that names the metrics for which lower is better; empty if there are none."""
    lower = [
        heading(name) for name in in_order(names) if name in METRICS and not METRICS[name].higher_is_better
    ]
    return f"Lower is better: {', '.join(lower)}." if lower else ""


def _is_function(score: Any) -> bool:
    """Like `callable(score)`, but does not narrow the type of `score` for type checkers."""
    return callable(score)


def _score(name: str, metric: Metric, probabilities: Probabilities, label: Label) -> float:
    """The value of a metric. ConfigError if a registered one fails."""
    try:
        return _number(name, metric.score(probabilities, label))
    except SeesayError:
        raise
    except Exception as error:  # whatever a user's function raises
        raise ConfigError(f"the metric {name} failed ({type(error).__name__}: {error})") from error


def _number(name: str, score: Any) -> float:
    try:
        return float(score)
    except (TypeError, ValueError):
        raise ConfigError(f"the metric {name!r} must return a number, got {score!r}") from None
