"""Hyper-parameter search as a generator of trials: `for trial in search(begin(data, plan, folder)): ...`

Every set of values is trained on folds that no group crosses, or on the one split that validates; each
finished fold is on disk at once (study.py). Rows of the test split are left behind before anything begins: no
search ever sees them.
"""

import dataclasses
import hashlib
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from seesay.condition import Condition, conditions
from seesay.config import Config
from seesay.data.batches import table
from seesay.data.dataset import MISSING, Dataset, only_rows
from seesay.data.splits import Splits, folds, split
from seesay.errors import ConfigError, nearest
from seesay.learn.fit import Epoch, Watch
from seesay.learn.learn import learn
from seesay.learn.run import digest
from seesay.metrics.scores import measure
from seesay.model.classifier import Classifier, posteriors
from seesay.model.features import RawFeatures, features_of
from seesay.plain import to_dict, to_json
from seesay.search.space import Space, apply
from seesay.search.study import Claimed, Study
from seesay.search.trial import Fold, Trial


@dataclass(frozen=True)
class Plan:
    """What is searched and how each set of values is scored. Same plan, same data: the same trials."""

    space: Space
    config: Config
    """Every field that the space does not name; its seed is the search's too."""
    trials: int | None = None
    """How many TPE proposes; None: the whole grid."""
    folds: int | None = None
    """Of the cross-validation; None: the rows that validate, as in training."""
    rows: int | None = None
    """A stratified random part of so many of the rows; None: all."""
    condition: Condition | None = None
    """Whose macro-F1 is to be high; None: the mean over the conditions."""


@dataclass(frozen=True)
class Search:
    """A plan, its rows, and the study that keeps its trials."""

    plan: Plan
    data: Dataset
    """Rows to train and to validate on, and only the contents that they have: nothing of a test row is in
    it."""
    pairs: tuple[tuple[np.ndarray, np.ndarray], ...]
    """Of each fold the rows of `data` that train and that validate."""
    study: Study

    @cached_property
    def raw(self) -> RawFeatures:
        """The features of its contents, made once for each way of making them."""
        return RawFeatures(self.data)

    def fold(self, number: int) -> Splits:
        """The rows that train and validate in a fold."""
        train, valid = self.pairs[number]
        return Splits(train, valid, np.empty(0, np.int64))

    @property
    def best(self) -> Trial | None:
        """The trial that is done and has the highest mean; the first of equals. None: none is done."""
        done = [trial for trial in self.study.trials() if trial.state == "done"]
        return max(done, key=lambda trial: trial.mean(condition=self.plan.condition), default=None)

    def config_of(self, trial: Trial) -> Config:
        """The complete config of a trial."""
        return apply(self.plan.config, trial.values)


def begin(data: Dataset, plan: Plan, folder: Path) -> Search:
    """The search in this folder, new or to be gone on with.

    More folds than a class has groups: InputError. More rows than there are, fewer trials than one, a field
    of a modality that the data set has not: ConfigError. A folder that holds another search: OutputError.
    """
    parts = split(data, plan.config.split.seed, plan.config.split.by, plan.config.split.valid)
    data = data.only(*plan.config.modalities or data.modalities)
    plan = dataclasses.replace(plan, config=plan.config.naming(data.spec.kinds))
    cells = _check_plan(data, plan)
    pool, pairs = _pairs(data, parts, plan)
    asked = {
        "space": {name: str(field) for name, field in plan.space.fields.items()},
        "search": "TPE" if plan.trials else "grid",
        "folds": plan.folds or "the rows that validate",
        "rows": plan.rows or "all",
        "condition": plan.condition or "mean",
        "config": to_dict(plan.config),
        "data": f"{data.name} ({_fingerprint(data, pool)})",
    }
    total = plan.trials or len(cells)
    study = Study(folder, plan.space, json.loads(json.dumps(asked)), total, cells, plan.config.seed)
    return Search(plan, only_rows(data, pool), pairs, study)


def search(search: Search, device: str = "cpu", watch: Watch = iter) -> Iterator[Trial]:
    """Yields a trial after each of its folds, as far as it has come: `state` says whether it is over.

    Ends when no trial is left to begin or to go on with; other processes may still be at theirs. Break off at
    any time: what is begun is gone on with, at its next fold, by whoever searches next. A trial whose values
    cannot be trained is `failed`, and the search goes on. Every scored epoch is the last one, so nothing is
    chosen by the rows that score.
    """
    while (claimed := search.study.next()) is not None:
        with claimed:
            try:
                for _ in _work(search, claimed, device, watch):
                    yield claimed.trial
            except ConfigError as error:
                claimed.fail(str(error))
                yield claimed.trial


