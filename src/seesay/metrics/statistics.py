"""How far a score could be off, and whether one model is better than another.

Rows that share a recording or a speaker are not independent, so groups are drawn, not rows: a group's rows
come and go together (the cluster bootstrap; Davison and Hinkley 1997, section 3.8). Macro-F1 is a function of
sums over rows, so a resample is a weighted sum of the groups' counts, and all resamples together are one
matrix product.
"""

from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Float, Integer
from scipy.stats import binomtest

from seesay.metrics.scores import Label, Prediction, Probabilities, macro_f1_of_counts, predicted

CELLS = 4_000_000
"""Weights drawn at once: 32 MB of them, however many groups there are."""

Group = Integer[np.ndarray, "n"]
Score = Literal["macro_f1", "accuracy"]


class Comparison(NamedTuple):
    """Model a minus model b."""

    difference: float
    """Of the scores, on the rows as they are."""
    low: float
    high: float
    p: float
    """Two-sided: how often chance alone would show such a difference, were there none."""


class McNemar(NamedTuple):
    """The rows on which two models differ."""

    only_a: int
    """Rows that only model a has right."""
    only_b: int
    """Rows that only model b has right."""
    p: float
    """Two-sided, exact."""


def bootstrap_macro_f1(
    prediction: Probabilities | Prediction,
    label: Label,
    group: Group,
    classes: int,
    n: int = 2000,
    seed: int = 0,
    level: float = 0.95,
) -> tuple[float, float]:
    """The percentile interval of macro-F1 over `n` resamples of the groups; without one error, (1, 1)."""
    counts = by_group(counts_of(predicted(prediction), label, classes), group)
    return interval(resample(counts, n, seed, lambda sums: macro_f1_of(sums, classes)), level)


def bootstrap_accuracy(
    prediction: Probabilities | Prediction,
    label: Label,
    group: Group,
    n: int = 2000,
    seed: int = 0,
    level: float = 0.95,
) -> tuple[float, float]:
    """The same for accuracy."""
    right = predicted(prediction) == label
    counts = by_group(np.stack([right, np.ones_like(right)], axis=1), group)
    return interval(resample(counts, n, seed, lambda sums: sums[:, 0] / sums[:, 1]), level)


def paired_bootstrap(
    prediction_a: Probabilities | Prediction,
    prediction_b: Probabilities | Prediction,
    label: Label,
    group: Group,
    n: int = 2000,
    seed: int = 0,
    level: float = 0.95,
    score: Score = "macro_f1",
) -> Comparison:
    """By how much model a's score is above model b's on the same rows; both see the same resamples.

    p is twice the share of resamples on the far side of no difference, never below 2 / (n + 1).
    """
    a, b = predicted(prediction_a), predicted(prediction_b)
    classes = int(max(a.max(), b.max(), label.max())) + 1
    counts = np.concatenate([counts_of(a, label, classes), counts_of(b, label, classes)], axis=1)

    of = macro_f1_of if score == "macro_f1" else accuracy_of

    def difference(sums: np.ndarray) -> np.ndarray:
        half = 3 * classes
        return of(sums[:, :half], classes) - of(sums[:, half:], classes)

    drawn = resample(by_group(counts, group), n, seed, difference)
    tail = min((drawn <= 0).sum(), (drawn >= 0).sum())
    return Comparison(
        float(difference(counts.sum(axis=0, keepdims=True))[0]),
        *interval(drawn, level),
        min(1.0, 2 * (float(tail) + 1) / (n + 1)),
    )


def mcnemar(
    prediction_a: Probabilities | Prediction, prediction_b: Probabilities | Prediction, label: Label
) -> McNemar:
    """The exact test of equal accuracy (McNemar 1947): binomial, on the rows that only one model has right.

    It takes rows as independent: where recordings repeat, trust `paired_bootstrap`.
    """
    right_a, right_b = predicted(prediction_a) == label, predicted(prediction_b) == label
    only_a, only_b = int((right_a & ~right_b).sum()), int((right_b & ~right_a).sum())
    p = binomtest(only_a, only_a + only_b, 0.5).pvalue if only_a + only_b else 1.0
    return McNemar(only_a, only_b, float(p))


def holm(p: Sequence[float]) -> list[float]:
    """Each p as it counts when all of them were looked at (Holm 1979): of m, the least is multiplied by m,
    the next by m - 1, and so on; none comes out below one before it, or above 1."""
    adjusted, least = [0.0] * len(p), 0.0
    for tested, i in enumerate(sorted(range(len(p)), key=lambda i: p[i])):
        least = max(least, min(1.0, (len(p) - tested) * p[i]))
        adjusted[i] = least
    return adjusted


def counts_of(prediction: np.ndarray, label: np.ndarray, classes: int) -> np.ndarray:
    """(n, 3 classes): each row's contribution to `macro_f1_of_counts`: right, labelled, called, per class."""
    labelled, called = (np.eye(classes)[which] for which in (label, prediction))
    return np.concatenate([labelled * called, labelled, called], axis=1)


def macro_f1_of(sums: np.ndarray, classes: int) -> np.ndarray:
    return macro_f1_of_counts(*(sums[:, i * classes : (i + 1) * classes] for i in range(3)))


def accuracy_of(sums: np.ndarray, classes: int) -> np.ndarray:
    return sums[:, :classes].sum(axis=1) / sums[:, classes : 2 * classes].sum(axis=1)


def by_group(counts: np.ndarray, group: np.ndarray) -> np.ndarray:
    """(groups, c): the rows' counts summed within each group."""
    names, which = np.unique(group, return_inverse=True)
    order = np.argsort(which, kind="stable")
    starts = np.searchsorted(which[order], np.arange(len(names)))
    return np.add.reduceat(counts[order].astype(np.float64), starts, axis=0)


def resample(
    counts: np.ndarray, n: int, seed: int, score: Callable[[np.ndarray], np.ndarray]
) -> Float[np.ndarray, "resamples ..."]:
    """`score` of the summed counts of as many groups as there are, drawn with replacement, `n` times.

    Groups with the same counts are one kind, and a resample is a multinomial draw of kinds: ten thousand
    groups of one row each are at most classes x classes kinds.
    """
    kinds, sizes = np.unique(counts, axis=0, return_counts=True)
    generator = np.random.default_rng(seed)
    step = max(1, CELLS // len(kinds))
    draws = (min(step, n - start) for start in range(0, n, step))
    shares = sizes / sizes.sum()
    return np.concatenate([score(generator.multinomial(sizes.sum(), shares, d) @ kinds) for d in draws])


def interval(drawn: np.ndarray, level: float) -> tuple[float, float]:
    low, high = np.quantile(drawn, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)
