"""Rows whose files cannot be read: skipped where asked for, always counted, named in a table beside the
result."""

import csv
from pathlib import Path

import numpy as np
import pytest

from seesay.data.skipped import Skipped, write_skipped
from seesay.errors import InputError
from seesay.formats.media import Reading
from seesay.formats.open import import_data, open_data
from test_manifest import manifest, pairs, picture

SKIP = Reading(on_bad="skip")


def spoilt(folder: Path) -> Path:
    """Ten rows of two classes; rows 3 and 4 cannot be read, row 6 is not there, row 8 names nothing."""
    rows = [{"image": picture(folder / f"{i}.png", i), "label": "ab"[i % 2]} for i in range(10)]
    (folder / "2.png").write_text("no picture")
    (folder / "3.png").write_bytes((folder / "3.png").read_bytes()[:50])
    (folder / "5.png").unlink()
    rows[7]["image"] = ""
    return manifest(folder / "a.csv", rows)


def test_bad_files_stop_by_default(tmp_path: Path):
    with pytest.raises(InputError, match="have neither picture nor recording"):
        open_data(spoilt(tmp_path))


def test_bad_rows_are_left_out_and_known(tmp_path: Path):
    data = open_data(spoilt(tmp_path), SKIP)
    assert [each.row for each in data.skipped] == [3, 4, 6, 8]
    assert [Path(each.file).name for each in data.skipped] == ["2.png", "3.png", "5.png", ""]
    assert "not a picture" in data.skipped[0].reason
    assert data.left_out == {"cannot be read": 4}
    assert data.source_rows().tolist() == [0, 1, 4, 6, 8, 9]
    assert data.label.tolist() == [0, 1, 0, 0, 0, 1]


def test_a_row_with_one_bad_file_of_two_is_left_out(tmp_path: Path):
    rows = pairs(tmp_path)
    (tmp_path / "sounds" / "3.wav").write_text("no recording")
    data = open_data(manifest(tmp_path / "a.csv", [*rows, *rows[:4]]), SKIP)
    assert [each.row for each in data.skipped] == [4, 10]
    assert data.pointers("image").tolist() == [0, 1, -1, 0, 0, 0, 1, -1]


def test_what_was_left_out_is_stored(tmp_path: Path):
    assert import_data(spoilt(tmp_path), tmp_path / "out", reading=SKIP).left_out == {"cannot be read": 4}


def test_where_nothing_can_be_read_nothing_is_skipped(tmp_path: Path):
    rows = [{"image": "a.png", "label": str(i % 2)} for i in range(4)]
    (tmp_path / "a.png").write_text("no picture")
    with pytest.raises(InputError, match="1 of 1 files cannot be read"):
        open_data(manifest(tmp_path / "a.csv", rows), SKIP)


def test_a_class_does_not_vanish(tmp_path: Path):
    rows = [{"image": picture(tmp_path / f"{i}.png", i), "label": "abc"[i // 2]} for i in range(6)]
    for i in (4, 5):
        (tmp_path / f"{i}.png").write_text("no picture")
    with pytest.raises(InputError, match="none of the files of 'c' can be read"):
        open_data(manifest(tmp_path / "a.csv", rows), SKIP)


def test_selected_rows_are_no_longer_those_of_a_source(tmp_path: Path):
    assert open_data(spoilt(tmp_path), SKIP).select(np.arange(2)).skipped == ()


def test_the_table_of_bad_rows(tmp_path: Path):
    out = tmp_path / "pairs"
    said = write_skipped(out, [Skipped(3, "a,b.png", "it is empty"), Skipped(5, "c.png", "no")])
    assert said == f"2 rows were skipped; {out}.bad.csv says which and why"
    with Path(f"{out}.bad.csv").open(newline="") as file:
        assert list(csv.reader(file)) == [
            ["row", "file", "reason"],
            ["3", "a,b.png", "it is empty"],
            ["5", "c.png", "no"],
        ]
    assert write_skipped(out, []) == ""
    assert not Path(f"{out}.bad.csv").exists()
    Path(f"{out}.bad.csv").write_text("mine")
    write_skipped(out, [])
    assert Path(f"{out}.bad.csv").read_text() == "mine"
