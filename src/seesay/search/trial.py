"""A trial of a search: a set of values, and what the trainings with them came to, fold by fold."""

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
    """What one training came to."""

    scores: Mapping[Condition, Mapping[str, float]]
    """On the rows that validate, after the last epoch: every metric by condition."""
    seconds: float


@dataclass(frozen=True)
class Trial:
    """One set of values, and the folds it has been trained on so far."""

    number: int
    """From 0, in the order in which they began; in a grid, the cell."""
    values: Mapping[str, Value]
    folds: tuple[Fold, ...]
    state: State
    """`pruned`: stopped early, worse than the median of the others; `failed`: these values cannot be
    trained."""
    error: str = ""
    """Why it failed."""

    def scores(self, measure: str = "macro_f1", condition: Condition | None = None) -> np.ndarray:
        """(folds,): of one condition; without it the mean over all that have rows. NaN: no row had it, or
        the metric is newer than the fold."""
        return np.array([_score(fold, measure, condition) for fold in self.folds])

    def mean(self, measure: str = "macro_f1", condition: Condition | None = None) -> float:
        """Over the folds; NaN without any."""
        return float(self.scores(measure, condition).mean()) if self.folds else math.nan

    def std(self, measure: str = "macro_f1", condition: Condition | None = None) -> float:
        """Over the folds, with n - 1; NaN for fewer than two."""
        return float(self.scores(measure, condition).std(ddof=1)) if len(self.folds) > 1 else math.nan


def _score(fold: Fold, measure: str, condition: Condition | None) -> float:
    said = fold.scores if condition is None else {c: s for c, s in fold.scores.items() if c == condition}
    return float(np.mean([score.get(measure, math.nan) for score in said.values()])) if said else math.nan
