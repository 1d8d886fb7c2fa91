"""Evaluate a model on rows of a data set: predictions, metrics with confidence intervals, and leak warnings.

Everything is computed per condition: the set of modalities that the model may use, such as `image+audio`.
"""

import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from seesay.condition import Condition
from seesay.data.batches import table
from seesay.data.dataset import MISSING, SPLITS, Dataset, subset_with_contents
from seesay.data.groups import speaker_notes, ties, unknown_speakers
from seesay.data.info import either, tie_noun
from seesay.data.splits import Splits, leaks, split
from seesay.errors import InputError
from seesay.learn.adapt import adaptation_splits
from seesay.learn.run import Run, digest
from seesay.metrics.scores import METRICS, heading, in_order, measure, printed
from seesay.metrics.statistics import bootstrap
from seesay.model.classifier import Classifier, posteriors
from seesay.model.features import features_of
from seesay.model.temperature import Evidence, probabilities


@dataclass(frozen=True)
class Evaluation:
    """Predictions for labelled rows, and their scores."""

    split: str
    rows: np.ndarray
    """(n,): indices in the data set."""
    label: np.ndarray
    """(n,)"""
    probabilities: Mapping[Condition, np.ndarray]
    """(n, k) by condition; NaN in rows that do not count in the condition."""
    results: Mapping[Condition, Mapping[str, Any]]
    """By condition: `rows`, every metric of `METRICS` that is defined, and intervals as `<metric>_ci`."""
    seconds: float
    apart: str = ""
    """A sentence that says what these rows do not share with the training rows, such as speakers."""
    notes: tuple[str, ...] = ()
    """Reasons to trust the scores less, a sentence each."""

    def metrics(self) -> dict[str, Any]:
        """The contents of `metrics.json`."""
        return {
            "split": self.split,
            "rows": len(self.rows),
            "seconds": round(self.seconds, 3),
            "notes": list(self.notes),
            "results": self.results,
        }

    def to_json(self) -> str:
        return json.dumps(self.metrics(), indent=2) + "\n"


def evaluate(
    model: Classifier,
    dataset: Dataset,
    rows: np.ndarray,
    split: str = "test",
    seed: int = 0,
    apart: str = "",
    notes: tuple[str, ...] = (),
    predicted: Mapping[Condition, np.ndarray] | None = None,
) -> Evaluation:
    """Predictions and scores of the rows, in every condition over the rows that count in it.

    The interval of macro-F1 is a bootstrap over contents, not rows: a repeated recording is one observation.
    `apart` and `notes` are kept with the scores; a note is added if speakers are unknown. `predicted`: the
    probabilities, if they are known already (`predictions_for`). No labelled rows: InputError.
    """
    began = time.perf_counter()
    labelled = dataset.label[rows] >= 0
    rows = rows[labelled]
    if not len(rows):
        raise InputError(f"the split {split!r} has no labelled rows", "Look at seesay data info.")
    label = np.asarray(dataset.label[rows])
    if predicted is None:
        predicted = predictions_of(model, dataset, rows)
    else:
        predicted = {name: probabilities[labelled] for name, probabilities in predicted.items()}
    results = dict(_results(dataset, rows, label, predicted, seed))
    used = dataset.only(*(m for m in dataset.modalities if m in model.modalities))
    notes = tuple(dict.fromkeys((*notes, *speaker_notes(*unknown_speakers(used)))))
    seconds = time.perf_counter() - began
    return Evaluation(split, rows, label, predicted, results, seconds, apart, notes)


def predictions_of(model: Classifier, dataset: Dataset, rows: np.ndarray) -> dict[Condition, np.ndarray]:
    """Probabilities (n, k) by condition; NaN in rows that do not count in the condition. Only the contents of
    these rows are read."""
    part = subset_with_contents(dataset, rows)
    return posteriors(model, table(part, np.arange(len(part)), features_of(model, part)))


def predictions_for(
    run: Run, model: Classifier, dataset: Dataset, held_out: "HeldOut"
) -> dict[Condition, np.ndarray]:
    """Probabilities (n, k) by condition for the held-out rows. Cross-fitted rows are predicted by models that
    were trained without them."""
    if not held_out.cross_fitted:
        return predictions_of(model, dataset, held_out.rows)
    evidence = Evidence.joined(list(run.cross_fitted().values()))
    return probabilities(model, evidence.only(held_out.rows))


def _results(
    dataset: Dataset,
    rows: np.ndarray,
    label: np.ndarray,
    probabilities: Mapping[Condition, np.ndarray],
    seed: int,
) -> Iterator[tuple[Condition, dict[str, Any]]]:
    for condition, all_rows in probabilities.items():
        present = ~np.isnan(all_rows[:, 0])
        if not present.any():
            continue
        scored = (all_rows[present], label[present])
        units = resampling_units(dataset, rows[present], condition)
        scores = measure(*scored)
        intervals = {
            f"{metric}_ci": list(bootstrap(METRICS[metric], *scored, units, seed=seed))
            for metric in scores
            if METRICS[metric].interval
        }
        yield condition, {"rows": int(present.sum()), **scores, **intervals}


def table_of(results: Mapping[Condition, Mapping[str, Any]]) -> list[list[str]]:
    """A table with a row for each condition: its number of rows, and every metric with its interval if it has
    one. Empty cells are not defined."""
    names = [n for n in in_order(n for result in results.values() for n in result) if n in METRICS]
    heads, rows = ["condition", "rows"], [[c, f"{result['rows']:,}"] for c, result in results.items()]
    for metric in names:
        with_interval = any(f"{metric}_ci" in result for result in results.values())
        heads += [heading(metric), "95 % interval"] if with_interval else [heading(metric)]
        for row, result in zip(rows, results.values(), strict=True):
            row.append(printed(metric, result[metric]) if metric in result else "")
            if with_interval:
                row.append(" to ".join(printed(metric, end) for end in result.get(f"{metric}_ci", ())))
    return [heads, *rows]


