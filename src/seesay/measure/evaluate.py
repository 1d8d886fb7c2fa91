"""Scores of a model on rows of a data set: every condition, with intervals, and with how far these rows stand
apart from those that it was trained on."""

import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from seesay.condition import Condition
from seesay.data.batches import table
from seesay.data.dataset import MISSING, SPLITS, Dataset, only_rows
from seesay.data.groups import says_speakers, ties, unknown_speakers
from seesay.data.info import either, tie_noun
from seesay.data.splits import Splits, leaks, split
from seesay.errors import InputError
from seesay.learn.run import Run, digest
from seesay.metrics.scores import METRICS, heading, in_order, measure, printed
from seesay.metrics.statistics import bootstrap
from seesay.model.classifier import Classifier, posteriors
from seesay.model.features import features_of
from seesay.model.temperature import Evidence, probabilities


@dataclass(frozen=True)
class Evaluation:
    """Predictions for some labelled rows, and the scores made of them."""

    split: str
    rows: np.ndarray
    """(n,): rows of the data set."""
    label: np.ndarray
    """(n,)"""
    probabilities: Mapping[Condition, np.ndarray]
    """(n, k) by condition; NaN in rows that the condition has not."""
    results: Mapping[Condition, Mapping[str, Any]]
    """By condition `rows`, every metric of `METRICS` that is defined, and `<metric>_ci` for the intervals."""
    seconds: float
    apart: str = ""
    """How far the rows stand apart from those that trained, a sentence."""
    notes: tuple[str, ...] = ()
    """What makes the scores say less than they seem to, a sentence each."""

    def metrics(self) -> dict[str, Any]:
        """What `metrics.json` holds."""
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
    """Predicts the rows and scores them by condition, each over the rows that it has.

    The interval of macro-F1 is a bootstrap over contents, not rows: a repeated recording is one observation.
    `apart` and `notes` go with the scores, and where speakers are not known a note says so. `predicted`:
    of these rows, where they were predicted already (`predictions_for`). No labelled rows: InputError.
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
        predicted = {name: said[labelled] for name, said in predicted.items()}
    results = dict(_results(dataset, rows, label, predicted, seed))
    heard = dataset.only(*(m for m in dataset.modalities if m in model.modalities))
    notes = tuple(dict.fromkeys((*notes, *says_speakers(*unknown_speakers(heard)))))
    seconds = time.perf_counter() - began
    return Evaluation(split, rows, label, predicted, results, seconds, apart, notes)


def predictions_of(model: Classifier, dataset: Dataset, rows: np.ndarray) -> dict[Condition, np.ndarray]:
    """(n, k) by condition; NaN in rows that the condition has not. Features are made of their contents
    only."""
    part = only_rows(dataset, rows)
    return posteriors(model, table(part, np.arange(len(part)), features_of(model, part)))


def predictions_for(
    run: Run, model: Classifier, dataset: Dataset, held: "HeldOut"
) -> dict[Condition, np.ndarray]:
    """What the run says of these rows: of cross-fitted ones, what models said that were trained without
    them."""
    if not held.cross_fitted:
        return predictions_of(model, dataset, held.rows)
    evidence = Evidence.joined(list(run.cross_fitted().values()))
    return probabilities(model, evidence.only(held.rows))


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
        scores = measure(said[there], label[there])
        intervals = {
            f"{each}_ci": list(bootstrap(METRICS[each], said[there], label[there], groups, seed=seed))
            for each in scores
            if METRICS[each].interval
        }
        yield name, {"rows": int(there.sum()), **scores, **intervals}


def table_of(results: Mapping[Condition, Mapping[str, Any]]) -> list[list[str]]:
    """A row for each condition: how many rows it has, every metric, and its interval where it has one. An
    empty cell: not defined in this condition."""
    names = [n for n in in_order(n for result in results.values() for n in result) if n in METRICS]
    heads, rows = ["condition", "rows"], [[name, f"{each['rows']:,}"] for name, each in results.items()]
    for metric in names:
        with_interval = any(f"{metric}_ci" in each for each in results.values())
        heads += [heading(metric), "95 % interval"] if with_interval else [heading(metric)]
        for row, each in zip(rows, results.values(), strict=True):
            row.append(printed(metric, each[metric]) if metric in each else "")
            if with_interval:
                row.append(" to ".join(printed(metric, end) for end in each.get(f"{metric}_ci", ())))
    return [heads, *rows]


def resampling_units(dataset: Dataset, rows: np.ndarray, name: Condition) -> np.ndarray:
    """(n,): what the bootstrap draws. Rows with the same content are one unit; of several modalities, the one
    with the fewest distinct contents decides, for its repeats tie the most rows together. A row without that
    modality is a unit of its own."""
    own = -2 - np.arange(len(rows))
    pointers = [dataset.pointers(m)[rows] for m in name.modalities]
    units = [np.where(each == MISSING, own, each) for each in pointers]
    return min(units, key=lambda unit: len(np.unique(unit)))


# ------------------------------------------------------------------------------------------------- which rows


class HeldOut(NamedTuple):
    """Rows to score, and how far they stand apart from those that trained."""

    split: str
    rows: np.ndarray
    apart: str
    notes: tuple[str, ...]
    cross_fitted: bool = False
    """Whether they trained the model, and models that were trained without them say what is scored."""


def held_out(run: Run | None, dataset: Dataset, name: str | None = None) -> HeldOut:
    """The rows of a split with what is known of them; none: `test`, or `valid` where no test row has a label.

    In the data that the run was trained on, the split is the run's own; in other data the stored one. Other
    data that store no test rows are tested whole, where they have labels; so is all of it without a run. No
    labelled rows: InputError.
    """
    own = None if run is None else own_splits(run, dataset)
    rows_of = {each: _rows(own, dataset, each) for each in SPLITS}
    crossed = run is not None and own is not None and len(run.cross_fitted()) > 0
    if crossed:
        rows_of["valid"] = rows_of["train"]
    labelled = [each for each, rows in rows_of.items() if (dataset.label[rows] >= 0).any()]
    chosen = name or ("valid" if labelled[-1:] == ["valid"] else "test")
    if chosen not in labelled:
        instead = f"Splits that have some: {', '.join(labelled)}; choose one with --split."
        raise InputError(
            f"the split {chosen!r} of {dataset.name} has no labelled rows",
            instead if labelled else "Give --data with labels.",
        )
    rows = rows_of[chosen]
    notes = [] if name or chosen == "test" else ["No test row has a label: the validation rows are scored."]
    if run is None or own is None:
        return HeldOut(chosen, rows, ELSEWHERE, tuple(notes))
    seen = dataset.only(*(m for m in dataset.modalities if m in run.spec.modalities))
    apart, shared = says_apart(seen, own, chosen)
    if crossed and chosen == "valid":
        return HeldOut(chosen, rows, apart, (*notes, CROSS_FITTED), cross_fitted=True)
    return HeldOut(chosen, rows, apart, (*notes, *USED.get(chosen, ()), *shared))


CROSS_FITTED = (
    "Cross-fitted: each row is scored by a model that was trained without it and all that belongs to it; the "
    "model in the run was trained on all of them."
)


USED = {
    "train": ("The model was trained on these rows: their scores say nothing about others.",),
    "valid": ("Validation rows also calibrated the model: expect a little less on test rows.",),
}
"""What training has done with rows of these splits."""

ELSEWHERE = "Whether these rows share contents or speakers with the training rows is not known."


def rows_for(run: Run, dataset: Dataset, name: str) -> np.ndarray:
    """The rows of a split, as `held_out` finds them."""
    return _rows(own_splits(run, dataset), dataset, name)


def own_splits(run: Run, dataset: Dataset) -> Splits | None:
    """The splits that the run was trained with, if this is the data set that it was trained on."""
    config = run.config.split
    splits = split(dataset, config.seed, config.by, config.valid)
    return splits if digest(dataset, splits.train) == run.digest else None


def _rows(own: Splits | None, dataset: Dataset, name: str) -> np.ndarray:
    if own is not None:
        return own[name]
    stored = dataset.rows_of(name)
    return stored if len(stored) or name != "test" else np.flatnonzero(dataset.label >= 0)


def says_apart(dataset: Dataset, splits: Splits, scored: str) -> tuple[str, tuple[str, ...]]:
    """What rows of the scored split do not share with training rows, a sentence, and one for each thing that
    some do share: their scores are inflated."""
    if scored == "train":
        return "", ()
    kinds = dataset.spec.kinds
    found = [leak for leak in leaks(dataset, splits) if leak.splits == ("train", scored)]
    shared = tuple(
        f"{leak.rows[1]:,} of {len(splits[scored]):,} {scored} rows share their {tie_noun(leak.what, kinds)} "
        "with training rows: the scores are inflated."
        for leak in found
    )
    crossing = {tie_noun(leak.what, kinds) for leak in found}
    names = dict.fromkeys(tie_noun(what, kinds) for what, _ in ties(dataset))
    kept = [name for name in names if name not in crossing]
    return (f"No {either(kept)} of these rows stands in training rows." if kept else ""), shared
