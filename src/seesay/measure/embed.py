"""Encodings as pictures and as numbers, of each modality and of both together: do classes lie apart in them?

Rows that repeat a recording have the same encoding, and t-SNE would draw each recording as a ring of its
rows. So every distinct content is encoded and drawn once, and of a pair of modalities every distinct pair.
"""

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Integer

from seesay.condition import Condition, conditions
from seesay.data.dataset import MISSING, Dataset, only_rows
from seesay.errors import ConfigError, InputError
from seesay.figures import scatter, style
from seesay.files import new_folder
from seesay.learn.frozen_encoders import encodings_of
from seesay.measure.projection import Clustering, Method, Projection, cluster, probe, project
from seesay.model.classifier import Classifier
from seesay.model.features import features_of
from seesay.spec import Modality

NAMES = {"tsne": "t-SNE", "pca": "PCA", "umap": "UMAP"}

Rows = Integer[np.ndarray, " _"]
Encodings = Mapping[Modality, Float[np.ndarray, "n d"]]
"""By modality an encoding for each row; NaN in a row that lacks the modality."""


@dataclass(frozen=True)
class Joined:
    """How the encodings of several modalities become one: each is centred and divided by its own standard
    deviation over all columns, so that none outweighs the other, and they stand side by side; one that is
    missing is at the centre. One modality alone stays as it is."""

    centre: Mapping[Modality, Float[np.ndarray, " d"]]
    scale: Mapping[Modality, float]

    @staticmethod
    def of(encodings: Encodings) -> "Joined":
        """From the rows that are shown."""
        known = {m: e[~np.isnan(e[:, 0])] for m, e in encodings.items()}
        centre = {m: e.mean(axis=0) for m, e in known.items()}
        return Joined(centre, {m: float((e - centre[m]).std()) or 1.0 for m, e in known.items()})

    def __call__(self, encodings: Encodings) -> Float[np.ndarray, "n D"]:
        if len(self.scale) == 1:
            return encodings[next(iter(self.scale))]
        parts = [(encodings[m] - self.centre[m]) / self.scale[m] for m in self.scale]
        return np.nan_to_num(np.concatenate(parts, axis=1), nan=0.0)


@dataclass(frozen=True)
class View:
    """The distinct contents of one condition, encoded."""

    condition: Condition
    rows: Rows
    """Of the data set: the first row of each distinct content."""
    label: Integer[np.ndarray, "n"]
    encodings: Float[np.ndarray, "n D"]
    join: Joined
    """Made `encodings` out of those of the modalities; makes those of new rows so that they can be placed."""
    among: int
    """Rows that have the condition's modalities, repeats and all."""
    train: tuple[Float[np.ndarray, "m D"], Integer[np.ndarray, "m"]] | None
    """Encodings and labels of distinct contents of training rows; None where the rows shown are training rows
    themselves."""


@dataclass(frozen=True)
class Embedded:
    """A view in the plane, and what can be read from it."""

    view: View
    projection: Projection
    on_picture: Clustering
    """k-means of the points in the plane, as the report does."""
    on_encodings: Clustering
    """k-means of the encodings themselves."""
    probe: Mapping[str, float] | None
    """Accuracy of simple classifiers that learn from the encodings of training rows."""
    seconds: float
    """Of the processor, for projection, clusters and probe."""

    def numbers(self) -> dict[str, Any]:
        """All that `embedding.json` says of a view."""
        return {
            "rows": self.view.among,
            "distinct": len(self.view.rows),
            "columns": self.view.encodings.shape[1],
            "kmeans_on_picture": _numbers(self.on_picture),
            "kmeans_on_encodings": _numbers(self.on_encodings),
            "probe": self.probe,
            "probe_rows": 0 if self.view.train is None else len(self.view.train[1]),
            "cpu_seconds": round(self.seconds, 2),
        }


def views(
    model: Classifier, data: Dataset, rows: Rows, train: Rows, most: int = 10_000, seed: int = 0
) -> list[View]:
    """Each modality, and all together, as far as model and rows have them: at most `most` distinct contents
    each, drawn at random where there are more, and as many of the training rows.

    No labelled rows: InputError; `most` below 1: ConfigError.
    """
    if most < 1:
        raise ConfigError(f"expected at least 1 row to show, got {most}")
    rows, train = (part[data.label[part] >= 0] for part in (rows, train))
    train = train if not np.isin(train, rows).any() else train[:0]
    modalities = tuple(m for m in model.modalities if m in data.modalities)
    shown: dict[Condition, tuple[Rows, Rows, int]] = {}
    for name in conditions(modalities):
        among = rows_with(data, rows, name)
        if len(among):
            learned = distinct(data, rows_with(data, train, name), name)
            first, second = (draw(part, most, seed) for part in (distinct(data, among, name), learned))
            shown[name] = (first, second, len(among))
    if not shown:
        raise InputError("there are no labelled rows to show", "Give data with labels.")
    used = np.unique(
        np.concatenate([part for first, second, _ in shown.values() for part in (first, second)])
    )
    encodings = encode(model, data, used)
    return [_view(data, name, *parts, used, encodings) for name, parts in shown.items()]


