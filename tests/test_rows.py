"""Labels stay as written, in one form, what looks alike is pointed out; rows of a group stay together."""

import unicodedata
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from seesay.data.dataset import MISSING, Dataset
from seesay.data.groups import components, joined
from seesay.data.splits import leaks, split
from seesay.errors import InputError
from seesay.formats.labels import alike, classes_of, label_names
from seesay.formats.open import import_data, open_data
from seesay.formats.rows import Table, dataset_from
from seesay.spec import PictureSpec
from test_manifest import manifest, picture, recording

NFD = unicodedata.normalize("NFD", "café")


def pictures(rows: int) -> Table:
    contents = np.arange(rows * 4, dtype=np.uint8).reshape(rows, 1, 2, 2)
    return Table(PictureSpec("photo", 1, 2, 2), contents, np.arange(rows, dtype=np.int32), "pictures")


def labelled(*labels: str, **columns: Any) -> Dataset:
    return dataset_from("a", {"image": pictures(len(labels))}, labels, **columns)


# ----------------------------------------------------------------------------------------------------- labels


@pytest.mark.parametrize(
    ("given", "classes"),
    [
        (["007", "01", "1"], ("01", "1", "007")),
        (["1e3", "2e1", "10"], ("10", "1e3", "2e1")),
        (["0.5", "1.5"], ("0.5", "1.5")),
        (["+2", "-1", "10"], ("-1", "+2", "10")),
        (["x", "10", "9"], ("10", "9", "x")),
        (["9" * 5_000, "1"], ("1", "9" * 5_000)),
        (["café", NFD], ("café",)),
    ],
)
def test_labels_stay_as_written_in_one_form(given: list[str], classes: tuple[str, ...]):
    assert classes_of(label_names(given, "a")) == classes


def test_numbers_of_a_numeric_type_are_whole():
    assert label_names(np.array([7.0, -1.0, 10.0]), "a").tolist() == ["7", "-1", "10"]
    assert label_names(np.array([7, 8], np.uint8), "a").tolist() == ["7", "8"]


def test_bytes_that_are_no_text_are_refused():
    with pytest.raises(InputError, match="must be text in UTF-8"):
        label_names(np.array([b"\xff", b"a"]), "a")


@pytest.mark.parametrize(
    "pair",
    [
        ("Cat", "cat"),
        ("a b", "a  b"),
        ("ﬁsh", "fish"),
        ("cat", "cat\u200b"),
        ("07", "7"),
        ("straße", "STRASSE"),
    ],
)
def test_labels_that_look_alike_are_kept_apart_and_pointed_out(pair: tuple[str, str]):
    data = labelled(*pair, "other", *pair, "other")
    assert len(data.spec.classes) == 3
    [note] = data.notes
    assert note.startswith("Classes that differ only in letter case")
    assert all(repr(name) in note for name in pair)


def test_different_labels_are_not_pointed_out():
    assert list(alike("Classes", ["cat", "dog", "1", "10", ""])) == []


def test_speakers_that_look_alike_are_pointed_out_and_forms_of_letters_are_one():
    data = labelled("a", "b", "a", "b", speaker=["Ann", "ann", "é", "e\u0301"])
    assert data.groups["image"]["speaker"].names == ("Ann", "ann", "é")
    assert "Speakers that differ only" in data.notes[0]


# ----------------------------------------------------------------------------------------------------- groups


def test_rows_of_a_group_stay_on_one_side_whatever_they_hold(tmp_path: Path):
    """One row of each group has a picture alone, one a recording alone, one both."""
    rows = []
    for i in range(12):
        image = f"p/{picture(tmp_path / 'p' / f'{i}.png', i)}"
        audio = f"s/{recording(tmp_path / 's' / f'{i}.wav', 300 + 20 * i)}"
        other = f"p/{picture(tmp_path / 'p' / f'o{i}.png', 100 + i)}"
        third = f"s/{recording(tmp_path / 's' / f'o{i}.wav', 310 + 20 * i)}"
        cells = ((image, ""), ("", audio), (other, third))
        rows += [{"image": a, "audio": b, "label": str(i % 2), "group": f"u{i}"} for a, b in cells]
    data = import_data(manifest(tmp_path / "a.csv", rows), tmp_path / "out")
    assert data.groups["image"]["group"].names == data.groups["audio"]["group"].names
    assert len(np.unique(components(data))) == 12
    parts = split(data, seed=1)
    assert leaks(data, parts) == ()
    unit = np.arange(36) // 3
    for one, other in ((parts.train, parts.test), (parts.train, parts.valid), (parts.valid, parts.test)):
        assert not np.isin(unit[one], unit[other]).any()


def test_a_stored_split_that_cuts_a_group_is_a_leak():
    data = labelled("a", "b", "a", "b", split=["train", "train", "test", "test"], group=["x", "y", "x", "z"])
    assert [(leak.what, leak.rows) for leak in leaks(data, split(data))] == [("image group", (1, 1))]


def test_groups_that_share_a_content_are_one():
    """Picture 0 is of a and of b; b has picture 1 too, which must follow it."""
    pointers = {"image": np.array([0, 0, 1, 2, MISSING])}
    groups = joined({"image": 4}, pointers, np.array(["a", "b", "b", "c", "a"]))
    assert groups["image"].ids.tolist() == [0, 0, 1, MISSING]
    assert groups["image"].names == ("a", "c")


def test_an_unknown_group_ties_nothing():
    data = labelled("a", "b", "a", "b", group=["", "", "u", "u"])
    assert data.groups["image"]["group"].ids.tolist() == [MISSING, MISSING, 0, 0]
    assert len(np.unique(components(data))) == 3


def test_a_group_column_of_another_length_is_refused():
    with pytest.raises(InputError, match="4 rows need as many groups, got 1"):
        labelled("a", "b", "a", "b", group=["u"])


def test_cases_of_labels_are_right(shared_data: Path):
    tables = shared_data.parent / "cases" / "tables"
    classes = {name: open_data(tables / f"{name}.csv").spec.classes for name in ("zeros", "float", "nfd")}
    assert classes == {"zeros": ("01", "1", "007"), "float": ("0.5", "1.5", "2.5"), "nfd": ("café", "the")}
