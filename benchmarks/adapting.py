"""A few rows of one writer or speaker: `python -m benchmarks.adapting [--run RUN --data FOLDER]`.

The packaged model is adapted to one form of scikit-learn's digits (nearly one writer each; it was trained on
none of them), to so many pictures of every class, and scored on the writer's others. With `--run`, a run that
never heard the Free Spoken Digit Dataset, and the folder that holds `fsdd`, the same for its six speakers.
Printed per number of rows: accuracy and NLL before and after, mean and standard deviation over the writers or
speakers, each the mean of `--draws` draws; and the largest loss of any writer or speaker.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch

from benchmarks.door import one_line_of_errors, positive
from seesay.condition import Condition
from seesay.data.dataset import Dataset
from seesay.formats.digits import digits_dataset
from seesay.formats.media import Reading
from seesay.formats.pairing import read_speech
from seesay.learn.adapt import adapt
from seesay.learn.run import Run
from seesay.measure.evaluate import predictions_of
from seesay.metrics.scores import METRICS
from seesay.model.classifier import Classifier
from seesay.spec import Modality, WaveformSpec
from seesay.tables import written

ROWS = (2, 5, 10)
"""Of every class, to adapt to."""

Scores = tuple[float, float]
"""Accuracy and NLL."""


def drawn(data: Dataset, rows: np.ndarray, each: int, random: np.random.Generator) -> np.ndarray:
    """So many of these rows of every class."""
    label = data.label[rows]
    return np.sort(
        np.concatenate([random.permutation(rows[label == c])[:each] for c in range(len(data.spec.classes))])
    )


def scores(model: Classifier, data: Dataset, rows: np.ndarray, modality: Modality) -> Scores:
    """Of the rows, by this modality alone."""
    found, label = predictions_of(model, data, rows)[Condition(modality)], data.label[rows]
    return METRICS["accuracy"].score(found, label), METRICS["nll"].score(found, label)


def changes(
    run: Run, data: Dataset, modality: Modality, group: str, each: int, draws: int
) -> Iterator[tuple[Scores, Scores]]:
    """Scores before and after for each writer or speaker, mean over the draws."""
    model, groups = run.model(), data.groups[modality][group]
    of_row = groups.ids[data.pointers(modality)]
    for person in range(len(groups.names)):
        rows = np.flatnonzero(of_row == person)
        pairs = []
        for draw in range(draws):
            mine = drawn(data, rows, each, np.random.default_rng([draw, person]))
            later = np.setdiff1d(rows, mine)
            new = adapt(model, data.only(modality), mine).model
            pairs.append((scores(model, data, later, modality), scores(new, data, later, modality)))
        (a, b), (c, d) = np.mean(pairs, 0)
        yield (float(a), float(b)), (float(c), float(d))


def line(what: str, each: int, found: list[tuple[Scores, Scores]]) -> list[str]:
    """Of the table."""
    before, after = (np.array([pair[i] for pair in found]) for i in (0, 1))
    gain = after - before
    cells = [f"{m[i].mean():.3f} ± {m[i].std(ddof=1):.3f}" for i in (0, 1) for m in (before.T, after.T)]
    return [what, str(each), *cells, f"{gain[:, 0].min():+.3f}", f"{gain[:, 1].max():+.3f}"]


def speech(run: Run, folder: Path) -> Dataset:
    """The Free Spoken Digit Dataset at the run's rate, without the other modalities."""
    spec = run.spec["audio"]
    assert isinstance(spec, WaveformSpec)
    return read_speech([folder / "fsdd"], run.spec.classes, Reading(rate=spec.rate))


def main() -> None:
    parser = argparse.ArgumentParser(description="What adapting to a few rows of one person gains.")
    parser.add_argument("--run", type=Path, help="run folder of a model that never heard fsdd")
    parser.add_argument("--data", type=Path, help="folder with fsdd")
    parser.add_argument("--draws", type=positive, default=3, help="draws of the rows")
    given = parser.parse_args()
    if (given.run is None) != (given.data is None):
        parser.error("--run and --data go together")
    torch.set_num_threads(1)
    packaged = Run.open()
    people = [("writers", packaged, digits_dataset().only("image"), "image", "sheet")]
    if given.run is not None:
        run = Run.open(given.run)
        people.append(("speakers", run, speech(run, given.data), "audio", "speaker"))
    table = [["", "rows of a class", "accuracy before", "after", "NLL before", "after", "worst", "worst NLL"]]
    for what, run, data, modality, group in people:
        for each in ROWS:
            found = list(changes(run, data, modality, group, each, given.draws))
            table.append(line(f"{len(found)} {what}", each, found))
    print(written(table, "markdown"))


if __name__ == "__main__":
    one_line_of_errors(main)
