"""How much a leak inflates a score: the score on a random row split minus that on a split without leaks."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

from seesay.metrics.scores import (
    Label,
    Prediction,
    accuracy_of_counts,
    counts_of_prediction,
    macro_f1_of_counts,
)
from seesay.metrics.statistics import Group, by_group, interval, resample

MEASURES = {"accuracy": accuracy_of_counts, "macro_f1": macro_f1_of_counts}
"""The metrics that the report gives."""

RESAMPLES = 2_000


@dataclass(frozen=True)
class Outcome:
    """The predictions of models that differ only in their seed, for the same rows."""

    predicted: Sequence[Prediction]
    """One array for each model."""
    label: Label
    unit: Group
    """Bootstrap unit of each row: rows that share a content have the same unit."""
    classes: int


def score(outcome: Outcome, seed: int = 0) -> dict[str, Any]:
    """`accuracy` and `macro_f1`, the means over the models, each with `_ci` from a bootstrap over units, and
    under `seeds` the scores of each model."""
    means = _measured(_sums(outcome), outcome)[0]
    drawn = resampled(outcome, seed)
    scores: dict[str, Any] = {"rows": len(outcome.label), "units": len(np.unique(outcome.unit))}
    for i, name in enumerate(MEASURES):
        scores |= {name: float(means[i]), f"{name}_ci": list(interval(drawn[:, i], 0.95))}
    return {**scores, "seeds": [score_of(outcome, i) for i in range(len(outcome.predicted))]}


def score_of(outcome: Outcome, model: int) -> dict[str, float]:
    """`accuracy` and `macro_f1` of one model."""
    single = Outcome([outcome.predicted[model]], outcome.label, outcome.unit, outcome.classes)
    return dict(zip(MEASURES, map(float, _measured(_sums(single), single)[0]), strict=True))


def leak(rows: Outcome, groups: Outcome) -> dict[str, Mapping[str, Any]]:
    """For each measure, the score on the row split minus that on the group split (`difference`) and its
    interval (`ci`). The splits have different test rows, so they are resampled independently."""
    means = [_measured(_sums(outcome), outcome)[0] for outcome in (rows, groups)]
    drawn = resampled(rows, seed=1) - resampled(groups, seed=2)
    return {
        name: {"difference": float(means[0][i] - means[1][i]), "ci": list(interval(drawn[:, i], 0.95))}
        for i, name in enumerate(MEASURES)
    }


def resampled(outcome: Outcome, seed: int) -> Float[np.ndarray, "r 2"]:
    """Both measures, means over the models, for resamples of the units, which all models share."""
    return resample(
        by_group(_table(outcome), outcome.unit), RESAMPLES, seed, lambda sums: _measured(sums, outcome)
    )


def _table(outcome: Outcome) -> np.ndarray:
    """(n, 3 classes x models): the counts that each row adds to the sums."""
    return np.concatenate(
        [counts_of_prediction(p, outcome.label, outcome.classes) for p in outcome.predicted], axis=1
    )


def _sums(outcome: Outcome) -> np.ndarray:
    return _table(outcome).sum(axis=0, keepdims=True)


def _measured(sums: np.ndarray, outcome: Outcome) -> Float[np.ndarray, "r 2"]:
    models = [np.split(part, 3, axis=1) for part in np.split(sums, len(outcome.predicted), axis=1)]
    return np.stack([np.mean([of(*counts) for counts in models], axis=0) for of in MEASURES.values()], axis=1)
