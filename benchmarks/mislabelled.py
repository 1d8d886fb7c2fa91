"""Wrong labels that `evaluate --review` finds: `python -m benchmarks.mislabelled`.

Some labels of the pictures of the built-in digits are replaced by another class, drawn at random; a model is
trained with five folds, so that every row is judged by one that has not seen it. Printed per fraction: rows
that were given a wrong label, how many of them are listed, how many stand among so many first, and how many
rows with their own label are listed; mean and standard deviation over seeds.
"""

import argparse
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from benchmarks.door import one_line_of_errors, positive
from seesay.data.dataset import Dataset
from seesay.formats.digits import digits_dataset
from seesay.learn.run import begin, train
from seesay.measure.review import review
from seesay.recipes import recipe
from seesay.tables import written

FRACTIONS = (0.02, 0.05, 0.1)
"""Of the training rows."""

FOLDS = 5


def mislabelled(data: Dataset, fraction: float, seed: int) -> tuple[Dataset, np.ndarray]:
    """The data with wrong labels, and the rows that have them."""
    random, train_rows = np.random.default_rng(seed), data.rows_of("train")
    rows = random.permutation(train_rows)[: round(fraction * len(train_rows))]
    label, classes = data.label.copy(), len(data.spec.classes)
    label[rows] = (label[rows] + random.integers(1, classes, len(rows))) % classes
    return data.replace(label=label, name="digits, some mislabelled"), rows


def found(fraction: float, seed: int) -> tuple[int, float, float, int]:
    """Wrong rows; shares of them that are listed and among the first; other rows that are listed."""
    data, wrong = mislabelled(digits_dataset().only("image"), fraction, seed)
    config = recipe("small")
    config = replace(config, seed=seed, split=replace(config.split, folds=FOLDS))
    with tempfile.TemporaryDirectory() as folder:
        run, used, splits = begin(data, data.name, config, "small", Path(folder) / "run")
        for _ in train(run, used, splits):
            pass
        listed = [each.index for each in review(run, run.model(), used, "train").suspects]
    hits = np.isin(listed, wrong)
    return len(wrong), hits.sum() / len(wrong), hits[: len(wrong)].sum() / len(wrong), int((~hits).sum())


def main() -> None:
    parser = argparse.ArgumentParser(description="Wrong labels that a review finds.")
    parser.add_argument("--seeds", type=positive, default=5)
    given = parser.parse_args()
    torch.set_num_threads(1)
    lines = [["wrong labels", "rows", "listed", "among the first", "others listed"]]
    for fraction in FRACTIONS:
        results = np.array([found(fraction, seed) for seed in range(given.seeds)])
        spread = results.std(0, ddof=1) if given.seeds > 1 else np.zeros(4)
        cells = [f"{mean:.3f} ± {sd:.3f}" for mean, sd in zip(results.mean(0), spread, strict=True)]
        lines.append([f"{fraction:.0%}", f"{results[0, 0]:.0f}", *cells[1:3], f"{results[:, 3].mean():.1f}"])
    print(written(lines, "markdown"))


if __name__ == "__main__":
    one_line_of_errors(main)
