"""Rows in memory: what a column may hold, and how NumPy and scikit-learn slice them."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.model_selection import GroupKFold, StratifiedKFold, train_test_split
from sklearn.utils import resample, shuffle

from seesay import InputError, Rows
from seesay.errors import ConfigError
from seesay.formats.columns import is_missing

PATHS = [f"{i}.wav" for i in range(6)]
PICTURES = np.arange(24).reshape(6, 2, 2)


@pytest.fixture
def rows() -> Rows:
    """Six rows; the third has no recording."""
    return Rows(image=PICTURES, audio=[None if i == 2 else path for i, path in enumerate(PATHS)])


def test_rows_are_as_many_as_the_entries_of_a_column(rows: Rows):
    assert len(rows) == 6
    assert rows.shape == (6, 2)
    assert rows.modalities == ("image", "audio")
    assert repr(rows) == "Rows(6 x image + audio)"


def test_a_number_gives_a_row_and_a_name_a_column(rows: Rows):
    row = rows[np.int64(2)]
    assert (row["image"] == PICTURES[2]).all()
    assert row["audio"] is None
    assert rows["image"] is rows.columns["image"]
    assert rows[-1]["audio"] == "5.wav"


@pytest.mark.parametrize(
    ("key", "numbers"),
    [
        (slice(1, None, 2), [1, 3, 5]),
        ([4, 0], [4, 0]),
        (np.array([5, 5]), [5, 5]),
        (np.array([True, False, False, True, False, False]), [0, 3]),
        ([], []),
        (slice(0, 0), []),
    ],
    ids=repr,
)
def test_rows_can_be_sliced_and_know_where_they_are_from(rows: Rows, key: Any, numbers: list[int]):
    part = rows[key]
    assert part.numbers.tolist() == numbers
    assert (part["image"] == PICTURES[numbers]).all()
    assert len(part["audio"]) == len(part) == len(numbers)


def test_a_slice_of_a_slice_keeps_the_numbers(rows: Rows):
    assert rows[2:][[0, 3]].numbers.tolist() == [2, 5]


def test_columns_are_picked_as_from_a_matrix(rows: Rows):
    assert rows[:, 1].tolist() == rows["audio"].tolist()
    assert rows[:, [1]].modalities == ("audio",)
    assert rows[[0, 1], ...].modalities == rows.modalities
    assert len(rows[[0, 1], ...]) == 2


def test_numpy_sees_a_matrix_of_objects(rows: Rows):
    cells = np.asarray(rows)
    assert cells.shape == rows.shape
    assert cells[2, 1] is None
    assert (cells[4, 0] == PICTURES[4]).all()


def test_scikit_learn_splits_and_draws_rows(rows: Rows):
    y, groups = [0, 1] * 3, [0, 0, 1, 1, 2, 2]
    train, test, *_ = train_test_split(rows, y, test_size=2, random_state=0, stratify=y)
    assert sorted([*train.numbers, *test.numbers]) == list(range(6))
    assert shuffle(rows, random_state=0).shape == rows.shape
    assert len(resample(rows, n_samples=9)) == 9
    assert len(list(StratifiedKFold(3).split(rows, y))) == 3
    for kept, left in GroupKFold(3).split(rows, y, groups):
        assert not set(np.array(groups)[kept]) & set(np.array(groups)[left])


@pytest.mark.parametrize(
    "cell", [None, "", float("nan"), np.float32("nan"), np.full((2, 2), np.nan)], ids=repr
)
def test_nothing_is_missing_in_many_ways(cell: Any):
    assert is_missing(cell)


@pytest.mark.parametrize("cell", ["a.wav", b"", Path(), 0.0, np.array([np.nan, 1]), np.zeros(2)], ids=repr)
def test_other_cells_are_not_missing(cell: Any):
    assert not is_missing(cell)


def test_columns_of_pandas_are_columns():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"audio": ["a.wav", None], "image": [pandas.NA, "b.png"]}, index=[7, 3])
    rows = Rows(**frame)
    assert rows["audio"].tolist() == ["a.wav", None]
    assert rows["image"].tolist() == [None, "b.png"]


def test_lists_of_numbers_are_arrays():
    rows = Rows(vector=[[1.0, 2.0], None])
    assert rows["vector"][0].tolist() == [1, 2]


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({}, "at least one column"),
        ({"image": "a.png"}, "image must be a column with an entry for each row, got str"),
        ({"image": 3}, "image must be a column .*, got int"),
        ({"image": ["a.png", 3]}, "image of row 1 must be a path, .*, got int"),
        ({"image": np.arange(3.0)}, "image of row 0 must be a path, .*, got float64"),
        ({"audio": [np.array(["a"])]}, "audio of row 0 must be"),
        ({"image": ["a.png"], "audio": []}, "got 1 in image, 0 in audio"),
    ],
)
def test_other_columns_are_refused(columns: dict[str, Any], message: str):
    with pytest.raises(InputError, match=message):
        Rows(**columns)


def test_a_modality_needs_a_name_that_can_be_an_option():
    with pytest.raises(ConfigError, match="'label'"):
        Rows(label=["a"])
    with pytest.raises(InputError, match="named by modality, got 0, 1"):
        Rows.of({0: ["a"], 1: ["b"]})
