"""What a leak is worth: a score on a random row split minus the score on a split without leaks."""

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
"""What the report says of its models."""

RESAMPLES = 2_000


@dataclass(frozen=True)
class Outcome:
    """What models that are alike but for their seed predict for the same rows."""

    predicted: Sequence[Prediction]
    """Of each model."""
    label: Label
    unit: Group
    """What the bootstrap draws: rows that share a content come and go together."""
    classes: int


def score(outcome: Outcome, seed: int = 0) -> dict[str, Any]:
    """`accuracy` and `macro_f1`, the mean over the models, each with `_ci`, a bootstrap over units, and what
    each model has alone."""
    whole, each = (
        _measured(_sums(outcome), outcome)[0],
        [score_of(outcome, i) for i in range(len(outcome.predicted))],
    )
    drawn = resampled(outcome, seed)
    scores: dict[str, Any] = {"rows": len(outcome.label), "units": len(np.unique(outcome.unit))}
    for i, name in enumerate(MEASURES):
        scores |= {name: float(whole[i]), f"{name}_ci": list(interval(drawn[:, i], 0.95))}
    return {**scores, "seeds": each}


def score_of(outcome: Outcome, model: int) -> dict[str, float]:
    """Both measures of one model."""
    alone = Outcome([outcome.predicted[model]], outcome.label, outcome.unit, outcome.classes)
    return dict(zip(MEASURES, map(float, _measured(_sums(alone), alone)[0]), strict=True))


def leak(rows: Outcome, groups: Outcome) -> dict[str, Mapping[str, Any]]:
    """By measure the `difference`, first minus second, and its `ci`. The test rows are others, so the two are
    resampled independently."""
    there = [_measured(_sums(outcome), outcome)[0] for outcome in (rows, groups)]
    drawn = resampled(rows, seed=1) - resampled(groups, seed=2)
    return {
        name: {"difference": float(there[0][i] - there[1][i]), "ci": list(interval(drawn[:, i], 0.95))}
        for i, name in enumerate(MEASURES)
    }


def resampled(outcome: Outcome, seed: int) -> Float[np.ndarray, "r 2"]:
    """Both measures, the mean over the models, of resamples of the units that all models share."""
    return resample(
        by_group(_table(outcome), outcome.unit), RESAMPLES, seed, lambda sums: _measured(sums, outcome)
    )


def _table(outcome: Outcome) -> np.ndarray:
    """(n, 3 classes x models): what each row adds to the sums."""
    return np.concatenate(
        [counts_of_prediction(p, outcome.label, outcome.classes) for p in outcome.predicted], axis=1
    )


def _sums(outcome: Outcome) -> np.ndarray:
    return _table(outcome).sum(axis=0, keepdims=True)


def _measured(sums: np.ndarray, outcome: Outcome) -> Float[np.ndarray, "r 2"]:
    models = [np.split(part, 3, axis=1) for part in np.split(sums, len(outcome.predicted), axis=1)]
    return np.stack([np.mean([of(*counts) for counts in models], axis=0) for of in MEASURES.values()], axis=1)
