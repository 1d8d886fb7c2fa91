"""Hyperparameter search as a generator of trials: `for trial in search(begin(data, plan, folder)): ...`

Every set of values is trained on cross-validation folds that keep groups together, or on the one
train/validation split; each finished fold is saved at once (study.py). Test rows are removed first: no search
ever sees them.
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
from seesay.data.dataset import MISSING, Dataset, subset_with_contents
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
    """What is searched and how each set of values is scored. The same plan and data give the same trials."""

    space: Space
    config: Config
    """Values of the fields that are not searched. `config.seed` also seeds the search."""
    trials: int | None = None
    """Number of trials proposed by TPE; None: the whole grid."""
    folds: int | None = None
    """Folds of the cross-validation; None: the validation split, as in training."""
    rows: int | None = None
    """Size of a stratified random sample of the rows; None: all rows."""
    condition: Condition | None = None
    """Condition whose macro-F1 is maximised; None: the mean over the conditions."""


@dataclass(frozen=True)
class Search:
    """A plan, its rows, and the study that saves its trials."""

    plan: Plan
    data: Dataset
    """The rows to train and validate on, with only their contents: nothing of a test row is in it."""
    pairs: tuple[tuple[np.ndarray, np.ndarray], ...]
    """The training and validation rows of `data` for each fold."""
    study: Study

    @cached_property
    def raw(self) -> RawFeatures:
        """The features of its contents, made once per front end."""
        return RawFeatures(self.data)

    def fold(self, number: int) -> Splits:
        """The training and validation rows of a fold."""
        train, valid = self.pairs[number]
        return Splits(train, valid, np.empty(0, np.int64))

    @property
    def best(self) -> Trial | None:
        """The finished trial with the highest mean, the first if tied. None if no trial is finished."""
        done = [trial for trial in self.study.trials() if trial.state == "done"]
        return max(done, key=lambda trial: trial.mean(condition=self.plan.condition), default=None)

    def config_of(self, trial: Trial) -> Config:
        """The complete config of a trial."""
        return apply(self.plan.config, trial.values)


def begin(data: Dataset, plan: Plan, folder: Path) -> Search:
    """Create the search in this folder, or resume it.

    Raises InputError if a class has fewer groups than there are folds; ConfigError if `plan` asks for more
    rows than available, no trials, or a field of a modality the data set lacks; OutputError if the folder
    contains a different search.
    """
    parts = split(data, plan.config.split.seed, plan.config.split.by, plan.config.split.valid)
    data = data.only(*plan.config.modalities or data.modalities)
    plan = dataclasses.replace(plan, config=plan.config.naming(data.spec.kinds))
    cells = _check_plan(data, plan)
    pool, pairs = _pairs(data, parts, plan)
    description = {
        "space": {name: str(field) for name, field in plan.space.fields.items()},
        "search": "TPE" if plan.trials else "grid",
        "folds": plan.folds or "the rows that validate",
        "rows": plan.rows or "all",
        "condition": plan.condition or "mean",
        "config": to_dict(plan.config),
        "data": f"{data.name} ({_fingerprint(data, pool)})",
    }
    total = plan.trials or len(cells)
    study = Study(folder, plan.space, json.loads(json.dumps(description)), total, cells, plan.config.seed)
    return Search(plan, subset_with_contents(data, pool), pairs, study)


def search(search: Search, device: str = "cpu", watch: Watch = iter) -> Iterator[Trial]:
    """Yield each trial after each of its folds; `state` says whether it is over.

    Ends when no trial is left to start or resume; other processes may still be working on theirs. It may be
    interrupted at any time: the next call resumes a started trial at its next fold. A trial that cannot be
    trained with its values is `failed`, and the search continues. The score is always that of the last
    epoch: no epoch is selected on the validation rows.
    """
    while (claimed := search.study.next()) is not None:
        with claimed:
            try:
                for _ in _train_folds(search, claimed, device, watch):
                    yield claimed.trial
            except ConfigError as error:
                claimed.fail(str(error))
                yield claimed.trial


def _train_folds(search: Search, claimed: Claimed, device: str, watch: Watch) -> Iterator[None]:
    """Train the remaining folds of a trial and save each."""
    plan, trial = search.plan, claimed.trial
    config = search.config_of(trial)
    config = dataclasses.replace(config, split=dataclasses.replace(config.split, folds=0))
    for number in range(len(trial.folds), len(search.pairs)):
        start, splits, last = time.perf_counter(), search.fold(number), None
        for step in learn(search.data, splits, config, watch=watch, device=device, raw=search.raw):
            if not isinstance(step, Epoch):
                continue
            may_prune = plan.trials and number == 0 and not step.last
            if may_prune and claimed.should_prune(_score(step, plan.condition), step.number):
                claimed.prune()
                yield
                return
            last = step
        if last is None:  # stopped before the first batch
            return
        scores = scores_of(last.training.averaged(), search.data, splits.valid)
        claimed.keep(Fold(scores, time.perf_counter() - start))
        if number + 1 < len(search.pairs):
            yield
    claimed.end(claimed.trial.mean(condition=plan.condition))
    yield


def _score(epoch: Epoch, condition: Condition | None) -> float:
    return epoch.score if condition is None else epoch.scores.get(condition, float("nan"))


def scores_of(model: Classifier, data: Dataset, rows: np.ndarray) -> dict[Condition, dict[str, float]]:
    """Every metric by condition, each computed on those of `rows` that have a class and count in the
    condition."""
    data = subset_with_contents(data, rows[data.label[rows] >= 0])
    tensors = table(data, np.arange(len(data)), features_of(model, data))
    scores = {}
    for condition, probabilities in posteriors(model, tensors).items():
        present = ~np.isnan(probabilities[:, 0])
        if present.any():
            scores[condition] = measure(probabilities[present], np.asarray(data.label[present]))
    return scores


# ------------------------------------------------------------------------------------------------------- rows


def _pairs(
    data: Dataset, parts: Splits, plan: Plan
) -> tuple[np.ndarray, tuple[tuple[np.ndarray, np.ndarray], ...]]:
    """The rows to search on, and per fold the training and validation rows as positions in them."""
    settings = plan.config.split
    pool = np.sort(np.concatenate([parts.train, parts.valid]))
    pool = pool[(data.rows[pool] != MISSING).any(1)]
    if plan.rows is not None:
        pool = stratified(data.label, pool, plan.rows, settings.seed)
    if plan.folds is not None:
        pairs = list(folds(data, pool, plan.folds, settings.seed, settings.by))
    else:
        pairs = [(np.intersect1d(parts.train, pool), np.intersect1d(parts.valid, pool))]
    if not all(len(valid) and len(train) for train, valid in pairs):
        raise ConfigError(
            "there are no rows to train or validate on", "Give --folds, or a higher --split.valid."
        )
    return pool, tuple((np.searchsorted(pool, train), np.searchsorted(pool, valid)) for train, valid in pairs)


def stratified(label: np.ndarray, rows: np.ndarray, wanted: int, seed: int) -> np.ndarray:
    """A random sample of `wanted` rows in the class proportions of `rows` (largest remainders). ConfigError
    if there are not enough."""
    if not 1 <= wanted <= len(rows):
        raise ConfigError(f"rows must be 1 to {len(rows)}, the rows available to a search, got {wanted}")
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
    """A hash of the rows, their labels, the contents and their spec."""
    return hashlib.sha256(f"{digest(data, rows)} {to_json(data.spec)}".encode()).hexdigest()[:16]


def _check_plan(data: Dataset, plan: Plan) -> list[dict[str, Any]]:
    """The cells of the grid, none for TPE; ConfigError if the plan does not fit the data."""
    if plan.trials is not None and plan.trials < 1:
        raise ConfigError(f"a search needs at least 1 trial, got {plan.trials}")
    available = conditions(data.modalities)
    if plan.condition is not None and plan.condition not in available:
        raise ConfigError(
            f"the data set has no condition {plan.condition!r}", nearest(plan.condition, list(available))
        )
    for name in plan.space.fields:
        family, _, rest = name.removeprefix("model.").partition(".")
        if name.startswith("model.") and rest and family not in data.modalities:
            modalities = " and ".join(data.modalities)
            raise ConfigError(f"{name} changes nothing: the data has only {modalities}", "Drop the field.")
    return plan.space.cells() if plan.trials is None else []
