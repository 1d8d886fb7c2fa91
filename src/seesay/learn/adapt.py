"""Adapt a trained model to a few rows of one's own: new speakers, another pen, another microphone.

Encoders stay as they are. The last layers of heads and fusion, the temperatures, the fusion weights and
`known` are refitted, each only as far as held-out rows support it (learn/last_layer.py). All rows are used
for fitting; each is also held out once, with its group, and on these held-out rows no condition is less
likely than under the model as it was. Class fractions stay those of the original training.
"""

import copy
import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from seesay.condition import Condition
from seesay.config import SplitConfig
from seesay.data.dataset import Dataset
from seesay.data.splits import By, Splits, fold_limit, folds, split
from seesay.errors import InputError, listed
from seesay.files import new_folder
from seesay.learn.encoder_files import files_of, hashes, in_run, write_files
from seesay.learn.refitted import Outputs, refitted
from seesay.learn.run import PACKAGED, Run, digest
from seesay.metrics.scores import METRICS
from seesay.model.classifier import Classifier
from seesay.model.temperature import Evidence, nll, probabilities

FOLDS = 5
"""Most folds of the cross-validation."""

FEWEST_ROWS = 2
"""Rows of a class: one to fit on, one to hold out."""

NONE = np.empty(0, np.int64)


@dataclass(frozen=True)
class Held:
    """Scores of a condition on held-out rows, before and after."""

    rows: int
    nll: tuple[float, float]
    """Mean negative log-likelihood in nats."""
    macro_f1: tuple[float, float]


@dataclass(frozen=True)
class Adapted:
    """An adapted model and how it did on held-out rows."""

    model: Classifier
    evidence: dict[int, Evidence]
    """Outputs on the rows of each fold, with changes fitted to the other folds."""
    results: dict[Condition, Held]
    by: By
    """What kept rows in one fold."""
    remarks: tuple[str, ...]
    """What was not changed and why, and what to know about the scores, a sentence each."""

    def numbers(self) -> dict[str, Any]:
        """The held-out scores before and after, by condition, and the remarks."""
        results = {condition: dataclasses.asdict(held) for condition, held in self.results.items()}
        return {"results": results, "remarks": list(self.remarks)}


# ------------------------------------------------------------------------------------------------------- rows


def adaptation_splits(data: Dataset) -> Splits:
    """The splits of a data set that a model is adapted to: the test rows are those stored in it, and all
    other rows with a label, and negatives, train."""
    parts = split(data, valid=0, test=0)
    return Splits(np.union1d(parts.train, parts.valid), NONE, parts.test)


def check_rows(data: Dataset, rows: np.ndarray) -> None:
    """InputError if a class has too few rows to adapt to."""
    counts = data.class_counts(rows)
    few = np.flatnonzero(counts < FEWEST_ROWS)
    if len(few):
        names = listed(f"{data.spec.classes[c]!r} ({counts[c]})" for c in few)
        raise InputError(
            f"adapting needs {FEWEST_ROWS} rows or more of every class, {data.name} has too few of {names}",
            "Add rows of these classes.",
        )


def _held_by(data: Dataset, rows: np.ndarray) -> tuple[By, int, tuple[str, ...]]:
    """What keeps rows in one fold, the number of folds, and a note where groups do not allow any."""
    by: By = "group"
    if (limit := fold_limit(data, rows)) >= 2:
        return by, min(limit, FOLDS), ()
    by = "content"
    if (limit := fold_limit(data, rows, by)) < 2:
        remedy = "Add other pictures or recordings."
        raise InputError(f"all rows of a class in {data.name} share a picture or recording", remedy)
    note = "A class has one group (such as one speaker): the held-out scores are of the same groups only."
    return by, min(limit, FOLDS), (note,)


# ------------------------------------------------------------------------------------------------------ model


def adapt(model: Classifier, data: Dataset, rows: np.ndarray) -> Adapted:
    """A copy of the model adapted to these rows, labelled or negative, of the same classes.

    Fewer than two rows of a class, or a class of one content: InputError.
    """
    check_rows(data, rows)
    data = data.only(*(m for m in data.modalities if m in model.modalities))
    by, count, notes = _held_by(data, rows)
    parts = [
        (np.searchsorted(rows, train), np.searchsorted(rows, held_out))
        for train, held_out in folds(data, rows, count, by=by)
    ]
    known = Outputs(model, data, rows)
    new, evidence, remarks = refitted(known, parts)
    before, after = probabilities(model, known.evidence), probabilities(new, evidence)
    label = known.evidence.label
    results = {c: _held(before[c], after[c], label) for c in before if (_rows_of(before[c], label)).any()}
    if any(each.nll[1] > each.nll[0] + 1e-6 for each in results.values()):
        new, evidence = copy.deepcopy(model), known.evidence
        remarks = ["Nothing was changed: a condition would have been less likely on held-out rows."]
        results = {c: _held(before[c], before[c], label) for c in results}
    by_fold = {i: evidence.only(rows[held_out]) for i, (_, held_out) in enumerate(parts)}
    return Adapted(new.eval(), by_fold, results, by, (*remarks, *notes))


def _rows_of(probabilities: np.ndarray, label: np.ndarray) -> np.ndarray:
    return ~np.isnan(probabilities[:, 0]) & (label >= 0)


def _held(before: np.ndarray, after: np.ndarray, label: np.ndarray) -> Held:
    mask = _rows_of(before, label)
    tiny = np.finfo(np.float32).tiny
    losses = [nll(np.log(np.maximum(p[mask], tiny)), label[mask]) for p in (before, after)]
    scores = [float(METRICS["macro_f1"].score(p[mask], label[mask])) for p in (before, after)]
    return Held(int(mask.sum()), (losses[0], losses[1]), (scores[0], scores[1]))


# -------------------------------------------------------------------------------------------------------- run


def save_adapted(
    run: Run, adapted: Adapted, data: Dataset, source: str, folder: Path, overwrite: bool = False
) -> None:
    """Write the run folder of a model that was adapted from `run` to this data set, which `source` names.

    It holds what every command needs, and the held-out outputs as after cross-fitting. The folder exists
    (unless `overwrite`), or the disk is full: OutputError, and nothing is changed.
    """
    rows = adaptation_splits(data).train
    config = dataclasses.replace(
        run.config,
        split=SplitConfig(by=adapted.by, valid=0.0, folds=len(adapted.evidence)),
        pretrain=dataclasses.replace(run.config.pretrain, epochs=0),  # and it excludes cross-fitting
    )
    epochs, files = run.epochs(), files_of(run.config)
    if epochs:
        scores = {condition: held.macro_f1[1] for condition, held in adapted.results.items()}
        epochs[-1] = {**epochs[-1], "scores": scores, "remarks": list(adapted.remarks)}
    with new_folder(folder, overwrite) as temporary:
        new = dataclasses.replace(
            run,
            folder=temporary,
            config=in_run(config, temporary) if files else config,
            data=source,
            digest=digest(data, rows),
            files=hashes(files),
            normalisers={},
            adapted_from="the digits model of seesay" if run.folder == PACKAGED else str(run.folder),
        )
        Run.create(new)
        write_files(temporary, files)
        new.write("epochs.jsonl", "".join(json.dumps(line) + "\n" for line in epochs))
        new.log_cross_fit(adapted.evidence)
        new.save_model(adapted.model)
