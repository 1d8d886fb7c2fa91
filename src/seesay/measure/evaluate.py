"""Scores of a model on rows that it has not seen: every condition, every number with what it takes to trust
it."""

import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from seesay.config import Condition
from seesay.data.batches import table
from seesay.data.dataset import Dataset
from seesay.data.splits import split
from seesay.errors import InputError
from seesay.learn.run import Run, digest
from seesay.measure.metrics import measure
from seesay.measure.statistics import bootstrap_macro_f1
from seesay.model.classifier import Classifier, features_of, posteriors


@dataclass(frozen=True)
class Evaluation:
    """Predictions for some labelled rows, and the scores made of them."""

    split: str
    rows: np.ndarray
    """(n,): rows of the data set."""
    label: np.ndarray
    """(n,)"""
    probabilities: Mapping[Condition, np.ndarray]
    """(n, k) by condition; NaN in rows that lack one of its modalities."""
    results: Mapping[Condition, Mapping[str, Any]]
    """accuracy, macro_f1, macro_f1_ci, nll, ece: plain fractions and nats."""
    seconds: float

    def metrics(self) -> dict[str, Any]:
        """What `metrics.json` holds."""
        return {
            "split": self.split,
            "rows": len(self.rows),
            "seconds": round(self.seconds, 3),
            "results": self.results,
        }

    def to_json(self) -> str:
        return json.dumps(self.metrics(), indent=2) + "\n"


def evaluate(
    model: Classifier, dataset: Dataset, rows: np.ndarray, split: str = "test", seed: int = 0
) -> Evaluation:
    """Predicts the rows and scores them by condition, each over the rows that have all its modalities.

    The interval of macro-F1 is a bootstrap over contents, not rows: a repeated recording is one observation.
    No labelled
    rows: InputError.
    """
    began = time.perf_counter()
    rows = rows[dataset.label[rows] >= 0]
    if not len(rows):
        raise InputError(
            f"the split {split!r} has no labelled rows",
            "Look at seesay data info, or choose another --split.",
        )
    label = np.asarray(dataset.label[rows])
    probabilities = posteriors(model, table(dataset, rows, features_of(model, dataset)))
    results = dict(_results(dataset, rows, label, probabilities, seed))
    return Evaluation(split, rows, label, probabilities, results, time.perf_counter() - began)


def _results(
    dataset: Dataset,
    rows: np.ndarray,
    label: np.ndarray,
    probabilities: Mapping[Condition, np.ndarray],
    seed: int,
) -> Iterator[tuple[Condition, dict[str, Any]]]:
    for name, said in probabilities.items():
        there = ~np.isnan(said[:, 0])
        if not there.any():
            continue
        groups = resampling_units(dataset, rows[there], name)
        low, high = bootstrap_macro_f1(said[there].argmax(1), label[there], groups, said.shape[1], seed=seed)
        yield name, {**measure(said[there], label[there]), "macro_f1_ci": [low, high]}


def resampling_units(dataset: Dataset, rows: np.ndarray, name: Condition) -> np.ndarray:
    """(n,): what the bootstrap draws. Rows with the same content are one unit; of several modalities, the one
    with the fewest distinct contents decides, for its repeats tie the most rows together."""
    pointers = [dataset.pointers(m)[rows] for m in name.split("+")]
    return min(pointers, key=lambda p: len(np.unique(p)))


def rows_for(run: Run, dataset: Dataset, name: str) -> np.ndarray:
    """The rows of a split. In the data that the run was trained on, the run's own split; in other data its
    stored one. Other data that store no test rows are tested whole, where they have labels."""
    config = run.config.split
    splits = split(dataset, config.seed, config.by, config.valid)
    if digest(dataset, splits.train) == run.digest:
        return splits[name]
    stored = dataset.rows_of(name)
    return stored if len(stored) or name != "test" else np.flatnonzero(dataset.label >= 0)
