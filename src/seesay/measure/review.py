"""The rows whose labels are most likely wrong, found by confident learning (Northcutt et al. 2021).

A row is suspect if held-out predictions give another class a probability that is high for that class (at
least the mean among the rows labelled so), and more than they give the label. Rows that trained the model
are judged by models that did not see them, where the run has such predictions from cross-fitting.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from matplotlib.figure import Figure

from seesay.condition import Condition
from seesay.data.dataset import SPLITS, Dataset
from seesay.errors import InputError
from seesay.figures.mistakes import Mistake, mistakes_figure
from seesay.figures.style import save
from seesay.learn.run import Run
from seesay.measure.evaluate import HeldOut, own_splits, predictions_for, predictions_of, rows_for
from seesay.measure.model_card import features_axes, row_features
from seesay.model.classifier import Classifier
from seesay.tables import written

SHOWN = 24
"""Rows in the figure and in the table on a terminal."""

TRAINED_ON = (
    "{count:,} training rows are judged by the model that was trained on them, which hides wrong labels: "
    "train with --split.folds 5 to have them held out."
)


@dataclass(frozen=True)
class Suspect:
    """A row whose label is likely wrong."""

    row: int
    """Number of the row in the source, from 0."""
    index: int
    """Index in the data set, which lacks skipped rows."""
    file: str
    """Empty if the rows were not files."""
    split: str
    label: str
    likelier: str
    """The class that the model finds likelier."""
    probability: float
    """Of the likelier class."""
    of_label: float
    """Probability of the label."""
    condition: Condition
    """The modalities by which the row was judged: all that it has."""


@dataclass(frozen=True)
class Review:
    """The suspects, likeliest first, and how they were found."""

    suspects: tuple[Suspect, ...]
    rows: int
    """Rows that were judged."""
    notes: tuple[str, ...]


def review(run: Run, model: Classifier, data: Dataset, name: str | None = None) -> Review:
    """The rows of a split, or of all splits, that are most likely mislabelled. No labelled rows:
    InputError."""
    judged, notes = [], []
    for split in SPLITS if name is None else (name,):
        rows = rows_for(run, data, split)
        rows = rows[data.label[rows] >= 0]
        if len(rows):
            probabilities, note = _predicted(run, model, data, split, rows)
            notes += note
            judged.append((split, rows, *by_all_modalities(probabilities)))
    if not judged:
        where = "" if name is None else f" in the split {name!r}"
        raise InputError(f"{data.name} has no labelled rows{where}", "Give --data with labels.")
    splits = np.concatenate([np.full(len(rows), split) for split, rows, *_ in judged])
    rows, probabilities, conditions = (np.concatenate([part[i] for part in judged]) for i in (1, 2, 3))
    seen = ~np.isnan(probabilities[:, 0])
    order = suspects(probabilities[seen], data.label[rows[seen]])
    found = np.flatnonzero(seen)[order]
    source, classes = data.source_rows(), data.spec.classes
    listed = []
    for i in found:
        row, likelier = int(rows[i]), int(probabilities[i].argmax())
        suspect = Suspect(
            row=int(source[row]),
            index=row,
            file=data.files[row] if data.files else "",
            split=str(splits[i]),
            label=classes[data.label[row]],
            likelier=classes[likelier],
            probability=float(probabilities[i, likelier]),
            of_label=float(probabilities[i, data.label[row]]),
            condition=Condition(conditions[i]),
        )
        listed.append(suspect)
    return Review(tuple(listed), int(seen.sum()), tuple(notes))


def suspects(probabilities: Float[np.ndarray, "n k"], label: np.ndarray) -> np.ndarray:
    """Positions of the rows whose labels are likely wrong, likeliest first: by how much more probable another
    class is than the label."""
    n, k = probabilities.shape
    own = probabilities[np.arange(n), label]
    usual = np.array([own[label == c].mean() if (label == c).any() else np.inf for c in range(k)])
    confident = np.where(probabilities >= usual, probabilities, -1.0)
    confident[np.arange(n), label] = -1.0
    margin = confident.max(1) - own
    found = np.flatnonzero((margin > 0) & (probabilities.argmax(1) != label))
    return found[np.argsort(-margin[found], kind="stable")]


def by_all_modalities(
    probabilities: Mapping[Condition, Float[np.ndarray, "n k"]],
) -> tuple[Float[np.ndarray, "n k"], np.ndarray]:
    """The probabilities of each row by the most modalities that it has, (n, k), NaN if it has none; and the
    condition of each, (n,)."""
    in_order = sorted(probabilities, key=lambda condition: len(condition.modalities))
    best = np.full_like(probabilities[in_order[0]], np.nan)
    conditions = np.full(len(best), in_order[0], dtype=object)
    for condition in in_order:
        mask = ~np.isnan(probabilities[condition][:, 0])
        best[mask], conditions[mask] = probabilities[condition][mask], condition
    return best, conditions


def _predicted(
    run: Run, model: Classifier, data: Dataset, split: str, rows: np.ndarray
) -> tuple[Mapping[Condition, np.ndarray], list[str]]:
    """Probabilities of these rows, held out where the run allows it, and a note where it does not."""
    if split != "train" or own_splits(run, data) is None:
        return predictions_of(model, data, rows), []
    if run.cross_fitted():
        return predictions_for(run, model, data, HeldOut(split, rows, "", (), cross_fitted=True)), []
    return predictions_of(model, data, rows), [TRAINED_ON.format(count=len(rows))]


# ----------------------------------------------------------------------------------------------------- output


def table_of(found: Sequence[Suspect]) -> list[list[str]]:
    """A table with a line for each suspect."""
    files = any(suspect.file for suspect in found)
    heads = ["row", *(["file"] if files else []), "split", "label", "likelier label", "probability"]
    return [
        heads,
        *(
            [str(s.row), *([s.file] if files else []), s.split, s.label, s.likelier, f"{s.probability:.4f}"]
            for s in found
        ),
    ]


def keep_review(run: Run, model: Classifier, data: Dataset, found: Review) -> None:
    """Write `review.csv` with all suspects and `figures/review.png` with the first, into the run folder."""
    run.write("review.csv", written(table_of(found.suspects), "csv") + "\n")
    save(review_figure(run, model, data, found), run.folder / "figures" / "review.png")


def review_figure(run: Run, model: Classifier, data: Dataset, found: Review) -> Figure:
    """The pictures and recordings of the first suspects."""
    shown = [_drawn(model, data, suspect) for suspect in found.suspects[:SHOWN]]
    total = len(found.suspects)
    count = f"{len(shown)} of {total:,}" if len(shown) < total else f"{total:,}"
    title = f"{count} rows that may be mislabelled, likeliest first" if total else "No row looks mislabelled"
    axes = features_axes(run, Condition.of(model.modalities))
    return mistakes_figure(shown, total, axes, title=title)


def _drawn(model: Classifier, data: Dataset, suspect: Suspect) -> Mistake:
    features = row_features(model, data, suspect.index)
    used = [features[m] for m in suspect.condition.modalities if m in features]
    return Mistake(
        row=suspect.row,
        picture=next((x for x in used if x.ndim == 3), None),
        features=next((x for x in used if x.ndim == 2), None),
        label=f"{suspect.label}  row {suspect.row}" if used else suspect.label,
        prediction=suspect.likelier,
        probability=suspect.probability,
        condition=suspect.condition,
    )
