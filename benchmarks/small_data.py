"""From 30 rows to 60,000, balanced or 20 to 1: `python -m benchmarks.small_data --data FOLDER`.

The folder holds `mnist`, `fsdd` and `speech_commands`. A cell is a number of training rows, of classes, and
how many times as many rows the most frequent class has as the rarest. Each seed draws other classes,
pictures and recordings; the test rows, 1,000 and balanced, are digits and speakers of the test part, which
no training sees. seesay runs with its defaults; beside it are logistic regression and a support vector
machine with RBF kernel, on pixels and on MFCC, and the sum of their log-probabilities less the log-prior.

Every score is kept in a file as soon as it is there, and left alone when the program runs again.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn.calibration import CalibratedClassifierCV
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from benchmarks.door import one_line_of_errors, positive
from seesay.config import Config, FeaturesConfig
from seesay.data.batches import table
from seesay.data.dataset import SPLITS, Dataset, subset_with_contents
from seesay.formats.pairing import build
from seesay.learn.fit import Epoch
from seesay.learn.run import begin, train
from seesay.metrics.scores import METRICS
from seesay.model.classifier import posteriors
from seesay.model.features import features_of, features_of_contents
from seesay.recipes import recipe
from seesay.signal.front_ends import front_end

TRAIN, TEST = SPLITS.index("train"), SPLITS.index("test")

ROWS = (30, 100, 300, 1_000, 10_000, 60_000)
CLASSES = (3, 10)
RATIOS = (1, 20)
FEWEST = 3
"""Rows of the rarest class; cells with fewer are left out."""

TESTED = 1_000

Scores = Mapping[str, float]
"""Macro-F1 by condition."""


def counts_of(rows: int, classes: int, ratio: float) -> np.ndarray:
    """(classes,): rows of each, falling by one factor from the most frequent to the rarest."""
    exact = ratio ** (-np.arange(classes) / (classes - 1))
    exact *= rows / exact.sum()
    counts = np.floor(exact).astype(int)
    counts[np.argsort(counts - exact, kind="stable")[: rows - counts.sum()]] += 1
    return counts


def cells() -> Iterator[tuple[int, int, int]]:
    """(rows, classes, ratio) of all that are measured."""
    for rows in ROWS:
        for classes in CLASSES:
            for ratio in RATIOS:
                largest = rows < ROWS[-1] or (classes, ratio) == (10, 1)
                if largest and counts_of(rows, classes, ratio).min() >= FEWEST:
                    yield rows, classes, ratio


def cell_data(pairs: Dataset, rows: int, classes: int, ratio: int, seed: int) -> Dataset:
    """The rows of a cell: training rows in no split yet, test rows in test."""
    random = np.random.default_rng([seed, rows, classes, ratio])
    digits = random.permutation(len(pairs.spec.classes))[:classes]
    found, labels, splits = [], [], []
    for part, counts in ((TRAIN, counts_of(rows, classes, ratio)), (TEST, [TESTED // classes] * classes)):
        for label, count in enumerate(counts):
            own = np.flatnonzero((pairs.split == part) & (pairs.label == digits[label]))
            drawn = [_cycled(np.unique(pairs.rows[own, i]), count, random) for i in range(2)]
            found.append(np.stack(drawn, 1))
            labels += [label] * count
            splits += [part if part == TEST else -1] * count
    spec = replace(pairs.spec, classes=tuple(pairs.spec.classes[d] for d in digits))
    drawn_rows = np.concatenate(found).astype(np.int32)
    data = pairs.replace(
        spec=spec, rows=drawn_rows, label=np.array(labels), split=np.array(splits, np.int8), pairing="given"
    )
    return subset_with_contents(data, np.arange(len(data)))


def _cycled(contents: np.ndarray, count: int, random: np.random.Generator) -> np.ndarray:
    """So many of them in random order, each used once before any is used again."""
    rounds = [random.permutation(contents) for _ in range(-(-count // len(contents)))]
    return np.concatenate(rounds)[:count]


# ------------------------------------------------------------------------------------------------- contenders


def trained(data: Dataset, config: Config) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """What a run, thrown away afterwards, says of the test rows, and their labels."""
    with tempfile.TemporaryDirectory() as folder:
        run, data, splits = begin(data, "data", config, "small", Path(folder) / "run")
        *_, last = train(run, data, splits)
    assert isinstance(last, Epoch)
    assert last.model is not None
    said = posteriors(last.model, table(data, splits.test, features_of(last.model, data)))
    return {str(name): each for name, each in said.items()}, np.asarray(data.label[splits.test])


def seesay(data: Dataset, seed: int) -> Scores:
    """Defaults: nothing but the seed is given."""
    return _scores(*trained(data, replace(recipe("small"), seed=seed)))


def logistic_regression(data: Dataset, seed: int) -> Scores:
    return _classical(data, lambda m: LogisticRegression(C=1.0 if m == "image" else 0.01, max_iter=300))


def support_vectors(data: Dataset, seed: int) -> Scores:
    """Probabilities by cross-validated sigmoids; alone, a modality is scored by its decision."""
    return _classical(data, lambda m: SVC(C=10), calibrated=3 if len(data) < 5_000 else 2)


CONTENDERS = {
    "seesay": seesay,
    "logistic regression": logistic_regression,
    "RBF-SVM": support_vectors,
}


def _classical(data: Dataset, model: Any, calibrated: int = 0) -> Scores:
    train_rows, test_rows = (np.flatnonzero((data.split == TEST) == tested) for tested in (False, True))
    label = data.label[train_rows]
    log_prior = np.log(np.bincount(label) / len(label))
    said, total = {}, log_prior
    for modality in ("image", "audio"):
        features = _flat(data, modality)
        one, other = (features[data.pointers(modality)[rows]] for rows in (train_rows, test_rows))
        own = make_pipeline(*([StandardScaler()] if modality == "audio" else []), model(modality))
        sure = CalibratedClassifierCV(own, ensemble=False, cv=calibrated) if calibrated else own
        probabilities = sure.fit(one, label).predict_proba(other)
        said[modality] = probabilities
        if isinstance(sure, CalibratedClassifierCV):
            decided = sure.calibrated_classifiers_[0].estimator.predict(other)
            said[modality] = np.eye(len(log_prior))[decided]
        total = total + np.log(np.clip(probabilities, 1e-9, 1)) - log_prior
    return _scores({**said, "image+audio": total}, data.label[test_rows])


def _flat(data: Dataset, modality: str) -> np.ndarray:
    contents = data.contents[modality]
    features = features_of_contents(front_end(FeaturesConfig(), data.spec[modality]), contents)
    return features.flatten(1).numpy()


def _scores(said: Mapping[str, np.ndarray], label: np.ndarray) -> Scores:
    return {name: METRICS["macro_f1"].score(each, np.asarray(label)) for name, each in said.items()}


# ------------------------------------------------------------------------------------------------------
# report


def measured(path: Path) -> list[dict[str, Any]]:
    """What is in the file of scores."""
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def measure(pairs: Dataset, seeds: list[int], path: Path, only: int | None = None) -> None:
    """Scores every contender on every cell and seed that the file lacks."""
    known = {(*line["cell"], line["seed"], line["contender"]) for line in measured(path)}
    for cell in cells():
        for seed in seeds:
            for name, contender in CONTENDERS.items():
                slow = cell[0] > 10_000 and name == "RBF-SVM"
                if slow or (only and cell[0] != only) or (*cell, seed, name) in known:
                    continue
                began = time.process_time()
                scores = contender(cell_data(pairs, *cell, seed), seed)
                seconds = round(time.process_time() - began, 1)
                line = {"cell": cell, "seed": seed, "contender": name, "scores": scores, "seconds": seconds}
                with path.open("a") as file:
                    file.write(json.dumps(line) + "\n")
                print(*cell, seed, name, {n: round(s, 4) for n, s in scores.items()}, seconds, flush=True)


def pairs_of(folder: Path) -> Dataset:
    """MNIST with both corpora of speech, as open-wsd is made."""
    speakers = folder / "open_wsd_test_speakers.txt"
    with tempfile.TemporaryDirectory() as made:
        recordings = [folder / "fsdd", folder / "speech_commands"]
        data = build(folder / "mnist", recordings, Path(made) / "pairs", speakers)
        return data.replace(contents={m: t[np.arange(len(t))] for m, t in data.contents.items()})


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--scores", type=Path, default=Path("build/small-data.jsonl"))
    parser.add_argument("--out", type=Path, default=Path("benchmarks/small-data.md"))
    parser.add_argument("--seeds", type=positive, default=5)
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--rows", type=positive, help="cells of so many rows alone")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    arguments.scores.parent.mkdir(parents=True, exist_ok=True)
    seeds = list(range(arguments.first, arguments.first + arguments.seeds))
    measure(pairs_of(arguments.data), seeds, arguments.scores, arguments.rows)
    from benchmarks.small_data_page import write

    write(measured(arguments.scores), arguments.out)


if __name__ == "__main__":
    one_line_of_errors(main)
