"""The review: rows whose labels were changed are found, without an eye on their own labels."""

import csv
import dataclasses
from pathlib import Path

import numpy as np
import pytest

from seesay.cli import main
from seesay.condition import Condition
from seesay.config import SplitConfig
from seesay.data.dataset import Dataset
from seesay.errors import InputError
from seesay.learn.run import Run
from seesay.measure.review import Review, by_all_modalities, keep_review, review, suspects
from tiny import tiny_config, tiny_data, tiny_run

FLIPPED = np.array([3, 17, 40, 61])
"""Of all splits."""


def mislabelled() -> Dataset:
    data = tiny_data()
    label = data.label.copy()
    label[FLIPPED] = (label[FLIPPED] + 1) % 3
    return data.replace(label=label)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("review")
    mislabelled().save(folder / "data")
    few = mislabelled().replace(
        split=np.where(mislabelled().split == 1, 0, mislabelled().split).astype(np.int8)
    )
    few.save(folder / "few")
    config = dataclasses.replace(tiny_config(8), split=SplitConfig(valid=0.0, folds=3))
    return tiny_run(folder / "run", few, config, source=str(folder / "few"))


@pytest.fixture(scope="module")
def found(run: Run) -> Review:
    data = Dataset.open(run.data)
    return review(run, run.model(), data)


def test_the_flipped_rows_are_listed_first(found: Review):
    first = {suspect.row for suspect in found.suspects[: len(FLIPPED)]}
    assert len(first & set(FLIPPED.tolist())) >= 3


def test_all_splits_are_reviewed_and_training_rows_are_held_out(found: Review):
    assert found.rows == 72
    assert not found.notes


def test_it_gives_the_likelier_class_and_its_probability(found: Review):
    data = tiny_data()
    for suspect in found.suspects[:3]:
        assert suspect.likelier == data.spec.classes[data.label[suspect.row]]
        assert suspect.probability > suspect.of_label
        assert suspect.condition == "image+audio"


def test_without_cross_fitting_it_says_that_rows_were_trained_on(tmp_path: Path):
    run = tiny_run(tmp_path / "run", mislabelled(), tiny_config(2))
    notes = review(run, run.model(), mislabelled()).notes
    assert len(notes) == 1
    assert "trained on them" in notes[0]
    assert not review(run, run.model(), mislabelled(), "test").notes


def test_rows_without_a_label_are_not_reviewed(run: Run):
    data = tiny_data().replace(label=np.full(72, -1))
    with pytest.raises(InputError, match="no labelled rows"):
        review(run, run.model(), data)


def test_a_class_that_the_model_is_always_sure_of_needs_more_to_be_likelier():
    """A probability of 0.6 is high for a class whose rows get 0.5, not for one whose rows get 0.9."""
    sure = np.tile([0.05, 0.9, 0.05], (5, 1))
    unsure = np.tile([0.5, 0.25, 0.25], (5, 1))
    odd = np.array([[0.3, 0.6, 0.1], [0.6, 0.3, 0.1]])
    label = np.array([1] * 5 + [0] * 5 + [2, 2])
    assert suspects(np.concatenate([sure, unsure, odd]), label).tolist() == [11]


def test_each_row_is_judged_by_all_that_it_has():
    nan = np.full(2, np.nan)
    alone, other = np.array([[0.9, 0.1], [0.8, 0.2]]), np.array([[0.3, 0.7], nan])
    together = np.array([[0.6, 0.4], nan])
    given = {Condition("image+audio"): together, Condition("image"): alone, Condition("audio"): other}
    best, conditions = by_all_modalities(given)
    assert best.tolist() == [[0.6, 0.4], [0.8, 0.2]]
    assert conditions.tolist() == ["image+audio", "image"]


def test_the_command_prints_a_table_and_keeps_all(run: Run, capsys: pytest.CaptureFixture[str]):
    assert main(["evaluate", str(run.folder), "--review"]) == 0
    said = capsys.readouterr().out
    assert "likelier label" in said
    lines = list(csv.DictReader((run.folder / "review.csv").read_text().splitlines()))
    assert {int(line["row"]) for line in lines[:4]} & set(FLIPPED.tolist())
    assert (run.folder / "figures" / "review.png").read_bytes().startswith(b"\x89PNG")
    assert not (run.folder / "metrics.json").exists(), "nothing is scored"


def test_nothing_suspect_is_said_so(run: Run, found: Review):
    none = dataclasses.replace(found, suspects=())
    keep_review(run, run.model(), Dataset.open(run.data), none)
    assert (run.folder / "review.csv").read_text().strip() == "row,split,label,likelier label,probability"