def _view(
    data: Dataset, name: Condition, shown: Rows, train: Rows, among: int, used: Rows, encodings: Encodings
) -> View:
    def of(rows: Rows) -> Encodings:
        return {m: encodings[m][np.searchsorted(used, rows)] for m in name.modalities}

    join = Joined.of(of(shown))
    learned = (join(of(train)), np.asarray(data.label[train])) if len(train) else None
    return View(name, shown, np.asarray(data.label[shown]), join(of(shown)), join, among, learned)


def encode(model: Classifier, data: Dataset, rows: Rows) -> Encodings:
    """The encodings of these rows; each of their contents goes through the encoder once."""
    part = only_rows(data, rows)
    encodings = encodings_of(model, features_of(model, part))
    tables = {m: table.values.cpu().numpy() for m, table in encodings.items()}
    there = {m: (part.pointers(m) != MISSING)[:, None] for m in tables}
    return {m: np.where(there[m], table[part.pointers(m)], np.nan) for m, table in tables.items()}


def rows_with(data: Dataset, rows: Rows, name: Condition) -> Rows:
    """The rows that a condition has."""
    return rows[name.has({m: data.pointers(m)[rows] != MISSING for m in name.modalities})]


def distinct(data: Dataset, rows: Rows, name: Condition) -> Rows:
    """The first row of each content, or of each set of contents."""
    pointers = np.stack([data.pointers(m)[rows] for m in name.modalities], axis=1)
    return rows[np.sort(np.unique(pointers, axis=0, return_index=True)[1])]


def draw(rows: Rows, most: int, seed: int) -> Rows:
    """At most so many of the rows, at random, in order."""
    if len(rows) <= most:
        return rows
    return np.sort(np.random.default_rng(seed).choice(rows, most, replace=False))


def embed(
    shown: Sequence[View], classes: int, method: Method = "tsne", perplexity: float = 30.0, seed: int = 0
) -> Iterator[Embedded]:
    """Projects and clusters each view, the smallest first, so that too few rows are noticed at once.

    Fewer rows than the projection or the clusters need: InputError that names the condition.
    """
    for view in sorted(shown, key=lambda view: len(view.rows)):
        began = time.process_time()
        try:
            projection = project(view.encodings, method, seed, perplexity)
            on_picture = cluster(projection.points, view.label, classes, seed)
            on_encodings = cluster(view.encodings, view.label, classes, seed)
        except InputError as error:
            raise InputError(f"of the distinct contents of {view.condition}: {error}") from None
        probed = None if view.train is None else probe(*view.train, view.encodings, view.label)
        seconds = time.process_time() - began
        yield Embedded(view, projection, on_picture, on_encodings, probed, seconds)


def keep_embedding(
    found: Sequence[Embedded],
    classes: Sequence[str],
    out: Path | str,
    about: Mapping[str, Any],
    overwrite: bool = False,
) -> None:
    """Makes the folder `out`, all or nothing: `encodings.npz` (plain arrays), `embedding.json` (`about` and
    all numbers) and two PNGs per view."""
    with new_folder(out, overwrite) as folder:
        np.savez_compressed(folder / "encodings.npz", **_arrays(found, classes))
        numbers = {**about, "views": numbers_of(found)}
        (folder / "embedding.json").write_text(json.dumps(numbers, indent=2) + "\n", encoding="utf-8")
        for each in found:
            name = each.view.condition.slug
            points, label, title = each.projection.points, each.view.label, _title(each)
            style.save(scatter.scatter(points, label, classes, title), folder / f"{name}.png")
            pair = scatter.scatter_pair(points, label, each.on_picture.assignment, classes, title)
            style.save(pair, folder / f"{name}_kmeans.png")


def numbers_of(found: Sequence[Embedded]) -> dict[Condition, dict[str, Any]]:
    """The numbers of every view: of each modality, then of all together."""
    numbers = {each.view.condition: each.numbers() for each in found}
    return {name: numbers[name] for name in sorted(numbers, key=lambda name: len(name.modalities))}


def _arrays(found: Sequence[Embedded], classes: Sequence[str]) -> dict[str, Any]:
    """What stands in `encodings.npz`: the class names, and of each view an entry per distinct content."""
    arrays: dict[str, Any] = {"classes": np.array(classes)}
    for each in found:
        parts = {
            "rows": each.view.rows,
            "label": each.view.label,
            "encodings": each.view.encodings,
            "points": each.projection.points,
            "cluster_on_picture": each.on_picture.assignment,
            "cluster_on_encodings": each.on_encodings.assignment,
        }
        arrays |= {f"{each.view.condition}.{name}": array for name, array in parts.items()}
    return arrays


def _title(each: Embedded) -> str:
    name = each.view.condition
    words, alone = " and ".join(name.modalities).capitalize(), len(name.modalities) == 1
    what = f"{words} encodings{'' if alone else ' fused'}"
    count = f"{len(each.view.rows):,} distinct {'contents' if alone else 'rows'}"
    return f"{what}: {NAMES[each.projection.method]} of {count}"


def _numbers(found: Clustering) -> dict[str, float]:
    return {name: value for name, value in asdict(found).items() if name != "assignment"}
