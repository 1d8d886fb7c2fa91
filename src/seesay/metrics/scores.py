"""How good predictions are: the table `METRICS`, which everything that scores reads.

A metric is one function and one entry here. It then appears in `metrics.json`, on the terminal, in the model
card, in a search and in a comparison. All scores are plain fractions or, for NLL, nats.
"""

import inspect
import math
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, Integer, Real

from seesay.errors import ConfigError
from seesay.metrics.reliability import reliability

Probabilities = Float[np.ndarray, "n k"]
Prediction = Integer[np.ndarray, "n"]
Label = Integer[np.ndarray, "n"]
Confusion = Integer[np.ndarray, "k k"]
Counts = Real[np.ndarray, "r k"]
Resampled = Float[np.ndarray, "r"]

LEAST = float(np.finfo(np.float32).tiny)
"""The least probability a float32 softmax can say at full precision, 1.2e-38: a row costs at most 87.3."""


@dataclass(frozen=True)
class Sums:
    """A score as a function of sums over rows, so that all resamples are one matrix product."""

    terms: Callable[[Probabilities, Label], Real[np.ndarray, "n c"]]
    """What each row adds to the sums."""
    score: Callable[[Real[np.ndarray, "r c"]], Resampled]
    """The score of each resample, from its sums."""


@dataclass(frozen=True)
class Metric:
    """A score of rows of probabilities that sum to 1, and how people see it."""

    score: Callable[[Probabilities, Label], float]
    """At least one row. NaN: not defined for these rows, and left out of the output."""
    heading: str
    """Above its column."""
    meaning: str = ""
    """One sentence: what the number is, and where it comes from."""
    higher_is_better: bool = True
    interval: bool = False
    """Whether `evaluate` gives a 95 % bootstrap interval with it."""
    sums: Sums | None = None
    """None: a bootstrap calls `score` on the rows of every resample, which is slow."""
    form: str = ".4f"
    """How the number is printed."""


def by_class(
    of_counts: Callable[[Counts, Counts, Counts], Resampled],
    heading: str,
    meaning: str,
    higher_is_better: bool = True,
    interval: bool = False,
) -> Metric:
    """A metric of three counts per class: how many rows are right, are of it, were called it."""
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
    """A metric that is a mean over rows."""

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
    """The most likely class of each row, the first of equals. What is a prediction already passes through."""
    return probabilities if probabilities.ndim == 1 else probabilities.argmax(axis=1)


def confusion(prediction: Prediction, label: Label, classes: int) -> Confusion:
    """How many rows of class i (row) were taken for class j (column)."""
    pairs = label.astype(np.int64) * classes + prediction
    return np.bincount(pairs, minlength=classes * classes).reshape(classes, classes)


def counts_of_prediction(prediction: Prediction, label: Label, classes: int) -> Float[np.ndarray, "n c"]:
    """(n, 3 classes): what each row adds per class to the rows that are right, are of it, were called it."""
    labelled, called = (np.eye(classes)[which] for which in (label, prediction))
    return np.concatenate([labelled * called, labelled, called], axis=1)


def counts_of(probabilities: Probabilities, label: Label) -> Float[np.ndarray, "n c"]:
    """The same from probabilities."""
    return counts_of_prediction(predicted(probabilities), label, probabilities.shape[1])


def _confusion_of(probabilities: Probabilities, label: Label) -> Confusion:
    return confusion(predicted(probabilities), label, probabilities.shape[1])


def _of_confusion(of_counts: Callable[[Counts, Counts, Counts], Resampled], matrix: Confusion) -> float:
    """Classes that occur neither as label nor as prediction are dropped first, so that the sum over classes
    runs as in scikit-learn: the same number to the last bit."""
    hits, labelled, called = np.diagonal(matrix), matrix.sum(axis=1), matrix.sum(axis=0)
    there = labelled + called > 0
    return float(of_counts(*(counts[None, there] for counts in (hits, labelled, called)))[0])


# ---------------------------------------------------------------------------------------------------- metrics


def accuracy_of_counts(hits: Counts, labelled: Counts, called: Counts) -> Resampled:
    """The fraction of rows that are right, of each resample r; see `macro_f1_of_counts`."""
    return hits.sum(axis=1) / labelled.sum(axis=1)


def macro_f1_of_counts(hits: Counts, labelled: Counts, called: Counts) -> Resampled:
    """The macro-F1 of each resample r, from how many rows of each class are right, are of it, and were called
    it.

    Classes that occur neither as label nor as prediction are left out, as scikit-learn does with
    `f1_score(average="macro")`.
    """
    either = labelled + called
    f1 = np.divide(2 * hits, either, out=np.zeros(either.shape), where=either > 0)
    return f1.sum(axis=1) / (either > 0).sum(axis=1)


def balanced_accuracy_of_counts(hits: Counts, labelled: Counts, called: Counts) -> Resampled:
    """The mean recall of each resample r, over the classes that occur as labels (Brodersen et al. 2010, "The
    balanced accuracy and its posterior distribution")."""
    recall = np.divide(hits, labelled, out=np.zeros(labelled.shape), where=labelled > 0)
    return recall.sum(axis=1) / (labelled > 0).sum(axis=1)