def _work(search: Search, claimed: Claimed, device: str, watch: Watch) -> Iterator[None]:
    """Trains the folds that a trial lacks and keeps each."""
    plan, trial = search.plan, claimed.trial
    config = search.config_of(trial)
    config = dataclasses.replace(config, split=dataclasses.replace(config.split, folds=0))
    for number in range(len(trial.folds), len(search.pairs)):
        began, splits, last = time.perf_counter(), search.fold(number), None
        for step in learn(search.data, splits, config, watch=watch, device=device, raw=search.raw):
            if not isinstance(step, Epoch):
                continue
            early = plan.trials and number == 0 and not step.last
            if early and claimed.worse(_said(step, plan.condition), step.number):
                claimed.prune()
                yield
                return
            last = step
        if last is None:  # stopped before the first batch
            return
        scores = scores_of(last.training.averaged(), search.data, splits.valid)
        claimed.keep(Fold(scores, time.perf_counter() - began))
        if number + 1 < len(search.pairs):
            yield
    claimed.end(claimed.trial.mean(condition=plan.condition))
    yield


def _said(epoch: Epoch, name: Condition | None) -> float:
    return epoch.score if name is None else epoch.scores.get(name, float("nan"))


def scores_of(model: Classifier, data: Dataset, rows: np.ndarray) -> dict[Condition, dict[str, float]]:
    """Every metric of these rows by condition, each over the rows that it has."""
    data = only_rows(data, rows)
    tensors = table(data, np.arange(len(data)), features_of(model, data))
    scores = {}
    for name, probabilities in posteriors(model, tensors).items():
        there = ~np.isnan(probabilities[:, 0])
        if there.any():
            scores[name] = measure(probabilities[there], np.asarray(data.label[there]))
    return scores


# ------------------------------------------------------------------------------------------------------- rows


def _pairs(
    data: Dataset, parts: Splits, plan: Plan
) -> tuple[np.ndarray, tuple[tuple[np.ndarray, np.ndarray], ...]]:
    """The rows that are searched, and per fold the places among them that train and that validate."""
    how = plan.config.split
    pool = np.sort(np.concatenate([parts.train, parts.valid]))
    pool = pool[(data.rows[pool] != MISSING).any(1)]
    if plan.rows is not None:
        pool = stratified(data.label, pool, plan.rows, how.seed)
    if plan.folds is not None:
        pairs = list(folds(data, pool, plan.folds, how.seed, how.by))
    else:
        pairs = [(np.intersect1d(parts.train, pool), np.intersect1d(parts.valid, pool))]
    if not all(len(valid) and len(train) for train, valid in pairs):
        raise ConfigError(
            "there are no rows to train or to validate on", "Say --folds, or a higher --split.valid."
        )
    return pool, tuple((np.searchsorted(pool, train), np.searchsorted(pool, valid)) for train, valid in pairs)


def stratified(label: np.ndarray, rows: np.ndarray, wanted: int, seed: int) -> np.ndarray:
    """`wanted` of the `rows`, drawn at random, each class with its share (largest remainders). Too many:
    ConfigError."""
    if not 1 <= wanted <= len(rows):
        raise ConfigError(f"rows must be 1 to {len(rows)}, which is all that can be searched, got {wanted}")
    random = np.random.default_rng(seed)
    classes, counts = np.unique(label[rows], return_counts=True)
    exact = counts * (wanted / len(rows))
    take = np.floor(exact).astype(int)
    take[np.argsort(take - exact, kind="stable")[: wanted - take.sum()]] += 1
    drawn = [
        random.choice(rows[label[rows] == c], n, replace=False) for c, n in zip(classes, take, strict=True)
    ]
    return np.sort(np.concatenate(drawn))


def _fingerprint(data: Dataset, rows: np.ndarray) -> str:
    """Of the rows, where they point, their labels, and what the contents are."""
    return hashlib.sha256(f"{digest(data, rows)} {to_json(data.spec)}".encode()).hexdigest()[:16]


def _check_plan(data: Dataset, plan: Plan) -> list[dict[str, Any]]:
    """The cells of the grid, none for TPE; ConfigError where the plan does not fit the data."""
    if plan.trials is not None and plan.trials < 1:
        raise ConfigError(f"a search needs at least 1 trial, got {plan.trials}")
    known = conditions(data.modalities)
    if plan.condition is not None and plan.condition not in known:
        raise ConfigError(
            f"the data set has no condition {plan.condition!r}", nearest(plan.condition, list(known))
        )
    for name in plan.space.fields:
        family, _, rest = name.removeprefix("model.").partition(".")
        if name.startswith("model.") and rest and family not in data.modalities:
            here = " and ".join(data.modalities)
            raise ConfigError(
                f"{name} changes nothing: the data searched have {here} alone", "Drop the field."
            )
    return plan.space.cells() if plan.trials is None else []
