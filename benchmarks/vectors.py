"""Vectors as CLIP (512) and CLAP (512) give them, beside logistic regression: `python -m benchmarks.vectors`.

2,000 rows of 20 classes and 20 groups; each seed draws other vectors and holds out another quarter of the
groups. A class is one or several clusters on a sphere (a class of sounds or photos has several kinds), and a
group shifts all of its rows, as a session or a source does. Seed 1 chose the defaults for vectors
(docs/log.md), so seeds begin at 2.
"""

import argparse
from collections.abc import Iterator, Sequence

import numpy as np
from sklearn.linear_model import LogisticRegressionCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from benchmarks.door import one_line_of_errors, positive
from seesay.condition import Condition
from seesay.data.dataset import Dataset, Group
from seesay.data.splits import folds
from seesay.learn.fit import Epoch
from seesay.learn.learn import learn, prepared
from seesay.measure.evaluate import evaluate
from seesay.metrics.scores import METRICS
from seesay.recipes import recipe
from seesay.spec import Spec, VectorSpec

ROWS, CLASSES, SIZE, GROUPS, FOLDS = 2_000, 20, 512, 20, 4

NOISE = {1: 6.0, 3: 4.0, 8: 3.0}
"""By number of clusters a class, the length of a row's noise, a cluster being 1 from the origin: so that no
method is perfect."""

SHIFT = 0.4
"""The same of a group."""


def embeddings(clusters: int, seed: int) -> Dataset:
    """Two modalities of unit vectors, independent given the class."""
    random = np.random.default_rng(seed)
    label = np.repeat(np.arange(CLASSES), ROWS // CLASSES)
    group = random.permutation(np.arange(ROWS) % GROUPS)
    contents = {}
    for modality in ("clip", "clap"):
        centres = random.normal(size=(CLASSES, clusters, SIZE)) / np.sqrt(SIZE)
        kind = random.integers(0, clusters, ROWS)
        shift = SHIFT * random.normal(size=(GROUPS, SIZE)) / np.sqrt(SIZE)
        noise = NOISE[clusters] * random.normal(size=(ROWS, SIZE)) / np.sqrt(SIZE)
        vectors = centres[label, kind] + shift[group] + noise
        contents[modality] = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    groups = Group(group.astype(np.int32), tuple(f"g{i}" for i in range(GROUPS)))
    return Dataset(
        name="embeddings",
        spec=Spec(tuple(f"c{i}" for i in range(CLASSES)), {m: VectorSpec(SIZE) for m in contents}),
        contents=contents,
        rows=np.repeat(np.arange(ROWS, dtype=np.int32)[:, None], 2, axis=1),
        label=label.astype(np.int64),
        split=np.full(ROWS, -1, np.int8),
        groups={m: {"group": groups} for m in contents},
        pairing="given",
        sources=("made",),
    )


def scores_of(data: Dataset, train: np.ndarray, test: np.ndarray, seed: int) -> dict[str, float]:
    """Macro-F1 on the test rows: seesay's conditions with defaults, and logistic regression."""
    split = np.full(len(data), 2, np.int8)
    split[train] = 0
    data = data.replace(split=split)
    seen, splits, config = prepared(data, recipe("small"))
    config = type(config)(**{**vars(config), "seed": seed})
    *_, last = (step for step in learn(seen, splits, config) if isinstance(step, Epoch))
    assert last.model is not None
    results = evaluate(last.model, seen, test).results
    found = {str(name): float(results[Condition(name)]["macro_f1"]) for name in results}
    joined = np.concatenate([np.asarray(data.contents[m]) for m in data.modalities], axis=1)
    regression = make_pipeline(
        StandardScaler(), LogisticRegressionCV(Cs=np.logspace(-4, 0, 5), cv=3, max_iter=500)
    )
    probabilities = regression.fit(joined[train], data.label[train]).predict_proba(joined[test])
    return found | {"logistic regression": METRICS["macro_f1"].score(probabilities, data.label[test])}


def cells(clusters: Sequence[int], seeds: int) -> Iterator[tuple[int, dict[str, np.ndarray]]]:
    """Number of clusters, and macro-F1 by seed."""
    for count in clusters:
        rows: dict[str, list[float]] = {}
        for seed in range(2, seeds + 2):
            data = embeddings(count, seed)
            train, test = list(folds(data, np.arange(ROWS), FOLDS, seed, "group"))[seed % FOLDS]
            for name, score in scores_of(data, train, test, seed).items():
                rows.setdefault(name, []).append(score)
        yield count, {name: np.array(values) for name, values in rows.items()}


def main() -> None:
    """Prints a line per number of clusters."""
    parser = argparse.ArgumentParser(description="Vectors of other networks beside logistic regression.")
    parser.add_argument("--clusters", type=positive, nargs="+", default=[1, 3, 8], choices=NOISE)
    parser.add_argument("--seeds", type=positive, default=5)
    given = parser.parse_args()
    for count, found in cells(given.clusters, given.seeds):
        told = (f"{name} {values.mean():.3f} ± {values.std(ddof=1):.3f}" for name, values in found.items())
        print(f"{count} clusters a class: {', '.join(told)}", flush=True)


if __name__ == "__main__":
    one_line_of_errors(main)
