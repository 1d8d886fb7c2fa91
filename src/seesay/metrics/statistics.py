"""Confidence intervals of scores, and tests of whether one model is better than another.

Rows that share a recording or a speaker are not independent, so groups are resampled instead of rows (the
cluster bootstrap; Davison and Hinkley 1997, section 3.8). Most metrics are functions of sums over rows, so a
resample is a weighted sum of the groups' sums, and all resamples together are one matrix product.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Integer
from scipy.stats import binomtest

from seesay.metrics.scores import Label, Metric, Prediction, Probabilities, predicted

CELLS = 4_000_000
"""Weights drawn at once, 32 MB, whatever the number of groups."""

MANY = 4_096
"""With more distinct groups than this, groups are drawn one by one, which is faster: 2,000 resamples of
10,000
groups take 0.2 s, against 1.3 s by multinomial draws."""

Group = Integer[np.ndarray, "n"]


class Comparison(NamedTuple):
    """The difference of two scores, model a minus model b."""

    difference: float
    """The observed difference."""
    low: float
    high: float
    p: float
    """Two-sided p-value of no difference."""


class McNemar(NamedTuple):
    """The rows on which two models differ, and McNemar's test."""

    only_a: int
    """Rows that only model a predicts correctly."""
    only_b: int
    """Rows that only model b predicts correctly."""
    p: float
    """Two-sided p-value, exact."""


def bootstrap(
    metric: Metric,
    probabilities: Probabilities,
    label: Label,
    group: Group,
    n: int = 2000,
    seed: int = 0,
    level: float = 0.95,
) -> tuple[float, float]:
    """The percentile bootstrap interval of a metric over `n` resamples of the groups. A perfect accuracy
    or macro-F1 gives (1, 1)."""
    return interval(drawn_scores(metric, [probabilities], label, group, n, seed)[:, 0], level)


def paired_bootstrap(
    metric: Metric,
    probabilities_a: Probabilities,
    probabilities_b: Probabilities,
    label: Label,
    group: Group,
    n: int = 2000,
    seed: int = 0,
    level: float = 0.95,
) -> Comparison:
    """The difference of two models' scores on the same rows, with an interval and a p-value from common
    resamples.

    p is twice the fraction of resamples in which the difference is 0 or has the opposite sign; at least
    2 / (n + 1).
    """
    a, b = (metric.score(p, label) for p in (probabilities_a, probabilities_b))
    of_a, of_b = drawn_scores(metric, [probabilities_a, probabilities_b], label, group, n, seed).T
    drawn = of_a - of_b
    tail = min((drawn <= 0).sum(), (drawn >= 0).sum())
    return Comparison(
        a - b,
        *interval(drawn, level),
        min(1.0, 2 * (float(tail) + 1) / (n + 1)),
    )


def drawn_scores(
    metric: Metric, sides: Sequence[Probabilities], label: Label, group: Group, n: int, seed: int
) -> Float[np.ndarray, "resamples sides"]:
    """The score of each side in `n` resamples of the groups, which all sides share."""
    if metric.sums is None:
        return _scored_one_by_one(metric, sides, label, group, n, seed)
    of, terms = metric.sums.score, [metric.sums.terms(side, label) for side in sides]

    def score(sums: np.ndarray) -> np.ndarray:
        return np.stack([of(part) for part in np.split(sums, len(sides), axis=1)], axis=1)

    return resample(by_group(np.concatenate(terms, axis=1), group), n, seed, score)


def _scored_one_by_one(
    metric: Metric, sides: Sequence[Probabilities], label: Label, group: Group, n: int, seed: int
) -> Float[np.ndarray, "resamples sides"]:
    """`drawn_scores` for any metric: the rows of every resample are gathered and scored."""
    _, which = np.unique(group, return_inverse=True)
    members = np.split(np.argsort(which, kind="stable"), np.cumsum(np.bincount(which))[:-1])
    generator, drawn = np.random.default_rng(seed), []
    for _ in range(n):
        rows = np.concatenate([members[i] for i in generator.integers(0, len(members), len(members))])
        drawn.append([metric.score(side[rows], label[rows]) for side in sides])
    return np.array(drawn, np.float64)


def mcnemar(
    prediction_a: Probabilities | Prediction, prediction_b: Probabilities | Prediction, label: Label
) -> McNemar:
    """The exact test of equal accuracy (McNemar 1947): binomial, on the rows that only one model predicts
    correctly.

    It assumes independent rows: where recordings repeat, use `paired_bootstrap`.
    """
    correct_a, correct_b = predicted(prediction_a) == label, predicted(prediction_b) == label
    only_a, only_b = int((correct_a & ~correct_b).sum()), int((correct_b & ~correct_a).sum())
    p = binomtest(only_a, only_a + only_b, 0.5).pvalue if only_a + only_b else 1.0
    return McNemar(only_a, only_b, float(p))


def holm(p: Sequence[float]) -> list[float]:
    """The p-values adjusted for multiple comparisons (Holm 1979): of m, the smallest is multiplied by m, the
    next by m - 1, and so on; none is below the one before it, or above 1."""
    adjusted, floor = [0.0] * len(p), 0.0
    for tested, i in enumerate(sorted(range(len(p)), key=lambda i: p[i])):
        floor = max(floor, min(1.0, (len(p) - tested) * p[i]))
        adjusted[i] = floor
    return adjusted


def by_group(counts: np.ndarray, group: np.ndarray) -> np.ndarray:
    """(groups, c): the rows' counts summed within each group."""
    names, which = np.unique(group, return_inverse=True)
    order = np.argsort(which, kind="stable")
    starts = np.searchsorted(which[order], np.arange(len(names)))
    return np.add.reduceat(counts[order].astype(np.float64), starts, axis=0)


def resample(
    counts: np.ndarray, n: int, seed: int, score: Callable[[np.ndarray], np.ndarray]
) -> Float[np.ndarray, "resamples ..."]:
    """The `score` of each of `n` resamples; a resample draws as many groups as there are, with replacement,
    and sums their counts.

    Groups with equal counts are interchangeable, so a resample is a multinomial draw over the distinct
    counts: ten thousand groups of one row each have at most classes x classes of them.
    """
    kinds, sizes = np.unique(counts, axis=0, return_counts=True)
    many = len(kinds) > MANY
    if many:
        kinds, sizes = counts, np.ones(len(counts), np.int64)
    generator = np.random.default_rng(seed)
    step = max(1, CELLS // len(kinds))
    draws = (min(step, n - start) for start in range(0, n, step))
    fractions = sizes / sizes.sum()

    def weights(d: int) -> np.ndarray:
        if many:
            picked = (generator.integers(0, len(kinds), len(kinds)) for _ in range(d))
            return np.stack([np.bincount(p, minlength=len(kinds)) for p in picked])
        return generator.multinomial(sizes.sum(), fractions, d)

    return np.concatenate([score(weights(d) @ kinds) for d in draws])


def interval(drawn: np.ndarray, level: float) -> tuple[float, float]:
    """The central interval that contains `level` of the resamples; NaN scores are left out."""
    drawn = drawn[~np.isnan(drawn)]
    low, high = np.quantile(drawn, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)