def nll_of_rows(probabilities: Probabilities, label: Label) -> Float[np.ndarray, "n"]:
    """The negative natural logarithm of the probability given to the label; a 0 counts as `LEAST`."""
    return -np.log(np.clip(_given(probabilities, label), LEAST, 1))


def brier_of_rows(probabilities: Probabilities, label: Label) -> Float[np.ndarray, "n"]:
    """Per row the sum over classes of the squared difference between the probability and 1 for the label, 0
    for the others: 0 to 2 (Brier 1950, "Verification of forecasts expressed in terms of probability")."""
    probabilities = probabilities.astype(np.float64)
    return ((probabilities - np.eye(probabilities.shape[1])[label]) ** 2).sum(axis=1)


def top(most: int) -> Callable[[Probabilities, Label], Float[np.ndarray, "n"]]:
    """Whether the label is among the `most` likeliest classes of a row, 1 or 0.

    Of classes that are equally likely the first ones count as likelier, as in `predicted`: the top 1 is the
    prediction. NaN where there are no more classes than that, for then every row is right.
    """

    def of_rows(probabilities: Probabilities, label: Label) -> Float[np.ndarray, "n"]:
        classes = np.arange(probabilities.shape[1])
        if len(classes) <= most:
            return np.full(len(label), math.nan)
        given = _given(probabilities, label)[:, None]
        equal_before = (probabilities == given) & (classes < label[:, None])
        rank = ((probabilities > given) | equal_before).sum(axis=1)
        return (rank < most).astype(np.float64)

    return of_rows


def ece(probabilities: Probabilities, label: Label, bins: int = 15) -> float:
    """Expected calibration error over equal-width bins of confidence (Guo et al. 2017, arXiv:1706.04599)."""
    return reliability(probabilities, label, bins).ece


def _given(probabilities: Probabilities, label: Label) -> Float[np.ndarray, "n"]:
    """The probability of each row's label."""
    return probabilities[np.arange(len(label)), label].astype(np.float64)


# ------------------------------------------------------------------------------------------------------ table

METRICS: dict[str, Metric] = {
    "accuracy": by_class(
        accuracy_of_counts,
        "accuracy",
        "The fraction of rows whose likeliest class is the label.",
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
        "The mean negative log-likelihood of the label, in nats; confident mistakes cost the most.",
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
        "The fraction of rows whose label is among the three likeliest classes; needs four or more.",
    ),
}
"""By the name that a metric has in `metrics.json`, in the order in which they are shown."""


RESERVED = ("a", "b", "condition", "rows", "groups", "only_a", "only_b")
"""Names that stand beside those of metrics in `metrics.json` and in a comparison."""


def measure(probabilities: Probabilities, label: Label) -> dict[str, float]:
    """Every metric of `METRICS` that is defined for these rows. One that returns no number: ConfigError."""
    scores = {name: _number(name, metric.score(probabilities, label)) for name, metric in METRICS.items()}
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
    """Adds a metric to `METRICS`: from now on it appears wherever scores do.

    `score` takes probabilities (n, classes) and labels (n,) and returns a number; NaN where it is not
    defined. `heading`: the name by default. A name that is taken or that cannot be a key: ConfigError.
    """
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name) or name in RESERVED or name.endswith("_ci"):
        raise ConfigError(
            f"a metric cannot be named {name!r}",
            f"Use lower-case letters, digits and _; not {', '.join(RESERVED)}, and nothing that ends in _ci.",
        )
    if name in METRICS and not _again(METRICS[name].score, score):
        raise ConfigError(f"there is a metric {name!r} already", "Choose another name.")
    if not _is_function(score):
        raise ConfigError(f"the metric {name!r} must be a function, got {score!r}")
    said = meaning or (inspect.getdoc(score) or "").split("\n\n")[0]
    METRICS[name] = Metric(score, heading or name, " ".join(said.split()), higher_is_better, interval)


def _again(before: Any, score: Any) -> bool:
    """Whether this is the same function, made once more, as when a cell of a notebook runs twice."""
    places = [(getattr(f, "__module__", None), getattr(f, "__qualname__", None)) for f in (before, score)]
    return places[0] == places[1]


def in_order(names: Iterable[str]) -> list[str]:
    """These names, once each: first those of `METRICS` in its order, then any that it no longer has."""
    given = dict.fromkeys(names)
    return [*(name for name in METRICS if name in given), *(name for name in given if name not in METRICS)]


def heading(name: str) -> str:
    """What stands above a metric's column; of one that `METRICS` no longer has, its name."""
    return METRICS[name].heading if name in METRICS else name


def printed(name: str, score: float) -> str:
    """The number as people see it."""
    return f"{score:{METRICS[name].form if name in METRICS else Metric.form}}"


def lower_is_better(names: Iterable[str]) -> str:
    """A sentence that names those of which a lower number is better; empty: none."""
    lower = [
        heading(name) for name in in_order(names) if name in METRICS and not METRICS[name].higher_is_better
    ]
    return f"Lower is better: {', '.join(lower)}." if lower else ""


def _is_function(score: Any) -> bool:
    return callable(score)


def _number(name: str, score: Any) -> float:
    try:
        return float(score)
    except (TypeError, ValueError):
        raise ConfigError(f"the metric {name!r} must return a number, got {score!r}") from None
