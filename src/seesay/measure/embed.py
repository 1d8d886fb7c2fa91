"""Projections, clusters and probes of encodings, for each modality and for all together: do they separate the
classes?

Rows that repeat a recording have the same encoding, and t-SNE would draw each recording as a ring of its
rows. So every distinct content is encoded and drawn once; of several modalities, every distinct combination.
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
from seesay.data.dataset import MISSING, Dataset, subset_with_contents
from seesay.errors import ConfigError, InputError
from seesay.figures.scatter import scatter, scatter_pair
from seesay.figures.style import save
from seesay.files import new_folder
from seesay.learn.frozen_encoders import encodings_of
from seesay.measure.projection import Clustering, Method, Projection, cluster, probe, project
from seesay.model.classifier import Classifier
from seesay.model.features import features_of
from seesay.spec import Modality

NAMES = {"tsne": "t-SNE", "pca": "PCA", "umap": "UMAP"}

Rows = Integer[np.ndarray, " _"]
Encodings = Mapping[Modality, Float[np.ndarray, "n d"]]
"""An encoding for each row, by modality; NaN in a row that lacks the modality."""


@dataclass(frozen=True)
class Joined:
    """Concatenates the encodings of several modalities: each is centred and divided by its standard deviation
    over all columns, so that none outweighs the others; a missing one is at the centre, 0. The encodings of a
    single modality stay unchanged."""

    centre: Mapping[Modality, Float[np.ndarray, " d"]]
    scale: Mapping[Modality, float]

    @staticmethod
    def of(encodings: Encodings) -> "Joined":
        """Centres and scales from the rows to be shown."""
        present = {m: e[~np.isnan(e[:, 0])] for m, e in encodings.items()}
        centre = {m: e.mean(axis=0) for m, e in present.items()}
        return Joined(centre, {m: float((e - centre[m]).std()) or 1.0 for m, e in present.items()})

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
    """The first row of each distinct content in the data set."""
    label: Integer[np.ndarray, "n"]
    encodings: Float[np.ndarray, "n D"]
    join: Joined
    """What joined the modalities' encodings; apply it to new rows to project them too."""
    rows_with_repeats: int
    """All rows in the condition, repeated contents included."""
    train: tuple[Float[np.ndarray, "m D"], Integer[np.ndarray, "m"]] | None
    """Encodings and labels of the distinct contents of training rows; None if the rows shown are
    training rows themselves."""