def resampling_units(dataset: Dataset, rows: np.ndarray, condition: Condition) -> np.ndarray:
    """Bootstrap unit of each row (n,): rows with the same content share a unit. With several modalities, the
    one with the fewest distinct contents decides, since it is repeated most. A row that lacks it is its own
    unit."""
    row_units = -2 - np.arange(len(rows))
    pointers = [dataset.pointers(m)[rows] for m in condition.modalities]
    units = [np.where(contents == MISSING, row_units, contents) for contents in pointers]
    return min(units, key=lambda unit: len(np.unique(unit)))


# ------------------------------------------------------------------------------------------------- which rows


class HeldOut(NamedTuple):
    """Rows to score, and what separates them from the training rows (fields as in `Evaluation`)."""

    split: str
    rows: np.ndarray
    apart: str
    notes: tuple[str, ...]
    cross_fitted: bool = False
    """The model was trained on these rows; they are scored by models that were trained without them."""
    usual: bool = False
    """These are the rows by which the run is judged: of its own data, those that are scored by default."""


def held_out(run: Run | None, dataset: Dataset, name: str | None = None) -> HeldOut:
    """The rows of a split to score; default: `test`, or `valid` if no test row has a label.

    In the data that the run was trained on, the split is the run's; in other data, or without a run, it is
    the stored one. If that has no test rows, all labelled rows are tested. No labelled rows in the split:
    InputError.
    """
    splits = None if run is None else own_splits(run, dataset)
    rows_of = {split: _rows(splits, dataset, split) for split in SPLITS}
    cross_fitted = run is not None and splits is not None and len(run.cross_fitted()) > 0
    if cross_fitted:
        rows_of["valid"] = rows_of["train"]
    labelled = [split for split, rows in rows_of.items() if (dataset.label[rows] >= 0).any()]
    default = "valid" if labelled[-1:] == ["valid"] else "test"
    chosen = name or default
    if chosen not in labelled:
        remedy = f"Splits that have some: {', '.join(labelled)}; choose one with --split."
        raise InputError(
            f"the split {chosen!r} of {dataset.name} has no labelled rows",
            remedy if labelled else "Give --data with labels.",
        )
    rows = rows_of[chosen]
    notes = [] if name or chosen == "test" else ["No test row has a label: the validation rows are scored."]
    if run is None or splits is None:
        return HeldOut(chosen, rows, OTHER_DATA, tuple(notes))
    used = dataset.only(*(m for m in dataset.modalities if m in run.spec.modalities))
    usual = chosen == default
    apart, leaked = shared_with_training(used, splits, chosen)
    if cross_fitted and chosen == "valid":
        note = ADAPTED if run.adapted_from else CROSS_FITTED
        return HeldOut(chosen, rows, apart, (*notes, note), cross_fitted=True, usual=usual)
    return HeldOut(chosen, rows, apart, (*notes, *SPLIT_NOTES.get(chosen, ()), *leaked), usual=usual)


CROSS_FITTED = (
    "Cross-fitted: each row is scored by a model that was trained without the row's group; the model in the "
    "run was trained on all rows."
)

ADAPTED = (
    "Adapted to these rows: each is scored without what was changed for its fold; the model in the run was "
    "adapted to all of them."
)

SPLIT_NOTES = {
    "train": ("The model was trained on these rows: the scores say nothing about new rows.",),
    "valid": ("Validation rows also calibrated the model: expect slightly lower scores on test rows.",),
}
"""How training used the rows of a split."""

OTHER_DATA = "It is not known whether these rows share contents or speakers with the training rows."


def rows_for(run: Run, dataset: Dataset, name: str) -> np.ndarray:
    """The rows of a split, as `held_out` chooses them."""
    return _rows(own_splits(run, dataset), dataset, name)


def own_splits(run: Run, dataset: Dataset) -> Splits | None:
    """The splits that the run was trained with or adapted to; None if that was another data set."""
    config = run.config.split
    if run.adapted_from:
        splits = adaptation_splits(dataset)
    else:
        splits = split(dataset, config.seed, config.by, config.valid)
    return splits if digest(dataset, splits.train) == run.digest else None


def _rows(splits: Splits | None, dataset: Dataset, name: str) -> np.ndarray:
    if splits is not None:
        return splits[name]
    stored = dataset.rows_of(name)
    return stored if len(stored) or name != "test" else np.flatnonzero(dataset.label >= 0)


def shared_with_training(dataset: Dataset, splits: Splits, scored: str) -> tuple[str, tuple[str, ...]]:
    """Two values: a sentence that says what the scored rows do not share with the training rows, and a
    warning for each thing, such as a speaker, that some of them do share."""
    if scored == "train":
        return "", ()
    kinds = dataset.spec.kinds
    leaked = [leak for leak in leaks(dataset, splits) if leak.splits == ("train", scored)]
    notes = tuple(
        f"{leak.rows[1]:,} of {len(splits[scored]):,} {scored} rows share their {tie_noun(leak.what, kinds)} "
        "with training rows: the scores are inflated."
        for leak in leaked
    )
    crossing = {tie_noun(leak.what, kinds) for leak in leaked}
    names = dict.fromkeys(tie_noun(what, kinds) for what, _ in ties(dataset))
    separate = [name for name in names if name not in crossing]
    return (f"No {either(separate)} of these rows is in the training rows." if separate else ""), notes
