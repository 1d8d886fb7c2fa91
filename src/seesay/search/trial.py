"""A trial of a search: a set of values, and the scores of training with them, by fold."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from seesay.condition import Condition
from seesay.search.space import Value

State = Literal["running", "done", "pruned", "failed"]


@dataclass(frozen=True)
class Fold:
    """The result of training on one fold."""

    scores: Mapping[Condition, Mapping[str, float]]
    """Every metric by condition, on the validation rows after the last epoch."""
    seconds: float


@dataclass(frozen=True)
class Trial:
    """One set of values, and the folds trained so far."""

    number: int
    """From 0, in the order of their start; in a grid, the cell."""
    values: Mapping[str, Value]
    folds: tuple[Fold, ...]
    state: State
    """`pruned`: stopped early, worse than the median of the others; `failed`: cannot be trained with these
    values."""
    error: str = ""
    """Why it failed; empty otherwise."""

    def scores(self, measure: str = "macro_f1", condition: Condition | None = None) -> np.ndarray:
        """(folds,): a metric of one condition, or its mean over all conditions with rows. NaN: the condition
        had no rows, or the metric is newer than the fold."""
        return np.array([_score(fold, measure, condition) for fold in self.folds])

    def mean(self, measure: str = "macro_f1", condition: Condition | None = None) -> float:
        """The mean over the folds; NaN without any."""
        return float(self.scores(measure, condition).mean()) if self.folds else math.nan

    def std(self, measure: str = "macro_f1", condition: Condition | None = None) -> float:
        """The standard deviation over the folds, with n - 1; NaN for fewer than two."""
        return float(self.scores(measure, condition).std(ddof=1)) if len(self.folds) > 1 else math.nan


def _score(fold: Fold, measure: str, condition: Condition | None) -> float:
    scores = [s for c, s in fold.scores.items() if condition in (None, c)]
    return float(np.mean([s.get(measure, math.nan) for s in scores])) if scores else math.nan