@dataclass(frozen=True)
class Embedded:
    """A view projected to two dimensions, with clusters and probes."""

    view: View
    projection: Projection
    on_picture: Clustering
    """k-means of the projected points, as in the report."""
    on_encodings: Clustering
    """k-means of the encodings themselves."""
    probe: Mapping[str, float] | None
    """Accuracy of simple classifiers trained on the encodings of training rows."""
    seconds: float
    """CPU seconds for projection, clusters and probes."""

    def numbers(self) -> dict[str, Any]:
        """The entry of this view in `embedding.json`."""
        return {
            "rows": self.view.rows_with_repeats,
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
    """A view of each modality and of all together, as far as model and rows have them: at most `most`
    distinct contents each, drawn at random if there are more, and as many of the training rows.

    No labelled rows: InputError; `most` below 1: ConfigError.
    """
    if most < 1:
        raise ConfigError(f"expected at least 1 row to show, got {most}")
    rows, train = (part[data.label[part] >= 0] for part in (rows, train))
    train = train if not np.isin(train, rows).any() else train[:0]
    modalities = tuple(m for m in model.modalities if m in data.modalities)
    chosen: dict[Condition, tuple[Rows, Rows, int]] = {}
    for condition in conditions(modalities):
        present = rows_with(data, rows, condition)
        if len(present):
            shown = draw(distinct(data, present, condition), most, seed)
            probed = draw(distinct(data, rows_with(data, train, condition), condition), most, seed)
            chosen[condition] = (shown, probed, len(present))
    if not chosen:
        raise InputError("there are no labelled rows to show", "Give data with labels.")
    used = np.unique(np.concatenate([part for *parts, _ in chosen.values() for part in parts]))
    encodings = encode(model, data, used)
    return [_view(data, condition, *parts, used, encodings) for condition, parts in chosen.items()]


def _view(
    data: Dataset,
    condition: Condition,
    shown: Rows,
    train: Rows,
    rows_with_repeats: int,
    used: Rows,
    encodings: Encodings,
) -> View:
    """The view of the rows `shown`; `encodings` are those of the rows `used`, in ascending order."""

    def of(rows: Rows) -> Encodings:
        return {m: encodings[m][np.searchsorted(used, rows)] for m in condition.modalities}

    join = Joined.of(of(shown))
    probed = (join(of(train)), np.asarray(data.label[train])) if len(train) else None
    label = np.asarray(data.label[shown])
    return View(condition, shown, label, join(of(shown)), join, rows_with_repeats, probed)


def encode(model: Classifier, data: Dataset, rows: Rows) -> Encodings:
    """The encodings of these rows; each distinct content is encoded once."""
    part = subset_with_contents(data, rows)
    encodings = encodings_of(model, features_of(model, part))
    tables = {m: table.values.cpu().numpy() for m, table in encodings.items()}
    present = {m: (part.pointers(m) != MISSING)[:, None] for m in tables}
    return {m: np.where(present[m], table[part.pointers(m)], np.nan) for m, table in tables.items()}


def rows_with(data: Dataset, rows: Rows, condition: Condition) -> Rows:
    """Those of the rows that count in a condition."""
    return rows[condition.has({m: data.pointers(m)[rows] != MISSING for m in condition.modalities})]


def distinct(data: Dataset, rows: Rows, condition: Condition) -> Rows:
    """The first row of each distinct content, or combination of contents."""
    pointers = np.stack([data.pointers(m)[rows] for m in condition.modalities], axis=1)
    return rows[np.sort(np.unique(pointers, axis=0, return_index=True)[1])]


def draw(rows: Rows, most: int, seed: int) -> Rows:
    """At most `most` of the rows, drawn at random, in ascending order."""
    if len(rows) <= most:
        return rows
    return np.sort(np.random.default_rng(seed).choice(rows, most, replace=False))


def embed(
    shown: Sequence[View], classes: int, method: Method = "tsne", perplexity: float = 30.0, seed: int = 0
) -> Iterator[Embedded]:
    """Project and cluster each view, the smallest first, so that too few rows fail early.

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
    embedded: Sequence[Embedded],
    classes: Sequence[str],
    out: Path | str,
    about: Mapping[str, Any],
    overwrite: bool = False,
) -> None:
    """Write the folder `out`, atomically: `encodings.npz` (plain arrays), `embedding.json` (`about` and all
    numbers) and two PNGs per view."""
    with new_folder(out, overwrite) as folder:
        np.savez_compressed(folder / "encodings.npz", **_arrays(embedded, classes))
        numbers = {**about, "views": numbers_of(embedded)}
        (folder / "embedding.json").write_text(json.dumps(numbers, indent=2) + "\n", encoding="utf-8")
        for each in embedded:
            name = each.view.condition.slug
            points, label, title = each.projection.points, each.view.label, _title(each)
            save(scatter(points, label, classes, title), folder / f"{name}.png")
            pair = scatter_pair(points, label, each.on_picture.assignment, classes, title)
            save(pair, folder / f"{name}_kmeans.png")


def numbers_of(embedded: Sequence[Embedded]) -> dict[Condition, dict[str, Any]]:
    """The numbers of every view by condition, single modalities first."""
    numbers = {each.view.condition: each.numbers() for each in embedded}
    return {name: numbers[name] for name in sorted(numbers, key=lambda name: len(name.modalities))}


def _arrays(embedded: Sequence[Embedded], classes: Sequence[str]) -> dict[str, Any]:
    """The arrays of `encodings.npz`: class names, and for each view an entry per distinct content."""
    arrays: dict[str, Any] = {"classes": np.array(classes)}
    for each in embedded:
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
    """`image encodings: t-SNE of 1,797 distinct contents`."""
    condition = each.view.condition
    unit = "contents" if len(condition.modalities) == 1 else "rows"
    method = NAMES[each.projection.method]
    return f"{condition} encodings: {method} of {len(each.view.rows):,} distinct {unit}"


def _numbers(clustering: Clustering) -> dict[str, float]:
    return {name: value for name, value in asdict(clustering).items() if name != "assignment"}
